#include "cli/cli_client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *endpoints_of(const struct cli_line *line)
{
    const char *env = getenv("METASTORE_ENDPOINTS");
    if (cli_given(line, CLI_ENDPOINTS)) return line->text[CLI_ENDPOINTS];
    return env && *env ? env : "http://127.0.0.1:9121";
}

void cli_http_options(const struct cli_line *line, struct ms_http_options *out)
{
    ms_http_options_init(out);
    out->endpoints = endpoints_of(line);
    if (cli_given(line, CLI_TIMEOUT)) out->timeout_ms = (uint32_t)line->number[CLI_TIMEOUT];
}

/* ---- saying ---- */

int cli_say(const struct cli_client *c, int code, const char *format, ...)
{
    const struct cli_command *command = c->line->command;
    va_list args;
    fflush(c->out); /* what was found stands before what went wrong, also in one file */
    fprintf(c->err, "metastore %s%s%s: ", command->name, command->sub ? " " : "",
            command->sub ? command->sub : "");
    va_start(args, format);
    vfprintf(c->err, format, args);
    va_end(args);
    fputc('\n', c->err);
    return code;
}

struct cli_json cli_answer_json(const struct ms_http_answer *answer)
{
    return cli_json_of(answer->body.data, answer->body.len);
}

void cli_sleep_ms(uint64_t ms)
{
    struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (nanosleep(&t, &t) != 0) {
    }
}

void cli_print_body(const struct cli_client *c, const struct ms_http_answer *answer)
{
    const char *body = answer->body.data;
    fwrite(body, 1, answer->body.len, c->out);
    if (answer->body.len == 0 || body[answer->body.len - 1] != '\n') fputc('\n', c->out);
}

/* ---- asking ---- */

static int code_of_status(int status)
{
    switch (status) {
    case 404:
    case 409:
    case 410:
    case 412: return CLI_NO;
    case 408: /* it came too slowly */
    case 429: return CLI_FAILED;
    default: return status >= 400 && status < 500 ? CLI_USAGE : CLI_FAILED;
    }
}

static int refused(const struct cli_client *c, const struct ms_http_answer *answer)
{
    const char *line = answer->body.data;
    int len = (int)strcspn(line, "\r\n"), code = code_of_status(answer->status);
    if (answer->status == 412 && c->condition) return cli_say(c, code, "%s", c->condition);
    if (len == 0) return cli_say(c, code, "%s answers %d", answer->endpoint, answer->status);
    if (code == CLI_FAILED)
        return cli_say(c, code, "%s: %d: %.*s", answer->endpoint, answer->status, len, line);
    return cli_say(c, code, "%.*s", len, line);
}

int cli_ask(struct cli_client *c, const struct ms_http_request *request, struct ms_http_answer *answer)
{
    char why[MS_WHY_BYTES];
    int rv = ms_http_ask(c->http, request, answer, why);
    if (rv == MS_EUNKNOWN)
        return cli_say(c, CLI_UNKNOWN, "it may or may not be done; look before doing it again (%s)",
                       why);
    if (rv > 0) return CLI_FAILED; /* who reads it has given up, and says why */
    if (rv != 0) return cli_say(c, rv == MS_EINVAL ? CLI_USAGE : CLI_FAILED, "%s", why);
    return answer->status / 100 == 2 ? CLI_DONE : refused(c, answer);
}

int cli_ask_simply(struct cli_client *c, const char *method, const char *path, const char *body,
                   struct ms_http_answer *answer)
{
    struct ms_http_request request = { .method = method, .path = path };
    if (body) request.body = cli_bytes(body);
    return cli_ask(c, &request, answer);
}

char *cli_read_input(const struct cli_client *c, FILE *from, size_t most, size_t *len)
{
    struct cli_text text = { 0 };
    char piece[65536];
    for (size_t n; text.len <= most && (n = fread(piece, 1, sizeof piece, from)) > 0;)
        cli_text_add(&text, piece, n);
    if (ferror(from) || text.len > most) {
        cli_say(c, CLI_USAGE,
                ferror(from) ? "the input cannot be read" : "the input is longer than %zu bytes", most);
        cli_text_free(&text);
        return NULL;
    }
    cli_text_add(&text, "", 0);
    *len = text.len;
    return text.data;
}

/* ---- running ---- */

static int run(struct cli_client *c)
{
    struct ms_http_options options;
    char why[MS_WHY_BYTES];
    cli_http_options(c->line, &options);
    if (ms_http_open(&c->http, &options, why) < 0) return cli_say(c, CLI_USAGE, "--endpoints: %s", why);
    int code = c->line->command->run(c);
    ms_http_close(c->http);
    if (fflush(c->out) == 0 && !ferror(c->out)) return code;
    return cli_say(c, code ? code : CLI_FAILED, "cannot write: %s", strerror(errno));
}

int cli_client_run(int argc, char *const *argv, FILE *in, FILE *out, FILE *err)
{
    struct cli_line line;
    char why[CLI_WHY_BYTES];
    if (!cli_line_parse(&line, argc, argv, why)) {
        fprintf(err, "metastore %s: %s (metastore %s --help tells more)\n", argv[0], why, argv[0]);
        return CLI_USAGE;
    }
    if (!line.command || cli_given(&line, CLI_HELP)) {
        if (line.command)
            cli_help_command(out, line.command);
        else
            cli_help_family(out, argv[0]);
        return fflush(out) == 0 ? CLI_DONE : CLI_FAILED;
    }
    const char *output = line.text[CLI_OUTPUT];
    struct cli_client c = { .line = &line, .in = in, .out = out, .err = err };
    c.json = output && strcmp(output, "json") == 0;
    return run(&c);
}
