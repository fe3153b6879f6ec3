/* test_cli_wal.c: the command line of `metastore wal`. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_wal.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

#define ARGS_MAX 12

static char *argv[ARGS_MAX + 1];

/* line: arguments, separated by blanks. */
static int split(const char *line)
{
    static char copy[1024], name[] = "wal";
    int argc = 1;
    argv[0] = name;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " ")) {
        CHECK(argc < ARGS_MAX);
        argv[argc++] = at;
    }
    return argc;
}

TEST(cli_wal, commands_and_their_flags)
{
    struct cli_wal w;
    char why[CLI_WHY_BYTES];
    CHECK(cli_wal_parse(&w, split("dump d"), argv, why));
    CHECK(w.command == CLI_WAL_DUMP && strcmp(w.dir, "d") == 0);
    CHECK(!w.json && !w.force && w.from_index == 0 && w.to_index == 0);
    CHECK(cli_wal_parse(&w, split("dump --from 3 --to=9 --json d"), argv, why));
    CHECK(w.json && w.from_index == 3 && w.to_index == 9);
    CHECK(cli_wal_parse(&w, split("verify d --force"), argv, why));
    CHECK(w.command == CLI_WAL_VERIFY && w.force && strcmp(w.dir, "d") == 0);
    CHECK(cli_wal_parse(&w, split("--help"), argv, why));
    CHECK_EQ(w.command, CLI_WAL_HELP);
    CHECK(cli_wal_parse(&w, split("dump -h"), argv, why));
    CHECK_EQ(w.command, CLI_WAL_HELP);
}

static void refused(const char *line, const char *about)
{
    struct cli_wal w;
    char why[CLI_WHY_BYTES] = "";
    bool taken = cli_wal_parse(&w, split(line), argv, why);
    if (taken || !strstr(why, about)) fprintf(stderr, "'%s': '%s' without '%s'\n", line, why, about);
    CHECK(!taken && strstr(why, about) != NULL && strchr(why, '\n') == NULL);
}

TEST(cli_wal, mistakes_are_named)
{
    refused("", "dump or verify");
    refused("undo d", "\"undo\"");
    refused("dump", "directory");
    refused("dump a b", "\"b\"");
    refused("dump --from", "--from");
    refused("dump d --from x", "\"x\"");
    refused("dump d --to 0", "\"0\"");
    refused("dump d --to=-1", "\"-1\"");
    refused("dump d --from 9223372036854775808", "9223372036854775808");
    refused("dump d --from 5 --to 4", "below");
    refused("dump d --force", "--force");
    refused("dump d --fromage 4", "--fromage");
    refused("verify d --from 4", "--from");
    refused("verify --nonsense d", "--nonsense");
}

/* What is printed, and where, and the exit code. */
static int run(const char *line, char *out, char *err, size_t cap)
{
    FILE *to = fmemopen(out, cap, "w"), *wrong = fmemopen(err, cap, "w");
    CHECK(to && wrong);
    memset(out, 0, cap);
    memset(err, 0, cap);
    int code = cli_wal_run(split(line), argv, to, wrong);
    fclose(to);
    fclose(wrong);
    return code;
}

TEST(cli_wal, exit_codes)
{
    static char out[8192], err[8192];
    char dir[TEMP_DIR_BYTES], text[TEMP_DIR_BYTES + 64];
    temp_dir_make(dir);
    snprintf(text, sizeof text, "verify %s", dir);
    CHECK_EQ(run(text, out, err, sizeof out), CLI_WAL_SOUND);
    CHECK(strncmp(out, "empty: ", 7) == 0 && err[0] == 0);
    snprintf(text, sizeof text, "dump --json %s", dir);
    CHECK_EQ(run(text, out, err, sizeof out), CLI_WAL_SOUND);
    CHECK(strncmp(out, "{\"result\": \"empty\"", 18) == 0);
    temp_dir_remove(dir);
    snprintf(text, sizeof text, "verify %s", dir);
    CHECK_EQ(run(text, out, err, sizeof out), CLI_WAL_FAILED);
    CHECK(out[0] == 0 && strstr(err, "there is no such directory\n") != NULL);
    CHECK_EQ(run("", out, err, sizeof out), CLI_WAL_FAILED);
    CHECK_EQ(run("--help", out, err, sizeof out), CLI_WAL_SOUND);
    CHECK(strstr(out, "usage: metastore wal dump") != NULL);
}
