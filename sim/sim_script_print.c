/* sim_script_print.c: actions into lines. What is printed is read back as the same (tests/sim). */
#include "sim/sim_script.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_settings.h"

#define LINE_COLUMNS 100

static void print_ms(FILE *f, uint64_t us)
{
    static const char *const formats[] = { "%llu", "%llu.%01llu", "%llu.%02llu", "%llu.%03llu" };
    unsigned long long ms = us / 1000, part = us % 1000;
    int decimals = part == 0 ? 0 : part % 100 == 0 ? 1 : part % 10 == 0 ? 2 : 3;
    if (decimals == 1) part /= 100;
    if (decimals == 2) part /= 10;
    fprintf(f, formats[decimals], ms, part);
}

static void print_end(FILE *f, uint32_t end)
{
    if (end == SIM_ANY_MEMBER)
        fprintf(f, "*");
    else if (end == SIM_ANY_CLIENT)
        fprintf(f, "c*");
    else if (end < SIM_MEMBERS_MAX)
        fprintf(f, "n%u", end + 1);
    else
        fprintf(f, "c%u", end - SIM_MEMBERS_MAX);
}

static void print_link(FILE *f, uint32_t from, uint32_t to)
{
    fprintf(f, " ");
    print_end(f, from);
    fprintf(f, ">");
    print_end(f, to);
}

static void print_change(FILE *f, const struct sim_action *a)
{
    bool lease = a->topic == SIM_TOPIC_LEASE, set = a->topic == SIM_TOPIC_SET;
    if (a->verb == SIM_VERB_CHANGE) fprintf(f, " %s", sim_topic_name(a->topic));
    if (lease) fprintf(f, a->subject ? " on" : " off");
    if (!lease && !set && a->subject) fprintf(f, " n%u", a->subject);
    for (uint32_t id = 1; id <= SIM_MEMBERS_MAX && set; id++) {
        if (a->members >> id & 1) fprintf(f, " %sn%u", a->joins >> id & 1 ? "+" : "", id);
    }
    if (a->amount) fprintf(f, " port=%lld", (long long)a->amount);
}

static void print_op(FILE *f, const struct sim_action *a)
{
    fprintf(f, " n%u", a->who + 1);
    if (a->verb == SIM_VERB_CHANGE || a->verb == SIM_VERB_TRANSFER) {
        print_change(f, a);
    } else {
        fprintf(f, " k%u", a->key);
        if (a->verb == SIM_VERB_PUT) fprintf(f, " bytes=%lld", (long long)a->amount);
    }
    fprintf(f, " by c%u%s%s", a->client, a->fresh ? " fresh" : "", a->rejoin ? " rejoin" : "");
    if (a->condition) fprintf(f, " if %s", sim_condition_name(a->condition));
}

static void print_partition(FILE *f, const struct sim_action *a)
{
    for (uint32_t group = 1, first = 1; group <= SIM_MEMBERS_MAX; group++) {
        bool some = false;
        for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
            if (a->group[i] != group) continue;
            fprintf(f, "%s n%u", !some && !first ? " |" : "", i + 1);
            some = true;
        }
        if (some) first = 0;
    }
}

static void print_clock(FILE *f, const struct sim_action *a)
{
    fprintf(f, " n%u %s", a->who + 1, sim_topic_name(a->topic));
    if (a->topic == SIM_TOPIC_DRIFT) fprintf(f, " %lld", (long long)a->amount);
    if (a->topic == SIM_TOPIC_STOP && a->jump) fprintf(f, " jump");
    if (a->topic != SIM_TOPIC_LATE) return;
    fprintf(f, " ");
    print_ms(f, (uint64_t)a->amount);
}

static void print_pick(FILE *f, const struct sim_action *a)
{
    print_link(f, a->from, a->to);
    if (a->frame != SIM_FRAME_ANY) fprintf(f, " %s", sim_frame_name((enum sim_frame)a->frame));
    if (a->nth != 1) fprintf(f, " %u", a->nth);
    if (a->verb == SIM_VERB_REPLAY) fprintf(f, " place=%lld", (long long)a->amount);
    if (a->verb != SIM_VERB_DELAY && a->verb != SIM_VERB_DUPLICATE) return;
    fprintf(f, a->verb == SIM_VERB_DELAY ? " for " : " after ");
    print_ms(f, (uint64_t)a->amount);
}

