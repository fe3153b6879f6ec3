/* kv_window.c: which proposals of one origin were applied (S3; DESIGN 3, Forwarding).
 *
 *   N1  bits stand for low_seq up to low_seq + ORIGIN_WINDOW - 1; all others are zero
 *   N2  high_seq is the highest bit set, or below low_seq if none is
 *
 * The words are a ring: a window that moves clears what it leaves and copies nothing. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_private.h"

#define SEQ_MAX (UINT64_MAX - 2 * ORIGIN_WINDOW) /* the window's end and a word beyond do not wrap */

static uint64_t *word_of(struct kv_window *w, uint64_t seq)
{
    return &w->words[seq / 64 % KV_WINDOW_WORDS];
}

bool kv_window_has(const struct kv_window *w, uint64_t seq)
{
    if (seq < w->low_seq || seq > w->high_seq) return false;
    return w->words[seq / 64 % KV_WINDOW_WORDS] >> seq % 64 & 1;
}

static void move_low(struct kv_window *w, uint64_t low_seq)
{
    uint64_t from = w->low_seq / 64, to = low_seq / 64;
    if (to - from >= KV_WINDOW_WORDS) {
        memset(w->words, 0, sizeof w->words);
    } else {
        for (uint64_t word = from; word < to; word++) w->words[word % KV_WINDOW_WORDS] = 0;
    }
    *word_of(w, low_seq) &= ~UINT64_C(0) << low_seq % 64;
    w->low_seq = low_seq;
}

static void reset(struct kv_window *w, uint64_t incarnation)
{
    memset(w->words, 0, sizeof w->words);
    w->incarnation = incarnation;
    w->low_seq = 0;
    w->high_seq = 0;
}

int kv_window_accept(struct kv_window *w, const struct entry_origin *origin)
{
    bool newer = origin->incarnation > w->incarnation;
    MS_ASSERT(origin->member_id == w->member_id);
    MS_ASSERT(origin->added_index == w->added_index);
    MS_ASSERT(origin->seq > 0);
    if (origin->incarnation < w->incarnation || origin->seq > SEQ_MAX) return MS_EDUPLICATE;
    uint64_t low_seq = newer || origin->low_seq > w->low_seq ? origin->low_seq : w->low_seq;
    if (origin->seq < low_seq || origin->seq - low_seq >= ORIGIN_WINDOW) return MS_EDUPLICATE;
    if (!newer && kv_window_has(w, origin->seq)) return MS_EDUPLICATE;
    if (newer) reset(w, origin->incarnation);
    if (low_seq > w->low_seq) move_low(w, low_seq);
    *word_of(w, origin->seq) |= UINT64_C(1) << origin->seq % 64;
    if (origin->seq > w->high_seq) w->high_seq = origin->seq;
    w->dirty = true;
    return 0;
}

size_t kv_window_encode(const struct kv_window *w, uint8_t *out)
{
    uint64_t first = w->low_seq / 64;
    uint32_t count = w->high_seq < w->low_seq ? 0 : (uint32_t)(w->high_seq / 64 - first + 1);
    struct bytes_writer to = bytes_writer_of(out, KV_WINDOW_ENCODED_BYTES_MAX);
    bytes_write_u64(&to, w->member_id);
    bytes_write_u64(&to, w->added_index);
    bytes_write_u64(&to, w->incarnation);
    bytes_write_u64(&to, w->low_seq);
    bytes_write_u8(&to, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        bytes_write_u64(&to, w->words[(first + i) % KV_WINDOW_WORDS]);
    }
    MS_ASSERT(!to.overflow);
    return to.at;
}

/* Bits outside the window would come to mean something when it has moved there (N1). */
static bool bits_are_inside(const struct kv_window *w, uint32_t count)
{
    uint64_t first = w->low_seq / 64, end = w->low_seq + ORIGIN_WINDOW;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = w->words[(first + i) % KV_WINDOW_WORDS];
        uint64_t outside = 0;
        if (first + i == first) outside |= ~(~UINT64_C(0) << w->low_seq % 64);
        if (first + i == end / 64) outside |= ~UINT64_C(0) << end % 64;
        if (word & outside) return false;
        if (i == count - 1 && word == 0) return false;
    }
    return true;
}

int kv_window_decode(struct bytes in, struct kv_window *out)
{
    struct bytes_reader at = bytes_reader_of(in);
    struct kv_window w = { 0 };
    uint8_t count;
    if (!bytes_read_u64(&at, &w.member_id) || !bytes_read_u64(&at, &w.added_index)) return MS_ECORRUPT;
    if (!bytes_read_u64(&at, &w.incarnation) || !bytes_read_u64(&at, &w.low_seq)) return MS_ECORRUPT;
    if (!bytes_read_u8(&at, &count) || count > KV_WINDOW_WORDS) return MS_ECORRUPT;
    if (w.member_id == 0 || w.low_seq > SEQ_MAX) return MS_ECORRUPT;
    uint64_t first = w.low_seq / 64;
    for (uint32_t i = 0; i < count; i++) {
        if (!bytes_read_u64(&at, &w.words[(first + i) % KV_WINDOW_WORDS])) return MS_ECORRUPT;
    }
    if (bytes_reader_left(&at) > 0 || !bits_are_inside(&w, count)) return MS_ECORRUPT;
    if (count > 0) {
        uint64_t word = w.words[(first + count - 1) % KV_WINDOW_WORDS];
        w.high_seq = (first + count - 1) * 64 + (uint64_t)(63 - __builtin_clzll(word));
    }
    *out = w;
    return 0;
}
