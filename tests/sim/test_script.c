/* Schedules as text: what is printed is read back as the same, what is wrong is told with its line. */
#include <stdlib.h>
#include <string.h>

#include "sim/sim_script.h"
#include "sim/sim_shrink.h"
#include "tests/support/test.h"

static const char all_verbs[] =
    "# All that can be said.\n"
    "cluster 3 seed=18446744073709551615 clients=4 operator=1000 election=120 heartbeat=20\n"
    "set latency=900 jitter=5 cuts=8 drift=1\n"
    "at 0.001 put n1 k3 bytes=20 by c0\n"
    "at 1 put n2 k3 bytes=20 by c1 fresh if another\n"
    "at 1.5+3 get n2 k0 by c31 fresh\n"
    "at 1.51 delete n12 k63 by c1\n"
    "at 2 change n1 add n4 port=7 by c4 rejoin\n"
    "at 2 change n1 remove n2 by c4 fresh\n"
    "at 2 change n1 set n1 n2 +n5 port=8 by c4\n"
    "at 2 change n1 lease on by c4\n"
    "at 2 change n2 lease off by c4\n"
    "at 2 transfer n1 by c4\n"
    "at 2 transfer n1 n3 by c4 fresh\n"
    "at 3 crash n2 power for 300\n"
    "at 3 crash n3\n"
    "at 3 wipe n2\n"
    "at 4 start n3 after 1\n"
    "at 4 rot n3 draw=18446744073709551615\n"
    "at 4 losefile n3 draw=0\n"
    "at 4 spoil n3 draw=7\n"
    "at 4 eio n2 draw=18446744073709551615\n"
    "at 4 lostwrite n2 draw=8\n"
    "at 4 misdirect n2 draw=9\n"
    "at 4 nomem n2 draw=10\n"
    "at 4 stuck n2 lanes=7 for 12.5\n"
    "at 4 stuck n1 lanes=1\n"
    "at 5 boot n2 calls=17\n"
    "at 6 pause n1 for 0.5\n"
    "at 7 slow n1 disk 16 for 10\n"
    "at 7 slow n1 engine 4\n"
    "at 7 slow n1 link 300 for 10\n"
    "at 8 clock n1 drift -46000 for 100\n"
    "at 8 clock n2 stop jump for 100\n"
    "at 8 clock n3 late 12.345 for 100\n"
    "at 9 reset n1>n3\n"
    "at 9 reset c2>n3 2\n"
    "at 10 hold n1>* *>n1 c*>n1 n1>c* c3>n2 n2>n3 for 80\n"
    "at 11 partition n1 n3 | n2 for 90\n"
    "at 12 drop n1>n2\n"
    "at 12 drop n1>n2 pre-vote-reply 3\n"
    "at 13 delay n1>n2 append for 12.3\n"
    "at 14 duplicate n2>n1 snapshot after 7\n"
    "at 15 replay n1>n2 vote 2 place=3\n"
    "at 20 heal n1 n3\n"
    "at 900000.123 end\n";

static bool parse(const char *text, struct sim_schedule *sc, struct sim_script_error *err)
{
    sim_schedule_init(sc);
    return sim_script_parse(text, strlen(text), sc, err);
}

static char *print(const struct sim_schedule *sc)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    CHECK(f != NULL);
    sim_script_print(f, sc);
    fclose(f);
    return text;
}

TEST(script, what_is_printed_is_read_back)
{
    struct sim_schedule sc, again;
    struct sim_script_error err;
    cr_assert(parse(all_verbs, &sc, &err), "line %u: %s", err.line, err.text);
    CHECK_EQ(sc.count, 43);
    char *text = print(&sc);
    /* Settings come in an order of their own; the actions are the same to the letter. */
    cr_assert_str_eq(strstr(text, "at 0.001"), strstr(all_verbs, "at 0.001"));
    size_t room = strlen(text) + 16;
    char *whole = malloc(room);
    CHECK(whole != NULL);
    snprintf(whole, room, "# again\n%s", text);
    CHECK(parse(whole, &again, &err));
    char *text_again = print(&again);
    cr_assert_str_eq(text_again, text);
    free(text_again);
    free(whole);
    free(text);
    sim_schedule_fini(&again);
    sim_schedule_fini(&sc);
}

