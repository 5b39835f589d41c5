/* SPDX-License-Identifier: Apache-2.0 */
/* The maintenance thread links the files into backup.tmp beside seg/, which takes moments; no
 * segment can be reclaimed meanwhile, for that is its own work. From then on the links keep what
 * reclaiming removes, and the rest is done by a thread of the backup's own. A file that has another
 * link is never written over: see maintenance_reclaim(). */
#include "storage/lmdb/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/fault.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/manifest.h"
#include "storage/lmdb/scan.h"

#define STAGE          "backup.tmp"
#define STREAM_PREFIX  "stream-"
#define MANIFEST_DRAFT MANIFEST_NAME ".tmp"
/* Files are copied and checked by pieces of this size, and a stop is seen between them. */
#define COPY_BYTES MANIFEST_PIECE_BYTES

static void backup_job_free(struct backup_job **ref)
{
    struct backup_job *job = *ref;

    *ref = NULL;
    if (job == NULL)
        return;
    if (job->has_thread)
        thread_join(&job->thread);
    mem_free(job->directory);
    mem_free(job->sealed);
    mem_free(job);
}

void backup_drop(struct backup_job **ref)
{
    if (*ref != NULL)
        (*ref)->store->backup = NULL;
    backup_job_free(ref);
}

/* ---- folders ---- */

/* The folder `name` in `parent`, made if it is not there; -1 and errno else. */
static int folder_make(int parent, const char *name)
{
    if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void fd_close(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* of folders, or synced */
}

/* Only what a backup can have made: the folder may be somebody's own. */
static void remove_files(int folder)
{
    int seg_fd = openat(folder, MANIFEST_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = seg_fd < 0 ? NULL : fdopendir(seg_fd);
    struct dirent *entry;
    uint32_t number;

    if (dir != NULL) {
        while ((entry = readdir(dir)) != NULL) {
            if (segment_number(entry->d_name, &number))
                (void)unlinkat(seg_fd, entry->d_name, 0);
        }
        (void)closedir(dir); /* read only */
    }
    (void)unlinkat(folder, MANIFEST_FOLDER, AT_REMOVEDIR);
    (void)unlinkat(folder, MANIFEST_CATALOG, 0);
    (void)unlinkat(folder, MANIFEST_DRAFT, 0);
    (void)unlinkat(folder, MANIFEST_NAME, 0);
}

static void remove_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    /* What somebody streams from is locked. */
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        remove_files(fd);
        (void)unlinkat(parent, name, AT_REMOVEDIR);
    }
    fd_close(fd);
}

void backup_clean(struct lmdb_store *s)
{
    int fd = openat(s->place.directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    remove_folder(s->place.directory_fd, STAGE);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (slice_starts(slice_str(entry->d_name), SLICE(STREAM_PREFIX)))
            remove_folder(s->place.directory_fd, entry->d_name);
    }
    (void)closedir(dir); /* read only */
}

static bool is_empty(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    bool ret = dir != NULL;

    while (ret && (entry = readdir(dir)) != NULL)
        ret = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (dir != NULL)
        (void)closedir(dir); /* read only */
    return ret;
}

/* ---- files ---- */

static enum rc write_whole(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t done = write(fd, bytes.at, bytes.len);

        if (done < 0)
            return rc_of_errno(errno);
        bytes = slice_after(bytes, (size_t)done);
    }
    return RC_OK;
}

/* Copies the first `bytes` of a file, and syncs them. */
static enum rc copy_bytes(struct backup_job *job, int from, int to, uint64_t bytes)
{
    uint8_t *at = mem_get(COPY_BYTES);
    enum rc rc = RC_OK;

    for (uint64_t done = 0; done < bytes && rc == RC_OK;) {
        size_t len = bytes - done < COPY_BYTES ? (size_t)(bytes - done) : COPY_BYTES;

        rc = atomic_load(&job->store->is_ending) ? RC_CLOSED : file_read(from, at, len, done);
        if (rc == RC_OK)
            rc = write_whole(to, slice_of(at, len));
        done += len;
    }
    mem_free(at);
    if (rc == RC_OK && fsync(to) != 0)
        rc = rc_of_errno(errno);
    return rc;
}

static enum rc copy_file(struct backup_job *job, int from_folder, int to_folder, const char *name,
                         uint64_t bytes)
{
    int from = openat(from_folder, name, O_RDONLY | O_CLOEXEC);
    int to = from < 0 ? -1 : openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum rc rc = to < 0 ? rc_of_errno(errno) : copy_bytes(job, from, to, bytes);

    fd_close(from);
    fd_close(to);
    return rc;
}

/* A link, or a copy where no link can be. */
static enum rc share_file(struct backup_job *job, int from_folder, int to_folder, const char *name,
                          uint64_t bytes)
{
    if (FAULT("store.backup"))
        return RC_IO;
    if (linkat(from_folder, name, to_folder, name, 0) == 0)
        return RC_OK;
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP)
        return copy_file(job, from_folder, to_folder, name, bytes);
    return rc_of_errno(errno);
}

