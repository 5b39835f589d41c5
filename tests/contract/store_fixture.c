/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/contract/store_fixture.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MAX_S 20
#define COPY_ROOM  ((size_t)1 << 16)

struct store *store;
struct store_config store_config;
char directory[96];
uint64_t durable;
enum rc stalled;
unsigned stall_reports;
unsigned wakes;
static sem_t woken;

/* Tests that copy stores make many; all are removed at the end. */
#define DIRECTORIES_MAX 256
static char made[DIRECTORIES_MAX][96];
static unsigned made_count;

static void on_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    ck_assert_uint_gt(ticket, durable);
    durable = ticket;
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    stalled = rc;
    stall_reports++;
}

static void on_wake(void *arg)
{
    (void)arg;
    (void)__atomic_add_fetch(&wakes, 1, __ATOMIC_SEQ_CST);
    (void)sem_post(&woken);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

void directory_make(void)
{
    const char *top = getenv("TMPDIR");

    if (top == NULL) /* memory when there is some: thousands of syncs */
        top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    ck_assert_uint_lt(made_count, DIRECTORIES_MAX);
    (void)snprintf(directory, sizeof(directory), "%s/store-XXXXXX", top);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    memcpy(made[made_count++], directory, sizeof(directory));
}

void be_unheard(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

    ck_assert_int_ge(nowhere, 0);
    for (int fd = STDERR_FILENO + 1; fd < 256; fd++) {
        if (fd != nowhere && fcntl(fd, F_GETFD) >= 0)
            (void)dup2(nowhere, fd);
    }
}

void store_fixture_setup(void)
{
    ck_assert_int_eq(sem_init(&woken, 0, 0), 0); /* once: more than one store may post */
    directory_make();
    store_config = (struct store_config)STORE_CONFIG_DEFAULT;
    store_config.segment_first_bytes = store_config.segment_max_bytes = (uint64_t)1 << 20;
    store_config.is_prewritten = false;
}

void store_fixture_teardown(void)
{
    while (made_count > 0)
        ck_assert_int_eq(nftw(made[--made_count], remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void store_start(store_open_fn *open)
{
    const struct store_events events = { .on_durable = on_durable,
                                         .on_stall = on_stall,
                                         .wake = on_wake };

    durable = 0;
    __atomic_store_n(&wakes, 0, __ATOMIC_SEQ_CST);
    stalled = RC_OK;
    stall_reports = 0;
    store_config.directory = directory;
    ck_assert_int_eq(open(&store_config, &store), RC_OK);
    store_set_events(store, &events);
}

void store_wait(void)
{
    struct timespec deadline;

    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_MAX_S;
    ck_assert_int_eq(sem_timedwait(&woken, &deadline), 0);
    store_poll(store);
}

/* The bytes of an append are its offset and a pattern, so that every read can be checked. */
uint8_t pattern(uint32_t log, uint64_t offset, size_t i)
{
    return (uint8_t)(log * 31 + offset * 7 + i);
}

uint64_t put_at(uint32_t log, uint64_t offset, uint32_t count, size_t len, int64_t time_ms)
{
    struct append append = { log, offset, count, time_ms, DURABILITY_ALWAYS, block_try(len) };

    for (size_t i = 0; i < len; i++)
        append.bytes->at[i] = pattern(log, offset, i);
    return log_append(store, &append);
}

void flush(void)
{
    ck_assert_int_eq(store_flush(store), RC_OK);
}

/* One assertion for all bytes: Check writes each of them to its parent. */
static bool is_right(uint32_t log, uint64_t at, uint32_t count, size_t len, struct slice bytes)
{
    size_t i = 0;

    while (i < bytes.len && bytes.at[i] == pattern(log, at + i / len * count, i % len))
        i++;
    return i == bytes.len;
}

void ck_piece(uint32_t log, const struct log_piece *piece, size_t len)
{
    ck_assert_uint_eq(piece->bytes.len, len);
    ck_assert(is_right(log, piece->base_offset, 1, len, piece->bytes));
}

static void on_read(struct log_read *read, enum rc rc)
{
    struct reading *r = (struct reading *)read;

    r->rc = rc;
    r->done++;
}

void read_start(struct reading *r, uint32_t log, uint64_t offset, size_t max_bytes)
{
    *r = (struct reading){ .read = { .log = log, .offset = offset, .max_bytes = max_bytes } };
    r->read.on_done = on_read;
    log_read(store, &r->read);
    ck_assert_uint_eq(r->done, 0);
}

void read_wait(struct reading *r)
{
    while (r->done == 0)
        store_wait();
    ck_assert_uint_eq(r->done, 1);
    ck_assert(!r->read.is_under_way);
}

void ck_log(uint32_t log, uint64_t offset, uint64_t end, uint32_t count, size_t len)
{
    while (offset < end) {
        struct reading r;

        read_start(&r, log, offset, 10000);
        read_wait(&r);
        ck_assert_int_eq(r.rc, RC_OK);
        ck_assert_uint_gt(r.read.pieces.count, 0);
        ck_assert_uint_le(r.read.pieces.at[0].base_offset, offset);
        for (unsigned i = 0; i < r.read.pieces.count; i++) {
            const struct log_piece *piece = &r.read.pieces.at[i];
            uint64_t at = piece->base_offset;

            if (i > 0)
                ck_assert_uint_eq(at, offset);
            offset = piece->next_offset;
            ck_assert_uint_eq(piece->bytes.len, (offset - at) / count * len);
            ck_assert(is_right(log, at, count, len, piece->bytes));
        }
        log_pieces_done(&r.read.pieces);
    }
    ck_assert_uint_eq(offset, end);
}

void ck_range(uint32_t log, uint64_t start, uint64_t end)
{
    uint64_t has_start = 0, has_end = 0;

    ck_assert_int_eq(log_range(store, log, &has_start, &has_end), RC_OK);
    ck_assert_uint_eq(has_start, start);
    ck_assert_uint_eq(has_end, end);
}

struct seen {
    char text[4096];
};

static enum rc on_meta(void *arg, struct slice key, struct slice value)
{
    struct seen *seen = arg;
    size_t len = strlen(seen->text);

    (void)snprintf(seen->text + len, sizeof(seen->text) - len, "%.*s=%.*s ", SLICE_FMT(key),
                   (int)(value.len > 20 ? 20 : value.len), (const char *)value.at);
    return RC_OK;
}

void ck_meta(enum meta_table table, const char *wanted)
{
    struct seen seen = { "" };

    ck_assert_int_eq(meta_each(store, table, on_meta, &seen), RC_OK);
    ck_assert_str_eq(seen.text, wanted);
}

void put_meta(enum meta_table table, const char *key, const char *value)
{
    meta_put(store, table, slice_str(key), slice_str(value), DURABILITY_INTERVAL);
}

/* ---- files ---- */

static int by_name(const void *left, const void *right)
{
    return strcmp(left, right);
}

void list_files(const char *folder, struct file_list *ret)
{
    char path[400];
    DIR *dir;
    struct dirent *entry;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, folder);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    ret->count = 0;
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".seg") == NULL)
            continue;
        ck_assert_uint_lt(ret->count, FILES_MAX);
        (void)snprintf(ret->name[ret->count++], sizeof(ret->name[0]), "%s", entry->d_name);
    }
    (void)closedir(dir);
    qsort(ret->name, ret->count, sizeof(ret->name[0]), by_name);
}

