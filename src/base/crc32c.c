#include "base/crc32c.h"

#include <string.h>

#include "base/crc32c_table.h"

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    crc = ~crc;
    while (len--) crc = crc >> 8 ^ crc32c_table[(crc ^ *p++) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p,
                                                                 size_t len)
{
    uint64_t c = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    uint32_t c32 = (uint32_t)c;
    for (; len; p++, len--) c32 = __builtin_ia32_crc32qi(c32, *p);
    return ~c32;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    if (__builtin_cpu_supports("sse4.2")) return by_instruction(crc, data, len);
    return crc32c_by_table(crc, data, len);
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = __crc32cd(crc, word);
    }
    for (; len; p++, len--) crc = __crc32cb(crc, *p);
    return ~crc;
}
#else
uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    return crc32c_by_table(crc, data, len);
}
#endif
