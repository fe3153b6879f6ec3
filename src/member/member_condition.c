/* member_condition.c: a write with conditions (RFC 9110, 13) as one transaction.
 *
 * Compares of a transaction hold all together, so a list of which one is enough is turned around: if the key's
 * revision is none of them, nothing is done, else the write. Where nothing is written the key is looked at, so that
 * who is refused is told what it is like. */
#include "member/member_private.h"

struct plan {
    struct kv_compare compares[HTTP_ETAGS_MAX + 2];
    uint32_t count;
    bool inverted; /* the write is what is done if they do not hold */
};

static void compare(struct plan *p, struct bytes key, enum kv_compare_target target,
                    enum kv_compare_result result, uint64_t number)
{
    MS_ASSERT(p->count < sizeof p->compares / sizeof p->compares[0]);
    p->compares[p->count++] =
        (struct kv_compare){ .target = target, .result = result, .key = key, .number = number };
}

static bool is_among(const struct http_condition *c, uint64_t revision)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->revisions[i] == revision) return true;
    }
    return false;
}

/* If-Match with revisions, without those that If-None-Match forbids. */
static void plan_list(const struct http_conditions *c, struct bytes key, struct plan *p)
{
    uint64_t wanted[HTTP_ETAGS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->match.count && !c->none_match.any; i++) {
        if (!is_among(&c->none_match, c->match.revisions[i])) wanted[count++] = c->match.revisions[i];
    }
    if (count == 1) {
        compare(p, key, KV_CMP_MOD, KV_CMP_EQUAL, wanted[0]);
        return;
    }
    if (count == 0) { /* of no key */
        compare(p, key, KV_CMP_VERSION, KV_CMP_LESS, 0);
        return;
    }
    p->inverted = true;
    for (uint32_t i = 0; i < count; i++) compare(p, key, KV_CMP_MOD, KV_CMP_NOT_EQUAL, wanted[i]);
}

static void plan(const struct http_conditions *c, struct bytes key, struct plan *p)
{
    p->count = 0;
    p->inverted = false;
    if (c->match.given && !c->match.any) {
        plan_list(c, key, p);
        return;
    }
    if (c->match.given) compare(p, key, KV_CMP_VERSION, KV_CMP_GREATER, 0);
    if (c->none_match.any) compare(p, key, KV_CMP_VERSION, KV_CMP_EQUAL, 0);
    for (uint32_t i = 0; i < c->none_match.count; i++) {
        compare(p, key, KV_CMP_MOD, KV_CMP_NOT_EQUAL, c->none_match.revisions[i]);
    }
}

int condition_encode(struct buf *out, const struct http_conditions *c, const struct kv_op *write,
                     enum client_condition *condition)
{
    const struct kv_op look = { .kind = KV_OP_RANGE, .flags = KV_KEYS_ONLY, .key = write->key };
    struct plan p;
    plan(c, write->key, &p);
    *condition = p.inverted ? CLIENT_CONDITION_INVERTED : CLIENT_CONDITION_PLAIN;
    if (p.inverted) return kv_cmd_encode(out, p.compares, p.count, &look, 1, write, 1);
    return kv_cmd_encode(out, p.compares, p.count, write, 1, &look, 1);
}

uint64_t condition_found(struct bytes items)
{
    struct kv_answer_reader r;
    struct kv_answer_item item;
    kv_answer_reader_init(&r);
    kv_answer_reader_feed(&r, items);
    while (kv_answer_next(&r, &item) == 0) {
        if (item.kind == KV_ANSWER_RECORD) return item.mod_revision;
    }
    return 0;
}
