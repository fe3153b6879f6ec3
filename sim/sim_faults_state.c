/* sim_faults_state.c: the state of one member is another one all of a sudden, and nothing says so: as memory
 * does in which bits flip, or an engine that loses a write and makes up another. A client's record has another
 * value, and a record stands there that nobody put, so that no later write makes the states equal by chance.
 *
 * Inside of what is promised (DESIGN 6): it is one at a time, and counts as a broken disk does. Who hands its
 * wrong state on before it has noticed makes a majority of two liars, which nothing detects (zone c): so the
 * process of a member dies that begins to send a snapshot of one.
 *
 * It draws from a generator of its own, so that seeds without it are what they were. */
#include <stdio.h>

#include "kv/kv_private.h"
#include "sim/sim_check.h"
#include "sim/sim_faults_private.h"
#include "sim/sim_schedule.h"

#define PURPOSE_STATE 22u
#define STRAY "!" /* no client's, and below all of theirs */

static uint64_t around(struct sim *s, uint64_t mean)
{
    return mean / 4 + ms_rand_below(&s->faults->state_rand, mean * 3 / 2 + 1);
}

static void schedule_next(struct sim *s)
{
    sim_events_push(&s->events, sim_now_us(s) + around(s, s->plan.diverge_gap_us), SIM_EVENT_FAULT,
                    SIM_NOBODY, FAULTS_EVENT_STATE, 0);
}

void faults_state_create(struct sim *s)
{
    ms_rand_init(&s->faults->state_rand, s->plan.seed, PURPOSE_STATE);
    if (s->plan.diverge_gap_us && !sim_replays(s)) schedule_next(s);
}

/* The record with its digest; before: the one in its place, or empty. */
static void replace(struct kv *kv, struct bytes key, struct bytes before, const struct kv_record *r)
{
    struct buf encoded, name;
    buf_init(&encoded, kv->alloc, ENGINE_VALUE_BYTES_MAX);
    buf_init(&name, kv->alloc, ENGINE_KEY_BYTES_MAX);
    kv_record_encode(&encoded, r);
    if (before.len > 0) kv_digest_sub(&kv->meta.digest, kv_digest_of_record(key, before));
    kv_digest_add(&kv->meta.digest, kv_digest_of_record(key, buf_bytes(&encoded)));
    kv_key_current(&name, key);
    int rv = kv->engine->ops->put(kv->engine, buf_bytes(&name), buf_bytes(&encoded));
    MS_ASSERT(rv == 0);
    buf_fini(&name);
    buf_fini(&encoded);
}

static bool flip(struct kv *kv, struct bytes key, uint64_t draw)
{
    struct kv_record r;
    uint8_t value[4096];
    if (kv_store_get(kv, key, &r) < 0 || r.value.len == 0 || r.value.len > sizeof value) return false;
    memcpy(value, r.value.data, r.value.len);
    value[draw % r.value.len] ^= (uint8_t)(1u << draw / r.value.len % 8);
    r.value.data = value;
    replace(kv, key, buf_bytes(&kv->old), &r);
    return true;
}

static void spoil(struct sim *s, struct kv *kv, uint64_t draw)
{
    const struct kv_record stray = { .create_revision = kv->meta.revision,
                                     .mod_revision = kv->meta.revision,
                                     .version = 1,
                                     .value = bytes_of_str("stray") };
    char key[16];
    for (uint32_t i = 0; i < s->plan.key_count; i++) {
        snprintf(key, sizeof key, "k%u", (unsigned)((draw + i) % s->plan.key_count));
        if (flip(kv, bytes_of_str(key), draw >> 8)) break;
    }
    replace(kv, bytes_of_str(STRAY), bytes_of(NULL, 0), &stray);
    kv->meta.key_count++;
    int rv = kv_meta_put_state(kv, &kv->meta);
    MS_ASSERT(rv == 0);
}

/* Whoever has one already is not whole yet, so that there is no second one (faults_may_wipe()). */
static bool may_diverge(struct sim *s, const struct sim_member *m)
{
    if (m->state != SIM_MEMBER_UP || m->io.lied != SIM_LIE_NONE || s->plan.beyond) return false;
    if (s->plan.member.node.digest_ms == 0 || sim_check_any_differs(s)) return false;
    if (sim_check_is_broken(s, m->index) || sim_check_is_wiped(s, m->index)) return false;
    const struct engine_ops *ops = m->kv->engine->ops;
    bool ready = !ops->ready || ops->ready(m->kv->engine) == 0;
    if (!ready || m->kv->load || m->kv->broken || m->kv->meta.applied_index == 0) return false;
    return !sim_check_is_latent(s, m->index) && faults_may_wipe(s, m->index);
}

void faults_diverge(struct sim *s, uint32_t target, uint64_t draw)
{
    struct sim_member *m = sim_member_at(s, target);
    struct sim_action a = { .verb = SIM_VERB_DIVERGE, .who = target, .amount = (int64_t)draw };
    if (!may_diverge(s, m)) return;
    if (sim_notes(s)) sim_note(s, &a);
    s->totals.faults[SIM_FAULT_DIVERGE]++;
    sim_trace(s, "m%u  has another state at index %llu than it had", target + 1,
              (unsigned long long)m->kv->meta.applied_index);
    m->alloc.quiet = true;
    spoil(s, m->kv, draw);
    int rv = m->kv->engine->ops->commit(m->kv->engine);
    m->alloc.quiet = false;
    MS_ASSERT(rv == 0);
    sim_record(s, SIM_FAULT_DIVERGE, SIM_RECORD_STATE, target, (int64_t)m->kv->meta.applied_index);
    sim_check_differs_now(s, m);
}

void faults_state_event(struct sim *s)
{
    struct sim_member *leader = sim_cluster_leader(s);
    struct ms_rand *r = &s->faults->state_rand;
    uint32_t target = (uint32_t)ms_rand_below(r, s->cluster->count);
    if (ms_rand_below(r, 3) == 0 && leader) target = leader->index;
    faults_diverge(s, target, ms_rand_u64(r) >> 1); /* a script has it as a positive number */
    schedule_next(s);
}
