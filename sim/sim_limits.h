/* sim_limits.h: values whose size is what is allowed, one byte less, or one more. In some seeds the limit of values
 * is what counts, in others that of requests, which is that of an entry of the log: the largest one has to fit
 * whatever else is as small as it may be, a message, a window, a segment. What is allowed is never refused for
 * its size, what is not is never applied (K12). */
#ifndef SIM_SIM_LIMITS_H
#define SIM_SIM_LIMITS_H

#include "sim/sim.h"

enum { SIM_LIMITS_NONE, SIM_LIMITS_VALUE, SIM_LIMITS_REQUEST };

/* Make the member's limit of values what plan->limits says. */
void sim_limits_fit(struct sim_plan *p);
/* The largest value of a PUT. */
uint32_t sim_limits_most(const struct sim_plan *p);
void sim_limits_init(struct ms_rand *r, const struct sim_plan *p);
/* Whether a PUT to k<key> of so many bytes is beyond a limit. */
bool sim_limits_exceeds(const struct sim_plan *p, uint32_t key, uint32_t value_bytes);
/* Draw a size at a limit. False: this PUT is one like others. */
bool sim_limits_draw(struct ms_rand *r, const struct sim_plan *p, uint32_t key, uint32_t *value_bytes);

#endif
