/* The two judges of histories agree on hand-made ones, and on drawn ones. */
#include "env/rand.h"
#include "sim/sim_history.h"
#include "tests/support/test.h"

#define R(v, b, e)                                                                                     \
    {                                                                                                  \
        .kind = HIST_READ, .value = v, .begin = b, .end = e                                            \
    }
#define W(v, b, e, p)                                                                                  \
    {                                                                                                  \
        .kind = HIST_WRITE, .value = v, .begin = b, .end = e, .position = p                            \
    }
#define OPS_MAX 10

struct example {
    const char *name;
    enum hist_verdict verdict;
    size_t count;
    struct hist_op ops[OPS_MAX];
};

static const struct example examples[] = {
    { "nothing", HIST_LINEARIZABLE, 0, { { 0 } } },
    { "absent at first", HIST_LINEARIZABLE, 1, { R(0, 1, 2) } },
    { "out of nowhere", HIST_VIOLATION, 1, { R(7, 1, 2) } },
    { "read what was written", HIST_LINEARIZABLE, 2, { W(1, 1, 2, 5), R(1, 3, 4) } },
    { "an acknowledged write is lost", HIST_VIOLATION, 2, { W(1, 1, 2, 5), R(0, 3, 4) } },
    { "a stale read", HIST_VIOLATION, 3, { W(1, 1, 2, 5), W(2, 3, 4, 6), R(1, 5, 6) } },
    { "a read beside the write sees the old or the new",
      HIST_LINEARIZABLE,
      4,
      { W(1, 1, 2, 5), W(2, 3, 9, 6), R(1, 4, 5), R(2, 6, 7) } },
    { "new, then old", HIST_VIOLATION, 4, { W(1, 1, 2, 5), W(2, 3, 9, 6), R(2, 4, 5), R(1, 6, 7) } },
    { "no answer, seen later", HIST_LINEARIZABLE, 2, { W(1, 1, HIST_NEVER, 5), R(1, 50, 60) } },
    { "no answer, never seen", HIST_LINEARIZABLE, 2, { W(1, 1, HIST_NEVER, 0), R(0, 50, 60) } },
    { "no answer, seen and gone again",
      HIST_VIOLATION,
      3,
      { W(1, 1, HIST_NEVER, 5), R(1, 50, 60), R(0, 61, 62) } },
    { "deleted", HIST_LINEARIZABLE, 3, { W(1, 1, 2, 5), W(0, 3, 4, 6), R(0, 5, 6) } },
    { "deleted and still there", HIST_VIOLATION, 3, { W(1, 1, 2, 5), W(0, 3, 4, 6), R(1, 5, 6) } },
    { "one after the other, applied the other way round",
      HIST_VIOLATION,
      4,
      { W(1, 1, 2, 9), W(2, 3, 4, 8), R(1, 5, 6), R(1, 7, 8) } },
    { "two readers, one order",
      HIST_VIOLATION,
      6,
      { W(1, 1, 20, 5), W(2, 1, 20, 6), R(1, 2, 3), R(2, 4, 5), R(1, 6, 7), R(2, 8, 9) } },
    { "concurrent writes, either order",
      HIST_LINEARIZABLE,
      4,
      { W(1, 1, 20, 6), W(2, 1, 20, 5), R(2, 2, 3), R(1, 4, 5) } },
    { "a stale read of the reader's own write",
      HIST_VIOLATION,
      5,
      { W(1, 1, 2, 5), R(1, 3, 4), W(2, 5, 6, 6), R(2, 7, 8), R(1, 9, 10) } },
    { "a value nobody writes, between others that are",
      HIST_VIOLATION,
      4,
      { W(1, 1, 2, 5), R(1, 3, 4), R(9, 5, 6), W(2, 7, 8, 6) } },
    { "a value before it is written", HIST_VIOLATION, 2, { R(1, 1, 2), W(1, 3, 4, 5) } },
    { "an acknowledged write beside an open one is lost",
      HIST_VIOLATION,
      3,
      { W(1, 1, 20, 5), W(2, 3, 4, 6), R(0, 5, 6) } },
    { "an acknowledged write that no log has", HIST_VIOLATION, 2, { W(1, 1, 2, 0), R(0, 3, 4) } },
    { "no answer, taking effect twice",
      HIST_VIOLATION,
      5,
      { W(1, 1, HIST_NEVER, 5), R(1, 5, 6), W(2, 7, 8, 6), R(2, 9, 10), R(1, 11, 12) } },
    { "answered, taking effect twice",
      HIST_VIOLATION,
      5,
      { W(1, 1, 2, 5), R(1, 3, 4), W(2, 5, 6, 6), R(2, 7, 8), R(1, 9, 10) } },
    { "no answer, taking effect before it was asked for",
      HIST_VIOLATION,
      2,
      { R(1, 1, 2), W(1, 5, HIST_NEVER, 5) } },
    { "no answer, long overtaken, and then in effect",
      HIST_LINEARIZABLE,
      5,
      { W(1, 1, HIST_NEVER, 7), W(2, 3, 4, 5), R(2, 5, 6), R(1, 50, 51), R(1, 60, 61) } },
    { "two without answers, in either order",
      HIST_LINEARIZABLE,
      4,
      { W(1, 1, HIST_NEVER, 6), W(2, 2, HIST_NEVER, 5), R(2, 10, 11), R(1, 12, 13) } },
    { "two without answers, in both orders",
      HIST_VIOLATION,
      5,
      { W(1, 1, HIST_NEVER, 5), W(2, 2, HIST_NEVER, 6), R(1, 10, 11), R(2, 12, 13), R(1, 14, 15) } },
    { "two without answers, the second asked for when the first was seen",
      HIST_VIOLATION,
      5,
      { W(1, 1, HIST_NEVER, 5), R(1, 3, 4), W(2, 5, HIST_NEVER, 6), R(2, 7, 8), R(1, 9, 10) } },
    { "deleted without an answer, between two reads",
      HIST_LINEARIZABLE,
      4,
      { W(1, 1, 2, 5), W(0, 3, HIST_NEVER, 6), R(1, 5, 6), R(0, 7, 8) } },
    { "deleted once without an answer, absent twice",
      HIST_VIOLATION,
      6,
      { W(1, 1, 2, 5), W(0, 3, HIST_NEVER, 6), R(0, 5, 6), W(2, 7, 8, 7), R(0, 9, 10), R(2, 11, 12) } },
    { "deleted twice without an answer, absent twice",
      HIST_LINEARIZABLE,
      7,
      { W(1, 1, 2, 5), W(0, 3, HIST_NEVER, 6), R(0, 5, 6), W(2, 7, 8, 7), W(0, 3, HIST_NEVER, 8),
        R(0, 9, 10), R(0, 11, 12) } },
    { "deleted, and back without being written",
      HIST_VIOLATION,
      4,
      { W(1, 1, 2, 5), W(0, 3, 4, 6), R(0, 5, 6), R(1, 7, 8) } },
    { "touching is concurrent", HIST_LINEARIZABLE, 3, { W(1, 1, 2, 5), W(2, 3, 4, 6), R(1, 4, 6) } },
};

