/* cli_completion.h: `metastore completion bash|zsh`: scripts that complete the command line, made of the tables
 * that parse it, so that the two cannot differ. */
#ifndef CLI_CLI_COMPLETION_H
#define CLI_CLI_COMPLETION_H

#include <stdio.h>

/* argv[0] is "completion". Returns the exit code: 0, or 2. */
int cli_completion_run(int argc, char *const *argv, FILE *out, FILE *err);

#endif
