/* sim_ddmin.h: the smallest part of a list that still has a property (Zeller, Hildebrandt: Simplifying
 * and isolating failure-inducing input, 2002). Only complements are tried, in halves, quarters and so
 * on down to single ones, and a part that goes does not begin the round anew. */
#ifndef SIM_SIM_DDMIN_H
#define SIM_SIM_DDMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether these items, in their order, are enough. */
typedef bool (*sim_ddmin_test)(void *ctx, const uint32_t *items, size_t count);

/* The list as it comes is enough. Returns how many are left, at its front and in their order; without
 * any single one of them it would not be enough (if the test always says the same of the same). */
size_t sim_ddmin(uint32_t *items, size_t count, sim_ddmin_test test, void *ctx);

#endif
