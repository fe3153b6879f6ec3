/* rt_http.c: metastore/client.h: which endpoint is asked, and what may be asked again.
 *
 *   RH1  what may have been carried out, and is not known to do no harm twice, is sent once
 *   RH2  on_body sees the pieces of one answer only
 *   RH3  each wait has an end: no request lasts longer than timeout_ms, but for a body that is streamed */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ms_err.h"
#include "http/http_text.h"
#include "rt/rt_clock.h"
#include "rt/rt_http.h"

#define PAUSE_MS_MIN 50u /* between two rounds; twice as long each time */
#define PAUSE_MS_MAX 1000u
#define ENDPOINTS_MAX 64u

struct ms_http {
    struct ms_http_options options;
    struct rt_http_endpoint *endpoints;
    uint32_t count, next; /* next: the one that is asked first */
};

void ms_http_options_init(struct ms_http_options *options)
{
    *options = (struct ms_http_options){ .struct_bytes = sizeof *options,
                                         .endpoints = "http://127.0.0.1:9121",
                                         .timeout_ms = 10000,
                                         .connect_ms = 2000,
                                         .idle_ms = 60000,
                                         .body_bytes_max = 64u << 20 };
}

static int parse_endpoints(struct ms_http *h, const char *text, char *why)
{
    for (const char *at = text;;) {
        size_t len = strcspn(at, ",");
        if (h->count == ENDPOINTS_MAX) {
            snprintf(why, MS_WHY_BYTES, "more than %u endpoints", ENDPOINTS_MAX);
            return MS_EINVAL;
        }
        int rv = rt_http_endpoint_parse(&h->endpoints[h->count], at, len, why);
        if (rv < 0) return rv;
        h->count++;
        if (!at[len]) return 0;
        at += len + 1;
    }
}

int ms_http_open(struct ms_http **out, const struct ms_http_options *options, char why[MS_WHY_BYTES])
{
    struct ms_http *h = calloc(1, sizeof *h);
    int rv = MS_ENOMEM;
    snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(MS_ENOMEM));
    if (h) h->endpoints = calloc(ENDPOINTS_MAX, sizeof *h->endpoints);
    if (h && h->endpoints) {
        h->options = *options;
        h->options.endpoints = NULL;
        rv = parse_endpoints(h, options->endpoints, why);
    }
    if (rv < 0) {
        ms_http_close(h);
        return rv;
    }
    *out = h;
    return 0;
}

void ms_http_close(struct ms_http *http)
{
    if (http) free(http->endpoints);
    free(http);
}

const char *ms_http_endpoint(const struct ms_http *http, uint32_t index)
{
    return index < http->count ? http->endpoints[index].url : NULL;
}

/* ---- asking ---- */

static bool is_repeatable(const struct ms_http_request *r)
{
    return r->repeatable || strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
}

/* Whether another try may do better than this end, and may be made (RH1, RH2). */
static bool may_ask_again(const struct rt_http_exchange *x, int rv)
{
    bool harmless = is_repeatable(x->request);
    if (rv == 0) return x->status == 503 || (x->status == 504 && harmless);
    if (rv == MS_ENOMEM || rv == MS_EINVAL || rv == MS_ETOOBIG || x->streamed) return false;
    return !x->sent || harmless;
}

/* The end of a try that was the last one. */
static int verdict(const struct rt_http_exchange *x, int rv)
{
    const char *line = (const char *)x->body.data;
    if (x->streamed || is_repeatable(x->request) || !x->sent) return rv;
    if (rv == 0 && x->status != 504) return 0;
    if (rv == 0) {
        size_t len = 0;
        while (len < x->body.len && len < MS_WHY_BYTES && line[len] != '\n') len++;
        snprintf(x->why, MS_WHY_BYTES, "%s: %.*s", x->endpoint->url, (int)len, len ? line : "");
    }
    return MS_EUNKNOWN;
}

/* Each endpoint of a round gets a share of the time, so that one that hangs does not use up all of it. What
 * must not be asked again has all the time there is, once it was sent. */
