/* SPDX-License-Identifier: Apache-2.0 */
/* Packs records into one plain v2 batch, growing in the block that the log will keep. Pure.
 *
 * The block is the memory the records are written to: sealing fills in the header and gives it away
 * without a copy. Nothing is allocated while a builder is empty. */
#ifndef TERCET_BROKER_RECORD_BUILDER_H
#define TERCET_BROKER_RECORD_BUILDER_H

#include "broker/base/block.h"
#include "broker/base/rc.h"
#include "broker/record/batch.h"

/* A batch of several records stays below this: Kafka's default max.message.bytes and the frame. */
#define BATCH_BUILDER_MAX_BYTES ((size_t)1 << 20)
/* Bounds what one damaged or dropped batch can cost, and what a reader walks to find one offset. */
#define BATCH_BUILDER_MAX_RECORDS 65536
/* One record alone may be larger than the batch limit, up to this: lengths are 32-bit signed, and
 * no block is larger than a text may be. */
#define BATCH_BUILDER_MAX_RECORD_BYTES ((size_t)1 << 30)

struct batch_builder {
    struct block *block; /* owned; its len is the room, NULL while empty and after sealing */
    size_t bytes;        /* written, header included; 0 while empty */
    size_t max_bytes;
    size_t first_bytes; /* room to begin with: what the last batch came to */
    uint32_t max_records;
    uint32_t record_count;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    uint16_t attributes;
};

/* Limits 0 mean the defaults above. */
void batch_builder_init(struct batch_builder *b, size_t max_bytes, uint32_t max_records);
void batch_builder_done(struct batch_builder *b);
/* Drops the records. */
void batch_builder_clear(struct batch_builder *b);

static inline bool batch_builder_is_empty(const struct batch_builder *b)
{
    return b->record_count == 0;
}

/* For transaction markers and tests: what the header says of the producer, and attribute bits of
 * BATCH_BIT_*. Stays until set again; the default is no producer, no bits. */
void batch_builder_set_producer(struct batch_builder *b, int64_t producer_id,
                                int16_t producer_epoch, int32_t base_sequence, uint16_t attributes);

/* Appends one record; its offset is the batch's base plus the records before it. `headers` holds
 * header_count encoded headers (record_header_write()). Key and value: none = null.
 * RC_LIMIT: it does not fit any more: seal, and add it again. RC_TOO_LARGE: it fits no batch.
 * RC_MEMORY. On failure the builder is as it was. */
MUST_CHECK enum rc batch_builder_add(struct batch_builder *b, int64_t timestamp_ms,
                                     struct slice key, struct slice value, uint32_t header_count,
                                     struct slice headers);
/* The same from an encoded body (record_body_write(), or `body` of a record that was read). */
MUST_CHECK enum rc batch_builder_add_body(struct batch_builder *b, int64_t timestamp_ms,
                                          struct slice body);

/* Gives the batch as one block with base offset, leader epoch, counts and CRC set, and empties the
 * builder. It must not be empty (asserted). */
void batch_builder_seal(struct batch_builder *b, uint64_t base_offset, struct block **ret);

#endif
