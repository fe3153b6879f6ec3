/* sim_html_private.h: what is kept of a run, between who keeps it and who prints it. */
#ifndef SIM_SIM_HTML_PRIVATE_H
#define SIM_SIM_HTML_PRIVATE_H

#include "raft/raft_msg.h"
#include "sim/sim_html.h"

enum sim_html_kind { SIM_HTML_LINE = 1, SIM_HTML_FRAME, SIM_HTML_MEMBER };

#define SIM_HTML_NOBODY 255u
static_assert(SIM_MEMBERS_MAX <= 16, "a configuration is a bit a member");

/* What a member is; those of a raft role come behind the others. */
enum sim_html_mode { SIM_HTML_ABSENT, SIM_HTML_DOWN, SIM_HTML_GONE, SIM_HTML_PAUSED, SIM_HTML_ROLE };

struct sim_html_item {
    uint64_t time_us;
    uint64_t number; /* FRAME: when it arrived, 0: it has not; MEMBER: commit index */
    uint64_t term;   /* MEMBER */
    uint64_t stored; /* MEMBER: durable index */
    uint64_t last;   /* MEMBER: of its log; what is above stored would not survive */
    uint32_t text;   /* LINE, FRAME: which of the half's texts */
    uint8_t kind, who;
    uint8_t to, frame, fate;             /* FRAME */
    uint8_t mode;                        /* MEMBER: a mode, or SIM_HTML_ROLE + raft's role */
    uint8_t queued;                      /* MEMBER: operations of its disk under way */
    uint16_t voters, outgoing, learners; /* MEMBER: the configuration in force, a bit an index */
};

struct sim_html_half {
    struct sim_html_item *items;
    size_t count;
    uint64_t first; /* number of the first item */
    char *bytes;    /* texts, each with its zero */
    size_t bytes_used;
    uint32_t *texts; /* where each begins */
    uint32_t text_count;
    uint32_t *slots; /* texts by their hash, open addressing; 0: none, else which + 1 */
};

struct sim_html {
    char *path;
    struct sim_html_half older, newer;
    struct sim_html_item members[SIM_MEMBERS_MAX]; /* as last seen */
    struct raft_msg_entry *entries;                /* of a message that is decoded */
};

/* The page, with a mark where the data goes (ci/cmake/page.cmake makes it from page/). */
#define SIM_HTML_MARK "@DATA@"
extern const unsigned char sim_html_page[];

#endif
