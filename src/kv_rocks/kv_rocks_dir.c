/* kv_rocks_dir.c: generations, pointer and checkpoints as directories; nothing of RocksDB in here.
 * What has to survive is synced: the file, then the directory that names it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ms_err.h"
#include "kv_rocks/kv_rocks_private.h"

#define ROCKS_POINTER_NAME "CURRENT-DB"
#define ROCKS_POINTER_BYTES_MAX 64
#define ROCKS_COPY_BYTES 16384

static int rocks_path(struct kv_rocks *e, char out[ROCKS_PATH_BYTES], const char *dir, const char *name)
{
    int len = snprintf(out, ROCKS_PATH_BYTES, "%s/%s", dir, name);
    if (len < 0 || len >= ROCKS_PATH_BYTES) {
        return rocks_fail(e, MS_EINVAL, "a path below %s is too long", dir);
    }
    return 0;
}

void rocks_path_generation(const struct kv_rocks *e, uint64_t number, char out[ROCKS_PATH_BYTES])
{
    snprintf(out, ROCKS_PATH_BYTES, "%s/db-%llu", e->dir, (unsigned long long)number);
}

void rocks_path_checkpoint(const struct kv_rocks *e, uint64_t number, char out[ROCKS_PATH_BYTES])
{
    snprintf(out, ROCKS_PATH_BYTES, "%s/cp-%llu", e->snap_dir, (unsigned long long)number);
}

/* The number in prefix<number>, at most 18 digits; 0: it is another name. */
static uint64_t rocks_name_number(const char *name, const char *prefix)
{
    size_t skip = strlen(prefix), digits = 0;
    uint64_t number = 0;
    if (strncmp(name, prefix, skip) != 0) return 0;
    for (const char *p = name + skip; *p; p++) {
        if (*p < '0' || *p > '9' || ++digits > 18) return 0;
        number = number * 10 + (uint64_t)(*p - '0');
    }
    return number;
}

int rocks_dir_sync(struct kv_rocks *e, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rv = 0;
    if (fd < 0) return rocks_fail_errno(e, "opening", path);
    if (fsync(fd) != 0) rv = rocks_fail_errno(e, "syncing", path);
    close(fd);
    return rv;
}

int rocks_dir_make(struct kv_rocks *e, const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return 0;
    return rocks_fail_errno(e, "making", path);
}

int rocks_dir_rename(struct kv_rocks *e, const char *from, const char *to)
{
    return rename(from, to) == 0 ? 0 : rocks_fail_errno(e, "renaming", from);
}

int rocks_dir_remove(struct kv_rocks *e, const char *path)
{
    DIR *dir = opendir(path);
    char file[ROCKS_PATH_BYTES];
    int rv = 0;
    if (!dir) return errno == ENOENT ? 0 : rocks_fail_errno(e, "opening", path);
    for (struct dirent *entry; rv == 0 && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        rv = rocks_path(e, file, path, entry->d_name);
        if (rv == 0 && unlink(file) != 0) rv = rocks_fail_errno(e, "removing", file);
    }
    closedir(dir);
    if (rv == 0 && rmdir(path) != 0) rv = rocks_fail_errno(e, "removing", path);
    return rv;
}

static int rocks_write_all(struct kv_rocks *e, int fd, const char *path, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return rocks_fail_errno(e, "writing", path);
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int rocks_pointer_write(struct kv_rocks *e, uint64_t number, bool damaged)
{
    char tmp[ROCKS_PATH_BYTES], path[ROCKS_PATH_BYTES], text[ROCKS_POINTER_BYTES_MAX];
    int rv = rocks_path(e, path, e->dir, ROCKS_POINTER_NAME);
    if (rv == 0) rv = rocks_path(e, tmp, e->dir, ROCKS_POINTER_NAME ".tmp");
    if (rv < 0) return rv;
    int len = snprintf(text, sizeof text, "db-%llu%s\n", (unsigned long long)number,
                       damaged ? " damaged" : "");
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return rocks_fail_errno(e, "creating", tmp);
    rv = rocks_write_all(e, fd, tmp, text, (size_t)len);
    if (rv == 0 && fsync(fd) != 0) rv = rocks_fail_errno(e, "syncing", tmp);
    close(fd);
    if (rv == 0) rv = rocks_dir_rename(e, tmp, path);
    if (rv < 0) return rv;
    return rocks_dir_sync(e, e->dir) < 0 ? MS_EIO : 0; /* whichever it names now: final (DESIGN 2.11) */
}

int rocks_pointer_remove(struct kv_rocks *e)
{
    char path[ROCKS_PATH_BYTES];
    int rv = rocks_path(e, path, e->dir, ROCKS_POINTER_NAME);
    if (rv < 0) return rv;
    if (unlink(path) != 0 && errno != ENOENT) return rocks_fail_errno(e, "removing", path);
    return rocks_dir_sync(e, e->dir);
}

/* A pointer that says nothing we would write counts as damaged: it is there, so this is no first start.
 */
static void rocks_pointer_parse(char *text, struct rocks_scan *out)
{
    char *end = strchr(text, '\n');
    out->has_pointer = true;
    out->pointer_damaged = true;
    if (!end || end[1] != '\0') return;
    *end = '\0';
    char *mark = strchr(text, ' ');
    if (mark) *mark = '\0';
    out->pointer = rocks_name_number(text, "db-");
    out->pointer_damaged = mark || out->pointer == 0;
}

static int rocks_pointer_read(struct kv_rocks *e, struct rocks_scan *out)
{
    char path[ROCKS_PATH_BYTES], text[ROCKS_POINTER_BYTES_MAX];
    int rv = rocks_path(e, path, e->dir, ROCKS_POINTER_NAME);
    if (rv < 0) return rv;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : rocks_fail_errno(e, "opening", path);
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n < 0) rv = rocks_fail_errno(e, "reading", path);
    close(fd);
    if (rv < 0) return rv;
    text[n] = '\0';
    rocks_pointer_parse(text, out);
    return 0;
}

