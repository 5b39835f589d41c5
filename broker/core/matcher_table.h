/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes of a matcher, and the table of those that are literal. For matcher.c alone. */
#ifndef TERCET_BROKER_CORE_MATCHER_TABLE_H
#define TERCET_BROKER_CORE_MATCHER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/base/hash.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct match_entry;

enum node_kind { NODE_ROOT, NODE_LITERAL, NODE_EXACT, NODE_ONE, NODE_MANY };

struct match_node {
    struct match_node *parent; /* borrowed; NULL for a root */
    struct match_entry *here;  /* filters that end at this node */
    uint32_t hash;
    uint16_t level_len;
    uint8_t kind;
    bool is_looped;
    /* An exact node ends here, and its level begins: there may be a million of them. */
    struct match_entry *rest; /* filters that end in a many right after it; none when looped */
    struct match_node *one;   /* owned */
    struct match_node *many;  /* owned; a many that more follows, or below another one */
    uint64_t stamp;           /* of a looped node or a many: the last step that reached it */
    uint32_t literal_count;   /* children in the table, */
    uint32_t exact_count;     /* and those of them that are exact */
};

static inline size_t node_head_bytes(enum node_kind kind)
{
    return kind == NODE_EXACT ? offsetof(struct match_node, rest) : sizeof(struct match_node);
}

static inline struct slice node_level(const struct match_node *node)
{
    return slice_of((const uint8_t *)node + node_head_bytes((enum node_kind)node->kind),
                    node->level_len);
}

struct match_slot {
    struct match_node *node; /* owned; NULL when free */
    uint32_t hash;
};

/* Open addressing, in segments that are made when something comes into them. A table that is
 * smaller than a segment is one of its own size. */
struct match_slots {
    struct match_slot *
        *segments; /* owned, and each that is not the empty one; NULL: there are none */
    size_t count;  /* a power of two */
};
#define MATCH_SEGMENT_SHIFT 12
#define MATCH_SEGMENT_SLOTS ((size_t)1 << MATCH_SEGMENT_SHIFT)

/* It grows without a stop, as broker/base/table.h does, but keeps each item's hash beside it and no
 * function for it: a look-up touches one node, the one that it finds. */
struct match_table {
    struct match_slots now;
    struct match_slots before; /* while it grows: what has not moved yet */
    size_t moved;              /* slots of it that have */
    size_t count;              /* of nodes, in both */
};

void match_table_init(struct match_table *t);
/* The nodes must be gone. */
void match_table_done(struct match_table *t);
/* node->hash must be set, and the node not be there. RC_MEMORY: it is not there. */
MUST_CHECK enum rc match_table_add(struct match_table *t, struct match_node *node);
void match_table_remove(struct match_table *t, const struct match_node *node);
/* One that grows comes a little nearer to its end, so that what is looked up in it need not be
 * looked for in two places for long. */
void match_table_advance(struct match_table *t);

static inline bool match_table_grows(const struct match_table *t)
{
    return t->before.segments != NULL;
}

static inline uint32_t match_hash(const struct match_node *parent, struct slice level)
{
    uint64_t mixed = (uint64_t)(uintptr_t)parent * UINT64_C(0x9E3779B97F4A7C15);

    return (uint32_t)(hash_seeded(level) + (mixed >> 32));
}

static inline struct match_slot *match_slot_at(const struct match_slots *s, size_t at)
{
    return &s->segments[at >> MATCH_SEGMENT_SHIFT][at & (MATCH_SEGMENT_SLOTS - 1)];
}

static inline struct match_node *match_slots_get(const struct match_slots *s, uint32_t hash,
                                                 const struct match_node *parent,
                                                 struct slice level, enum node_kind kind)
{
    size_t mask = s->count - 1, at = hash & mask;
    const struct match_slot *slot = match_slot_at(s, at);

    while (slot->node != NULL) {
        if (slot->hash == hash && slot->node->parent == parent && slot->node->kind == kind &&
            slice_equal(node_level(slot->node), level))
            return slot->node;
        at = (at + 1) & mask;
        slot = (at & (MATCH_SEGMENT_SLOTS - 1)) != 0 ? slot + 1 : match_slot_at(s, at);
    }
    return NULL;
}

/* NULL: there is none. */
static inline struct match_node *match_table_get(const struct match_table *t,
                                                 const struct match_node *parent,
                                                 struct slice level, enum node_kind kind)
{
    uint32_t hash = match_hash(parent, level);
    struct match_node *node = match_slots_get(&t->now, hash, parent, level, kind);

    if (node == NULL && __builtin_expect(match_table_grows(t), 0))
        node = match_slots_get(&t->before, hash, parent, level, kind);
    return node;
}

#endif