TEST(history, judges_agree_on_examples)
{
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct example *e = &examples[i];
        enum hist_verdict order = hist_check_order(e->ops, e->count);
        enum hist_verdict search = hist_check_search(e->ops, e->count, 100000);
        if (order != e->verdict || search != e->verdict) {
            fprintf(stderr, "\"%s\": order %d, search %d\n", e->name, order, search);
        }
        CHECK_EQ(order, e->verdict);
        CHECK_EQ(search, e->verdict);
    }
}

#define DRAWN_OPS 24u

/* A correct register: each operation takes effect at one moment between its begin and its end. */
static size_t draw_history(struct ms_rand *rand, struct hist_op *ops)
{
    uint64_t effects[DRAWN_OPS], value = 0;
    bool done[DRAWN_OPS] = { 0 };
    for (size_t i = 0; i < DRAWN_OPS; i++) {
        uint64_t begin = ms_rand_below(rand, 200), length = 1 + ms_rand_below(rand, 40);
        ops[i] = (struct hist_op){ .kind = ms_rand_below(rand, 2) ? HIST_READ : HIST_WRITE,
                                   .begin = 2 * begin,
                                   .end = 2 * (begin + length) };
        effects[i] = (2 * begin + 1) * 64 + 2 * ms_rand_below(rand, length) * 64 + i;
        if (ops[i].kind == HIST_WRITE) ops[i].value = ms_rand_below(rand, 5) ? i + 1 : 0;
    }
    for (uint64_t step = 0; step < DRAWN_OPS; step++) {
        size_t next = DRAWN_OPS;
        for (size_t i = 0; i < DRAWN_OPS; i++) {
            if (!done[i] && (next == DRAWN_OPS || effects[i] < effects[next])) next = i;
        }
        done[next] = true;
        if (ops[next].kind == HIST_READ)
            ops[next].value = value;
        else
            value = ops[next].value;
        if (ops[next].kind == HIST_WRITE) ops[next].position = step + 1;
        if (ops[next].kind == HIST_WRITE && ms_rand_below(rand, 6) == 0) ops[next].end = HIST_NEVER;
    }
    return DRAWN_OPS;
}

