/* cli_watch.c: `metastore watch`: events as they come, each once, also where the member that sends them goes away.
 *
 *   CW1  what was read of a member is gone on with at the next one behind the last whole revision; of one that
 *        broke off in its middle, the events that were printed are left out (their order is the same everywhere)
 *   CW2  where nothing says where to begin, it is behind the store's revision at the beginning: asked for before,
 *        so that a break before the first event loses none
 *   CW3  progress is asked for, so that a watch of a quiet key can go on behind what was compacted meanwhile
 *   CW4  who sends nothing before it breaks off, again and again, is asked after pauses: it may have too much to do */
#include <string.h>

#include "cli/cli_client.h"

#define PAUSE_MS_MIN 50u /* twice as long each time */
#define PAUSE_MS_MAX 1000u
#define LINE_BYTES_MAX (64u << 20) /* an event with two values in base64, and more than enough */

struct watch {
    struct cli_client *c;
    uint64_t next_revision; /* all before it was printed */
    uint64_t part_revision; /* part_count events of it were printed, and there may be others */
    uint64_t part_count;
    uint64_t seen_count; /* events of part_revision that this stream has brought */
    struct cli_text line, event, data, id;
    uint64_t compacted; /* not 0: it is over */
    const char *bad;    /* what came is no event */
};

/* ---- printing ---- */

static void print_value(const struct watch *w, struct cli_json object)
{
    struct cli_text text = { 0 };
    if (cli_json_bytes(object, "value", &text)) {
        fputc('\t', w->c->out);
        cli_print_field(w->c->out, (struct ms_bytes){ .data = text.data, .len = text.len });
    }
    cli_text_free(&text);
}

static void print_text(const struct watch *w, struct cli_json data, uint64_t revision)
{
    struct cli_text key = { 0 };
    struct cli_json prev;
    cli_json_bytes(data, "key", &key);
    fprintf(w->c->out, "%llu\t%s\t", (unsigned long long)revision, w->event.data);
    cli_print_field(w->c->out, (struct ms_bytes){ .data = key.data, .len = key.len });
    print_value(w, data);
    if (cli_json_find(data, "prev", &prev)) print_value(w, prev);
    fputc('\n', w->c->out);
    cli_text_free(&key);
}

static void print_event(const struct watch *w, struct cli_json data, uint64_t revision)
{
    if (!w->c->json)
        print_text(w, data, revision);
    else
        fprintf(w->c->out, "{\"event\": \"%s\", %.*s\n", w->event.data, (int)data.len - 1, data.at + 1);
    fflush(w->c->out);
}

/* ---- events ---- */

static void take_change(struct watch *w, struct cli_json data)
{
    uint64_t revision = cli_json_number(data, "mod_revision");
    if (revision == 0 || data.len < 2) {
        w->bad = "an event without its revision";
        return;
    }
    if (revision < w->next_revision) return;
    if (revision != w->part_revision) {
        w->part_revision = revision;
        w->part_count = w->seen_count = 0;
    }
    if (w->seen_count++ == w->part_count) {
        w->part_count++;
        print_event(w, data, revision);
    }
    if (w->id.len == 0) return;
    w->next_revision = revision + 1;
    w->part_revision = w->part_count = w->seen_count = 0;
}

static void take_event(struct watch *w)
{
    struct cli_json data = cli_json_of(w->data.data ? w->data.data : "", w->data.len);
    uint64_t revision;
    if (w->event.len == 0) return;
    if (strcmp(w->event.data, "put") == 0 || strcmp(w->event.data, "delete") == 0)
        take_change(w, data);
    else if (strcmp(w->event.data, "compacted") == 0)
        w->compacted = cli_json_number(data, "compact_revision");
    else if (strcmp(w->event.data, "progress") == 0 &&
             (revision = cli_json_number(data, "revision")) > 0 && revision >= w->next_revision) {
        w->next_revision = revision + 1;
        w->part_revision = w->part_count = w->seen_count = 0;
    }
}

static void clear(struct cli_text *t)
{
    t->len = 0;
    if (t->data) t->data[0] = 0;
}

/* A line of the stream, without its end (server-sent events: "name: value"; a comment begins with a colon). */
static void take_line(struct watch *w)
{
    const char *line = w->line.data, *colon = strchr(line, ':');
    if (w->line.len == 0) {
        take_event(w);
        clear(&w->event);
        clear(&w->data);
        clear(&w->id);
    } else if (colon && colon > line) {
        size_t len = (size_t)(colon - line);
        const char *value = colon[1] == ' ' ? colon + 2 : colon + 1;
        struct cli_text *to = len == 5 && strncmp(line, "event", len) == 0  ? &w->event
                              : len == 4 && strncmp(line, "data", len) == 0 ? &w->data
                              : len == 2 && strncmp(line, "id", len) == 0   ? &w->id
                                                                            : NULL;
        if (to) cli_text_add(to, value, (size_t)(w->line.data + w->line.len - value));
    }
    clear(&w->line);
}

static int on_piece(void *arg, const struct ms_http_answer *answer, struct ms_bytes piece)
{
    struct watch *w = arg;
    const char *at = piece.data, *end = at + piece.len;
    (void)answer;
    while (at < end && !w->bad && !w->compacted && !ferror(w->c->out)) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        cli_text_add(&w->line, at, (size_t)((stop ? stop : end) - at));
        if (w->line.len > LINE_BYTES_MAX) w->bad = "a line that has no end";
        if (!stop) break;
        take_line(w);
        at = stop + 1;
    }
    return w->bad || w->compacted || ferror(w->c->out) ? 1 : 0;
}

