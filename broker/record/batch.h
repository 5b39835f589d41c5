/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's RecordBatch v2, the one format of every log: its header, read and changed in place. Pure.
 *
 *  at size
 *   0    8  base offset               not covered by the CRC: set by the broker
 *   8    4  length                    of all that follows this field
 *  12    4  partition leader epoch    not covered by the CRC: set by the broker
 *  16    1  magic                     2
 *  17    4  CRC-32C                   of all that follows this field
 *  21    2  attributes                0-2 compression, 3 append time, 4 transactional, 5 control,
 *                                     6 base timestamp is a delete horizon
 *  23    4  last offset delta
 *  27    8  base timestamp (ms)
 *  35    8  max timestamp (ms)
 *  43    8  producer id               -1: none
 *  51    2  producer epoch            -1: none
 *  53    4  base sequence             -1: none
 *  57    4  record count
 *  61       records, compressed as one piece
 */
#ifndef TERCET_BROKER_RECORD_BATCH_H
#define TERCET_BROKER_RECORD_BATCH_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/record/compression.h"

struct block;

#define BATCH_HEADER_BYTES 61
/* Base offset and length field, which `length` does not count. */
#define BATCH_PREFIX_BYTES 12
#define BATCH_MAGIC        2
/* One node leads every partition for ever: the epoch never moves. */
#define BATCH_LEADER_EPOCH 0

/* The most records that a packed batch may declare, seen before it is opened; a plain one cannot
 * declare more than its bytes hold. Every offset costs its readers something, so a count must not
 * be free: this is many times what a producer packs into the largest default batch. */
#define BATCH_MAX_PACKED_RECORDS (1u << 20)

#define BATCH_BIT_APPEND_TIME    (1u << 3)
#define BATCH_BIT_TRANSACTIONAL  (1u << 4)
#define BATCH_BIT_CONTROL        (1u << 5)
#define BATCH_BIT_DELETE_HORIZON (1u << 6)

struct batch_header {
    uint64_t base_offset; /* as sent: meaningless in what a producer sends */
    uint32_t length;      /* bytes behind the length field */
    int32_t leader_epoch;
    uint8_t magic;
    uint32_t crc;
    uint16_t attributes; /* raw; the next five are read from it */
    enum compression compression;
    bool is_append_time;
    bool is_transactional;
    bool is_control;
    bool has_delete_horizon;
    uint32_t last_offset_delta; /* < 2^31 */
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    int32_t base_sequence;
    uint32_t record_count; /* < 2^31; 0 is legal after compaction */
};

/* Reads the header of the first batch in `bytes`; more may follow it. `ret_records` (borrowed from
 * `bytes`) is the records section as stored, compressed or not; `ret_whole_bytes` is the size of
 * the batch, where the next one begins. The CRC is not looked at. All of ret_* may be NULL, and are
 * set only on RC_OK. RC_AGAIN: the batch is not whole. RC_UNSUPPORTED: a message set of magic 0
 * or 1. RC_MALFORMED: no batch at all, an unknown magic or codec, counts that contradict each
 * other, or more records than can be in it. */
MUST_CHECK enum rc batch_peek(struct slice bytes, struct batch_header *ret,
                              struct slice *ret_records, size_t *ret_whole_bytes);

/* RC_OK, or RC_CORRUPT when the CRC differs. `batch` is one whole batch, as peeked. */
MUST_CHECK enum rc batch_check_crc(struct slice batch);

/* What Kafka refuses from a client beyond batch_peek(): no or contradicting record count, control
 * batch, producer id without sequence. RC_OK or RC_INVALID (Kafka's INVALID_RECORD). */
MUST_CHECK enum rc batch_check_produced(const struct batch_header *header);

/* Changes in place what lies outside the CRC. */
void batch_set_base_offset(uint8_t *batch, uint64_t offset, int32_t leader_epoch);
/* Sets the append-time bit and the max timestamp, and computes the CRC again. */
void batch_set_log_append_time(uint8_t *batch, size_t whole_bytes, int64_t time_ms);

/* Gives the same batch with its records packed by `compression` (which may be none); everything
 * else but length, CRC and the codec bits stays. `scratch` is overwritten. RC_TOO_LARGE: it
 * inflates to more than max_bytes. RC_MALFORMED, RC_UNSUPPORTED, RC_MEMORY. */
MUST_CHECK enum rc batch_repack(struct slice batch, enum compression compression, size_t max_bytes,
                                struct text *scratch, struct block **ret);

#endif