/* A command, and what is wrong with it. */
static const struct {
    const char *line, *why;
} bad[] = {
    { "explode n1", "is no command" },
    { "at 5 explode n1", "is no command behind a time" },
    { "at", "is no time" },
    { "at 5", "is no command behind a time" },
    { "at x crash n1", "is no time" },
    { "at 5.1234 crash n1", "is no time" },
    { "at 5. crash n1", "is no time" },
    { "at 99999999999999 crash n1", "is no time" },
    { "at 5+x crash n1", "is no number" },
    { "at 5 put n1 k1 bytes=20 by c1 if so", "is no condition" },
    { "at 5 get n1 k1 by c1 if absent", "does not belong here" },
    { "at 5 crash", "is no member" },
    { "at 5 crash n0", "is no member" },
    { "at 5 crash n13", "is no member" },
    { "at 5 crash n01", "is no member" },
    { "at 5 crash m1", "is no member" },
    { "at 5 crash n1 for", "is no time" },
    { "at 5 crash n1 for 0", "a time of nothing" },
    { "at 5 crash n1 for 3 for 4", "does not belong here" },
    { "at 5 crash n1 jump", "does not belong here" },
    { "at 5 crash n1 loudly", "what is \"loudly\"" },
    { "at 5 put n1 k64 bytes=20 by c0", "is no key" },
    { "at 5 put n1 k1 bytes=3 by c0", "at least 12 bytes" },
    { "at 5 put n1 k1 bytes=90 by c0", "more bytes than value-bytes" },
    { "at 5 put n1 k1 by c0", "a word is missing" },
    { "at 5 put n1 k1 bytes=20", "a word is missing" },
    { "at 5 get n1 k1 by c32", "is no client" },
    { "at 5 get n1 k1 by", "is no client" },
    { "at 5 change n1 promote n2 by c0", "add, remove, set or lease" },
    { "at 5 change n1 set by c0", "is no member" },
    { "at 5 change n1 set n1 +n0 by c0", "what is \"+n0\"" },
    { "at 5 change n1 lease by c0", "on or off" },
    { "at 5 transfer n1 n9", "a word is missing" },
    { "at 5 start n1", "a word is missing" },
    { "at 5 rot n1", "a word is missing" },
    { "at 5 eio n1", "a word is missing" },
    { "at 5 stuck n1 for 3", "a word is missing" },
    { "at 5 stuck n1 lanes=8", "is no number here" },
    { "at 5 slow n1 brain 4", "disk, engine or link" },
    { "at 5 slow n1 disk 0", "nothing is that slow" },
    { "at 5 clock n1 fast", "drift, stop or late" },
    { "at 5 clock n1 drift -", "is no number" },
    { "at 5 clock n1 drift -1000000", "is no number" },
    { "at 5 hold", "is no link" },
    { "at 5 hold n1", "is no link" },
    { "at 5 hold n1>x", "is no link" },
    { "at 5 partition n1 n2", "two sides at least" },
    { "at 5 partition n1 | n1", "n1 is on a side already" },
    { "at 5 partition | n1", "nobody on a side" },
    { "at 5 drop n1>c1", "between two members" },
    { "at 5 drop n1>n2 0", "the first is 1" },
    { "at 5 drop n1>n2 gossip", "what is \"gossip\"" },
    { "at 5 delay n1>n2", "a word is missing" },
    { "at 5 replay n1>n2 place=80", "is no number" },
    { "at 5 reset n1>*", "whose connection" },
    { "set election=120", "settings come before actions" },
    { "cluster 3", "there is a cluster already" },
};

