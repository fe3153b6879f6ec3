/* node_digest.c: whether the state of this member is what the others have (DESIGN 6).
 *
 * Now and then the leader puts an entry into the log that says nothing: whoever applies it tells all others
 * the digest of its state there. What was applied up to one index is the same on all members, so their
 * digests there have to be equal, whatever their engines, and whenever each of them gets there.
 *
 *   V1  a digest that a majority of the voters reports is right (of both majorities in a joint configuration)
 *   V2  who holds another one stops, and builds its state anew at its next start: from its log if that is whole
 *       from the beginning, else from the others. Its log is not in doubt, so its vote and acks are none of this
 *   V3  when no digest can be right any more, nobody knows who is: all stop, and keep what they have. Not at once:
 *       whose connection has ended may have another state by now, and that it has ended may be noticed late. So
 *       all reports are forgotten, and it is for what is told from then on to say the same again
 *   V4  a report that is missing decides nothing
 *   V5  what was reported before a connection closed, or a snapshot took the state's place, is forgotten: that
 *       state may be gone
 *
 * The digest is a sum that each change carries on (kv.h, S4). So a record that rotted in memory shows when it is
 * changed the next time, a difference in what was applied at once. */
#include <stdio.h>
#include <string.h>

#include "node/node_private.h"

static struct node_digest_reports *reports_of(struct node *n, uint64_t id)
{
    struct node_digest_reports *free = NULL;
    for (uint32_t i = 0; i < MS_MEMBERS_MAX; i++) {
        struct node_digest_reports *r = &n->digests.members[i];
        if (r->member_id == id) return r;
        if (r->member_id == 0 || !config_find(&n->info.config, r->member_id)) free = r;
    }
    if (!free || !config_find(&n->info.config, id)) return NULL;
    *free = (struct node_digest_reports){ .member_id = id };
    return free;
}

static const struct kv_digest *report_at(const struct node *n, uint64_t id, uint64_t index)
{
    for (uint32_t i = 0; i < MS_MEMBERS_MAX; i++) {
        const struct node_digest_reports *r = &n->digests.members[i];
        const struct node_digest_report *kept = &r->kept[index % NODE_DIGESTS_KEPT];
        if (r->member_id == id) return kept->index == index ? &kept->digest : NULL;
    }
    return NULL;
}

/* --- the judgement --- */

/* Whether a majority of those with role have that digest at index; hoped: or may still turn out to. */
static bool is_majority(const struct node *n, uint8_t role, uint64_t index,
                        const struct kv_digest *digest, bool hoped)
{
    const struct config *c = &n->info.config;
    uint32_t count = 0, sharing = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (!(c->members[i].roles & role)) continue;
        const struct kv_digest *reported = report_at(n, c->members[i].id, index);
        count++;
        sharing += reported ? kv_digest_equal(*reported, *digest) : hoped;
    }
    return 2 * sharing > count;
}

static bool is_shared(const struct node *n, uint64_t index, const struct kv_digest *digest, bool hoped)
{
    if (!is_majority(n, CONFIG_VOTER, index, digest, hoped)) return false;
    return !config_is_joint(&n->info.config) || is_majority(n, CONFIG_OUTGOING, index, digest, hoped);
}

/* The digest that is right at index, or NULL; *hopeless: there will be none (V3). */
static const struct kv_digest *right_digest(const struct node *n, uint64_t index, bool *hopeless)
{
    const struct config *c = &n->info.config;
    bool any = false, hope = false;
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (!config_is_voter(c, c->members[i].id)) continue;
        const struct kv_digest *reported = report_at(n, c->members[i].id, index);
        any |= reported != NULL;
        if (!reported) continue;
        if (is_shared(n, index, reported, false)) return reported;
        hope |= is_shared(n, index, reported, true);
    }
    *hopeless = any && !hope;
    return NULL;
}

/* The start that follows finds the flag and leaves the state where it is (node_boot.c). */
static void condemn_own(struct node *n, uint64_t index)
{
    if (n->digests.wrong_index) return;
    log_line(n->log, LOG_ERROR,
             "the state of this member differs at index %llu from what a majority has: stopping, the "
             "next start "
             "builds it anew",
             (unsigned long long)index);
    n->digests.wrong_index = index;
    n->store.state.flags |= WAL_FLAG_STATE_WRONG;
    node_state_changed(n);
    n->digests.wrong_version = n->store.state_version;
}

/* No digest can be right at index. Two that differed one after the other, and never both at once, look the same
 * while the end of the first one's connection is not noticed. The leader lets compare again. */
