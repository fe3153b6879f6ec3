#include "fuzz/mutate.h"

#include <stdbool.h>
#include <string.h>

#define STEPS_MAX 4u      /* changes made by one call */
#define RUN_BYTES_MAX 64u /* longest run that is inserted, erased or copied at once */

static uint64_t state = 1;

void mutate_seed(uint64_t seed)
{
    state = seed;
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t draw(uint64_t below)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

/* A length from 1 to most, which is at least 1, and never a long one. */
static size_t draw_run(size_t most)
{
    return 1 + (size_t)draw(most < RUN_BYTES_MAX ? most : RUN_BYTES_MAX);
}

/* Numbers at which lengths, counts and indexes tend to break. */
static void write_number(uint8_t *data, size_t size)
{
    static const uint64_t numbers[] = {
        0,      1,      2,          0x7f,       0x80,       0xff,           0x7fff,
        0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_MAX / 2, UINT64_MAX
    };
    static const size_t widths[] = { 1, 2, 4, 8 };
    uint64_t v = numbers[draw(sizeof numbers / sizeof *numbers)];
    size_t width = widths[draw(4)];
    if (width > size) width = size;
    size_t at = (size_t)draw(size - width + 1);
    for (size_t i = 0; i < width; i++, v >>= 8) data[at + i] = (uint8_t)v;
}

static size_t insert(uint8_t *data, size_t size, size_t max_size)
{
    if (size == max_size) return size;
    size_t at = (size_t)draw(size + 1), len = draw_run(max_size - size);
    memmove(data + at + len, data + at, size - at);
    uint8_t fill = (uint8_t)draw(256);
    bool noise = draw(2) == 0;
    for (size_t i = 0; i < len; i++) data[at + i] = noise ? (uint8_t)draw(256) : fill;
    return size + len;
}

static size_t erase(uint8_t *data, size_t size)
{
    if (size < 2) return size;
    size_t len = draw_run(size - 1), at = (size_t)draw(size - len + 1);
    memmove(data + at, data + at + len, size - at - len);
    return size - len;
}

static void copy_within(uint8_t *data, size_t size)
{
    size_t len = draw_run(size);
    memmove(data + draw(size - len + 1), data + draw(size - len + 1), len);
}

static size_t step(uint8_t *data, size_t size, size_t max_size)
{
    if (size == 0) return insert(data, size, max_size);
    switch (draw(7)) {
    case 0: data[draw(size)] ^= (uint8_t)(1u << draw(8)); break;
    case 1: data[draw(size)] = (uint8_t)draw(256); break;
    case 2: data[draw(size)] += (uint8_t)(draw(9) - 4); break;
    case 3: write_number(data, size); break;
    case 4: return insert(data, size, max_size);
    case 5: return erase(data, size);
    case 6: copy_within(data, size); break;
    }
    return size;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    if (max_size == 0) return 0;
    if (size > max_size) size = max_size;
    for (uint64_t steps = 1 + draw(STEPS_MAX); steps > 0; steps--) size = step(data, size, max_size);
    return size;
}