TEST(script, what_is_wrong_is_told_with_its_line)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sim_schedule sc;
        struct sim_script_error err;
        char text[512];
        snprintf(text, sizeof text, "# A story.\ncluster 3\nat 1 crash n1 for 5\n%s\nat 9 end\n",
                 bad[i].line);
        cr_assert(!parse(text, &sc, &err), "%s", bad[i].line);
        cr_assert_eq(err.line, 4, "%s: line %u", bad[i].line, err.line);
        cr_assert(strstr(err.text, bad[i].why) != NULL, "%s: %s", bad[i].line, err.text);
        sim_schedule_fini(&sc);
    }
}

static const struct {
    const char *text, *why;
} bad_whole[] = {
    { "", "no cluster" },
    { "cluster 3\n", "the first line has to begin the story" },
    { "# Story.\n", "no cluster" },
    { "# Story.\nat 5 end\n", "cluster comes first" },
    { "# Story.\ncluster 8\n", "is no number" },
    { "# Story.\ncluster 0\n", "1 to 7 members" },
    { "# Story.\ncluster\n", "is no number" },
    { "# Story.\ncluster 3 colour=5\n", "is no setting" },
    { "# Story.\ncluster 3 election\n", "is no setting" },
    { "# Story.\ncluster 3 election=1\n", "is out of its range" },
    { "# Story.\ncluster 3 election=99999999999999999999\n", "is no number" },
    { "# Story.\ncluster 3\nat 5 crash n1\n", "no end, and no heal" },
    { "# Story.\ncluster 3\nat 5 crash n1\nat 4 end\n", "it is later already" },
    { "# Story.\ncluster 3 election=100 heartbeat=90\nat 5 end\n", "heartbeat is more than half" },
    { "# Story.\ncluster 3 request-bytes=1000000\nat 5 end\n", "segment-bytes is less" },
};

TEST(script, what_is_wrong_with_all_of_it_is_told)
{
    for (size_t i = 0; i < sizeof bad_whole / sizeof bad_whole[0]; i++) {
        struct sim_schedule sc;
        struct sim_script_error err;
        cr_assert(!parse(bad_whole[i].text, &sc, &err), "%s", bad_whole[i].text);
        cr_assert(strstr(err.text, bad_whole[i].why) != NULL, "%s: %s", bad_whole[i].text, err.text);
        sim_schedule_fini(&sc);
    }
}

/* --- any text --- */

static char *print_whole(const struct sim_schedule *sc)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    CHECK(f != NULL);
    fprintf(f, "# Story.\n");
    sim_script_print(f, sc);
    fclose(f);
    return text;
}

/* A few bytes change, or pieces of other lines come in. */
static void mutate(struct ms_rand *r, char *text, size_t len)
{
    for (uint64_t times = 1 + ms_rand_below(r, 4); times > 0; times--) {
        size_t at = ms_rand_below(r, len), from = ms_rand_below(r, len), n = ms_rand_below(r, 12);
        if (n > len - at) n = len - at;
        if (n > len - from) n = len - from;
        if (ms_rand_below(r, 2))
            memmove(text + at, text + from, n);
        else
            text[at] = ms_rand_below(r, 8) ? "0123456789 +-=.>*|nck\n"[ms_rand_below(r, 22)]
                                           : (char)ms_rand_below(r, 256);
    }
}

/* Whatever the bytes are: an error with a line, or a script that is printed and read back as it is. */
TEST(script, any_text_is_refused_or_read)
{
    size_t len = sizeof all_verbs - 1, taken = 0;
    struct ms_rand r;
    ms_rand_init(&r, 11, 1);
    for (uint32_t i = 0; i < 20000; i++) {
        struct sim_schedule sc, again;
        struct sim_script_error err;
        char text[sizeof all_verbs];
        memcpy(text, all_verbs, sizeof text);
        mutate(&r, text, len);
        sim_schedule_init(&sc);
        if (sim_script_parse(text, len, &sc, &err)) {
            char *first = print_whole(&sc), *second;
            cr_assert(parse(first, &again, &err), "line %u: %s", err.line, err.text);
            second = print_whole(&again);
            cr_assert_str_eq(first, second);
            free(first);
            free(second);
            sim_schedule_fini(&again);
            taken++;
        } else {
            CHECK(err.line > 0 && err.text[0] != 0);
        }
        sim_schedule_fini(&sc);
    }
    cr_assert(taken > 400, "%zu were taken", taken);
}

