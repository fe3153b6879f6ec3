/* test_rt_backup.c: backups of members that do not run, what they hold, and clusters made of them. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ms_err.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

static char dir[TEMP_DIR_BYTES], file[TEMP_DIR_BYTES + 16], why[MS_WHY_BYTES];
static struct ms_snapshot_report report;

static void put_some(struct ms_member *m, int count)
{
    char key[32], value[64];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        snprintf(value, sizeof value, "value of %d", i);
        must_put(m, key, value);
    }
}

/* A member of that engine writes, and goes; its backup stands in file then. */
static void make_backup(enum ms_storage storage, struct test_cluster *c)
{
    struct ms_options options;
    test_cluster_init(c, 1, storage);
    test_cluster_start(c, 0);
    put_some(c->members[0], 50);
    must_put(c->members[0], "key-7", "another");
    test_cluster_options(c, 0, &options);
    CHECK_EQ(ms_snapshot_save_offline(file, &options, &report, why), MS_ELOCKED);
    CHECK(strstr(why, "in use"));
    test_cluster_stop(c, 0);
    CHECK_EQ(ms_snapshot_save_offline(file, &options, &report, why), 0);
    CHECK(report.whole && report.key_count == 50 && report.member_count == 1);
}

static void begin(void)
{
    temp_dir_make(dir);
    temp_subdir(dir, "data");
    snprintf(file, sizeof file, "%s/backup", dir);
}

static void new_options(struct ms_options *o, char url[64], enum ms_storage storage)
{
    ms_options_init(o);
    snprintf(url, 64, "http://127.0.0.1:%u", free_port());
    o->cluster = url;
    o->data_dir = dir;
    o->storage = storage;
    o->http_port = free_port();
    o->log_level = MS_LOG_ERROR;
}

static void restore_into(enum ms_storage from, enum ms_storage to)
{
    struct test_cluster c;
    struct ms_options o;
    struct ms_member *m;
    struct ms_status s;
    char url[64];
    begin();
    make_backup(from, &c);
    uint64_t revision = report.revision;
    char cluster[33];
    memcpy(cluster, report.cluster, sizeof cluster);
    new_options(&o, url, to);
    CHECK_EQ(ms_snapshot_restore(file, &o, 1000, why), 0);
    CHECK_EQ(ms_snapshot_restore(file, &o, 1000, why), MS_EEXIST);
    CHECK_EQ(ms_open(&m, &o, why), 0);
    must_have(m, "key-3", "value of 3");
    must_have(m, "key-7", "another");
    must_have(m, "key-49", "value of 49");
    must_put(m, "new", "x");
    CHECK_EQ(ms_status(m, &s), 0);
    CHECK_EQ(s.revision, revision + 1001);
    CHECK(s.member_count == 1 && !s.abstains && strcmp(s.members[0].url, url) == 0);
    ms_close(m);
    CHECK_EQ(ms_open(&m, &o, why), 0); /* it is a member as any other */
    must_have(m, "new", "x");
    ms_close(m);
    CHECK_EQ(ms_snapshot_save_offline(file, &o, &report, why), 0);
    CHECK(strcmp(cluster, report.cluster) != 0);
    CHECK_EQ(report.key_count, 51);
    test_cluster_fini(&c);
    temp_dir_remove(dir);
}

TEST(rt_backup, of_memory_into_memory)
{
    restore_into(MS_STORAGE_MEMORY, MS_STORAGE_MEMORY);
}

TEST(rt_backup, of_memory_into_rocksdb)
{
    restore_into(MS_STORAGE_MEMORY, MS_STORAGE_ROCKSDB);
}

TEST(rt_backup, of_rocksdb_into_memory)
{
    restore_into(MS_STORAGE_ROCKSDB, MS_STORAGE_MEMORY);
}

TEST(rt_backup, of_rocksdb_into_rocksdb)
{
    restore_into(MS_STORAGE_ROCKSDB, MS_STORAGE_ROCKSDB);
}

static void flip(const char *path, long offset)
{
    int fd = open(path, O_RDWR);
    unsigned char c;
    CHECK(fd >= 0 && pread(fd, &c, 1, offset) == 1);
    c ^= 0x10;
    CHECK(pwrite(fd, &c, 1, offset) == 1);
    close(fd);
}

