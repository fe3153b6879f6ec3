#include "cli/cli_flags.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum flag_kind { FLAG_STRING, FLAG_U16, FLAG_U32, FLAG_U64, FLAG_SIZE, FLAG_BOOL, FLAG_CHOICE };

struct choice {
    const char *name;
    int value;
};

struct flag {
    const char *name;
    enum flag_kind kind;
    size_t offset; /* in struct ms_options */
    const struct choice *choices;
    const char *what, *text; /* for --help; what: of the value */
};

static const struct choice storages[] = { { "memory", MS_STORAGE_MEMORY },
                                          { "rocksdb", MS_STORAGE_ROCKSDB },
                                          { NULL, 0 } };
static const struct choice levels[] = { { "debug", MS_LOG_DEBUG },
                                        { "info", MS_LOG_INFO },
                                        { "warn", MS_LOG_WARN },
                                        { "error", MS_LOG_ERROR },
                                        { NULL, 0 } };
static const struct choice formats[] = { { "text", MS_LOG_TEXT },
                                         { "json", MS_LOG_JSON },
                                         { NULL, 0 } };

#define AT(field) offsetof(struct ms_options, field)
static const struct flag flags[] = {
    { "id", FLAG_U64, AT(id), NULL, "int", "member ID, 1-based index into --cluster" },
    { "cluster", FLAG_STRING, AT(cluster), NULL, "string",
      "comma-separated peer URLs; an entry may be id=url" },
    { "port", FLAG_U16, AT(http_port), NULL, "int", "HTTP port of the key-value API" },
    { "join", FLAG_BOOL, AT(join), NULL, "", "join an existing cluster" },
    { "storage", FLAG_CHOICE, AT(storage), storages, "string", "memory | rocksdb" },
    { "data-dir", FLAG_STRING, AT(data_dir), NULL, "dir",
      "where the member's directories lie; rocksdb needs <dir>/data to exist" },
    { "listen", FLAG_STRING, AT(listen), NULL, "addrs",
      "comma-separated addresses of the API, each with an optional :port\n"
      "(default: loopback and the host of the own peer URL)" },
    { "listen-peer", FLAG_STRING, AT(listen_peer), NULL, "addr",
      "address:port for peers (default: host and port of the own peer URL)" },
    { "heartbeat-ms", FLAG_U32, AT(heartbeat_ms), NULL, "int",
      "time between two heartbeats of a leader" },
    { "election-ms", FLAG_U32, AT(election_ms), NULL, "int",
      "least election timeout; drawn from [it, twice it)" },
    { "request-timeout-ms", FLAG_U32, AT(request_ms), NULL, "int", "longest wait of a request" },
    { "disk-stall-ms", FLAG_U32, AT(disk_stall_ms), NULL, "int",
      "a leader whose disk takes longer for one write of the log hands over;\n0: twice --election-ms" },
    { "max-request-bytes", FLAG_SIZE, AT(request_bytes_max), NULL, "int", "largest request" },
    { "max-key-bytes", FLAG_SIZE, AT(key_bytes_max), NULL, "int", "largest key" },
    { "max-value-bytes", FLAG_SIZE, AT(value_bytes_max), NULL, "int", "largest value" },
    { "max-requests", FLAG_U32, AT(requests_max), NULL, "int", "requests under way at a time" },
    { "client-timeout-ms", FLAG_U32, AT(client_ms), NULL, "int",
      "a client in the middle of a request, or that does not read its answers,\n"
      "has to move 16 KiB in each so long, or to finish" },
    { "max-client-queue-bytes", FLAG_U64, AT(client_queue_bytes_max), NULL, "int",
      "answers that wait for one client to read them; with more it is cut off at the next one" },
    { "max-clients-bytes", FLAG_U64, AT(clients_bytes_max), NULL, "int",
      "requests that are not whole and answers that are not read, of all clients;\n"
      "above it clients are cut off that have more than 16 KiB of them" },
    { "max-clients", FLAG_U32, AT(clients_max), NULL, "int", "client connections at a time" },
    { "max-watches", FLAG_U32, AT(watches_max), NULL, "int", "watches at a time" },
    { "watch-beat-ms", FLAG_U32, AT(watch_beat_ms), NULL, "int",
      "on a watch over HTTP something is sent at least so often" },
    { "snapshot-log-bytes", FLAG_U64, AT(snapshot_log_bytes), NULL, "int",
      "a snapshot is taken when the log since the last one is larger" },
    { "snapshot-rate", FLAG_U64, AT(snapshot_bytes_per_s), NULL, "int",
      "bytes of snapshots sent to peers in a second, all together; 0: no limit" },
    { "wal-segment-bytes", FLAG_U64, AT(wal_segment_bytes), NULL, "int", "size of a file of the log" },
    { "min-free-bytes", FLAG_U64, AT(min_free_bytes), NULL, "int",
      "with less free on its disk a member takes no entries that others can keep;\n"
      "0: twice --wal-segment-bytes, less on a small disk" },
    { "revisions-kept", FLAG_U64, AT(revisions_kept), NULL, "int",
      "older revisions are compacted automatically; 0: all are kept" },
    { "digest-ms", FLAG_U32, AT(digest_ms), NULL, "int",
      "members compare their states so often, and who differs is rebuilt; 0: never" },
    { "log-level", FLAG_CHOICE, AT(log_level), levels, "string", "debug | info | warn | error" },
    { "log-format", FLAG_CHOICE, AT(log_format), formats, "string", "text | json" },
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)
static_assert(FLAG_COUNT <= CLI_FLAGS_MAX, "each has an origin");

