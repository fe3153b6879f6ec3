/* sim_shrink_run.c: a run in a process of its own: one that fails ends its process. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "sim/sim_report.h"
#include "sim/sim_script.h"
#include "sim/sim_shrink.h"

#define HANG_S 60u /* a run that takes so long is none that fails by a checker */

struct child {
    struct sim_outcome_of_run *shared;
    struct sim_schedule *recorded;
    FILE *text;
};

static void failed(void *ctx, const struct sim *s, enum sim_verdict verdict, const char *checker,
                   const char *text)
{
    const struct child *c = ctx;
    struct sim_outcome_of_run *o = c->shared;
    o->verdict = verdict;
    snprintf(o->checker, sizeof o->checker, "%s", checker);
    snprintf(o->text, sizeof o->text, "%s", text);
    if (s) o->time_us = sim_now_us(s);
    if (s) o->events = s->totals.events;
    if (!c->recorded) return;
    sim_script_print(c->text, c->recorded);
    fflush(c->text);
}

static _Noreturn void run_here(const struct sim_options *opts, struct child *c)
{
    struct sim_totals totals;
    uint64_t hash;
    sim_report_catch(failed, c);
    if (!freopen("/dev/null", "w", stderr)) _exit(2);
    alarm(HANG_S);
    sim_run(opts, opts->seed, NULL, false, &totals, &hash);
    _exit(0);
}

/* What the child has recorded comes as text. */
static void take_recorded(FILE *text, struct sim_schedule *out)
{
    static const char story[] = "# recorded\n";
    struct sim_script_error err;
    long end = ftell(text);
    size_t len = sizeof story - 1;
    char *bytes = malloc(len + (size_t)end);
    MS_ASSERT(end >= 0 && bytes != NULL);
    memcpy(bytes, story, len);
    rewind(text);
    len += fread(bytes + len, 1, (size_t)end, text);
    sim_script_parse(bytes, len, out, &err);
    if (err.text[0] && out->count == 0) fprintf(stderr, "sim: line %u: %s\n", err.line, err.text);
    free(bytes);
}

void sim_shrink_run(const struct sim_options *opts, const struct sim_schedule *sc, uint64_t events_max,
                    struct sim_outcome_of_run *out, struct sim_schedule *recorded)
{
    struct sim_options o = *opts;
    struct sim_schedule run;
    struct child c = { .recorded = sc ? NULL : &run, .text = sc ? NULL : tmpfile() };
    c.shared = mmap(NULL, sizeof *c.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MS_ASSERT(c.shared != MAP_FAILED && (sc || c.text));
    if (sc)
        sim_schedule_copy(&run, sc);
    else
        sim_schedule_init(&run);
    o.schedule = &run;
    o.events_max = events_max;
    o.trace = o.twice = false;
    fflush(NULL);
    pid_t pid = fork();
    MS_ASSERT(pid >= 0);
    if (pid == 0) run_here(&o, &c);
    while (waitpid(pid, NULL, 0) != pid) {
    }
    *out = *c.shared;
    if (c.text) {
        fseek(c.text, 0, SEEK_END);
        if (out->verdict) take_recorded(c.text, recorded);
        fclose(c.text);
    }
    sim_schedule_fini(&run);
    munmap(c.shared, sizeof *c.shared);
}
