/* The page of a run: it holds what happened, nothing in it ends it early, and its memory is bounded. How it
 * looks and behaves in a browser is tested by ci/html-test. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/buf.h"
#include "member/frame.h"
#include "node/node_msg.h"
#include "raft/raft_msg.h"
#include "sim/sim_html_private.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

struct page {
    struct sim_options opts;
    struct sim sim;
    char *text;
    const char *data; /* where it begins; data_end: behind it */
    const char *data_end;
};

static void page_init(struct page *p)
{
    *p = (struct page){ .opts = { .html = sim_html_create("/dev/null") } };
    p->sim = (struct sim){ .opts = &p->opts, .plan = { .seed = 77, .node_count = 3 } };
    p->sim.plan.storage = SIM_STORAGE_MEMORY;
}

static void page_fini(struct page *p)
{
    sim_html_destroy(p->opts.html);
    free(p->text);
}

static void page_print(struct page *p, const struct sim_html_end *end)
{
    static const char script[] = "<script type=\"application/json\" id=\"data\">";
    size_t len = 0;
    FILE *f = open_memstream(&p->text, &len);
    CHECK(f != NULL);
    sim_html_print(f, &p->sim, end);
    fclose(f);
    p->data = strstr(p->text, script);
    CHECK(p->data != NULL);
    p->data += sizeof script - 1;
    p->data_end = strstr(p->data, "</script>");
    CHECK(p->data_end != NULL);
}

static bool data_has(const struct page *p, const char *what)
{
    const char *at = strstr(p->data, what);
    return at && at < p->data_end;
}

/* --- is it JSON? --- */

static const char *skip_value(const char *at);

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\n') at++;
    return at;
}

static const char *skip_string(const char *at)
{
    cr_assert(*at == '"', "no string: %.40s", at);
    for (at++; *at != '"'; at++) {
        cr_assert(*at >= 0x20 && *at < 0x7f, "byte %d in a string", *at);
        if (*at != '\\') continue;
        at++;
        cr_assert(*at == 'u' && strspn(at + 1, "0123456789abcdef") >= 4, "escape: %.40s", at);
    }
    return at + 1;
}

static const char *skip_items(const char *at, char last, bool named)
{
    at = skip_space(at + 1);
    if (*at == last) return at + 1;
    for (;;) {
        if (named) {
            at = skip_string(skip_space(at));
            cr_assert(*at == ':', "no colon: %.40s", at);
            at++;
        }
        at = skip_value(at);
        if (*at == last) return at + 1;
        cr_assert(*at == ',', "no comma: %.40s", at);
        at++;
    }
}

/* Behind a value and the space around it. */
static const char *skip_value(const char *at)
{
    at = skip_space(at);
    if (*at == '{')
        at = skip_items(at, '}', true);
    else if (*at == '[')
        at = skip_items(at, ']', false);
    else if (*at == '"')
        at = skip_string(at);
    else {
        size_t len = strcspn(at, ",]}\n ");
        bool word = strncmp(at, "null", len) == 0 || strncmp(at, "true", len) == 0 ||
                    strncmp(at, "false", len) == 0;
        cr_assert(len > 0 && (word || strspn(at, "-0123456789") == len), "no value: %.40s", at);
        at += len;
    }
    return skip_space(at);
}

static void check_json(const struct page *p)
{
    CHECK(skip_value(p->data) == p->data_end);
    CHECK(memchr(p->data, '<', (size_t)(p->data_end - p->data)) == NULL);
}

TEST(html, the_failure_is_on_the_page)
{
    const struct sim_html_end end = { "safety", "K7", "m2 commits entry 5 of term 1", true };
    struct page p;
    page_init(&p);
    p.sim.events.now_us = 123456;
    page_print(&p, &end);
    check_json(&p);
    CHECK(data_has(&p, "\"fail\":{\"kind\":\"safety\",\"checker\":\"K7\","
                       "\"text\":\"m2 commits entry 5 of term 1\"}"));
    CHECK(data_has(&p, "\"end_us\":123456,"));
    CHECK(data_has(&p, "\"again\":\"build/sim --seed=77 --twice\""));
    page_fini(&p);
}

