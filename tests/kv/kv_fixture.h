/* kv_fixture.h: a state machine over the memory engine, and short words for what tests do to it. */
#ifndef TESTS_KV_KV_FIXTURE_H
#define TESTS_KV_KV_FIXTURE_H

#include "kv/kv_private.h"
#include "tests/support/test_alloc.h"

#define FIXTURE_BATCH_MAX 64u

struct fixture {
    struct test_alloc alloc;
    struct kv *kv;
    uint64_t index; /* of the last entry made */
    struct entry_ref *entries[FIXTURE_BATCH_MAX];
    struct kv_result results[FIXTURE_BATCH_MAX];
    uint32_t count;      /* entries made and not applied; after fixture_run(): results */
    struct kv_info info; /* as jobs filled it in */
    bool info_changed;
    struct buf *lease_events; /* the test's; NULL: nobody asks */
};

void fixture_init(struct fixture *f);
/* On an engine, which the fixture closes; NULL: in memory. */
void fixture_init_on(struct fixture *f, struct engine *engine);
/* As init_on(), with an allocator that is there already. */
void fixture_init_over(struct fixture *f, struct engine *e);
void fixture_fini(struct fixture *f); /* checks that nothing is left alive */

/* Make an entry; it waits for fixture_run(). origin NULL: none. */
void fixture_add(struct fixture *f, uint8_t kind, const struct entry_origin *origin, struct bytes body);
/* Apply what waits, as one job; returns its status, results are in f->results. */
int fixture_run(struct fixture *f);
/* One entry at once; the job must succeed. */
struct kv_result fixture_apply(struct fixture *f, uint8_t kind, const struct entry_origin *origin,
                               struct bytes body);
struct kv_result fixture_put(struct fixture *f, const char *key, const char *value);
struct kv_result fixture_delete(struct fixture *f, const char *key);
struct kv_result fixture_compact(struct fixture *f, uint64_t revision);
/* An ENTRY_INIT with members 1 to count. */
struct kv_result fixture_found(struct fixture *f, uint32_t count);
struct kv_result fixture_config(struct fixture *f, const struct config *c,
                                const struct entry_origin *origin);
/* The READ job; value is copied into job->value, which the caller frees with buf_fini(). */
void fixture_read(struct fixture *f, struct bytes key, struct kv_job *job);
/* Whether key has this value; NULL: is absent. */
bool fixture_has(struct fixture *f, const char *key, const char *value);
/* S4: the digest kept is the digest scanned. */
void fixture_check_digest(struct fixture *f);

struct config config_of(uint32_t count); /* voters 1 to count, added_index 0 */

/* The whole snapshot, chunks one behind the other, into out. */
int fixture_dump(struct fixture *f, struct buf *out);
int fixture_dump_cut(struct fixture *f, size_t chunk_bytes_max, struct buf *out);
/* Install it; the status of the job that failed, or of LOAD_END. */
int fixture_load(struct fixture *f, struct bytes chunks);

#endif
