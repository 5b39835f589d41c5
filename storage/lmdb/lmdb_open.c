/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/log.h"
#include "storage/lmdb/backup.h"
#include "storage/lmdb/copy.h"
#include "storage/lmdb/lmdb_store.h"

#define MALLOC_TRIM_BYTES (64 << 20)
/* Smaller ones would be rolled at nearly each commit. */
#define SEGMENT_LEAST_BYTES ((uint64_t)256 << 10)

static enum rc folder_open(int parent, const char *name, int *ret)
{
    int fd;

    if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST)
        return rc_of_errno(errno);
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return rc_of_errno(errno);
    *ret = fd;
    return RC_OK;
}

static enum rc place_open(struct place *place, const struct store_config *config)
{
    enum rc rc;

    place->directory_fd = place->seg_fd = place->spare_fd = -1;
    place->has_sync = config->has_sync;
    place->path = mem_copy_text(slice_str(config->directory));
    rc = folder_open(AT_FDCWD, config->directory, &place->directory_fd);
    if (rc == RC_OK)
        rc = folder_open(place->directory_fd, "seg", &place->seg_fd);
    if (rc == RC_OK)
        rc = folder_open(place->directory_fd, "spare", &place->spare_fd);
    return rc;
}

static void fd_close(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* folders and the lock: nothing was written through them */
}

static void place_close(struct place *place)
{
    fd_close(place->directory_fd);
    fd_close(place->seg_fd);
    fd_close(place->spare_fd);
    MEM_FREE(place->path);
}

static enum rc lock_take(struct lmdb_store *s)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    s->lock_fd = openat(s->place.directory_fd, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return rc_of_errno(errno);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? RC_LOCKED : rc_of_errno(errno);
    /* The number is for people alone. */
    if (ftruncate(s->lock_fd, 0) == 0)
        (void)!pwrite(s->lock_fd, text, (size_t)len, 0);
    return RC_OK;
}

static struct lmdb_store *store_new(const struct store_config *config)
{
    struct lmdb_store *s = mem_new(struct lmdb_store);

    s->store.backend = &lmdb_backend;
    s->config = *config;
    s->config.directory = NULL;
    if (s->config.segment_first_bytes < SEGMENT_LEAST_BYTES)
        s->config.segment_first_bytes = SEGMENT_LEAST_BYTES;
    if (s->config.segment_max_bytes < s->config.segment_first_bytes)
        s->config.segment_max_bytes = s->config.segment_first_bytes;
    s->lock_fd = -1;
    store_logs_init(s);
    map_init(&s->segments);
    list_init(&s->fresh);
    list_init(&s->ahead);
    list_init(&s->reads);
    list_init(&s->reads_now);
    mailbox_init(&s->done);
    s->writer.store = s;
    s->writer.next_capacity = s->config.segment_first_bytes;
    mailbox_init(&s->writer.inbox);
    list_init(&s->compacts);
    map_init(&s->compacted);
    list_init(&s->writer.pending);
    map_init(&s->writer.changes);
    s->copier.store = s;
    mailbox_init(&s->copier.inbox);
    bell_init(&s->copier.bell);
    s->maintenance.store = s;
    s->maintenance.next_number = 1;
    mailbox_init(&s->maintenance.inbox);
    list_init(&s->maintenance.checkpoints);
    (void)pthread_mutex_init(&s->maintenance.lock, NULL);
    return s;
}

/* A spare file is there: writing over it is quick, and no commit needs to make a file then. */
static void ask_first_spare(struct lmdb_store *s)
{
    struct prepare *prepare;

    if (s->maintenance.set_aside_count == 0)
        return;
    prepare = mem_new(struct prepare);
    prepare->job.kind = JOB_PREPARE;
    prepare->capacity = s->config.segment_first_bytes;
    s->writer.is_prepare_asked = true;
    (void)mailbox_put(&s->maintenance.inbox, &prepare->job.link);
}

static enum rc catalog_check(struct lmdb_store *s)
{
    struct catalog_facts facts;
    enum rc rc = recover_check_new(s);

