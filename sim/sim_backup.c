#include "sim/sim_backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "kv/engine.h"
#include "sim/sim_check.h"
#include "sim/sim_machine.h"

#define PURPOSE_BACKUP 307u
#define GAP_US 1500000u
#define PATIENCE_US 6000000u /* for all of an answer */
#define PAUSE_US_MAX 400000u
#define ANSWER_BYTES_MAX (64u << 20)

enum state { RESTING = 1, DIALING, READING };

struct sim_backups {
    struct ms_rand rand;
    enum state state;
    uint32_t target;
    uint64_t conn, wake, begin_us;
    uint64_t bound; /* what was committed when it asked */
    bool paused;
    uint64_t give_up_bytes; /* it goes away then; 0: it does not */
    struct buf in, file;    /* what has come, and the chunks of HTTP in it put together */
};

static uint64_t draw(struct sim *s, uint64_t below)
{
    return ms_rand_below(&s->backups->rand, below);
}

static void wake_in(struct sim *s, uint64_t delay_us)
{
    sim_events_push(&s->events, sim_now_us(s) + 1 + delay_us, SIM_EVENT_CLIENT_WAKE,
                    sim_client_owner(SIM_BACKUP_CLIENT), ++s->backups->wake, 0);
}

void sim_backup_create(struct sim *s)
{
    struct sim_backups *b = calloc(1, sizeof *b);
    MS_ASSERT(b != NULL);
    s->backups = b;
    b->state = RESTING;
    ms_rand_init(&b->rand, s->plan.seed, PURPOSE_BACKUP);
    buf_init(&b->in, &sim_alloc_heap, ANSWER_BYTES_MAX);
    buf_init(&b->file, &sim_alloc_heap, ANSWER_BYTES_MAX);
    if (s->plan.backups) wake_in(s, draw(s, 2 * GAP_US));
}

void sim_backup_destroy(struct sim *s)
{
    buf_fini(&s->backups->in);
    buf_fini(&s->backups->file);
    free(s->backups);
    s->backups = NULL;
}

/* --- asking --- */

static void rest(struct sim *s)
{
    struct sim_backups *b = s->backups;
    if (b->conn) sim_net_close(s->net, b->conn, false);
    b->conn = 0;
    b->state = RESTING;
    b->paused = false;
    buf_clear(&b->in);
    buf_clear(&b->file);
    wake_in(s, draw(s, 2 * GAP_US));
}

static void begin(struct sim *s)
{
    struct sim_backups *b = s->backups;
    b->target = (uint32_t)draw(s, s->cluster->count);
    b->give_up_bytes = draw(s, 6) == 0 ? 1 + draw(s, 20000) : 0;
    b->state = DIALING;
    b->begin_us = sim_now_us(s);
    b->conn = sim_net_dial(s->net, sim_client_owner(SIM_BACKUP_CLIENT), b->target);
    wake_in(s, PAUSE_US_MAX);
}

/* It reads with pauses, for as long as it has patience. */
static void stir(struct sim *s)
{
    struct sim_backups *b = s->backups;
    if (b->state == DIALING || sim_now_us(s) > b->begin_us + PATIENCE_US) {
        rest(s);
        return;
    }
    b->paused = !b->paused && draw(s, 3) == 0;
    sim_net_pause(s->net, b->conn, b->paused);
    wake_in(s, draw(s, PAUSE_US_MAX));
}

void sim_backup_event(struct sim *s, const struct sim_event *ev)
{
    struct sim_backups *b = s->backups;
    if (ev->a != b->wake) return;
    if (b->state != RESTING)
        stir(s);
    else if (s->phase == SIM_PHASE_SAFETY) /* from then on nobody asks for anything new */
        begin(s);
}

void sim_backup_dialed(struct sim *s, uint64_t number, int status)
{
    static const char request[] = "GET /_/snapshot HTTP/1.1\r\nHost: any\r\n\r\n";
    struct sim_backups *b = s->backups;
    if (b->conn != number || b->state != DIALING) return;
    if (status < 0) {
        b->conn = 0;
        rest(s);
        return;
    }
    b->state = READING;
    b->begin_us = sim_now_us(s);
    b->bound = sim_check_commit(s);
    sim_net_send(s->net, b->conn, request, sizeof request - 1);
    wake_in(s, draw(s, PAUSE_US_MAX));
}

void sim_backup_closed(struct sim *s, uint64_t number)
{
    if (s->backups->conn != number) return;
    s->backups->conn = 0;
    rest(s); /* without its end it is none */
}

/* --- K25 --- */

_Noreturn static void wrong(const struct sim_backups *b, const char *what, int status)
{
    sim_fail(SIM_FAIL_SAFETY, "K25", "the backup of %zu bytes from m%u %s: %s", b->file.len,
             b->target + 1, what, ms_err_text(status));
}

