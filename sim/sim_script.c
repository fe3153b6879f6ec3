/* sim_script.c: lines and words into actions. */
#include "sim/sim_script.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_limits.h"
#include "sim/sim_settings.h"

#define LINE_BYTES_MAX 4096u
#define WORDS_MAX 192u
#define US_MAX UINT64_C(1000000000000)
#define VALUE_BYTES_MIN 12u

struct parser {
    struct sim_schedule *out;
    struct sim_script_error *err;
    char text[LINE_BYTES_MAX];
    char *words[WORDS_MAX];
    uint32_t count, at; /* words; the next one */
    bool began, ends;
    uint64_t last_us;
    struct sim_span spans[SIM_SPANS_MAX];
    uint32_t span_count;
};

/* --- words --- */

__attribute__((format(printf, 2, 3))) static bool wrong(struct parser *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->err->text, sizeof p->err->text, format, args);
    va_end(args);
    return false;
}

static const char *word(const struct parser *p)
{
    return p->at < p->count ? p->words[p->at] : "";
}

static bool take(struct parser *p, const char *text)
{
    if (strcmp(word(p), text) != 0) return false;
    p->at++;
    return true;
}

static bool digits(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(v, 10, &v)) return false;
        if (__builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v)) return false;
    }
    *out = v;
    return len > 0 && v <= max;
}

static bool number(struct parser *p, const char *text, uint64_t max, uint64_t *out)
{
    return digits(text, strlen(text), max, out) || wrong(p, "\"%.40s\" is no number here", text);
}

/* 812.44 milliseconds are 812440 microseconds. */
static bool parse_ms(const char *text, size_t len, uint64_t *us)
{
    static const uint64_t scale[] = { 0, 100, 10, 1 };
    const char *dot = memchr(text, '.', len);
    size_t whole = dot ? (size_t)(dot - text) : len, part = dot ? len - whole - 1 : 0;
    uint64_t ms, rest = 0;
    if (dot && (part < 1 || part > 3 || !digits(dot + 1, part, 999, &rest))) return false;
    if (!digits(text, whole, US_MAX / 1000, &ms)) return false;
    *us = ms * 1000 + rest * scale[part];
    return true;
}

static bool take_ms(struct parser *p, uint64_t *us)
{
    const char *text = word(p);
    if (!parse_ms(text, strlen(text), us)) return wrong(p, "\"%.40s\" is no time", text);
    p->at++;
    return true;
}

/* A letter and a number from lo to hi. */
static bool named(const char *text, size_t len, char letter, uint64_t lo, uint64_t hi, uint32_t *out)
{
    uint64_t v;
    if (len < 2 || text[0] != letter || (text[1] == '0' && len > 2)) return false;
    if (!digits(text + 1, len - 1, hi, &v) || v < lo) return false;
    *out = (uint32_t)v;
    return true;
}

static bool is_node(const char *text, uint32_t *index)
{
    if (!named(text, strlen(text), 'n', 1, SIM_MEMBERS_MAX, index)) return false;
    --*index;
    return true;
}

static bool take_node(struct parser *p, uint32_t *index)
{
    if (!is_node(word(p), index)) return wrong(p, "\"%.40s\" is no member", word(p));
    p->at++;
    return true;
}

static bool end_of_link(const char *text, size_t len, uint32_t *out)
{
    bool any_client = len == 2 && memcmp(text, "c*", 2) == 0;
    if (named(text, len, 'n', 1, SIM_MEMBERS_MAX, out)) {
        --*out;
        return true;
    }
    if (named(text, len, 'c', 0, SIM_CLIENTS_MAX - 1, out)) {
        *out += SIM_MEMBERS_MAX;
        return true;
    }
    *out = any_client ? SIM_ANY_CLIENT : SIM_ANY_MEMBER;
    return any_client || (len == 1 && text[0] == '*');
}

static bool take_link(struct parser *p, uint32_t *from, uint32_t *to)
{
    const char *text = word(p), *mark = strchr(text, '>');
    bool good = mark && end_of_link(text, (size_t)(mark - text), from) &&
                end_of_link(mark + 1, strlen(mark + 1), to);
    if (!good) return wrong(p, "\"%.40s\" is no link", text);
    p->at++;
    return true;
}

