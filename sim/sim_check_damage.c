/* sim_check_damage.c: K17: damaged disks. What is damaged has to be noticed, unless nothing is missing;
 * a member that has noticed it abstains until it holds again what it had promised to hold. */
#include "sim/sim_check_private.h"
#include "sim/sim_record.h"

void sim_check_harmed(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    if (!c->wiped && !c->broken && !c->harmed) {
        chk_copy(&c->lost, &c->durable);
        c->lost_snap_index = c->snap_index;
    }
    c->harmed = c->was_harmed = true;
}

void sim_check_database_harmed(struct sim *s, struct sim_member *m)
{
    chk_member(s, m)->latent = true;
}

bool sim_check_is_latent(const struct sim *s, uint32_t index)
{
    return s->check->members[index].latent;
}

/* All of its database was read through, or is new. */
void chk_database_whole(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    if (!c->latent) return;
    c->latent = false;
    if (!c->harmed && !c->broken) sim_record(s, SIM_FAULT_ROT, SIM_RECORD_WHOLE, m->index, 0);
}

bool sim_check_was_harmed(const struct sim *s, uint32_t index)
{
    return s->check->members[index].was_harmed;
}

bool sim_check_is_broken(const struct sim *s, uint32_t index)
{
    return s->check->members[index].broken;
}

/* Everything that was found is what it held, or had been about to hold. What stands before the damage may
 * end with entries that were superseded behind it by ones written in a higher term, of whichever term they
 * are themselves (docs/decisions/0001), or went with a log that was begun anew behind it: there may have
 * been more of them. */
static bool is_part_of(const struct chk_log *found, const struct chk_log *whole)
{
    uint64_t last = chk_last(found);
    for (; last > found->base && last >= whole->base; last--) {
        const struct chk_entry *e = chk_at(whole, last), *f = chk_at(found, last);
        if (!e) continue;
        if (e->chain == f->chain) return true;
        if (e->term == f->term) return false;
    }
    return true;
}

void chk_damage_found(struct sim *s, const struct sim_member *m, const struct chk_log *log,
                      bool noticed)
{
    struct chk_member *c = chk_member(s, m);
    bool before = c->harmed;
    if (!c->harmed && !c->broken) return;
    c->harmed = false;
    if (!noticed) {
        if (before && !c->broken && !c->latent)
            sim_record(s, SIM_FAULT_ROT, SIM_RECORD_WHOLE, m->index, 0);
        return;
    }
    bool held = is_part_of(log, &c->lost) || is_part_of(log, &c->durable) ||
                (c->torn && is_part_of(log, &c->torn_log));
    if (before && !held) {
        sim_fail(SIM_FAIL_SAFETY, "K17",
                 "m%u recovers entries %llu to %llu, it never held those; it held up to %llu",
                 m->index + 1, (unsigned long long)log->base + 1, (unsigned long long)chk_last(log),
                 (unsigned long long)chk_last(&c->lost));
    }
    if (!c->broken) sim_rare(s, SIM_RARE_DAMAGED);
    if (before && chk_last(log) + 1 == chk_last(&c->lost)) sim_rare(s, SIM_RARE_ROT_LAST);
    c->broken = true;
    c->acked_term = c->acked_index = 0; /* what it acknowledged is gone, which is what damage means */
}

/* The newest entry of what it held that was committed: everything before it was, too. */
static uint64_t promised(const struct sim *s, const struct chk_member *c)
{
    uint64_t last = chk_last(&c->lost), known = chk_last(&s->check->ledger);
    uint64_t i = last < known ? last : known;
    while (i > c->lost.base && chk_at(&c->lost, i)->chain != chk_at(&s->check->ledger, i)->chain) i--;
    return i > c->lost_snap_index ? i : c->lost_snap_index;
}

void chk_damage_counts(struct sim *s, const struct sim_member *m, const char *what)
{
    struct chk_member *c = chk_member(s, m);
    if (!c->broken) return;
    uint64_t index = promised(s, c);
    const struct chk_entry *e = chk_at(&s->check->ledger, index);
    if (index > 0 && !chk_holds(c, index, e->term)) {
        sim_fail(SIM_FAIL_SAFETY, "K17",
                 "m%u sends %s that counts and lacks entry %llu, which it held before the damage",
                 m->index + 1, what, (unsigned long long)index);
    }
    c->broken = false;
    if (c->latent) return; /* as far as anybody knows */
    sim_rare(s, SIM_RARE_REPAIRED);
    sim_record(s, SIM_FAULT_ROT, SIM_RECORD_WHOLE, m->index, 0);
}
