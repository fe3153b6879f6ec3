/* Codecs of the node's own frames: what is encoded is decoded again; every shorter or longer form and
 * every value that no correct peer sends is refused, and then nothing of the result has changed. */
#include "base/limits.h"
#include "base/ms_err.h"
#include "node/node_msg.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc alloc;
static struct buf wire;

static void begin(void)
{
    test_alloc_init(&alloc);
    buf_init(&wire, &alloc.face, NET_FRAME_BYTES_MAX);
}

static void end(void)
{
    buf_fini(&wire);
    CHECK_EQ(alloc.alive, 0);
}

/* Every prefix of wire is too short, and one byte more is too much, but where the last field fills the
 * rest of the frame (rest_at: its offset; it may not be empty). */
#define CHECK_LENGTHS(decode, type, rest_at)                                                           \
    do {                                                                                               \
        type out_, before_;                                                                            \
        memset(&out_, 0xa5, sizeof out_);                                                              \
        before_ = out_;                                                                                \
        for (size_t len_ = 0; len_ < wire.len; len_++) {                                               \
            int rv_ = decode(bytes_of(wire.data, len_), &out_);                                        \
            if ((rest_at) && len_ > (rest_at)) {                                                       \
                CHECK_EQ(rv_, 0);                                                                      \
                out_ = before_;                                                                        \
                continue;                                                                              \
            }                                                                                          \
            CHECK_EQ(rv_, (rest_at) && len_ == (rest_at) ? MS_ECORRUPT : MS_ESHORT);                   \
            CHECK(memcmp(&out_, &before_, sizeof out_) == 0);                                          \
        }                                                                                              \
        buf_append_u8(&wire, 0);                                                                       \
        if (!(rest_at)) CHECK_EQ(decode(buf_bytes(&wire), &out_), MS_ECORRUPT);                        \
        if (!(rest_at)) CHECK(memcmp(&out_, &before_, sizeof out_) == 0);                              \
        wire.len--;                                                                                    \
    } while (0)

/* The byte at is not what a correct peer sends. */
#define CHECK_BAD_BYTE(decode, type, at, value)                                                        \
    do {                                                                                               \
        type out_;                                                                                     \
        uint8_t good_ = wire.data[at];                                                                 \
        wire.data[at] = (value);                                                                       \
        CHECK_EQ(decode(buf_bytes(&wire), &out_), MS_ECORRUPT);                                        \
        wire.data[at] = good_;                                                                         \
        CHECK_EQ(decode(buf_bytes(&wire), &out_), 0);                                                  \
    } while (0)

TEST(node_msg, forwards_and_their_replies)
{
    struct node_forward f = { .attempt = 0x0102030405060708, .payload = bytes_of_str("an entry") }, f2;
    struct node_forward_reply r = { 7, UINT64_MAX, 3, MS_EBUSY }, r2;
    static uint8_t large[ENTRY_PAYLOAD_BYTES_MAX + 1];
    begin();
    node_forward_encode(&wire, &f);
    CHECK_EQ(node_forward_decode(buf_bytes(&wire), &f2), 0);
    CHECK(f2.attempt == f.attempt && bytes_equal(f2.payload, f.payload));
    CHECK(f2.payload.data == wire.data + 8); /* borrowed */
    CHECK_LENGTHS(node_forward_decode, struct node_forward, 8u);

    buf_clear(&wire);
    f.payload = bytes_of(large, sizeof large - 1);
    node_forward_encode(&wire, &f);
    CHECK_EQ(node_forward_decode(buf_bytes(&wire), &f2), 0);
    buf_append_u8(&wire, 0);
    CHECK_EQ(node_forward_decode(buf_bytes(&wire), &f2), MS_ECORRUPT);

    buf_clear(&wire);
    node_forward_reply_encode(&wire, &r);
    CHECK_EQ(node_forward_reply_decode(buf_bytes(&wire), &r2), 0);
    CHECK(r2.incarnation == 7 && r2.seq == UINT64_MAX && r2.attempt == 3 && r2.status == MS_EBUSY);
    CHECK_LENGTHS(node_forward_reply_decode, struct node_forward_reply, 0u);
    buf_clear(&wire); /* success is told by applying, never by a reply */
    r.status = 0;
    node_forward_reply_encode(&wire, &r);
    CHECK_EQ(node_forward_reply_decode(buf_bytes(&wire), &r2), MS_ECORRUPT);
    buf_clear(&wire);
    r.status = 1;
    node_forward_reply_encode(&wire, &r);
    CHECK_EQ(node_forward_reply_decode(buf_bytes(&wire), &r2), MS_ECORRUPT);
    end();
}

