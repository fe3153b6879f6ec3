#include "cli/cli_snapshot.h"

#include <errno.h>
#include <string.h>

#include "cli/cli_text.h"

static const char help[] =
    "metastore snapshot: backups of a cluster, each one file\n"
    "\n"
    "usage: metastore snapshot save FILE --endpoints URL[,URL...]\n"
    "       metastore snapshot save FILE --data-dir DIR --id N [--storage memory|rocksdb]\n"
    "       metastore snapshot status FILE [--output text|json]\n"
    "       metastore snapshot restore FILE --id N --cluster URL [--storage memory|rocksdb]\n"
    "                                  [--data-dir DIR] [--revision-bump N]\n"
    "\n"
    "save --endpoints asks a running member, the first of the list that answers, over HTTP. Every "
    "write\n"
    "that was acknowledged before is in the backup; the cluster goes on serving meanwhile.\n"
    "\n"
    "  metastore snapshot save backup.ms --endpoints http://127.0.0.1:12380,http://127.0.0.1:22380\n"
    "\n"
    "save --data-dir reads the directories of a member that does not run, without changing them: for "
    "a\n"
    "cluster that lost its majority. It takes the state and the whole log behind it. Entries at the "
    "end\n"
    "of the log may never have been committed; nobody can tell from one member alone, so they are in "
    "it:\n"
    "nothing that was acknowledged and stands there is left out. What a member had not received yet\n"
    "cannot be in it: of several members save each, and restore the one with the highest term, then "
    "the\n"
    "highest index, that status shows.\n"
    "\n"
    "  metastore snapshot save backup.ms --data-dir . --id 1 --storage memory\n"
    "\n"
    "FILE gets its name when all has come, is synced and was read back; until then it is FILE.tmp.\n"
    "\n"
    "status reads a backup from end to end, checks it, and prints what it holds, or what is wrong and "
    "at\n"
    "which offset.\n"
    "\n"
    "restore makes the directories of member N of a new cluster, whose only member it is, of either\n"
    "engine. They have to be empty or absent. Then start it with the same flags, and add members:\n"
    "\n"
    "  metastore snapshot restore backup.ms --id 1 --cluster http://127.0.0.1:12379 --storage rocksdb\n"
    "  metastore --id 1 --cluster http://127.0.0.1:12379 --port 12380 --storage rocksdb\n"
    "\n"
    "  --revision-bump N  added to the store's revision (default 1000000000), and all up to there "
    "counts as\n"
    "                     compacted: a watcher of the old cluster is told so, and misses nothing in\n"
    "                     silence. It has to be more than was written since the backup\n"
    "  (--bump-revision is the same)\n"
    "\n"
    "Exit codes: 0 done, and whole; 2 the backup is damaged; 3 anything else: it cannot be read or "
    "written,\n"
    "nobody answers, a member is running there, or the command line is wrong.\n";

/* ---- the line ---- */

static const char *const names[] = { "", "save", "restore", "status" };

static bool take_id(struct cli_snapshot *s, const char *value, char *why)
{
    if (cli_number_parse(value, UINT64_C(9999999999999999999), &s->id) && s->id > 0) return true;
    return cli_refuse(why, "--id: \"%s\" is not a member id, a number from 1 on", value);
}

static bool take_storage(struct cli_snapshot *s, const char *value, char *why)
{
    if (strcmp(value, "memory") == 0) s->storage = MS_STORAGE_MEMORY;
    if (strcmp(value, "rocksdb") == 0) s->storage = MS_STORAGE_ROCKSDB;
    return s->storage ? true
                      : cli_refuse(why, "--storage: \"%s\" is neither memory nor rocksdb", value);
}

static bool take_bump(struct cli_snapshot *s, const char *value, char *why)
{
    if (cli_number_parse(value, INT64_MAX, &s->revision_bump) && s->revision_bump > 0) return true;
    return cli_refuse(why, "--revision-bump: \"%s\" is not a number from 1 on", value);
}

static bool take_output(struct cli_snapshot *s, const char *value, char *why)
{
    s->json = strcmp(value, "json") == 0;
    return s->json || strcmp(value, "text") == 0
               ? true
               : cli_refuse(why, "--output: \"%s\" is neither text nor json", value);
}

static bool take_endpoints(struct cli_snapshot *s, const char *value, char *why)
{
    s->endpoints = value;
    return *value ? true : cli_refuse(why, "--endpoints: the list is empty");
}

static bool take_data_dir(struct cli_snapshot *s, const char *value, char *why)
{
    s->data_dir = value;
    return *value ? true : cli_refuse(why, "--data-dir: the name is empty");
}

static bool take_cluster(struct cli_snapshot *s, const char *value, char *why)
{
    (void)why;
    s->cluster = value;
    return true;
}

