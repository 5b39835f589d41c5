/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a store that nobody has open. First come the segments that are not sealed, for
 * their trims and drops say what is still owed; then all, with what each should hold beside what it
 * does; last, log by log, what is owed beside what there is. */
#include "storage/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/hash.h"
#include "broker/base/manifest.h"
#include "broker/base/map.h"
#include "storage/lmdb/scan.h"
#include "storage/lmdb/verify_int.h"

/* ---- telling ---- */

void verify_problem(struct verification *v, const char *format, ...)
{
    struct text what = { 0 };
    va_list list;

    va_start(list, format);
    text_format_list(&what, format, list);
    va_end(list);
    text_add_byte(&what, '\0');
    v->totals.problems++;
    if (v->events->on_problem != NULL && !what.bad)
        v->events->on_problem(v->events->arg, (const char *)what.at);
    text_done(&what);
}

/* ---- logs ---- */

struct verify_log *verify_log_get(const struct verification *v, uint32_t number)
{
    struct map_node *node = map_get(&v->logs, slice_of(&number, sizeof(number)));

    return node == NULL ? NULL : CONTAINER_OF(node, struct verify_log, node);
}

void verify_log_put(struct verification *v, uint32_t number, uint64_t start)
{
    struct verify_log *log = verify_log_get(v, number);

    if (log == NULL) {
        log = mem_new(struct verify_log);
        log->number = number;
        map_add(&v->logs, slice_of(&log->number, sizeof(log->number)), &log->node);
    }
    log->start = start;
    if (log->end < start)
        log->end = start;
}

void verify_log_drop(struct verification *v, uint32_t number)
{
    struct verify_log *log = verify_log_get(v, number);

    if (log == NULL)
        return;
    map_remove(&v->logs, &log->node);
    mem_free(log);
}

static void logs_done(struct verification *v)
{
    struct map_node *node;

    while ((node = map_any(&v->logs)) != NULL) {
        map_remove(&v->logs, node);
        mem_free(CONTAINER_OF(node, struct verify_log, node));
    }
    map_done(&v->logs);
}

/* ---- the catalogue ---- */

struct table_walk {
    struct verification *v;
    enum meta_table table;
};

static enum rc on_value(void *arg, struct slice key, struct slice value)
{
    const struct table_walk *walk = arg;

    walk->v->totals.values++;
    if (walk->v->events->on_meta != NULL)
        walk->v->events->on_meta(walk->v->events->arg, walk->table, key, value);
    return RC_OK;
}

static enum rc on_log(void *arg, struct slice key, struct slice value)
{
    struct verification *v = arg;
    struct rd k = rd_of(key), r = rd_of(value);
    uint32_t number = rd_u32(&k);
    uint64_t start = rd_u64(&r);

    if (k.bad || r.bad || k.left > 0 || r.left > 0 || number == 0)
        return RC_CORRUPT;
    verify_log_put(v, number, start);
    return RC_OK;
}

static struct verify_file *verify_file_get(struct verification *v, uint32_t number)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->files[i].sealed.number == number)
            return &v->files[i];
    }
    v->files = mem_resize(v->files, (v->count + 1) * sizeof(*v->files));
    v->files[v->count] = (struct verify_file){ .sealed.number = number, .fd = -1 };
    return &v->files[v->count++];
}

static enum rc on_sealed(void *arg, const struct sealed *sealed)
{
    struct verify_file *file = verify_file_get(arg, sealed->number);

    file->sealed = *sealed;
    file->is_listed = true;
    ((struct verification *)arg)->has_copies |= sealed->is_copy;
    return RC_OK;
}

static enum rc on_compacted(void *arg, struct slice key, struct slice value)
{
    (void)arg;
    return key.len == 4 && value.len == 16 ? RC_OK : RC_CORRUPT;
}

static enum rc read_catalog(struct verification *v)
{
    enum rc rc = catalog_get_number(&v->catalog, "covered", &v->covered);

    if (rc == RC_NOT_FOUND)
        rc = RC_OK;
    for (unsigned i = 1; i <= META_TABLE_MAX; i++) {
        struct table_walk walk = { v, (enum meta_table)i };
        enum rc one = catalog_each(&v->catalog, (uint8_t)i, on_value, &walk);

        if (one != RC_OK)
            verify_problem(v, "table %u of the catalogue cannot be read: %s", i, rc_word(one));
    }
    if (rc == RC_OK)
        rc = catalog_each(&v->catalog, CATALOG_LOGS, on_log, v);
    if (rc == RC_OK)
        rc = catalog_each(&v->catalog, CATALOG_COMPACTED, on_compacted, v);
    if (rc == RC_OK)
        rc = catalog_each_sealed(&v->catalog, on_sealed, v);
    return rc;
}

/* ---- the manifest of a backup ---- */

static enum rc sum_of(int fd, uint64_t bytes, uint64_t *ret)
{
    uint8_t *at = mem_get(MANIFEST_PIECE_BYTES);
    uint64_t sum = 0;
    enum rc rc = RC_OK;

    for (uint64_t from = 0; from < bytes && rc == RC_OK;) {
        size_t len =
            bytes - from < MANIFEST_PIECE_BYTES ? (size_t)(bytes - from) : MANIFEST_PIECE_BYTES;

        rc = file_read(fd, at, len, from);
        sum = hash_checksum(slice_of(at, len), sum);
        from += len;
    }
    mem_free(at);
    *ret = sum;
    return rc;
}

