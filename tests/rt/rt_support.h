/* rt_support.h: a directory of its own for a test, and ports that nobody uses. */
#ifndef TESTS_RT_RT_SUPPORT_H
#define TESTS_RT_RT_SUPPORT_H

#include <stdint.h>

#include "metastore/metastore.h"

#define TEMP_DIR_BYTES 128

/* A new empty directory. */
void temp_dir_make(char out[TEMP_DIR_BYTES]);
/* Remove it with all below it. */
void temp_dir_remove(const char *dir);
void temp_subdir(const char *dir, const char *name); /* make dir/name */

/* Files, sockets and others that this process has open. */
uint32_t open_descriptors(void);

/* A port of 127.0.0.1 that is free now; each call in a process gives another one. */
uint16_t free_port(void);

/* Members of one cluster in this process, quiet, with short timeouts. */
#define TEST_MEMBERS_MAX 5
struct test_cluster {
    char dir[TEMP_DIR_BYTES];
    char urls[1024];
    uint32_t count;
    uint16_t peer_ports[TEST_MEMBERS_MAX], http_ports[TEST_MEMBERS_MAX];
    enum ms_storage storage[TEST_MEMBERS_MAX];
    struct ms_member *members[TEST_MEMBERS_MAX]; /* NULL: not running */
};

void test_cluster_init(struct test_cluster *c, uint32_t count, enum ms_storage storage);
void test_cluster_options(const struct test_cluster *c, uint32_t at, struct ms_options *out);
void test_cluster_start(struct test_cluster *c, uint32_t at);
/* Until every member that runs takes full part. One that came late to the founding of its cluster
 * abstains until the leader has bound it, and counts as down until then (DESIGN 4). */
void test_cluster_settle(struct test_cluster *c);
void test_cluster_stop(struct test_cluster *c, uint32_t at);
void test_cluster_fini(struct test_cluster *c);

/* Which member leads: one that runs and says so. */
uint32_t test_cluster_leader(struct test_cluster *c);

/* Write or read through a member until it answers something else than "no leader yet". */
void must_put(struct ms_member *m, const char *key, const char *value);
void must_have(struct ms_member *m, const char *key, const char *value); /* NULL: absent */

#endif
