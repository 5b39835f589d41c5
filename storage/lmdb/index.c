/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lmdb/index.h"

#include <stdlib.h>

#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"

#define ROW_LEAST_BYTES 5 /* packed */
#define LOG_LEAST_BYTES 2

/* A segment of small appends to many logs has a million rows: what is sorted are their places, by
 * digits of the log's number. Rows come in the order of the file, which is that of offsets but in
 * copies. */
#define DIGIT_BITS   11
#define DIGITS       3
#define DIGIT_VALUES (1u << DIGIT_BITS)
/* Rows that are fetched while one is packed: by log they lie all over the array. */
#define LOOK_AHEAD 12

struct key {
    uint32_t log;
    uint32_t place;
};

static unsigned digit_of(uint32_t log, unsigned digit)
{
    return log >> (digit * DIGIT_BITS) & (DIGIT_VALUES - 1);
}

/* One pass, which keeps the order of equal digits. False: all are equal, nothing was moved. */
static bool sort_digit(const struct key *from, struct key *to, size_t count, unsigned digit)
{
    uint32_t at[DIGIT_VALUES] = { 0 }, sum = 0;

    for (size_t i = 0; i < count; i++)
        at[digit_of(from[i].log, digit)]++;
    if (at[digit_of(from[0].log, digit)] == count)
        return false;
    for (unsigned i = 0; i < DIGIT_VALUES; i++) {
        uint32_t here = at[i];

        at[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[at[digit_of(from[i].log, digit)]++] = from[i];
    return true;
}

/* `all`: keys from the first of this log on. */
static bool is_in_order(const struct segment_row *rows, const struct key *keys, size_t count,
                        size_t all)
{
    uint64_t offset = 0;
    bool ret = true;

    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[keys[i].place].row;

        if (i + LOOK_AHEAD < all)
            __builtin_prefetch(&rows[keys[i + LOOK_AHEAD].place]);
        ret &= row->base_offset >= offset;
        offset = row->base_offset;
    }
    return ret;
}

static int by_offset(const void *left, const void *right, void *arg)
{
    const struct segment_row *rows = arg;
    uint64_t a = rows[((const struct key *)left)->place].row.base_offset;
    uint64_t b = rows[((const struct key *)right)->place].row.base_offset;

    return (a > b) - (a < b);
}

/* The places by log, in the first or second half of `keys`, which has room for both. */
static struct key *sorted(const struct segment_row *rows, size_t count, struct key *keys)
{
    struct key *from = keys, *to = keys + count;

    for (size_t i = 0; i < count; i++)
        from[i] = (struct key){ rows[i].log, (uint32_t)i };
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        if (sort_digit(from, to, count, digit)) {
            struct key *was = from;

            from = to;
            to = was;
        }
    }
    return from;
}

static size_t rows_of_log(const struct key *keys, size_t count)
{
    size_t n = 1;

    while (n < count && keys[n].log == keys[0].log)
        n++;
    return n;
}

static void pack_log(struct segment_row *rows, struct key *keys, size_t count, size_t all,
                     struct text *ret)
{
    uint64_t offset = 0, position = 0;
    uint64_t time_ms = 0; /* differences wrap around */

    if (!is_in_order(rows, keys, count, all))
        qsort_r(keys, count, sizeof(*keys), by_offset, rows);
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[keys[i].place].row;

        text_add_uvarint(ret, row->base_offset - offset);
        text_add_uvarint(ret, row->record_count);
        text_add_varint(ret, (int64_t)(row->position - position));
        text_add_uvarint(ret, row->length);
        text_add_varint(ret, (int64_t)((uint64_t)row->max_timestamp_ms - time_ms));
        offset = row_end(row);
        position = row->position + (ENTRY_HEADER + (uint64_t)row->length) / ENTRY_ALIGN;
        time_ms = (uint64_t)row->max_timestamp_ms;
    }
}

