/* sim_check_wipe.c: members that have lost their disks (DESIGN 4). One that comes back under its old id
 * with an empty directory has forgotten its votes and its log: nothing of it may count before it was
 * removed, added anew and attached. */
#include "sim/sim_check_private.h"
#include "sim/sim_record.h"

void sim_check_wiped(struct sim *s, struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    const struct chk_entry nothing = { 0 };
    chk_differ_over(s, m);
    if (!c->wiped && !c->broken && !c->harmed) { /* a second loss in a row loses nothing more */
        chk_copy(&c->lost, &c->durable);
        c->lost_snap_index = c->snap_index;
    }
    if (!c->wiped || c->attach_known) c->removed_since = false;
    c->wiped = c->was_wiped = true;
    c->broken = c->harmed = false;
    c->attach_known = false;
    chk_reset(&c->durable, 0, &nothing);
    chk_reset(&c->mem, 0, &nothing);
    c->log_copy = c->file_copy = (struct chk_hard){ 0 };
    c->started = c->torn = c->wrong_kept = false;
    c->snap_index = c->persisted_index = c->first_seq = c->file_seq = 0;
    c->applied = c->commit = c->last = c->last_term = 0;
    c->acked_term = c->acked_index = 0;
    c->config_count = 0;
}

void chk_wipe_config(struct sim *s, const struct config *committed)
{
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
        struct chk_member *c = &s->check->members[i];
        if (!c->wiped || config_find(committed, i + 1)) continue;
        c->removed_since = true;
        c->attach_known = false;
    }
}

/* Its id was bound to a directory since it was removed: to the one that it has now, or to one that is
 * lost as well. Then it has to be removed once more. */
void chk_wipe_look(struct sim *s, const struct sim_member *m)
{
    struct chk_member *c = chk_member(s, m);
    if (!c->wiped || !c->attach_known || m->state != SIM_MEMBER_UP) return;
    const uint8_t *nonce = wal_nonce(node_wal(sim_member_node(m)));
    if (memcmp(nonce, c->attach_nonce, MS_UUID_BYTES) != 0) {
        c->removed_since = false;
        return;
    }
    c->wiped = false;
    sim_record(s, SIM_FAULT_WIPE, SIM_RECORD_WHOLE, m->index, 0);
    sim_rare(s, SIM_RARE_WIPED_REPLACED);
    sim_trace(s, "m%u  is attached with its new disk", m->index + 1);
}

void sim_check_attach(struct sim *s, struct bytes body)
{
    struct bytes_reader in = bytes_reader_of(body);
    uint64_t id, added_index;
    struct bytes nonce;
    bool whole = bytes_read_u64(&in, &id) && bytes_read_u64(&in, &added_index) &&
                 bytes_read_span(&in, MS_UUID_BYTES, &nonce);
    if (!whole || id == 0 || id > s->cluster->count) return;
    sim_trace(s, "m%llu as added by entry %llu is attached", (unsigned long long)id,
              (unsigned long long)added_index);
    struct sim_member *m = sim_member_at(s, (uint32_t)id - 1);
    struct chk_member *c = chk_member(s, m);
    if (c->wiped && !c->removed_since) {
        sim_fail(SIM_FAIL_SAFETY, "K15",
                 "m%u has lost its disk, and is attached without having been removed", m->index + 1);
    }
    c->attach_known = true;
    memcpy(c->attach_nonce, nonce.data, MS_UUID_BYTES);
    chk_wipe_look(s, m);
}

void chk_wipe_counts(struct sim *s, const struct sim_member *m, const char *what)
{
    struct chk_member *c = chk_member(s, m);
    chk_damage_counts(s, m, what);
    if (!c->wiped) return;
    chk_wipe_look(s, m);
    if (!c->wiped) return;
    sim_fail(SIM_FAIL_SAFETY, "K2", "m%u, which has lost its disk, sends %s that counts", m->index + 1,
             what);
}

bool sim_check_was_wiped(const struct sim *s, uint32_t index)
{
    return s->check->members[index].was_wiped;
}

bool sim_check_is_wiped(const struct sim *s, uint32_t index)
{
    return s->check->members[index].wiped;
}

bool sim_check_waits(const struct sim *s, uint32_t index)
{
    const struct chk_member *c = &s->check->members[index];
    if (!c->wiped || !s->check->committed_config) return c->wiped;
    return !c->removed_since || !config_find(&s->check->committed_config->config, index + 1);
}
