/* seeds_raft_step.c: scripts for fuzz_raft_step.c: a leader's life, a follower's, a candidate's, a
 * member alone. The operations are those of operate() there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK,
    VOTE,
    VOTE_REPLY,
    APPEND,
    APPEND_REPLY = 5,
    READ_MESSAGES = 7,
    STORE_BEGIN,
    STORE_END,
    PROPOSE,
    CHANGE,
    READ,
    APPLY,
    LINK,
    SNAPSHOT,
    FETCHED,
    ABSTAIN,
    FLUSH,
    LIFE
};
#define SAME 0x80 /* near_to(): the number itself */
#define STORE STORE_BEGIN, 255, STORE_END
#define VOTERS 0 /* config_of(): 1 to 4 vote */
#define ALONE 0xa8

static void write_script(const char *dir, const char *name, const unsigned char *script, size_t len)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(script, 1, len, f) != len || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

/* Elected by 3 and 4; proposals, acks, a read, a change, a snapshot, a restart. */
static const unsigned char leader[] = { VOTERS,
                                        TICK,
                                        255,
                                        VOTE_REPLY,
                                        0,
                                        SAME,
                                        3,
                                        4,
                                        VOTE_REPLY,
                                        1,
                                        SAME,
                                        3,
                                        4,
                                        STORE,
                                        VOTE_REPLY,
                                        0,
                                        SAME,
                                        2,
                                        SAME,
                                        VOTE_REPLY,
                                        1,
                                        SAME,
                                        2,
                                        SAME,
                                        FLUSH,
                                        STORE,
                                        APPEND_REPLY,
                                        0,
                                        SAME,
                                        1,
                                        SAME,
                                        SAME,
                                        0,
                                        SAME,
                                        APPEND_REPLY,
                                        1,
                                        SAME,
                                        1,
                                        SAME,
                                        SAME,
                                        0,
                                        SAME,
                                        PROPOSE,
                                        0,
                                        PROPOSE,
                                        1,
                                        READ,
                                        FLUSH,
                                        STORE,
                                        APPEND_REPLY,
                                        0,
                                        SAME,
                                        0x11,
                                        SAME,
                                        SAME,
                                        0,
                                        SAME,
                                        APPEND_REPLY,
                                        1,
                                        SAME,
                                        0x11,
                                        SAME,
                                        SAME,
                                        0,
                                        SAME,
                                        APPLY,
                                        1,
                                        CHANGE,
                                        1,
                                        1,
                                        3,
                                        CHANGE,
                                        0,
                                        4,
                                        5,
                                        FLUSH,
                                        STORE,
                                        TICK,
                                        20,
                                        APPEND_REPLY,
                                        0,
                                        SAME,
                                        0,
                                        SAME,
                                        2,
                                        1,
                                        SAME,
                                        FLUSH,
                                        SNAPSHOT,
                                        1,
                                        SAME,
                                        FLUSH,
                                        LINK,
                                        2,
                                        0,
                                        FETCHED,
                                        0,
                                        LIFE,
                                        1,
                                        TICK,
                                        255 };

/* Entries from 2, a conflict from 3, a vote, a snapshot. */
static const unsigned char follower[] = {
    VOTERS, APPEND,   0,           4,    4,      SAME,   4,
    3,      1,        0,           1,    1,      1,      0x41,
    STORE,  FLUSH,    APPEND,      0,    SAME,   4,      SAME,
    SAME,   0,        APPLY,       1,    FLUSH,  READ,   READ_MESSAGES,
    1,      0,        SAME,        SAME, 9,      APPEND, 1,
    4,      0,        1,           SAME, 2,      1,      0,
    1,      2,        STORE_BEGIN, 255,  APPEND, 2,      4,
    0,      2,        SAME,        1,    1,      3,      STORE_END,
    STORE,  VOTE,     1,           5,    0,      SAME,   SAME,
    STORE,  SNAPSHOT, 0,           0,    5,      SAME,   FLUSH,
    TICK,   200,      TICK,        200
};

static const unsigned char alone[] = {
    ALONE,   TICK, 1,    STORE, STORE, PROPOSE, 0,        STORE, APPLY, 1,       READ,    FLUSH, CHANGE,
    0,       1,    2,    STORE, APPLY, 1,       SNAPSHOT, 1,     SAME,  ABSTAIN, 1,       TICK,  200,
    ABSTAIN, 0,    LIFE, 1,     TICK,  1,       STORE,    LIFE,  0,     3,       PROPOSE, 1
};

/* Terms race, pre-votes and votes cross, TIMEOUT_NOW. */
static const unsigned char candidate[] = { VOTERS,
                                           TICK,
                                           255,
                                           VOTE,
                                           0,
                                           4,
                                           1,
                                           SAME,
                                           SAME,
                                           VOTE_REPLY,
                                           2,
                                           5,
                                           1,
                                           4,
                                           STORE,
                                           TICK,
                                           255,
                                           VOTE_REPLY,
                                           0,
                                           SAME,
                                           3,
                                           4,
                                           VOTE_REPLY,
                                           2,
                                           SAME,
                                           7,
                                           4,
                                           VOTE_REPLY,
                                           1,
                                           SAME,
                                           3,
                                           4,
                                           VOTE,
                                           1,
                                           SAME,
                                           0,
                                           SAME,
                                           SAME,
                                           STORE,
                                           APPEND,
                                           0,
                                           SAME,
                                           4,
                                           SAME,
                                           SAME,
                                           0,
                                           READ_MESSAGES,
                                           2,
                                           0,
                                           SAME,
                                           STORE,
                                           LINK,
                                           0,
                                           0,
                                           TICK,
                                           20 };

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    write_script(argv[1], "leader", leader, sizeof leader);
    write_script(argv[1], "follower", follower, sizeof follower);
    write_script(argv[1], "alone", alone, sizeof alone);
    write_script(argv[1], "candidate", candidate, sizeof candidate);
    return 0;
}
