/* test_rt_wal.c: records of the log as lines, and ms_wal_read() on directories of real members. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/ms_err.h"
#include "format/config.h"
#include "format/entry_lease.h"
#include "kv/kv_cmd.h"
#include "rt/rt_alloc.h"
#include "rt/rt_disk.h"
#include "rt/rt_wal_line.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

/* --- lines --- */

static struct buf payload, line;

static void expect_line(const struct wal_seen *seen, bool json, int status, const char *want)
{
    buf_clear(&line);
    CHECK_EQ(rt_wal_line(&line, seen, json), status);
    buf_append_u8(&line, 0);
    CHECK(!line.failed);
    if (strcmp((const char *)line.data, want) != 0)
        fprintf(stderr, "line   %s\nwanted %s\n", (const char *)line.data, want);
    CHECK(strcmp((const char *)line.data, want) == 0);
}

/* Text and JSON of an entry with that body; want: behind what all entries begin with. */
static void expect_entry(uint8_t kind, struct bytes body, const char *text, const char *json)
{
    static char want[4096];
    struct entry e = { .kind = kind, .version = ENTRY_VERSION, .body = body };
    struct wal_seen seen = { .life = 0x1f, .offset = 4608, .fate = WAL_FATE_LIVE };
    buf_clear(&payload);
    entry_encode(&payload, &e);
    seen.rec =
        (struct wal_record){ .type = WAL_RECORD_ENTRY, .batch = 2, .written_term = 4, .term = 3 };
    seen.rec.index = 9;
    seen.rec.body = buf_bytes(&payload);
    CHECK_EQ(rt_wal_entry_check(&seen), 0);
    snprintf(want, sizeof want,
             "wal-000000000000001f.seg:4608 batch 2 entry 9 term 3 written 4 live: %s", text);
    expect_line(&seen, false, 0, want);
    snprintf(
        want, sizeof want,
        "{\"segment\": \"wal-000000000000001f.seg\", \"offset\": 4608, \"batch\": 2, "
        "\"record\": \"entry\", \"index\": 9, \"term\": 3, \"written_term\": 4, \"fate\": \"live\", "
        "\"bytes\": %zu, %s}",
        payload.len, json);
    expect_line(&seen, true, 0, want);
}

static void lines_begin(struct buf *body)
{
    buf_init(&payload, rt_alloc_heap(), 1u << 20);
    buf_init(&line, rt_alloc_heap(), 1u << 20);
    buf_init(body, rt_alloc_heap(), 1u << 20);
}

static void lines_end(struct buf *body)
{
    buf_fini(&payload);
    buf_fini(&line);
    buf_fini(body);
}

#define UUID "0123456789abcdef" /* 16 bytes */
#define UUID_HEX "30313233343536373839616263646566"

TEST(rt_wal_line, entries_without_keys)
{
    struct buf body;
    lines_begin(&body);
    expect_entry(ENTRY_NOOP, bytes_of(NULL, 0), "noop", "\"kind\": \"noop\"");
    expect_entry(ENTRY_DIGEST, bytes_of(NULL, 0), "digest", "\"kind\": \"digest\"");
    buf_append_u64(&body, 77);
    expect_entry(ENTRY_COMPACT, buf_bytes(&body), "compact below revision 77",
                 "\"kind\": \"compact\", \"revision\": 77");
    buf_append_u64(&body, 5);
    buf_append(&body, UUID, MS_UUID_BYTES);
    expect_entry(ENTRY_ATTACH, buf_bytes(&body), "attach member 77, added at 5, directory " UUID_HEX,
                 "\"kind\": \"attach\", \"member\": 77, \"added_index\": 5, \"nonce\": \"" UUID_HEX
                 "\"");
    lines_end(&body);
}

