/* sim_net_frames.c: the sender's side of a stream between members, cut into frames, so that each frame
 * may meet its own fate. The receiver never notices: it gets bytes that are whole frames, or a stream
 * that ends in the middle of one. */
#include <string.h>

#include "sim/sim_net_private.h"
#include "sim/sim_schedule.h"

#define MILLION 1000000u
#define ELECTION_WEIGHT 5u
#define COMMON_ONE_IN 16u /* frames are remembered */
#define OTHER_ONE_IN 2u
#define OLDER_ONE_IN 4u /* go to an older place */

static bool hit(struct sim_net *n, uint32_t odds)
{
    return odds && ms_rand_below(&n->rand, MILLION) < odds;
}

/* What has to stand repetition: raft, forwarded proposals and their refusals, the transfer of
 * snapshots. What founds a cluster or repairs a member lives on a stream that repeats nothing (N1). */
static bool may_repeat(uint8_t type)
{
    switch (type) {
    case NODE_FRAME_RAFT:
    case NODE_FRAME_FORWARD:
    case NODE_FRAME_FORWARD_REPLY:
    case NODE_FRAME_SNAP_OFFER:
    case NODE_FRAME_SNAP_CHUNK:
    case NODE_FRAME_SNAP_ACK: return true;
    default: return false;
    }
}

/* Frames and the streams of snapshots have connections of their own: what is brought back comes on its
 * kind. */
static int kind_of(const uint8_t *data)
{
    return node_frame_is_of_stream(data[FRAME_HEADER_BYTES - 1]);
}

/* Most frames are of these types, and one is much like the next. */
static bool is_common(enum sim_frame type)
{
    return type == SIM_FRAME_APPEND || type == SIM_FRAME_APPEND_REPLY || type == SIM_FRAME_SNAPSHOT;
}

/* The first place of its type is written anew most often, each next one more seldom: what comes back may be of a moment
 * ago, of an earlier term, or of an earlier life of its sender or receiver (N2). */
static void remember(struct sim_net *n, uint32_t from, uint32_t to, enum sim_frame type,
                     const uint8_t *data, size_t len)
{
    uint64_t at = 0, one_in = is_common(type) ? COMMON_ONE_IN : OTHER_ONE_IN;
    if (ms_rand_below(&n->rand, one_in) != 0) return;
    while (at + 1 < SIM_REPLAY_AGES && ms_rand_below(&n->rand, OLDER_ONE_IN) == 0) at++;
    at += (uint64_t)type * SIM_REPLAY_AGES;
    uint8_t *copy = malloc(len);
    MS_ASSERT(copy != NULL);
    memcpy(copy, data, len);
    free(n->replay[from][to][at].data);
    n->replay[from][to][at].data = copy;
    n->replay[from][to][at].len = len;
}

/* The first from at on that has a frame of this kind; at: there is none. */
static uint64_t remembered(const struct sim_net *n, uint32_t from, uint32_t to, int kind, uint64_t at)
{
    for (uint64_t i = 0; i < SIM_REPLAY_FRAMES; i++) {
        uint64_t place = (at + i) % SIM_REPLAY_FRAMES;
        const uint8_t *data = n->replay[from][to][place].data;
        if (data && kind_of(data) == kind) return place;
    }
    return at;
}

/* A fate that was drawn is noted, or the schedule's comes in its place. */
static bool fate(struct sim_net *n, enum sim_verb verb, bool drawn, uint64_t *amount)
{
    return n->schedule ? sim_schedule_fate(n->schedule, verb, drawn, amount) : drawn;
}

static void put(struct sim_net *n, struct sim_end *e, const uint8_t *data, size_t len, uint64_t late_us,
                enum sim_html_fate fate)
{
    uint32_t to = sim_net_other(n, e)->owner;
    if (n->html) n->putting = sim_html_frame(n->html, n->events->now_us, e->owner, to, data, len, fate);
    if (fate != SIM_HTML_LOST) sim_net_put(n, e, data, len, true, late_us);
    n->putting = 0;
}

static void replay_one(struct sim_net *n, struct sim_end *e, uint32_t to, int kind, uint64_t at)
{
    const uint8_t *data = n->replay[e->owner][to][at].data;
    if (!data || kind_of(data) != kind) return;
    n->stats.replayed++;
    if (data[FRAME_HEADER_BYTES - 1] == NODE_FRAME_FORWARD) n->stats.replayed_forwards++;
    put(n, e, data, n->replay[e->owner][to][at].len, 1, SIM_HTML_REPLAYED);
}

/* Elections are rare among frames, and where most can go wrong: what there is of them is treated worse. */
static uint32_t weight_of(enum sim_frame type)
{
    switch (type) {
    case SIM_FRAME_VOTE:
    case SIM_FRAME_VOTE_REPLY:
    case SIM_FRAME_PRE_VOTE:
    case SIM_FRAME_PRE_VOTE_REPLY: return ELECTION_WEIGHT;
    default: return 1;
    }
}

