/* raft_msg.h: messages between replicas, and their codec (bytes: docs/FORMATS.md). */
#ifndef RAFT_RAFT_MSG_H
#define RAFT_RAFT_MSG_H

#include "base/bytes.h"
#include "format/buf.h"
#include "format/entry.h"

enum raft_msg_type {
    RAFT_MSG_VOTE = 1, /* RequestVote; pre: a pre-vote (diss. 9.6), term is then the next term */
    RAFT_MSG_VOTE_REPLY,
    RAFT_MSG_APPEND, /* AppendEntries, also the heartbeat */
    RAFT_MSG_APPEND_REPLY,
    RAFT_MSG_READ, /* a follower asks the leader for a read index (diss. 6.4) */
    RAFT_MSG_READ_REPLY,
    RAFT_MSG_TIMEOUT_NOW /* leadership transfer (diss. 3.10) */
};

/* An entry of an APPEND. When sending, ref is set; when decoded, ref is NULL and payload borrows from
 * the frame. */
struct raft_msg_entry {
    uint64_t term;
    struct bytes payload;
    struct entry_ref *ref;
};

#define RAFT_MSG_ENTRIES_MAX 1024u

struct raft_msg {
    enum raft_msg_type type;
    uint64_t from, to, term;
    union {
        struct {
            bool pre, transfer; /* transfer: the leader wished it, leader stickiness does not hold */
            uint64_t last_index, last_term; /* of the candidate's durable log */
        } vote;
        struct {
            bool pre, granted, abstain; /* abstain: not to be counted (DESIGN 4) */
            /* The term of the request. The reply itself carries the term of the replier, which may be
             * lower when a pre-vote is granted, and higher when it is refused (BUGS B18, B64). */
            uint64_t asked_term;
        } vote_reply;
        struct {
            uint64_t prev_index, prev_term, commit_index;
            uint64_t round; /* newest read round of this leader (DESIGN 3); echoed by the reply */
            uint32_t count;
            const struct raft_msg_entry *entries; /* indexes prev_index + 1 and up; borrowed */
        } append;
        struct {
            bool ok, abstain, full, closed; /* the last two: as in RAFT_INPUT_ROOM (DESIGN 5) */
            uint64_t match_index;   /* ok: durable up to here and equal to the leader's */
            /* not ok: the append with this prev_index did not fit; the newest (index, term) that might
             */
            uint64_t prev_index, hint_index, hint_term;
            uint64_t round;
        } append_reply;
        struct {
            uint64_t token; /* the asker's, unique over its lives */
        } read;
        struct {
            uint64_t token, index;
            int16_t status; /* 0 or MS_ENOLEADER, MS_EBUSY */
        } read_reply;
    };
};

void raft_msg_encode(struct buf *out, const struct raft_msg *m);
/* Decode one message. entries: room for RAFT_MSG_ENTRIES_MAX, used by APPEND, outlives out.
 * MS_ESHORT, MS_ECORRUPT, MS_EVERSION: *out unchanged. The whole of b has to be one message. */
int raft_msg_decode(struct bytes b, struct raft_msg_entry *entries, struct raft_msg *out);

#endif
