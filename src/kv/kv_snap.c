/* kv_snap.c: the state as a stream of chunks, read from a view of the engine (DESIGN 5, Snapshots):
 * header, bindings, windows, revisions; then leases, current records, history and changes in the order of
 * the engine's keys (which keys hang on a lease, their records say); then a trailer with the number of items and the digest. A chunk is filled plain and then
 * made smaller. Equal states and chunk sizes give equal streams. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

struct kv_snapshot {
    struct engine_view *view;
    struct engine_iter *iter;
    struct kv_meta meta; /* of the same moment */
    struct buf user_key;
    enum kv_snap_item next; /* kind of item to be written next */
    uint32_t seq, crc;      /* of the next chunk, of the last one */
    uint64_t item_count;
    size_t chunk_bytes_max; /* of the chunk that is being filled, while it is plain */
    int status; /* not 0: the end, or a chunk was lost to a refused allocation; nothing more is read */
};

#define ITEM_HEAD_BYTES 5u
/* Beside key and value: head, key length or revision and sub. */
#define ITEM_MORE_BYTES (ITEM_HEAD_BYTES + 12u)
#define META_ITEMS_BYTES_MAX                                                                           \
    (KV_SNAP_FRAME_BYTES + ITEM_HEAD_BYTES + 40u + CONFIG_ENCODED_BYTES_MAX +                          \
     MS_MEMBERS_MAX * (2u * ITEM_HEAD_BYTES + KV_BINDING_ENCODED_BYTES + KV_WINDOW_ENCODED_BYTES_MAX))
static_assert(META_ITEMS_BYTES_MAX < SNAP_CHUNK_BYTES_MAX, "the first chunk holds all metadata");
static_assert(KV_SNAP_FRAME_BYTES + ITEM_MORE_BYTES + MS_KEY_BYTES_MAX + MS_VALUE_BYTES_MAX + 64u <=
                  SNAP_CHUNK_BYTES_HARD_MAX,
              "the largest record fits a chunk");

static int snapshot_slot(const struct kv *kv)
{
    for (int i = 0; i < (int)KV_SNAPSHOTS_MAX; i++) {
        if (!kv->snapshots[i]) return i;
    }
    return MS_EBUSY;
}

static int snapshot_create(struct kv *kv, struct kv_snapshot **out)
{
    const struct engine_ops *ops = kv->engine->ops;
    struct kv_snapshot *s = ms_alloc(kv->alloc, sizeof *s);
    if (!s) return MS_ENOMEM;
    memset(s, 0, sizeof *s);
    buf_init(&s->user_key, kv->alloc, MS_KEY_BYTES_MAX);
    s->meta = kv->meta;
    s->next = KV_ITEM_HEADER;
    s->view = ops->view_open(kv->engine);
    if (!s->view) goto fail_view;
    s->iter = ops->iter_open(kv->engine, s->view);
    if (!s->iter) goto fail_iter;
    *out = s;
    return 0;
fail_iter:
    ops->view_close(kv->engine, s->view);
fail_view:
    ms_free(kv->alloc, s);
    return MS_ENOMEM;
}

void kv_snap_open(struct kv *kv, struct kv_job *job)
{
    int slot = snapshot_slot(kv);
    job->snapshot = NULL;
    job->status = slot < 0 ? slot : snapshot_create(kv, &kv->snapshots[slot]);
    if (job->status < 0) return;
    job->snapshot = kv->snapshots[slot];
    job->content_bytes = kv->engine->ops->bytes(kv->engine);
    kv_job_info(kv, job);
}

void kv_snap_close(struct kv *kv, struct kv_snapshot *s)
{
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) {
        if (kv->snapshots[i] == s) kv->snapshots[i] = NULL;
    }
    kv->engine->ops->iter_close(s->iter);
    kv->engine->ops->view_close(kv->engine, s->view);
    buf_fini(&s->user_key);
    ms_free(kv->alloc, s);
    kv_snap_rest(kv);
}

void kv_snap_rest(struct kv *kv)
{
    bool idle = !kv->load;
    for (uint32_t i = 0; i < KV_SNAPSHOTS_MAX; i++) idle &= !kv->snapshots[i];
    if (idle) kv_codec_fini(&kv->codec);
}

