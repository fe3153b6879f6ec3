/* kv_load.c: a snapshot installed. Chunks go into a new content beside the present one; both are
 * exchanged at the end, when everything was seen to be whole (E5). Until then, and after any failure,
 * the state is what it was.
 *
 * A state may be taken over by a new cluster (struct kv_refound): checked as it is, then changed.
 *
 * What is checked: frames, their chain and their order; the order and form of items; revisions against
 * each other; at the end the count of items, of keys and of those that hang on leases, and the digest. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

struct kv_load {
    struct kv_meta meta;
    struct kv_digest records; /* sum over the current ones */
    struct kv_digest leases;  /* likewise; of a state taken over: as they are then */
    struct kv_digest leases_seen;
    uint64_t attached_count, leased_key_count; /* keys, by leases and by records */
    uint64_t record_count, item_count;
    uint8_t stage;       /* kind of the last item; 0: none yet */
    uint32_t seq, crc;   /* of the next chunk, of the last one */
    struct buf last_key; /* of the engine; they rise through the whole stream */
    uint64_t trailer_item_count;
    struct kv_digest trailer_digest;
    bool last_seen;
    int status; /* the failure that ended it */
    const struct kv_refound *refound;
};

void kv_load_begin(struct kv *kv, struct kv_job *job)
{
    job->status = MS_EBUSY;
    if (kv->load) return;
    struct kv_load *l = ms_alloc(kv->alloc, sizeof *l);
    job->status = MS_ENOMEM;
    if (!l) return;
    memset(l, 0, sizeof *l);
    buf_init(&l->last_key, kv->alloc, ENGINE_KEY_BYTES_MAX);
    l->refound = job->refound;
    job->status = kv->engine->ops->replace_begin(kv->engine);
    if (job->status < 0) {
        ms_free(kv->alloc, l);
        return;
    }
    kv->load = l;
}

static void load_free(struct kv *kv)
{
    buf_fini(&kv->load->last_key);
    ms_free(kv->alloc, kv->load);
    kv->load = NULL;
    kv_snap_rest(kv);
}

int kv_load_abandon(struct kv *kv)
{
    if (!kv->load) return 0;
    load_free(kv);
    return kv->engine->ops->replace_end(kv->engine, false);
}

static int load_header(struct kv_load *l, struct bytes item)
{
    struct kv_snap_header h;
    int rv = kv_snap_header_item_decode(item, &h);
    if (rv < 0) return rv;
    l->meta.applied_index = h.index;
    l->meta.applied_term = h.term;
    l->meta.config_index = h.config_index;
    l->meta.config = h.config;
    memcpy(l->meta.cluster_uuid, h.cluster_uuid, sizeof h.cluster_uuid);
    return 0;
}

static int load_binding(struct kv_load *l, struct bytes item)
{
    struct kv_meta *m = &l->meta;
    struct kv_binding b;
    if (kv_binding_decode(item, &b) < 0) return MS_ECORRUPT;
    if (!kv_meta_is_member(m, b.member_id, b.added_index)) return MS_ECORRUPT;
    if (m->binding_count > 0 && m->bindings[m->binding_count - 1].member_id >= b.member_id) {
        return MS_ECORRUPT;
    }
    kv_meta_binding_add(m, &b); /* there is room: they rise, and are members */
    return 0;
}

static int load_window(struct kv_load *l, struct bytes item)
{
    struct kv_meta *m = &l->meta;
    struct kv_window w;
    if (kv_window_decode(item, &w) < 0) return MS_ECORRUPT;
    if (!kv_meta_is_member(m, w.member_id, w.added_index)) return MS_ECORRUPT;
    if (m->window_count > 0 && m->windows[m->window_count - 1].member_id >= w.member_id) {
        return MS_ECORRUPT;
    }
    w.digest = kv_digest_of_window(&w);
    kv_meta_window_add(m, &w);
    return 0;
}

static int load_revisions(struct kv_load *l, struct bytes item)
{
    struct bytes_reader in = bytes_reader_of(item);
    struct kv_meta *m = &l->meta;
    if (item.len != 24) return MS_ECORRUPT;
    bytes_read_u64(&in, &m->revision);
    bytes_read_u64(&in, &m->compacted_revision);
    bytes_read_u64(&in, &m->key_count);
    return m->revision > 0 && m->compacted_revision <= m->revision ? 0 : MS_ECORRUPT;
}

