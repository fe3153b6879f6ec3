/* test_kv_snap.c: snapshots: a stream gives the same state again, history included; a view stays what
 * it was; damage of any byte is refused and leaves the old state. */
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/ms_err.h"
#include "tests/kv/kv_fixture.h"
#include "tests/support/test.h"

static struct fixture f, g;

#define DUMP_BYTES_MAX (64u << 20)

static void dump(struct fixture *from, struct buf *out)
{
    buf_init(out, &from->alloc.face, DUMP_BYTES_MAX);
    CHECK_EQ(fixture_dump(from, out), 0);
}

/* Two members, a binding, windows, history, deletes, a compaction; a key with NULs. */
static void fill(struct fixture *t, uint32_t key_count)
{
    char key[32], value[400];
    struct buf command;
    fixture_found(t, 2);
    uint8_t attach[32] = { 2 };
    attach[8] = 1;
    memcpy(attach + 16, "nonce of 2      ", 16);
    fixture_apply(t, ENTRY_ATTACH, NULL, bytes_of(attach, 32));
    buf_init(&command, &t->alloc.face, MS_TXN_BYTES_MAX);
    memset(value, 'v', sizeof value);
    for (uint32_t i = 0; i < key_count * 3; i++) {
        struct entry_origin o = { .member_id = 1 + i % 2,
                                  .added_index = 1,
                                  .incarnation = 1,
                                  .seq = i + 1,
                                  .low_seq = i > 10 ? i - 10 : 0 };
        snprintf(key, sizeof key, "key/%c/%05u", 0, i % key_count);
        struct bytes k = bytes_of(key, i % 5 == 0 ? 12 : strlen("key/") + 7);
        buf_clear(&command);
        if (i % 7 == 6) {
            CHECK_EQ(kv_cmd_encode_delete(&command, k), 0);
        } else {
            CHECK_EQ(kv_cmd_encode_put(&command, k, bytes_of(value, i * 13 % sizeof value)), 0);
        }
        CHECK_EQ(fixture_apply(t, ENTRY_TXN, &o, buf_bytes(&command)).status, 0);
        if (i == key_count) fixture_compact(t, key_count / 2);
    }
    buf_fini(&command);
}

/* Whether both engines hold the same bytes: current, history, changes and metadata. */
static void check_same_content(void)
{
    const struct engine_ops *ops = f.kv->engine->ops;
    struct engine_iter *i = ops->iter_open(f.kv->engine, NULL), *j = ops->iter_open(g.kv->engine, NULL);
    uint32_t count = 0;
    ops->iter_seek(i, bytes_of("", 1));
    ops->iter_seek(j, bytes_of("", 1));
    for (; ops->iter_valid(i); ops->iter_next(i), ops->iter_next(j), count++) {
        CHECK(ops->iter_valid(j));
        CHECK(bytes_equal(ops->iter_key(i), ops->iter_key(j)));
        CHECK(bytes_equal(ops->iter_value(i), ops->iter_value(j)));
    }
    CHECK(!ops->iter_valid(j));
    CHECK(count > 5);
    ops->iter_close(i);
    ops->iter_close(j);
}

static void check_same_info(void)
{
    kv_info(f.kv, &f.info);
    kv_info(g.kv, &g.info);
    CHECK_EQ(f.info.applied_index, g.info.applied_index);
    CHECK_EQ(f.info.applied_term, g.info.applied_term);
    CHECK_EQ(f.info.revision, g.info.revision);
    CHECK_EQ(f.info.compacted_revision, g.info.compacted_revision);
    CHECK_EQ(f.info.config_index, g.info.config_index);
    CHECK_EQ(f.info.key_count, g.info.key_count);
    CHECK(config_equal(&f.info.config, &g.info.config));
    CHECK(memcmp(f.info.cluster_uuid, g.info.cluster_uuid, MS_UUID_BYTES) == 0);
    CHECK_EQ(f.info.binding_count, g.info.binding_count);
    CHECK(memcmp(f.info.bindings[0].nonce, g.info.bindings[0].nonce, MS_UUID_BYTES) == 0);
    CHECK(kv_digest_equal(f.info.digest, g.info.digest));
}

