/* test_rt_library.c: members in this process, through metastore.h. */
#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "metastore/metastore.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

int header_in_cpp(void);

static struct ms_bytes text(const char *s)
{
    return (struct ms_bytes){ .data = s, .len = strlen(s) };
}

static const enum ms_storage storages[] = { MS_STORAGE_MEMORY, MS_STORAGE_ROCKSDB };

/* ---- one member ---- */

static void write_read_delete(struct ms_member *m)
{
    uint64_t first, second, mod;
    struct ms_bytes got;
    must_put(m, "a", "1");
    CHECK_EQ(ms_put_wait(m, text("a"), text("2"), &first), 0);
    CHECK_EQ(ms_put_wait(m, text("b"), text(""), &second), 0);
    CHECK(second == first + 1);
    CHECK_EQ(ms_get_wait(m, text("a"), &got, &mod), 0);
    CHECK(mod == first && got.len == 1 && memcmp(got.data, "2", 1) == 0);
    ms_value_free(got);
    CHECK_EQ(ms_get_wait(m, text("b"), &got, NULL), 0); /* empty is not absent */
    CHECK_EQ(got.len, 0);
    ms_value_free(got);
    CHECK_EQ(ms_delete_wait(m, text("b"), NULL), 0);
    CHECK_EQ(ms_delete_wait(m, text("b"), NULL), 0);
    must_have(m, "b", NULL);
    struct ms_bytes binary = { "\0\xff\n", 3 };
    CHECK_EQ(ms_put_wait(m, binary, binary, NULL), 0);
    CHECK_EQ(ms_get_wait(m, binary, &got, NULL), 0);
    CHECK(got.len == 3 && memcmp(got.data, binary.data, 3) == 0);
    ms_value_free(got);
}

static void limits(struct ms_member *m)
{
    static char big[(2u << 20) + 1];
    struct ms_bytes key = { big, 65537 }, value = { big, sizeof big };
    CHECK_EQ(ms_put_wait(m, text(""), text("x"), NULL), MS_EINVAL);
    CHECK_EQ(ms_put_wait(m, key, text("x"), NULL), MS_ETOOBIG);
    CHECK_EQ(ms_put_wait(m, text("k"), value, NULL), MS_ETOOBIG);
    CHECK_EQ(ms_get(m, key, NULL, NULL), MS_ETOOBIG);
    key.len = 65536;
    value.len = 1u << 20;
    CHECK_EQ(ms_put_wait(m, key, value, NULL), 0);
    CHECK_EQ(ms_get_wait(m, key, &value, NULL), 0);
    CHECK_EQ(value.len, 1u << 20);
    ms_value_free(value);
    /* What is to be freed is empty where nothing came. */
    struct ms_lease lease = { .keys = &value, .key_total = 1 };
    value = text("not ours");
    CHECK_EQ(ms_get_wait(m, text("absent"), &value, NULL), MS_ENOTFOUND);
    CHECK(value.data == NULL);
    CHECK_EQ(ms_lease_time_to_live_wait(m, 77, &lease), MS_ENOLEASE);
    CHECK(lease.keys == NULL && lease.key_total == 0);
    CHECK_EQ(ms_member_add_wait(m, 0, "http://127.0.0.1:1"), MS_EINVAL);
    CHECK_EQ(ms_member_add_wait(m, 2, "127.0.0.1:1"), MS_EINVAL);
    CHECK_EQ(ms_member_remove_wait(m, 1, false), MS_ECONFLICT); /* the last voter */
    CHECK_EQ(ms_member_remove_wait(m, 77, false), MS_ENOTFOUND);
}

TEST(rt_library, one_member_keeps_what_it_said)
{
    CHECK_EQ(header_in_cpp(), 0);
    for (int i = 0; i < 2; i++) {
        struct test_cluster c;
        struct ms_status s;
        test_cluster_init(&c, 1, storages[i]);
        test_cluster_start(&c, 0);
        CHECK(ms_stop_reason(c.members[0]) == NULL);
        write_read_delete(c.members[0]);
        limits(c.members[0]);
        CHECK_EQ(ms_status(c.members[0], &s), 0);
        CHECK(s.id == 1 && s.leader == 1 && s.role == MS_ROLE_LEADER && s.ready && !s.abstains);
        CHECK(s.member_count == 1 && s.members[0].voter && s.revision >= 4);
        for (int restart = 0; restart < 2; restart++) {
            test_cluster_stop(&c, 0);
            test_cluster_start(&c, 0);
            must_have(c.members[0], "a", "2");
            must_have(c.members[0], "b", NULL);
        }
        test_cluster_fini(&c);
    }
}

