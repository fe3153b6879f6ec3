/* rt_net_unanswered.c: connections whose other side has gone without a word.
 *
 * While nothing is sent the kernel asks after them (keep-alive). What was sent, be it the beat of a watch, has to
 * be acknowledged. TCP_USER_TIMEOUT is not that: it also ends connections whose other side answers, but
 * does not read, and those of watches may stay. So all are looked at in turn, and one ends when for so
 * long each look has found something unanswered and no word since the look before. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/ms_err.h"
#include "rt/rt_net_private.h"

#define KEEPALIVE_SECONDS 60
#define LOOKS 4u     /* at each connection, in unanswered_ms */
#define PORTIONS 16u /* of all connections: many are not looked at in one turn */

/* Whether something that was sent, or a second probe of a closed window, is not acknowledged, and nothing was heard
 * in ms. One probe may get lost, or be answered late as the kernel limits such answers, and the next one
 * comes up to two minutes later. */
static bool is_unanswered(const struct rt_conn *c, uint64_t ms)
{
#ifdef __linux__
    struct tcp_info info = { 0 };
    socklen_t len = sizeof info;
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) != 0) return false;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) return false;
    return (info.tcpi_unacked > 0 || info.tcpi_probes > 1) && info.tcpi_last_ack_recv >= ms;
#else
    (void)c, (void)ms;
    return false;
#endif
}

static void look(struct rt_conn *c, uint64_t now, uint64_t look_ms)
{
    if (!c->accepted || c->state != RT_CONN_OPEN) return;
    if (!is_unanswered(c, look_ms)) {
        c->unanswered_since_ms = 0;
    } else if (c->unanswered_since_ms == 0) {
        c->unanswered_since_ms = now;
    } else if (now - c->unanswered_since_ms >= c->net->unanswered_ms) {
        rt_conn_fail(c, MS_EEND);
    }
}

static void on_look(uv_timer_t *timer)
{
    struct rt_net *n = timer->data;
    uint64_t now = uv_now(n->loop);
    for (uint32_t slot = n->looks_done++ % PORTIONS; slot < n->slot_count; slot += PORTIONS) {
        if (n->slots[slot]) look(n->slots[slot], now, n->unanswered_ms / LOOKS);
    }
}

void rt_conn_notice_dead(struct rt_conn *c)
{
    struct rt_net *n = c->net;
    uint64_t every_ms = n->unanswered_ms / LOOKS / PORTIONS + 1;
    uv_tcp_keepalive(&c->tcp, 1, KEEPALIVE_SECONDS);
    if (!uv_is_active((uv_handle_t *)&n->look_timer))
        uv_timer_start(&n->look_timer, on_look, every_ms, every_ms);
}
