/* seeds_http_fetch.c: writes a small corpus for fuzz_http_fetch into the directory argv[1]: a stream, and
 * refusals, as a member sends them. */
#include "base/ms_assert.h"
#include "fuzz/support.h"

static void save(const char *dir, const char *name, const char *text)
{
    seed_save(dir, name, bytes_of_str(text));
}

int main(int argc, char **argv)
{
    MS_ASSERT(argc == 2);
    save(argv[1], "stream",
         "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n"
         "Connection: close\r\n\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n3\r\nxyz\r\n0\r\n\r\n");
    save(argv[1], "busy",
         "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 6\r\nContent-Type: "
         "text/plain\r\nRetry-After: "
         "1\r\n\r\nlater\n");
    save(argv[1], "empty", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    save(
        argv[1], "done",
        "HTTP/1.1 204 No Content\r\nETag: \"5\"\r\nMetastore-Revision: 5\r\nMetastore-Term: 1\r\n\r\n");
    save(argv[1], "head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"5\"\r\n\r\nh");
    return 0;
}
