/* SPDX-License-Identifier: Apache-2.0 */
/* Where the entries of one log lie on disk, in offset order. Core thread only.
 *
 * A log that gets one record a commit has a row for each, and a queue may wait for millions: all
 * but the newest are packed, ROWS_BLOCK at a time, which makes 2 to 6 bytes of the 32 that one
 * takes. */
#ifndef TERCET_STORAGE_LMDB_ROWS_H
#define TERCET_STORAGE_LMDB_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#define ROWS_BLOCK 32u

struct rows_old; /* those that are packed: body in rows.c */

/* All zero when there are none. Rows are counted from the oldest on. */
struct rows {
    struct rows_old *old; /* owned; NULL: none is packed */
    struct row *at;       /* owned: the newest */
    uint32_t head;        /* of `at`: rows before it are gone or packed */
    uint32_t fresh;       /* rows in `at` from head on; at least one if there is any row */
    uint32_t room;
    uint32_t count; /* in all */
};

void rows_done(struct rows *rows);
/* The newest, to be changed in place; NULL when there is none. */
static inline struct row *rows_last(const struct rows *rows)
{
    return rows->count == 0 ? NULL : &rows->at[rows->head + rows->fresh - 1];
}
/* Has the processor fetch what the next push touches. */
static inline void rows_look(const struct rows *rows)
{
    const struct row *next;

    if (rows->at == NULL)
        return;
    next = rows->at + rows->head + rows->fresh;
    __builtin_prefetch(next - 1, 1);
    __builtin_prefetch((const uint8_t *)(next + 1) - 1, 1);
}
/* Where the oldest begins; there must be one. */
uint64_t rows_start(const struct rows *rows);
/* The i-th; i < count. */
void rows_get(const struct rows *rows, uint32_t i, struct row *ret);
/* As many as there are from the i-th on, `most` at the most; gives how many. */
uint32_t rows_copy(const struct rows *rows, uint32_t i, struct row *to, uint32_t most);
/* The i-th lies elsewhere now: same offsets, another segment or position. */
void rows_move_to(struct rows *rows, uint32_t i, uint32_t segment, uint32_t position);
/* The row must not begin before the last one ends. A gap between them is what a failed device lost;
 * reads pass over it. */
void rows_push(struct rows *rows, const struct row *row);
/* Forgets the oldest row. */
void rows_pop(struct rows *rows);
/* The row that holds `offset`, or the first behind it when it lies in a gap. False at the end. */
bool rows_find(const struct rows *rows, uint64_t offset, uint32_t *ret);
/* The first row with a record at or after that time. False when there is none. */
bool rows_find_time(const struct rows *rows, int64_t time_ms, uint32_t *ret);

#endif
