/* wal_inspect.c: looking at a log. Twice over the chain: only when all of it has been judged is it known
 * which records are superseded. */
#include "wal/wal_inspect.h"

#include <stdio.h>

#include "wal/wal_recover.h"

struct inspect {
    struct wal_recover *r;
    wal_seen_cb cb;
    void *arg;
};

static enum wal_fate fate_of(struct wal_index *x, const struct wal_record *rec, struct wal_place place)
{
    if (rec->type != WAL_RECORD_ENTRY) return WAL_FATE_NONE;
    if (rec->index <= x->base_index) return WAL_FATE_CUT;
    if (rec->index > wal_index_last(x)) return WAL_FATE_SUPERSEDED;
    const struct wal_place *live = wal_index_place(x, rec->index);
    bool same = live->life32 == place.life32 && live->at == place.at;
    return same ? WAL_FATE_LIVE : WAL_FATE_SUPERSEDED;
}

static int give(void *arg, const struct wal_found_segment *f, struct wal_place place,
                const struct wal_record *rec)
{
    struct inspect *in = arg;
    struct wal_seen seen = { .life = f->life, .rec = *rec };
    uint64_t sector = place.at / WAL_SECTOR_PAYLOAD;
    int rv = 0;
    seen.offset = sector * DISK_SECTOR_BYTES + place.at % WAL_SECTOR_PAYLOAD;
    seen.fate = fate_of(&in->r->w->index, rec, place);
    if (rec->type == WAL_RECORD_BASE || rec->type == WAL_RECORD_RESET) {
        rv = wal_base_decode(rec, &seen.base);
    } else if (rec->type == WAL_RECORD_STATE) {
        struct bytes_reader body = bytes_reader_of(rec->body);
        rv = wal_mark_decode(&body, &seen.mark);
    }
    if (rv < 0) return MS_EIO; /* recovery has just taken it */
    return in->cb ? in->cb(in->arg, &seen) : 0;
}

/* What opening the log would rewrite without a word, as the log has the newer copy. */
static void judge_state_file(const struct wal_recover *r, struct wal_inspection *out)
{
    const struct wal_state_file *s = &r->file;
    char path[DISK_PATH_BYTES_MAX];
    wal_path_name(r->w, path, WAL_STATE_NAME);
    if (!s->present && r->mark_known) {
        snprintf(out->state_detail, sizeof out->state_detail, "%s: the file is missing", path);
    }
    for (unsigned i = 0; s->present && i < 2; i++) {
        if (s->slot_whole[i]) continue;
        snprintf(out->state_detail, sizeof out->state_detail,
                 "%s, offset %u: a copy of the state is damaged", path, i * WAL_SLOT_STRIDE);
        return;
    }
}

static int inspect(struct inspect *in, struct wal_inspection *out)
{
    struct wal_recover *r = in->r;
    int rv = wal_recover_judge(r);
    out->member_id = r->w->member_id;
    out->segment_count = r->count;
    out->file_count = r->count + r->file.present;
    if (rv < 0) return rv;
    wal_recover_tell(r);
    judge_state_file(r, out);
    for (size_t i = 0; i < r->count; i++) out->chain_count += r->at[i].in_chain;
    for (size_t i = 0; rv == 0 && i < r->count; i++) {
        if (r->at[i].in_chain) rv = wal_scan_records(r, &r->at[i], give, in);
    }
    return rv;
}

/* A log that is not going to be opened. MS_ETOOBIG, MS_ENOMEM; wal_close() ends it. */
static int begin(struct wal_recover *r, const char *dir, struct disk *disk,
                 const struct ms_alloc *alloc)
{
    size_t len = strlen(dir);
    if (len + 64 > DISK_PATH_BYTES_MAX) return MS_ETOOBIG;
    struct wal *w = r->w = ms_alloc_zeroed(alloc, sizeof *w);
    if (!w) return MS_ENOMEM;
    w->magic = WAL_MAGIC;
    w->disk = disk;
    w->alloc = alloc;
    w->state_file = w->reader.file = w->bulk.file = DISK_FILE_NONE;
    memcpy(w->dir, dir, len + 1);
    wal_index_init(&w->index, alloc);
    return 0;
}

int wal_inspect(const char *dir, struct disk *disk, const struct ms_alloc *alloc,
                struct wal_inspection *out, wal_seen_cb cb, void *arg)
{
    struct wal_recover r = { .out = &out->recovery, .any_member = true };
    struct inspect in = { .r = &r, .cb = cb, .arg = arg };
    *out = (struct wal_inspection){ 0 };
    int rv = begin(&r, dir, disk, alloc);
    if (rv < 0) return rv;
    rv = inspect(&in, out);
    wal_recover_fini(&r);
    wal_close(r.w);
    return rv;
}

int wal_identify(const char *dir, uint64_t member_id, struct disk *disk, const struct ms_alloc *alloc,
                 struct wal_recovery *out)
{
    struct wal_recover r = { .out = out };
    *out = (struct wal_recovery){ 0 };
    int rv = begin(&r, dir, disk, alloc);
    if (rv < 0) return rv;
    r.w->member_id = member_id;
    rv = wal_recover_look_around(&r);
    if (rv == 0 && r.file.known) out->state = r.file.mark.state;
    wal_recover_fini(&r);
    wal_close(r.w);
    return rv;
}
