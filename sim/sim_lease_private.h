/* sim_lease_private.h: the inside of sim_lease.c (clients) and sim_check_lease.c (K14). */
#ifndef SIM_SIM_LEASE_PRIVATE_H
#define SIM_SIM_LEASE_PRIVATE_H

#include "base/ms_assert.h"
#include "base/ms_err.h"
#include "sim/sim_lease.h"

#define LEASE_KEYS 12u
#define LEASE_ANSWER_BYTES_MAX 4096u

enum lease_op {
    LEASE_GRANT = 1,
    LEASE_PUT,      /* attached */
    LEASE_PUT_TTL,  /* with a lease of its own */
    LEASE_PUT_FREE, /* attached to none */
    LEASE_DELETE,
    LEASE_KEEP_ALIVE,
    LEASE_REVOKE,
    LEASE_GET /* of the probe alone */
};

struct lease_client {
    enum { LEASE_RESTING, LEASE_DIALING, LEASE_WAITING } state;
    uint32_t index; /* among all clients */
    uint32_t target;
    uint64_t conn, wake;
    enum lease_op op;
    uint64_t lease, ttl_s; /* of the operation */
    uint32_t key;
    uint64_t begin_us, answered_us; /* answered: when its member began to send; 0: not yet */
    bool was_alive;                 /* its lease, in the ghost, when it began */
    bool probes;                    /* the operation is of the probe */
    uint64_t epoch;                 /* of its member, when it began */
    char in[LEASE_ANSWER_BYTES_MAX + 1];
    size_t in_len;
};

/* What a member said of a lease last. */
struct lease_seen {
    uint64_t epoch, renewed_index, deadline_ms;
};

/* A member that leads, and has to write down what is left of a lease (NODE_LEASE, TL2). */
struct lease_mark_watch {
    uint64_t epoch, term, renewed_index, touched_index; /* of what it is timed since ... */
    uint64_t since_ms;                                  /* ... by its clock */
    uint64_t chance_ms, chance_index; /* it was due then, and this was the last entry of its log */
    uint32_t chances;
};

struct lease_ghost {
    uint64_t id, ttl_ms, remaining_ms;
    uint64_t renewed_index, renewed_us;
    uint64_t touched_index; /* of the entry that changed its time last */
    bool alive, expired;
    uint64_t died_us;
    uint64_t promised_us, promised_s; /* the acknowledgement that goes furthest: when, and how many seconds */
    uint64_t hung_us[LEASE_KEYS]; /* when the key was put on it last; 0: never */
    struct lease_seen seen[SIM_MEMBERS_MAX];
    struct lease_mark_watch marks[SIM_MEMBERS_MAX];
};

/* Of all members, over all of the run. */
struct lease_clocks {
    int32_t fastest_ppm, slowest_ppm;
    bool stood; /* one that stands, and then jumps, keeps to no rate */
};

struct sim_leases {
    struct ms_rand rand;
    struct lease_client clients[SIM_LEASE_CLIENTS_MAX];
    uint32_t client_count;
    uint64_t next_id;
    struct lease_ghost *ghosts; /* in the order of their being granted */
    size_t count, cap;
    uint32_t alive;
    uint64_t keys[LEASE_KEYS]; /* the lease it hangs on; 0: it is absent, or hangs on none */
    bool present[LEASE_KEYS];
    uint64_t free_us[LEASE_KEYS]; /* when it was put on none last; 0: never */
    uint64_t epochs[SIM_MEMBERS_MAX]; /* of lives and loaded states */
    uint64_t renewals;                /* acknowledged */
    struct lease_clocks clocks;
    bool healed;
    uint32_t probe_step, probe_turn; /* of the probe: what, and through whom: counted on with each step */
    uint64_t probe_lease;
};

struct lease_ghost *lease_find(const struct sim_leases *ls, uint64_t id); /* NULL: never granted */
/* The entries since since_us against what a client has asked for, and was told that it is done. */
void lease_check_granted(struct sim *s, uint64_t id, uint64_t asked_s);
void lease_check_put(struct sim *s, uint64_t id, uint32_t key, uint64_t since_us); /* id: 0: on none */
/* What a member reads of a lease that nobody renews: no more than it gives it. since_us: when it was asked. */
void lease_check_read(struct sim *s, uint32_t member, uint64_t id, uint64_t left_s, uint64_t since_us);
/* A member has told that a lease lives ttl_s seconds, of what was asked for at since_us. */
void lease_check_told(struct sim *s, uint64_t id, uint64_t ttl_s, uint64_t since_us);
/* A member has told a client at at_us that a lease lives ttl_s seconds from then on. */
void lease_promised(struct sim *s, uint64_t id, uint64_t ttl_s, uint64_t at_us);

#endif
