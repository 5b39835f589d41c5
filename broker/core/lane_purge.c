/* SPDX-License-Identifier: Apache-2.0 */
/* Settling all that is not taken of a lane at once. There may be millions, of which the window
 * knows a few: the rest is told by chunk or by range, without an item each. */
#include "broker/base/mem.h"
#include "broker/core/lane_int.h"
#include "broker/core/retention.h"
#include "broker/core/stream_int.h"

/* Ranges that are purged while older messages are still taken; of more, chunks are recorded. */
#define PURGES_MAX 64

/* One whole chunk behind the window, of which nothing else needs to be recorded. */
static void purge_chunk(struct lane *lane, uint64_t number)
{
    struct chunk **slot = lane_chunk(lane, number);

    if (slot == NULL) {
        ASSERT(lane->first_chunk + lane->chunks.count == number);
        *(struct chunk **)ring_push(&lane->chunks) = &chunk_purged;
        return;
    }
    lane->settled_ahead -= lane_settled_ahead_in(lane, number);
    if (chunk_is_whole(*slot))
        return;
    if (chunk_is_recorded(*slot) && lane->queue->spec.is_durable)
        lane_delete_settled(lane, SETTLED_CHUNK(number));
    mem_free(*slot);
    *slot = &chunk_purged;
}

/* Ranges that touch are one. */
static void purge_record(struct lane *lane, uint64_t from, uint64_t to)
{
    struct purge *last =
        lane->purges.count == 0 ? NULL : ring_at(&lane->purges, lane->purges.count - 1);

    if (last == NULL || last->to < from) {
        last = ring_push(&lane->purges);
        last->from = from;
    }
    last->to = to;
    if (lane->queue->spec.is_durable)
        lane_record_purge(lane, last);
}

/* Offsets up to `to` of one chunk, which its bitmap is to tell. */
static void purge_some(struct lane *lane, uint64_t to)
{
    uint64_t number = lane->window_end >> CHUNK_SHIFT;
    struct chunk *chunk;

    if (lane->window_end >= to)
        return;
    if (lane_is_whole_at(lane, number)) {
        lane->settled_ahead -= to - lane->window_end;
        lane->window_end = to;
        return;
    }
    chunk = lane_chunk_make(lane, number);
    for (; lane->window_end < to; lane->window_end++) {
        struct item *item = &chunk->items[lane->window_end & (CHUNK_ITEMS - 1)];

        if (item->state == ITEM_SETTLED) {
            ASSERT(lane->settled_ahead > 0);
            lane->settled_ahead--;
            continue;
        }
        item->state = ITEM_SETTLED;
        chunk->settled++;
    }
    if (!chunk->is_dirty)
        *(uint64_t *)ring_push(&lane->dirty_chunks) = number;
    chunk->is_dirty = true;
}

/* Settles what lies behind the window while something before it is not settled: there may be very
 * much of it, so that whole chunks are not looked into, and are recorded as one range. */
static void purge_ahead(struct lane *lane)
{
    const uint64_t end = lane->partition->end, mask = CHUNK_ITEMS - 1;
    uint64_t from = (lane->window_end + mask) & ~mask, to = end & ~mask;

    purge_some(lane, from < end ? from : end);
    if (lane->window_end < to && lane->purges.count < PURGES_MAX) {
        for (uint64_t number = from >> CHUNK_SHIFT; number < to >> CHUNK_SHIFT; number++)
            purge_chunk(lane, number);
        lane->window_end = to;
        purge_record(lane, from, to);
    }
    while (lane->window_end < end) {
        uint64_t stop = (lane->window_end | mask) + 1;

        purge_some(lane, stop < end ? stop : end);
    }
    lane->scan = lane->window_end; /* nothing before it is ready */
}

/* Nothing of it is taken: no need for an item each. */
static void purge_all(struct lane *lane)
{
    while (lane->chunks.count > 0) {
        lane_drop_first_chunk(lane);
        lane->first_chunk++;
    }
    lane->head = lane->window_end = lane->scan = lane->partition->end;
    lane->first_chunk = lane->head >> CHUNK_SHIFT;
    lane->settled_ahead = 0;
    lane->is_behind = false;
    lane_drop_purges(lane);
}

uint64_t lane_purge(struct lane *lane)
{
    uint64_t purged = lane_ready(lane);

    for (uint64_t offset = lane->head; offset < lane->window_end; offset++) {
        struct item *item = lane_item_at(lane, offset);

        if (item == NULL) /* a chunk that is settled whole */
            offset |= CHUNK_ITEMS - 1;
        else if (item->state == ITEM_READY)
            lane_settle_ready(lane, offset);
    }
    cursor_rest(&lane->cursor);
    lane->is_reading = false;
    lane->returned_count = 0;
    if (lane->taken == 0 && lane->chunks.count <= TURN_CHUNKS) {
        purge_all(lane);
    } else {
        purge_ahead(lane);
        lane_advance_head(lane);
    }
    lane->open_bytes = lane->taken_bytes;
    queue_dirty(lane->queue);
    lane->purged_below = lane->partition->end;
    retention_changed(lane->partition->stream);
    return purged;
}
