/* SPDX-License-Identifier: Apache-2.0 */
/* A growing first-in first-out queue of small equal-sized values. One thread. */
#ifndef TERCET_BROKER_BASE_RING_H
#define TERCET_BROKER_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *at;       /* owned */
    size_t item_bytes; /* of one value */
    size_t room;       /* values, a power of two, or 0 */
    size_t head;       /* index of the first value, counted without wrapping */
    size_t count;
};

void ring_init(struct ring *ring, size_t item_bytes);
void ring_done(struct ring *ring);
/* The new last value, uninitialised: fill it in. Aborts without memory: what is queued here is
 * bounded by what was accepted before. */
void *ring_push(struct ring *ring);
/* The n-th value from the front, n < count. */
static inline void *ring_at(const struct ring *ring, size_t n)
{
    return ring->at + ((ring->head + n) & (ring->room - 1)) * ring->item_bytes;
}
/* The first value, NULL when empty. */
static inline void *ring_front(const struct ring *ring)
{
    return ring->count == 0 ? NULL : ring_at(ring, 0);
}
static inline void ring_pop(struct ring *ring, size_t n)
{
    ring->head += n;
    ring->count -= n;
}
/* A new first value, uninitialised. Aborts like ring_push(). */
void *ring_push_front(struct ring *ring);
/* Drops the last value. */
static inline void ring_drop_last(struct ring *ring)
{
    ring->count--;
}

#endif
