/* Sizes at a limit: what is drawn lies around it, and a byte decides. */
#include "sim/sim_limits.h"
#include "tests/support/test.h"

static struct sim_plan plan_with(uint32_t limits)
{
    struct sim_plan p = { .seed = 3, .limits = limits, .value_bytes_max = 100 };
    p.member.node.request_bytes_max = 4096;
    sim_limits_fit(&p);
    return p;
}

/* The largest value that is allowed. */
static uint32_t most_of(const struct sim_plan *p, uint32_t key)
{
    uint32_t most = 0;
    while (!sim_limits_exceeds(p, key, most + 1)) most++;
    return most;
}

TEST(limits, sizes_drawn_are_the_limit_one_less_and_one_more)
{
    for (uint32_t limits = SIM_LIMITS_VALUE; limits <= SIM_LIMITS_REQUEST; limits++) {
        struct sim_plan p = plan_with(limits);
        struct ms_rand r;
        uint32_t most = most_of(&p, 17), seen = 0, bytes = 0;
        sim_limits_init(&r, &p);
        for (uint32_t i = 0; i < 1000; i++) {
            if (!sim_limits_draw(&r, &p, 17, &bytes)) continue;
            CHECK(bytes >= most - 1 && bytes <= most + 1);
            CHECK(bytes <= sim_limits_most(&p));
            seen |= 1u << (bytes + 1 - most);
        }
        CHECK_EQ(seen, 7);
    }
}

TEST(limits, that_of_requests_counts_the_whole_command)
{
    struct sim_plan p = plan_with(SIM_LIMITS_VALUE), q = plan_with(SIM_LIMITS_REQUEST);
    CHECK_EQ(most_of(&p, 1), 3072);
    CHECK(most_of(&q, 1) > 3072 && most_of(&q, 1) < 4096);
    CHECK_EQ(most_of(&q, 1), most_of(&q, 17) + 1); /* its name is longer */
}

TEST(limits, without_them_nothing_is_drawn)
{
    struct sim_plan p = plan_with(SIM_LIMITS_NONE);
    struct ms_rand r;
    uint32_t bytes = 5;
    sim_limits_init(&r, &p);
    for (uint32_t i = 0; i < 100; i++) CHECK(!sim_limits_draw(&r, &p, 1, &bytes));
    CHECK_EQ(bytes, 5);
    CHECK_EQ(sim_limits_most(&p), 100);
    CHECK(!sim_limits_exceeds(&p, 1, 1u << 20));
}
