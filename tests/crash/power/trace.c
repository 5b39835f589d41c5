/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/crash/power/trace_int.h"

#define INODES_MAX 8192

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t under_way = PTHREAD_RWLOCK_INITIALIZER;
bool trace_is_on;
static char root[TRACE_NAME_MAX]; /* ends with a slash */
static int trace_fd = -1;
static uint64_t op_count;
static struct known {
    dev_t device;
    ino_t inode;
    uint32_t number;
} known[INODES_MAX];
static unsigned known_count;
static uint32_t next_number;

/* ---- the trace ---- */

_Noreturn void trace_die(const char *what)
{
    (void)!write(STDERR_FILENO, what, strlen(what));
    (void)!write(STDERR_FILENO, "\n", 1);
    abort();
}

void trace_note(struct trace_op *op, const char *name, const char *to, const void *bytes)
{
    size_t bytes_len = bytes == NULL ? 0 : (size_t)op->len, total;
    struct iovec parts[4];
    ssize_t done;

    op->name_len = name == NULL ? 0 : (uint16_t)(strlen(name) + 1);
    op->to_len = to == NULL ? 0 : (uint16_t)(strlen(to) + 1);
    parts[0] = (struct iovec){ op, sizeof(*op) };
    parts[1] = (struct iovec){ (void *)(uintptr_t)name, op->name_len };
    parts[2] = (struct iovec){ (void *)(uintptr_t)to, op->to_len };
    parts[3] = (struct iovec){ (void *)(uintptr_t)bytes, bytes_len };
    total = sizeof(*op) + op->name_len + op->to_len + bytes_len;
    done = syscall(SYS_writev, trace_fd, parts, 4);
    if (done != (ssize_t)total)
        trace_die("power: cannot write the trace");
    op_count++;
}

void trace_enter(void)
{
    (void)pthread_rwlock_rdlock(&under_way);
}

void trace_leave(void)
{
    int error = errno;

    (void)pthread_rwlock_unlock(&under_way);
    errno = error;
}

void trace_stop(void)
{
    (void)pthread_rwlock_wrlock(&under_way);
    (void)pthread_mutex_lock(&lock);
}

void trace_lock(void)
{
    (void)pthread_mutex_lock(&lock);
}

void trace_unlock(void)
{
    int error = errno;

    (void)pthread_mutex_unlock(&lock);
    errno = error;
}

/* Where `path` lies below the root; false when it lies elsewhere. The root itself is "". */
static bool below(const char *path, char ret[TRACE_NAME_MAX])
{
    size_t prefix = strlen(root), len = strlen(path);

    if (len + 1 == prefix && strncmp(path, root, len) == 0) {
        ret[0] = '\0';
        return true;
    }
    if (len < prefix || strncmp(path, root, prefix) != 0 || len - prefix >= TRACE_NAME_MAX)
        return false;
    memcpy(ret, path + prefix, len - prefix + 1);
    return true;
}

bool trace_name_of_fd(int fd, char ret[TRACE_NAME_MAX])
{
    char link[40], path[PATH_MAX];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    if (len < 0)
        return false;
    path[len] = '\0';
    if (len > 10 && strcmp(path + len - 10, " (deleted)") == 0)
        return false;
    return below(path, ret);
}

bool trace_name_at(int directory, const char *path, char ret[TRACE_NAME_MAX])
{
    char whole[2 * PATH_MAX], folder[PATH_MAX], link[40];
    ssize_t len;

    if (path[0] == '/')
        return below(path, ret);
    if (directory == AT_FDCWD) {
        if (getcwd(folder, sizeof(folder)) == NULL)
            return false;
    } else {
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", directory);
        len = readlink(link, folder, sizeof(folder) - 1);
        if (len < 0)
            return false;
        folder[len] = '\0';
    }
    if (snprintf(whole, sizeof(whole), "%s/%s", folder, path) >= (int)sizeof(whole))
        return false;
    return below(whole, ret);
}

/* ---- files ---- */

static struct known *known_find(const struct stat *stat)
{
    for (unsigned i = 0; i < known_count; i++) {
        if (known[i].inode == stat->st_ino && known[i].device == stat->st_dev)
            return &known[i];
    }
    return NULL;
}

