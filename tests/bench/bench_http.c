/* bench_http.c: a closed-loop load generator for the HTTP API: one thread, epoll, one request in flight a
 * connection, loopback only. Prints one line: operations a second, latencies, errors.
 *
 *   bench_http --ports P[,P...] --op put|get [--connections N] [--seconds S] [--keys N] [--key-bytes N]
 *              [--value-bytes N] [--samples FILE]
 *   bench_http --ports P[,P...] --op fill [--keys N] ...   each key once, in order; again if refused
 *
 * Keys are numbers of 8 digits, or as many as --key-bytes says. FILE gets a line for each answer: when it
 * came (microseconds since 1970) and how long it took (microseconds). */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 16
#define CONNECTIONS_MAX 4096
#define IN_BYTES 65536
#define SAMPLES_MAX (8u << 20)
#define WARM_UP_SECONDS 0.5

struct connection {
    int fd;
    uint64_t sent_ns;
    unsigned key;
    bool refused; /* fill: the key is put again */
    size_t in_len;
    char in[IN_BYTES];
};

static struct options {
    int ports[PORTS_MAX], port_count;
    bool put, fill;
    int connections, keys, key_bytes, value_bytes;
    double seconds;
    const char *samples_path;
} opts = {
    .put = true, .connections = 64, .keys = 10000, .key_bytes = 8, .value_bytes = 256, .seconds = 5
};

static struct connection *connections;
static struct sample {
    uint32_t us;
    uint32_t end_us; /* since the begin; filled in for a file */
} * samples;
static size_t sample_count;
static unsigned filled;
static int idle_count; /* connections that have nothing more to fill in */
static uint64_t errors, random_state = 88172645463325252u;
static char *value;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void send_request(struct connection *c)
{
    static char request[IN_BYTES + 512];
    if (!c->refused) c->key = opts.fill ? filled++ : (unsigned)(random_u64() % (unsigned)opts.keys);
    unsigned key = c->key;
    int len;
    if (opts.fill && key >= (unsigned)opts.keys) {
        idle_count++;
        return;
    }
    if (opts.put) {
        len = snprintf(request, 512, "PUT /%0*u HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n",
                       opts.key_bytes, key, opts.value_bytes);
        memcpy(request + len, value + random_u64() % 64, (size_t)opts.value_bytes);
        len += opts.value_bytes;
    } else {
        len = snprintf(request, 512, "GET /%0*u HTTP/1.1\r\nHost: bench\r\n\r\n", opts.key_bytes, key);
    }
    c->sent_ns = now_ns();
    for (int at = 0; at < len;) {
        ssize_t n = send(c->fd, request + at, (size_t)(len - at), MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR && errno != EAGAIN) die("send");
        if (n > 0) at += (int)n;
    }
}

/* The length of the first whole answer in the buffer, 0 if it is not whole yet; *status is its status. */
static size_t answer_length(struct connection *c, int *status)
{
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end - c->in) + 4, body = 0;
    *end = 0;
    *status = atoi(c->in + 9);
    char *length = strcasestr(c->in, "\r\nContent-Length:");
    if (length) body = strtoul(length + 17, NULL, 10);
    *end = '\r';
    return c->in_len >= head + body ? head + body : 0;
}

static void receive(struct connection *c, uint64_t begin_ns, uint64_t warm_ns)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, 0);
    if (n <= 0) {
        fprintf(stderr, "a connection was closed\n");
        exit(1);
    }
    c->in_len += (size_t)n;
    int status = 0;
    size_t len = answer_length(c, &status);
    if (len == 0) return;
    uint64_t now = now_ns();
    bool fine = status == 204 || status == 200 || (!opts.put && status == 404);
    c->refused = opts.fill && !fine;
    if (!fine)
        errors++;
    else if (now >= begin_ns + warm_ns && sample_count < SAMPLES_MAX) {
        samples[sample_count++] = (struct sample){ .us = (uint32_t)((now - c->sent_ns) / 1000),
                                                   .end_us = (uint32_t)((now - begin_ns) / 1000) };
    }
    memmove(c->in, c->in + len, c->in_len - len);
    c->in_len -= len;
    send_request(c);
}

static int connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static int compare_samples(const void *a, const void *b)
{
    uint32_t x = ((const struct sample *)a)->us, y = ((const struct sample *)b)->us;
    return (x > y) - (x < y);
}

