/* fuzz_http_txn.c: bodies of transactions and compactions. What is read is a command that a member accepts; a
 * refusal has one line; a good body with something behind it is good no more. What a state machine would answer is
 * written as JSON whatever the bytes are.
 *
 * input: u8 which (0 transaction, 1 compaction, 2 an answer's items), then the body. */
#include <string.h>

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "http/http_found.h"
#include "http/http_txn.h"

static void on_txn(struct bytes body)
{
    struct buf command, longer;
    struct kv_cmd cmd;
    char why[256] = "";
    buf_init(&command, &fuzz_heap, MS_TXN_BYTES_MAX);
    buf_init(&longer, &fuzz_heap, body.len + 1);
    int rv = http_read_txn(body, &fuzz_heap, &command, why, sizeof why);
    MS_ASSERT(rv == 0 || rv == MS_EINVAL);
    if (rv == 0) {
        rv = kv_cmd_decode(buf_bytes(&command), &cmd);
        MS_ASSERT(rv == 0);
        buf_append(&longer, body.data, body.len);
        buf_append_u8(&longer, 'x');
        buf_clear(&command);
        rv = http_read_txn(buf_bytes(&longer), &fuzz_heap, &command, why, sizeof why);
        MS_ASSERT(rv == MS_EINVAL);
    }
    if (rv < 0) MS_ASSERT(command.len == 0 && why[0] != 0 && !strchr(why, '\n'));
    buf_fini(&command);
    buf_fini(&longer);
}

static void on_compact(struct bytes body)
{
    char why[256] = "";
    uint64_t revision = 0;
    if (http_read_compact(body, &revision, why, sizeof why))
        MS_ASSERT(revision > 0);
    else
        MS_ASSERT(why[0] != 0 && !strchr(why, '\n'));
}

static void on_items(struct bytes items)
{
    struct http_found f;
    struct buf text;
    buf_init(&text, &fuzz_heap, 1u << 26);
    http_found_init(&f, &text);
    bool good = http_found_write(&f, items);
    MS_ASSERT(!text.failed);
    if (good && http_found_is_done(&f))
        MS_ASSERT(text.data[0] == '{' && text.data[text.len - 1] == '\n');
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0 || len > MS_TXN_BYTES_MAX) return 0;
    struct bytes body = bytes_of(data + 1, len - 1);
    switch (data[0] % 3) {
    case 0: on_txn(body); break;
    case 1: on_compact(body); break;
    case 2: on_items(body); break;
    }
    return 0;
}
