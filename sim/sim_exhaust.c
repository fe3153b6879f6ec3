/* sim_exhaust.c: the search. Breadth first over states; of each only its parent and the choice between them
 * are kept. To be at a state again the choices from the root are carried out anew, but those it shares with
 * the state before it, which are most: a level is walked through in the order in which it was found, as
 * the leaves of a tree are. */
#include "sim/sim_exhaust_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "sim/sim_report.h"

#define PROGRESS_S 2.0

/* A state: the root is number 0. */
struct node {
    uint32_t parent;
    struct exh_choice choice;
};

/* One step of the way from the root to the state at hand, and what was before it. */
struct frame {
    uint32_t node; /* that it leads to */
    struct exh_world world;
    struct exh_saved *member;
    uint32_t member_id;
};

/* States in which something has come about that a search has to reach to be worth anything. */
struct marks {
    uint64_t later_leader, two_leaders, commits, overwritten, all_written;
};

struct search {
    struct exh x;
    struct node *nodes;
    uint32_t count, root_path_len;
    uint64_t *known; /* open addressing: of a hash the upper part, and what was spent; 0: nothing */
    uint64_t known_cap;
    struct frame *frames; /* by depth; 0 is the root */
    uint32_t depth;       /* of the state at hand */
    uint64_t transitions, met_again;
    uint32_t *levels; /* number of the first state of each depth */
    struct marks marks;
    double (*now_s)(void);
    double begin_s, progress_s;
    bool quiet, full;
};

/* --- bounds --- */

struct bound {
    const char *name;
    uint32_t least, most, is;
    const char *text;
    size_t offset;
};

static const struct bound bounds_known[] = {
#define X(name, least, most, is, text)                                                                 \
    { #name, least, most, is, text, offsetof(struct sim_exhaust_bounds, name) },
    SIM_EXHAUST_BOUND_MAP(X)
#undef X
};
#define BOUNDS (sizeof bounds_known / sizeof bounds_known[0])

static uint32_t *bound_in(struct sim_exhaust_bounds *b, const struct bound *known)
{
    return (uint32_t *)((char *)b + known->offset);
}

static bool take_bound(struct sim_exhaust_bounds *out, const char *word, size_t len)
{
    const char *value = memchr(word, '=', len);
    char *end;
    if (!value++) return false;
    unsigned long v = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || end != word + len) return false;
    for (size_t i = 0; i < BOUNDS; i++) {
        const struct bound *k = &bounds_known[i];
        if (strlen(k->name) != (size_t)(value - word - 1) ||
            strncmp(k->name, word, strlen(k->name)) != 0)
            continue;
        *bound_in(out, k) = (uint32_t)v;
        return v >= k->least && v <= k->most;
    }
    return false;
}

bool sim_exhaust_parse(const char *text, struct sim_exhaust_bounds *out)
{
    for (size_t i = 0; i < BOUNDS; i++) *bound_in(out, &bounds_known[i]) = bounds_known[i].is;
    while (text && *text) {
        size_t len = strcspn(text, ",");
        if (!take_bound(out, text, len)) return false;
        text += len + (text[len] == ',');
    }
    return true;
}

void sim_exhaust_help(void)
{
    for (size_t i = 0; i < BOUNDS; i++) {
        const struct bound *k = &bounds_known[i];
        printf("  %-10s %s (%u)\n", k->name, k->text, k->is);
    }
}

static void print_bounds(FILE *f, const struct sim_exhaust_bounds *bounds)
{
    struct sim_exhaust_bounds b = *bounds;
    for (size_t i = 0; i < BOUNDS; i++) {
        fprintf(f, "%s%s=%u", i ? "," : "", bounds_known[i].name, *bound_in(&b, &bounds_known[i]));
    }
}

/* --- states --- */

/* What was spent of the bounds of faults, late and timeouts, in SPENT_BITS. */
#define SPENT_BITS 16u
#define SPENT_MASK ((UINT64_C(1) << SPENT_BITS) - 1)

static uint64_t spent_of(const struct exh_world *w)
{
    return 1 | w->faults << 1 | w->timeouts << 5 | w->late << 9;
}