/* ---- callbacks ---- */

struct tally {
    uint32_t ended, failed, values;
    uint64_t last_revision;
    struct ms_member *member;
};

static void on_put(void *arg, int status, uint64_t revision)
{
    struct tally *t = arg;
    t->ended++;
    t->failed += status != 0;
    CHECK(revision > t->last_revision);
    t->last_revision = revision;
}

static void on_got(void *arg, int status, struct ms_bytes value, uint64_t mod_revision)
{
    struct tally *t = arg;
    (void)mod_revision;
    t->ended++;
    t->values += status == 0 && value.len == 5 && memcmp(value.data, "value", 5) == 0;
    struct ms_status s;
    CHECK_EQ(ms_status(t->member, &s), 0); /* from inside a callback */
}

/* Never more than max_ms of silence. */
static void poll_until(struct ms_member *m, const uint32_t *counter, uint32_t want)
{
    struct pollfd wait = { .fd = ms_fd(m), .events = POLLIN };
    while (*counter < want) {
        CHECK_EQ(poll(&wait, 1, 20000), 1);
        CHECK(ms_poll(m) > 0);
    }
}

TEST(rt_library, callbacks_come_from_poll_in_order)
{
    enum { PUTS = 2000 };
    struct test_cluster c;
    struct tally t = { 0 };
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_start(&c, 0);
    must_put(c.members[0], "k", "value");
    t.member = c.members[0];
    CHECK_EQ(ms_poll(c.members[0]), 0);
    for (uint32_t i = 0; i < PUTS; i++)
        CHECK_EQ(ms_put(t.member, text("k"), text("value"), on_put, &t), 0);
    poll_until(t.member, &t.ended, PUTS);
    CHECK_EQ(t.failed, 0);
    CHECK_EQ(ms_poll(t.member), 0);
    for (uint32_t i = 0; i < PUTS; i++) CHECK_EQ(ms_get(t.member, text("k"), on_got, &t), 0);
    poll_until(t.member, &t.ended, 2 * PUTS);
    CHECK_EQ(t.values, PUTS);
    /* The queue has a bound, and says so; what it took is still answered. */
    uint32_t taken = 0;
    int rv = 0;
    for (; taken < 100000 && rv == 0; taken += rv == 0) rv = ms_get(t.member, text("k"), on_got, &t);
    CHECK_EQ(rv, MS_EBUSY);
    poll_until(t.member, &t.ended, 2 * PUTS + taken);
    /* Those that did not run yet never will: t must not be touched behind this. */
    for (uint32_t i = 0; i < 100; i++) CHECK_EQ(ms_put(t.member, text("k"), text("w"), on_put, &t), 0);
    uint32_t before = t.ended;
    test_cluster_fini(&c);
    CHECK_EQ(t.ended, before);
}

struct hammer {
    struct ms_member *member;
    uint32_t id;
};

static void *hammer_main(void *arg)
{
    const struct hammer *h = arg;
    for (uint32_t i = 0; i < 50; i++) {
        char key[32], value[32];
        struct ms_status s;
        snprintf(key, sizeof key, "t%u-%u", h->id, i % 7);
        snprintf(value, sizeof value, "%u", i);
        CHECK_EQ(ms_put_wait(h->member, text(key), text(value), NULL), 0);
        must_have(h->member, key, value);
        CHECK_EQ(ms_status(h->member, &s), 0);
    }
    return NULL;
}

