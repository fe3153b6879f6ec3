#include "cli/cli_wal.h"

#include <errno.h>
#include <string.h>

static const char help[] =
    "metastore wal: look at the log of a member, without changing it\n"
    "\n"
    "usage: metastore wal dump [--from INDEX] [--to INDEX] [--json] DIR\n"
    "       metastore wal verify [--json] [--force] DIR\n"
    "\n"
    "DIR is a member's directory (metaStore-<id>, or data/<id> with --storage rocksdb) or that of its\n"
    "log (data/<id>/wal). Files are opened for reading only.\n"
    "\n"
    "dump prints a line for each record, in the order in which they were written, up to where the log\n"
    "ends or is damaged, and then, behind a \"#\", what verify would print:\n"
    "\n"
    "  wal-0000000000000001.seg:4608 batch 2 entry 5 term 1 written 1 live: txn put /k (3 bytes)\n"
    "\n"
    "  that is segment, offset in it, batch, and the record: an entry of the log, with its index, its\n"
    "  term, and the term of who wrote it; a state (term, vote and the like), a base or a reset "
    "(where\n"
    "  the log begins). An entry is live; superseded, by a later record with its index or by a reset;\n"
    "  or cut, as a snapshot covers it. Keys stand there as in an URL. The log of a member that is\n"
    "  running can be dumped, but may change meanwhile.\n"
    "\n"
    "  --from INDEX, --to INDEX  entries only, those from or up to that index\n"
    "  --json                    each line is a JSON object; in the last one stands \"result\"\n"
    "\n"
    "verify prints one line: whether all that is checked at a start is right, else what is wrong, in\n"
    "which file and at which offset. It refuses the log of a member that is running: what is on its\n"
    "way to the disk looks torn.\n"
    "\n"
    "  --json                    the line is a JSON object\n"
    "  --force                   a member may be running on it\n"
    "\n"
    "Exit codes of both: 0 sound, or no log yet; 1 the next start puts it right, and nothing that was\n"
    "acknowledged is lost (the last batch is torn, a copy of the state is damaged); 2 acknowledged\n"
    "data is damaged; 3 it cannot be read, a member is running on it, or the command line is wrong.\n";

/* ---- the line ---- */

static bool index_take(const char *name, uint64_t *index, int argc, char *const *argv, int *at,
                       char *why)
{
    const char *value = cli_flag_value(argc, argv, at, why);
    if (!value) return false;
    if (!cli_number_parse(value, INT64_MAX, index) || *index == 0)
        return cli_refuse(why, "%s: \"%s\" is not an index, a number from 1 on", name, value);
    return true;
}

static bool is_flag(const char *arg, const char *name)
{
    size_t len = strlen(name);
    return strncmp(arg, name, len) == 0 && (arg[len] == 0 || arg[len] == '=');
}

#define OF(command) (1u << (command))
static const struct {
    const char *name;
    unsigned commands;
    bool takes_value;
} flags[] = {
    { "--from", OF(CLI_WAL_DUMP), true },
    { "--to", OF(CLI_WAL_DUMP), true },
    { "--json", OF(CLI_WAL_DUMP) | OF(CLI_WAL_VERIFY), false },
    { "--force", OF(CLI_WAL_VERIFY), false },
};
#define FLAG_COUNT (sizeof flags / sizeof *flags)

const char *cli_wal_flag_at(enum cli_wal_command command, size_t *i, bool *takes_value)
{
    while (*i < FLAG_COUNT) {
        size_t at = (*i)++;
        *takes_value = flags[at].takes_value;
        if (flags[at].commands & OF(command)) return flags[at].name;
    }
    return NULL;
}

static bool has_flag(enum cli_wal_command command, const char *arg)
{
    bool takes_value;
    const char *name;
    for (size_t i = 0; (name = cli_wal_flag_at(command, &i, &takes_value));) {
        if (takes_value ? is_flag(arg, name) : strcmp(arg, name) == 0) return true;
    }
    return false;
}

