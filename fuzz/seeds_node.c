/* seeds_node.c: writes a small corpus for fuzz_node into the directory argv[1]: scripts of a few
 * operations each (fuzz_node.c says what they mean). */
#include "base/ms_assert.h"
#include "fuzz/support.h"

#define SAVE(dir, name, script) seed_save(dir, name, bytes_of(script, sizeof(script) - 1))

/* Frames: 0x80, twice the kind, the peer. Others: the kind in the low three bits. */
#define GATE_FRESH "\x8a\x01\x8b\x01"
#define TIME "\x00\x28"
#define LONG_TIME "\x00\xff"
#define PUT "\x01\x00\x01"
#define READ "\x01\x02\x01"
#define ALL "\x03"
#define KILL "\x05"
#define POWER "\x25"
/* Votes: kind 2 (VOTE_REPLY), term, pre, granted, abstain, asked term. */
#define PRE_VOTES "\x82\x01\x00\x01\x01\x00\x01\x83\x01\x00\x01\x01\x00\x01"
#define VOTES "\x82\x01\x00\x00\x01\x00\x00\x83\x01\x00\x00\x01\x00\x00"
/* Acks: kind 4, term, ok, abstain, match, prev, hint, hint term, round. */
#define ACKS "\x82\x03\x00\x01\x00\x00\x00\x00\x00\x00\x83\x03\x00\x01\x00\x00\x00\x00\x00\x00"
/* An append of peer 2: term, prev, (prev term follows), odd, commit, round, count, then its entries. */
#define APPEND_INIT "\x82\x02\x01\x00\x01\x01\x01\x01\x01"
#define APPEND_PUT "\x82\x02\x00\x00\x01\x02\x01\x01\x06\x01\x03\x00\x00\x00\x00"
#define OFFER "\x8e\x03\x00\x01\x00"
#define CHUNK "\x8c\x00\x01\x00\x00"
#define STREAM_UP "\x27"
#define ATTACH "\x82\x02\x00\x00\x01\x02\x01\x01\x03\x00\x01"
#define REMOVE "\x82\x02\x00\x00\x01\x02\x01\x01\x02\x02"

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    SAVE(argv[1], "gate", TIME GATE_FRESH TIME ALL TIME);
    SAVE(argv[1], "lead",
         TIME GATE_FRESH TIME ALL LONG_TIME PRE_VOTES VOTES ALL ACKS PUT ALL ACKS READ ALL ACKS TIME);
    SAVE(argv[1], "follow", APPEND_INIT ALL APPEND_PUT APPEND_PUT PUT ALL APPEND_PUT READ TIME);
    SAVE(argv[1], "restart", APPEND_INIT ALL APPEND_PUT APPEND_PUT KILL TIME APPEND_PUT POWER TIME ALL);
    SAVE(argv[1], "install", APPEND_INIT ALL OFFER CHUNK ALL TIME APPEND_PUT ALL KILL ALL);
    SAVE(argv[1], "install_cut", APPEND_INIT ALL OFFER "\xcc\x00\x01\x00\x00\x22\x22\x22" POWER ALL);
    SAVE(argv[1], "attach", APPEND_INIT ALL ATTACH ALL APPEND_PUT ALL KILL LONG_TIME ALL);
    SAVE(argv[1], "removed", APPEND_INIT ALL ATTACH ALL REMOVE ALL APPEND_PUT ALL);
    SAVE(argv[1], "forwards",
         TIME GATE_FRESH TIME ALL LONG_TIME PRE_VOTES VOTES ALL ACKS
         "\x86\x01\x06\x01\x03\x00\x00\x01\x01\x86\x00\x00\x01\x04\x04\x01" ACKS);
    SAVE(argv[1], "garbage",
         "\x80\x01\x03"
         "abc"
         "\x81\x05\x02"
         "xy"
         "\x80\x63\x00" TIME);
    return 0;
}
