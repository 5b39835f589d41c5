/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of one request, taken piece by piece and given back at once. Bounded. Core thread only. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_ARENA_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_ARENA_H

#include <stdbool.h>

#include "broker/base/slice.h"

/* A request of the largest allowed size whose topics and partitions are as small as they can be
 * stays far below; what goes over it is a forged or senseless request. */
#define KAFKA_ARENA_MAX_BYTES ((size_t)64 << 20)

struct kafka_arena_chunk;

struct kafka_arena {
    struct kafka_arena_chunk *chunks; /* owned: newest first */
    uint8_t *at;                      /* free room in the newest */
    size_t left;
    size_t taken_bytes; /* of all chunks */
    bool bad;           /* the limit was met or memory failed: what was asked for is missing */
};

void kafka_arena_init(struct kafka_arena *arena);
void kafka_arena_done(struct kafka_arena *arena);
/* Gives all back but one small chunk. */
void kafka_arena_clear(struct kafka_arena *arena);
/* Zeroed and aligned for any type; NULL (and bad) at the limit or without memory. Lives until
 * clear. Never NULL for 0 bytes. */
void *kafka_arena_take(struct kafka_arena *arena, size_t bytes);
/* A copy that lives until clear; SLICE_NONE when there was no room. */
struct slice kafka_arena_copy(struct kafka_arena *arena, struct slice s);

#endif
