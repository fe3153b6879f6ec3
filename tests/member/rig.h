/* rig.h: a member on a fake net and a fake node: what it does outwards is written down in memory. */
#ifndef TESTS_MEMBER_RIG_H
#define TESTS_MEMBER_RIG_H

#include "member/member_private.h"
#include "tests/member/fake_node.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

#define RIG_CONNS_MAX 1024u
#define RIG_SENT_BYTES_MAX (64u << 20)

struct rig_conn {
    bool open, dialed, paused, flushed;
    char host[64];
    uint16_t port;
    struct buf sent;
    size_t seen;    /* of sent: rig_said() looks behind it */
    uint32_t sends; /* calls of send() */
    size_t queued;  /* what queued() says */
    bool clogged;   /* what is sent is added to it */
};

struct rig {
    struct net net; /* first: the fake net is found from it */
    struct test_alloc alloc, own;
    struct disk disk;
    struct member *m;
    struct member_opts opts;
    uint64_t now;
    struct rig_conn conns[RIG_CONNS_MAX];
    uint64_t conn_count; /* numbers 1 to conn_count */
    bool stopped;
    int stop_status;
    char stop_reason[256];
    uint32_t local_answers;
    uint64_t local_token;
    uint32_t tapped_out, tapped_in;
    char log[LOG_LINE_BYTES_MAX]; /* the last line */
    uint32_t log_lines;
    struct log_sink sink;
};

/* Peers 2 and up, as many as asked for, at http://127.0.0.1:9000 + id. */
void rig_template(uint32_t peers);
int rig_create(struct rig *r); /* from r->opts, which rig_init() has set */
void rig_init(struct rig *r);
void rig_start(struct rig *r, uint32_t peers); /* all of it, and the first turn */
void rig_end(struct rig *r);                   /* checks that nothing is left over */

struct node *rig_node(struct rig *r);
void rig_turn(struct rig *r);
void rig_advance(struct rig *r, uint64_t ms); /* with ticks when they are due */
uint64_t rig_accept(struct rig *r, enum member_listener listener);
void rig_bytes(struct rig *r, uint64_t conn, const void *data, size_t len);
void rig_text(struct rig *r, uint64_t conn, const char *text);
void rig_closed(struct rig *r, uint64_t conn);
struct rig_conn *rig_conn(struct rig *r, uint64_t conn);
/* What was sent on conn since the last call, with a NUL behind it. */
const char *rig_said(struct rig *r, uint64_t conn);
/* A request of a client: line is method and target; headers end with \r\n, or there are none; body: NULL if there is
 * none. What the node was asked for before is forgotten. */
void rig_request(struct rig *r, uint64_t conn, const char *line, const char *headers, const char *body);
/* Whether what rig_said() gives begins with the status and has the text somewhere; if not, it is printed. */
bool rig_says(struct rig *r, uint64_t conn, int status, const char *text);
/* What the node was asked for last. */
const struct fake_request *rig_newest(struct rig *r);
/* The newest dialed connection to the peer; 0: none. */
uint64_t rig_dial_of(struct rig *r, uint64_t peer);
/* The answer to our hello on a dialed connection, from member `from`. */
void rig_answer_hello(struct rig *r, uint64_t conn, uint64_t from);
/* The other answer: member `to` was removed from the cluster whose uuid begins with this byte. */
void rig_answer_removed(struct rig *r, uint64_t conn, uint64_t from, uint64_t to, uint8_t cluster);
void rig_link_up(struct rig *r, uint64_t peer);
/* An accepted connection that has said hello. */
uint64_t rig_peer(struct rig *r, uint64_t id);
void rig_hello(struct buf *out, uint64_t from, uint64_t to);
/* The same for the stream of a snapshot. */
void rig_answer_stream(struct rig *r, uint64_t conn, uint64_t from);
uint64_t rig_peer_stream(struct rig *r, uint64_t id);

#endif