static size_t item_begin(struct buf *chunk, enum kv_snap_item type)
{
    buf_append_u8(chunk, (uint8_t)type);
    buf_append_u32(chunk, 0);
    return chunk->len;
}

static void item_end(struct kv_snapshot *s, struct buf *chunk, size_t begin)
{
    if (chunk->failed) return;
    bytes_store_u32(chunk->data + begin - 4, (uint32_t)(chunk->len - begin));
    s->item_count++;
}

static void append_meta(struct kv_snapshot *s, struct buf *chunk)
{
    const struct kv_meta *m = &s->meta;
    uint8_t binding[KV_BINDING_ENCODED_BYTES], window[KV_WINDOW_ENCODED_BYTES_MAX];
    size_t begin = item_begin(chunk, KV_ITEM_HEADER);
    kv_snap_header_encode(chunk, m);
    item_end(s, chunk, begin);
    for (uint32_t i = 0; i < m->binding_count; i++) {
        begin = item_begin(chunk, KV_ITEM_BINDING);
        kv_binding_encode(&m->bindings[i], binding);
        buf_append(chunk, binding, sizeof binding);
        item_end(s, chunk, begin);
    }
    for (uint32_t i = 0; i < m->window_count; i++) {
        begin = item_begin(chunk, KV_ITEM_WINDOW);
        buf_append(chunk, window, kv_window_encode(&m->windows[i], window));
        item_end(s, chunk, begin);
    }
    begin = item_begin(chunk, KV_ITEM_REVISIONS);
    buf_append_u64(chunk, m->revision);
    buf_append_u64(chunk, m->compacted_revision);
    buf_append_u64(chunk, m->key_count);
    item_end(s, chunk, begin);
}

static enum kv_snap_item item_after(enum kv_snap_item type)
{
    if (type == KV_ITEM_LEASE) return KV_ITEM_CURRENT;
    if (type == KV_ITEM_CURRENT) return KV_ITEM_HISTORY;
    return type == KV_ITEM_HISTORY ? KV_ITEM_CHANGE : KV_ITEM_TRAILER;
}

static uint8_t space_of(enum kv_snap_item type)
{
    if (type == KV_ITEM_LEASE) return KV_SPACE_LEASE;
    if (type == KV_ITEM_CURRENT) return KV_SPACE_CURRENT;
    return type == KV_ITEM_HISTORY ? KV_SPACE_HISTORY : KV_SPACE_REVS;
}

static void seek_space(struct kv *kv, struct kv_snapshot *s)
{
    uint8_t space = space_of(s->next);
    kv->engine->ops->iter_seek(s->iter, bytes_of(&space, 1));
}

/* Where an item stands: mostly it says that in another way than the engine does. */
static int append_place(struct kv_snapshot *s, struct buf *chunk, struct bytes key)
{
    uint64_t revision; /* or the id of a lease */
    uint32_t sub;
    if (s->next == KV_ITEM_LEASE) {
        if (!kv_key_lease_decode(key, &revision)) return MS_ECORRUPT;
        buf_append_u64(chunk, revision);
        return 0;
    }
    if (s->next == KV_ITEM_CHANGE) {
        if (!kv_key_rev_decode(key, &revision, &sub)) return MS_ECORRUPT;
        buf_append_u64(chunk, revision);
        buf_append_u32(chunk, sub);
        return 0;
    }
    struct bytes user_key = bytes_of(key.data + 1, key.len - 1);
    if (s->next == KV_ITEM_HISTORY) {
        bool whole = kv_key_history_decode(key, &s->user_key, &revision);
        if (s->user_key.failed) return MS_ENOMEM;
        if (!whole) return MS_ECORRUPT;
        user_key = buf_bytes(&s->user_key); /* the revision is the record's */
    }
    buf_append_u32(chunk, (uint32_t)user_key.len);
    buf_append(chunk, user_key.data, user_key.len);
    return 0;
}

