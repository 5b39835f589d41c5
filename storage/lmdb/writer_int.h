/* SPDX-License-Identifier: Apache-2.0 */
/* The writer thread's files: writer.c commits, active.c brings the segment to commit to,
 * checkpoint.c gathers what the catalogue is to know. All of it on that thread. */
#ifndef TERCET_STORAGE_LMDB_WRITER_INT_H
#define TERCET_STORAGE_LMDB_WRITER_INT_H

#include "broker/base/clock.h"
#include "storage/lmdb/store_int.h"

/* 0 is never due. */
static inline bool writer_is_due(uint64_t due_ns)
{
    return due_ns != 0 && clock_monotonic_ns() >= due_ns;
}

/* ---- active.c ---- */

/* Syncs what was committed without. A sync that failed is never tried again on its file: what it
 * did not cover is moved to another segment, synced. RC_OK: all is on the device, or the store does
 * not sync. Else as a commit that fails; it is due again after STALL_RETRY_MS. */
enum rc active_sync_wt(struct writer *w);
/* Can, or should, the active segment not take `need` more bytes? */
bool active_is_to_roll_wt(const struct writer *w, uint64_t need);
/* Goes on to the next segment, with room for `need` bytes, if it still is to. RC_FULL, RC_IO: there
 * is none; the one before may be synced, and is still the active one. */
MUST_CHECK enum rc active_roll_wt(struct writer *w, uint64_t need);
/* Gives the active segment to be sealed, or thrown away when nothing is in it. There is none then.
 * `is_last`: its file is cut to what it holds. */
void active_leave_wt(struct writer *w, bool is_last);
/* After a commit: has the next segment prepared when it is time. */
void active_ask_spare_wt(struct writer *w);
/* Leaves the active segment, so that all of the store is in sealed ones, and hands the backup
 * that waits on. */
void active_backup_wt(struct writer *w);

/* ---- checkpoint.c ---- */

/* Notes what a committed item changes in the catalogue. */
void checkpoint_change_wt(struct writer *w, const struct item *item);
/* A segment that nothing needs any more is to go. */
void checkpoint_retire_wt(struct writer *w, uint32_t number);
bool checkpoint_is_due_wt(const struct writer *w);
/* Hands what was gathered to the maintenance thread. Takes `seal`, which may be NULL: a segment to
 * be sealed with it, cut when `is_last`. What cannot be synced stays, but that a segment to be
 * sealed, or the end, does not wait: its changes are read from the frames by the next open. */
void checkpoint_begin_wt(struct writer *w, struct segment *seal, bool is_last);

#endif
