#include "format/config.h"

#include "base/ms_assert.h"
#include "base/ms_err.h"

#define CONFIG_VERSION 1
#define ROLES_ALL                                                                                      \
    (CONFIG_VOTER | CONFIG_OUTGOING | CONFIG_LEARNER | CONFIG_PROMOTE | CONFIG_JOINS | CONFIG_LEAVES)

static uint32_t position_of(const struct config *c, uint64_t id)
{
    uint32_t i = 0;
    while (i < c->member_count && c->members[i].id < id) i++;
    return i;
}

const struct config_member *config_find(const struct config *c, uint64_t id)
{
    uint32_t i = position_of(c, id);
    return i < c->member_count && c->members[i].id == id ? &c->members[i] : NULL;
}

const struct config_member *config_find_url(const struct config *c, const char *url)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (strcmp(c->members[i].url, url) == 0) return &c->members[i];
    }
    return NULL;
}

bool config_is_voter(const struct config *c, uint64_t id)
{
    const struct config_member *m = config_find(c, id);
    return m && (m->roles & (CONFIG_VOTER | CONFIG_OUTGOING));
}

bool config_is_joint(const struct config *c)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].roles & CONFIG_OUTGOING) return true;
    }
    return false;
}

uint32_t config_voter_count(const struct config *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->member_count; i++) n += (c->members[i].roles & CONFIG_VOTER) != 0;
    return n;
}

int config_add(struct config *c, const struct config_member *m)
{
    uint32_t at = position_of(c, m->id);
    if (config_find(c, m->id) || config_find_url(c, m->url)) return MS_EEXIST;
    if (c->member_count == MS_MEMBERS_MAX) return MS_EBUSY;
    memmove(&c->members[at + 1], &c->members[at], (c->member_count - at) * sizeof *m);
    c->members[at] = *m;
    c->member_count++;
    return 0;
}

int config_remove(struct config *c, uint64_t id)
{
    uint32_t at = position_of(c, id);
    if (!config_find(c, id)) return MS_ENOTFOUND;
    c->member_count--;
    memmove(&c->members[at], &c->members[at + 1], (c->member_count - at) * sizeof c->members[0]);
    return 0;
}

bool config_equal(const struct config *a, const struct config *b)
{
    if (a->member_count != b->member_count) return false;
    if (a->lease_ms != b->lease_ms || a->lease_index != b->lease_index) return false;
    for (uint32_t i = 0; i < a->member_count; i++) {
        const struct config_member *x = &a->members[i], *y = &b->members[i];
        if (x->id != y->id || x->added_index != y->added_index || x->roles != y->roles) return false;
        if (strcmp(x->url, y->url) != 0) return false;
    }
    return true;
}

void config_resolve(struct config *c, uint64_t index)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].added_index == 0) c->members[i].added_index = index;
    }
    if (c->lease_ms > 0 && c->lease_index == 0) c->lease_index = index;
}

void config_encode(struct buf *out, const struct config *c)
{
    buf_append_u8(out, CONFIG_VERSION);
    buf_append_u8(out, (uint8_t)c->member_count);
    buf_append_u32(out, c->lease_ms);
    buf_append_u64(out, c->lease_index);
    for (uint32_t i = 0; i < c->member_count; i++) {
        const struct config_member *m = &c->members[i];
        size_t url_len = strlen(m->url);
        MS_ASSERT(url_len > 0 && url_len <= MS_URL_BYTES_MAX);
        buf_append_u64(out, m->id);
        buf_append_u64(out, m->added_index);
        buf_append_u8(out, m->roles);
        buf_append_u8(out, (uint8_t)url_len);
        buf_append(out, m->url, url_len);
    }
}

static bool roles_valid(uint8_t roles)
{
    if (roles & ~ROLES_ALL) return false;
    if ((roles & CONFIG_LEARNER) && (roles & CONFIG_VOTER)) return false;
    if ((roles & CONFIG_JOINS) && roles != (CONFIG_LEARNER | CONFIG_PROMOTE | CONFIG_JOINS))
        return false;
    if ((roles & CONFIG_LEAVES) && roles != (CONFIG_VOTER | CONFIG_LEAVES)) return false; /* C4 */
    return (roles & (CONFIG_VOTER | CONFIG_OUTGOING | CONFIG_LEARNER)) != 0;
}

