/* kv_meta.c: the replicated state beside keys: its records in the engine, its copy in memory.
 *
 * Space 'm': 's' the state record, 'c' the cluster (uuid and configuration), 'b' and 'w' with a member
 * id its binding and its window, 'l' the number of leases, once there was one (the leases themselves have
 * a space of their own). The copy in memory is the truth between commits; a job writes what it
 * changed in the same commit as the data (S2). */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

#define STATE_FORMAT 1u
#define STATE_BYTES 57u
#define META_KEY_BYTES_MAX 10u
enum meta_record {
    META_STATE = 's',
    META_CLUSTER = 'c',
    META_BINDING = 'b',
    META_WINDOW = 'w',
    META_LEASES = 'l'
};

void kv_binding_encode(const struct kv_binding *b, uint8_t *out)
{
    bytes_store_u64(out, b->member_id);
    bytes_store_u64(out + 8, b->added_index);
    memcpy(out + 16, b->nonce, MS_UUID_BYTES);
}

int kv_binding_decode(struct bytes in, struct kv_binding *out)
{
    if (in.len != KV_BINDING_ENCODED_BYTES) return MS_ECORRUPT;
    out->member_id = bytes_load_u64(in.data);
    out->added_index = bytes_load_u64(in.data + 8);
    memcpy(out->nonce, in.data + 16, MS_UUID_BYTES);
    return 0;
}

struct kv_window *kv_meta_window(struct kv_meta *m, uint64_t member_id)
{
    for (uint32_t i = 0; i < m->window_count; i++) {
        if (m->windows[i].member_id == member_id) return &m->windows[i];
    }
    return NULL;
}

struct kv_window *kv_meta_window_add(struct kv_meta *m, const struct kv_window *w)
{
    uint32_t at = 0;
    MS_ASSERT(m->window_count < MS_MEMBERS_MAX); /* one a member */
    while (at < m->window_count && m->windows[at].member_id < w->member_id) at++;
    memmove(&m->windows[at + 1], &m->windows[at], (m->window_count - at) * sizeof *w);
    m->windows[at] = *w;
    m->window_count++;
    return &m->windows[at];
}

struct kv_binding *kv_meta_binding(struct kv_meta *m, uint64_t member_id)
{
    for (uint32_t i = 0; i < m->binding_count; i++) {
        if (m->bindings[i].member_id == member_id) return &m->bindings[i];
    }
    return NULL;
}

void kv_meta_binding_add(struct kv_meta *m, const struct kv_binding *b)
{
    uint32_t at = 0;
    MS_ASSERT(m->binding_count < MS_MEMBERS_MAX);
    while (at < m->binding_count && m->bindings[at].member_id < b->member_id) at++;
    memmove(&m->bindings[at + 1], &m->bindings[at], (m->binding_count - at) * sizeof *b);
    m->bindings[at] = *b;
    m->binding_count++;
}

bool kv_meta_is_member(const struct kv_meta *m, uint64_t member_id, uint64_t added_index)
{
    const struct config_member *member = config_find(&m->config, member_id);
    return member && member->added_index == added_index;
}

void kv_meta_info(const struct kv_meta *m, struct kv_info *out)
{
    *out = (struct kv_info){
        .applied_index = m->applied_index,
        .applied_term = m->applied_term,
        .revision = m->revision,
        .compacted_revision = m->compacted_revision,
        .config_index = m->config_index,
        .config = m->config,
        .binding_count = m->binding_count,
        .digest = m->digest,
        .key_count = m->key_count,
        .lease_count = m->lease_count,
    };
    memcpy(out->cluster_uuid, m->cluster_uuid, sizeof out->cluster_uuid);
    memcpy(out->bindings, m->bindings, m->binding_count * sizeof m->bindings[0]);
}

int kv_meta_digest(const struct kv_meta *m, const struct ms_alloc *alloc, struct kv_digest *out)
{
    struct kv_digest sum = kv_digest_of_revisions(m->revision, m->compacted_revision);
    struct buf encoded;
    buf_init(&encoded, alloc, CONFIG_ENCODED_BYTES_MAX);
    config_encode(&encoded, &m->config);
    if (encoded.failed) {
        buf_fini(&encoded);
        return MS_ENOMEM;
    }
    kv_digest_add(&sum, kv_digest_of_config(m->config_index, buf_bytes(&encoded)));
    buf_fini(&encoded);
    for (uint32_t i = 0; i < m->binding_count; i++) {
        kv_digest_add(&sum, kv_digest_of_binding(&m->bindings[i]));
    }
    for (uint32_t i = 0; i < m->window_count; i++) {
        kv_digest_add(&sum, kv_digest_of_window(&m->windows[i]));
    }
    *out = sum;
    return 0;
}