/* b has spent no less than a of anything. */
static bool is_no_richer(uint64_t b, uint64_t a)
{
    return (b >> 1 & 15) >= (a >> 1 & 15) && (b >> 5 & 15) >= (a >> 5 & 15) &&
           (b >> 9 & 31) >= (a >> 9 & 31);
}

/* False: the state was met, no later and with no more spent, so that all that can follow has been seen to
 * or will be. */
static bool learn(struct search *s, uint64_t hash)
{
    uint64_t spent = spent_of(&s->x.world), at = hash & (s->known_cap - 1);
    for (; s->known[at]; at = (at + 1) & (s->known_cap - 1)) {
        bool same = ((s->known[at] ^ hash) & ~SPENT_MASK) == 0;
        if (same && is_no_richer(spent, s->known[at] & SPENT_MASK)) return false;
    }
    s->known[at] = (hash & ~SPENT_MASK) | spent;
    return true;
}

static void go_back(struct search *s)
{
    struct frame *f = &s->frames[s->depth--];
    s->x.world = f->world;
    s->x.path_len--;
    exh_member_restore(&s->x, f->member_id, f->member);
}

static void go_on(struct search *s, uint32_t node, struct exh_choice c)
{
    struct frame *f = &s->frames[++s->depth];
    f->node = node;
    f->world = s->x.world;
    f->member_id = c.member;
    exh_member_save(&s->x, c.member, f->member);
    exh_choose(&s->x, c);
}

/* From the state at hand to another one, which is at depth. */
static void go_to(struct search *s, uint32_t node, uint32_t depth)
{
    uint32_t way[EXH_DEPTH_MAX + 1];
    uint32_t at = node;
    for (uint32_t d = depth; d > 0; d--) {
        way[d] = at;
        at = s->nodes[at].parent;
    }
    uint32_t shared = 0;
    while (shared < s->depth && shared < depth && s->frames[shared + 1].node == way[shared + 1])
        shared++;
    while (s->depth > shared) go_back(s);
    while (s->depth < depth) {
        uint32_t next = way[s->depth + 1];
        go_on(s, next, s->nodes[next].choice);
    }
}

/* --- what is shown --- */

static bool has_replaced(const struct exh_log *before, const struct exh_log *after)
{
    if (after->last_index < before->last_index) return true;
    for (uint32_t i = 1; i <= before->last_index; i++) {
        if (before->at[i].term != after->at[i].term) return true;
    }
    return false;
}

static void mark(struct search *s)
{
    const struct exh_world *w = &s->x.world, *root = &s->frames[1].world;
    const struct frame *last = &s->frames[s->depth];
    uint32_t leaders = 0, later = 0;
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) {
        if (raft_role(s->x.rafts[id]) != RAFT_LEADER) continue;
        leaders++;
        later += raft_term(s->x.rafts[id]) > root->nodes[id].disk.term;
    }
    uint64_t committed = w->ledger_last - root->ledger_last;
    s->marks.later_leader += later > 0;
    s->marks.two_leaders += leaders > 1;
    s->marks.commits += committed > 0;
    s->marks.overwritten +=
        has_replaced(&last->world.nodes[last->member_id].disk.log, &w->nodes[last->member_id].disk.log);
    s->marks.all_written += w->writes > 0 && w->writes == s->x.bounds.writes && committed >= w->writes;
}

static void progress(struct search *s, uint32_t depth)
{
    double spent_s = s->now_s() - s->begin_s;
    if (s->quiet || spent_s < s->progress_s) return;
    s->progress_s = spent_s + PROGRESS_S;
    fprintf(stderr, "sim: exhaustive: depth %u, %u states, %llu choices, %.0f/s, %.0f s\n", depth,
            s->count, (unsigned long long)s->transitions, (double)s->transitions / spent_s, spent_s);
}

static void summary(const struct search *s, uint32_t depth, bool ended)
{
    double spent_s = s->now_s() - s->begin_s;
    const struct marks *m = &s->marks;
    printf(
        "sim: exhaustive passed, %u states, %llu choices carried out, %.1f %% led to a known state\n",
        s->count, (unsigned long long)s->transitions,
        s->transitions ? 100.0 * (double)s->met_again / (double)s->transitions : 0);
    printf("  depth %u complete%s, %.1f s, %.0f choices/s\n", depth,
           s->full ? ", then no room for more states"
           : ended ? ": nothing is left within the other bounds"
                   : "",
           spent_s, (double)s->transitions / (spent_s > 0 ? spent_s : 1));
    printf(
        "  states with a leader of a later term %llu, two leaders %llu, something committed %llu, an "
        "entry replaced %llu, every write committed %llu\n",
        (unsigned long long)m->later_leader, (unsigned long long)m->two_leaders,
        (unsigned long long)m->commits, (unsigned long long)m->overwritten,
        (unsigned long long)m->all_written);
    printf("  bounds ");
    print_bounds(stdout, &s->x.bounds);
    printf("\n");
}

