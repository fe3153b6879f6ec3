/* wal_segment.c: the segments there are, and their names. */
#include <stdio.h>

#include "wal/wal_private.h"

#define NAME_PREFIX "wal-"
#define NAME_SUFFIX ".seg"
#define NAME_DIGITS 16u

struct wal_segment *wal_segment_find(struct wal *w, uint64_t life)
{
    size_t lo = 0, hi = w->segment_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->segments[mid].life == life) return &w->segments[mid];
        if (w->segments[mid].life < life)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

int wal_segment_reserve(struct wal *w)
{
    if (w->segment_count < w->segment_cap) return 0;
    size_t cap = w->segment_cap ? 2 * w->segment_cap : 8;
    struct wal_segment *p = ms_resize(w->alloc, w->segments, cap * sizeof *p);
    if (!p) return MS_ENOMEM;
    w->segments = p;
    w->segment_cap = cap;
    return 0;
}

void wal_segment_add(struct wal *w, const struct wal_segment *s)
{
    MS_ASSERT(w->segment_count < w->segment_cap);
    if (w->segment_count > 0) MS_ASSERT(w->segments[w->segment_count - 1].life < s->life);
    w->segments[w->segment_count++] = *s;
}

void wal_segment_forget(struct wal *w, uint64_t life)
{
    struct wal_segment *s = wal_segment_find(w, life);
    MS_ASSERT(s != NULL);
    MS_ASSERT(s->file == DISK_FILE_NONE);
    size_t i = (size_t)(s - w->segments);
    w->segment_count--;
    memmove(s, s + 1, (w->segment_count - i) * sizeof *s);
}

uint64_t wal_segment_life(const struct wal *w, uint32_t life32)
{
    return w->life_max - (uint32_t)((uint32_t)w->life_max - life32);
}

uint64_t wal_segment_room(const struct wal_segment *s)
{
    uint64_t allocated = s->zeroed / DISK_SECTOR_BYTES;
    if (s->sealed) return 0;
    if (s->zeroed < s->bytes) allocated -= allocated > 0;
    return allocated > s->end_sector ? allocated - s->end_sector : 0;
}

void wal_path_name(const struct wal *w, char *out, const char *name)
{
    int n = snprintf(out, DISK_PATH_BYTES_MAX, "%s/%s", w->dir, name);
    MS_ASSERT(n > 0 && n < DISK_PATH_BYTES_MAX);
}

void wal_path_segment(const struct wal *w, char *out, uint64_t life)
{
    char name[64] = "segment" WAL_TEMP_SUFFIX;
    if (life != 0)
        snprintf(name, sizeof name, NAME_PREFIX "%016llx" NAME_SUFFIX, (unsigned long long)life);
    wal_path_name(w, out, name);
}

bool wal_name_parse(const char *name, uint64_t *life)
{
    size_t prefix = strlen(NAME_PREFIX), len = strlen(name);
    uint64_t v = 0;
    if (len != prefix + NAME_DIGITS + strlen(NAME_SUFFIX)) return false;
    if (memcmp(name, NAME_PREFIX, prefix) != 0) return false;
    if (strcmp(name + prefix + NAME_DIGITS, NAME_SUFFIX) != 0) return false;
    for (size_t i = prefix; i < prefix + NAME_DIGITS; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *life = v;
    return v != 0 && v < WAL_NUMBER_END;
}
