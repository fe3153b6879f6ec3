/* list.h: intrusive lists: O(1) to enter, move and leave, in order of entering. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ms_assert.h"

struct ms_list {
    struct ms_list *prev, *next; /* NULL: a node that is in no list */
};

#define MS_LIST_OF(node, type, field) ((type *)(void *)((uint8_t *)(node)-offsetof(type, field)))

static inline void ms_list_init(struct ms_list *head)
{
    head->prev = head->next = head;
}

static inline bool ms_list_has(const struct ms_list *node)
{
    return node->next != NULL;
}

static inline void ms_list_remove(struct ms_list *node)
{
    if (!ms_list_has(node)) return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

static inline void ms_list_push(struct ms_list *head, struct ms_list *node)
{
    MS_ASSERT(!ms_list_has(node));
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* The first one, or NULL. */
static inline struct ms_list *ms_list_first(const struct ms_list *head)
{
    return head->next == head ? NULL : head->next;
}

/* The first one, taken out, or NULL. */
static inline struct ms_list *ms_list_pop(struct ms_list *head)
{
    struct ms_list *node = ms_list_first(head);
    if (node) ms_list_remove(node);
    return node;
}

/* All that is in from is then in to, and from is empty. */
static inline void ms_list_take(struct ms_list *from, struct ms_list *to)
{
    ms_list_init(to);
    if (!ms_list_first(from)) return;
    *to = *from;
    to->next->prev = to->prev->next = to;
    ms_list_init(from);
}

/* The one behind node, or NULL. */
static inline struct ms_list *ms_list_after(const struct ms_list *head, const struct ms_list *node)
{
    return node->next == head ? NULL : node->next;
}

#endif
