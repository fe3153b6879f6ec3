/* cli_batch.c: del --batch: several keys in parts, from the first one on. A part is what a page of keys names, deleted
 * at a revision of its own: so nobody waits for more than one part. */
#include <string.h>

#include "cli/cli_range.h"

struct batch {
    struct cli_text start, end; /* from start on, below end; end empty: to the last key */
    uint64_t revision, deleted;
};

/* The least key that is above all that begin with prefix; empty: there is none. */
static void add_prefix_end(struct cli_text *out, const char *prefix)
{
    size_t len = strlen(prefix);
    while (len > 0 && (unsigned char)prefix[len - 1] == 0xff) len--;
    if (len == 0) return;
    cli_text_add(out, prefix, len);
    out->data[len - 1]++;
}

static void batch_begin(struct batch *b, const struct cli_line *l, const struct cli_keys *k)
{
    *b = (struct batch){ 0 };
    cli_text_add(&b->start, k->first, *k->first ? strlen(k->first) : 1); /* NUL is the least key */
    if (k->end) cli_text_add(&b->end, k->end, strlen(k->end));
    if (cli_given(l, CLI_PREFIX)) add_prefix_end(&b->end, k->first);
}

static struct ms_bytes bytes_in(const struct cli_text *t)
{
    return (struct ms_bytes){ .data = t->data, .len = t->len };
}

/* What comes right behind the last key of the next page, into *next: empty if there is no key. */
static int page_read(struct cli_client *c, const struct batch *b, struct cli_text *next, bool *more)
{
    struct cli_text path = { 0 };
    struct ms_http_answer answer;
    struct cli_json j, kvs, kv, last = { 0 };
    cli_text_printf(&path, "/_/range?key=");
    cli_text_add_encoded(&path, bytes_in(&b->start));
    cli_text_printf(&path, "&end=");
    if (b->end.len > 0) cli_text_add_encoded(&path, bytes_in(&b->end));
    cli_text_printf(&path, "&keys_only&limit=%llu", (unsigned long long)c->line->number[CLI_BATCH]);
    int code = cli_ask_simply(c, "GET", path.data, NULL, &answer);
    next->len = 0;
    *more = false;
    if (code == CLI_DONE) {
        j = cli_answer_json(&answer);
        *more = cli_json_true(j, "more");
        if (cli_json_find(j, "kvs", &kvs)) {
            for (size_t at = 0; cli_json_next(kvs, &at, &kv);) last = kv;
        }
        if (last.at && cli_json_bytes(last, "key", next)) cli_text_add(next, "", 1);
    }
    ms_http_answer_free(&answer);
    cli_text_free(&path);
    return code;
}

static int part_delete(struct cli_client *c, struct batch *b, const struct cli_text *next)
{
    struct cli_text body = { 0 };
    struct ms_http_answer answer;
    struct cli_json j, list, item, part;
    size_t at = 0;
    cli_text_printf(&body, "{\"then\": [{\"delete\": {");
    cli_text_add_json(&body, "key", bytes_in(&b->start));
    cli_text_printf(&body, ", ");
    cli_text_add_json(&body, "end", bytes_in(next));
    cli_text_printf(&body, "}}]}");
    int code = cli_ask_simply(c, "POST", "/_/txn", body.data, &answer);
    if (code == CLI_DONE) {
        j = cli_answer_json(&answer);
        b->revision = cli_json_number(j, "revision");
        bool told = cli_json_find(j, "responses", &list) && cli_json_next(list, &at, &item) &&
                    cli_json_find(item, "delete", &part);
        if (told) b->deleted += cli_json_number(part, "deleted");
    }
    ms_http_answer_free(&answer);
    cli_text_free(&body);
    return code;
}

/* Each round ends further on, so that it ends however many are written meanwhile. */
static int batch_run(struct cli_client *c, struct batch *b)
{
    struct cli_text next = { 0 };
    bool more = true;
    int code = CLI_DONE;
    while (code == CLI_DONE && more) {
        code = page_read(c, b, &next, &more);
        if (code != CLI_DONE || next.len == 0) break;
        code = part_delete(c, b, &next);
        b->start.len = 0;
        cli_text_add(&b->start, next.data, next.len);
    }
    cli_text_free(&next);
    return code;
}

int cli_del_batch(struct cli_client *c, const struct cli_keys *k)
{
    const struct cli_line *l = c->line;
    struct batch b;
    if (!k->end && !cli_given(l, CLI_PREFIX) && !cli_given(l, CLI_FROM_KEY))
        return cli_say(c, CLI_USAGE, "--batch is for several keys");
    if (cli_given(l, CLI_PREV_KV))
        return cli_say(c, CLI_USAGE, "--batch and --prev-kv: one of the two");
    batch_begin(&b, l, k);
    int code = batch_run(c, &b);
    if (code != CLI_DONE && b.deleted > 0)
        cli_say(c, code, "%llu keys were deleted before that", (unsigned long long)b.deleted);
    if (code == CLI_DONE && b.deleted == 0) code = cli_say(c, CLI_NO, "no such key");
    if (code == CLI_DONE)
        fprintf(c->out,
                c->json ? "{\"revision\": %llu, \"deleted\": %llu}\n" : "revision %llu deleted %llu\n",
                (unsigned long long)b.revision, (unsigned long long)b.deleted);
    cli_text_free(&b.start);
    cli_text_free(&b.end);
    return code;
}
