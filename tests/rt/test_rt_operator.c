/* test_rt_operator.c: what an operator asks for, through metastore.h: handing over, exchanges of
 * members, settings. */
#include <poll.h>
#include <string.h>
#include <time.h>

#include "metastore/metastore.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

static struct test_cluster c;

static void begin(uint32_t count)
{
    test_cluster_init(&c, count, MS_STORAGE_MEMORY);
    for (uint32_t i = 0; i < count; i++) test_cluster_start(&c, i);
    must_put(c.members[0], "k", "v");
    test_cluster_settle(&c);
}

/* The status of a member, once it is as wanted; bounded. */
static struct ms_status status_until(struct ms_member *m,
                                     bool (*is)(const struct ms_status *s, uint64_t arg), uint64_t arg)
{
    struct ms_status s;
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(ms_status(m, &s), 0);
        if (is(&s, arg)) return s;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    CHECK(!"waited in vain");
    return s;
}

static bool leads(const struct ms_status *s, uint64_t id)
{
    return s->leader == id;
}

static bool leases(const struct ms_status *s, uint64_t on)
{
    return s->lease_reads == (on != 0);
}

static bool counts(const struct ms_status *s, uint64_t members)
{
    return s->member_count == members;
}

struct done {
    int status, count;
};

static void on_done(void *arg, int status)
{
    struct done *d = arg;
    d->status = status;
    d->count++;
}

/* Run ms_poll() until d has ended. */
static int end_of(struct ms_member *m, const struct done *d)
{
    struct pollfd wait = { .fd = ms_fd(m), .events = POLLIN };
    while (d->count == 0) {
        CHECK_EQ(poll(&wait, 1, 20000), 1);
        CHECK(ms_poll(m) >= 0);
    }
    CHECK_EQ(d->count, 1);
    return d->status;
}

TEST(rt_operator, the_leadership_is_handed_over)
{
    begin(3);
    uint32_t at = test_cluster_leader(&c);
    struct ms_member *leader = c.members[at], *other = c.members[(at + 1) % 3];
    uint64_t target = (at + 1) % 3 + 1;
    struct done d = { 0 };
    CHECK_EQ(ms_transfer_wait(leader, 9), MS_ENOTFOUND);
    CHECK_EQ(ms_transfer_wait(leader, UINT64_MAX), MS_EINVAL);
    CHECK_EQ(ms_transfer(leader, UINT64_MAX, on_done, &d), MS_EINVAL);
    CHECK_EQ(ms_transfer_wait(other, target), 0);
    status_until(other, leads, target);
    CHECK_EQ(ms_transfer(other, 0, on_done, &d), 0); /* to anybody else */
    CHECK_EQ(end_of(other, &d), 0);
    CHECK(test_cluster_leader(&c) + 1 != target);
    must_put(other, "k", "w");
    test_cluster_fini(&c);
}

TEST(rt_operator, lease_reads_are_a_setting_of_the_cluster)
{
    begin(3);
    struct done d = { 0 };
    CHECK(leases(&(struct ms_status){ 0 }, 0));
    CHECK_EQ(ms_set_lease_reads_wait(c.members[0], true), 0);
    CHECK_EQ(ms_set_lease_reads_wait(c.members[1], true), 0); /* it is so already */
    for (uint32_t i = 0; i < 3; i++) status_until(c.members[i], leases, 1);
    must_have(c.members[2], "k", "v");
    CHECK_EQ(ms_set_lease_reads(c.members[2], false, on_done, &d), 0);
    CHECK_EQ(end_of(c.members[2], &d), 0);
    for (uint32_t i = 0; i < 3; i++) status_until(c.members[i], leases, 0);
    test_cluster_fini(&c);
}

TEST(rt_operator, members_are_exchanged)
{
    static const struct {
        struct ms_voter voters[2];
        uint32_t count;
    } bad[] = {
        { { { 1, NULL } }, 0 },
        { { { 0, NULL } }, 1 },
        { { { UINT64_MAX, NULL } }, 1 },
        { { { 1, NULL }, { 1, NULL } }, 2 },
        { { { 1, "ftp://h:1" } }, 1 },
        { { { 1, "https://h:1" } }, 1 },
        { { { 1, "http://h:1" }, { 2, "http://h:1/" } }, 2 },
        { { { 1, NULL } }, MS_VOTERS_MAX + 1 },
    };
    begin(3);
    struct ms_member *m = c.members[0];
    struct done d = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(ms_change_members_wait(m, bad[i].voters, bad[i].count, false), MS_EINVAL);
        CHECK_EQ(ms_change_members(m, bad[i].voters, bad[i].count, false, on_done, &d), MS_EINVAL);
    }
    CHECK_EQ(ms_change_members_wait(m, NULL, 1, false), MS_EINVAL);
    struct ms_voter unknown[] = { { 7, NULL }, { 1, NULL } };
    CHECK_EQ(ms_change_members_wait(m, unknown, 2, false), MS_ENOTFOUND);
    struct ms_voter all[] = { { 3, NULL }, { 1, NULL }, { 2, NULL } };
    CHECK_EQ(ms_change_members_wait(m, all, 3, false), 0); /* it is so already */
    struct ms_voter two[] = { { 2, NULL }, { 1, NULL } };
    CHECK_EQ(ms_change_members(m, two, 2, false, on_done, &d), 0);
    CHECK_EQ(end_of(m, &d), 0);
    struct ms_status s = status_until(m, counts, 2);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(s.members[i].id == i + 1 && s.members[i].part == MS_PART_VOTER && s.members[i].voter);
    }
    must_put(c.members[1], "k", "w");
    /* One that never starts waits as a learner, and takes nothing from the others. */
    struct ms_voter wish[] = { { 1, NULL }, { 2, NULL }, { 4, "http://127.0.0.1:1" } };
    CHECK_EQ(ms_change_members_wait(m, wish, 3, false), 0);
    s = status_until(m, counts, 3);
    CHECK(s.members[2].id == 4 && s.members[2].part == MS_PART_JOINING && s.members[2].learner);
    must_put(m, "k", "x");
    CHECK_EQ(ms_change_members_wait(m, two, 2, true), 0);
    status_until(m, counts, 2);
    test_cluster_fini(&c);
}