static bool is_there(const char *name)
{
    char path[TEMP_DIR_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

TEST(rt_backup, damage_is_told_and_makes_no_member)
{
    struct test_cluster c;
    struct ms_options o;
    struct stat st;
    char url[64];
    begin();
    make_backup(MS_STORAGE_MEMORY, &c);
    new_options(&o, url, MS_STORAGE_MEMORY);
    CHECK(stat(file, &st) == 0);
    for (long at = 0; at < st.st_size; at += 1 + st.st_size / 40) {
        flip(file, at);
        CHECK_EQ(ms_snapshot_status(file, &report, why), at == 4 || at == 5 ? MS_EVERSION : 0);
        CHECK(!report.whole);
        CHECK(ms_snapshot_restore(file, &o, 1, why) < 0);
        flip(file, at);
    }
    CHECK_EQ(ms_snapshot_status(file, &report, why), 0);
    CHECK(report.whole && report.bytes == (uint64_t)st.st_size && strlen(report.digest) == 32);
    CHECK_EQ(truncate(file, st.st_size - 1), 0);
    CHECK_EQ(ms_snapshot_status(file, &report, why), 0);
    CHECK(!report.whole && strstr(report.text, "offset 0"));
    CHECK(ms_snapshot_restore(file, &o, 1, why) < 0);
    CHECK(!is_there("metaStore-1") && !is_there("metaStore-1-snap"));
    CHECK_EQ(ms_snapshot_status(dir, &report, why), MS_EINVAL);
    test_cluster_fini(&c);
    temp_dir_remove(dir);
}

/* A file in place of what has to be a directory, at different points: each failure leaves nothing. */
TEST(rt_backup, what_fails_takes_away_what_it_made)
{
    struct test_cluster c;
    struct ms_options o;
    struct ms_member *m;
    char url[64], path[TEMP_DIR_BYTES + 64];
    begin();
    make_backup(MS_STORAGE_MEMORY, &c);
    new_options(&o, url, MS_STORAGE_MEMORY);
    CHECK_EQ(ms_snapshot_restore(file, &o, UINT64_MAX / 2, why), MS_ETOOBIG);
    CHECK(!is_there("metaStore-1") && !is_there("metaStore-1-snap"));
    o.storage = MS_STORAGE_ROCKSDB;
    CHECK_EQ(ms_snapshot_restore(file, &o, UINT64_MAX / 2, why), MS_ETOOBIG);
    CHECK(!is_there("data/1"));
    o.cluster = "http://127.0.0.1:1,http://127.0.0.1:2";
    CHECK_EQ(ms_snapshot_restore(file, &o, 1, why), MS_EINVAL);
    CHECK(strstr(why, "one member"));

    /* Cut off in its middle: no start takes it for a member, and no restore writes over it. */
    o.cluster = url;
    o.storage = MS_STORAGE_MEMORY;
    temp_subdir(dir, "metaStore-1");
    snprintf(path, sizeof path, "%s/metaStore-1/restore.tmp", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    CHECK_EQ(ms_open(&m, &o, why), MS_ELOSTDATA);
    CHECK(strstr(why, "in part only"));
    CHECK_EQ(ms_snapshot_restore(file, &o, 1, why), MS_EEXIST);
    CHECK_EQ(ms_snapshot_save_offline(file, &o, &report, why), MS_ELOSTDATA);
    test_cluster_fini(&c);
    temp_dir_remove(dir);
}

/* Two at once to the same name: the second one leaves the first alone. What a killed one left is no bar. */
TEST(rt_backup, one_writer_a_file)
{
    struct test_cluster c;
    struct ms_options o;
    char temp[TEMP_DIR_BYTES + 32];
    begin();
    make_backup(MS_STORAGE_MEMORY, &c);
    test_cluster_options(&c, 0, &o);
    snprintf(temp, sizeof temp, "%s.tmp", file);
    int fd = open(temp, O_CREAT | O_RDWR, 0600);
    CHECK(fd >= 0 && write(fd, "half", 4) == 4 && flock(fd, LOCK_EX) == 0);
    CHECK_EQ(ms_snapshot_save_offline(file, &o, &report, why), MS_ELOCKED);
    struct stat st;
    CHECK(fstat(fd, &st) == 0 && st.st_size == 4);
    close(fd);
    CHECK_EQ(ms_snapshot_save_offline(file, &o, NULL, why), 0);
    CHECK(access(temp, F_OK) != 0);
    CHECK_EQ(ms_snapshot_save_offline("", &o, NULL, why), MS_EINVAL);
    test_cluster_fini(&c);
    temp_dir_remove(dir);
}

/* An offline backup changes nothing, and a member whose log is damaged gives none. */
TEST(rt_backup, a_damaged_log_is_no_backup)
{
    struct test_cluster c;
    struct ms_options o;
    char path[TEMP_DIR_BYTES + 64];
    begin();
    make_backup(MS_STORAGE_MEMORY, &c);
    test_cluster_options(&c, 0, &o);
    snprintf(path, sizeof path, "%s/metaStore-1/wal-0000000000000001.seg", c.dir);
    flip(path, 4096 + 512 + 100);
    CHECK_EQ(ms_snapshot_save_offline(file, &o, &report, why), MS_ELOSTDATA);
    CHECK(strstr(why, "damaged"));
    CHECK_EQ(ms_snapshot_status(file, &report, why), 0); /* the one that was there stays */
    CHECK(report.whole && !is_there("backup.tmp"));
    flip(path, 4096 + 512 + 100);
    CHECK_EQ(ms_snapshot_save_offline(file, &o, &report, why), 0);
    o.id = 2;
    CHECK_EQ(ms_snapshot_save_offline(file, &o, &report, why), MS_ENOTFOUND);
    test_cluster_fini(&c);
    temp_dir_remove(dir);
}
