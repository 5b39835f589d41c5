/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lmdb/index.h"

#include <stdlib.h>

#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"

#define ROW_LEAST_BYTES 5 /* packed */
#define LOG_LEAST_BYTES 2

static int by_log(const void *left, const void *right)
{
    const struct segment_row *a = left, *b = right;

    if (a->log != b->log)
        return a->log < b->log ? -1 : 1;
    return (a->row.base_offset > b->row.base_offset) - (a->row.base_offset < b->row.base_offset);
}

static size_t rows_of_log(const struct segment_row *rows, size_t count)
{
    size_t n = 1;

    while (n < count && rows[n].log == rows[0].log)
        n++;
    return n;
}

static void pack_log(const struct segment_row *rows, size_t count, struct text *ret)
{
    uint64_t offset = 0, position = 0;
    uint64_t time_ms = 0; /* differences wrap around */

    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i].row;

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
    uint8_t *at;

    if (count > 0)
        qsort(rows, count, sizeof(*rows), by_log);
    text_add_u32(ret, INDEX_MAGIC);
    text_add_u32(ret, (uint32_t)INDEX_VERSION << 16);
    text_add_u32(ret, segment);
    for (unsigned i = 12; i < INDEX_HEADER; i += 4)
        text_add_u32(ret, 0); /* count, length and checksum: below */
    for (size_t i = 0, n; i < count; i += n) {
        n = rows_of_log(rows + i, count - i);
        text_add_uvarint(ret, rows[i].log - log);
        text_add_uvarint(ret, n);
        pack_log(rows + i, n, ret);
        log = rows[i].log;
        log_count++;
    }
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
