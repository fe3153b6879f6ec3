/* test_rt_lease.c: leases through metastore.h. */
#include <poll.h>
#include <string.h>
#include <time.h>

#include "metastore/metastore.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

static struct ms_bytes text(const char *s)
{
    return (struct ms_bytes){ .data = s, .len = strlen(s) };
}

static void blocking_forms(struct ms_member *m)
{
    struct ms_lease l;
    uint64_t revision, again;
    CHECK_EQ(ms_lease_grant_wait(m, 7, 60, &l), 0);
    CHECK(l.id == 7 && l.ttl == 60 && l.keys == NULL);
    CHECK_EQ(ms_lease_grant_wait(m, 7, 60, &l), MS_EEXIST);
    CHECK_EQ(ms_put_leased_wait(m, text("b"), text("1"), 7, &revision), 0);
    CHECK_EQ(ms_put_leased_wait(m, text("a"), text("1"), 7, NULL), 0);
    CHECK_EQ(ms_lease_time_to_live_wait(m, 7, &l), 0);
    CHECK(l.granted_ttl == 60 && l.ttl > 50 && l.ttl <= 60 && l.key_count == 2 && l.key_total == 2);
    CHECK(l.keys[0].len == 1 && memcmp(l.keys[0].data, "a", 1) == 0);
    CHECK(l.keys[1].len == 1 && memcmp(l.keys[1].data, "b", 1) == 0);
    ms_lease_free(&l);
    ms_lease_free(&l); /* at no harm */
    CHECK_EQ(ms_lease_keep_alive_wait(m, 7, &l), 0);
    CHECK(l.id == 7 && l.ttl == 60);
    CHECK_EQ(ms_put_wait(m, text("a"), text("2"), NULL), 0); /* off it */
    CHECK_EQ(ms_lease_revoke_wait(m, 7), 0);
    must_have(m, "a", "2");
    must_have(m, "b", NULL);
    CHECK_EQ(ms_put_leased_wait(m, text("c"), text("1"), 7, NULL), MS_ENOLEASE);
    CHECK_EQ(ms_put_leased_wait(m, text("c"), text("1"), 0, &again), 0); /* on none */
    CHECK(again == revision + 4);
    CHECK_EQ(ms_lease_revoke_wait(m, 7), MS_ENOLEASE);
    CHECK_EQ(ms_lease_keep_alive_wait(m, 7, NULL), MS_ENOLEASE);
    CHECK_EQ(ms_lease_time_to_live_wait(m, 7, &l), MS_ENOLEASE);
}

static void bad_arguments(struct ms_member *m)
{
    const uint64_t too_high = MS_LEASE_MAX_ID + 1;
    struct ms_lease l;
    CHECK_EQ(ms_lease_grant_wait(m, too_high, 60, &l), MS_EINVAL);
    CHECK_EQ(ms_lease_grant_wait(m, 1, 0, &l), MS_EINVAL);
    CHECK_EQ(ms_lease_grant_wait(m, 1, 9000000001, &l), MS_EINVAL);
    CHECK_EQ(ms_lease_revoke_wait(m, 0), MS_EINVAL);
    CHECK_EQ(ms_lease_keep_alive(m, too_high, NULL, NULL), MS_EINVAL);
    CHECK_EQ(ms_put_leased_wait(m, text("c"), text("1"), too_high, NULL), MS_EINVAL);
}

struct seen {
    int status;
    struct ms_lease lease;
    uint32_t count;
};

static void on_lease(void *arg, int status, const struct ms_lease *lease)
{
    struct seen *s = arg;
    s->count++;
    s->status = status;
    CHECK((lease != NULL) == (status == 0));
    if (lease) s->lease = *lease;
}

static void on_done(void *arg, int status)
{
    struct seen *s = arg;
    s->count++;
    s->status = status;
}

static void await(struct ms_member *m, const struct seen *s)
{
    struct pollfd fd = { .fd = ms_fd(m), .events = POLLIN };
    for (int i = 0; i < 100 && s->count == 0; i++) {
        poll(&fd, 1, 100);
        ms_poll(m);
    }
    CHECK_EQ(s->count, 1);
}

static void callbacks(struct ms_member *m)
{
    struct seen granted = { 0 }, kept = { 0 }, read = { 0 }, revoked = { 0 }, dead = { 0 };
    CHECK_EQ(ms_lease_grant(m, 0, 5, on_lease, &granted), 0);
    await(m, &granted);
    CHECK(granted.status == 0 && granted.lease.id > 0 && granted.lease.ttl == 5);
    uint64_t id = granted.lease.id;
    CHECK_EQ(ms_lease_keep_alive(m, id, on_lease, &kept), 0);
    await(m, &kept);
    CHECK(kept.status == 0 && kept.lease.id == id);
    CHECK_EQ(ms_lease_time_to_live(m, id, on_lease, &read), 0);
    await(m, &read);
    CHECK(read.status == 0 && read.lease.granted_ttl == 5 && read.lease.key_count == 0);
    CHECK_EQ(ms_lease_revoke(m, id, on_done, &revoked), 0);
    await(m, &revoked);
    CHECK_EQ(revoked.status, 0);
    CHECK_EQ(ms_lease_time_to_live(m, id, on_lease, &dead), 0);
    await(m, &dead);
    CHECK_EQ(dead.status, MS_ENOLEASE);
}

/* By itself, and not before. */
static void expiry(struct ms_member *m)
{
    struct timespec begun, now, pause = { .tv_nsec = 50000000 };
    struct ms_lease l;
    struct ms_bytes got;
    double lived;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    CHECK_EQ(ms_lease_grant_wait(m, 0, 1, &l), 0);
    CHECK_EQ(ms_put_leased_wait(m, text("short"), text("1"), l.id, NULL), 0);
    do {
        nanosleep(&pause, NULL);
        int rv = ms_get_wait(m, text("short"), &got, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
        lived = (double)(now.tv_sec - begun.tv_sec) + (double)(now.tv_nsec - begun.tv_nsec) / 1e9;
        if (rv == MS_ENOTFOUND) break;
        CHECK_EQ(rv, 0);
        ms_value_free(got);
    } while (lived < 20);
    CHECK(lived >= (double)l.ttl && lived < (double)l.ttl + 10);
}

TEST(rt_lease, granted_kept_alive_and_ended_in_both_engines)
{
    static const enum ms_storage storages[] = { MS_STORAGE_MEMORY, MS_STORAGE_ROCKSDB };
    for (int i = 0; i < 2; i++) {
        struct test_cluster c;
        test_cluster_init(&c, 1, storages[i]);
        test_cluster_start(&c, 0);
        must_put(c.members[0], "warm", "up");
        blocking_forms(c.members[0]);
        bad_arguments(c.members[0]);
        callbacks(c.members[0]);
        expiry(c.members[0]);
        test_cluster_stop(&c, 0);
        test_cluster_fini(&c);
    }
}
