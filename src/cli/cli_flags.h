/* cli_flags.h: the settings of the daemon, into options of the library. They come from the command line, the
 * environment and a file, and where several say something, the first of these counts; what nobody says is the
 * default. */
#ifndef CLI_CLI_FLAGS_H
#define CLI_CLI_FLAGS_H

#include <stdio.h>

#include "metastore/metastore.h"

#define CLI_WHY_BYTES 512
#define CLI_FLAGS_MAX 64u

enum cli_source { CLI_SOURCE_DEFAULT, CLI_SOURCE_FILE, CLI_SOURCE_ENVIRONMENT, CLI_SOURCE_FLAG };

struct cli_origin {
    enum cli_source source;
    unsigned line; /* FILE */
};

struct cli_flags {
    struct ms_options options; /* its strings point into argv, the environment, and file_text */
    bool help, version, print_config;
    const char *config; /* the file; NULL: none */
    char *file_text;    /* owned */
    struct cli_origin origins[CLI_FLAGS_MAX];
};

/* Decimal digits only, at most `most`. */
bool cli_number_parse(const char *text, uint64_t most, uint64_t *out);

/* Flags are `--name value`, `--name=value`; a bool alone, or with =true or =false. The last one counts if a flag
 * is repeated. The environment is METASTORE_<NAME> (empty: not set), the file is that of --config or
 * METASTORE_CONFIG (cli_config.c). False: why is one line that names what is wrong, and where. Values that have to
 * fit together (an id and the cluster) are ms_open()'s to judge. cli_flags_fini() in any case. */
bool cli_flags_parse(struct cli_flags *out, int argc, char *const *argv, char why[CLI_WHY_BYTES]);
void cli_flags_fini(struct cli_flags *f);

void cli_flags_help(FILE *to);
/* All settings that are in force, each with where it comes from, as a file that --config takes. */
void cli_flags_print(const struct cli_flags *f, FILE *to);
/* A line of ms_open() that begins with a flag says its name only: append where its value comes from. */
void cli_flags_explain(const struct cli_flags *f, char *why, size_t cap);

/* The setting of that name; -1: there is none. */
int cli_flags_find(const char *name, size_t len);
size_t cli_flags_count(void);
const char *cli_flags_name(size_t at);
/* shown: how it is called where the value comes from, for why. */
bool cli_flags_set(struct cli_flags *f, size_t at, const char *value, const char *shown,
                   struct cli_origin origin, char why[CLI_WHY_BYTES]);

/* cli_config.c: take over what the file and the environment say. False, and why. */
bool cli_config_load(struct cli_flags *f, char why[CLI_WHY_BYTES]);
/* METASTORE_<NAME> of a setting, or of "config". */
#define CLI_ENVIRONMENT_BYTES 64u
void cli_config_variable(char out[CLI_ENVIRONMENT_BYTES], const char *name);

/* The i-th flag: its name, without dashes; what its value is, empty: it needs none; the words it may be, blanks
 * between them. False: there are no more. */
#define CLI_CHOICES_BYTES 64
bool cli_flags_at(size_t i, const char **name, const char **what, char choices[CLI_CHOICES_BYTES]);

bool cli_is_help(const char *arg);
/* The value of the flag argv[*at]: behind its '=', or the next argument. NULL, and why: there is none. */
const char *cli_flag_value(int argc, char *const *argv, int *at, char why[CLI_WHY_BYTES]);
/* Say what is wrong with a command line, for parsers to return: false. */
bool cli_refuse(char why[CLI_WHY_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
