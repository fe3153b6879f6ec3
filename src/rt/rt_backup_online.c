/* rt_backup_online.c: ms_snapshot_save(): a backup over HTTP, from the first member that answers. Blocking
 * sockets with a limit on every wait: a command has nothing else to do. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ms_err.h"
#include "format/config.h"
#include "http/http_fetch.h"
#include "rt/rt_alloc.h"
#include "rt/rt_backup.h"
#include "rt/rt_clock.h"

#define CONNECT_MS 5000
#define ANSWER_MS 30000 /* between two pieces */
#define INPUT_BYTES (128u << 10)
#define LINE_BYTES 300u /* of a refusal */
#define PATH "/_/snapshot"

struct online {
    char url[MS_URL_BYTES_MAX + 16]; /* http://host:port */
    char host[MS_URL_BYTES_MAX + 1];
    uint16_t port;
    int fd;
    struct http_fetch fetch;
    struct rt_backup file;
    bool streaming; /* the answer is 200 */
    uint8_t *input;
    size_t input_len;
    char line[LINE_BYTES]; /* the body of a refusal */
    size_t line_len;
    char *why;
};

static int refuse(struct online *o, int status, const char *what)
{
    snprintf(o->why, MS_WHY_BYTES, "%s: %s", o->url, what);
    return status;
}

/* ---- the connection ---- */

/* 0, or MS_ETIMEOUT. */
static int wait_for(int fd, short events, int ms)
{
    struct pollfd p = { .fd = fd, .events = events };
    uint64_t end = rt_clock_ms() + (uint64_t)ms;
    for (;;) {
        uint64_t now = rt_clock_ms();
        int n = now >= end ? 0 : poll(&p, 1, (int)(end - now));
        if (n > 0) return 0;
        if (n == 0) return MS_ETIMEOUT;
        if (errno != EINTR) return MS_EIO;
    }
}

static int connect_one(const struct addrinfo *a)
{
    int error = 0, fd = socket(a->ai_family, SOCK_STREAM, 0);
    socklen_t len = sizeof error;
    if (fd < 0) return -1;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    int rv = connect(fd, a->ai_addr, a->ai_addrlen);
    if (rv != 0 && errno == EINPROGRESS)
        rv = wait_for(fd, POLLOUT, CONNECT_MS) == 0 &&
                     getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0
                 ? 0
                 : -1;
    if (rv == 0) return fd;
    close(fd);
    return -1;
}

static int dial(struct online *o)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", o->port);
    if (getaddrinfo(o->host, service, &hints, &all) != 0) return refuse(o, MS_EADDR, "no such host");
    for (const struct addrinfo *a = all; a && o->fd < 0; a = a->ai_next) o->fd = connect_one(a);
    freeaddrinfo(all);
    return o->fd < 0 ? refuse(o, MS_EADDR, "nobody answers there") : 0;
}

static int ask(struct online *o)
{
    struct buf request;
    int rv = 0;
    buf_init(&request, rt_alloc_heap(), 4096);
    http_fetch_request(&request, o->host, o->port, PATH);
    if (request.failed) rv = refuse(o, MS_ENOMEM, ms_err_text(MS_ENOMEM));
    for (size_t done = 0; rv == 0 && done < request.len;) {
        ssize_t n = send(o->fd, request.data + done, request.len - done, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR && errno != EAGAIN)
            rv = refuse(o, MS_EADDR, "the connection broke");
        else if (wait_for(o->fd, POLLOUT, CONNECT_MS) < 0)
            rv = refuse(o, MS_ETIMEOUT, "it takes no request");
    }
    buf_fini(&request);
    return rv;
}

/* More input. MS_EEND: the other side has closed. */
static int hear(struct online *o)
{
    for (;;) {
        ssize_t n = recv(o->fd, o->input + o->input_len, INPUT_BYTES - o->input_len, 0);
        if (n > 0) o->input_len += (size_t)n;
        if (n > 0) return 0;
        if (n == 0 || (errno != EINTR && errno != EAGAIN)) return MS_EEND;
        if (errno == EAGAIN && wait_for(o->fd, POLLIN, ANSWER_MS) < 0)
            return refuse(o, MS_ETIMEOUT, "nothing came any more");
    }
}

/* ---- the answer ---- */

static int take(struct online *o, struct bytes body)
{
    o->streaming = o->fetch.status == 200;
    if (o->streaming) return rt_backup_write(&o->file, body, o->why);
    size_t room = sizeof o->line - 1 - o->line_len, n = body.len < room ? body.len : room;
    if (n > 0) memcpy(o->line + o->line_len, body.data, n);
    o->line_len += n;
    return 0;
}

