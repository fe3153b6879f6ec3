/* fuzz_frame.c: a stream of frames as a peer may send it. What is decoded is encoded again to the same
 * bytes; nothing moves on an error; a frame that is cut short is short, never damaged. */
#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "fuzz/support.h"
#include "member/frame.h"

static void check_frame(struct bytes whole, const struct frame *f)
{
    uint8_t header[FRAME_HEADER_BYTES];
    struct frame again;
    MS_ASSERT(whole.len == FRAME_HEADER_BYTES + f->body.len);
    MS_ASSERT(f->body.len <= NET_FRAME_BYTES_MAX);
    frame_header(header, f->type, f->body);
    MS_ASSERT(memcmp(header, whole.data, sizeof header) == 0);
    for (size_t cut = 0; cut < whole.len; cut += 1 + whole.len / 16) {
        struct bytes_reader in = bytes_reader_of(bytes_of(whole.data, cut));
        MS_ASSERT(frame_decode(&in, &again) == MS_ESHORT && in.at == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes_reader in = bytes_reader_of(bytes_of(data, len));
    for (;;) { /* ends: a frame takes at least its header */
        struct frame f = { .type = 77, .body = bytes_of(data, 0) };
        size_t at = in.at;
        int rv = frame_decode(&in, &f);
        if (rv < 0) {
            MS_ASSERT(rv == MS_ESHORT || rv == MS_ECORRUPT);
            MS_ASSERT(in.at == at && f.type == 77 && f.body.len == 0);
            return 0;
        }
        check_frame(bytes_of(data + at, in.at - at), &f);
    }
}

/* Make every frame of the stream good again, but for the last one in one case of four. */
static void repair(uint8_t *data, size_t size, unsigned seed)
{
    size_t at = 0;
    while (size - at >= FRAME_HEADER_BYTES) {
        size_t left = size - at - FRAME_HEADER_BYTES;
        size_t body_len = bytes_load_u32(data + at);
        bool last = body_len >= left;
        if (last && seed % 4 == 0) return;
        if (body_len > left) body_len = left;
        frame_header(data + at, data[at + 8], bytes_of(data + at + FRAME_HEADER_BYTES, body_len));
        at += FRAME_HEADER_BYTES + body_len;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    repair(data, size, seed);
    return size;
}