static int decode_member(struct bytes_reader *in, struct config_member *m)
{
    uint8_t url_len;
    if (!bytes_read_u64(in, &m->id) || !bytes_read_u64(in, &m->added_index)) return MS_ESHORT;
    if (!bytes_read_u8(in, &m->roles) || !bytes_read_u8(in, &url_len)) return MS_ESHORT;
    if (url_len == 0 || m->id == 0 || m->id > MS_MEMBER_ID_MAX) return MS_ECORRUPT;
    if (!roles_valid(m->roles)) return MS_ECORRUPT;
    if (!bytes_read_copy(in, m->url, url_len)) return MS_ESHORT;
    m->url[url_len] = 0;
    return memchr(m->url, 0, url_len) ? MS_ECORRUPT : 0;
}

int config_decode(struct bytes_reader *in, struct config *out)
{
    struct bytes_reader at = *in;
    struct config c = { 0 };
    uint8_t version, count;
    if (!bytes_read_u8(&at, &version)) return MS_ESHORT;
    if (version != CONFIG_VERSION) return MS_EVERSION;
    if (!bytes_read_u8(&at, &count)) return MS_ESHORT;
    if (count > MS_MEMBERS_MAX) return MS_ECORRUPT;
    if (!bytes_read_u32(&at, &c.lease_ms) || !bytes_read_u64(&at, &c.lease_index)) return MS_ESHORT;
    if (c.lease_ms == 0 && c.lease_index != 0) return MS_ECORRUPT; /* C5 */
    for (uint32_t i = 0; i < count; i++) {
        struct config_member m;
        int rv = decode_member(&at, &m);
        if (rv < 0) return rv;
        if (i > 0 && m.id <= c.members[i - 1].id) return MS_ECORRUPT; /* C1 */
        if (config_add(&c, &m) < 0) return MS_ECORRUPT;               /* C3 */
    }
    if (config_is_joint(&c) && config_has_wish(&c)) return MS_ECORRUPT; /* C4 */
    *out = c;
    *in = at;
    return 0;
}

static bool port_parse(const char *s, uint16_t *port)
{
    uint32_t v = 0;
    size_t digits = 0;
    for (; s[digits] >= '0' && s[digits] <= '9'; digits++) {
        if (digits == 5) return false;
        v = v * 10 + (uint32_t)(s[digits] - '0');
    }
    if (digits == 0 || v == 0 || v > 65535) return false;
    if (s[digits] != 0 && strcmp(s + digits, "/") != 0) return false;
    *port = (uint16_t)v;
    return true;
}

/* A host is what stands between "//" and the last colon: a name, an IPv4 address, or [IPv6]. */
int config_url_parse(const char *url, char *host, size_t host_cap, uint16_t *port)
{
    static const char scheme[] = "http://";
    if (strlen(url) > MS_URL_BYTES_MAX || strncmp(url, scheme, sizeof scheme - 1) != 0) return MS_EINVAL;
    const char *begin = url + sizeof scheme - 1;
    const char *colon = strrchr(begin, ':');
    if (!colon || !port_parse(colon + 1, port)) return MS_EINVAL;
    const char *end = colon;
    bool brackets = *begin == '[';
    if (brackets) {
        if (end - begin < 3 || end[-1] != ']') return MS_EINVAL;
        begin++;
        end--;
    }
    size_t len = (size_t)(end - begin);
    if (len == 0 || len >= host_cap) return MS_EINVAL;
    for (size_t i = 0; i < len; i++) {
        char ch = begin[i];
        bool alnum = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        if (!alnum && !(brackets ? strchr(":.%", ch) : strchr("-._", ch))) return MS_EINVAL;
    }
    memcpy(host, begin, len);
    host[len] = 0;
    return 0;
}