TEST(kv_snap, a_stream_gives_the_same_state_again)
{
    struct buf first, second;
    struct kv_snap_header header;
    fixture_init(&f);
    fixture_init(&g);
    fill(&f, 900);
    dump(&f, &first);
    CHECK(kv_snap_chunk_bytes(buf_bytes(&first)) < (int64_t)first.len / 3); /* several chunks */
    CHECK_EQ(kv_snap_header_decode(buf_bytes(&first), &f.alloc.face, &header), 0);
    CHECK_EQ(header.index, f.index);
    CHECK_EQ(header.term, 1);
    CHECK_EQ(header.config_index, 1);
    CHECK(config_equal(&header.config, &f.info.config));
    CHECK(memcmp(header.cluster_uuid, "0123456789abcdef", MS_UUID_BYTES) == 0);

    fixture_put(&g, "of before", "x");
    CHECK_EQ(fixture_load(&g, buf_bytes(&first)), 0);
    check_same_content();
    check_same_info();
    fixture_check_digest(&g);
    CHECK(fixture_has(&g, "of before", NULL));
    dump(&g, &second);
    CHECK(bytes_equal(buf_bytes(&first), buf_bytes(&second))); /* equal states, equal streams */

    /* Both go on alike: windows came along, too. */
    struct entry_origin o = { .member_id = 1, .added_index = 1, .incarnation = 1, .seq = 2699 };
    for (struct fixture *t = &f; t; t = t == &f ? &g : NULL) {
        CHECK_EQ(fixture_apply(t, ENTRY_TXN, &o, bytes_of_str("")).status, MS_EDUPLICATE);
        fixture_put(t, "more", "x");
        fixture_compact(t, t->info.revision);
    }
    check_same_info();
    check_same_content();
    buf_fini(&first);
    buf_fini(&second);
    fixture_fini(&f);
    fixture_fini(&g);
}

/* How large chunks are is the reader's choice; what they hold is the same. */
TEST(kv_snap, a_stream_of_small_chunks_gives_the_same_state)
{
    struct buf small;
    uint32_t chunks = 0;
    fixture_init(&f);
    fixture_init(&g);
    fill(&f, 100);
    buf_init(&small, &f.alloc.face, DUMP_BYTES_MAX);
    CHECK_EQ(fixture_dump_cut(&f, 1000, &small), 0);
    for (size_t at = 0; at < small.len; chunks++) {
        int64_t len = kv_snap_chunk_bytes(bytes_of(small.data + at, small.len - at));
        CHECK(len > 0);
        if (chunks > 0) CHECK(len <= 1000); /* the first one holds all metadata */
        at += (size_t)len;
    }
    CHECK(chunks > 20);
    CHECK_EQ(fixture_load(&g, buf_bytes(&small)), 0);
    check_same_content();
    check_same_info();
    buf_fini(&small);
    fixture_fini(&f);
    fixture_fini(&g);
}

TEST(kv_snap, the_largest_record_and_the_smallest_state)
{
    struct buf first;
    fixture_init(&f);
    fixture_init(&g);
    dump(&f, &first); /* the empty state */
    CHECK_EQ(fixture_load(&g, buf_bytes(&first)), 0);
    check_same_info();
    buf_fini(&first);

    fixture_found(&f, 1);
    uint8_t *large = calloc(1, MS_VALUE_BYTES_MAX); /* NULs: the longest form of a key */
    struct buf command;
    buf_init(&command, &f.alloc.face, MS_TXN_BYTES_MAX);
    for (int i = 0; i < 2; i++) {
        buf_clear(&command);
        CHECK_EQ(kv_cmd_encode_put(&command, bytes_of(large, MS_KEY_BYTES_MAX),
                                   bytes_of(large, MS_VALUE_BYTES_MAX)),
                 0);
        CHECK_EQ(fixture_apply(&f, ENTRY_TXN, NULL, buf_bytes(&command)).status, 0);
    }
    buf_fini(&command);
    free(large);
    dump(&f, &first);
    CHECK_EQ(fixture_load(&g, buf_bytes(&first)), 0);
    check_same_info();
    check_same_content();
    buf_fini(&first);
    fixture_fini(&f);
    fixture_fini(&g);
}

