/* test_kv_format.c: keys and values of the engine byte by byte: their order, their one encoding, and
 * what is refused. */
#include <stdlib.h>

#include "base/ms_err.h"
#include "kv/kv_private.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct test_alloc a;

static bool is(const struct buf *b, const char *bytes, size_t len)
{
    return bytes_equal(buf_bytes(b), bytes_of(bytes, len));
}

TEST(kv_format, keys)
{
    struct buf key, other, user_key;
    uint64_t revision;
    uint32_t sub;
    test_alloc_init(&a);
    buf_init(&key, &a.face, ENGINE_KEY_BYTES_MAX);
    buf_init(&other, &a.face, ENGINE_KEY_BYTES_MAX);
    buf_init(&user_key, &a.face, MS_KEY_BYTES_MAX);
    kv_key_current(&key, bytes_of("a\0b", 3));
    CHECK(is(&key, "ca\0b", 4));
    kv_key_history(&key, bytes_of("a\0b", 3), 0x0102030405060708);
    CHECK(is(&key,
             "ha\0\xff"
             "b\0\1\1\2\3\4\5\6\7\10",
             15));
    CHECK(kv_key_history_decode(buf_bytes(&key), &user_key, &revision));
    CHECK(is(&user_key, "a\0b", 3));
    CHECK_EQ(revision, 0x0102030405060708);
    for (size_t len = 0; len < key.len; len++) {
        CHECK(!kv_key_history_decode(bytes_of(key.data, len), &user_key, &revision));
    }
    CHECK(!kv_key_history_decode(bytes_of("ha\0\2\0\0\0\0\0\0\0\1", 12), &user_key, &revision));
    CHECK(!kv_key_history_decode(bytes_of("h\0\1\0\0\0\0\0\0\0\1", 11), &user_key, &revision));
    kv_key_rev(&key, 0x0102030405060708, 0x0a0b0c0d);
    CHECK(is(&key, "r\1\2\3\4\5\6\7\10\x0a\x0b\x0c\x0d", 13));
    CHECK(kv_key_rev_decode(buf_bytes(&key), &revision, &sub));
    CHECK(revision == 0x0102030405060708 && sub == 0x0a0b0c0d);
    CHECK(!kv_key_rev_decode(bytes_of(key.data, 12), &revision, &sub));
    /* The longest key there is fits what an engine takes. */
    uint8_t *nuls = calloc(1, MS_KEY_BYTES_MAX);
    kv_key_history(&key, bytes_of(nuls, MS_KEY_BYTES_MAX), 1);
    CHECK(!key.failed);
    free(nuls);
    /* Order is that of [key, revision]. */
    static const struct bytes keys[] = {
        { (const uint8_t *)"\0", 1 },      { (const uint8_t *)"\0\0", 2 },
        { (const uint8_t *)"\0\1", 2 },    { (const uint8_t *)"\1", 1 },
        { (const uint8_t *)"a", 1 },       { (const uint8_t *)"a\0", 2 },
        { (const uint8_t *)"a\0\xff", 3 }, { (const uint8_t *)"a\1", 2 },
        { (const uint8_t *)"\xff", 1 }
    };
    for (size_t i = 0; i < 18; i++) {
        for (size_t j = 0; j < 18; j++) {
            kv_key_history(&key, keys[i / 2], i % 2 ? UINT64_MAX : 2);
            kv_key_history(&other, keys[j / 2], j % 2 ? UINT64_MAX : 2);
            int order = bytes_compare(buf_bytes(&key), buf_bytes(&other));
            CHECK(i < j ? order < 0 : i > j ? order > 0 : order == 0);
        }
    }
    buf_fini(&key);
    buf_fini(&other);
    buf_fini(&user_key);
    CHECK_EQ(a.alive, 0);
}

