#include "cli/cli_completion.h"

#include <string.h>

#include "cli/cli_line.h"
#include "cli/cli_snapshot.h"
#include "cli/cli_wal.h"

/* Both shells run the same two case statements: by the word before (the values of a flag; none: a file, or what
 * nobody can know), and by the words that name the command. */
static const char bash_head[] =
    "# bash completion of metastore: . <(metastore completion bash)\n"
    "_metastore()\n"
    "{\n"
    "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" one= two= list=\n"
    "    if [ \"$cur\" = = ]; then\n"
    "        cur=\n"
    "    elif [ \"$prev\" = = ] && [ \"$COMP_CWORD\" -gt 2 ]; then\n"
    "        prev=\"${COMP_WORDS[COMP_CWORD-2]}\"\n"
    "    fi\n"
    "    [ \"$COMP_CWORD\" -gt 1 ] && one=\"${COMP_WORDS[1]}\"\n"
    "    [ \"$COMP_CWORD\" -gt 2 ] && two=\"${COMP_WORDS[2]}\"\n";
static const char bash_tail[] = "    COMPREPLY=($(compgen -W \"$list\" -- \"$cur\"))\n"
                                "}\n"
                                "complete -o default -F _metastore metastore metaStore\n";
static const char zsh_head[] = "#compdef metastore metaStore\n"
                               "# zsh completion of metastore: . <(metastore completion zsh)\n"
                               "_metastore()\n"
                               "{\n"
                               "    local prev=\"${words[CURRENT-1]}\" one= two= list=\n"
                               "    [ \"$CURRENT\" -gt 2 ] && one=\"${words[2]}\"\n"
                               "    [ \"$CURRENT\" -gt 3 ] && two=\"${words[3]}\"\n";
static const char zsh_tail[] = "    if [ -n \"$list\" ]; then\n"
                               "        compadd -- ${=list}\n"
                               "    else\n"
                               "        _files\n"
                               "    fi\n"
                               "}\n"
                               "if [ \"${funcstack[1]}\" = _metastore ]; then\n"
                               "    _metastore \"$@\"\n"
                               "else\n"
                               "    compdef _metastore metastore metaStore\n"
                               "fi\n";

/* ---- by the word before ---- */

static void print_choices(FILE *to, const char *name, const char *words)
{
    fprintf(to, "    %s) list=\"", name);
    for (; *words; words++) fputc(*words == '|' ? ' ' : *words, to);
    fputs("\" ;;\n", to);
}

static void print_values(FILE *to)
{
    const char *name, *what;
    char choices[CLI_CHOICES_BYTES], dashed[64];
    bool takes_value;
    fputs("    case \"$prev\" in\n", to);
    for (int id = 0; id < CLI_FLAG_COUNT; id++) {
        const struct cli_flag *f = &cli_flag_table[id];
        if (f->kind != CLI_BOOL) print_choices(to, f->name, f->kind == CLI_CHOICE ? f->value : "");
    }
    for (size_t i = 0; cli_flags_at(i, &name, &what, choices); i++) {
        snprintf(dashed, sizeof dashed, "--%s", name);
        if (*what && strcmp(name, "id") != 0) print_choices(to, dashed, choices);
    }
    for (size_t i = 0; (name = cli_snapshot_flag_at(CLI_SNAPSHOT_RESTORE, &i));) {
        if (strcmp(name, "--storage") != 0 && strcmp(name, "--id") != 0) print_choices(to, name, "");
    }
    for (size_t i = 0; (name = cli_wal_flag_at(CLI_WAL_DUMP, &i, &takes_value));) {
        if (takes_value) print_choices(to, name, "");
    }
    fputs("    *)\n", to);
}

/* ---- by the command ---- */

static void print_flags(FILE *to, uint64_t flags)
{
    for (int id = 0; id < CLI_FLAG_COUNT; id++) {
        if (flags & CLI_BIT(id)) fprintf(to, " %s", cli_flag_table[id].name);
    }
}

/* The words behind a command that has subcommands. */
static void print_family(FILE *to, const char *name)
{
    fprintf(to, "    \"%s \") list=\"--help", name);
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *c = &cli_command_table[i];
        if (strcmp(c->name, name) != 0) continue;
        if (c->sub)
            fprintf(to, " %s", c->sub);
        else
            print_flags(to, c->flags | (CLI_COMMON & ~CLI_BIT(CLI_HELP)));
    }
    fputs("\" ;;\n", to);
}

