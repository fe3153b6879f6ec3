/* test.h: the header that test bodies include. With MS_PLAIN it is a small runner of our own
 * (plain_main.c), for TSan and valgrind, which Criterion's worker processes do not go with; otherwise it
 * is Criterion. Bodies that shall run under both use TEST, CHECK and CHECK_EQ only. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#ifdef MS_PLAIN
#include <stdio.h>
#include <stdlib.h>

struct plain_test {
    const char *suite, *name;
    void (*body)(void);
    struct plain_test *next;
};
void plain_test_add(struct plain_test *t);

#define TEST(suite_, name_)                                                                      \
    static void suite_##_##name_##_body(void);                                                   \
    static struct plain_test suite_##_##name_##_test = { #suite_, #name_,                        \
                                                         suite_##_##name_##_body, NULL };        \
    __attribute__((constructor)) static void suite_##_##name_##_add(void)                        \
    {                                                                                            \
        plain_test_add(&suite_##_##name_##_test);                                                \
    }                                                                                            \
    static void suite_##_##name_##_body(void)
#define CHECK(condition)                                                                         \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);              \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)
#else
#include <criterion/criterion.h>
#define TEST(suite_, name_) Test(suite_, name_)
#define CHECK(condition) cr_assert(condition)
#endif

#define CHECK_EQ(a, b)                                                                           \
    do {                                                                                         \
        long long check_a = (long long)(a), check_b = (long long)(b);                            \
        if (check_a != check_b) fprintf(stderr, "%s is %lld, %s is %lld\n", #a, check_a, #b, check_b); \
        CHECK(check_a == check_b);                                                               \
    } while (0)

#include <stdio.h>

#endif
