/* sim_net_private.h: the inside of the simulated network.
 *   sim_net.c         connections, delivery, closing
 *   sim_net_frames.c  what happens to frames between members */
#ifndef SIM_SIM_NET_PRIVATE_H
#define SIM_SIM_NET_PRIVATE_H

#include <stdlib.h>

#include "base/ms_assert.h"
#include "member/frame.h"
#include "node/node_msg.h"
#include "sim/sim_html.h"
#include "sim/sim_net.h"
#include "sim/sim_schedule.h"

struct sim_piece {
    struct sim_piece *next;
    uint64_t ready_us;
    uint64_t number; /* of the page's frame; 0: none */
    uint32_t len, at;
    bool frame;
    uint8_t data[];
};

/* What a direction carries: the upgrade, then frames; or anything. */
enum sim_stream { SIM_STREAM_RAW, SIM_STREAM_HELLO, SIM_STREAM_FRAMES };

/* One end of a connection, and the direction that leaves it. */
struct sim_end {
    uint64_t number; /* 0: there is no such end yet */
    uint32_t owner;
    bool open;   /* the owner may use it and is told of what happens */
    bool paused; /* takes no bytes for now */
    bool owes_writable;
    bool waits; /* to be taken over by its owner, who knows nothing of it yet */
    bool cut;   /* takes no more bytes from the owner */
    bool fin;   /* the other end is closed behind the last piece */
    bool scheduled;
    uint64_t schedule; /* number of the newest event for this direction: older ones are stale */
    struct sim_piece *first, *last;
    size_t queued;
    uint64_t ready_us, drain_us;
    enum sim_stream stream;
    uint32_t hello_matched; /* how much of the blank line that ends the upgrade has passed */
    uint32_t hello_len;
    char hello[12];
    uint8_t *partial; /* of a frame that is not whole yet */
    size_t partial_len, partial_cap;
};

struct sim_conn {
    uint32_t slot;
    bool used;
    struct sim_end end[2]; /* who dialed, who accepts */
};

struct sim_net {
    struct sim_net_opts opts;
    struct sim_net_host host;
    struct sim_events *events;
    struct ms_rand rand;
    struct sim_link links[SIM_OWNERS_MAX][SIM_OWNERS_MAX];
    struct sim_frame_odds odds;
    struct sim_schedule *schedule;
    struct sim_html *html;
    uint64_t putting; /* number of the page's frame that is being put; 0: none */
    uint32_t core; /* members from whom and to whom the odds do not hold */
    struct sim_conn **conns;
    uint32_t conn_count, conn_cap, free_count;
    uint32_t *free_slots;
    uint64_t next_number;
    uint8_t *scratch;
    struct {
        uint8_t *data;
        size_t len;
    } replay[SIM_MEMBERS_MAX][SIM_MEMBERS_MAX][SIM_REPLAY_FRAMES];
    struct sim_net_stats stats;
};

struct sim_conn *sim_net_conn(const struct sim_net *n, uint64_t number);
struct sim_end *sim_net_end(const struct sim_net *n, uint64_t number);
struct sim_end *sim_net_other(const struct sim_net *n, const struct sim_end *e);

/* Put a piece into the direction that leaves e. late_us above zero: it may be overtaken. */
void sim_net_put(struct sim_net *n, struct sim_end *e, const uint8_t *data, size_t len, bool frame,
                 uint64_t late_us);

/* --- sim_net_frames.c --- */
void sim_frames_send(struct sim_net *n, struct sim_end *e, const uint8_t *data, size_t len);
void sim_frames_flush(struct sim_net *n, struct sim_end *e); /* what is not a whole frame yet */
void sim_frames_fini(struct sim_net *n);

#endif
