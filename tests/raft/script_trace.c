/* script_trace.c: what a step is seen to have done, from outside: views before and after it, and what
 * it has put out. */
#include "tests/raft/script_private.h"

#include <stdarg.h>

#define ENTRIES_SAID 8u /* of a longer list only the ends are */
#define TEXT_SAID 16u

static int d(uint64_t v)
{
    return (int)v;
}

static const char *const kind_names[] = { NULL,           "vote",           "vote-reply", "append",
                                          "append-reply", "read",           "read-reply", "timeout-now",
                                          "pre-vote",     "pre-vote-reply", "snapshot" };

const char *script_kind_name(uint32_t kind)
{
    return kind < sizeof kind_names / sizeof kind_names[0] ? kind_names[kind] : NULL;
}

uint32_t script_kind_of(const struct raft_msg *m)
{
    if (m->type == RAFT_MSG_VOTE && m->vote.pre) return SCRIPT_PRE_VOTE;
    if (m->type == RAFT_MSG_VOTE_REPLY && m->vote_reply.pre) return SCRIPT_PRE_VOTE_REPLY;
    return m->type;
}

const char *script_error_name(int code)
{
    switch (code) {
#define X(name, value, text)                                                                           \
    case name: return #name;
        MS_ERR_MAP(X)
#undef X
    }
    return "?";
}

/* --- lines --- */

static void begin_line(struct script *s)
{
    buf_append(&s->out, "    ", 4);
}

static void end_line(struct script *s)
{
    buf_append_u8(&s->out, '\n');
}

void script_say(struct script *s, const char *format, ...)
{
    char line[SCRIPT_LINE_BYTES_MAX];
    va_list args;
    if (s->level == SCRIPT_TRACE_OFF) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_append_text(&s->out, "    %s\n", line);
}

static void say_entry(struct script *s, uint64_t index, uint64_t term, struct bytes payload)
{
    static const char *const names[] = {
        "", "noop", "init", "config", "attach", "", "compact", "digest"
    };
    struct entry e;
    buf_append_text(&s->out, " %d@%d", d(index), d(term));
    if (entry_decode(payload, &e) < 0) return;
    if (e.kind != ENTRY_TXN)
        buf_append_text(&s->out, " %s", names[e.kind]);
    else if (e.body.len > TEXT_SAID)
        buf_append_text(&s->out, " (%d bytes)", d(e.body.len));
    else if (e.body.len > 0)
        buf_append_text(&s->out, " %.*s", (int)e.body.len, (const char *)e.body.data);
}

/* --- state --- */

static void say_members(struct script *s, const struct config *c, uint8_t role, const char *name)
{
    bool first = true;
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        bool promoted = role == CONFIG_LEARNER && m->roles & CONFIG_PROMOTE;
        if (!(m->roles & role)) continue;
        if (first) buf_append_text(&s->out, "%s", name);
        first = false;
        buf_append_text(&s->out, " n%d%s", d(m->id), promoted ? "+" : "");
    }
}

void script_say_config(struct script *s, uint64_t id)
{
    const struct raft *r = s->cluster.nodes[id].raft;
    const struct config *c = raft_config(r);
    if (s->level == SCRIPT_TRACE_OFF) return;
    begin_line(s);
    buf_append_text(&s->out, "n%d config %d:", d(id), d(raft_config_index(r)));
    say_members(s, c, CONFIG_VOTER, " voters");
    say_members(s, c, CONFIG_OUTGOING, ", outgoing");
    say_members(s, c, CONFIG_LEARNER, ", learners");
    say_members(s, c, CONFIG_JOINS, ", to join");
    say_members(s, c, CONFIG_LEAVES, ", to leave");
    if (c->lease_ms)
        buf_append_text(&s->out, ", lease %d ms since %d", d(c->lease_ms), d(c->lease_index));
    end_line(s);
}

static void say_role(struct script *s, uint64_t id)
{
    const struct raft *r = s->cluster.nodes[id].raft;
    if (raft_role(r) != RAFT_FOLLOWER)
        script_say(s, "n%d is %s, term %d", d(id), raft_role_name(raft_role(r)), d(raft_term(r)));
    else if (raft_leader(r))
        script_say(s, "n%d follows n%d, term %d", d(id), d(raft_leader(r)), d(raft_term(r)));
    else
        script_say(s, "n%d follows nobody, term %d", d(id), d(raft_term(r)));
}

static void say_log(struct script *s, uint64_t id, uint64_t from, uint64_t to)
{
    const struct raft *r = s->cluster.nodes[id].raft;
    for (uint64_t i = from; i <= to; i++) {
        bool middle = to - from >= ENTRIES_SAID && i > from && i < to;
        struct entry_ref *e = raft_entry(r, i);
        if (middle && i == from + 1) buf_append_text(&s->out, " ...");
        if (middle) continue;
        if (e)
            say_entry(s, i, e->term, entry_ref_payload(e));
        else
            buf_append_text(&s->out, " %d@%d", d(i), d(raft_term_at(r, i)));
    }
}

