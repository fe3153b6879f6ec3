/* sim_clock.h: the clock of a machine, which is not the simulator's: it began at another time, runs
 * faster or slower, and may stand still.
 *
 *   T1  it never goes back
 *   T2  while lease reads may be on, no two clocks differ in rate by more than SIM_CLOCK_ERROR_PERCENT,
 *       and none stands still: that is the bound that lease reads are promised for
 *
 * Nothing in the core reads wall time (env/clock.h), so that there is no wall clock to step. */
#ifndef SIM_SIM_CLOCK_H
#define SIM_SIM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_CLOCK_ERROR_PERCENT 10u
/* The slowest and the fastest clock within the bound: (1000000 + FAST) / (1000000 + SLOW) < 1.1. */
#define SIM_CLOCK_SLOW_PPM (-46000)
#define SIM_CLOCK_FAST_PPM 48000

struct sim_clock {
    uint64_t at_us, shows_us; /* at this virtual time it showed this */
    int32_t drift_ppm;        /* since then: how much faster than virtual time */
    bool stands;
    int32_t fastest_ppm, slowest_ppm; /* since it began, 0 included */
    bool stood;
};

void sim_clock_init(struct sim_clock *c, uint64_t now_us, uint64_t shows_us, int32_t drift_ppm);
uint64_t sim_clock_us(const struct sim_clock *c, uint64_t now_us);
/* When it will show shows_us at the earliest; UINT64_MAX: it stands. */
uint64_t sim_clock_when_us(const struct sim_clock *c, uint64_t now_us, uint64_t shows_us);
/* From now on. */
void sim_clock_set_drift(struct sim_clock *c, uint64_t now_us, int32_t drift_ppm);
void sim_clock_stop(struct sim_clock *c, uint64_t now_us);
/* Let it run again. catch_up: it jumps to what it would show had it never stood. */
void sim_clock_go(struct sim_clock *c, uint64_t now_us, bool catch_up);

#endif
