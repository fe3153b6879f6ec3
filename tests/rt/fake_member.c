#include "tests/rt/fake_member.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/test.h"

static void hear_request(int fd, char *into)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, into + len, FAKE_REQUEST_BYTES - 1 - len, 0);
        if (n <= 0) break;
        len += (size_t)n;
        into[len] = 0;
        const char *end = strstr(into, "\r\n\r\n"), *length = strstr(into, "Content-Length: ");
        size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
        if (end && strlen(end + 4) >= body) break;
    }
}

static void *serve(void *arg)
{
    struct fake *f = arg;
    for (;;) {
        int fd = accept(f->fd, NULL, NULL);
        if (fd < 0) return NULL;
        int i = f->requests < 3 ? f->requests : 3;
        while (i > 0 && !f->answers[i]) i--;
        hear_request(fd, f->last);
        f->requests++;
        if (f->answers[i]) (void)!write(fd, f->answers[i], strlen(f->answers[i]));
        close(fd);
    }
}

struct fake fakes[FAKES_MAX];
char fake_endpoints[FAKES_MAX * 40];
static int fake_count;

void fake_add(const char *first, const char *then)
{
    struct fake *f = &fakes[fake_count++];
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    *f = (struct fake){ .answers = { first, then }, .fd = socket(AF_INET, SOCK_STREAM, 0) };
    CHECK(bind(f->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(f->fd, 8) == 0);
    CHECK(getsockname(f->fd, (struct sockaddr *)&a, &len) == 0);
    f->port = ntohs(a.sin_port);
    snprintf(fake_endpoints + strlen(fake_endpoints), sizeof fake_endpoints - strlen(fake_endpoints),
             "%shttp://127.0.0.1:%u", *fake_endpoints ? "," : "", f->port);
    CHECK_EQ(pthread_create(&f->thread, NULL, serve, f), 0);
}

void fake_end_all(void)
{
    for (int i = 0; i < fake_count; i++) {
        shutdown(fakes[i].fd, SHUT_RDWR);
        pthread_join(fakes[i].thread, NULL);
        close(fakes[i].fd);
    }
    fake_count = 0;
    fake_endpoints[0] = 0;
}
