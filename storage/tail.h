/* SPDX-License-Identifier: Apache-2.0 */
/* The newest entries of one log that are in memory, in offset order without gaps. For storage/. */
#ifndef TERCET_STORAGE_TAIL_H
#define TERCET_STORAGE_TAIL_H

#include "storage/log.h"

/* What one append brought. */
struct entry {
    struct block *block; /* owned: one reference */
    uint64_t base_offset;
    int64_t max_timestamp_ms;
    uint32_t record_count;
    uint32_t bytes; /* of the block, which the one who asks need not look at */
};

static inline uint64_t entry_end(const struct entry *entry)
{
    return entry->base_offset + entry->record_count;
}

/* Of very many logs each has few entries at a time: these need no memory of their own. */
#define TAIL_FEW 4

struct tail {
    uint32_t room; /* of the ring, a power of two; 0: it is the one in place */
    uint32_t head;
    uint32_t count;
    union { /* the entries belong to the store */
        struct entry *few[TAIL_FEW];
        struct entry **at; /* owned */
    };
};

void tail_done(struct tail *tail);
/* The i-th entry from the oldest. */
static inline struct entry *tail_at(const struct tail *tail, uint32_t i)
{
    return tail->room == 0 ? tail->few[(tail->head + i) & (TAIL_FEW - 1)]
                           : tail->at[(tail->head + i) & (tail->room - 1)];
}
/* Has the processor fetch what says which entry is the oldest. */
static inline void tail_look(const struct tail *tail)
{
    if (tail->room > 0)
        __builtin_prefetch(&tail->at[tail->head]);
}
/* The entry must begin where the last one ends; the caller has made sure, by its log's end: to look
 * at the last one would be to wait for memory. */
void tail_push(struct tail *tail, struct entry *entry);
/* Takes the oldest entry out; NULL when there is none. */
struct entry *tail_pop(struct tail *tail);
/* True when `offset` lies in one of the entries; `ret` is its place. */
bool tail_find(const struct tail *tail, uint64_t offset, uint32_t *ret);
/* Adds pieces from place `i` on; at least one, whatever max_bytes. */
void tail_read(const struct tail *tail, uint32_t i, size_t max_bytes, struct log_pieces *pieces);

#endif
