/* sim_settings.h: what a plan has beside its seed, by name, so that a script can say it: a script means
 * the same when seeds no longer draw what they did. */
#ifndef SIM_SIM_SETTINGS_H
#define SIM_SIM_SETTINGS_H

#include "sim/sim.h"

/* A plan in which nothing is special: 3 members on a fast network and fast disks. */
void sim_plan_calm(struct sim_plan *p);
uint32_t sim_setting_count(void);
const char *sim_setting_name(uint32_t i);
/* Where it stands: SIM_SETTINGS_NONE if there is none of that name. */
#define SIM_SETTINGS_NONE UINT32_MAX
uint32_t sim_setting_find(const char *name, size_t len);
uint64_t sim_setting_get(const struct sim_plan *p, uint32_t i);
/* False: out of its range. */
bool sim_setting_set(struct sim_plan *p, uint32_t i, uint64_t v);

#endif
