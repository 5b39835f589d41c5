/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the memory store share. */
#ifndef TERCET_STORAGE_MEM_MEM_INT_H
#define TERCET_STORAGE_MEM_MEM_INT_H

#include "storage/backend.h"
#include "storage/slots.h"
#include "storage/tail.h"

struct mem_compaction; /* body in mem_compact.c */

struct mem_log {
    uint32_t number; /* first: as slots want it */
    bool is_dropped; /* not found any more; freed when it is empty */
    struct tail tail;
    uint64_t start;
    uint64_t end;
    uint64_t bytes;         /* of what lies in the tail, also of what is to be forgotten */
    struct link forget;     /* while entries that nobody can read any more are to be forgotten */
    uint64_t compacted_end; /* 0: it never was */
    int64_t compacted_next_ms;
    uint64_t clean_bytes; /* below that end, after the pass */
};

#define LOG_SLOT_BYTES ((size_t)2 * SLOT_LINE)
_Static_assert(sizeof(struct mem_log) <= LOG_SLOT_BYTES, "one for each stream: keep it small");

struct mem_store {
    struct store store;
    struct slots logs;                 /* struct mem_log */
    struct list forgetting;            /* struct mem_log.forget */
    unsigned forget_left;              /* entries that may be forgotten before the next poll */
    struct list reads;                 /* under way, answered by the next poll */
    struct list reads_polling;         /* those that the poll under way answers */
    struct list compacts;              /* struct log_compact: that wait for their turn */
    struct mem_compaction *compaction; /* owned; NULL: none is under way */
    uint64_t ticket;                   /* the last one given */
    uint64_t submitted;
    uint64_t reported;
    uint64_t due; /* up to here it is waited for */
};

static inline void mem_store_wake(struct mem_store *m)
{
    if (m->store.events.wake != NULL)
        m->store.events.wake(m->store.events.wake_arg);
}

/* ---- mem_store.c ---- */
/* NULL: there is none, or it was dropped. */
struct mem_log *mem_log_get(const struct mem_store *m, uint32_t number);
void mem_entry_free(struct entry *entry);

/* ---- mem_compact.c ---- */
void mem_compact_begin(struct store *store, struct log_compact *compact);
void mem_compact_cancel(struct store *store, struct log_compact *compact);
void mem_compact_state(const struct store *store, uint32_t log, uint64_t *ret_end,
                       int64_t *ret_next_ms, uint64_t *ret_bytes);
/* A poll's part of what there is to do. */
void mem_compact_poll(struct mem_store *m);
/* The store is closing. */
void mem_compact_end(struct mem_store *m);

#endif
