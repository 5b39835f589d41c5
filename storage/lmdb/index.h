/* SPDX-License-Identifier: Apache-2.0 */
/* Where the entries of one log lie on disk, in offset order; and the packed form of a
 * whole segment's rows. */
#ifndef TERCET_STORAGE_LMDB_INDEX_H
#define TERCET_STORAGE_LMDB_INDEX_H

#include "broker/base/rc.h"
#include "broker/base/text.h"
#include "storage/lmdb/format.h"

/* One entry on disk. */
struct row {
    uint64_t base_offset;
    int64_t max_timestamp_ms;
    uint32_t segment;
    uint32_t position; /* of the entry's header in the file, in units of ENTRY_ALIGN */
    uint32_t length;   /* of the payload */
    uint32_t record_count;
};
_Static_assert(sizeof(struct row) == 32, "one row for each entry of a log: keep it small");

static inline uint64_t row_end(const struct row *row)
{
    return row->base_offset + row->record_count;
}

struct rows {
    struct row *at; /* owned */
    uint32_t head;  /* rows before it were trimmed */
    uint32_t count; /* rows from head on */
    uint32_t room;
};

void rows_done(struct rows *rows);
static inline struct row *rows_at(const struct rows *rows, uint32_t i)
{
    return &rows->at[rows->head + i];
}
static inline struct row *rows_last(const struct rows *rows)
{
    return rows->count == 0 ? NULL : rows_at(rows, rows->count - 1);
}
/* The row must not begin before the last one ends. A gap between them is what a failed device lost;
 * reads pass over it. */
void rows_push(struct rows *rows, const struct row *row);
/* Forgets the oldest row. */
void rows_pop(struct rows *rows);
/* The row that holds `offset`, or the first behind it when it lies in a gap. False at the end. */
bool rows_find(const struct rows *rows, uint64_t offset, uint32_t *ret);

/* A row and whose it is, for packing. */
struct segment_row {
    uint32_t log;
    struct row row;
};

/* Sorts the rows (offsets in a log do not change order) and appends their packed form. */
void index_pack(struct segment_row *rows, size_t count, uint32_t segment, struct text *ret);

typedef enum rc index_visit_fn(void *arg, const struct segment_row *row);
/* Calls visit for each row, in order of logs and offsets; stops at the first rc that is not RC_OK.
 * RC_CORRUPT: the bytes are no index of this segment; nothing was visited. */
MUST_CHECK enum rc index_unpack(struct slice bytes, uint32_t segment, index_visit_fn *visit,
                                void *arg);

#endif
