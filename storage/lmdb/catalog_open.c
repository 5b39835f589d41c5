/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a catalogue, or opens one, which is looked at before LMDB trusts it; and copies it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/manifest.h"
#include "broker/base/random.h"
#include "broker/base/wire.h"
#include "storage/lmdb/catalog_check.h"
#include "storage/lmdb/catalog_int.h"

/* Address space alone: pages come into being as they are used. */
#define CATALOG_MAP_BYTES    ((size_t)16 << 30)
#define LMDB_LISTS_MAP_BYTES (1 << 20)
/* Under this name until it is whole. */
#define CATALOG_BORN "catalog.new"

/* The pages are sound: are all values what was written? One that has no sum yet is believed. */
static enum rc sum_check(struct catalog *catalog)
{
    uint64_t told = catalog->sum;
    enum rc rc = catalog_get_number(catalog, "sum", &told);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    return told == catalog->sum ? RC_OK : RC_CORRUPT;
}

/* Before LMDB sees it: see catalog_check.h. */
static enum rc file_check(const char *directory, uint64_t *ret_sum)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/" MANIFEST_CATALOG, directory) >= (int)sizeof(path))
        return RC_LIMIT;
    return catalog_check(path, catalog_sum_name(), ret_sum);
}

/* LMDB takes 3 MB for what a transaction may change, zeroed. Mapped, the part that is never touched
 * costs nothing: 2 MB of an idle broker. */
static int env_open_mapped(MDB_env *env, const char *path, unsigned flags)
{
    int error;

    (void)mallopt(M_MMAP_THRESHOLD, LMDB_LISTS_MAP_BYTES);
    error = mdb_env_open(env, path, flags, 0600);
    (void)mallopt(M_MMAP_THRESHOLD, LMDB_MALLOC_MAP_BYTES);
    return error;
}

static enum rc env_open(const char *directory, const char *name, unsigned flags,
                        struct catalog *catalog)
{
    char path[PATH_MAX];
    MDB_txn *txn = NULL;
    int error;

    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
        return RC_LIMIT;
    error = mdb_env_create(&catalog->env);
    if (error == 0)
        error = mdb_env_set_mapsize(catalog->env, CATALOG_MAP_BYTES);
    if (error == 0 && FAULT("store.map"))
        error = ENOMEM;
    if (error == 0)
        error = env_open_mapped(catalog->env, path, MDB_NOSUBDIR | MDB_NOTLS | flags);
    if (error == 0)
        error = mdb_txn_begin(catalog->env, NULL, MDB_RDONLY, &txn);
    if (error == 0)
        error = mdb_dbi_open(txn, NULL, 0, &catalog->dbi);
    if (txn != NULL)
        mdb_txn_abort(txn);
    return rc_of_lmdb(error);
}

static enum rc next_blob_find(struct catalog *catalog)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    struct rd r;
    int error = mdb_cursor_open(catalog->txn, catalog->dbi, &cursor);

    if (error != 0)
        return rc_of_lmdb(error);
    catalog->next_blob = 1;
    error = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    if (error == 0) {
        r = rd_of(slice_of_val(key));
        if (rd_u8(&r) == CATALOG_BLOBS)
            catalog->next_blob = rd_u64(&r) + 1;
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? RC_OK : rc_of_lmdb(error);
}

static enum rc facts_make(struct catalog *catalog)
{
    enum rc rc = catalog_begin(catalog);

    if (rc == RC_OK)
        rc = catalog_put_number(catalog, "format", STORE_FORMAT);
    if (rc == RC_OK)
        rc = catalog_put_number(catalog, "id", random_u64());
    return rc == RC_OK ? catalog_commit(catalog) : rc;
}

static unsigned env_flags(const struct place *place)
{
    return place->has_sync ? 0 : MDB_NOSYNC;
}

/* The folder's own name. Where the one above may not be read, its owner has made ours. */
static enum rc folder_sync(const struct place *place)
{
    int above = openat(place->directory_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum rc rc = above < 0 ? RC_OK : sync_directory(place, above);

    if (above >= 0)
        (void)close(above); /* only synced */
    return rc;
}

static void born_remove(const struct place *place)
{
    (void)unlinkat(place->directory_fd, CATALOG_BORN, 0); /* as a rule there is none */
    (void)unlinkat(place->directory_fd, CATALOG_BORN "-lock", 0);
}

/* The catalogue gets its name when it is whole and synced. A power cut on the way leaves a store
 * that is not born; else half a catalogue would be there, which nothing tells from a damaged one.
 */
static enum rc catalog_make(const struct place *place)
{
    struct catalog catalog = { 0 };
    enum rc rc;

    born_remove(place);
    rc = env_open(place->path, CATALOG_BORN, env_flags(place), &catalog);
    if (rc == RC_OK)
        rc = facts_make(&catalog);
    catalog_close(&catalog);
    if (rc == RC_OK)
        rc = folder_sync(place);
    if (rc == RC_OK &&
        renameat(place->directory_fd, CATALOG_BORN, place->directory_fd, MANIFEST_CATALOG) != 0)
        rc = rc_of_errno(errno);
    born_remove(place);
    return rc;
}

static enum rc facts_read(struct catalog *catalog, struct catalog_facts *facts)
{
    enum rc rc = catalog_get_number(catalog, "format", &facts->format);

