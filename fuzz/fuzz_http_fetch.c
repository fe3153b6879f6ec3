/* fuzz_http_fetch.c: what answers a request of ours, as any server may send it: read whole and read byte by
 * byte it says the same, and hands out no byte that was not there. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "http/http_fetch.h"

struct outcome {
    int rv, status;
    struct buf body, headers;
};

static void on_header(void *arg, struct bytes name, struct bytes value)
{
    struct outcome *out = arg;
    buf_append(&out->headers, name.data, name.len);
    buf_append_u8(&out->headers, 0);
    buf_append(&out->headers, value.data, value.len);
    buf_append_u8(&out->headers, 0);
}

static void read_all(const uint8_t *data, size_t len, size_t step, struct outcome *out)
{
    struct http_fetch f;
    struct buf in;
    http_fetch_init(&f, len > 0 && data[len - 1] == 'h'); /* as if HEAD had been asked for */
    f.on_header = on_header;
    f.arg = out;
    *out = (struct outcome){ 0 };
    buf_init(&out->headers, &fuzz_heap, 1u << 30);
    buf_init(&in, &fuzz_heap, 1u << 30);
    buf_init(&out->body, &fuzz_heap, 1u << 30);
    for (size_t at = 0; out->rv == 0 && at < len; at += step) {
        struct bytes piece;
        size_t used = 1;
        buf_append(&in, data + at, len - at < step ? len - at : step);
        while (out->rv == 0 && used > 0 && in.len > 0) {
            out->rv = http_fetch_next(&f, in.data, in.len, &used, &piece);
            MS_ASSERT(out->rv == 0 || out->rv == MS_EEND || out->rv == MS_EPROTO);
            MS_ASSERT(used <= in.len && piece.len <= used);
            buf_append(&out->body, piece.data, piece.len);
            buf_drop_front(&in, used);
        }
    }
    out->status = f.status;
    buf_fini(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct outcome whole, bytewise;
    read_all(data, len, len ? len : 1, &whole);
    read_all(data, len, 1, &bytewise);
    MS_ASSERT(whole.rv == bytewise.rv);
    if (whole.rv != MS_EPROTO) { /* else a piece may have gone out before what is wrong was seen */
        MS_ASSERT(whole.status == bytewise.status);
        MS_ASSERT(bytes_equal(buf_bytes(&whole.headers), buf_bytes(&bytewise.headers)));
        MS_ASSERT(bytes_equal(buf_bytes(&whole.body), buf_bytes(&bytewise.body)));
    }
    buf_fini(&whole.body);
    buf_fini(&whole.headers);
    buf_fini(&bytewise.body);
    buf_fini(&bytewise.headers);
    return 0;
}
