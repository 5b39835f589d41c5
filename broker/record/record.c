/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/record.h"

#include "broker/base/mem.h"

/* A 32-bit varint takes at most this many bytes. */
#define VARINT32_MAX_BYTES 5
/* A header is at least the two lengths of its empty name and null value. */
#define HEADER_MIN_BYTES 2

/* A zigzag varint that fits 32 bits: every length and the offset delta. */
static int64_t read_varint32(struct rd *r)
{
    uint64_t value = rd_uvarint(r, VARINT32_MAX_BYTES);

    if (value > UINT32_MAX)
        rd_fail(r);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Length and bytes; -1 is null, anything else below zero is bad. */
static struct slice read_nullable(struct rd *r)
{
    int64_t len = read_varint32(r);

    if (len == -1)
        return SLICE_NONE;
    if (len < 0) {
        rd_fail(r);
        return SLICE_NONE;
    }
    return rd_bytes(r, (size_t)len);
}

static struct slice read_required(struct rd *r)
{
    struct slice s = read_nullable(r);

    if (slice_is_none(s))
        rd_fail(r);
    return s;
}

/* Walks the headers to prove them whole, and gives the run of them. */
static void read_headers(struct rd *r, struct record *record)
{
    int64_t declared = read_varint32(r);
    const uint8_t *at = r->at;
    size_t left = r->left;
    size_t count;

    if (declared < 0)
        rd_fail(r);
    count = rd_count(r, r->bad ? 0 : (size_t)declared, HEADER_MIN_BYTES);
    for (size_t i = 0; i < count && !r->bad; i++) {
        (void)read_required(r);
        (void)read_nullable(r);
    }
    record->header_count = (uint32_t)count;
    record->headers = slice_of(at, left - r->left);
}

static void read_body(struct rd *r, struct record *record)
{
    record->body = slice_of(r->at, r->left);
    record->key = read_nullable(r);
    record->value = read_nullable(r);
    read_headers(r, record);
    if (r->left > 0)
        rd_fail(r);
}

void record_reader_init(struct record_reader *reader, const struct batch_header *header,
                        struct slice records)
{
    *reader = (struct record_reader){
        .rd = rd_of(records),
        .base_offset = header->base_offset,
        .base_timestamp_ms = header->base_timestamp_ms,
        .is_append_time = header->is_append_time,
        .append_time_ms = header->max_timestamp_ms,
        .last_offset_delta = header->last_offset_delta,
        .left = header->record_count,
    };
    (void)rd_count(&reader->rd, reader->left, RECORD_MIN_BYTES);
}

/* Attributes, timestamp and offset: what ties a body to its batch. */
static void read_place(struct record_reader *reader, struct rd *r, struct record *record)
{
    int64_t timestamp_delta;
    int64_t offset_delta;

    (void)rd_u8(r); /* record attributes: no bit has a meaning, Kafka ignores them too */
    timestamp_delta = rd_varint(r);
    offset_delta = read_varint32(r);
    if (offset_delta < reader->least_delta || offset_delta > (int64_t)reader->last_offset_delta)
        rd_fail(r);
    if (reader->is_append_time)
        record->timestamp_ms = reader->append_time_ms;
    else /* wraps as in Kafka, so that every pair of times can be told apart */
        record->timestamp_ms =
            (int64_t)((uint64_t)reader->base_timestamp_ms + (uint64_t)timestamp_delta);
    record->offset = reader->base_offset + (uint64_t)offset_delta;
    reader->least_delta = offset_delta + 1;
}

enum rc record_next(struct record_reader *reader, struct record *ret)
{
    struct record record;
    struct rd inside;
    int64_t len;

    if (reader->rd.bad)
        return RC_MALFORMED;
    if (reader->left == 0) {
        if (reader->rd.left == 0)
            return RC_NOT_FOUND;
        rd_fail(&reader->rd);
        return RC_MALFORMED;
    }
    len = read_varint32(&reader->rd);
    if (len < 0)
        rd_fail(&reader->rd);
    inside = rd_fence(&reader->rd, len < 0 ? 0 : (size_t)len);
    read_place(reader, &inside, &record);
    read_body(&inside, &record);
    if (inside.bad) {
        rd_fail(&reader->rd);
        return RC_MALFORMED;
    }
    reader->left--;
    *ret = record;
    return RC_OK;
}

enum rc record_check_all(const struct batch_header *header, struct slice records)
{
    struct record_reader reader;
    struct record record;
    enum rc rc;

    if (header->compression != COMPRESSION_NONE)
        return RC_OK;
    record_reader_init(&reader, header, records);
    do
        rc = record_next(&reader, &record);
    while (rc == RC_OK);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc record_reader_open(struct slice bytes, size_t max_bytes, struct text *scratch,
                           struct record_reader *ret, struct batch_header *ret_header,
                           size_t *ret_whole_bytes)
{
    struct batch_header header;
    struct slice records;
    size_t whole;
    enum rc rc;

    rc = batch_peek(bytes, &header, &records, &whole);
    if (rc != RC_OK)
        return rc;
    if (header.compression != COMPRESSION_NONE) {
        rc = compression_inflate(header.compression, records, max_bytes, scratch);
        if (rc != RC_OK)
            return rc;
        records = text_slice(scratch);
    }
    record_reader_init(ret, &header, records);
    if (ret_header != NULL)
        *ret_header = header;
    if (ret_whole_bytes != NULL)
        *ret_whole_bytes = whole;
    return RC_OK;
}

enum rc record_read_body(struct slice body, struct record *ret)
{
    struct record record = { 0 };
    struct rd r = rd_of(body);

    read_body(&r, &record);
    if (r.bad)
        return RC_MALFORMED;
    *ret = record;
    return RC_OK;
}

enum rc record_header_next(struct rd *headers, struct record_header *ret)
{
    struct record_header header;

    if (headers->bad)
        return RC_MALFORMED;
    if (headers->left == 0)
        return RC_NOT_FOUND;
    header.name = read_required(headers);
    header.value = read_nullable(headers);
    if (headers->bad)
        return RC_MALFORMED;
    *ret = header;
    return RC_OK;
}

enum rc record_header_find(const struct record *record, struct slice name, struct slice *ret_value)
{
    struct rd headers = rd_of(record->headers);
    struct record_header header;
    enum rc rc;

    while ((rc = record_header_next(&headers, &header)) == RC_OK)
        if (slice_equal(header.name, name)) {
            *ret_value = header.value;
            return RC_OK;
        }
    return rc;
}

static void write_nullable(struct wr *w, struct slice s)
{
    ASSERT(s.len <= RECORD_MAX_BYTES);
    if (slice_is_none(s)) {
        wr_varint(w, -1);
        return;
    }
    wr_varint(w, (int64_t)s.len);
    wr_bytes(w, s);
}

void record_header_write(struct wr *w, struct slice name, struct slice value)
{
    ASSERT(!slice_is_none(name));
    write_nullable(w, name);
    write_nullable(w, value);
}

void record_body_write(struct wr *w, struct slice key, struct slice value, uint32_t header_count,
                       struct slice headers)
{
    write_nullable(w, key);
    write_nullable(w, value);
    wr_varint(w, header_count);
    wr_bytes(w, headers);
}

void record_header_add(struct text *headers, struct slice name, struct slice value)
{
    ASSERT(!slice_is_none(name) && name.len <= RECORD_MAX_BYTES && value.len <= RECORD_MAX_BYTES);
    text_add_varint(headers, (int64_t)name.len);
    text_add(headers, name);
    text_add_varint(headers, slice_is_none(value) ? -1 : (int64_t)value.len);
    text_add(headers, value);
}

void record_body_add(struct text *body, struct slice key, struct slice value, uint32_t header_count,
                     struct slice headers)
{
    struct wr w = wr_counting();

    record_body_write(&w, key, value, header_count, headers);
    if (!text_reserve(body, w.len))
        return;
    w = wr_of(body->at + body->len, w.len);
    record_body_write(&w, key, value, header_count, headers);
    ASSERT(!w.bad);
    body->len += w.len;
}
