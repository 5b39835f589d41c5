/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lmdb/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/fault.h"
#include "broker/base/number.h"
#include "broker/base/plant.h"
#include "storage/lmdb/frame.h"

#define ZEROS_BYTES ((size_t)512 << 10)
/* What stays free for the file system's own use before a write is tried. */
#define SPACE_MARGIN ((uint64_t)1 << 20)
#define ROWS_FIRST   64
/* From here on fresh pages of the cache cost more than the device does. */
#define DIRECT_LEAST_BYTES ((size_t)64 << 10)

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
    return !place->has_sync || PLANTED("name-unsynced") || fsync(fd) == 0 ? RC_OK
                                                                          : rc_of_errno(errno);
}

void segment_name(char name[SEGMENT_NAME_MAX], uint32_t number)
{
    (void)snprintf(name, SEGMENT_NAME_MAX, "%010" PRIu32 ".seg", number);
}

bool segment_number(const char *name, uint32_t *ret)
{
    uint64_t number;

    if (strlen(name) != 14 || strcmp(name + 10, ".seg") != 0 ||
        number_u64(slice_of(name, 10), 1, UINT32_MAX, &number) != RC_OK)
        return false;
    *ret = (uint32_t)number;
    return true;
}

enum rc segment_each(int folder, void (*visit)(void *arg, uint32_t number), void *arg)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    uint32_t number;

    if (dir == NULL)
        return rc_of_errno(errno);
    while ((entry = readdir(dir)) != NULL) {
        if (segment_number(entry->d_name, &number))
            visit(arg, number);
    }
    (void)closedir(dir); /* read only */
    return RC_OK;
}

/* ---- blocks ahead of use ---- */

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
 * as the data itself otherwise. */
static enum rc fill_zeros(const struct segment *segment, uint64_t from, uint64_t to)
{
    struct mem_pages zeros = { 0 };
    enum rc rc = RC_UNSUPPORTED;

    if (!mem_pages_try(&zeros, ZEROS_BYTES))
        return RC_MEMORY;
    if (segment->direct_fd >= 0)
        rc = write_zeros(segment->direct_fd, from, to, zeros.at);
    if (rc == RC_UNSUPPORTED)
        rc = write_zeros(segment->fd, from, to, zeros.at);
    mem_pages_free(&zeros);
    return rc;
}

static enum rc fill(const struct segment *segment, uint64_t from, enum filling filling)
{
    uint64_t to = segment->capacity;

    if (from >= to || filling == FILL_NONE)
        return RC_OK;
    if (FAULT("store.alloc"))
        return RC_FULL;
    /* The blocks are allocated first, in one change of the file system. */
    if (fallocate(segment->fd, 0, (off_t)from, (off_t)(to - from)) != 0 && errno != EOPNOTSUPP)
        return rc_of_errno(errno);
    return filling == FILL_WRITTEN ? fill_zeros(segment, from, to) : RC_OK;
}

/* ---- the file ---- */

static enum rc files_open(struct segment *segment, int folder, const char *name, int flags)
{
    segment->fd = FAULT("store.open") ? -1 : openat(folder, name, O_RDWR | O_CLOEXEC | flags, 0600);
    if (segment->fd < 0)
        return errno == ENOSPC ? RC_FULL : RC_IO;
    segment->direct_fd = openat(folder, name, O_RDWR | O_CLOEXEC | O_DIRECT);
    return RC_OK;
}

static enum rc fill_and_sync(const struct place *place, struct segment *segment,
                             enum filling filling)
{
    struct stat stat;
    enum rc rc;

    if (fstat(segment->fd, &stat) != 0)
        return rc_of_errno(errno);
    rc = fill(segment, (uint64_t)stat.st_size, filling);
    if (rc == RC_OK && place->has_sync && filling != FILL_NONE && fdatasync(segment->fd) != 0)
        rc = rc_of_errno(errno);
    return rc;
}

static enum rc make_file(const struct place *place, struct segment *segment, enum filling filling)
{
    char name[SEGMENT_NAME_MAX];
    enum rc rc;

    segment_name(name, segment->number);
    rc = files_open(segment, place->seg_fd, name, O_CREAT | O_EXCL);
    if (rc == RC_OK)
        rc = fill_and_sync(place, segment, filling);
    return rc == RC_OK ? sync_directory(place, place->seg_fd) : rc;
}

static enum rc recycle_file(const struct place *place, struct segment *segment, uint32_t recycle,
                            enum filling filling)
{
    char from[SEGMENT_NAME_MAX], to[SEGMENT_NAME_MAX];
    enum rc rc;

