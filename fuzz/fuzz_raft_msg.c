/* fuzz_raft_msg.c: one message between replicas, as a peer may send it. There is one encoding of each
 * message: what decodes encodes to the same bytes. On an error nothing has changed; what is cut is
 * short. */
#include "base/limits.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "raft/raft_msg.h"

static struct raft_msg_entry entries[RAFT_MSG_ENTRIES_MAX];

static void check_append(struct bytes whole, const struct raft_msg *m)
{
    MS_ASSERT(m->append.count <= RAFT_MSG_ENTRIES_MAX);
    for (uint32_t i = 0; i < m->append.count; i++) {
        struct bytes p = m->append.entries[i].payload;
        MS_ASSERT(m->append.entries[i].ref == NULL && p.len <= ENTRY_PAYLOAD_BYTES_MAX);
        MS_ASSERT(p.len == 0 || (p.data >= whole.data && p.data + p.len <= whole.data + whole.len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes whole = bytes_of(data, len);
    struct raft_msg m, untouched;
    struct buf again;
    memset(&m, 0x5a, sizeof m);
    untouched = m;
    int rv = raft_msg_decode(whole, entries, &m);
    if (rv < 0) {
        MS_ASSERT(rv == MS_ESHORT || rv == MS_ECORRUPT || rv == MS_EVERSION);
        MS_ASSERT(memcmp(&m, &untouched, sizeof m) == 0);
        return 0;
    }
    if (m.type == RAFT_MSG_APPEND) check_append(whole, &m);
    buf_init(&again, &fuzz_heap, len);
    raft_msg_encode(&again, &m);
    MS_ASSERT(!again.failed && bytes_equal(whole, buf_bytes(&again)));
    buf_fini(&again);
    for (size_t cut = 0; cut < len; cut += 1 + len / 16) {
        MS_ASSERT(raft_msg_decode(bytes_of(data, cut), entries, &m) == MS_ESHORT);
    }
    return 0;
}
