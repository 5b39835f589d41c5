/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/heap.h"

#include "broker/base/mem.h"

#define HEAP_FIRST_ROOM 64

void heap_init(struct heap *h)
{
    *h = (struct heap){ 0 };
}

void heap_done(struct heap *h)
{
    ASSERT(h->count == 0);
    MEM_FREE(h->nodes);
    h->room = 0;
}

static void put(struct heap *h, size_t place, struct heap_node *node)
{
    h->nodes[place] = node;
    node->place = place;
}

static void move_up(struct heap *h, size_t place, struct heap_node *node)
{
    while (place > 1 && h->nodes[place / 2]->key > node->key) {
        put(h, place, h->nodes[place / 2]);
        place /= 2;
    }
    put(h, place, node);
}

static void move_down(struct heap *h, size_t place, struct heap_node *node)
{
    for (;;) {
        size_t child = place * 2;

        if (child > h->count)
            break;
        if (child < h->count && h->nodes[child + 1]->key < h->nodes[child]->key)
            child++;
        if (h->nodes[child]->key >= node->key)
            break;
        put(h, place, h->nodes[child]);
        place = child;
    }
    put(h, place, node);
}

void heap_add(struct heap *h, struct heap_node *node, uint64_t key)
{
    ASSERT(node->place == 0);
    if (h->count + 1 >= h->room) {
        h->room = h->room == 0 ? HEAP_FIRST_ROOM : h->room * 2;
        h->nodes = mem_resize(h->nodes, h->room * sizeof(*h->nodes));
    }
    node->key = key;
    move_up(h, ++h->count, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    size_t place = node->place;
    struct heap_node *last;

    ASSERT(place != 0 && place <= h->count);
    ASSERT(h->nodes[place] == node);
    last = h->nodes[h->count];
    node->place = 0;
    h->count--;
    if (last == node)
        return;
    if (place > 1 && h->nodes[place / 2]->key > last->key)
        move_up(h, place, last);
    else
        move_down(h, place, last);
}