TEST(kv_format, values)
{
    struct buf out;
    struct kv_record record;
    struct kv_old_record old;
    struct kv_change change;
    test_alloc_init(&a);
    buf_init(&out, &a.face, 1000);
    struct kv_record r = { .create_revision = 2,
                           .mod_revision = 300,
                           .version = 127,
                           .lease = 128,
                           .value = bytes_of("v", 1) };
    kv_record_encode(&out, &r);
    CHECK(is(&out, "\1\2\xaa\2\x7f\x80\1v", 8));
    CHECK_EQ(kv_record_decode(buf_bytes(&out), &record), 0);
    CHECK(record.create_revision == 2 && record.mod_revision == 300 && record.version == 127);
    CHECK(record.lease == 128 && bytes_equal(record.value, r.value));
    for (size_t len = 0; len < 7; len++) {
        CHECK_EQ(kv_record_decode(bytes_of(out.data, len), &record), MS_ECORRUPT);
    }
    CHECK_EQ(kv_record_decode(bytes_of("\2\2\0\1\0", 5), &record), MS_EVERSION);
    CHECK_EQ(kv_record_decode(bytes_of("\1\2\0\1\0", 5), &record), 0);
    CHECK_EQ(kv_record_decode(bytes_of("\1\2\0\1\x80\0", 6), &record), MS_ECORRUPT); /* not shortest */
    CHECK_EQ(kv_record_decode(bytes_of("\1\0\0\1\0", 5), &record), MS_ECORRUPT);     /* no revision */
    CHECK_EQ(kv_record_decode(bytes_of("\1\2\0\0\0", 5), &record), MS_ECORRUPT);     /* no version */
    static const char largest[] = "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0\1\0";
    CHECK_EQ(kv_record_decode(bytes_of(largest, 14), &record), 0);
    CHECK(record.mod_revision == UINT64_MAX);
    static const char beyond[] = "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\2\0\1\0";
    CHECK_EQ(kv_record_decode(bytes_of(beyond, 14), &record), MS_ECORRUPT);
    static const char wraps[] = "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1\1\0";
    CHECK_EQ(kv_record_decode(bytes_of(wraps, 14), &record), MS_ECORRUPT);

    struct buf history;
    buf_init(&history, &a.face, 1000);
    kv_old_record_encode(&history, 301, buf_bytes(&out));
    CHECK_EQ(kv_old_record_decode(buf_bytes(&history), &old), 0);
    CHECK_EQ(old.superseded_revision, 301);
    CHECK_EQ(old.record.mod_revision, 300);
    CHECK(bytes_equal(old.encoded, buf_bytes(&out)));
    history.data[0] = 0xac; /* 300: superseded by itself */
    CHECK_EQ(kv_old_record_decode(buf_bytes(&history), &old), MS_ECORRUPT);

    buf_clear(&out);
    struct kv_change c = { .mark = KV_CHANGE_DELETE,
                           .prev_mod_revision = 300,
                           .key = bytes_of("k", 1) };
    kv_change_encode(&out, &c);
    CHECK(is(&out, "\2\xac\2k", 4));
    CHECK_EQ(kv_change_decode(buf_bytes(&out), &change), 0);
    CHECK(change.mark == c.mark && change.prev_mod_revision == 300 && bytes_equal(change.key, c.key));
    CHECK_EQ(kv_change_decode(bytes_of("\2\xac\2", 3), &change), MS_ECORRUPT); /* no key */
    CHECK_EQ(kv_change_decode(bytes_of("\3\1k", 3), &change), MS_ECORRUPT);
    CHECK_EQ(kv_change_decode(bytes_of("\2\0k", 3), &change), MS_ECORRUPT); /* deleted what? */
    CHECK_EQ(kv_change_decode(bytes_of("\1\0k", 3), &change), 0);
    buf_fini(&out);
    buf_fini(&history);
    CHECK_EQ(a.alive, 0);
}