TEST(node_msg, the_gate_and_repair)
{
    struct node_gate g2;
    struct node_repair p = { UINT64_MAX, 2, 3 }, p2;
    begin();
    for (uint32_t bits = 0; bits < 8; bits++) {
        struct node_gate g = { bits & 1, bits & 2, bits & 4, UINT64_MAX - bits };
        buf_clear(&wire);
        node_gate_encode(&wire, &g);
        CHECK_EQ(node_gate_decode(buf_bytes(&wire), &g2), 0);
        CHECK(g2.fresh == g.fresh && g2.passed == g.passed && g2.reply_wanted == g.reply_wanted);
        CHECK(g2.list_hash == g.list_hash);
        CHECK_LENGTHS(node_gate_decode, struct node_gate, 0u);
        for (size_t at = 0; at < 3; at++) CHECK_BAD_BYTE(node_gate_decode, struct node_gate, at, 2);
    }
    buf_clear(&wire);
    node_repair_encode(&wire, &p);
    CHECK_EQ(node_repair_decode(buf_bytes(&wire), &p2), 0);
    CHECK(p2.number == p.number && p2.term == p.term && p2.last_index == p.last_index);
    CHECK_LENGTHS(node_repair_decode, struct node_repair, 0u);
    end();
}

TEST(node_msg, wishes_for_a_transfer)
{
    struct node_transfer_wish w = { 7, UINT64_MAX }, w2;
    begin();
    node_transfer_encode(&wire, &w);
    CHECK_EQ(node_transfer_decode(buf_bytes(&wire), &w2), 0);
    CHECK(w2.term == 7 && w2.target == UINT64_MAX);
    CHECK_LENGTHS(node_transfer_decode, struct node_transfer_wish, 0u);
    end();
}

static int chunk_rv(const struct node_snap_chunk *m)
{
    struct node_snap_chunk out;
    buf_clear(&wire);
    node_snap_chunk_encode(&wire, m);
    return node_snap_chunk_decode(buf_bytes(&wire), &out);
}

TEST(node_msg, chunks_of_snapshots)
{
    static uint8_t large[SNAP_CHUNK_BYTES_HARD_MAX + 1];
    struct node_snap_chunk m = { .term = 9,
                                 .stream = UINT64_MAX,
                                 .index = 700,
                                 .snap_term = 8,
                                 .seq = 5,
                                 .last = true,
                                 .chunk = bytes_of_str("chunk") },
                           m2;
    begin();
    node_snap_chunk_encode(&wire, &m);
    CHECK_EQ(node_snap_chunk_decode(buf_bytes(&wire), &m2), 0);
    CHECK(m2.term == 9 && m2.stream == UINT64_MAX && m2.index == 700 && m2.snap_term == 8);
    CHECK(m2.seq == 5 && m2.last && bytes_equal(m2.chunk, m.chunk));
    CHECK_LENGTHS(node_snap_chunk_decode, struct node_snap_chunk, 41u);
    CHECK_BAD_BYTE(node_snap_chunk_decode, struct node_snap_chunk, 40, 2);

    m.snap_term = 9; /* a snapshot of the leader's own term */
    CHECK_EQ(chunk_rv(&m), 0);
    m.snap_term = 10; /* nobody has state of a term to come */
    CHECK_EQ(chunk_rv(&m), MS_ECORRUPT);
    m.snap_term = 0;
    CHECK_EQ(chunk_rv(&m), MS_ECORRUPT);
    m.snap_term = 8;
    m.index = 0;
    CHECK_EQ(chunk_rv(&m), MS_ECORRUPT);
    m.index = 1;
    m.chunk = bytes_of(large, sizeof large - 1);
    CHECK_EQ(chunk_rv(&m), 0);
    m.chunk = bytes_of(large, sizeof large);
    CHECK_EQ(chunk_rv(&m), MS_ECORRUPT);
    end();
}

