/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, methods and content headers of AMQP 0-9-1: bytes to structs and back. Pure: no state, no
 * allocation; what is decoded borrows from the bytes given. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_CODEC_H
#define TERCET_PROTOCOLS_AMQP_AMQP_CODEC_H

#include "broker/base/rc.h"
#include "broker/base/wire.h"
#include "protocols/amqp/amqp_methods.h"

/* ---- frames: type, channel, size, payload, 0xCE ---- */

#define AMQP_FRAME_END      0xCE
#define AMQP_FRAME_HEAD     7 /* bytes before the payload */
#define AMQP_FRAME_OVERHEAD 8 /* the head and the end octet */
/* Clients that forget that frame_max counts the overhead send this much more; RabbitMQ forgives. */
#define AMQP_FRAME_TOLERANCE 8
#define AMQP_PROTOCOL_HEADER 8 /* "AMQP" and four octets */

enum amqp_frame_type {
    AMQP_FRAME_METHOD = 1,
    AMQP_FRAME_HEADER = 2,
    AMQP_FRAME_BODY = 3,
    AMQP_FRAME_HEARTBEAT = 8,
};

struct amqp_frame {
    uint8_t type; /* as on the wire; the session knows which it takes when */
    uint8_t end;  /* the octet where 0xCE should be */
    uint16_t channel;
    uint32_t size;        /* as claimed */
    struct slice payload; /* empty unless RC_OK or RC_MALFORMED */
};

/* The frame at the start of `in`.
 * RC_OK: it takes AMQP_FRAME_OVERHEAD + size bytes. RC_AGAIN: not whole yet; *ret_need bytes are
 * wanted in all. RC_TOO_LARGE: it claims more than `frame_max` allows. RC_MALFORMED: its end octet
 * is wrong. */
MUST_CHECK enum rc amqp_frame_next(struct slice in, uint32_t frame_max, struct amqp_frame *ret,
                                   size_t *ret_need);
/* A frame's head, before `size` bytes of payload and wr_u8(AMQP_FRAME_END). */
void amqp_put_frame_head(struct wr *w, enum amqp_frame_type type, uint16_t channel, size_t size);

/* ---- methods ---- */

/* The ids in front of a method payload, for error answers; 0 for what is not there. */
void amqp_method_ids(struct slice payload, uint16_t *ret_class, uint16_t *ret_method);
/* RC_NOT_FOUND: no such class or method. RC_MALFORMED: the arguments are not what the method has,
 * or bytes are left behind them. RC_INVALID: a short string is not UTF-8. RC_LIMIT: a table is
 * nested too deep. */
MUST_CHECK enum rc amqp_decode_method(struct slice payload, struct amqp_method *ret);
/* Writes the payload: ids and arguments. Short strings must be at most 255 bytes. */
void amqp_encode_method(struct wr *w, const struct amqp_method *method);
/* The whole frame. */
void amqp_encode_method_frame(struct wr *w, uint16_t channel, const struct amqp_method *method);
uint16_t amqp_method_class_id(enum amqp_method_name name);
uint16_t amqp_method_id(enum amqp_method_name name);
const char *amqp_method_text(enum amqp_method_name name);

/* ---- content headers ---- */

/* X(FLAG, kind, name): the properties of class basic, in the order of the flags from bit 15. */
#define AMQP_PROPERTIES(X)                          \
    X(CONTENT_TYPE, shortstr, content_type)         \
    X(CONTENT_ENCODING, shortstr, content_encoding) \
    X(HEADERS, table, headers)                      \
    X(DELIVERY_MODE, octet, delivery_mode)          \
    X(PRIORITY, octet, priority)                    \
    X(CORRELATION_ID, shortstr, correlation_id)     \
    X(REPLY_TO, shortstr, reply_to)                 \
    X(EXPIRATION, shortstr, expiration)             \
    X(MESSAGE_ID, shortstr, message_id)             \
    X(TIMESTAMP, longlong, timestamp)               \
    X(TYPE, shortstr, type)                         \
    X(USER_ID, shortstr, user_id)                   \
    X(APP_ID, shortstr, app_id)                     \
    X(CLUSTER_ID, shortstr, cluster_id)

enum amqp_property {
#define X(FLAG, kind, name) AMQP_PROPERTY_##FLAG,
    AMQP_PROPERTIES(X)
#undef X
        AMQP_PROPERTY_COUNT
};
#define AMQP_HAS(properties, FLAG) (((properties)->flags & AMQP_FLAG(FLAG)) != 0)
#define AMQP_FLAG(FLAG)            ((uint16_t)(0x8000u >> AMQP_PROPERTY_##FLAG))

struct amqp_properties {
    uint16_t flags; /* AMQP_FLAG(...) of those present */
#define X(FLAG, kind, name) AMQP_C_##kind name;
    AMQP_PROPERTIES(X)
#undef X
};

struct amqp_content_header {
    uint16_t class_id;
    uint16_t weight;
    uint64_t body_size;
    struct slice properties; /* flags and list, as they came: what amqp_decode_properties() takes */
};

/* RC_MALFORMED: shorter than its fixed part. The properties are not looked at. */
MUST_CHECK enum rc amqp_decode_content_header(struct slice payload,
                                              struct amqp_content_header *ret);
/* Errors as of amqp_decode_method(); a continued flags word, which nobody uses, is malformed. */
MUST_CHECK enum rc amqp_decode_properties(struct slice bytes, struct amqp_properties *ret);
/* Flags word and list, as a content header has them behind the body size. */
void amqp_encode_properties(struct wr *w, const struct amqp_properties *properties);
/* The list alone. */
void amqp_encode_property_list(struct wr *w, const struct amqp_properties *properties);
/* The whole frame of a basic content header; `properties` is an encoded list. */
#define AMQP_HEADER_FIXED 12 /* class, weight, body size */
void amqp_encode_header_frame(struct wr *w, uint16_t channel, uint64_t body_size,
                              struct slice properties);

#endif
