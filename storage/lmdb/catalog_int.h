/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalogue's two files share: catalog_open.c brings an environment there is nothing wrong
 * with, catalog.c reads and changes what is in it. */
#ifndef TERCET_STORAGE_LMDB_CATALOG_INT_H
#define TERCET_STORAGE_LMDB_CATALOG_INT_H

#include "storage/lmdb/catalog.h"

/* What an LMDB error means; of the system's own as rc_of_errno(). RC_FULL: the map's end was
 * reached, RC_VERSION: another LMDB's file, RC_CORRUPT: LMDB found it damaged. */
enum rc rc_of_lmdb(int error);

/* The whole key of the fact that holds the sum over all other pairs. Borrowed for ever. */
struct slice catalog_sum_name(void);

/* Borrows what the slice does: LMDB takes no const. */
static inline MDB_val val_of(struct slice s)
{
    return (MDB_val){ s.len, (void *)(uintptr_t)s.at };
}

/* Borrowed until its transaction ends, or the next write of it. */
static inline struct slice slice_of_val(MDB_val v)
{
    return slice_of(v.mv_data, v.mv_size);
}

#endif
