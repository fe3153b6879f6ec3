/* cli_txn.c: what is done as a transaction: txn itself, and put and del where they tell what was there before; and
 * compaction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_range.h"
#include "cli/cli_txn.h"

#define TXN_BYTES_MAX (64u << 20) /* members take less, and say so */

/* Ask. *out: the answer's object; *succeeded: its compares held. */
static int txn_ask(struct cli_client *c, struct ms_bytes body, struct ms_http_answer *answer,
                   struct cli_json *out, bool *succeeded)
{
    struct ms_http_request request = { .method = "POST", .path = "/_/txn", .body = body };
    int code = cli_ask(c, &request, answer);
    *out = cli_answer_json(answer);
    *succeeded = code == CLI_DONE && cli_json_true(*out, "succeeded");
    return code;
}

/* The first response, of that kind. */
static bool first_response(struct cli_json answer, const char *kind, struct cli_json *out)
{
    struct cli_json list, item;
    size_t at = 0;
    return cli_json_find(answer, "responses", &list) && cli_json_next(list, &at, &item) &&
           cli_json_find(item, kind, out);
}

/* The transaction is committed, but its answer does not say what was found. */
static int untold(const struct cli_client *c)
{
    return cli_say(c, CLI_DONE, "done, but what was there before is too long to be told");
}

/* ---- put and del ---- */

static void add_condition(const struct cli_line *l, struct cli_text *body)
{
    bool absent = cli_given(l, CLI_IF_ABSENT);
    if (!absent && !cli_given(l, CLI_IF_REVISION)) return;
    cli_text_printf(body, "\"compare\": [{");
    cli_text_add_json(body, "key", cli_bytes(l->args[0]));
    cli_text_printf(body, ", \"target\": \"mod\", \"op\": \"=\", \"value\": %llu}], ",
                    (unsigned long long)l->number[CLI_IF_REVISION]);
}

static void print_prev(const struct cli_client *c, struct cli_json response)
{
    struct cli_json prev;
    struct cli_text value = { 0 };
    if (!cli_json_find(response, "prev_kv", &prev) || !cli_json_bytes(prev, "value", &value)) return;
    fputs("previous ", c->out);
    cli_print_field(c->out, (struct ms_bytes){ .data = value.data, .len = value.len });
    fputc('\n', c->out);
    cli_text_free(&value);
}

static void print_response(const struct cli_client *c, struct cli_json response)
{
    fwrite(response.at, 1, response.len, c->out);
    fputc('\n', c->out);
}

int cli_put_with_prev(struct cli_client *c, struct ms_bytes value)
{
    const struct cli_line *l = c->line;
    struct cli_text body = { 0 };
    struct ms_http_answer answer;
    struct cli_json j, response;
    bool succeeded;
    cli_text_printf(&body, "{");
    add_condition(l, &body);
    cli_text_printf(&body, "\"then\": [{\"put\": {");
    cli_text_add_json(&body, "key", cli_bytes(l->args[0]));
    cli_text_printf(&body, ", ");
    cli_text_add_json(&body, "value", value);
    if (cli_given(l, CLI_LEASE))
        cli_text_printf(&body, ", \"lease\": %llu", (unsigned long long)l->number[CLI_LEASE]);
    cli_text_printf(&body, ", \"prev_kv\": true}}]}");
    int code = txn_ask(c, cli_bytes(body.data), &answer, &j, &succeeded);
    if (code == CLI_DONE && !succeeded) code = cli_say(c, CLI_NO, "%s", c->condition);
    if (code == CLI_DONE && !c->json)
        fprintf(c->out, "revision %llu\n", (unsigned long long)cli_json_number(j, "revision"));
    bool told = code == CLI_DONE && first_response(j, "put", &response);
    if (told && c->json) print_response(c, response);
    if (told && !c->json) print_prev(c, response);
    if (code == CLI_DONE && !told) code = untold(c);
    ms_http_answer_free(&answer);
    cli_text_free(&body);
    return code;
}

static void print_deleted(const struct cli_client *c, struct cli_json j, struct cli_json response,
                          uint64_t deleted)
{
    struct cli_json kvs, item;
    if (c->json) {
        print_response(c, response);
        return;
    }
    fprintf(c->out, "revision %llu deleted %llu\n", (unsigned long long)cli_json_number(j, "revision"),
            (unsigned long long)deleted);
    if (!cli_json_find(response, "prev_kvs", &kvs)) return;
    for (size_t at = 0; cli_json_next(kvs, &at, &item);) cli_print_kv(c, item);
}

