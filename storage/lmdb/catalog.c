/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the catalogue, read and changed: pairs of the one table, of which a first byte makes
 * several. A value that no page has room for lies beside it in pieces. Opening: catalog_open.c. */
#include "storage/lmdb/catalog.h"

#include "broker/base/fault.h"
#include "broker/base/wire.h"
#include "storage/lmdb/catalog_check.h"
#include "storage/lmdb/catalog_int.h"

#define VALUE_INLINE 0
#define VALUE_BLOB   1
#define BLOB_NAME    13
#define SEALED_VALUE 37

enum rc rc_of_lmdb(int error)
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

struct slice catalog_sum_name(void)
{
    static const uint8_t at[] = { CATALOG_FACTS, 's', 'u', 'm' };

    return slice_of(at, sizeof(at));
}

void catalog_close(struct catalog *catalog)
{
    catalog_abort(catalog);
    if (catalog->env != NULL)
        mdb_env_close(catalog->env);
    catalog->env = NULL;
}

enum rc catalog_begin(struct catalog *catalog)
{
    ASSERT(catalog->txn == NULL);
    return rc_of_lmdb(mdb_txn_begin(catalog->env, NULL, 0, &catalog->txn));
}

/* Beside the sum, not in it. */
static int sum_put(struct catalog *catalog)
{
    uint8_t number[8];
    MDB_val key = val_of(catalog_sum_name()), data = val_of(slice_of(number, sizeof(number)));

    put_u64(number, catalog->sum);
    return mdb_put(catalog->txn, catalog->dbi, &key, &data, 0);
}

enum rc catalog_commit(struct catalog *catalog)
{
    MDB_txn *txn = catalog->txn;
    int error = sum_put(catalog);

    if (error != 0 || FAULT("store.catalog")) {
        catalog_abort(catalog);
        return error != 0 ? rc_of_lmdb(error) : RC_IO;
    }
    catalog->txn = NULL;
    error = mdb_txn_commit(txn);
    if (error == 0)
        catalog->sum_committed = catalog->sum;
    else
        catalog->sum = catalog->sum_committed;
    return rc_of_lmdb(error);
}

void catalog_abort(struct catalog *catalog)
{
    if (catalog->txn != NULL)
        mdb_txn_abort(catalog->txn);
    catalog->txn = NULL;
    catalog->sum = catalog->sum_committed;
}

/* Takes what `name` holds now out of the sum. */
static int sum_without(struct catalog *catalog, struct slice name)
{
    MDB_val key = val_of(name), data;
    int error = mdb_get(catalog->txn, catalog->dbi, &key, &data);

    if (error == 0)
        catalog->sum -= catalog_pair_sum(name, slice_of_val(data));
    return error;
}

static enum rc raw_put(struct catalog *catalog, struct slice name, struct slice value)
{
    MDB_val key = val_of(name), data = val_of(value);
    int error = sum_without(catalog, name);

    if (error == 0 || error == MDB_NOTFOUND)
        error = mdb_put(catalog->txn, catalog->dbi, &key, &data, 0);
    if (error == 0)
        catalog->sum += catalog_pair_sum(name, value);
    return rc_of_lmdb(error);
}

static int raw_delete(struct catalog *catalog, struct slice name)
{
    MDB_val key = val_of(name);
    int error = sum_without(catalog, name);

    return error == 0 ? mdb_del(catalog->txn, catalog->dbi, &key, NULL) : error;
}

static struct slice blob_name(uint8_t at[BLOB_NAME], uint64_t blob, uint64_t piece)
{
    at[0] = CATALOG_BLOBS;
    put_u64(at + 1, blob);
    put_u32(at + 9, (uint32_t)piece);
    return slice_of(at, BLOB_NAME);
}

static enum rc blob_delete(struct catalog *catalog, uint64_t blob, uint64_t length)
{
    uint8_t at[BLOB_NAME];
    int error = 0;

    for (uint64_t piece = 0; piece * BLOB_PIECE < length && error == 0; piece++)
        error = raw_delete(catalog, blob_name(at, blob, piece));
    return rc_of_lmdb(error);
}

static enum rc blob_put(struct catalog *catalog, uint64_t blob, struct slice value)
{
    uint8_t at[BLOB_NAME];
    enum rc rc = RC_OK;

    for (uint64_t piece = 0; value.len > 0 && rc == RC_OK; piece++) {
        struct slice part = slice_of(value.at, value.len < BLOB_PIECE ? value.len : BLOB_PIECE);

        rc = raw_put(catalog, blob_name(at, blob, piece), part);
        value = slice_after(value, part.len);
    }
    return rc;
}

/* Removes the pieces of the value that `name` has now. RC_NOT_FOUND: it has none. */
static enum rc old_blob_delete(struct catalog *catalog, struct slice name)
{
    MDB_val key = val_of(name), data;
    struct rd r;
    uint64_t length, blob;
    int error = mdb_get(catalog->txn, catalog->dbi, &key, &data);