void index_pack(struct segment_row *rows, size_t count, uint32_t segment, struct text *ret)
{
    size_t start = ret->len;
    uint32_t log = 0, log_count = 0;
    struct key *memory = mem_try((2 * count + 1) * sizeof(*memory)), *keys = memory;
    uint8_t *at;

    ASSERT(count <= UINT32_MAX);
    if (memory == NULL) {
        ret->bad = true;
        return;
    }
    if (count > 0)
        keys = sorted(rows, count, memory);
    text_add_u32(ret, INDEX_MAGIC);
    text_add_u32(ret, (uint32_t)INDEX_VERSION << 16);
    text_add_u32(ret, segment);
    for (unsigned i = 12; i < INDEX_HEADER; i += 4)
        text_add_u32(ret, 0); /* count, length and checksum: below */
    for (size_t i = 0, n; i < count; i += n) {
        n = rows_of_log(keys + i, count - i);
        text_add_uvarint(ret, keys[i].log - log);
        text_add_uvarint(ret, n);
        pack_log(rows, keys + i, n, count - i, ret);
        log = keys[i].log;
        log_count++;
    }
    mem_free(memory);
    if (ret->bad)
        return;
    at = ret->at + start;
    put_u32(at + 12, log_count);
    put_u64(at + 16, ret->len - start);
    put_u64(
        at + INDEX_SUM_AT,
        hash_checksum(slice_of(at, INDEX_SUM_AT), segment) ^
            hash_checksum(slice_of(at + INDEX_HEADER, ret->len - start - INDEX_HEADER), segment));
}

static enum rc unpack_log(struct rd *r, uint32_t segment, uint32_t log, index_visit_fn *visit,
                          void *arg)
{
    uint64_t offset = 0, position = 0;
    uint64_t time_ms = 0; /* differences wrap around */
    size_t count = rd_count(r, rd_uvarint(r, 5), ROW_LEAST_BYTES);
    enum rc rc = RC_OK;

    for (size_t i = 0; i < count && rc == RC_OK; i++) {
        struct segment_row row = { .log = log, .row.segment = segment };

        row.row.base_offset = offset + rd_uvarint(r, 10);
        row.row.record_count = (uint32_t)rd_uvarint(r, 5);
        row.row.position = (uint32_t)(position + (uint64_t)rd_varint(r));
        row.row.length = (uint32_t)rd_uvarint(r, 5);
        row.row.max_timestamp_ms = (int64_t)(time_ms + (uint64_t)rd_varint(r));
        if (r->bad || row.row.record_count == 0)
            return RC_CORRUPT;
        offset = row_end(&row.row);
        position = row.row.position + (ENTRY_HEADER + (uint64_t)row.row.length) / ENTRY_ALIGN;
        time_ms = (uint64_t)row.row.max_timestamp_ms;
        rc = visit(arg, &row);
    }
    return r->bad ? RC_CORRUPT : rc;
}

enum rc index_unpack(struct slice bytes, uint32_t segment, index_visit_fn *visit, void *arg)
{
    struct rd r = rd_of(bytes);
    uint32_t magic = rd_u32(&r), version = rd_u32(&r) >> 16, number = rd_u32(&r);
    uint32_t log = 0, log_count = rd_u32(&r);
    uint64_t length = rd_u64(&r), sum = rd_u64(&r);
    enum rc rc = RC_OK;

    if (r.bad || magic != INDEX_MAGIC || number != segment || length < INDEX_HEADER ||
        length > bytes.len)
        return RC_CORRUPT;
    if (version != INDEX_VERSION)
        return RC_VERSION;
    r = rd_of(slice_of(bytes.at + INDEX_HEADER, (size_t)length - INDEX_HEADER));
    if (sum != (hash_checksum(slice_of(bytes.at, INDEX_SUM_AT), segment) ^
                hash_checksum(slice_of(r.at, r.left), segment)))
        return RC_CORRUPT;
    log_count = (uint32_t)rd_count(&r, log_count, LOG_LEAST_BYTES);
    for (uint32_t i = 0; i < log_count && rc == RC_OK; i++) {
        log += (uint32_t)rd_uvarint(&r, 5);
        rc = unpack_log(&r, segment, log, visit, arg);
    }
    return rc;
}