static int offer_rv(const struct node_snap_offer *m)
{
    struct node_snap_offer out;
    buf_clear(&wire);
    node_snap_offer_encode(&wire, m);
    return node_snap_offer_decode(buf_bytes(&wire), &out);
}

TEST(node_msg, offers_of_snapshots)
{
    struct node_snap_offer m = { .term = 9, .stream = 2, .index = 7, .snap_term = 9, .number = 5 }, m2;
    begin();
    node_snap_offer_encode(&wire, &m);
    CHECK_EQ(node_snap_offer_decode(buf_bytes(&wire), &m2), 0);
    CHECK(m2.term == 9 && m2.stream == 2 && m2.index == 7 && m2.snap_term == 9 && m2.number == 5);
    CHECK_LENGTHS(node_snap_offer_decode, struct node_snap_offer, 0u);
    m.snap_term = 10;
    CHECK_EQ(offer_rv(&m), MS_ECORRUPT);
    m.snap_term = 0;
    CHECK_EQ(offer_rv(&m), MS_ECORRUPT);
    m.snap_term = 1;
    m.index = 0;
    CHECK_EQ(offer_rv(&m), MS_ECORRUPT);
    m.index = 1;
    m.number = 0;
    CHECK_EQ(offer_rv(&m), MS_ECORRUPT);
    end();
}

TEST(node_msg, acks_of_chunks)
{
    struct node_snap_ack a = { .term = 4,
                               .stream = 5,
                               .offer = 9,
                               .taken = 6,
                               .next = 7,
                               .status = MS_EEXIST },
                         a2;
    begin();
    node_snap_ack_encode(&wire, &a);
    CHECK_EQ(node_snap_ack_decode(buf_bytes(&wire), &a2), 0);
    CHECK(a2.term == 4 && a2.stream == 5 && a2.offer == 9 && a2.taken == 6 && a2.next == 7 &&
          a2.status == MS_EEXIST && !a2.installed);
    CHECK_LENGTHS(node_snap_ack_decode, struct node_snap_ack, 0u);
    CHECK_BAD_BYTE(node_snap_ack_decode, struct node_snap_ack, 42, 2);
    buf_clear(&wire);
    a.status = 0;
    a.installed = true;
    node_snap_ack_encode(&wire, &a);
    CHECK_EQ(node_snap_ack_decode(buf_bytes(&wire), &a2), 0);
    CHECK(a2.status == 0 && a2.installed);
    buf_clear(&wire);
    a.status = 1;
    node_snap_ack_encode(&wire, &a);
    CHECK_EQ(node_snap_ack_decode(buf_bytes(&wire), &a2), MS_ECORRUPT);
    buf_clear(&wire);
    a.status = 0;
    a.taken = a.next + 1; /* nothing is taken that was not heard */
    node_snap_ack_encode(&wire, &a);
    CHECK_EQ(node_snap_ack_decode(buf_bytes(&wire), &a2), MS_ECORRUPT);
    end();
}

TEST(node_msg, digests)
{
    struct node_digest_report m = { .index = 7, .digest = { 1, UINT64_MAX } }, m2;
    begin();
    node_digest_encode(&wire, &m);
    CHECK_EQ(node_digest_decode(buf_bytes(&wire), &m2), 0);
    CHECK(m2.index == 7 && m2.digest.hi == 1 && m2.digest.lo == UINT64_MAX);
    CHECK_LENGTHS(node_digest_decode, struct node_digest_report, 0);
    CHECK_BAD_BYTE(node_digest_decode, struct node_digest_report, 0, 0);
    end();
}
