/* http_txn.c: transactions, read from JSON and encoded as commands.
 *
 * What keys and values are in the body as text stands decoded in one buffer, which is made large enough before
 * anything is read, so that it never moves. Operations and compares stand on stacks: those of one list are
 * neighbours, since a transaction inside of it takes its own off before it is put there itself. */
#include "http/http_txn.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "http/http_json.h"
#include "http/http_range.h"

#define NAME_BYTES_MAX 24u

struct txn_reader {
    struct http_json j;
    struct buf text;
    struct buf ops, compares;                  /* stacks of struct kv_op, struct kv_compare */
    struct buf commands[KV_CMD_DEPTH_MAX + 1]; /* of each depth, encoded, not used yet by those above */
    bool no_memory;
};

/* Neighbours on a stack. */
struct run {
    size_t at;
    uint32_t count;
};

static bool refuse(struct txn_reader *r, const char *why)
{
    return http_json_refuse(&r->j, why);
}

static bool push(struct txn_reader *r, struct buf *stack, const void *item, size_t len,
                 const char *full)
{
    buf_append(stack, item, len);
    if (!stack->failed) return true;
    r->no_memory = stack->len + len <= stack->max;
    return refuse(r, full);
}

/* --- fields that several have --- */

enum field {
    FIELD_KEY = 1,
    FIELD_PREFIX = 2,
    FIELD_FROM = 4,
    FIELD_END = 8,
    FIELD_VALUE = 16,
    FIELD_LEASE = 32,
    FIELD_PREV_KV = 64,
    FIELD_IGNORE_VALUE = 128,
    FIELD_IGNORE_LEASE = 256,
    FIELD_LIMIT = 512,
    FIELD_REV = 1024,
    FIELD_SORT = 2048,
    FIELD_ORDER = 4096,
    FIELD_KEYS_ONLY = 1u << 13,
    FIELD_COUNT_ONLY = 1u << 14,
    FIELD_MIN_MOD = 1u << 15,
    FIELD_MAX_MOD = 1u << 16,
    FIELD_MIN_CREATE = 1u << 17,
    FIELD_MAX_CREATE = 1u << 18,
    FIELD_TARGET = 1u << 19,
    FIELD_OP = 1u << 20
};
#define FIELDS_NAMING (FIELD_KEY | FIELD_PREFIX | FIELD_FROM)
#define FIELDS_RANGE (FIELDS_NAMING | FIELD_END)
#define FIELDS_PUT                                                                                     \
    (FIELD_KEY | FIELD_VALUE | FIELD_LEASE | FIELD_PREV_KV | FIELD_IGNORE_VALUE | FIELD_IGNORE_LEASE)
#define FIELDS_DELETE (FIELDS_RANGE | FIELD_PREV_KV)
#define FIELDS_GET                                                                                     \
    (FIELDS_RANGE | FIELD_LIMIT | FIELD_REV | FIELD_SORT | FIELD_ORDER | FIELD_KEYS_ONLY |             \
     FIELD_COUNT_ONLY | FIELD_MIN_MOD | FIELD_MAX_MOD | FIELD_MIN_CREATE | FIELD_MAX_CREATE)
#define FIELDS_COMPARE (FIELDS_RANGE | FIELD_VALUE | FIELD_TARGET | FIELD_OP)

