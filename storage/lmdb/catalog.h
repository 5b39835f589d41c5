/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue environment: the store's facts, meta tables as of the last checkpoint, starts of
 * logs, sealed segments. Used by the core thread during open, by the maintenance thread after. */
#ifndef TERCET_STORAGE_LMDB_CATALOG_H
#define TERCET_STORAGE_LMDB_CATALOG_H

#include <lmdb.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "storage/lmdb/segment.h"

/* Blocks of records and the memory that frames are laid out in come and go by the megabyte: with
 * glibc's defaults that is an mmap, its page faults and a munmap for each. */
#define LMDB_MALLOC_MAP_BYTES (32 << 20)

struct catalog {
    MDB_env *env; /* owned */
    MDB_txn *txn; /* owned: the change under way */
    MDB_dbi dbi;
    uint64_t next_blob;
    uint64_t sum;           /* over all pairs: see catalog_check.h */
    uint64_t sum_committed; /* as of the last commit */
};

/* A segment whose index was written. */
struct sealed {
    uint32_t number;
    uint32_t ordinal;
    uint64_t first_sequence;
    uint64_t last_sequence;
    uint64_t index_position; /* in the file, in bytes */
    uint64_t index_length;
    bool is_copy;
};

struct catalog_facts {
    uint64_t store_id; /* in every frame, so that a foreign segment is none of ours */
    uint64_t format;   /* that the store was last opened with; at most ours */
};

/* Opens it, or makes it. RC_VERSION: its format is newer than ours. RC_CORRUPT: a page or a value
 * is not what was written; the log line says so. */
MUST_CHECK enum rc catalog_open(const struct place *place, struct catalog *ret,
                                struct catalog_facts *ret_facts);
/* Opens that of a store which nobody has open, and changes nothing. RC_CORRUPT: its file is shorter
 * than its pages. *ret_facts: as far as they are there. */
MUST_CHECK enum rc catalog_open_to_read(const char *directory, struct catalog *ret,
                                        struct catalog_facts *ret_facts);
/* Writes it whole, as it is now, to an empty file, and syncs that. Outside a change. */
MUST_CHECK enum rc catalog_copy(struct catalog *catalog, int fd);
void catalog_close(struct catalog *catalog);

MUST_CHECK enum rc catalog_begin(struct catalog *catalog);
/* Ends the change; after a failure nothing of it happened. */
MUST_CHECK enum rc catalog_commit(struct catalog *catalog);
void catalog_abort(struct catalog *catalog);

/* Within a change. `name` is a whole key: table, then what the table keys by. */
MUST_CHECK enum rc catalog_put(struct catalog *catalog, struct slice name, struct slice value);
MUST_CHECK enum rc catalog_delete(struct catalog *catalog, struct slice name);
MUST_CHECK enum rc catalog_put_number(struct catalog *catalog, const char *name, uint64_t value);
MUST_CHECK enum rc catalog_put_sealed(struct catalog *catalog, const struct sealed *sealed);
MUST_CHECK enum rc catalog_delete_sealed(struct catalog *catalog, uint32_t number);

/* Outside or inside a change. RC_NOT_FOUND. */
MUST_CHECK enum rc catalog_get_sealed(struct catalog *catalog, uint32_t number, struct sealed *ret);
MUST_CHECK enum rc catalog_get_number(struct catalog *catalog, const char *name, uint64_t *ret);

/* Keys come without the table; values borrowed during the call. */
typedef enum rc catalog_visit_fn(void *arg, struct slice key, struct slice value);
MUST_CHECK enum rc catalog_each(struct catalog *catalog, uint8_t table, catalog_visit_fn *visit,
                                void *arg);
typedef enum rc sealed_visit_fn(void *arg, const struct sealed *sealed);
MUST_CHECK enum rc catalog_each_sealed(struct catalog *catalog, sealed_visit_fn *visit, void *arg);

#endif