bool cli_refuse(char why[CLI_WHY_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, CLI_WHY_BYTES, format, args);
    va_end(args);
    return false;
}

bool cli_is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

const char *cli_flag_value(int argc, char *const *argv, int *at, char why[CLI_WHY_BYTES])
{
    const char *arg = argv[*at];
    size_t len = strcspn(arg, "=");
    if (arg[len] == '=') return arg + len + 1;
    if (*at + 1 < argc) return argv[++*at];
    cli_refuse(why, "%.*s: its value is missing", (int)len, arg);
    return NULL;
}

/* ---- values ---- */

bool cli_number_parse(const char *text, uint64_t most, uint64_t *out)
{
    uint64_t v = 0;
    if (*text == 0) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (v > (most - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

static bool number_set(const struct flag *f, void *field, const char *value, const char *shown,
                       char *why)
{
    uint64_t most = f->kind == FLAG_U16 ? UINT16_MAX : f->kind == FLAG_U32 ? UINT32_MAX : INT64_MAX;
    uint64_t v;
    /* An id may have 19 digits, which is more than INT64_MAX. */
    if (f->offset == AT(id)) most = UINT64_MAX;
    if (!cli_number_parse(value, most, &v))
        return cli_refuse(why, "%s: \"%s\" is not a number from 0 to %llu", shown, value,
                          (unsigned long long)most);
    switch (f->kind) {
    case FLAG_U16: *(uint16_t *)field = (uint16_t)v; break;
    case FLAG_U32: *(uint32_t *)field = (uint32_t)v; break;
    case FLAG_SIZE: *(size_t *)field = (size_t)v; break;
    default: *(uint64_t *)field = v; break;
    }
    return true;
}

static bool choice_set(const struct flag *f, int *field, const char *value, const char *shown,
                       char *why)
{
    for (const struct choice *c = f->choices; c->name; c++) {
        if (strcmp(c->name, value) != 0) continue;
        *field = c->value;
        return true;
    }
    return cli_refuse(why, "%s: \"%s\" is none of %s", shown, value, f->text);
}

static bool bool_set(bool *field, const char *value, const char *shown, char *why)
{
    bool yes = strcmp(value, "true") == 0;
    if (!yes && strcmp(value, "false") != 0)
        return cli_refuse(why, "%s: \"%s\" is neither true nor false", shown, value);
    *field = yes;
    return true;
}

bool cli_flags_set(struct cli_flags *f, size_t at, const char *value, const char *shown,
                   struct cli_origin origin, char why[CLI_WHY_BYTES])
{
    const struct flag *flag = &flags[at];
    void *field = (char *)&f->options + flag->offset;
    f->origins[at] = origin;
    switch (flag->kind) {
    case FLAG_STRING: *(const char **)field = value; return true;
    case FLAG_BOOL: return bool_set(field, value, shown, why);
    case FLAG_CHOICE: return choice_set(flag, field, value, shown, why);
    default: return number_set(flag, field, value, shown, why);
    }
}

int cli_flags_find(const char *name, size_t len)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0) return (int)i;
    }
    return -1;
}

