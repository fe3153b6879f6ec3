/* fuzz_http_members.c: bodies of an operator's requests. What is read can be written down again and
 * says the same; it holds what a configuration promises; a refusal has one line; and a good body with
 * something behind it is good no more.
 *
 * input: u8 which body, then the body. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_assert.h"
#include "fuzz/support.h"
#include "http/http_members.h"

static void check_refusal(const char *why)
{
    MS_ASSERT(why[0] != 0 && !strchr(why, '\n'));
}

static void check_config(const struct config *c)
{
    MS_ASSERT(c->member_count >= 1 && c->member_count <= MS_MEMBERS_MAX);
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        char host[MS_URL_BYTES_MAX + 1];
        uint16_t port;
        MS_ASSERT(m->id >= 1 && m->id <= MS_MEMBER_ID_MAX && m->roles == CONFIG_VOTER);
        if (i > 0) MS_ASSERT(m->id > c->members[i - 1].id);
        if (m->url[0]) MS_ASSERT(config_url_parse(m->url, host, sizeof host, &port) == 0);
        if (m->url[0]) MS_ASSERT(config_find_url(c, m->url) == m);
    }
}

static size_t write_members(const struct config *c, char *out, size_t cap)
{
    size_t n = (size_t)snprintf(out, cap, "[");
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        n += (size_t)snprintf(out + n, cap - n, "%s{\"id\":%llu", i ? "," : "",
                              (unsigned long long)m->id);
        if (m->url[0]) n += (size_t)snprintf(out + n, cap - n, ",\"url\":\"%s\"", m->url);
        n += (size_t)snprintf(out + n, cap - n, "}");
    }
    return n + (size_t)snprintf(out + n, cap - n, "]");
}

static void on_members(struct bytes body)
{
    static struct config c, again;
    static char text[HTTP_OPERATOR_BODY_BYTES_MAX + 1];
    char why[256] = "";
    if (!http_read_members(body, &c, why, sizeof why)) {
        check_refusal(why);
        return;
    }
    check_config(&c);
    size_t n = write_members(&c, text, sizeof text);
    MS_ASSERT(n < sizeof text && http_read_members(bytes_of(text, n), &again, why, sizeof why));
    MS_ASSERT(config_equal(&c, &again));
    text[n] = 'x';
    MS_ASSERT(!http_read_members(bytes_of(text, n + 1), &again, why, sizeof why));
}

static void on_settings(struct bytes body)
{
    char why[256] = "", text[64];
    bool on, again;
    if (!http_read_settings(body, &on, why, sizeof why)) {
        check_refusal(why);
        return;
    }
    snprintf(text, sizeof text, "{\"lease_reads\":%s}", on ? "true" : "false");
    MS_ASSERT(http_read_settings(bytes_of_str(text), &again, why, sizeof why) && on == again);
}

static void on_leader(struct bytes body)
{
    char why[256] = "";
    uint64_t id;
    if (!http_read_leader(body, &id, why, sizeof why)) {
        check_refusal(why);
    } else {
        MS_ASSERT(id <= MS_MEMBER_ID_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0 || len > HTTP_OPERATOR_BODY_BYTES_MAX) return 0;
    /* Memory of the body's own length, so that a byte read behind it is seen. */
    uint8_t *copy = malloc(len > 1 ? len - 1 : 1);
    MS_ASSERT(copy != NULL);
    memcpy(copy, data + 1, len - 1);
    struct bytes body = bytes_of(copy, len - 1);
    switch (data[0] % 3) {
    case 0: on_members(body); break;
    case 1: on_settings(body); break;
    default: on_leader(body); break;
    }
    free(copy);
    return 0;
}
