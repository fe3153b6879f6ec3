/* The codec: what is encoded decodes to the same, what is cut or changed is refused or means itself. */
#include "tests/raft/cluster.h"

static struct raft_msg_entry decoded[RAFT_MSG_ENTRIES_MAX];

static uint32_t samples(struct raft_msg out[16], struct raft_msg_entry entries[2])
{
    uint32_t n = 0;
    entries[0] = (struct raft_msg_entry){ .term = 3, .payload = bytes_of("abc", 3) };
    entries[1] = (struct raft_msg_entry){ .term = 4 };
    memset(out, 0, 16 * sizeof *out);
    for (int type = RAFT_MSG_VOTE; type <= RAFT_MSG_TIMEOUT_NOW; type++, n++) {
        out[n] = (struct raft_msg){ .type = type, .from = 1, .to = UINT64_MAX, .term = 5 };
    }
    out[0].vote.pre = true;
    out[0].vote.last_index = 9;
    out[0].vote.last_term = 4;
    out[1].vote_reply.granted = out[1].vote_reply.abstain = true;
    out[1].vote_reply.asked_term = 6;
    out[2].append.prev_index = 7;
    out[2].append.prev_term = 2;
    out[2].append.commit_index = 6;
    out[2].append.round = 11;
    out[2].append.count = 2;
    out[2].append.entries = entries;
    out[3].append_reply.ok = true;
    out[3].append_reply.match_index = 8;
    out[3].append_reply.round = 11;
    out[4].read.token = 1u << 31;
    out[5].read_reply.token = 3;
    out[5].read_reply.index = 4;
    out[5].read_reply.status = MS_EBUSY;
    out[n] = out[0];
    out[n].vote.pre = false;
    out[n++].vote.transfer = true;
    out[n] = out[3];
    out[n].append_reply.ok = false;
    out[n].append_reply.abstain = true;
    out[n].append_reply.full = true;
    out[n].append_reply.closed = true;
    out[n++].append_reply.hint_index = 3;
    return n;
}

TEST(msg, round_trip_and_every_cut)
{
    struct raft_msg all[16], back;
    struct raft_msg_entry entries[2];
    struct test_alloc alloc;
    struct buf a, b;
    test_alloc_init(&alloc);
    buf_init(&a, &alloc.face, 1 << 20);
    buf_init(&b, &alloc.face, 1 << 20);
    uint32_t n = samples(all, entries);
    for (uint32_t i = 0; i < n; i++) {
        buf_clear(&a);
        buf_clear(&b);
        raft_msg_encode(&a, &all[i]);
        CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), 0);
        CHECK(back.type == all[i].type && back.from == 1 && back.to == UINT64_MAX && back.term == 5);
        raft_msg_encode(&b, &back);
        CHECK(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
        for (size_t len = 0; len < a.len; len++) {
            memset(&back, 0xee, sizeof back);
            struct raft_msg untouched = back;
            CHECK_EQ(raft_msg_decode(bytes_of(a.data, len), decoded, &back), MS_ESHORT);
            CHECK(memcmp(&untouched, &back, sizeof back) == 0);
        }
        buf_append_u8(&a, 0);
        CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), MS_ECORRUPT);
        a.len--;
        a.data[0] = 2;
        CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), MS_EVERSION);
        a.data[0] = 1;
        a.data[1] = 99;
        CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), MS_EVERSION);
    }
    CHECK_EQ(raft_msg_decode(bytes_of(NULL, 0), decoded, &back), MS_ESHORT);
    buf_fini(&a);
    buf_fini(&b);
    CHECK_EQ(alloc.alive, 0);
}

TEST(msg, what_has_no_meaning_is_refused)
{
    struct raft_msg all[16], back;
    struct raft_msg_entry entries[2];
    struct test_alloc alloc;
    struct buf a;
    test_alloc_init(&alloc);
    buf_init(&a, &alloc.face, 1 << 20);
    samples(all, entries);
    const size_t flags = 26; /* behind version, type, from, to, term */
    const int flagged[] = { 0, 1, 3 };
    for (uint32_t i = 0; i < 3; i++) {
        buf_clear(&a);
        raft_msg_encode(&a, &all[flagged[i]]);
        a.data[flags] = 0xff;
        CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), MS_ECORRUPT);
    }
    buf_clear(&a);
    raft_msg_encode(&a, &all[2]);
    bytes_store_u32(a.data + flags + 32, RAFT_MSG_ENTRIES_MAX + 1);
    CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), MS_ECORRUPT);
    bytes_store_u32(a.data + flags + 32, 3);
    CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), MS_ESHORT);
    bytes_store_u32(a.data + flags + 32, 2);
    bytes_store_u32(a.data + flags + 44, UINT32_MAX); /* the length of the first payload */
    CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), MS_ECORRUPT);
    buf_clear(&a);
    raft_msg_encode(&a, &all[5]);
    bytes_store_u16(a.data + a.len - 2, 7); /* a status that is no error */
    CHECK_EQ(raft_msg_decode(buf_bytes(&a), decoded, &back), MS_ECORRUPT);
    buf_fini(&a);
    CHECK_EQ(alloc.alive, 0);
}
