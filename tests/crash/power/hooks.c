/* SPDX-License-Identifier: Apache-2.0 */
/* What is called instead of the C library: data. hooks_names.c has names.
 *
 * A write is noted when it is complete, a sync with the number of ops that were complete before it
 * began: what overlaps a sync is not covered by it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/crash/power/trace_int.h"

static bool is_all_zero(const uint8_t *at, size_t len)
{
    return len == 0 || (at[0] == 0 && memcmp(at, at + 1, len - 1) == 0);
}

static void note_write(int fd, const void *bytes, size_t len, uint64_t at, bool is_sure)
{
    struct trace_op op = { .kind = TRACE_WRITE, .at = at, .len = len };
    int flags = fcntl(fd, F_GETFL);

    op.is_sure = is_sure || (flags & O_DSYNC) != 0;
    op.is_zero = is_all_zero(bytes, len);
    if (trace_file_of(fd, &op.inode))
        trace_note(&op, NULL, NULL, op.is_zero ? NULL : bytes);
}

static void note_parts(int fd, const struct iovec *parts, int count, uint64_t at, ssize_t done,
                       bool is_sure)
{
    int error = errno;

    trace_lock();
    for (ssize_t i = 0, left = done; i < count && left > 0; i++) {
        size_t len = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;

        note_write(fd, parts[i].iov_base, len, at, is_sure);
        at += len;
        left -= (ssize_t)len;
    }
    trace_unlock();
    errno = error;
}

static ssize_t write_at(int fd, const void *bytes, size_t len, off_t at,
                        ssize_t (*real)(int, const void *, size_t, off_t))
{
    struct iovec part = { (void *)(uintptr_t)bytes, 0 };
    int what = trace_is_ours(fd) ? fail_at(FAIL_WRITE) : 0;
    ssize_t done;

    if (what > 0) {
        errno = what;
        return -1;
    }
    if (what == FAIL_HALF)
        len = len / 2 / 4096 * 4096 > 0 ? len / 2 / 4096 * 4096 : len / 2;
    trace_enter();
    done = real(fd, bytes, len, at);
    part.iov_len = done > 0 ? (size_t)done : 0;
    note_parts(fd, &part, 1, (uint64_t)at, done, false);
    trace_leave();
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    REAL(pwrite);
    return write_at(fd, bytes, len, at, real);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    REAL(pwrite64);
    return write_at(fd, bytes, len, at, real);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    struct iovec part = { (void *)(uintptr_t)bytes, 0 };
    off_t at;
    ssize_t done;

    REAL(write);
    if (!trace_is_ours(fd))
        return real(fd, bytes, len);
    if (trace_is_failing(fd, FAIL_WRITE))
        return -1;
    trace_enter();
    done = real(fd, bytes, len);
    at = lseek(fd, 0, SEEK_CUR) - done; /* where it began, wherever O_APPEND had put it */
    part.iov_len = done > 0 ? (size_t)done : 0;
    note_parts(fd, &part, 1, (uint64_t)at, done, false);
    trace_leave();
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    off_t at;
    ssize_t done;

    REAL(writev);
    if (!trace_is_ours(fd))
        return real(fd, parts, count);
    if (trace_is_failing(fd, FAIL_WRITE))
        return -1;
    trace_enter();
    done = real(fd, parts, count);
    at = lseek(fd, 0, SEEK_CUR) - done;
    note_parts(fd, parts, count, (uint64_t)at, done, false);
    trace_leave();
    return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    ssize_t done;

    REAL(pwritev);
    if (trace_is_failing(fd, FAIL_WRITE))
        return -1;
    trace_enter();
    done = real(fd, parts, count, at);
    note_parts(fd, parts, count, (uint64_t)at, done, false);
    trace_leave();
    return done;
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    ssize_t done;

    REAL(pwritev2);
    if (trace_is_failing(fd, FAIL_WRITE))
        return -1;
    trace_enter();
    done = real(fd, parts, count, at, flags);
    note_parts(fd, parts, count, (uint64_t)at, done, (flags & (RWF_DSYNC | RWF_SYNC)) != 0);
    trace_leave();
    return done;
}

int ftruncate(int fd, off_t len)
{
    int failed;

    REAL(ftruncate);
    if (trace_is_failing(fd, FAIL_ALLOCATE))
        return -1;
    trace_enter();
    failed = real(fd, len);
    if (failed == 0)
        trace_note_file(fd, TRACE_SIZE, (uint64_t)len, 0);
    trace_leave();
    return failed;
}