/* From where on the log is another one. */
static uint64_t changed_from(const struct script_seen *seen, const struct raft *r)
{
    uint64_t i = raft_first_index(r);
    if (i < seen->first) i = seen->first;
    while (i <= seen->last && i <= raft_last_index(r) && seen->terms[i] == raft_term_at(r, i)) i++;
    return i;
}

static void say_log_change(struct script *s, uint64_t id)
{
    const struct raft *r = s->cluster.nodes[id].raft;
    const struct script_seen *seen = &s->nodes[id].seen;
    uint64_t from = changed_from(seen, r), first = raft_first_index(r);
    if (first != seen->first) {
        script_say(s, "n%d log begins behind %d@%d", d(id), d(first - 1),
                   d(raft_term_at(r, first - 1)));
    }
    if (from <= seen->last && seen->last >= first)
        script_say(s, "n%d log drops %d@%d to %d@%d", d(id), d(from), d(seen->terms[from]),
                   d(seen->last), d(seen->terms[seen->last]));
    if (from > raft_last_index(r) || s->level == SCRIPT_TRACE_OFF) return;
    begin_line(s);
    buf_append_text(&s->out, "n%d log takes", d(id));
    say_log(s, id, from, raft_last_index(r));
    end_line(s);
}

static void say_leadership(struct script *s, uint64_t id)
{
    const struct script_seen *seen = &s->nodes[id].seen;
    struct raft_leadership l;
    raft_leadership(s->cluster.nodes[id].raft, &l);
    if (l.stalled != seen->leadership.stalled) {
        script_say(s, "n%d disk %s", d(id), l.stalled ? "stalls" : "answers again");
    }
    if (l.lease_held != seen->leadership.lease_held) {
        script_say(s, "n%d %s", d(id), l.lease_held ? "holds a lease" : "has no lease any more");
    }
    if (l.transfer_to == seen->leadership.transfer_to) return;
    if (l.transfer_to)
        script_say(s, "n%d hands over to n%d", d(id), d(l.transfer_to));
    else
        script_say(s, "n%d hands over no more", d(id));
}

void script_see(struct script *s, uint64_t id)
{
    const struct raft *r = s->cluster.nodes[id].raft;
    struct script_seen *seen = &s->nodes[id].seen;
    raft_leadership(r, &seen->leadership);
    seen->role = raft_role(r);
    seen->term = raft_term(r);
    seen->leader = raft_leader(r);
    seen->vote = raft_vote(r);
    seen->commit = raft_commit_index(r);
    seen->first = raft_first_index(r);
    seen->last = raft_last_index(r);
    seen->config_index = raft_config_index(r);
    for (uint64_t i = seen->first; i <= seen->last; i++) seen->terms[i] = raft_term_at(r, i);
}

static void say_changes(struct script *s, uint64_t id)
{
    const struct raft *r = s->cluster.nodes[id].raft;
    const struct script_seen *seen = &s->nodes[id].seen;
    uint64_t vote = raft_vote(r), commit = raft_commit_index(r);
    bool role = seen->role != raft_role(r) || seen->leader != raft_leader(r);
    if (role || seen->term != raft_term(r)) say_role(s, id);
    if (vote != seen->vote && vote != 0 && vote != id) {
        script_say(s, "n%d votes for n%d, term %d", d(id), d(vote), d(raft_term(r)));
    }
    say_log_change(s, id);
    if (seen->config_index != raft_config_index(r)) script_say_config(s, id);
    if (seen->commit != commit) {
        script_say(s, "n%d commits %d@%d", d(id), d(commit), d(raft_term_at(r, commit)));
    }
    say_leadership(s, id);
    script_see(s, id);
}

/* --- messages --- */

static void say_append(struct script *s, const struct raft_msg *m)
{
    uint64_t count = m->append.count, prev = m->append.prev_index;
    buf_append_text(&s->out, " prev %d@%d commit %d", d(prev), d(m->append.prev_term),
                    d(m->append.commit_index));
    if (m->append.round) buf_append_text(&s->out, " round %d", d(m->append.round));
    for (uint64_t i = 0; i < count; i++) {
        const struct raft_msg_entry *e = &m->append.entries[i];
        bool middle = count > ENTRIES_SAID && i > 0 && i + 1 < count;
        if (i == 0) buf_append_text(&s->out, " [");
        if (middle && i == 1) buf_append_text(&s->out, " ...");
        if (!middle) say_entry(s, prev + 1 + i, e->term, e->payload);
    }
    if (count > 0) buf_append_text(&s->out, " ]");
}