    if (rc == RC_NOT_FOUND)
        return RC_CORRUPT;
    if (rc != RC_OK || facts->format > STORE_FORMAT)
        return rc == RC_OK ? RC_VERSION : rc;
    rc = catalog_get_number(catalog, "id", &facts->store_id);
    return rc == RC_NOT_FOUND ? RC_CORRUPT : rc;
}

enum rc catalog_open(const struct place *place, struct catalog *ret,
                     struct catalog_facts *ret_facts)
{
    struct catalog catalog = { 0 };
    struct catalog_facts facts = { 0 };
    enum rc rc = RC_OK;

    if (faccessat(place->directory_fd, MANIFEST_CATALOG, F_OK, 0) != 0)
        rc = errno == ENOENT ? catalog_make(place) : rc_of_errno(errno);
    /* Also of one that an earlier start made, and did not come so far. */
    if (rc == RC_OK)
        rc = sync_directory(place, place->directory_fd);
    if (rc == RC_OK)
        rc = file_check(place->path, &catalog.sum);
    catalog.sum_committed = catalog.sum;
    if (rc == RC_OK)
        rc = env_open(place->path, MANIFEST_CATALOG, env_flags(place), &catalog);
    if (rc == RC_OK)
        rc = catalog_begin(&catalog);
    if (rc == RC_OK)
        rc = next_blob_find(&catalog);
    if (rc == RC_OK)
        rc = facts_read(&catalog, &facts);
    if (rc == RC_OK)
        rc = sum_check(&catalog);
    catalog_abort(&catalog);
    if (rc == RC_CORRUPT)
        log_event(LOG_ERROR, "storage.catalogue-damaged",
                  "file=" MANIFEST_CATALOG " what=\"not opened; restore a backup\"");
    if (rc != RC_OK) {
        catalog_close(&catalog);
        return rc;
    }
    *ret = catalog;
    *ret_facts = facts;
    return RC_OK;
}

/* How many of the pages from `first` to `last` LMDB has free. Its list of them is the table 0. */
static enum rc count_free(const struct catalog *catalog, uint64_t first, uint64_t last,
                          uint64_t *ret)
{
    MDB_cursor *cursor = NULL;
    MDB_txn *txn = NULL;
    MDB_val key, value;
    uint64_t count = 0;
    int error = mdb_txn_begin(catalog->env, NULL, MDB_RDONLY, &txn);

    if (error == 0)
        error = mdb_cursor_open(txn, 0, &cursor);
    while (error == 0 && (error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        const size_t *pages = value.mv_data; /* how many, then each */

        for (size_t i = 1; i <= pages[0] && i < value.mv_size / sizeof(*pages); i++)
            count += pages[i] >= first && pages[i] <= last;
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    *ret = count;
    return error == MDB_NOTFOUND ? RC_OK : rc_of_lmdb(error);
}

/* A page beyond the file's end would be a SIGBUS. It may be missing when it is free: LMDB does not
 * write what one transaction took and gave back. */
static enum rc check_size(const struct catalog *catalog)
{
    uint64_t there, is_free;
    enum rc rc;
    MDB_envinfo info;
    MDB_stat pages;
    struct stat stat;
    int fd;

    if (mdb_env_get_fd(catalog->env, &fd) != 0 || mdb_env_info(catalog->env, &info) != 0 ||
        mdb_env_stat(catalog->env, &pages) != 0 || fstat(fd, &stat) != 0)
        return RC_IO;
    there = (uint64_t)stat.st_size / pages.ms_psize;
    if (there > info.me_last_pgno)
        return RC_OK;
    rc = count_free(catalog, there, info.me_last_pgno, &is_free);
    if (rc != RC_OK)
        return rc;
    return is_free == info.me_last_pgno - there + 1 ? RC_OK : RC_CORRUPT;
}

enum rc catalog_open_to_read(const char *directory, struct catalog *ret,
                             struct catalog_facts *ret_facts)
{
    struct catalog catalog = { 0 };
    enum rc rc = file_check(directory, &catalog.sum);

    if (rc == RC_OK)
        rc = env_open(directory, MANIFEST_CATALOG, MDB_RDONLY | MDB_NOLOCK, &catalog);
    if (rc == RC_OK)
        rc = check_size(&catalog);
    if (rc == RC_OK)
        rc = catalog_get_number(&catalog, "format", &ret_facts->format);
    if (rc == RC_OK)
        rc = catalog_get_number(&catalog, "id", &ret_facts->store_id);
    if (rc == RC_OK)
        rc = sum_check(&catalog);
    if (rc == RC_OK) {
        *ret = catalog;
        return RC_OK;
    }
    catalog_close(&catalog);
    return rc == RC_NOT_FOUND ? RC_CORRUPT : rc;
}

enum rc catalog_copy(struct catalog *catalog, int fd)
{
    int error;

    ASSERT(catalog->txn == NULL);
    if (FAULT("store.backup"))
        return RC_IO;
    error = mdb_env_copyfd(catalog->env, fd);
    if (error == 0 && fsync(fd) != 0)
        error = errno;
    return rc_of_lmdb(error);
}
