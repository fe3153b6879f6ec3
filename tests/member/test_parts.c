/* The parts of a member that stand alone: frames, the table of connections, tokens. */
#include <stdlib.h>

#include "env/rand.h"
#include "tests/member/rig.h"

/* --- frames --- */

static size_t frame_make(uint8_t *out, uint8_t type, const void *body, size_t len)
{
    frame_header(out, type, bytes_of(body, len));
    if (len) memcpy(out + FRAME_HEADER_BYTES, body, len);
    return FRAME_HEADER_BYTES + len;
}

TEST(frame, what_is_encoded_is_decoded)
{
    uint8_t body[3000], wire[2 * 3100];
    for (size_t i = 0; i < sizeof body; i++) body[i] = (uint8_t)(i * 7);
    for (size_t len = 0; len <= sizeof body; len += len < 20 ? 1 : 331) {
        size_t n = frame_make(wire, (uint8_t)len, body, len);
        n += frame_make(wire + n, 9, "next", 4);
        struct bytes_reader in = bytes_reader_of(bytes_of(wire, n));
        struct frame f;
        CHECK_EQ(frame_decode(&in, &f), 0);
        CHECK_EQ(f.type, (uint8_t)len);
        CHECK(bytes_equal(f.body, bytes_of(body, len)));
        CHECK_EQ(frame_decode(&in, &f), 0);
        CHECK(bytes_equal(f.body, bytes_of_str("next")));
        CHECK_EQ(frame_decode(&in, &f), MS_ESHORT);
    }
}

TEST(frame, every_shortening_and_every_flipped_bit_is_seen)
{
    uint8_t wire[64];
    size_t n = frame_make(wire, 3, "the body of a frame", 19);
    for (size_t len = 0; len < n; len++) {
        struct bytes_reader in = bytes_reader_of(bytes_of(wire, len));
        struct frame f = { .type = 77 };
        CHECK_EQ(frame_decode(&in, &f), MS_ESHORT);
        CHECK(in.at == 0 && f.type == 77);
    }
    for (size_t bit = 0; bit < 8 * n; bit++) {
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct bytes_reader in = bytes_reader_of(bytes_of(wire, n));
        struct frame f = { .type = 77 };
        CHECK(frame_decode(&in, &f) < 0);
        CHECK(in.at == 0 && f.type == 77);
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

TEST(frame, a_length_above_the_limit_is_refused_before_it_is_awaited)
{
    uint8_t wire[4];
    struct frame f;
    bytes_store_u32(wire, NET_FRAME_BYTES_MAX + 1);
    struct bytes_reader in = bytes_reader_of(bytes_of(wire, sizeof wire));
    CHECK_EQ(frame_decode(&in, &f), MS_ECORRUPT);
    bytes_store_u32(wire, NET_FRAME_BYTES_MAX);
    in = bytes_reader_of(bytes_of(wire, sizeof wire));
    CHECK_EQ(frame_decode(&in, &f), MS_ESHORT);
}

/* --- the table --- */

/* Against a plain array: after each of many random steps it finds exactly what is in it. */
TEST(table, finds_what_is_in_it_and_nothing_else)
{
    enum { N = 200 };
    static struct conn conns[N];
    bool in[N] = { false };
    struct test_alloc alloc;
    struct conn_table t;
    struct ms_rand rand;
    test_alloc_init(&alloc);
    ms_rand_init(&rand, 1, 1);
    conn_table_init(&t, &alloc.face);
    CHECK(conn_table_find(&t, 5) == NULL);
    for (uint32_t i = 0; i < N; i++)
        conns[i].number = i % 2 ? i : (uint64_t)i << 33; /* also far apart */
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t at = (uint32_t)ms_rand_below(&rand, N);
        if (in[at])
            conn_table_remove(&t, conns[at].number);
        else
            CHECK_EQ(conn_table_add(&t, &conns[at]), 0);
        in[at] = !in[at];
        at = (uint32_t)ms_rand_below(&rand, N);
        CHECK(conn_table_find(&t, conns[at].number) == (in[at] ? &conns[at] : NULL));
    }
    conn_table_fini(&t);
    CHECK_EQ(alloc.alive, 0);
}

/* --- tokens --- */

TEST(slots, a_token_finds_its_request_and_no_later_one)
{
    struct client a = { 0 }, b = { 0 };
    struct client_slots s = { .max = 2, .first_free = SLOT_NONE };
    struct test_alloc alloc;
    test_alloc_init(&alloc);
    CHECK_EQ(slots_add(&s, &alloc.face, &a), 0);
    CHECK_EQ(slots_add(&s, &alloc.face, &b), 0);
    struct client c = { 0 };
    CHECK_EQ(slots_add(&s, &alloc.face, &c), MS_EBUSY);
    uint64_t first = slots_begin(&s, &a);
    CHECK((first & MEMBER_TOKEN_LOCAL) == 0);
    CHECK(slots_find(&s, first) == NULL); /* nothing is under way yet */
    a.busy = true;
    CHECK(slots_find(&s, first) == &a);
    uint64_t second = slots_begin(&s, &a);
    CHECK(slots_find(&s, first) == NULL && slots_find(&s, second) == &a);
    slots_remove(&s, &a);
    CHECK(slots_find(&s, second) == NULL);
    CHECK_EQ(slots_add(&s, &alloc.face, &c), 0);
    CHECK_EQ(c.slot, a.slot);
    uint64_t third = slots_begin(&s, &c);
    c.busy = true;
    CHECK(third != second && slots_find(&s, second) == NULL && slots_find(&s, third) == &c);
    ms_free(&alloc.face, s.items);
    CHECK_EQ(alloc.alive, 0);
}
