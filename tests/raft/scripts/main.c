/* main.c: raft_scripts, which runs the stories of a directory (language: tests/raft/script.h).
 *
 *   raft_scripts DIRECTORY|FILE...             each script has to give the trace that stands in it
 *   raft_scripts --rewrite DIRECTORY|FILE...   write the traces anew; then read the diff
 *
 * Each runs in a process of its own, so that one that breaks an assertion does not hide the others. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/raft/script.h"

#define PATH_BYTES 4096
#define FILES_MAX 1024
#define DIFFERENCES_MAX 3u /* commands whose traces are shown */
#define LINES_BEFORE 12u   /* shown of a script that cannot be carried out */
#define CONTEXT 3u         /* lines around a difference */

static char *files[FILES_MAX];
static int file_count;

static void die(const char *what, const char *path)
{
    fprintf(stderr, "raft_scripts: %s %s\n", what, path);
    exit(2);
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(SCRIPT_BYTES_MAX + 1);
    if (!f || !text) die("cannot read", path);
    size_t len = fread(text, 1, SCRIPT_BYTES_MAX, f);
    if (ferror(f) || !feof(f) || memchr(text, 0, len)) die("no script:", path);
    text[len] = 0;
    fclose(f);
    return text;
}

/* --- difference --- */

struct lines {
    const char **at;
    size_t *len;
    uint32_t count;
};

static struct lines lines_of(const char *text)
{
    struct lines l = { 0 };
    size_t room = 1;
    for (const char *p = text; *p; p++) room += *p == '\n';
    l.at = malloc(room * sizeof *l.at);
    l.len = malloc(room * sizeof *l.len);
    if (!l.at || !l.len) die("no memory for", "lines");
    while (*text) {
        l.at[l.count] = text;
        l.len[l.count] = strcspn(text, "\n");
        text += l.len[l.count] + (text[l.len[l.count]] == '\n');
        l.count++;
    }
    return l;
}

static void lines_free(struct lines *l)
{
    free(l->at);
    free(l->len);
}

static bool is_trace(const struct lines *l, uint32_t i)
{
    return i < l->count && l->len[i] > 0 && l->at[i][0] == ' ';
}

static bool equal(const struct lines *a, uint32_t i, const struct lines *b, uint32_t j)
{
    return a->len[i] == b->len[j] && memcmp(a->at[i], b->at[j], a->len[i]) == 0;
}

static void print_range(const char *sign, const struct lines *l, uint32_t from, uint32_t to)
{
    for (; from < to; from++) printf("%s%.*s\n", sign, (int)l->len[from], l->at[from]);
}

/* Two traces of one command: what differs, and a few lines around it. */
static void print_difference(const struct lines *a, uint32_t i, uint32_t iend, const struct lines *b,
                             uint32_t j, uint32_t jend)
{
    uint32_t begin = i, tail = 0;
    for (; i < iend && j < jend && equal(a, i, b, j); i++) j++;
    while (tail < iend - i && tail < jend - j && equal(a, iend - 1 - tail, b, jend - 1 - tail)) tail++;
    if (i - begin > CONTEXT) printf("      ...\n");
    print_range("  ", a, i - begin > CONTEXT ? i - CONTEXT : begin, i);
    print_range("- ", a, i, iend - tail);
    print_range("+ ", b, j, jend - tail);
    print_range("  ", a, iend - tail, tail > CONTEXT ? iend - tail + CONTEXT : iend);
    if (tail > CONTEXT) printf("      ...\n");
}

/* Both texts differ in their traces only. Returns how many commands differ. */
static uint32_t compare(const char *path, const char *expected, const char *given)
{
    struct lines a = lines_of(expected), b = lines_of(given);
    uint32_t i = 0, j = 0, count = 0;
    while (i < a.count && j < b.count) {
        uint32_t head = i++, iend = i, jend = ++j;
        bool same = true;
        while (is_trace(&a, iend)) iend++;
        while (is_trace(&b, jend)) jend++;
        for (uint32_t k = 0; k < iend - i && k < jend - j; k++)
            same = same && equal(&a, i + k, &b, j + k);
        if (!same || iend - i != jend - j) {
            if (count++ < DIFFERENCES_MAX) {
                printf("%s:%u: -: the trace in the script, +: the trace it gives\n", path, head + 1);
                print_range("  ", &a, head, head + 1);
                print_difference(&a, i, iend, &b, j, jend);
            }
        }
        i = iend, j = jend;
    }
    if (count > DIFFERENCES_MAX) printf("%s: and %u commands more\n", path, count - DIFFERENCES_MAX);
    lines_free(&a);
    lines_free(&b);
    return count;
}

/* --- one script --- */

static void write_file(const char *path, const struct script_result *r)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(r->text, 1, r->len, f) != r->len || fclose(f) != 0) die("cannot write", path);
}

/* What came before a command that could not be carried out. */
static void print_end(const char *text)
{
    struct lines l = lines_of(text);
    print_range("  ", &l, l.count > LINES_BEFORE ? l.count - LINES_BEFORE : 0, l.count);
    lines_free(&l);
}

static int run_here(const char *path, bool rewrite, uint32_t *line)
{
    struct script_result r;
    char *text = read_file(path);
    int status = 0;
    script_run(text, line, &r);
    if (r.error[0] || r.command_count == 0) {
        print_end(r.text);
        printf("%s:%u: %s\n", path, *line, r.error[0] ? r.error : "a story without commands");
        status = 1;
    } else if (rewrite) {
        if (strcmp(text, r.text) != 0) write_file(path, &r);
    } else if (strcmp(text, r.text) != 0) {
        compare(path, text, r.text);
        status = 1;
    }
    free(r.text);
    free(text);
    return status;
}

static bool run(const char *path, bool rewrite, uint32_t *line)
{
    int status;
    *line = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) die("cannot fork for", path);
    if (pid == 0) exit(run_here(path, rewrite, line));
    if (waitpid(pid, &status, 0) != pid) die("cannot wait for", path);
    if (WIFEXITED(status) && WEXITSTATUS(status) <= 1) {
        if (WEXITSTATUS(status) == 1) printf("%s: FAILED (line %u)\n", path, *line);
        return WEXITSTATUS(status) == 0;
    }
    printf("%s:%u: FAILED: the process ended here, status %x\n", path, *line, (unsigned)status);
    return false;
}

/* --- which --- */

static void add_file(const char *path)
{
    if (file_count == FILES_MAX) die("too many files at", path);
    files[file_count++] = strdup(path);
}

static void add_directory(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) die("cannot list", path);
    for (struct dirent *e; (e = readdir(dir));) {
        char full[PATH_BYTES];
        size_t len = strlen(e->d_name);
        if (len < 5 || strcmp(e->d_name + len - 4, ".txt") != 0) continue;
        snprintf(full, sizeof full, "%s/%s", path, e->d_name);
        add_file(full);
    }
    closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) die("cannot find", path);
    if (S_ISDIR(st.st_mode))
        add_directory(path);
    else
        add_file(path);
}

int main(int argc, char **argv)
{
    bool rewrite = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    int failed = 0;
    for (int i = 1 + rewrite; i < argc; i++) add(argv[i]);
    qsort(files, (size_t)file_count, sizeof files[0], by_name);
    uint32_t *line =
        mmap(NULL, sizeof *line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (line == MAP_FAILED) die("no memory for", "a line number");
    for (int i = 0; i < file_count; i++) {
        failed += !run(files[i], rewrite, line);
        free(files[i]);
    }
    printf("%d scripts, %d failed\n", file_count, failed);
    return failed || file_count == 0;
}