TEST(kv_snap, a_view_stays_what_it_was)
{
    struct kv_job jobs[KV_SNAPSHOTS_MAX + 1];
    struct buf streams[KV_SNAPSHOTS_MAX], expected[KV_SNAPSHOTS_MAX];
    struct kv_info info;
    fixture_init(&f);
    fill(&f, 100);
    for (uint32_t i = 0; i <= KV_SNAPSHOTS_MAX; i++) {
        jobs[i] = (struct kv_job){ .kind = KV_JOB_SNAP_OPEN, .info = &info };
        kv_run(f.kv, &jobs[i]);
        CHECK_EQ(jobs[i].status, i < KV_SNAPSHOTS_MAX ? 0 : MS_EBUSY);
        if (i == KV_SNAPSHOTS_MAX) break;
        CHECK_EQ(info.applied_index, f.index);
        /* Its content is what a snapshot read at once would give. */
        jobs[KV_SNAPSHOTS_MAX].kind = KV_JOB_SNAP_CLOSE;
        if (i + 1 < KV_SNAPSHOTS_MAX) dump(&f, &expected[i]);
        for (int n = 0; n < 30; n++) fixture_put(&f, n % 2 ? "a" : "key/", "changed");
        fixture_delete(&f, "a");
        if (i == 3) fixture_compact(&f, f.info.revision);
    }
    for (uint32_t n = 0; n + 1 < KV_SNAPSHOTS_MAX; n++) {
        uint32_t i = n * 5 % (KV_SNAPSHOTS_MAX - 1); /* closed in some order */
        buf_init(&streams[i], &f.alloc.face, DUMP_BYTES_MAX);
        buf_init(&jobs[i].chunk, &f.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
        jobs[i].kind = KV_JOB_SNAP_READ;
        do {
            kv_run(f.kv, &jobs[i]);
            CHECK_EQ(jobs[i].status, 0);
            buf_append(&streams[i], jobs[i].chunk.data, jobs[i].chunk.len);
            fixture_put(&f, "between", "chunks");
        } while (!jobs[i].last);
        CHECK(bytes_equal(buf_bytes(&streams[i]), buf_bytes(&expected[i])));
        kv_run(f.kv, &jobs[i]);
        CHECK_EQ(jobs[i].status, MS_EEND);
        jobs[i].kind = KV_JOB_SNAP_CLOSE;
        kv_run(f.kv, &jobs[i]);
        CHECK_EQ(jobs[i].status, 0);
        buf_fini(&jobs[i].chunk);
        buf_fini(&streams[i]);
        buf_fini(&expected[i]);
    }
    fixture_fini(&f); /* closes the one that is left */
}

TEST(kv_snap, damage_of_any_byte_is_refused)
{
    struct buf stream;
    fixture_init(&f);
    fixture_init(&g);
    fill(&f, 4);
    dump(&f, &stream);
    fixture_put(&g, "old", "state");
    struct kv_digest before = (kv_info(g.kv, &g.info), g.info.digest);
    for (size_t at = 0; at < stream.len; at++) {
        stream.data[at] ^= (uint8_t)(1u << at % 8);
        int rv = fixture_load(&g, buf_bytes(&stream));
        CHECK(rv == MS_ECORRUPT || rv == MS_ESHORT || rv == MS_EVERSION);
        stream.data[at] ^= (uint8_t)(1u << at % 8);
    }
    for (size_t len = 0; len < stream.len; len++) {
        CHECK(fixture_load(&g, bytes_of(stream.data, len)) < 0);
    }
    kv_info(g.kv, &g.info);
    CHECK(kv_digest_equal(before, g.info.digest));
    CHECK(fixture_has(&g, "old", "state"));
    fixture_check_digest(&g);
    CHECK_EQ(fixture_load(&g, buf_bytes(&stream)), 0);
    check_same_info();
    buf_fini(&stream);
    fixture_fini(&f);
    fixture_fini(&g);
}

/* Cut a stream into its chunks. */
static uint32_t cut(const struct buf *stream, struct bytes *chunks, uint32_t max)
{
    struct bytes left = buf_bytes(stream);
    uint32_t count = 0;
    while (left.len > 0) {
        int64_t len = kv_snap_chunk_bytes(left);
        CHECK(len > 0 && count < max);
        chunks[count++] = bytes_of(left.data, (size_t)len);
        left = bytes_of(left.data + len, left.len - (size_t)len);
    }
    return count;
}

static int load_chunks(const struct bytes *chunks, uint32_t count)
{
    struct buf stream;
    buf_init(&stream, &g.alloc.face, DUMP_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++) buf_append(&stream, chunks[i].data, chunks[i].len);
    int rv = fixture_load(&g, buf_bytes(&stream));
    buf_fini(&stream);
    return rv;
}

TEST(kv_snap, chunks_belong_together)
{
    struct buf stream, other;
    struct bytes chunks[64], others[64], mixed[65];
    fixture_init(&f);
    fixture_init(&g);
    fill(&f, 1500);
    dump(&f, &stream);
    fixture_apply(&f, ENTRY_NOOP, NULL, bytes_of(NULL, 0)); /* the same, but for its index */
    dump(&f, &other);
    uint32_t count = cut(&stream, chunks, 64), other_count = cut(&other, others, 64);
    CHECK(count > 3 && other_count == count);

    memcpy(mixed, chunks, sizeof chunks);
    mixed[1] = others[1]; /* whole by itself, but of another stream */
    CHECK(load_chunks(mixed, count) < 0);
    memcpy(mixed, chunks, sizeof chunks);
    mixed[1] = chunks[2];
    mixed[2] = chunks[1];
    CHECK(load_chunks(mixed, count) < 0);
    CHECK(load_chunks(chunks + 1, count - 1) < 0);
    CHECK_EQ(load_chunks(chunks, count - 1), MS_ESHORT);
    memcpy(mixed, chunks, sizeof chunks);
    mixed[count] = chunks[count - 1];
    CHECK(load_chunks(mixed, count + 1) < 0);
    memcpy(mixed + 1, chunks, sizeof chunks);
    mixed[0] = chunks[0];
    CHECK(load_chunks(mixed, count + 1) < 0);
    CHECK_EQ(load_chunks(chunks, count), 0);

    CHECK_EQ(kv_snap_chunk_bytes(bytes_of(stream.data, KV_SNAP_FRAME_BYTES - 1)), 0);
    CHECK_EQ(kv_snap_chunk_bytes(bytes_of_str("not a chunk, but long enough")), MS_ECORRUPT);
    struct kv_snap_header header;
    CHECK_EQ(kv_snap_header_decode(bytes_of(stream.data, 50), &f.alloc.face, &header), MS_ESHORT);
    CHECK_EQ(kv_snap_header_decode(chunks[1], &f.alloc.face, &header), MS_ECORRUPT);
    buf_fini(&stream);
    buf_fini(&other);
    fixture_fini(&f);
    fixture_fini(&g);
}

/* A stream of one chunk: put the right CRC on what a test has changed. */
static void repair(struct buf *stream)
{
    uint32_t crc = crc32c(0, stream->data, 20);
    crc = crc32c(crc, stream->data + 24, stream->len - 24);
    bytes_store_u32(stream->data + 20, crc);
}

/* The same chunk without its codec. */
static void make_plain(struct buf *stream)
{
    struct kv_snap_frame frame;
    struct kv_codec codec;
    struct bytes plain;
    struct buf chunk;
    kv_codec_init(&codec, &f.alloc.face);
    CHECK_EQ(kv_snap_frame_decode(buf_bytes(stream), 0, &frame), 0);
    CHECK_EQ(kv_codec_plain(&codec, &frame, &plain), 0);
    buf_init(&chunk, &f.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    buf_append(&chunk, stream->data, KV_SNAP_FRAME_BYTES);
    buf_append(&chunk, plain.data, plain.len);
    frame.codec = KV_CODEC_NONE;
    kv_snap_frame_write(&chunk, &frame, 0);
    kv_codec_fini(&codec);
    buf_fini(stream);
    *stream = chunk;
}

/* Every byte of the body changed, with a CRC that is right: the items themselves are looked at. Some
 * changes nobody can see, as those of the index; then the state is another one, but a whole one. */
TEST(kv_snap, items_are_checked_beneath_the_checksum)
{
    struct buf stream;
    uint32_t accepted = 0;
    fixture_init(&f);
    fill(&f, 4);
    dump(&f, &stream);
    make_plain(&stream);
    for (size_t at = 4; at < stream.len; at++) {
        if (at == 20) at = 24;
        fixture_init(&g);
        stream.data[at] ^= (uint8_t)(1u << at % 8);
        repair(&stream);
        int rv = fixture_load(&g, buf_bytes(&stream));
        if (rv == 0) {
            fixture_check_digest(&g);
            accepted++;
        }
        if (at >= 200) CHECK(rv == 0 || rv == MS_ECORRUPT || rv == MS_EVERSION);
        stream.data[at] ^= (uint8_t)(1u << at % 8);
        fixture_fini(&g);
    }
    CHECK(accepted > 0 && accepted < stream.len / 3);
    buf_fini(&stream);
    fixture_fini(&f);
}

/* ---- Streams made by hand: each item as it should be, but for what a test changes. */
struct made {
    struct buf chunk;
    uint64_t item_count, key_count;
    struct kv_digest digest;
    struct kv_snap_frame frame; /* of the one chunk */
};

static void made_item(struct made *m, enum kv_snap_item type, const struct buf *body)
{
    buf_append_u8(&m->chunk, (uint8_t)type);
    buf_append_u32(&m->chunk, (uint32_t)body->len);
    buf_append(&m->chunk, body->data, body->len);
    m->item_count++;
}

static void made_header(struct made *m, struct buf *body, uint64_t index)
{
    struct kv_meta meta = { .applied_index = index, .config_index = 1, .config = config_of(1) };
    config_resolve(&meta.config, 1);
    kv_snap_header_encode(body, &meta);
    made_item(m, KV_ITEM_HEADER, body);
    kv_digest_add(&m->digest, kv_digest_of_config(1, bytes_of(body->data + 40, body->len - 40)));
}

/* Revision 9, compacted at 4. */
static void made_revisions(struct made *m, struct buf *body, uint64_t key_count)
{
    buf_clear(body);
    buf_append_u64(body, 9);
    buf_append_u64(body, 4);
    buf_append_u64(body, key_count);
    made_item(m, KV_ITEM_REVISIONS, body);
    kv_digest_add(&m->digest, kv_digest_of_revisions(9, 4));
}

static void made_current(struct made *m, struct buf *body, const char *key, uint64_t mod_revision)
{
    struct kv_record r = { .create_revision = 2, .mod_revision = mod_revision, .version = 1 };
    buf_clear(body);
    buf_append_u32(body, (uint32_t)strlen(key));
    buf_append(body, key, strlen(key));
    kv_record_encode(body, &r);
    made_item(m, KV_ITEM_CURRENT, body);
    size_t at = 4 + strlen(key);
    struct bytes record = bytes_of(body->data + at, body->len - at);
    kv_digest_add(&m->digest, kv_digest_of_record(bytes_of_str(key), record));
    m->key_count++;
}

static void made_history(struct made *m, struct buf *body, uint64_t superseded)
{
    struct kv_record r = { .create_revision = 2, .mod_revision = 3, .version = 1 };
    struct buf encoded;
    buf_init(&encoded, body->alloc, 100);
    kv_record_encode(&encoded, &r);
    buf_clear(body);
    buf_append_u32(body, 1);
    buf_append(body, "k", 1);
    kv_old_record_encode(body, superseded, buf_bytes(&encoded));
    made_item(m, KV_ITEM_HISTORY, body);
    buf_fini(&encoded);
}

static void made_change(struct made *m, struct buf *body, uint64_t revision, uint64_t prev)
{
    struct kv_change c = { .mark = KV_CHANGE_PUT, .prev_mod_revision = prev, .key = bytes_of("k", 1) };
    buf_clear(body);
    buf_append_u64(body, revision);
    buf_append_u32(body, 0);
    kv_change_encode(body, &c);
    made_item(m, KV_ITEM_CHANGE, body);
}

static void made_trailer(struct made *m, struct buf *body)
{
    buf_clear(body);
    buf_append_u64(body, m->item_count + 1);
    buf_append_u64(body, m->digest.hi);
    buf_append_u64(body, m->digest.lo);
    made_item(m, KV_ITEM_TRAILER, body);
}

/* Make the body behind the frame smaller; that it gets so is known. */
static enum kv_codec_kind compress(struct buf *chunk, struct fixture *t)
{
    struct kv_codec codec;
    kv_codec_init(&codec, &t->alloc.face);
    int kind = kv_codec_compress(&codec, chunk);
    CHECK_EQ(kind, KV_CODEC_ZSTD);
    kv_codec_fini(&codec);
    return (enum kv_codec_kind)kind;
}

/* A whole stream; wrong names the one thing that is not as it should be. */
static int load_made(int wrong, bool coded)
{
    static const uint8_t frame[KV_SNAP_FRAME_BYTES];
    struct made m = { .frame = { .flags = KV_SNAP_FIRST | KV_SNAP_LAST } };
    struct buf body;
    fixture_init(&g);
    buf_init(&m.chunk, &g.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    buf_init(&body, &g.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    buf_append(&m.chunk, frame, sizeof frame);
    made_header(&m, &body, wrong == 1 ? 0 : 20);
    made_revisions(&m, &body, wrong == 2 ? 3 : 2);
    if (wrong == 3) made_revisions(&m, &body, 2);
    made_current(&m, &body, "a", wrong == 4 ? 10 : 9);
    made_current(&m, &body, wrong == 5 ? "a" : "k", 6);
    made_history(&m, &body, wrong == 6 ? 4 : wrong == 7 ? 10 : 6);
    made_change(&m, &body, wrong == 8 ? 3 : wrong == 9 ? 10 : 6, wrong == 10 ? 6 : 2);
    if (wrong == 11) made_history(&m, &body, 6);
    if (wrong == 12) m.item_count++;
    if (wrong == 13) m.digest.lo++;
    made_trailer(&m, &body);
    if (wrong == 14) made_trailer(&m, &body);
    if (wrong == 15) m.frame.flags = KV_SNAP_LAST;
    if (wrong == 16) m.frame.flags = KV_SNAP_FIRST;
    if (wrong == 17) m.frame.flags = KV_SNAP_FIRST | KV_SNAP_LAST | 4;
    if (wrong == 18) m.frame.seq = 1;
    if (wrong == 19) m.chunk.len -= 29; /* without the trailer */
    if (wrong == 20) buf_append_u8(&m.chunk, KV_ITEM_CURRENT);
    m.frame.plain_bytes = (uint32_t)(m.chunk.len - KV_SNAP_FRAME_BYTES);
    if (coded) m.frame.codec = compress(&m.chunk, &g);
    kv_snap_frame_write(&m.chunk, &m.frame, 0);
    if (wrong == 21) { /* an empty chunk behind the last */
        buf_clear(&body);
        buf_append(&body, frame, sizeof frame);
        struct kv_snap_frame behind = { .flags = KV_SNAP_LAST, .seq = 1 };
        kv_snap_frame_write(&body, &behind, bytes_load_u32(m.chunk.data + 20));
        buf_append(&m.chunk, body.data, body.len);
    }
    int rv = fixture_load(&g, buf_bytes(&m.chunk));
    if (rv == 0) fixture_check_digest(&g);
    buf_fini(&m.chunk);
    buf_fini(&body);
    fixture_fini(&g);
    return rv;
}

TEST(kv_snap, what_contradicts_itself_is_refused)
{
    CHECK_EQ(load_made(0, false), 0);
    CHECK_EQ(load_made(0, true), 0);
    for (int wrong = 1; wrong <= 42; wrong++) {
        int rv = load_made((wrong + 1) / 2, wrong % 2 == 0);
        if (rv != MS_ECORRUPT) fprintf(stderr, "wrong %d\n", wrong);
        CHECK_EQ(rv, MS_ECORRUPT);
    }
}

TEST(kv_snap, an_apply_ends_an_installation)
{
    struct buf stream;
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN };
    fixture_init(&f);
    fixture_init(&g);
    fill(&f, 4);
    dump(&f, &stream);
    fixture_put(&g, "a", "1");
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, 0);
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, MS_EBUSY);
    fixture_put(&g, "b", "2");
    job.kind = KV_JOB_LOAD_CHUNK;
    job.chunk = stream;
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, MS_ECONFLICT);
    job.kind = KV_JOB_LOAD_END;
    job.last = true;
    job.info = &g.info;
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, MS_ECONFLICT);
    job.last = false;
    kv_run(g.kv, &job);
    CHECK_EQ(job.status, 0);
    CHECK(fixture_has(&g, "a", "1") && fixture_has(&g, "b", "2"));
    fixture_check_digest(&g);
    /* A snapshot that is open goes on, whatever is installed beneath it. */
    struct buf before, after;
    dump(&g, &before);
    struct kv_job open = { .kind = KV_JOB_SNAP_OPEN, .info = &g.info };
    kv_run(g.kv, &open);
    CHECK_EQ(open.status, 0);
    CHECK_EQ(fixture_load(&g, buf_bytes(&stream)), 0);
    buf_init(&open.chunk, &g.alloc.face, SNAP_CHUNK_BYTES_HARD_MAX);
    open.kind = KV_JOB_SNAP_READ;
    kv_run(g.kv, &open);
    CHECK(open.last && bytes_equal(buf_bytes(&open.chunk), buf_bytes(&before)));
    dump(&g, &after);
    CHECK(bytes_equal(buf_bytes(&after), buf_bytes(&stream)));
    buf_fini(&open.chunk);
    buf_fini(&before);
    buf_fini(&after);
    buf_fini(&stream);
    fixture_fini(&f);
    fixture_fini(&g);
}