TEST(rt_library, any_thread_may_call)
{
    enum { THREADS = 6 };
    struct test_cluster c;
    pthread_t threads[THREADS];
    struct hammer hammers[THREADS];
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_start(&c, 0);
    must_put(c.members[0], "k", "v");
    for (uint32_t i = 0; i < THREADS; i++) {
        hammers[i] = (struct hammer){ .member = c.members[0], .id = i };
        CHECK_EQ(pthread_create(&threads[i], NULL, hammer_main, &hammers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    test_cluster_fini(&c);
}

/* ---- three members ---- */

static void wait_for_role(struct test_cluster *c, uint32_t at, bool leader)
{
    struct ms_status s = { 0 };
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(ms_status(c->members[at], &s), 0);
        if (s.leader != 0 && (s.role == MS_ROLE_LEADER) == leader) return;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    CHECK(!"no leader");
}

TEST(rt_library, three_members_survive_the_leader)
{
    for (int kind = 0; kind < 3; kind++) {
        struct test_cluster c;
        test_cluster_init(&c, 3, kind == 1 ? MS_STORAGE_ROCKSDB : MS_STORAGE_MEMORY);
        if (kind == 2) c.storage[1] = MS_STORAGE_ROCKSDB; /* a mixed one */
        for (uint32_t i = 0; i < 3; i++) test_cluster_start(&c, i);
        must_put(c.members[0], "foo", "1");
        for (uint32_t i = 0; i < 3; i++) must_have(c.members[i], "foo", "1");
        test_cluster_settle(&c);
        uint32_t leader = test_cluster_leader(&c), other = (leader + 1) % 3;
        test_cluster_stop(&c, leader);
        must_put(c.members[other], "foo", "2");
        must_have(c.members[(leader + 2) % 3], "foo", "2");
        test_cluster_start(&c, leader);
        must_have(c.members[leader], "foo", "2");
        wait_for_role(&c, leader, false);
        test_cluster_fini(&c);
    }
}

/* Overwrite every file below a directory. */
static void spoil(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    CHECK(d != NULL);
    while ((e = readdir(d)) != NULL) {
        char path[1024];
        struct stat st;
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        CHECK_EQ(stat(path, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            spoil(path);
        } else {
            FILE *f = fopen(path, "r+");
            for (off_t i = 0; i < st.st_size; i++) fputc('x', f);
            CHECK_EQ(fclose(f), 0);
        }
    }
    closedir(d);
}

/* Databases and checkpoints, not the log: wal/ stays as it is. */
static void spoil_database(const struct test_cluster *c, uint32_t at)
{
    char dir[TEMP_DIR_BYTES + 64];
    snprintf(dir, sizeof dir, "%s/data/%u/db-1", c->dir, at + 1);
    spoil(dir);
    snprintf(dir, sizeof dir, "%s/data/%u/snap", c->dir, at + 1);
    spoil(dir);
}

/* DESIGN 5: if the database does not open, then from a peer; never best effort, never an empty store.
 */
TEST(rt_library, a_database_that_does_not_open)
{
    struct test_cluster c;
    test_cluster_init(&c, 3, MS_STORAGE_ROCKSDB);
    for (uint32_t i = 0; i < 3; i++) test_cluster_start(&c, i);
    for (int i = 0; i < 3; i++) must_put(c.members[i], "foo", "1");
    test_cluster_settle(&c);
    test_cluster_stop(&c, 2);
    spoil_database(&c, 2);
    must_put(c.members[0], "foo", "2");
    test_cluster_start(&c, 2);
    must_have(c.members[2], "foo", "2");
    test_cluster_fini(&c);
}

static bool has_checkpoint(const struct test_cluster *c, uint32_t at)
{
    char dir[TEMP_DIR_BYTES + 64];
    bool found = false;
    snprintf(dir, sizeof dir, "%s/data/%u/snap", c->dir, at + 1);
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) found |= strcmp(e->d_name, "cp-1") == 0;
    closedir(d);
    return found;
}

/* Whose log was never cut, has it all: also a member alone. */
TEST(rt_library, a_database_that_does_not_open_beside_a_whole_log)
{
    struct test_cluster c;
    test_cluster_init(&c, 1, MS_STORAGE_ROCKSDB);
    test_cluster_start(&c, 0);
    must_put(c.members[0], "foo", "1");
    test_cluster_stop(&c, 0);
    spoil_database(&c, 0);
    test_cluster_start(&c, 0);
    must_have(c.members[0], "foo", "1");
    test_cluster_fini(&c);
}

/* Neither does its checkpoint, and nobody else has what was cut from the log. */
TEST(rt_library, a_database_of_a_member_alone_that_does_not_open)
{
    struct test_cluster c;
    struct ms_options o;
    char value[32 << 10], why[MS_WHY_BYTES];
    memset(value, 'v', sizeof value);
    test_cluster_init(&c, 1, MS_STORAGE_ROCKSDB);
    test_cluster_options(&c, 0, &o);
    o.snapshot_log_bytes = 64u << 10;
    CHECK_EQ(ms_open(&c.members[0], &o, why), 0);
    for (int tries = 0; tries < 1000 && !has_checkpoint(&c, 0); tries++) {
        struct ms_bytes v = { value, sizeof value };
        CHECK_EQ(ms_put_wait(c.members[0], text("k"), v, NULL), 0);
    }
    CHECK(has_checkpoint(&c, 0));
    test_cluster_stop(&c, 0);
    spoil_database(&c, 0);
    struct ms_member *m;
    CHECK_EQ(ms_open(&m, &o, why), MS_ECORRUPT);
    CHECK(strstr(why, "data/1") != NULL);
    temp_dir_remove(c.dir);
}

static void on_any_put(void *arg, int status, uint64_t revision)
{
    struct tally *t = arg;
    (void)revision;
    t->ended++;
    t->failed += status != 0;
}

/* SPEC 3: a removed member stops by itself and says why; also when it is started again. */
TEST(rt_library, a_removed_member_stops_by_itself)
{
    struct test_cluster c;
    struct ms_options options;
    char why[MS_WHY_BYTES];
    test_cluster_init(&c, 3, MS_STORAGE_MEMORY);
    for (uint32_t i = 0; i < 3; i++) test_cluster_start(&c, i);
    must_put(c.members[0], "foo", "1");
    uint32_t leader = test_cluster_leader(&c), gone = (leader + 1) % 3;
    struct tally t = { 0 };
    uint32_t accepted = 0;
    for (int i = 0; i < 300; i++)
        accepted += ms_put(c.members[gone], text("k"), text("v"), on_any_put, &t) == 0;
    CHECK_EQ(ms_member_remove_wait(c.members[leader], gone + 1, false), 0);
    for (int i = 0; i < 300; i++)
        accepted += ms_put(c.members[gone], text("k"), text("v"), on_any_put, &t) == 0;
    struct pollfd wait = { .fd = ms_fd(c.members[gone]), .events = POLLIN };
    int rv = 0;
    while (rv >= 0) {
        CHECK_EQ(poll(&wait, 1, 20000), 1);
        rv = ms_poll(c.members[gone]);
    }
    CHECK_EQ(rv, MS_EREMOVED);
    CHECK(accepted >= 300);
    CHECK_EQ(t.ended, accepted);    /* each ended, and once, whatever had become of it */
    CHECK_EQ(poll(&wait, 1, 0), 1); /* and so it stays */
    CHECK_EQ(ms_poll(c.members[gone]), MS_EREMOVED);
    CHECK(strstr(ms_stop_reason(c.members[gone]), "removed") != NULL);
    CHECK_EQ(ms_put_wait(c.members[gone], text("x"), text("y"), NULL), MS_ESTOPPED);
    struct ms_status s;
    CHECK_EQ(ms_status(c.members[gone], &s), 0);
    CHECK_EQ(s.id, gone + 1);
    test_cluster_stop(&c, gone);
    test_cluster_options(&c, gone, &options);
    CHECK_EQ(ms_open(&c.members[gone], &options, why), MS_EREMOVED);
    CHECK(strstr(why, "removed") != NULL && c.members[gone] == NULL);
    must_put(c.members[leader], "foo", "2");
    test_cluster_fini(&c);
}

/* ---- starts that fail ---- */

static void must_fail(const struct ms_options *options, int status, const char *part)
{
    struct ms_member *m;
    char why[MS_WHY_BYTES];
    int rv = ms_open(&m, options, why);
    if (rv != status || !strstr(why, part)) fprintf(stderr, "%d: %s\n", rv, why);
    CHECK_EQ(rv, status);
    CHECK(m == NULL && strstr(why, part) && !strchr(why, '\n'));
}

static bool exists(const struct test_cluster *c, const char *name)
{
    char path[TEMP_DIR_BYTES + 64];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", c->dir, name);
    return stat(path, &st) == 0;
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(fd, 1), 0);
    return fd;
}

TEST(rt_library, starts_that_fail_say_why_and_leave_nothing_half_done)
{
    struct test_cluster c;
    struct ms_options o;
    char path[TEMP_DIR_BYTES + 64];
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_options(&c, 0, &o);
    o.http_port = c.http_ports[0];
    int fd = listen_on(o.http_port);
    must_fail(&o, MS_EADDR, "in use");
    close(fd);
    fd = listen_on(c.peer_ports[0]);
    must_fail(&o, MS_EADDR, "in use");
    close(fd);
    CHECK(!exists(&c, "metaStore-1")); /* no data was touched */
    o.listen = "192.0.2.1";
    must_fail(&o, MS_EADDR, "192.0.2.1");
    o.listen = "no-such-host.invalid";
    must_fail(&o, MS_EADDR, "no-such-host.invalid");
    o.listen = NULL;
    o.id = 2;
    must_fail(&o, MS_EINVAL, "--id 2");
    o.id = 1;

    test_cluster_start(&c, 0);
    struct ms_options twice = o;
    uint16_t port = free_port();
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    twice.cluster = url;
    twice.http_port = free_port();
    must_fail(&twice, MS_ELOCKED, "metaStore-1 is in use");
    must_put(c.members[0], "k", "v");
    test_cluster_stop(&c, 0);

    o.storage = MS_STORAGE_ROCKSDB;
    must_fail(&o, MS_EFOREIGN, "metaStore-1 holds data of the memory engine");
    CHECK(!exists(&c, "data/1"));
    snprintf(path, sizeof path, "%s/data", c.dir);
    CHECK_EQ(rmdir(path), 0);
    must_fail(&o, MS_ENOTFOUND, path);
    snprintf(path, sizeof path, "%s/x/y", c.dir);
    o.data_dir = path;
    o.storage = MS_STORAGE_MEMORY;
    must_fail(&o, MS_ENOTFOUND, "/x");
    CHECK(!exists(&c, "x"));
    temp_dir_remove(c.dir);

    test_cluster_init(&c, 1, MS_STORAGE_ROCKSDB);
    test_cluster_start(&c, 0);
    must_put(c.members[0], "k", "v");
    test_cluster_stop(&c, 0);
    test_cluster_options(&c, 0, &o);
    o.storage = MS_STORAGE_MEMORY;
    must_fail(&o, MS_EFOREIGN, "data/1 holds data of the rocksdb engine");
    CHECK(!exists(&c, "metaStore-1"));
    temp_dir_remove(c.dir);
}

/* -1: nobody is there, or there are no descriptors left. */
static int connect_to(const char *host, uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(inet_pton(AF_INET, host, &at.sin_addr), 1);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static bool answers(const char *host, uint16_t port)
{
    int fd = connect_to(host, port);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

/* Files that cannot be opened would stop the member: clients do not get the last descriptors. */
TEST(rt_library, connections_leave_descriptors_for_files)
{
    enum { LIMIT = 400, CLIENTS = 169 };
    struct rlimit before, low;
    struct test_cluster c;
    int fds[CLIENTS];
    char answer[16] = "";
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = LIMIT;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_start(&c, 0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0); /* the other ends are in this process, too */
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = connect_to("127.0.0.1", c.http_ports[0]);
        CHECK(fds[i] >= 0);
    }
    struct pollfd last = { .fd = fds[CLIENTS - 1], .events = POLLIN };
    CHECK_EQ(poll(&last, 1, 5000), 1);
    CHECK(recv(last.fd, answer, 12, 0) == 12 && strcmp(answer, "HTTP/1.1 503") == 0);
    must_put(c.members[0], "k", "v");
    for (int i = 0; i < CLIENTS; i++) close(fds[i]);
    test_cluster_fini(&c);
}

/* SPEC 2: without --listen the API is on the loopback and on the host of the own peer URL, nowhere
 * else. */
TEST(rt_library, addresses_that_are_served)
{
    static const struct {
        const char *url_host, *listen, *listen_peer;
        bool api_1, api_2, api_3; /* on 127.0.0.1, .2, .3 */
        const char *peer;
    } rows[] = {
        { "127.0.0.1", NULL, NULL, true, false, false, "127.0.0.1" },
        { "127.0.0.2", NULL, NULL, true, true, false, "127.0.0.2" },
        { "0.0.0.0", NULL, NULL, true, true, true, "127.0.0.3" },
        { "127.0.0.2", "127.0.0.3", NULL, false, false, true, "127.0.0.2" },
        { "127.0.0.2", "127.0.0.3,127.0.0.1,127.0.0.3", NULL, true, false, true, "127.0.0.2" },
        { "127.0.0.2", "127.0.0.1,0.0.0.0", NULL, true, true, true, "127.0.0.2" },
        { "192.0.2.1", NULL, "127.0.0.3", true, false, false, "127.0.0.3" }, /* behind NAT */
        { "localhost", NULL, NULL, true, false, false, "127.0.0.1" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct test_cluster c;
        struct ms_options o;
        struct ms_member *m;
        char why[MS_WHY_BYTES] = "", url[64];
        test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
        test_cluster_options(&c, 0, &o);
        snprintf(url, sizeof url, "http://%s:%u", rows[i].url_host, c.peer_ports[0]);
        o.cluster = url;
        o.listen = rows[i].listen;
        o.listen_peer = rows[i].listen_peer;
        CHECK_EQ(ms_open(&m, &o, why), 0);
        CHECK_EQ(answers("127.0.0.1", o.http_port), rows[i].api_1);
        CHECK_EQ(answers("127.0.0.2", o.http_port), rows[i].api_2);
        CHECK_EQ(answers("127.0.0.3", o.http_port), rows[i].api_3);
        CHECK(answers(rows[i].peer, c.peer_ports[0]));
        ms_close(m);
        o.http = false;
        CHECK_EQ(ms_open(&m, &o, why), 0);
        CHECK(!answers("127.0.0.1", o.http_port));
        ms_close(m);
        temp_dir_remove(c.dir);
    }
}

/* Root may write anywhere, so only others can see it. */
TEST(rt_library, a_directory_that_may_not_be_written)
{
    struct test_cluster c;
    struct ms_options o;
    if (geteuid() == 0) return;
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_options(&c, 0, &o);
    CHECK_EQ(chmod(c.dir, 0500), 0);
    must_fail(&o, MS_EACCES, c.dir);
    CHECK_EQ(chmod(c.dir, 0700), 0);
    temp_dir_remove(c.dir);
}

/* With a data directory of its own that does not exist yet, it is made. */
TEST(rt_library, a_data_directory_is_made)
{
    struct test_cluster c;
    struct ms_options o;
    struct ms_member *m;
    char path[TEMP_DIR_BYTES + 64], why[MS_WHY_BYTES];
    test_cluster_init(&c, 1, MS_STORAGE_MEMORY);
    test_cluster_options(&c, 0, &o);
    snprintf(path, sizeof path, "%s/new", c.dir);
    o.data_dir = path;
    CHECK_EQ(ms_open(&m, &o, why), 0);
    must_put(m, "k", "v");
    ms_close(m);
    CHECK(exists(&c, "new/metaStore-1") && exists(&c, "new/metaStore-1-snap"));
    temp_dir_remove(c.dir);
}

TEST(rt_library, texts)
{
    CHECK(strcmp(ms_version(), "0.1.0") == 0);
    CHECK(strstr(ms_build_info(), "RocksDB ") && strstr(ms_build_info(), "commit "));
    CHECK(strcmp(ms_strerror(MS_EBUSY), "a bounded queue is full") == 0);
    CHECK(ms_strerror(-7777) != NULL);
}
