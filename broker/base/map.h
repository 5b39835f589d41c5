/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map from byte-string keys to intrusive nodes; keys stay where their owner keeps them. */
#ifndef TERCET_BROKER_BASE_MAP_H
#define TERCET_BROKER_BASE_MAP_H

#include "broker/base/slice.h"

/* Embedded in the mapped thing. `key` borrows from that thing while it is in a map. */
struct map_node {
    struct map_node *next; /* borrowed: chain of the bucket */
    struct slice key;
    uint64_t hash;
};

struct map {
    union {                          /* owned */
        struct map_node **buckets;   /* up to 512 lie side by side */
        struct map_node ***segments; /* so many in each, all owned */
    };
    size_t bucket_count;
    size_t count;
    size_t first; /* no bucket before it holds a node */
};

void map_init(struct map *m);
/* The map must be empty. */
void map_done(struct map *m);
/* NULL when there is none. */
struct map_node *map_get(const struct map *m, struct slice key);
/* The same with hash_seeded(key) already known. */
struct map_node *map_get_hashed(const struct map *m, struct slice key, uint64_t hash);
/* Room for that many, so that adding them looks at none twice. */
void map_reserve(struct map *m, size_t count);
/* The key must not be there (asserted by the caller having looked it up). It takes no longer with a
 * million entries than with a thousand: one bucket is split at a time. */
void map_add(struct map *m, struct slice key, struct map_node *node);
void map_remove(struct map *m, struct map_node *node);
/* Any node, or NULL when empty: for taking everything out, in time linear in what is there. */
struct map_node *map_any(struct map *m);
/* Walks all nodes: start with NULL; the map must not change meanwhile. */
struct map_node *map_next(const struct map *m, const struct map_node *node);

#define MAP_EACH(node, m) \
    for (struct map_node *node = map_next((m), NULL); node != NULL; node = map_next((m), node))

#endif
