/* cli_help.c: what the client's commands say about themselves, from their tables. */
#include <string.h>

#include "cli/cli_line.h"

static const char codes[] =
    "Exit codes: 0 done; 1 no: there is no such key, lease or member, or a condition does not hold;\n"
    "2 the command line or the request is wrong; 3 not done: nobody answers, or not now; 4 it may or "
    "may\n"
    "not have been done, and nobody knows: look before doing it again.\n";

static void print_line(FILE *to, const char *left, const char *text)
{
    int len = fprintf(to, "  %s", left);
    fprintf(to, "%*s%s\n", len < 34 ? 34 - len : 1, "", text);
}

static void print_command(FILE *to, const struct cli_command *c)
{
    char left[128];
    snprintf(left, sizeof left, "%s%s%s%s%s", c->name, c->sub ? " " : "", c->sub ? c->sub : "",
             *c->args ? " " : "", c->args);
    print_line(to, left, c->summary);
}

void cli_help_commands(FILE *to)
{
    for (unsigned i = 0; i < cli_command_count; i++) print_command(to, &cli_command_table[i]);
    print_line(to, "snapshot save|restore|status", "backups, one file each");
    print_line(to, "wal dump|verify DIR", "the log of a member that does not run");
    print_line(to, "completion bash|zsh", "completions for a shell: . <(metastore completion bash)");
    print_line(to, "help [COMMAND]", "all of this, or about a command, as COMMAND --help");
}

void cli_help_all(FILE *to)
{
    fputs("MetaStore: a strongly consistent, replicated key-value store for metadata\n"
          "\n"
          "usage: metastore COMMAND ...       ask a cluster\n"
          "       metastore [flags]           be a member of one (metastore --help)\n"
          "\n"
          "commands:\n",
          to);
    cli_help_commands(to);
    fputs("\nall commands that ask a cluster:\n", to);
    for (int id = CLI_ENDPOINTS; id <= CLI_TIMEOUT; id++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", cli_flag_table[id].name, cli_flag_table[id].value);
        print_line(to, left, cli_flag_table[id].text);
    }
    fputs("\n", to);
    fputs(codes, to);
}

void cli_help_family(FILE *to, const char *name)
{
    fprintf(to, "metastore %s: one of\n\n", name);
    for (unsigned i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_command_table[i].name, name) == 0) print_command(to, &cli_command_table[i]);
    }
    fprintf(to, "\nEach has a --help of its own.\n");
}

static void print_flags(FILE *to, uint64_t flags)
{
    for (int id = 0; id < CLI_FLAG_COUNT; id++) {
        const struct cli_flag *f = &cli_flag_table[id];
        char left[64];
        if (!(flags & CLI_BIT(id))) continue;
        snprintf(left, sizeof left, "%s%s%s", f->name, f->value ? " " : "", f->value ? f->value : "");
        print_line(to, left, f->text);
    }
}

void cli_help_command(FILE *to, const struct cli_command *c)
{
    fprintf(to, "metastore %s%s%s: %s\n\nusage: metastore %s%s%s%s%s [flags]\n\n", c->name,
            c->sub ? " " : "", c->sub ? c->sub : "", c->summary, c->name, c->sub ? " " : "",
            c->sub ? c->sub : "", *c->args ? " " : "", c->args);
    if (c->flags) {
        print_flags(to, c->flags);
        fputs("\n", to);
    }
    print_flags(to, CLI_COMMON);
    fprintf(to, "\n%s\n%s", c->about, codes);
}
