/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/batch.h"

#include "broker/base/block.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/record/crc32c.h"
#include "broker/record/record.h"

#define AT_LENGTH        8
#define AT_LEADER_EPOCH  12
#define AT_MAGIC         16
#define AT_CRC           17
#define AT_ATTRIBUTES    21
#define AT_MAX_TIMESTAMP 35
/* A message set (magic 0) needs CRC, magic, attributes and two lengths behind its length field. */
#define MESSAGE_MIN_LENGTH 14
#define CODEC_MASK         7u

static void read_attributes(struct batch_header *h)
{
    h->compression = (enum compression)(h->attributes & CODEC_MASK);
    h->is_append_time = (h->attributes & BATCH_BIT_APPEND_TIME) != 0;
    h->is_transactional = (h->attributes & BATCH_BIT_TRANSACTIONAL) != 0;
    h->is_control = (h->attributes & BATCH_BIT_CONTROL) != 0;
    h->has_delete_horizon = (h->attributes & BATCH_BIT_DELETE_HORIZON) != 0;
}

/* What follows the magic; the counts are checked against each other, not against the records. */
static enum rc read_header(struct rd *r, struct batch_header *h)
{
    h->crc = rd_u32(r);
    h->attributes = rd_u16(r);
    h->last_offset_delta = rd_u32(r);
    h->base_timestamp_ms = rd_i64(r);
    h->max_timestamp_ms = rd_i64(r);
    h->producer_id = rd_i64(r);
    h->producer_epoch = rd_i16(r);
    h->base_sequence = rd_i32(r);
    h->record_count = rd_u32(r);
    if (r->bad || (h->attributes & CODEC_MASK) >= COMPRESSION_COUNT)
        return RC_MALFORMED;
    read_attributes(h);
    if (h->last_offset_delta > INT32_MAX || h->record_count > INT32_MAX)
        return RC_MALFORMED;
    if (h->record_count > h->last_offset_delta + 1)
        return RC_MALFORMED;
    return RC_OK;
}

/* Could a records section of `len` bytes hold so many? */
static bool may_hold(const struct batch_header *h, size_t len)
{
    if (h->compression == COMPRESSION_NONE)
        return h->record_count <= len / RECORD_MIN_BYTES;
    return h->record_count == 0 || (len > 0 && h->record_count <= BATCH_MAX_PACKED_RECORDS);
}

enum rc batch_peek(struct slice bytes, struct batch_header *ret, struct slice *ret_records,
                   size_t *ret_whole_bytes)
{
    struct batch_header h = { 0 };
    struct rd r = rd_of(bytes);
    size_t whole;
    enum rc rc;

    h.base_offset = rd_u64(&r);
    h.length = rd_u32(&r);
    if (r.bad)
        return RC_AGAIN;
    if (h.length > INT32_MAX || h.length < MESSAGE_MIN_LENGTH)
        return RC_MALFORMED;
    h.leader_epoch = rd_i32(&r);
    h.magic = rd_u8(&r);
    if (r.bad)
        return RC_AGAIN;
    if (h.magic < BATCH_MAGIC)
        return RC_UNSUPPORTED;
    if (h.magic > BATCH_MAGIC || h.length < BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES)
        return RC_MALFORMED;
    whole = (size_t)h.length + BATCH_PREFIX_BYTES;
    if (bytes.len < whole)
        return RC_AGAIN;
    rc = read_header(&r, &h);
    if (rc != RC_OK)
        return rc;
    if (!may_hold(&h, whole - BATCH_HEADER_BYTES))
        return RC_MALFORMED;
    if (ret != NULL)
        *ret = h;
    if (ret_records != NULL)
        *ret_records = rd_bytes(&r, whole - BATCH_HEADER_BYTES);
    if (ret_whole_bytes != NULL)
        *ret_whole_bytes = whole;
    return RC_OK;
}

static uint32_t crc_of(struct slice batch)
{
    return crc32c(slice_after(batch, AT_ATTRIBUTES));
}

enum rc batch_check_crc(struct slice batch)
{
    struct rd r = rd_of(slice_after(batch, AT_CRC));
    uint32_t crc = rd_u32(&r);

    return batch.len >= BATCH_HEADER_BYTES && crc == crc_of(batch) ? RC_OK : RC_CORRUPT;
}

enum rc batch_check_produced(const struct batch_header *header)
{
    if (header->record_count == 0 || header->record_count != header->last_offset_delta + 1)
        return RC_INVALID;
    if (header->is_control || header->has_delete_horizon)
        return RC_INVALID;
    if (header->producer_id != -1 && header->base_sequence < 0)
        return RC_INVALID;
    return RC_OK;
}

void batch_set_base_offset(uint8_t *batch, uint64_t offset, int32_t leader_epoch)
{
    put_u64(batch, offset);
    put_u32(batch + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void batch_set_log_append_time(uint8_t *batch, size_t whole_bytes, int64_t time_ms)
{
    ASSERT(whole_bytes >= BATCH_HEADER_BYTES);
    /* The attributes are two bytes, of which the lower holds every bit that has a meaning. */
    batch[AT_ATTRIBUTES + 1] |= BATCH_BIT_APPEND_TIME;
    put_u64(batch + AT_MAX_TIMESTAMP, (uint64_t)time_ms);
    put_u32(batch + AT_CRC, crc_of(slice_of(batch, whole_bytes)));
}

/* The records of `batch` packed by `compression`, in `scratch` or where they were. */
static enum rc repack_records(const struct batch_header *h, struct slice records,
                              enum compression compression, size_t max_bytes, struct text *scratch,
                              struct slice *ret)
{
    struct text plain = { 0 };
    enum rc rc = RC_OK;

    if (compression == h->compression) {
        *ret = records;
        return RC_OK;
    }
    if (h->compression == COMPRESSION_NONE) {
        rc = compression_deflate(compression, records, scratch);
    } else if (compression == COMPRESSION_NONE) {
        rc = compression_inflate(h->compression, records, max_bytes, scratch);
    } else {
        rc = compression_inflate(h->compression, records, max_bytes, &plain);
        if (rc == RC_OK)
            rc = compression_deflate(compression, text_slice(&plain), scratch);
    }
    if (rc == RC_OK)
        *ret = text_slice(scratch);
    text_done(&plain);
    return rc;
}

enum rc batch_repack(struct slice batch, enum compression compression, size_t max_bytes,
                     struct text *scratch, struct block **ret)
{
    struct batch_header h;
    struct slice records;
    struct block *block;
    enum rc rc;

    rc = batch_peek(batch, &h, &records, NULL);
    if (rc == RC_AGAIN)
        rc = RC_MALFORMED;
    if (rc == RC_OK)
        rc = repack_records(&h, records, compression, max_bytes, scratch, &records);
    if (rc != RC_OK)
        return rc;
    if (records.len > INT32_MAX - BATCH_HEADER_BYTES)
        return RC_TOO_LARGE;
    block = block_try(BATCH_HEADER_BYTES + records.len);
    if (block == NULL)
        return RC_MEMORY;
    memcpy(block->at, batch.at, BATCH_HEADER_BYTES);
    if (records.len > 0)
        memcpy(block->at + BATCH_HEADER_BYTES, records.at, records.len);
    put_u32(block->at + AT_LENGTH, (uint32_t)(block->len - BATCH_PREFIX_BYTES));
    block->at[AT_ATTRIBUTES + 1] =
        (uint8_t)((block->at[AT_ATTRIBUTES + 1] & ~CODEC_MASK) | (unsigned)compression);
    put_u32(block->at + AT_CRC, crc_of(block_slice(block)));
    *ret = block;
    return RC_OK;
}
