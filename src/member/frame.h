/* frame.h: what flows between members behind the upgrade: frames with length and checksum.
 *
 * frame = body_len u32, crc u32 (CRC-32C over body_len, type, body), type u8, body. */
#ifndef MEMBER_FRAME_H
#define MEMBER_FRAME_H

#include "base/bytes.h"
#include "base/limits.h"
#include "format/buf.h"

#define FRAME_HEADER_BYTES 9u

struct frame {
    uint8_t type;
    struct bytes body; /* borrowed */
};

void frame_header(uint8_t header[FRAME_HEADER_BYTES], uint8_t type, struct bytes body);
/* MS_ESHORT: more bytes are needed; MS_ECORRUPT: wrong checksum or a length above NET_FRAME_BYTES_MAX.
 * On 0 *in moves past the frame. */
int frame_decode(struct bytes_reader *in, struct frame *out);

#endif