/* Put value at kv->key, which has to be above the one before. */
static int put_in_order(struct kv *kv, struct bytes value)
{
    struct kv_load *l = kv->load;
    if (kv->key.failed) return MS_ENOMEM;
    if (bytes_compare(buf_bytes(&kv->key), buf_bytes(&l->last_key)) <= 0) return MS_ECORRUPT;
    buf_clear(&l->last_key);
    buf_append(&l->last_key, kv->key.data, kv->key.len);
    if (l->last_key.failed) return MS_ENOMEM;
    bool is_past = kv->key.data[0] == KV_SPACE_HISTORY || kv->key.data[0] == KV_SPACE_REVS;
    if (l->refound && is_past) return 0;
    return kv->engine->ops->put(kv->engine, buf_bytes(&kv->key), value);
}

/* One of a state taken over has all of its time before it: how much of it went by since, nobody knows. */
static int load_lease(struct kv *kv, struct bytes item)
{
    struct kv_load *l = kv->load;
    struct bytes_reader in = bytes_reader_of(item);
    struct kv_lease lease;
    struct bytes encoded;
    uint64_t id;
    if (!bytes_read_u64(&in, &id)) return MS_ECORRUPT;
    bytes_read_span(&in, bytes_reader_left(&in), &encoded);
    int rv = kv_lease_decode(encoded, id, &lease);
    if (rv < 0) return rv;
    if (lease.renewed_index > l->meta.applied_index) return MS_ECORRUPT;
    kv_digest_add(&l->leases_seen, kv_digest_of_lease(id, encoded));
    if (l->refound) lease.remaining_ms = lease.ttl_ms;
    buf_clear(&kv->lease);
    kv_lease_encode(&kv->lease, &lease);
    if (kv->lease.failed) return MS_ENOMEM;
    kv_digest_add(&l->leases, kv_digest_of_lease(id, buf_bytes(&kv->lease)));
    l->leased_key_count += lease.key_count;
    if (++l->meta.lease_count > MS_LEASES_MAX) return MS_ECORRUPT;
    kv_key_lease(&kv->key, id);
    return put_in_order(kv, buf_bytes(&kv->lease));
}

/* Of a record that names a lease. There has to be one: the counts would differ, or the digest. */
static int load_attached(struct kv *kv, uint64_t lease, struct bytes key)
{
    struct kv_load *l = kv->load;
    if (lease > MS_LEASE_ID_MAX || ++l->attached_count > l->leased_key_count) return MS_ECORRUPT;
    kv_key_attached(&kv->key, lease, key);
    if (kv->key.failed) return MS_ENOMEM;
    return kv->engine->ops->put(kv->engine, buf_bytes(&kv->key), bytes_of(NULL, 0));
}

static bool read_key(struct bytes_reader *in, struct bytes *key, struct bytes *rest)
{
    uint32_t len;
    if (!bytes_read_u32(in, &len) || len == 0 || len > MS_KEY_BYTES_MAX) return false;
    return bytes_read_span(in, len, key) && bytes_read_span(in, bytes_reader_left(in), rest);
}

static int load_current(struct kv *kv, struct bytes item)
{
    struct kv_load *l = kv->load;
    struct bytes_reader in = bytes_reader_of(item);
    struct bytes key, encoded;
    struct kv_record record;
    if (!read_key(&in, &key, &encoded)) return MS_ECORRUPT;
    int rv = kv_record_decode(encoded, &record);
    if (rv < 0) return rv;
    if (record.mod_revision > l->meta.revision) return MS_ECORRUPT;
    kv_digest_add(&l->records, kv_digest_of_record(key, encoded));
    l->record_count++;
    rv = record.lease ? load_attached(kv, record.lease, key) : 0;
    if (rv < 0) return rv;
    kv_key_current(&kv->key, key);
    return put_in_order(kv, encoded);
}

static int load_history(struct kv *kv, struct bytes item)
{
    const struct kv_meta *m = &kv->load->meta;
    struct bytes_reader in = bytes_reader_of(item);
    struct bytes key, encoded;
    struct kv_old_record old;
    if (!read_key(&in, &key, &encoded)) return MS_ECORRUPT;
    int rv = kv_old_record_decode(encoded, &old);
    if (rv < 0) return rv;
    if (old.superseded_revision > m->revision) return MS_ECORRUPT;
    if (old.superseded_revision <= m->compacted_revision) return MS_ECORRUPT;
    kv_key_history(&kv->key, key, old.record.mod_revision);
    return put_in_order(kv, encoded);
}

