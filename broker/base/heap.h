/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive binary heap: the node with the smallest key first; nodes may leave from anywhere. */
#ifndef TERCET_BROKER_BASE_HEAP_H
#define TERCET_BROKER_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in the thing that is ordered; zero when in no heap. */
struct heap_node {
    uint64_t key;
    size_t place; /* from 1; 0: in no heap */
};

struct heap {
    struct heap_node **nodes; /* owned array of borrowed nodes; nodes[0] is not used */
    size_t count;
    size_t room;
};

void heap_init(struct heap *h);
/* The heap must be empty. */
void heap_done(struct heap *h);
/* The node must be in no heap. */
void heap_add(struct heap *h, struct heap_node *node, uint64_t key);
void heap_remove(struct heap *h, struct heap_node *node);
/* NULL when empty. */
static inline struct heap_node *heap_first(const struct heap *h)
{
    return h->count == 0 ? NULL : h->nodes[1];
}
static inline bool heap_node_is_in(const struct heap_node *node)
{
    return node->place != 0;
}

#endif