static void frame_put(struct sim_net *n, struct sim_end *e, const uint8_t *data, size_t len)
{
    const struct sim_frame_odds *o = &n->odds;
    uint32_t to = sim_net_other(n, e)->owner;
    bool repeats = may_repeat(data[FRAME_HEADER_BYTES - 1]);
    enum sim_frame type = sim_frame_of(data, len);
    uint32_t weight = weight_of(type);
    uint64_t late_us = 0, copy_us = 0, place = 0;
    n->stats.frames++;
    if ((n->core >> e->owner | n->core >> to) & 1) {
        put(n, e, data, len, 0, SIM_HTML_SENT);
        return;
    }
    if (n->schedule) sim_schedule_frame(n->schedule, n->events->now_us, e->owner, to, data, len);
    if (fate(n, SIM_VERB_DROP, hit(n, o->lose), &late_us)) {
        n->stats.lost++;
        sim_net_link(n, e->owner, to)->lost_us = n->events->now_us;
        put(n, e, data, len, 0, SIM_HTML_LOST);
        return;
    }
    bool drawn = hit(n, weight * o->delay);
    if (drawn) late_us = 1 + ms_rand_below(&n->rand, o->delay_us_max);
    if (fate(n, SIM_VERB_DELAY, drawn, &late_us)) n->stats.delayed++;
    put(n, e, data, len, late_us, late_us ? SIM_HTML_DELAYED : SIM_HTML_SENT);
    if (!repeats) return;
    drawn = hit(n, weight * o->duplicate);
    if (drawn) copy_us = late_us + 1 + ms_rand_below(&n->rand, o->delay_us_max);
    if (fate(n, SIM_VERB_DUPLICATE, drawn, &copy_us)) {
        n->stats.duplicated++;
        put(n, e, data, len, copy_us, SIM_HTML_DUPLICATE);
    }
    drawn = hit(n, weight * o->replay);
    if (drawn)
        place = remembered(n, e->owner, to, kind_of(data), ms_rand_below(&n->rand, SIM_REPLAY_FRAMES));
    if (fate(n, SIM_VERB_REPLAY, drawn, &place)) replay_one(n, e, to, kind_of(data), place);
    if (o->replay) remember(n, e->owner, to, type, data, len);
}

static void partial_add(struct sim_end *e, const uint8_t *data, size_t len)
{
    if (e->partial_len + len > e->partial_cap) {
        e->partial_cap = 2 * (e->partial_len + len);
        e->partial = realloc(e->partial, e->partial_cap);
        MS_ASSERT(e->partial != NULL);
    }
    memcpy(e->partial + e->partial_len, data, len);
    e->partial_len += len;
}

static size_t frame_bytes(const uint8_t *header)
{
    return FRAME_HEADER_BYTES + (size_t)bytes_load_u32(header);
}

/* Whole frames at data; returns how many bytes were used up. */
static size_t frames_put(struct sim_net *n, struct sim_end *e, const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (len - at >= FRAME_HEADER_BYTES && len - at >= frame_bytes(data + at)) {
        size_t whole = frame_bytes(data + at);
        frame_put(n, e, data + at, whole);
        at += whole;
    }
    return at;
}

static void frames_add(struct sim_net *n, struct sim_end *e, const uint8_t *data, size_t len)
{
    if (e->partial_len == 0) {
        size_t used = frames_put(n, e, data, len);
        if (used < len) partial_add(e, data + used, len - used);
        return;
    }
    partial_add(e, data, len);
    size_t used = frames_put(n, e, e->partial, e->partial_len);
    e->partial_len -= used;
    memmove(e->partial, e->partial + used, e->partial_len);
}

/* The upgrade passes as it is. Behind its blank line come frames, unless it was refused. Returns the
 * bytes that belong to it. */
static size_t hello_pass(struct sim_end *e, const uint8_t *data, size_t len)
{
    static const char blank[] = "\r\n\r\n", accepted[] = "HTTP/1.1 101";
    size_t at = 0;
    while (at < len && e->hello_matched < 4) {
        char ch = (char)data[at++];
        if (e->hello_len < sizeof e->hello) e->hello[e->hello_len++] = ch;
        if (ch == blank[e->hello_matched])
            e->hello_matched++;
        else
            e->hello_matched = ch == '\r';
    }
    if (e->hello_matched < 4) return at;
    bool answer = e->number & 1;
    bool refused = answer && memcmp(e->hello, accepted, sizeof e->hello) != 0;
    e->stream = refused ? SIM_STREAM_RAW : SIM_STREAM_FRAMES;
    return at;
}

void sim_frames_send(struct sim_net *n, struct sim_end *e, const uint8_t *data, size_t len)
{
    if (e->stream == SIM_STREAM_HELLO) {
        size_t used = hello_pass(e, data, len);
        sim_net_put(n, e, data, used, false, 0);
        data += used;
        len -= used;
    }
    if (len == 0) return;
    if (e->stream == SIM_STREAM_RAW)
        sim_net_put(n, e, data, len, false, 0);
    else
        frames_add(n, e, data, len);
}

void sim_frames_flush(struct sim_net *n, struct sim_end *e)
{
    if (e->partial_len > 0 && !e->cut) sim_net_put(n, e, e->partial, e->partial_len, true, 0);
    e->partial_len = 0;
}

void sim_frames_fini(struct sim_net *n)
{
    for (uint32_t i = 0; i < SIM_MEMBERS_MAX * SIM_MEMBERS_MAX * SIM_REPLAY_FRAMES; i++) {
        free((&n->replay[0][0][0])[i].data);
    }
}