TEST(html, what_a_text_holds_does_not_end_the_data)
{
    const struct sim_html_end end = { "safety", "K11", "a </script><!-- \"b\" \\ \n\xff\x7f & c",
                                      false };
    struct page p;
    page_init(&p);
    sim_html_line(p.opts.html, 5, "m1  | </script><script>alert(1)</script>");
    page_print(&p, &end);
    check_json(&p);
    CHECK(data_has(&p,
                   "a \\u003c/script\\u003e\\u003c!-- \\u0022b\\u0022 \\u005c \\u000a\\u00ff\\u007f "
                   "\\u0026 c"));
    CHECK(data_has(&p, "\\u003cscript\\u003ealert(1)"));
    CHECK(data_has(&p, "\"lines\":[5,0,0]"));
    page_fini(&p);
}

TEST(html, nothing_is_loaded_from_elsewhere)
{
    const struct sim_html_end end = { 0 };
    struct page p;
    page_init(&p);
    page_print(&p, &end);
    CHECK(data_has(&p, "\"fail\":null"));
    CHECK(strstr(p.text, "@DATA@") == NULL && strstr(p.text, "/* page.") == NULL);
    CHECK(strstr(p.text, "://") == NULL);
    CHECK(strstr(p.text, " src=") == NULL && strstr(p.text, "@import") == NULL);
    CHECK(strstr(p.text, "<link") == NULL && strstr(p.text, "url(") == NULL);
    page_fini(&p);
}

TEST(html, each_fault_has_a_word_on_the_page)
{
    const struct sim_html_end end = { 0 };
    struct page p;
    page_init(&p);
    page_print(&p, &end);
    for (int f = 0; f < SIM_FAULT_KINDS; f++) {
        char word[64];
        snprintf(word, sizeof word, " %s: \"", sim_fault_name((enum sim_fault_kind)f));
        cr_assert(strstr(p.data_end, word) != NULL, "page.js does not say what %s is", word);
    }
    page_fini(&p);
}

/* A vote request from m1 to m3. */
static uint64_t send_vote(struct page *p, uint64_t now_us, enum sim_html_fate fate)
{
    const struct raft_msg msg = { .type = RAFT_MSG_VOTE,
                                  .from = 1,
                                  .to = 3,
                                  .term = 9,
                                  .vote = { .last_index = 40, .last_term = 8 } };
    struct test_alloc alloc;
    struct buf frame;
    uint8_t header[FRAME_HEADER_BYTES] = { 0 };
    test_alloc_init(&alloc);
    buf_init(&frame, &alloc.face, NET_FRAME_BYTES_MAX);
    buf_append(&frame, header, sizeof header);
    raft_msg_encode(&frame, &msg);
    struct bytes b = buf_bytes(&frame);
    frame_header(header, NODE_FRAME_RAFT, bytes_of(b.data + sizeof header, b.len - sizeof header));
    memcpy(frame.data, header, sizeof header);
    uint64_t number = sim_html_frame(p->opts.html, now_us, 0, 2, frame.data, b.len, fate);
    buf_fini(&frame);
    return number;
}

TEST(html, frames_have_their_end_and_their_text)
{
    const struct sim_html_end end = { 0 };
    struct page p;
    page_init(&p);
    uint64_t first = send_vote(&p, 100, SIM_HTML_SENT);
    send_vote(&p, 150, SIM_HTML_LOST);
    sim_html_arrived(p.opts.html, 700, first);
    page_print(&p, &end);
    check_json(&p);
    CHECK(data_has(&p, "\"texts\":[\"term 9, its log ends at 40 of term 8\"]")); /* once */
    /* time, arrived, from, to, vote, fate, text */
    CHECK(data_has(&p, "\"frames\":[100,700,0,2,1,0,0,150,0,0,2,1,1,0]"));
    page_fini(&p);
}

