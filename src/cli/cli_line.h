/* cli_line.h: the command lines of the client: `metastore put KEY VALUE --lease 7`. One table of flags and one of
 * commands (cli_commands.c); the parser, --help and the completions for shells are all made from these. */
#ifndef CLI_CLI_LINE_H
#define CLI_CLI_LINE_H

#include <stdio.h>

#include "cli/cli_flags.h"

#define CLI_ARGS_MAX 40u

enum cli_flag_id {
    CLI_ENDPOINTS,
    CLI_OUTPUT,
    CLI_TIMEOUT,
    CLI_LEASE,
    CLI_TTL,
    CLI_IF_ABSENT,
    CLI_IF_REVISION,
    CLI_PREV_KV,
    CLI_REV,
    CLI_STALE,
    CLI_PREFIX,
    CLI_FROM_KEY,
    CLI_LIMIT,
    CLI_BATCH,
    CLI_KEYS_ONLY,
    CLI_COUNT_ONLY,
    CLI_SORT,
    CLI_ORDER,
    CLI_MIN_MOD,
    CLI_MAX_MOD,
    CLI_MIN_CREATE,
    CLI_MAX_CREATE,
    CLI_NO_PUT,
    CLI_NO_DELETE,
    CLI_ID,
    CLI_ONCE,
    CLI_FORCE,
    CLI_HELP,
    CLI_FLAG_COUNT
};

enum cli_flag_kind { CLI_BOOL, CLI_NUMBER, CLI_TEXT, CLI_CHOICE };

struct cli_flag {
    const char *name; /* with its dashes */
    enum cli_flag_kind kind;
    const char *value; /* what --help calls it; of a choice: its words, with '|' between them */
    uint64_t least, most;
    const char *text;
};
extern const struct cli_flag cli_flag_table[CLI_FLAG_COUNT];

struct cli_client;
struct cli_command {
    const char *name, *sub; /* sub NULL: it has none */
    const char *args;       /* as --help shows them */
    unsigned args_min, args_max;
    uint64_t flags; /* CLI_BIT()s, beside those that all commands have */
    const char *summary;
    const char *about; /* examples, and what else there is to say */
    int (*run)(struct cli_client *c);
};
#define CLI_BIT(flag) (UINT64_C(1) << (flag))
#define CLI_COMMON                                                                                     \
    (CLI_BIT(CLI_ENDPOINTS) | CLI_BIT(CLI_OUTPUT) | CLI_BIT(CLI_TIMEOUT) | CLI_BIT(CLI_HELP))
extern const struct cli_command cli_command_table[];
extern const unsigned cli_command_count;

struct cli_line {
    const struct cli_command *command;
    uint64_t given; /* CLI_BIT()s */
    uint64_t number[CLI_FLAG_COUNT];
    const char *text[CLI_FLAG_COUNT]; /* of a choice too; point into argv */
    const char *args[CLI_ARGS_MAX];
    unsigned arg_count;
};
static inline bool cli_given(const struct cli_line *line, enum cli_flag_id flag)
{
    return (line->given & CLI_BIT(flag)) != 0;
}

/* Is there such a command? */
bool cli_is_command(const char *name);
/* argv[0] is the command. Flags may stand anywhere, --name value or --name=value; "--" ends them. --help: the
 * rest is not looked at. command NULL behind true: help about all of argv[0]'s subcommands is asked for.
 * False: why is one line that names what is wrong. */
bool cli_line_parse(struct cli_line *out, int argc, char *const *argv, char why[CLI_WHY_BYTES]);

/* `metastore help`: all that there is. */
void cli_help_all(FILE *to);
void cli_help_commands(FILE *to); /* a line for each command */
/* Of a command with its subcommands, and of one. */
void cli_help_family(FILE *to, const char *name);
void cli_help_command(FILE *to, const struct cli_command *command);

#endif
