/* script.h: protocol stories as text: commands, and under each the trace it gives.
 *
 *   # The story, in a sentence or two, with its source.
 *   cluster 3
 *   timeout n1
 *       n1 is pre-candidate, term 0
 *       n1>n2 pre-vote t1 log 0@0
 *
 * A line that begins with # is for the reader, one that begins with a space is trace, any other is a
 * command. What a command gives is written anew by raft_scripts --rewrite, and a person reads the diff.
 * Nothing moves but by a command, and nothing depends on anything but the text, so that a script can be
 * written by a program too.
 *
 * A command is one turn: whoever was touched sends what is due at its end. Disks are instant, and
 * what is committed is applied at once, unless they are manual.
 *
 *   cluster N [idle] [found] [NAME=VALUE...]
 *                          first of all: members n1 to nN, all voters, started unless idle; found:
 *                          they begin with ENTRY_INIT. Names: seed, election, heartbeat, stall,
 *                          inflight, inflight-bytes, append-bytes, uncommitted-bytes, cache-bytes,
 *                          unapplied-bytes
 *   disk NODE [term=T] [vote=NODE] [log=T,T...]
 *                          before it starts: its hard state, the terms of its log
 *   start NODE...          also one that crashed, and one that nobody knows yet
 *   crash NODE [stored]    what is not stored is lost; stored: the store under way was on the disk
 *
 *   time MS                the clock moves, and nothing else does
 *   tick NODE...
 *   timeout NODE           the clock moves to when NODE wants to be woken, and it ticks
 *   run                    messages arrive in order, until all that are on the way are held
 *   wait MS                the clock moves in small steps, ticks are on time, all runs as in run
 *
 *   deliver PICK           the first message on the way that matches arrives
 *   drop PICK              it is lost
 *   duplicate PICK         a copy of it goes to the end of the queue
 *   hold PICK              from now on run and wait leave what matches on the way, until
 *   release [PICK]         the same PICK, or all
 *   cut LINK               what is sent there, or arrives there, is lost
 *   partition NODE... | NODE... [| ...]
 *                          all links between the groups are cut
 *   heal
 *   link NODE NODE up|down the first one's own connection to the second has opened or closed
 *
 *   manual NODE disk|apply from now on by hand, until
 *   instant NODE disk|apply
 *   store NODE             begin and end stores until all is stored
 *   store-begin NODE, store-end NODE
 *   apply NODE
 *
 *   propose NODE TEXT... [times=N]
 *                          each an entry; bytes=N: one of N bytes; all of them N times
 *   read NODE
 *   change NODE add|remove|force-remove|promote NODE
 *   change NODE set|force-set NODE...
 *                          the voters shall be these: a wish, carried out by
 *   change NODE exchange   when all that join have caught up
 *   change NODE lease on|off
 *   transfer NODE [NODE]   hand the leadership over: to the second, or to the best of the others
 *   abstain NODE on|off
 *   compact NODE INDEX     take a durable snapshot, then cut the log up to INDEX
 *   trace all|states|off   states: no messages
 *   show [NODE...]         state and log
 *   config NODE...         the configuration in force
 *
 * The simulator writes what it has found in the same language (sim/sim_script.h), with times, clients
 * and machines, which here nobody has.
 *
 *   NODE  n1 to n8      LINK  NODE>NODE, * for any
 *   PICK  [LINK] [TYPE] [all|last|K]   TYPE: vote, pre-vote, vote-reply, pre-vote-reply, append,
 *         append-reply, read, read-reply, timeout-now, snapshot. A snapshot is a message too: its
 *         arrival installs it, dropping it fails the stream.
 *
 * In the trace 4@2 is the entry with index 4 and term 2, t2 the term of a message. `n1>n2 TYPE` has
 * left n1, `arrives` and `lost` say what became of it; under run and wait all arrive in order. What
 * the fixture (cluster.h) holds to be true at every moment holds in scripts as well. */
#ifndef TESTS_RAFT_SCRIPT_H
#define TESTS_RAFT_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#define SCRIPT_BYTES_MAX (4u << 20)

struct script_result {
    char *text; /* the script with the traces it gives; owned: free() */
    size_t len;
    uint32_t command_count;
    char error[160]; /* empty: every command could be carried out */
};

/* Run a script. *line: set to the line of each command before it is carried out, for who has to tell
 * where the process ended. A promise of the fixture that is broken ends the test, as everywhere. */
void script_run(const char *text, uint32_t *line, struct script_result *out);

#endif
