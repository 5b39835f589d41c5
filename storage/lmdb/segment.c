/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lmdb/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/fault.h"
#include "broker/base/number.h"

#define SEGMENT_FLAGS (MDB_NOSUBDIR | MDB_NOTLS | MDB_NOLOCK | MDB_NORDAHEAD | MDB_NOMETASYNC)
/* The map is never grown: room for the index and for tree pages, then roll. */
#define MAP_SLACK   ((uint64_t)16 << 20)
#define ZEROS_BYTES ((size_t)512 << 10)
#define ZEROS_ALIGN ((size_t)4096) /* what devices want of memory written directly */
#define META_PAGES  2
/* Tree pages that one commit may copy: root, branch, leaf, free list and its leaf. */
#define COMMIT_PAGES 8
/* What stays free for the file system's own use before a write is tried. */
#define SPACE_MARGIN ((uint64_t)1 << 20)
#define FRAMES_FIRST 64

enum rc segment_rc(int error)
{
    switch (error) {
    case MDB_SUCCESS:
        return RC_OK;
    case MDB_MAP_FULL:
        return RC_FULL;
    case MDB_VERSION_MISMATCH:
        return RC_VERSION;
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_PAGE_NOTFOUND:
        return RC_CORRUPT;
    default:
        return error > 0 ? rc_of_errno(error) : RC_IO;
    }
}

enum rc segment_rc_of_space(const struct place *place, uint64_t need, enum rc rc)
{
    struct statvfs at;

    /* A tmpfs without a limit tells of no blocks at all. */
    if (rc != RC_OK && fstatvfs(place->directory_fd, &at) == 0 && at.f_blocks > 0 &&
        (uint64_t)at.f_bavail * at.f_frsize < need + SPACE_MARGIN)
        return RC_FULL;
    return rc;
}

enum rc sync_directory(const struct place *place, int fd)
{
    return !place->has_sync || fsync(fd) == 0 ? RC_OK : rc_of_errno(errno);
}

void segment_name(char name[SEGMENT_NAME_MAX], uint32_t number)
{
    (void)snprintf(name, SEGMENT_NAME_MAX, "%010" PRIu32 ".mdb", number);
}

bool segment_number(const char *name, uint32_t *ret)
{
    uint64_t number;

    if (strlen(name) != 14 || strcmp(name + 10, ".mdb") != 0 ||
        number_u64(slice_of(name, 10), 1, UINT32_MAX, &number) != RC_OK)
        return false;
    *ret = (uint32_t)number;
    return true;
}

/* What the device is asked to write at once while zeros are laid: a whole segment would stand
 * before every sync of the writer for as long as it takes. */
static enum rc write_zeros(int fd, uint64_t from, uint64_t to, const uint8_t *zeros)
{
    while (from < to) {
        size_t step = to - from < ZEROS_BYTES ? (size_t)(to - from) : ZEROS_BYTES;
        ssize_t done = pwrite(fd, zeros, step, (off_t)from);

        if (done < 0)
            return errno == EINVAL ? RC_UNSUPPORTED : rc_of_errno(errno);
        /* A hint for what went through the page cache: the sync at the end is what counts. */
        (void)sync_file_range(fd, (off_t)from, done,
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
        from += (uint64_t)done;
    }
    return RC_OK;
}

/* Past the page cache where the file system can: zeros that nobody reads cost the processor as much
 * as the data itself otherwise. Nobody else uses the descriptor yet. */
static enum rc write_zeros_directly(int fd, uint64_t from, uint64_t to, const uint8_t *zeros)
{
    int flags = fcntl(fd, F_GETFL);
    enum rc rc;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0)
        return RC_UNSUPPORTED;
    rc = write_zeros(fd, from, to, zeros);
    if (fcntl(fd, F_SETFL, flags) != 0)
        return RC_SYSTEM;
    return rc;
}

static enum rc fill(int fd, uint64_t from, uint64_t to, enum filling filling)
{
    uint8_t *at;
    const uint8_t *zeros;
    enum rc rc;

    if (from >= to || filling == FILL_NONE)
        return RC_OK;
    if (FAULT("store.alloc"))
        return RC_FULL;
    /* The blocks are allocated first, in one change of the file system. */
    if (fallocate(fd, 0, (off_t)from, (off_t)(to - from)) != 0 && errno != EOPNOTSUPP)
        return rc_of_errno(errno);
    at = mem_zeroed(ZEROS_BYTES + ZEROS_ALIGN);
    zeros = at + (ZEROS_ALIGN - (uintptr_t)at % ZEROS_ALIGN);
    rc = write_zeros_directly(fd, from, to, zeros);
    if (rc == RC_UNSUPPORTED)
        rc = write_zeros(fd, from, to, zeros);
    mem_free(at);
    return rc;
}

