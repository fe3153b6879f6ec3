/* The language of the protocol stories: what is run twice is equal, what is wrong is told. */
#include "tests/raft/cluster.h"
#include "tests/raft/script.h"

#include <stdlib.h>

static struct script_result r;
static uint32_t line;

static bool contains(const char *text)
{
    return strstr(r.text, text) != NULL;
}

TEST(script, traces_are_written_below_their_commands)
{
    const char *text =
        "# A story.\ncluster 3\n    an old trace\n\ntimeout n1\nrun\n# The end.\npropose n1 x\n";
    script_run(text, &line, &r);
    CHECK(r.error[0] == 0);
    CHECK_EQ(r.command_count, 4);
    CHECK_EQ(line, 8);
    CHECK(!contains("an old trace"));
    CHECK(contains("# A story.\ncluster 3\n\ntimeout n1\n    n1 is pre-candidate, term 0\n"));
    CHECK(contains("    n1 is leader, term 1\n"));
    CHECK(contains("# The end.\npropose n1 x\n    n1 log takes 2@1 x\n"));
    char *first = r.text; /* what it has written gives the same again */
    script_run(first, &line, &r);
    CHECK(strcmp(first, r.text) == 0);
    free(first);
    free(r.text);
}

TEST(script, what_is_no_command_ends_it)
{
    static const struct {
        const char *text, *error;
        uint32_t line;
    } wrong[] = {
        { "cluster 3\n", "begin the story", 0 },
        { "# A story.\ntick n1\n", "cluster comes first", 2 },
        { "# A story.\ncluster 9\n", "1 to 8", 2 },
        { "# A story.\ncluster 3 hurry=1\n", "no option", 2 },
        { "# A story.\ncluster 3\nelect n1\n", "elect is no command", 3 },
        { "# A story.\ncluster 3\ntick n9\n", "n9 is no member", 3 },
        { "# A story.\ncluster 3\ntick n4\n", "n4 does not run", 3 },
        { "# A story.\ncluster 3\ntick\n", "a word is missing", 3 },
        { "# A story.\ncluster 3\ntime -1\n", "-1 is no number", 3 },
        { "# A story.\ncluster 3\ndeliver n1>n2\n", "nothing like that", 3 },
        { "# A story.\ncluster 3\ntimeout n1\ndeliver n1>n2 3\n", "nothing like that", 4 },
        { "# A story.\ncluster 3\ntimeout n1\ndeliver n1>n2 vote\n", "nothing like that", 4 },
        { "# A story.\ncluster 3\ndeliver n1>n2 mail\n", "mail picks nothing", 3 },
        { "# A story.\ncluster 3\nrelease\n", "nothing like that is held", 3 },
        { "# A story.\ncluster 3\nstore-end n1\n", "no store", 3 },
        { "# A story.\ncluster 3\ncrash n1 stored\n", "no store", 3 },
        { "# A story.\ncluster 3\nstart n1\n", "it runs", 3 },
        { "# A story.\ncluster 3\nstore-begin n1\n", "nothing to store", 3 },
        { "# A story.\ncluster 3\nchange n1 marry n2\n", "marry is no change", 3 },
        { "# A story.\ncluster 3\nchange n1 add\n", "whom?", 3 },
        { "# A story.\ncluster 3\nchange n1 lease\n", "on or off", 3 },
        { "# A story.\ncluster 3\npropose n1 bytes=2000000000\n", "that large", 3 },
        { "# A story.\ncluster 3\ndisk n4 log=1,x\n", "on no disk", 3 },
        { "# A story.\ncluster 1 found\ntimeout n1\n", "never", 3 },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        script_run(wrong[i].text, &line, &r);
        if (!strstr(r.error, wrong[i].error)) fprintf(stderr, "%zu: %s\n", i, r.error);
        CHECK(strstr(r.error, wrong[i].error) != NULL);
        CHECK_EQ(line, wrong[i].line);
        free(r.text);
    }
}

/* A crash loses what was not stored, and only that. */
TEST(script, disks_and_snapshots_are_decided_by_the_script)
{
    script_run("# A story.\ncluster 3\ntrace off\ntimeout n1\nrun\ntrace all\nmanual n2 disk\n"
               "propose n1 x\ndeliver n1>n2\ncrash n2\nstart n2\n"
               "partition n2 | n1 n3\nrun\ncompact n1 2\nheal\n"
               "hold n1>n2 snapshot\nwait 200\ndrop n1>n2 snapshot\n",
               &line, &r);
    CHECK(r.error[0] == 0);
    CHECK(contains("crash n2\n    n2 does not run: disk term 1, log to 1\n"));
    CHECK(contains("compact n1 2\n    n1 log begins behind 2@1\n"));
    CHECK(contains("n1>n2 lost: snapshot 2@1\n"));
    free(r.text);
}

TEST(script, messages_are_picked_by_link_type_and_place)
{
    script_run(
        "# A story.\ncluster 3\ntimeout n1\nduplicate n1>n2\ndrop n1>n2\ndeliver n1>* pre-vote 1\n"
        "deliver *>n2 last\ndeliver n3>n1 pre-vote-reply\ndrop all\ntick n1 n2 n3\ndrop n1>n2\n",
        &line, &r);
    CHECK(strstr(r.error, "nothing like that") != NULL);
    CHECK_EQ(line, 11);
    CHECK(contains("drop n1>n2\n    n1>n2 lost: pre-vote t1 log 0@0\n"));
    CHECK(contains("pre-vote 1\n    n1>n3 arrives: pre-vote t1"));
    CHECK(contains("last\n    n1>n2 arrives: pre-vote t1"));
    CHECK(contains("n1 is candidate, term 1"));
    free(r.text);
}
