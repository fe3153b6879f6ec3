/* crc32c.h: CRC-32C (Castagnoli), by instruction where the processor has one. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Extend crc (0 to begin) over len bytes. crc32c(crc32c(0, a), b) is the CRC of a followed by b. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The same by table, for processors without the instruction; exposed so that tests can compare. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t len);

#endif
