/* fuzz_kv_changes.c: the events of an answer of KV_JOB_CHANGES, as they cross from the engine's thread. What
 * is read keeps what kv_changes.h says, and reading ends. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "kv/kv_changes.h"

static void check_record(const struct kv_event_record *r)
{
    MS_ASSERT(r->create_revision > 0 && r->create_revision <= r->mod_revision);
    MS_ASSERT(r->version > 0);
    MS_ASSERT(r->value.len <= MS_VALUE_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes_reader in = bytes_reader_of(bytes_of(data, len));
    struct kv_event e;
    int rv;
    for (;;) {
        size_t before = in.at;
        rv = kv_event_next(&in, &e);
        if (rv < 0) break;
        MS_ASSERT(in.at > before && in.at <= len);
        MS_ASSERT(in.at - before <= KV_EVENT_BYTES_MAX);
        MS_ASSERT(e.key.len > 0 && e.key.len <= MS_KEY_BYTES_MAX);
        if (e.put) check_record(&e.now);
        if (e.put) MS_ASSERT(e.now.mod_revision == e.revision);
        if (e.has_prev) check_record(&e.prev);
        if (e.has_prev) MS_ASSERT(e.prev.mod_revision < e.revision);
    }
    MS_ASSERT(rv == MS_EEND || rv == MS_ECORRUPT || rv == MS_EVERSION);
    MS_ASSERT((rv == MS_EEND) == (in.at == len));
    return 0;
}