size_t cli_flags_count(void)
{
    return FLAG_COUNT;
}

const char *cli_flags_name(size_t at)
{
    return flags[at].name;
}

/* ---- the line ---- */

static bool line_set(struct cli_flags *out, size_t at, const char *value, char *why)
{
    char shown[CLI_ENVIRONMENT_BYTES];
    snprintf(shown, sizeof shown, "--%s", flags[at].name);
    return cli_flags_set(out, at, value, shown, (struct cli_origin){ .source = CLI_SOURCE_FLAG }, why);
}

/* What is no setting: true, or false with *why empty: it is none of these. */
static bool word_take(struct cli_flags *out, const char *arg)
{
    if (cli_is_help(arg)) return out->help = true;
    if (strcmp(arg, "--version") == 0) return out->version = true;
    if (strcmp(arg, "--print-config") == 0) return out->print_config = true;
    return false;
}

/* One argument at argv[*at], and its value behind it if it takes one. */
static bool argument_take(struct cli_flags *out, int argc, char *const *argv, int *at, char *why)
{
    const char *arg = argv[*at], *value = "true";
    if (word_take(out, arg)) return true;
    if (strncmp(arg, "--", 2) != 0 || !arg[2])
        return cli_refuse(why, "unexpected argument \"%s\"", arg);
    size_t len = strcspn(arg + 2, "=");
    bool is_config = len == 6 && memcmp(arg + 2, "config", 6) == 0;
    int flag = cli_flags_find(arg + 2, len);
    if (!is_config && flag < 0) return cli_refuse(why, "unknown flag \"--%.*s\"", (int)len, arg + 2);
    bool alone = !is_config && flags[flag].kind == FLAG_BOOL && arg[2 + len] != '=';
    if (!alone) value = cli_flag_value(argc, argv, at, why);
    if (!value) return false;
    if (!is_config) return line_set(out, (size_t)flag, value, why);
    out->config = value;
    return true;
}

static bool line_take(struct cli_flags *out, int argc, char *const *argv, char *why)
{
    for (int at = 1; at < argc; at++) {
        if (!argument_take(out, argc, argv, &at, why)) return false;
        if (out->help || out->version) return true;
    }
    return true;
}

static void defaults_take(struct cli_flags *out)
{
    ms_options_init(&out->options);
    out->options.value_bytes_max = SIZE_MAX; /* not given */
    memset(out->origins, 0, sizeof out->origins);
}

bool cli_flags_parse(struct cli_flags *out, int argc, char *const *argv, char why[CLI_WHY_BYTES])
{
    size_t value_bytes_most = 2u << 20; /* of the format: errors of the library name it */
    *out = (struct cli_flags){ 0 };
    defaults_take(out);
    if (!line_take(out, argc, argv, why)) return false; /* it says where the file is */
    if (out->help || out->version) return true;
    defaults_take(out);
    if (!cli_config_load(out, why) || !line_take(out, argc, argv, why)) return false;
    if (out->options.value_bytes_max != SIZE_MAX) return true;
    /* A value is a request's largest part; one that fits the request is not refused for another limit.
     */
    out->options.value_bytes_max = out->options.request_bytes_max < value_bytes_most
                                       ? out->options.request_bytes_max
                                       : value_bytes_most;
    return true;
}

void cli_flags_fini(struct cli_flags *f)
{
    free(f->file_text);
    f->file_text = NULL;
}

/* ---- help ---- */

/* A value as text; NULL: nothing is set. */
static const char *value_text(const struct flag *f, const struct ms_options *options, char buffer[32])
{
    const void *field = (const char *)options + f->offset;
    unsigned long long number = 0;
    switch (f->kind) {
    case FLAG_STRING: return *(const char *const *)field;
    case FLAG_BOOL: return *(const bool *)field ? "true" : "false";
    case FLAG_CHOICE:
        for (const struct choice *c = f->choices; c->name; c++) {
            if (c->value == *(const int *)field) return c->name;
        }
        return NULL;
    case FLAG_U16: number = *(const uint16_t *)field; break;
    case FLAG_U32: number = *(const uint32_t *)field; break;
    case FLAG_U64: number = *(const uint64_t *)field; break;
    case FLAG_SIZE: number = *(const size_t *)field; break;
    }
    snprintf(buffer, 32, "%llu", number);
    return buffer;
}

