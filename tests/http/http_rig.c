#include "tests/http/http_rig.h"

#include <stdlib.h>

#include "tests/support/test.h"

#define RANDOM_CUTS 12

void rig_init(struct http_rig *rig, size_t body_bytes_max)
{
    struct http_conn_opts opts = { .body_bytes_max = body_bytes_max };
    *rig = (struct http_rig){ 0 };
    test_alloc_init(&rig->alloc);
    buf_init(&rig->log, &rig->alloc.face, 64u << 20);
    buf_init(&rig->sent, &rig->alloc.face, 64u << 20);
    buf_init(&rig->out_copy, &rig->alloc.face, 64u << 20);
    CHECK_EQ(http_conn_create(&rig->c, &opts, &rig->alloc.face), 0);
}

void rig_fini(struct http_rig *rig)
{
    http_conn_destroy(rig->c);
    buf_fini(&rig->log);
    buf_fini(&rig->sent);
    buf_fini(&rig->out_copy);
    CHECK_EQ(rig->alloc.alive, 0);
}

static void put(struct buf *b, struct bytes text)
{
    buf_append(b, text.data, text.len);
}

static void put_text(struct buf *b, const char *text)
{
    put(b, bytes_of_str(text));
}

/* A header that is there without a value is told from one that is not. */
static void put_header(struct buf *b, const char *name, struct bytes value)
{
    if (!value.data) return;
    put_text(b, name);
    put(b, value);
}

static void put_request(struct buf *b, const struct http_request *r)
{
    static const char *const names[] = { "?", "GET", "HEAD", "PUT", "POST", "DELETE", "OTHER" };
    put_text(b, names[r->method]);
    put_text(b, " ");
    put(b, r->path);
    if (r->has_query) put_text(b, "?");
    put(b, r->query);
    put_text(b, " [");
    put(b, r->body);
    put_text(b, r->keep_alive ? "] keep" : "] close");
    if (r->upgrade.len) put_text(b, " up=");
    put(b, r->upgrade);
    put_header(b, " accept=", r->accept);
    put_header(b, " match=", r->if_match);
    put_header(b, " none=", r->if_none_match);
    put_header(b, " last=", r->last_event_id);
    put_text(b, ";");
}

static void take_output(struct http_rig *rig)
{
    put(&rig->sent, buf_bytes(http_conn_output(rig->c)));
    http_conn_sent(rig->c);
}

/* The body comes back, so that the output shows whose answer it is. */
static void answer(struct http_rig *rig)
{
    const struct http_request *r = http_conn_request(rig->c);
    size_t len = rig->out_copy.len;
    put_request(&rig->out_copy, r); /* still the same, whatever has arrived since */
    CHECK_EQ(rig->out_copy.len, 2 * len);
    CHECK(memcmp(rig->out_copy.data, rig->out_copy.data + len, len) == 0);
    struct http_answer a = { .status = 200, .body = r->body.len ? r->body : r->path };
    http_conn_answer(rig->c, &a);
    take_output(rig);
}

/* Of the last status line behind from. */
static int status_of(struct bytes sent, size_t from)
{
    size_t found = from;
    for (size_t at = from; at + 12 <= sent.len; at++) {
        bool begins = at == from || sent.data[at - 1] == '\n';
        if (begins && memcmp(sent.data + at, "HTTP/1.1 ", 9) == 0) found = at;
    }
    return atoi((const char *)sent.data + found + 9);
}

static void pump(struct http_rig *rig)
{
    for (;;) {
        size_t from = rig->sent.len;
        int event = http_conn_next(rig->c);
        take_output(rig);
        if (event < 0) rig->error = event;
        if (event <= HTTP_NEED_MORE) return;
        if (event == HTTP_REQUEST) {
            put_request(&rig->log, http_conn_request(rig->c));
            buf_clear(&rig->out_copy);
            put_request(&rig->out_copy, http_conn_request(rig->c));
            CHECK_EQ(http_conn_next(rig->c), HTTP_NEED_MORE); /* told once */
            if (rig->late) return;
            answer(rig);
        } else if (event == HTTP_REFUSED) {
            char text[32];
            snprintf(text, sizeof text, "!%d;", status_of(buf_bytes(&rig->sent), from));
            put_text(&rig->log, text);
        } else {
            CHECK_EQ(event, HTTP_CLOSED);
            put_text(&rig->log, "#;");
            CHECK_EQ(http_conn_next(rig->c), HTTP_CLOSED);
            return;
        }
    }
}

void rig_feed(struct http_rig *rig, struct bytes piece)
{
    while (http_conn_request(rig->c) && !http_conn_wants_input(rig->c)) {
        answer(rig);
        pump(rig);
    }
    bool closed = rig->log.len && rig->log.data[rig->log.len - 2] == '#';
    int rv = http_conn_input(rig->c, piece);
    if (rv < 0) rig->error = rv;
    if (rv == 0 && !closed) pump(rig);
}

void rig_end(struct http_rig *rig)
{
    while (http_conn_request(rig->c)) {
        answer(rig);
        pump(rig);
    }
}

static const char *text_of(struct buf *b)
{
    CHECK(buf_reserve(b, 1));
    b->data[b->len] = 0;
    return (const char *)b->data;
}

const char *rig_log(struct http_rig *rig)
{
    return text_of(&rig->log);
}

const char *rig_sent(struct http_rig *rig)
{
    return text_of(&rig->sent);
}

static void feed_cut(struct http_rig *rig, struct bytes text, size_t piece_max, struct ms_rand *rand)
{
    for (size_t at = 0; at < text.len;) {
        size_t left = text.len - at, n = 1;
        if (piece_max > 1) n = (size_t)ms_rand_between(rand, 1, piece_max);
        if (n > left) n = left;
        uint8_t *copy = malloc(n); /* of its own, so that reading past its end is seen */
        memcpy(copy, text.data + at, n);
        rig_feed(rig, bytes_of(copy, n));
        free(copy);
        at += n;
    }
    rig_end(rig);
}

static void check_same(const char *name, struct http_rig *whole, struct http_rig *cut)
{
    const char *a = rig_log(whole), *b = rig_log(cut);
    if (strcmp(a, b) != 0) fprintf(stderr, "%s: whole: %.400s\ncut: %.400s\n", name, a, b);
    CHECK(strcmp(a, b) == 0);
    bool same = bytes_equal(buf_bytes(&whole->sent), buf_bytes(&cut->sent));
    if (!same)
        fprintf(stderr, "%s: whole: %.900s\ncut: %.900s\n", name, rig_sent(whole), rig_sent(cut));
    CHECK(same);
}

void rig_check(const char *name, struct bytes text, size_t body_bytes_max, const char *expected)
{
    struct http_rig whole, cut;
    struct ms_rand rand;
    ms_rand_init(&rand, text.len, 1);
    rig_init(&whole, body_bytes_max);
    rig_feed(&whole, text);
    rig_end(&whole);
    bool same = strcmp(rig_log(&whole), expected) == 0;
    if (!same) fprintf(stderr, "%s: %.400s\nexpected: %.400s\n", name, rig_log(&whole), expected);
    CHECK(same);
    for (int i = 0; i < RANDOM_CUTS; i++) {
        rig_init(&cut, body_bytes_max);
        cut.late = i % 2;
        feed_cut(&cut, text, i < 2 ? 1 : (size_t)i * i * i, &rand);
        CHECK_EQ(cut.error, 0);
        check_same(name, &whole, &cut);
        rig_fini(&cut);
    }
    rig_fini(&whole);
}
