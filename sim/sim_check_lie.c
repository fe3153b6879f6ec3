/* sim_check_lie.c: batches that a disk has called durable and will lose (sim_io.h). The ghost goes on as
 * if they were durable: that is what the member may believe. When power goes it is decided whether the
 * loss is inside of what is promised (docs/TESTING.md, zone a). */
#include "sim/sim_check_private.h"

bool sim_check_lied(struct sim *s, struct sim_member *m, const struct disk_op *op)
{
    struct chk_member *c = chk_member(s, m);
    bool resets;
    if (c->lie_open || !chk_batch_look(op, &resets)) return false;
    c->lie_open = true;
    c->lie_resets = resets;
    c->lie_batches = 0;
    chk_copy(&c->before_lie, &c->durable);
    return true;
}

void sim_check_lie_over(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    c->lie_open = c->lie_lost = c->lie_last = false;
}

/* No change of the members is open, anywhere. */
static bool is_settled(struct sim *s, const struct config *c)
{
    if (!c || config_is_joint(c)) return false;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct config *newest = sim_check_newest_config(s, i);
        if (newest && !config_equal(newest, c)) return false;
    }
    return true;
}

/* Those beside it who hold the entry and count are a quorum, and the others are none. */
static bool others_hold(struct sim *s, uint32_t index, const struct config *c, uint64_t last,
                        uint64_t term)
{
    uint32_t voters = 0, holders = 0;
    for (uint32_t i = 0; i < s->cluster->count; i++) {
        const struct chk_member *o = &s->check->members[i];
        if (!config_is_voter(c, i + 1)) continue;
        voters |= 2u << i;
        bool counts = i != index && !o->broken && !o->harmed && !o->wiped && !o->lie_open;
        if (counts && chk_holds(o, last, term)) holders |= 2u << i;
    }
    return sim_check_is_quorum(c, holders) && !sim_check_is_quorum(c, voters & ~holders);
}

bool sim_check_lie_is_last(const struct sim *s, const struct sim_member *m)
{
    const struct chk_member *c = &s->check->members[m->index];
    return c->lie_open && c->lie_batches == 1;
}

bool sim_check_lie_may_stand(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    const struct config *config = sim_check_config(s);
    uint64_t last = chk_last(&c->durable);
    if (c->lie_batches > 1) return true; /* a later one was synced: it is noticed */
    /* A voter that forgets that lease reads are on waits for nobody. */
    if (s->plan.leases || c->lie_resets || !is_settled(s, config)) return false;
    if (!chk_hard_at_least(&c->file_copy, &c->log_copy)) return false; /* a vote would be lost */
    const struct chk_entry *e = chk_at(&c->durable, last), *before = chk_at(&c->before_lie, last);
    bool brings = last > c->durable.base && !(before && before->chain == e->chain);
    return !brings || others_hold(s, m->index, config, last, e->term);
}

bool sim_check_lie_stands(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    c->lie_lost = sim_check_lie_may_stand(s, m);
    c->lie_last = c->lie_lost && c->lie_batches == 1;
    if (c->lie_lost) c->lie_open = false;
    return c->lie_lost;
}

bool chk_lie_explains(struct sim *s, struct chk_member *c, const struct chk_log *found)
{
    if (!c->lie_last || !chk_same_log(found, &c->before_lie)) return false;
    sim_rare(s, SIM_RARE_LIE_UNNOTICED);
    c->acked_term = c->acked_index =
        0; /* of what stood there before it owes nothing to a leader since */
    return true;
}
