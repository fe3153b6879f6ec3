/* test_cli_watch.c: `metastore watch` where streams break off in the middle of a revision: each event once. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_client.h"
#include "rt/rt_clock.h"
#include "tests/rt/fake_member.h"
#include "tests/support/test.h"

#define STORE(revision)                                                                                \
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nMetastore-Revision: " #revision "\r\n\r\n"
#define STREAM "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
/* A put of a key at a revision, and what stands with the last event of one. */
#define PUT(key, revision)                                                                             \
    "event: put\ndata: {\"key\": \"" key "\", \"value\": \"v\", \"mod_revision\": " revision "}\n"
#define PROGRESS(revision) "event: progress\ndata: {\"revision\": " revision "}\n\n"
#define LAST(revision) "id: " revision "\n"

/* The text of events as a stream in one chunk; whole: with its end. */
static const char *stream(char *out, size_t cap, const char *events, bool whole)
{
    snprintf(out, cap, STREAM "%zx\r\n%s\r\n%s", strlen(events), events, whole ? "0\r\n\r\n" : "");
    return out;
}

static char *watch(const char *more, int code)
{
    static char
        *text; /* static: GCC 12 takes what fclose() has put there for the variable's own address */
    static size_t len;
    char name[] = "watch", key[] = "k", prefix[] = "--prefix", flag[] = "--endpoints",
         time[] = "--timeout-ms=2000";
    char argument[64];
    char *argv[] = { name, key, prefix, flag, fake_endpoints, time, argument };
    snprintf(argument, sizeof argument, "%s", more ? more : "");
    FILE *out = open_memstream(&text, &len), *err = tmpfile();
    CHECK_EQ(cli_client_run(more ? 7 : 6, argv, stdin, out, err), code);
    fclose(out);
    fclose(err);
    return text;
}

static const char compacted[] = "event: compacted\ndata: {\"compact_revision\": 99}\n\n";

TEST(cli_watch, a_revision_that_broke_off_is_gone_on_with_in_its_middle)
{
    char first[2000], second[2000], events[1500];
    snprintf(events, sizeof events, "%s\n%s\nevent: put\nda", PUT("a", "5"), PUT("b", "5"));
    fake_add(STORE(4), stream(first, sizeof first, events, false));
    snprintf(events, sizeof events, "%s\n%s\n%s%s\n: comment\n\n%s%s\n%s", PUT("a", "5"), PUT("b", "5"),
             PUT("c", "5"), LAST("5"), PUT("d", "6"), LAST("6"), compacted);
    fake_add(stream(second, sizeof second, events, true), NULL);
    char *text = watch(NULL, CLI_NO);
    CHECK(strcmp(text, "5\tput\ta\tv\n5\tput\tb\tv\n5\tput\tc\tv\n6\tput\td\tv\n") == 0);
    CHECK(strstr(fakes[0].last, "GET /_/kv/k?watch&progress&rev=5&prefix "));
    CHECK(strstr(fakes[1].last, "GET /_/kv/k?watch&progress&rev=5&prefix "));
    free(text);
    fake_end_all();
}

/* CW4. */
TEST(cli_watch, streams_that_bring_nothing_are_asked_for_after_pauses)
{
    char empty[1000], last[1000];
    stream(empty, sizeof empty, ": comment\n\n", true);
    fake_add(empty, empty);
    fakes[0].answers[2] = empty;
    fakes[0].answers[3] = stream(last, sizeof last, compacted, true);
    uint64_t began_ms = rt_clock_ms();
    free(watch("--rev=5", CLI_NO));
    CHECK(rt_clock_ms() - began_ms >= 50 + 100 + 200);
    CHECK_EQ(fakes[0].requests, 4);
    fake_end_all();
}

TEST(cli_watch, goes_on_behind_whole_revisions_and_progress)
{
    char first[2000], second[2000], events[1500];
    snprintf(events, sizeof events, "%s%s\n%s%s", PUT("a", "5"), LAST("5"), PROGRESS("9"),
             PROGRESS("4")); /* the second one tells nothing that is not known */
    fake_add(stream(first, sizeof first, events, false), NULL);
    snprintf(events, sizeof events, "%s%s\n%s%s\n%s", PUT("old", "9"), LAST("9"), PUT("b", "10"),
             LAST("10"), compacted);
    fake_add(stream(second, sizeof second, events, true), NULL);
    char *text = watch("--rev=5", CLI_NO);
    CHECK(strcmp(text, "5\tput\ta\tv\n10\tput\tb\tv\n") == 0);
    CHECK(strstr(fakes[1].last, "rev=10&prefix "));
    free(text);
    fake_end_all();
}

TEST(cli_watch, what_is_wanted_is_asked_for)
{
    static const struct {
        const char *flag, *asked;
    } rows[] = {
        { "--no-put", "rev=5&prefix&noput " },
        { "--no-delete", "rev=5&prefix&nodelete " },
        { "--prev-kv", "rev=5&prefix&prev_kv " },
    };
    char first[500];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_add(STORE(4), stream(first, sizeof first, compacted, true));
        free(watch(rows[i].flag, CLI_NO));
        CHECK(strstr(fakes[0].last, rows[i].asked));
        fake_end_all();
    }
}

TEST(cli_watch, what_is_compacted_or_refused_ends_it)
{
    fake_add("HTTP/1.1 410 Gone\r\nContent-Length: 5\r\nMetastore-Compact-Revision: 7\r\n\r\ngone\n",
             NULL);
    free(watch("--rev=5", CLI_NO));
    CHECK_EQ(fakes[0].requests, 1);
    fake_end_all();
    fake_add("HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nbad\n", NULL);
    free(watch("--rev=5", CLI_USAGE));
    fake_end_all();
    fake_add("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nlater", NULL);
    free(watch(NULL, CLI_FAILED));
    fake_end_all();
}
