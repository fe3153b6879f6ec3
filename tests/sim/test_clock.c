/* Clocks of simulated machines: they never go back, and a time that was asked for has come exactly when
 * the clock says so. */
#include "env/rand.h"
#include "sim/sim_clock.h"
#include "tests/support/test.h"

TEST(clock, when_is_the_first_moment_that_shows_it)
{
    struct ms_rand r;
    ms_rand_init(&r, 7, 1);
    for (int i = 0; i < 20000; i++) {
        struct sim_clock c;
        uint64_t now = ms_rand_below(&r, 1u << 30);
        sim_clock_init(&c, now, ms_rand_below(&r, UINT64_C(1) << 40),
                       (int32_t)ms_rand_below(&r, 1500000) - 500000);
        uint64_t shows = sim_clock_us(&c, now) + 1 + ms_rand_below(&r, 1u << (1 + i % 30));
        uint64_t when = sim_clock_when_us(&c, now, shows);
        CHECK(sim_clock_us(&c, when) >= shows);
        CHECK(sim_clock_us(&c, when - 1) < shows);
    }
}

TEST(clock, changes_never_turn_it_back)
{
    struct ms_rand r;
    struct sim_clock c;
    ms_rand_init(&r, 8, 1);
    sim_clock_init(&c, 0, 1000, 0);
    uint64_t now = 0, before = 1000;
    for (int i = 0; i < 20000; i++) {
        now += ms_rand_below(&r, 5000);
        switch (ms_rand_below(&r, 4)) {
        case 0: sim_clock_stop(&c, now); break;
        case 1: sim_clock_go(&c, now, i % 2); break;
        case 2: sim_clock_set_drift(&c, now, (int32_t)ms_rand_below(&r, 1500000) - 500000); break;
        default: break;
        }
        CHECK(sim_clock_us(&c, now) >= before);
        before = sim_clock_us(&c, now);
    }
}

TEST(clock, one_that_stands_shows_nothing_later)
{
    struct sim_clock c;
    sim_clock_init(&c, 10, 1000, 0);
    sim_clock_stop(&c, 20);
    CHECK_EQ(sim_clock_us(&c, 500), 1010);
    CHECK_EQ(sim_clock_when_us(&c, 500, 1011), UINT64_MAX);
    sim_clock_go(&c, 520, false);
    CHECK_EQ(sim_clock_us(&c, 530), 1020);
    sim_clock_stop(&c, 530);
    sim_clock_go(&c, 600, true);
    CHECK_EQ(sim_clock_us(&c, 600), 1090);
}

/* T2: what the plan draws for clocks keeps to the bound that lease reads are promised for. */
TEST(clock, the_bound_is_the_one_that_is_stated)
{
    double ratio = (1e6 + SIM_CLOCK_FAST_PPM) / (1e6 + SIM_CLOCK_SLOW_PPM);
    CHECK(ratio <= 1.0 + SIM_CLOCK_ERROR_PERCENT / 100.0);
}
