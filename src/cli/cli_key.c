/* cli_key.c: put and get of one key. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_range.h"
#include "cli/cli_txn.h"

#define VALUE_BYTES_MAX (64u << 20) /* members take less, and say so */

static void path_begin(struct cli_text *path, const char *key)
{
    cli_text_printf(path, "/_/kv/");
    cli_text_add_encoded(path, cli_bytes(key));
}

/* The condition of the line as a header. False: there is none. */
static bool condition(const struct cli_line *line, struct ms_http_header *out, char *value, size_t cap)
{
    bool absent = cli_given(line, CLI_IF_ABSENT);
    if (!absent && !cli_given(line, CLI_IF_REVISION)) return false;
    *out = (struct ms_http_header){ absent ? "If-None-Match" : "If-Match", value };
    snprintf(value, cap, absent ? "*" : "\"%llu\"", (unsigned long long)line->number[CLI_IF_REVISION]);
    return true;
}

static int key_check(const struct cli_client *c)
{
    return *c->line->args[0] ? CLI_DONE : cli_say(c, CLI_USAGE, "the key is empty");
}

/* ---- put ---- */

static int put_check(const struct cli_client *c)
{
    const struct cli_line *l = c->line;
    if (cli_given(l, CLI_LEASE) && cli_given(l, CLI_TTL))
        return cli_say(c, CLI_USAGE, "--lease and --ttl: one of the two");
    if (cli_given(l, CLI_IF_ABSENT) && cli_given(l, CLI_IF_REVISION))
        return cli_say(c, CLI_USAGE, "--if-absent and --if-revision: one of the two");
    if (cli_given(l, CLI_PREV_KV) && cli_given(l, CLI_TTL))
        return cli_say(c, CLI_USAGE,
                       "--prev-kv and --ttl: one of the two; lease grant makes a lease for --lease");
    return key_check(c);
}

static void put_print(const struct cli_client *c, const struct ms_http_answer *answer)
{
    unsigned long long revision = ms_http_answer_number(answer, "Metastore-Revision");
    unsigned long long lease = ms_http_answer_number(answer, "Metastore-Lease");
    if (cli_given(c->line, CLI_LEASE)) lease = c->line->number[CLI_LEASE];
    fprintf(c->out, c->json ? "{\"revision\": %llu" : "revision %llu", revision);
    if (lease) fprintf(c->out, c->json ? ", \"lease\": %llu" : " lease %llu", lease);
    fputs(c->json ? "}\n" : "\n", c->out);
}

static int put_value(struct cli_client *c, struct ms_bytes value)
{
    const struct cli_line *l = c->line;
    c->condition =
        cli_given(l, CLI_IF_ABSENT) ? "there is such a key" : "the key is not as of that revision";
    if (cli_given(l, CLI_PREV_KV)) return cli_put_with_prev(c, value);
    char tag[32];
    struct ms_http_header header;
    struct cli_text path = { 0 };
    struct ms_http_answer answer;
    path_begin(&path, l->args[0]);
    if (cli_given(l, CLI_LEASE))
        cli_text_printf(&path, "?lease=%llu", (unsigned long long)l->number[CLI_LEASE]);
    if (cli_given(l, CLI_TTL))
        cli_text_printf(&path, "?ttl=%llu", (unsigned long long)l->number[CLI_TTL]);
    struct ms_http_request request = {
        .method = "PUT", .path = path.data, .headers = &header, .body = value
    };
    request.header_count = condition(l, &header, tag, sizeof tag) ? 1 : 0;
    int code = cli_ask(c, &request, &answer);
    if (code == CLI_DONE) put_print(c, &answer);
    ms_http_answer_free(&answer);
    cli_text_free(&path);
    return code;
}

int cli_put(struct cli_client *c)
{
    const struct cli_line *l = c->line;
    int code = put_check(c);
    if (code != CLI_DONE) return code;
    if (l->arg_count == 2 && strcmp(l->args[1], "-") != 0) return put_value(c, cli_bytes(l->args[1]));
    struct ms_bytes value = { 0 };
    char *input = cli_read_input(c, c->in, VALUE_BYTES_MAX, &value.len);
    if (!input) return CLI_USAGE;
    value.data = input;
    code = put_value(c, value);
    free(input);
    return code;
}

/* ---- get ---- */

/* As GET /_/range says it. */
static void get_json(const struct cli_client *c, const struct ms_http_answer *a, bool found)
{
    struct cli_text t = { 0 };
    cli_text_printf(&t, "{\"revision\": %llu, \"kvs\": [",
                    (unsigned long long)ms_http_answer_number(a, "Metastore-Revision"));
    if (found) {
        cli_text_printf(&t, "{");
        cli_text_add_json(&t, "key", cli_bytes(c->line->args[0]));
        cli_text_printf(
            &t,
            ", \"create_revision\": %llu, \"mod_revision\": %llu, \"version\": %llu, \"lease\": %llu, ",
            (unsigned long long)ms_http_answer_number(a, "Metastore-Create-Revision"),
            (unsigned long long)ms_http_answer_number(a, "ETag"),
            (unsigned long long)ms_http_answer_number(a, "Metastore-Version"),
            (unsigned long long)ms_http_answer_number(a, "Metastore-Lease"));
        cli_text_add_json(&t, "value", a->body);
        cli_text_printf(&t, "}");
    }
    cli_text_printf(&t, "], \"count\": %d, \"more\": false}\n", found ? 1 : 0);
    fwrite(t.data, 1, t.len, c->out);
    cli_text_free(&t);
}

/* The bytes and nothing else; for a person a line end, so that the next prompt stands on a line of its own. */
static void get_raw(const struct cli_client *c, struct ms_bytes value)
{
    const char *at = value.data;
    fwrite(at, 1, value.len, c->out);
    if (value.len > 0 && at[value.len - 1] != '\n' && isatty(fileno(c->out))) fputc('\n', c->out);
}

/* What makes a get one of several keys. */
#define SEVERAL                                                                                        \
    (CLI_BIT(CLI_PREFIX) | CLI_BIT(CLI_FROM_KEY) | CLI_BIT(CLI_LIMIT) | CLI_BIT(CLI_KEYS_ONLY) |       \
     CLI_BIT(CLI_COUNT_ONLY) | CLI_BIT(CLI_SORT) | CLI_BIT(CLI_ORDER) | CLI_BIT(CLI_MIN_MOD) |         \
     CLI_BIT(CLI_MAX_MOD) | CLI_BIT(CLI_MIN_CREATE) | CLI_BIT(CLI_MAX_CREATE))

int cli_get(struct cli_client *c)
{
    const struct cli_line *l = c->line;
    struct cli_text path = { 0 };
    struct ms_http_answer answer;
    if (l->given & SEVERAL) return cli_range(c);
    int code = key_check(c);
    if (code != CLI_DONE) return code;
    path_begin(&path, l->args[0]);
    if (cli_given(l, CLI_REV)) cli_text_printf(&path, "?rev=%s", l->text[CLI_REV]);
    if (cli_given(l, CLI_STALE))
        cli_text_printf(&path, "%cconsistency=stale", cli_given(l, CLI_REV) ? '&' : '?');
    code = cli_ask_simply(c, "GET", path.data, NULL, &answer);
    bool absent = answer.status == 404 && ms_http_answer_header(&answer, "Metastore-Revision");
    if (code == CLI_DONE && !c->json) get_raw(c, answer.body);
    if (c->json && (code == CLI_DONE || absent)) get_json(c, &answer, !absent);
    ms_http_answer_free(&answer);
    cli_text_free(&path);
    return code;
}