#define OF(command) (1u << (command))
static const struct {
    const char *name;
    bool (*take)(struct cli_snapshot *s, const char *value, char *why);
    unsigned commands;
} flags[] = {
    { "--endpoints", take_endpoints, OF(CLI_SNAPSHOT_SAVE) },
    { "--data-dir", take_data_dir, OF(CLI_SNAPSHOT_SAVE) | OF(CLI_SNAPSHOT_RESTORE) },
    { "--id", take_id, OF(CLI_SNAPSHOT_SAVE) | OF(CLI_SNAPSHOT_RESTORE) },
    { "--storage", take_storage, OF(CLI_SNAPSHOT_SAVE) | OF(CLI_SNAPSHOT_RESTORE) },
    { "--cluster", take_cluster, OF(CLI_SNAPSHOT_RESTORE) },
    { "--revision-bump", take_bump, OF(CLI_SNAPSHOT_RESTORE) },
    { "--bump-revision", take_bump, OF(CLI_SNAPSHOT_RESTORE) },
    { "--output", take_output, OF(CLI_SNAPSHOT_STATUS) | OF(CLI_SNAPSHOT_SAVE) },
};
#define FLAG_COUNT (sizeof flags / sizeof flags[0])

const char *cli_snapshot_flag_at(enum cli_snapshot_command command, size_t *i)
{
    while (*i < FLAG_COUNT) {
        size_t at = (*i)++;
        if (flags[at].commands & OF(command)) return flags[at].name;
    }
    return NULL;
}

static bool flag_take(struct cli_snapshot *s, int argc, char *const *argv, int *at, char *why)
{
    const char *arg = argv[*at];
    size_t len = strcspn(arg, "=");
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (strlen(flags[i].name) != len || strncmp(arg, flags[i].name, len) != 0) continue;
        if (!(flags[i].commands & OF(s->command))) break;
        const char *value = cli_flag_value(argc, argv, at, why);
        return value && flags[i].take(s, value, why);
    }
    return cli_refuse(why, "unknown flag \"%s\" of snapshot %s", arg, names[s->command]);
}

static bool save_check(const struct cli_snapshot *s, char *why)
{
    bool offline = s->data_dir || s->id || s->storage;
    if (s->endpoints && offline)
        return cli_refuse(
            why, "--endpoints asks a running member, --data-dir, --id and --storage name one that "
                 "does not run: one of the two");
    if (!s->endpoints && !offline)
        return cli_refuse(
            why, "--endpoints is missing, or --data-dir and --id of a member that does not run");
    return s->endpoints || s->id ? true : cli_refuse(why, "--id is missing: of which member");
}

static bool whole_check(const struct cli_snapshot *s, char *why)
{
    if (!s->file || !*s->file) return cli_refuse(why, "the file is missing");
    if (s->command == CLI_SNAPSHOT_SAVE) return save_check(s, why);
    if (s->command != CLI_SNAPSHOT_RESTORE) return true;
    if (s->id == 0) return cli_refuse(why, "--id is missing");
    return s->cluster ? true : cli_refuse(why, "--cluster is missing: the peer URL of the member");
}

bool cli_snapshot_parse(struct cli_snapshot *out, int argc, char *const *argv, char why[CLI_WHY_BYTES])
{
    *out = (struct cli_snapshot){ .revision_bump = MS_REVISION_BUMP };
    for (int at = 1; at < argc; at++) {
        if (!cli_is_help(argv[at])) continue;
        out->command = CLI_SNAPSHOT_HELP;
        return true;
    }
    if (argc < 2) return cli_refuse(why, "what to do is missing: save, restore or status");
    for (int i = CLI_SNAPSHOT_SAVE; i < CLI_SNAPSHOT_HELP; i++) {
        if (strcmp(argv[1], names[i]) == 0) out->command = (enum cli_snapshot_command)i;
    }
    if (out->command == 0)
        return cli_refuse(why, "\"%s\" is neither save, restore nor status", argv[1]);
    for (int at = 2; at < argc; at++) {
        if (argv[at][0] == '-' && argv[at][1]) {
            if (!flag_take(out, argc, argv, &at, why)) return false;
        } else if (out->file) {
            return cli_refuse(why, "one file at a time, not \"%s\" as well", argv[at]);
        } else {
            out->file = argv[at];
        }
    }
    return whole_check(out, why);
}

/* ---- what a backup holds ---- */

static const char *part_name(enum ms_part part)
{
    static const char *const parts[] = { "", "voter", "learner", "joining", "leaving", "outgoing" };
    return parts[part];
}

static void print_json(FILE *to, const struct ms_snapshot_report *r)
{
    struct cli_text t = { 0 };
    cli_text_printf(&t, "{\"whole\": %s, ", r->whole ? "true" : "false");
    cli_text_add_json(&t, "text", cli_bytes(r->text));
    if (!r->whole)
        cli_text_printf(&t, ", \"damage_offset\": %llu", (unsigned long long)r->damage_offset);
    cli_text_printf(&t, ", \"bytes\": %llu, \"index\": %llu, \"term\": %llu",
                    (unsigned long long)r->bytes, (unsigned long long)r->index,
                    (unsigned long long)r->term);
    cli_text_printf(&t, ", \"revision\": %llu, \"compacted_revision\": %llu, \"keys\": %llu",
                    (unsigned long long)r->revision, (unsigned long long)r->compacted_revision,
                    (unsigned long long)r->key_count);
    cli_text_printf(&t, ", \"cluster\": \"%s\", \"digest\": \"%s\", \"members\": [", r->cluster,
                    r->digest);
    for (uint32_t i = 0; i < r->member_count; i++) {
        cli_text_printf(&t, "%s{\"id\": %llu, \"role\": \"%s\", ", i ? ", " : "",
                        (unsigned long long)r->members[i].id, part_name(r->members[i].part));
        cli_text_add_json(&t, "url", cli_bytes(r->members[i].url));
        cli_text_printf(&t, "}");
    }
    fprintf(to, "%s]}\n", t.data);
    cli_text_free(&t);
}

