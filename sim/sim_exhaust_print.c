/* sim_exhaust_print.c: the choices that led here, as a protocol story (tests/raft/script.h). */
#include "sim/sim_exhaust_private.h"

static void print_begin(FILE *f, const struct exh *x)
{
    bool idle = x->bounds.start == 2;
    fprintf(f, "cluster 3%s election=%u heartbeat=%u stall=%u append-bytes=%u\n", idle ? " idle" : "",
            EXH_ELECTION_MS, EXH_HEARTBEAT_MS, EXH_STALL_MS, EXH_APPEND_BYTES);
    if (idle) {
        fprintf(f, "disk n1 term=2 vote=n1 log=1,2\n"
                   "disk n2 term=3 vote=n3 log=1\n"
                   "disk n3 term=3 vote=n3 log=1,3\n");
    }
    for (uint32_t id = 1; x->bounds.manual && id <= EXH_MEMBERS; id++)
        fprintf(f, "manual n%u disk\n", id);
    if (idle) fprintf(f, "start n1 n2 n3\n");
}

static void print_pick(FILE *f, const char *command, const struct exh_choice *c)
{
    fprintf(f, "%s n%u>n%u", command, c->from, c->member);
    if (c->nth > 1) fprintf(f, " %u", c->nth);
    fprintf(f, "\n");
}

static void print_arrive(FILE *f, const struct exh_choice *c)
{
    if (c->from == c->member)
        fprintf(f, "store-end n%u\n", c->member);
    else
        print_pick(f, "deliver", c);
}

static void print_choice(FILE *f, const struct exh_choice *c, uint32_t write)
{
    uint32_t id = c->member;
    switch (c->kind) {
    case EXH_ARRIVE: print_arrive(f, c); break;
    case EXH_HOLD: break; /* there nothing moves by itself */
    case EXH_REPEAT:
        print_pick(f, "duplicate", c);
        print_pick(f, "deliver", c);
        break;
    case EXH_TIMEOUT: fprintf(f, "timeout n%u\n", id); break;
    case EXH_WRITE: fprintf(f, "propose n%u w%u\n", id, write); break;
    case EXH_READ: fprintf(f, "read n%u\n", id); break;
    case EXH_CRASH: fprintf(f, "crash n%u\nstart n%u\n", id, id); break;
    case EXH_CRASH_STORED: fprintf(f, "crash n%u stored\nstart n%u\n", id, id); break;
    case EXH_CUT: fprintf(f, "partition n%u | n%u n%u\n", id, id % 3 + 1, (id + 1) % 3 + 1); break;
    case EXH_HEAL: fprintf(f, "heal\n"); break;
    }
}

static void print_stores(FILE *f, uint32_t ids)
{
    for (uint32_t id = 1; id <= EXH_MEMBERS; id++) {
        if (ids >> id & 1) fprintf(f, "store-begin n%u\n", id);
    }
}

void exh_print_story(FILE *f, const struct exh *x, const char *checker, const char *text)
{
    uint32_t writes = 0;
    fprintf(f, "# %s: %s\n", checker, text);
    print_begin(f, x);
    print_stores(f, x->path_stores[0]);
    for (uint32_t i = 1; i <= x->path_len; i++) {
        writes += x->path[i].kind == EXH_WRITE;
        print_choice(f, &x->path[i], writes);
        if (i < x->path_len || !x->path_open) print_stores(f, x->path_stores[i]);
    }
    fflush(f);
}
