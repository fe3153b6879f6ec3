/* sim_check.h: the checkers. Ghost state lives here, never in the core; what is looked at comes through
 * const accessors, the tap of frames, the jobs the simulator runs itself, and the disk writes it
 * carries out itself.
 *
 * Durable (K3, K7, K8, K17) is judged without asking the core: every write of the log that the
 * simulated disk has carried out and synced is decoded with the log's own record decoder into a ghost
 * copy of that member's durable log. So a member that acknowledges too early is caught even if it is
 * convinced itself.
 *
 *   sim_check.c         the ghost, its logs, the hooks    sim_check_raft.c   K1 K2 K4 K5 K6 K7 K15
 *   sim_check_frames.c  K2 K3 K8 on every frame sent      sim_check_disk.c   durable logs, K17
 *   sim_check_apply.c   K9 K10 K12 K16 K22                 sim_check_config.c K15
 *   sim_check_wipe.c    lost disks (K2, K15)          sim_check_damage.c damaged ones, K17
 *   sim_check_lie.c    disks that lose what they called durable
 *   sim_check_differ.c K24: a state that became another one
 *   sim_check_stream.c K16, of snapshots on their way    sim_check_size.c K19, of logs */
#ifndef SIM_SIM_CHECK_H
#define SIM_SIM_CHECK_H

#include "sim/sim_cluster.h"

void sim_check_create(struct sim *s);
void sim_check_destroy(struct sim *s);

/* Hooks, in the order of a member's life. */
void sim_check_started(struct sim *s, struct sim_member *m);
void sim_check_member(struct sim *s, struct sim_member *m); /* after each input */
void sim_check_turn(struct sim *s, struct sim_member *m);   /* after each turn */
void sim_check_frame(struct sim *s, struct sim_member *m, bool out, uint64_t peer, uint8_t type,
                     struct bytes body);
void sim_check_written(struct sim *s, struct sim_member *m, const struct disk_op *op); /* carried out */
void sim_check_job_begins(struct sim *s, struct sim_member *m, const struct kv_job *job);
void sim_check_job_ended(struct sim *s, struct sim_member *m, const struct kv_job *job);
/* It has failed, or its process died in it. */
void sim_check_job_failed(struct sim *s, struct sim_member *m, const struct kv_job *job);
/* torn: the op during which it happened, or NULL; before the disk forgets what it forgets. */
void sim_check_crash(struct sim *s, struct sim_member *m, bool power, const struct disk_op *torn);

/* Its disk is about to be damaged; whether it ever was; whether it knows, and is not repaired yet. */
/* The same of files of its database, of which it may notice nothing until it reads them. */
void sim_check_database_harmed(struct sim *s, struct sim_member *m);
bool sim_check_is_latent(const struct sim *s, uint32_t index);
void sim_check_harmed(struct sim *s, struct sim_member *m);
bool sim_check_was_harmed(const struct sim *s, uint32_t index);
bool sim_check_is_broken(const struct sim *s, uint32_t index);
/* A batch is about to be called durable by a disk that will lose it (sim_io.h). False: op is none. */
bool sim_check_lied(struct sim *s, struct sim_member *m, const struct disk_op *op);
/* Whether it may be lost now, by what is promised. */
bool sim_check_lie_may_stand(struct sim *s, struct sim_member *m);
/* The same; power goes, and the batch with it, if it may. */
bool sim_check_lie_stands(struct sim *s, struct sim_member *m);
/* Whether it is the newest one. */
bool sim_check_lie_is_last(const struct sim *s, const struct sim_member *m);
void sim_check_lie_over(struct sim *s, struct sim_member *m); /* it is durable after all */
/* Its state has become another one; of any member; of this one, and it is not whole again, or a snapshot of then is
 * still there. */