/* Spoil one read. Then the search may still find an order (not the log's); what the order of the log
 * allows, the search has to allow too. */
TEST(history, judges_agree_on_drawn_histories)
{
    struct ms_rand rand;
    unsigned violations = 0, allowed = 0;
    ms_rand_init(&rand, 42, 0);
    for (int round = 0; round < 2000; round++) {
        struct hist_op ops[DRAWN_OPS];
        size_t count = draw_history(&rand, ops), at = ms_rand_below(&rand, DRAWN_OPS);
        CHECK_EQ(hist_check_order(ops, count), HIST_LINEARIZABLE);
        CHECK_EQ(hist_check_search(ops, count, 1000000), HIST_LINEARIZABLE);
        if (ops[at].kind != HIST_READ) continue;
        ops[at].value = ms_rand_below(&rand, DRAWN_OPS);
        enum hist_verdict order = hist_check_order(ops, count);
        enum hist_verdict search = hist_check_search(ops, count, 1000000);
        CHECK(search != HIST_TOO_LONG);
        if (search == HIST_VIOLATION) CHECK_EQ(order, HIST_VIOLATION);
        if (order == HIST_LINEARIZABLE) CHECK_EQ(search, HIST_LINEARIZABLE);
        violations += search == HIST_VIOLATION;
        allowed += order == HIST_LINEARIZABLE;
    }
    CHECK(violations > 100);
    CHECK(allowed > 20);
}

TEST(history, search_gives_up_within_its_bound)
{
    struct hist_op ops[40];
    for (size_t i = 0; i < 40; i++) {
        ops[i] = (struct hist_op){ .kind = HIST_WRITE, .value = i + 1, .begin = 1, .end = 100 };
    }
    ops[39] = (struct hist_op){ .kind = HIST_READ, .value = 77, .begin = 200, .end = 201 };
    CHECK_EQ(hist_check_search(ops, 40, 1000), HIST_TOO_LONG);
}

/* --- windows --- */

#define LONG_OPS 240u /* as much as a search of the whole can take */

/* Several clients, each doing one thing after the other: a correct register over a long time. */
static size_t draw_long(struct ms_rand *rand, struct hist_op *ops)
{
    uint64_t at = 1, value = 0;
    for (size_t i = 0; i < LONG_OPS; i++) {
        uint64_t before = ms_rand_below(rand, 30), behind = 1 + ms_rand_below(rand, 30);
        ops[i] = (struct hist_op){ .kind = ms_rand_below(rand, 2) ? HIST_READ : HIST_WRITE,
                                   .begin = at > before ? at - before : 0,
                                   .end = at + behind,
                                   .value = value };
        if (ops[i].kind == HIST_WRITE) {
            value = ops[i].value = ms_rand_below(rand, 8) ? i + 1 : 0;
            ops[i].position = i + 1;
            if (ms_rand_below(rand, 6) == 0) ops[i].end = HIST_NEVER;
        }
        at += 10;
    }
    return LONG_OPS;
}

static bool is_seen(const struct hist_op *op)
{
    return op->kind == HIST_READ || op->end != HIST_NEVER;
}

TEST(history, windows_allow_what_is_linearizable)
{
    struct ms_rand rand;
    struct hist_op ops[LONG_OPS];
    struct hist_windows w;
    ms_rand_init(&rand, 43, 0);
    for (int round = 0; round < 60; round++) {
        size_t count = draw_long(&rand, ops);
        for (size_t size = 8; size <= 128; size *= 4) {
            CHECK_EQ(hist_check_windows(ops, count, size, 100000, &w), HIST_LINEARIZABLE);
            CHECK_EQ(w.given_up, 0);
            CHECK(w.searched >= count / size);
        }
    }
}

/* A read gives what had been overwritten some writes ago, at a drawn place. Nearly all of it is found by
 * windows that are much shorter than the history, and never more than a search of the whole finds. */