static void help_default(FILE *to, const struct flag *f, const struct ms_options *defaults)
{
    char buffer[32];
    const char *text = value_text(f, defaults, buffer);
    if (text) fprintf(to, " (default %s)", text);
}

static void origin_text(const struct cli_flags *f, size_t at, char *out, size_t cap)
{
    char variable[CLI_ENVIRONMENT_BYTES];
    switch (f->origins[at].source) {
    case CLI_SOURCE_DEFAULT: snprintf(out, cap, "default"); break;
    case CLI_SOURCE_FILE: snprintf(out, cap, "%s, line %u", f->config, f->origins[at].line); break;
    case CLI_SOURCE_FLAG: snprintf(out, cap, "--%s", flags[at].name); break;
    case CLI_SOURCE_ENVIRONMENT:
        cli_config_variable(variable, flags[at].name);
        snprintf(out, cap, "%s", variable);
        break;
    }
}

void cli_flags_print(const struct cli_flags *f, FILE *to)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        char buffer[32], origin[CLI_WHY_BYTES];
        const char *text = value_text(&flags[i], &f->options, buffer);
        origin_text(f, i, origin, sizeof origin);
        int len =
            text ? fprintf(to, "%s = %s", flags[i].name, text) : fprintf(to, "# %s =", flags[i].name);
        fprintf(to, "%*s# %s\n", len < 40 ? 40 - len : 1, "", origin);
    }
}

void cli_flags_explain(const struct cli_flags *f, char *why, size_t cap)
{
    size_t name_len = strncmp(why, "--", 2) == 0 ? strcspn(why + 2, " :") : 0, len = strlen(why);
    int at = cli_flags_find(why + 2, name_len);
    char origin[CLI_WHY_BYTES];
    if (at < 0 || f->origins[at].source == CLI_SOURCE_FLAG ||
        f->origins[at].source == CLI_SOURCE_DEFAULT)
        return;
    origin_text(f, (size_t)at, origin, sizeof origin);
    snprintf(why + len, cap - len, " (set by %s)", origin);
}

bool cli_flags_at(size_t i, const char **name, const char **what, char choices[CLI_CHOICES_BYTES])
{
    if (i >= FLAG_COUNT) return false;
    *name = flags[i].name;
    *what = flags[i].what;
    choices[0] = 0;
    for (const struct choice *c = flags[i].choices; c && c->name; c++) {
        size_t len = strlen(choices);
        snprintf(choices + len, CLI_CHOICES_BYTES - len, "%s%s", len ? " " : "", c->name);
    }
    return true;
}

void cli_flags_help(FILE *to)
{
    struct ms_options defaults;
    ms_options_init(&defaults);
    fputs("metastore: a member of a strongly consistent, replicated metadata store\n\n"
          "usage: metastore [flags]\n"
          "       metastore COMMAND ...    (metastore help; they are listed below)\n\n",
          to);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        const struct flag *f = &flags[i];
        int len = fprintf(to, "  --%s %s", f->name, f->what);
        fprintf(to, "%*s", len < 28 ? 28 - len : 1, "");
        for (const char *c = f->text; *c; c++) {
            fputc(*c, to);
            if (*c == '\n') fprintf(to, "%28s", "");
        }
        help_default(to, f, &defaults);
        fputc('\n', to);
    }
    fputs("  --config file             settings that neither flags nor the environment say\n"
          "  --print-config            all settings and where each comes from, as such a file\n"
          "  --version                 version, commit, and what it was built with\n"
          "  -h, --help                this\n\n"
          "Flags are written --name value or --name=value. What no flag says is taken from the "
          "environment,\n"
          "METASTORE_<NAME> (METASTORE_DATA_DIR), then from the file of --config or METASTORE_CONFIG:\n"
          "lines name = value, and comments behind #. Example, the first of three members:\n"
          "  metastore --id 1 --port 12380 \\\n"
          "    --cluster http://127.0.0.1:12379,http://127.0.0.1:22379,http://127.0.0.1:32379\n"
          "  curl -L http://127.0.0.1:12380/my-key -XPUT -d hello\n"
          "  curl -L http://127.0.0.1:12380/my-key\n\n"
          "Exit codes: 0 stopped by a signal, or removed from the cluster; 1 it could not start or had "
          "to\n"
          "stop; 2 a flag or setting is wrong.\n",
          to);
}
