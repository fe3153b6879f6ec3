/* cli_member.c: who the members are, and who leads. */
#include <string.h>

#include "cli/cli_client.h"

static bool id_parse(const struct cli_client *c, const char *text, uint64_t *out)
{
    if (cli_number_parse(text, UINT64_C(9999999999999999999), out) && *out > 0) return true;
    cli_say(c, CLI_USAGE, "\"%s\" is not a member id, a number from 1 on", text);
    return false;
}

static void cell_of(struct cli_table *t, struct cli_json object, const char *name)
{
    struct cli_json value;
    struct cli_text text = { 0 };
    bool found = cli_json_find(object, name, &value);
    if (found && cli_json_text(value, &text))
        cli_table_cell(t, "%s", text.data);
    else
        cli_table_cell(t, "%.*s", found ? (int)value.len : 1, found ? value.at : "-");
    cli_text_free(&text);
}

int cli_member_list(struct cli_client *c)
{
    static struct cli_table table;
    struct ms_http_answer answer;
    struct cli_json item;
    int code = cli_ask_simply(c, "GET", "/_/members", NULL, &answer);
    if (code == CLI_DONE && c->json) cli_print_body(c, &answer);
    if (code == CLI_DONE && !c->json) {
        struct cli_json list = cli_answer_json(&answer);
        cli_table_cell(&table, "ID");
        cli_table_cell(&table, "ROLE");
        cli_table_cell(&table, "URL");
        cli_table_row(&table);
        for (size_t at = 0; cli_json_next(list, &at, &item);) {
            cell_of(&table, item, "id");
            cell_of(&table, item, "role");
            cell_of(&table, item, "url");
            cli_table_row(&table);
        }
        cli_table_print(&table, c->out);
    }
    ms_http_answer_free(&answer);
    return code;
}

/* A request whose answer is that it is done. */
static int change(struct cli_client *c, const char *method, const char *path, const char *body,
                  bool repeatable)
{
    struct ms_http_answer answer;
    struct ms_http_request request = { .method = method, .path = path, .repeatable = repeatable };
    if (body) request.body = cli_bytes(body);
    int code = cli_ask(c, &request, &answer);
    if (code == CLI_DONE) fputs(c->json ? "{\"done\": true}\n" : "done\n", c->out);
    ms_http_answer_free(&answer);
    return code;
}

int cli_member_add(struct cli_client *c)
{
    uint64_t id;
    char path[32];
    if (!id_parse(c, c->line->args[0], &id)) return CLI_USAGE;
    snprintf(path, sizeof path, "/%llu", (unsigned long long)id);
    return change(c, "POST", path, c->line->args[1], false);
}

int cli_member_remove(struct cli_client *c)
{
    uint64_t id;
    char path[40];
    if (!id_parse(c, c->line->args[0], &id)) return CLI_USAGE;
    snprintf(path, sizeof path, "/%llu%s", (unsigned long long)id,
             cli_given(c->line, CLI_FORCE) ? "?force" : "");
    return change(c, "DELETE", path, NULL, false);
}

/* ID, or ID=URL. */
static bool add_voter(const struct cli_client *c, struct cli_text *body, const char *arg)
{
    const char *equals = strchr(arg, '=');
    char digits[24];
    uint64_t id;
    snprintf(digits, sizeof digits, "%.*s", equals ? (int)(equals - arg) : 23, arg);
    if (!id_parse(c, digits, &id)) return false;
    cli_text_printf(body, "{\"id\": %llu", (unsigned long long)id);
    if (equals) {
        cli_text_printf(body, ", ");
        cli_text_add_json(body, "url", cli_bytes(equals + 1));
    }
    cli_text_printf(body, "}");
    return true;
}

int cli_member_set(struct cli_client *c)
{
    struct cli_text body = { 0 };
    int code = CLI_USAGE;
    bool good = true;
    cli_text_printf(&body, "[");
    for (unsigned i = 0; good && i < c->line->arg_count; i++) {
        if (i > 0) cli_text_printf(&body, ", ");
        good = add_voter(c, &body, c->line->args[i]);
    }
    cli_text_printf(&body, "]");
    const char *path = cli_given(c->line, CLI_FORCE) ? "/_/members?force" : "/_/members";
    if (good) code = change(c, "POST", path, body.data, false);
    cli_text_free(&body);
    return code;
}

/* ---- the leader ---- */

int cli_leader(struct cli_client *c)
{
    struct ms_http_answer answer;
    int code = cli_ask_simply(c, "GET", "/status", NULL, &answer);
    struct cli_json j = cli_answer_json(&answer);
    unsigned long long leader = cli_json_number(j, "leader"), term = cli_json_number(j, "term");
    if (code == CLI_DONE && leader == 0)
        code = cli_say(c, CLI_NO, "%s knows no leader", answer.endpoint);
    if (code == CLI_DONE)
        fprintf(c->out, c->json ? "{\"leader\": %llu, \"term\": %llu}\n" : "leader %llu term %llu\n",
                leader, term);
    ms_http_answer_free(&answer);
    return code;
}

int cli_leader_move(struct cli_client *c)
{
    uint64_t id;
    const char *target = c->line->arg_count > 0 ? c->line->args[0] : NULL;
    if (target && !id_parse(c, target, &id)) return CLI_USAGE;
    return change(c, "POST", "/_/leader", target ? target : "", true);
}
