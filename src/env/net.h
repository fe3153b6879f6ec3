/* net.h: byte streams, as the core sees them. src/rt and sim implement it.
 *
 * A connection is named by a number that the host never uses again. What happens on it reaches the
 * member as inputs (member.h: member_on_accept, _dialed, _bytes, _writable, _ended, _closed); none of these is
 * called from inside a call below.
 *
 *   N1  bytes sent arrive in order, exactly once, cut into pieces anywhere, or the connection closes
 *   N2  a connection closes once: after net_close() by us no input for it comes any more; otherwise
 *       member_on_closed() comes exactly once. Where the other side has only said that it sends no more,
 *       member_on_ended() may come instead, once: then it is for us to close
 *   N3  send() copies; it never blocks and never fails. queued() tells how much is not yet written */
#ifndef ENV_NET_H
#define ENV_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net {
    const struct net_ops *ops;
};

struct net_ops {
    /* Begin to connect to host:port (host: a name or an address, IPv6 without brackets). Returns the
     * connection's number; member_on_dialed() tells how it ended. */
    uint64_t (*dial)(struct net *n, const char *host, uint16_t port);
    /* Queue bytes for sending, copied before this returns. */
    void (*send)(struct net *n, uint64_t conn, const void *data, size_t len);
    /* Bytes queued and not yet handed to the other side; member_on_writable() comes when it has fallen
     * to zero after having been above. */
    size_t (*queued)(struct net *n, uint64_t conn);
    /* Close: at once (flush false), or after what is queued was written (bounded in time by the
     * host). */
    void (*close)(struct net *n, uint64_t conn, bool flush);
    /* Back-pressure: stop or go on delivering member_on_bytes() for it. */
    void (*pause)(struct net *n, uint64_t conn, bool paused);
};

#endif