/* The highest number of prefix<number> in dir, 0 if there is none. */
static int rocks_dir_newest(struct kv_rocks *e, const char *path, const char *prefix, uint64_t *out)
{
    DIR *dir = opendir(path);
    if (!dir) return rocks_fail_errno(e, "opening", path);
    *out = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        uint64_t number = rocks_name_number(entry->d_name, prefix);
        if (number > *out) *out = number;
    }
    closedir(dir);
    return 0;
}

int rocks_dir_scan(struct kv_rocks *e, struct rocks_scan *out)
{
    *out = (struct rocks_scan){ 0 };
    int rv = rocks_pointer_read(e, out);
    if (rv == 0) rv = rocks_dir_newest(e, e->dir, "db-", &out->generation_max);
    if (rv == 0) rv = rocks_dir_newest(e, e->snap_dir, "cp-", &out->checkpoint_max);
    if (out->pointer > out->generation_max) out->generation_max = out->pointer;
    return rv;
}

/* Remove the directories prefix<anything> in path whose number is not keep. */
static int rocks_dir_tidy_one(struct kv_rocks *e, const char *path, const char *prefix, uint64_t keep)
{
    DIR *dir = opendir(path);
    char victim[ROCKS_PATH_BYTES];
    int rv = 0;
    if (!dir) return rocks_fail_errno(e, "opening", path);
    for (struct dirent *entry; rv == 0 && (entry = readdir(dir));) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        if (keep != 0 && rocks_name_number(entry->d_name, prefix) == keep) continue;
        rv = rocks_path(e, victim, path, entry->d_name);
        if (rv == 0) rv = rocks_dir_remove(e, victim);
    }
    closedir(dir);
    return rv;
}

int rocks_dir_tidy(struct kv_rocks *e, uint64_t keep_generation, uint64_t keep_checkpoint)
{
    int rv = rocks_dir_tidy_one(e, e->snap_dir, "cp-", keep_checkpoint);
    return rv < 0 ? rv : rocks_dir_tidy_one(e, e->dir, "db-", keep_generation);
}

static int rocks_file_copy(struct kv_rocks *e, const char *from, const char *to)
{
    char block[ROCKS_COPY_BYTES];
    int rv = 0, in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) return rocks_fail_errno(e, "opening", from);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0) {
        rv = rocks_fail_errno(e, "creating", to);
        close(in);
        return rv;
    }
    for (ssize_t n = 1; rv == 0 && n > 0;) {
        n = read(in, block, sizeof block);
        if (n < 0) rv = rocks_fail_errno(e, "reading", from);
        if (n > 0) rv = rocks_write_all(e, out, to, block, (size_t)n);
    }
    if (rv == 0 && fsync(out) != 0) rv = rocks_fail_errno(e, "syncing", to);
    close(out);
    close(in);
    return rv;
}

static bool rocks_name_is_table(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".sst") == 0;
}

int rocks_dir_clone(struct kv_rocks *e, const char *from, const char *to)
{
    char source[ROCKS_PATH_BYTES], target[ROCKS_PATH_BYTES];
    int rv = rocks_dir_remove(e, to);
    if (rv == 0) rv = rocks_dir_make(e, to);
    if (rv < 0) return rv;
    DIR *dir = opendir(from);
    if (!dir) return rocks_fail_errno(e, "opening", from);
    for (struct dirent *entry; rv == 0 && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        rv = rocks_path(e, source, from, entry->d_name);
        if (rv == 0) rv = rocks_path(e, target, to, entry->d_name);
        if (rv < 0) break;
        if (!rocks_name_is_table(entry->d_name)) {
            rv = rocks_file_copy(e, source, target);
        } else if (link(source, target) != 0) {
            rv = rocks_fail_errno(e, "linking", source);
        }
    }
    closedir(dir);
    if (rv == 0) rv = rocks_dir_sync(e, to);
    return rv < 0 ? rv : rocks_dir_sync(e, e->dir);
}