void sim_check_differs_now(struct sim *s, const struct sim_member *m);
bool sim_check_any_differs(const struct sim *s);
bool sim_check_differs(const struct sim *s, uint32_t index);
/* Whether a read that began then may have seen that, before the member noticed: it is exempt. */
bool sim_check_may_lie(const struct sim *s, uint32_t index, uint64_t since_us);
/* It stops for its state. */
void sim_check_tells_difference(struct sim *s, const struct sim_member *m);
/* It has begun to send a snapshot of such a state: it has to die (sim_faults_state.c). */
bool sim_check_spreads(const struct sim *s, const struct sim_member *m);
/* All had their time to notice: fails if anybody has not. */
void sim_check_difference_late(const struct sim *s);
/* An attach (body of its entry) has taken effect, for the first time anywhere. */
void sim_check_attach(struct sim *s, struct bytes body);
/* Its disk is about to be emptied. */
void sim_check_wiped(struct sim *s, struct sim_member *m);
/* Whether it has lost its disk and nobody has removed it and added it anew yet: it can only wait. */
bool sim_check_waits(const struct sim *s, uint32_t index);
/* Whether it has lost its disk and is not attached anew: its votes and acks do not count. */
bool sim_check_is_wiped(const struct sim *s, uint32_t index);
bool sim_check_was_wiped(const struct sim *s, uint32_t index); /* at any time */

/* The highest commit index any member has reached (K22). */
uint64_t sim_check_commit(const struct sim *s);
/* Whether the entry is in the ledger: when it came in, a quorum held it durably (K7), and disks forget
 * nothing. */
bool sim_check_committed(const struct sim *s, uint64_t index);
/* The newest configuration that is committed; NULL: none is. */
const struct config *sim_check_config(const struct sim *s);
/* The newest configuration in a member's log, as it was when it was up last; NULL: there is none. */
const struct config *sim_check_newest_config(const struct sim *s, uint32_t index);
/* Whether members (bits by id) are a quorum of c: a majority of both of its sets if it is joint. */
bool sim_check_is_quorum(const struct config *c, uint32_t set);
/* In how many terms there was a leader. */
uint64_t sim_check_leaders(const struct sim *s);
/* How many leaderships ended since healing, and were excused (sim_core_excuses_end()). */
uint64_t sim_check_excused_ends(const struct sim *s);
/* Whether one that is newer than index, or was in force there, is committed with lease reads so. */
bool sim_check_lease_since(const struct sim *s, uint64_t index, bool on);
/* Whether one that is newer than index is committed without the member. */
bool sim_check_removed_since(const struct sim *s, uint64_t index, uint64_t id);
/* Whether the member has led in any term. */
bool sim_check_has_led(const struct sim *s, uint64_t id);
/* The term that a member knew last. */
uint64_t sim_check_term(const struct sim *s, uint32_t index);
/* Whether two members at least have led in terms from this one on. */
bool sim_check_led_by_two(const struct sim *s, uint64_t term);
/* Whether one with this URL was ever committed. */
bool sim_check_url_committed(const struct sim *s, const char *url);
/* Whether all members of it of whom it is expected are up and have the same state: commit index,
 * applied index, digest; whether those that were members and are no more have stopped; and no change is owed. */
bool sim_check_converged(struct sim *s);
/* Whether the leader has yet to carry out a change of the members that nothing hinders: an exchange, a promotion, what
 * comes behind a joint configuration. Of a cluster healed as a whole. */
bool sim_check_owes_change(struct sim *s);
/* A member that keeps more of its log than it may at rest, and how much; NULL: none does. The most that it may keep. */
const struct sim_member *sim_check_large_log(struct sim *s, uint64_t *bytes);
uint64_t sim_check_log_max(const struct sim *s);
/* What was restored from a backup of a member, asked for at begin_us (K25). */
void sim_check_backup(struct sim *s, uint32_t index, const struct kv_info *info, uint64_t begin_us);
/* A majority durably holds what the leader has of an earlier term, and it is not committed. */
bool sim_check_old_term_held(const struct sim *s, const struct sim_member *leader);
/* At the end: scans of the whole state (K10), and how many leaders there were. */
void sim_check_finish(struct sim *s);

/* The member stops by itself, because it was removed, it says (K15). */
void sim_check_left(struct sim *s, const struct sim_member *m);

#endif