int kv_meta_init(struct kv_meta *m, const struct ms_alloc *alloc)
{
    memset(m, 0, sizeof *m);
    m->revision = 1; /* S5 */
    return kv_meta_digest(m, alloc, &m->digest);
}

static struct bytes meta_key(uint8_t *out, enum meta_record record)
{
    out[0] = KV_SPACE_META;
    out[1] = (uint8_t)record;
    return bytes_of(out, 2);
}

static struct bytes member_key(uint8_t *out, enum meta_record record, uint64_t member_id)
{
    meta_key(out, record);
    bytes_store_be64(out + 2, member_id);
    return bytes_of(out, META_KEY_BYTES_MAX);
}

static int engine_put(struct kv *kv, struct bytes key, const void *value, size_t len)
{
    return kv->engine->ops->put(kv->engine, key, bytes_of(value, len));
}

int kv_meta_put_state(struct kv *kv, const struct kv_meta *m)
{
    uint8_t key[META_KEY_BYTES_MAX], value[STATE_BYTES];
    struct bytes_writer to = bytes_writer_of(value, sizeof value);
    bytes_write_u8(&to, STATE_FORMAT);
    bytes_write_u64(&to, m->applied_index);
    bytes_write_u64(&to, m->applied_term);
    bytes_write_u64(&to, m->revision);
    bytes_write_u64(&to, m->compacted_revision);
    bytes_write_u64(&to, m->key_count);
    bytes_write_u64(&to, m->digest.hi);
    bytes_write_u64(&to, m->digest.lo);
    MS_ASSERT(to.at == sizeof value);
    return engine_put(kv, meta_key(key, META_STATE), value, sizeof value);
}

int kv_meta_put_cluster(struct kv *kv, const struct kv_meta *m)
{
    uint8_t key[META_KEY_BYTES_MAX];
    buf_clear(&kv->aux);
    buf_append(&kv->aux, m->cluster_uuid, MS_UUID_BYTES);
    buf_append_u64(&kv->aux, m->config_index);
    config_encode(&kv->aux, &m->config);
    if (kv->aux.failed) return MS_ENOMEM;
    return engine_put(kv, meta_key(key, META_CLUSTER), kv->aux.data, kv->aux.len);
}

int kv_meta_put_binding(struct kv *kv, const struct kv_binding *b)
{
    uint8_t key[META_KEY_BYTES_MAX], value[KV_BINDING_ENCODED_BYTES];
    kv_binding_encode(b, value);
    return engine_put(kv, member_key(key, META_BINDING, b->member_id), value, sizeof value);
}

int kv_meta_put_window(struct kv *kv, const struct kv_window *w)
{
    uint8_t key[META_KEY_BYTES_MAX], value[KV_WINDOW_ENCODED_BYTES_MAX];
    size_t len = kv_window_encode(w, value);
    return engine_put(kv, member_key(key, META_WINDOW, w->member_id), value, len);
}

int kv_meta_put_lease_count(struct kv *kv, const struct kv_meta *m)
{
    uint8_t key[META_KEY_BYTES_MAX], value[8];
    bytes_store_u64(value, m->lease_count);
    return engine_put(kv, meta_key(key, META_LEASES), value, sizeof value);
}

int kv_meta_remove_binding(struct kv *kv, uint64_t member_id)
{
    uint8_t key[META_KEY_BYTES_MAX];
    return kv->engine->ops->remove(kv->engine, member_key(key, META_BINDING, member_id));
}

int kv_meta_remove_window(struct kv *kv, uint64_t member_id)
{
    uint8_t key[META_KEY_BYTES_MAX];
    return kv->engine->ops->remove(kv->engine, member_key(key, META_WINDOW, member_id));
}

