/* SPDX-License-Identifier: Apache-2.0 */
/* A backup on its way: core thread, writer (which rolls), maintenance (which links), a thread of
 * its own (which copies what must be copied), core thread. */
#ifndef TERCET_STORAGE_LMDB_BACKUP_H
#define TERCET_STORAGE_LMDB_BACKUP_H

#include "storage/backup.h"
#include "storage/lmdb/store_int.h"

struct backup_job {
    struct job job;
    struct lmdb_store *store;    /* borrowed */
    struct store_backup *backup; /* borrowed; core thread; NULL: cancelled */
    char *directory;             /* owned */
    enum rc rc;
    uint64_t bytes;
    struct sealed *sealed; /* owned: what it consists of */
    size_t sealed_count;
    struct thread thread;
    bool has_thread;
};

/* Core thread, at the store's end: it will not be finished. */
void backup_drop(struct backup_job **job);
/* Core thread: backend.h's functions. */
enum rc backup_begin(struct store *store, const char *directory, struct store_backup *backup);
void backup_cancel(struct store *store, struct store_backup *backup);
/* Core thread: it came back. */
void backup_finish(struct lmdb_store *s, struct backup_job *job);
/* Maintenance thread: what the catalogue lists is whole and durable. Goes on in a thread. */
void backup_link(struct maintenance *m, struct backup_job *job);
/* At the store's end: its thread is over then. */
void backup_wait(struct lmdb_store *s);
/* Removes what earlier backups, or streams of them, left when they were cut off. */
void backup_clean(struct lmdb_store *s);

#endif
