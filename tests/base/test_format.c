/* test_format.c: configurations and entries, to bytes and back. */
#include <stdio.h>
#include <string.h>

#include "base/ms_err.h"
#include "format/config.h"
#include "format/entry.h"
#include "tests/support/test.h"
#include "tests/support/test_alloc.h"

static struct config_member member(uint64_t id, uint8_t roles)
{
    struct config_member m = { .id = id, .roles = roles };
    snprintf(m.url, sizeof m.url, "http://127.0.0.1:%d", (int)(2000 + id));
    return m;
}

static struct config three(void)
{
    struct config c = { 0 };
    const uint8_t roles[] = { CONFIG_VOTER, CONFIG_VOTER | CONFIG_OUTGOING, CONFIG_LEARNER | CONFIG_PROMOTE };
    for (int i = 3; i >= 1; i--) {
        struct config_member m = member((uint64_t)i, roles[i - 1]);
        CHECK_EQ(config_add(&c, &m), 0);
    }
    return c;
}

TEST(config, keeps_members_sorted_and_refuses_doubles)
{
    struct config c = three();
    struct config_member again = member(2, CONFIG_VOTER), same_url = member(2, CONFIG_VOTER);
    same_url.id = 9;
    CHECK(c.members[0].id == 1 && c.members[2].id == 3);
    CHECK_EQ(config_add(&c, &again), MS_EEXIST);
    CHECK_EQ(config_add(&c, &same_url), MS_EEXIST);
    CHECK(config_is_voter(&c, 2) && !config_is_voter(&c, 3) && config_is_joint(&c));
    CHECK_EQ(config_voter_count(&c), 2);
    CHECK_EQ(config_remove(&c, 2), 0);
    CHECK_EQ(config_remove(&c, 2), MS_ENOTFOUND);
    CHECK(!config_is_joint(&c) && c.member_count == 2);
    for (uint64_t id = 10; c.member_count < MS_MEMBERS_MAX; id++) {
        struct config_member m = member(id, CONFIG_LEARNER);
        CHECK_EQ(config_add(&c, &m), 0);
    }
    struct config_member one_more = member(100, CONFIG_LEARNER);
    CHECK_EQ(config_add(&c, &one_more), MS_EBUSY);
}

TEST(config, survives_encoding_and_every_damaged_byte_is_an_error_or_another_configuration)
{
    struct test_alloc alloc;
    struct buf b;
    struct config c = three(), d;
    test_alloc_init(&alloc);
    buf_init(&b, &alloc.face, CONFIG_ENCODED_BYTES_MAX);
    config_encode(&b, &c);
    struct bytes_reader in = bytes_reader_of(buf_bytes(&b));
    CHECK_EQ(config_decode(&in, &d), 0);
    CHECK(config_equal(&c, &d) && in.at == b.len);
    for (size_t len = 0; len < b.len; len++) {
        in = bytes_reader_of(bytes_of(b.data, len));
        CHECK_EQ(config_decode(&in, &d), MS_ESHORT);
        CHECK_EQ(in.at, 0);
    }
    for (size_t at = 0; at < b.len; at++) {
        b.data[at] ^= 0xff;
        in = bytes_reader_of(buf_bytes(&b));
        CHECK(config_decode(&in, &d) < 0 || !config_equal(&c, &d));
        b.data[at] ^= 0xff;
    }
    config_resolve(&c, 7);
    CHECK(c.members[0].added_index == 7 && !config_equal(&c, &d));
    buf_fini(&b);
    CHECK_EQ(alloc.alive, 0);
}

static struct config of(const uint64_t *ids, uint32_t count)
{
    struct config c = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        struct config_member m = member(ids[i], CONFIG_VOTER);
        CHECK_EQ(config_add(&c, &m), 0);
    }
    return c;
}

static uint8_t roles_of(const struct config *c, uint64_t id)
{
    const struct config_member *m = config_find(c, id);
    return m ? m->roles : 0;
}

static bool decodes(const struct config *c)
{
    struct test_alloc alloc;
    struct buf b;
    struct config d;
    test_alloc_init(&alloc);
    buf_init(&b, &alloc.face, CONFIG_ENCODED_BYTES_MAX);
    config_encode(&b, c);
    struct bytes_reader in = bytes_reader_of(buf_bytes(&b));
    bool same = config_decode(&in, &d) == 0 && config_equal(c, &d);
    buf_fini(&b);
    return same;
}

