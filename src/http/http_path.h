/* http_path.h: what a request target says: path and query, percent-encoding. */
#ifndef HTTP_HTTP_PATH_H
#define HTTP_HTTP_PATH_H

#include "http/http.h"

/* Set path, query and has_query of r. Of an absolute target (http://host/path) the part from the path
 * on counts, as if it had been sent alone. A path that is no path ("*") stays as it is. */
void http_target_split(struct bytes target, struct http_request *r);

/* Append the bytes that raw stands for; '+' is '+', "%00" a NUL, "%2F" a slash, ".." nothing special.
 * MS_EINVAL: a bad escape; MS_ETOOBIG: more than bytes_max; MS_ENOMEM. Then nothing was appended. */
int http_percent_decode(struct bytes raw, size_t bytes_max, struct buf *out);

#endif
