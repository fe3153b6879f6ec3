/* seeds_kv_lease.c: writes a small corpus for fuzz_kv_lease into the directory argv[1]. */
#include "base/ms_assert.h"
#include "format/entry_lease.h"
#include "fuzz/support.h"
#include "kv/kv_cmd.h"

static struct buf out, body;

/* kind: as fuzz_kv_lease.c reads it. */
static void add(uint8_t kind)
{
    buf_append_u8(&out, kind);
    buf_append_u16(&out, (uint16_t)body.len);
    buf_append(&out, body.data, body.len);
    buf_clear(&body);
}

static void save(const char *dir, const char *name)
{
    MS_ASSERT(!out.failed);
    seed_save(dir, name, buf_bytes(&out));
    buf_clear(&out);
}

static void grant(uint64_t id)
{
    entry_lease_grant_encode(&body, &(struct entry_lease_grant){ .id = id, .ttl_ms = 5000 });
    add(1);
}

static void put(const char *key, uint64_t lease)
{
    struct kv_op op = { .kind = KV_OP_PUT, .key = bytes_of_str(key), .lease = lease };
    int rv = kv_cmd_encode(&body, NULL, 0, &op, 1, NULL, 0);
    MS_ASSERT(rv == 0);
    add(0);
}

static void revoke(struct entry_lease_revoke v)
{
    entry_lease_revoke_encode(&body, &v);
    add(2);
}

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    buf_init(&out, &fuzz_heap, 1u << 20);
    buf_init(&body, &fuzz_heap, 1u << 20);
    grant(1);
    put("a", 1);
    put("b", 1);
    revoke((struct entry_lease_revoke){ .id = 1 });
    save(argv[1], "revoked");
    grant(1);
    grant(2);
    put("a", 1);
    put("a", 2);
    buf_append_u64(&body, 1);
    buf_append_u64(&body, 3);
    add(3);
    entry_lease_mark_encode(
        &body, &(struct entry_lease_mark){ .id = 2, .renewed_index = 2, .remaining_ms = 100 });
    add(4);
    revoke((struct entry_lease_revoke){ .id = 2, .expired = true, .term = 1, .renewed_index = 2 });
    revoke((struct entry_lease_revoke){ .id = 1, .expired = true, .term = 1, .renewed_index = 1 });
    save(argv[1], "expired");
    struct kv_op op = { .kind = KV_OP_PUT, .key = bytes_of_str("k"), .lease = KV_LEASE_OF_GRANT };
    struct buf command;
    buf_init(&command, &fuzz_heap, 1000);
    int rv = kv_cmd_encode(&command, NULL, 0, &op, 1, NULL, 0);
    MS_ASSERT(rv == 0);
    entry_lease_grant_encode(
        &body, &(struct entry_lease_grant){ .ttl_ms = 1, .command = buf_bytes(&command) });
    add(1);
    save(argv[1], "with-a-transaction");
    buf_fini(&command);
    buf_fini(&out);
    buf_fini(&body);
    return 0;
}
