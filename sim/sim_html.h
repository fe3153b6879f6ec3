/* sim_html.h: what happened in a run, kept for a page to look at (`--html`, docs/TESTING.md).
 *
 * The run tells what it does: lines of the trace, frames that leave and arrive, what members are. Requests
 * and faults have ledgers of their own, which print themselves when the page is written. Nothing of a run
 * depends on whether somebody listens.
 *
 *   H1  memory is bounded: of a run that is longer than two halves, the newest one or two are kept, and
 * the page says how many things came before them
 *   H2  a half begins with what each member is, so that it is read without those before it
 *
 *   sim_html.c        what is kept      sim_html_print.c  the page
 *   page/             the page's own text, style and script, embedded by ci/cmake/page.cmake */
#ifndef SIM_SIM_HTML_H
#define SIM_SIM_HTML_H

#include <stdio.h>

#include "sim/sim.h"

#define SIM_HTML_HALF_ITEMS 250000u
#define SIM_HTML_HALF_BYTES (16u << 20) /* of different texts */

/* How a frame was sent. */
enum sim_html_fate {
    SIM_HTML_SENT,
    SIM_HTML_LOST,
    SIM_HTML_DELAYED,
    SIM_HTML_DUPLICATE,
    SIM_HTML_REPLAYED
};

struct sim_html; /* opaque */

struct sim_html *sim_html_create(const char *path);
void sim_html_destroy(struct sim_html *h);
/* A run begins: what was kept of an earlier one is forgotten. */
void sim_html_begin(struct sim_html *h);

/* A line of the trace. */
void sim_html_line(struct sim_html *h, uint64_t now_us, const char *text);
/* A whole frame leaves a member (owners are indexes). Returns its number, for when it arrives. */
uint64_t sim_html_frame(struct sim_html *h, uint64_t now_us, uint32_t from, uint32_t to,
                        const uint8_t *data, size_t len, enum sim_html_fate fate);
void sim_html_arrived(struct sim_html *h, uint64_t now_us, uint64_t number);
/* Look at all members, and keep what has changed. */
void sim_html_look(const struct sim *s);

/* How a run ended. checker NULL: it has passed. */
struct sim_html_end {
    const char *kind, *checker, *text;
    bool twice; /* it takes two runs to see it again */
};

/* Write the page of a run into the file that was named. False: it cannot be written, errno says why. */
bool sim_html_write(const struct sim *s, const struct sim_html_end *end);
void sim_html_print(FILE *f, const struct sim *s, const struct sim_html_end *end);

#endif
