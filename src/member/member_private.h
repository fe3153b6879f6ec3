/* member_private.h: the inside of a member. One concern a file:
 *   member.c         life, dispatch of inputs, the turn, shutdown
 *   member_table.c   connections by number       member_links.c   dialed connections: what we send on
 *   member_accept.c  accepted peers: what we hear member_client.c  clients: requests and answers
 *   member_stream.c  connections dialed for snapshots
 *   member_slots.c   tokens of requests          member_status.c  GET /status
 *   member_answer.c  what the node says, as HTTP      member_headers.c  headers that go with it
 *   member_watch.c   watches as server-sent events    member_range.c   ranges and transactions as JSON
 *   member_health.c  GET /health, /livez, /readyz      member_metrics.c  GET /metrics
 *   member_measure.c what is counted for it
 *   member_lease.c   leases
 *   member_condition.c  writes with If-Match and If-None-Match
 *
 * Two connections join a pair of members, each used in one direction: a member sends frames only on the
 * connection it dialed, and hears frames only on those it accepted. So no tie has to be broken when
 * both dial at once, and each side judges the other's hello. A third one carries a snapshot while there
 * is one to be sent.
 *
 * Invariants:
 *   M4  a connection of ours stands in the table exactly while the host may report something about it
 *   M5  callbacks of the node only note things down (buffers, lists, flags); connections are opened and
 *       closed, and the node is called, outside of them
 *   M6  the token of an answer names a slot and a generation; a generation is used for one request, so
 *       an answer that finds another one in its slot is for a connection that has gone */
#ifndef MEMBER_MEMBER_PRIVATE_H
#define MEMBER_MEMBER_PRIVATE_H

#include <stddef.h>

#include "base/list.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "env/rand.h"
#include "format/json_write.h"
#include "format/metrics_write.h"
#include "http/http_members.h"
#include "http/http_query.h"
#include "http/http_text.h"
#include "http/http_watch.h"
#include "member/frame.h"
#include "member/member.h"

#define MEMBER_MAGIC 0x4d534d42u
#define MEMBER_WHY_BYTES 256u
#define MEMBER_LINE_BYTES 1024u              /* a line to a client; holds all ids of a cluster */
#define MEMBER_SCRATCH_KEPT_BYTES (1u << 20) /* a larger scratch buffer is given back after its use */
#define MEMBER_ROUNDS_PER_TURN_MAX 8u        /* what is left then comes with the next turn, at once */
#define MEMBER_COMPLAIN_MS 60000u            /* the same complaint about a peer is logged this often */
#define MEMBER_RAND_REDIAL 0x72656469616cu   /* purpose of the generator: jitter of dialing */

#define PEER_UPGRADE "metastore-peer" /* as http_hello.c has it */

#define LINKS_MAX (MS_MEMBERS_MAX + 1u)
#define LINK_HELLO_BYTES_MAX (16u << 10) /* an answer to our hello */
#define LINK_OUT_BYTES_MAX (256u << 10)  /* frames of a turn that leave in one send */
#define LINK_COPY_BYTES_MAX (64u << 10)  /* longer bodies go straight to the net */
#define LINK_SETTLED_MS 2000u            /* up for so long: back-off and quick redial start anew */
#define LINK_WHY_BYTES 200u              /* of a refusal, for /status */
#define LINK_STALL_MS 5000u              /* a queue from which nothing leaves for so long is dead */

#define STREAMS_MAX (2u * NODE_SENDS_MAX)   /* those under way, and those that end with this turn */
#define STREAM_QUEUE_BYTES_MAX (256u << 10) /* above it a stream takes no more chunks */

