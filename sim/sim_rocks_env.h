/* sim_rocks_env.h: RocksDB's files, clock and threads inside of the simulator: an Env over a struct
 * disk, handed to RocksDB by name (kv_rocks_opts.env), through its public headers alone.
 *
 *   RE1  every byte and every name goes to the disk, in the order of RocksDB's calls; nothing is kept
 *        beside it but handles
 *   RE2  background work runs on one thread, first come, first served; sim_rocks_env_settle() waits
 *        until it has none. So two runs make the same calls in the same order
 *   RE3  after sim_rocks_env_die() nothing reaches the disk any more: the process is dead, and what is
 *        left is to free its memory
 *   RE4  calls are folded into a hash by kind, name, offset and length. What tables and manifests
 *        contain is left out: RocksDB puts an id of the session into both, of a fixed length */
#ifndef SIM_SIM_ROCKS_ENV_H
#define SIM_SIM_ROCKS_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "env/disk.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sim_rocks_env; /* opaque */

struct sim_rocks_env_opts {
    struct disk *disk; /* borrowed; called from the thread that calls RocksDB and from the one of RE2 */
    uint64_t (*now_us)(void *ctx);
    void *ctx;
};

struct sim_rocks_env *sim_rocks_env_create(const struct sim_rocks_env_opts *opts);
/* The database that used it is closed, and its options are destroyed. */
void sim_rocks_env_destroy(struct sim_rocks_env *env);
/* What kv_rocks_opts.env takes. */
const char *sim_rocks_env_name(const struct sim_rocks_env *env);
/* What kv_rocks_opts.settle takes, with the env as its context. */
void sim_rocks_env_settle(void *env);
void sim_rocks_env_die(struct sim_rocks_env *env);
/* Of all calls so far (RE4), and how many there were. */
uint64_t sim_rocks_env_hash(const struct sim_rocks_env *env);
uint64_t sim_rocks_env_calls(const struct sim_rocks_env *env);

#ifdef __cplusplus
}
#endif

#endif
