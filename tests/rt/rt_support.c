#include "tests/rt/rt_support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/test.h"

/* ---- directories ---- */

void temp_dir_make(char out[TEMP_DIR_BYTES])
{
    const char *base = getenv("TMPDIR");
    snprintf(out, TEMP_DIR_BYTES, "%s/ms-test-XXXXXX", base ? base : "/tmp");
    CHECK(mkdtemp(out) != NULL);
}

/* nftw() would want a feature macro that hides others. */
void temp_dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    CHECK(d != NULL);
    while ((e = readdir(d)) != NULL) {
        char path[1024];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        CHECK_EQ(lstat(path, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            temp_dir_remove(path);
        } else {
            CHECK_EQ(unlink(path), 0);
        }
    }
    closedir(d);
    CHECK_EQ(rmdir(dir), 0);
}

void temp_subdir(const char *dir, const char *name)
{
    char path[TEMP_DIR_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_EQ(mkdir(path, 0700), 0);
}

uint32_t open_descriptors(void)
{
    DIR *d = opendir("/dev/fd");
    uint32_t count = 0;
    CHECK(d != NULL);
    while (readdir(d)) count++;
    closedir(d);
    return count - 3; /* ".", "..", and the directory itself */
}

/* ---- ports ---- */

/* The socket stays open, bound and not listening, until the process ends: with SO_REUSEADDR on both
 * sides another socket may listen there, and the kernel gives the port to nobody else. */
uint16_t free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, len), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

/* ---- clusters ---- */

void test_cluster_init(struct test_cluster *c, uint32_t count, enum ms_storage storage)
{
    CHECK(count <= TEST_MEMBERS_MAX);
    *c = (struct test_cluster){ .count = count };
    temp_dir_make(c->dir);
    temp_subdir(c->dir, "data");
    for (uint32_t i = 0; i < count; i++) {
        size_t len = strlen(c->urls);
        c->peer_ports[i] = free_port();
        c->http_ports[i] = free_port();
        c->storage[i] = storage;
        snprintf(c->urls + len, sizeof c->urls - len, "%shttp://127.0.0.1:%u", i ? "," : "",
                 c->peer_ports[i]);
    }
}

void test_cluster_options(const struct test_cluster *c, uint32_t at, struct ms_options *out)
{
    ms_options_init(out);
    out->id = at + 1;
    out->cluster = c->urls;
    out->data_dir = c->dir;
    out->http_port = c->http_ports[at];
    out->storage = c->storage[at];
    out->heartbeat_ms = 50;
    out->election_ms = 300; /* the machine may be busy */
    out->log_level = getenv("MS_TEST_LOG") ? MS_LOG_DEBUG : MS_LOG_ERROR;
}

void test_cluster_start(struct test_cluster *c, uint32_t at)
{
    struct ms_options options;
    char why[MS_WHY_BYTES];
    test_cluster_options(c, at, &options);
    int rv = ms_open(&c->members[at], &options, why);
    if (rv != 0) fprintf(stderr, "ms_open: %s\n", why);
    CHECK_EQ(rv, 0);
}

void test_cluster_settle(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        struct ms_status s = { .abstains = true };
        for (int tries = 0; tries < 2000 && c->members[i] && (s.abstains || s.leader == 0); tries++) {
            CHECK_EQ(ms_status(c->members[i], &s), 0);
            nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        }
        if (c->members[i]) CHECK(!s.abstains && s.leader != 0);
    }
}

void test_cluster_stop(struct test_cluster *c, uint32_t at)
{
    ms_close(c->members[at]);
    c->members[at] = NULL;
}

void test_cluster_fini(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->count; i++) test_cluster_stop(c, i);
    temp_dir_remove(c->dir);
}

static struct ms_bytes text(const char *s)
{
    return (struct ms_bytes){ .data = s, .len = strlen(s) };
}

/* A start, an election, a member that catches up: at most so many request timeouts. */
#define TRIES_MAX 6

void must_put(struct ms_member *m, const char *key, const char *value)
{
    int rv = MS_ENOLEADER;
    for (int i = 0; i < TRIES_MAX && (rv == MS_ENOLEADER || rv == MS_ENOTREADY); i++)
        rv = ms_put_wait(m, text(key), text(value), NULL);
    CHECK_EQ(rv, 0);
}

void must_have(struct ms_member *m, const char *key, const char *value)
{
    struct ms_bytes got = { 0 };
    int rv = MS_ENOLEADER;
    for (int i = 0; i < TRIES_MAX && (rv == MS_ENOLEADER || rv == MS_ENOTREADY || rv == MS_ETIMEOUT);
         i++)
        rv = ms_get_wait(m, text(key), &got, NULL);
    CHECK_EQ(rv, value ? 0 : MS_ENOTFOUND);
    if (!value) return;
    CHECK_EQ(got.len, strlen(value));
    CHECK(memcmp(got.data, value, got.len) == 0);
    ms_value_free(got);
}

uint32_t test_cluster_leader(struct test_cluster *c)
{
    for (int i = 0; i < 2000; i++) {
        for (uint32_t at = 0; at < c->count; at++) {
            struct ms_status s;
            if (!c->members[at]) continue;
            CHECK_EQ(ms_status(c->members[at], &s), 0);
            if (s.role == MS_ROLE_LEADER) return at;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    CHECK(!"no leader");
    return 0;
}
