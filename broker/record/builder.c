/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/builder.h"

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/record/crc32c.h"

#define FIRST_BYTES 512
/* Attributes, timestamp delta and offset delta, at their longest. */
#define PLACE_MAX_BYTES  (1 + 10 + 5)
#define VARINT_MAX_BYTES 10
/* A record's length prefix. */
#define LENGTH_MAX_BYTES 5
#define AT_CRC           17
#define AT_ATTRIBUTES    21

void batch_builder_init(struct batch_builder *b, size_t max_bytes, uint32_t max_records)
{
    *b = (struct batch_builder){
        .max_bytes = max_bytes == 0 ? BATCH_BUILDER_MAX_BYTES : max_bytes,
        .max_records = max_records == 0 ? BATCH_BUILDER_MAX_RECORDS : max_records,
        .first_bytes = FIRST_BYTES,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
    };
    ASSERT(b->max_bytes <= BATCH_BUILDER_MAX_RECORD_BYTES && b->max_records <= INT32_MAX);
}

void batch_builder_done(struct batch_builder *b)
{
    batch_builder_clear(b);
}

void batch_builder_clear(struct batch_builder *b)
{
    block_unref(&b->block);
    b->bytes = 0;
    b->record_count = 0;
}

void batch_builder_set_producer(struct batch_builder *b, int64_t producer_id,
                                int16_t producer_epoch, int32_t base_sequence, uint16_t attributes)
{
    b->producer_id = producer_id;
    b->producer_epoch = producer_epoch;
    b->base_sequence = base_sequence;
    b->attributes = attributes;
}

/* Makes room for `n` more bytes than the header and the records there are. */
static enum rc make_room(struct batch_builder *b, size_t n)
{
    size_t used = b->bytes == 0 ? BATCH_HEADER_BYTES : b->bytes;
    size_t room = b->block == NULL ? b->first_bytes : b->block->len;
    struct block *block;

    while (room - used < n || room < used)
        room *= 2;
    block = b->block == NULL ? block_try(room) : block_try_resize(b->block, room);
    if (block == NULL)
        return RC_MEMORY;
    b->block = block;
    return RC_OK;
}

/* Sets `ret` to write a record whose parts come to `len` bytes, its length already written. Changes
 * nothing that counts. */
static enum rc begin_record(struct batch_builder *b, size_t len, struct wr *ret)
{
    size_t used = b->bytes == 0 ? BATCH_HEADER_BYTES : b->bytes;
    size_t need;
    enum rc rc;

    if (len > BATCH_BUILDER_MAX_RECORD_BYTES - BATCH_HEADER_BYTES - LENGTH_MAX_BYTES)
        return RC_TOO_LARGE;
    need = len + LENGTH_MAX_BYTES;
    if (b->record_count > 0 &&
        (b->record_count >= b->max_records || need > b->max_bytes || used > b->max_bytes - need))
        return RC_LIMIT;
    if (b->block == NULL || need > b->block->len - used) {
        rc = make_room(b, need);
        if (rc != RC_OK)
            return rc;
    }
    *ret = wr_of(b->block->at + used, b->block->len - used);
    wr_varint(ret, (int64_t)len);
    return RC_OK;
}

static void write_place(const struct batch_builder *b, struct wr *w, int64_t timestamp_ms)
{
    uint64_t base_ms = (uint64_t)(b->record_count == 0 ? timestamp_ms : b->base_timestamp_ms);

    wr_u8(w, 0);
    wr_varint(w, (int64_t)((uint64_t)timestamp_ms - base_ms)); /* may wrap, and does when read */
    wr_varint(w, b->record_count);
}

static void end_record(struct batch_builder *b, const struct wr *w, int64_t timestamp_ms)
{
    ASSERT(!w->bad);
    if (b->record_count == 0) {
        b->bytes = BATCH_HEADER_BYTES;
        b->base_timestamp_ms = timestamp_ms;
        b->max_timestamp_ms = timestamp_ms;
    } else if (timestamp_ms > b->max_timestamp_ms) {
        b->max_timestamp_ms = timestamp_ms;
    }
    b->bytes += w->len;
    b->record_count++;
}

enum rc batch_builder_add_body(struct batch_builder *b, int64_t timestamp_ms, struct slice body)
{
    uint8_t place_bytes[PLACE_MAX_BYTES];
    struct wr place = wr_of(place_bytes, sizeof(place_bytes));
    struct wr w;
    enum rc rc;

