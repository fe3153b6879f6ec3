/* mutate.h: blind mutation of bytes: what libFuzzer gives to a harness's own mutator, for those who run
 * the harnesses without libFuzzer (replay_main.c, afl_mutator.c). */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* The generator behind LLVMFuzzerMutate; equal seeds give equal mutations. */
void mutate_seed(uint64_t seed);

/* Change data a little, within max_size. Returns its new length, at least 1 if max_size is. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* The harness's own, where it has one. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
    __attribute__((weak));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
