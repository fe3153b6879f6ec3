#include "cli/cli_line.h"

#include <string.h>

#define ANY INT64_MAX

const struct cli_flag cli_flag_table[CLI_FLAG_COUNT] = {
    [CLI_ENDPOINTS] = { "--endpoints", CLI_TEXT, "URL[,URL...]", 0, 0,
                        "members, asked in this order (METASTORE_ENDPOINTS, or "
                        "http://127.0.0.1:9121)" },
    [CLI_OUTPUT] = { "--output", CLI_CHOICE, "text|json", 0, 0, "for people, or for programs (text)" },
    [CLI_TIMEOUT] = { "--timeout-ms", CLI_NUMBER, "N", 1, 86400000,
                      "as long is tried, at all endpoints together (10000)" },
    [CLI_LEASE] = { "--lease", CLI_NUMBER, "ID", 1, ANY, "the key ends with this lease" },
    [CLI_TTL] = { "--ttl", CLI_NUMBER, "SECONDS", 1, UINT64_C(9000000000),
                  "the key ends after so long; its lease can be kept alive" },
    [CLI_IF_ABSENT] = { "--if-absent", CLI_BOOL, NULL, 0, 0, "only if there is no such key" },
    [CLI_IF_REVISION] = { "--if-revision", CLI_NUMBER, "N", 1, ANY,
                          "only if the key was written last at this revision" },
    [CLI_PREV_KV] = { "--prev-kv", CLI_BOOL, NULL, 0, 0, "with what was there before" },
    [CLI_REV] = { "--rev", CLI_NUMBER, "N", 1, ANY, "as of this revision; of a watch: from it on" },
    [CLI_STALE] = { "--stale", CLI_BOOL, NULL, 0, 0,
                    "what the member that answers has: at once, without a quorum, perhaps old" },
    [CLI_PREFIX] = { "--prefix", CLI_BOOL, NULL, 0, 0, "all keys that begin with KEY" },
    [CLI_FROM_KEY] = { "--from-key", CLI_BOOL, NULL, 0, 0, "all keys from FIRST on" },
    [CLI_LIMIT] = { "--limit", CLI_NUMBER, "N", 1, ANY, "no more than so many" },
    [CLI_BATCH] = { "--batch", CLI_NUMBER, "N", 1, 100000,
                    "so many at a time, each time at a revision of its own" },
    [CLI_KEYS_ONLY] = { "--keys-only", CLI_BOOL, NULL, 0, 0, "without values" },
    [CLI_COUNT_ONLY] = { "--count-only", CLI_BOOL, NULL, 0, 0, "only how many there are" },
    [CLI_SORT] = { "--sort", CLI_CHOICE, "key|version|create|mod|value", 0, 0,
                   "what they are sorted by (key)" },
    [CLI_ORDER] = { "--order", CLI_CHOICE, "asc|desc", 0, 0, "smallest or largest first (asc)" },
    [CLI_MIN_MOD] = { "--min-mod", CLI_NUMBER, "N", 1, ANY,
                      "only those written last at or behind revision N" },
    [CLI_MAX_MOD] = { "--max-mod", CLI_NUMBER, "N", 1, ANY,
                      "only those written last at or before revision N" },
    [CLI_MIN_CREATE] = { "--min-create", CLI_NUMBER, "N", 1, ANY,
                         "only those made at or behind revision N" },
    [CLI_MAX_CREATE] = { "--max-create", CLI_NUMBER, "N", 1, ANY,
                         "only those made at or before revision N" },
    [CLI_NO_PUT] = { "--no-put", CLI_BOOL, NULL, 0, 0, "leave puts out" },
    [CLI_NO_DELETE] = { "--no-delete", CLI_BOOL, NULL, 0, 0, "leave deletions out" },
    [CLI_ID] = { "--id", CLI_NUMBER, "ID", 1, ANY, "the id of the lease (the cluster picks one)" },
    [CLI_ONCE] = { "--once", CLI_BOOL, NULL, 0, 0, "renew it once, and be done" },
    [CLI_FORCE] = { "--force", CLI_BOOL, NULL, 0, 0,
                    "also where too few voters that are alive would be left" },
    [CLI_HELP] = { "--help", CLI_BOOL, NULL, 0, 0, "this" },
};

bool cli_is_command(const char *name)
{
    for (unsigned i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_command_table[i].name, name) == 0) return true;
    }
    return false;
}

/* ---- the command ---- */

static bool list_subs(const char *name, const char *wrong, char *why)
{
    char list[CLI_WHY_BYTES / 2] = "";
    size_t at = 0;
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *c = &cli_command_table[i];
        if (strcmp(c->name, name) != 0 || !c->sub) continue;
        int n = snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", c->sub);
        if (n > 0 && (size_t)n < sizeof list - at) at += (size_t)n;
    }
    if (!wrong) return cli_refuse(why, "what to do is missing: one of %s", list);
    return cli_refuse(why, "\"%.60s\" is none of %s", wrong, list);
}