static void write_samples(uint64_t begin_ns)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t begin_us = (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
    FILE *f = fopen(opts.samples_path, "w");
    if (!f) die(opts.samples_path);
    begin_us -= (now_ns() - begin_ns) / 1000;
    for (size_t i = 0; i < sample_count; i++) {
        fprintf(f, "%llu %u\n", (unsigned long long)(begin_us + samples[i].end_us), samples[i].us);
    }
    if (fclose(f) != 0) die(opts.samples_path);
}

static void parse(int argc, char **argv)
{
    static const struct option longs[] = {
        { "ports", 1, NULL, 'p' },     { "op", 1, NULL, 'o' },      { "connections", 1, NULL, 'c' },
        { "seconds", 1, NULL, 's' },   { "keys", 1, NULL, 'k' },    { "value-bytes", 1, NULL, 'v' },
        { "key-bytes", 1, NULL, 'b' }, { "samples", 1, NULL, 'f' }, { NULL, 0, NULL, 0 },
    };
    for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (o) {
        case 'p':
            for (char *p = strtok(optarg, ","); p && opts.port_count < PORTS_MAX;
                 p = strtok(NULL, ",")) {
                opts.ports[opts.port_count++] = atoi(p);
            }
            break;
        case 'o':
            opts.fill = strcmp(optarg, "fill") == 0;
            opts.put = opts.fill || strcmp(optarg, "put") == 0;
            if (opts.fill) opts.seconds = 86400;
            break;
        case 'c': opts.connections = atoi(optarg); break;
        case 's': opts.seconds = atof(optarg); break;
        case 'k': opts.keys = atoi(optarg); break;
        case 'v': opts.value_bytes = atoi(optarg); break;
        case 'b': opts.key_bytes = atoi(optarg); break;
        case 'f': opts.samples_path = optarg; break;
        default: exit(2);
        }
    }
    bool sane = opts.port_count > 0 && opts.connections > 0 && opts.connections <= CONNECTIONS_MAX &&
                opts.keys > 0 && opts.key_bytes > 0 && opts.key_bytes <= 64 && opts.value_bytes >= 0 &&
                opts.value_bytes < IN_BYTES - 1024;
    if (!sane) {
        fprintf(stderr,
                "usage: bench_http --ports P[,P...] --op put|get|fill [--connections N] "
                "[--seconds S] [--keys N] [--key-bytes N] [--value-bytes N] [--samples FILE]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    value = malloc(IN_BYTES + 64);
    samples = malloc(SAMPLES_MAX * sizeof *samples);
    connections = calloc((size_t)opts.connections, sizeof *connections);
    int poll = epoll_create1(0);
    if (!value || !samples || !connections || poll < 0) die("setup");
    for (size_t i = 0; i < IN_BYTES + 64; i++) value[i] = (char)('a' + random_u64() % 26);
    for (int i = 0; i < opts.connections; i++) {
        connections[i].fd = connect_to(opts.ports[i % opts.port_count]);
        struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &connections[i] };
        epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &ev);
    }
    uint64_t begin = now_ns(), warm = (uint64_t)(WARM_UP_SECONDS * 1e9);
    uint64_t end = begin + warm + (uint64_t)(opts.seconds * 1e9);
    for (int i = 0; i < opts.connections; i++) send_request(&connections[i]);
    while (now_ns() < end && idle_count < opts.connections) {
        struct epoll_event events[256];
        int n = epoll_wait(poll, events, 256, 100);
        for (int i = 0; i < n; i++) receive(events[i].data.ptr, begin, warm);
    }
    double took = (double)(now_ns() - begin - warm) * 1e-9;
    if (opts.samples_path) write_samples(begin);
    qsort(samples, sample_count, sizeof *samples, compare_samples);
    uint32_t p50 = sample_count ? samples[sample_count / 2].us : 0;
    uint32_t p99 = sample_count ? samples[sample_count * 99 / 100].us : 0;
    printf("%s connections=%d ops_per_s=%.0f p50_ms=%.3f p99_ms=%.3f errors=%llu\n",
           opts.put ? "put" : "get", opts.connections, (double)sample_count / took, p50 / 1000.0,
           p99 / 1000.0, (unsigned long long)errors);
    return errors > 0 && !opts.fill; /* what was refused has been put again */
}