static void note_allocated(int fd, int mode, off_t at, off_t len)
{
    bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;

    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0)
        trace_note_unsupported(fd, "fallocate");
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0)
        trace_note_file(fd, TRACE_ZERO, (uint64_t)at, (uint64_t)len);
    if (!keeps_size)
        trace_note_file(fd, TRACE_ALLOCATE, (uint64_t)at, (uint64_t)len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    int failed;

    REAL(fallocate);
    if (trace_is_failing(fd, FAIL_ALLOCATE))
        return -1;
    trace_enter();
    failed = real(fd, mode, at, len);
    if (failed == 0)
        note_allocated(fd, mode, at, len);
    trace_leave();
    return failed;
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    int error;

    REAL(posix_fallocate);
    if (trace_is_failing(fd, FAIL_ALLOCATE))
        return errno;
    trace_enter();
    error = real(fd, at, len);
    if (error == 0)
        note_allocated(fd, 0, at, len);
    trace_leave();
    return error;
}

/* ---- syncs ---- */

static void note_sync(int fd, enum trace_kind kind, uint64_t covers)
{
    struct trace_op op = { .kind = (uint16_t)kind, .covers = covers };
    char name[TRACE_NAME_MAX];
    struct stat stat;
    int error = errno;

    trace_lock();
    if (trace_file_of(fd, &op.inode)) {
        trace_note(&op, NULL, NULL, NULL);
    } else if (trace_is_on && kind == TRACE_SYNC && fstat(fd, &stat) == 0 &&
               S_ISDIR(stat.st_mode) && trace_name_of_fd(fd, name)) {
        op.kind = TRACE_SYNC_DIRECTORY;
        trace_note(&op, name, NULL, NULL);
    }
    trace_unlock();
    errno = error;
}

static int sync_by(int fd, int (*real)(int))
{
    uint64_t covers = trace_ops();
    int failed;

    if (trace_is_failing(fd, FAIL_SYNC)) {
        note_sync(fd, TRACE_SYNC_FAILED, covers);
        return -1;
    }
    failed = real(fd);
    note_sync(fd, failed == 0 ? TRACE_SYNC : TRACE_SYNC_FAILED, covers);
    return failed;
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return sync_by(fd, real);
}

int fsync(int fd)
{
    REAL(fsync);
    return sync_by(fd, real);
}

static void note_sync_all(uint64_t covers)
{
    struct trace_op op = { .kind = TRACE_SYNC_ALL, .covers = covers };

    trace_lock();
    if (trace_is_on)
        trace_note(&op, NULL, NULL, NULL);
    trace_unlock();
}

int syncfs(int fd)
{
    uint64_t covers = trace_ops();
    int failed;

    REAL(syncfs);
    failed = real(fd);
    if (failed == 0)
        note_sync_all(covers);
    return failed;
}

void sync(void)
{
    uint64_t covers = trace_ops();

    REAL(sync);
    real();
    note_sync_all(covers);
}

/* ---- what would pass by unseen ---- */

static void *map_by(void *at, size_t len, int protection, int flags, int fd, off_t offset,
                    void *(*real)(void *, size_t, int, int, int, off_t))
{
    bool is_file = (flags & MAP_ANONYMOUS) == 0 && fd >= 0;

    if (is_file && trace_is_failing(fd, FAIL_MAP))
        return MAP_FAILED;
    if (is_file && (flags & MAP_TYPE) != MAP_PRIVATE && (protection & PROT_WRITE) != 0)
        trace_note_file(fd, TRACE_MAPPED, 0, 0);
    return real(at, len, protection, flags, fd, offset);
}

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap);
    return map_by(at, len, protection, flags, fd, offset, real);
}

void *mmap64(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap64);
    return map_by(at, len, protection, flags, fd, offset, real);
}

ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags)
{
    REAL(copy_file_range);
    trace_note_unsupported(out, "copy_file_range");
    return real(in, in_at, out, out_at, len, flags);
}

ssize_t sendfile(int out, int in, off_t *at, size_t count)
{
    REAL(sendfile);
    trace_note_unsupported(out, "sendfile");
    return real(out, in, at, count);
}

static ssize_t read_at(int fd, void *to, size_t len, off_t at,
                       ssize_t (*real)(int, void *, size_t, off_t))
{
    return trace_is_failing(fd, FAIL_READ) ? -1 : real(fd, to, len, at);
}

ssize_t pread(int fd, void *to, size_t len, off_t at)
{
    REAL(pread);
    return read_at(fd, to, len, at, real);
}

ssize_t pread64(int fd, void *to, size_t len, off_t at)
{
    REAL(pread64);
    return read_at(fd, to, len, at, real);
}
