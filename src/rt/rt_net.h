/* rt_net.h: env/net.h over libuv's TCP.
 *
 * A connection's number is (serial << RT_CONN_SLOT_BITS | slot): looked up by slot, never used again
 * because of the serial. What is sent gathers in the connection and leaves in rt_net_flush(), once a
 * turn, in as few system calls as there are connections that have something to say.
 *
 *   RN1  events come from libuv's callbacks and from rt_net_flush(), never from inside a call of the
 * core RN2  a connection that nobody talks on costs its handle and no buffer; all share one read buffer
 *   RN3  every connection that the core has closed goes away within linger_ms
 *
 * Owns connections and listeners. Everything on the loop thread. */
#ifndef RT_RT_NET_H
#define RT_RT_NET_H

#include <uv.h>

#include "base/bytes.h"
#include "env/net.h"
#include "rt/rt_resolve.h"

#define RT_CONN_SLOT_BITS 20
#define RT_READ_BUFFER_BYTES (64u << 10)
#define RT_LINGER_MS 2000u /* the default of linger_ms */
#define RT_ATTEMPT_MS 500u /* the default of attempt_ms: less than a core waits for all of a dial */
#define RT_UNANSWERED_MS 60000u /* the default of unanswered_ms: who acknowledges nothing is gone */
#define RT_LISTENERS_MAX 24u
#define RT_BACKLOG 1024
#define RT_DIALS_REFUSED_MAX 256u

struct rt_net_events {
    void *ctx;
    void (*accepted)(void *ctx, uint64_t conn, int tag);
    void (*dialed)(void *ctx, uint64_t conn, int status);
    void (*bytes)(void *ctx, uint64_t conn, struct bytes in);
    void (*writable)(void *ctx, uint64_t conn);
    void (*ended)(void *ctx, uint64_t conn); /* NULL: as closed. Of accepted ones, net.h N2 */
    void (*closed)(void *ctx, uint64_t conn);
};

struct rt_link { /* of a doubly linked list with a head of the same type */
    struct rt_link *prev, *next;
};

struct rt_conn;
struct rt_listener;

struct rt_net {
    struct net face; /* what the core borrows */
    uv_loop_t *loop;
    struct rt_net_events events;
    struct rt_resolver resolver;
    struct rt_conn **slots;
    uint32_t *free_slots; /* a stack */
    uint32_t slot_count, slot_cap, free_count;
    uint32_t conn_count, conns_max;
    uint32_t kept; /* the last places of those: only who comes to listeners of kept_tag gets them (0) */
    int kept_tag;
    uint64_t serial;
    uint64_t refused[RT_DIALS_REFUSED_MAX]; /* dials there was no memory for: reported by the flush */
    uint32_t refused_count;
    struct rt_link dirty;  /* have bytes to write or an event to report */
    struct rt_link linger; /* closed by the core, still flushing; oldest first */
    uv_timer_t linger_timer;
    uint32_t linger_ms;      /* set before the first connection */
    struct rt_link attempts; /* dials whose host has further addresses; oldest first */
    uv_timer_t attempt_timer;
    uint32_t attempt_ms; /* of each address but the last; set likewise */
    uv_timer_t look_timer;
    uint32_t looks_done, unanswered_ms; /* likewise */
    struct rt_listener *listeners[RT_LISTENERS_MAX];
    uint32_t listener_count;
    bool stopping;
    char *read_buffer;
};

/* conns_max: above it what comes in is closed at once. MS_ENOMEM. */
int rt_net_init(struct rt_net *n, uv_loop_t *loop, const struct rt_net_events *events,
                uint32_t conns_max);
/* Bind and listen now; connections are reported with tag once the loop runs. MS_EADDR; MS_ENOTFOUND:
 * the address is none of this machine; MS_ENOMEM. why (at least 256 bytes) says what and where. */
int rt_net_listen(struct rt_net *n, const union rt_addr *addr, int tag, char *why, size_t why_cap);
/* Close the listeners of a tag; 0: all. */
void rt_net_unlisten(struct rt_net *n, int tag);
/* End of a turn: write what has gathered, report what could not be reported from inside a call. */
void rt_net_flush(struct rt_net *n);
/* Bytes that are still to be written, over all connections. */
size_t rt_net_unwritten(const struct rt_net *n);
/* Whether a connection that was closed with flush waits for its other side to close, too. */
bool rt_net_lingers(const struct rt_net *n);
/* Close everything; no events from here on. The loop has to run until its handles are gone, then
 * rt_net_fini(). */
void rt_net_stop(struct rt_net *n);
void rt_net_fini(struct rt_net *n);

#endif