static int load_state(struct kv_meta *m, struct bytes in)
{
    struct bytes_reader at = bytes_reader_of(in);
    uint8_t format;
    if (!bytes_read_u8(&at, &format)) return MS_ECORRUPT;
    if (format != STATE_FORMAT) return MS_EVERSION;
    if (in.len != STATE_BYTES) return MS_ECORRUPT;
    bool whole = bytes_read_u64(&at, &m->applied_index) && bytes_read_u64(&at, &m->applied_term) &&
                 bytes_read_u64(&at, &m->revision) && bytes_read_u64(&at, &m->compacted_revision) &&
                 bytes_read_u64(&at, &m->key_count) && bytes_read_u64(&at, &m->digest.hi) &&
                 bytes_read_u64(&at, &m->digest.lo);
    MS_ASSERT(whole);
    return m->revision > 0 && m->compacted_revision <= m->revision ? 0 : MS_ECORRUPT;
}

static int load_cluster(struct kv_meta *m, struct bytes in)
{
    struct bytes_reader at = bytes_reader_of(in);
    if (!bytes_read_copy(&at, m->cluster_uuid, MS_UUID_BYTES)) return MS_ECORRUPT;
    if (!bytes_read_u64(&at, &m->config_index)) return MS_ECORRUPT;
    int rv = config_decode(&at, &m->config);
    if (rv < 0) return rv == MS_EVERSION ? rv : MS_ECORRUPT;
    return bytes_reader_left(&at) == 0 ? 0 : MS_ECORRUPT;
}

static int load_binding(struct kv_meta *m, struct bytes in)
{
    struct kv_binding b;
    int rv = kv_binding_decode(in, &b);
    if (rv < 0) return rv;
    if (m->binding_count == MS_MEMBERS_MAX || kv_meta_binding(m, b.member_id)) return MS_ECORRUPT;
    kv_meta_binding_add(m, &b);
    return 0;
}

static int load_window(struct kv_meta *m, struct bytes in)
{
    struct kv_window w;
    int rv = kv_window_decode(in, &w);
    if (rv < 0) return rv;
    if (m->window_count == MS_MEMBERS_MAX || kv_meta_window(m, w.member_id)) return MS_ECORRUPT;
    w.digest = kv_digest_of_window(&w);
    kv_meta_window_add(m, &w);
    return 0;
}

static int load_lease_count(struct kv_meta *m, struct bytes in)
{
    if (in.len != 8) return MS_ECORRUPT;
    m->lease_count = bytes_load_u64(in.data);
    return 0;
}

static int load_record(struct kv_meta *m, struct bytes key, struct bytes value)
{
    if (key.len < 2) return MS_ECORRUPT;
    switch (key.data[1]) {
    case META_STATE: return load_state(m, value);
    case META_CLUSTER: return load_cluster(m, value);
    case META_BINDING: return load_binding(m, value);
    case META_WINDOW: return load_window(m, value);
    case META_LEASES: return load_lease_count(m, value);
    }
    return MS_EVERSION; /* a later program's; to ignore it would be to lose it */
}

static int load_space(struct kv_meta *m, const struct engine_ops *ops, struct engine_iter *i,
                      bool *state)
{
    const uint8_t first[2] = { KV_SPACE_META, 0 };
    for (ops->iter_seek(i, bytes_of(first, 1)); ops->iter_valid(i); ops->iter_next(i)) {
        struct bytes key = ops->iter_key(i);
        if (key.data[0] != KV_SPACE_META) break;
        int rv = load_record(m, key, ops->iter_value(i));
        if (rv < 0) return rv;
        if (key.data[1] == META_STATE) *state = true;
    }
    return ops->iter_status(i);
}

int kv_meta_load(struct kv_meta *m, struct engine *engine, const struct ms_alloc *alloc)
{
    const struct engine_ops *ops = engine->ops;
    bool found = false;
    int rv = kv_meta_init(m, alloc);
    if (rv < 0) return rv;
    struct engine_iter *i = ops->iter_open(engine, NULL);
    if (!i) return MS_ENOMEM;
    rv = load_space(m, ops, i, &found);
    if (rv == 0 && !found) {
        /* Keys without a state record are no state of ours; nothing at all is the state of nothing. */
        ops->iter_seek(i, bytes_of("", 1));
        rv = ops->iter_valid(i) ? MS_ECORRUPT : ops->iter_status(i);
    }
    ops->iter_close(i);
    return rv;
}
