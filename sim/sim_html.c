/* sim_html.c: what is kept of a run while it goes on. */
#include "sim/sim_html.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/ms_assert.h"
#include "format/config.h"
#include "member/frame.h"
#include "node/node_msg.h"
#include "sim/sim_cluster.h"
#include "sim/sim_frame_text.h"
#include "sim/sim_html_private.h"
#include "sim/sim_schedule.h"

#define TEXT_BYTES_MAX 512u
static_assert(SIM_FRAME_TEXT_BYTES <= TEXT_BYTES_MAX, "a half that has room has it for a frame");
#define SLOTS (1u << 19) /* at least twice the texts of a half: each item has one at most */
static_assert(SLOTS >= 2 * SIM_HTML_HALF_ITEMS, "the table of texts stays half empty");

/* --- halves --- */

static void half_init(struct sim_html_half *half, uint64_t first)
{
    *half = (struct sim_html_half){ .first = first };
    half->items = malloc(SIM_HTML_HALF_ITEMS * sizeof *half->items);
    half->bytes = malloc(SIM_HTML_HALF_BYTES);
    half->texts = malloc(SIM_HTML_HALF_ITEMS * sizeof *half->texts);
    half->slots = calloc(SLOTS, sizeof *half->slots);
    MS_ASSERT(half->items && half->bytes && half->texts && half->slots);
}

static void half_fini(struct sim_html_half *half)
{
    free(half->items);
    free(half->bytes);
    free(half->texts);
    free(half->slots);
    *half = (struct sim_html_half){ 0 };
}

/* Its number among the half's texts; equal ones are kept once. */
static uint32_t half_text(struct sim_html_half *half, const char *text)
{
    size_t len = strlen(text);
    uint32_t slot = (uint32_t)XXH3_64bits(text, len) % SLOTS;
    for (; half->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        uint32_t i = half->slots[slot] - 1;
        if (strcmp(half->bytes + half->texts[i], text) == 0) return i;
    }
    half->texts[half->text_count] = (uint32_t)half->bytes_used;
    memcpy(half->bytes + half->bytes_used, text, len + 1);
    half->bytes_used += len + 1;
    half->slots[slot] = ++half->text_count;
    return half->text_count - 1;
}

static bool half_has_room(const struct sim_html_half *half)
{
    return half->count + SIM_MEMBERS_MAX < SIM_HTML_HALF_ITEMS &&
           half->bytes_used + TEXT_BYTES_MAX < SIM_HTML_HALF_BYTES;
}

/* H1, H2 */
static void turn_over(struct sim_html *h, uint64_t now_us)
{
    uint64_t next = h->newer.first + h->newer.count;
    half_fini(&h->older);
    h->older = h->newer;
    half_init(&h->newer, next);
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX; i++) {
        if (h->members[i].mode == SIM_HTML_ABSENT) continue;
        h->members[i].time_us = now_us;
        h->newer.items[h->newer.count++] = h->members[i];
    }
}

/* Keep an item, and return its number. */
static uint64_t keep(struct sim_html *h, const struct sim_html_item *item, const char *text)
{
    if (!half_has_room(&h->newer)) turn_over(h, item->time_us);
    struct sim_html_half *half = &h->newer;
    half->items[half->count] = *item;
    if (text) half->items[half->count].text = half_text(half, text);
    return half->first + half->count++;
}

struct sim_html *sim_html_create(const char *path)
{
    struct sim_html *h = calloc(1, sizeof *h);
    MS_ASSERT(h != NULL);
    h->path = strdup(path);
    h->entries = malloc(RAFT_MSG_ENTRIES_MAX * sizeof *h->entries);
    MS_ASSERT(h->path && h->entries);
    sim_html_begin(h);
    return h;
}

void sim_html_destroy(struct sim_html *h)
{
    if (!h) return;
    half_fini(&h->older);
    half_fini(&h->newer);
    free(h->entries);
    free(h->path);
    free(h);
}

void sim_html_begin(struct sim_html *h)
{
    half_fini(&h->older);
    half_fini(&h->newer);
    half_init(&h->newer, 1); /* number 0 is none */
    memset(h->members, 0, sizeof h->members);
}

/* --- lines --- */

/* A line begins with whom it is about: a member as m1 and up, or a client, which has no lane of its own. */
static uint32_t who_of(const char *text)
{
    char *end;
    if (text[0] != 'm') return SIM_HTML_NOBODY;
    unsigned long id = strtoul(text + 1, &end, 10);
    return end > text + 1 && id >= 1 && id <= SIM_MEMBERS_MAX ? (uint32_t)id - 1 : SIM_HTML_NOBODY;
}

/* What the ledger of requests says better. */
static bool is_of_request(const char *text)
{
    return text[0] == 'c' && (strstr(text, "begins operation ") || strstr(text, " for operation "));
}

