/* SPDX-License-Identifier: Apache-2.0 */
/* While it grows there are two sets of slots: new nodes go to the larger one, and with each some
 * slots of the smaller one are emptied into it, so that it is gone long before the larger one is
 * full. A slot that was emptied there holds a node that is nobody's child, for the run goes on
 * behind it. */
#include "broker/core/matcher_table.h"

#include "broker/base/mem.h"

#define FIRST_SLOTS 64
/* Slots emptied with each node that comes, and with each find. */
#define MOVE_SLOTS 16

/* What stands in a slot that was emptied: no look-up asks for a child of nobody. */
static struct match_node left;
/* A segment into which nothing has come yet. */
static struct match_slot empty[MATCH_SEGMENT_SLOTS];

/* ---- slots ---- */

static size_t segment_count(const struct match_slots *s)
{
    return s->count <= MATCH_SEGMENT_SLOTS ? 1 : s->count >> MATCH_SEGMENT_SHIFT;
}

static struct match_slot *segment_new(const struct match_slots *s)
{
    size_t count = s->count < MATCH_SEGMENT_SLOTS ? s->count : MATCH_SEGMENT_SLOTS;
    struct match_slot *segment = mem_try(count * sizeof(*segment));

    if (segment != NULL)
        memset(segment, 0, count * sizeof(*segment));
    return segment;
}

static enum rc slots_init(struct match_slots *s, size_t count)
{
    struct match_slots made = { .count = count };

    made.segments = mem_try(segment_count(&made) * sizeof(*made.segments));
    if (made.segments == NULL)
        return RC_MEMORY;
    for (size_t i = 0; i < segment_count(&made); i++)
        made.segments[i] = empty;
    *s = made;
    return RC_OK;
}

static void segment_free(struct match_slots *s, size_t segment)
{
    if (s->segments[segment] != empty)
        mem_free(s->segments[segment]);
    s->segments[segment] = empty;
}

static void slots_done(struct match_slots *s)
{
    for (size_t i = 0; s->segments != NULL && i < segment_count(s); i++)
        segment_free(s, i);
    mem_free(s->segments);
    *s = (struct match_slots){ 0 };
}

static enum rc put(struct match_slots *s, struct match_slot slot)
{
    size_t mask = s->count - 1, at = slot.hash & mask;
    struct match_slot **segment;

    while (match_slot_at(s, at)->node != NULL)
        at = (at + 1) & mask;
    segment = &s->segments[at >> MATCH_SEGMENT_SHIFT];
    if (*segment == empty) {
        struct match_slot *made = segment_new(s);

        if (made == NULL)
            return RC_MEMORY;
        *segment = made;
    }
    *match_slot_at(s, at) = slot;
    return RC_OK;
}

/* ---- growing ---- */

static enum rc move_some(struct match_table *t)
{
    for (unsigned i = 0; i < MOVE_SLOTS && t->moved < t->before.count; i++, t->moved++) {
        struct match_slot *slot = match_slot_at(&t->before, t->moved);

        if (slot->node == NULL || slot->node == &left)
            continue;
        if (put(&t->now, *slot) != RC_OK)
            return RC_MEMORY;
        slot->node = &left;
    }
    if (t->moved == t->before.count)
        slots_done(&t->before);
    return RC_OK;
}

static enum rc grow(struct match_table *t)
{
    struct match_slots larger;

    ASSERT(!match_table_grows(t));
    if (slots_init(&larger, t->now.count * 2) != RC_OK)
        return RC_MEMORY;
    t->before = t->now;
    t->now = larger;
    t->moved = 0;
    return RC_OK;
}

void match_table_advance(struct match_table *t)
{
    if (__builtin_expect(match_table_grows(t), 0))
        (void)move_some(t); /* without memory it stays where it is */
}

/* ---- coming and going ---- */

void match_table_init(struct match_table *t)
{
    *t = (struct match_table){ .now.count = FIRST_SLOTS };
    t->now.segments = mem_new(struct match_slot *);
    t->now.segments[0] = mem_new_array(struct match_slot, FIRST_SLOTS);
}

void match_table_done(struct match_table *t)
{
    ASSERT(t->count == 0);
    slots_done(&t->now);
    slots_done(&t->before);
}

enum rc match_table_add(struct match_table *t, struct match_node *node)
{
    enum rc rc = match_table_grows(t) ? move_some(t) : RC_OK;

    if (rc == RC_OK && t->count * 4 >= t->now.count * 3)
        rc = grow(t);
    if (rc == RC_OK)
        rc = put(&t->now, (struct match_slot){ node, node->hash });
    t->count += rc == RC_OK;
    return rc;
}

/* What follows in the same run moves up, unless it already stands where it belongs or before. */
static void close_gap(struct match_slots *s, size_t gap)
{
    const size_t mask = s->count - 1;
    const struct match_slot *slot;

    for (size_t at = (gap + 1) & mask; (slot = match_slot_at(s, at))->node != NULL;
         at = (at + 1) & mask) {
        size_t wanted = slot->hash & mask;

        if (((at - wanted) & mask) < ((at - gap) & mask))
            continue;
        *match_slot_at(s, gap) = *slot;
        gap = at;
    }
    match_slot_at(s, gap)->node = NULL;
}

/* The slot that holds it; false: none does. */
static bool find(const struct match_slots *s, const struct match_node *node, size_t *ret)
{
    const struct match_node *there;
    const size_t mask = s->count - 1;

    if (s->segments == NULL)
        return false;
    for (*ret = node->hash & mask; (there = match_slot_at(s, *ret)->node) != NULL;
         *ret = (*ret + 1) & mask) {
        if (there == node)
            return true;
    }
    return false;
}

void match_table_remove(struct match_table *t, const struct match_node *node)
{
    size_t at;
    bool is_there;

    if (find(&t->now, node, &at)) {
        close_gap(&t->now, at);
    } else {
        is_there = find(&t->before, node, &at);
        ASSERT(is_there);
        match_slot_at(&t->before, at)->node = &left;
    }
    t->count--;
}