static void caught(void *ctx, const struct sim *sim, enum sim_verdict verdict, const char *checker,
                   const char *text)
{
    const struct search *s = ctx;
    (void)sim;
    fprintf(
        stderr,
        "sim: FAIL %s checker=%s depth=%u states=%u time=%.1fs commit=%s ; again: sim --exhaustive=",
        verdict == SIM_FAIL_ASSERTION ? "assertion" : "safety", checker,
        s->x.path_len - s->root_path_len, s->count, s->now_s() - s->begin_s, sim_report_commit());
    print_bounds(stderr, &s->x.bounds);
    fprintf(stderr, "\n     %s\n     as a protocol story, for raft_scripts:\n", text);
    exh_print_story(stdout, &s->x, checker, text);
}

/* --- the search --- */

static void expand(struct search *s, uint32_t node)
{
    struct exh_choice choices[EXH_CHOICES_MAX];
    uint32_t n = exh_choices(&s->x, choices);
    for (uint32_t i = 0; i < n && !s->full; i++) {
        go_on(s, s->count, choices[i]);
        s->transitions++;
        if (learn(s, exh_hash(&s->x))) {
            mark(s);
            s->nodes[s->count++] = (struct node){ node, choices[i] };
            s->full = s->count == s->x.bounds.states;
        } else {
            s->met_again++;
        }
        go_back(s);
    }
}

/* False: no state is new at this depth. */
static bool expand_level(struct search *s, uint32_t depth)
{
    s->levels[depth + 1] = s->count;
    for (uint32_t node = s->levels[depth]; node < s->levels[depth + 1] && !s->full; node++) {
        go_to(s, node, depth);
        expand(s, node);
        if (node % 256 == 0) progress(s, depth + 1);
    }
    return s->count > s->levels[depth + 1];
}

static void search_init(struct search *s, const struct sim_exhaust_bounds *bounds)
{
    s->begin_s = s->now_s();
    s->progress_s = PROGRESS_S;
    for (s->known_cap = 1024; s->known_cap < 2 * (uint64_t)bounds->states;) s->known_cap *= 2;
    s->nodes = calloc((size_t)bounds->states + 1, sizeof *s->nodes);
    s->known = calloc(s->known_cap, sizeof *s->known);
    s->frames = calloc(EXH_DEPTH_MAX + 2, sizeof *s->frames);
    s->levels = calloc(EXH_DEPTH_MAX + 3, sizeof *s->levels);
    MS_ASSERT(s->nodes && s->known && s->frames && s->levels);
    for (uint32_t d = 0; d <= bounds->depth + 1; d++) s->frames[d].member = exh_saved_create();
}

static void search_fini(struct search *s)
{
    for (uint32_t d = 0; d <= EXH_DEPTH_MAX + 1; d++) exh_saved_destroy(s->frames[d].member);
    free(s->levels);
    free(s->frames);
    free(s->known);
    free(s->nodes);
    exh_fini(&s->x);
}

int sim_exhaust(const struct sim_exhaust_bounds *bounds, bool quiet, double (*now_s)(void))
{
    static struct search s;
    s = (struct search){ .now_s = now_s, .quiet = quiet };
    search_init(&s, bounds);
    sim_report_catch(caught, &s);
    exh_init(&s.x, bounds);
    s.root_path_len = s.x.path_len;
    learn(&s, exh_hash(&s.x));
    s.count = 1;
    uint32_t depth = 0;
    bool more = true;
    for (; depth < bounds->depth && more && !s.full; depth++) more = expand_level(&s, depth);
    summary(&s, s.full || !more ? depth - 1 : depth, !more);
    sim_report_catch(NULL, NULL);
    search_fini(&s);
    return 0;
}
