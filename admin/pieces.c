/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/pieces.h"

#include "broker/base/block.h"
#include "broker/base/mem.h"

/* Memory that is touched for the first time is slow: some of it in each turn. */
#define PIECE_BYTES ((size_t)64 << 10)

void pieces_init(struct pieces *pieces)
{
    *pieces = (struct pieces){ 0 };
    ring_init(&pieces->blocks, sizeof(struct block *));
}

void pieces_done(struct pieces *pieces)
{
    for (size_t i = 0; i < pieces->blocks.count; i++)
        block_unref(ring_at(&pieces->blocks, i));
    ring_done(&pieces->blocks);
    pieces->bytes = pieces->last_bytes = 0;
}

static struct block *last_with_room(struct pieces *pieces)
{
    struct block *block;

    if (pieces->blocks.count > 0 && pieces->last_bytes < PIECE_BYTES)
        return *(struct block **)ring_at(&pieces->blocks, pieces->blocks.count - 1);
    block = block_try(PIECE_BYTES);
    if (block == NULL)
        return NULL;
    *(struct block **)ring_push(&pieces->blocks) = block;
    pieces->last_bytes = 0;
    return block;
}

bool pieces_add(struct pieces *pieces, struct slice bytes)
{
    while (bytes.len > 0) {
        struct block *block = last_with_room(pieces);
        size_t n = PIECE_BYTES - pieces->last_bytes;

        if (block == NULL)
            return false;
        if (n > bytes.len)
            n = bytes.len;
        memcpy(block->at + pieces->last_bytes, bytes.at, n);
        pieces->last_bytes += n;
        pieces->bytes += n;
        bytes = slice_after(bytes, n);
    }
    return true;
}

struct block *pieces_take(struct pieces *pieces, struct slice *ret)
{
    struct block **first = ring_front(&pieces->blocks), *block;

    if (first == NULL)
        return NULL;
    block = *first;
    *ret = slice_of(block->at, pieces->blocks.count == 1 ? pieces->last_bytes : PIECE_BYTES);
    ring_pop(&pieces->blocks, 1);
    pieces->bytes -= ret->len;
    return block;
}
