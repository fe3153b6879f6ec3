#include "sim/sim_frame_text.h"

#include <stdio.h>

static const char *flag(bool set, const char *text)
{
    return set ? text : "";
}

static void raft_text(char *out, size_t cap, const struct raft_msg *m)
{
    int head = snprintf(out, cap, "term %llu", (unsigned long long)m->term);
    out += head;
    cap -= (size_t)head;
    switch (m->type) {
    case RAFT_MSG_VOTE:
        snprintf(out, cap, ", its log ends at %llu of term %llu%s",
                 (unsigned long long)m->vote.last_index, (unsigned long long)m->vote.last_term,
                 flag(m->vote.transfer, ", on the leader's wish"));
        break;
    case RAFT_MSG_VOTE_REPLY:
        snprintf(out, cap, ", asked for term %llu: %s%s", (unsigned long long)m->vote_reply.asked_term,
                 m->vote_reply.granted ? "granted" : "refused",
                 flag(m->vote_reply.abstain, ", does not count"));
        break;
    case RAFT_MSG_APPEND:
        snprintf(out, cap, ", %u entries after %llu of term %llu, commit %llu, read round %llu",
                 m->append.count, (unsigned long long)m->append.prev_index,
                 (unsigned long long)m->append.prev_term, (unsigned long long)m->append.commit_index,
                 (unsigned long long)m->append.round);
        break;
    case RAFT_MSG_APPEND_REPLY:
        if (m->append_reply.ok)
            snprintf(out, cap, ", stored up to %llu%s%s, read round %llu",
                     (unsigned long long)m->append_reply.match_index,
                     flag(m->append_reply.abstain, ", does not count"),
                     flag(m->append_reply.full, ", its disk is full"),
                     (unsigned long long)m->append_reply.round);
        else
            snprintf(out, cap, ", does not fit after %llu; perhaps after %llu of term %llu",
                     (unsigned long long)m->append_reply.prev_index,
                     (unsigned long long)m->append_reply.hint_index,
                     (unsigned long long)m->append_reply.hint_term);
        break;
    default: break;
    }
}

void sim_frame_text(char out[SIM_FRAME_TEXT_BYTES], struct bytes body, const struct raft_msg *msg)
{
    if (msg)
        raft_text(out, SIM_FRAME_TEXT_BYTES, msg);
    else
        snprintf(out, SIM_FRAME_TEXT_BYTES, "%zu bytes", body.len);
}
