/* rt_wal.c: ms_wal_read(): a log, looked at from outside (wal/wal_inspect.h does the reading).
 *
 *   RW1  files are opened for reading only; nothing is made, renamed, removed, written or synced
 *   RW2  no lock is kept: whether a member holds it is asked, before and after. Who starts in that very
 *        instant finds the directory in use, and can be started again */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "format/json_write.h"
#include "metastore/metastore.h"
#include "rt/rt_alloc.h"
#include "rt/rt_disk.h"
#include "rt/rt_wal_line.h"

static_assert(sizeof((struct ms_wal_report *)0)->log_dir == DISK_PATH_BYTES_MAX, "any path fits");

/* ---- a disk that can only be read (RW1) ---- */

static int open_for_reading(struct disk_op *op)
{
    struct stat st;
    MS_ASSERT(!op->create);
    int fd =
        open(op->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe of that name holds up nobody */
    if (fd < 0) return rt_disk_error(errno);
    int rv = fstat(fd, &st) != 0 ? rt_disk_error(errno) : S_ISREG(st.st_mode) ? 0 : MS_EIO;
    if (rv < 0) {
        close(fd);
        return rv;
    }
    op->file = fd;
    op->size_bytes = (uint64_t)st.st_size;
    return 0;
}

static int reading_call(struct disk *face, struct disk_op *op)
{
    (void)face;
    MS_ASSERT(op->kind == DISK_OP_OPEN || op->kind == DISK_OP_READ || op->kind == DISK_OP_CLOSE);
    if (op->kind == DISK_OP_OPEN)
        op->status = open_for_reading(op);
    else
        rt_disk_execute(op);
    return op->status;
}

static void reading_submit(struct disk *face, struct disk_op *op)
{
    (void)face;
    (void)op;
    MS_UNREACHABLE();
}

static int reading_lock(struct disk *face, const char *path)
{
    (void)face;
    (void)path;
    MS_UNREACHABLE();
}

const struct disk_ops rt_disk_reading_ops = {
    .submit = reading_submit, .call = reading_call, .list = rt_disk_list, .lock = reading_lock
};

/* ---- where the log is, and who has it ---- */

struct place {
    char home[DISK_PATH_BYTES_MAX], log[DISK_PATH_BYTES_MAX]; /* as in rt_dirs.h; may be the same */
};

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Of a log that lies in a member's directory, as with RocksDB, the directory above is the one that is
 * locked. */
static void home_above(struct place *p)
{
    char *whole = realpath(p->log, NULL);
    const char *slash = whole ? strrchr(whole, '/') : NULL;
    if (slash && strcmp(slash, "/wal") == 0 && strlen(p->log) + 4 < sizeof p->home)
        snprintf(p->home, sizeof p->home, "%s/..", p->log);
    free(whole);
}

static int find_log(struct place *p, const char *dir, char *why)
{
    struct stat st;
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    if (len == 0 || len + 128 > DISK_PATH_BYTES_MAX) {
        snprintf(why, MS_WHY_BYTES, "the path has %zu bytes, 1 to %d are possible", len,
                 DISK_PATH_BYTES_MAX - 128);
        return len == 0 ? MS_EINVAL : MS_ETOOBIG;
    }
    snprintf(p->home, sizeof p->home, "%.*s", (int)len, dir);
    int rv = stat(p->home, &st) != 0 ? rt_disk_error(errno) : 0;
    const char *what = rv == MS_ENOTFOUND ? "there is no such directory" : ms_err_text(rv);
    if (rv == 0 && !S_ISDIR(st.st_mode)) {
        rv = MS_ENOTFOUND;
        what = "this is no directory";
    }
    if (rv < 0) {
        snprintf(why, MS_WHY_BYTES, "%s: %s", p->home, what);
        return rv;
    }
    snprintf(p->log, sizeof p->log, "%.*s/wal", (int)len, dir);
    if (is_dir(p->log)) return 0;
    snprintf(p->log, sizeof p->log, "%.*s", (int)len, dir);
    home_above(p);
    return 0;
}

static bool has_lock(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

static bool in_use(const struct place *p)
{
    return has_lock(p->home) || has_lock(p->log);
}

/* What a start that was cut off leaves is no stranger's. */
static int strangers(void *arg, const char *name, bool is_directory, uint64_t size_bytes)
{
    size_t len = strlen(name);
    (void)arg;
    (void)size_bytes;
    return is_directory || len < 4 || strcmp(name + len - 4, ".tmp") != 0;
}

/* ---- lines ---- */

struct reading {
    const struct ms_wal_options *options;
    struct disk disk;
    struct place place;
    struct buf line;
    struct wal_inspection found;
    int entry_status; /* the first live entry that cannot be decoded: why, and where */
    char entry_detail[DISK_PATH_BYTES_MAX + 160];
};

static int give_line(struct reading *r, bool last)
{
    buf_append_u8(&r->line, 0);
    if (r->line.failed) return MS_ENOMEM;
    return r->options->line(r->options->arg, (const char *)r->line.data, last);
}

static bool is_wanted(const struct ms_wal_options *o, const struct wal_seen *seen)
{
    if (!o->line) return false;
    if (o->from_index == 0 && o->to_index == 0) return true;
    if (seen->rec.type != WAL_RECORD_ENTRY || seen->rec.index < o->from_index) return false;
    return o->to_index == 0 || seen->rec.index <= o->to_index;
}

static void note_entry(struct reading *r, const struct wal_seen *seen, int status)
{
    if (status == 0 || r->entry_status != 0 || seen->fate != WAL_FATE_LIVE) return;
    r->entry_status = status;
    snprintf(r->entry_detail, sizeof r->entry_detail, "%s/wal-%016llx.seg, offset %llu: entry %llu: %s",
             r->place.log, (unsigned long long)seen->life, (unsigned long long)seen->offset,
             (unsigned long long)seen->rec.index, ms_err_text(status));
}

static int on_record(void *arg, const struct wal_seen *seen)
{
    struct reading *r = arg;
    if (!is_wanted(r->options, seen)) {
        note_entry(r, seen, rt_wal_entry_check(seen));
        return 0;
    }
    buf_clear(&r->line);
    note_entry(r, seen, rt_wal_line(&r->line, seen, r->options->json));
    return give_line(r, false);
}

/* ---- what was found ---- */

static enum ms_wal_found judged(const struct reading *r)
{
    if (r->entry_status != 0) return MS_WAL_DAMAGED;
    switch (r->found.recovery.found) {
    case WAL_FOUND_TORN: return MS_WAL_TORN;
    case WAL_FOUND_DAMAGED: return MS_WAL_DAMAGED;
    case WAL_FOUND_NEW: return r->found.file_count == 0 ? MS_WAL_EMPTY : MS_WAL_SOUND;
    case WAL_FOUND_CLEAN: break;
    }
    return MS_WAL_SOUND;
}

static const char *found_name(enum ms_wal_found found)
{
    static const char *const names[] = { "", "empty", "sound", "torn", "damaged" };
    return names[found];
}

struct text {
    char *at;
    size_t left;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at, t->left, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1; /* cut if it is longer */
    t->at += len;
    t->left -= len;
}

static void describe_log(struct text *t, const struct reading *r, const struct ms_wal_report *out)
{
    const struct wal_state *s = &r->found.recovery.state;
    add(t, "member %llu", (unsigned long long)out->member_id);
    if (out->last_index > out->base_index)
        add(t, ", entries %llu to %llu", (unsigned long long)out->base_index + 1,
            (unsigned long long)out->last_index);
    else
        add(t, ", no entries behind %llu", (unsigned long long)out->base_index);
    add(t, " in %zu of %zu segments", r->found.chain_count, r->found.segment_count);
    if (r->found.recovery.state_lost)
        add(t, ", both copies of the state are damaged");
    else
        add(t, ", term %llu", (unsigned long long)out->term);
    if (out->vote) add(t, ", vote for %llu", (unsigned long long)out->vote);
    if (s->flags & WAL_FLAG_DAMAGED) add(t, "; damaged earlier, abstains until it is repaired");
    if (s->flags & WAL_FLAG_STATE_WRONG) add(t, "; its state is wrong, the next start builds it anew");
    if (s->flags & WAL_FLAG_REMOVED) add(t, "; removed from its cluster");
}

static void describe(const struct reading *r, struct ms_wal_report *out)
{
    struct text t = { .at = out->text, .left = sizeof out->text };
    const char *detail = r->found.recovery.detail;
    bool by_recovery = r->found.recovery.found == WAL_FOUND_DAMAGED;
    switch (out->found) {
    case MS_WAL_EMPTY: add(&t, "empty: there is no log in %s yet", out->log_dir); return;
    case MS_WAL_SOUND: add(&t, "sound: "); break;
    case MS_WAL_TORN:
        add(&t, "torn: %s; it was never acknowledged, and the next start removes it: ", detail);
        break;
    case MS_WAL_DAMAGED:
        add(&t, "damaged: acknowledged data is damaged: %s; readable up to there: ",
            by_recovery ? detail : r->entry_detail);
        break;
    }
    describe_log(&t, r, out);
    if (out->state_copy_damaged) add(&t, "; %s, and the next start rewrites it", r->found.state_detail);
    if (out->in_use) add(&t, "; a member is running on it, so its end may have been on the way");
}

static void report(const struct reading *r, struct ms_wal_report *out)
{
    const struct wal_recovery *found = &r->found.recovery;
    out->found = judged(r);
    out->state_copy_damaged = r->found.state_detail[0] != 0;
    out->member_id = r->found.member_id;
    out->base_index = found->base_index;
    out->last_index = found->last_index;
    out->term = found->state.term;
    out->vote = found->state.vote;
    describe(r, out);
}

static int give_report(struct reading *r, const struct ms_wal_report *out)
{
    struct json_write w;
    struct buf *b = &r->line;
    if (!r->options->line) return 0;
    buf_clear(b);
    if (!r->options->json) {
        buf_append_text(b, "# %s", out->text);
        return give_line(r, true);
    }
    json_write_init(&w, b, 0);
    json_object_begin(&w);
    json_field_text(&w, "result", found_name(out->found));
    json_field_text(&w, "text", out->text);
    json_field_text(&w, "log_dir", out->log_dir);
    json_field_u64(&w, "member", out->member_id);
    json_field_u64(&w, "base_index", out->base_index);
    json_field_u64(&w, "last_index", out->last_index);
    json_field_u64(&w, "term", out->term);
    json_field_u64(&w, "vote", out->vote);
    json_field_bool(&w, "state_copy_damaged", out->state_copy_damaged);
    json_field_bool(&w, "in_use", out->in_use);
    json_object_end(&w);
    return give_line(r, true);
}

/* ---- the whole ---- */

/* What is wrong with a file names the file; else it is about the whole directory. */
static int failed(const struct reading *r, int status, char *why)
{
    const char *detail = r->found.recovery.detail, *text = ms_err_text(status);
    bool of_file = strncmp(detail, r->place.log, strlen(r->place.log)) == 0;
    if (status == MS_EVERSION && of_file)
        snprintf(why, MS_WHY_BYTES, "%s", detail);
    else if (of_file)
        snprintf(why, MS_WHY_BYTES, "%s: %s", detail, text);
    else
        snprintf(why, MS_WHY_BYTES, "%s: %s", r->place.log, detail[0] ? detail : text);
    return status;
}

/* Nothing of a log: is it a directory that waits for one, or no member's at all? */
static int check_place(struct reading *r, char *why)
{
    if (r->found.file_count > 0) return 0;
    int rv = rt_disk_list(&r->disk, r->place.log, strangers, NULL);
    if (rv < 0) return failed(r, rv, why);
    if (rv == 0) return 0;
    snprintf(why, MS_WHY_BYTES,
             "%s holds no log: a member's directory is metaStore-<id>, or data/<id> with rocksdb",
             r->place.log);
    return MS_ENOTFOUND;
}

static int read_log(struct reading *r, struct ms_wal_report *out, char *why)
{
    int rv = wal_inspect(r->place.log, &r->disk, rt_alloc_heap(), &r->found, on_record, r);
    out->in_use |= in_use(&r->place);
    if (rv > 0) return rv;
    if (rv == MS_ENOTFOUND && out->in_use) {
        snprintf(why, MS_WHY_BYTES, "%s: the member that runs on it took a file away: try again",
                 r->place.log);
        return rv;
    }
    if (rv < 0) return failed(r, rv, why);
    rv = check_place(r, why);
    if (rv < 0) return rv;
    if (r->entry_status == MS_EVERSION) {
        snprintf(why, MS_WHY_BYTES, "%s", r->entry_detail);
        return MS_EVERSION;
    }
    report(r, out);
    rv = give_report(r, out);
    return rv < 0 ? failed(r, rv, why) : rv;
}

void ms_wal_options_init(struct ms_wal_options *options)
{
    *options = (struct ms_wal_options){ .struct_bytes = sizeof *options };
}

int ms_wal_read(const char *dir, const struct ms_wal_options *options, struct ms_wal_report *out,
                char why[MS_WHY_BYTES])
{
    struct ms_wal_options defaults;
    struct reading r = { .options = options ? options : &defaults, .disk.ops = &rt_disk_reading_ops };
    ms_wal_options_init(&defaults);
    *out = (struct ms_wal_report){ 0 };
    why[0] = 0;
    if (r.options->struct_bytes != sizeof defaults) {
        snprintf(why, MS_WHY_BYTES,
                 "struct ms_wal_options was not filled by ms_wal_options_init() of this version");
        return MS_EINVAL;
    }
    int rv = find_log(&r.place, dir, why);
    if (rv < 0) return rv;
    snprintf(out->log_dir, sizeof out->log_dir, "%s", r.place.log);
    out->in_use = in_use(&r.place);
    if (out->in_use && !r.options->in_use) {
        snprintf(why, MS_WHY_BYTES, "%s is in use: a member is running on it", r.place.home);
        return MS_ELOCKED;
    }
    buf_init(&r.line, rt_alloc_heap(), RT_WAL_LINE_BYTES_MAX);
    rv = read_log(&r, out, why);
    buf_fini(&r.line);
    return rv;
}
