/* support.h: what the harnesses (fuzz_*.c) and the writers of their first corpora (seeds_*.c) share. */
#ifndef FUZZ_SUPPORT_H
#define FUZZ_SUPPORT_H

#include "base/bytes.h"
#include "env/alloc.h"

/* A harness defines the first, and the second if its input has checksums to repair. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* The fuzzer's own mutation, for a custom mutator to begin with; absent where the corpus is only replayed. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));

/* The heap of the process, which refuses nothing. */
extern const struct ms_alloc fuzz_heap;

/* Write an input into dir, or end with an assertion. */
void seed_save(const char *dir, const char *name, struct bytes input);

/* Likewise; the input is head and body behind each other. */
void seed_save_parts(const char *dir, const char *name, struct bytes head, struct bytes body);

#endif
