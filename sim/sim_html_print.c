/* sim_html_print.c: a run as one page. The data stands in it as JSON, numbers in flat arrays and each text
 * once; page/page.js reads it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "raft/raft.h"
#include "sim/sim_html_private.h"
#include "sim/sim_record.h"
#include "sim/sim_report.h"
#include "sim/sim_schedule.h"
#include "sim/sim_settings.h"
#include "sim/sim_workload.h"

#define VERSION 2

static unsigned long long llu(uint64_t v)
{
    return v;
}

/* A text as JSON that may stand in a script element: in ASCII, and without what could end that. */
static void print_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++) {
        unsigned char ch = (unsigned char)*text;
        if (ch < 0x20 || ch >= 0x7f || strchr("\"\\<>&", ch))
            fprintf(f, "\\u%04x", ch);
        else
            fputc(ch, f);
    }
    fputc('"', f);
}

static void print_names(FILE *f, const char *field, const char *(*name)(uint32_t i))
{
    fprintf(f, ",\n\"%s\":[", field);
    for (uint32_t i = 0; name(i); i++) {
        if (i > 0) fputc(',', f);
        print_text(f, name(i));
    }
    fputc(']', f);
}

static const char *frame_name(uint32_t i)
{
    return i < SIM_FRAMES ? sim_frame_name((enum sim_frame)i) : NULL;
}

static const char *fault_name(uint32_t i)
{
    return i < SIM_FAULT_KINDS ? sim_fault_name((enum sim_fault_kind)i) : NULL;
}

/* Modes of members: those without a role, then the roles. */
static const char *mode_name(uint32_t i)
{
    static const char *const without[] = { "absent", "down", "removed", "paused", "" };
    if (i <= SIM_HTML_ROLE) return without[i];
    return i <= SIM_HTML_ROLE + RAFT_LEADER ? raft_role_name((enum raft_role)(i - SIM_HTML_ROLE))
                                            : NULL;
}

