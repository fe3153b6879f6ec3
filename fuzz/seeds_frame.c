/* seeds_frame.c: writes a small corpus for fuzz_frame into the directory argv[1]. */
#include "base/ms_assert.h"
#include "fuzz/support.h"
#include "member/frame.h"

#define BODY_BYTES_MAX 700u

static size_t put(uint8_t *out, uint8_t type, size_t body_len)
{
    uint8_t *body = out + FRAME_HEADER_BYTES;
    for (size_t i = 0; i < body_len; i++) body[i] = (uint8_t)(type + i);
    frame_header(out, type, bytes_of(body, body_len));
    return FRAME_HEADER_BYTES + body_len;
}

int main(int argc, char **argv)
{
    uint8_t wire[4 * (FRAME_HEADER_BYTES + BODY_BYTES_MAX)];
    MS_ASSERT(argc == 2);
    seed_save(argv[1], "empty", bytes_of(wire, put(wire, 1, 0)));
    seed_save(argv[1], "small", bytes_of(wire, put(wire, 2, 20)));
    size_t len = put(wire, 1, 30);
    len += put(wire + len, 3, 0);
    len += put(wire + len, 8, BODY_BYTES_MAX);
    seed_save(argv[1], "several", bytes_of(wire, len));
    seed_save(argv[1], "cut", bytes_of(wire, len - 5));
    wire[len - 1] ^= 4;
    seed_save(argv[1], "damaged", bytes_of(wire, len));
    bytes_store_u32(wire, NET_FRAME_BYTES_MAX + 1);
    seed_save(argv[1], "too_long", bytes_of(wire, len));
    return 0;
}
