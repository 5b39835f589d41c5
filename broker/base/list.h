/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list. Asserts "unlinked" on insert; a link is zero when unlinked. */
#ifndef TERCET_BROKER_BASE_LIST_H
#define TERCET_BROKER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/base/mem.h"

struct link {
    struct link *prev; /* borrowed from the list while linked */
    struct link *next;
};

struct list {
    struct link head;
};

static inline void list_init(struct list *l)
{
    l->head.prev = l->head.next = &l->head;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->head.next == &l->head;
}

static inline bool link_is_linked(const struct link *k)
{
    return k->next != NULL;
}

static inline void link_insert(struct link *after, struct link *k)
{
    ASSERT(k->next == NULL);
    k->prev = after;
    k->next = after->next;
    after->next->prev = k;
    after->next = k;
}

static inline void list_append(struct list *l, struct link *k)
{
    link_insert(l->head.prev, k);
}

static inline void list_prepend(struct list *l, struct link *k)
{
    link_insert(&l->head, k);
}

static inline void link_remove(struct link *k)
{
    ASSERT(k->next != NULL);
    k->prev->next = k->next;
    k->next->prev = k->prev;
    k->prev = k->next = NULL;
}

static inline void link_remove_if(struct link *k)
{
    if (link_is_linked(k))
        link_remove(k);
}

/* Moves every element of `from` behind the last of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    list_init(from);
}

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The first element as `type`, or NULL. */
#define LIST_FIRST(l, type, member) \
    (list_is_empty(l) ? NULL : CONTAINER_OF((l)->head.next, type, member))
#define LIST_LAST(l, type, member) \
    (list_is_empty(l) ? NULL : CONTAINER_OF((l)->head.prev, type, member))

/* `k` runs over the links; CONTAINER_OF gives the element. */
#define LIST_EACH(k, l) for (struct link *k = (l)->head.next; k != &(l)->head; k = k->next)
/* The same, where the body may remove `k` itself (and nothing else). */
#define LIST_EACH_SAFE(k, l)                                                    \
    for (struct link *k = (l)->head.next, *k##_next = k->next; k != &(l)->head; \
         k = k##_next, k##_next = k->next)

#endif