static bool argument_take(struct cli_wal *out, int argc, char *const *argv, int *at, char *why)
{
    const char *arg = argv[*at];
    if (arg[0] == '-' && arg[1] && !has_flag(out->command, arg))
        return cli_refuse(why, "unknown flag \"%s\" of wal %s", arg,
                          out->command == CLI_WAL_DUMP ? "dump" : "verify");
    if (is_flag(arg, "--from")) return index_take("--from", &out->from_index, argc, argv, at, why);
    if (is_flag(arg, "--to")) return index_take("--to", &out->to_index, argc, argv, at, why);
    if (strcmp(arg, "--json") == 0) return out->json = true;
    if (strcmp(arg, "--force") == 0) return out->force = true;
    if (out->dir) return cli_refuse(why, "one directory at a time, not \"%s\" as well", arg);
    out->dir = arg;
    return true;
}

bool cli_wal_parse(struct cli_wal *out, int argc, char *const *argv, char why[CLI_WHY_BYTES])
{
    *out = (struct cli_wal){ 0 };
    for (int at = 1; at < argc; at++) {
        if (cli_is_help(argv[at])) {
            out->command = CLI_WAL_HELP;
            return true;
        }
    }
    if (argc < 2) return cli_refuse(why, "what to do is missing: dump or verify");
    if (strcmp(argv[1], "dump") == 0) out->command = CLI_WAL_DUMP;
    if (strcmp(argv[1], "verify") == 0) out->command = CLI_WAL_VERIFY;
    if (out->command == 0) return cli_refuse(why, "\"%s\" is neither dump nor verify", argv[1]);
    for (int at = 2; at < argc; at++) {
        if (!argument_take(out, argc, argv, &at, why)) return false;
    }
    if (!out->dir || !*out->dir) return cli_refuse(why, "the directory is missing");
    if (out->to_index != 0 && out->to_index < out->from_index)
        return cli_refuse(why, "--to %llu lies below --from %llu", (unsigned long long)out->to_index,
                          (unsigned long long)out->from_index);
    return true;
}

/* ---- doing it ---- */

struct printer {
    FILE *to;
    bool last_only; /* verify wants the verdict */
    int error;      /* errno of a write that failed */
};

static int print_line(void *arg, const char *line, bool last)
{
    struct printer *p = arg;
    if (p->last_only && !last) return 0;
    if (fputs(line, p->to) >= 0 && fputc('\n', p->to) >= 0) return 0;
    p->error = errno ? errno : EIO;
    return 1;
}

static int code_of(const struct ms_wal_report *report)
{
    if (report->found == MS_WAL_DAMAGED) return CLI_WAL_DAMAGED;
    return report->found == MS_WAL_TORN || report->state_copy_damaged ? CLI_WAL_MENDS : CLI_WAL_SOUND;
}

static int look(const struct cli_wal *wal, FILE *out, FILE *err)
{
    static const char *const names[] = { "", "dump", "verify", "" };
    struct printer printer = { .to = out, .last_only = wal->command == CLI_WAL_VERIFY };
    struct ms_wal_options options;
    struct ms_wal_report report;
    char why[MS_WHY_BYTES];
    bool text_verdict = wal->command == CLI_WAL_VERIFY && !wal->json;
    ms_wal_options_init(&options);
    options.line = text_verdict ? NULL : print_line;
    options.arg = &printer;
    options.json = wal->json;
    options.in_use = wal->force || wal->command == CLI_WAL_DUMP;
    options.from_index = wal->from_index;
    options.to_index = wal->to_index;
    int rv = ms_wal_read(wal->dir, &options, &report, why);
    if (rv == 0 && text_verdict) print_line(&printer, report.text, true);
    if (fflush(out) != 0 && printer.error == 0) printer.error = errno;
    if (printer.error != 0) {
        fprintf(err, "metastore wal %s: cannot write: %s\n", names[wal->command],
                strerror(printer.error));
        return CLI_WAL_FAILED;
    }
    if (rv == 0) return code_of(&report);
    fprintf(err, "metastore wal %s: %s%s\n", names[wal->command], why,
            rv == MS_ELOCKED ? " (stop it, or --force)" : "");
    return CLI_WAL_FAILED;
}

int cli_wal_run(int argc, char *const *argv, FILE *out, FILE *err)
{
    struct cli_wal wal;
    char why[CLI_WHY_BYTES];
    if (!cli_wal_parse(&wal, argc, argv, why)) {
        fprintf(err, "metastore wal: %s (metastore wal --help tells more)\n", why);
        return CLI_WAL_FAILED;
    }
    if (wal.command != CLI_WAL_HELP) return look(&wal, out, err);
    fputs(help, out);
    return CLI_WAL_SOUND;
}
