/* frame.c: the codec of frame.h. The checksum covers the length and the type too, so that no damaged
 * header is believed (BUGS B58). */
#include "member/frame.h"

#include "base/crc32c.h"
#include "base/ms_assert.h"
#include "base/ms_err.h"

static uint32_t frame_crc(const uint8_t len[4], uint8_t type, struct bytes body)
{
    uint32_t crc = crc32c(0, len, 4);
    crc = crc32c(crc, &type, 1);
    return body.len ? crc32c(crc, body.data, body.len) : crc;
}

void frame_header(uint8_t header[FRAME_HEADER_BYTES], uint8_t type, struct bytes body)
{
    MS_ASSERT(body.len <= NET_FRAME_BYTES_MAX);
    bytes_store_u32(header, (uint32_t)body.len);
    bytes_store_u32(header + 4, frame_crc(header, type, body));
    header[8] = type;
}

int frame_decode(struct bytes_reader *in, struct frame *out)
{
    struct bytes_reader at = *in;
    struct frame frame = { 0 };
    const uint8_t *header = in->data + in->at;
    uint32_t body_len, crc;
    if (!bytes_read_u32(&at, &body_len)) return MS_ESHORT;
    if (body_len > NET_FRAME_BYTES_MAX) return MS_ECORRUPT; /* said before any byte of it is awaited */
    if (!bytes_read_u32(&at, &crc) || !bytes_read_u8(&at, &frame.type)) return MS_ESHORT;
    if (!bytes_read_span(&at, body_len, &frame.body)) return MS_ESHORT;
    if (frame_crc(header, frame.type, frame.body) != crc) return MS_ECORRUPT;
    *out = frame;
    *in = at;
    return 0;
}