/* A window beside a set of numbers: what is accepted, what is encoded, whatever way it came about. */
TEST(kv_format, windows)
{
    enum { SEQS = 3 * 65 * 64 * 2 };
    static bool applied[SEQS];
    struct kv_window w = { .member_id = 1 }, copy;
    uint8_t encoded[KV_WINDOW_ENCODED_BYTES_MAX], again[KV_WINDOW_ENCODED_BYTES_MAX];
    uint64_t random_state = 9, low = 0;
    for (uint32_t round = 0; round < 20000; round++) {
        random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t drawn = (uint32_t)(random_state >> 33);
        struct entry_origin o = { .member_id = 1,
                                  .seq = low + drawn % (ORIGIN_WINDOW + 200),
                                  .low_seq = low };
        if (round % 5 == 0) o.low_seq += drawn / 8192 % (round % 500 == 0 ? 4500 : 4);
        if (o.seq == 0 || o.seq >= SEQS || o.low_seq > o.seq) continue;
        bool fits = o.seq < o.low_seq + ORIGIN_WINDOW && !applied[o.seq];
        CHECK_EQ(kv_window_accept(&w, &o), fits ? 0 : MS_EDUPLICATE);
        if (!fits) continue;
        applied[o.seq] = true;
        low = o.low_seq;
        size_t len = kv_window_encode(&w, encoded);
        CHECK_EQ(kv_window_decode(bytes_of(encoded, len), &copy), 0);
        CHECK_EQ(kv_window_encode(&copy, again), len);
        CHECK(memcmp(encoded, again, len) == 0);
        for (uint64_t seq = low; seq < low + ORIGIN_WINDOW && round % 50 == 0; seq++) {
            CHECK_EQ(kv_window_has(&copy, seq), seq < SEQS && applied[seq]);
        }
        if (round % 100 == 0) w = copy;
    }
    CHECK(low > 65 * 64); /* the ring went round */
    size_t len = kv_window_encode(&w, encoded);
    CHECK_EQ(kv_window_decode(bytes_of(encoded, len - 1), &copy), MS_ECORRUPT);
    encoded[len] = 0;
    CHECK_EQ(kv_window_decode(bytes_of(encoded, len + 1), &copy), MS_ECORRUPT);
    bytes_store_u64(encoded + 24, w.low_seq + 1); /* a bit below the window */
    if (w.low_seq % 64 < 63 && kv_window_has(&w, w.low_seq)) {
        CHECK_EQ(kv_window_decode(bytes_of(encoded, len), &copy), MS_ECORRUPT);
    }
    struct kv_window at_end = { .member_id = 1 };
    struct entry_origin o = { .member_id = 1, .seq = 10 + ORIGIN_WINDOW - 1, .low_seq = 10 };
    CHECK_EQ(kv_window_accept(&at_end, &o), 0);
    size_t end_len = kv_window_encode(&at_end, again);
    CHECK_EQ(kv_window_decode(bytes_of(again, end_len), &copy), 0);
    again[end_len - 8 + 1] |= (uint8_t)(1u << (10 + ORIGIN_WINDOW) % 64 % 8); /* a bit behind the end */
    CHECK_EQ(kv_window_decode(bytes_of(again, end_len), &copy), MS_ECORRUPT);
    memset(encoded + len - 8, 0, 8); /* not the shortest form */
    CHECK_EQ(kv_window_decode(bytes_of(encoded, len), &copy), MS_ECORRUPT);
}

TEST(kv_format, ranges)
{
    struct bytes nul = bytes_of("", 1), none = bytes_of(NULL, 0);
    struct kv_range one = kv_range_of(bytes_of_str("b"), none);
    struct kv_range some = kv_range_of(bytes_of_str("b"), bytes_of_str("d"));
    struct kv_range from = kv_range_of(bytes_of_str("b"), nul);
    struct kv_range empty = kv_range_of(bytes_of_str("d"), bytes_of_str("b"));
    struct kv_range all = kv_range_of(nul, nul);
    CHECK(kv_range_holds(&one, bytes_of_str("b")) && !kv_range_holds(&one, bytes_of_str("ba")));
    CHECK(kv_range_holds(&some, bytes_of_str("b")) && kv_range_holds(&some, bytes_of_str("c\xff")));
    CHECK(!kv_range_holds(&some, bytes_of_str("d")) && !kv_range_holds(&some, bytes_of_str("a")));
    CHECK(kv_range_holds(&from, bytes_of_str("\xff")) && !kv_range_holds(&from, bytes_of_str("a")));
    CHECK(!kv_range_holds(&empty, bytes_of_str("d")) && !kv_range_holds(&empty, bytes_of_str("c")));
    CHECK(kv_range_holds(&all, nul) && kv_range_holds(&all, bytes_of_str("\xff\xff")));
}