    if (rc == RC_OK)
        rc = catalog_open(&s->place, &s->catalog, &facts);
    if (rc != RC_OK)
        return rc;
    s->store_id = facts.store_id;
    return store_upgrade(s, facts.format);
}

enum rc lmdb_store_open(const struct store_config *config, struct store **ret)
{
    struct lmdb_store *s = store_new(config);
    enum rc rc;

    (void)mallopt(M_MMAP_THRESHOLD, LMDB_MALLOC_MAP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MALLOC_TRIM_BYTES);
    rc = place_open(&s->place, config);
    if (rc == RC_OK)
        rc = lock_take(s);
    if (rc == RC_OK)
        backup_clean(s);
    if (rc == RC_OK)
        rc = catalog_check(s);
    if (rc == RC_OK)
        rc = store_recover(s);
    if (rc == RC_OK) {
        ask_first_spare(s);
        rc = maintenance_start(s);
    }
    if (rc == RC_OK)
        rc = copier_start(s);
    if (rc == RC_OK)
        rc = writer_start(s);
    if (rc != RC_OK) {
        log_event(LOG_ERROR, "storage.open-failed", "directory=%s rc=%s",
                  log_quote(config->directory, strlen(config->directory)), rc_word(rc));
        lmdb_store_end(s);
        return rc;
    }
    *ret = &s->store;
    return RC_OK;
}

/* What came back after the last poll: nobody is told any more. */
static void drain(struct lmdb_store *s)
{
    struct list taken;
    struct job *job;

    list_init(&taken);
    mailbox_take(&s->done, &taken);
    while ((job = LIST_FIRST(&taken, struct job, link)) != NULL) {
        link_remove(&job->link);
        if (job->kind == JOB_BATCH) {
            struct batch *group = CONTAINER_OF(job, struct batch, job);

            batch_complete(s, group);
            while (group != NULL) {
                struct batch *next = group->next;

                batch_free(&group);
                group = next;
            }
        } else if (job->kind == JOB_READ) {
            struct read_job *read = CONTAINER_OF(job, struct read_job, job);

            if (read->read != NULL)
                read_cancel(&s->store, read->read);
            read_finish(s, read);
        } else if (job->kind == JOB_COPY) {
            struct copy_job *copy = CONTAINER_OF(job, struct copy_job, job);

            copy_job_free(&copy);
        } else if (job->kind == JOB_BACKUP) {
            struct backup_job *backup = CONTAINER_OF(job, struct backup_job, job);

            backup_drop(&backup);
        } else {
            mem_free(job);
        }
    }
}

static void memory_free(struct lmdb_store *s)
{
    struct map_node *node;

    if (s->open != NULL)
        batch_release(s, s->open);
    store_logs_done(s);
    batch_free(&s->open);
    while ((node = map_any(&s->segments)) != NULL) {
        struct segment_info *info = CONTAINER_OF(node, struct segment_info, node);

        map_remove(&s->segments, node);
        mem_free(info);
    }
    map_done(&s->segments);
}

void lmdb_store_end(struct lmdb_store *s)
{
    atomic_store(&s->is_ending, true);
    writer_stop(s);
    copier_stop(s);
    readers_stop(s);
    drain(s);
    ahead_drop_all(s);
    maintenance_stop(s);
    backup_wait(s);
    drain(s); /* a copy that it had */
    copy_end(s);
    compact_free_all(s);
    memory_free(s);
    if (s->catalog.env != NULL)
        catalog_close(&s->catalog);
    place_close(&s->place);
    fd_close(s->lock_fd); /* lets the next one in */
    changes_free(&s->writer.changes);
    mem_free(s->writer.retire);
    mailbox_done(&s->writer.inbox);
    mailbox_done(&s->copier.inbox);
    bell_done(&s->copier.bell);
    mailbox_done(&s->maintenance.inbox);
    mailbox_done(&s->done);
    (void)pthread_mutex_destroy(&s->maintenance.lock);
    mem_free(s);
}
