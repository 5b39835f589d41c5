/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing. While it grows there are two sets of slots: new items go to the larger one, and
 * with each some slots of the smaller one are emptied into it, so that it is gone long before the
 * larger one is full. A slot that was emptied there holds a mark, for the run goes on behind it. */
#include "broker/base/table.h"

#include "broker/base/mem.h"

#define SEGMENT_SHIFT 9
#define SEGMENT_SLOTS ((size_t)1 << SEGMENT_SHIFT)
/* Slots emptied with each item: what they held is asked for its hash, a wait for memory each. */
#define MOVE_SLOTS 8

static char left; /* its address is the mark */

void table_init(struct table *t, table_hash_fn *hash)
{
    *t = (struct table){ .hash = hash };
}

/* ---- slots ---- */

static void slots_init(struct table_slots *s, size_t room)
{
    s->room = room;
    s->segments = mem_new_array(void **, room >> SEGMENT_SHIFT);
}

static void slots_done(struct table_slots *s)
{
    for (size_t i = 0; i < s->room >> SEGMENT_SHIFT; i++)
        mem_free(s->segments[i]);
    mem_free(s->segments);
    *s = (struct table_slots){ 0 };
}

static void *slot_get(const struct table_slots *s, size_t slot)
{
    void **segment = s->segments[slot >> SEGMENT_SHIFT];

    return segment == NULL ? NULL : segment[slot & (SEGMENT_SLOTS - 1)];
}

static void slot_set(struct table_slots *s, size_t slot, void *item)
{
    void ***segment = &s->segments[slot >> SEGMENT_SHIFT];

    if (*segment == NULL)
        *segment = mem_new_array(void *, SEGMENT_SLOTS);
    (*segment)[slot & (SEGMENT_SLOTS - 1)] = item;
}

static size_t first_slot(const struct table_slots *s, uint64_t hash)
{
    return (size_t)hash & (s->room - 1);
}

static size_t after(const struct table_slots *s, size_t slot)
{
    return (slot + 1) & (s->room - 1);
}

static void put(struct table *t, void *item)
{
    size_t slot = first_slot(&t->now, t->hash(item));

    while (slot_get(&t->now, slot) != NULL)
        slot = after(&t->now, slot);
    slot_set(&t->now, slot, item);
}

/* ---- growing ---- */

static void move_some(struct table *t, size_t count)
{
    for (; count > 0 && t->moved < t->before.room; count--, t->moved++) {
        void *item = slot_get(&t->before, t->moved);

        if (item == NULL || item == &left)
            continue;
        put(t, item);
        slot_set(&t->before, t->moved, &left);
    }
    if (t->before.room > 0 && t->moved == t->before.room)
        slots_done(&t->before);
}

static void grow_to(struct table *t, size_t room)
{
    move_some(t, t->before.room); /* nothing is left there but after a table_reserve() */
    t->before = t->now;
    t->moved = 0;
    slots_init(&t->now, room);
}

void table_reserve(struct table *t, size_t count)
{
    size_t wanted = t->now.room == 0 ? SEGMENT_SLOTS : t->now.room;

    while (count > wanted / 4 * 3)
        wanted *= 2;
    if (wanted > t->now.room)
        grow_to(t, wanted);
}

void table_done(struct table *t)
{
    slots_done(&t->now);
    slots_done(&t->before);
    t->count = 0;
}

/* ---- coming and going ---- */

void table_add(struct table *t, void *item)
{
    table_reserve(t, t->count + 1);
    move_some(t, MOVE_SLOTS);
    put(t, item);
    t->count++;
}

/* What follows in the same run moves up, unless it already stands where it belongs or before. */
static void close_gap(struct table *t, size_t gap)
{
    const size_t mask = t->now.room - 1;
    void *item;

    for (size_t at = after(&t->now, gap); (item = slot_get(&t->now, at)) != NULL;
         at = after(&t->now, at)) {
        size_t wanted = first_slot(&t->now, t->hash(item));

        if (((at - wanted) & mask) < ((at - gap) & mask))
            continue;
        slot_set(&t->now, gap, item);
        gap = at;
    }
    slot_set(&t->now, gap, NULL);
}

/* The slot that holds it; false: none does. */
static bool find(const struct table_slots *s, uint64_t hash, const void *item, size_t *ret)
{
    const void *there;

    if (s->room == 0)
        return false;
    for (*ret = first_slot(s, hash); (there = slot_get(s, *ret)) != NULL; *ret = after(s, *ret)) {
        if (there == item)
            return true;
    }
    return false;
}

void table_remove(struct table *t, const void *item)
{
    uint64_t hash = t->hash(item);
    size_t slot;
    bool is_there;

    if (find(&t->now, hash, item, &slot)) {
        close_gap(t, slot);
    } else {
        is_there = find(&t->before, hash, item, &slot);
        ASSERT(is_there);
        slot_set(&t->before, slot, &left);
    }
    t->count--;
}

static void *get_in(const struct table_slots *s, uint64_t hash, table_is_fn *is_it, const void *key)
{
    void *item;

    if (s->room == 0)
        return NULL;
    for (size_t slot = first_slot(s, hash); (item = slot_get(s, slot)) != NULL;
         slot = after(s, slot)) {
        if (item != &left && is_it(item, key))
            return item;
    }
    return NULL;
}

void *table_get(const struct table *t, uint64_t hash, table_is_fn *is_it, const void *key)
{
    void *item;

    if (t->count == 0)
        return NULL;
    item = get_in(&t->now, hash, is_it, key);
    return item != NULL || t->before.room == 0 ? item : get_in(&t->before, hash, is_it, key);
}
