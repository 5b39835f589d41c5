/* SPDX-License-Identifier: Apache-2.0 */
/* A set of pointers found by a hash of what they point to: for the many and small, where a map's
 * node in each would cost as much as the thing itself. 8 bytes a slot, a quarter to half of them
 * free. It grows without a stop: each item that comes takes some of those before it along. */
#ifndef TERCET_BROKER_BASE_TABLE_H
#define TERCET_BROKER_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same value for an item as long as it is in a table, its bits well mixed. */
typedef uint64_t table_hash_fn(const void *item);
typedef bool table_is_fn(const void *item, const void *key);

/* In segments, so that no large run of memory is ever cleared at once. */
struct table_slots {
    void ***segments; /* owned; NULL: nothing in it is taken */
    size_t room;      /* a power of two, or 0 */
};

struct table {
    struct table_slots now;
    struct table_slots before; /* while it grows: what has not moved yet */
    size_t moved;              /* slots of it that have */
    size_t count;              /* in both */
    table_hash_fn *hash;
};

void table_init(struct table *t, table_hash_fn *hash);
/* Items that are still in it are let go. */
void table_done(struct table *t);
/* Room for that many, so that adding them looks at none twice. */
void table_reserve(struct table *t, size_t count);
/* The item must not be there. */
void table_add(struct table *t, void *item);
/* The item must be there (asserted). */
void table_remove(struct table *t, const void *item);
/* The item with that hash for which is_it(item, key) holds; NULL when there is none. */
void *table_get(const struct table *t, uint64_t hash, table_is_fn *is_it, const void *key);

/* Numbers given one after the other do not fall on neighbouring slots. */
static inline uint64_t table_mix(uint64_t n)
{
    n *= UINT64_C(0x9e3779b97f4a7c15);
    return n ^ n >> 32;
}

#endif
