/* seeds_cli_json.c: writes a small corpus for fuzz_cli_json into the directory argv[1]: answers of members. */
#include "base/ms_assert.h"
#include "fuzz/support.h"

static void save(const char *dir, const char *name, const char *text)
{
    seed_save(dir, name, bytes_of_str(text));
}

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    save(argv[1], "range",
         "{\"revision\": 4, \"kvs\": [{\"key\": \"a\\n\\u00e4\\ud83d\\ude00\", \"value\": \"1\"}, "
         "{\"key_base64\": "
         "\"/w==\", \"value_base64\": \"AAEC\"}], \"count\": 3, \"more\": false}");
    save(argv[1], "txn",
         "{\"revision\": 3, \"succeeded\": true, \"responses\": [{\"put\": {\"revision\": 3, "
         "\"prev_kv\": null}}, "
         "{\"a\": [[], {}, [1, \"]\\\"\"]]}]}");
    save(argv[1], "last", "{\"kvs\": [], \"more\": true, \"revision\": 18446744073709551615}");
    save(argv[1], "text", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"");
    save(argv[1], "bytes", "\xf0\x9f\x98\x80\xed\xa0\x80\xc0\x80 \x7f");
    return 0;
}
