/* cli_snapshot.h: `metastore snapshot save|restore|status`: backups. */
#ifndef CLI_CLI_SNAPSHOT_H
#define CLI_CLI_SNAPSHOT_H

#include <stdio.h>

#include "cli/cli_flags.h"

enum cli_snapshot_command {
    CLI_SNAPSHOT_SAVE = 1,
    CLI_SNAPSHOT_RESTORE,
    CLI_SNAPSHOT_STATUS,
    CLI_SNAPSHOT_HELP
};

struct cli_snapshot {
    enum cli_snapshot_command command;
    const char *file; /* points into argv, as all texts */
    const char *endpoints, *data_dir, *cluster;
    uint64_t id, revision_bump; /* id 0: not given */
    enum ms_storage storage;    /* 0: not given */
    bool json;
};

/* Exit codes, of all commands: as those of `metastore wal`. */
enum { CLI_SNAPSHOT_DONE = 0, CLI_SNAPSHOT_DAMAGED = 2, CLI_SNAPSHOT_FAILED = 3 };

/* argv[0] is "snapshot". False: why is one line that names what is wrong. */
bool cli_snapshot_parse(struct cli_snapshot *out, int argc, char *const *argv, char why[CLI_WHY_BYTES]);

/* The flags of a command, which all take a value, one after the other: *i is 0 for the first. NULL: no more. */
const char *cli_snapshot_flag_at(enum cli_snapshot_command command, size_t *i);

/* Do what the line says, and return the exit code. What is known goes to out, what went wrong to err. */
int cli_snapshot_run(int argc, char *const *argv, FILE *out, FILE *err);

#endif
