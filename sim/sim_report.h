/* sim_report.h: what people see of a batch of seeds. */
#ifndef SIM_SIM_REPORT_H
#define SIM_SIM_REPORT_H

#include <stdio.h>

#include "sim/sim.h"

/* Failures are told to caught, and not printed; then the process ends as always. s: NULL: none runs. */
typedef void (*sim_report_caught)(void *ctx, const struct sim *s, enum sim_verdict verdict,
                                  const char *checker, const char *text);
void sim_report_catch(sim_report_caught caught, void *ctx);
/* What has been chosen beside the seed, as on the command line. */
void sim_report_options(FILE *f, const struct sim_options *o);
const char *sim_report_commit(void);
/* The command that shows a run again. */
void sim_report_again(FILE *f, const struct sim *s, bool twice);

/* A word of a long line that is broken where it gets too long; column: where it has come. */
void sim_report_word(FILE *f, int *column, const char *word);

struct sim_batch {
    const struct sim_options *opts;
    struct sim_totals *seeds; /* one a seed */
    size_t count, cap;
    double real_s, progress_s;
    uint64_t runs_events; /* of all runs, second ones too */
};

void sim_batch_init(struct sim_batch *b, const struct sim_options *opts);
void sim_batch_fini(struct sim_batch *b);
void sim_batch_add(struct sim_batch *b, const struct sim_totals *t);
void sim_batch_progress(struct sim_batch *b, double real_s);
void sim_batch_summary(const struct sim_batch *b, double real_s);
/* Whether the batch is large and free enough to have to reach all rare states, and has not; f: which. */
bool sim_batch_misses(const struct sim_batch *b, FILE *f);

#endif
