/* node_compact.c: compaction by hand (node_compact() in node.h).
 *
 * Whether the revision can be compacted is asked of a state that is no older than the request: it waits for a
 * read index, as a read does. A compaction is applied as a whole, and what is behind it waits: so a long one goes
 * in steps, one entry after the other. */
#include "node/node_private.h"

#define STEP_REVISIONS 1024u

static void answer(struct node *n, uint64_t token, int status)
{
    struct node_answer a = { .token = token, .status = status, .index = n->info.applied_index };
    a.revision = n->info.revision;
    a.compacted_revision = n->info.compacted_revision;
    n->host.answer(n->host.ctx, &a);
}

/* The next entry on the way to revision. */
static void step(struct node *n, uint64_t token, uint64_t revision)
{
    uint8_t body[8];
    uint64_t to = n->info.compacted_revision + STEP_REVISIONS;
    bytes_store_u64(body, to < revision ? to : revision);
    int rv = node_propose_compaction(n, token, bytes_of(body, sizeof body), revision);
    if (rv < 0) answer(n, token, rv);
}

/* The read index is applied. */
void node_compact_begin(struct node *n, uint64_t token, uint64_t revision)
{
    if (revision > n->info.revision)
        answer(n, token, MS_EFUTURE);
    else if (revision <= n->info.compacted_revision)
        answer(n, token, MS_ECOMPACTED);
    else
        step(n, token, revision);
}

/* A step is applied, or another compaction was faster. */
void node_compact_applied(struct node *n, uint64_t token, uint64_t revision, int status)
{
    bool done = n->info.compacted_revision >= revision;
    if (done || (status < 0 && status != MS_ECOMPACTED))
        answer(n, token, done ? 0 : status);
    else
        step(n, token, revision);
}
