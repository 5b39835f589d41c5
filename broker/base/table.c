/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/table.h"

#include "broker/base/mem.h"

#define TABLE_FIRST_ROOM 8

void table_init(struct table *t, table_hash_fn *hash)
{
    *t = (struct table){ .hash = hash };
}

void table_done(struct table *t)
{
    MEM_FREE(t->slots);
    t->room = t->count = 0;
}

static size_t after(const struct table *t, size_t slot)
{
    return (slot + 1) & (t->room - 1);
}

static void put(struct table *t, void *item)
{
    size_t slot = (size_t)t->hash(item) & (t->room - 1);

    while (t->slots[slot] != NULL)
        slot = after(t, slot);
    t->slots[slot] = item;
}

static void grow_to(struct table *t, size_t wanted)
{
    void **before = t->slots;
    size_t room = t->room;

    t->room = wanted;
    t->slots = mem_new_array(void *, t->room);
    for (size_t i = 0; i < room; i++) {
        if (before[i] != NULL)
            put(t, before[i]);
    }
    mem_free(before);
}

void table_reserve(struct table *t, size_t count)
{
    size_t wanted = t->room == 0 ? TABLE_FIRST_ROOM : t->room;

    while (count > wanted / 4 * 3)
        wanted *= 2;
    if (wanted > t->room)
        grow_to(t, wanted);
}

void table_add(struct table *t, void *item)
{
    table_reserve(t, t->count + 1);
    put(t, item);
    t->count++;
}

/* What follows in the same run moves up, unless it already stands where it belongs or before. */
static void close_gap(struct table *t, size_t gap)
{
    for (size_t at = after(t, gap); t->slots[at] != NULL; at = after(t, at)) {
        size_t wanted = (size_t)t->hash(t->slots[at]) & (t->room - 1);

        if (((at - wanted) & (t->room - 1)) < ((at - gap) & (t->room - 1)))
            continue;
        t->slots[gap] = t->slots[at];
        gap = at;
    }
    t->slots[gap] = NULL;
}

void table_remove(struct table *t, const void *item)
{
    size_t slot;

    ASSERT(t->count > 0);
    slot = (size_t)t->hash(item) & (t->room - 1);
    while (t->slots[slot] != item) {
        ASSERT(t->slots[slot] != NULL);
        slot = after(t, slot);
    }
    close_gap(t, slot);
    t->count--;
}

void *table_get(const struct table *t, uint64_t hash, table_is_fn *is_it, const void *key)
{
    if (t->count == 0)
        return NULL;
    for (size_t slot = (size_t)hash & (t->room - 1); t->slots[slot] != NULL;
         slot = after(t, slot)) {
        if (is_it(t->slots[slot], key))
            return t->slots[slot];
    }
    return NULL;
}
