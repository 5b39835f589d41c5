/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to structs and back for every Kafka message, driven by kafka_messages.tbl. Pure. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_CODEC_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_CODEC_H

#include "broker/base/rc.h"
#include "broker/base/wire.h"
#include "protocols/kafka/kafka_arena.h"

/* ---- what the table is made into ---- */

#define KAFKA_VERSION_MAX 127 /* "and later" */

enum kafka_kind {
    KAFKA_BOOL,
    KAFKA_INT8,
    KAFKA_INT16,
    KAFKA_UINT16,
    KAFKA_INT32,
    KAFKA_UINT32,
    KAFKA_INT64,
    KAFKA_STRING,  /* struct slice; at == NULL is null */
    KAFKA_BYTES,   /* struct slice; at == NULL is null */
    KAFKA_RECORDS, /* struct kafka_records */
    KAFKA_UUID,    /* struct kafka_uuid */
    KAFKA_STRUCT,
};

struct kafka_uuid {
    uint8_t at[16];
};

/* Record batches as they lie in the log: in the request, or sent from elsewhere without a copy. */
struct kafka_records {
    struct slice bytes;     /* at == NULL and nothing elsewhere: null */
    size_t elsewhere_bytes; /* encoding: so many follow `bytes` on the wire, see struct kafka_cut */
    const void *source;     /* encoding: the caller's, where they are */
};

struct kafka_type;

struct kafka_field {
    const char *name;
    enum kafka_kind kind;
    bool is_array;
    int8_t min; /* versions that have it */
    int8_t max;
    int8_t null_min; /* versions where it may be null; min > max: none */
    int8_t null_max;
    int8_t tag; /* -1: not tagged */
    size_t offset;
    size_t count_offset; /* arrays: of the uint32_t; the member is a pointer, NULL is null */
    const struct kafka_type *type; /* KAFKA_STRUCT */
    int64_t value;                 /* default of numbers */
};

struct kafka_type {
    const char *name;
    size_t size;
    unsigned field_count;
    const struct kafka_field *fields;
    bool has_defaults; /* some default is not zero, here or inside */
};

struct kafka_message {
    int16_t key;
    const char *name;
    int16_t min; /* versions that the codec knows */
    int16_t max;
    int16_t flexible; /* from this version on: compact forms and tagged fields */
    const struct kafka_type *request;
    const struct kafka_type *response;
};

extern const struct kafka_message kafka_messages[];
extern const unsigned kafka_message_count;

/* NULL: the key is not in the table. */
const struct kafka_message *kafka_message_of(int16_t key);
static inline bool kafka_is_flexible(const struct kafka_message *message, int16_t version)
{
    return version >= message->flexible;
}

/* ---- decoding ---- */

struct kafka_header {
    int16_t key;
    int16_t version;
    int32_t correlation_id;
    struct slice client_id; /* NONE: null */
};

/* Key, version and correlation id alone, which every header of every version begins with. */
#define KAFKA_HEADER_LEAST_BYTES 8
MUST_CHECK enum rc kafka_decode_header_start(struct rd *r, struct kafka_header *ret);
/* The rest of a request header; `is_flexible`: header version 2. RC_MALFORMED. */
MUST_CHECK enum rc kafka_decode_header_rest(struct rd *r, bool is_flexible,
                                            struct kafka_header *header);

/* Fills `ret` (a struct of `type`), absent fields with their defaults; slices borrow from the
 * reader's bytes, arrays from the arena. What lies behind the message is left in `r`:
 * librdkafka asks for all topics with three bytes too many, and Apache Kafka passes them over.
 * RC_MALFORMED: no such message. RC_LIMIT: the arena is full. */
MUST_CHECK enum rc kafka_decode(const struct kafka_type *type, int16_t version, bool is_flexible,
                                struct rd *r, struct kafka_arena *arena, void *ret);

/* ---- encoding ---- */

/* Where in the encoded bytes the records of a field come from elsewhere: after `at` bytes, `field`
 * says whose. */
struct kafka_cut {
    size_t at;
    const struct kafka_records *field; /* borrowed from the encoded struct */
};

struct kafka_encoder {
    struct wr w;
    struct kafka_cut *cuts; /* borrowed; room for `cut_room` */
    unsigned cut_room;
    unsigned cut_count;     /* counts on beyond cut_room */
    size_t elsewhere_bytes; /* sum of all cuts */
};

/* Writes, or counts when w.at is NULL, one struct of `type`. Fields that the version does not have
 * are left out. Bad (w.bad) when it does not fit, or a string is too long for the version. */
void kafka_encode(struct kafka_encoder *e, const struct kafka_type *type, int16_t version,
                  bool is_flexible, const void *from);
/* The response header: the correlation id, and no tagged fields when flexible. */
void kafka_encode_header(struct kafka_encoder *e, int32_t correlation_id, bool is_flexible);
/* A request header, for clients and tests. */
void kafka_encode_request_header(struct kafka_encoder *e, const struct kafka_header *header,
                                 bool is_flexible);

/* ---- building ---- */

/* Sets every field to its default. */
void kafka_defaults(const struct kafka_type *type, void *at);
/* `n` structs of `type` with defaults; NULL when the arena is full. */
void *kafka_array(struct kafka_arena *arena, const struct kafka_type *type, size_t n);
/* kafka_array() of a struct by its name. */
#define KAFKA_ARRAY(arena, name, n) ((struct name *)kafka_array((arena), &name##_type, (n)))

/* For walking fields in tests. */
static inline bool kafka_field_is_in(const struct kafka_field *field, int16_t version)
{
    return version >= field->min && version <= field->max;
}

#endif