static void say_append_reply(struct script *s, const struct raft_msg *m)
{
    if (m->append_reply.ok)
        buf_append_text(&s->out, " match %d", d(m->append_reply.match_index));
    else
        buf_append_text(&s->out, " no fit at %d, try %d@%d", d(m->append_reply.prev_index),
                        d(m->append_reply.hint_index), d(m->append_reply.hint_term));
    if (m->append_reply.round) buf_append_text(&s->out, " round %d", d(m->append_reply.round));
    if (m->append_reply.abstain) buf_append_text(&s->out, " abstains");
}

static void say_vote_reply(struct script *s, const struct raft_msg *m)
{
    buf_append_text(&s->out, m->vote_reply.granted ? " granted" : " refused");
    if (m->vote_reply.asked_term != m->term) {
        buf_append_text(&s->out, " (asked t%d)", d(m->vote_reply.asked_term));
    }
    if (m->vote_reply.abstain) buf_append_text(&s->out, " abstains");
}

static void say_read_reply(struct script *s, const struct raft_msg *m)
{
    buf_append_text(&s->out, " r%d", d(m->read_reply.token));
    if (m->read_reply.status < 0)
        buf_append_text(&s->out, " refused: %s", script_error_name(m->read_reply.status));
    else
        buf_append_text(&s->out, " at %d", d(m->read_reply.index));
}

static void say_body(struct script *s, const struct raft_msg *m)
{
    switch (m->type) {
    case RAFT_MSG_VOTE:
        buf_append_text(&s->out, " log %d@%d%s", d(m->vote.last_index), d(m->vote.last_term),
                        m->vote.transfer ? " transfer" : "");
        break;
    case RAFT_MSG_VOTE_REPLY: say_vote_reply(s, m); break;
    case RAFT_MSG_APPEND: say_append(s, m); break;
    case RAFT_MSG_APPEND_REPLY: say_append_reply(s, m); break;
    case RAFT_MSG_READ: buf_append_text(&s->out, " r%d", d(m->read.token)); break;
    case RAFT_MSG_READ_REPLY: say_read_reply(s, m); break;
    case RAFT_MSG_TIMEOUT_NOW: break;
    }
}

void script_say_message(struct script *s, const char *fate, const struct raft_msg *m)
{
    if (s->level != SCRIPT_TRACE_ALL) return;
    begin_line(s);
    buf_append_text(&s->out, "n%d>n%d %s%s t%d", d(m->from), d(m->to), fate,
                    script_kind_name(script_kind_of(m)), d(m->term));
    say_body(s, m);
    end_line(s);
}

void script_say_flight(struct script *s, const char *fate, const struct script_flight *f)
{
    if (s->level != SCRIPT_TRACE_ALL) return;
    script_say(s, "n%d>n%d %ssnapshot %d@%d", d(f->from), d(f->to), fate, d(f->state.index),
               d(f->state.term));
}

static void say_item(struct script *s, uint64_t id, const struct raft_output_item *item)
{
    const struct raft_msg *m = &item->message;
    switch (item->kind) {
    case RAFT_OUTPUT_SEND: script_say_message(s, s->cluster.cut[id][m->to] ? "lost: " : "", m); break;
    case RAFT_OUTPUT_READ:
        if (item->read.status < 0)
            script_say(s, "n%d read r%d refused: %s", d(id), d(item->read.token),
                       script_error_name(item->read.status));
        else
            script_say(s, "n%d read r%d at %d", d(id), d(item->read.token), d(item->read.index));
        break;
    case RAFT_OUTPUT_SNAPSHOT: break; /* said when it sets out */
    case RAFT_OUTPUT_FETCH:
        script_say(s, "n%d fetches %d to %d for n%d", d(id), d(item->fetch.first_index),
                   d(item->fetch.last_index), d(item->fetch.peer));
        break;
    }
}

void script_watch(struct cluster *c, uint64_t id, const struct raft_input *in, int rv)
{
    struct script *s = c->watch_ctx;
    (void)in;
    if (rv < 0) script_say(s, "n%d refuses: %s", d(id), script_error_name(rv));
    say_changes(s, id);
    for (uint32_t i = 0; i < c->out.count; i++) say_item(s, id, &c->out.items[i]);
}

void script_say_member(struct script *s, uint64_t id)
{
    const struct cluster_node *n = &s->cluster.nodes[id];
    const struct raft *r = n->raft;
    if (s->level == SCRIPT_TRACE_OFF) return;
    if (!r) {
        script_say(s, "n%d does not run: disk term %d, log to %d", d(id), d(n->disk.term),
                   d(n->disk.last_index));
        return;
    }
    begin_line(s);
    buf_append_text(&s->out, "n%d %s, term %d, commit %d, applied %d, durable %d, log", d(id),
                    raft_role_name(raft_role(r)), d(raft_term(r)), d(raft_commit_index(r)),
                    d(n->state.index), d(raft_durable_index(r)));
    if (raft_first_index(r) > 1) buf_append_text(&s->out, " behind %d:", d(raft_first_index(r) - 1));
    say_log(s, id, raft_first_index(r), raft_last_index(r));
    end_line(s);
}
