/* SPDX-License-Identifier: Apache-2.0 */
/* A lane's chunks, and what is recorded of them: what lane's three files share. */
#ifndef TERCET_BROKER_CORE_LANE_INT_H
#define TERCET_BROKER_CORE_LANE_INT_H

#include "broker/core/queue_int.h"
#include "broker/core/settled.h"

/* Each stands for a chunk, other than the first, in which everything is settled. Of the one its
 * bitmap is recorded, the other lies in a range that was purged. */
extern struct chunk chunk_settled;
extern struct chunk chunk_purged;

/* The head passes so many whole chunks in one turn, each of which may be a row to delete. */
#define TURN_CHUNKS 512

static inline bool chunk_is_whole(const struct chunk *chunk)
{
    return chunk == &chunk_settled || chunk == &chunk_purged;
}

static inline bool chunk_is_recorded(const struct chunk *chunk)
{
    return chunk != NULL && (chunk == &chunk_settled || chunk->is_recorded);
}

/* NULL: it lies outside of the ring. What it points to may be NULL, or whole. */
static inline struct chunk **lane_chunk(const struct lane *lane, uint64_t number)
{
    if (number < lane->first_chunk || number - lane->first_chunk >= lane->chunks.count)
        return NULL;
    return ring_at(&lane->chunks, number - lane->first_chunk);
}

/* NULL: it has none, or all of its chunk is settled. Borrowed until the chunk goes. */
static inline struct item *lane_item_at(const struct lane *lane, uint64_t offset)
{
    struct chunk **slot = lane_chunk(lane, offset >> CHUNK_SHIFT);

    if (slot == NULL || *slot == NULL || chunk_is_whole(*slot))
        return NULL;
    return &(*slot)->items[offset & (CHUNK_ITEMS - 1)];
}

/* Is everything in the chunk of that number settled? */
static inline bool lane_is_whole_at(const struct lane *lane, uint64_t number)
{
    struct chunk **slot = lane_chunk(lane, number);

    return slot != NULL && chunk_is_whole(*slot);
}

/* The chunk of that number, which is not whole, made if need be. */
struct chunk *lane_chunk_make(struct lane *lane, uint64_t number);
/* So many offsets of the chunk count as settled ahead of the window. */
unsigned lane_settled_ahead_in(const struct lane *lane, uint64_t number);

/* Lets go of the chunk that stands first, and of its record. */
void lane_drop_first_chunk(struct lane *lane);
/* Passes the head over what is settled, some chunks a turn. */
void lane_advance_head(struct lane *lane);
/* Ranges that lie below the head need no record of their own: what it covers is settled. */
void lane_drop_purges(struct lane *lane);

/* ---- lane_record.c ---- */
void lane_record_chunk(struct lane *lane, uint64_t number, struct chunk *chunk);
/* Of an empty one the row is deleted. */
void lane_record_purge(struct lane *lane, const struct purge *purge);
void lane_delete_settled(struct lane *lane, uint64_t record);

#endif
