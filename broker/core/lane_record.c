/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalogue holds of a lane: written when it changed, and read back at a start. */
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/wire.h"
#include "broker/core/lane_int.h"
#include "broker/core/stream_int.h"

/* The row under SETTLED_HEAD holds head and taken_high (and, where bytes are counted, how many are
 * not settled of those below which end). */
#define BITMAP_BYTES (CHUNK_ITEMS / 8)

/* ---- recording ---- */

static struct settled_of rows_of(const struct lane *lane)
{
    return (struct settled_of){ lane->queue->number, lane->index };
}

static void put_settled(struct lane *lane, uint64_t record, const void *value, size_t len)
{
    settled_put(lane->queue->core, rows_of(lane), record, value, len);
}

void lane_delete_settled(struct lane *lane, uint64_t record)
{
    settled_delete(lane->queue->core, rows_of(lane), record);
}

void lane_record_chunk(struct lane *lane, uint64_t number, struct chunk *chunk)
{
    uint8_t bitmap[BITMAP_BYTES] = { 0 };

    for (unsigned i = 0; i < CHUNK_ITEMS; i++) {
        uint64_t offset = (number << CHUNK_SHIFT) + i;

        if (offset < lane->head || chunk->items[i].state == ITEM_SETTLED)
            bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    put_settled(lane, SETTLED_CHUNK(number), bitmap, sizeof(bitmap));
    chunk->is_recorded = true;
    chunk->is_dirty = false;
}

/* Does it hold more than the run that head alone tells? */
static bool has_settled_above_head(const struct lane *lane, uint64_t number,
                                   const struct chunk *chunk)
{
    uint64_t base = number << CHUNK_SHIFT;
    uint64_t below = lane->head > base ? lane->head - base : 0;

    return chunk->settled > below;
}

void lane_record_purge(struct lane *lane, const struct purge *purge)
{
    uint8_t value[8];

    put_u64(value, purge->to);
    if (purge->from < purge->to)
        put_settled(lane, SETTLED_RANGE + purge->from, value, sizeof(value));
    else
        lane_delete_settled(lane, SETTLED_RANGE + purge->from);
}

void lane_record(struct lane *lane)
{
    uint8_t value[32];
    uint64_t end = lane->counts_bytes ? lane->partition->end : lane->recorded_end;

    for (size_t i = 0; i < lane->dirty_chunks.count; i++) {
        uint64_t number = *(uint64_t *)ring_at(&lane->dirty_chunks, i);
        struct chunk **slot = lane_chunk(lane, number);

        if (slot == NULL || *slot == NULL || chunk_is_whole(*slot) || !(*slot)->is_dirty)
            continue;
        (*slot)->is_dirty = false;
        if (has_settled_above_head(lane, number, *slot))
            lane_record_chunk(lane, number, *slot);
    }
    ring_pop(&lane->dirty_chunks, lane->dirty_chunks.count);
    for (size_t i = 0; lane->is_purge_cut && i < lane->purges.count; i++)
        lane_record_purge(lane, ring_at(&lane->purges, i));
    lane->is_purge_cut = false;
    if (lane->head == lane->recorded_head && lane->taken_high == lane->recorded_taken_high &&
        end == lane->recorded_end)
        return;
    put_u64(value, lane->head);
    put_u64(value + 8, lane->taken_high);
    put_u64(value + 16, lane->open_bytes);
    put_u64(value + 24, end);
    if (!PLANTED("settled-unrecorded"))
        put_settled(lane, SETTLED_HEAD, value, lane->counts_bytes ? 32 : 16);
    lane->recorded_end = end;
    lane->recorded_head = lane->head;
    lane->recorded_taken_high = lane->taken_high;
}

void lane_forget(struct lane *lane)
{
    uint64_t number = lane->first_chunk, end = number + lane->chunks.count;

    for (; number < end && number - lane->first_chunk < TURN_CHUNKS; number++) {
        if (chunk_is_recorded(*lane_chunk(lane, number)))
            lane_delete_settled(lane, SETTLED_CHUNK(number));
    }
    settled_sweep(lane->queue->core, rows_of(lane), number, end);
    for (size_t i = 0; i < lane->purges.count; i++)
        lane_delete_settled(lane,
                            SETTLED_RANGE + ((struct purge *)ring_at(&lane->purges, i))->from);
    if (lane->recorded_head > 0 || lane->recorded_taken_high > 0 || lane->recorded_end > 0)
        lane_delete_settled(lane, SETTLED_HEAD);
}

/* ---- reading back ---- */

static enum rc load_head(struct lane *lane, struct slice value)
{
    struct rd rd = rd_of(value);
    uint64_t head = rd_u64(&rd);
    uint64_t taken_high = rd_u64(&rd);

    lane->has_bytes = rd.left > 0 && lane->counts_bytes;
    if (lane->has_bytes) {
        lane->open_bytes = rd_u64(&rd);
        lane->recorded_end = rd_u64(&rd);
    }
    if (lane->recorded_end > lane->partition->end)
        lane->recorded_end = lane->partition->end;
    if (rd.bad)
        return RC_CORRUPT;
    if (head < lane->partition->start)
        head = lane->partition->start;
    if (head > lane->partition->end) /* what was settled never reached the disk itself */
        head = lane->partition->end;
    lane->head = lane->window_end = lane->scan = head;
    lane->first_chunk = head >> CHUNK_SHIFT;
    lane->recorded_head = head;
    lane->taken_high = lane->redelivered_below = lane->recorded_taken_high = taken_high;
    return RC_OK;
}

/* Those of its chunks that lie in the log, above the head. Chunks were loaded before. */
static void load_purged(struct lane *lane, uint64_t number, uint64_t end)
{
    if (number < lane->first_chunk)
        number = lane->first_chunk;
    for (; number < end; number++) {
        struct chunk **slot;

        while (lane->chunks.count <= number - lane->first_chunk)
            *(struct chunk **)ring_push(&lane->chunks) = NULL;
        slot = lane_chunk(lane, number);
        if (chunk_is_whole(*slot))
            continue;
        lane->settled_ahead -= lane_settled_ahead_in(lane, number);
        mem_free(*slot);
        *slot = &chunk_purged;
        lane->settled_ahead += CHUNK_ITEMS;
        if (number == lane->window_end >> CHUNK_SHIFT) /* what lies below never counted */
            lane->settled_ahead -= lane->window_end & (CHUNK_ITEMS - 1);
    }
}

/* What was purged came in the same commit at the latest: behind the end lies only what damage took,
 * and offsets there are given anew, so that the range must not be kept. */
static enum rc load_purge(struct lane *lane, uint64_t from, struct slice value)
{
    const uint64_t mask = CHUNK_ITEMS - 1;
    struct rd rd = rd_of(value);
    uint64_t to = rd_u64(&rd);

    if (rd.bad || (from & mask) != 0 || (to & mask) != 0 || to <= from)
        return RC_CORRUPT;
    if (to > lane->partition->end) {
        to = lane->partition->end & ~mask;
        lane->is_purge_cut = true;
        queue_dirty(lane->queue);
    }
    *(struct purge *)ring_push(&lane->purges) = (struct purge){ from, to < from ? from : to };
    load_purged(lane, from >> CHUNK_SHIFT, to >> CHUNK_SHIFT);
    return RC_OK;
}

enum rc lane_load(struct lane *lane, uint64_t record, struct slice value)
{
    uint64_t number = record - SETTLED_CHUNK(0);
    struct chunk *chunk;

    if (record == SETTLED_HEAD)
        return load_head(lane, value);
    if (record >= SETTLED_RANGE)
        return load_purge(lane, record - SETTLED_RANGE, value);
    if (value.len != BITMAP_BYTES)
        return RC_CORRUPT;
    if (number < lane->head >> CHUNK_SHIFT)
        return RC_OK;
    chunk = lane_chunk_make(lane, number);
    chunk->is_recorded = true;
    for (unsigned i = 0; i < CHUNK_ITEMS; i++) {
        uint64_t offset = (number << CHUNK_SHIFT) + i;

        if ((value.at[i / 8] & (1u << (i % 8))) == 0)
            continue;
        chunk->items[i].state = ITEM_SETTLED;
        chunk->settled += offset >= lane->head;
        if (offset >= lane->window_end && offset < lane->partition->end)
            lane->settled_ahead++;
    }
    return RC_OK;
}
