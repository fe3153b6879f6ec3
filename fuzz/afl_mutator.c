/* afl_mutator.c: a harness's LLVMFuzzerCustomMutator as a library for afl-fuzz
 * (AFL_CUSTOM_MUTATOR_LIBRARY), which by itself does not call it. Names and types: AFL++'s
 * docs/custom_mutators.md. Without a mutator of its own the harness gets blind ones. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/mutate.h"

void *afl_custom_init(void *afl, unsigned seed);
size_t afl_custom_fuzz(void *mutator, uint8_t *data, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t max_size);
void afl_custom_deinit(void *mutator);

struct mutator {
    uint8_t *buf;
    size_t cap;
    unsigned seed;
};

__attribute__((visibility("default"))) void *afl_custom_init(void *afl, unsigned seed)
{
    struct mutator *m = calloc(1, sizeof *m);
    (void)afl;
    mutate_seed(seed);
    if (m) m->seed = seed;
    return m;
}

__attribute__((visibility("default"))) size_t afl_custom_fuzz(void *mutator, uint8_t *data, size_t size,
                                                              uint8_t **out, uint8_t *other,
                                                              size_t other_size, size_t max_size)
{
    struct mutator *m = mutator;
    (void)other, (void)other_size;
    if (m->cap < max_size) {
        uint8_t *grown = realloc(m->buf, max_size);
        if (!grown) return 0;
        m->buf = grown;
        m->cap = max_size;
    }
    if (size > max_size) size = max_size;
    memcpy(m->buf, data, size);
    *out = m->buf;
    if (LLVMFuzzerCustomMutator) return LLVMFuzzerCustomMutator(m->buf, size, max_size, m->seed++);
    return LLVMFuzzerMutate(m->buf, size, max_size);
}

__attribute__((visibility("default"))) void afl_custom_deinit(void *mutator)
{
    struct mutator *m = mutator;
    free(m->buf);
    free(m);
}
