/* test_cli_config.c: settings from a file and from the environment, and what counts where several say something. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_flags.h"
#include "tests/support/test.h"

static char path[] = "/tmp/metastore-config-XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0);
    fclose(f);
}

static void begin(const char *text)
{
    snprintf(path, sizeof path, "/tmp/metastore-config-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    write_file(text);
}

static bool load(struct cli_flags *f, const char *flag, char *why)
{
    static char name[] = "metastore", config[] = "--config", copy[128];
    snprintf(copy, sizeof copy, "%s", flag ? flag : "");
    char *argv[] = { name, config, path, copy, NULL };
    why[0] = 0;
    return cli_flags_parse(f, flag ? 4 : 3, argv, why);
}

TEST(cli_config, a_file_has_a_setting_a_line)
{
    struct cli_flags f;
    char why[CLI_WHY_BYTES];
    begin("# a member\n\n  id = 3 # the third\r\ncluster=3=http://a:1\n\tstorage =\trocksdb\njoin = "
          "true\n"
          "data-dir = /with blanks/a#b\nlog-format = json");
    CHECK(load(&f, NULL, why));
    CHECK_EQ(f.options.id, 3);
    CHECK(strcmp(f.options.cluster, "3=http://a:1") == 0);
    CHECK(f.options.storage == MS_STORAGE_ROCKSDB && f.options.join &&
          f.options.log_format == MS_LOG_JSON);
    CHECK(strcmp(f.options.data_dir, "/with blanks/a#b") == 0);
    CHECK_EQ(f.options.http_port, 9121);
    cli_flags_fini(&f);
    unlink(path);
}

TEST(cli_config, flags_count_before_the_environment_and_that_before_the_file)
{
    struct cli_flags f;
    char why[CLI_WHY_BYTES];
    begin("id = 2\nport = 2000\nheartbeat-ms = 20\n");
    setenv("METASTORE_PORT", "3000", 1);
    setenv("METASTORE_ID", "3", 1);
    setenv("METASTORE_DATA_DIR", "", 1); /* empty: not set */
    CHECK(load(&f, "--id=4", why));
    CHECK(f.options.id == 4 && f.options.http_port == 3000 && f.options.heartbeat_ms == 20);
    CHECK(strcmp(f.options.data_dir, ".") == 0);
    cli_flags_fini(&f);
    setenv("METASTORE_PORT", "tcp://10.0.0.1:9121", 1);
    CHECK(load(&f, NULL, why));
    CHECK(f.options.id == 3 && f.options.http_port == 2000);
    cli_flags_fini(&f);
    setenv("METASTORE_ID", "x", 1);
    CHECK(!load(&f, NULL, why));
    CHECK(strcmp(why, "METASTORE_ID: \"x\" is not a number from 0 to 18446744073709551615") == 0);
    cli_flags_fini(&f);
    unsetenv("METASTORE_PORT");
    unsetenv("METASTORE_ID");
    unsetenv("METASTORE_DATA_DIR");
    unlink(path);
}

TEST(cli_config, the_environment_can_name_the_file)
{
    static char name[] = "metastore";
    char *argv[] = { name, NULL };
    struct cli_flags f;
    char why[CLI_WHY_BYTES];
    begin("id = 7\n");
    setenv("METASTORE_CONFIG", path, 1);
    CHECK(cli_flags_parse(&f, 1, argv, why));
    CHECK_EQ(f.options.id, 7);
    cli_flags_fini(&f);
    unsetenv("METASTORE_CONFIG");
    unlink(path);
}

TEST(cli_config, what_is_wrong_is_told_with_its_line)
{
    static const struct {
        const char *text, *why; /* behind the path */
    } rows[] = {
        { "id = 1\nprot = 2\n", ", line 2: there is no setting \"prot\"" },
        { "\n\nid 1\n", ", line 3: \"id 1\" is not: name = value" },
        { "id = one", ", line 1: id: \"one\" is not a number from 0 to" },
        { "join = yes\n", ", line 1: join: \"yes\" is neither true nor false" },
        { "storage = disk\n", ", line 1: storage: \"disk\" is none of memory | rocksdb" },
        { "id = 1\n#\nid = 1\n", ", line 3: id stands in line 1 already" },
        { "id =\n", ", line 1: id has no value" },
        { "id = # 1\n", ", line 1: id has no value" },
        { "= 1\n", ", line 1: there is no setting \"\"" },
        { "config = x\n", ", line 1: there is no setting \"config\"" },
        { "--id = 1\n", ", line 1: there is no setting \"--id\"" },
    };
    struct cli_flags f;
    char why[CLI_WHY_BYTES];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(rows[i].text);
        CHECK(!load(&f, NULL, why));
        bool good = strncmp(why, path, strlen(path)) == 0 &&
                    strncmp(why + strlen(path), rows[i].why, strlen(rows[i].why)) == 0;
        if (!good) fprintf(stderr, "%s, not: %s\n", why, rows[i].why);
        CHECK(good && !strchr(why, '\n'));
        cli_flags_fini(&f);
        unlink(path);
    }
    CHECK(!load(&f, NULL, why));
    CHECK(strstr(why, ": No such file"));
    cli_flags_fini(&f);
}

TEST(cli_config, what_is_printed_is_a_file_that_says_the_same)
{
    struct cli_flags f, again;
    char why[CLI_WHY_BYTES], *text = NULL;
    size_t len = 0;
    begin("id = 3\ncluster = 3=http://a:1\nmax-value-bytes = 77\n");
    setenv("METASTORE_ELECTION_MS", "555", 1);
    CHECK(load(&f, "--port=1234", why));
    unsetenv("METASTORE_ELECTION_MS");
    FILE *to = open_memstream(&text, &len);
    CHECK(to != NULL);
    cli_flags_print(&f, to);
    fclose(to);
    char *line = strstr(text, "\nport = 1234 ");
    CHECK(line && strstr(line, "# --port\n"));
    line = strstr(text, "election-ms = 555 ");
    CHECK(line && strstr(line, "# METASTORE_ELECTION_MS\n"));
    CHECK(strstr(text, "line 3\n") && strstr(text, "# listen = "));
    write_file(text);
    CHECK(load(&again, NULL, why));
    CHECK(again.options.id == 3 && again.options.http_port == 1234 &&
          again.options.election_ms == 555 && again.options.value_bytes_max == 77 &&
          strcmp(again.options.cluster, "3=http://a:1") == 0);
    free(text);
    snprintf(why, sizeof why, "--election-ms 555: is too short");
    cli_flags_explain(&f, why, sizeof why);
    CHECK(strcmp(why, "--election-ms 555: is too short (set by METASTORE_ELECTION_MS)") == 0);
    snprintf(why, sizeof why, "--port 1234: in use");
    cli_flags_explain(&f, why, sizeof why);
    CHECK(strcmp(why, "--port 1234: in use") == 0);
    snprintf(why, sizeof why, "no flag");
    cli_flags_explain(&f, why, sizeof why);
    CHECK(strcmp(why, "no flag") == 0);
    cli_flags_fini(&f);
    cli_flags_fini(&again);
    unlink(path);
}
