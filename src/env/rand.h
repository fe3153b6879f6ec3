/* rand.h: seeded pseudo-random numbers. One generator a purpose (DESIGN 2.7), so that a new draw in
 * one place does not shift the others. Not for secrets.
 *
 * The generator is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
 * 2014): one word of state, a full period, equal on every machine. */
#ifndef ENV_RAND_H
#define ENV_RAND_H

#include <stdint.h>

struct ms_rand {
    uint64_t state;
};

static inline uint64_t ms_rand_u64(struct ms_rand *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Seed a generator; purpose keeps generators of one seed apart. */
static inline void ms_rand_init(struct ms_rand *r, uint64_t seed, uint64_t purpose)
{
    struct ms_rand mix = { seed ^ purpose * UINT64_C(0xd6e8feb86659fd93) };
    r->state = ms_rand_u64(&mix);
}

/* 0 to bound - 1; bound is at least 1. The bias is below bound / 2^64. */
static inline uint64_t ms_rand_below(struct ms_rand *r, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)ms_rand_u64(r) * bound >> 64);
}

/* lo to hi, both included. */
static inline uint64_t ms_rand_between(struct ms_rand *r, uint64_t lo, uint64_t hi)
{
    return lo + ms_rand_below(r, hi - lo + 1);
}

#endif
