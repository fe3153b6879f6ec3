/* seeds_node_msg.c: writes a small corpus for fuzz_node_msg into the directory argv[1]: each kind of
 * frame once, behind the byte that names it. */
#include "base/limits.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "node/node_msg.h"

static void save(const char *dir, const char *name, const struct buf *b)
{
    MS_ASSERT(!b->failed);
    seed_save(dir, name, buf_bytes(b));
}

static struct buf *begin(struct buf *b, enum node_frame type)
{
    buf_clear(b);
    buf_append_u8(b, (uint8_t)type);
    return b;
}

int main(int argc, char **argv)
{
    struct buf b;
    MS_ASSERT(argc == 2);
    buf_init(&b, &fuzz_heap, NET_FRAME_BYTES_MAX);
    struct node_forward forward = { .attempt = 3, .payload = bytes_of_str("an encoded entry") };
    node_forward_encode(begin(&b, NODE_FRAME_FORWARD), &forward);
    save(argv[1], "forward", &b);
    struct node_forward_reply reply = { 2, 7, 3, MS_EBUSY };
    node_forward_reply_encode(begin(&b, NODE_FRAME_FORWARD_REPLY), &reply);
    save(argv[1], "forward_reply", &b);
    struct node_gate gate = { .fresh = true, .reply_wanted = true, .list_hash = 0x1234567890abcdef };
    node_gate_encode(begin(&b, NODE_FRAME_GATE), &gate);
    save(argv[1], "gate", &b);
    struct node_snap_offer offer = { 5, 1, 100, 4, 1 };
    node_snap_offer_encode(begin(&b, NODE_FRAME_SNAP_OFFER), &offer);
    save(argv[1], "snap_offer", &b);
    struct node_snap_chunk chunk = { 5, 1, 100, 4, 0, true, bytes_of_str("a chunk of a snapshot") };
    node_snap_chunk_encode(begin(&b, NODE_FRAME_SNAP_CHUNK), &chunk);
    save(argv[1], "snap_chunk", &b);
    struct node_snap_ack ack = { .term = 5, .stream = 1, .taken = 1, .next = 1, .installed = true };
    node_snap_ack_encode(begin(&b, NODE_FRAME_SNAP_ACK), &ack);
    save(argv[1], "snap_ack", &b);
    struct node_repair repair = { 1, 5, 100 };
    node_repair_encode(begin(&b, NODE_FRAME_REPAIR), &repair);
    save(argv[1], "repair", &b);
    buf_fini(&b);
    return 0;
}
