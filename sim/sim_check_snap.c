/* sim_check_snap.c: K16: the snapshots that a disk durably holds. A member that has one needs no log up
 * to its index, so its acks up to there are covered by it. What counts is what a power cut would leave:
 * a name that a sync of the directory has covered, and contents that load, and are the state of the
 * ledger. */
#include <stdio.h>

#include "sim/sim_check_private.h"

#define LOAD_EVERY 8u /* all are opened, each so-manieth is loaded */

struct newest {
    struct sim *sim;
    const struct sim_member *member;
    uint64_t index, term, bytes;
    uint32_t files;
    char name[64];
};

static int load_job(struct kv *kv, enum kv_job_kind kind, struct bytes chunk, struct kv_info *info)
{
    struct kv_job job = { .kind = kind, .last = true, .info = info };
    job.chunk =
        (struct buf){ .data = (uint8_t *)(uintptr_t)chunk.data, .len = chunk.len, .cap = chunk.len };
    kv_run(kv, &job);
    return job.status;
}

static int load_all(struct kv *kv, struct bytes file, struct kv_info *info)
{
    int rv = load_job(kv, KV_JOB_LOAD_BEGIN, bytes_of(NULL, 0), NULL);
    for (size_t at = 0; rv == 0 && at < file.len;) {
        int64_t len = kv_snap_chunk_bytes(bytes_of(file.data + at, file.len - at));
        if (len <= 0 || (uint64_t)len > file.len - at) return MS_ECORRUPT;
        rv = load_job(kv, KV_JOB_LOAD_CHUNK, bytes_of(file.data + at, (size_t)len), NULL);
        at += (size_t)len;
    }
    return rv < 0 ? rv : load_job(kv, KV_JOB_LOAD_END, bytes_of(NULL, 0), info);
}

static void check_contents(struct sim *s, const struct sim_member *m, const struct newest *n,
                           struct bytes file)
{
    struct kv *kv;
    struct kv_info info;
    struct engine *engine = kv_mem_create(&s->alloc.face);
    MS_ASSERT(engine != NULL && kv_create(&kv, engine, &s->alloc.face, NULL) == 0);
    int rv = load_all(kv, file, &info);
    if (rv < 0 || info.applied_index != n->index || info.applied_term != n->term) {
        sim_fail(SIM_FAIL_SAFETY, "K16", "m%u: %s does not load: %s", m->index + 1, n->name,
                 rv < 0 ? ms_err_text(rv) : "it is of another index");
    }
    chk_check_digest(s, m, n->index, &info.digest, "K16", "a stored snapshot");
    kv_destroy(kv);
}

static void check_file(struct sim *s, const struct sim_member *m, const struct newest *n)
{
    char path[128];
    struct kv_snap_header h;
    uint8_t *data = malloc(n->bytes + 1);
    snprintf(path, sizeof path, SIM_SNAP_DIR "/%s", n->name);
    MS_ASSERT(data != NULL);
    MS_ASSERT(sim_disk_durable_read(m->disk, path, 0, data, n->bytes) == (int64_t)n->bytes);
    const struct chk_entry *e = chk_at(&s->check->ledger, n->index);
    if (!e || e->term != n->term ||
        kv_snap_header_decode(bytes_of(data, n->bytes), &s->alloc.face, &h) < 0 ||
        h.index != n->index || h.term != n->term) {
        sim_fail(SIM_FAIL_SAFETY, "K16", "m%u: %s is no snapshot of what was committed", m->index + 1,
                 n->name);
    }
    if (n->index % LOAD_EVERY == 0) check_contents(s, m, n, bytes_of(data, n->bytes));
    free(data);
}

/* On a disk that was damaged only what loads and is what it should be counts. */
static bool counts(struct sim *s, const struct sim_member *m, const struct newest *n)
{
    char path[128];
    struct kv *kv;
    struct kv_info info;
    if (!chk_member(s, m)->was_harmed) return true;
    uint8_t *data = malloc(n->bytes + 1);
    struct engine *engine = kv_mem_create(&s->alloc.face);
    MS_ASSERT(data != NULL && engine != NULL && kv_create(&kv, engine, &s->alloc.face, NULL) == 0);
    snprintf(path, sizeof path, SIM_SNAP_DIR "/%s", n->name);
    int64_t len = sim_disk_durable_read(m->disk, path, 0, data, n->bytes);
    bool whole = len == (int64_t)n->bytes && load_all(kv, bytes_of(data, n->bytes), &info) == 0 &&
                 info.applied_index == n->index && info.applied_term == n->term;
    kv_destroy(kv);
    free(data);
    return whole;
}

static int note_name(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    struct newest *n = arg;
    unsigned long long index, term;
    if (is_dir || strlen(name) != 38 || sscanf(name, "snap-%16llx-%16llx", &index, &term) != 2)
        return 0;
    n->files++;
    if (index <= n->index) return 0;
    struct newest found = { .index = index, .term = term, .bytes = size_bytes };
    memcpy(found.name, name, 39);
    if (!counts(n->sim, n->member, &found)) return 0;
    n->index = found.index;
    n->term = found.term;
    n->bytes = found.bytes;
    memcpy(n->name, found.name, sizeof n->name);
    return 0;
}

/* A sync of the directory has been carried out, or power came back. */
void chk_snap_look(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    struct newest n = { .sim = s, .member = m };
    if (m->on_rocks) return; /* its state is what it opens with: sim_check_apply.c */
    if (sim_disk_durable_list(m->disk, SIM_SNAP_DIR, note_name, &n) < 0) return;
    if (n.files < 2) c->wrong_kept = false;
    if (n.index < c->snap_index) {
        sim_fail(SIM_FAIL_SAFETY, "K16", "m%u had a snapshot of index %llu, now one of %llu",
                 m->index + 1, (unsigned long long)c->snap_index, (unsigned long long)n.index);
    }
    if (n.index == c->snap_index) return;
    check_file(s, m, &n);
    c->snap_index = n.index;
}