TEST(config, an_exchange_goes_from_a_wish_over_a_joint_configuration_to_its_result)
{
    struct config c = of((uint64_t[]){ 1, 2, 3 }, 3), wanted = of((uint64_t[]){ 1, 4, 5 }, 3);
    CHECK_EQ(config_wish(&c, &wanted), 0);
    CHECK_EQ(roles_of(&c, 1), CONFIG_VOTER);
    CHECK_EQ(roles_of(&c, 2), CONFIG_VOTER | CONFIG_LEAVES);
    CHECK_EQ(roles_of(&c, 4), CONFIG_LEARNER | CONFIG_PROMOTE | CONFIG_JOINS);
    CHECK(config_voter_count(&c) == 3 && config_has_wish(&c) && !config_is_joint(&c) && decodes(&c));
    config_enter(&c);
    CHECK(config_is_joint(&c) && !config_has_wish(&c) && decodes(&c));
    CHECK_EQ(roles_of(&c, 1), CONFIG_VOTER | CONFIG_OUTGOING);
    CHECK_EQ(roles_of(&c, 3), CONFIG_OUTGOING);
    CHECK_EQ(roles_of(&c, 5), CONFIG_VOTER);
    config_leave(&c);
    CHECK(config_equal(&c, &wanted));
}

TEST(config, a_wish_takes_the_place_of_another_and_a_single_change_needs_no_joint_one)
{
    struct config start = of((uint64_t[]){ 1, 2, 3 }, 3), c = start;
    struct config other = of((uint64_t[]){ 1, 4 }, 2), more = of((uint64_t[]){ 1, 2, 3, 5 }, 4),
                  none = { 0 };
    CHECK_EQ(config_wish(&c, &other), 0);
    CHECK_EQ(config_wish(&c, &start), 0);
    CHECK(config_equal(&c, &start)); /* taken back */
    CHECK_EQ(config_wish(&c, &start), MS_EEXIST);
    CHECK_EQ(config_wish(&c, &none), MS_EINVAL);
    CHECK_EQ(config_wish(&c, &more), 0);
    config_enter(&c);
    CHECK(config_equal(&c, &more));
    other = of((uint64_t[]){ 7 }, 1);
    memcpy(other.members[0].url, c.members[1].url, sizeof c.members[1].url);
    CHECK_EQ(config_wish(&c, &other), MS_ECONFLICT);
}

TEST(config, who_is_wanted_as_it_is_known_keeps_its_url_and_has_to_be_a_member)
{
    struct config c = of((uint64_t[]){ 1, 2, 3 }, 3), wanted = of((uint64_t[]){ 1, 2 }, 2);
    wanted.members[1].added_index = 1;
    memcpy(c.members[1].url, "http://moved:2", sizeof "http://moved:2"); /* since it was asked for */
    memcpy(wanted.members[1].url, c.members[2].url, sizeof c.members[2].url); /* which 3 has now */
    CHECK_EQ(config_wish(&c, &wanted), 0);
    CHECK(strcmp(c.members[1].url, "http://moved:2") == 0);
    CHECK_EQ(config_remove(&c, 2), 0);
    CHECK_EQ(config_wish(&c, &wanted), MS_ENOTFOUND);
}

TEST(config, a_wish_in_a_joint_configuration_or_on_the_wrong_role_is_refused)
{
    struct config c = three();
    c.members[0].roles = CONFIG_VOTER | CONFIG_LEAVES; /* member 2 is outgoing */
    CHECK(!decodes(&c));
    c = of((uint64_t[]){ 1, 2 }, 2);
    c.members[0].roles = CONFIG_LEARNER | CONFIG_JOINS;
    CHECK(!decodes(&c));
    c.members[0].roles = CONFIG_LEARNER | CONFIG_LEAVES;
    CHECK(!decodes(&c));
    c.members[0].roles = CONFIG_VOTER;
    c.lease_index = 5;
    CHECK(!decodes(&c));
    c.lease_ms = 1000;
    CHECK(decodes(&c));
}

