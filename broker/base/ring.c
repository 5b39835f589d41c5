/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/ring.h"

#include <string.h>

#include "broker/base/mem.h"

#define RING_FIRST_VALUES 8

void ring_init(struct ring *ring, size_t item_bytes)
{
    *ring = (struct ring){ .item_bytes = item_bytes };
}

void ring_done(struct ring *ring)
{
    MEM_FREE(ring->at);
    ring->room = ring->count = 0;
}

static void grow(struct ring *ring)
{
    size_t room = ring->room == 0 ? RING_FIRST_VALUES : ring->room * 2;
    uint8_t *at = mem_get(room * ring->item_bytes);

    for (size_t i = 0; i < ring->count; i++)
        memcpy(at + i * ring->item_bytes, ring_at(ring, i), ring->item_bytes);
    mem_free(ring->at);
    ring->at = at;
    ring->room = room;
    ring->head = 0;
}

void *ring_push(struct ring *ring)
{
    if (ring->count == ring->room)
        grow(ring);
    return ring_at(ring, ring->count++);
}

void *ring_push_front(struct ring *ring)
{
    if (ring->count == ring->room)
        grow(ring);
    ring->head--; /* may wrap: only its low bits count */
    ring->count++;
    return ring_at(ring, 0);
}
