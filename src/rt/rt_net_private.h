/* rt_net_private.h: one connection, shared by the rt_net_*.c files. */
#ifndef RT_RT_NET_PRIVATE_H
#define RT_RT_NET_PRIVATE_H

#include "rt/rt_net.h"

enum rt_conn_state {
    RT_CONN_DIALING = 1, /* until events.dialed */
    RT_CONN_OPEN,
    RT_CONN_LINGER, /* closed by the core: what is queued goes out, what comes in is dropped */
    RT_CONN_CLOSING /* libuv is closing it */
};

/* A dial under way: the addresses of the host, tried in order. */
struct rt_dial {
    uv_connect_t request;
    struct rt_addrs addrs;
    uint32_t at;
    uint64_t next_ms; /* of the loop's clock: when the next one's turn is, if it is in attempts */
};

/* Bytes handed to libuv because the socket would not take them. */
struct rt_write {
    uv_write_t request;
    uint8_t *data;
};

struct rt_conn {
    uv_tcp_t tcp;
    struct rt_net *net;
    uint64_t number;
    struct rt_link dirty, linger, attempt; /* next NULL: not in the list */
    uint64_t linger_until_ms;              /* of the loop's clock */
    uint64_t unanswered_since_ms; /* likewise; 0: what was sent is acknowledged, as far as is known */
    uint8_t *out;                 /* waits for the flush */
    size_t out_len, out_cap;
    struct rt_write *writing; /* NULL: nothing is with libuv */
    struct rt_dial *dial;     /* DIALING */
    int failed;               /* an error to be reported by the flush */
    uint8_t state;
    bool paused, was_queued, shut, peer_ended, accepted;
};

#define RT_CONN_OF(link, member) ((struct rt_conn *)((char *)(link)-offsetof(struct rt_conn, member)))

static inline void rt_link_push(struct rt_link *head, struct rt_link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline void rt_link_remove(struct rt_link *l)
{
    if (!l->next) return;
    l->prev->next = l->next;
    l->next->prev = l->prev;
    *l = (struct rt_link){ 0 };
}

/* rt_net.c */
struct rt_conn *rt_conn_create(struct rt_net *n);                /* NULL: no memory */
struct rt_conn *rt_conn_find(struct rt_net *n, uint64_t number); /* NULL: gone, or going */
void rt_conn_mark_dirty(struct rt_conn *c);
void rt_conn_fail(struct rt_conn *c, int status);       /* reported by the flush */
void rt_conn_close(struct rt_conn *c);                  /* now, silently */
void rt_conn_on_closed(uv_handle_t *handle);            /* what libuv calls last: frees it */
void rt_conn_report_end(struct rt_conn *c, int status); /* dialed or closed, then close */

/* rt_net_io.c */
size_t rt_conn_queued(const struct rt_conn *c);
void rt_conn_queue(struct rt_conn *c, const void *data, size_t len);
void rt_conn_write(struct rt_conn *c);
void rt_conn_read(struct rt_conn *c); /* start reading */
void rt_conn_linger(struct rt_conn *c);
void rt_conn_linger_arm(struct rt_net *n);

/* rt_net_unanswered.c */
void rt_conn_notice_dead(struct rt_conn *c); /* from here on */

/* rt_net_dial.c */
void rt_conn_dial(struct rt_conn *c, const char *host, uint16_t port);
void rt_conn_dial_next(struct rt_conn *c);
void rt_conn_on_resolved(void *ctx, uint64_t number, int status, const struct rt_addrs *addrs);

/* rt_net_listen.c */
void rt_net_accept_pending(struct rt_net *n); /* those that memory was refused for */

#endif