TEST(config, is_told_in_words)
{
    static const uint8_t roles[] = { CONFIG_VOTER,
                                     CONFIG_LEARNER | CONFIG_PROMOTE,
                                     CONFIG_LEARNER | CONFIG_PROMOTE | CONFIG_JOINS,
                                     CONFIG_VOTER | CONFIG_LEAVES,
                                     CONFIG_OUTGOING,
                                     CONFIG_VOTER | CONFIG_OUTGOING };
    struct config c = { .member_count = 6, .lease_ms = 5 };
    char text[128];
    for (uint32_t i = 0; i < 6; i++)
        c.members[i] = (struct config_member){ .id = i + 1, .roles = roles[i] };
    config_describe(&c, text, sizeof text);
    CHECK(strcmp(text, "voter 1 6; learner 2; joining 3; leaving 4; outgoing 5; reads by lease") == 0);
    for (size_t cap = 1; cap < sizeof text; cap++) { /* cut anywhere */
        char cut[sizeof text];
        memset(cut, 'x', sizeof cut);
        config_describe(&c, cut, cap);
        size_t len = strlen(text) < cap ? strlen(text) : cap - 1;
        CHECK(strlen(cut) == len && memcmp(cut, text, len) == 0);
    }
    config_describe(&(struct config){ 0 }, text, sizeof text);
    CHECK(text[0] == 0);
}

TEST(config, takes_peer_urls_of_the_promised_form_only)
{
    char host[64];
    uint16_t port;
    CHECK(config_url_parse("http://127.0.0.1:9021", host, sizeof host, &port) == 0 && port == 9021);
    CHECK(strcmp(host, "127.0.0.1") == 0);
    CHECK(config_url_parse("http://[::1]:80/", host, sizeof host, &port) == 0);
    CHECK(strcmp(host, "::1") == 0 && port == 80);
    CHECK(config_url_parse("http://node-1.example:65535", host, sizeof host, &port) == 0);
    static const char *const bad[] = { "", "http://", "http://:1", "http://x", "http://x:", "http://x:0",
                                       "http://x:65536", "https://x:1", "http://x:1/path", "http://x y:1",
                                       "http://[]:1", "http://[::1:1", "x:1", "http://u@x:1", "http://x:1 ",
                                       "http://x:123456" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (config_url_parse(bad[i], host, sizeof host, &port) != MS_EINVAL) fprintf(stderr, "%s\n", bad[i]);
        CHECK_EQ(config_url_parse(bad[i], host, sizeof host, &port), MS_EINVAL);
    }
}

TEST(entry, survives_encoding_with_and_without_an_origin)
{
    struct test_alloc alloc;
    struct buf b;
    struct entry d;
    struct entry e = { .kind = ENTRY_TXN, .version = ENTRY_VERSION, .body = bytes_of("body", 4) };
    test_alloc_init(&alloc);
    buf_init(&b, &alloc.face, 1000);
    entry_encode(&b, &e);
    CHECK_EQ(entry_decode(buf_bytes(&b), &d), 0);
    CHECK(d.kind == e.kind && bytes_equal(d.body, e.body) && d.origin.member_id == 0);
    e.origin = (struct entry_origin){ 1, 2, 3, 4, 4 };
    buf_clear(&b);
    entry_encode(&b, &e);
    CHECK_EQ(entry_decode(buf_bytes(&b), &d), 0);
    CHECK(memcmp(&d.origin, &e.origin, sizeof e.origin) == 0 && bytes_equal(d.body, e.body));
    for (size_t len = 0; len < 43; len++) CHECK_EQ(entry_decode(bytes_of(b.data, len), &d), MS_ESHORT);
    b.data[0] = ENTRY_KIND_MAX + 1;
    CHECK_EQ(entry_decode(buf_bytes(&b), &d), MS_EVERSION);
    b.data[0] = ENTRY_TXN;
    b.data[1] = ENTRY_VERSION + 1;
    CHECK_EQ(entry_decode(buf_bytes(&b), &d), MS_EVERSION);
    b.data[1] = ENTRY_VERSION;
    b.data[2] |= 2;
    CHECK_EQ(entry_decode(buf_bytes(&b), &d), MS_ECORRUPT);
    buf_fini(&b);
    struct entry_ref *r = entry_ref_create(&alloc.face, 5, 6, bytes_of("x", 1));
    CHECK(entry_ref_hold(r) == r && r->refs == 2);
    entry_ref_drop(&alloc.face, r);
    CHECK_EQ(alloc.alive, 1);
    entry_ref_drop(&alloc.face, r);
    CHECK_EQ(alloc.alive, 0);
}