/* What is in the input, as far as it goes. 0: more is needed; MS_EEND: it is complete. */
static int digest(struct online *o)
{
    for (;;) {
        struct bytes body;
        size_t used;
        int rv = http_fetch_next(&o->fetch, o->input, o->input_len, &used, &body);
        if (rv < 0 && rv != MS_EEND)
            return refuse(o, rv, "what came is no answer of a member: is this its HTTP port?");
        int taken = body.len > 0 ? take(o, body) : 0;
        if (taken < 0) return taken;
        o->streaming = o->fetch.status == 200;
        o->input_len -= used;
        memmove(o->input, o->input + used, o->input_len);
        if (rv == MS_EEND || used == 0 || o->input_len == 0) return rv;
    }
}

/* A refusal, in its own words. */
static int refused(struct online *o)
{
    o->line[strcspn(o->line, "\r\n")] = 0;
    int status = o->fetch.status;
    snprintf(o->why, MS_WHY_BYTES, "%s: %d: %s", o->url, status, o->line);
    if (status == 503) return strstr(o->line, "leader") ? MS_ENOLEADER : MS_EBUSY;
    return MS_EPROTO;
}

static int receive(struct online *o)
{
    int rv = 0;
    while (rv == 0) {
        rv = hear(o);
        if (rv == MS_EEND && o->fetch.status == 0)
            return refuse(o, MS_EADDR, "it closed the connection");
        if (rv == MS_EEND) {
            snprintf(o->why, MS_WHY_BYTES, "%s: the backup broke off behind %llu bytes", o->url,
                     (unsigned long long)o->file.bytes);
            return MS_ECORRUPT;
        }
        if (rv == 0) rv = digest(o);
    }
    if (rv != MS_EEND) return rv;
    return o->streaming ? 0 : refused(o);
}

static int save_from(struct online *o, const char *file, struct ms_snapshot_report *out)
{
    int rv = dial(o);
    if (rv == 0) rv = ask(o);
    if (rv == 0) rv = rt_backup_create(&o->file, file, o->why);
    if (rv == 0) {
        rv = receive(o);
        if (rv == 0)
            rv = rt_backup_finish(&o->file, out, o->why);
        else
            rt_backup_abandon(&o->file);
    }
    if (o->fd >= 0) close(o->fd);
    o->fd = -1;
    return rv;
}

/* ---- endpoints ---- */

static int parse_endpoint(struct online *o, const char *at, size_t len)
{
    bool scheme = memchr(at, '/', len) != NULL;
    int n = snprintf(o->url, sizeof o->url, "%s%.*s", scheme ? "" : "http://", (int)len, at);
    if (n < (int)sizeof o->url && config_url_parse(o->url, o->host, sizeof o->host, &o->port) == 0)
        return 0;
    snprintf(o->why, MS_WHY_BYTES, "\"%.*s\" is no endpoint: http://host:port",
             len < 200 ? (int)len : 200, at);
    return MS_EINVAL;
}

/* Whether another member may do better. */
static bool is_about_member(int rv)
{
    return rv == MS_EADDR || rv == MS_EBUSY || rv == MS_ENOLEADER || rv == MS_EPROTO;
}

static int save(struct online *o, const char *file, const char *endpoints,
                struct ms_snapshot_report *out)
{
    int rv = 0;
    for (int pass = 0; pass < 2; pass++) { /* the list is looked through before anybody is asked */
        for (const char *at = endpoints;;) {
            size_t len = strcspn(at, ",");
            rv = parse_endpoint(o, at, len);
            if (rv < 0) return rv;
            if (pass > 0) {
                http_fetch_init(&o->fetch);
                o->input_len = o->line_len = 0;
                o->streaming = false;
                memset(o->line, 0, sizeof o->line);
                rv = save_from(o, file, out);
                if (!is_about_member(rv)) return rv;
            }
            if (!at[len]) break;
            at += len + 1;
        }
    }
    return rv;
}

int ms_snapshot_save(const char *file, const char *endpoints, struct ms_snapshot_report *out,
                     char why[MS_WHY_BYTES])
{
    struct ms_snapshot_report *report = malloc(sizeof *report);
    struct online *o = calloc(1, sizeof *o);
    uint8_t *input = malloc(INPUT_BYTES);
    int rv = MS_ENOMEM;
    snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(MS_ENOMEM));
    if (report && o && input) {
        why[0] = 0;
        o->why = why;
        o->fd = -1;
        o->input = input;
        rv = save(o, file, endpoints, report);
        if (rv == 0 && out) *out = *report;
    }
    free(report);
    free(o);
    free(input);
    return rv;
}