#define PEER_INPUT_KEPT_BYTES (256u << 10) /* a larger input buffer is given back once it is empty */
/* Shutting down: a request that a client sends before it can know is answered with 503 for so long. */
#define MEMBER_GRACE_MS 100u
/* What waits at all connections of watches: above it none takes more events. The JSON of one event. */
#define WATCHES_BYTES_MAX (64u << 20)
#define WATCH_TEXT_BYTES_MAX (4u * (MS_VALUE_BYTES_MAX + MS_KEY_BYTES_MAX) + 4096u)
/* GET /readyz: with more entries to apply than these it has not caught up. */
#define MEMBER_READY_LAG_MAX 1000u
/* In client_idle_ms_max a client has to send or take so much, or to finish. */
#define CLIENT_PROGRESS_BYTES (16u << 10)
/* A connection that holds no more is never cut for what all of them hold. */
#define CLIENT_SMALL_BYTES (16u << 10)
/* Of one connection, before others have their turn. */
#define CLIENT_REQUESTS_PER_ROUND_MAX 16u
#define CLIENT_PAUSE_BYTES (256u << 10) /* answers waiting: above it nothing more is read */

/* Timers of one length each: a list that is in order of time by itself. */
struct member_timer {
    struct ms_list node;
    uint64_t at_ms;
};

/* --- connections --- */
enum conn_kind { CONN_LINK = 1, CONN_PEER, CONN_CLIENT };

/* First member of everything that has a connection. */
struct conn {
    uint64_t number;
    enum conn_kind kind;
};

/* Open addressing over the numbers the host gives; never iterated. */
struct conn_table {
    const struct ms_alloc *alloc;
    struct conn **slots; /* capacity is a power of two; NULL: free */
    uint32_t capacity, count;
};

void conn_table_init(struct conn_table *t, const struct ms_alloc *alloc);
void conn_table_fini(struct conn_table *t);
int conn_table_add(struct conn_table *t, struct conn *c);                  /* MS_ENOMEM */
struct conn *conn_table_find(const struct conn_table *t, uint64_t number); /* or NULL */
void conn_table_remove(struct conn_table *t, uint64_t number);             /* which is in it */

/* --- dialed: member_links.c --- */
enum link_state {
    LINK_IDLE = 1, /* until at_ms */
    LINK_DIALING,  /* at_ms: given up then; also in HELLO */
    LINK_HELLO,    /* our hello is sent, the answer is awaited */
    LINK_UP        /* at_ms: since */
};

struct link {
    struct conn conn; /* number is meaningful in all states but IDLE */
    uint64_t peer_id;
    char url[MS_URL_BYTES_MAX + 1];
    char host[MS_URL_BYTES_MAX + 1];
    uint16_t port;
    enum link_state state;
    uint64_t at_ms;
    uint64_t backoff_ms; /* what the next failure costs, before jitter */
    bool redialed;       /* since it was settled last, a closing has been answered by dialing at once */
    bool listed;         /* scratch of links_sync() */
    bool is_stream;      /* for a snapshot: member_stream.c */
    bool unwanted;       /* a stream: closed at the end of the turn, and nothing is heard of it */
    uint64_t complain_ms;         /* the next complaint not before; 0: none yet */
    uint64_t complain_refused_ms; /* the same of refusals */
    char why[LINK_WHY_BYTES];     /* the last refusal, until it is up again; empty: none */
    uint64_t sent_bytes;          /* on this connection */
    uint64_t stall_ms;            /* queue is looked at then; MS_TIME_NEVER: it was empty */
    uint64_t stall_drained;       /* bytes that had left when stall_ms was set */
    struct buf in;                /* of the handshake */
    struct buf out;               /* frames of this turn */
};

/* --- accepted peers: member_accept.c --- */
struct peer {
    struct conn conn;
    struct peer *prev, *next; /* all of them */
    struct http_conn *http;   /* until the hello was judged; then NULL */
    uint64_t peer_id;         /* judged; 0: not yet */
    bool is_stream;           /* it brings a snapshot and nothing else */
    struct member_timer timer; /* of the handshake */
    struct buf in;             /* an unfinished frame */
};

/* --- clients: member_client.c, member_slots.c --- */