int cli_del(struct cli_client *c)
{
    const struct cli_line *l = c->line;
    struct cli_keys keys;
    struct cli_text body = { 0 };
    struct ms_http_answer answer;
    struct cli_json j, response;
    bool succeeded;
    int code = cli_keys_of(c, &keys);
    if (code != CLI_DONE) return code;
    if (cli_given(l, CLI_IF_REVISION) &&
        (keys.end || cli_given(l, CLI_PREFIX) || cli_given(l, CLI_FROM_KEY)))
        return cli_say(c, CLI_USAGE, "--if-revision is for one key");
    if (cli_given(l, CLI_BATCH)) return cli_del_batch(c, &keys);
    cli_text_printf(&body, "{");
    add_condition(l, &body);
    cli_text_printf(&body, "\"then\": [{\"delete\": {");
    cli_keys_json(c, &keys, &body);
    cli_text_printf(&body, "%s}}]}", cli_given(l, CLI_PREV_KV) ? ", \"prev_kv\": true" : "");
    code = txn_ask(c, cli_bytes(body.data), &answer, &j, &succeeded);
    if (code == CLI_DONE && !succeeded) code = cli_say(c, CLI_NO, "the key is not as of that revision");
    bool told = code == CLI_DONE && first_response(j, "delete", &response);
    if (code == CLI_DONE && !told) code = untold(c);
    if (told) {
        uint64_t deleted = cli_json_number(response, "deleted");
        print_deleted(c, j, response, deleted);
        if (deleted == 0) code = cli_say(c, CLI_NO, "no such key");
    }
    ms_http_answer_free(&answer);
    cli_text_free(&body);
    return code;
}

/* ---- txn ---- */

#define DEPTH_MAX 16u /* members take 4 */
static void print_responses(const struct cli_client *c, struct cli_json answer, unsigned depth);

static void print_one(const struct cli_client *c, struct cli_json item, unsigned depth)
{
    struct cli_json r, kvs, kv;
    if (cli_json_find(item, "put", &r)) {
        fprintf(c->out, "put\n");
        print_prev(c, r);
    } else if (cli_json_find(item, "delete", &r)) {
        fprintf(c->out, "delete %llu\n", (unsigned long long)cli_json_number(r, "deleted"));
        if (!cli_json_find(r, "prev_kvs", &kvs)) return;
        for (size_t at = 0; cli_json_next(kvs, &at, &kv);) cli_print_kv(c, kv);
    } else if (cli_json_find(item, "get", &r)) {
        fprintf(c->out, "get %llu\n", (unsigned long long)cli_json_number(r, "count"));
        if (!cli_json_find(r, "kvs", &kvs)) return;
        for (size_t at = 0; cli_json_next(kvs, &at, &kv);) cli_print_kv(c, kv);
    } else if (cli_json_find(item, "txn", &r)) {
        fprintf(c->out, "txn %s\n", cli_json_true(r, "succeeded") ? "then" : "else");
        print_responses(c, r, depth + 1);
    }
}

static void print_responses(const struct cli_client *c, struct cli_json answer, unsigned depth)
{
    struct cli_json list, item;
    if (depth == DEPTH_MAX || !cli_json_find(answer, "responses", &list)) return;
    for (size_t at = 0; cli_json_next(list, &at, &item);) print_one(c, item, depth);
}

static char *txn_input(const struct cli_client *c, size_t *len)
{
    const char *name = c->line->arg_count > 0 ? c->line->args[0] : "-";
    if (strcmp(name, "-") == 0) return cli_read_input(c, c->in, TXN_BYTES_MAX, len);
    FILE *from = fopen(name, "rb");
    if (!from) {
        cli_say(c, CLI_USAGE, "%s: %s", name, strerror(errno));
        return NULL;
    }
    char *text = cli_read_input(c, from, TXN_BYTES_MAX, len);
    fclose(from);
    return text;
}

int cli_txn(struct cli_client *c)
{
    struct ms_http_answer answer;
    struct ms_bytes body = { 0 };
    struct cli_json j, error;
    struct cli_text text = { 0 };
    bool succeeded;
    char *input = txn_input(c, &body.len);
    if (!input) return CLI_USAGE;
    body.data = input;
    int code = txn_ask(c, body, &answer, &j, &succeeded);
    if (code == CLI_DONE && c->json) cli_print_body(c, &answer);
    if (code == CLI_DONE && !c->json) {
        fprintf(c->out, "%s revision %llu\n", succeeded ? "then" : "else",
                (unsigned long long)cli_json_number(j, "revision"));
        print_responses(c, j, 0);
        if (cli_json_find(j, "error", &error) && cli_json_text(error, &text))
            fprintf(c->out, "error %s\n", text.data);
    }
    if (code == CLI_DONE && !succeeded) code = CLI_NO;
    ms_http_answer_free(&answer);
    cli_text_free(&text);
    free(input);
    return code;
}

/* ---- compaction ---- */

int cli_compact(struct cli_client *c)
{
    uint64_t revision;
    char body[64];
    struct ms_http_answer answer;
    if (!cli_number_parse(c->line->args[0], INT64_MAX, &revision) || revision == 0)
        return cli_say(c, CLI_USAGE, "\"%s\" is not a revision, a number from 1 on", c->line->args[0]);
    snprintf(body, sizeof body, "{\"revision\": %llu}", (unsigned long long)revision);
    int code = cli_ask_simply(c, "POST", "/_/compact", body, &answer);
    struct cli_json j = cli_answer_json(&answer);
    if (code == CLI_DONE && c->json) cli_print_body(c, &answer);
    if (code == CLI_DONE && !c->json)
        fprintf(c->out, "revision %llu compacted %llu\n",
                (unsigned long long)cli_json_number(j, "revision"),
                (unsigned long long)cli_json_number(j, "compacted_revision"));
    ms_http_answer_free(&answer);
    return code;
}
