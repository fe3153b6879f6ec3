/* http_members.c: what an operator's requests say. */
#include "http/http_members.h"

#include <stdio.h>

#include "base/ms_err.h"
#include "http/http_json.h"
#include "http/http_text.h"

#define NAME_BYTES_MAX 24u /* names of members of objects; longer ones are unknown */

static bool is_space(uint8_t ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

static struct bytes trim_space(struct bytes text)
{
    size_t from = 0, to = text.len;
    while (from < to && is_space(text.data[from])) from++;
    while (to > from && is_space(text.data[to - 1])) to--;
    return to > from ? bytes_of(text.data + from, to - from) : bytes_of(NULL, 0);
}

bool http_read_url(struct bytes text, char out[MS_URL_BYTES_MAX + 1], const char **why)
{
    static const char https[] = "https://";
    struct bytes url = trim_space(text);
    char host[MS_URL_BYTES_MAX + 1];
    uint16_t port;
    out[0] = 0;
    if (url.len >= sizeof https - 1 && memcmp(url.data, https, sizeof https - 1) == 0) {
        *why = "https:// between members is not supported yet: use http://host:port";
        return false;
    }
    *why = "a peer URL has the form http://host:port";
    if (url.len == 0 || url.len > MS_URL_BYTES_MAX || memchr(url.data, 0, url.len)) return false;
    memcpy(out, url.data, url.len);
    out[url.len] = 0;
    if (config_url_parse(out, host, sizeof host, &port) < 0) {
        out[0] = 0;
        return false;
    }
    if (out[url.len - 1] == '/') out[url.len - 1] = 0;
    return true;
}

/* --- members --- */

static bool read_member_url(struct http_json *j, struct config_member *m)
{
    char text[MS_URL_BYTES_MAX + 1];
    const char *why;
    if (!http_json_text(j, text, sizeof text)) return false;
    return http_read_url(bytes_of_str(text), m->url, &why) || http_json_refuse(j, why);
}

static bool read_field(struct http_json *j, const char *name, struct config_member *m)
{
    if (strcmp(name, "id") == 0) {
        if (m->id) return http_json_refuse(j, "an id is there twice");
        if (!http_json_u64(j, &m->id)) return false;
        return (m->id >= 1 && m->id <= MS_MEMBER_ID_MAX) ||
               http_json_refuse(j, "ids are numbers of 1 to 19 digits, from 1 up");
    }
    if (strcmp(name, "url") == 0) {
        if (m->url[0]) return http_json_refuse(j, "a url is there twice");
        return read_member_url(j, m);
    }
    return http_json_refuse(j, "members have an id and a url, and nothing else");
}

static bool read_member(struct http_json *j, struct config_member *m)
{
    struct http_json_list fields;
    char name[NAME_BYTES_MAX];
    *m = (struct config_member){ .roles = CONFIG_VOTER };
    if (!http_json_enter_object(j, &fields)) return false;
    while (http_json_name(j, &fields, name, sizeof name) && read_field(j, name, m)) continue;
    if (j->why) return false;
    return m->id != 0 || http_json_refuse(j, "a member has no id");
}

const char *http_wanted_insert(struct config *c, const struct config_member *m)
{
    uint32_t at = 0;
    if (c->member_count == MS_MEMBERS_MAX) return "more members than are possible";
    if (config_find(c, m->id)) return "a member is there twice";
    if (m->url[0] && config_find_url(c, m->url)) return "two members have the same url";
    while (at < c->member_count && c->members[at].id < m->id) at++;
    memmove(&c->members[at + 1], &c->members[at], (c->member_count - at) * sizeof *m);
    c->members[at] = *m;
    c->member_count++;
    return NULL;
}

static bool insert(struct http_json *j, struct config *c, const struct config_member *m)
{
    const char *why = http_wanted_insert(c, m);
    return !why || http_json_refuse(j, why);
}

bool http_read_members(struct bytes body, struct config *out, char *why, size_t why_cap)
{
    struct http_json j;
    struct http_json_list list;
    struct config_member m;
    *out = (struct config){ 0 };
    http_json_init(&j, body);
    if (http_json_enter_list(&j, &list)) {
        while (http_json_item(&j, &list) && read_member(&j, &m) && insert(&j, out, &m)) continue;
        if (out->member_count == 0) http_json_refuse(&j, "a cluster has at least one voter");
    }
    return http_json_finish(&j, "the wanted members", why, why_cap);
}

/* --- settings --- */

bool http_read_settings(struct bytes body, bool *lease_reads, char *why, size_t why_cap)
{
    struct http_json j;
    struct http_json_list fields;
    char name[NAME_BYTES_MAX];
    bool given = false;
    http_json_init(&j, body);
    if (http_json_enter_object(&j, &fields)) {
        while (http_json_name(&j, &fields, name, sizeof name)) {
            if (strcmp(name, "lease_reads") != 0) {
                http_json_refuse(&j, "an unknown setting: there is lease_reads");
            } else if (given) {
                http_json_refuse(&j, "a setting is there twice");
            } else {
                given = http_json_bool(&j, lease_reads);
            }
        }
        if (!given) http_json_refuse(&j, "no setting is named: there is lease_reads");
    }
    return http_json_finish(&j, "the settings", why, why_cap);
}

/* --- leader --- */

bool http_read_leader(struct bytes body, uint64_t *id, char *why, size_t why_cap)
{
    struct bytes text = trim_space(body);
    *id = 0;
    if (text.len == 0) return true;
    bool good = text.data[0] != '0' && http_text_u64(text, id) && *id <= MS_MEMBER_ID_MAX;
    if (!good)
        snprintf(why, why_cap, "the body must be empty, or the id of the member that shall lead");
    return good;
}