void sim_html_line(struct sim_html *h, uint64_t now_us, const char *text)
{
    char cut[TEXT_BYTES_MAX];
    if (is_of_request(text)) return;
    struct sim_html_item item = { .time_us = now_us,
                                  .kind = SIM_HTML_LINE,
                                  .who = (uint8_t)who_of(text) };
    snprintf(cut, sizeof cut, "%s", text);
    keep(h, &item, cut);
}

/* --- frames --- */

static void describe(struct sim_html *h, char out[SIM_FRAME_TEXT_BYTES], const uint8_t *data,
                     size_t len)
{
    struct bytes body = bytes_of(data + FRAME_HEADER_BYTES, len - FRAME_HEADER_BYTES);
    struct raft_msg msg;
    bool raft = data[FRAME_HEADER_BYTES - 1] == NODE_FRAME_RAFT;
    sim_frame_text(out, body, raft && raft_msg_decode(body, h->entries, &msg) == 0 ? &msg : NULL);
}

uint64_t sim_html_frame(struct sim_html *h, uint64_t now_us, uint32_t from, uint32_t to,
                        const uint8_t *data, size_t len, enum sim_html_fate fate)
{
    char text[SIM_FRAME_TEXT_BYTES];
    struct sim_html_item item = { .time_us = now_us,
                                  .kind = SIM_HTML_FRAME,
                                  .who = (uint8_t)from,
                                  .to = (uint8_t)to,
                                  .frame = (uint8_t)sim_frame_of(data, len),
                                  .fate = (uint8_t)fate };
    describe(h, text, data, len);
    return keep(h, &item, text);
}

static bool half_arrived(struct sim_html_half *half, uint64_t now_us, uint64_t number)
{
    if (number < half->first || number >= half->first + half->count) return false;
    half->items[number - half->first].number = now_us;
    return true;
}

void sim_html_arrived(struct sim_html *h, uint64_t now_us, uint64_t number)
{
    if (!half_arrived(&h->newer, now_us, number)) half_arrived(&h->older, now_us, number);
}

/* --- members --- */

static void see_config(const struct config *c, struct sim_html_item *now)
{
    now->voters = now->outgoing = now->learners = 0;
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        if (m->id < 1 || m->id > SIM_MEMBERS_MAX) continue;
        uint16_t bit = (uint16_t)(1u << (m->id - 1));
        if (m->roles & CONFIG_VOTER) now->voters |= bit;
        if (m->roles & CONFIG_OUTGOING) now->outgoing |= bit;
        if (m->roles & CONFIG_LEARNER) now->learners |= bit;
    }
}

static void see_raft(const struct raft *r, struct sim_html_item *now)
{
    now->mode = (uint8_t)(SIM_HTML_ROLE + raft_role(r));
    now->term = raft_term(r);
    now->number = raft_commit_index(r);
    now->stored = raft_durable_index(r);
    now->last = raft_last_index(r);
    see_config(raft_config(r), now);
}

static uint8_t queued(const struct sim_member *m)
{
    size_t n = 0;
    for (int i = 0; i < DISK_LANE_COUNT; i++) n += m->lanes[i].count;
    return (uint8_t)(n < UINT8_MAX ? n : UINT8_MAX);
}

/* Its memory is gone, and its operations with it. */
static void see_down(enum sim_html_mode mode, struct sim_html_item *now)
{
    now->mode = (uint8_t)mode;
    now->last = now->stored;
    now->queued = 0;
    now->voters = now->outgoing = now->learners = 0;
}

/* What a member is. Of who is down or paused the page shows what was last seen of its log. */
static struct sim_html_item see(const struct sim *s, struct sim_member *m)
{
    struct sim_html_item now = s->opts->html->members[m->index];
    now.kind = SIM_HTML_MEMBER;
    now.who = (uint8_t)m->index;
    if (m->state == SIM_MEMBER_GONE) {
        see_down(SIM_HTML_GONE, &now);
        return now;
    }
    if (m->state != SIM_MEMBER_UP || !m->member || m->starting || m->dying) {
        see_down(SIM_HTML_DOWN, &now);
        return now;
    }
    now.queued = queued(m);
    if (m->pauses > 0)
        now.mode = SIM_HTML_PAUSED;
    else
        see_raft(node_raft(sim_member_node(m)), &now);
    return now;
}

static bool is_same(const struct sim_html_item *a, const struct sim_html_item *b)
{
    return a->mode == b->mode && a->term == b->term && a->number == b->number &&
           a->stored == b->stored && a->last == b->last && a->queued == b->queued &&
           a->voters == b->voters && a->outgoing == b->outgoing && a->learners == b->learners;
}

static void look_at(const struct sim *s, struct sim_member *m)
{
    struct sim_html_item *last = &s->opts->html->members[m->index], now = see(s, m);
    if (is_same(&now, last)) return;
    now.time_us = sim_now_us(s);
    keep(s->opts->html, &now, NULL);
    *last = now;
}

void sim_html_look(const struct sim *s)
{
    for (uint32_t i = 0; s->cluster && i < s->cluster->count; i++) look_at(s, &s->cluster->members[i]);
}