static const struct http_json_field fields[] = {
    { "key", FIELD_KEY, true },
    { "prefix", FIELD_PREFIX, true },
    { "from", FIELD_FROM, true },
    { "end", FIELD_END, true },
    { "value", FIELD_VALUE, true },
    { "lease", FIELD_LEASE, false },
    { "prev_kv", FIELD_PREV_KV, false },
    { "ignore_value", FIELD_IGNORE_VALUE, false },
    { "ignore_lease", FIELD_IGNORE_LEASE, false },
    { "limit", FIELD_LIMIT, false },
    { "rev", FIELD_REV, false },
    { "sort", FIELD_SORT, false },
    { "order", FIELD_ORDER, false },
    { "keys_only", FIELD_KEYS_ONLY, false },
    { "count_only", FIELD_COUNT_ONLY, false },
    { "min_mod", FIELD_MIN_MOD, false },
    { "max_mod", FIELD_MAX_MOD, false },
    { "min_create", FIELD_MIN_CREATE, false },
    { "max_create", FIELD_MAX_CREATE, false },
    { "target", FIELD_TARGET, false },
    { "op", FIELD_OP, false },
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

/* An operation or a compare while it is read: what both have, and what each has. */
struct item {
    struct http_keys keys;
    struct bytes value;
    bool value_is_text;
    uint64_t number;
    struct kv_op op;
    struct kv_compare compare;
};

static bool read_bytes(struct txn_reader *r, bool base64, size_t max, struct bytes *out)
{
    size_t at = r->text.len;
    if (!http_json_bytes(&r->j, base64, &r->text)) return false;
    *out = bytes_of(r->text.data + at, r->text.len - at);
    return out->len <= max || refuse(r, "a key or a value is too long");
}

static bool read_key(struct txn_reader *r, enum field field, bool base64, struct http_keys *k)
{
    struct bytes b;
    if (!read_bytes(r, base64, MS_KEY_BYTES_MAX, &b)) return false;
    size_t at = (size_t)(b.data - r->text.data);
    if (field == FIELD_END) {
        k->end_at = at;
        k->end_len = b.len;
        if (b.len == 0) http_keys_set_end(k, &r->text, bytes_of("", 1)); /* to the last key */
        return true;
    }
    k->key_at = at;
    k->key_len = b.len;
    if (field == FIELD_KEY && b.len == 0) return refuse(r, "the key is empty");
    if (field == FIELD_PREFIX) http_keys_set_prefix(k, &r->text);
    if (field == FIELD_FROM) http_keys_set_from(k, &r->text);
    return true;
}

static bool read_word(struct txn_reader *r, enum field field, struct item *it)
{
    static const char *const targets[] = { [KV_CMP_VERSION] = "version",
                                           [KV_CMP_CREATE] = "create",
                                           [KV_CMP_MOD] = "mod",
                                           [KV_CMP_VALUE] = "value",
                                           [KV_CMP_LEASE] = "lease" };
    static const char *const results[] = {
        [KV_CMP_EQUAL] = "=", [KV_CMP_GREATER] = ">", [KV_CMP_LESS] = "<", [KV_CMP_NOT_EQUAL] = "!="
    };
    char word[NAME_BYTES_MAX];
    if (!http_json_text(&r->j, word, sizeof word)) return false;
    if (field == FIELD_SORT)
        return http_sort_target_of(bytes_of_str(word), &it->op.sort_target) ||
               refuse(r, "sort: key, version, create, mod or value");
    if (field == FIELD_ORDER)
        return http_sort_order_of(bytes_of_str(word), &it->op.sort_order) ||
               refuse(r, "order: asc or desc");
    for (uint32_t i = 0; field == FIELD_TARGET && i < sizeof targets / sizeof targets[0]; i++) {
        it->compare.target = (enum kv_compare_target)i;
        if (strcmp(word, targets[i]) == 0) return true;
    }
    for (uint32_t i = 0; field == FIELD_OP && i < sizeof results / sizeof results[0]; i++) {
        it->compare.result = (enum kv_compare_result)i;
        if (strcmp(word, results[i]) == 0) return true;
    }
    return refuse(r, field == FIELD_OP ? "op: =, !=, < or >"
                                       : "target: mod, create, version, value or lease");
}

/* Of a compare it may be a number. */
static bool read_value(struct txn_reader *r, bool base64, bool number_too, struct item *it)
{
    if (number_too && !base64 && http_json_is_number(&r->j)) return http_json_u64(&r->j, &it->number);
    it->value_is_text = true;
    return read_bytes(r, base64, MS_VALUE_BYTES_MAX, &it->value);
}

static bool read_flag(struct txn_reader *r, enum kv_op_flag flag, struct item *it)
{
    bool on;
    if (!http_json_bool(&r->j, &on)) return false;
    if (on) it->op.flags |= flag;
    return true;
}

static bool read_field(struct txn_reader *r, enum field field, bool base64, uint32_t allowed,
                       struct item *it)
{
    switch (field) {
    case FIELD_KEY:
    case FIELD_PREFIX:
    case FIELD_FROM:
    case FIELD_END: return read_key(r, field, base64, &it->keys);
    case FIELD_VALUE: return read_value(r, base64, allowed & FIELD_TARGET, it);
    case FIELD_SORT:
    case FIELD_ORDER:
    case FIELD_TARGET:
    case FIELD_OP: return read_word(r, field, it);
    case FIELD_PREV_KV: return read_flag(r, KV_PREV_KV, it);
    case FIELD_IGNORE_VALUE: return read_flag(r, KV_IGNORE_VALUE, it);
    case FIELD_IGNORE_LEASE: return read_flag(r, KV_IGNORE_LEASE, it);
    case FIELD_KEYS_ONLY: return read_flag(r, KV_KEYS_ONLY, it);
    case FIELD_COUNT_ONLY: return read_flag(r, KV_COUNT_ONLY, it);
    case FIELD_LEASE: return http_json_u64(&r->j, &it->op.lease);
    case FIELD_LIMIT: return http_json_u64(&r->j, &it->op.limit);
    case FIELD_REV: return http_json_u64(&r->j, &it->op.revision);
    case FIELD_MIN_MOD: return http_json_u64(&r->j, &it->op.mod_min);
    case FIELD_MAX_MOD: return http_json_u64(&r->j, &it->op.mod_max);
    case FIELD_MIN_CREATE: return http_json_u64(&r->j, &it->op.create_min);
    case FIELD_MAX_CREATE: return http_json_u64(&r->j, &it->op.create_max);
    }
    return false;
}

/* An object with some of the fields that are allowed. what: the refusal of another. */
static bool read_fields(struct txn_reader *r, uint32_t allowed, const char *what, uint32_t *seen,
                        struct item *it)
{
    struct http_json_list object;
    char name[NAME_BYTES_MAX];
    *seen = 0;
    if (!http_json_enter_object(&r->j, &object)) return false;
    while (http_json_name(&r->j, &object, name, sizeof name)) {
        bool base64;
        const struct http_json_field *f = http_json_field_of(fields, FIELD_COUNT, name, &base64);
        if (!f || !(f->bit & allowed)) return refuse(r, what);
        uint32_t clashes = f->bit & FIELDS_NAMING ? FIELDS_NAMING : f->bit;
        if (*seen & clashes) return refuse(r, "a field is there twice, or two that say the same");
        *seen |= f->bit;
        if (!read_field(r, (enum field)f->bit, base64, allowed, it)) return false;
    }
    if (r->j.why) return false;
    if (!(*seen & FIELDS_NAMING)) return refuse(r, "no key is named: key, or prefix, or from");
    if ((*seen & FIELD_END) && !(*seen & FIELD_KEY)) return refuse(r, "end goes with key");
    it->op.key = it->compare.key = http_keys_key(&it->keys, &r->text);
    it->op.range_end = it->compare.range_end = http_keys_end(&it->keys, &r->text);
    return true;
}

/* --- compares --- */

static bool read_compare(struct txn_reader *r)
{
    struct item it = { .number = 0 };
    uint32_t seen;
    if (!read_fields(r, FIELDS_COMPARE,
                     "a compare has a key (or prefix, from; and end), target, op and value", &seen,
                     &it))
        return false;
    if (!(seen & FIELD_TARGET) || !(seen & FIELD_OP) || !(seen & FIELD_VALUE))
        return refuse(r, "a compare has a target, an op and a value");
    if (it.value_is_text != (it.compare.target == KV_CMP_VALUE))
        return refuse(r, "a value is compared with a text, all else with a number");
    it.compare.value = it.value;
    it.compare.number = it.number;
    return push(r, &r->compares, &it.compare, sizeof it.compare, "too many compares in a transaction");
}

static bool read_compares(struct txn_reader *r, struct run *out)
{
    struct http_json_list list;
    out->at = r->compares.len;
    if (!http_json_enter_list(&r->j, &list)) return false;
    for (; http_json_item(&r->j, &list); out->count++) {
        if (!read_compare(r)) return false;
    }
    return !r->j.why;
}

/* --- operations --- */

static bool read_txn(struct txn_reader *r, uint32_t depth, size_t *at, size_t *len);

static bool read_op_of(struct txn_reader *r, const char *name, uint32_t depth, struct item *it)
{
    size_t at, len;
    uint32_t seen;
    if (strcmp(name, "put") == 0) {
        it->op.kind = KV_OP_PUT;
        if (!read_fields(r, FIELDS_PUT,
                         "a put has a key, value, lease, prev_kv, ignore_value and ignore_lease", &seen,
                         it))
            return false;
        it->op.value = it->value;
        bool keeps = it->op.flags & KV_IGNORE_VALUE;
        return (seen & FIELD_VALUE ? 1 : 0) != keeps || refuse(r, "a put has a value, or ignore_value");
    }
    if (strcmp(name, "delete") == 0) {
        it->op.kind = KV_OP_DELETE;
        return read_fields(r, FIELDS_DELETE,
                           "a delete has a key (or prefix, from; and end) and prev_kv", &seen, it);
    }
    if (strcmp(name, "get") == 0) {
        it->op.kind = KV_OP_RANGE;
        return read_fields(
            r, FIELDS_GET,
            "a get has a key (or prefix, from; and end), limit, rev, sort, order, keys_only, "
            "count_only, min_mod, max_mod, min_create, max_create",
            &seen, it);
    }
    if (strcmp(name, "txn") != 0) return refuse(r, "an operation is a put, get, delete or txn");
    it->op.kind = KV_OP_TXN;
    if (depth == KV_CMD_DEPTH_MAX) return refuse(r, "transactions stand in one another too deep");
    if (!read_txn(r, depth + 1, &at, &len)) return false;
    it->op.txn.len = len;
    it->op.limit = at; /* its place: the buffer may still move (encode()) */
    return true;
}

static bool read_op(struct txn_reader *r, uint32_t depth)
{
    struct http_json_list object;
    char name[NAME_BYTES_MAX];
    struct item it = { .number = 0 };
    static const char one[] = "an operation is an object of one: a put, get, delete or txn";
    if (!http_json_enter_object(&r->j, &object)) return false;
    if (!http_json_name(&r->j, &object, name, sizeof name)) return refuse(r, one);
    if (!read_op_of(r, name, depth, &it)) return false;
    if (http_json_name(&r->j, &object, name, sizeof name)) return refuse(r, one);
    if (r->j.why) return false;
    return push(r, &r->ops, &it.op, sizeof it.op, "too many operations in a transaction");
}

static bool read_ops(struct txn_reader *r, uint32_t depth, struct run *out)
{
    struct http_json_list list;
    out->at = r->ops.len;
    if (!http_json_enter_list(&r->j, &list)) return false;
    for (; http_json_item(&r->j, &list); out->count++) {
        if (!read_op(r, depth)) return false;
    }
    return !r->j.why;
}

/* --- a transaction --- */

/* What stands on the stacks from the runs on, into commands[depth]. */
static bool encode(struct txn_reader *r, uint32_t depth, const struct run *compares,
                   const struct run *then_, const struct run *else_)
{
    struct buf *out = &r->commands[depth];
    struct kv_op *ops = (struct kv_op *)(void *)r->ops.data;
    const struct kv_compare *all = (const struct kv_compare *)(void *)r->compares.data;
    for (size_t i = 0; i < r->ops.len / sizeof *ops; i++) {
        bool own = (i >= then_->at / sizeof *ops && i < then_->at / sizeof *ops + then_->count) ||
                   (i >= else_->at / sizeof *ops && i < else_->at / sizeof *ops + else_->count);
        if (!own || ops[i].kind != KV_OP_TXN) continue;
        ops[i].txn.data = r->commands[depth + 1].data + ops[i].limit;
    }
    int rv = kv_cmd_encode(out, all ? all + compares->at / sizeof *all : NULL, compares->count,
                           ops ? ops + then_->at / sizeof *ops : NULL, then_->count,
                           ops ? ops + else_->at / sizeof *ops : NULL, else_->count);
    if (rv == MS_ENOMEM) r->no_memory = true;
    if (rv == MS_ETOOBIG)
        return refuse(r, "a transaction has at most 1024 operations and as many compares, and 4 MiB");
    return rv == 0 ||
           refuse(r, "an operation says what does not go together (ignore_lease with a lease)");
}

/* The next value, as a command in commands[depth]. */
static bool read_txn(struct txn_reader *r, uint32_t depth, size_t *at, size_t *len)
{
    struct http_json_list object;
    struct run compares = { 0 }, then_ = { 0 }, else_ = { 0 };
    size_t ops_len = r->ops.len, compares_len = r->compares.len;
    bool has_compare = false, has_then = false, has_else = false;
    char name[NAME_BYTES_MAX];
    if (!http_json_enter_object(&r->j, &object)) return false;
    while (http_json_name(&r->j, &object, name, sizeof name)) {
        bool *has = strcmp(name, "compare") == 0 ? &has_compare
                    : strcmp(name, "then") == 0  ? &has_then
                    : strcmp(name, "else") == 0  ? &has_else
                                                 : NULL;
        if (!has) return refuse(r, "a transaction has compare, then and else, and nothing else");
        if (*has) return refuse(r, "compare, then or else is there twice");
        *has = true;
        bool good = has == &has_compare ? read_compares(r, &compares)
                                        : read_ops(r, depth, has == &has_then ? &then_ : &else_);
        if (!good) return false;
    }
    if (r->j.why) return false;
    *at = r->commands[depth].len;
    if (!encode(r, depth, &compares, &then_, &else_)) return false;
    *len = r->commands[depth].len - *at;
    r->ops.len = ops_len;
    r->compares.len = compares_len;
    if (depth < KV_CMD_DEPTH_MAX) buf_clear(&r->commands[depth + 1]);
    return true;
}

static void reader_init(struct txn_reader *r, struct bytes body, const struct ms_alloc *alloc)
{
    *r = (struct txn_reader){ .no_memory = false };
    http_json_init(&r->j, body);
    /* What is decoded is no longer than what it was; the end of a prefix is no longer than the prefix. */
    buf_init(&r->text, alloc, 3 * body.len + 64);
    buf_init(&r->ops, alloc, MS_TXN_OPS_MAX * sizeof(struct kv_op));
    buf_init(&r->compares, alloc, MS_TXN_OPS_MAX * sizeof(struct kv_compare));
    for (uint32_t i = 0; i <= KV_CMD_DEPTH_MAX; i++) buf_init(&r->commands[i], alloc, MS_TXN_BYTES_MAX);
}

static void reader_fini(struct txn_reader *r)
{
    buf_fini(&r->text);
    buf_fini(&r->ops);
    buf_fini(&r->compares);
    for (uint32_t i = 0; i <= KV_CMD_DEPTH_MAX; i++) buf_fini(&r->commands[i]);
}

static int read_all(struct txn_reader *r, struct buf *command, char *why, size_t why_cap)
{
    size_t at, len;
    if (!buf_reserve(&r->text, r->text.max)) return MS_ENOMEM;
    const uint8_t *text = r->text.data;
    bool good = read_txn(r, 0, &at, &len);
    MS_ASSERT(r->text.data == text);
    if (r->no_memory) return MS_ENOMEM;
    if (!http_json_finish(&r->j, "the transaction", why, why_cap) || !good) return MS_EINVAL;
    if (len > command->max - command->len) return MS_ETOOBIG;
    buf_append(command, r->commands[0].data + at, len);
    return command->failed ? MS_ENOMEM : 0;
}

int http_read_txn(struct bytes body, const struct ms_alloc *alloc, struct buf *command, char *why,
                  size_t why_cap)
{
    struct txn_reader r;
    reader_init(&r, body, alloc);
    int rv = read_all(&r, command, why, why_cap);
    reader_fini(&r);
    return rv;
}

bool http_read_compact(struct bytes body, uint64_t *revision, char *why, size_t why_cap)
{
    struct http_json j;
    struct http_json_list object;
    char name[NAME_BYTES_MAX];
    bool given = false;
    http_json_init(&j, body);
    if (http_json_enter_object(&j, &object)) {
        while (http_json_name(&j, &object, name, sizeof name)) {
            if (given || strcmp(name, "revision") != 0)
                http_json_refuse(&j, "a compaction has a revision, and nothing else");
            else
                given = http_json_u64(&j, revision);
        }
        if (!given || *revision == 0) http_json_refuse(&j, "the revision to compact to is needed");
    }
    return http_json_finish(&j, "the compaction", why, why_cap);
}
