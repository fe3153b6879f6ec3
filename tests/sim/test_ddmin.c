/* Making a list small while it keeps a property. */
#include "sim/sim_ddmin.h"
#include "tests/support/test.h"

#define ITEMS_MAX 200u

struct toy {
    uint32_t needed[8]; /* all of them have to be there */
    size_t needed_count;
    uint32_t tests;
    bool unordered; /* what was asked for was not in order */
};

static bool has(const uint32_t *items, size_t count, uint32_t item)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i] == item) return true;
    }
    return false;
}

static bool toy_fails(void *ctx, const uint32_t *items, size_t count)
{
    struct toy *t = ctx;
    t->tests++;
    for (size_t i = 1; i < count; i++) {
        if (items[i - 1] >= items[i]) t->unordered = true;
    }
    for (size_t i = 0; i < t->needed_count; i++) {
        if (!has(items, count, t->needed[i])) return false;
    }
    return true;
}

static size_t shrink(struct toy *t, uint32_t *items, size_t count)
{
    for (uint32_t i = 0; i < count; i++) items[i] = i;
    size_t left = sim_ddmin(items, count, toy_fails, t);
    CHECK(!t->unordered);
    return left;
}

TEST(ddmin, only_what_is_needed_is_left)
{
    struct toy t = { .needed = { 3, 77, 78, 199 }, .needed_count = 4 };
    uint32_t items[ITEMS_MAX];
    CHECK_EQ(shrink(&t, items, ITEMS_MAX), 4);
    for (size_t i = 0; i < 4; i++) CHECK_EQ(items[i], t.needed[i]);
    CHECK(t.tests < 150); /* fewer than one for each item */
}

TEST(ddmin, nothing_is_left_if_nothing_is_needed)
{
    struct toy t = { .needed_count = 0 };
    uint32_t items[ITEMS_MAX];
    CHECK_EQ(shrink(&t, items, ITEMS_MAX), 0);
    CHECK_EQ(t.tests, 1);
}

TEST(ddmin, all_is_left_if_all_is_needed)
{
    struct toy t = { .needed = { 0, 1, 2, 3, 4 }, .needed_count = 5 };
    uint32_t items[ITEMS_MAX];
    CHECK_EQ(shrink(&t, items, 5), 5);
    CHECK_EQ(shrink(&t, items, 0), 0);
}

/* One of two pairs is enough: whichever is left, no single one of it can go. */
static bool either_pair(void *ctx, const uint32_t *items, size_t count)
{
    (void)ctx;
    return (has(items, count, 10) && has(items, count, 40)) ||
           (has(items, count, 20) && has(items, count, 30));
}

TEST(ddmin, none_of_what_is_left_can_go)
{
    uint32_t items[50];
    for (uint32_t i = 0; i < 50; i++) items[i] = i;
    size_t left = sim_ddmin(items, 50, either_pair, NULL);
    CHECK_EQ(left, 2);
    CHECK(either_pair(NULL, items, left));
}

/* Each one in this order needs the one before it, so that only the last one that is left can go. */
static bool chain(void *ctx, const uint32_t *items, size_t count)
{
    static const uint32_t order[] = { 0, 4, 1, 5, 2, 6, 3, 7 };
    (void)ctx;
    for (uint32_t i = 0; i < 7; i++) {
        if (has(items, count, order[i + 1]) && !has(items, count, order[i])) return false;
    }
    return has(items, count, 0);
}

TEST(ddmin, tries_again_what_others_stood_in_the_way_of)
{
    uint32_t items[8];
    for (uint32_t i = 0; i < 8; i++) items[i] = i;
    CHECK_EQ(sim_ddmin(items, 8, chain, NULL), 1);
}