    if (body.len > BATCH_BUILDER_MAX_RECORD_BYTES)
        return RC_TOO_LARGE;
    write_place(b, &place, timestamp_ms);
    rc = begin_record(b, place.len + body.len, &w);
    if (rc != RC_OK)
        return rc;
    wr_bytes(&w, wr_slice(&place));
    wr_bytes(&w, body);
    end_record(b, &w, timestamp_ms);
    return RC_OK;
}

static int64_t length_or_null(struct slice s)
{
    return slice_is_none(s) ? -1 : (int64_t)s.len;
}

/* Each varint is encoded once, into a scrap whose size is then known. */
enum rc batch_builder_add(struct batch_builder *b, int64_t timestamp_ms, struct slice key,
                          struct slice value, uint32_t header_count, struct slice headers)
{
    uint8_t before_key_bytes[PLACE_MAX_BYTES + VARINT_MAX_BYTES];
    uint8_t before_value_bytes[VARINT_MAX_BYTES];
    uint8_t before_headers_bytes[VARINT_MAX_BYTES];
    struct wr before_key = wr_of(before_key_bytes, sizeof(before_key_bytes));
    struct wr before_value = wr_of(before_value_bytes, sizeof(before_value_bytes));
    struct wr before_headers = wr_of(before_headers_bytes, sizeof(before_headers_bytes));
    size_t len;
    struct wr w;
    enum rc rc;

    if (key.len > BATCH_BUILDER_MAX_RECORD_BYTES || value.len > BATCH_BUILDER_MAX_RECORD_BYTES ||
        headers.len > BATCH_BUILDER_MAX_RECORD_BYTES)
        return RC_TOO_LARGE;
    write_place(b, &before_key, timestamp_ms);
    wr_varint(&before_key, length_or_null(key));
    wr_varint(&before_value, length_or_null(value));
    wr_varint(&before_headers, header_count);
    len =
        before_key.len + key.len + before_value.len + value.len + before_headers.len + headers.len;
    rc = begin_record(b, len, &w);
    if (rc != RC_OK)
        return rc;
    wr_bytes(&w, wr_slice(&before_key));
    wr_bytes(&w, key);
    wr_bytes(&w, wr_slice(&before_value));
    wr_bytes(&w, value);
    wr_bytes(&w, wr_slice(&before_headers));
    wr_bytes(&w, headers);
    end_record(b, &w, timestamp_ms);
    return RC_OK;
}

static void write_header(const struct batch_builder *b, struct wr *w, uint64_t base_offset)
{
    wr_u64(w, base_offset);
    wr_u32(w, (uint32_t)(b->bytes - BATCH_PREFIX_BYTES));
    wr_i32(w, BATCH_LEADER_EPOCH);
    wr_u8(w, BATCH_MAGIC);
    wr_u32(w, 0); /* the CRC, when the rest is there */
    wr_u16(w, b->attributes);
    wr_u32(w, b->record_count - 1);
    wr_i64(w, b->base_timestamp_ms);
    wr_i64(w, b->max_timestamp_ms);
    wr_i64(w, b->producer_id);
    wr_i16(w, b->producer_epoch);
    wr_i32(w, b->base_sequence);
    wr_u32(w, b->record_count);
}

/* Room for a batch like this one and an eighth more: growing copies, and large blocks cost page
 * faults when they move. */
static size_t next_first_bytes(const struct batch_builder *b)
{
    size_t bytes = b->bytes + b->bytes / 8;

    if (bytes > b->max_bytes)
        bytes = b->max_bytes;
    return bytes < FIRST_BYTES ? FIRST_BYTES : bytes;
}

void batch_builder_seal(struct batch_builder *b, uint64_t base_offset, struct block **ret)
{
    struct block *block = b->block;
    struct block *shrunk;
    struct wr w;

    ASSERT(b->record_count > 0 && block != NULL && b->bytes <= block->len);
    w = wr_of(block->at, BATCH_HEADER_BYTES);
    write_header(b, &w, base_offset);
    ASSERT(!w.bad && w.len == BATCH_HEADER_BYTES);
    put_u32(block->at + AT_CRC,
            crc32c(slice_of(block->at + AT_ATTRIBUTES, b->bytes - AT_ATTRIBUTES)));
    shrunk = block_try_resize(block, b->bytes);
    if (shrunk != NULL)
        block = shrunk;
    block->len = b->bytes; /* also when the memory could not be shrunk */
    b->first_bytes = next_first_bytes(b);
    b->block = NULL;
    b->bytes = 0;
    b->record_count = 0;
    *ret = block;
}
