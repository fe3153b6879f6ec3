/* sim_schedule.h: a run as a list of actions: what clients and administrators begin, what faults do to
 * machines, disks, clocks and links, what becomes of single frames, when everything is healed, when it
 * ends. A seed's run can be recorded as one, and one can be replayed instead of what a seed draws; then
 * only latencies, durations of disk operations and the like are drawn, from the same generators.
 *
 *   A1  a schedule that was recorded and replayed whole gives the same run up to healing: generators
 * are drawn from as often, and an action comes behind as many events of its microsecond as it did A2 an
 * action that cannot be carried out (its client is busy, its member is down, no frame like that is sent
 * any more) does nothing A3  no action leaves the tolerance promised (docs/TESTING.md): whatever is
 * left out of a schedule, one that fails shows a bug
 *
 *   sim_schedule.c       the list; recording; what is due when it is replayed
 *   sim_faults_script.c  faults          sim_workload.c  operations
 *   sim_script*.c        as text         sim_shrink*.c   making it smaller */
#ifndef SIM_SIM_SCHEDULE_H
#define SIM_SIM_SCHEDULE_H

#include "sim/sim.h"

/* name, text, which pass of the shrinker it belongs to */
#define SIM_VERB_MAP(X)                                                                                \
    X(PUT, "put", OP)                                                                                  \
    X(GET, "get", OP)                                                                                  \
    X(DELETE, "delete", OP)                                                                            \
    X(TRANSFER, "transfer", OP)                                                                        \
    X(CHANGE, "change", OP)                                                                            \
    X(CRASH, "crash", FAULT)                                                                           \
    X(START, "start", FAULT)                                                                           \
    X(BOOT, "boot", FAULT)                                                                             \
    X(JOB, "job", FAULT)                                                                               \
    X(WIPE, "wipe", FAULT)                                                                             \
    X(ROT, "rot", FAULT)                                                                               \
    X(LOSEFILE, "losefile", FAULT)                                                                     \
    X(EIO, "eio", FAULT)                                                                               \
    X(SPOIL, "spoil", FAULT)                                                                           \
    X(STUCK, "stuck", FAULT)                                                                           \
    X(LOSTWRITE, "lostwrite", FAULT)                                                                   \
    X(MISDIRECT, "misdirect", FAULT)                                                                   \
    X(DIVERGE, "diverge", FAULT)                                                                       \
    X(NOMEM, "nomem", FAULT)                                                                           \
    X(PAUSE, "pause", FAULT)                                                                           \
    X(NOSPACE, "nospace", FAULT)                                                                       \
    X(SLOW, "slow", FAULT)                                                                             \
    X(CLOCK, "clock", FAULT)                                                                           \
    X(RESET, "reset", FAULT)                                                                           \
    X(HOLD, "hold", FAULT)                                                                             \
    X(PARTITION, "partition", FAULT)                                                                   \
    X(DROP, "drop", FATE)                                                                              \
    X(DELAY, "delay", FATE)                                                                            \
    X(DUPLICATE, "duplicate", FATE)                                                                    \
    X(REPLAY, "replay", FATE)                                                                          \
    X(HEAL, "heal", PHASE)                                                                             \
    X(END, "end", PHASE)

enum sim_verb {
#define X(name, text, class) SIM_VERB_##name,
    SIM_VERB_MAP(X)
#undef X
        SIM_VERBS
};

enum sim_action_class { SIM_CLASS_OP = 1, SIM_CLASS_FAULT, SIM_CLASS_FATE, SIM_CLASS_PHASE };

/* What a SLOW, CLOCK or CHANGE is about. */
#define SIM_TOPIC_MAP(X)                                                                               \
    X(NONE, "")                                                                                        \
    X(DISK, "disk")                                                                                    \
    X(ENGINE, "engine")                                                                                \
    X(LINK, "link")                                                                                    \
    X(DRIFT, "drift")                                                                                  \
    X(STOP, "stop")                                                                                    \
    X(LATE, "late")                                                                                    \
    X(ADD, "add")                                                                                      \
    X(REMOVE, "remove")                                                                                \
    X(SET, "set")                                                                                      \
    X(LEASE, "lease")

enum sim_topic {
#define X(name, text) SIM_TOPIC_##name,
    SIM_TOPIC_MAP(X)
#undef X
        SIM_TOPICS
};

