/* seeds_http_members.c: writes a small corpus for fuzz_http_members into the directory argv[1]. */
#include "base/ms_assert.h"
#include "fuzz/support.h"

static void save(const char *dir, const char *name, char which, const char *body)
{
    seed_save_parts(dir, name, bytes_of(&which, 1), bytes_of_str(body));
}

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    save(argv[1], "members_known", 0, "[{\"id\": 1}, {\"id\": 2}, {\"id\": 3}]");
    save(argv[1], "members_urls", 0,
         "[{\"id\": 9, \"url\": \"http://h:1\"}, {\"url\": \"http://[::1]:65535/\", \"id\": 10}]");
    save(argv[1], "members_escapes", 0, "[ {\"id\":1,\n\t\"url\":\"http:\\/\\/\\u0068:1\"} ]\r\n");
    save(argv[1], "members_twice", 0, "[{\"id\": 1}, {\"id\": 1}]");
    save(argv[1], "members_cut", 0, "[{\"id\": 1, \"url\": \"http:");
    save(argv[1], "members_none", 0, "[]");
    save(argv[1], "settings_on", 1, "{\"lease_reads\": true}");
    save(argv[1], "settings_off", 1, " { \"lease_reads\" : false } ");
    save(argv[1], "settings_unknown", 1, "{\"leases\": true}");
    save(argv[1], "leader_named", 2, "3\n");
    save(argv[1], "leader_any", 2, "");
    save(argv[1], "leader_bad", 2, "03");
    return 0;
}