/* Requests as they are counted. */
enum measure_class {
    MEASURE_MALFORMED, /* refused before it was a request */
    MEASURE_REFUSED,   /* by its path, method or parameters */
    MEASURE_GET,
    MEASURE_PUT,
    MEASURE_DELETE,
    MEASURE_RANGE,
    MEASURE_TXN,
    MEASURE_LEASES,
    MEASURE_COMPACT,
    MEASURE_MEMBERS,
    MEASURE_LEADER,
    MEASURE_SETTINGS,
    MEASURE_SNAPSHOT,
    MEASURE_WATCH,
    MEASURE_PAGE, /* what this member tells about itself */
    MEASURE_OTHER,
    MEASURE_CLASSES
};
#define MEASURE_STATUSES 32u /* distinct ones that are answered; the last one takes what is beyond */

/* What a request is to the node: it decides what its end means to the client (member_answer.c). */
enum client_request {
    CLIENT_NONE, /* of the node's requests */
    CLIENT_READ,
    CLIENT_WRITE,
    CLIENT_CHANGE,   /* of the members */
    CLIENT_SETTING,  /* of the cluster */
    CLIENT_TRANSFER, /* of the leadership */
    CLIENT_PROBE,    /* a read for GET /health and /readyz */
    CLIENT_BACKUP,   /* whose answer is a stream */
    CLIENT_WATCH,    /* likewise, without end */
    CLIENT_RANGE,    /* whose answer is a stream, if it is long */
    CLIENT_TXN,
    CLIENT_RANGE_DELETE,
    CLIENT_COMPACT,
    CLIENT_LEASE_GRANT, /* and what follows is about leases */
    CLIENT_LEASE_KEEP_ALIVE,
    CLIENT_LEASE_REVOKE,
    CLIENT_LEASE_GET,
    CLIENT_LEASES_GET
};

/* A write with conditions: which outcome of its compares means that they held. */
enum client_condition {
    CLIENT_CONDITION_NONE,
    CLIENT_CONDITION_PLAIN,   /* succeeded */
    CLIENT_CONDITION_INVERTED /* not succeeded (member_condition.c) */
};

/* The JSON of the event that is being told (member_watch.c). */
struct watch_text {
    uint64_t revision;
    uint32_t sub;
    struct buf text;
};

struct client_stream; /* member_watch.c */
struct client_found;  /* member_range.c */

struct client {
    struct conn conn;
    struct member *member;
    enum http_route_kind probe; /* CLIENT_PROBE: which page asks, and whether for each check */
    bool verbose;
    uint64_t asked_us;        /* when the request that is out came */
    enum measure_class class; /* of that request; MEASURE_MALFORMED: none is out */
    uint32_t slot;
    uint32_t generation; /* of the request that is under way */
    struct http_conn *http;
    bool busy;      /* a request is with the node: this one */
    uint64_t token; /* its token */
    enum client_request request;
    enum client_condition condition; /* of this one */
    uint64_t revision;           /* the store's, to be told with the answer to this one; 0: not known */
    uint64_t compacted_revision; /* likewise, if it has been compacted */
    bool streaming;              /* a backup, what is in found, watches: the answer has begun */
    struct client_stream *watch; /* watches; else NULL */
    struct client_found *found;  /* a range, or a transaction that found much; else NULL */
    bool wants_chunk;            /* a backup, what is in found: the next one is asked for when there is room */
    bool broken;                 /* one that ended too early: the connection shows it by closing */
    bool refused;                /* likewise before it began: that is answered, and the node is to hear of it */
    bool paused;
    bool stalled; /* its queue is above CLIENT_PAUSE_BYTES */
    bool held;    /* requests wait for the output of this turn to leave */
    uint64_t sent_bytes, stall_drained;
    uint64_t held_bytes;       /* its part of clients_bytes */
    uint32_t heard_bytes;      /* since its timer was set */
    bool ended;                /* it sends no more: closed when it has all answers */
    bool moved;                /* a request has come out since then */
    struct member_timer timer; /* in the middle of a request, or stalled */
    struct ms_list ready;      /* answered, or fed: go on reading requests */
    struct ms_list dirty;      /* has output to send */
};

/* It has changed nothing, whatever becomes of it. */
static inline bool client_only_reads(const struct client *c)
{
    return c->request == CLIENT_READ || c->request == CLIENT_BACKUP || c->request == CLIENT_RANGE ||
           c->request == CLIENT_PROBE || c->request == CLIENT_LEASE_GET || c->request == CLIENT_LEASES_GET;
}

