/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_arena.h"

#include <stdalign.h>

#include "broker/base/mem.h"

#define CHUNK_BYTES ((size_t)4 << 10) /* what an idle connection keeps */
#define ALIGNMENT   alignof(max_align_t)

struct kafka_arena_chunk {
    struct kafka_arena_chunk *next; /* owned */
    size_t bytes;
    alignas(max_align_t) uint8_t at[];
};

void kafka_arena_init(struct kafka_arena *arena)
{
    *arena = (struct kafka_arena){ 0 };
}

static void free_chunks(struct kafka_arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct kafka_arena_chunk *next = chunk->next;

        mem_free(chunk);
        chunk = next;
    }
}

void kafka_arena_done(struct kafka_arena *arena)
{
    free_chunks(arena->chunks);
    kafka_arena_init(arena);
}

void kafka_arena_clear(struct kafka_arena *arena)
{
    struct kafka_arena_chunk *kept = arena->chunks;

    arena->bad = false;
    if (kept == NULL)
        return;
    if (kept->next != NULL || kept->bytes > CHUNK_BYTES) {
        kafka_arena_done(arena);
        return;
    }
    arena->at = kept->at;
    arena->left = kept->bytes;
}

static bool grow(struct kafka_arena *arena, size_t bytes)
{
    size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    struct kafka_arena_chunk *chunk;

    /* Doubling keeps the number of chunks small for large requests. */
    if (room < arena->taken_bytes && arena->taken_bytes <= KAFKA_ARENA_MAX_BYTES / 2)
        room = arena->taken_bytes;
    if (bytes > KAFKA_ARENA_MAX_BYTES || arena->taken_bytes > KAFKA_ARENA_MAX_BYTES - room)
        return false;
    chunk = mem_try(sizeof(*chunk) + room);
    if (chunk == NULL)
        return false;
    chunk->next = arena->chunks;
    chunk->bytes = room;
    arena->chunks = chunk;
    arena->at = chunk->at;
    arena->left = room;
    arena->taken_bytes += room;
    return true;
}

void *kafka_arena_take(struct kafka_arena *arena, size_t bytes)
{
    void *at;

    if (bytes > KAFKA_ARENA_MAX_BYTES) {
        arena->bad = true;
        return NULL;
    }
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if ((bytes > arena->left || arena->at == NULL) && !grow(arena, bytes)) {
        arena->bad = true;
        return NULL;
    }
    at = arena->at;
    arena->at += bytes;
    arena->left -= bytes;
    memset(at, 0, bytes);
    return at;
}

struct slice kafka_arena_copy(struct kafka_arena *arena, struct slice s)
{
    uint8_t *at = kafka_arena_take(arena, s.len);

    if (at == NULL)
        return SLICE_NONE;
    if (s.len > 0)
        memcpy(at, s.at, s.len);
    return slice_of(at, s.len);
}
