/* http_path.c: see http_path.h. */
#include "http/http_path.h"

#include "base/ms_err.h"
#include "http/http_text.h"

static const uint8_t root[] = "/";

/* Behind "http://host:port", or target itself. An authority that could hide something ('@') is none. */
static struct bytes without_origin(struct bytes target)
{
    static const char scheme[] = "http://";
    const size_t scheme_len = sizeof scheme - 1;
    if (target.len <= scheme_len) return target;
    if (!http_text_equal(bytes_of(target.data, scheme_len), scheme)) return target;
    size_t at = scheme_len;
    while (at < target.len && target.data[at] != '/' && target.data[at] != '?') at++;
    struct bytes host = bytes_of(target.data + scheme_len, at - scheme_len);
    if (host.len == 0 || !http_text_is(host, HTTP_CHAR_HOST)) return target;
    return bytes_of(target.data + at, target.len - at);
}

void http_target_split(struct bytes target, struct http_request *r)
{
    struct bytes rest = without_origin(target);
    const uint8_t *mark = rest.len ? memchr(rest.data, '?', rest.len) : NULL;
    size_t path_len = mark ? (size_t)(mark - rest.data) : rest.len;
    r->has_query = mark != NULL;
    r->query = mark ? bytes_of(mark + 1, rest.len - path_len - 1) : bytes_of(NULL, 0);
    r->path = path_len ? bytes_of(rest.data, path_len) : bytes_of(root, 1);
}

/* How many bytes raw stands for; false: a bad escape. */
static bool decoded_len(struct bytes raw, size_t *out)
{
    size_t at = 0, escapes = 0;
    while (at < raw.len) {
        const uint8_t *escape = memchr(raw.data + at, '%', raw.len - at);
        if (!escape) break;
        at = (size_t)(escape - raw.data);
        if (raw.len - at < 3) return false;
        if (http_text_hex(escape[1]) < 0 || http_text_hex(escape[2]) < 0) return false;
        escapes++;
        at += 3;
    }
    *out = raw.len - 2 * escapes;
    return true;
}

int http_percent_decode(struct bytes raw, size_t bytes_max, struct buf *out)
{
    size_t len;
    if (!decoded_len(raw, &len)) return MS_EINVAL;
    if (len > bytes_max) return MS_ETOOBIG;
    if (len == raw.len) {
        buf_append(out, raw.data, raw.len);
        return out->failed ? MS_ENOMEM : 0;
    }
    if (!buf_reserve(out, len)) return MS_ENOMEM;
    uint8_t *to = out->data + out->len;
    for (size_t at = 0; at < raw.len; at++) {
        if (raw.data[at] == '%') {
            *to++ = (uint8_t)(http_text_hex(raw.data[at + 1]) << 4 | http_text_hex(raw.data[at + 2]));
            at += 2;
        } else {
            *to++ = raw.data[at];
        }
    }
    out->len += len;
    return 0;
}
