/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts the power of a store, in a model, and looks at what is left.
 *
 *   store_power [images [seed]]
 *
 * This program stands between the store (and LMDB) and the C library: every write, sync, rename and
 * removal in the store's directory is noted in order, and every promise that the store gives for
 * the device. An image is what the disk may hold after a cut at any point of that trace: of each
 * file all that was written before its last sync, of later writes nothing, all, or a random part of
 * their blocks, torn at 512 bytes at times; directory changes in order, all up to the last sync of
 * a directory and a random part of those after it. The store must open on each image and keep every
 * promise. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "tests/crash/store_load.h"

#define IMAGES      120
#define SUBMITS     250
#define FILES_MAX   1024
#define PENDING_MAX 65536
#define BLOCK       ((size_t)4096)
#define SECTOR      ((size_t)512)
#define NAME_ROOM   64

enum op_kind { OP_WRITE, OP_CUT, OP_SYNC, OP_NAME, OP_REMOVE, OP_SYNC_DIRECTORY, OP_PROMISE };

struct op {
    enum op_kind kind;
    unsigned file;
    uint64_t at;
    size_t len;
    uint8_t *bytes; /* owned */
    bool is_direct; /* written through a descriptor that syncs */
    char name[NAME_ROOM];
    struct promise promise;
};

static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_tracing;
static char traced[200];
static struct op *ops;
static size_t op_count, op_room;
static struct known {
    ino_t inode; /* 0: removed */
} files[FILES_MAX];
static unsigned file_count;
static struct promise pending[PENDING_MAX];
static size_t pending_count;

/* ---- the trace ---- */

static struct op *op_new(enum op_kind kind, unsigned file)
{
    if (op_count == op_room) {
        op_room = op_room == 0 ? 4096 : op_room * 2;
        ops = mem_resize(ops, op_room * sizeof(*ops));
    }
    ops[op_count] = (struct op){ .kind = kind, .file = file };
    return &ops[op_count++];
}

/* The path of a descriptor below the traced directory; false when it lies elsewhere. */
static bool relative(int fd, char name[NAME_ROOM])
{
    char link[40], path[256];
    ssize_t len;
    size_t prefix = strlen(traced);

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    if (len < 0)
        return false;
    path[len] = '\0';
    if (strncmp(path, traced, prefix) != 0 || strlen(path + prefix) >= NAME_ROOM)
        return false;
    memcpy(name, path + prefix, strlen(path + prefix) + 1);
    return true;
}

static bool is_segment_like(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".mdb") == 0;
}

/* The number of the file behind `fd`, noted as new when it is; false when it is not traced. */
static bool file_of(int fd, unsigned *ret)
{
    struct stat stat;
    char name[NAME_ROOM];
    struct op *op;

    if (!is_tracing || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || !relative(fd, name) ||
        !is_segment_like(name))
        return false;
    for (unsigned i = 0; i < file_count; i++) {
        if (files[i].inode == stat.st_ino) {
            *ret = i;
            return true;
        }
    }
    ASSERT(file_count < FILES_MAX);
    files[file_count].inode = stat.st_ino;
    op = op_new(OP_NAME, file_count);
    memcpy(op->name, name, sizeof(name));
    *ret = file_count++;
    return true;
}

static void note_write(int fd, const void *bytes, size_t len, uint64_t at)
{
    unsigned file;
    struct op *op;

    if (!file_of(fd, &file))
        return;
    op = op_new(OP_WRITE, file);
    op->at = at;
    op->len = len;
    op->bytes = mem_get(len);
    memcpy(op->bytes, bytes, len);
    op->is_direct = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
}

/* ---- what the store and LMDB call instead of the C library ---- */

#define NEXT(name)                             \
    static __typeof__(&name) real;             \
    if (real == NULL) {                        \
        void *found = dlsym(RTLD_NEXT, #name); \
        memcpy(&real, &found, sizeof(real));   \
    }                                          \
    (void)pthread_mutex_lock(&trace_lock)

#define DONE(value)                              \
    do {                                         \
        int error = errno;                       \
        (void)pthread_mutex_unlock(&trace_lock); \
        errno = error;                           \
        return value;                            \
    } while (0)

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t done;

    NEXT(pwrite);
    done = real(fd, bytes, len, at);
    if (done > 0)
        note_write(fd, bytes, (size_t)done, (uint64_t)at);
    DONE(done);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done;

    NEXT(writev);
    done = real(fd, parts, count);
    for (ssize_t i = 0, left = done; i < count && left > 0; i++) {
        size_t len = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;

        note_write(fd, parts[i].iov_base, len, (uint64_t)at);
        at += (off_t)len;
        left -= (ssize_t)len;
    }
    DONE(done);
}

