/* cli_txn.h: transactions, and what is made of them. */
#ifndef CLI_CLI_TXN_H
#define CLI_CLI_TXN_H

#include "cli/cli_client.h"

/* put --prev-kv, with the flags of the line. */
int cli_put_with_prev(struct cli_client *c, struct ms_bytes value);

#endif