TEST(rt_wal_line, leases)
{
    struct buf body, command;
    lines_begin(&body);
    struct entry_lease_grant g = { .id = 7, .ttl_ms = 5000 };
    entry_lease_grant_encode(&body, &g);
    expect_entry(ENTRY_LEASE_GRANT, buf_bytes(&body), "lease-grant 7 for 5000 ms",
                 "\"kind\": \"lease-grant\", \"lease\": 7, \"ttl_ms\": 5000");
    buf_clear(&body);
    buf_init(&command, rt_alloc_heap(), 1000);
    CHECK_EQ(kv_cmd_encode_delete(&command, bytes_of_str("k")), 0);
    g = (struct entry_lease_grant){ .ttl_ms = 5000, .command = buf_bytes(&command) };
    entry_lease_grant_encode(&body, &g);
    expect_entry(
        ENTRY_LEASE_GRANT, buf_bytes(&body), "lease-grant for 5000 ms delete k",
        "\"kind\": \"lease-grant\", \"lease\": 0, \"ttl_ms\": 5000, \"compares\": [], \"then\": "
        "[{\"op\": \"delete\", \"key\": \"k\"}], \"else\": []");
    buf_fini(&command);
    buf_clear(&body);
    struct entry_lease_revoke v = { .id = 7 };
    entry_lease_revoke_encode(&body, &v);
    expect_entry(ENTRY_LEASE_REVOKE, buf_bytes(&body), "lease-revoke 7",
                 "\"kind\": \"lease-revoke\", \"lease\": 7");
    buf_clear(&body);
    v = (struct entry_lease_revoke){ .id = 7, .expired = true, .term = 3, .renewed_index = 9 };
    entry_lease_revoke_encode(&body, &v);
    expect_entry(ENTRY_LEASE_REVOKE, buf_bytes(&body),
                 "lease-revoke 7, expired in term 3, not renewed since entry 9",
                 "\"kind\": \"lease-revoke\", \"lease\": 7, \"expired_in_term\": 3, "
                 "\"renewed_index\": 9");
    buf_clear(&body);
    for (uint64_t id = 1; id <= 3; id++) buf_append_u64(&body, id);
    expect_entry(ENTRY_LEASE_RENEW, buf_bytes(&body), "lease-renew of 3",
                 "\"kind\": \"lease-renew\", \"count\": 3");
    expect_entry(ENTRY_LEASE_CHECKPOINT, buf_bytes(&body), "lease-checkpoint of 1",
                 "\"kind\": \"lease-checkpoint\", \"count\": 1");
    lines_end(&body);
}

TEST(rt_wal_line, configurations_with_their_members)
{
    struct config_member one = {
        .id = 1, .added_index = 1, .roles = CONFIG_VOTER, .url = "http://a:1"
    };
    struct config_member two = { .id = 2,
                                 .roles = CONFIG_LEARNER | CONFIG_PROMOTE,
                                 .url = "http://b:2" };
    struct config c = { 0 };
    struct buf body;
    lines_begin(&body);
    CHECK_EQ(config_add(&c, &one), 0);
    CHECK_EQ(config_add(&c, &two), 0);
    config_encode(&body, &c);
#define MEMBERS_JSON                                                                                   \
    "\"members\": [{\"id\": 1, \"role\": \"voter\", \"added_index\": 1, \"url\": \"http://a:1\"}, "    \
    "{\"id\": 2, \"role\": \"learner\", \"added_index\": 9, \"url\": \"http://b:2\"}], \"lease_ms\": " \
    "0"
    expect_entry(ENTRY_CONFIG, buf_bytes(&body), "config voter 1=http://a:1, learner 2=http://b:2",
                 "\"kind\": \"config\", " MEMBERS_JSON);
    buf_clear(&body);
    buf_append(&body, UUID, MS_UUID_BYTES);
    config_encode(&body, &c);
    expect_entry(ENTRY_INIT, buf_bytes(&body),
                 "init cluster " UUID_HEX ", voter 1=http://a:1, learner 2=http://b:2",
                 "\"kind\": \"init\", \"cluster\": \"" UUID_HEX "\", " MEMBERS_JSON);
    lines_end(&body);
}