uint32_t trace_number_of(const struct stat *stat, const char *name, enum trace_kind kind)
{
    struct known *found = known_find(stat);
    struct trace_op op = { .kind = (uint16_t)kind };

    if (found != NULL)
        return found->number;
    if (known_count == INODES_MAX)
        trace_die("power: too many files");
    found = &known[known_count++];
    *found = (struct known){ stat->st_dev, stat->st_ino, next_number++ };
    op.inode = found->number;
    trace_note(&op, name, NULL, NULL);
    return found->number;
}

void trace_forget(const struct stat *stat)
{
    struct known *found = known_find(stat);

    if (stat->st_nlink <= 1 && found != NULL)
        *found = known[--known_count];
}

bool trace_is_ours(int fd)
{
    struct stat stat;
    char name[TRACE_NAME_MAX];

    return trace_is_on && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
           trace_name_of_fd(fd, name);
}

bool trace_file_of(int fd, uint32_t *ret)
{
    struct stat stat;
    char name[TRACE_NAME_MAX];

    if (!trace_is_on || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) ||
        !trace_name_of_fd(fd, name))
        return false;
    *ret = trace_number_of(&stat, name, TRACE_FOUND);
    return true;
}

void trace_note_file(int fd, enum trace_kind kind, uint64_t at, uint64_t len)
{
    struct trace_op op = { .kind = (uint16_t)kind, .at = at, .len = len };
    int error = errno;

    trace_lock();
    if (trace_file_of(fd, &op.inode))
        trace_note(&op, NULL, NULL, NULL);
    trace_unlock();
    errno = error;
}

void trace_note_unsupported(int fd, const char *what)
{
    struct trace_op op = { .kind = TRACE_UNSUPPORTED };

    trace_lock();
    if (trace_file_of(fd, &op.inode))
        trace_note(&op, what, NULL, NULL);
    trace_unlock();
}

uint64_t trace_ops(void)
{
    uint64_t now;

    trace_lock();
    now = op_count;
    trace_unlock();
    return now;
}

/* ---- beginning and end ---- */

void trace_begin(const char *folder, const char *trace)
{
    if (snprintf(root, sizeof(root), "%s/", folder) >= (int)sizeof(root))
        trace_die("power: the root's name is too long");
    trace_fd = open(trace, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (trace_fd < 0)
        trace_die("power: cannot make the trace");
    known_count = 0;
    next_number = 0;
    op_count = 0;
    trace_is_on = true;
}

void trace_end(void)
{
    trace_is_on = false;
    (void)close(trace_fd);
}

void trace_mark(const void *bytes, size_t len)
{
    struct trace_op op = { .kind = TRACE_MARK, .len = len };

    trace_lock();
    trace_note(&op, NULL, NULL, bytes);
    trace_unlock();
}

static void fail_begin_from(const char *text)
{
    unsigned classes, n, act;
    int error;

    if (sscanf(text, "%u:%u:%d:%u", &classes, &n, &error, &act) != 4 || act > FAIL_KILL)
        trace_die("power: TERCET_POWER_FAIL is classes:n:errno:act");
    fail_begin(classes, n, error, (enum fail_act)act);
}

__attribute__((constructor)) static void begin_from_environment(void)
{
    const char *folder = getenv("TERCET_POWER_ROOT"), *trace = getenv("TERCET_POWER_TRACE");
    const char *failure = getenv("TERCET_POWER_FAIL");

    if (folder != NULL && trace != NULL)
        trace_begin(folder, trace);
    if (failure != NULL)
        fail_begin_from(failure);
}

/* ---- for the hooks ---- */

void *trace_next(void **at, const char *name)
{
    void *found = __atomic_load_n(at, __ATOMIC_ACQUIRE);

    if (found == NULL) {
        found = dlsym(RTLD_NEXT, name);
        if (found == NULL)
            trace_die(name);
        __atomic_store_n(at, found, __ATOMIC_RELEASE);
    }
    return found;
}

bool trace_is_failing(int fd, enum fail_class class)
{
    int what = trace_is_ours(fd) ? fail_at(class) : 0;

    if (what <= 0)
        return false;
    errno = what;
    return true;
}
