#include "sim/sim_clock.h"

#include "base/ms_assert.h"

#define MILLION 1000000

static void note_rate(struct sim_clock *c)
{
    if (c->drift_ppm > c->fastest_ppm) c->fastest_ppm = c->drift_ppm;
    if (c->drift_ppm < c->slowest_ppm) c->slowest_ppm = c->drift_ppm;
}

void sim_clock_init(struct sim_clock *c, uint64_t now_us, uint64_t shows_us, int32_t drift_ppm)
{
    MS_ASSERT(drift_ppm > -MILLION);
    *c = (struct sim_clock){ .at_us = now_us, .shows_us = shows_us, .drift_ppm = drift_ppm };
    note_rate(c);
}

static uint64_t running_us(const struct sim_clock *c, uint64_t now_us)
{
    int64_t passed = (int64_t)(now_us - c->at_us);
    return c->shows_us + (uint64_t)(passed + passed * c->drift_ppm / MILLION);
}

uint64_t sim_clock_us(const struct sim_clock *c, uint64_t now_us)
{
    return c->stands ? c->shows_us : running_us(c, now_us);
}

uint64_t sim_clock_when_us(const struct sim_clock *c, uint64_t now_us, uint64_t shows_us)
{
    if (shows_us <= sim_clock_us(c, now_us)) return now_us;
    if (c->stands) return UINT64_MAX;
    uint64_t left = shows_us - c->shows_us, rate = (uint64_t)(MILLION + c->drift_ppm);
    uint64_t at = c->at_us + (left / rate) * MILLION + (left % rate) * MILLION / rate;
    if (at > c->at_us) at--; /* divisions round towards zero, so that it may be one off either way */
    while (running_us(c, at) < shows_us) at++;
    return at;
}

/* What it has shown up to now is history: from here on other rules count. */
static void settle(struct sim_clock *c, uint64_t now_us)
{
    c->shows_us = sim_clock_us(c, now_us);
    c->at_us = now_us;
}

void sim_clock_set_drift(struct sim_clock *c, uint64_t now_us, int32_t drift_ppm)
{
    MS_ASSERT(drift_ppm > -MILLION);
    if (!c->stands) settle(c, now_us);
    c->drift_ppm = drift_ppm;
    note_rate(c);
}

void sim_clock_stop(struct sim_clock *c, uint64_t now_us)
{
    if (c->stands) return;
    settle(c, now_us);
    c->stands = c->stood = true;
}

void sim_clock_go(struct sim_clock *c, uint64_t now_us, bool catch_up)
{
    if (!c->stands) return;
    c->stands = false;
    if (!catch_up) c->at_us = now_us;
}
