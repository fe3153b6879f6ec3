/* test_cli_line.c: the command lines of the client, and the help and completions made of the same tables. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_completion.h"
#include "cli/cli_line.h"
#include "tests/support/test.h"

#define ARGS_MAX 16

static char copy[1024];
static char *argv[ARGS_MAX + 1];

static int split(const char *line)
{
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " ")) {
        CHECK(argc < ARGS_MAX);
        argv[argc++] = at;
    }
    return argc;
}

static bool parse(struct cli_line *out, const char *line, char *why)
{
    why[0] = 0;
    return cli_line_parse(out, split(line), argv, why);
}

TEST(cli_line, flags_stand_anywhere)
{
    struct cli_line l;
    char why[CLI_WHY_BYTES];
    CHECK(parse(&l, "put --lease 7 k --endpoints=http://a:1,b:2 v --output json --timeout-ms=5", why));
    CHECK(strcmp(l.command->name, "put") == 0 && l.arg_count == 2);
    CHECK(strcmp(l.args[0], "k") == 0 && strcmp(l.args[1], "v") == 0);
    CHECK_EQ(l.number[CLI_LEASE], 7);
    CHECK_EQ(l.number[CLI_TIMEOUT], 5);
    CHECK(strcmp(l.text[CLI_ENDPOINTS], "http://a:1,b:2") == 0 &&
          strcmp(l.text[CLI_OUTPUT], "json") == 0);
    CHECK(cli_given(&l, CLI_LEASE) && !cli_given(&l, CLI_TTL));
    CHECK(parse(&l, "put -- --key --value", why));
    CHECK(l.arg_count == 2 && strcmp(l.args[0], "--key") == 0);
    CHECK(parse(&l, "put k -", why));
    CHECK(strcmp(l.args[1], "-") == 0);
}

TEST(cli_line, commands_with_subcommands)
{
    struct cli_line l;
    char why[CLI_WHY_BYTES];
    CHECK(parse(&l, "lease keep-alive 7 --once", why));
    CHECK(strcmp(l.command->sub, "keep-alive") == 0 && cli_given(&l, CLI_ONCE));
    CHECK(parse(&l, "leader", why) && !l.command->sub);
    CHECK(parse(&l, "leader --output json", why) && !l.command->sub);
    CHECK(parse(&l, "leader move 2", why) && strcmp(l.command->sub, "move") == 0);
    CHECK(parse(&l, "lease --help", why) && !l.command);
    CHECK(parse(&l, "lease grant --help", why) && cli_given(&l, CLI_HELP));
    CHECK(parse(&l, "put -h --nonsense", why) && cli_given(&l, CLI_HELP));
    CHECK(cli_is_command("put") && !cli_is_command("wal") && !cli_is_command("lease grant"));
}

TEST(cli_line, what_is_wrong_is_named)
{
    static const struct {
        const char *line, *why;
    } rows[] = {
        { "put", "an argument is missing; what is wanted is: KEY [VALUE|-]" },
        { "put a b c", "unexpected argument \"c\"" },
        { "put a --nope", "unknown flag \"--nope\"" },
        { "get a --lease 7", "unknown flag \"--lease\"" },
        { "put a --leas 7", "unknown flag \"--leas\"" },
        { "put a --lease", "--lease: its value is missing" },
        { "put a --lease x", "--lease: \"x\" is not a number" },
        { "put a --lease 0", "is not a number from 1 to 9223372036854775807" },
        { "put a --lease 9223372036854775808", "is not a number" },
        { "put a --if-absent=yes", "--if-absent takes no value" },
        { "get a --output xml", "--output: \"xml\" is none of text|json" },
        { "get a --output tex", "is none of" },
        { "get a --output=", "is none of" },
        { "get a --endpoints=", "--endpoints: its value is empty" },
        { "get a --timeout-ms 0", "--timeout-ms" },
        { "lease", "what to do is missing: one of grant, revoke, keep-alive, ttl, list" },
        { "lease steal", "\"steal\" is none of grant" },
        { "leader steal", "\"steal\" is none of move" },
        { "member add 4", "an argument is missing; what is wanted is: ID URL" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cli_line l;
        char why[CLI_WHY_BYTES];
        CHECK(!parse(&l, rows[i].line, why));
        if (!strstr(why, rows[i].why)) fprintf(stderr, "%s: %s\n", rows[i].line, why);
        CHECK(strstr(why, rows[i].why) != NULL && !strchr(why, '\n'));
    }
}

/* ---- what is made of the tables ---- */

static char *printed(void (*print)(FILE *to, const struct cli_command *c), const struct cli_command *c)
{
    static char *text; /* static: GCC 12 takes what fclose() has put there for the variable's own address */
    static size_t len;
    FILE *to = open_memstream(&text, &len);
    print(to, c);
    fclose(to);
    return text;
}

static void print_all(FILE *to, const struct cli_command *c)
{
    (void)c;
    cli_help_all(to);
}

TEST(cli_line, help_names_all_there_is)
{
    char *all = printed(print_all, NULL);
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *c = &cli_command_table[i];
        char *text = printed(cli_help_command, c);
        CHECK(strstr(all, c->summary) != NULL);
        CHECK(strstr(text, "xample") != NULL && strstr(text, "Exit codes") != NULL);
        for (int id = 0; id < CLI_FLAG_COUNT; id++) {
            const char *found = strstr(text, cli_flag_table[id].text);
            CHECK((found != NULL) == (((c->flags | CLI_COMMON) & CLI_BIT(id)) != 0));
        }
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            if (strcspn(line, "\n") > 120) fprintf(stderr, "too long: %s\n", line);
            CHECK(strcspn(line, "\n") <= 120);
        }
        free(text);
    }
    free(all);
}

static void print_bash(FILE *to, const struct cli_command *c)
{
    (void)c;
    CHECK_EQ(cli_completion_run(split("completion bash"), argv, to, stderr), 0);
}

TEST(cli_line, completions_know_every_command_and_flag)
{
    char *script = printed(print_bash, NULL);
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *c = &cli_command_table[i];
        char head[64];
        snprintf(head, sizeof head, c->sub ? "\"%s %s\") list=\"" : "\"%s \"*) list=\"", c->name,
                 c->sub);
        char *at = strstr(script, head);
        if (!at) fprintf(stderr, "no %s\n", head);
        CHECK(at != NULL);
        size_t len = strcspn(at, "\n");
        for (int id = 0; id < CLI_FLAG_COUNT; id++) {
            char flag[40];
            snprintf(flag, sizeof flag, " %s", cli_flag_table[id].name);
            const char *found = strstr(at, flag);
            bool there = found && found < at + len;
            CHECK(there == (((c->flags | CLI_COMMON) & CLI_BIT(id)) != 0));
        }
    }
    free(script);
}
