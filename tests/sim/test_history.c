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