/* --- smaller schedules --- */

static void check_actions(const struct sim_schedule *sc, const char *expected)
{
    char *text = print(sc);
    cr_assert_str_eq(strstr(text, "at "), expected);
    free(text);
}

TEST(script, a_member_goes_and_the_others_move_up)
{
    static const char text[] = "# Story.\ncluster 5 clients=2\n"
                               "at 1 put n2 k1 bytes=20 by c0\n"
                               "at 1 put n5 k1 bytes=20 by c1\n"
                               "at 1 change n1 add n2 by c1\n"
                               "at 1 change n1 set n1 n2 n3 +n6 by c1\n"
                               "at 1 transfer n1 n4 by c1\n"
                               "at 2 crash n2 for 5\n"
                               "at 3 crash n3 for 5\n"
                               "at 4 hold n2>n3 n3>n4 c1>n5 n3>* for 7\n"
                               "at 5 hold n2>n1 for 7\n"
                               "at 6 partition n1 n2 | n3 n4 n5 for 8\n"
                               "at 7 drop n2>n3 append\n"
                               "at 7 drop n3>n5 append\n"
                               "at 8 heal n1 n2 n5\n";
    struct sim_schedule sc, less;
    struct sim_script_error err;
    CHECK(parse(text, &sc, &err));
    CHECK(sim_shrink_member(&less, &sc, 1));
    CHECK_EQ(less.plan.node_count, 4);
    check_actions(&less, "at 1 put n1 k1 bytes=20 by c0\n"
                         "at 1 put n4 k1 bytes=20 by c1\n"
                         "at 1 change n1 set n1 n2 +n5 by c1\n"
                         "at 1 transfer n1 n3 by c1\n"
                         "at 3 crash n2 for 5\n"
                         "at 4 hold n2>n3 c1>n4 n2>* for 7\n"
                         "at 6 partition n1 | n2 n3 n4 for 8\n"
                         "at 7 drop n2>n4 append\n"
                         "at 8 heal n1 n4\n");
    sim_schedule_fini(&less);
    sim_schedule_fini(&sc);
}

TEST(script, clients_are_counted_without_gaps)
{
    static const char text[] = "# Story.\ncluster 3 clients=9 operator=1000\n"
                               "at 1 put n2 k1 bytes=20 by c7\n"
                               "at 1 change n1 add n4 port=1 by c9\n"
                               "at 4 hold c3>n1 n2>c7 c*>n1 for 7\n"
                               "at 9 end\n";
    struct sim_schedule sc, less;
    struct sim_script_error err;
    CHECK(parse(text, &sc, &err));
    CHECK(sim_shrink_clients(&less, &sc));
    CHECK_EQ(less.plan.client_count, 3);
    check_actions(&less, "at 1 put n2 k1 bytes=20 by c1\n"
                         "at 1 change n1 add n4 port=1 by c2\n"
                         "at 4 hold c0>n1 n2>c1 c*>n1 for 7\n"
                         "at 9 end\n");
    sim_schedule_fini(&less);
    sim_schedule_fini(&sc);
}

TEST(script, nothing_is_left_behind_a_failure)
{
    static const char text[] = "# Story.\ncluster 3\n"
                               "at 1 crash n1 for 5\n"
                               "at 2.5 crash n2 for 5\n"
                               "at 2.6 hold n1>n2\n"
                               "at 3 crash n2 for 5\n"
                               "at 9 end\n";
    struct sim_schedule sc;
    struct sim_script_error err;
    CHECK(parse(text, &sc, &err));
    sim_shrink_cut(&sc, 2500);
    check_actions(&sc, "at 1 crash n1 for 5\n"
                       "at 2.5 crash n2 for 5\n"
                       "at 4 end\n");
    sim_schedule_fini(&sc);
}
