/* A run that was recorded and is replayed is the same run (sim_schedule.h, A1). */
#include <stdlib.h>

#include "sim/sim_faults.h"
#include "sim/sim_script.h"
#include "sim/sim_shrink.h"
#include "tests/support/test.h"

#define SEEDS 6u
#define PART_SEEDS 4u

static void run(struct sim_options *o, struct sim_schedule *sc, enum sim_schedule_mode mode,
                uint64_t *hash)
{
    struct sim_totals totals;
    sc->mode = mode;
    o->schedule = sc;
    sim_run(o, o->seed, NULL, false, &totals, hash);
}

/* As text, and from there. */
static void through_text(const struct sim_schedule *sc, struct sim_schedule *out)
{
    struct sim_script_error err;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    CHECK(f != NULL);
    fprintf(f, "# Recorded.\n");
    sim_script_print(f, sc);
    fclose(f);
    sim_schedule_init(out);
    cr_assert(sim_script_parse(text, len, out, &err), "line %u: %s", err.line, err.text);
    free(text);
}

static void check_seed(uint64_t seed, const char *faults)
{
    struct sim_options o = { .seed = seed, .ops = 300 };
    struct sim_schedule recorded, read;
    uint64_t hash, again;
    o.faults_given = faults != NULL;
    CHECK(!faults || sim_faults_parse(faults, &o.faults));
    sim_schedule_init(&recorded);
    run(&o, &recorded, SIM_SCHEDULE_RECORDS, &hash);
    uint64_t events = recorded.hash;
    CHECK(recorded.count > 100);
    through_text(&recorded, &read);
    CHECK_EQ(read.count, recorded.count);
    run(&o, &read, SIM_SCHEDULE_REPLAYS, &hash);
    cr_assert_eq(read.hash, events, "seed %llu", (unsigned long long)seed);
    run(&o, &read, SIM_SCHEDULE_REPLAYS, &again);
    CHECK_EQ(again, hash);
    sim_schedule_fini(&recorded);
    sim_schedule_fini(&read);
}

TEST(schedule, a_replayed_run_is_the_recorded_one)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) check_seed(seed, NULL);
    check_seed(1019, NULL); /* resets that find nothing */
}

TEST(schedule, with_all_faults_at_once_too)
{
    check_seed(100, "all");
    check_seed(101, "all");
}

/* A3: whatever is left out, what is left is inside of what is promised; so the run has to pass. */
static void check_parts(uint64_t seed)
{
    struct sim_options o = { .seed = seed, .ops = 300 };
    struct sim_schedule recorded;
    struct ms_rand r;
    uint64_t hash;
    ms_rand_init(&r, seed, 2);
    sim_schedule_init(&recorded);
    run(&o, &recorded, SIM_SCHEDULE_RECORDS, &hash);
    uint32_t *keep = malloc(recorded.count * sizeof *keep);
    CHECK(keep != NULL);
    for (uint32_t percent = 10; percent < 100; percent += 40) {
        struct sim_schedule part;
        size_t count = 0;
        for (uint32_t i = 0; i < recorded.count; i++) {
            bool phase = sim_verb_class(recorded.actions[i].verb) == SIM_CLASS_PHASE;
            if (phase || ms_rand_below(&r, 100) < percent) keep[count++] = i;
        }
        sim_shrink_filter(&part, &recorded, keep, count);
        run(&o, &part, SIM_SCHEDULE_REPLAYS, &hash); /* a failure ends the process */
        sim_schedule_fini(&part);
    }
    free(keep);
    sim_schedule_fini(&recorded);
}

TEST(schedule, parts_of_a_run_pass_as_well)
{
    for (uint64_t seed = 1; seed <= PART_SEEDS; seed++) check_parts(seed);
}

/* Members that do not vote are no core, nor are those that nobody knows: everything is healed then. */
TEST(schedule, what_cannot_be_a_core_is_none)
{
    static const char text[] = "# Story.\ncluster 3\nat 900 crash n2 for 500\nat 1200 heal n2 n5\n";
    struct sim_options o = { .seed = 1 };
    struct sim_schedule sc;
    struct sim_script_error err;
    uint64_t hash;
    sim_schedule_init(&sc);
    CHECK(sim_script_parse(text, sizeof text - 1, &sc, &err));
    run(&o, &sc, SIM_SCHEDULE_REPLAYS, &hash);
    sim_schedule_fini(&sc);
}

/* Recording changes nothing. */
TEST(schedule, a_recorded_run_is_the_run_of_the_seed)
{
    struct sim_options o = { .seed = 7, .ops = 300 };
    struct sim_schedule recorded;
    struct sim_totals totals;
    uint64_t hash, plain;
    sim_run(&o, 7, NULL, false, &totals, &plain);
    sim_schedule_init(&recorded);
    run(&o, &recorded, SIM_SCHEDULE_RECORDS, &hash);
    CHECK_EQ(hash, plain);
    sim_schedule_fini(&recorded);
}
