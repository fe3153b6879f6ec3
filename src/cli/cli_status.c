/* cli_status.c: status and health, of each endpoint of the list. */
#include <string.h>

#include "cli/cli_client.h"

#define EACH_MS 3000u /* for one endpoint, unless --timeout-ms says otherwise */

/* Ask one endpoint, once. 0, or an error with why. */
static int ask_one(const struct cli_client *c, const char *endpoint, const char *path,
                   struct ms_http_answer *answer, char *why)
{
    struct ms_http_options options;
    struct ms_http *http;
    struct ms_http_request request = { .method = "GET", .path = path };
    cli_http_options(c->line, &options);
    options.endpoints = endpoint;
    options.rounds = 1;
    if (!cli_given(c->line, CLI_TIMEOUT)) options.timeout_ms = EACH_MS;
    *answer = (struct ms_http_answer){ 0 };
    int rv = ms_http_open(&http, &options, why);
    if (rv < 0) return rv;
    rv = ms_http_ask(http, &request, answer, why);
    answer->endpoint = endpoint;
    ms_http_close(http);
    return rv;
}

/* Behind "URL: ", which stands in the table already. */
static const char *reason(const char *why, const char *endpoint)
{
    size_t len = strlen(endpoint);
    return strncmp(why, endpoint, len) == 0 && strncmp(why + len, ": ", 2) == 0 ? why + len + 2 : why;
}

static int verdict(unsigned count, unsigned good, unsigned answered)
{
    if (good == count) return CLI_DONE;
    return answered > 0 ? CLI_NO : CLI_FAILED;
}

static void text_at(struct cli_json object, const char *name, struct cli_text *out)
{
    struct cli_json value;
    cli_text_add(out, "", 0);
    if (!cli_json_find(object, name, &value) || cli_json_is(value, "null"))
        cli_text_printf(out, "-");
    else if (value.at[0] != '"' || !cli_json_text(value, out))
        cli_text_add(out, value.at, value.len);
}

static void cell(struct cli_table *t, struct cli_json object, const char *name)
{
    struct cli_text text = { 0 };
    text_at(object, name, &text);
    cli_table_cell(t, "%s", text.data);
    cli_text_free(&text);
}

