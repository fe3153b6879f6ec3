/* replay_main.c: runs a harness over files and directories, so that a corpus is a test with any
 * compiler.
 *
 *   replay_<name> [--mutations N] [--seed S] PATH...
 *
 * Each input is also run N times in a mutated form, with the harness's own mutator every second time if
 * it has one. What a run does depends on its arguments alone. A run without a single input fails: a
 * corpus that has gone missing must not look like a test that passes. */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/mutate.h"

#define INPUT_BYTES_MAX (64u << 20)
#define GROWTH_BYTES 4096u /* room a mutation has beyond its input */
#define PATH_BYTES 4096

static unsigned mutations;
static uint64_t seed = 1;
static unsigned long inputs, runs;
static const char *running; /* the file, for the reader of a crash */

static void run_mutated(const uint8_t *data, size_t len, unsigned round)
{
    size_t cap = len + GROWTH_BYTES, size = len;
    uint8_t *work = malloc(cap);
    if (!work) abort();
    memcpy(work, data, len);
    /* Several mutations on top of each other in the later rounds. */
    for (unsigned depth = 0; depth <= round % 4; depth++) {
        if (LLVMFuzzerCustomMutator && round % 2 == 0) {
            size = LLVMFuzzerCustomMutator(work, size, cap, (unsigned)(seed + round));
        } else {
            size = LLVMFuzzerMutate(work, size, cap);
        }
    }
    /* A block of exactly that size: AddressSanitizer sees the first byte read behind it. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) abort();
    memcpy(exact, work, size);
    free(work);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    runs++;
}

static void run_input(const uint8_t *data, size_t len)
{
    inputs++;
    runs++;
    LLVMFuzzerTestOneInput(data, len);
    mutate_seed(seed + inputs);
    for (unsigned round = 0; round < mutations; round++) run_mutated(data, len, round);
}

static int run_file(const char *path, size_t len)
{
    if (len > INPUT_BYTES_MAX) {
        fprintf(stderr, "%s: %zu bytes are too large for an input\n", path, len);
        return 1;
    }
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(len ? len : 1);
    if (!f || !data || fread(data, 1, len, f) != len) {
        perror(path);
        free(data);
        if (f) fclose(f);
        return 1;
    }
    fclose(f);
    running = path;
    run_input(data, len);
    free(data);
    return 0;
}

static int run_path(const char *path);

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_directory(const char *path)
{
    struct dirent **entries;
    int rv = 0, count = scandir(path, &entries, NULL, by_name);
    if (count < 0) {
        perror(path);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char below[PATH_BYTES];
        int len = snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') rv |= len < PATH_BYTES ? run_path(below) : 1;
        free(entries[i]);
    }
    free(entries);
    return rv;
}

static int run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        return 1;
    }
    return S_ISDIR(st.st_mode) ? run_directory(path) : run_file(path, (size_t)st.st_size);
}

/* Where a crash was: this runs on abort(), after the assertion has printed. */
static void say_where(int number)
{
    (void)number;
    fprintf(stderr, "while replaying %s, run %lu (--mutations %u --seed %llu)\n",
            running ? running : "nothing", runs, mutations, (unsigned long long)seed);
}

int main(int argc, char **argv)
{
    int rv = 0, paths = 0;
    signal(SIGABRT, say_where); /* abort() ends the process all the same when this has returned */
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--mutations") == 0 && more) {
            mutations = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            seed = strtoull(argv[++i], NULL, 10);
        } else {
            paths++;
            rv |= run_path(argv[i]);
        }
    }
    if (paths == 0)
        fprintf(stderr, "usage: %s [--mutations N] [--seed S] FILE|DIRECTORY...\n", argv[0]);
    if (inputs == 0) {
        fprintf(stderr, "no inputs\n");
        return 1;
    }
    printf("fuzz: %lu inputs, %lu runs\n", inputs, runs);
    return rv;
}