struct client_slot {
    struct client *client; /* NULL: free */
    uint32_t generation;   /* 31 bits; grows with each request */
    uint32_t next_free;
};

struct client_slots {
    struct client_slot *items;
    uint32_t capacity, max, count;
    uint32_t first_free; /* SLOT_NONE: none */
};
#define SLOT_NONE UINT32_MAX

int slots_add(struct client_slots *s, const struct ms_alloc *alloc,
              struct client *c); /* EBUSY, ENOMEM */
void slots_remove(struct client_slots *s, struct client *c);
uint64_t slots_begin(struct client_slots *s, struct client *c); /* a token for its next request */
struct client *slots_find(const struct client_slots *s, uint64_t token); /* or NULL: it has gone (M6) */

/* --- the whole --- */
enum member_phase { MEMBER_RUNNING = 1, MEMBER_DRAINING, MEMBER_STOPPED };

struct measure_requests {
    uint64_t by_status[MEASURE_STATUSES];
    struct histogram took; /* MALFORMED: empty */
};

struct measure {
    struct measure_requests requests[MEASURE_CLASSES];
    int statuses[MEASURE_STATUSES]; /* 0: free */
    uint32_t in_flight;
    uint64_t received_bytes, sent_bytes;    /* of clients */
    uint64_t clients_accepted, clients_cut; /* cut: did not read its answers, or stopped in a request */
    uint64_t peer_received_bytes, peer_sent_bytes;
};

struct member_counters {
    uint64_t hellos_refused; /* accepted connections that were no peer of ours */
    uint64_t frames_corrupt;
    uint64_t frames_dropped;  /* not sent: no link, or its queue was full */
    uint64_t clients_refused; /* over clients_max */
};

struct member {
    uint32_t magic;
    uint64_t now_ms;
    struct member_opts opts;
    struct member_env env;
    struct node *node;
    struct ms_rand rand; /* redialing */
    struct conn_table table;

    struct link *links[LINKS_MAX];
    uint32_t link_count;
    struct link streams[STREAMS_MAX]; /* peer_id 0: free */
    bool peers_changed;               /* links_sync() is due ... */
    uint64_t sync_ms;                 /* ... and not before, after memory was refused */

    struct peer *peers; /* first of all */
    uint32_t peer_count;
    struct ms_list handshakes; /* timers of accepted peers */
    uint64_t refusal_log_ms;

    struct client_slots slots;
    uint64_t clients_bytes;  /* what connections of clients hold */
    struct ms_list idle;     /* timers of clients */
    struct ms_list ready, dirty;
    struct buf key, command;     /* scratch of the request at hand */
    struct buf text;             /* scratch of pages and of refusals */
    struct buf query;            /* scratch of the request at hand: what its query says */
    struct config wanted;        /* scratch of exchanges of members */
    struct http_watches watches; /* scratch of requests for watches */
    struct ms_list watch_beats, watch_waiting;     /* timers; streams that wait for room */
    size_t watch_bytes;                            /* what is queued to clients that watch */
    struct watch_text watch_texts[2];              /* without and with the record before */

    struct member_counters counters;
    struct measure measure;
    enum member_phase phase;
    uint64_t
        grace_ms; /* DRAINING: until then connections stay open although nothing is asked on them */
    uint64_t drain_ms; /* DRAINING: the end of patience */
    bool stop_wanted;
    int stop_status;
    char stop_reason[MEMBER_WHY_BYTES];
};

/* --- member.c --- */
/* Add a timer of length_ms to the end of a list whose timers all have that length, or move it there. */
void member_timer_set(struct ms_list *list, struct member_timer *t, uint64_t at_ms);
uint64_t member_timer_first_ms(const struct ms_list *list); /* or MS_TIME_NEVER */
/* Answer on a connection on which no request is out, then close it. retry_after: say so. */
void member_refuse(struct member *m, uint64_t conn, int status, bool retry_after, const char *line);
/* Give the members of wanted that came without a URL the one they are known by, and an added_index: they are
 * wanted as they are known. MS_ENOTFOUND: *unknown is not known; MS_ECONFLICT: an URL is another's. */
