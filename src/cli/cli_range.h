/* cli_range.h: ranges of keys, as their answers come: of any size, with the memory of one key. */
#ifndef CLI_CLI_RANGE_H
#define CLI_CLI_RANGE_H

#include "cli/cli_client.h"
#include "cli/cli_json.h"

/* The keys of a line's arguments: KEY, FIRST END, with --prefix or --from-key, or none: all. */
struct cli_keys {
    const char *first, *end; /* end NULL: none */
};
/* CLI_DONE, or said what is wrong. */
int cli_keys_of(const struct cli_client *c, struct cli_keys *out);
/* Appends the names "key", "end", "prefix" or "from" of docs/API.md as members of a JSON object. */
void cli_keys_json(const struct cli_client *c, const struct cli_keys *k, struct cli_text *out);

/* Ask for them with the flags of the line, and print; the exit code. */
int cli_range_ask(struct cli_client *c, const struct cli_keys *k);
/* A line of a key and its value (tabs between), or the key alone. */
void cli_print_kv(const struct cli_client *c, struct cli_json kv);

/* cli_batch.c: del --batch. */
int cli_del_batch(struct cli_client *c, const struct cli_keys *k);

#endif