static int load_change(struct kv *kv, struct bytes item)
{
    const struct kv_meta *m = &kv->load->meta;
    struct bytes_reader in = bytes_reader_of(item);
    struct bytes encoded;
    struct kv_change change;
    uint64_t revision;
    uint32_t sub;
    if (!bytes_read_u64(&in, &revision) || !bytes_read_u32(&in, &sub)) return MS_ECORRUPT;
    bytes_read_span(&in, bytes_reader_left(&in), &encoded);
    int rv = kv_change_decode(encoded, &change);
    if (rv < 0) return rv;
    if (revision > m->revision || revision < m->compacted_revision) return MS_ECORRUPT;
    if (change.prev_mod_revision >= revision) return MS_ECORRUPT;
    kv_key_rev(&kv->key, revision, sub);
    return put_in_order(kv, encoded);
}

static int load_trailer(struct kv_load *l, struct bytes item)
{
    struct bytes_reader in = bytes_reader_of(item);
    if (item.len != 24) return MS_ECORRUPT;
    bytes_read_u64(&in, &l->trailer_item_count);
    bytes_read_u64(&in, &l->trailer_digest.hi);
    bytes_read_u64(&in, &l->trailer_digest.lo);
    return 0;
}

/* Kinds follow each other by rank; header, revisions, trailer once each. */
static bool stage_follows(uint8_t stage, uint8_t type)
{
    const uint8_t revisions = kv_snap_item_rank(KV_ITEM_REVISIONS);
    uint8_t before = kv_snap_item_rank(stage), rank = kv_snap_item_rank(type);
    if (stage == 0) return type == KV_ITEM_HEADER;
    if (type == KV_ITEM_HEADER || rank < before) return false; /* an unknown kind has rank 0 */
    if (type == stage) return type != KV_ITEM_REVISIONS && type != KV_ITEM_TRAILER;
    return rank <= revisions || before >= revisions;
}

static int load_item(struct kv *kv, uint8_t type, struct bytes item)
{
    struct kv_load *l = kv->load;
    if (!stage_follows(l->stage, type)) return MS_ECORRUPT;
    l->stage = type;
    l->item_count++;
    switch (type) {
    case KV_ITEM_HEADER: return load_header(l, item);
    case KV_ITEM_BINDING: return load_binding(l, item);
    case KV_ITEM_WINDOW: return load_window(l, item);
    case KV_ITEM_REVISIONS: return load_revisions(l, item);
    case KV_ITEM_LEASE: return load_lease(kv, item);
    case KV_ITEM_CURRENT: return load_current(kv, item);
    case KV_ITEM_HISTORY: return load_history(kv, item);
    case KV_ITEM_CHANGE: return load_change(kv, item);
    }
    return load_trailer(l, item);
}

static int load_body(struct kv *kv, const struct kv_snap_frame *frame)
{
    struct bytes plain, item;
    uint8_t type;
    int rv = kv_codec_plain(&kv->codec, frame, &plain);
    if (rv < 0) return rv;
    if (plain.len == 0) return MS_ECORRUPT;
    struct bytes_reader body = bytes_reader_of(plain);
    while (rv == 0) {
        rv = kv_snap_item_next(&body, &type, &item);
        if (rv == 0) rv = load_item(kv, type, item);
    }
    if (rv != MS_EEND) return rv;
    bool ended = kv->load->stage == KV_ITEM_TRAILER;
    if (ended != ((frame->flags & KV_SNAP_LAST) != 0)) return MS_ECORRUPT;
    return kv->engine->ops->commit(kv->engine); /* bounds what an engine gathers */
}

static int load_chunk(struct kv *kv, struct bytes chunk, size_t *plain_bytes)
{
    struct kv_load *l = kv->load;
    struct kv_snap_frame frame;
    if (l->last_seen) return MS_ECORRUPT;
    int rv = kv_snap_frame_decode(chunk, l->crc, &frame);
    if (rv < 0) return rv;
    if (kv_snap_chunk_bytes(chunk) != (int64_t)chunk.len) return MS_ECORRUPT;
    if (frame.seq != l->seq || (frame.seq == 0) != ((frame.flags & KV_SNAP_FIRST) != 0)) {
        return MS_ECORRUPT;
    }
    rv = load_body(kv, &frame);
    if (rv < 0) return rv;
    *plain_bytes = KV_SNAP_FRAME_BYTES + frame.plain_bytes;
    l->crc = frame.crc;
    l->seq++;
    l->last_seen = (frame.flags & KV_SNAP_LAST) != 0;
    return 0;
}