/* --- what may stand behind a command --- */

enum {
    TAIL_FOR = 1,
    TAIL_BY = 2,
    TAIL_AFTER = 4,
    TAIL_FRESH = 8,
    TAIL_POWER = 16,
    TAIL_JUMP = 32,
    TAIL_BYTES = 64,
    TAIL_PORT = 128,
    TAIL_CALLS = 256,
    TAIL_PLACE = 512,
    TAIL_DRAW = 1024,
    TAIL_REJOIN = 2048,
    TAIL_LANES = 4096,
    TAIL_FREE = 8192,
    TAIL_IF = 16384
};

/* NAME=N, into the amount. */
static bool take_amount(struct parser *p, struct sim_action *a, uint32_t *tail)
{
    static const struct {
        const char *name;
        uint32_t tail;
        uint64_t max;
    } amounts[] = { { "bytes=", TAIL_BYTES, 65537 },
                    { "port=", TAIL_PORT, 50000 },
                    { "calls=", TAIL_CALLS, 100000 },
                    { "draw=", TAIL_DRAW, UINT64_MAX },
                    { "lanes=", TAIL_LANES, (1u << DISK_LANE_COUNT) - 1 },
                    { "free=", TAIL_FREE, 1u << 30 },
                    { "place=", TAIL_PLACE, SIM_REPLAY_FRAMES - 1 } };
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        size_t len = strlen(amounts[i].name);
        uint64_t v;
        if (strncmp(word(p), amounts[i].name, len) != 0) continue;
        if (!number(p, word(p) + len, amounts[i].max, &v)) return false;
        a->amount = (int64_t)v;
        *tail = amounts[i].tail;
        p->at++;
        return true;
    }
    return wrong(p, "what is \"%.40s\"", word(p));
}

static bool take_condition(struct parser *p, struct sim_action *a)
{
    for (int i = SIM_CONDITION_NONE + 1; i < SIM_CONDITIONS; i++) {
        a->condition = (enum sim_condition)i;
        if (take(p, sim_condition_name(a->condition))) return true;
    }
    return wrong(p, "\"%.40s\" is no condition", word(p));
}

static bool take_tail(struct parser *p, struct sim_action *a, uint32_t *tail)
{
    uint64_t us = 0;
    *tail = 0;
    if (take(p, "if")) return *tail = TAIL_IF, take_condition(p, a);
    if (take(p, "fresh")) return a->fresh = true, *tail = TAIL_FRESH, true;
    if (take(p, "power")) return a->power = true, *tail = TAIL_POWER, true;
    if (take(p, "rejoin")) return a->rejoin = true, *tail = TAIL_REJOIN, true;
    if (take(p, "jump")) return a->jump = true, *tail = TAIL_JUMP, true;
    if (take(p, "by")) {
        *tail = TAIL_BY;
        if (!named(word(p), strlen(word(p)), 'c', 0, SIM_CLIENTS_MAX - 1, &a->client))
            return wrong(p, "\"%.40s\" is no client", word(p));
        p->at++;
        return true;
    }
    if (take(p, "for"))
        *tail = TAIL_FOR;
    else if (take(p, "after"))
        *tail = TAIL_AFTER;
    else
        return take_amount(p, a, tail);
    if (!take_ms(p, &us)) return false;
    if (*tail == TAIL_AFTER || a->verb == SIM_VERB_DELAY)
        a->amount = (int64_t)us;
    else
        a->for_us = us;
    return us > 0 || wrong(p, "a time of nothing");
}

static bool take_tails(struct parser *p, struct sim_action *a, uint32_t allowed, uint32_t needed)
{
    uint32_t seen = 0, tail;
    while (p->at < p->count) {
        const char *text = word(p);
        if (!take_tail(p, a, &tail)) return false;
        if (!(tail & allowed) || (tail & seen)) return wrong(p, "\"%.40s\" does not belong here", text);
        seen |= tail;
    }
    return (seen & needed) == needed || wrong(p, "a word is missing");
}

/* --- commands --- */

