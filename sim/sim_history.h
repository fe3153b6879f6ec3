/* sim_history.h: is what the clients saw linearizable? (Herlihy and Wing, 1990.) Two independent
 * judges:
 *
 *   hist_check_order   knows at which position of the log each write took effect, so that a whole
 * history costs O(n log n) and a violation is found when it happens, not at the end hist_check_search
 * knows nothing but the clients' own clock: the search of Wing and Gong (1993) with Lowe's memory of
 * visited configurations (2017). Exponential, for short histories
 *
 * Keys are independent registers, and linearizability is local: each key is judged alone. Written
 * values are unique (value 0 is "absent", which a delete writes). */
#ifndef SIM_SIM_HISTORY_H
#define SIM_SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HIST_NEVER UINT64_MAX

enum hist_kind { HIST_READ = 1, HIST_WRITE };

struct hist_op {
    enum hist_kind kind;
    uint64_t value;      /* read or written; 0: absent */
    uint64_t begin, end; /* the client's clock; end HIST_NEVER: no answer, a write may have happened */
    uint64_t position;   /* of a write in the log; 0: never applied, or (a delete) not known */
};

enum hist_verdict { HIST_LINEARIZABLE = 1, HIST_VIOLATION, HIST_TOO_LONG };

/* --- one register, judged as it happens --- */

struct hist_version {
    uint64_t position, value;
};

struct hist_register {
    struct hist_version *versions; /* in order of position; before the first one it is absent */
    size_t count, cap;
    uint64_t floor; /* what is invoked from now on takes effect there or later, a write later */
};

void hist_register_fini(struct hist_register *r);
/* A write took effect at position, above all earlier ones. */
void hist_applied(struct hist_register *r, uint64_t position, uint64_t value);
/* A write whose client has its answer; floor: of the register when the write was invoked. False: it
 * took effect before something that had ended before it began. */
bool hist_write_ended(struct hist_register *r, uint64_t floor, uint64_t position);
/* A delete has ended; which of the removals it was is not known: the earliest one possible. */
bool hist_delete_ended(struct hist_register *r, uint64_t floor);
bool hist_read_ended(struct hist_register *r, uint64_t floor, uint64_t value);

/* --- whole histories of one register, for tests and as each other's proof --- */

enum hist_verdict hist_check_order(const struct hist_op *ops, size_t count);
/* Gives up (HIST_TOO_LONG) after steps_max configurations, or above HIST_SEARCH_OPS_MAX operations that matter. */
#define HIST_SEARCH_OPS_MAX 256u
#define HIST_SEARCH_STEPS_MAX 20000u /* of runs: more than a hundred times what most histories take */
enum hist_verdict hist_check_search(const struct hist_op *ops, size_t count, uint64_t steps_max);

/* A history of any length, in windows of so many operations, each beginning in the middle of the one
 * before: a history is linearizable only if each of its windows is, from some value that may have stood at
 * its beginning. What no window sees at once is missed; nothing right is called wrong. */
#define HIST_WINDOW_OPS                                                                                \
    192u /* of runs: the rest of HIST_SEARCH_OPS_MAX is for writes from before that are open */
struct hist_windows {
    uint64_t searched, given_up; /* how many */
};
/* HIST_VIOLATION, if one has no order; else HIST_TOO_LONG, if one was given up. */
enum hist_verdict hist_check_windows(const struct hist_op *ops, size_t count, size_t window,
                                     uint64_t steps_max, struct hist_windows *out);

#endif
