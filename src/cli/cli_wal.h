/* cli_wal.h: `metastore wal dump|verify`: the log of a member, looked at and not changed. */
#ifndef CLI_CLI_WAL_H
#define CLI_CLI_WAL_H

#include <stdio.h>

#include "cli/cli_flags.h"

enum cli_wal_command { CLI_WAL_DUMP = 1, CLI_WAL_VERIFY, CLI_WAL_HELP };

struct cli_wal {
    enum cli_wal_command command;
    const char *dir; /* points into argv */
    uint64_t from_index, to_index;
    bool json, force;
};

/* Exit codes, of both commands. MENDS: what the next start puts right, and nothing acknowledged is lost. */
enum { CLI_WAL_SOUND = 0, CLI_WAL_MENDS = 1, CLI_WAL_DAMAGED = 2, CLI_WAL_FAILED = 3 };

/* argv[0] is "wal". False: why is one line that names what is wrong. */
bool cli_wal_parse(struct cli_wal *out, int argc, char *const *argv, char why[CLI_WHY_BYTES]);

/* The flags of a command, one after the other: *i is 0 for the first. NULL: no more. */
const char *cli_wal_flag_at(enum cli_wal_command command, size_t *i, bool *takes_value);

/* Do what the line says, and return the exit code. Lines and verdicts go to out, what went wrong to err. */
int cli_wal_run(int argc, char *const *argv, FILE *out, FILE *err);

#endif