static uint64_t bytes_of(const struct sealed *sealed)
{
    return sealed->index_position + sealed->index_length;
}

static enum rc share_segments(struct backup_job *job, int from_folder, int to_folder)
{
    char name[SEGMENT_NAME_MAX];
    enum rc rc = RC_OK;

    for (size_t i = 0; i < job->sealed_count && rc == RC_OK; i++) {
        segment_name(name, job->sealed[i].number);
        rc = share_file(job, from_folder, to_folder, name, bytes_of(&job->sealed[i]));
    }
    return rc;
}

/* ---- the manifest ---- */

static enum rc sum_catalog(int folder, struct manifest_file *ret)
{
    int fd = openat(folder, MANIFEST_CATALOG, O_RDONLY | O_CLOEXEC);
    uint8_t *at = mem_get(MANIFEST_PIECE_BYTES);
    struct stat stat;
    enum rc rc = fd < 0 || fstat(fd, &stat) != 0 ? rc_of_errno(errno) : RC_OK;

    *ret = (struct manifest_file){ .name = MANIFEST_CATALOG, .has_sum = true };
    if (rc == RC_OK)
        ret->bytes = (uint64_t)stat.st_size;
    for (uint64_t from = 0; from < ret->bytes && rc == RC_OK;) {
        size_t len = ret->bytes - from < MANIFEST_PIECE_BYTES ? (size_t)(ret->bytes - from)
                                                              : MANIFEST_PIECE_BYTES;

        rc = file_read(fd, at, len, from);
        ret->sum = hash_checksum(slice_of(at, len), ret->sum);
        from += len;
    }
    mem_free(at);
    fd_close(fd);
    return rc;
}

