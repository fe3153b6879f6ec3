#include "sim/sim_limits.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ms_assert.h"
#include "format/buf.h"
#include "kv/kv_cmd.h"

#define PURPOSE_LIMITS 308u
#define LIMITS_ONE_IN 8u  /* PUTs */
#define AROUND_BYTES 128u /* a command is longer than its value by less */

void sim_limits_fit(struct sim_plan *p)
{
    size_t below = p->limits == SIM_LIMITS_REQUEST ? 0 : 1024;
    p->member.value_bytes_max = p->member.node.request_bytes_max - below;
}

uint32_t sim_limits_most(const struct sim_plan *p)
{
    return p->limits ? (uint32_t)p->member.value_bytes_max + 1 : p->value_bytes_max;
}

void sim_limits_init(struct ms_rand *r, const struct sim_plan *p)
{
    ms_rand_init(r, p->seed, PURPOSE_LIMITS);
}

/* Of the command that a PUT becomes. */
static size_t command_bytes(uint32_t key, size_t value_bytes)
{
    char name[16];
    struct buf out;
    uint8_t *value = calloc(1, value_bytes + 1);
    MS_ASSERT(value != NULL);
    snprintf(name, sizeof name, "k%u", (unsigned)key);
    buf_init(&out, &sim_alloc_heap, MS_TXN_BYTES_MAX);
    int rv = kv_cmd_encode_put(&out, bytes_of_str(name), bytes_of(value, value_bytes));
    MS_ASSERT(rv == 0);
    size_t len = out.len;
    buf_fini(&out);
    free(value);
    return len;
}

bool sim_limits_exceeds(const struct sim_plan *p, uint32_t key, uint32_t value_bytes)
{
    if (!p->limits) return false;
    if (value_bytes > p->member.value_bytes_max) return true;
    if (value_bytes + AROUND_BYTES <= p->member.node.request_bytes_max) return false;
    return command_bytes(key, value_bytes) > p->member.node.request_bytes_max;
}

bool sim_limits_draw(struct ms_rand *r, const struct sim_plan *p, uint32_t key, uint32_t *value_bytes)
{
    size_t limit = p->member.value_bytes_max;
    if (!p->limits || ms_rand_below(r, LIMITS_ONE_IN) != 0) return false;
    if (p->limits == SIM_LIMITS_REQUEST) limit -= command_bytes(key, limit) - limit;
    *value_bytes = (uint32_t)(limit - 1 + ms_rand_below(r, 3));
    return true;
}
