/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tail.h"

#define TAIL_FIRST_ROOM (4 * TAIL_FEW)

void tail_done(struct tail *tail)
{
    ASSERT(tail->count == 0);
    if (tail->room > 0)
        mem_free(tail->at);
    *tail = (struct tail){ 0 };
}

static void grow(struct tail *tail)
{
    uint32_t room = tail->room == 0 ? TAIL_FIRST_ROOM : tail->room * 2;
    struct entry **at = mem_new_array(struct entry *, room);

    for (uint32_t i = 0; i < tail->count; i++)
        at[i] = tail_at(tail, i);
    if (tail->room > 0)
        mem_free(tail->at);
    tail->at = at;
    tail->room = room;
    tail->head = 0;
}

void tail_push(struct tail *tail, struct entry *entry)
{
    if (tail->count == (tail->room == 0 ? TAIL_FEW : tail->room))
        grow(tail);
    if (tail->room == 0)
        tail->few[(tail->head + tail->count) & (TAIL_FEW - 1)] = entry;
    else
        tail->at[(tail->head + tail->count) & (tail->room - 1)] = entry;
    tail->count++;
}

struct entry *tail_pop(struct tail *tail)
{
    struct entry *entry;

    if (tail->count == 0)
        return NULL;
    entry = tail_at(tail, 0);
    tail->head = (tail->head + 1) & ((tail->room == 0 ? TAIL_FEW : tail->room) - 1);
    if (--tail->count == 0) /* an idle log keeps no ring */
        tail_done(tail);
    return entry;
}

bool tail_find(const struct tail *tail, uint64_t offset, uint32_t *ret)
{
    uint32_t low = 0, high = tail->count;

    if (tail->count == 0 || offset < tail_at(tail, 0)->base_offset ||
        offset >= entry_end(tail_at(tail, tail->count - 1)))
        return false;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (tail_at(tail, middle)->base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    *ret = low;
    return true;
}

void tail_read(const struct tail *tail, uint32_t i, size_t max_bytes, struct log_pieces *pieces)
{
    for (; i < tail->count && pieces->count < LOG_PIECES_MAX; i++) {
        const struct entry *entry = tail_at(tail, i);
        struct slice bytes = block_slice(entry->block);

        if (pieces->count > 0 &&
            (pieces->bytes >= max_bytes || bytes.len > max_bytes - pieces->bytes))
            break;
        pieces->at[pieces->count++] = (struct log_piece){
            .block = block_ref(entry->block),
            .bytes = bytes,
            .base_offset = entry->base_offset,
            .next_offset = entry_end(entry),
        };
        pieces->bytes += bytes.len;
    }
}