static void print_text(FILE *to, const struct ms_snapshot_report *r)
{
    fprintf(to, "%s\n", r->text);
    if (r->member_count == 0 && !r->whole) return;
    fprintf(to, "index              %llu\n", (unsigned long long)r->index);
    fprintf(to, "term               %llu\n", (unsigned long long)r->term);
    if (r->whole) {
        fprintf(to, "revision           %llu\n", (unsigned long long)r->revision);
        fprintf(to, "compacted revision %llu\n", (unsigned long long)r->compacted_revision);
        fprintf(to, "keys               %llu\n", (unsigned long long)r->key_count);
    }
    fprintf(to, "cluster            %s\n", r->cluster);
    for (uint32_t i = 0; i < r->member_count; i++) {
        fprintf(to, "member             %llu %s %s\n", (unsigned long long)r->members[i].id,
                part_name(r->members[i].part), r->members[i].url);
    }
    fprintf(to, "size               %llu bytes\n", (unsigned long long)r->bytes);
    if (r->whole) fprintf(to, "digest             %s\n", r->digest);
}

/* ---- doing it ---- */

static int failed(const struct cli_snapshot *s, int rv, const char *why, FILE *err)
{
    fprintf(err, "metastore snapshot %s: %s%s\n", names[s->command], why,
            rv == MS_ELOCKED && s->data_dir && s->command == CLI_SNAPSHOT_SAVE
                ? " (stop that member, or save with --endpoints)"
                : "");
    bool damaged = rv == MS_ECORRUPT || rv == MS_ESHORT;
    return damaged && s->command != CLI_SNAPSHOT_SAVE ? CLI_SNAPSHOT_DAMAGED : CLI_SNAPSHOT_FAILED;
}

static void member_options(const struct cli_snapshot *s, struct ms_options *o)
{
    ms_options_init(o);
    o->log_level = MS_LOG_WARN;
    o->id = s->id;
    if (s->data_dir) o->data_dir = s->data_dir;
    if (s->storage) o->storage = s->storage;
    if (s->cluster) o->cluster = s->cluster;
}

static int restore(const struct cli_snapshot *s, FILE *out, FILE *err)
{
    struct ms_options options;
    char why[MS_WHY_BYTES];
    member_options(s, &options);
    int rv = ms_snapshot_restore(s->file, &options, s->revision_bump, why);
    if (rv < 0) return failed(s, rv, why, err);
    fprintf(out,
            "restored %s: member %llu of a new cluster; start it with --id, --cluster, --storage and "
            "--data-dir as here\n",
            s->file, (unsigned long long)s->id);
    return CLI_SNAPSHOT_DONE;
}

static int look(const struct cli_snapshot *s, FILE *out, FILE *err)
{
    struct ms_snapshot_report report;
    struct ms_options options;
    char why[MS_WHY_BYTES];
    int rv;
    member_options(s, &options);
    if (s->command == CLI_SNAPSHOT_STATUS)
        rv = ms_snapshot_status(s->file, &report, why);
    else if (s->endpoints)
        rv = ms_snapshot_save(s->file, s->endpoints, &report, why);
    else
        rv = ms_snapshot_save_offline(s->file, &options, &report, why);
    if (rv < 0) return failed(s, rv, why, err);
    if (s->json)
        print_json(out, &report);
    else
        print_text(out, &report);
    return report.whole ? CLI_SNAPSHOT_DONE : CLI_SNAPSHOT_DAMAGED;
}

int cli_snapshot_run(int argc, char *const *argv, FILE *out, FILE *err)
{
    struct cli_snapshot s;
    char why[CLI_WHY_BYTES];
    int code = CLI_SNAPSHOT_DONE;
    if (!cli_snapshot_parse(&s, argc, argv, why)) {
        fprintf(err, "metastore snapshot: %s (metastore snapshot --help tells more)\n", why);
        return CLI_SNAPSHOT_FAILED;
    }
    if (s.command == CLI_SNAPSHOT_HELP)
        fputs(help, out);
    else
        code = s.command == CLI_SNAPSHOT_RESTORE ? restore(&s, out, err) : look(&s, out, err);
    if (fflush(out) == 0) return code;
    fprintf(err, "metastore snapshot: cannot write: %s\n", strerror(errno));
    return CLI_SNAPSHOT_FAILED;
}
