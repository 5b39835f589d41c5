/* SPDX-License-Identifier: Apache-2.0 */
/* What is called instead of the C library: names. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/crash/power/trace_int.h"

static bool is_failing_name(enum fail_class class)
{
    int what = fail_at(class);

    if (what == 0)
        return false;
    errno = what;
    return true;
}

/* ---- open ---- */

static void note_opened(int fd, const char *name, bool is_new, bool is_cut)
{
    struct trace_op op = { .kind = TRACE_SIZE };
    struct stat stat;

    if (fd < 0 || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return;
    op.inode = trace_number_of(&stat, name, is_new ? TRACE_CREATE : TRACE_FOUND);
    if (!is_new && is_cut)
        trace_note(&op, NULL, NULL, NULL);
}

static int open_by(int directory, const char *path, int flags, mode_t mode)
{
    char name[TRACE_NAME_MAX];
    struct stat stat;
    bool is_new;
    int fd, error;

    REAL(openat);
    if (!trace_is_on || !trace_name_at(directory, path, name))
        return real(directory, path, flags, mode);
    is_new = (flags & O_CREAT) != 0 && fstatat(directory, path, &stat, 0) != 0;
    if (is_failing_name(is_new ? FAIL_NAME : FAIL_OPEN))
        return -1;
    trace_lock();
    fd = real(directory, path, flags, mode);
    error = errno;
    note_opened(fd, name, is_new, (flags & O_TRUNC) != 0);
    errno = error;
    trace_unlock();
    return fd;
}

#define MODE_OF(flags)                                               \
    mode_t mode = 0;                                                 \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                    \
        va_list arguments;                                           \
        va_start(arguments, flags);                                  \
        mode = (mode_t)va_arg(arguments, int); /* as it is passed */ \
        va_end(arguments);                                           \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_by(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_by(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_by(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_by(directory, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_by(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* ---- rename, link, unlink ---- */

/* The number of the file of that name, which was there before; false: it is no file. */
static bool number_at(int directory, const char *path, const char *name, uint32_t *ret,
                      struct stat *stat)
{
    if (fstatat(directory, path, stat, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(stat->st_mode))
        return false;
    *ret = trace_number_of(stat, name, TRACE_FOUND);
    return true;
}

static int rename_by(int from_directory, const char *from, int to_directory, const char *to,
                     unsigned flags)
{
    char name[TRACE_NAME_MAX], to_name[TRACE_NAME_MAX];
    struct trace_op op = { .kind = TRACE_RENAME };
    struct stat stat, old;
    uint32_t number;
    bool has_old;
    int failed;

    REAL(renameat2);
    if (!trace_is_on || !trace_name_at(from_directory, from, name) ||
        !trace_name_at(to_directory, to, to_name))
        return real(from_directory, from, to_directory, to, flags);
    if (is_failing_name(FAIL_NAME))
        return -1;
    trace_lock();
    if (!number_at(from_directory, from, name, &op.inode, &stat) || (flags & RENAME_EXCHANGE) != 0)
        op.kind = TRACE_UNSUPPORTED;
    has_old = number_at(to_directory, to, to_name, &number, &old);
    failed = real(from_directory, from, to_directory, to, flags);
    if (failed == 0) {
        trace_note(&op, name, to_name, NULL);
        if (has_old)
            trace_forget(&old);
    }
    trace_unlock();
    return failed;
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to,
              unsigned flags)
{
    return rename_by(from_directory, from, to_directory, to, flags);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    return rename_by(from_directory, from, to_directory, to, 0);
}

int rename(const char *from, const char *to)
{
    return rename_by(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    char name[TRACE_NAME_MAX], to_name[TRACE_NAME_MAX];
    struct trace_op op = { .kind = TRACE_LINK };
    struct stat stat;
    int failed;

    REAL(linkat);
    if (!trace_is_on || !trace_name_at(to_directory, to, to_name))
        return real(from_directory, from, to_directory, to, flags);
    if (is_failing_name(FAIL_NAME))
        return -1;
    trace_lock();
    if (!trace_name_at(from_directory, from, name) ||
        !number_at(from_directory, from, name, &op.inode, &stat))
        op.kind = TRACE_UNSUPPORTED;
    failed = real(from_directory, from, to_directory, to, flags);
    if (failed == 0)
        trace_note(&op, to_name, NULL, NULL);
    trace_unlock();
    return failed;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int directory, const char *path, int flags)
{
    char name[TRACE_NAME_MAX];
    struct trace_op op = { .kind = TRACE_UNLINK };
    struct stat stat;
    bool is_file;
    int failed;

    REAL(unlinkat);
    if (!trace_is_on || !trace_name_at(directory, path, name))
        return real(directory, path, flags);
    if (is_failing_name(FAIL_NAME))
        return -1;
    trace_lock();
    is_file = number_at(directory, path, name, &op.inode, &stat);
    if (!is_file)
        op.kind = TRACE_RMDIR;
    failed = real(directory, path, flags);
    if (failed == 0) {
        trace_note(&op, name, NULL, NULL);
        if (is_file)
            trace_forget(&stat);
    }
    trace_unlock();
    return failed;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdirat(int directory, const char *path, mode_t mode)
{
    char name[TRACE_NAME_MAX];
    struct trace_op op = { .kind = TRACE_MKDIR };
    int failed;

    REAL(mkdirat);
    if (!trace_is_on || !trace_name_at(directory, path, name))
        return real(directory, path, mode);
    if (is_failing_name(FAIL_NAME))
        return -1;
    trace_lock();
    failed = real(directory, path, mode);
    if (failed == 0)
        trace_note(&op, name, NULL, NULL);
    trace_unlock();
    return failed;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}
