/* SPDX-License-Identifier: Apache-2.0 */
/* What recovery's two files share: recover.c finds out which segments and frames count,
 * recover_apply.c makes logs, rows and the catalogue's change of what they say. */
#ifndef TERCET_STORAGE_LMDB_RECOVER_INT_H
#define TERCET_STORAGE_LMDB_RECOVER_INT_H

#include "storage/lmdb/scan.h"
#include "storage/lmdb/store_int.h"

/* A segment file. Freed by whoever found it. */
struct found {
    struct sealed sealed;
    bool is_listed;           /* in the catalogue, as sealed */
    bool is_there;            /* in seg/ */
    int fd;                   /* owned; -1: not open */
    struct scan scan;         /* of one that is not sealed */
    struct segment_row *rows; /* owned: its data entries, for the index */
    size_t row_count;
    size_t row_room;
};

/* One opening, on the core thread before the others are started. */
struct recovery {
    struct lmdb_store *s; /* borrowed */
    struct found *found;  /* owned */
    size_t count;
    uint64_t covered;           /* sequence of the last frame whose changes the catalogue has */
    uint64_t synced;            /* of the last that some later frame says is on the device */
    uint64_t last;              /* of the last that counts */
    bool is_changed;            /* the catalogue's change is to be committed */
    struct found *now;          /* being applied */
    uint64_t sequence;          /* of the frame being applied */
    struct segment_row *copies; /* owned: rows of copies that count, by log and offset */
    size_t copy_count;
    size_t copy_room;
    struct map copied;   /* struct copied_log; owned */
    uint32_t *compacted; /* owned: logs that the catalogue says were compacted */
    size_t compacted_count;
};

/* All within a change of the catalogue, and in this order: copies, sorted; then the others from the
 * oldest; then what the copies end with. After a failure what was loaded is only to be freed. */

/* Applies the frames that count of a segment without an index, gives it one, and lists it as
 * sealed. RC_CORRUPT, RC_IO, RC_FULL, RC_MEMORY. */
MUST_CHECK enum rc recover_scanned(struct recovery *r, struct found *found);
/* Loads the rows that a sealed segment's index tells. RC_CORRUPT: it cannot be trusted; nothing was
 * loaded. */
MUST_CHECK enum rc recover_index(struct recovery *r, struct found *found);
/* All copies were applied: of what was copied again the youngest counts from now on. */
void recover_copies_sort(struct recovery *r);
/* Loads what lies behind all other rows of its log, and frees what was kept of copies. */
void recover_copies_end(struct recovery *r);

#endif