static void print_hold(FILE *f, const struct sim_schedule *sc, const struct sim_action *a)
{
    for (uint32_t i = 0; i < a->span_count; i++) {
        const struct sim_span *l = &sc->spans[a->span_first + i];
        print_link(f, l->from, l->to);
    }
}

static void print_body(FILE *f, const struct sim_schedule *sc, const struct sim_action *a)
{
    switch (a->verb) {
    case SIM_VERB_PUT:
    case SIM_VERB_GET:
    case SIM_VERB_DELETE:
    case SIM_VERB_CHANGE:
    case SIM_VERB_TRANSFER: print_op(f, a); break;
    case SIM_VERB_CRASH: fprintf(f, " n%u%s", a->who + 1, a->power ? " power" : ""); break;
    case SIM_VERB_STUCK: fprintf(f, " n%u lanes=%lld", a->who + 1, (long long)a->amount); break;
    case SIM_VERB_ROT:
    case SIM_VERB_EIO:
    case SIM_VERB_SPOIL:
    case SIM_VERB_LOSTWRITE:
    case SIM_VERB_MISDIRECT:
    case SIM_VERB_DIVERGE:
    case SIM_VERB_NOMEM:
    case SIM_VERB_LOSEFILE:
        fprintf(f, " n%u draw=%llu", a->who + 1, (unsigned long long)a->amount);
        break;
    case SIM_VERB_START:
        fprintf(f, " n%u after ", a->who + 1);
        print_ms(f, (uint64_t)a->amount);
        break;
    case SIM_VERB_WIPE:
    case SIM_VERB_PAUSE: fprintf(f, " n%u", a->who + 1); break;
    case SIM_VERB_NOSPACE: fprintf(f, " n%u free=%lld", a->who + 1, (long long)a->amount); break;
    case SIM_VERB_BOOT:
    case SIM_VERB_JOB: fprintf(f, " n%u calls=%lld", a->who + 1, (long long)a->amount); break;
    case SIM_VERB_SLOW:
        fprintf(f, " n%u %s %lld", a->who + 1, sim_topic_name(a->topic), (long long)a->amount);
        break;
    case SIM_VERB_CLOCK: print_clock(f, a); break;
    case SIM_VERB_HOLD: print_hold(f, sc, a); break;
    case SIM_VERB_PARTITION: print_partition(f, a); break;
    case SIM_VERB_HEAL:
        for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
            if (a->members >> i & 1) fprintf(f, " n%u", i + 1);
        }
        break;
    case SIM_VERB_END: break;
    default: print_pick(f, a); break;
    }
}

void sim_script_print_action(FILE *f, const struct sim_schedule *sc, const struct sim_action *a)
{
    fprintf(f, "at ");
    print_ms(f, a->at_us);
    if (a->turn > 0 && sim_verb_class(a->verb) != SIM_CLASS_FATE) fprintf(f, "+%u", a->turn);
    fprintf(f, " %s", sim_verb_name(a->verb));
    print_body(f, sc, a);
    if (a->for_us > 0) {
        fprintf(f, " for ");
        print_ms(f, a->for_us);
    }
    fprintf(f, "\n");
}

static void print_settings(FILE *f, const struct sim_plan *p)
{
    struct sim_plan calm;
    int column = fprintf(f, "cluster %u seed=%llu", p->node_count, (unsigned long long)p->seed);
    sim_plan_calm(&calm);
    for (uint32_t i = 0; i < sim_setting_count(); i++) {
        char text[64];
        unsigned long long v = sim_setting_get(p, i);
        if (v == sim_setting_get(&calm, i)) continue;
        int len = snprintf(text, sizeof text, " %s=%llu", sim_setting_name(i), v);
        if (column + len > LINE_COLUMNS) column = fprintf(f, "\nset") - 1;
        column += fprintf(f, "%s", text);
    }
    fprintf(f, "\n");
}

void sim_script_print(FILE *f, const struct sim_schedule *sc)
{
    print_settings(f, &sc->plan);
    for (size_t i = 0; i < sc->count; i++) sim_script_print_action(f, sc, &sc->actions[i]);
}