static void set_limits(const struct ms_http *h, struct rt_http_exchange *x, uint64_t end_ms,
                       uint32_t tried)
{
    uint64_t now = rt_clock_ms(), left = now < end_ms ? end_ms - now : 0;
    uint64_t share = left / (h->count - tried);
    x->connect_by_ms = now + (share < h->options.connect_ms ? share : h->options.connect_ms);
    x->answer_by_ms = is_repeatable(x->request) ? now + share : end_ms;
}

/* One round. True: *rv is the end of it. */
static bool ask_each(struct ms_http *h, struct rt_http_exchange *x, uint64_t end_ms, int *rv)
{
    for (uint32_t tried = 0; tried < h->count; tried++) {
        x->endpoint = &h->endpoints[h->next];
        set_limits(h, x, end_ms, tried);
        *rv = rt_http_exchange_run(x);
        bool again = may_ask_again(x, *rv);
        if (again || *rv < 0) h->next = (h->next + 1) % h->count; /* of a stream that broke, too */
        if (!again) return true;
        if (rt_clock_ms() >= end_ms) return true;
    }
    return false;
}

static void pause_ms(uint64_t ms)
{
    struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

static int ask_around(struct ms_http *h, struct rt_http_exchange *x)
{
    uint64_t end_ms = rt_clock_ms() + h->options.timeout_ms, pause = PAUSE_MS_MIN;
    int rv = 0;
    for (uint32_t round = 1; !ask_each(h, x, end_ms, &rv); round++) {
        if (round == h->options.rounds || rt_clock_ms() + pause >= end_ms) break;
        pause_ms(pause);
        pause = 2 * pause < PAUSE_MS_MAX ? 2 * pause : PAUSE_MS_MAX;
    }
    return verdict(x, rv);
}

/* The buffers become the answer's. */
static int hand_out(struct rt_http_exchange *x, struct ms_http_answer *answer)
{
    struct buf *head = malloc(sizeof *head);
    answer->status = x->status;
    answer->endpoint = x->endpoint ? x->endpoint->url : NULL;
    buf_append_u8(&x->body, 0);
    if (!head || x->body.failed) {
        free(head);
        return MS_ENOMEM;
    }
    *head = x->head;
    answer->head = head;
    answer->body = (struct ms_bytes){ .data = x->body.data, .len = x->body.len - 1 };
    x->head.data = x->body.data = NULL;
    return 0;
}

int ms_http_ask(struct ms_http *http, const struct ms_http_request *request,
                struct ms_http_answer *answer, char why[MS_WHY_BYTES])
{
    struct rt_http_exchange x;
    *answer = (struct ms_http_answer){ 0 };
    snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(MS_ENOMEM));
    int rv = rt_http_exchange_init(&x, http->options.body_bytes_max);
    x.request = request;
    x.why = why;
    x.idle_ms = http->options.idle_ms;
    if (rv == 0) {
        rv = ask_around(http, &x);
        int handed = hand_out(&x, answer);
        bool done = rv == 0 && handed < 0; /* or not, and nobody can read which */
        if (done) rv = is_repeatable(request) ? handed : MS_EUNKNOWN;
    }
    rt_http_exchange_fini(&x);
    return rv;
}

/* ---- the answer ---- */

const char *ms_http_answer_header(const struct ms_http_answer *answer, const char *name)
{
    const struct buf *head = answer->head;
    const char *at = head ? (const char *)head->data : NULL, *end = at ? at + head->len : NULL;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (http_text_equal(bytes_of_str(at), name)) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

uint64_t ms_http_answer_number(const struct ms_http_answer *answer, const char *name)
{
    const char *text = ms_http_answer_header(answer, name);
    uint64_t number;
    if (!text) return 0;
    struct bytes digits = bytes_of_str(text);
    if (digits.len >= 2 && text[0] == '"' && text[digits.len - 1] == '"')
        digits = bytes_of(text + 1, digits.len - 2);
    return http_text_u64(digits, &number) ? number : 0;
}

void ms_http_answer_free(struct ms_http_answer *answer)
{
    struct buf *head = answer->head;
    if (head) free(head->data);
    free(head);
    free((void *)answer->body.data);
    *answer = (struct ms_http_answer){ 0 };
}