static enum rc env_open(const struct place *place, const char *folder, uint32_t number,
                        uint64_t capacity, MDB_env **ret)
{
    const unsigned flags = SEGMENT_FLAGS | (place->has_sync ? 0 : MDB_NOSYNC);
    char name[SEGMENT_NAME_MAX], path[PATH_MAX];
    MDB_env *env = NULL;
    int error;

    segment_name(name, number);
    if (snprintf(path, sizeof(path), "%s/%s/%s", place->path, folder, name) >= (int)sizeof(path))
        return RC_LIMIT;
    error = mdb_env_create(&env);
    if (error == 0)
        error = mdb_env_set_mapsize(env, (size_t)(capacity + capacity / 4 + MAP_SLACK));
    if (error == 0 && FAULT("store.open"))
        error = EIO;
    if (error == 0 && FAULT("store.map"))
        error = ENOMEM;
    if (error == 0)
        error = mdb_env_open(env, path, flags, 0600);
    if (error != 0) {
        mdb_env_close(env);
        return segment_rc(error);
    }
    *ret = env;
    return RC_OK;
}

/* The first pages of an empty environment, as this LMDB writes them. */
static enum rc template_read(const struct place *place, uint8_t **ret, size_t *ret_len)
{
    char name[SEGMENT_NAME_MAX];
    uint8_t *at = NULL;
    MDB_env *env = NULL;
    MDB_stat stat;
    ssize_t done = -1;
    int fd = -1;
    enum rc rc;

    segment_name(name, 0);
    (void)unlinkat(place->spare_fd, name, 0); /* what a kill left here */
    rc = env_open(place, "spare", 0, 0, &env);
    if (rc != RC_OK)
        return rc;
    if (mdb_env_get_fd(env, &fd) == 0 && mdb_env_stat(env, &stat) == 0) {
        *ret_len = (size_t)stat.ms_psize * META_PAGES;
        at = mem_get(*ret_len);
        done = pread(fd, at, *ret_len, 0);
    }
    mdb_env_close(env);
    (void)unlinkat(place->spare_fd, name, 0); /* a file left behind is written over */
    if (done < 0 || (size_t)done != *ret_len) {
        mem_free(at);
        return RC_IO;
    }
    *ret = at;
    return RC_OK;
}

static enum rc write_over(const struct place *place, int fd, uint64_t capacity,
                          enum filling filling, struct slice first)
{
    struct stat stat;
    enum rc rc = RC_OK;

    if (fstat(fd, &stat) != 0)
        return rc_of_errno(errno);
    if (pwrite(fd, first.at, first.len, 0) != (ssize_t)first.len)
        return RC_IO;
    if ((uint64_t)stat.st_size < capacity)
        rc = fill(fd, (uint64_t)stat.st_size, capacity, filling);
    if (rc == RC_OK && place->has_sync && fdatasync(fd) != 0)
        rc = rc_of_errno(errno);
    return rc;
}

/* The file gets its new first pages before its new name: whatever a power cut leaves of it, none of
 * its old frames carries the new number. */
static enum rc recycle_file(const struct place *place, uint32_t number, uint32_t recycle,
                            uint64_t capacity, enum filling filling)
{
    char from[SEGMENT_NAME_MAX], to[SEGMENT_NAME_MAX];
    uint8_t *first = NULL;
    size_t len = 0;
    int fd = -1;
    enum rc rc = template_read(place, &first, &len);

    segment_name(from, recycle);
    segment_name(to, number);
    if (rc == RC_OK) {
        fd = openat(place->spare_fd, from, O_RDWR | O_CLOEXEC);
        rc = fd < 0 ? rc_of_errno(errno)
                    : write_over(place, fd, capacity, filling, slice_of(first, len));
    }
    if (rc == RC_OK && FAULT("store.rename"))
        rc = RC_IO;
    if (rc == RC_OK && renameat(place->spare_fd, from, place->seg_fd, to) != 0)
        rc = rc_of_errno(errno);
    if (fd >= 0)
        (void)close(fd); /* nothing unwritten is left in it */
    mem_free(first);
    return rc;
}

static enum rc attach(struct segment *segment)
{
    MDB_txn *txn = NULL;
    MDB_stat stat;
    int error = mdb_env_get_fd(segment->env, &segment->fd);

    if (error == 0)
        error = mdb_env_stat(segment->env, &stat);
    if (error == 0)
        error = mdb_txn_begin(segment->env, NULL, MDB_RDONLY, &txn);
    if (error == 0)
        error = mdb_dbi_open(txn, NULL, 0, &segment->dbi);
    if (txn != NULL)
        mdb_txn_abort(txn);
    if (error != 0)
        return segment_rc(error);
    segment->page_size = stat.ms_psize;
    segment->used = META_PAGES * segment->page_size;
    return RC_OK;
}

