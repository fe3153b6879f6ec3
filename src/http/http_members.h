/* http_members.h: the bodies of requests that an operator sends, and of their answers' lists (SPEC 3):
 *
 *   members    [{"id": 1}, {"id": 4, "url": "http://host:port"}]   the voters that shall be
 *   settings   {"lease_reads": true}
 *   leader     a member's id, or nothing
 *
 * All are bounded by HTTP_OPERATOR_BODY_BYTES_MAX. */
#ifndef HTTP_HTTP_MEMBERS_H
#define HTTP_HTTP_MEMBERS_H

#include "format/config.h"

/* Every member with an URL of full length, each byte of it as an escape of six, and room for layout. */
#define HTTP_OPERATOR_BODY_BYTES_MAX (64u << 10)
static_assert(HTTP_OPERATOR_BODY_BYTES_MAX >= MS_MEMBERS_MAX * (6u * MS_URL_BYTES_MAX + 64u),
              "each set of members can be written down");

/* A peer URL as it came, white space around it, into out, without the slash it may end with, so that
 * one address has one spelling. False: *why is a static line. */
bool http_read_url(struct bytes text, char out[MS_URL_BYTES_MAX + 1], const char **why);

/* Insert m into a set of wanted members, in order; several may have no URL (else as config_add()).
 * NULL, or why not: a static line. */
const char *http_wanted_insert(struct config *c, const struct config_member *m);

/* out: roles VOTER; no URL: an empty one, for a member that is known. False: why (a line, at most
 * why_cap with its NUL) says what is wrong and where. */
bool http_read_members(struct bytes body, struct config *out, char *why, size_t why_cap);
bool http_read_settings(struct bytes body, bool *lease_reads, char *why, size_t why_cap);
/* 0: nothing was named. */
bool http_read_leader(struct bytes body, uint64_t *id, char *why, size_t why_cap);

#endif
