/* replay_library.c: what the simulator has asked of a member through its own interface is asked of the library here:
 * another thread hands requests in and polls, as an embedder does. Tokens are src/rt's; what its callbacks are told
 * has to be what the member has answered (RP7). */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/kv_answer.h"
#include "rt/rt_alloc.h"
#include "tests/replay/replay_private.h"

#define DIRECT_ONE_IN 4u /* the others go through the library */
#define RANGE_BYTES_MAX (64u << 20)

struct asked {
    const struct step *step;
    uint64_t token, real; /* the life's; src/rt's, 0: it has not come yet */
    bool next;            /* a range: src/rt has asked for its next piece */
    bool answered;        /* no more comes; what its caller has to be told: */
    int status;
    uint64_t revision, compacted_revision, value_hash, kv_count;
    struct kv_answer_reader items;
    _Atomic bool told; /* its callback has run */
};

/* ---- the table ---- */

static struct asked *asked_of(uint64_t token)
{
    for (size_t i = replay.asked_count; i > 0; i--) {
        struct asked *a = replay.asked[i - 1];
        if (a->token == token && !a->answered) return a;
    }
    return NULL;
}

static struct asked *asked_of_real(uint64_t real)
{
    for (size_t i = replay.asked_count; i > 0; i--) {
        struct asked *a = replay.asked[i - 1];
        if (a->real == real && !a->answered) return a;
    }
    replay_fail("src/rt goes on with a request that does not exist, or has ended");
}

bool library_settled(void)
{
    for (size_t i = 0; i < replay.asked_count; i++) {
        if (replay.asked[i]->answered && !atomic_load(&replay.asked[i]->told)) return false;
    }
    return true;
}

void library_fini(void)
{
    for (size_t i = 0; i < replay.asked_count; i++) free(replay.asked[i]);
    free(replay.asked);
}

/* ---- what callers are told: on their thread ---- */

static void told(struct asked *a, int status, bool same)
{
    bool late = !a->answered && (status == MS_ESTOPPED || status == MS_EUNKNOWN);
    if (!late && (!a->answered || status != a->status || !same || atomic_load(&a->told)))
        replay_fail(
            "the caller of a request is told %s, and not what the member has answered: %s (RP7)",
            ms_err_text(status), a->answered ? ms_err_text(a->status) : "nothing");
    atomic_store(&a->told, true);
}

static void on_put(void *arg, int status, uint64_t revision)
{
    struct asked *a = arg;
    told(a, status, revision == a->revision);
}

static void on_get(void *arg, int status, struct ms_bytes value, uint64_t revision)
{
    struct asked *a = arg;
    bool same = revision == a->revision && step_hash(value.data, value.len) == a->value_hash;
    told(a, status, same);
}

static void on_txn(void *arg, int status, const struct ms_txn_result *result)
{
    struct asked *a = arg;
    told(a, status, result->revision == a->revision);
}

static void on_range(void *arg, int status, const struct ms_range_result *result)
{
    struct asked *a = arg;
    told(a, status,
         result->revision == a->revision && result->compacted_revision == a->compacted_revision &&
             (status < 0 || result->kv_count == a->kv_count));
}

/* The thread of a caller, until the life is over. */
void library_serve(struct ms_member *m)
{
    struct pollfd fds[2] = { { .fd = ms_fd(m), .events = POLLIN },
                             { .fd = replay_pipe[0], .events = POLLIN } };
    for (;;) {
        struct rt_request *r = NULL;
        if (poll(fds, 2, -1) < 0) continue;
        if (fds[0].revents) ms_poll(m);
        if (!fds[1].revents) continue;
        ssize_t n = read(replay_pipe[0], &r, sizeof r);
        MS_ASSERT(n == (ssize_t)sizeof r);
        if (!r) return;
        int rv = rt_request_submit(m, r);
        if (rv < 0) replay_fail("src/rt does not take a request: %s", ms_err_text(rv));
    }
}

void library_over(void)
{
    const struct rt_request *none = NULL;
    ssize_t n = write(replay_pipe[1], &none, sizeof none);
    MS_ASSERT(n == (ssize_t)sizeof none);
}

/* ---- asking ---- */

/* The caller of a range in the life gives it up in its middle; one of the library cannot. */
static bool is_given_up(const struct step *ask)
{
    for (size_t i = replay.at; i < replay.life->count; i++) {
        const struct step *s = &replay.life->steps[i];
        if (s->kind == STEP_ASK && s->numbers[0] == ASK_RANGE_END && s->numbers[1] == ask->numbers[1])
            return true;
    }
    return false;
}

static struct rt_request *request_make(const struct step *s, struct asked *a)
{
    static const enum rt_request_kind kinds[] = { [ASK_PROPOSE] = RT_REQUEST_TXN,
                                                  [ASK_TXN] = RT_REQUEST_ASKING,
                                                  [ASK_READ] = RT_REQUEST_READ,
                                                  [ASK_RANGE] = RT_REQUEST_RANGE };
    struct rt_request *r = rt_request_create(kinds[s->numbers[0]]);
    MS_ASSERT(r != NULL);
    buf_append(&r->input, s->data, s->len);
    MS_ASSERT(!r->input.failed);
    r->arg = a;
    switch ((enum ask)s->numbers[0]) {
    case ASK_PROPOSE: r->put_cb = on_put; break;
    case ASK_TXN: r->txn_cb = on_txn; break;
    case ASK_READ: r->get_cb = on_get; break;
    default:
        r->range_cb = on_range;
        r->op = *s->op;
        r->key_len = s->op->key.len;
        r->on = s->numbers[2];
        buf_init(&r->answer, rt_alloc_heap(), RANGE_BYTES_MAX);
    }
    return r;
}

