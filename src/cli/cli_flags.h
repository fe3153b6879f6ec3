/* cli_flags.h: the command line of the daemon, into options of the library. */
#ifndef CLI_CLI_FLAGS_H
#define CLI_CLI_FLAGS_H

#include <stdio.h>

#include "metastore/metastore.h"

struct cli_flags {
    struct ms_options options; /* its strings point into argv */
    bool help, version;
};

#define CLI_WHY_BYTES 256

/* Decimal digits only, at most `most`. */
bool cli_number_parse(const char *text, uint64_t most, uint64_t *out);

/* `--name value`, `--name=value`; a bool alone, or with =true or =false. The last one counts if a flag
 * is repeated. False: why is one line that names what is wrong. Values that have to fit together (an id
 * and the cluster) are ms_open()'s to judge. */
bool cli_flags_parse(struct cli_flags *out, int argc, char *const *argv, char why[CLI_WHY_BYTES]);

void cli_flags_help(FILE *to);

/* Say what is wrong with a command line, for parsers to return: false. */
bool cli_refuse(char why[CLI_WHY_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
