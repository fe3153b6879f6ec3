/* cli_client.h: what the commands that ask a cluster have in common. They use metastore/client.h, which says what is
 * asked again at another endpoint. */
#ifndef CLI_CLI_CLIENT_H
#define CLI_CLI_CLIENT_H

#include "cli/cli_json.h"
#include "cli/cli_line.h"
#include "cli/cli_text.h"
#include "metastore/client.h"

/* Exit codes, of all of them. */
enum {
    CLI_DONE = 0,
    CLI_NO = 1,     /* no such key, lease, member; a condition does not hold */
    CLI_USAGE = 2,  /* the command line, or the request that was made of it */
    CLI_FAILED = 3, /* not done */
    CLI_UNKNOWN = 4 /* a write that may or may not be carried out */
};

struct cli_client {
    const struct cli_line *line;
    struct ms_http *http;
    FILE *in, *out, *err;
    bool json;
    const char
        *condition; /* what is said where a condition does not hold (412); NULL: the answer's words */
};

/* Run the command that argv names; its exit code. argv[0] is the command. */
int cli_client_run(int argc, char *const *argv, FILE *in, FILE *out, FILE *err);

/* Ask. CLI_DONE: answer has a status 2xx. Else what is wrong was said on err, and this is the exit code. answer
 * is to be freed in any case. */
int cli_ask(struct cli_client *c, const struct ms_http_request *request, struct ms_http_answer *answer);
/* A request with this body, or none if it is NULL, and no headers; else as cli_ask(). */
int cli_ask_simply(struct cli_client *c, const char *method, const char *path, const char *body,
                   struct ms_http_answer *answer);
/* "metastore put: ...", with a line end, on err; returns code. */
int cli_say(const struct cli_client *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cli_sleep_ms(uint64_t ms);
/* The body of an answer that is JSON, borrowed. */
struct cli_json cli_answer_json(const struct ms_http_answer *answer);
/* Write out the body of an answer that is JSON already. */
void cli_print_body(const struct cli_client *c, const struct ms_http_answer *answer);
/* Options for a ms_http of one's own: endpoints and times of the line. */
void cli_http_options(const struct cli_line *line, struct ms_http_options *out);
/* All of c->in; NULL: said on err. *len at most most. Freed with free(). */
char *cli_read_input(const struct cli_client *c, FILE *from, size_t most, size_t *len);

int cli_put(struct cli_client *c);
int cli_get(struct cli_client *c);
int cli_del(struct cli_client *c);
int cli_range(struct cli_client *c);
int cli_txn(struct cli_client *c);
int cli_compact(struct cli_client *c);
int cli_watch(struct cli_client *c);
int cli_lease_grant(struct cli_client *c);
int cli_lease_revoke(struct cli_client *c);
int cli_lease_keep_alive(struct cli_client *c);
int cli_lease_ttl(struct cli_client *c);
int cli_lease_list(struct cli_client *c);
int cli_member_list(struct cli_client *c);
int cli_member_add(struct cli_client *c);
int cli_member_remove(struct cli_client *c);
int cli_member_set(struct cli_client *c);
int cli_leader(struct cli_client *c);
int cli_leader_move(struct cli_client *c);
int cli_status(struct cli_client *c);
int cli_health(struct cli_client *c);

#endif