static bool take_op(struct parser *p, struct sim_action *a)
{
    bool put = a->verb == SIM_VERB_PUT;
    if (!take_node(p, &a->who)) return false;
    if (!named(word(p), strlen(word(p)), 'k', 0, 63, &a->key))
        return wrong(p, "\"%.40s\" is no key", word(p));
    p->at++;
    uint32_t bytes = put ? TAIL_BYTES : 0, more = put ? TAIL_IF : 0;
    if (!take_tails(p, a, TAIL_BY | TAIL_FRESH | bytes | more, TAIL_BY | bytes)) return false;
    return !put || a->amount >= VALUE_BYTES_MIN || wrong(p, "at least %u bytes", VALUE_BYTES_MIN);
}

static bool take_id(struct parser *p, uint32_t *id)
{
    if (!take_node(p, id)) return false;
    ++*id;
    return true;
}

/* +NODE: on a new machine. */
static bool take_set(struct parser *p, struct sim_action *a)
{
    for (;;) {
        const char *text = word(p);
        bool joins = text[0] == '+';
        uint32_t index;
        if (!is_node(text + joins, &index)) break;
        a->members |= 2u << index;
        if (joins) a->joins |= 2u << index;
        p->at++;
    }
    return a->members != 0 || wrong(p, "\"%.40s\" is no member", word(p));
}

static bool take_switch(struct parser *p, struct sim_action *a)
{
    a->subject = strcmp(word(p), "on") == 0;
    return take(p, "on") || take(p, "off") || wrong(p, "on or off");
}

static bool take_change(struct parser *p, struct sim_action *a)
{
    static const enum sim_topic topics[] = { SIM_TOPIC_ADD, SIM_TOPIC_REMOVE, SIM_TOPIC_SET,
                                             SIM_TOPIC_LEASE };
    if (!take_node(p, &a->who)) return false;
    for (size_t i = 0; i < 4 && a->topic == SIM_TOPIC_NONE; i++) {
        if (take(p, sim_topic_name(topics[i]))) a->topic = topics[i];
    }
    if (a->topic == SIM_TOPIC_NONE) return wrong(p, "add, remove, set or lease");
    bool lease = a->topic == SIM_TOPIC_LEASE, set = a->topic == SIM_TOPIC_SET;
    bool good = lease ? take_switch(p, a) : set ? take_set(p, a) : take_id(p, &a->subject);
    uint32_t rejoin = a->topic == SIM_TOPIC_ADD ? TAIL_REJOIN : 0;
    return good && take_tails(p, a, TAIL_BY | TAIL_FRESH | TAIL_PORT | rejoin, TAIL_BY);
}

static bool take_transfer(struct parser *p, struct sim_action *a)
{
    uint32_t index;
    if (!take_node(p, &a->who)) return false;
    if (is_node(word(p), &index) && !take_id(p, &a->subject)) return false;
    return take_tails(p, a, TAIL_BY | TAIL_FRESH, TAIL_BY);
}

static bool take_slow(struct parser *p, struct sim_action *a)
{
    uint64_t v;
    if (!take_node(p, &a->who)) return false;
    if (take(p, "disk"))
        a->topic = SIM_TOPIC_DISK;
    else if (take(p, "engine"))
        a->topic = SIM_TOPIC_ENGINE;
    else if (take(p, "link"))
        a->topic = SIM_TOPIC_LINK;
    else
        return wrong(p, "disk, engine or link");
    if (!number(p, word(p), 100000, &v)) return false;
    if (v == 0) return wrong(p, "nothing is that slow");
    a->amount = (int64_t)v;
    p->at++;
    return take_tails(p, a, TAIL_FOR, 0);
}