int member_complete(const struct member *m, struct config *wanted, uint64_t *unknown);
void member_hello(const struct member *m, struct http_hello *out, uint64_t to_id);

static inline void member_net_send(struct member *m, uint64_t conn, const void *data, size_t len)
{
    m->env.net->ops->send(m->env.net, conn, data, len);
}

static inline size_t member_net_queued(struct member *m, uint64_t conn)
{
    return m->env.net->ops->queued(m->env.net, conn);
}

static inline void member_net_close(struct member *m, uint64_t conn, bool flush)
{
    m->env.net->ops->close(m->env.net, conn, flush);
}

/* --- member_links.c --- */
void links_sync(struct member *m); /* make them what node_peers() says */
void links_fini(struct member *m); /* frees; closes nothing */
void links_close(struct member *m);
bool links_send(struct member *m, uint64_t to, uint8_t type, struct bytes body);
void links_hint(struct member *m, uint64_t peer_id); /* it is up: dial it without waiting */
void links_flush(struct member *m);
void links_tick(struct member *m);
uint64_t links_deadline_ms(const struct member *m);
const struct link *links_find(const struct member *m, uint64_t peer_id); /* or NULL */
/* Of one link or stream. */
void link_dial(struct member *m, struct link *l);
void link_push(struct member *m, struct link *l); /* hand what is gathered to the net */
bool link_send(struct member *m, struct link *l, uint8_t type, struct bytes body);
void link_flush(struct member *m, struct link *l);
void link_tick(struct member *m, struct link *l); /* not of one that is idle */
uint64_t link_deadline_ms(const struct link *l);
void link_on_dialed(struct member *m, struct link *l, int status);
void link_on_bytes(struct member *m, struct link *l, struct bytes in);
void link_on_closed(struct member *m, struct link *l);

/* --- member_stream.c --- */
void streams_want(struct member *m, uint64_t to, bool wanted);
bool streams_send(struct member *m, uint64_t to, uint8_t type, struct bytes body);
void streams_flush(struct member *m);
void streams_tick(struct member *m);
uint64_t streams_deadline_ms(const struct member *m);
void streams_close(struct member *m);
void streams_fini(struct member *m);
void stream_ended(struct member *m, struct link *l); /* the table knows it no longer */
void stream_on_writable(struct member *m, const struct link *l);

/* --- member_accept.c --- */
void peer_accept(struct member *m, uint64_t conn);
void peer_on_bytes(struct member *m, struct peer *p, struct bytes in);
void peer_on_closed(struct member *m, struct peer *p);
void peers_tick(struct member *m);
void peers_sync(struct member *m); /* after links_sync(): who left has to say hello again */
void peers_close(struct member *m);
void peers_fini(struct member *m);

/* --- member_client.c --- */
void client_accept(struct member *m, uint64_t conn);
void client_on_bytes(struct member *m, struct client *c, struct bytes in);
void client_on_writable(struct member *m, struct client *c);
void client_on_ended(struct member *m, struct client *c);
void client_on_closed(struct member *m, struct client *c);
void clients_answer(struct member *m, const struct node_answer *answer); /* M5 */
void clients_backup(struct member *m, uint64_t token, int status, struct bytes chunk,
                    bool last);        /* M5 */
void clients_resume(struct member *m); /* go on with those whose answers came */
void clients_flush(struct member *m);
void clients_tick(struct member *m);
bool clients_any_busy(const struct member *m);
void clients_close(struct member *m); /* answers what is out, then closes */
void clients_fini(struct member *m);

void client_set_ready(struct member *m, struct client *c); /* it goes on in this turn */
void client_set_dirty(struct member *m, struct client *c); /* it has output, or wants a chunk, if it does */

