/* http_head.h: the head of a message: its lines, and what they mean for framing.
 *
 *   E1  lines end with CRLF, hold no other CR or LF, and do not begin with a space (no folding)
 *   E2  a line is judged when it is complete, lines are judged in their order, and of two faults the
 *       one in the earlier line is told: so the outcome does not depend on how the bytes were cut
 *   E3  the length of the body is said once: by one Content-Length of digits, or by exactly "chunked"
 *
 * http-parser reads the lines too (http_parse.h); what it lets pass is refused here (TOOLBOX 3). */
#ifndef HTTP_HTTP_HEAD_H
#define HTTP_HTTP_HEAD_H

#include "http/http.h"
#include "http/http_parse.h"

/* How far a piece of a message has come. */
enum http_progress { HTTP_PROGRESS_MORE, HTTP_PROGRESS_DONE, HTTP_PROGRESS_REFUSED };

/* Why a request is refused: the answer's status and its line, a literal. */
struct http_refusal {
    int status;
    const char *line;
};

/* Lines of a head, found as they become complete. */
struct http_lines {
    size_t at;        /* behind the last complete line */
    size_t scan_at;   /* up to here there is no further LF */
    size_t first_end; /* behind the first line; 0: not complete */
};
/* Find the complete lines in head, up to the empty one. DONE: the empty line was found. All lines
 * before lines->at are good. bytes_max bounds the head. */
enum http_progress http_lines_next(struct http_lines *lines, struct bytes head, size_t bytes_max,
                                   struct http_refusal *bad);

/* The headers of a good head, one after the other: *at is 0 for the first. False: no more. */
bool http_head_header(struct bytes head, size_t *at, struct bytes *name, struct bytes *value);

/* Headers that routes ask for. */
enum http_asked {
    HTTP_ASKED_ACCEPT,
    HTTP_ASKED_IF_MATCH,
    HTTP_ASKED_IF_NONE_MATCH,
    HTTP_ASKED_LAST_EVENT_ID,
    HTTP_ASKED_COUNT
};
const char *http_asked_name(enum http_asked which);

struct http_head {
    struct http_lines lines;
    struct http_parse parse;
    enum http_method method;
    struct http_span target, upgrade;         /* upgrade: the value, len 0 if there is none */
    struct http_span asked[HTTP_ASKED_COUNT]; /* the first one's value; at 0: not there */
    uint32_t repeated;                        /* bit i: asked[i] is a list that has more lines */
    uint64_t length;                          /* of Content-Length */
    uint32_t header_count;
    bool has_length, is_chunked, has_host, expects_continue;
    bool is_part; /* it has Content-Range */
    bool is_1_0, keep_alive;
    struct http_refusal bad;
};

/* Ready for a new request. */
void http_head_init(struct http_head *h);
/* Go on with the request whose bytes so far are in; DONE: the head ends at h->lines.at. */
enum http_progress http_head_next(struct http_head *h, struct bytes in);

#endif
