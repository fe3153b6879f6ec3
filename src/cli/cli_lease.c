/* cli_lease.c: grant, revoke, keep-alive, ttl, list. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_client.h"

#define TTL_MAX UINT64_C(9000000000)
#define PATH_BYTES 64

static bool number_of(const struct cli_client *c, uint64_t least, uint64_t most, uint64_t *out)
{
    const char *text = c->line->args[0];
    if (cli_number_parse(text, most, out) && *out >= least) return true;
    cli_say(c, CLI_USAGE, "\"%s\" is not a number from %llu to %llu", text, (unsigned long long)least,
            (unsigned long long)most);
    return false;
}

/* Of the lease that is named, with what stands behind its id. False: it is no id, which was said. */
static bool path_of(const struct cli_client *c, const char *behind, char path[PATH_BYTES])
{
    uint64_t id;
    if (!number_of(c, 1, INT64_MAX, &id)) return false;
    snprintf(path, PATH_BYTES, "/_/leases/%llu%s", (unsigned long long)id, behind);
    return true;
}

/* Ask about the lease that is named; else as cli_ask_simply(). */
static int ask_lease(struct cli_client *c, const char *method, struct ms_http_answer *answer)
{
    char path[PATH_BYTES];
    *answer = (struct ms_http_answer){ 0 };
    if (!path_of(c, "", path)) return CLI_USAGE;
    return cli_ask_simply(c, method, path, NULL, answer);
}

static void print_lease(const struct cli_client *c, const struct ms_http_answer *answer)
{
    struct cli_json j = cli_answer_json(answer);
    if (c->json)
        cli_print_body(c, answer);
    else
        fprintf(c->out, "lease %llu ttl %llu\n", (unsigned long long)cli_json_number(j, "id"),
                (unsigned long long)cli_json_number(j, "ttl"));
    fflush(c->out);
}

int cli_lease_grant(struct cli_client *c)
{
    uint64_t ttl;
    char body[96];
    struct ms_http_answer answer;
    if (!number_of(c, 1, TTL_MAX, &ttl)) return CLI_USAGE;
    int len = snprintf(body, sizeof body, "{\"ttl\": %llu", (unsigned long long)ttl);
    if (cli_given(c->line, CLI_ID))
        len += snprintf(body + len, sizeof body - (size_t)len, ", \"id\": %llu",
                        (unsigned long long)c->line->number[CLI_ID]);
    snprintf(body + len, sizeof body - (size_t)len, "}");
    int code = cli_ask_simply(c, "POST", "/_/leases", body, &answer);
    if (code == CLI_DONE) print_lease(c, &answer);
    ms_http_answer_free(&answer);
    return code;
}

int cli_lease_revoke(struct cli_client *c)
{
    struct ms_http_answer answer;
    int code = ask_lease(c, "DELETE", &answer);
    if (code == CLI_DONE) fputs(c->json ? "{\"done\": true}\n" : "done\n", c->out);
    ms_http_answer_free(&answer);
    return code;
}

/* ---- keep-alive ---- */

/* Until the lease is dead; or nobody has answered for so long that it may be. */
int cli_lease_keep_alive(struct cli_client *c)
{
    char path[PATH_BYTES];
    if (!path_of(c, "/keep-alive", path)) return CLI_USAGE;
    struct ms_http_request request = { .method = "POST", .path = path, .repeatable = true };
    for (;;) {
        struct ms_http_answer answer;
        int code = cli_ask(c, &request, &answer);
        uint64_t ttl = 0;
        if (code == CLI_DONE) {
            ttl = cli_json_number(cli_answer_json(&answer), "ttl");
            print_lease(c, &answer);
        }
        ms_http_answer_free(&answer);
        if (code != CLI_DONE || cli_given(c->line, CLI_ONCE) || ferror(c->out)) return code;
        cli_sleep_ms((ttl ? ttl : 1) * 1000 / 3);
    }
}

/* ---- looking ---- */

static void print_keys(const struct cli_client *c, struct cli_json lease)
{
    struct cli_json keys, item;
    if (!cli_json_find(lease, "keys", &keys)) return;
    for (size_t at = 0; cli_json_next(keys, &at, &item);) {
        struct cli_text key = { 0 };
        if (cli_json_bytes(item, "key", &key)) {
            fputs("key ", c->out);
            cli_print_field(c->out, (struct ms_bytes){ .data = key.data, .len = key.len });
            fputc('\n', c->out);
        }
        cli_text_free(&key);
    }
}

int cli_lease_ttl(struct cli_client *c)
{
    struct ms_http_answer answer;
    int code = ask_lease(c, "GET", &answer);
    struct cli_json j = cli_answer_json(&answer);
    if (code == CLI_DONE && c->json) cli_print_body(c, &answer);
    if (code == CLI_DONE && !c->json) {
        fprintf(c->out, "lease %llu ttl %llu granted %llu keys %llu\n",
                (unsigned long long)cli_json_number(j, "id"),
                (unsigned long long)cli_json_number(j, "ttl"),
                (unsigned long long)cli_json_number(j, "granted_ttl"),
                (unsigned long long)cli_json_number(j, "key_count"));
        print_keys(c, j);
        if (cli_json_true(j, "more")) fputs("... and more keys\n", c->out);
    }
    ms_http_answer_free(&answer);
    return code;
}

/* One page. *after: the last id of it; *more: there are others. *first: nothing was printed before. */
static int list_page(struct cli_client *c, uint64_t *after, bool *more, bool *first)
{
    char path[64];
    struct ms_http_answer answer;
    struct cli_json leases, item;
    snprintf(path, sizeof path, "/_/leases?after=%llu", (unsigned long long)*after);
    int code = cli_ask_simply(c, "GET", path, NULL, &answer);
    *more = false;
    if (code == CLI_DONE && cli_json_find(cli_answer_json(&answer), "leases", &leases)) {
        *more = cli_json_true(cli_answer_json(&answer), "more");
        for (size_t at = 0; cli_json_next(leases, &at, &item); *first = false) {
            *after = cli_json_number(item, "id");
            if (c->json)
                fprintf(c->out, "%s%.*s", *first ? "" : ", ", (int)item.len, item.at);
            else
                fprintf(c->out, "lease %llu ttl %llu granted %llu\n", (unsigned long long)*after,
                        (unsigned long long)cli_json_number(item, "ttl"),
                        (unsigned long long)cli_json_number(item, "granted_ttl"));
        }
    }
    ms_http_answer_free(&answer);
    return code;
}

int cli_lease_list(struct cli_client *c)
{
    uint64_t after = 0;
    bool more = true, first = true;
    int code = CLI_DONE;
    if (c->json) fputs("{\"leases\": [", c->out);
    while (more && code == CLI_DONE) code = list_page(c, &after, &more, &first);
    if (c->json) fputs("]}\n", c->out);
    return code;
}
