/* rt_member.c: a member's life as its embedder sees it. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ms_err.h"
#include "rt/rt_private.h"
#include "rt/rt_thread.h"

static_assert(MS_STATUS_MEMBERS_MAX >= MS_MEMBERS_MAX, "a status holds all members");
static_assert((int)MS_PART_VOTER == (int)CONFIG_PART_VOTER &&
                  (int)MS_PART_OUTGOING == (int)CONFIG_PART_OUTGOING,
              "parts are the same, in the same order");
static_assert(MS_VOTERS_MAX == MS_MEMBERS_MAX, "and each set of voters can be asked for");
static_assert(sizeof((struct ms_status_member){ 0 }.url) > MS_URL_BYTES_MAX, "and their URLs");

/* ---- opening ---- */

static int open_failed(struct ms_member *m, int status, char *why)
{
    if (!why[0]) snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(status));
    free(m);
    return status;
}

/* Wait for what rt_loop_main() says. */
static int wait_for_start(struct ms_member *m)
{
    pthread_mutex_lock(&m->lock);
    while (m->start_status > 0) pthread_cond_wait(&m->changed, &m->lock);
    int rv = m->start_status;
    pthread_mutex_unlock(&m->lock);
    return rv;
}

static void member_free(struct ms_member *m)
{
    rt_requests_free(m);
    rt_watches_fini(m);
    rt_wake_fini(&m->wake);
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->changed);
    free(m);
}

int ms_open(struct ms_member **out, const struct ms_options *options, char why[MS_WHY_BYTES])
{
    *out = NULL;
    why[0] = 0;
    struct ms_member *m = calloc(1, sizeof *m);
    if (!m) {
        snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(MS_ENOMEM));
        return MS_ENOMEM;
    }
    int rv = rt_setup_init(&m->setup, options, why);
    if (rv < 0) return open_failed(m, rv, why);
    rt_log_init(&m->log, &m->setup.options);
    rv = rt_wake_init(&m->wake);
    if (rv < 0) return open_failed(m, rv, why);
    pthread_mutex_init(&m->lock, NULL);
    ms_list_init(&m->commands);
    ms_list_init(&m->done);
    rt_watches_init(m);
    pthread_cond_init(&m->changed, NULL);
    m->start_status = 1;
    m->why = why;
    rv = rt_thread_start(&m->thread, "ms-loop", RT_LOOP_STACK_BYTES, rt_loop_main, m);
    if (rv == 0) {
        rv = wait_for_start(m);
        if (rv < 0) pthread_join(m->thread, NULL);
    }
    if (rv < 0) {
        if (!why[0]) snprintf(why, MS_WHY_BYTES, "%s", ms_err_text(rv));
        member_free(m);
        return rv;
    }
    *out = m;
    return 0;
}

/* ---- closing ---- */

void ms_close(struct ms_member *member)
{
    if (!member) return;
    pthread_mutex_lock(&member->lock);
    member->close_wanted = true;
    if (!member->loop_over) uv_async_send(&member->async);
    pthread_mutex_unlock(&member->lock);
    pthread_join(member->thread, NULL);
    member_free(member);
}

/* ---- small things ---- */

int ms_fd(const struct ms_member *member)
{
    return member->wake.read_fd;
}

const char *ms_stop_reason(const struct ms_member *member)
{
    struct ms_member *m = (struct ms_member *)(uintptr_t)member; /* for its lock */
    pthread_mutex_lock(&m->lock);
    bool stopped = m->stop_status != 0;
    pthread_mutex_unlock(&m->lock);
    return stopped ? m->stop_reason : NULL; /* written once, before stop_status */
}

static enum ms_role role_of(enum raft_role role)
{
    switch (role) {
    case RAFT_LEADER: return MS_ROLE_LEADER;
    case RAFT_CANDIDATE: return MS_ROLE_CANDIDATE;
    case RAFT_PRE_CANDIDATE: return MS_ROLE_PRE_CANDIDATE;
    case RAFT_FOLLOWER: break;
    }
    return MS_ROLE_FOLLOWER;
}

void rt_status_fill(const struct ms_member *m, struct ms_status *out)
{
    struct node_status s;
    node_status(member_node(m->core), &s);
    *out = (struct ms_status){ .id = s.id,
                               .term = s.term,
                               .leader = s.leader,
                               .transfer_target = s.transfer_target,
                               .stall_transfers = s.stall_transfers,
                               .disk_stalled = s.disk_stalled,
                               .disk_full = s.disk_full,
                               .quorum_full = s.quorum_full,
                               .disk_free_bytes = s.disk_free_bytes,
                               .space_transfers = s.space_transfers,
                               .lease_reads = s.lease_ms != 0,
                               .lease_held = s.lease_held,
                               .role = role_of(s.role),
                               .learner = s.learner,
                               .ready = s.ready,
                               .abstains = s.abstains,
                               .commit_index = s.commit_index,
                               .applied_index = s.applied_index,
                               .revision = s.revision,
                               .member_count = s.config.member_count };
    for (uint32_t i = 0; i < s.config.member_count; i++) {
        const struct config_member *from = &s.config.members[i];
        struct ms_status_member *to = &out->members[i];
        to->id = from->id;
        to->voter = config_is_voter(&s.config, from->id);
        to->learner = (from->roles & CONFIG_LEARNER) != 0;
        to->part = (enum ms_part)config_part(from->roles);
        snprintf(to->url, sizeof to->url, "%s", from->url);
    }
}
