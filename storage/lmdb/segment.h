/* SPDX-License-Identifier: Apache-2.0 */
/* One segment: a plain file that is only appended to. One thread at a time owns it: the maintenance
 * thread that prepares it, the writer that fills it, the maintenance thread that seals it. */
#ifndef TERCET_STORAGE_LMDB_SEGMENT_H
#define TERCET_STORAGE_LMDB_SEGMENT_H

#include "broker/base/list.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "storage/lmdb/format.h"
#include "storage/lmdb/index.h"

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
    FILL_NONE,      /* they come as it grows */
    FILL_ALLOCATED, /* given to the file, not written: a sync has to say which ones were */
    FILL_WRITTEN,   /* zeros written, so that a sync flushes data alone */
};

struct segment {
    int fd;        /* owned: through the page cache */
    int direct_fd; /* owned: past it; -1 where the file system cannot */
    uint32_t number;
    uint32_t ordinal;  /* given at its first use; rises through the store's life */
    uint64_t capacity; /* bytes it is meant to hold */
    uint64_t used;     /* bytes that commits used, a multiple of FRAME_ALIGN */
    uint64_t first_sequence;
    uint64_t last_sequence;
    uint32_t frame_count;
    bool is_written;      /* its blocks were written before: syncs are quick */
    uint64_t synced_used; /* bytes of it that a sync covered */
    bool has_failed;      /* a write or sync failed: never written to again */
    bool is_unsyncable;   /* a sync failed: never synced again, nor trusted behind synced_used */
    struct segment_row *rows; /* owned: what its index will hold */
    size_t row_count;
    size_t row_room;
};

#define SEGMENT_NAME_MAX 24
/* "0000000042.seg" */
void segment_name(char name[SEGMENT_NAME_MAX], uint32_t number);
/* False when `name` is not one of ours. */
bool segment_number(const char *name, uint32_t *ret);
/* Tells the number of each segment file in an open folder, in no order. */
MUST_CHECK enum rc segment_each(int folder, void (*visit)(void *arg, uint32_t number), void *arg);

/* Makes seg/<number>.seg and opens it. The directory is synced, so that the file is there after a
 * power cut as soon as something in it is. `recycle` > 0: spare/<recycle>.seg is written over; none
 * of its old frames carries the new number. */
MUST_CHECK enum rc segment_create(const struct place *place, uint32_t number, uint32_t recycle,
                                  uint64_t capacity, enum filling filling, struct segment **ret);
/* Closes the file, which stays. */
void segment_close(struct segment **segment);
/* Removes the file of a segment that is closed, if it can. */
void segment_unlink(const struct place *place, uint32_t number);
/* Moves a file from seg/ to spare/, to be written over later. */
MUST_CHECK enum rc segment_set_aside(const struct place *place, uint32_t number);

/* Appends whole frames: `bytes` lie at and are as long as a multiple of FRAME_ALIGN. Synced before
 * it returns if `is_synced`, and then all that came before is too. After a failure the segment must
 * not be written to any more. */
MUST_CHECK enum rc segment_append(struct segment *segment, struct slice bytes, bool is_synced);
/* The same, past the page cache if it can be, not synced and not counted as a commit. */
MUST_CHECK enum rc segment_write(struct segment *segment, struct slice bytes);
/* What was appended is on the device then. After a failure nobody knows: never tried again. */
MUST_CHECK enum rc segment_sync(struct segment *segment);
/* For its index: an entry was written to it. Copies. */
void segment_note_row(struct segment *segment, const struct segment_row *row);

/* RC_FULL instead of `rc`, a failure, when the file system has no room for `need` bytes: a write
 * that is cut short says no reason. */
enum rc segment_rc_of_space(const struct place *place, uint64_t need, enum rc rc);
/* Has the names in an open folder last; does nothing in a store that does not sync. RC_IO and
 * others of errno. */
MUST_CHECK enum rc sync_directory(const struct place *place, int fd);

#endif
