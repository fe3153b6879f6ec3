#include "cli/cli_range.h"

#include <string.h>

#define KV_BYTES_MAX (64u << 20) /* a value in base64, and more than enough */

/* ---- which keys ---- */

int cli_keys_of(const struct cli_client *c, struct cli_keys *out)
{
    const struct cli_line *l = c->line;
    bool prefix = cli_given(l, CLI_PREFIX), from = cli_given(l, CLI_FROM_KEY);
    *out =
        (struct cli_keys){ l->arg_count > 0 ? l->args[0] : "", l->arg_count > 1 ? l->args[1] : NULL };
    if (prefix && from) return cli_say(c, CLI_USAGE, "--prefix and --from-key: one of the two");
    if (out->end && (prefix || from))
        return cli_say(c, CLI_USAGE, "an END needs neither --prefix nor --from-key");
    if (l->arg_count > 0 && !*out->first && !prefix && !from)
        return cli_say(c, CLI_USAGE, "the key is empty");
    return CLI_DONE;
}

static const char *first_name(const struct cli_line *l)
{
    if (cli_given(l, CLI_PREFIX) || l->arg_count == 0) return "prefix";
    return cli_given(l, CLI_FROM_KEY) ? "from" : "key";
}

void cli_keys_json(const struct cli_client *c, const struct cli_keys *k, struct cli_text *out)
{
    cli_text_add_json(out, first_name(c->line), cli_bytes(k->first));
    if (!k->end) return;
    cli_text_printf(out, ", ");
    cli_text_add_json(out, "end", cli_bytes(k->end));
}

static void path_of(const struct cli_client *c, const struct cli_keys *k, struct cli_text *path)
{
    static const struct {
        enum cli_flag_id flag;
        const char *name;
    } names[] = { { CLI_LIMIT, "limit" },
                  { CLI_REV, "rev" },
                  { CLI_SORT, "sort" },
                  { CLI_ORDER, "order" },
                  { CLI_MIN_MOD, "min_mod" },
                  { CLI_MAX_MOD, "max_mod" },
                  { CLI_MIN_CREATE, "min_create" },
                  { CLI_MAX_CREATE, "max_create" } };
    const struct cli_line *l = c->line;
    cli_text_printf(path, "/_/range?%s=", first_name(l));
    cli_text_add_encoded(path, cli_bytes(k->first));
    if (k->end) {
        cli_text_printf(path, "&end=");
        cli_text_add_encoded(path, cli_bytes(k->end));
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (cli_given(l, names[i].flag))
            cli_text_printf(path, "&%s=%s", names[i].name, l->text[names[i].flag]);
    }
    if (cli_given(l, CLI_KEYS_ONLY)) cli_text_printf(path, "&keys_only");
    if (cli_given(l, CLI_COUNT_ONLY)) cli_text_printf(path, "&count_only");
    if (cli_given(l, CLI_STALE)) cli_text_printf(path, "&consistency=stale");
}

/* ---- what is found ---- */

void cli_print_kv(const struct cli_client *c, struct cli_json kv)
{
    struct cli_text text = { 0 };
    if (cli_json_bytes(kv, "key", &text))
        cli_print_field(c->out, (struct ms_bytes){ .data = text.data, .len = text.len });
    text.len = 0;
    if (cli_json_bytes(kv, "value", &text)) {
        fputc('\t', c->out);
        cli_print_field(c->out, (struct ms_bytes){ .data = text.data, .len = text.len });
    }
    fputc('\n', c->out);
    cli_text_free(&text);
}

/* The answer as it comes, {"revision": .., "kvs": [{..}, ..], "count": ..}: each object of the list by itself;
 * frame is all that is around them. */
struct reader {
    const struct cli_client *c;
    struct cli_text frame, kv;
    unsigned depth;
    bool in_text, escaped, bad;
};

static void read_byte(struct reader *r, char byte)
{
    bool opens = !r->in_text && (byte == '{' || byte == '[');
    bool closes = !r->in_text && (byte == '}' || byte == ']');
    if (opens) r->depth++;
    if (!r->in_text && r->depth == 2 && (byte == ',' || byte == ' '))
        return; /* between two of the list */
    cli_text_add(r->depth > 2 ? &r->kv : &r->frame, &byte, 1);
    if (r->in_text) {
        if (!r->escaped && byte == '"') r->in_text = false;
        r->escaped = !r->escaped && byte == '\\';
    } else if (byte == '"') {
        r->in_text = true;
    }
    if (closes && r->depth > 0) r->depth--;
    if (!closes || r->depth != 2 || r->kv.len == 0) return;
    cli_print_kv(r->c, cli_json_of(r->kv.data, r->kv.len));
    r->kv.len = 0;
}

static int on_text(void *arg, const struct ms_http_answer *answer, struct ms_bytes piece)
{
    struct reader *r = arg;
    const char *at = piece.data;
    (void)answer;
    for (size_t i = 0; i < piece.len; i++) read_byte(r, at[i]);
    r->bad = r->kv.len > KV_BYTES_MAX || r->frame.len > KV_BYTES_MAX || r->depth > 16;
    return r->bad || ferror(r->c->out) ? 1 : 0;
}

static int on_json(void *arg, const struct ms_http_answer *answer, struct ms_bytes piece)
{
    struct reader *r = arg;
    (void)answer;
    fwrite(piece.data, 1, piece.len, r->c->out);
    return ferror(r->c->out) ? 1 : 0;
}

int cli_range_ask(struct cli_client *c, const struct cli_keys *k)
{
    struct cli_text path = { 0 };
    struct reader r = { .c = c };
    struct ms_http_answer answer;
    path_of(c, k, &path);
    struct ms_http_request request = {
        .method = "GET", .path = path.data, .on_body = c->json ? on_json : on_text, .arg = &r
    };
    int code = cli_ask(c, &request, &answer);
    if (r.bad) cli_say(c, code, "%s sends no range of keys", answer.endpoint);
    if (code == CLI_DONE && cli_given(c->line, CLI_COUNT_ONLY) && !c->json)
        fprintf(c->out, "%llu\n",
                (unsigned long long)cli_json_number(cli_json_of(r.frame.data, r.frame.len), "count"));
    ms_http_answer_free(&answer);
    cli_text_free(&r.frame);
    cli_text_free(&r.kv);
    cli_text_free(&path);
    return code;
}

int cli_range(struct cli_client *c)
{
    struct cli_keys keys;
    int code = cli_keys_of(c, &keys);
    return code == CLI_DONE ? cli_range_ask(c, &keys) : code;
}