enum rc segment_create(const struct place *place, uint32_t number, uint32_t recycle,
                       uint64_t capacity, enum filling filling, struct segment **ret)
{
    struct segment *segment = mem_new(struct segment);
    enum rc rc = RC_OK;

    segment->number = number;
    segment->capacity = capacity;
    segment->is_written = filling == FILL_WRITTEN || recycle > 0;
    if (recycle > 0)
        rc = recycle_file(place, number, recycle, capacity, filling);
    if (rc == RC_OK)
        rc = env_open(place, "seg", number, capacity, &segment->env);
    if (rc == RC_OK)
        rc = attach(segment);
    if (rc == RC_OK && recycle == 0) {
        rc = fill(segment->fd, segment->used, capacity, filling);
        if (rc == RC_OK && place->has_sync && filling != FILL_NONE && fdatasync(segment->fd) != 0)
            rc = rc_of_errno(errno);
    }
    if (rc == RC_OK)
        rc = sync_directory(place, place->seg_fd);
    if (rc == RC_OK && recycle > 0)
        rc = sync_directory(place, place->spare_fd);
    if (rc != RC_OK) {
        rc = segment_rc_of_space(place, filling == FILL_NONE ? 0 : capacity, rc);
        segment_close(&segment);
        if (recycle == 0)
            segment_unlink(place, number); /* what there is of it is empty */
        return rc;
    }
    *ret = segment;
    return RC_OK;
}

void segment_close(struct segment **ref)
{
    struct segment *segment = *ref;

    *ref = NULL;
    if (segment == NULL)
        return;
    mdb_env_close(segment->env);
    mem_free(segment->frame_pages);
    mem_free(segment);
}

void segment_unlink(const struct place *place, uint32_t number)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(name, number);
    (void)unlinkat(place->seg_fd, name, 0); /* one left behind is found empty at the next open */
}

enum rc segment_set_aside(const struct place *place, uint32_t number)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(name, number);
    if (FAULT("store.rename"))
        return RC_IO;
    if (renameat(place->seg_fd, name, place->spare_fd, name) != 0)
        return rc_of_errno(errno);
    return sync_directory(place, place->seg_fd);
}

uint64_t segment_room_for(size_t page_size, size_t value)
{
    size_t pages = (PAGE_HEADER + value + page_size - 1) / page_size;

    return (uint64_t)(pages + COMMIT_PAGES) * page_size;
}

enum rc segment_begin(struct segment *segment, MDB_txn **ret)
{
    ASSERT(!segment->has_failed);
    return segment_rc(mdb_txn_begin(segment->env, NULL, 0, ret));
}

enum rc segment_reserve(struct segment *segment, MDB_txn *txn, struct slice key, size_t size,
                        void **ret_at, uint64_t *ret_position)
{
    MDB_val name = { key.len, (void *)(uintptr_t)key.at };
    MDB_val value = { size, NULL };
    size_t page;
    int error;

    ASSERT(size >= FRAME_LEAST(segment->page_size));
    error = mdb_put(txn, segment->dbi, &name, &value, MDB_APPEND | MDB_RESERVE);
    if (error != 0)
        return segment_rc(error);
    /* The value's page run starts with its page header, and that with the page's number. */
    memcpy(&page, (const uint8_t *)value.mv_data - PAGE_HEADER, sizeof(page));
    ASSERT(page >= META_PAGES);
    *ret_at = value.mv_data;
    *ret_position = (uint64_t)page * segment->page_size + PAGE_HEADER;
    return RC_OK;
}

enum rc segment_commit(struct segment *segment, MDB_txn *txn, bool is_synced)
{
    MDB_envinfo info;
    int error;

    if (FAULT("store.write")) {
        mdb_txn_abort(txn);
        segment->has_failed = true;
        return RC_IO;
    }
    /* A sync that fails comes after the write: frames that were not reported are in the file. */
    if (is_synced && FAULT("store.sync")) {
        (void)mdb_env_set_flags(segment->env, MDB_NOSYNC, 1);
        (void)mdb_txn_commit(txn);
        segment->has_failed = true;
        return RC_IO;
    }
    error = mdb_env_set_flags(segment->env, MDB_NOSYNC, !is_synced);
    if (error == 0)
        error = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    if (error != 0) {
        segment->has_failed = true;
        return segment_rc(error);
    }
    count_add(COUNT_STORE_COMMITS, 1);
    count_add(COUNT_STORE_SYNCS, is_synced);
    segment->is_dirty = !is_synced;
    if (mdb_env_info(segment->env, &info) == 0)
        segment->used = ((uint64_t)info.me_last_pgno + 1) * segment->page_size;
    return RC_OK;
}

enum rc segment_sync(struct segment *segment)
{
    int failed = FAULT("store.sync") ? -1 : fdatasync(segment->fd);

    if (failed != 0) {
        segment->has_failed = true;
        return RC_IO;
    }
    count_add(COUNT_STORE_SYNCS, 1);
    segment->is_dirty = false;
    return RC_OK;
}

void segment_note_frame(struct segment *segment, uint64_t position)
{
    if (segment->frame_count == segment->frame_room) {
        segment->frame_room = segment->frame_room == 0 ? FRAMES_FIRST : segment->frame_room * 2;
        segment->frame_pages =
            mem_resize(segment->frame_pages, segment->frame_room * sizeof(*segment->frame_pages));
    }
    segment->frame_pages[segment->frame_count++] = (uint32_t)(position / segment->page_size);
}
