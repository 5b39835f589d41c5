/* SPDX-License-Identifier: Apache-2.0 */
/* One segment: an LMDB environment that is only appended to. One thread at a time owns it: the
 * maintenance thread that prepares it, the writer that fills it, the maintenance thread that seals
 * it. */
#ifndef TERCET_STORAGE_LMDB_SEGMENT_H
#define TERCET_STORAGE_LMDB_SEGMENT_H

#include <lmdb.h>

#include "broker/base/list.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "storage/lmdb/format.h"

/* Where the store's files are; fixed after open. */
struct place {
    int directory_fd; /* owned */
    int seg_fd;       /* owned: seg/ */
    int spare_fd;     /* owned: spare/ */
    char *path;       /* owned: of the directory */
    bool has_sync;
};

/* How a new segment gets its blocks. */
enum filling {
    FILL_NONE,    /* they come as it grows */
    FILL_WRITTEN, /* zeros written, so that a sync flushes data alone */
};

struct segment {
    struct link link;
    MDB_env *env; /* owned */
    MDB_dbi dbi;
    int fd; /* borrowed from env */
    uint32_t number;
    uint32_t ordinal; /* given at its first use; rises through the store's life */
    size_t page_size;
    uint64_t capacity; /* bytes it is meant to hold */
    uint64_t used;     /* bytes up to the last page that a commit used */
    uint64_t first_sequence;
    uint64_t last_sequence;
    bool is_written;       /* its blocks were written before: syncs are quick */
    bool is_dirty;         /* commits since the last sync */
    bool has_failed;       /* a write or sync failed: never used again */
    uint32_t *frame_pages; /* owned: where its frames lie, in order */
    uint32_t frame_count;
    uint32_t frame_room;
};

#define SEGMENT_NAME_MAX 24
/* "0000000042.mdb" */
void segment_name(char name[SEGMENT_NAME_MAX], uint32_t number);
/* False when `name` is not one of ours. */
bool segment_number(const char *name, uint32_t *ret);

/* Makes seg/<number>.mdb and opens it. The directory is synced, so that the file is there after a
 * power cut as soon as something in it is. `recycle` > 0: spare/<recycle>.mdb is written over. */
MUST_CHECK enum rc segment_create(const struct place *place, uint32_t number, uint32_t recycle,
                                  uint64_t capacity, enum filling filling, struct segment **ret);
/* Closes the environment; the file stays. */
void segment_close(struct segment **segment);
/* Removes the file of a segment that is closed, if it can. */
void segment_unlink(const struct place *place, uint32_t number);
/* Moves a file from seg/ to spare/, to be written over later. */
MUST_CHECK enum rc segment_set_aside(const struct place *place, uint32_t number);

/* Bytes that a value takes in the file at the most, with its share of tree pages. */
uint64_t segment_room_for(size_t page_size, size_t value);
MUST_CHECK enum rc segment_begin(struct segment *segment, MDB_txn **ret);
/* Room for a value of `size` bytes, and where in the file it will lie. */
MUST_CHECK enum rc segment_reserve(struct segment *segment, MDB_txn *txn, struct slice key,
                                   size_t size, void **ret_at, uint64_t *ret_position);
/* Ends the transaction in any case. After a failure the segment must not be written to any more. */
MUST_CHECK enum rc segment_commit(struct segment *segment, MDB_txn *txn, bool is_synced);
MUST_CHECK enum rc segment_sync(struct segment *segment);
void segment_note_frame(struct segment *segment, uint64_t position);

/* What an LMDB or system error means. */
enum rc segment_rc(int error);
/* RC_FULL instead of `rc` when the file system has no room for `need` bytes: LMDB says EIO for a
 * write cut short. */
enum rc segment_rc_of_space(const struct place *place, uint64_t need, enum rc rc);
MUST_CHECK enum rc sync_directory(const struct place *place, int fd);

#endif