/* One item of the space, or none: on to the next space. MS_EBUSY: the chunk is full. */
static int append_record(struct kv *kv, struct kv_snapshot *s, struct buf *chunk)
{
    const struct engine_ops *ops = kv->engine->ops;
    bool valid = ops->iter_valid(s->iter);
    if (!valid && ops->iter_status(s->iter) < 0) return ops->iter_status(s->iter);
    if (!valid || ops->iter_key(s->iter).data[0] != space_of(s->next)) {
        s->next = item_after(s->next);
        if (s->next != KV_ITEM_TRAILER) seek_space(kv, s);
        return 0;
    }
    struct bytes key = ops->iter_key(s->iter), value = ops->iter_value(s->iter);
    size_t need = ITEM_MORE_BYTES + key.len + value.len;
    if (chunk->len > KV_SNAP_FRAME_BYTES && chunk->len + need > s->chunk_bytes_max) return MS_EBUSY;
    size_t begin = item_begin(chunk, s->next);
    int rv = append_place(s, chunk, key);
    if (rv < 0) return rv;
    buf_append(chunk, value.data, value.len);
    item_end(s, chunk, begin);
    ops->iter_next(s->iter);
    return 0;
}

static int append_trailer(struct kv_snapshot *s, struct buf *chunk)
{
    if (chunk->len + 64u > s->chunk_bytes_max && chunk->len > KV_SNAP_FRAME_BYTES) return MS_EBUSY;
    size_t begin = item_begin(chunk, KV_ITEM_TRAILER);
    buf_append_u64(chunk, s->item_count + 1); /* itself too */
    buf_append_u64(chunk, s->meta.digest.hi);
    buf_append_u64(chunk, s->meta.digest.lo);
    item_end(s, chunk, begin);
    return MS_EEND;
}

static int append_next(struct kv *kv, struct kv_snapshot *s, struct buf *chunk)
{
    if (s->next == KV_ITEM_TRAILER) return append_trailer(s, chunk);
    if (s->next != KV_ITEM_HEADER) return append_record(kv, s, chunk);
    append_meta(s, chunk);
    s->next = KV_ITEM_LEASE;
    seek_space(kv, s);
    return 0;
}

/* As many items as fit; at least one. 0; MS_EEND: the last chunk; errors. */
static int fill_chunk(struct kv *kv, struct kv_snapshot *s, struct buf *chunk)
{
    static const uint8_t frame[KV_SNAP_FRAME_BYTES];
    int rv = 0;
    buf_clear(chunk);
    buf_append(chunk, frame, sizeof frame);
    while (rv == 0 && !chunk->failed) rv = append_next(kv, s, chunk);
    if (chunk->failed) return MS_ENOMEM;
    return rv == MS_EBUSY ? 0 : rv;
}

/* The chunk is filled: its codec and its frame. */
static int close_chunk(struct kv *kv, struct kv_snapshot *s, struct kv_job *job)
{
    size_t plain_bytes = job->chunk.len - KV_SNAP_FRAME_BYTES;
    int codec = kv_codec_compress(&kv->codec, &job->chunk);
    if (codec < 0) return codec;
    struct kv_snap_frame f = { .seq = s->seq,
                               .codec = (enum kv_codec_kind)codec,
                               .plain_bytes = (uint32_t)plain_bytes };
    if (s->seq == 0) f.flags |= KV_SNAP_FIRST;
    if (job->last) f.flags |= KV_SNAP_LAST;
    s->crc = kv_snap_frame_write(&job->chunk, &f, s->crc);
    s->seq++;
    job->plain_bytes = KV_SNAP_FRAME_BYTES + plain_bytes;
    return 0;
}

void kv_snap_read(struct kv *kv, struct kv_job *job)
{
    struct kv_snapshot *s = job->snapshot;
    struct buf *chunk = &job->chunk;
    job->last = false;
    job->status = s->status;
    if (s->status < 0) return;
    s->chunk_bytes_max = job->chunk_bytes_max ? job->chunk_bytes_max : SNAP_CHUNK_BYTES_MAX;
    MS_ASSERT(s->chunk_bytes_max <= SNAP_CHUNK_BYTES_MAX);
    int rv = fill_chunk(kv, s, chunk);
    job->last = rv == MS_EEND;
    if (rv == 0 || job->last) {
        int closed = close_chunk(kv, s, job);
        if (closed < 0) rv = closed;
    }
    if (rv < 0) s->status = rv; /* items went with a chunk that failed: the stream has a hole */
    if (rv < 0 && rv != MS_EEND) {
        buf_clear(chunk);
        job->last = false;
        job->status = rv == MS_ENOMEM ? rv : kv_break(kv, rv, "reading a snapshot");
        return;
    }
    job->status = 0;
}