TEST(rt_wal_line, transactions_with_keys_and_sizes)
{
    struct kv_op ops[6] = { { .kind = KV_OP_PUT, .key = bytes_of("a \"%\\\n\xff/", 8) } };
    struct kv_compare compare = { .target = KV_CMP_VALUE, .key = bytes_of_str("k") };
    struct buf body, nested;
    lines_begin(&body);
    buf_init(&nested, rt_alloc_heap(), 1u << 20);
    ops[0].value = bytes_of_str("four");
    CHECK_EQ(kv_cmd_encode_delete(&nested, bytes_of_str("n")), 0);
    for (unsigned i = 1; i < 6; i++) ops[i] = (struct kv_op){ .kind = KV_OP_DELETE };
    for (unsigned i = 1; i < 6; i++) ops[i].key = bytes_of_str("d");
    ops[1].range_end = bytes_of_str("e");
    ops[2] = (struct kv_op){ .kind = KV_OP_TXN, .txn = buf_bytes(&nested) };
    CHECK_EQ(kv_cmd_encode(&body, NULL, 0, ops, 1, NULL, 0), 0);
    expect_entry(ENTRY_TXN, buf_bytes(&body), "txn put a%20%22%25%5C%0A%FF/ (4 bytes)",
                 "\"kind\": \"txn\", \"compares\": [], \"then\": [{\"op\": \"put\", "
                 "\"key\": \"a%20%22%25%5C%0A%FF/\", \"value_bytes\": 4}], \"else\": []");
    buf_clear(&body);
    CHECK_EQ(kv_cmd_encode(&body, &compare, 1, ops, 3, ops + 3, 1), 0);
    expect_entry(ENTRY_TXN, buf_bytes(&body),
                 "txn if 1 compares: put a%20%22%25%5C%0A%FF/ (4 bytes), delete d to e, txn of 0 "
                 "compares, 1 and 0 operations; else delete d",
                 "\"kind\": \"txn\", \"compares\": [{\"target\": \"value\", \"result\": \"=\", "
                 "\"key\": \"k\", \"value_bytes\": 0}], \"then\": [{\"op\": \"put\", "
                 "\"key\": \"a%20%22%25%5C%0A%FF/\", \"value_bytes\": 4}, {\"op\": \"delete\", "
                 "\"key\": \"d\", \"range_end\": \"e\"}, {\"op\": \"txn\", \"compares\": [], "
                 "\"then\": [{\"op\": \"delete\", \"key\": \"n\"}], \"else\": []}], "
                 "\"else\": [{\"op\": \"delete\", \"key\": \"d\"}]");
    buf_clear(&body);
    CHECK_EQ(kv_cmd_encode(&body, NULL, 0, ops + 1, 5, NULL, 0), 0);
    buf_clear(&line);
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION, .body = buf_bytes(&body) };
    struct wal_seen seen = { .life = 1, .rec.type = WAL_RECORD_ENTRY, .fate = WAL_FATE_CUT };
    buf_clear(&payload);
    e.origin = (struct entry_origin){ .member_id = 2, .incarnation = 3, .seq = 4, .low_seq = 1 };
    entry_encode(&payload, &e);
    seen.rec.body = buf_bytes(&payload);
    expect_line(
        &seen, false, 0,
        "wal-0000000000000001.seg:0 batch 0 entry 0 term 0 written 0 cut: txn delete d to e, txn "
        "of 0 compares, 1 and 0 operations, delete d, delete d and 1 more; from member 2, start "
        "3, number 4");
    buf_fini(&nested);
    lines_end(&body);
}

TEST(rt_wal_line, long_keys_are_cut_for_people_and_whole_in_json)
{
    static char key[1001];
    struct buf body;
    lines_begin(&body);
    memset(key, 'k', 1000);
    CHECK_EQ(kv_cmd_encode_delete(&body, bytes_of_str(key)), 0);
    char text[200], json[2000];
    snprintf(text, sizeof text, "txn delete %.64s...(1000 bytes)", key);
    snprintf(json, sizeof json,
             "\"kind\": \"txn\", \"compares\": [], \"then\": [{\"op\": \"delete\", \"key\": \"%s\"}], "
             "\"else\": []",
             key);
    expect_entry(ENTRY_TXN, buf_bytes(&body), text, json);
    lines_end(&body);
}