    if (error == MDB_NOTFOUND)
        return RC_NOT_FOUND;
    if (error != 0)
        return rc_of_lmdb(error);
    r = rd_of(slice_of_val(data));
    if (rd_u8(&r) != VALUE_BLOB)
        return RC_OK;
    length = rd_u64(&r);
    blob = rd_u64(&r);
    return r.bad ? RC_CORRUPT : blob_delete(catalog, blob, length);
}

enum rc catalog_put(struct catalog *catalog, struct slice name, struct slice value)
{
    uint8_t at[VALUE_INLINE_MAX + 1];
    struct wr w = wr_of(at, sizeof(at));
    enum rc rc = old_blob_delete(catalog, name);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    if (value.len <= VALUE_INLINE_MAX) {
        wr_u8(&w, VALUE_INLINE);
        wr_bytes(&w, value);
        return raw_put(catalog, name, wr_slice(&w));
    }
    wr_u8(&w, VALUE_BLOB);
    wr_u64(&w, value.len);
    wr_u64(&w, catalog->next_blob);
    rc = raw_put(catalog, name, wr_slice(&w));
    return rc == RC_OK ? blob_put(catalog, catalog->next_blob++, value) : rc;
}

enum rc catalog_delete(struct catalog *catalog, struct slice name)
{
    enum rc rc = old_blob_delete(catalog, name);

    if (rc == RC_NOT_FOUND)
        return RC_OK;
    return rc == RC_OK ? rc_of_lmdb(raw_delete(catalog, name)) : rc;
}

#define FACT_NAME_MAX 16

static struct slice fact_name(uint8_t at[FACT_NAME_MAX], const char *name)
{
    size_t len = strlen(name);

    ASSERT(len < FACT_NAME_MAX);
    at[0] = CATALOG_FACTS;
    memcpy(at + 1, name, len);
    return slice_of(at, len + 1);
}

enum rc catalog_put_number(struct catalog *catalog, const char *name, uint64_t value)
{
    uint8_t at[FACT_NAME_MAX], number[8];

    put_u64(number, value);
    return raw_put(catalog, fact_name(at, name), slice_of(number, sizeof(number)));
}

static struct slice sealed_name(uint8_t at[5], uint32_t number)
{
    at[0] = CATALOG_SEGMENTS;
    put_u32(at + 1, number);
    return slice_of(at, 5);
}

enum rc catalog_put_sealed(struct catalog *catalog, const struct sealed *sealed)
{
    uint8_t name[5], value[SEALED_VALUE];
    struct wr w = wr_of(value, sizeof(value));

    wr_u32(&w, sealed->ordinal);
    wr_u64(&w, sealed->first_sequence);
    wr_u64(&w, sealed->last_sequence);
    wr_u64(&w, sealed->index_position);
    wr_u64(&w, sealed->index_length);
    wr_u8(&w, sealed->is_copy ? 1 : 0);
    return raw_put(catalog, sealed_name(name, sealed->number), wr_slice(&w));
}

enum rc catalog_delete_sealed(struct catalog *catalog, uint32_t number)
{
    uint8_t name[5];
    int error = raw_delete(catalog, sealed_name(name, number));

    return error == MDB_NOTFOUND ? RC_OK : rc_of_lmdb(error);
}

/* A transaction to read in: the change under way, or a new one that `ret_own` then names. */
static enum rc reading(struct catalog *catalog, MDB_txn **ret, MDB_txn **ret_own)
{
    int error = 0;

    *ret_own = NULL;
    if (catalog->txn == NULL)
        error = mdb_txn_begin(catalog->env, NULL, MDB_RDONLY, ret_own);
    *ret = catalog->txn == NULL ? *ret_own : catalog->txn;
    return rc_of_lmdb(error);
}

enum rc catalog_get_number(struct catalog *catalog, const char *name, uint64_t *ret)
{
    uint8_t at[FACT_NAME_MAX];
    MDB_val key = val_of(fact_name(at, name)), value;
    MDB_txn *txn, *own;
    struct rd r;
    uint64_t number;
    int error;
    enum rc rc = reading(catalog, &txn, &own);

    if (rc != RC_OK)
        return rc;
    error = mdb_get(txn, catalog->dbi, &key, &value);
    if (error == 0) {
        r = rd_of(slice_of_val(value));
        number = rd_u64(&r);
        if (r.bad || r.left != 0)
            rc = RC_CORRUPT;
        else
            *ret = number;
    } else {
        rc = error == MDB_NOTFOUND ? RC_NOT_FOUND : rc_of_lmdb(error);
    }
    mdb_txn_abort(own);
    return rc;
}

static enum rc blob_read(struct catalog *catalog, MDB_txn *txn, uint64_t blob, uint64_t length,
                         uint8_t *to)
{
    uint8_t at[BLOB_NAME];
    MDB_val key, value;
    uint64_t done = 0;
    int error = 0;

    for (uint64_t piece = 0; done < length; piece++) {
        key = val_of(blob_name(at, blob, piece));
        error = mdb_get(txn, catalog->dbi, &key, &value);
        if (error != 0)
            return error == MDB_NOTFOUND ? RC_CORRUPT : rc_of_lmdb(error);
        if (value.mv_size == 0 || value.mv_size > length - done)
            return RC_CORRUPT;
        memcpy(to + done, value.mv_data, value.mv_size);
        done += value.mv_size;
    }
    return RC_OK;
}

