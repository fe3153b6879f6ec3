/* plain_main.c: runs the tests that test.h registers under MS_PLAIN, one after the other in this
 * process, in order of their names. Arguments: parts of "suite/name"; none: all. CHECK ends the process
 * with 1 at the first failure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

static struct plain_test *tests;

static int compare(const struct plain_test *a, const struct plain_test *b)
{
    int rv = strcmp(a->suite, b->suite);
    return rv ? rv : strcmp(a->name, b->name);
}

void plain_test_add(struct plain_test *t)
{
    struct plain_test **at = &tests;
    while (*at && compare(*at, t) < 0) at = &(*at)->next;
    t->next = *at;
    *at = t;
}

static int wanted(const struct plain_test *t, int argc, char *const *argv)
{
    char name[256];
    snprintf(name, sizeof name, "%s/%s", t->suite, t->name);
    for (int i = 1; i < argc; i++) {
        if (strstr(name, argv[i])) return 1;
    }
    return argc == 1;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (const struct plain_test *t = tests; t; t = t->next) {
        if (!wanted(t, argc, argv)) continue;
        fprintf(stderr, "%s/%s\n", t->suite, t->name);
        t->body();
        count++;
    }
    fprintf(stderr, "%u passed\n", count);
    return count > 0 ? 0 : 1;
}
