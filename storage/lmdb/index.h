/* SPDX-License-Identifier: Apache-2.0 */
/* The packed form of a whole segment's rows. */
#ifndef TERCET_STORAGE_LMDB_INDEX_H
#define TERCET_STORAGE_LMDB_INDEX_H

#include "broker/base/rc.h"
#include "broker/base/text.h"
#include "storage/lmdb/format.h"
#include "storage/lmdb/rows.h"

/* A row and whose it is, for packing. */
struct segment_row {
    uint32_t log;
    struct row row;
};

/* Appends the packed form of the rows, which may be in any order; without memory `ret` is bad. */
void index_pack(struct segment_row *rows, size_t count, uint32_t segment, struct text *ret);

typedef enum rc index_visit_fn(void *arg, const struct segment_row *row);
/* Calls visit for each row, in order of logs and offsets; stops at the first rc that is not RC_OK.
 * RC_CORRUPT: the bytes are no index of this segment; nothing was visited. */
MUST_CHECK enum rc index_unpack(struct slice bytes, uint32_t segment, index_visit_fn *visit,
                                void *arg);

#endif