static bool take_clock(struct parser *p, struct sim_action *a)
{
    uint64_t v = 0;
    if (!take_node(p, &a->who)) return false;
    if (take(p, "stop")) {
        a->topic = SIM_TOPIC_STOP;
        return take_tails(p, a, TAIL_FOR | TAIL_JUMP, 0);
    }
    if (take(p, "late")) {
        a->topic = SIM_TOPIC_LATE;
        if (!take_ms(p, &v)) return false;
        if (v == 0 || v > UINT32_MAX) return wrong(p, "not so late");
        a->amount = (int64_t)v;
        return take_tails(p, a, TAIL_FOR, 0);
    }
    if (!take(p, "drift")) return wrong(p, "drift, stop or late");
    a->topic = SIM_TOPIC_DRIFT;
    bool minus = word(p)[0] == '-';
    if (!number(p, word(p) + minus, minus ? 900000 : 9000000, &v)) return false;
    a->amount = minus ? -(int64_t)v : (int64_t)v;
    p->at++;
    return take_tails(p, a, TAIL_FOR, 0);
}

static bool take_node_verb(struct parser *p, struct sim_action *a)
{
    if (!take_node(p, &a->who)) return false;
    switch (a->verb) {
    case SIM_VERB_CRASH: return take_tails(p, a, TAIL_POWER | TAIL_FOR, 0);
    case SIM_VERB_PAUSE: return take_tails(p, a, TAIL_FOR, 0);
    case SIM_VERB_NOSPACE: return take_tails(p, a, TAIL_FREE | TAIL_FOR, TAIL_FREE);
    case SIM_VERB_START: return take_tails(p, a, TAIL_AFTER, TAIL_AFTER);
    case SIM_VERB_STUCK: return take_tails(p, a, TAIL_LANES | TAIL_FOR, TAIL_LANES);
    case SIM_VERB_ROT:
    case SIM_VERB_EIO:
    case SIM_VERB_SPOIL:
    case SIM_VERB_LOSTWRITE:
    case SIM_VERB_MISDIRECT:
    case SIM_VERB_DIVERGE:
    case SIM_VERB_NOMEM:
    case SIM_VERB_LOSEFILE: return take_tails(p, a, TAIL_DRAW, TAIL_DRAW);
    case SIM_VERB_BOOT:
    case SIM_VERB_JOB: return take_tails(p, a, TAIL_CALLS, TAIL_CALLS);
    default: return take_tails(p, a, 0, 0);
    }
}

static bool take_hold(struct parser *p, struct sim_action *a)
{
    while (strchr(word(p), '>')) {
        uint32_t from, to;
        if (!take_link(p, &from, &to)) return false;
        if (p->span_count == SIM_SPANS_MAX) return wrong(p, "too many links");
        p->spans[p->span_count++] = (struct sim_span){ (uint8_t)from, (uint8_t)to };
    }
    if (p->span_count == 0) return wrong(p, "\"%.40s\" is no link", word(p));
    return take_tails(p, a, TAIL_FOR, 0);
}

static bool take_partition(struct parser *p, struct sim_action *a)
{
    uint8_t group = 1;
    uint32_t index;
    bool some = false;
    while (p->at < p->count && strcmp(word(p), "for") != 0) {
        if (take(p, "|")) {
            if (!some) return wrong(p, "nobody on a side");
            if (group++ == SIM_MEMBERS_MAX) return wrong(p, "too many sides");
            some = false;
            continue;
        }
        if (!take_node(p, &index)) return false;
        if (a->group[index] != 0) return wrong(p, "n%u is on a side already", index + 1);
        a->group[index] = group;
        some = true;
    }
    if (group < 2 || !some) return wrong(p, "two sides at least, | between them");
    return take_tails(p, a, TAIL_FOR, 0);
}

static bool take_nth(struct parser *p, struct sim_action *a)
{
    uint64_t v = 1;
    if (word(p)[0] >= '0' && word(p)[0] <= '9') {
        if (!number(p, word(p), UINT32_MAX, &v)) return false;
        if (v == 0) return wrong(p, "the first is 1");
        p->at++;
    }
    a->nth = (uint32_t)v;
    return true;
}

static bool take_reset(struct parser *p, struct sim_action *a)
{
    if (!take_link(p, &a->from, &a->to) || !take_nth(p, a)) return false;
    if (a->from >= SIM_OWNERS_MAX || a->to >= SIM_OWNERS_MAX) return wrong(p, "whose connection");
    return take_tails(p, a, 0, 0);
}