TEST(rt_wal_line, states_and_bases)
{
    struct wal_seen seen = { .life = 2,
                             .offset = 4096,
                             .rec = { .type = WAL_RECORD_STATE, .batch = 8 } };
    struct buf body;
    lines_begin(&body);
    seen.mark = (struct wal_mark){ .seq = 6, .life = 2, .state = { .term = 5, .vote = 1 } };
    seen.mark.state.incarnation = 7;
    seen.mark.state.snapshot_index = 100;
    seen.mark.state.snapshot_term = 4;
    seen.mark.state.flags = WAL_FLAG_ATTACHED | WAL_FLAG_DAMAGED;
    expect_line(
        &seen, false, 0,
        "wal-0000000000000002.seg:4096 batch 8 state 6: term 5, vote for 1, start 7, snapshot at "
        "100 of term 4, attached damaged");
    expect_line(
        &seen, true, 0,
        "{\"segment\": \"wal-0000000000000002.seg\", \"offset\": 4096, \"batch\": 8, \"record\": "
        "\"state\", \"seq\": 6, \"term\": 5, \"vote\": 1, \"incarnation\": 7, "
        "\"snapshot_index\": 100, \"snapshot_term\": 4, \"added_index\": 0, "
        "\"cluster\": \"00000000000000000000000000000000\", "
        "\"flags\": [\"attached\", \"damaged\"]}");
    seen.rec.type = WAL_RECORD_RESET;
    seen.base = (struct wal_base){ .index = 100, .term = 4, .first_life = 2, .last_index = 100 };
    seen.base.last_term = 4;
    seen.base.prev_life = 1;
    seen.base.prev_sector = 9;
    expect_line(&seen, false, 0,
                "wal-0000000000000002.seg:4096 batch 8 reset: the log begins behind 100 of term 4, in "
                "segment 2; it had reached 100 of term 4; segment 1 before it ends at 4608");
    lines_end(&body);
}

/* What no program of this version writes is shown for what it is, and told. */
TEST(rt_wal_line, entries_that_cannot_be_decoded_are_said)
{
    struct wal_seen seen = { .life = 1, .rec = { .type = WAL_RECORD_ENTRY, .index = 3 } };
    struct buf body;
    lines_begin(&body);
    seen.fate = WAL_FATE_LIVE;
    seen.rec.body = bytes_of("\x0c\x01\x00", 3);
    CHECK_EQ(rt_wal_entry_check(&seen), MS_EVERSION);
    expect_line(&seen, false, MS_EVERSION,
                "wal-0000000000000001.seg:0 batch 0 entry 3 term 0 written 0 live: 3 bytes: a version "
                "this program does not know");
    seen.rec.body = bytes_of("\xc8\x01\x00", 3); /* a wish, which stands in no log */
    CHECK_EQ(rt_wal_entry_check(&seen), MS_EVERSION);
    seen.rec.body = bytes_of("\x05\x01\x00 not a transaction", 20);
    CHECK(rt_wal_entry_check(&seen) < 0);
    seen.rec.body = bytes_of("\x06\x01\x00 too long for a revision", 20);
    CHECK_EQ(rt_wal_entry_check(&seen), MS_ECORRUPT);
    seen.rec.body = bytes_of(NULL, 0);
    CHECK_EQ(rt_wal_entry_check(&seen), MS_ECORRUPT);
    lines_end(&body);
}

/* --- directories --- */

static char why[MS_WHY_BYTES];
static struct ms_wal_report report;

static unsigned puts_seen, entries_seen, lines_seen, last_seen;

static int count_lines(void *arg, const char *text, bool last)
{
    (void)arg;
    lines_seen++;
    last_seen += last;
    entries_seen += strstr(text, " entry ") != NULL;
    puts_seen += strstr(text, "txn put k") != NULL;
    return 0;
}

static int stop_at_once(void *arg, const char *text, bool last)
{
    (void)arg, (void)text, (void)last;
    return 42;
}

static int look(const char *dir, const struct ms_wal_options *options)
{
    puts_seen = entries_seen = lines_seen = last_seen = 0;
    int rv = ms_wal_read(dir, options, &report, why);
    if (rv == 0) CHECK(why[0] == 0 && report.text[0] != 0);
    if (rv < 0) CHECK(why[0] != 0);
    if (rv < 0) CHECK(strchr(why, '\n') == NULL);
    return rv;
}