/* ---- streams ---- */

static void path_of(const struct watch *w, struct cli_text *path)
{
    const struct cli_line *l = w->c->line;
    cli_text_printf(path, "/_/kv/");
    cli_text_add_encoded(path, cli_bytes(l->args[0]));
    cli_text_printf(path, "?watch&progress&rev=%llu", (unsigned long long)w->next_revision);
    if (cli_given(l, CLI_PREFIX)) cli_text_printf(path, "&prefix");
    if (cli_given(l, CLI_PREV_KV)) cli_text_printf(path, "&prev_kv");
    if (cli_given(l, CLI_NO_PUT)) cli_text_printf(path, "&noput");
    if (cli_given(l, CLI_NO_DELETE)) cli_text_printf(path, "&nodelete");
}

static int compacted(const struct watch *w, uint64_t revision)
{
    return cli_say(
        w->c, CLI_NO,
        "revision %llu is compacted: what came before %llu is lost to this watch; read anew, and "
        "watch with --rev from there",
        (unsigned long long)w->next_revision, (unsigned long long)revision);
}

/* One stream, to its end. CLI_DONE: it broke off, and may be gone on with. */
static int follow(struct watch *w)
{
    struct cli_text path = { 0 };
    struct ms_http_answer answer;
    char why[MS_WHY_BYTES];
    path_of(w, &path);
    struct ms_http_request request = {
        .method = "GET", .path = path.data, .on_body = on_piece, .arg = w
    };
    w->seen_count = 0;
    clear(&w->line);
    clear(&w->event);
    clear(&w->data);
    clear(&w->id);
    int rv = ms_http_ask(w->c->http, &request, &answer, why), code = CLI_DONE;
    int len = answer.body.data ? (int)strcspn(answer.body.data, "\r\n") : 0;
    if (w->compacted)
        code = compacted(w, w->compacted);
    else if (w->bad)
        code = cli_say(w->c, CLI_FAILED, "%s sends %s", answer.endpoint, w->bad);
    else if (ferror(w->c->out))
        code = CLI_FAILED;
    else if (answer.status == 410)
        code = compacted(w, ms_http_answer_number(&answer, "Metastore-Compact-Revision"));
    else if (answer.status == 200 && rv != MS_ENOMEM)
        cli_say(w->c, CLI_DONE, "%s; going on with revision %llu",
                rv < 0 ? why : "the member ended the stream", (unsigned long long)w->next_revision);
    else if (rv == 0)
        code = cli_say(w->c, answer.status / 100 == 4 ? CLI_USAGE : CLI_FAILED, "%s: %d: %.*s",
                       answer.endpoint, answer.status, len, len ? (const char *)answer.body.data : "");
    else
        code = cli_say(w->c, CLI_FAILED, "%s (go on with --rev %llu)", why,
                       (unsigned long long)w->next_revision);
    ms_http_answer_free(&answer);
    cli_text_free(&path);
    return code;
}

/* CW2. */
static int begin(struct watch *w)
{
    struct cli_text path = { 0 };
    struct ms_http_answer answer;
    char why[MS_WHY_BYTES];
    w->next_revision = w->c->line->number[CLI_REV];
    if (w->next_revision > 0) return CLI_DONE;
    cli_text_printf(&path, "/_/kv/");
    cli_text_add_encoded(&path, cli_bytes(*w->c->line->args[0] ? w->c->line->args[0] : "-"));
    struct ms_http_request request = { .method = "HEAD", .path = path.data };
    int rv = ms_http_ask(w->c->http, &request, &answer, why), code = CLI_DONE;
    w->next_revision = ms_http_answer_number(&answer, "Metastore-Revision") + 1;
    if (rv != 0)
        code = cli_say(w->c, CLI_FAILED, "%s", why);
    else if (answer.status != 200 && answer.status != 404)
        code = cli_say(w->c, CLI_FAILED, "%s answers %d", answer.endpoint, answer.status);
    ms_http_answer_free(&answer);
    cli_text_free(&path);
    return code;
}

/* One stream after the other. */
static int follow_all(struct watch *w)
{
    uint32_t pause = PAUSE_MS_MIN;
    for (;;) {
        uint64_t next_revision = w->next_revision, part_count = w->part_count;
        int code = follow(w);
        if (code != CLI_DONE) return code;
        if (w->next_revision != next_revision || w->part_count != part_count) {
            pause = PAUSE_MS_MIN;
            continue;
        }
        cli_sleep_ms(pause);
        pause = 2 * pause < PAUSE_MS_MAX ? 2 * pause : PAUSE_MS_MAX;
    }
}

int cli_watch(struct cli_client *c)
{
    struct watch w = { .c = c };
    if (!*c->line->args[0] && !cli_given(c->line, CLI_PREFIX))
        return cli_say(c, CLI_USAGE, "the key is empty");
    int code = begin(&w);
    if (code == CLI_DONE) code = follow_all(&w);
    cli_text_free(&w.line);
    cli_text_free(&w.event);
    cli_text_free(&w.data);
    cli_text_free(&w.id);
    return code;
}