static enum rc write_manifest(struct backup_job *job, int folder)
{
    struct manifest_file file;
    struct text text = { 0 };
    enum rc rc = sum_catalog(folder, &file);
    int fd = openat(folder, MANIFEST_DRAFT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    manifest_begin(&text);
    manifest_add(&text, &file);
    job->bytes = file.bytes;
    for (size_t i = 0; i < job->sealed_count; i++) {
        file = (struct manifest_file){ .bytes = bytes_of(&job->sealed[i]) };
        memcpy(file.name, MANIFEST_FOLDER "/", sizeof(MANIFEST_FOLDER));
        segment_name(file.name + sizeof(MANIFEST_FOLDER), job->sealed[i].number);
        manifest_add(&text, &file);
        job->bytes += file.bytes;
    }
    manifest_end(&text, (unsigned)job->sealed_count + 1);
    if (fd < 0)
        rc = rc_of_errno(errno);
    else if (rc == RC_OK && text.bad)
        rc = RC_MEMORY;
    if (rc == RC_OK)
        rc = write_whole(fd, text_slice(&text));
    if (rc == RC_OK && (FAULT("store.backup") || fsync(fd) != 0))
        rc = RC_IO;
    fd_close(fd);
    text_done(&text);
    if (rc == RC_OK && renameat(folder, MANIFEST_DRAFT, folder, MANIFEST_NAME) != 0)
        rc = rc_of_errno(errno);
    return rc;
}

/* ---- the backup's own thread ---- */

static enum rc fill(struct backup_job *job, int stage, int folder)
{
    int from = openat(stage, MANIFEST_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to = folder_make(folder, MANIFEST_FOLDER);
    struct stat stat;
    enum rc rc = from < 0 || to < 0 || fstatat(stage, MANIFEST_CATALOG, &stat, 0) != 0
                     ? rc_of_errno(errno)
                     : RC_OK;

    if (rc == RC_OK)
        rc = share_segments(job, from, to);
    if (rc == RC_OK)
        rc = copy_file(job, stage, folder, MANIFEST_CATALOG, (uint64_t)stat.st_size);
    if (rc == RC_OK && fsync(to) != 0)
        rc = rc_of_errno(errno);
    if (rc == RC_OK)
        rc = write_manifest(job, folder);
    if (rc == RC_OK && fsync(folder) != 0)
        rc = rc_of_errno(errno);
    fd_close(from);
    fd_close(to);
    return rc;
}

static void backup_main(void *arg)
{
    struct backup_job *job = arg;
    struct lmdb_store *s = job->store;
    int stage = openat(s->place.directory_fd, STAGE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int folder = folder_make(AT_FDCWD, job->directory);

    if (stage < 0 || folder < 0)
        job->rc = rc_of_errno(errno);
    else if (!is_empty(folder))
        job->rc = RC_EXISTS;
    else {
        job->rc = fill(job, stage, folder);
        if (job->rc != RC_OK)
            remove_files(folder);
    }
    fd_close(stage);
    fd_close(folder);
    remove_folder(s->place.directory_fd, STAGE);
    /* Not before the one who started us has let go of the job. */
    (void)pthread_mutex_lock(&s->maintenance.lock);
    (void)pthread_mutex_unlock(&s->maintenance.lock);
    store_done(s, &job->job);
}

/* ---- maintenance thread ---- */

static enum rc on_sealed(void *arg, const struct sealed *sealed)
{
    struct backup_job *job = arg;

    job->sealed = mem_resize(job->sealed, (job->sealed_count + 1) * sizeof(*job->sealed));
    job->sealed[job->sealed_count++] = *sealed;
    return RC_OK;
}

/* One that could not be sealed is in the backup as a kill would leave it. It is copied: the next
 * open of the store writes to it. */
static enum rc add_unsealed(struct lmdb_store *s, struct backup_job *job, int stage,
                            const struct unsealed *unsealed)
{
    struct sealed as_sealed = { .number = unsealed->number, .index_position = unsealed->bytes };
    char name[SEGMENT_NAME_MAX];
    enum rc rc;

    segment_name(name, unsealed->number);
    rc = copy_file(job, s->place.seg_fd, stage, name, unsealed->bytes);
    return rc == RC_OK ? on_sealed(job, &as_sealed) : rc;
}

static enum rc copy_catalog(struct catalog *catalog, int stage)
{
    int fd = openat(stage, MANIFEST_CATALOG, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum rc rc = fd < 0 ? rc_of_errno(errno) : catalog_copy(catalog, fd);

    fd_close(fd);
    return rc;
}

static enum rc stage_make(struct maintenance *m, struct backup_job *job)
{
    struct lmdb_store *s = m->store;
    int stage, seg_fd = -1;
    enum rc rc;

    backup_clean(s);
    stage = folder_make(s->place.directory_fd, STAGE);
    if (stage >= 0)
        seg_fd = folder_make(stage, MANIFEST_FOLDER);
    rc = seg_fd < 0 ? rc_of_errno(errno) : catalog_each_sealed(&s->catalog, on_sealed, job);
    if (rc == RC_OK)
        rc = share_segments(job, s->place.seg_fd, seg_fd);
    for (unsigned i = 0; i < m->unsealed_count && rc == RC_OK; i++)
        rc = add_unsealed(s, job, seg_fd, &m->unsealed[i]);
    if (rc == RC_OK)
        rc = copy_catalog(&s->catalog, stage);
    fd_close(stage);
    fd_close(seg_fd);
    return rc;
}

static enum rc start(struct maintenance *m, struct backup_job *job)
{
    enum rc rc;

    (void)pthread_mutex_lock(&m->lock);
    rc = thread_start(&job->thread, "store-backup", backup_main, job);
    job->has_thread = rc == RC_OK;
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

void backup_link(struct maintenance *m, struct backup_job *job)
{
    enum rc rc;

    /* What could not be told to the catalogue would not be in the backup. */
    if (!list_is_empty(&m->checkpoints))
        rc = RC_IO;
    else
        rc = stage_make(m, job);
    if (rc == RC_OK)
        rc = start(m, job);
    if (rc == RC_OK)
        return; /* the job is the thread's now */
    job->rc = rc;
    remove_folder(m->store->place.directory_fd, STAGE);
    store_done(m->store, &job->job);
}

/* ---- core thread ---- */

void backup_wait(struct lmdb_store *s)
{
    struct backup_job *job = s->backup;

    if (job == NULL || !job->has_thread)
        return;
    thread_join(&job->thread);
    job->has_thread = false;
}

enum rc backup_begin(struct store *store, const char *directory, struct store_backup *backup)
{
    struct lmdb_store *s = lmdb_store_of(store);
    struct backup_job *job;

    if (s->stalled != RC_OK)
        return s->stalled;
    if (s->backup != NULL)
        return RC_IN_USE;
    if (directory[0] != '/')
        return RC_INVALID;
    job = mem_new(struct backup_job);
    job->job.kind = JOB_BACKUP;
    job->store = s;
    job->backup = backup;
    job->directory = mem_copy_text(slice_str(directory));
    s->backup = job;
    backup->detail = job;
    store_open_batch(s)->backup = job;
    return RC_OK;
}

void backup_cancel(struct store *store, struct store_backup *backup)
{
    struct backup_job *job = backup->detail;

    (void)store;
    if (job != NULL)
        job->backup = NULL;
    backup->detail = NULL;
}

void backup_finish(struct lmdb_store *s, struct backup_job *job)
{
    struct store_backup *backup = job->backup;
    enum rc rc = job->rc;

    ASSERT(s->backup == job);
    s->backup = NULL;
    if (rc == RC_OK) {
        count_add(COUNT_STORE_BACKUPS, 1);
        log_event(LOG_NOTICE, "storage.backed-up", "directory=%s segments=%zu bytes=%llu",
                  log_quote(job->directory, strlen(job->directory)), job->sealed_count,
                  (unsigned long long)job->bytes);
    } else {
        log_event(LOG_WARNING, "storage.backup-failed", "directory=%s rc=%s",
                  log_quote(job->directory, strlen(job->directory)), rc_word(rc));
    }
    if (backup != NULL) {
        backup->detail = NULL;
        backup->segments = (unsigned)job->sealed_count;
        backup->bytes = job->bytes;
    }
    backup_job_free(&job);
    if (backup != NULL)
        backup->on_done(backup, rc);
}