void kv_load_chunk(struct kv *kv, struct kv_job *job)
{
    job->status = MS_ECONFLICT; /* an apply has ended it */
    if (!kv->load) return;
    if (kv->load->status == 0)
        kv->load->status = load_chunk(kv, buf_bytes(&job->chunk), &job->plain_bytes);
    job->status = kv->load->status;
}

static int load_verify(struct kv *kv)
{
    struct kv_load *l = kv->load;
    struct kv_digest sum;
    if (l->status < 0) return l->status;
    if (!l->last_seen) return MS_ESHORT;
    int rv = kv_meta_digest(&l->meta, kv->alloc, &sum);
    if (rv < 0) return rv;
    kv_digest_add(&sum, l->records);
    kv_digest_add(&sum, l->leases_seen);
    if (!kv_digest_equal(sum, l->trailer_digest)) return MS_ECORRUPT;
    if (l->item_count != l->trailer_item_count) return MS_ECORRUPT;
    if (l->record_count != l->meta.key_count) return MS_ECORRUPT;
    if (l->attached_count != l->leased_key_count) return MS_ECORRUPT;
    l->meta.digest = sum;
    return 0;
}

static int refound(struct kv *kv)
{
    struct kv_load *l = kv->load;
    const struct kv_refound *r = l->refound;
    struct kv_meta *m = &l->meta;
    struct config_member self = { .id = r->member_id, .roles = CONFIG_VOTER };
    struct kv_binding binding = { .member_id = r->member_id, .added_index = m->applied_index };
    if (m->applied_index == 0) return MS_EINVAL;
    if (m->revision > KV_REVISION_MAX || r->revision_bump > KV_REVISION_MAX - m->revision) {
        return MS_ETOOBIG;
    }
    memcpy(self.url, r->url, sizeof self.url);
    memcpy(binding.nonce, r->nonce, sizeof binding.nonce);
    memcpy(m->cluster_uuid, r->cluster_uuid, sizeof m->cluster_uuid);
    m->config = (struct config){ 0 };
    int rv = config_add(&m->config, &self);
    MS_ASSERT(rv == 0);
    m->config_index = m->applied_index;
    config_resolve(&m->config, m->config_index);
    m->binding_count = m->window_count = 0;
    kv_meta_binding_add(m, &binding);
    m->revision += r->revision_bump;
    m->compacted_revision = m->revision;
    rv = kv_meta_digest(m, kv->alloc, &m->digest);
    if (rv < 0) return rv;
    kv_digest_add(&m->digest, l->records);
    kv_digest_add(&m->digest, l->leases);
    return 0;
}

static int put_meta(struct kv *kv)
{
    const struct kv_meta *m = &kv->load->meta;
    int rv = kv_meta_put_cluster(kv, m);
    for (uint32_t i = 0; i < m->binding_count && rv == 0; i++) {
        rv = kv_meta_put_binding(kv, &m->bindings[i]);
    }
    for (uint32_t i = 0; i < m->window_count && rv == 0; i++) {
        rv = kv_meta_put_window(kv, &m->windows[i]);
    }
    if (rv == 0) rv = kv_meta_put_state(kv, m);
    if (rv == 0 && m->lease_count > 0) rv = kv_meta_put_lease_count(kv, m);
    if (rv == 0) rv = kv->engine->ops->commit(kv->engine);
    return rv;
}

void kv_load_end(struct kv *kv, struct kv_job *job)
{
    int rv = kv->load ? 0 : MS_ECONFLICT;
    if (!job->last || !kv->load) {
        job->status = job->last ? rv : kv_load_abandon(kv);
        kv_job_info(kv, job);
        return;
    }
    rv = load_verify(kv);
    if (rv == 0 && kv->load->refound) rv = refound(kv);
    if (rv == 0) rv = put_meta(kv);
    if (rv == 0) {
        rv = kv->engine->ops->replace_end(kv->engine, true);
        if (rv == 0) kv->meta = kv->load->meta;
        load_free(kv);
    } else {
        int abandoned = kv_load_abandon(kv);
        if (abandoned < 0) rv = abandoned;
    }
    job->status = rv;
    kv_job_info(kv, job);
}