TEST(history, windows_find_stale_reads)
{
    struct ms_rand rand;
    struct hist_op ops[LONG_OPS];
    struct hist_windows w;
    unsigned wrong = 0, found = 0;
    ms_rand_init(&rand, 44, 0);
    for (int round = 0; round < 300; round++) {
        size_t count = draw_long(&rand, ops), at = 100 + ms_rand_below(&rand, count - 100);
        size_t from = at - 10 - ms_rand_below(&rand, 80);
        if (ops[at].kind != HIST_READ || !is_seen(&ops[from]) || ops[from].value == 0) continue;
        ops[at].value = ops[from].value;
        bool violates = hist_check_search(ops, count, 1000000) == HIST_VIOLATION;
        enum hist_verdict v = hist_check_windows(ops, count, 32, 100000, &w);
        if (!violates) CHECK_EQ(v, HIST_LINEARIZABLE);
        wrong += violates;
        found += v == HIST_VIOLATION;
    }
    CHECK(wrong > 60);
    CHECK(10 * found >= 9 * wrong);
}

/* Each write is read, then the next one is there: what was read in one window does not come back in the next. */
TEST(history, windows_know_what_was_overwritten_before_them)
{
    struct hist_op ops[40];
    struct hist_windows w;
    for (size_t i = 0; i < 40; i += 2) {
        ops[i] = (struct hist_op){
            .kind = HIST_WRITE, .value = i + 1, .begin = 4 * i + 1, .end = 4 * i + 2
        };
        ops[i + 1] =
            (struct hist_op){ .kind = HIST_READ, .value = i + 1, .begin = 4 * i + 3, .end = 4 * i + 4 };
    }
    CHECK_EQ(hist_check_windows(ops, 40, 4, 1000, &w), HIST_LINEARIZABLE);
    for (size_t i = 9; i < 40; i += 2) {
        struct hist_op saved = ops[i];
        ops[i].value = i - 6; /* which no window has that has this read */
        CHECK_EQ(hist_check_windows(ops, 40, 4, 1000, &w), HIST_VIOLATION);
        ops[i].value = 0;
        CHECK_EQ(hist_check_windows(ops, 40, 4, 1000, &w), HIST_VIOLATION);
        ops[i] = saved;
    }
    ops[10].end = HIST_NEVER; /* a write that has no answer may come at any later time, once or never */
    ops[11].value = 9;
    ops[39].value = 11;
    CHECK_EQ(hist_check_windows(ops, 40, 4, 1000, &w), HIST_LINEARIZABLE);
}

/* Nothing that stands in the window of the last read says that it is wrong: only what came before does. */
TEST(history, windows_know_what_may_have_been_at_their_beginning)
{
    struct hist_op ops[24] = { W(1, 1, 2, 0), W(2, 3, 4, 0) };
    struct hist_windows w;
    for (size_t i = 2; i < 23; i++) ops[i] = (struct hist_op)W(i + 1, 4 * i, HIST_NEVER, 0);
    ops[23] = (struct hist_op)R(1, 200, 201);
    CHECK_EQ(hist_check_windows(ops, 24, 4, 1000, &w), HIST_VIOLATION);
    ops[23].value = 0;
    CHECK_EQ(hist_check_windows(ops, 24, 4, 1000, &w), HIST_VIOLATION);
    ops[23].value = 2;
    CHECK_EQ(hist_check_windows(ops, 24, 4, 1000, &w), HIST_LINEARIZABLE);
    ops[23].value = 7;
    CHECK_EQ(hist_check_windows(ops, 24, 4, 1000, &w), HIST_LINEARIZABLE);
}

TEST(history, windows_say_what_they_gave_up)
{
    struct hist_op ops[40];
    struct hist_windows w;
    for (size_t i = 0; i < 40; i++) {
        ops[i] = (struct hist_op){ .kind = HIST_WRITE, .value = i + 1, .begin = 1, .end = 100 };
    }
    ops[39] = (struct hist_op){ .kind = HIST_READ, .value = 77, .begin = 200, .end = 201 };
    CHECK_EQ(hist_check_windows(ops, 40, 64, 1000, &w), HIST_TOO_LONG);
    CHECK_EQ(w.searched, 1);
    CHECK_EQ(w.given_up, 1);
}

/* Thirty deletes that nobody answered: 2^30 sets of them, and one that matters. */
TEST(history, open_deletes_are_tried_once)
{
    struct hist_op ops[34];
    size_t n = 0;
    ops[n++] = (struct hist_op)W(1, 1, 2, 0);
    for (size_t i = 0; i < 30; i++) ops[n++] = (struct hist_op)W(0, 3 + i, HIST_NEVER, 0);
    ops[n++] = (struct hist_op)R(0, 100, 101);
    ops[n++] = (struct hist_op)R(1, 102, 103);
    CHECK_EQ(hist_check_search(ops, n, 1000), HIST_VIOLATION);
}