int ftruncate(int fd, off_t len)
{
    unsigned file;
    int failed;

    NEXT(ftruncate);
    failed = real(fd, len);
    if (failed == 0 && file_of(fd, &file))
        op_new(OP_CUT, file)->at = (uint64_t)len;
    DONE(failed);
}

int fdatasync(int fd)
{
    unsigned file;
    int failed;

    NEXT(fdatasync);
    failed = real(fd);
    if (failed == 0 && file_of(fd, &file))
        (void)op_new(OP_SYNC, file);
    DONE(failed);
}

int fsync(int fd)
{
    char name[NAME_ROOM];
    unsigned file;
    int failed;

    NEXT(fsync);
    failed = real(fd);
    if (failed == 0 && file_of(fd, &file))
        (void)op_new(OP_SYNC, file);
    else if (failed == 0 && is_tracing && relative(fd, name))
        (void)op_new(OP_SYNC_DIRECTORY, 0);
    DONE(failed);
}

/* The traced file of that name in a directory; false when there is none. */
static bool file_at(int directory, const char *name, unsigned *ret)
{
    struct stat stat;

    if (!is_tracing || fstatat(directory, name, &stat, 0) != 0)
        return false;
    for (unsigned i = 0; i < file_count; i++) {
        if (files[i].inode == stat.st_ino) {
            *ret = i;
            return true;
        }
    }
    return false;
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    char folder[NAME_ROOM];
    unsigned file;
    bool is_known;
    int failed;

    NEXT(renameat);
    is_known = file_at(from_directory, from, &file);
    failed = real(from_directory, from, to_directory, to);
    if (failed == 0 && is_known && relative(to_directory, folder)) {
        struct op *op = op_new(OP_NAME, file);

        if (snprintf(op->name, NAME_ROOM, "%s/%s", folder, to) >= NAME_ROOM)
            abort();
    }
    DONE(failed);
}

int unlinkat(int directory, const char *name, int flags)
{
    unsigned file;
    bool is_known;
    int failed;

    NEXT(unlinkat);
    is_known = file_at(directory, name, &file);
    failed = real(directory, name, flags);
    if (failed == 0 && is_known) {
        (void)op_new(OP_REMOVE, file);
        files[file].inode = 0;
    }
    DONE(failed);
}

/* ---- recording ---- */

static void on_promise(const struct promise *promise)
{
    ASSERT(pending_count < PENDING_MAX);
    pending[pending_count++] = *promise;
}

/* What asked for the device is promised, and with it all that was committed before. */
static void on_durable(void *arg, uint64_t ticket)
{
    size_t synced = 0;

    (void)arg;
    for (size_t i = 0; i < pending_count && pending[i].ticket <= ticket; i++) {
        if (pending[i].is_synced)
            synced = i + 1;
    }
    (void)pthread_mutex_lock(&trace_lock);
    for (size_t i = 0; i < synced; i++)
        op_new(OP_PROMISE, 0)->promise = pending[i];
    (void)pthread_mutex_unlock(&trace_lock);
    memmove(pending, pending + synced, (pending_count - synced) * sizeof(pending[0]));
    pending_count -= synced;
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    fail(rc_word(rc), 0, 0, 0);
}

static void on_wake(void *arg)
{
    (void)arg;
}

static void record(const char *directory)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };

    (void)snprintf(traced, sizeof(traced), "%s/", directory);
    is_tracing = true;
    for (unsigned life = 0; life < 2; life++) {
        if (load_open(directory) != RC_OK)
            fail("open", 0, 0, 0);
        store_set_events(store, &events);
        load_begin();
        for (unsigned i = 0; i < SUBMITS; i++) {
            load_put(on_promise);
            load_read();
            store_poll(store);
            while (store_backlog_bytes(store) > ((uint64_t)1 << 18))
                store_poll(store);
        }
        load_read_end();
        store_close(&store);
    }
    is_tracing = false;
}

/* ---- images ---- */

struct image_file {
    uint8_t *bytes; /* owned */
    size_t len;
    char name[NAME_ROOM]; /* empty: it has none */
    size_t synced;        /* ops before this one are on the disk */
};

static struct image_file image[FILES_MAX];

static void put_bytes(struct image_file *file, uint64_t at, const uint8_t *bytes, size_t len)
{
    size_t end = (size_t)at + len;

    if (end > file->len) {
        file->bytes = mem_resize(file->bytes, end);
        memset(file->bytes + file->len, 0, end - file->len);
        file->len = end;
    }
    memcpy(file->bytes + at, bytes, len);
}

/* A write that was not synced: some of its blocks may be there. */
static void put_some(struct image_file *file, const struct op *op, unsigned percent)
{
    size_t unit = random_below(4) == 0 ? SECTOR : BLOCK;

    for (size_t done = 0, step; done < op->len; done += step) {
        step = unit - (size_t)((op->at + done) % unit);
        if (step > op->len - done)
            step = op->len - done;
        if (random_below(100) < percent)
            put_bytes(file, op->at + done, op->bytes + done, step);
    }
}