/* False when there is no such file any more. */
static bool try_copy(const char *from_directory, const char *name)
{
    static uint8_t bytes[COPY_ROOM];
    char from[600], to[600];
    ssize_t len;
    off_t at = 0;
    int in, out;

    (void)snprintf(from, sizeof(from), "%s/%s", from_directory, name);
    (void)snprintf(to, sizeof(to), "%s/%s", directory, name);
    in = open(from, O_RDONLY);
    if (in < 0 && errno == ENOENT)
        return false;
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(in, 0);
    ck_assert_int_ge(out, 0);
    while ((len = pread(in, bytes, sizeof(bytes), at)) > 0) {
        ck_assert_int_eq(pwrite(out, bytes, (size_t)len, at), len);
        at += len;
    }
    (void)close(in);
    (void)close(out);
    return true;
}

void copy_file(const char *from_directory, const char *name)
{
    ck_assert_msg(try_copy(from_directory, name), "%s/%s is gone", from_directory, name);
}

static struct store *original_store;

/* False when the store's upkeep removed a file meanwhile: no instant of the store's life had what
 * was copied. */
static bool try_crash_copy(const char *original, const struct file_list *files)
{
    char path[400];

    directory_make();
    (void)snprintf(path, sizeof(path), "%s/seg", directory);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    copy_file(original, "catalog.mdb");
    for (unsigned i = 0; i < files->count; i++) {
        (void)snprintf(path, sizeof(path), "seg/%s", files->name[i]);
        if (!try_copy(original, path))
            return false;
    }
    return true;
}

/* Copies the open store's files to a new directory, which becomes the one under test. */
void crash_copy(void)
{
    struct file_list files;
    char original[96];
    bool is_whole;

    memcpy(original, directory, sizeof(original));
    original_store = store;
    do {
        memcpy(directory, original, sizeof(original));
        list_files("seg", &files);
        is_whole = try_crash_copy(original, &files);
        if (!is_whole) {
            ck_assert_int_eq(nftw(made[--made_count], remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
        }
    } while (!is_whole);
}

void close_original(void)
{
    store_close(&original_store);
}