bool library_ask(const struct step *s)
{
    enum ask call = (enum ask)s->numbers[0];
    if (call > ASK_RANGE) return asked_of((uint64_t)s->numbers[1]) != NULL;
    if (replay.asked_count > 0 && replay.asked[replay.asked_count - 1]->step == s) return true;
    if (replay.direct == s) return false;
    if (ms_rand_below(&replay.rand, DIRECT_ONE_IN) == 0 || (call == ASK_RANGE && is_given_up(s))) {
        replay.direct = s;
        return false;
    }
    struct asked *a = calloc(1, sizeof *a);
    MS_ASSERT(a != NULL);
    a->step = s;
    a->token = (uint64_t)s->numbers[1];
    kv_answer_reader_init(&a->items);
    replay.asked =
        replay_grow(replay.asked, replay.asked_count, &replay.asked_cap, sizeof(struct asked *));
    replay.asked[replay.asked_count++] = a;
    struct rt_request *r = request_make(s, a);
    ssize_t n = write(replay_pipe[1], &r, sizeof r);
    MS_ASSERT(n == (ssize_t)sizeof r);
    return true;
}

bool library_goes_on(const struct step *s)
{
    const struct asked *a = asked_of((uint64_t)s->numbers[1]);
    return s->numbers[0] == ASK_RANGE_NEXT && a && a->next;
}

/* ---- what src/rt calls ---- */

static bool op_equal(const struct kv_op *a, const struct kv_op *b)
{
    return a->kind == b->kind && a->flags == b->flags && bytes_equal(a->key, b->key) &&
           bytes_equal(a->range_end, b->range_end) && a->limit == b->limit &&
           a->revision == b->revision;
}

int input_ask(enum ask call, uint64_t now_ms, uint64_t token, struct bytes data, const struct kv_op *op,
              bool stale)
{
    const struct step *s = replay_next();
    if (!input_called(now_ms)) return MS_ESTOPPED;
    struct asked *a = replay.asked_count > 0 ? replay.asked[replay.asked_count - 1] : NULL;
    if (!s || !a || a->step != s || a->real != 0 || s->numbers[0] != (int64_t)call)
        replay_fail("src/rt hands in a request that nobody has made, or in another place (RP7)");
    bool same = op ? op_equal(op, s->op) && stale == (s->numbers[2] != 0)
                   : bytes_equal(data, bytes_of(s->data, s->len));
    if (!same || !(token & MEMBER_TOKEN_LOCAL))
        replay_fail("src/rt hands in another request than was made (RP7)");
    a->real = token;
    replay.totals->asked++;
    return input_perform(s, NULL);
}

void input_range_next(uint64_t now_ms, uint64_t token)
{
    if (!input_called(now_ms)) return;
    struct asked *a = asked_of_real(token);
    const struct step *s = replay_next();
    a->next = true;
    if (s && s->kind == STEP_ASK && (uint64_t)s->numbers[1] == a->token) input_perform(s, NULL);
}

void input_range_end(uint64_t now_ms)
{
    if (input_called(now_ms)) replay_fail("src/rt gives up a range that nobody has given up");
}

void library_continued(const struct step *s)
{
    struct asked *a = asked_of((uint64_t)s->numbers[1]);
    if (a) a->next = false;
}

void library_asked(const struct step *s, int result)
{
    struct asked *a = asked_of((uint64_t)s->numbers[1]);
    if (!a || a->step != s || result == 0) return;
    a->status = result; /* refused: that is its end */
    a->answered = true;
}

/* ---- what the member answers ---- */

void library_answer(void *ctx, const struct node_answer *answer)
{
    struct asked *a = asked_of(answer->token);
    if (!a) return;
    struct node_answer passed = *answer;
    bool reads = a->step->numbers[0] == ASK_READ;
    passed.token = a->real;
    a->status = answer->status;
    a->revision = reads ? answer->mod_revision : answer->revision;
    a->value_hash = reads && answer->status == 0 ? step_hash(answer->value.data, answer->value.len) : 0;
    a->answered = true;
    replay.below.host.answer(ctx, &passed);
}

void library_piece(void *ctx, const struct node_range_piece *piece)
{
    struct asked *a = asked_of(piece->token);
    struct kv_answer_item item;
    if (!a) return;
    struct node_range_piece passed = *piece;
    passed.token = a->real;
    a->status = piece->status;
    a->revision = piece->revision;
    a->compacted_revision = piece->compacted_revision;
    kv_answer_reader_feed(&a->items, piece->items);
    while (piece->status == 0 && kv_answer_next(&a->items, &item) == 0)
        a->kv_count += item.kind == KV_ANSWER_RECORD;
    a->answered = piece->last;
    replay.below.host.range(ctx, &passed);
}