static void look_at_stopped(const char *dir, const char *log)
{
    struct ms_wal_options o;
    ms_wal_options_init(&o);
    CHECK_EQ(look(dir, NULL), 0);
    CHECK_EQ(report.found, MS_WAL_SOUND);
    CHECK(!report.in_use && !report.state_copy_damaged);
    CHECK_EQ(report.member_id, 1);
    CHECK(report.term >= 1 && report.last_index >= 3 && report.base_index == 0);
    CHECK(strcmp(report.log_dir, log) == 0);
    o.line = count_lines;
    CHECK_EQ(look(dir, &o), 0);
    CHECK_EQ(puts_seen, 3);
    CHECK_EQ(last_seen, 1);
    CHECK(lines_seen > entries_seen + last_seen); /* states and a base */
    o.from_index = report.last_index - 1;
    CHECK_EQ(look(dir, &o), 0);
    CHECK(entries_seen == 2 && lines_seen == 3);
    o.to_index = o.from_index;
    CHECK_EQ(look(dir, &o), 0);
    CHECK(entries_seen == 1 && lines_seen == 2);
    o.line = stop_at_once;
    CHECK_EQ(look(dir, &o), 42);
    o.struct_bytes--;
    CHECK_EQ(look(dir, &o), MS_EINVAL);
}

static void look_at_running(const char *dir)
{
    struct ms_wal_options o;
    ms_wal_options_init(&o);
    CHECK_EQ(look(dir, NULL), MS_ELOCKED);
    CHECK(strstr(why, "in use") != NULL);
    o.in_use = true;
    CHECK_EQ(look(dir, &o), 0);
    CHECK(report.in_use && report.found == MS_WAL_SOUND);
}

static void real_member(enum ms_storage storage)
{
    struct test_cluster c;
    char dir[TEMP_DIR_BYTES + 32], log[TEMP_DIR_BYTES + 40];
    struct ms_options options;
    test_cluster_init(&c, 1, storage);
    test_cluster_options(&c, 0, &options);
    bool memory = storage == MS_STORAGE_MEMORY;
    snprintf(dir, sizeof dir, "%s/%s", options.data_dir, memory ? "metaStore-1" : "data/1");
    snprintf(log, sizeof log, "%s%s", dir, memory ? "" : "/wal");
    CHECK_EQ(look(dir, NULL), MS_ENOTFOUND);
    test_cluster_start(&c, 0);
    for (unsigned i = 0; i < 3; i++) must_put(c.members[0], "k", "v");
    look_at_running(dir);
    look_at_running(log);
    test_cluster_stop(&c, 0);
    look_at_stopped(dir, log);
    look_at_stopped(log, log);
    test_cluster_start(&c, 0); /* looking has left no lock */
    must_have(c.members[0], "k", "v");
    test_cluster_stop(&c, 0);
    test_cluster_fini(&c);
}

TEST(rt_wal, the_log_of_a_member_on_memory)
{
    real_member(MS_STORAGE_MEMORY);
}

TEST(rt_wal, the_log_of_a_member_on_rocksdb)
{
    real_member(MS_STORAGE_ROCKSDB);
}