static const char *fate_name(uint32_t i)
{
    static const char *const names[] = { "", "lost", "delayed", "duplicate", "replayed" };
    return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

static const char *outcome_name(uint32_t i)
{
    static const char *const names[] = { "", "pending", "acknowledged", "refused", "unknown" };
    return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

/* --- about the run --- */

static void print_again(FILE *f, const struct sim *s, bool twice)
{
    char *text = NULL;
    size_t len = 0;
    FILE *m = open_memstream(&text, &len);
    MS_ASSERT(m != NULL);
    sim_report_again(m, s, twice);
    fclose(m);
    fprintf(f, ",\n\"again\":");
    print_text(f, text);
    free(text);
}

static void print_settings(FILE *f, const struct sim *s)
{
    fprintf(f, ",\n\"settings\":{");
    for (uint32_t i = 0; i < sim_setting_count(); i++) {
        if (i > 0) fputc(',', f);
        print_text(f, sim_setting_name(i));
        fprintf(f, ":%llu", llu(sim_setting_get(&s->plan, i)));
    }
    fputc('}', f);
}

static void print_end(FILE *f, const struct sim_html_end *end)
{
    if (!end->checker) {
        fprintf(f, ",\n\"fail\":null");
        return;
    }
    fprintf(f, ",\n\"fail\":{\"kind\":");
    print_text(f, end->kind);
    fprintf(f, ",\"checker\":");
    print_text(f, end->checker);
    fprintf(f, ",\"text\":");
    print_text(f, end->text);
    fputc('}', f);
}

static void print_run(FILE *f, const struct sim *s, const struct sim_html_end *end, uint64_t from_us)
{
    const struct sim_html *h = s->opts->html;
    uint64_t first = h->older.items ? h->older.first : h->newer.first;
    /* Seeds as text: a number of JSON may be rounded. */
    fprintf(f, "{\"version\":%d,\"seed\":\"%llu\",\"nodes\":%u,\"clients\":%u,\"events\":%llu", VERSION,
            llu(s->plan.seed), s->plan.node_count, s->plan.client_count, llu(s->totals.events));
    fprintf(f, ",\"from_us\":%llu,\"end_us\":%llu,\"healed_us\":%llu,\"core\":%u,\"dropped\":%llu",
            llu(from_us), llu(sim_now_us(s)), llu(s->healed_us), s->core, llu(first - 1));
    fprintf(f, ",\"beyond\":%s,\"storage\":", s->plan.beyond ? "true" : "false");
    print_text(f, sim_storage_name(s->plan.storage));
    fprintf(f, ",\"commit\":");
    print_text(f, sim_report_commit());
    print_again(f, s, end->twice);
    print_end(f, end);
    print_settings(f, s);
}

/* --- what is kept --- */

static void print_texts(FILE *f, const struct sim_html_half *half, const char *comma)
{
    for (uint32_t i = 0; i < half->text_count; i++) {
        fputs(i > 0 ? ",\n" : comma, f);
        print_text(f, half->bytes + half->texts[i]);
    }
}

static void print_item(FILE *f, const struct sim_html_item *i, uint32_t text_first)
{
    fprintf(f, "%llu,", llu(i->time_us));
    switch (i->kind) {
    case SIM_HTML_LINE:
        fprintf(f, "%d,%u", i->who == SIM_HTML_NOBODY ? -1 : i->who, text_first + i->text);
        break;
    case SIM_HTML_FRAME:
        fprintf(f, "%llu,%u,%u,%u,%u,%u", llu(i->number), i->who, i->to, i->frame, i->fate,
                text_first + i->text);
        break;
    case SIM_HTML_MEMBER:
        fprintf(f, "%u,%u,%llu,%llu,%llu,%llu,%u,%u,%u,%u", i->who, i->mode, llu(i->term),
                llu(i->number), llu(i->stored), llu(i->last), i->queued, i->voters, i->outgoing,
                i->learners);
        break;
    default: MS_UNREACHABLE();
    }
}

static void print_items(FILE *f, const struct sim_html *h, const char *field, enum sim_html_kind kind)
{
    const struct sim_html_half *halves[] = { &h->older, &h->newer };
    const char *comma = "";
    fprintf(f, ",\n\"%s\":[", field);
    for (int half = 0; half < 2; half++) {
        for (size_t i = 0; i < halves[half]->count; i++) {
            if (halves[half]->items[i].kind != kind) continue;
            fputs(comma, f);
            print_item(f, &halves[half]->items[i], half ? h->older.text_count : 0);
            comma = ",";
        }
    }
    fputc(']', f);
}

static uint64_t from_us_of(const struct sim_html *h)
{
    return h->older.count ? h->older.items[0].time_us : 0;
}

static void print_data(FILE *f, const struct sim *s, const struct sim_html_end *end)
{
    const struct sim_html *h = s->opts->html;
    print_run(f, s, end, from_us_of(h));
    print_names(f, "frame_names", frame_name);
    print_names(f, "fault_names", fault_name);
    print_names(f, "what_names", sim_record_what_name);
    print_names(f, "mode_names", mode_name);
    print_names(f, "fate_names", fate_name);
    print_names(f, "op_names", sim_op_name);
    print_names(f, "outcome_names", outcome_name);
    fprintf(f, ",\n\"texts\":[");
    print_texts(f, &h->older, "");
    print_texts(f, &h->newer, h->older.text_count ? ",\n" : "");
    fprintf(f, "]");
    print_items(f, h, "lines", SIM_HTML_LINE);
    print_items(f, h, "frames", SIM_HTML_FRAME);
    print_items(f, h, "members", SIM_HTML_MEMBER);
    fprintf(f, ",\n\"faults\":[");
    sim_record_print_numbers(s, f);
    fprintf(f, "],\n\"ops\":[");
    sim_workload_print_numbers(s, f, from_us_of(h));
    fprintf(f, "]}\n");
}

void sim_html_print(FILE *f, const struct sim *s, const struct sim_html_end *end)
{
    const char *page = (const char *)sim_html_page, *mark = strstr(page, SIM_HTML_MARK);
    MS_ASSERT(mark != NULL);
    fwrite(page, 1, (size_t)(mark - page), f);
    print_data(f, s, end);
    fputs(mark + strlen(SIM_HTML_MARK), f);
}

bool sim_html_write(const struct sim *s, const struct sim_html_end *end)
{
    FILE *f = fopen(s->opts->html->path, "wb");
    if (!f) return false;
    sim_html_print(f, s, end);
    bool bad = ferror(f) != 0;
    return fclose(f) == 0 && !bad;
}
