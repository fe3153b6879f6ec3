/* fuzz_node_msg.c: the bodies of the node's own frames, as a peer may send them. The first byte chooses
 * the decoder. What is decoded is encoded again to the same bytes; a result does not change on an
 * error; the errors are those of the header. */
#include "base/limits.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "node/node_msg.h"

#define ROUND_TRIP(decode, encode, type)                                                               \
    do {                                                                                               \
        type m, before;                                                                                \
        memset(&m, 0x5a, sizeof m);                                                                    \
        memcpy(&before, &m, sizeof m);                                                                 \
        int rv = decode(in, &m);                                                                       \
        MS_ASSERT(rv == 0 || rv == MS_ESHORT || rv == MS_ECORRUPT);                                    \
        if (rv < 0) {                                                                                  \
            MS_ASSERT(memcmp(&m, &before, sizeof m) == 0);                                             \
        } else {                                                                                       \
            encode(&out, &m);                                                                          \
            MS_ASSERT(!out.failed && bytes_equal(buf_bytes(&out), in));                                \
        }                                                                                              \
    } while (0)

static void check_chunk(struct bytes in)
{
    struct node_snap_chunk m;
    if (node_snap_chunk_decode(in, &m) < 0) return;
    MS_ASSERT(m.chunk.len > 0 && m.chunk.len <= SNAP_CHUNK_BYTES_HARD_MAX);
    MS_ASSERT(m.index > 0 && m.snap_term > 0 && m.snap_term <= m.term);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct buf out;
    if (len == 0) return 0;
    struct bytes in = bytes_of(data + 1, len - 1);
    buf_init(&out, &fuzz_heap, NET_FRAME_BYTES_MAX);
    switch (data[0]) {
    case NODE_FRAME_FORWARD:
        ROUND_TRIP(node_forward_decode, node_forward_encode, struct node_forward);
        break;
    case NODE_FRAME_FORWARD_REPLY:
        ROUND_TRIP(node_forward_reply_decode, node_forward_reply_encode, struct node_forward_reply);
        break;
    case NODE_FRAME_GATE: ROUND_TRIP(node_gate_decode, node_gate_encode, struct node_gate); break;
    case NODE_FRAME_SNAP_OFFER:
        ROUND_TRIP(node_snap_offer_decode, node_snap_offer_encode, struct node_snap_offer);
        break;
    case NODE_FRAME_SNAP_CHUNK:
        ROUND_TRIP(node_snap_chunk_decode, node_snap_chunk_encode, struct node_snap_chunk);
        check_chunk(in);
        break;
    case NODE_FRAME_SNAP_ACK:
        ROUND_TRIP(node_snap_ack_decode, node_snap_ack_encode, struct node_snap_ack);
        break;
    default: ROUND_TRIP(node_repair_decode, node_repair_encode, struct node_repair); break;
    }
    buf_fini(&out);
    return 0;
}
