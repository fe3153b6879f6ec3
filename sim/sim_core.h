/* sim_core.h: the second phase of half of the seeds: a core of members that is a quorum of the voters
 * is healed and reaches all of itself; all other members keep their faults for ever, or get new ones:
 * down, stopped, cut off, half connected. The core has to elect, to commit, to answer, to become equal
 * (K18).
 *
 * Two things excuse it, and both are proved from the state at hand, never assumed:
 *   - no member of the core can win with the core's votes, under the configuration in its own log
 *   - a leader outside of the core, whom a part of the core follows, has a quorum, and this member of
 *     the core is cut off from it: a voter that hears a leader deposes nobody (diss. 4.2.3), so that
 *     this one is served by nobody. The others have to be served. */
#ifndef SIM_SIM_CORE_H
#define SIM_SIM_CORE_H

#include "sim/sim.h"

#define SIM_CORE_ALL UINT32_MAX /* everything was healed */

static inline bool sim_in_core(const struct sim *s, uint32_t index)
{
    return s->core >> index & 1;
}

/* Whether a set may be one by the state at hand: all of it counts and, unless it is a single member, it
 * is a quorum. */
bool sim_core_may_be(struct sim *s, uint32_t set);
/* Draw one into s->core; false: no members that count are a quorum. */
bool sim_core_draw(struct sim *s);
/* Whether no link between the member and one of the core stands still. */
bool sim_core_reaches(struct sim *s, uint32_t index);
/* Whether the member has to serve, and to be equal to the others, by the end of the phase. */
bool sim_core_expects(struct sim *s, uint32_t index);
#define SIM_CORE_TEXT_BYTES 64u
/* "all members", or "the core m1 m3". */
const char *sim_core_text(const struct sim *s, char out[SIM_CORE_TEXT_BYTES]);
/* Whether the end of this leadership is none of K19: the core is no quorum, and none that the leader could have is
 * without a member from or to whom frames were lost just now. Among outsiders they are lost for ever, in the core and
 * to it none (sim_net_set_core()): who depends on those may lead again and again, and never for long. */
bool sim_core_excuses_end(struct sim *s, uint32_t leader);
/* Whether the core cannot elect anybody; why says it of each of its members. */
bool sim_core_is_hopeless(struct sim *s, char *why, size_t why_cap);

#endif
