/* embed.c: a MetaStore replica inside a program of yours. Build and run it with
 *
 *     cc embed.c $(pkg-config --cflags --libs metastore) -o embed && ./embed embed-data
 *
 * It runs a cluster of one in the directory that is named, writes, reads, compares and writes in one step, and
 * shows both ways of calling the library: blocking, and from an event loop of your own. */
#include <metastore/metastore.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static struct ms_bytes text(const char *s)
{
    struct ms_bytes bytes = { s, strlen(s) };
    return bytes;
}

/* Only if nobody has written it since: compare and write are one step. */
static int repaint(struct ms_member *member, uint64_t revision)
{
    struct ms_compare unchanged = { .target = MS_COMPARE_MOD, .key = text("color"), .number = revision };
    struct ms_op write = { .kind = MS_OP_PUT, .key = text("color"), .value = text("red") };
    struct ms_transaction txn = {
        .compares = &unchanged, .compare_count = 1, .then_ops = &write, .then_count = 1
    };
    struct ms_txn_result result;
    int rv = ms_txn_wait(member, &txn, &result);
    if (rv == MS_OK) printf("repainted: %s\n", result.succeeded ? "yes" : "no");
    ms_txn_free(&result);
    return rv;
}

/* The blocking way: each call returns when it is done. */
static int blocking(struct ms_member *member)
{
    struct ms_bytes value;
    uint64_t revision;
    int rv = ms_put_wait(member, text("color"), text("green"), &revision);
    if (rv != MS_OK) return rv;
    rv = ms_get_wait(member, text("color"), &value, NULL);
    if (rv != MS_OK) return rv;
    printf("color is %.*s, written at revision %llu\n", (int)value.len, (const char *)value.data,
           (unsigned long long)revision);
    ms_value_free(value); /* owned by us */
    rv = repaint(member, revision);
    return rv != MS_OK ? rv : ms_delete_wait(member, text("color"), NULL);
}

/* The other way: start things, be called back from ms_poll() on this thread. */
struct progress {
    struct ms_member *member;
    int puts_left, status;
    int finished;
};

static void on_got(void *arg, int status, struct ms_bytes value, uint64_t mod_revision)
{
    struct progress *p = arg;
    (void)mod_revision;
    if (status == MS_OK) printf("the last shape is %.*s\n", (int)value.len, (const char *)value.data);
    p->status = status;
    p->finished = 1;
}

static void on_put(void *arg, int status, uint64_t revision)
{
    struct progress *p = arg;
    (void)revision;
    if (status != MS_OK) p->status = status; /* MS_EUNKNOWN: it may or may not be applied */
    if (--p->puts_left > 0) return;
    status = ms_get(p->member, text("shape"), on_got, p);
    if (status == MS_OK) return;
    p->status = status;
    p->finished = 1;
}

static int event_loop(struct ms_member *member)
{
    static const char *const shapes[] = { "round", "square", "flat" };
    struct progress p = { .member = member, .puts_left = 3 };
    struct pollfd wait = { .fd = ms_fd(member), .events = POLLIN };
    for (int i = 0; i < 3; i++) {
        int rv = ms_put(member, text("shape"), text(shapes[i]), on_put, &p);
        if (rv != MS_OK) return rv; /* on_put is not called for this one */
    }
    while (!p.finished) {
        poll(&wait, 1, -1); /* beside your own descriptors */
        int rv = ms_poll(member);
        if (rv < 0) return rv; /* the member has stopped by itself: ms_stop_reason() */
    }
    return p.status;
}

int main(int argc, char **argv)
{
    char why[MS_WHY_BYTES];
    struct ms_options options;
    struct ms_member *member;
    ms_options_init(&options);
    options.cluster = "http://127.0.0.1:19021";           /* one member: this one */
    options.data_dir = argc > 1 ? argv[1] : "embed-data"; /* made if absent; found again if not */
    options.http = false;                                 /* no HTTP API: only this process uses it */
    options.log_level = MS_LOG_WARN;
    int rv = ms_open(&member, &options, why);
    if (rv != MS_OK) {
        fprintf(stderr, "cannot start: %s\n", why);
        return 1;
    }

    rv = blocking(member);
    if (rv == MS_OK) rv = event_loop(member);
    if (rv != MS_OK) fprintf(stderr, "failed: %s\n", ms_strerror(rv));
    ms_close(member);
    return rv == MS_OK ? 0 : 1;
}
