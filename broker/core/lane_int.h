/* SPDX-License-Identifier: Apache-2.0 */
/* A lane's chunks, and what is recorded of them: what lane.c and lane_record.c share. */
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
struct chunk **lane_chunk(const struct lane *lane, uint64_t number);
/* The chunk of that number, which is not whole, made if need be. */
struct chunk *lane_chunk_make(struct lane *lane, uint64_t number);
/* So many offsets of the chunk count as settled ahead of the window. */
unsigned lane_settled_ahead_in(const struct lane *lane, uint64_t number);

/* ---- lane_record.c ---- */
void lane_record_chunk(struct lane *lane, uint64_t number, struct chunk *chunk);
/* Of an empty one the row is deleted. */
void lane_record_purge(struct lane *lane, const struct purge *purge);
void lane_delete_settled(struct lane *lane, uint64_t record);

#endif