/* H1 */
TEST(html, only_the_newest_of_a_long_run_is_kept)
{
    const struct sim_html_end end = { 0 };
    struct page p;
    char line[64];
    uint64_t count = 3 * SIM_HTML_HALF_ITEMS, dropped;
    page_init(&p);
    for (uint64_t i = 1; i <= count; i++) {
        snprintf(line, sizeof line, "line %llu of many", (unsigned long long)i);
        sim_html_line(p.opts.html, i, line);
    }
    page_print(&p, &end);
    check_json(&p);
    dropped = strtoull(strstr(p.data, "\"dropped\":") + 10, NULL, 10);
    CHECK(dropped >= SIM_HTML_HALF_ITEMS - SIM_MEMBERS_MAX && dropped < count);
    CHECK(count - dropped <= 2 * SIM_HTML_HALF_ITEMS);
    CHECK(!data_has(&p, "\"line 1 of many\""));
    snprintf(line, sizeof line, "\"line %llu of many\"", (unsigned long long)dropped);
    CHECK(!data_has(&p, line));
    snprintf(line, sizeof line, "\"line %llu of many\"", (unsigned long long)dropped + 1);
    CHECK(data_has(&p, line));
    snprintf(line, sizeof line, "\"line %llu of many\"", (unsigned long long)count);
    CHECK(data_has(&p, line));
    page_fini(&p);
}

/* What rows of "members" say of a run: time, who, mode, term, commit, stored, last, queued, voters,
 * outgoing, learners. */
struct seen {
    size_t rows;
    bool memory_alone, disk_at_work, leads, of_three;
};

static struct seen see_members(const char *at)
{
    struct seen seen = { 0 };
    at = strstr(at, "\"members\":[");
    CHECK(at != NULL);
    for (at += strlen("\"members\":["); at[-1] != ']'; seen.rows++) {
        uint64_t row[11];
        for (int i = 0; i < 11; i++) {
            char *end;
            row[i] = strtoull(at, &end, 10);
            CHECK(end > at && (*end == ',' || (i == 10 && *end == ']')));
            at = end + 1;
        }
        CHECK(row[6] >= row[5]); /* what is on disk is a part of the log */
        seen.memory_alone |= row[6] > row[5];
        seen.disk_at_work |= row[7] > 0;
        seen.leads |= row[2] == SIM_HTML_ROLE + RAFT_LEADER;
        seen.of_three |= row[8] == 7 && row[9] == 0 && row[10] == 0;
    }
    return seen;
}

TEST(html, members_are_seen_with_their_logs_disks_and_configurations)
{
    struct sim_options o = { .seed = 3, .ops = 150, .nodes = 3, .storage = SIM_STORAGE_MEMORY };
    struct sim_totals totals;
    uint64_t hash;
    char path[] = "/tmp/sim_html_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    o.html = sim_html_create(path);
    sim_run(&o, o.seed, NULL, false, &totals, &hash);
    sim_html_destroy(o.html);
    size_t len = (size_t)lseek(fd, 0, SEEK_END);
    char *text = calloc(1, len + 1);
    CHECK(text && pread(fd, text, len, 0) == (ssize_t)len);
    struct seen seen = see_members(text);
    CHECK(seen.rows > 100);
    CHECK(seen.memory_alone && seen.disk_at_work && seen.leads && seen.of_three);
    free(text);
    close(fd);
    unlink(path);
}

TEST(html, a_run_is_the_same_with_a_page)
{
    struct sim_options o = { .seed = 3, .ops = 150, .storage = SIM_STORAGE_MEMORY };
    struct sim_totals totals;
    uint64_t plain, hash;
    char path[] = "/tmp/sim_html_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    sim_run(&o, o.seed, NULL, false, &totals, &plain);
    o.html = sim_html_create(path);
    sim_run(&o, o.seed, NULL, false, &totals, &hash);
    sim_html_destroy(o.html);
    CHECK_EQ(hash, plain);
    CHECK(lseek(fd, 0, SEEK_END) > 100000);
    close(fd);
    unlink(path);
}
