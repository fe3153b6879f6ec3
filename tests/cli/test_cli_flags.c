/* test_cli_flags.c: the daemon's command line. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_flags.h"
#include "tests/support/test.h"

#define ARGS_MAX 12

/* line: arguments, separated by blanks. */
static bool parse(struct cli_flags *out, const char *line, char *why)
{
    static char copy[1024], name[] = "metastore";
    char *argv[ARGS_MAX + 1] = { name };
    int argc = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " ")) {
        CHECK(argc < ARGS_MAX);
        argv[argc++] = at;
    }
    why[0] = 0;
    return cli_flags_parse(out, argc, argv, why);
}

TEST(cli_flags, defaults_are_those_of_the_seeds)
{
    struct cli_flags f;
    char why[CLI_WHY_BYTES];
    CHECK(parse(&f, "", why));
    CHECK(!f.help && !f.version);
    CHECK_EQ(f.options.id, 1);
    CHECK(strcmp(f.options.cluster, "http://127.0.0.1:9021") == 0);
    CHECK_EQ(f.options.http_port, 9121);
    CHECK(!f.options.join);
    CHECK_EQ(f.options.storage, MS_STORAGE_MEMORY);
    CHECK(f.options.http);
}

TEST(cli_flags, values_behind_a_blank_or_an_equals_sign)
{
    struct cli_flags f;
    char why[CLI_WHY_BYTES];
    CHECK(parse(&f, "--id 3 --cluster=3=http://a:1 --port=12380 --storage rocksdb --join", why));
    CHECK_EQ(f.options.id, 3);
    CHECK(strcmp(f.options.cluster, "3=http://a:1") == 0);
    CHECK_EQ(f.options.http_port, 12380);
    CHECK_EQ(f.options.storage, MS_STORAGE_ROCKSDB);
    CHECK(f.options.join);
    CHECK(parse(&f, "--join=true --join=false --id 1 --id=2", why));
    CHECK(!f.options.join);
    CHECK_EQ(f.options.id, 2);
    CHECK(parse(&f, "--data-dir /d --listen a,b:1 --listen-peer c:2 --log-level=debug", why));
    CHECK(strcmp(f.options.data_dir, "/d") == 0 && strcmp(f.options.listen, "a,b:1") == 0);
    CHECK(strcmp(f.options.listen_peer, "c:2") == 0);
    CHECK_EQ(f.options.log_level, MS_LOG_DEBUG);
    CHECK(parse(
        &f, "--heartbeat-ms 1 --election-ms 2 --request-timeout-ms 3 --max-clients 5 --disk-stall-ms 4",
        why));
    CHECK_EQ(f.options.heartbeat_ms, 1);
    CHECK_EQ(f.options.election_ms, 2);
    CHECK_EQ(f.options.request_ms, 3);
    CHECK_EQ(f.options.clients_max, 5);
    CHECK_EQ(f.options.disk_stall_ms, 4);
    CHECK(parse(&f, "--snapshot-log-bytes 6 --wal-segment-bytes 7 --revisions-kept 0", why));
    CHECK_EQ(f.options.snapshot_log_bytes, 6);
    CHECK_EQ(f.options.wal_segment_bytes, 7);
    CHECK_EQ(f.options.revisions_kept, 0);
    CHECK_EQ(f.options.digest_ms, 10000);
    CHECK(parse(&f, "--digest-ms 9", why));
    CHECK_EQ(f.options.digest_ms, 9);
    CHECK_EQ(f.options.snapshot_bytes_per_s, 64u << 20);
    CHECK(parse(&f, "--snapshot-rate 8", why));
    CHECK_EQ(f.options.snapshot_bytes_per_s, 8);
    CHECK(parse(&f, "--max-request-bytes 2000", why));
    CHECK_EQ(f.options.request_bytes_max, 2000);
    CHECK_EQ(f.options.value_bytes_max, 2000);
    CHECK(parse(&f, "--max-request-bytes 4194304", why));
    CHECK_EQ(f.options.request_bytes_max, 4194304);
    CHECK_EQ(f.options.value_bytes_max, 2u << 20);
    CHECK(parse(&f, "--id 9999999999999999999", why));
    CHECK(f.options.id == UINT64_C(9999999999999999999));
}

TEST(cli_flags, what_is_wrong_is_named)
{
    static const struct {
        const char *line, *why;
    } rows[] = {
        { "--nope", "unknown flag \"--nope\"" },
        { "--nope=1", "unknown flag \"--nope\"" },
        { "--i 1", "unknown flag \"--i\"" },
        { "-id 1", "unexpected argument \"-id\"" },
        { "serve", "unexpected argument \"serve\"" },
        { "--", "unexpected argument \"--\"" },
        { "--join false", "unexpected argument \"false\"" },
        { "--id", "--id: its value is missing" },
        { "--id=", "--id: \"\" is not a number" },
        { "--id one", "--id: \"one\" is not a number" },
        { "--id -1", "--id: \"-1\" is not a number" },
        { "--id +1", "not a number" },
        { "--id 1x", "not a number" },
        { "--id 99999999999999999999", "not a number" },
        { "--port 65536", "--port: \"65536\" is not a number from 0 to 65535" },
        { "--heartbeat-ms 4294967296", "not a number" },
        { "--join=yes", "--join: \"yes\" is neither true nor false" },
        { "--storage disk", "--storage: \"disk\" is none of memory | rocksdb" },
        { "--log-level loud", "--log-level" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cli_flags f;
        char why[CLI_WHY_BYTES];
        CHECK(!parse(&f, rows[i].line, why));
        if (!strstr(why, rows[i].why)) fprintf(stderr, "%s: %s\n", rows[i].line, why);
        CHECK(strstr(why, rows[i].why) != NULL);
        CHECK(!strchr(why, '\n'));
    }
}

TEST(cli_flags, help_names_every_flag_with_its_default)
{
    static const char *const parts[] = {
        "--id int",
        "(default 1)",
        "--cluster string",
        "(default http://127.0.0.1:9021)",
        "--port int",
        "(default 9121)",
        "--join",
        "(default false)",
        "--storage string",
        "(default memory)",
        "--data-dir",
        "--listen ",
        "--listen-peer",
        "--heartbeat-ms",
        "--election-ms",
        "--request-timeout-ms",
        "--max-request-bytes",
        "--max-clients",
        "--snapshot-log-bytes",
        "--snapshot-rate",
        "--wal-segment-bytes",
        "--revisions-kept",
        "--log-level",
        "(default info)",
        "--log-format string",
        "--max-clients-bytes",
        "--config file",
        "--print-config",
        "--version",
        "--help",
    };
    struct cli_flags f;
    char why[CLI_WHY_BYTES];
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    CHECK(parse(&f, "--help --nope", why) && f.help);
    CHECK(parse(&f, "-h", why) && f.help);
    CHECK(parse(&f, "--version", why) && f.version);
    CHECK(to != NULL);
    cli_flags_help(to);
    fclose(to);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) CHECK(strstr(text, parts[i]) != NULL);
    free(text);
}
