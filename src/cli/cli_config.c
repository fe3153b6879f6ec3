/* cli_config.c: settings from a file and from the environment.
 *
 * The file has lines `name = value`, names as the flags have them; a `#` at the beginning of a line or behind a blank
 * opens a comment. Blanks around names and values do not count; there are no quotes. Each name stands once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_flags.h"

#define FILE_BYTES_MAX (1u << 20)
#define SHOWN_BYTES 160u

void cli_config_variable(char out[CLI_ENVIRONMENT_BYTES], const char *name)
{
    size_t len = (size_t)snprintf(out, CLI_ENVIRONMENT_BYTES, "METASTORE_%s", name);
    for (size_t i = 0; i < len && i < CLI_ENVIRONMENT_BYTES; i++) {
        if (out[i] == '-') out[i] = '_';
        if (out[i] >= 'a' && out[i] <= 'z') out[i] = (char)(out[i] - 'a' + 'A');
    }
}

/* ---- the file ---- */

static bool file_read(struct cli_flags *f, char *why)
{
    FILE *file = fopen(f->config, "re");
    if (!file) return cli_refuse(why, "%s: %s", f->config, strerror(errno));
    f->file_text = malloc(FILE_BYTES_MAX + 1);
    size_t len = f->file_text ? fread(f->file_text, 1, FILE_BYTES_MAX, file) : 0;
    bool failed = !f->file_text || ferror(file),
         whole = !failed && (len < FILE_BYTES_MAX || fgetc(file) == EOF);
    fclose(file);
    if (failed) return cli_refuse(why, "%s: it cannot be read", f->config);
    if (!whole) return cli_refuse(why, "%s: larger than %u bytes", f->config, FILE_BYTES_MAX);
    if (memchr(f->file_text, 0, len)) return cli_refuse(why, "%s: it is no text", f->config);
    f->file_text[len] = 0;
    return true;
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r';
}

/* Cut blanks off both ends, in place. */
static char *trim(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && is_blank(text[len - 1])) text[--len] = 0;
    while (is_blank(*text)) text++;
    return text;
}

static void cut_comment(char *line)
{
    for (char *at = line; *at; at++) {
        if (*at != '#' || (at > line && !is_blank(at[-1]))) continue;
        *at = 0;
        return;
    }
}

static bool line_take(struct cli_flags *f, char *line, unsigned number, char *why)
{
    char shown[SHOWN_BYTES + CLI_ENVIRONMENT_BYTES];
    cut_comment(line);
    line = trim(line);
    if (!*line) return true;
    char *equals = strchr(line, '=');
    if (!equals)
        return cli_refuse(why, "%s, line %u: \"%.60s\" is not: name = value", f->config, number, line);
    *equals = 0;
    const char *name = trim(line), *value = trim(equals + 1);
    int at = cli_flags_find(name, strlen(name));
    if (at < 0)
        return cli_refuse(why, "%s, line %u: there is no setting \"%.60s\"", f->config, number, name);
    if (f->origins[at].source == CLI_SOURCE_FILE)
        return cli_refuse(why, "%s, line %u: %s stands in line %u already", f->config, number, name,
                          f->origins[at].line);
    if (!*value) return cli_refuse(why, "%s, line %u: %s has no value", f->config, number, name);
    snprintf(shown, sizeof shown, "%.*s, line %u: %s", (int)SHOWN_BYTES, f->config, number, name);
    struct cli_origin origin = { .source = CLI_SOURCE_FILE, .line = number };
    return cli_flags_set(f, (size_t)at, value, shown, origin, why);
}

static bool file_take(struct cli_flags *f, char *why)
{
    if (!file_read(f, why)) return false;
    unsigned number = 0;
    for (char *line = f->file_text; line;) {
        char *end = strchr(line, '\n');
        if (end) *end = 0;
        if (!line_take(f, line, ++number, why)) return false;
        line = end ? end + 1 : NULL;
    }
    return true;
}

/* ---- the environment ---- */

/* Kubernetes gives each container METASTORE_PORT=tcp://10.0.0.1:9121 where a service is called metastore. */
static bool is_of_kubernetes(const char *value)
{
    return strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0;
}

static bool environment_take(struct cli_flags *f, char *why)
{
    for (size_t i = 0; i < cli_flags_count(); i++) {
        char variable[CLI_ENVIRONMENT_BYTES];
        cli_config_variable(variable, cli_flags_name(i));
        const char *value = getenv(variable);
        if (!value || !*value || is_of_kubernetes(value)) continue;
        struct cli_origin origin = { .source = CLI_SOURCE_ENVIRONMENT };
        if (!cli_flags_set(f, i, value, variable, origin, why)) return false;
    }
    return true;
}

bool cli_config_load(struct cli_flags *f, char why[CLI_WHY_BYTES])
{
    char variable[CLI_ENVIRONMENT_BYTES];
    cli_config_variable(variable, "config");
    const char *value = getenv(variable);
    if (!f->config && value && *value) f->config = value;
    if (f->config && !file_take(f, why)) return false;
    return environment_take(f, why);
}
