/* fake_node.h: a node that only writes down what it is asked and says what the test wants, so that what
 * a member does around its node can be tested alone. It is linked in the place of src/node. */
#ifndef TESTS_MEMBER_FAKE_NODE_H
#define TESTS_MEMBER_FAKE_NODE_H

#include "node/node.h"

enum fake_kind {
    FAKE_TXN = 1,
    FAKE_READ,
    FAKE_READ_STALE,
    FAKE_CHANGE,
    FAKE_CHANGE_SET,
    FAKE_TRANSFER,
    FAKE_LEASE,
    FAKE_BACKUP,
    FAKE_LEASES,
    FAKE_RANGE,
    FAKE_ASKING,
    FAKE_COMPACT
};

struct fake_request {
    enum fake_kind kind;
    uint64_t token;
    enum entry_change change;
    uint64_t member_id; /* or lease */
    bool on; /* force, or the setting */
    size_t len;
    uint8_t bytes[512]; /* command, key, url, what is asked of leases, or "1 http://a, 2 http://b"; the first of them */
};

/* A watch, until it is cancelled or the test has told its end. */
struct node_watcher {
    bool live;
    void *arg;
    struct node_watch_opts opts;
    char key[32], end[32];
    uint64_t progress;
};
#define FAKE_WATCHES_MAX 64u

struct fake_event {
    char text[64]; /* "link 2 up", "frame 2 1 abc", "removed 3" */
};

#define FAKE_FRAME_OF_STREAM 99u /* the type of a frame that belongs on a stream */
#define FAKE_REQUESTS_MAX 256u
#define FAKE_EVENTS_MAX 512u

struct node {
    struct node_host host;
    struct node_opts opts;
    const struct ms_alloc *alloc;
    struct fake_request requests[FAKE_REQUESTS_MAX];
    uint32_t request_count;
    struct fake_event events[FAKE_EVENTS_MAX];
    uint32_t event_count, flush_count, tick_count;
    struct node_peer peers[MS_MEMBERS_MAX + 1];
    uint32_t peer_count;
    struct node_identity identity;
    struct node_status status;
    struct node_counters counters;
    struct node_identity judged; /* the last one */
    int judge;                   /* what node_judge_peer() says */
    const char *judge_why;
    int refuse; /* what requests return; 0: accepted */
    struct node_watcher watchers[FAKE_WATCHES_MAX];
    uint32_t watcher_count; /* ever */
    uint64_t compacted_revision;
    uint64_t deadline_ms;
    bool shutting_down, quiet;
    /* Called from node_flush(), for answers that come then. */
    void (*on_flush)(struct node *n);
};

/* What node_create() begins with; tests fill it in before. */
extern struct node fake_template;
/* What node_create() returns. */
extern int fake_create_status;

void fake_answer(struct node *n, uint64_t token, int status, const char *value);
bool fake_saw(const struct node *n, const char *event);

#endif