/* As rt_backup.c does it. */
static int load(struct kv *kv, const struct kv_refound *refound, struct bytes file,
                struct kv_info *info)
{
    struct kv_job job = { .kind = KV_JOB_LOAD_BEGIN, .refound = refound };
    int64_t len = 0;
    kv_run(kv, &job);
    job.kind = KV_JOB_LOAD_CHUNK;
    buf_init(&job.chunk, &sim_alloc_heap, SNAP_CHUNK_BYTES_HARD_MAX);
    for (size_t at = 0; at < file.len && job.status == 0; at += (size_t)len) {
        len = kv_snap_chunk_bytes(bytes_of(file.data + at, file.len - at));
        if (len <= 0 || (uint64_t)len > file.len - at) {
            job.status = MS_ESHORT;
            break;
        }
        buf_clear(&job.chunk);
        buf_append(&job.chunk, file.data + at, (size_t)len);
        kv_run(kv, &job);
    }
    int rv = job.status;
    job.kind = KV_JOB_LOAD_END;
    job.last = rv == 0;
    job.info = info;
    kv_run(kv, &job);
    buf_fini(&job.chunk);
    return rv < 0 ? rv : job.status;
}

static int load_new(const struct kv_refound *refound, struct bytes file, struct kv_info *info,
                    struct kv_digest *scanned)
{
    struct log_sink log = { .level = LOG_ERROR };
    struct engine *engine = kv_mem_create(&sim_alloc_heap);
    struct kv *kv;
    MS_ASSERT(engine != NULL);
    int rv = kv_create(&kv, engine, &sim_alloc_heap, &log);
    MS_ASSERT(rv == 0);
    rv = load(kv, refound, file, info);
    if (rv == 0) rv = kv_digest_by_scan(kv, scanned);
    kv_destroy(kv);
    return rv;
}

static void judge(struct sim *s)
{
    const struct sim_backups *b = s->backups;
    struct kv_refound refound = { .cluster_uuid = { 7 }, .member_id = 1, .nonce = { 9 } };
    struct kv_info info, other;
    struct kv_digest scanned;
    struct bytes file = buf_bytes(&b->file);
    int rv = load_new(NULL, file, &info, &scanned);
    if (rv < 0) wrong(b, "cannot be loaded", rv);
    if (memcmp(&scanned, &info.digest, sizeof scanned) != 0) wrong(b, "is not what it says", 0);
    if (info.applied_index < b->bound) {
        sim_fail(SIM_FAIL_SAFETY, "K25",
                 "the backup from m%u is of index %llu; %llu was committed when it was asked for",
                 b->target + 1, (unsigned long long)info.applied_index, (unsigned long long)b->bound);
    }
    sim_check_backup(s, b->target, &info, b->begin_us);
    sim_member_url(refound.url, 1, SIM_PORT_FIRST);
    rv = load_new(&refound, file, &other, &scanned);
    if (rv < 0) wrong(b, "cannot be made another cluster's", rv);
    if (other.revision != info.revision || other.key_count != info.key_count)
        wrong(b, "becomes another state in another cluster", 0);
    sim_rare(s, SIM_RARE_BACKUP);
    sim_trace(s, "c%u  has a backup of index %llu, revision %llu", SIM_BACKUP_CLIENT,
              (unsigned long long)info.applied_index, (unsigned long long)info.revision);
}

/* --- the answer --- */

_Noreturn static void malformed(const struct sim_backups *b, const char *what)
{
    sim_fail(SIM_FAIL_SAFETY, "HTTP", "who saves a backup from m%u gets %s", b->target + 1, what);
}

/* Where the body begins, once it has all of the head. A refusal ends the reading. */
static bool read_head(const struct sim_backups *b, size_t *body, bool *refused)
{
    struct bytes in = buf_bytes(&b->in);
    size_t at = 0;
    while (at + 4 <= in.len && memcmp(in.data + at, "\r\n\r\n", 4) != 0) at++;
    if (at + 4 > in.len) return false;
    if (memcmp(in.data, "HTTP/1.1 ", 9) != 0) malformed(b, "something that is no answer");
    long status = strtol((const char *)in.data + 9, NULL, 10);
    *refused = status == 503 || status == 504 || status == 408;
    if (status != 200 && !*refused) malformed(b, "a status that it cannot get");
    *body = at + 4;
    return true;
}

/* All chunks of HTTP that are whole go into the file. True: the last one came. */
static bool read_body(struct sim_backups *b, size_t at)
{
    struct bytes in = buf_bytes(&b->in);
    buf_clear(&b->file);
    for (;;) {
        size_t digits = at, len = 0;
        while (digits < in.len && in.data[digits] != '\r') digits++;
        if (digits + 2 > in.len) return false;
        for (size_t i = at; i < digits; i++) {
            int c = in.data[i];
            len = len * 16 + (size_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
        }
        if (digits == at || len > ANSWER_BYTES_MAX) malformed(b, "a chunk without a length");
        if (digits + 2 + len + 2 > in.len) return false;
        if (len == 0) return true;
        buf_append(&b->file, in.data + digits + 2, len);
        at = digits + 2 + len + 2;
    }
}

void sim_backup_bytes(struct sim *s, uint64_t number, struct bytes in)
{
    struct sim_backups *b = s->backups;
    size_t body;
    bool refused;
    if (b->conn != number || b->state != READING) return;
    buf_append(&b->in, in.data, in.len);
    MS_ASSERT(!b->in.failed);
    if (!read_head(b, &body, &refused)) return;
    bool whole = !refused && read_body(b, body);
    if (whole) judge(s);
    if (whole || refused || (b->give_up_bytes && b->in.len > b->give_up_bytes)) rest(s);
}