static enum rc visit_value(struct catalog *catalog, MDB_txn *txn, struct slice key,
                           struct slice value, catalog_visit_fn *visit, void *arg)
{
    struct rd r = rd_of(value);
    uint8_t form = rd_u8(&r);
    uint64_t length, blob;
    uint8_t *at;
    enum rc rc;

    if (form == VALUE_INLINE && !r.bad)
        return visit(arg, key, rd_rest(&r));
    length = rd_u64(&r);
    blob = rd_u64(&r);
    if (form != VALUE_BLOB || r.bad || length > ENTRY_MAX_BYTES)
        return RC_CORRUPT;
    at = mem_try((size_t)length);
    if (at == NULL)
        return RC_MEMORY;
    rc = blob_read(catalog, txn, blob, length, at);
    if (rc == RC_OK)
        rc = visit(arg, key, slice_of(at, (size_t)length));
    mem_free(at);
    return rc;
}

/* What a walk over one table calls with the raw value. */
typedef enum rc raw_visit_fn(struct catalog *catalog, MDB_txn *txn, struct slice key,
                             struct slice value, void *arg);

static enum rc raw_each(struct catalog *catalog, uint8_t table, raw_visit_fn *visit, void *arg)
{
    MDB_cursor *cursor = NULL;
    MDB_val key = val_of(slice_of(&table, 1)), value;
    MDB_txn *txn, *own;
    int error;
    enum rc rc = reading(catalog, &txn, &own);

    if (rc != RC_OK)
        return rc;
    error = mdb_cursor_open(txn, catalog->dbi, &cursor);
    if (error == 0)
        error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (error == 0 && rc == RC_OK && *(const uint8_t *)key.mv_data == table) {
        rc = visit(catalog, txn, slice_after(slice_of_val(key), 1), slice_of_val(value), arg);
        error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (rc == RC_OK && error != 0 && error != MDB_NOTFOUND)
        rc = rc_of_lmdb(error);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    mdb_txn_abort(own);
    return rc;
}

struct value_walk {
    catalog_visit_fn *visit;
    void *arg;
};

static enum rc on_value(struct catalog *catalog, MDB_txn *txn, struct slice key, struct slice value,
                        void *arg)
{
    const struct value_walk *walk = arg;

    return visit_value(catalog, txn, key, value, walk->visit, walk->arg);
}

enum rc catalog_each(struct catalog *catalog, uint8_t table, catalog_visit_fn *visit, void *arg)
{
    struct value_walk walk = { visit, arg };

    return raw_each(catalog, table, on_value, &walk);
}

struct sealed_walk {
    sealed_visit_fn *visit;
    void *arg;
};

static enum rc sealed_read(struct slice value, uint32_t number, struct sealed *ret)
{
    struct rd v = rd_of(value);
    struct sealed sealed = { .number = number };

    sealed.ordinal = rd_u32(&v);
    sealed.first_sequence = rd_u64(&v);
    sealed.last_sequence = rd_u64(&v);
    sealed.index_position = rd_u64(&v);
    sealed.index_length = rd_u64(&v);
    if (!v.bad && v.left > 0) /* none before format 3 */
        sealed.is_copy = rd_u8(&v) != 0;
    if (v.bad || sealed.index_length > ENTRY_MAX_BYTES)
        return RC_CORRUPT;
    *ret = sealed;
    return RC_OK;
}

static enum rc on_sealed(struct catalog *catalog, MDB_txn *txn, struct slice key,
                         struct slice value, void *arg)
{
    const struct sealed_walk *walk = arg;
    struct rd k = rd_of(key);
    uint32_t number = rd_u32(&k);
    struct sealed sealed;
    enum rc rc = k.bad ? RC_CORRUPT : sealed_read(value, number, &sealed);

    (void)catalog;
    (void)txn;
    return rc == RC_OK ? walk->visit(walk->arg, &sealed) : rc;
}

enum rc catalog_get_sealed(struct catalog *catalog, uint32_t number, struct sealed *ret)
{
    uint8_t name[5];
    MDB_val key = val_of(sealed_name(name, number)), value;
    MDB_txn *txn, *own;
    int error;
    enum rc rc = reading(catalog, &txn, &own);

    if (rc != RC_OK)
        return rc;
    error = mdb_get(txn, catalog->dbi, &key, &value);
    if (error == 0)
        rc = sealed_read(slice_of_val(value), number, ret);
    else
        rc = error == MDB_NOTFOUND ? RC_NOT_FOUND : rc_of_lmdb(error);
    mdb_txn_abort(own);
    return rc;
}

enum rc catalog_each_sealed(struct catalog *catalog, sealed_visit_fn *visit, void *arg)
{
    struct sealed_walk walk = { visit, arg };

    return raw_each(catalog, CATALOG_SEGMENTS, on_sealed, &walk);
}
