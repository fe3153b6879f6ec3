/* sim_net.h: byte streams between members and clients, which keep the promises of env/net.h and break
 * everything they may: latency, pieces cut anywhere, coalescing, resets in the middle of a frame,
 * directions that stand still (partitions, clogs), slow drains.
 *
 * Between members, behind the upgrade, the network sees frames (member/frame.h) and can treat them as
 * datagrams: lose, delay, reorder, duplicate them, or bring back one of an earlier connection. Raft and
 * forwarded proposals have to stand all of that; what relies on a stream that repeats nothing (the
 * gate) is only lost and delayed.
 *
 *   V1  pieces of one direction are delivered in order of (ready time, order of sending)
 *   V2  a piece of which a part was delivered stays first
 *   V3  an end gets at most one closed, and nothing after it or after it closed itself
 *
 * Everybody who has connections is an owner: members are 0 .. SIM_MEMBERS_MAX - 1, clients follow. */
#ifndef SIM_SIM_NET_H
#define SIM_SIM_NET_H

#include "env/net.h"
#include "env/rand.h"
#include "member/member.h"
#include "sim/sim_events.h"

#define SIM_MEMBERS_MAX 12u
#define SIM_CLIENTS_MAX 32u
#define SIM_OWNERS_MAX (SIM_MEMBERS_MAX + SIM_CLIENTS_MAX)

/* One direction between two owners. */
struct sim_link {
    uint32_t latency_us, jitter_us;
    uint32_t bytes_per_ms; /* 0: any number */
    uint16_t blocked;      /* how many faults hold it: nothing arrives while above zero */
    uint64_t lost_us;      /* when a frame was lost on it last; 0: never */
};

/* How frames between members fare, in millionths of all frames. */
struct sim_frame_odds {
    uint32_t lose, delay, duplicate, replay;
    uint32_t delay_us_max;
};

struct sim_net_opts {
    uint64_t seed;
    uint32_t cut_odds;          /* in 256ths of deliveries: only a part arrives, the rest later */
    uint32_t socket_bytes;      /* so much is taken off a sender's queue at once */
    uint32_t deliver_bytes_max; /* in one delivery */
};

/* What the ends learn; every call is for owner's end number. peer: who is at the other one. */
struct sim_net_host {
    void *ctx;
    bool (*listens)(void *ctx, uint32_t owner);
    void (*accepted)(void *ctx, uint32_t owner, uint64_t number, uint32_t peer);
    void (*dialed)(void *ctx, uint32_t owner, uint64_t number, int status);
    void (*bytes)(void *ctx, uint32_t owner, uint64_t number, struct bytes in);
    void (*writable)(void *ctx, uint32_t owner, uint64_t number);
    void (*closed)(void *ctx, uint32_t owner, uint64_t number);
};

struct sim_net_stats {
    uint64_t frames, lost, delayed, duplicated, replayed, resets, cut_frames, deliveries, bytes;
    uint64_t replayed_forwards; /* of the replayed: proposals */
};

struct sim_net; /* opaque */

struct sim_net *sim_net_create(const struct sim_net_opts *opts, const struct sim_net_host *host,
                               struct sim_events *events);
void sim_net_destroy(struct sim_net *n);

struct sim_link *sim_net_link(struct sim_net *n, uint32_t from, uint32_t to);
/* Hold (by 1) or let go (by -1) a direction; what waited flows again. */
void sim_net_block(struct sim_net *n, uint32_t from, uint32_t to, int by);
/* How fast the links of an owner drain, both ways; 0: at once. */
void sim_net_set_drain(struct sim_net *n, uint32_t owner, uint32_t bytes_per_ms);
void sim_net_set_odds(struct sim_net *n, const struct sim_frame_odds *odds);
/* What becomes of frames is noted there, or stands there (sim_schedule.h); NULL: neither. */
struct sim_schedule;
void sim_net_set_schedule(struct sim_net *n, struct sim_schedule *schedule);
/* Who keeps what becomes of frames; NULL: nobody. */
struct sim_html;
void sim_net_set_html(struct sim_net *n, struct sim_html *html);
/* From now on frames from and to these members (bits) fare well, whatever the odds: a network that loses
 * frames for ever and says nothing is none (TCP sends again). */
void sim_net_set_core(struct sim_net *n, uint32_t members);

/* The calls of env/net.h. */
uint64_t sim_net_dial(struct sim_net *n, uint32_t owner, uint32_t to);
/* The number of the other end; 0: there is no such connection any more. */
uint64_t sim_net_peer(const struct sim_net *n, uint64_t number);
void sim_net_send(struct sim_net *n, uint64_t number, const void *data, size_t len);
size_t sim_net_queued(const struct sim_net *n, uint64_t number);
void sim_net_close(struct sim_net *n, uint64_t number, bool flush);
void sim_net_pause(struct sim_net *n, uint64_t number, bool paused);

struct sim_net_pick {
    uint32_t from, to, nth;
};

/* Cut one connection, drawn among those that are open on both sides, wherever its bytes are. False:
 * there is none. */
bool sim_net_reset_one(struct sim_net *n, struct sim_net_pick *out);
/* Cut the nth connection that `from` has opened to `to`; if there are fewer, the last one. */
bool sim_net_reset(struct sim_net *n, const struct sim_net_pick *pick);
/* An owner is gone, with all its connections. silent: the others learn it late (a host that lost power
 * sends no FIN); otherwise as soon as the news can travel. */
void sim_net_drop_owner(struct sim_net *n, uint32_t owner, bool silent);
uint32_t sim_net_open_ends(const struct sim_net *n, uint32_t owner);

/* Handle an event of a NET kind. Returns a hash of what was delivered. */
uint64_t sim_net_event(struct sim_net *n, const struct sim_event *ev);
const struct sim_net_stats *sim_net_stats(const struct sim_net *n);

#endif