static void cell_bytes(struct cli_table *t, struct cli_json object, const char *name)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double n = (double)cli_json_number(object, name);
    unsigned unit = 0;
    for (; n >= 1024 && unit < 5; unit++) n /= 1024;
    cli_table_cell(t, unit && n < 100 ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

static void version_of(const struct cli_client *c, const char *endpoint, struct cli_text *out)
{
    struct ms_http_answer answer;
    char why[MS_WHY_BYTES];
    bool good = ask_one(c, endpoint, "/version", &answer, why) == 0 && answer.status == 200;
    text_at(good ? cli_answer_json(&answer) : cli_json_of("{}", 2), "version", out);
    ms_http_answer_free(&answer);
}

static void status_row(const struct cli_client *c, struct cli_table *t, const struct ms_http_answer *a)
{
    struct cli_json j = cli_answer_json(a);
    struct cli_text version = { 0 };
    version_of(c, a->endpoint, &version);
    cli_table_cell(t, "%s", a->endpoint);
    cell(t, j, "id");
    cell(t, j, "role");
    cell(t, j, "leader");
    cell(t, j, "term");
    cell(t, j, "applied_index");
    cell(t, j, "revision");
    cell(t, j, "keys");
    cell_bytes(t, j, "log_bytes");
    cell_bytes(t, j, "disk_free_bytes");
    cell(t, j, "storage");
    cli_table_cell(t, "%s%s", version.data, cli_json_true(j, "ready") ? "" : " (not ready)");
    cli_text_free(&version);
}

static void status_json(const struct cli_client *c, const char *endpoint,
                        const struct ms_http_answer *a, const char *why, bool first)
{
    struct cli_text t = { 0 };
    cli_text_printf(&t, "%s{", first ? "" : ",\n ");
    cli_text_add_json(&t, "endpoint", cli_bytes(endpoint));
    cli_text_printf(&t, ", ");
    if (why) {
        cli_text_add_json(&t, "error", cli_bytes(why));
    } else {
        struct cli_json j = cli_answer_json(a);
        cli_text_printf(&t, "\"status\": ");
        cli_text_add(&t, j.at, j.len);
    }
    cli_text_printf(&t, "}");
    fwrite(t.data, 1, t.len, c->out);
    cli_text_free(&t);
}

static void status_head(struct cli_table *t)
{
    static const char *const titles[] = {
        "ENDPOINT", "ID",   "ROLE", "LEADER",    "TERM",    "APPLIED",
        "REVISION", "KEYS", "LOG",  "DISK FREE", "STORAGE", "VERSION"
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) cli_table_cell(t, "%s", titles[i]);
    cli_table_row(t);
}

int cli_status(struct cli_client *c)
{
    static struct cli_table table;
    unsigned count = 0, good = 0;
    const char *endpoint;
    char why[MS_WHY_BYTES];
    status_head(&table);
    if (c->json) fputs("[", c->out);
    for (; (endpoint = ms_http_endpoint(c->http, count)); count++) {
        struct ms_http_answer answer;
        int rv = ask_one(c, endpoint, "/status", &answer, why);
        if (rv == 0 && answer.status != 200) {
            snprintf(why, sizeof why, "it answers %d", answer.status);
            rv = MS_EPROTO;
        }
        const char *wrong = rv == 0 ? NULL : reason(why, endpoint);
        good += rv == 0;
        if (c->json) {
            status_json(c, endpoint, &answer, wrong, count == 0);
        } else if (wrong) {
            cli_table_cell(&table, "%s", endpoint);
            cli_table_cell(&table, "unreachable: %s", wrong);
        } else {
            status_row(c, &table, &answer);
        }
        cli_table_row(&table);
        ms_http_answer_free(&answer);
    }
    if (c->json)
        fputs("]\n", c->out);
    else
        cli_table_print(&table, c->out);
    return verdict(count, good, good);
}

/* ---- health ---- */

/* Whether the answer says that all is well; else why. */
static bool health_of(const struct ms_http_answer *answer, char *why, size_t cap)
{
    struct cli_json j = cli_answer_json(answer);
    struct cli_text text = { 0 };
    if (answer->status == 200) return true;
    text_at(j, "reason", &text);
    snprintf(why, cap, "%s", text.data);
    cli_text_free(&text);
    return false;
}

static void health_print(const struct cli_client *c, const char *endpoint, bool healthy,
                         const char *why, bool first)
{
    struct cli_text t = { 0 };
    if (c->json) {
        cli_text_printf(&t, "%s{", first ? "" : ", ");
        cli_text_add_json(&t, "endpoint", cli_bytes(endpoint));
        cli_text_printf(&t, ", \"healthy\": %s, ", healthy ? "true" : "false");
        cli_text_add_json(&t, "reason", cli_bytes(why));
        cli_text_printf(&t, "}");
    } else {
        cli_text_printf(&t, "%s  %s%s%s\n", endpoint, healthy ? "healthy" : "unhealthy",
                        *why ? ": " : "", why);
    }
    fwrite(t.data, 1, t.len, c->out);
    cli_text_free(&t);
}

int cli_health(struct cli_client *c)
{
    unsigned count = 0, good = 0, answered = 0;
    const char *endpoint;
    if (c->json) fputs("[", c->out);
    for (; (endpoint = ms_http_endpoint(c->http, count)); count++) {
        struct ms_http_answer answer;
        char why[MS_WHY_BYTES] = "";
        int rv = ask_one(c, endpoint, "/health", &answer, why);
        if (rv == 0) why[0] = 0;
        bool healthy = rv == 0 && health_of(&answer, why, sizeof why);
        answered += rv == 0;
        good += healthy;
        health_print(c, endpoint, healthy, reason(why, endpoint), count == 0);
        ms_http_answer_free(&answer);
    }
    if (c->json) fputs("]\n", c->out);
    return verdict(count, good, answered);
}
