/* cli_commands.c: the commands that ask a cluster, as a table: the parser, --help and completions are made of it. */
#include "cli/cli_client.h"

#define B CLI_BIT
/* Flags of what reads, and of what reads several keys. */
#define READ (B(CLI_REV) | B(CLI_STALE))
#define RANGE                                                                                          \
    (B(CLI_PREFIX) | B(CLI_FROM_KEY) | B(CLI_LIMIT) | B(CLI_KEYS_ONLY) | B(CLI_COUNT_ONLY) |           \
     B(CLI_SORT) | B(CLI_ORDER) | B(CLI_MIN_MOD) | B(CLI_MAX_MOD) | B(CLI_MIN_CREATE) |                \
     B(CLI_MAX_CREATE))
#define ONE(text) "Example:\n" text

const struct cli_command cli_command_table[] = {
    { "put", NULL, "KEY [VALUE|-]", 1, 2,
      B(CLI_LEASE) | B(CLI_TTL) | B(CLI_IF_ABSENT) | B(CLI_IF_REVISION) | B(CLI_PREV_KV), "write a key",
      "Without VALUE, or where it is -, the value is all of the standard input, byte by byte.\n"
      "Prints the revision of the write, and with --prev-kv the value that was there before, if there "
      "was one.\n\n"
      "Examples:\n"
      "  metastore put color red\n"
      "  metastore put motd < /etc/motd\n"
      "  metastore put lock \"$HOSTNAME\" --if-absent --ttl 30    take it, or exit with 1\n"
      "  metastore put color green --if-revision 17\n"
      "  metastore put -- -key- value                          behind -- nothing is a flag\n",
      cli_put },
    { "get", NULL, "KEY", 1, 1, READ | RANGE, "read a key, or all that begin with it",
      "Prints the value as it is, not a byte more (on a terminal a line end, if it has none). Exits "
      "with 1\n"
      "where there is no such key. With a flag that speaks of several keys, as --prefix, it is "
      "`range`.\n\n"
      "Examples:\n"
      "  metastore get color\n"
      "  metastore get image > image.png\n"
      "  metastore get color --rev 17\n"
      "  metastore get color --output json          with its revisions, version and lease\n"
      "  metastore get config/ --prefix\n",
      cli_get },
    { "del", NULL, "KEY [END]", 1, 2,
      B(CLI_PREFIX) | B(CLI_FROM_KEY) | B(CLI_IF_REVISION) | B(CLI_PREV_KV) | B(CLI_BATCH),
      "delete a key, or several",
      "With END all keys from KEY on, below END; all of them at one revision. Prints how many there "
      "were, and\n"
      "with --prev-kv each with its value. Exits with 1 where there was none. Of hundreds of thousands "
      "of keys, all\n"
      "other requests wait until they are gone: with --batch they go in parts, between which others are "
      "served.\n\n"
      "Examples:\n"
      "  metastore del color\n"
      "  metastore del lock --if-revision 17\n"
      "  metastore del config/ --prefix --prev-kv\n"
      "  metastore del old/ --prefix --batch 1000\n",
      cli_del },
    { "range", NULL, "[FIRST [END]]", 0, 2, READ | RANGE, "read many keys",
      "From FIRST on, below END; FIRST alone, all that begin with it (--prefix), or all from it on "
      "(--from-key);\n"
      "without arguments all there are. A line a key: key, tab, value; what is no plain text, tabs, "
      "line ends and\n"
      "backslashes are \\x00, \\t, \\n, \\\\. Of any length, and all of one moment.\n\n"
      "Examples:\n"
      "  metastore range a m\n"
      "  metastore range config/ --prefix --keys-only\n"
      "  metastore range --sort mod --order desc --limit 10      what was written last\n"
      "  metastore range --count-only --rev 17\n",
      cli_range },
    { "txn", NULL, "[FILE|-]", 0, 1, 0, "a transaction: compare, then do, all or nothing",
      "The transaction is JSON, of a file or of the standard input, as docs/API.md has it for POST "
      "/_/txn.\n"
      "Prints then or else with the revision, and what each operation found. Exits with 1 where a "
      "compare did\n"
      "not hold and the operations of else were done.\n\n"
      "Example:\n"
      "  metastore txn <<'END'\n"
      "  {\"compare\": [{\"key\": \"lock\", \"target\": \"create\", \"op\": \"=\", \"value\": 0}],\n"
      "   \"then\": [{\"put\": {\"key\": \"lock\", \"value\": \"me\"}}],\n"
      "   \"else\": [{\"get\": {\"key\": \"lock\"}}]}\n"
      "  END\n",
      cli_txn },
    { "watch", NULL, "KEY", 1, 1,
      B(CLI_PREFIX) | B(CLI_REV) | B(CLI_PREV_KV) | B(CLI_NO_PUT) | B(CLI_NO_DELETE),
      "what happens to a key, as it happens",
      "A line for each event: its revision, put or delete, key, value, and with --prev-kv the value "
      "before,\n"
      "with tabs between them; what is no plain text, tabs, line ends and backslashes are \\x00, \\t, "
      "\\n, \\\\.\n"
      "With --output json an object a line. In order, each event once, also where a member goes away: "
      "it is\n"
      "gone on at another one. Ends when nobody answers for --timeout-ms (3), or when what is to be "
      "told\n"
      "next is compacted (1).\n\n"
      "Examples:\n"
      "  metastore watch color\n"
      "  metastore watch config/ --prefix --prev-kv\n"
      "  metastore watch \"\" --prefix --rev 17 --output json    all from revision 17 on\n",
      cli_watch },
    { "lease", "grant", "SECONDS", 1, 1, B(CLI_ID), "a lease: keys put with it end with it",
      "Prints its id, and the seconds that were granted.\n\n"
      "Examples:\n"
      "  metastore lease grant 60\n"
      "  metastore lease grant 60 --id 7 && metastore put workers/a host-a --lease 7\n",
      cli_lease_grant },
    { "lease", "revoke", "ID", 1, 1, 0, "end a lease, and its keys",
      ONE("  metastore lease revoke 7\n"), cli_lease_revoke },
    { "lease", "keep-alive", "ID", 1, 1, B(CLI_ONCE), "keep a lease alive, until it is dead",
      "Renews it every third of its time and prints a line each time. Exits with 1 when it is dead, "
      "and with 3\n"
      "when nobody answers for --timeout-ms.\n\n"
      "Examples:\n"
      "  metastore lease keep-alive 7\n"
      "  metastore lease keep-alive 7 --once\n",
      cli_lease_keep_alive },
    { "lease", "ttl", "ID", 1, 1, 0, "how long a lease lives, and its keys",
      "Exits with 1 where there is no such lease.\n\n" ONE("  metastore lease ttl 7\n"),
      cli_lease_ttl },
    { "lease", "list", "", 0, 0, 0, "all leases", ONE("  metastore lease list\n"), cli_lease_list },
    { "member", "list", "", 0, 0, 0, "the members of the cluster", ONE("  metastore member list\n"),
      cli_member_list },
    { "member", "add", "ID URL", 2, 2, 0, "a new member, or a new URL of one",
      "It comes as a learner, and is promoted by itself when it has caught up. Start it with "
      "--join.\n\n" ONE("  metastore member add 4 http://10.0.0.4:9021\n"),
      cli_member_add },
    { "member", "remove", "ID", 1, 1, B(CLI_FORCE), "take a member out of the cluster",
      "It stops by itself.\n\n" ONE("  metastore member remove 3\n"), cli_member_remove },
    { "member", "set", "ID[=URL] ...", 1, 32, B(CLI_FORCE), "the voters that shall be, in one change",
      "Who is a member needs no URL. Those that are new join, catch up, and take the place of those "
      "that are\n"
      "not named.\n\n" ONE("  metastore member set 1 4=http://10.0.0.4:9021 5=http://10.0.0.5:9021\n"),
      cli_member_set },
    { "leader", NULL, "", 0, 0, 0, "who leads", ONE("  metastore leader\n"), cli_leader },
    { "leader", "move", "[ID]", 0, 1, 0, "hand the leadership over",
      "To that member, or to any other.\n\n" ONE("  metastore leader move 2\n"), cli_leader_move },
    { "compact", NULL, "REVISION", 1, 1, 0, "forget what was before a revision",
      "Reads at that revision itself still work; what is older can be neither read nor watched any "
      "more.\n\n" ONE("  metastore compact 17\n"),
      cli_compact },
    { "status", NULL, "", 0, 0, 0, "a table of all endpoints: role, leader, indexes, keys, disk",
      "Each endpoint is asked once, for 3 seconds or --timeout-ms. Exits with 1 where some do not "
      "answer,\n"
      "with 3 where none does.\n\n" ONE(
          "  metastore status --endpoints "
          "http://10.0.0.1:9121,http://10.0.0.2:9121,http://10.0.0.3:9121\n"),
      cli_status },
    { "health", NULL, "", 0, 0, 0, "whether each endpoint serves",
      "Exits with 0 where all are healthy, with 1 where some are not, with 3 where none "
      "answers.\n\n" ONE("  metastore health\n"),
      cli_health },
};
const unsigned cli_command_count = sizeof cli_command_table / sizeof *cli_command_table;
