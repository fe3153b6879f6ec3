/* config_text.c: a configuration in words, for logs and status pages. */
#include <stdio.h>

#include "format/config.h"

static const char *const part_names[] = {
    [CONFIG_PART_VOTER] = "voter",       [CONFIG_PART_LEARNER] = "learner",
    [CONFIG_PART_JOINING] = "joining",   [CONFIG_PART_LEAVING] = "leaving",
    [CONFIG_PART_OUTGOING] = "outgoing",
};

enum config_part config_part(uint8_t roles)
{
    if (roles & CONFIG_LEARNER) return roles & CONFIG_JOINS ? CONFIG_PART_JOINING : CONFIG_PART_LEARNER;
    if (!(roles & CONFIG_VOTER)) return CONFIG_PART_OUTGOING;
    return roles & CONFIG_LEAVES ? CONFIG_PART_LEAVING : CONFIG_PART_VOTER;
}

const char *config_part_name(uint8_t roles)
{
    return part_names[config_part(roles)];
}

static size_t add(char *out, size_t at, size_t cap, const char *separator, const char *text)
{
    int n = snprintf(out + at, cap - at, "%s%s", separator, text);
    return n < 0 || (size_t)n >= cap - at ? cap - 1 : at + (size_t)n;
}

void config_describe(const struct config *c, char *out, size_t cap)
{
    char id[24];
    size_t at = 0;
    out[0] = 0;
    for (unsigned part = CONFIG_PART_VOTER; part <= CONFIG_PART_OUTGOING; part++) {
        bool named = false;
        for (uint32_t i = 0; i < c->member_count; i++) {
            const struct config_member *m = &c->members[i];
            if (config_part(m->roles) != part) continue;
            if (!named) at = add(out, at, cap, at ? "; " : "", part_names[part]);
            named = true;
            snprintf(id, sizeof id, "%llu", (unsigned long long)m->id);
            at = add(out, at, cap, " ", id);
        }
    }
    if (c->lease_ms) add(out, at, cap, at ? "; " : "", "reads by lease");
}