static void doubt_all(struct node *n, uint64_t index)
{
    log_line(n->log, LOG_WARN,
             "the members differ in their states at index %llu, and no majority shares one: "
             "comparing again",
             (unsigned long long)index);
    memset(n->digests.members, 0, sizeof n->digests.members);
    n->digests.hopeless_index = index;
}

static void judge(struct node *n, uint64_t index)
{
    char reason[NODE_WHY_BYTES];
    bool hopeless = false;
    const struct kv_digest *own = report_at(n, n->opts.id, index);
    if (!own) return;
    const struct kv_digest *right = right_digest(n, index, &hopeless);
    if (right && !kv_digest_equal(*right, *own)) condemn_own(n, index);
    if (right) n->digests.hopeless_index = 0;
    if (right || !hopeless) return;
    if (n->digests.hopeless_index == 0) {
        doubt_all(n, index);
        return;
    }
    snprintf(reason, sizeof reason,
             "the members differ in their states at index %llu, and no majority shares one: all stop "
             "and keep "
             "their data",
             (unsigned long long)index);
    node_fail(n, MS_EDIVERGED, reason);
}

/* --- reports --- */

static void note(struct node *n, uint64_t id, const struct node_digest_report *report)
{
    struct node_digest_reports *r = reports_of(n, id);
    if (!r) return;
    struct node_digest_report *kept = &r->kept[report->index % NODE_DIGESTS_KEPT];
    if (report->index >= kept->index)
        *kept = *report; /* what is told again after a restart may be old */
}

void node_digest_applied(struct node *n, const struct kv_result *result)
{
    const struct config *c = &n->info.config;
    struct node_digest_report own = { .index = result->index, .digest = result->digest };
    n->digests.last_index = result->index;
    note(n, n->opts.id, &own);
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].id == n->opts.id) continue;
        buf_clear(&n->frame);
        node_digest_encode(&n->frame, &own);
        node_send_frame(n, c->members[i].id, NODE_FRAME_DIGEST);
    }
    judge(n, result->index);
}

void node_on_digest(struct node *n, uint64_t from, struct bytes body)
{
    struct node_digest_report heard;
    if (node_digest_decode(body, &heard) < 0 || from == n->opts.id) return;
    note(n, from, &heard);
    judge(n, heard.index);
}

void node_digest_forget(struct node *n, uint64_t id)
{
    struct node_digest_reports *r = reports_of(n, id);
    if (r) *r = (struct node_digest_reports){ .member_id = id };
}

/* --- in time --- */

/* Nothing served or answered from here on: what is known to be wrong must not be read. */
bool node_digest_is_wrong(const struct node *n)
{
    return n->digests.wrong_index != 0;
}

void node_digest_stored(struct node *n)
{
    char reason[NODE_WHY_BYTES];
    if (!n->digests.wrong_index || !node_state_durable(n, n->digests.wrong_version)) return;
    snprintf(reason, sizeof reason,
             "the state of this member differs at index %llu from what a majority has: the next start "
             "builds it anew",
             (unsigned long long)n->digests.wrong_index);
    node_fail(n, MS_EDIVERGED, reason);
}

/* Whether all who answer and have the last entry have told the same as this member. Who has not, or tells
 * something else and goes on, has lost a report, or its own was lost, with a connection. */
static bool all_have_told(const struct node *n)
{
    const struct config *c = &n->info.config;
    uint64_t index = n->digests.last_index, match;
    const struct kv_digest *own = report_at(n, n->opts.id, index);
    bool recent;
    for (uint32_t i = 0; i < c->member_count; i++) {
        uint64_t id = c->members[i].id;
        if (!raft_peer_match(n->raft, id, &match, &recent) || !recent || match < index) continue;
        const struct kv_digest *told = report_at(n, id, index);
        if (!own || !told || !kv_digest_equal(*own, *told)) return false;
    }
    return true;
}

/* On a leader that has committed in its own term. Where nothing was applied since the last one, and all have told,
 * there is nothing to compare: an idle cluster writes nothing. One whose reports never come is asked for them
 * less and less often. */
void node_digest_tick(struct node *n)
{
    struct node_digests *d = &n->digests;
    bool news = n->info.applied_index > d->last_index;
    uint64_t wait_ms = (uint64_t)n->opts.digest_ms << (news ? 0 : d->repeats);
    if (wait_ms == 0 || d->proposed_ms + wait_ms > n->now_ms) return;
    if (!news && all_have_told(n)) return;
    if (node_own_pending(n, ENTRY_DIGEST)) return;
    if (node_propose_own(n, ENTRY_DIGEST, bytes_of(NULL, 0)) < 0) return; /* tried again */
    d->proposed_ms = n->now_ms;
    if (news)
        d->repeats = 0;
    else if (d->repeats < NODE_DIGEST_REPEATS_MAX)
        d->repeats++;
}
