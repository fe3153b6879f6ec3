/* test_cli_snapshot.c: the command line of `metastore snapshot`. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_snapshot.h"
#include "tests/rt/rt_support.h"
#include "tests/support/test.h"

#define ARGS_MAX 16

static char *argv[ARGS_MAX + 1];

/* line: arguments, separated by blanks. */
static int split(const char *line)
{
    static char copy[1024], name[] = "snapshot";
    int argc = 1;
    argv[0] = name;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " ")) {
        CHECK(argc < ARGS_MAX);
        argv[argc++] = at;
    }
    return argc;
}

TEST(cli_snapshot, commands_and_their_flags)
{
    struct cli_snapshot s;
    char why[CLI_WHY_BYTES];
    CHECK(cli_snapshot_parse(&s, split("status f --output json"), argv, why));
    CHECK(s.command == CLI_SNAPSHOT_STATUS && strcmp(s.file, "f") == 0 && s.json);
    CHECK(cli_snapshot_parse(&s, split("status --output=text f"), argv, why));
    CHECK(!s.json);
    CHECK(cli_snapshot_parse(&s, split("save f --data-dir d --id 2 --storage rocksdb"), argv, why));
    CHECK(s.command == CLI_SNAPSHOT_SAVE && strcmp(s.data_dir, "d") == 0 && s.id == 2);
    CHECK_EQ(s.storage, MS_STORAGE_ROCKSDB);
    CHECK(cli_snapshot_parse(&s, split("save f --endpoints http://a:1,b:2 --output json"), argv, why));
    CHECK(strcmp(s.endpoints, "http://a:1,b:2") == 0 && s.json && s.id == 0);
    CHECK(cli_snapshot_parse(&s, split("restore f --id=1 --cluster http://a:1"), argv, why));
    CHECK(s.command == CLI_SNAPSHOT_RESTORE && s.id == 1 && strcmp(s.cluster, "http://a:1") == 0);
    CHECK(s.revision_bump == MS_REVISION_BUMP && s.storage == 0);
    CHECK(cli_snapshot_parse(&s, split("restore f --id 1 --cluster u --revision-bump 5"), argv, why));
    CHECK_EQ(s.revision_bump, 5);
    CHECK(cli_snapshot_parse(&s, split("restore f --id 1 --cluster u --bump-revision 6"), argv, why));
    CHECK_EQ(s.revision_bump, 6);
    CHECK(cli_snapshot_parse(&s, split("restore --help"), argv, why));
    CHECK_EQ(s.command, CLI_SNAPSHOT_HELP);
}

static void refused(const char *line, const char *about)
{
    struct cli_snapshot s;
    char why[CLI_WHY_BYTES] = "";
    bool taken = cli_snapshot_parse(&s, split(line), argv, why);
    if (taken || !strstr(why, about)) fprintf(stderr, "'%s': '%s' without '%s'\n", line, why, about);
    CHECK(!taken && strstr(why, about) != NULL && strchr(why, '\n') == NULL);
}

TEST(cli_snapshot, mistakes_are_named)
{
    refused("", "save, restore or status");
    refused("undo f", "\"undo\"");
    refused("status", "file");
    refused("status a b", "\"b\"");
    refused("status f --output xml", "\"xml\"");
    refused("status f --id 1", "--id");
    refused("save f", "--id");
    refused("save f --endpoints u --id 1", "one of the two");
    refused("save f --endpoints=", "--endpoints");
    refused("restore f --endpoints u", "--endpoints");
    refused("save f --id", "--id");
    refused("save f --id 0", "\"0\"");
    refused("save f --id 1 --storage disk", "\"disk\"");
    refused("save f --id 1 --cluster u", "--cluster");
    refused("restore f --cluster u", "--id");
    refused("restore f --id 1", "--cluster");
    refused("restore f --id 1 --cluster u --revision-bump x", "\"x\"");
    refused("restore f --id 1 --cluster u --revision-bump 0", "\"0\"");
}

static int run(const char *line, char *out, size_t cap)
{
    FILE *to = tmpfile(), *err = tmpfile();
    CHECK(to && err);
    int code = cli_snapshot_run(split(line), argv, to, err);
    rewind(to);
    size_t n = fread(out, 1, cap - 1, to);
    rewind(err);
    n += fread(out + n, 1, cap - 1 - n, err);
    out[n] = 0;
    fclose(to);
    fclose(err);
    return code;
}

TEST(cli_snapshot, exit_codes_tell_what_happened)
{
    char dir[TEMP_DIR_BYTES], line[512], out[8192];
    FILE *f;
    temp_dir_make(dir);
    CHECK_EQ(run("--help", out, sizeof out), CLI_SNAPSHOT_DONE);
    CHECK(strstr(out, "restore backup.ms") && strstr(out, "Exit codes"));
    snprintf(line, sizeof line, "status %s/none", dir);
    CHECK_EQ(run(line, out, sizeof out), CLI_SNAPSHOT_FAILED);
    CHECK(strstr(out, "not found"));
    snprintf(line, sizeof line, "%s/bad", dir);
    CHECK((f = fopen(line, "w")) != NULL);
    fputs("no chunk at all, but long enough for one\n", f);
    fclose(f);
    snprintf(line, sizeof line, "status %s/bad --output json", dir);
    CHECK_EQ(run(line, out, sizeof out), CLI_SNAPSHOT_DAMAGED);
    CHECK(strstr(out, "{\"whole\": false") && strstr(out, "\"damage_offset\": 0"));
    snprintf(line, sizeof line, "restore %s/bad --id 1 --cluster http://127.0.0.1:1 --data-dir %s", dir,
             dir);
    CHECK_EQ(run(line, out, sizeof out), CLI_SNAPSHOT_DAMAGED);
    snprintf(line, sizeof line, "save %s/f --id 1 --data-dir %s", dir, dir);
    CHECK_EQ(run(line, out, sizeof out), CLI_SNAPSHOT_FAILED);
    CHECK(strstr(out, "there is no member"));
    CHECK_EQ(run("save", out, sizeof out), CLI_SNAPSHOT_FAILED);
    temp_dir_remove(dir);
}