static bool take_fate(struct parser *p, struct sim_action *a)
{
    uint32_t needed = a->verb == SIM_VERB_DELAY       ? TAIL_FOR
                      : a->verb == SIM_VERB_DUPLICATE ? TAIL_AFTER
                      : a->verb == SIM_VERB_REPLAY    ? TAIL_PLACE
                                                      : 0;
    if (!take_link(p, &a->from, &a->to)) return false;
    if (a->from >= SIM_MEMBERS_MAX || a->to >= SIM_MEMBERS_MAX)
        return wrong(p, "frames are between two members");
    for (uint32_t i = SIM_FRAME_ANY + 1; i < SIM_FRAMES && a->frame == SIM_FRAME_ANY; i++) {
        if (take(p, sim_frame_name((enum sim_frame)i))) a->frame = i;
    }
    return take_nth(p, a) && take_tails(p, a, needed, needed);
}

static bool take_heal(struct parser *p, struct sim_action *a)
{
    while (p->at < p->count) {
        uint32_t index;
        if (!take_node(p, &index)) return false;
        a->members |= 1u << index;
    }
    p->ends = true;
    return true;
}

static bool take_action(struct parser *p, struct sim_action *a)
{
    const char *name = word(p);
    uint32_t verb = 0;
    while (verb < SIM_VERBS && strcmp(name, sim_verb_name((enum sim_verb)verb)) != 0) verb++;
    if (verb == SIM_VERBS) return wrong(p, "\"%.40s\" is no command behind a time", name);
    p->at++;
    a->verb = (enum sim_verb)verb;
    switch (a->verb) {
    case SIM_VERB_PUT:
    case SIM_VERB_GET:
    case SIM_VERB_DELETE: return take_op(p, a);
    case SIM_VERB_CHANGE: return take_change(p, a);
    case SIM_VERB_TRANSFER: return take_transfer(p, a);
    case SIM_VERB_SLOW: return take_slow(p, a);
    case SIM_VERB_CLOCK: return take_clock(p, a);
    case SIM_VERB_RESET: return take_reset(p, a);
    case SIM_VERB_HOLD: return take_hold(p, a);
    case SIM_VERB_PARTITION: return take_partition(p, a);
    case SIM_VERB_DROP:
    case SIM_VERB_DELAY:
    case SIM_VERB_DUPLICATE:
    case SIM_VERB_REPLAY: return take_fate(p, a);
    case SIM_VERB_HEAL: return take_heal(p, a);
    case SIM_VERB_END: p->ends = true; return take_tails(p, a, 0, 0);
    default: return take_node_verb(p, a);
    }
}

/* --- lines --- */

static bool do_at(struct parser *p, uint32_t line)
{
    struct sim_action a = { .line = line };
    const char *text = word(p), *plus = strchr(text, '+');
    size_t len = plus ? (size_t)(plus - text) : strlen(text);
    uint64_t turn = 0;
    if (!parse_ms(text, len, &a.at_us)) return wrong(p, "\"%.40s\" is no time", text);
    if (plus && !number(p, plus + 1, 1000000, &turn)) return false;
    a.turn = (uint32_t)turn;
    p->at++;
    p->span_count = 0;
    if (a.at_us < p->last_us) return wrong(p, "it is later already");
    p->last_us = a.at_us;
    if (!take_action(p, &a)) return false;
    sim_schedule_add(p->out, &a);
    for (uint32_t i = 0; i < p->span_count; i++) {
        sim_schedule_span(p->out, p->spans[i].from, p->spans[i].to);
    }
    return true;
}

static bool do_setting(struct parser *p)
{
    const char *text = word(p), *is = strchr(text, '=');
    size_t len = is ? (size_t)(is - text) : 0;
    uint64_t v;
    if (!is) return wrong(p, "\"%.40s\" is no setting", text);
    p->at++;
    if (!number(p, is + 1, UINT64_MAX, &v)) return false;
    if (len == 4 && memcmp(text, "seed", 4) == 0) {
        p->out->plan.seed = p->out->plan.net.seed = v;
        return true;
    }
    uint32_t i = sim_setting_find(text, len);
    if (i == SIM_SETTINGS_NONE) return wrong(p, "\"%.40s\" is no setting", text);
    return sim_setting_set(&p->out->plan, i, v) || wrong(p, "\"%.40s\" is out of its range", text);
}