/* Ends of links are owners (sim_net.h), or all of a sort. */
#define SIM_ANY_MEMBER 254u
#define SIM_ANY_CLIENT 255u

struct sim_span {
    uint8_t from, to;
};

#define SIM_SPANS_MAX 128u /* of one HOLD */
#define SIM_WAITING_MAX 1024u

/* On which condition a PUT is to be carried out. Revisions are those that the key has, and had before, when it
 * begins. */
#define SIM_CONDITION_MAP(X)                                                                           \
    X(NONE, "")                                                                                        \
    X(ABSENT, "absent")   /* If-None-Match: * */                                                       \
    X(PRESENT, "present") /* If-Match: * */                                                            \
    X(NEWEST, "newest")   /* If-Match: what it has */                                                  \
    X(BEFORE, "before")   /* If-Match: what it had before */                                           \
    X(EITHER, "either")   /* If-Match: one of them */                                                  \
    X(CHANGED, "changed") /* If-None-Match: what it has */                                             \
    X(NEITHER, "neither") /* If-None-Match: none of them */                                            \
    X(ANOTHER, "another") /* If-Match: *, If-None-Match: what it has */

enum sim_condition {
#define X(name, text) SIM_CONDITION_##name,
    SIM_CONDITION_MAP(X)
#undef X
        SIM_CONDITIONS
};
const char *sim_condition_name(enum sim_condition c);

/* What is not said of a verb is zero. */
struct sim_action {
    uint64_t at_us, for_us; /* for_us 0: for ever, or it takes no time */
    uint32_t turn;          /* behind so many events of the same microsecond */
    enum sim_verb verb;
    enum sim_topic topic;
    uint32_t who;     /* by index: whom it happens to, or through whom an operation goes */
    uint32_t client;  /* operations: whose */
    uint32_t key;     /* PUT, GET, DELETE */
    uint32_t subject; /* CHANGE, TRANSFER: the id of a member; lease: 1 on, 0 off */
    int64_t amount;   /* PUT: bytes; CHANGE: port; SLOW: factor, or bytes a ms; CLOCK: ppm, or us;
                       * DELAY, DUPLICATE: us; REPLAY: which of those remembered; BOOT, JOB: calls; START: us
                       * later; ROT, LOSEFILE, SPOIL, EIO, LOSTWRITE, MISDIRECT, DIVERGE, NOMEM: what is drawn from;
                       * STUCK: bits of lanes; NOSPACE: bytes that stay free */
    enum sim_condition condition; /* PUT */
    bool fresh;       /* an operation on a connection of its own */
    bool power;       /* CRASH: of the machine */
    bool rejoin;      /* CHANGE add: the machine is started with --join then, if its disk was lost */
    bool jump;        /* CLOCK stop: then it shows what it would, had it never stood */
    uint32_t from, to, frame, nth; /* frames, RESET */
    uint32_t members; /* HEAL: bits of the core, by index, 0: everything; CHANGE set: by id */
    uint32_t joins;   /* CHANGE set: those whose machines are new */
    uint8_t group[SIM_MEMBERS_MAX];  /* PARTITION: 0: not touched */
    uint32_t span_first, span_count; /* HOLD: in the schedule's spans */
    uint32_t line;                   /* where it stands in its script */
};

/* Frames between members, as single fates and protocol stories tell them apart. */
#define SIM_FRAME_MAP(X)                                                                               \
    X(ANY, "")                                                                                         \
    X(VOTE, "vote")                                                                                    \
    X(VOTE_REPLY, "vote-reply")                                                                        \
    X(APPEND, "append")                                                                                \
    X(APPEND_REPLY, "append-reply")                                                                    \
    X(READ, "read")                                                                                    \
    X(READ_REPLY, "read-reply")                                                                        \
    X(TIMEOUT_NOW, "timeout-now")                                                                      \
    X(PRE_VOTE, "pre-vote")                                                                            \
    X(PRE_VOTE_REPLY, "pre-vote-reply")                                                                \
    X(FORWARD, "forward")                                                                              \
    X(FORWARD_REPLY, "forward-reply")                                                                  \
    X(GATE, "gate")                                                                                    \
    X(SNAPSHOT_OFFER, "snapshot-offer")                                                                \
    X(SNAPSHOT, "snapshot")                                                                            \
    X(SNAPSHOT_REPLY, "snapshot-reply")                                                                \
    X(REPAIR, "repair")                                                                                \
    X(REPAIR_REPLY, "repair-reply")                                                                    \
    X(TRANSFER, "transfer")                                                                            \
    X(OTHER, "other")

