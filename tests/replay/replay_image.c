/* replay_image.c: the files of one disk, simulated or real. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "tests/replay/replay.h"

static const char *const roots[] = { IMAGE_DATA, IMAGE_LOG, IMAGE_SNAP };
#define ROOTS (sizeof roots / sizeof *roots)

static struct image_file *add(struct image *i, const char *path, bool is_dir, size_t len)
{
    i->files = replay_grow(i->files, i->count, &i->cap, sizeof *i->files);
    struct image_file *f = &i->files[i->count++];
    *f = (struct image_file){ .is_dir = is_dir, .len = is_dir ? 0 : len };
    MS_ASSERT(strlen(path) < sizeof f->path);
    snprintf(f->path, sizeof f->path, "%s", path);
    f->bytes = malloc(f->len + 1);
    MS_ASSERT(f->bytes != NULL);
    return f;
}

static int by_path(const void *a, const void *b)
{
    const struct image_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static void sort(struct image *i)
{
    if (i->count > 0) qsort(i->files, i->count, sizeof *i->files, by_path);
}

static void join(char out[DISK_PATH_BYTES_MAX], const char *dir, const char *name)
{
    int n = snprintf(out, DISK_PATH_BYTES_MAX, "%s%s%s", dir, *name ? "/" : "", name);
    MS_ASSERT(n > 0 && n < DISK_PATH_BYTES_MAX);
}

/* ---- of the simulated disk ---- */

struct looking {
    struct image *into;
    struct sim_disk *disk;
    const char *dir;
};

static int look(void *arg, const char *name, bool is_dir, uint64_t size_bytes)
{
    const struct looking *l = arg;
    char path[DISK_PATH_BYTES_MAX];
    join(path, l->dir, name);
    const struct image_file *f = add(l->into, path, is_dir, size_bytes);
    struct looking below = { .into = l->into, .disk = l->disk, .dir = path };
    struct disk *face = sim_disk_face(l->disk);
    if (is_dir) return face->ops->list(face, path, look, &below);
    int64_t n = sim_disk_visible_read(l->disk, path, 0, f->bytes, f->len);
    MS_ASSERT(n == (int64_t)f->len);
    return 0;
}

void image_of_sim(struct image *out, struct sim_disk *d)
{
    struct disk *face = sim_disk_face(d);
    *out = (struct image){ 0 };
    for (size_t i = 0; i < ROOTS; i++) {
        struct looking l = { .into = out, .disk = d, .dir = roots[i] };
        (void)face->ops->list(face, roots[i], look, &l); /* one that is absent is empty */
    }
    sort(out);
}

/* ---- of the real one ---- */

static const char *place_of(const struct image_place *p, size_t root)
{
    return root == 0 ? p->data : root == 1 ? p->log : p->snap;
}

/* Below the database's directory stand the two others. */
static bool is_root(const struct image_place *p, const char *path)
{
    return strcmp(path, p->log) == 0 || strcmp(path, p->snap) == 0;
}

static void read_file(struct image_file *f, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    MS_ASSERT(fd >= 0);
    for (size_t at = 0; at < f->len;) {
        ssize_t n = read(fd, f->bytes + at, f->len - at);
        MS_ASSERT(n > 0);
        at += (size_t)n;
    }
    close(fd);
}

static void look_real(struct image *out, const struct image_place *p, const char *real, const char *dir)
{
    DIR *d = opendir(real);
    const struct dirent *e;
    MS_ASSERT(d != NULL || errno == ENOENT);
    while (d && (e = readdir(d)) != NULL) {
        char path[DISK_PATH_BYTES_MAX], below[DISK_PATH_BYTES_MAX];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        join(path, real, e->d_name);
        join(below, dir, e->d_name);
        if (is_root(p, path)) continue;
        MS_ASSERT(lstat(path, &st) == 0);
        struct image_file *f = add(out, below, S_ISDIR(st.st_mode), (size_t)st.st_size);
        if (S_ISDIR(st.st_mode))
            look_real(out, p, path, below);
        else
            read_file(f, path);
    }
    if (d) closedir(d);
}

void image_of_place(struct image *out, const struct image_place *p)
{
    *out = (struct image){ 0 };
    for (size_t i = p->rocksdb ? 0 : 1; i < ROOTS; i++) look_real(out, p, place_of(p, i), roots[i]);
    sort(out);
}

static void write_file(const struct image_file *f, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    MS_ASSERT(fd >= 0);
    for (size_t at = 0; at < f->len;) {
        ssize_t n = write(fd, f->bytes + at, f->len - at);
        MS_ASSERT(n > 0);
        at += (size_t)n;
    }
    close(fd);
}

static size_t root_of(const char *path)
{
    size_t root = 0;
    while (strncmp(path, roots[root], strlen(roots[root])) != 0) root++;
    return root;
}

void image_write(const struct image *i, const struct image_place *p)
{
    for (size_t r = p->rocksdb ? 0 : 1; r < ROOTS; r++) {
        int rv = mkdir(place_of(p, r), 0700);
        MS_ASSERT(rv == 0);
    }
    for (size_t k = 0; k < i->count; k++) { /* a directory sorts before what is in it */
        const struct image_file *f = &i->files[k];
        size_t root = root_of(f->path);
        char path[DISK_PATH_BYTES_MAX];
        join(path, place_of(p, root), f->path + strlen(roots[root]) + 1);
        int rv = f->is_dir ? mkdir(path, 0700) : 0;
        MS_ASSERT(rv == 0);
        if (!f->is_dir) write_file(f, path);
    }
}

/* ---- both ---- */

/* The next file that is looked at; NULL: there is none. */
static const struct image_file *next(const struct image *i, size_t *at, bool rocksdb)
{
    while (rocksdb && *at < i->count && root_of(i->files[*at].path) != 1) ++*at;
    return *at < i->count ? &i->files[(*at)++] : NULL;
}

bool image_equal(bool rocksdb, const struct image *a, const struct image *b, char *why, size_t why_cap)
{
    const struct image_file *x, *y;
    size_t a_at = 0, b_at = 0;
    for (;;) {
        x = next(a, &a_at, rocksdb);
        y = next(b, &b_at, rocksdb);
        if (!x && !y) return true;
        int order = !x ? 1 : !y ? -1 : strcmp(x->path, y->path);
        size_t at = 0;
        if (order != 0) {
            snprintf(why, why_cap, "%s is only on the %s disk", order < 0 ? x->path : y->path,
                     order < 0 ? "simulated" : "real");
            return false;
        }
        while (at < x->len && at < y->len && x->bytes[at] == y->bytes[at]) at++;
        if (x->is_dir == y->is_dir && x->len == y->len && at == x->len) continue;
        snprintf(why, why_cap,
                 "%s: %zu bytes on the simulated disk, %zu on the real one, differ at %zu", x->path,
                 x->len, y->len, at);
        return false;
    }
    return true;
}

void image_fini(struct image *i)
{
    for (size_t k = 0; k < i->count; k++) free(i->files[k].bytes);
    free(i->files);
    *i = (struct image){ 0 };
}
