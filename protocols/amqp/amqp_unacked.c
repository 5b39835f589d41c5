/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/amqp/amqp_unacked.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/mem.h"

#define ROOM_FIRST  64
#define HOLES_LEAST 64 /* fewer are not worth moving */
#define SHRINK_ROOM ((size_t)1 << 16)

void unacked_init(struct unacked_table *table)
{
    *table = (struct unacked_table){ 0 };
}

void unacked_done(struct unacked_table *table)
{
    ASSERT(table->live == 0);
    MEM_FREE(table->at);
    unacked_init(table);
}

bool unacked_is_large(const struct unacked_table *table)
{
    return table->room > SHRINK_ROOM;
}

bool unacked_shrink(struct unacked_table *table)
{
    size_t room = unacked_is_large(table) ? table->room - SHRINK_ROOM : 0;
    struct unacked *at;

    ASSERT(table->live == 0);
    at = room == 0 ? NULL : mem_try_resize(table->at, room * sizeof(*at));
    if (at == NULL) {
        unacked_done(table);
        return true;
    }
    table->at = at;
    table->room = room;
    return false;
}

void unacked_forget(struct unacked_table *table)
{
    table->live = table->first = table->end = 0;
}

/* Moves what is outstanding to the front. */
static void close_holes(struct unacked_table *t)
{
    size_t to = 0;

    for (size_t i = t->first; i < t->end; i++) {
        if (t->at[i].tag != 0)
            t->at[to++] = t->at[i];
    }
    ASSERT(to == t->live);
    t->first = 0;
    t->end = to;
}

enum rc unacked_reserve(struct unacked_table *t, size_t count)
{
    struct unacked *at;

    close_holes(t);
    if (count <= t->room - t->live)
        return RC_OK;
    at = mem_try_resize(t->at, (t->live + count) * sizeof(*at));
    if (at == NULL)
        return RC_MEMORY;
    t->at = at;
    t->room = t->live + count;
    return RC_OK;
}

void unacked_restore(struct unacked_table *t, const struct unacked *entry)
{
    ASSERT(t->end < t->room && entry->tag != 0);
    t->at[t->end++] = *entry;
    t->live++;
}

static int by_tag(const void *a, const void *b)
{
    uint64_t x = ((const struct unacked *)a)->tag, y = ((const struct unacked *)b)->tag;

    return (x > y) - (x < y);
}

void unacked_sort(struct unacked_table *t)
{
    if (t->live > 1)
        qsort(t->at + t->first, t->end - t->first, sizeof(*t->at), by_tag);
}

enum rc unacked_add(struct unacked_table *t, const struct unacked *entry)
{
    ASSERT(entry->tag != 0);
    if (t->end == t->room && t->live <= t->room / 2)
        close_holes(t);
    if (t->end == t->room) {
        size_t room = t->room == 0 ? ROOM_FIRST : t->room * 2;
        struct unacked *at = mem_try_resize(t->at, room * sizeof(*at));

        if (at == NULL)
            return RC_MEMORY;
        t->at = at;
        t->room = room;
    }
    ASSERT(t->live == 0 || t->at[t->end - 1].tag < entry->tag);
    t->at[t->end++] = *entry;
    t->live++;
    return RC_OK;
}

struct unacked *unacked_oldest(const struct unacked_table *t)
{
    return t->live == 0 ? NULL : &t->at[t->first];
}

struct unacked *unacked_newest(const struct unacked_table *t)
{
    size_t i = t->end;

    if (t->live == 0)
        return NULL;
    while (t->at[i - 1].tag == 0)
        i--;
    return &t->at[i - 1];
}

/* Holes have no tag to compare with, so the search steps over them to the next one that has. */
struct unacked *unacked_find(const struct unacked_table *t, uint64_t tag)
{
    size_t low = t->first, high = t->end;

    if (t->live == 0 || tag < t->at[t->first].tag)
        return NULL;
    if (tag - t->at[t->first].tag < high - low &&
        t->at[low + (size_t)(tag - t->at[t->first].tag)].tag == tag)
        return &t->at[low + (size_t)(tag - t->at[t->first].tag)]; /* no tag is missing before it */
    while (low < high) {
        size_t middle = low + (high - low) / 2, i = middle;

        while (i < high && t->at[i].tag == 0)
            i++;
        if (i == high || t->at[i].tag > tag)
            high = middle;
        else if (t->at[i].tag == tag)
            return &t->at[i];
        else
            low = i + 1;
    }
    return NULL;
}

void unacked_remove(struct unacked_table *t, struct unacked *entry)
{
    ASSERT(t->live > 0 && entry->tag != 0);
    *entry = (struct unacked){ 0 };
    t->live--;
    if (t->live == 0) {
        t->first = t->end = 0;
        return;
    }
    while (t->at[t->first].tag == 0)
        t->first++;
    while (t->at[t->end - 1].tag == 0)
        t->end--;
    if (t->end - t->first > HOLES_LEAST && t->live < (t->end - t->first) / 4)
        close_holes(t); /* pays for itself: three quarters were settled since the last time */
}
