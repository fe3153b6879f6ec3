/* client.h: asking a cluster over HTTP (docs/API.md), for programs that are no member of it. Blocking calls, one
 * connection a request, no threads and no global state: one struct ms_http is for one thread at a time.
 *
 * Which member answers does not matter, so a request goes to one after the other, in rounds with a pause between
 * them, until the time is over. What is repeated is what cannot have been carried out (nobody listened, the
 * request was not sent to its end, 503), and what does no harm twice (reads). A write of which nobody knows
 * whether it was carried out (504, or the connection broke behind it) is never repeated: MS_EUNKNOWN. */
#ifndef METASTORE_CLIENT_H
#define METASTORE_CLIENT_H

#include "metastore/metastore.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ms_http; /* a list of endpoints, and which of them answered last; opaque */

/* Fill with ms_http_options_init(). Borrowed until ms_http_open() returns. */
struct ms_http_options {
    size_t struct_bytes;
    const char *endpoints;   /* http://host:port[,...], http:// may be left out (http://127.0.0.1:9121) */
    uint32_t timeout_ms;     /* for a request with all its repetitions (10000) */
    uint32_t connect_ms;     /* for one connection, at most (2000) */
    uint32_t idle_ms;        /* between two pieces of an answer that is streamed (60000) */
    uint32_t rounds;         /* how often each endpoint is asked at most; 0: as long as there is time (0) */
    size_t body_bytes_max;   /* of an answer that is not streamed (67108864) */
};
MS_API void ms_http_options_init(struct ms_http_options *options);

/* 0 and *out owned (ms_http_close); MS_EINVAL, MS_ENOMEM with why. Connects to nobody. */
MS_API int ms_http_open(struct ms_http **out, const struct ms_http_options *options,
                        char why[MS_WHY_BYTES]);
MS_API void ms_http_close(struct ms_http *http); /* NULL is fine */
/* The index-th endpoint, http://host:port; NULL behind the last. Valid until ms_http_close(). */
MS_API const char *ms_http_endpoint(const struct ms_http *http, uint32_t index);

struct ms_http_header {
    const char *name, *value;
};

struct ms_http_answer {
    int status;           /* 0: no answer came */
    const char *endpoint; /* who gave it, or was asked last; valid until ms_http_close() */
    struct ms_bytes body; /* a NUL stands behind it */
    void *head;           /* ms_http_answer_header() */
};

/* Borrowed during the call. */
struct ms_http_request {
    const char *method, *path; /* path: with the query, percent-encoded */
    const struct ms_http_header *headers;
    uint32_t header_count;
    struct ms_bytes body; /* data NULL: none */
    bool repeatable;      /* twice does no harm; of GET and HEAD that is known */
    /* NULL: the body is collected. Else it is given the pieces of the body of an answer 200 as they come; once
     * it was called, nothing is repeated. Not 0: give up; ms_http_ask() returns that. */
    int (*on_body)(void *arg, const struct ms_http_answer *answer, struct ms_bytes piece);
    void *arg;
};

/* Ask, and wait for the answer.
 * answer  in any case to be freed with ms_http_answer_free(); set as far as something came.
 * Returns 0: this is the answer, whatever its status (503: everybody says so, and the time is over);
 * MS_EUNKNOWN: a write that may or may not be carried out; MS_EADDR (nobody answers there), MS_ETIMEOUT, MS_EPROTO
 * (no answer of a member), MS_ESHORT (on_body was called, then it broke off), MS_ETOOBIG (the body),
 * MS_EINVAL (the request), MS_ENOMEM, or what on_body returned; with why. */
MS_API int ms_http_ask(struct ms_http *http, const struct ms_http_request *request,
                       struct ms_http_answer *answer, char why[MS_WHY_BYTES]);

/* name in any case; NULL: there is none. Valid until the answer is freed. */
MS_API const char *ms_http_answer_header(const struct ms_http_answer *answer, const char *name);
/* Its number, also in quotes (ETag); 0: there is none. */
MS_API uint64_t ms_http_answer_number(const struct ms_http_answer *answer, const char *name);
MS_API void ms_http_answer_free(struct ms_http_answer *answer);

#ifdef __cplusplus
}
#endif

#endif
