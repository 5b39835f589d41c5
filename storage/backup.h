/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the whole store while it is in use. Core thread only, never blocks.
 *
 * The segment in use is closed, all closed ones are linked (copied, where the folder is on another
 * file system), the catalogue is copied as it is then, and last a manifest is written (base's
 * manifest.h): what was put before store_backup() is in it wholly, of what came later perhaps the
 * beginning. Segments are never changed once closed, so a link is as good as a copy but for the
 * device that holds both. A folder without a manifest is no backup. */
#ifndef TERCET_STORAGE_BACKUP_H
#define TERCET_STORAGE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"

struct store;
struct store_backup;

/* RC_EXISTS: the folder is not empty. RC_FULL, RC_IO, RC_REFUSED: as they say; whatever was made in
 * the folder is removed again. */
typedef void store_backup_fn(struct store_backup *backup, enum rc rc);

/* Embedded in its owner, who keeps it until on_done or store_backup_cancel(). */
struct store_backup {
    store_backup_fn *on_done; /* called inside store_poll() */
    void *arg;                /* borrowed */
    void *detail;             /* the backend's, while it is under way */
    unsigned segments;        /* set with RC_OK */
    uint64_t bytes;
};

/* Begins a backup into `directory` (borrowed during the call): an absolute path of a folder that is
 * empty or, if its parent is there, not there. RC_UNSUPPORTED: everything is in memory. RC_IN_USE:
 * another one is under way. The rc of a stall: the store takes nothing now. */
MUST_CHECK enum rc store_backup(struct store *store, const char *directory,
                                struct store_backup *backup);
/* on_done will not be called any more; the backup goes on. */
void store_backup_cancel(struct store *store, struct store_backup *backup);

#endif