/* --- member_range.c --- */
int range_begin(struct member *m, struct client *c, const struct http_route *route); /* as node_range() */
void range_free(const struct member *m, struct client *c); /* also if there is none */
uint64_t range_memory(const struct client *c); /* what it holds */
void txn_next(struct member *m, struct client *c); /* more of what a transaction found: there is room */
void clients_range(struct member *m, const struct node_range_piece *p);
void answer_txn(const struct member *m, struct client *c, const struct node_answer *a);
void answer_range_delete(const struct member *m, struct client *c, const struct node_answer *a);
void answer_compact(const struct member *m, struct client *c, const struct node_answer *a);

/* --- member_watch.c --- */
void watches_init(struct member *m);
void watches_fini(struct member *m);
void watch_begin(struct member *m, struct client *c, const struct http_watches *ws);
void watch_free(struct member *m, struct client *c);                     /* also if there is none */
bool watches_tell(struct member *m, const struct node_watch_news *news); /* M5 */
void watch_sent(struct member *m, struct client *c); /* output has left, or room has come */
bool watches_can_resume(const struct member *m);
void watches_resume(struct member *m);
void watches_flushed(struct member *m); /* the end of a turn */
void watches_tick(struct member *m);

/* --- member_condition.c --- */
/* Append the command of a write that is done if the conditions hold. As kv_cmd_encode(). */
int condition_encode(struct buf *out, const struct http_conditions *c, const struct kv_op *write,
                     enum client_condition *condition);
/* Of the answer to one that was not carried out: the key's revision; 0: it is absent, or not told. */
uint64_t condition_found(struct bytes items);

/* --- member_measure.c: what is counted of requests --- */
/* The request of c that has just come. */
void measure_request(struct member *m, struct client *c, enum http_route_kind kind);
void measure_answer(void *client, int status);         /* http_conn_opts.on_answer */
void measure_gone(struct member *m, struct client *c); /* it may have had no answer */
const char *measure_class_name(enum measure_class class);

/* --- member_metrics.c, member_health.c: pages for machines --- */
void metrics_text(struct member *m, struct buf *out);
void version_json(struct member *m, struct buf *out);
/* Answer GET /health, /livez, /readyz; false: a read has to say it, and health_answer() then answers. */
bool health_request(struct member *m, struct client *c, const struct http_route *route);
void health_answer(struct member *m, struct client *c, int read_status);

/* --- member_headers.c: headers of answers about the store --- */
#define HEADERS_MAX 10u
struct headers {
    struct http_header items[HEADERS_MAX];
    char texts[HEADERS_MAX][HTTP_TEXT_U64_BYTES_MAX + 3u];
    uint32_t count;
};
void headers_add(struct headers *h, const char *name, const char *value); /* value: borrowed */
void headers_add_u64(struct headers *h, const char *name, uint64_t value);
void headers_add_etag(struct headers *h, uint64_t revision);
/* Metastore-Revision (if revision is not 0), -Term, -Leader (if there is one that is known). */
void headers_add_store(struct headers *h, const struct member *m, uint64_t revision);

/* --- member_lease.c --- */
int lease_submit(struct member *m, const struct client *c, const struct http_route *route);
void lease_answer(const struct member *m, struct client *c, const struct node_answer *answer);

/* --- member_answer.c: results as HTTP --- */
void answer_line(const struct member *m, struct client *c, int status, const char *line,
                 const struct http_header *headers, uint32_t header_count);
void answer_failure(const struct member *m, struct client *c, int code, const char *text);
/* JSON about the store, which is whole; or that there was no memory for it: of what is done not as a refusal. */
void answer_store_json(const struct member *m, struct client *c, const struct buf *text);
#define MEMBER_JSON_TYPE "application/json"
/* The end of a request: what it found, did, or why not. */
void answer_request(const struct member *m, struct client *c, const struct node_answer *answer);

/* 404, with the ids there are. */
void answer_no_such_member(const struct member *m, struct client *c, const char *what);

/* --- member_status.c: pages for operators --- */
void status_json(struct member *m, struct buf *out);
void members_json(struct member *m, struct buf *out);
void settings_json(struct member *m, struct buf *out);
const char *storage_name(enum node_storage storage);

#endif