    segment_name(from, recycle);
    segment_name(to, segment->number);
    rc = files_open(segment, place->spare_fd, from, 0);
    if (rc == RC_OK)
        rc = fill_and_sync(place, segment, filling);
    if (rc == RC_OK && FAULT("store.rename"))
        rc = RC_IO;
    if (rc == RC_OK && renameat(place->spare_fd, from, place->seg_fd, to) != 0)
        rc = rc_of_errno(errno);
    if (rc == RC_OK)
        rc = sync_directory(place, place->seg_fd);
    return rc == RC_OK ? sync_directory(place, place->spare_fd) : rc;
}

enum rc segment_create(const struct place *place, uint32_t number, uint32_t recycle,
                       uint64_t capacity, enum filling filling, struct segment **ret)
{
    struct segment *segment = mem_new(struct segment);
    enum rc rc;

    segment->fd = segment->direct_fd = -1;
    segment->number = number;
    segment->capacity = capacity;
    segment->is_written = filling == FILL_WRITTEN || recycle > 0;
    if (recycle > 0)
        rc = recycle_file(place, segment, recycle, filling);
    else
        rc = make_file(place, segment, filling);
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
    /* What counted was synced, or is not reported durable. */
    if (segment->direct_fd >= 0)
        (void)close(segment->direct_fd);
    if (segment->fd >= 0)
        (void)close(segment->fd);
    mem_free(segment->rows);
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

/* ---- appending ---- */

static enum rc write_whole(int fd, struct slice bytes, uint64_t at)
{
    while (bytes.len > 0) {
        ssize_t done = pwrite(fd, bytes.at, bytes.len, (off_t)at);

        if (done <= 0)
            return done == 0 ? RC_IO : errno == EINVAL ? RC_UNSUPPORTED : rc_of_errno(errno);
        bytes = slice_after(bytes, (size_t)done);
        at += (uint64_t)done;
    }
    return RC_OK;
}

/* What is synced at once, or long, goes past the page cache: half the processor time, and no fresh
 * pages for a file that grows. Little that is not synced stays in the cache until it is. No block
 * is written twice, so the two never meet in one. */
static enum rc write_frames(struct segment *segment, struct slice bytes, bool is_synced)
{
    enum rc rc = RC_UNSUPPORTED;

    if (FAULT("store.write"))
        return RC_IO;
    if (segment->direct_fd >= 0 && (is_synced || bytes.len >= DIRECT_LEAST_BYTES))
        rc = write_whole(segment->direct_fd, bytes, segment->used);
    if (rc == RC_UNSUPPORTED)
        rc = write_whole(segment->fd, bytes, segment->used);
    return rc;
}

enum rc segment_append(struct segment *segment, struct slice bytes, bool is_synced)
{
    enum rc rc;

    ASSERT(!segment->has_failed && bytes.len % FRAME_ALIGN == 0 &&
           (uintptr_t)bytes.at % FRAME_ALIGN == 0);
    rc = write_frames(segment, bytes, is_synced);
    if (rc == RC_OK && is_synced && !PLANTED("sync-skipped"))
        rc = segment_sync(segment);
    if (rc != RC_OK) {
        segment->has_failed = true;
        return rc;
    }
    segment->used += bytes.len;
    if (is_synced)
        segment->synced_used = segment->used;
    count_add(COUNT_STORE_COMMITS, 1);
    return RC_OK;
}

enum rc segment_write(struct segment *segment, struct slice bytes)
{
    enum rc rc;

    ASSERT(!segment->has_failed && bytes.len % FRAME_ALIGN == 0 &&
           (uintptr_t)bytes.at % FRAME_ALIGN == 0);
    rc = write_frames(segment, bytes, true);
    if (rc == RC_OK)
        segment->used += bytes.len;
    segment->has_failed |= rc != RC_OK;
    return rc;
}

enum rc segment_sync(struct segment *segment)
{
    int failed = FAULT("store.sync") ? -1 : fdatasync(segment->fd);

    if (failed != 0) {
        segment->has_failed = segment->is_unsyncable = true;
        return RC_IO;
    }
    count_add(COUNT_STORE_SYNCS, 1);
    segment->synced_used = segment->used;
    return RC_OK;
}

void segment_note_row(struct segment *segment, const struct segment_row *row)
{
    if (segment->row_count == segment->row_room) {
        segment->row_room = segment->row_room == 0 ? ROWS_FIRST : segment->row_room * 2;
        segment->rows = mem_resize(segment->rows, segment->row_room * sizeof(*segment->rows));
    }
    segment->rows[segment->row_count++] = *row;
}
