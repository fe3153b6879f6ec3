#include "sim/sim_events.h"

#include <stdlib.h>

#include "base/ms_assert.h"

const char *sim_event_name(enum sim_event_kind kind)
{
    static const char *const names[] = {
#define X(name, text) text,
        SIM_EVENT_MAP(X)
#undef X
    };
    return names[kind];
}

void sim_events_init(struct sim_events *q)
{
    *q = (struct sim_events){ 0 };
}

void sim_events_fini(struct sim_events *q)
{
    free(q->heap);
    *q = (struct sim_events){ 0 };
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->seq < b->seq;
}

void sim_events_push(struct sim_events *q, uint64_t time_us, enum sim_event_kind kind, uint32_t who,
                     uint64_t a, uint64_t b)
{
    struct sim_event e = { .time_us = time_us > q->now_us ? time_us : q->now_us,
                           .seq = q->next_seq++,
                           .kind = kind,
                           .who = who,
                           .a = a,
                           .b = b };
    if (q->count == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 1024;
        q->heap = realloc(q->heap, q->cap * sizeof *q->heap);
        MS_ASSERT(q->heap != NULL);
    }
    size_t i = q->count++;
    while (i > 0 && before(&e, &q->heap[(i - 1) / 4])) {
        q->heap[i] = q->heap[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    q->heap[i] = e;
}

bool sim_events_pop(struct sim_events *q, struct sim_event *out)
{
    if (q->count == 0) return false;
    *out = q->heap[0];
    struct sim_event last = q->heap[--q->count];
    size_t i = 0;
    for (;;) {
        size_t first = 4 * i + 1, best = first;
        if (first >= q->count) break;
        for (size_t c = first + 1; c < first + 4 && c < q->count; c++) {
            if (before(&q->heap[c], &q->heap[best])) best = c;
        }
        if (!before(&q->heap[best], &last)) break;
        q->heap[i] = q->heap[best];
        i = best;
    }
    q->heap[i] = last;
    q->now_us = out->time_us;
    return true;
}