static bool do_settings(struct parser *p)
{
    while (p->at < p->count) {
        if (!do_setting(p)) return false;
    }
    return true;
}

static bool do_cluster(struct parser *p)
{
    uint64_t n;
    if (p->began) return wrong(p, "there is a cluster already");
    p->began = true;
    if (!number(p, word(p), 7, &n)) return false;
    if (n == 0) return wrong(p, "1 to 7 members");
    p->out->plan.node_count = (uint32_t)n;
    p->at++;
    return do_settings(p);
}

static bool split(struct parser *p, const char *line, size_t len)
{
    if (len >= LINE_BYTES_MAX) return wrong(p, "the line is too long");
    if (memchr(line, 0, len)) return wrong(p, "this is no text");
    memcpy(p->text, line, len);
    p->text[len] = 0;
    p->count = p->at = 0;
    char *rest;
    for (char *w = strtok_r(p->text, " \r", &rest); w; w = strtok_r(NULL, " \r", &rest)) {
        if (p->count == WORDS_MAX) return wrong(p, "too many words");
        p->words[p->count++] = w;
    }
    return true;
}

static bool do_line(struct parser *p, const char *line, size_t len, uint32_t number_of_line)
{
    if (number_of_line == 1 && (len == 0 || line[0] != '#'))
        return wrong(p, "the first line has to begin the story");
    if (len == 0 || line[0] == '#' || line[0] == ' ') return true;
    if (!split(p, line, len)) return false;
    if (p->count == 0) return true;
    if (take(p, "cluster")) return do_cluster(p);
    if (!p->began) return wrong(p, "cluster comes first");
    if (take(p, "at")) return do_at(p, number_of_line);
    if (!take(p, "set")) return wrong(p, "\"%.40s\" is no command", word(p));
    return p->out->count == 0 ? do_settings(p) : wrong(p, "settings come before actions");
}

const char *sim_plan_problem(const struct sim_plan *p)
{
    const struct node_opts *o = &p->member.node;
    if (2 * o->raft.heartbeat_ms > o->raft.election_ms_min)
        return "heartbeat is more than half of election";
    if (o->wal_segment_bytes < 2 * (uint64_t)o->request_bytes_max + (64u << 10))
        return "segment-bytes is less than twice request-bytes and 65536";
    if (o->wal_prewrite_bytes > o->wal_segment_bytes)
        return "prewrite-bytes is more than segment-bytes";
    if (p->member.redial_ms_min > p->member.redial_ms_max)
        return "redial-least is more than redial-most";
    return NULL;
}

/* What only the whole of it shows. */
static bool fits(struct parser *p)
{
    struct sim_plan *plan = &p->out->plan;
    sim_limits_fit(plan);
    const char *problem = sim_plan_problem(plan);
    if (problem) return wrong(p, "%s", problem);
    if (!p->began) return wrong(p, "no cluster");
    if (!p->ends) return wrong(p, "no end, and no heal");
    for (size_t i = 0; i < p->out->count; i++) {
        const struct sim_action *a = &p->out->actions[i];
        p->err->line = a->line;
        if (a->verb == SIM_VERB_PUT && (uint64_t)a->amount > sim_limits_most(plan))
            return wrong(p, "more bytes than value-bytes");
    }
    return plan->value_bytes_max <= plan->member.value_bytes_max ||
           wrong(p, "value-bytes is more than request-bytes takes");
}

bool sim_script_parse(const char *text, size_t len, struct sim_schedule *out,
                      struct sim_script_error *err)
{
    struct parser *p = calloc(1, sizeof *p);
    bool good = true;
    MS_ASSERT(p != NULL);
    *p = (struct parser){ .out = out, .err = err };
    *err = (struct sim_script_error){ 0 };
    out->mode = SIM_SCHEDULE_REPLAYS;
    sim_plan_calm(&out->plan);
    while (good && len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len;
        good = do_line(p, text, line, ++err->line);
        text += line + (end != NULL);
        len -= line + (end != NULL);
    }
    good = good && fits(p);
    free(p);
    return good;
}
