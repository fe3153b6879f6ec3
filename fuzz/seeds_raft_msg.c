/* seeds_raft_msg.c: one message of each type, and appends with and without entries. */
#include <stdlib.h>

#include "base/ms_err.h"
#include "fuzz/support.h"
#include "raft/raft_msg.h"

static const char *dir;

static void write_message(const char *name, const struct raft_msg *m)
{
    struct buf b;
    buf_init(&b, &fuzz_heap, 1 << 20);
    raft_msg_encode(&b, m);
    seed_save(dir, name, buf_bytes(&b));
    buf_fini(&b);
}

static struct raft_msg message(enum raft_msg_type type)
{
    return (struct raft_msg){ .type = type, .from = 1, .to = 2, .term = 7 };
}

static void write_votes(void)
{
    struct raft_msg m = message(RAFT_MSG_VOTE);
    m.vote.last_index = 12;
    m.vote.last_term = 6;
    write_message("vote", &m);
    m.vote.pre = true;
    write_message("vote_pre", &m);
    m = message(RAFT_MSG_VOTE_REPLY);
    m.vote_reply.granted = true;
    m.vote_reply.asked_term = 7;
    write_message("vote_reply", &m);
}

static void write_appends(void)
{
    static const uint8_t noop[] = { ENTRY_NOOP, ENTRY_VERSION, 0 };
    struct raft_msg_entry entries[3] = { { .term = 6, .payload = { noop, sizeof noop } },
                                         { .term = 7 },
                                         { .term = 7, .payload = bytes_of_str("a longer payload") } };
    struct raft_msg m = message(RAFT_MSG_APPEND);
    m.append.round = 3;
    write_message("append_empty", &m);
    m.append.prev_index = 12;
    m.append.prev_term = 6;
    m.append.commit_index = 11;
    m.append.count = 3;
    m.append.entries = entries;
    write_message("append", &m);
    m = message(RAFT_MSG_APPEND_REPLY);
    m.append_reply.ok = true;
    m.append_reply.match_index = 15;
    m.append_reply.round = 3;
    write_message("append_reply", &m);
    m.append_reply.ok = false;
    m.append_reply.prev_index = 20;
    m.append_reply.hint_index = 15;
    m.append_reply.hint_term = 7;
    write_message("append_reject", &m);
}

static void write_rest(void)
{
    struct raft_msg m = message(RAFT_MSG_READ);
    m.read.token = 1;
    write_message("read", &m);
    m = message(RAFT_MSG_READ_REPLY);
    m.read_reply.token = 1;
    m.read_reply.index = 15;
    write_message("read_reply", &m);
    m.read_reply.status = MS_ENOLEADER;
    write_message("read_refused", &m);
    m = message(RAFT_MSG_TIMEOUT_NOW);
    write_message("timeout_now", &m);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    dir = argv[1];
    write_votes();
    write_appends();
    write_rest();
    return 0;
}
