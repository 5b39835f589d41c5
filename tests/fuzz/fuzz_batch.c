/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a run of batches: every record that is read is built again and must read back the same.
 * The first byte chooses a second codec that the batch is repacked by. */
#include <stdlib.h>

#include "broker/base/block.h"
#include "broker/base/mem.h"
#include "broker/record/builder.h"
#include "broker/record/record.h"

#define MAX_INFLATED_BYTES ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void walk_headers(const struct record *record)
{
    struct rd headers = rd_of(record->headers);
    struct record_header header;
    uint32_t count = 0;
    struct slice value;

    while (record_header_next(&headers, &header) == RC_OK) {
        ASSERT(!slice_is_none(header.name));
        ASSERT(record_header_find(record, header.name, &value) == RC_OK);
        if (++count == 64)
            return; /* the search is quadratic here */
    }
    ASSERT(!headers.bad && count == record->header_count);
}

/* Records of both batches, which must be the same but for their offsets. */
static void compare(struct slice x, struct slice y, bool has_same_offsets)
{
    struct text x_room = { 0 }, y_room = { 0 };
    struct record_reader x_reader, y_reader;
    struct record a, b;

    ASSERT(record_reader_open(x, MAX_INFLATED_BYTES, &x_room, &x_reader, NULL, NULL) == RC_OK);
    ASSERT(record_reader_open(y, MAX_INFLATED_BYTES, &y_room, &y_reader, NULL, NULL) == RC_OK);
    while (record_next(&x_reader, &a) == RC_OK) {
        ASSERT(record_next(&y_reader, &b) == RC_OK);
        ASSERT(a.timestamp_ms == b.timestamp_ms && slice_equal(a.body, b.body));
        ASSERT(!has_same_offsets || a.offset == b.offset);
    }
    ASSERT(record_next(&y_reader, &b) != RC_OK);
    text_done(&x_room);
    text_done(&y_room);
}

static void repack(struct slice batch, enum compression codec)
{
    struct text scratch = { 0 };
    struct block *block;

    if (batch_repack(batch, codec, MAX_INFLATED_BYTES, &scratch, &block) == RC_OK) {
        ASSERT(batch_check_crc(block_slice(block)) == RC_OK);
        compare(batch, block_slice(block), true);
        block_unref(&block);
    }
    text_done(&scratch);
}

/* True when the batch was good to its end. */
static bool rebuild(struct slice batch, struct record_reader *reader)
{
    struct batch_builder b;
    struct record record, again;
    struct block *block;
    enum rc rc;

    batch_builder_init(&b, 16 << 20, 1 << 20);
    while ((rc = record_next(reader, &record)) == RC_OK) {
        walk_headers(&record);
        ASSERT(record_read_body(record.body, &again) == RC_OK);
        ASSERT(slice_equal(again.key, record.key) && slice_equal(again.value, record.value));
        ASSERT(batch_builder_add_body(&b, record.timestamp_ms, record.body) == RC_OK);
    }
    ASSERT(rc == RC_NOT_FOUND || rc == RC_MALFORMED);
    if (rc == RC_NOT_FOUND && !batch_builder_is_empty(&b)) {
        batch_builder_seal(&b, 12345, &block);
        ASSERT(batch_check_crc(block_slice(block)) == RC_OK);
        compare(batch, block_slice(block), false);
        block_unref(&block);
    }
    batch_builder_done(&b);
    return rc == RC_NOT_FOUND;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct text scratch = { 0 };
    struct slice bytes = slice_of(at, len);
    enum compression codec;

    if (len == 0)
        return 0;
    codec = (enum compression)(at[0] % COMPRESSION_COUNT);
    bytes = slice_after(bytes, 1);
    for (;;) {
        struct record_reader reader;
        struct slice batch;
        size_t whole;

        if (batch_peek(bytes, NULL, NULL, &whole) != RC_OK)
            break;
        batch = slice_of(bytes.at, whole);
        (void)batch_check_crc(batch); /* any outcome is fine, it must only not read beyond */
        if (record_reader_open(batch, MAX_INFLATED_BYTES, &scratch, &reader, NULL, NULL) == RC_OK &&
            rebuild(batch, &reader))
            repack(batch, codec);
        bytes = slice_after(bytes, whole);
    }
    text_done(&scratch);
    return 0;
}