static bool is_first_of_name(unsigned at)
{
    return at == 0 || strcmp(cli_command_table[at - 1].name, cli_command_table[at].name) != 0;
}

static bool has_subs(const char *name)
{
    for (unsigned i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_command_table[i].name, name) == 0 && cli_command_table[i].sub) return true;
    }
    return false;
}

static void print_commands(FILE *to)
{
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *c = &cli_command_table[i];
        if (is_first_of_name(i) && has_subs(c->name)) print_family(to, c->name);
        if (c->sub)
            fprintf(to, "    \"%s %s\") list=\"", c->name, c->sub);
        else
            fprintf(to, "    \"%s \"*) list=\"", c->name);
        print_flags(to, c->flags | CLI_COMMON);
        fputs("\" ;;\n", to);
    }
}

static void print_others(FILE *to)
{
    static const char *const saves[] = { "", "save", "restore", "status" }, *const wals[] = {
        "", "dump", "verify"
    };
    const char *name;
    bool takes_value;
    for (int c = CLI_SNAPSHOT_SAVE; c < CLI_SNAPSHOT_HELP; c++) {
        fprintf(to, "    \"snapshot %s\") list=\"--help", saves[c]);
        for (size_t i = 0; (name = cli_snapshot_flag_at((enum cli_snapshot_command)c, &i));)
            fprintf(to, " %s", name);
        fputs("\" ;;\n", to);
    }
    for (int c = CLI_WAL_DUMP; c < CLI_WAL_HELP; c++) {
        fprintf(to, "    \"wal %s\") list=\"--help", wals[c]);
        for (size_t i = 0; (name = cli_wal_flag_at((enum cli_wal_command)c, &i, &takes_value));)
            fprintf(to, " %s", name);
        fputs("\" ;;\n", to);
    }
    fputs("    \"snapshot \") list=\"--help save restore status\" ;;\n"
          "    \"wal \") list=\"--help dump verify\" ;;\n"
          "    \"completion \") list=\"bash zsh\" ;;\n",
          to);
}

static void print_names(FILE *to)
{
    for (unsigned i = 0; i < cli_command_count; i++) {
        if (is_first_of_name(i)) fprintf(to, "%s ", cli_command_table[i].name);
    }
    fputs("snapshot wal", to);
}

static void print_daemon_flags(FILE *to)
{
    const char *name, *what;
    char choices[CLI_CHOICES_BYTES];
    fputs("--help --version --config --print-config", to);
    for (size_t i = 0; cli_flags_at(i, &name, &what, choices); i++) fprintf(to, " --%s", name);
}

static void print_cases(FILE *to)
{
    print_values(to);
    fputs("    case \"$one $two\" in\n", to);
    print_commands(to);
    print_others(to);
    fputs("    \"help \") list=\"", to);
    print_names(to);
    fputs(" completion\" ;;\n    \" \") list=\"", to);
    print_names(to);
    fputs(" completion help ", to);
    print_daemon_flags(to);
    fputs("\" ;;\n    -*) list=\"", to);
    print_daemon_flags(to);
    fputs("\" ;;\n    esac ;;\n    esac\n", to);
}

int cli_completion_run(int argc, char *const *argv, FILE *out, FILE *err)
{
    bool bash = argc == 2 && strcmp(argv[1], "bash") == 0,
         zsh = argc == 2 && strcmp(argv[1], "zsh") == 0;
    bool help = argc == 2 && cli_is_help(argv[1]);
    if (!bash && !zsh) {
        fputs("usage: metastore completion bash|zsh\n\n"
              "Prints a script for the shell. For this shell, and for all from now on:\n"
              "  . <(metastore completion bash)\n"
              "  metastore completion bash > ~/.local/share/bash-completion/completions/metastore\n"
              "  metastore completion zsh > \"${fpath[1]}/_metastore\"\n",
              help ? out : err);
        return help ? 0 : 2;
    }
    fputs(bash ? bash_head : zsh_head, out);
    print_cases(out);
    fputs(bash ? bash_tail : zsh_tail, out);
    return fflush(out) == 0 ? 0 : 3;
}
