/* http_found.h: what operations found (kv/kv_answer.h), as JSON (docs/API.md), piece by piece, so that an answer
 * of any length needs the memory of a piece. */
#ifndef HTTP_HTTP_FOUND_H
#define HTTP_HTTP_FOUND_H

#include "format/json_write.h"
#include "kv/kv_answer.h"

struct http_found {
    struct kv_answer_reader in;
    struct json_write out;
    uint32_t keys_only,
        listed; /* a bit for each depth: no values; the list of what was replaced has begun */
};

/* out: borrowed until the last call; what was written to it may be taken away between two. */
void http_found_init(struct http_found *f, struct buf *out);
/* Append what these items say. True; or false: they are no answer. Whether memory was refused is told by
 * out->failed. */
bool http_found_write(struct http_found *f, struct bytes items);
bool http_found_is_done(const struct http_found *f); /* one whole JSON value has been written */

#endif
