/* Conditions of requests (RFC 9110, 13): how they are written, and what they say about a key. */
#include <stdio.h>

#include "http/http.h"
#include "tests/support/test.h"

static struct http_conditions c;

static struct bytes header(const char *text)
{
    return text ? bytes_of_str(text) : bytes_of(NULL, 0);
}

static const char *take(const char *match, const char *none_match)
{
    struct http_request r = { .if_match = header(match), .if_none_match = header(none_match) };
    return http_conditions_read(&r, &c);
}

TEST(http_etag, lists_of_tags_are_read)
{
    static const struct {
        const char *list;
        uint32_t strong, weak; /* revisions in If-Match, in If-None-Match */
    } rows[] = {
        { "\"17\"", 1, 1 },
        { "\"1\",\"2\" , \"3\"", 3, 3 },
        { " \"1\" \t", 1, 1 },
        { ",, \"1\", ,", 1, 1 },
        { "W/\"5\", \"6\"", 1, 2 },
        { "\"18446744073709551615\"", 1, 1 },
        /* Tags that no key has. */
        { "\"0\"", 0, 0 },
        { "\"01\"", 0, 0 },
        { "\"\"", 0, 0 },
        { "\"*\"", 0, 0 },
        { "\"18446744073709551616\"", 0, 0 },
        { "\"a,b\xff!\", \"2\"", 1, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK(take(rows[i].list, rows[i].list) == NULL);
        CHECK(c.match.given && c.none_match.given && !c.match.any && !c.none_match.any);
        CHECK_EQ(c.match.count, rows[i].strong);
        CHECK_EQ(c.none_match.count, rows[i].weak);
    }
    CHECK(take("*", NULL) == NULL && c.match.any && !c.none_match.given);
    CHECK(take(NULL, "*") == NULL && !c.match.given && c.none_match.any);
}

TEST(http_etag, what_is_no_list_of_tags_is_refused)
{
    static const char *const bad[] = { "",         " ",           ",",      "17",      "\"17",
                                       "17\"",     "\"1\" \"2\"", "\"1\";", "w/\"1\"", "W/ \"1\"",
                                       "*, \"1\"", "\"1\", *",    "W/",     "\"a b\"", "**",
                                       "\"1\"2",   "\"a\x7f\"" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!take(bad[i], NULL)) fprintf(stderr, "taken: %s\n", bad[i]);
        CHECK(take(bad[i], NULL) != NULL);
        CHECK(take(NULL, bad[i]) != NULL);
    }
}

TEST(http_etag, revisions_in_a_header_are_bounded)
{
    char list[HTTP_ETAGS_MAX * 8 + 8] = "";
    for (unsigned i = 1; i <= HTTP_ETAGS_MAX; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "\"%u\",", i);
    CHECK(take(list, NULL) == NULL && c.match.count == HTTP_ETAGS_MAX);
    snprintf(list + strlen(list), sizeof list - strlen(list), "\"99\"");
    CHECK(take(list, NULL) != NULL);
}

TEST(http_etag, conditions_are_judged_as_the_rfc_says)
{
    enum { GO = HTTP_VERDICT_GO, NOT = HTTP_VERDICT_NOT_MODIFIED, NO = HTTP_VERDICT_FAILED };
    static const struct {
        const char *match, *none_match;
        int absent, at_7, write_at_7;
    } rows[] = {
        { NULL, NULL, GO, GO, GO },        { "*", NULL, NO, GO, GO },
        { "\"7\"", NULL, NO, GO, GO },     { "\"8\"", NULL, NO, NO, NO },
        { "W/\"7\"", NULL, NO, NO, NO },   { "\"6\", \"7\"", NULL, NO, GO, GO },
        { "\"0\"", NULL, NO, NO, NO },     { NULL, "*", GO, NOT, NO },
        { NULL, "\"7\"", GO, NOT, NO },    { NULL, "W/\"7\"", GO, NOT, NO },
        { NULL, "\"8\"", GO, GO, GO },     { NULL, "\"0\"", GO, GO, GO },
        { "\"7\"", "\"7\"", NO, NOT, NO }, { "\"8\"", "\"7\"", NO, NO, NO }, /* If-Match comes first */
        { "*", "*", NO, NOT, NO },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK(take(rows[i].match, rows[i].none_match) == NULL);
        CHECK_EQ((int)http_conditions_judge(&c, true, 0), rows[i].absent);
        CHECK_EQ((int)http_conditions_judge(&c, false, 0), rows[i].absent);
        CHECK_EQ((int)http_conditions_judge(&c, true, 7), rows[i].at_7);
        CHECK_EQ((int)http_conditions_judge(&c, false, 7), rows[i].write_at_7);
    }
}
