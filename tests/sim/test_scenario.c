/* Plans bent on demand (sim_scenario.c): each named scenario does to all seeds what it is for. */
#include "sim/sim.h"
#include "tests/support/test.h"

#define SEEDS 100u

static bool is_bent(enum sim_scenario scenario, const struct sim_plan *p)
{
    switch (scenario) {
    case SIM_SCENARIO_TERMS: return p->mute_leaders;
    case SIM_SCENARIO_CHANGES: return p->mute_heirs && p->exchanges;
    case SIM_SCENARIO_NEWCOMERS: return p->churn && p->faults & SIM_KIND(SLOWDISK) && p->node_count == 3;
    case SIM_SCENARIO_SPACE: return p->churn && p->faults & SIM_KIND(NOSPACE);
    case SIM_SCENARIO_DATABASE: return p->storage != SIM_STORAGE_MEMORY && p->faults & SIM_KIND(JOBCRASH);
    case SIM_SCENARIO_GROWTH: return p->node_count <= 2 && (p->churn || p->exchanges);
    case SIM_SCENARIO_LEASES: return p->tight && p->leases && p->transfers && p->node_count == 3;
    case SIM_SCENARIO_INSTALLS: return p->memory_gap_us > 0 && p->faults & SIM_KIND(NOMEM) && p->odds.replay > 0;
    case SIM_SCENARIO_OUTAGES: return p->faults & SIM_KIND(POWER) && p->fault_gap_us <= 250000;
    case SIM_SCENARIO_RETURNS: return p->churn && p->faults & SIM_KIND(WIPE) && !(p->faults & SIM_KIND(KILL));
    default: return false;
    }
}

TEST(scenario, each_is_found_by_its_name_and_bends_all_seeds)
{
    for (int i = SIM_SCENARIO_DRAWN + 1; i < SIM_SCENARIOS; i++) {
        struct sim_options o = { .scenario = (enum sim_scenario)i };
        uint32_t bent = 0;
        CHECK_EQ(sim_scenario_parse(sim_scenario_name(o.scenario)), o.scenario);
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct sim_plan p;
            sim_plan_draw(&p, &o, seed);
            if (p.beyond || (p.tight && o.scenario != SIM_SCENARIO_LEASES)) continue;
            cr_assert(is_bent(o.scenario, &p), "%s, seed %llu", sim_scenario_name(o.scenario),
                      (unsigned long long)seed);
            bent++;
        }
        CHECK(bent > SEEDS / 2);
    }
    CHECK_EQ(sim_scenario_parse("drawn"), SIM_SCENARIO_DRAWN);
}

/* What the command line has chosen stays. */
TEST(scenario, what_was_asked_for_stays)
{
    for (int i = SIM_SCENARIO_DRAWN; i < SIM_SCENARIOS; i++) {
        struct sim_options o = { .scenario = (enum sim_scenario)i, .storage = SIM_STORAGE_ROCKSDB, .clients = 1 };
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct sim_plan p;
            sim_plan_draw(&p, &o, seed);
            CHECK(p.storage == SIM_STORAGE_ROCKSDB && p.client_count == 1);
        }
    }
}
