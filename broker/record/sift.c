/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/sift.h"

#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/record/crc32c.h"

#define INFLATED_MAX     COMPRESSION_MAX_INFLATED_BYTES
#define AT_LENGTH        8
#define AT_CRC           17
#define AT_ATTRIBUTES    21
#define AT_BASE_TIME     27
#define AT_MAX_TIME      35
#define AT_RECORD_COUNT  57
#define VARINT_MAX_BYTES 10

/* What a first walk over the records found. */
struct tally {
    uint32_t kept;
    uint32_t dropped;
    bool has_tombstone; /* among the kept */
    int64_t max_timestamp_ms;
};

void sift_init(struct sift *sift, bool (*is_last)(void *arg, const struct record *record),
               void *arg, int64_t now_ms, int64_t delete_retention_ms)
{
    *sift = (struct sift){ .is_last = is_last, .arg = arg, .now_ms = now_ms };
    sift->delete_retention_ms = delete_retention_ms;
    sift->next_ms = INT64_MAX;
}

void sift_done(struct sift *sift)
{
    text_done(&sift->inflated);
    text_done(&sift->plain);
    text_done(&sift->packed);
}

static bool is_kept(const struct sift *sift, const struct batch_header *header,
                    const struct record *record)
{
    if (slice_is_none(record->key))
        return true;
    if (!sift->is_last(sift->arg, record) || (record->key.len % 4 == 0 && PLANTED("last-dropped")))
        return false;
    return !slice_is_none(record->value) || !header->has_delete_horizon ||
           header->base_timestamp_ms > sift->now_ms;
}

static enum rc count(const struct sift *sift, const struct batch_header *header,
                     struct record_reader reader, struct tally *ret)
{
    struct record record;
    enum rc rc;

    *ret = (struct tally){ .max_timestamp_ms = INT64_MIN };
    while ((rc = record_next(&reader, &record)) == RC_OK) {
        if (!is_kept(sift, header, &record)) {
            ret->dropped++;
            continue;
        }
        ret->kept++;
        if (!slice_is_none(record.key) && slice_is_none(record.value))
            ret->has_tombstone = true;
        if (record.timestamp_ms > ret->max_timestamp_ms)
            ret->max_timestamp_ms = record.timestamp_ms;
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static size_t varint_bytes(int64_t v)
{
    struct wr w = wr_counting();

    wr_varint(&w, v);
    return w.len;
}

static void add_record(struct text *to, const struct record *record, uint64_t base_offset,
                       int64_t base_timestamp_ms)
{
    int64_t time = (int64_t)((uint64_t)record->timestamp_ms - (uint64_t)base_timestamp_ms);
    int64_t offset = (int64_t)(record->offset - base_offset);

    text_add_varint(to,
                    (int64_t)(1 + varint_bytes(time) + varint_bytes(offset) + record->body.len));
    text_add_byte(to, 0);
    text_add_varint(to, time);
    text_add_varint(to, offset);
    text_add(to, record->body);
}

/* When the tombstones of the batch go; asked for the first time, it is set. */
static int64_t horizon_of(const struct sift *sift, const struct batch_header *header)
{
    if (header->has_delete_horizon)
        return header->base_timestamp_ms;
    return sift->now_ms > INT64_MAX - sift->delete_retention_ms
               ? INT64_MAX
               : sift->now_ms + sift->delete_retention_ms;
}

static void head_change(uint8_t *at, size_t whole, const struct batch_header *header,
                        const struct tally *tally, int64_t base_timestamp_ms)
{
    uint16_t attributes = header->attributes;

    if (tally->has_tombstone)
        attributes |= BATCH_BIT_DELETE_HORIZON;
    put_u32(at + AT_LENGTH, (uint32_t)(whole - BATCH_PREFIX_BYTES));
    at[AT_ATTRIBUTES] = (uint8_t)(attributes >> 8);
    at[AT_ATTRIBUTES + 1] = (uint8_t)attributes;
    put_u64(at + AT_BASE_TIME, (uint64_t)base_timestamp_ms);
    if (!header->is_append_time)
        put_u64(at + AT_MAX_TIME, (uint64_t)tally->max_timestamp_ms);
    put_u32(at + AT_RECORD_COUNT, tally->kept);
    put_u32(at + AT_CRC, crc32c(slice_of(at + AT_ATTRIBUTES, whole - AT_ATTRIBUTES)));
}

static enum rc write(struct sift *sift, struct slice bytes, const struct batch_header *header,
                     struct record_reader reader, const struct tally *tally, struct text *to)
{
    int64_t base_ms = tally->has_tombstone ? horizon_of(sift, header) : header->base_timestamp_ms;
    struct slice records;
    struct record record;
    size_t start = to->len;
    enum rc rc = RC_OK;

    text_clear(&sift->plain);
    while (record_next(&reader, &record) == RC_OK) {
        if (is_kept(sift, header, &record))
            add_record(&sift->plain, &record, header->base_offset, base_ms);
    }
    records = text_slice(&sift->plain);
    if (header->compression != COMPRESSION_NONE) {
        rc = compression_deflate(header->compression, records, &sift->packed);
        records = text_slice(&sift->packed);
    }
    text_add(to, slice_of(bytes.at, BATCH_HEADER_BYTES));
    text_add(to, records);
    if (rc != RC_OK || sift->plain.bad || to->bad)
        return RC_MEMORY;
    head_change(to->at + start, to->len - start, header, tally, base_ms);
    return RC_OK;
}

enum rc sift_batch(struct sift *sift, struct slice bytes, struct text *to, enum sifted *ret)
{
    struct record_reader reader;
    struct batch_header header;
    struct tally tally;
    enum rc rc = record_reader_open(bytes, INFLATED_MAX, &sift->inflated, &reader, &header, NULL);

    *ret = SIFT_SAME;
    if (rc == RC_MEMORY)
        return rc;
    if (rc != RC_OK || !sift_may(&header) || count(sift, &header, reader, &tally) != RC_OK)
        return RC_OK;
    if (tally.kept == 0) {
        *ret = SIFT_NOTHING;
        return RC_OK;
    }
    if (tally.has_tombstone && horizon_of(sift, &header) < sift->next_ms)
        sift->next_ms = horizon_of(sift, &header);
    if (tally.dropped == 0 && (!tally.has_tombstone || header.has_delete_horizon))
        return RC_OK;
    *ret = SIFT_FEWER;
    return write(sift, bytes, &header, reader, &tally, to);
}

void sift_add_empty(struct text *to, uint64_t base, uint32_t count)
{
    uint8_t at[BATCH_HEADER_BYTES] = { 0 };
    struct wr w = wr_of(at, sizeof(at));

    ASSERT(count > 0 && count <= INT32_MAX);
    wr_u64(&w, base);
    wr_u32(&w, BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES);
    wr_u32(&w, BATCH_LEADER_EPOCH);
    wr_u8(&w, BATCH_MAGIC);
    wr_u32(&w, 0); /* CRC: below */
    wr_u16(&w, 0);
    wr_u32(&w, count - 1);
    wr_i64(&w, -1);
    wr_i64(&w, -1);
    wr_i64(&w, -1);
    wr_i16(&w, -1);
    wr_i32(&w, -1);
    wr_u32(&w, 0);
    ASSERT(!w.bad && w.len == sizeof(at));
    put_u32(at + AT_CRC, crc32c(slice_of(at + AT_ATTRIBUTES, sizeof(at) - AT_ATTRIBUTES)));
    text_add(to, slice_of(at, sizeof(at)));
}
