/* SPDX-License-Identifier: Apache-2.0 */
/* The records inside a batch: walking them, and encoding the part all logs share. Pure.
 *
 *  length varint | attributes i8 | timestamp delta varlong | offset delta varint | body
 *  body: key length varint (-1 null), key | value length varint (-1 null), value |
 *        header count varint | headers: name length varint, name, value length varint (-1), value
 */
#ifndef TERCET_BROKER_RECORD_RECORD_H
#define TERCET_BROKER_RECORD_RECORD_H

#include "broker/base/rc.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/record/batch.h"

/* The shortest record: a length byte and six one-byte fields. */
#define RECORD_MIN_BYTES 7
/* Of a value, key, name or body: Kafka's lengths are 32-bit signed. */
#define RECORD_MAX_BYTES ((size_t)INT32_MAX)

/* All slices are borrowed from the bytes that were read. */
struct record {
    uint64_t offset;
    int64_t timestamp_ms;
    struct slice key;   /* none = null */
    struct slice value; /* none = null, which differs from empty */
    uint32_t header_count;
    struct slice headers; /* raw, for rd_of() and record_header_next(); already proved whole */
    struct slice body;    /* key, value and headers as encoded, for batch_builder_add_body() */
};

struct record_header {
    struct slice name;  /* never none */
    struct slice value; /* none = null */
};

/* A walk over one records section. Small value; the caller keeps it and the bytes. */
struct record_reader {
    struct rd rd;
    uint64_t base_offset;
    int64_t base_timestamp_ms;
    bool is_append_time;    /* every record then has the batch's max timestamp */
    int64_t append_time_ms; /* that */
    uint32_t last_offset_delta;
    int64_t least_delta; /* the next offset delta must not be below this */
    uint32_t left;       /* records not yet read */
};

/* Over a plain records section (of batch_peek(), inflated if the header says it is packed). */
void record_reader_init(struct record_reader *reader, const struct batch_header *header,
                        struct slice records);

/* Gives the next record. RC_NOT_FOUND: that was all, and it ended where it had to.
 * RC_MALFORMED: a length that does not match, an offset delta that does not rise or lies beyond the
 * last, bytes left over: sticky, what was given before stays good. */
MUST_CHECK enum rc record_next(struct record_reader *reader, struct record *ret);

/* Are the records of a plain section whole, as many as declared, their offsets in range? RC_OK or
 * RC_MALFORMED. What is packed is not opened: RC_OK. With batch_check_produced(), which makes the
 * offsets follow each other without a gap, it is what Kafka asks of a producer. */
MUST_CHECK enum rc record_check_all(const struct batch_header *header, struct slice records);

/* Peeks the batch at the start of `bytes` and inflates it into `scratch` when it is packed, ready
 * for record_next(). The records borrow from `bytes` or `scratch`; `ret_whole_bytes` as in
 * batch_peek(); `ret_header` and `ret_whole_bytes` may be NULL. The CRC is not looked at.
 * RC_TOO_LARGE: inflates to more than max_bytes. Else as batch_peek() and compression_inflate(). */
MUST_CHECK enum rc record_reader_open(struct slice bytes, size_t max_bytes, struct text *scratch,
                                      struct record_reader *ret, struct batch_header *ret_header,
                                      size_t *ret_whole_bytes);

/* Reads one body alone (offset and timestamp of `ret` are 0). RC_MALFORMED: not exactly one. */
MUST_CHECK enum rc record_read_body(struct slice body, struct record *ret);

/* Gives the next header. RC_NOT_FOUND: no more. RC_MALFORMED. */
MUST_CHECK enum rc record_header_next(struct rd *headers, struct record_header *ret);
/* The value of the first header of that name. RC_NOT_FOUND: none has it. */
MUST_CHECK enum rc record_header_find(const struct record *record, struct slice name,
                                      struct slice *ret_value);

/* Writes one header (value none = null) behind others of the same record. */
void record_header_write(struct wr *w, struct slice name, struct slice value);
void record_header_add(struct text *headers, struct slice name, struct slice value);
/* Writes a body; `headers` holds header_count headers written by the above. */
void record_body_write(struct wr *w, struct slice key, struct slice value, uint32_t header_count,
                       struct slice headers);
void record_body_add(struct text *body, struct slice key, struct slice value, uint32_t header_count,
                     struct slice headers);

#endif