static void apply(const struct op *op, size_t i, unsigned percent, size_t names_until)
{
    struct image_file *file = &image[op->file];
    bool is_sure = i < file->synced || op->is_direct;

    switch (op->kind) {
    case OP_WRITE:
        put_some(file, op, is_sure ? 100 : percent);
        break;
    case OP_CUT:
        if ((is_sure || random_below(100) < percent) && op->at < file->len)
            file->len = (size_t)op->at;
        break;
    case OP_NAME:
        if (i < names_until)
            memcpy(file->name, op->name, NAME_ROOM);
        break;
    case OP_REMOVE:
        if (i < names_until)
            file->name[0] = '\0';
        break;
    case OP_PROMISE:
        promise_take(&op->promise);
        break;
    case OP_SYNC:
    case OP_SYNC_DIRECTORY:
        break;
    }
}

static void image_write(const char *directory)
{
    char path[300];

    for (unsigned i = 0; i < file_count; i++) {
        FILE *file;

        if (image[i].name[0] == '\0')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", directory, image[i].name);
        file = fopen(path, "w");
        if (file == NULL || fwrite(image[i].bytes, 1, image[i].len, file) != image[i].len ||
            fclose(file) != 0)
            fail("image", i, 0, 0);
    }
}

/* The disk as it may be when the power goes before op `cut`. */
static void image_make(const char *directory, size_t cut)
{
    static const unsigned percents[] = { 0, 100, 50, 90, 10 };
    unsigned percent = percents[random_below(5)];
    size_t names_until = 0;

    for (unsigned i = 0; i < file_count; i++) {
        mem_free(image[i].bytes);
        image[i] = (struct image_file){ 0 };
    }
    memset(promised, 0, sizeof(promised));
    for (size_t i = 0; i < cut; i++) {
        if (ops[i].kind == OP_SYNC)
            image[ops[i].file].synced = i;
        else if (ops[i].kind == OP_SYNC_DIRECTORY)
            names_until = i;
    }
    names_until += (size_t)random_below(cut - names_until + 1);
    for (size_t i = 0; i < cut; i++)
        apply(&ops[i], i, percent, names_until);
    image_write(directory);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

static void directory_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fail("cannot remove the directory", 0, 0, 0);
}

static void directory_make(char *path, size_t room, bool has_folders)
{
    const char *top = getenv("TMPDIR");
    char folder[300];

    if (top == NULL)
        top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(path, room, "%s/store-power-XXXXXX", top);
    if (mkdtemp(path) == NULL)
        fail("mkdtemp", 0, 0, 0);
    (void)snprintf(folder, sizeof(folder), "%s/seg", path);
    if (has_folders && mkdir(folder, 0700) != 0)
        fail("mkdir", 0, 0, 0);
    (void)snprintf(folder, sizeof(folder), "%s/spare", path);
    if (has_folders && mkdir(folder, 0700) != 0)
        fail("mkdir", 0, 0, 0);
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    uint64_t value = otherwise;

    if (i < argc && number_u64(slice_str(argv[i]), 0, UINT64_MAX, &value) != RC_OK)
        fail("usage: store_power [images [seed]]", 0, 0, 0);
    return value;
}

int main(int argc, char **argv)
{
    uint64_t images = argument(argc, argv, 1, IMAGES);
    uint64_t seed = argument(argc, argv, 2, (uint64_t)getpid() * 2654435761 + (uint64_t)time(NULL));
    uint64_t promises = 0, syncs = 0;
    char path[128];

    random_seed(seed);
    log_set_threshold(LOG_ERROR);
    directory_make(path, sizeof(path), false);
    record(path);
    directory_remove(path);
    for (size_t i = 0; i < op_count; i++) {
        promises += ops[i].kind == OP_PROMISE;
        syncs += ops[i].kind == OP_SYNC;
    }
    (void)printf("store_power: images=%llu seed=%llu ops=%zu syncs=%llu promises=%llu files=%u\n",
                 (unsigned long long)images, (unsigned long long)seed, op_count,
                 (unsigned long long)syncs, (unsigned long long)promises, file_count);
    (void)fflush(stdout);
    if (promises == 0 || syncs == 0)
        fail("nothing was traced", 0, 0, 1);
    for (uint64_t i = 0; i < images; i++) {
        directory_make(path, sizeof(path), true);
        image_make(path, (size_t)random_below(op_count + 1));
        load_check(path);
        directory_remove(path);
    }
    (void)printf("store_power: records=%llu\n", (unsigned long long)records_seen);
    return EXIT_SUCCESS;
}
