#include "rt/rt_options.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"

#define PORT_TEXT_BYTES 6

static int refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, MS_WHY_BYTES, format, args);
    va_end(args);
    return MS_EINVAL;
}

/* Decimal digits only, no sign, no blanks; false also when it does not fit. */
static bool number_parse(const char *text, size_t len, uint64_t *out)
{
    uint64_t v = 0;
    if (len == 0) return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (v > (UINT64_MAX - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

/* ---- addresses ---- */

static int endpoint_set(struct rt_endpoint *out, const char *host, size_t host_len, uint16_t port)
{
    if (host_len == 0 || host_len >= sizeof out->host || port == 0) return MS_EINVAL;
    for (size_t i = 0; i < host_len; i++) {
        if (host[i] <= ' ' || strchr("[]/,=@", host[i])) return MS_EINVAL;
    }
    memcpy(out->host, host, host_len);
    out->host[host_len] = 0;
    out->port = port;
    return 0;
}

int rt_endpoint_parse(const char *text, size_t len, uint16_t default_port, struct rt_endpoint *out)
{
    const char *host = text, *end = text + len, *colon = NULL;
    uint64_t port = default_port;
    uint32_t colons = 0;
    bool brackets = len > 0 && text[0] == '[';
    for (const char *p = text; p < end; p++) {
        if (*p == ']') colons = 0; /* what counts is a colon behind the brackets */
        if (*p == ':' && ++colons == 1) colon = p;
    }
    const char *host_end = colons == 1 ? colon : end;
    if (brackets && colons > 1) return MS_EINVAL;
    if (brackets && colons == 1 && colon[-1] != ']') return MS_EINVAL;
    if (colons == 1) {
        size_t digits = (size_t)(end - colon - 1);
        if (digits >= PORT_TEXT_BYTES || !number_parse(colon + 1, digits, &port) || port > UINT16_MAX)
            return MS_EINVAL;
    }
    if (brackets) {
        if (host_end - host < 3 || host_end[-1] != ']') return MS_EINVAL;
        host++;
        host_end--;
    }
    return endpoint_set(out, host, (size_t)(host_end - host), (uint16_t)port);
}

static int listen_parse(struct rt_setup *s, char *why)
{
    const char *at = s->options.listen;
    if (!at) return 0;
    for (;;) {
        size_t len = strcspn(at, ",");
        if (s->api_count == RT_ENDPOINTS_MAX)
            return refuse(why, "--listen: more than %u addresses", RT_ENDPOINTS_MAX);
        if (rt_endpoint_parse(at, len, s->options.http_port, &s->api[s->api_count]) < 0)
            return refuse(why, "--listen: \"%.*s\" is not an address with an optional :port", (int)len,
                          at);
        s->api_count++;
        if (at[len] == 0) return 0;
        at += len + 1;
    }
}

/* ---- the cluster ---- */

/* One entry, "url" or "id=url". A URL has no "=" in it, as nothing may follow its port. */
static int cluster_entry(const char *text, size_t len, uint64_t position, struct config *out, char *why)
{
    struct config_member m = { .id = position, .roles = CONFIG_VOTER };
    char host[MS_URL_BYTES_MAX + 1];
    uint16_t port;
    const char *url = text, *equals = memchr(text, '=', len);
    if (equals) {
        size_t id_len = (size_t)(equals - text);
        if (!number_parse(text, id_len, &m.id) || m.id == 0 || m.id > MS_MEMBER_ID_MAX)
            return refuse(why, "--cluster: \"%.*s\" is not a member id", (int)id_len, text);
        url = equals + 1;
    }
    size_t url_len = len - (size_t)(url - text);
    if (url_len > 0 && url[url_len - 1] == '/') url_len--;
    if (url_len >= 8 && strncmp(url, "https://", 8) == 0)
        return refuse(why, "--cluster: \"%.*s\": TLS between members is not supported yet, use http://",
                      (int)url_len, url);
    if (url_len > MS_URL_BYTES_MAX)
        return refuse(why, "--cluster: an URL is longer than %u bytes", MS_URL_BYTES_MAX);
    memcpy(m.url, url, url_len);
    if (config_url_parse(m.url, host, sizeof host, &port) < 0)
        return refuse(why, "--cluster: \"%.*s\" is not a peer URL like http://host:port", (int)url_len,
                      url);
    if (config_find(out, m.id))
        return refuse(why, "--cluster: two entries for member %llu", (unsigned long long)m.id);
    if (config_find_url(out, m.url)) return refuse(why, "--cluster: %s stands there twice", m.url);
    if (config_add(out, &m) < 0) return refuse(why, "--cluster: more than %u members", MS_MEMBERS_MAX);
    return 0;
}

int rt_cluster_parse(const char *list, struct config *out, char *why)
{
    *out = (struct config){ 0 };
    for (uint64_t position = 1;; position++) {
        size_t len = strcspn(list, ",");
        int rv = cluster_entry(list, len, position, out, why);
        if (rv < 0) return rv;
        if (list[len] == 0) return 0;
        list += len + 1;
    }
}

static int own_entry(struct rt_setup *s, char *why)
{
    const struct config_member *m = config_find(&s->cluster, s->options.id);
    if (!m)
        return refuse(why, "--id %llu: --cluster has no entry for it (it has %u)",
                      (unsigned long long)s->options.id, s->cluster.member_count);
    int rv = config_url_parse(m->url, s->own.host, sizeof s->own.host, &s->own.port);
    if (rv < 0) return rv;
    s->peer = s->own;
    const char *text = s->options.listen_peer;
    if (text && rt_endpoint_parse(text, strlen(text), s->own.port, &s->peer) < 0)
        return refuse(why, "--listen-peer: \"%s\" is not an address with an optional :port", text);
    return 0;
}

/* ---- numbers ---- */

struct range {
    const char *name;
    uint64_t value, least, most;
};

static int ranges_check(const struct ms_options *o, char *why)
{
    const struct range ranges[] = {
        { "--id", o->id, 1, MS_MEMBER_ID_MAX },
        { "--port", o->http_port, 1, UINT16_MAX },
        { "--heartbeat-ms", o->heartbeat_ms, 1, 60000 },
        { "--election-ms", o->election_ms, 10, 600000 },
        { "--request-timeout-ms", o->request_ms, 1, 3600000 },
        { "--disk-stall-ms", o->disk_stall_ms, 0, 3600000 },
        { "--max-request-bytes", o->request_bytes_max, 1024, MS_TXN_BYTES_MAX },
        { "--max-key-bytes", o->key_bytes_max, 1, MS_KEY_BYTES_MAX },
        { "--max-value-bytes", o->value_bytes_max, 0, MS_VALUE_BYTES_MAX },
        { "--max-clients", o->clients_max, 1, 1000000 },
        { "--snapshot-log-bytes", o->snapshot_log_bytes, 64u << 10, UINT64_C(1) << 40 },
        /* Whatever the own limits are: the largest entry another member proposes has to fit. */
        { "--wal-segment-bytes", o->wal_segment_bytes, WAL_SEGMENT_BYTES_LEAST_OPTION, 1u << 30 },
        { "--revisions-kept", o->revisions_kept, 0, INT64_MAX },
        { "--digest-ms", o->digest_ms, 0, 86400000 },
        { "--snapshot-rate", o->snapshot_bytes_per_s, 0, SNAP_BYTES_PER_S_MAX },
        { "--min-free-bytes", o->min_free_bytes, 0, UINT64_C(1) << 50 },
        { "--max-requests", o->requests_max, 1, 1000000 },
        { "--client-timeout-ms", o->client_ms, 100, 86400000 },
        { "--max-client-queue-bytes", o->client_queue_bytes_max, 1u << 20, UINT64_C(1) << 40 },
        { "--max-clients-bytes", o->clients_bytes_max, 1u << 20, UINT64_C(1) << 50 },
        { "--max-watches", o->watches_max, 0, 10000000 },
        { "--watch-beat-ms", o->watch_beat_ms, 100, 3600000 },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *r = &ranges[i];
        if (r->value < r->least || r->value > r->most)
            return refuse(why, "%s %llu: must be %llu to %llu", r->name, (unsigned long long)r->value,
                          (unsigned long long)r->least, (unsigned long long)r->most);
    }
    if (o->election_ms < 2 * o->heartbeat_ms)
        return refuse(why, "--election-ms %u: must be at least twice --heartbeat-ms (%u)",
                      o->election_ms, o->heartbeat_ms);
    if (o->min_free_bytes && o->min_free_bytes < o->wal_segment_bytes)
        return refuse(why, "--min-free-bytes %llu: must be 0 or at least --wal-segment-bytes (%llu)",
                      (unsigned long long)o->min_free_bytes, (unsigned long long)o->wal_segment_bytes);
    if (o->wal_segment_bytes % 4096 != 0)
        return refuse(why, "--wal-segment-bytes %llu: must be a multiple of 4096",
                      (unsigned long long)o->wal_segment_bytes);
    return 0;
}

static int others_check(struct rt_setup *s, char *why)
{
    const struct ms_options *o = &s->options;
    if (o->storage != MS_STORAGE_MEMORY && o->storage != MS_STORAGE_ROCKSDB)
        return refuse(why, "--storage: must be memory or rocksdb");
    if ((int)o->log_level < MS_LOG_DEBUG || o->log_level > MS_LOG_ERROR)
        return refuse(why, "--log-level: must be debug, info, warn or error");
    if (o->log_format != MS_LOG_TEXT && o->log_format != MS_LOG_JSON)
        return refuse(why, "--log-format: must be text or json");
    const char *dir = o->data_dir && *o->data_dir ? o->data_dir : ".";
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    if (len >= sizeof s->data_dir)
        return refuse(why, "--data-dir: longer than %u bytes", RT_DATA_DIR_BYTES_MAX - 1);
    memcpy(s->data_dir, dir, len);
    s->data_dir[len] = 0;
    return 0;
}

/* An embedder compiled against an older header has a shorter struct: what it does not know of stays at
 * its default. */
static int options_take(struct ms_options *out, const struct ms_options *options, char *why)
{
    size_t len = options->struct_bytes;
    if (len < offsetof(struct ms_options, storage) || len > sizeof *out)
        return refuse(why, "struct ms_options was not filled by ms_options_init() of this version");
    ms_options_init(out);
    memcpy(out, options, len);
    return 0;
}

int rt_setup_init(struct rt_setup *s, const struct ms_options *options, char *why)
{
    *s = (struct rt_setup){ 0 };
    int rv = options_take(&s->options, options, why);
    if (rv == 0) rv = ranges_check(&s->options, why);
    if (rv == 0) rv = others_check(s, why);
    if (rv == 0 && !s->options.cluster) rv = refuse(why, "--cluster: missing");
    if (rv == 0) rv = rt_cluster_parse(s->options.cluster, &s->cluster, why);
    if (rv == 0) rv = own_entry(s, why);
    if (rv == 0) rv = listen_parse(s, why);
    return rv;
}

void ms_options_init(struct ms_options *options)
{
    *options = (struct ms_options){
        .struct_bytes = sizeof *options,
        .id = 1,
        .cluster = "http://127.0.0.1:9021",
        .storage = MS_STORAGE_MEMORY,
        .data_dir = ".",
        .http = true,
        .http_port = 9121,
        .heartbeat_ms = 100,
        .election_ms = 1000,
        .request_ms = 5000,
        .request_bytes_max = 1536u << 10,
        .key_bytes_max = MS_KEY_BYTES_MAX,
        .value_bytes_max = 1536u << 10,
        .clients_max = 10000,
        .snapshot_log_bytes = 64u << 20,
        .wal_segment_bytes = WAL_SEGMENT_BYTES_DEFAULT,
        .revisions_kept = 10000,
        .digest_ms = 10000,
        .log_level = MS_LOG_INFO,
        .snapshot_bytes_per_s = SNAP_BYTES_PER_S_DEFAULT,
        .watches_max = 100000,
        .requests_max = 16384,
        .client_ms = 30000,
        .client_queue_bytes_max = 8u << 20,
        .clients_bytes_max = 256u << 20,
        .watch_beat_ms = 15000,
    };
}