/* *at: behind the words that name it. A command whose name has an entry without sub may stand alone. */
static bool command_find(struct cli_line *out, int argc, char *const *argv, int *at, char *why)
{
    const struct cli_command *alone = NULL;
    bool has_subs = false;
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *c = &cli_command_table[i];
        if (strcmp(c->name, argv[0]) != 0) continue;
        if (!c->sub) alone = c;
        has_subs |= c->sub != NULL;
        if (c->sub && argc > 1 && strcmp(c->sub, argv[1]) == 0) {
            out->command = c;
            *at = 2;
            return true;
        }
    }
    out->command = alone;
    *at = 1;
    if (has_subs && argc > 1 && cli_is_help(argv[1])) {
        out->command = NULL;
        return true;
    }
    if (alone && (!has_subs || argc == 1 || argv[1][0] == '-')) return true;
    return list_subs(argv[0], argc > 1 ? argv[1] : NULL, why);
}

/* ---- flags ---- */

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *at = choices; len > 0; at++) {
        size_t word = strcspn(at, "|");
        if (word == len && strncmp(at, value, len) == 0) return true;
        at += word;
        if (!*at) break;
    }
    return false;
}

static bool value_take(struct cli_line *out, enum cli_flag_id id, const char *value, char *why)
{
    const struct cli_flag *f = &cli_flag_table[id];
    out->given |= CLI_BIT(id);
    out->text[id] = value;
    switch (f->kind) {
    case CLI_BOOL: return true;
    case CLI_TEXT: return *value ? true : cli_refuse(why, "%s: its value is empty", f->name);
    case CLI_CHOICE:
        return is_choice(f->value, value)
                   ? true
                   : cli_refuse(why, "%s: \"%.60s\" is none of %s", f->name, value, f->value);
    case CLI_NUMBER: break;
    }
    if (cli_number_parse(value, f->most, &out->number[id]) && out->number[id] >= f->least) return true;
    return cli_refuse(why, "%s: \"%.60s\" is not a number from %llu to %llu", f->name, value,
                      (unsigned long long)f->least, (unsigned long long)f->most);
}

/* The flag that arg names, up to '=' or its end; CLI_FLAG_COUNT: the command has none of that name. */
static enum cli_flag_id flag_find(const struct cli_command *command, const char *arg)
{
    size_t len = strcspn(arg, "=");
    for (int id = 0; id < CLI_FLAG_COUNT; id++) {
        const char *name = cli_flag_table[id].name;
        if (strlen(name) != len || strncmp(name, arg, len) != 0) continue;
        if ((command->flags | CLI_COMMON) & CLI_BIT(id)) return (enum cli_flag_id)id;
    }
    return CLI_FLAG_COUNT;
}

static bool flag_take(struct cli_line *out, int argc, char *const *argv, int *at, char *why)
{
    const char *arg = argv[*at];
    enum cli_flag_id id = cli_is_help(arg) ? CLI_HELP : flag_find(out->command, arg);
    if (id == CLI_FLAG_COUNT) return cli_refuse(why, "unknown flag \"%.80s\"", arg);
    const struct cli_flag *f = &cli_flag_table[id];
    if (f->kind == CLI_BOOL && strchr(arg, '=')) return cli_refuse(why, "%s takes no value", f->name);
    if (f->kind == CLI_BOOL) return value_take(out, id, "", why);
    const char *value = cli_flag_value(argc, argv, at, why);
    return value && value_take(out, id, value, why);
}

static bool counts_check(const struct cli_line *line, char *why)
{
    const struct cli_command *c = line->command;
    if (line->arg_count < c->args_min)
        return cli_refuse(why, "an argument is missing; what is wanted is: %s", c->args);
    if (line->arg_count > c->args_max)
        return cli_refuse(why, "unexpected argument \"%.80s\"", line->args[c->args_max]);
    return true;
}

bool cli_line_parse(struct cli_line *out, int argc, char *const *argv, char why[CLI_WHY_BYTES])
{
    bool flags = true;
    int at;
    *out = (struct cli_line){ 0 };
    if (!command_find(out, argc, argv, &at, why)) return false;
    if (!out->command) return true;
    for (; at < argc; at++) {
        if (flags && strcmp(argv[at], "--") == 0) {
            flags = false;
        } else if (flags && argv[at][0] == '-' && argv[at][1]) {
            if (!flag_take(out, argc, argv, &at, why)) return false;
            if (cli_given(out, CLI_HELP)) return true;
        } else if (out->arg_count == CLI_ARGS_MAX) {
            return cli_refuse(why, "more than %u arguments", CLI_ARGS_MAX);
        } else {
            out->args[out->arg_count++] = argv[at];
        }
    }
    return counts_check(out, why);
}