static enum rc on_manifest_file(void *arg, const struct manifest_file *file)
{
    struct verification *v = arg;
    int fd = openat(v->directory_fd, file->name, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    uint64_t sum = 0;

    if (fd < 0 || fstat(fd, &stat) != 0)
        verify_problem(v, "%s is missing", file->name);
    else if ((uint64_t)stat.st_size < file->bytes)
        verify_problem(v, "%s is cut short", file->name);
    else if (file->has_sum && (sum_of(fd, file->bytes, &sum) != RC_OK || sum != file->sum)) {
        verify_problem(v, "%s is damaged", file->name);
        v->is_catalog_damaged |= strcmp(file->name, MANIFEST_CATALOG) == 0;
    }
    if (fd >= 0)
        (void)close(fd); /* only read */
    return RC_OK;
}

static enum rc check_manifest(struct verification *v)
{
    int fd = openat(v->directory_fd, MANIFEST_NAME, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    uint8_t *at = NULL;
    enum rc rc = RC_CORRUPT;

    if (fd < 0)
        return errno == ENOENT ? RC_OK : rc_of_errno(errno);
    v->totals.is_backup = true;
    if (fstat(fd, &stat) == 0 && (uint64_t)stat.st_size <= MANIFEST_MAX_BYTES)
        at = mem_try((size_t)stat.st_size + 1);
    if (at != NULL && file_read(fd, at, (size_t)stat.st_size, 0) == RC_OK)
        rc = manifest_each(slice_of(at, (size_t)stat.st_size), on_manifest_file, v);
    if (rc != RC_OK)
        verify_problem(v, MANIFEST_NAME " is damaged");
    mem_free(at);
    (void)close(fd); /* only read */
    return RC_OK;
}

/* ---- the files ---- */

static void on_file(void *arg, uint32_t number)
{
    verify_file_get(arg, number)->is_there = true;
}

static enum rc open_files(struct verification *v)
{
    char name[SEGMENT_NAME_MAX];

    for (size_t i = 0; i < v->count; i++) {
        struct verify_file *file = &v->files[i];

        if (!file->is_there)
            continue;
        segment_name(name, file->sealed.number);
        file->fd = openat(v->seg_fd, name, O_RDONLY | O_CLOEXEC);
        if (file->fd < 0)
            return rc_of_errno(errno);
    }
    return RC_OK;
}

static int by_ordinal(const void *left, const void *right)
{
    const struct verify_file *a = left, *b = right;

    return (a->sealed.ordinal > b->sealed.ordinal) - (a->sealed.ordinal < b->sealed.ordinal);
}

static enum rc check_files(struct verification *v)
{
    enum rc rc = RC_OK;

    v->synced = v->covered;
    for (size_t i = 0; i < v->count && rc == RC_OK; i++) {
        if (!v->files[i].is_listed)
            rc = verify_scan_open(v, &v->files[i]);
    }
    if (v->count > 0)
        qsort(v->files, v->count, sizeof(*v->files), by_ordinal);
    if (rc == RC_OK)
        rc = verify_accept_open(v);
    for (size_t i = 0; i < v->count && rc == RC_OK; i++)
        rc = verify_file_check(v, &v->files[i]);
    if (rc == RC_OK)
        verify_weigh(v);
    return rc;
}

/* ---- the whole ---- */

static enum rc open_place(struct verification *v, const char *directory)
{
    v->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (v->directory_fd < 0)
        return rc_of_errno(errno);
    if (faccessat(v->directory_fd, MANIFEST_CATALOG, F_OK, 0) != 0)
        return RC_NOT_FOUND;
    v->seg_fd = openat(v->directory_fd, MANIFEST_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (v->seg_fd < 0)
        return errno == ENOENT ? RC_NOT_FOUND : rc_of_errno(errno);
    v->lock_fd = openat(v->directory_fd, "LOCK", O_RDONLY | O_CLOEXEC); /* a backup has none */
    if (v->lock_fd >= 0 && flock(v->lock_fd, LOCK_SH | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? RC_LOCKED : rc_of_errno(errno);
    return RC_OK;
}

static void close_all(struct verification *v)
{
    int *fds[] = { &v->lock_fd, &v->seg_fd, &v->directory_fd };

    for (size_t i = 0; i < v->count; i++) {
        if (v->files[i].fd >= 0)
            (void)close(v->files[i].fd); /* only read, as all here */
        scan_done(&v->files[i].scan);
    }
    mem_free(v->files);
    mem_free(v->promises);
    logs_done(v);
    if (v->catalog.env != NULL)
        catalog_close(&v->catalog);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
    }
}

static enum rc check_all(struct verification *v, const char *directory)
{
    struct catalog_facts facts = { 0 };
    enum rc rc = open_place(v, directory);

    if (rc == RC_OK)
        rc = check_manifest(v);
    if (rc != RC_OK || v->is_catalog_damaged)
        return rc; /* LMDB does not survive a file with wrong pages */
    rc = catalog_open_to_read(directory, &v->catalog, &facts);
    if (rc == RC_OK && facts.format != STORE_FORMAT)
        return RC_VERSION;
    v->store_id = facts.store_id;
    if (rc == RC_OK)
        rc = read_catalog(v);
    if (rc == RC_CORRUPT) {
        verify_problem(v, "the catalogue is damaged");
        return RC_OK;
    }
    if (rc == RC_OK)
        rc = segment_each(v->seg_fd, on_file, v);
    if (rc == RC_OK)
        rc = open_files(v);
    return rc == RC_OK ? check_files(v) : rc;
}

enum rc store_verify(const char *directory, const struct verify_events *events,
                     struct verify_totals *ret)
{
    struct verification v = { .events = events, .directory_fd = -1, .seg_fd = -1, .lock_fd = -1 };
    enum rc rc;

    map_init(&v.logs);
    rc = check_all(&v, directory);
    close_all(&v);
    v.totals.is_sound =
        v.totals.damaged == 0 && v.totals.problems == 0 && v.totals.offsets_lost == 0;
    if (rc == RC_OK)
        *ret = v.totals;
    return rc;
}