enum sim_frame {
#define X(name, text) SIM_FRAME_##name,
    SIM_FRAME_MAP(X)
#undef X
        SIM_FRAMES
};

/* Frames of each direction between members that are remembered, to be sent again: some of each type, of different ages. */
#define SIM_REPLAY_AGES 4u
#define SIM_REPLAY_FRAMES (SIM_FRAMES * SIM_REPLAY_AGES)

/* What becomes of one frame. */
struct sim_fates {
    bool drop, delay, duplicate, replay;
    uint64_t delay_us, duplicate_us, place;
};

enum sim_schedule_mode { SIM_SCHEDULE_RECORDS = 1, SIM_SCHEDULE_REPLAYS };

struct sim_schedule {
    enum sim_schedule_mode mode;
    struct sim_plan plan; /* replayed: instead of one that the seed draws */
    struct sim_action *actions;
    size_t count, cap;
    struct sim_span *spans;
    size_t span_count, span_cap;
    /* While a run is under way. */
    uint64_t hash; /* of all events of the first phase that are no decisions (A1) */
    uint64_t turn_us;
    uint32_t turn;
    size_t next, next_fate;                      /* replayed: the next ones that are not due yet */
    struct sim_action *waiting[SIM_WAITING_MAX]; /* fates whose frame has not come yet */
    uint32_t waiting_count;
    struct {
        uint64_t us;
        uint32_t count;
    } sent[SIM_MEMBERS_MAX][SIM_MEMBERS_MAX][SIM_FRAMES];
    struct sim_fates fates; /* of the frame that is being sent */
    uint32_t from, to, frame;
};

void sim_schedule_init(struct sim_schedule *sc);
void sim_schedule_fini(struct sim_schedule *sc);
/* Append a copy, in order of time; returns it. Borrowed until the next call. */
struct sim_action *sim_schedule_add(struct sim_schedule *sc, const struct sim_action *a);
/* A link more for the newest action, a HOLD. False: it has SIM_SPANS_MAX. */
bool sim_schedule_span(struct sim_schedule *sc, uint32_t from, uint32_t to);
/* The same of an action of another schedule, with its links. */
void sim_schedule_add_from(struct sim_schedule *to, const struct sim_schedule *from,
                           const struct sim_action *a);
void sim_schedule_copy(struct sim_schedule *to, const struct sim_schedule *from);
/* Of a schedule for runs: go to its beginning. */
void sim_schedule_rewind(struct sim_schedule *sc);
enum sim_action_class sim_verb_class(enum sim_verb verb);
const char *sim_verb_name(enum sim_verb verb);
const char *sim_topic_name(enum sim_topic topic);
const char *sim_frame_name(enum sim_frame frame);
enum sim_frame sim_frame_of(const uint8_t *data, size_t len); /* with its header */
enum sim_frame sim_frame_of_type(uint8_t type, struct bytes body);

static inline bool sim_replays(const struct sim *s)
{
    return s->schedule && s->schedule->mode == SIM_SCHEDULE_REPLAYS;
}

static inline bool sim_notes(const struct sim *s)
{
    return s->schedule && s->schedule->mode == SIM_SCHEDULE_RECORDS;
}

/* --- during a run that has a schedule --- */
/* Recorded: a has been decided now. */
struct sim_action *sim_note(struct sim *s, const struct sim_action *a);
/* Before each event that is carried out. */
void sim_schedule_before(struct sim *s, const struct sim_event *ev);
/* Replayed: carry out the next action, if it is due before the next event. False: none is. */
bool sim_schedule_step(struct sim *s);
/* A frame is about to be sent; then, once for each fate and in this order, what was drawn. Recorded: it
 * is noted. Replayed: it becomes what the schedule says. */
void sim_schedule_frame(struct sim_schedule *sc, uint64_t now_us, uint32_t from, uint32_t to,
                        const uint8_t *data, size_t len);
bool sim_schedule_fate(struct sim_schedule *sc, enum sim_verb verb, bool drawn, uint64_t *amount);

#endif
