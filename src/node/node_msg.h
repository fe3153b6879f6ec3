/* node_msg.h: frames between nodes: raft's own messages and what the node adds (DESIGN 3, 4, 5). */
#ifndef NODE_NODE_MSG_H
#define NODE_NODE_MSG_H

#include "base/bytes.h"
#include "format/buf.h"
#include "format/entry.h"
#include "kv/kv.h"

enum node_frame {
    NODE_FRAME_RAFT = 1,      /* raft/raft_msg.h */
    NODE_FRAME_FORWARD,       /* proposals of the sender, for the leader */
    NODE_FRAME_FORWARD_REPLY, /* the receiver refused one: certainly not appended by this sending */
    NODE_FRAME_GATE,          /* what the sender knows while a cluster is being founded (DESIGN 4) */
    NODE_FRAME_SNAP_CHUNK,    /* a piece of a snapshot, on its stream, leader to follower */
    NODE_FRAME_SNAP_ACK,      /* how far it has been taken, or that it cannot be */
    NODE_FRAME_REPAIR,        /* a damaged member reports itself to the leader (DESIGN 5) */
    NODE_FRAME_REPAIR_REPLY,  /* the leader's last index, once it has committed in its own term */
    NODE_FRAME_TRANSFER,      /* a wish, for the leader: hand over */
    NODE_FRAME_SNAP_OFFER,    /* a snapshot to be had, on its stream: where shall its chunks go on? */
    NODE_FRAME_ROOM,          /* the leader: whether a quorum has room on its disks */
    NODE_FRAME_DIGEST         /* the digest of the sender's state at an index that the log names */
};

struct node_forward {
    uint64_t attempt;     /* the sender's number of this sending of this proposal */
    struct bytes payload; /* an encoded entry, with its origin */
};
struct node_forward_reply {
    uint64_t incarnation, seq, attempt;
    int16_t status; /* why: MS_ENOLEADER, MS_EBUSY, MS_ECONFLICT, ... */
};
struct node_gate {
    bool fresh; /* knows no committed entry */
    bool passed;
    bool reply_wanted;
    uint64_t list_hash; /* of --cluster */
};
struct node_snap_offer {
    uint64_t term;             /* the leader's */
    uint64_t stream;           /* the leader's number of this transfer, unique in its term */
    uint64_t index, snap_term; /* of the snapshot */
    uint64_t number;           /* of this offer, from 1 */
};
struct node_snap_chunk {
    uint64_t term, stream, index, snap_term; /* as in the offer */
    uint64_t seq;                            /* of the chunk, from 0 */
    bool last;
    struct bytes chunk; /* as kv made it */
};
struct node_snap_ack {
    uint64_t term, stream;
    uint64_t offer; /* the number of the offer that this answers; 0: a chunk was taken */
    uint64_t taken; /* all chunks below are */
    uint64_t next;  /* the one to be sent next; what lies between was heard */
    /* 0; MS_EBUSY: not now, offer it again; MS_EEXIST: not needed any more; else it failed: begin anew
     */
    int16_t status;
    bool installed; /* all of it is durable and loaded */
};

struct node_repair {
    uint64_t number;     /* the asker's, so that an old reply is not taken for a new one */
    uint64_t term;       /* REPLY: the leader's */
    uint64_t last_index; /* REPLY: hold the leader's log up to here, then you are repaired */
};

struct node_transfer_wish {
    uint64_t term;   /* of the leader it is meant for: one that comes late does nothing */
    uint64_t target; /* 0: the best of the others */
};

struct node_room {
    uint64_t term, number; /* the leader's; of this frame in its term */
    bool lacks;            /* no quorum has room: writes are refused before they are proposed */
};

struct node_digest_report {
    uint64_t index; /* of the ENTRY_DIGEST that was applied; 0: none */
    struct kv_digest digest;
};

void node_forward_encode(struct buf *out, const struct node_forward *m);
int node_forward_decode(struct bytes in, struct node_forward *out);
void node_forward_reply_encode(struct buf *out, const struct node_forward_reply *m);
int node_forward_reply_decode(struct bytes in, struct node_forward_reply *out);
void node_gate_encode(struct buf *out, const struct node_gate *m);
int node_gate_decode(struct bytes in, struct node_gate *out);
void node_snap_offer_encode(struct buf *out, const struct node_snap_offer *m);
int node_snap_offer_decode(struct bytes in, struct node_snap_offer *out);
void node_snap_chunk_encode(struct buf *out, const struct node_snap_chunk *m);
int node_snap_chunk_decode(struct bytes in, struct node_snap_chunk *out);
void node_snap_ack_encode(struct buf *out, const struct node_snap_ack *m);
int node_snap_ack_decode(struct bytes in, struct node_snap_ack *out);
void node_repair_encode(struct buf *out, const struct node_repair *m);
int node_repair_decode(struct bytes in, struct node_repair *out);
void node_transfer_encode(struct buf *out, const struct node_transfer_wish *m);
int node_transfer_decode(struct bytes in, struct node_transfer_wish *out);
void node_room_encode(struct buf *out, const struct node_room *m);
int node_room_decode(struct bytes in, struct node_room *out);
void node_digest_encode(struct buf *out, const struct node_digest_report *m);
int node_digest_decode(struct bytes in, struct node_digest_report *out);

#endif