TEST(rt_wal, directories_without_a_log)
{
    char dir[TEMP_DIR_BYTES], path[TEMP_DIR_BYTES + 32], longest[700];
    temp_dir_make(dir);
    CHECK_EQ(look(dir, NULL), 0);
    CHECK_EQ(report.found, MS_WAL_EMPTY);
    temp_subdir(dir, "wal"); /* of a first start that was cut off */
    CHECK_EQ(look(dir, NULL), 0);
    CHECK_EQ(report.found, MS_WAL_EMPTY);
    CHECK(strstr(report.log_dir, "/wal") != NULL);
    snprintf(path, sizeof path, "%s/wal/notes.txt", dir);
    CHECK_EQ(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    CHECK_EQ(look(dir, NULL), MS_ENOTFOUND);
    CHECK(strstr(why, "holds no log") != NULL);
    CHECK_EQ(look(path, NULL), MS_ENOTFOUND);
    CHECK(strstr(why, "this is no directory") != NULL);
    CHECK_EQ(look("", NULL), MS_EINVAL);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    CHECK_EQ(look(longest, NULL), MS_ETOOBIG);
    snprintf(path, sizeof path, "%s/wal/wal-0000000000000001.seg", dir);
    CHECK_EQ(mkfifo(path, 0600), 0);
    CHECK_EQ(look(dir, NULL), MS_EIO); /* and does not wait for a writer */
    CHECK(strstr(why, path) != NULL);
    temp_dir_remove(dir);
}

/* A header of another version, whole otherwise. */
TEST(rt_wal, a_directory_of_another_version_is_refused)
{
    static uint8_t header[WAL_HEADER_BYTES];
    struct wal_header h = { .member_id = 1, .life = 1, .segment_bytes = WAL_SEGMENT_BYTES_MIN };
    char dir[TEMP_DIR_BYTES], path[TEMP_DIR_BYTES + 32];
    temp_dir_make(dir);
    wal_header_encode(header, &h);
    bytes_store_u32(header + 8, WAL_FORMAT_VERSION + 1);
    bytes_store_u32(header + 12, 0);
    bytes_store_u32(header + 12, crc32c(0, header, sizeof header));
    snprintf(path, sizeof path, "%s/wal-0000000000000001.seg", dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(write(fd, header, sizeof header) == sizeof header);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(look(dir, NULL), MS_EVERSION);
    CHECK(strstr(why, path) != NULL);
    CHECK(strstr(why, "a version of the format that this program does not know") != NULL);
    temp_dir_remove(dir);
}

/* --- logs made here, of one batch --- */

static struct disk_op *queue[8];
static unsigned head, tail;

static void now_submit(struct disk *d, struct disk_op *op)
{
    (void)d;
    CHECK(tail - head < 8);
    queue[tail++ % 8] = op;
}

static int now_call(struct disk *d, struct disk_op *op)
{
    (void)d;
    rt_disk_execute(op);
    return op->status;
}

static const struct disk_ops now_ops = { .submit = now_submit, .call = now_call, .list = rt_disk_list };

static void log_of_entries(const char *dir, const struct bytes *payloads, unsigned count)
{
    struct disk disk = { .ops = &now_ops };
    struct wal_opts opts = { .dir = dir, .member_id = 7, .segment_bytes = WAL_SEGMENT_BYTES_MIN };
    struct wal_recovery found;
    static struct wal_event ev;
    struct wal *w;
    opts.prewrite_bytes = WAL_SEGMENT_BYTES_MIN;
    CHECK_EQ(wal_open(&w, &opts, &disk, rt_alloc_heap(), NULL, &found, NULL, NULL), 0);
    wal_batch_begin(w);
    for (unsigned i = 0; i < count; i++) CHECK_EQ(wal_batch_entry(w, 1, i + 1, 1, payloads[i]), 0);
    wal_batch_commit(w, 1);
    while (head != tail) {
        struct disk_op *op = queue[head++ % 8];
        rt_disk_execute(op);
        CHECK_EQ(wal_on_disk(w, op), 0);
        while (wal_next_event(w, &ev)) {
        }
    }
    CHECK(wal_durable_index(w) == count && wal_quiet(w));
    wal_close(w);
}

TEST(rt_wal, an_entry_that_cannot_be_decoded_is_damage_and_one_of_another_version_refused)
{
    struct bytes payloads[2] = { bytes_of("\x01\x01\x00", 3), bytes_of("\x06\x01\x00 no u64", 10) };
    char dir[TEMP_DIR_BYTES], where[TEMP_DIR_BYTES + 80];
    struct ms_wal_options o;
    ms_wal_options_init(&o);
    o.line = count_lines;
    temp_dir_make(dir);
    log_of_entries(dir, payloads, 2);
    snprintf(where, sizeof where, "%s/wal-0000000000000001.seg, offset ", dir);
    CHECK_EQ(look(dir, NULL), 0);
    CHECK_EQ(report.found, MS_WAL_DAMAGED);
    CHECK(report.member_id == 7 && report.last_index == 2);
    CHECK(strstr(report.text, where) != NULL && strstr(report.text, "entry 2: ") != NULL);
    CHECK_EQ(look(dir, &o), 0);
    CHECK(report.found == MS_WAL_DAMAGED && entries_seen == 3); /* and the last line names it */
    temp_dir_remove(dir);
    payloads[0] = bytes_of("\x01\x02\x00", 3);
    temp_dir_make(dir);
    log_of_entries(dir, payloads, 2);
    CHECK_EQ(look(dir, NULL), MS_EVERSION);
    CHECK(strstr(why, "entry 1: a version this program does not know") != NULL);
    CHECK_EQ(look(dir, &o), MS_EVERSION); /* but its lines were given */
    CHECK(entries_seen == 2 && last_seen == 0);
    temp_dir_remove(dir);
}
