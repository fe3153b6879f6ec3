/* rt_backup_status.c: ms_snapshot_status(): what a backup holds, and whether it is whole. */
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "rt/rt_alloc.h"
#include "rt/rt_backup.h"

static_assert(MS_STATUS_MEMBERS_MAX >= MS_MEMBERS_MAX, "all members fit");

static void hex(char *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static enum ms_part part_of(uint8_t roles)
{
    static_assert((int)MS_PART_VOTER == (int)CONFIG_PART_VOTER &&
                      (int)MS_PART_OUTGOING == (int)CONFIG_PART_OUTGOING,
                  "the public parts are the core's");
    return (enum ms_part)config_part(roles);
}

static void set_members(struct ms_snapshot_report *out, const struct config *c)
{
    out->member_count = c->member_count;
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        out->members[i] = (struct ms_status_member){ .id = m->id,
                                                     .voter = m->roles & CONFIG_VOTER,
                                                     .learner = m->roles & CONFIG_LEARNER,
                                                     .part = part_of(m->roles) };
        snprintf(out->members[i].url, sizeof out->members[i].url, "%s", m->url);
    }
}

static void set_info(struct ms_snapshot_report *out, const struct kv_info *info)
{
    out->index = info->applied_index;
    out->term = info->applied_term;
    out->revision = info->revision;
    out->compacted_revision = info->compacted_revision;
    out->key_count = info->key_count;
    hex(out->cluster, info->cluster_uuid, MS_UUID_BYTES);
    snprintf(out->digest, sizeof out->digest, "%016llx%016llx", (unsigned long long)info->digest.hi,
             (unsigned long long)info->digest.lo);
    set_members(out, &info->config);
}

/* Of a damaged one, as far as its first chunk still says. */
static void set_header(struct ms_snapshot_report *out, struct rt_chunks *c)
{
    struct kv_snap_header h;
    c->offset = 0;
    c->chunk.len = 0;
    if (rt_chunks_next(c) < 0 || kv_snap_header_decode(buf_bytes(&c->chunk), rt_alloc_heap(), &h) < 0)
        return;
    out->index = h.index;
    out->term = h.term;
    hex(out->cluster, h.cluster_uuid, MS_UUID_BYTES);
    set_members(out, &h.config);
}

static void set_damage(struct ms_snapshot_report *out, struct rt_chunks *c, const char *path, int rv)
{
    const char *what = ms_err_text(rv);
    out->damage_offset = c->offset;
    if (rv == MS_ESHORT) what = "it ends too early";
    if (out->bytes == 0) what = "it is empty";
    snprintf(out->text, sizeof out->text, "damaged: %s, offset %llu of %llu: %s", path,
             (unsigned long long)c->offset, (unsigned long long)out->bytes, what);
    set_header(out, c);
}

static bool is_damage(int rv)
{
    return rv == MS_ECORRUPT || rv == MS_ESHORT;
}

static int judge(struct rt_chunks *c, struct kv *kv, const char *path, struct ms_snapshot_report *out,
                 char *why)
{
    struct kv_info info;
    int rv = rt_backup_load(c, kv, NULL, &info);
    if (is_damage(rv)) {
        set_damage(out, c, path, rv);
        return 0;
    }
    if (rv < 0) {
        snprintf(why, MS_WHY_BYTES, "%s, offset %llu: %s", path, (unsigned long long)c->offset,
                 ms_err_text(rv));
        return rv;
    }
    out->whole = true;
    set_info(out, &info);
    snprintf(out->text, sizeof out->text, "whole: index %llu, term %llu, revision %llu, %llu keys",
             (unsigned long long)out->index, (unsigned long long)out->term,
             (unsigned long long)out->revision, (unsigned long long)out->key_count);
    return 0;
}

int ms_snapshot_status(const char *file, struct ms_snapshot_report *out, char why[MS_WHY_BYTES])
{
    struct rt_chunks c;
    struct kv *kv = NULL;
    *out = (struct ms_snapshot_report){ 0 };
    why[0] = 0;
    int rv = rt_chunks_open(&c, file, why);
    if (rv < 0) return rv;
    out->bytes = c.size_bytes;
    struct engine *engine = kv_null_create(rt_alloc_heap());
    rv = engine ? kv_create(&kv, engine, rt_alloc_heap(), NULL) : MS_ENOMEM;
    if (rv == 0)
        rv = judge(&c, kv, file, out, why);
    else
        snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(rv));
    if (kv)
        kv_destroy(kv);
    else if (engine)
        engine->ops->close(engine);
    rt_chunks_close(&c);
    return rv;
}
