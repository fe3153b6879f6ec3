/* http_txn.h: transactions as JSON (docs/API.md):
 *
 *   POST /_/txn  {"compare": [{"key": "a", "target": "mod", "op": "=", "value": 5}, ...],
 *                 "then": [{"put": {"key": "a", "value": "1"}}, {"get": {"prefix": "b"}}, ...],
 *                 "else": [{"delete": {"key": "a"}}, {"txn": {...}}]}
 *   POST /_/compact  {"revision": 5}
 */
#ifndef HTTP_HTTP_TXN_H
#define HTTP_HTTP_TXN_H

#include "format/buf.h"

/* Append to command what the body says, encoded (kv_cmd.h). alloc: for the length of the call.
 * 0; MS_EINVAL: why (at least 200 bytes) says what is wrong and where; MS_ETOOBIG: command has no room for it;
 * MS_ENOMEM. */
int http_read_txn(struct bytes body, const struct ms_alloc *alloc, struct buf *command, char *why,
                  size_t why_cap);
/* False: why says what is wrong and where. */
bool http_read_compact(struct bytes body, uint64_t *revision, char *why, size_t why_cap);

#endif
