/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT 3.1, 3.1.1 and 5.0 on the wire: bytes to structs of borrowed slices and back. Pure: no
 * allocation, no state, no rule that needs to know more than one packet. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_CODEC_H
#define TERCET_PROTOCOLS_MQTT_MQTT_CODEC_H

#include "broker/base/rc.h"
#include "broker/base/wire.h"

/* Protocol levels as CONNECT carries them. */
enum mqtt_version { MQTT_V31 = 3, MQTT_V311 = 4, MQTT_V5 = 5 };

enum mqtt_type {
    MQTT_RESERVED,
    MQTT_CONNECT,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
    MQTT_TYPE_COUNT
};

/* Reason codes of MQTT 5 (2.4). */
enum mqtt_reason {
    MQTT_SUCCESS = 0x00, /* also: normal disconnection, granted QoS 0 */
    MQTT_GRANTED_QOS_1 = 0x01,
    MQTT_GRANTED_QOS_2 = 0x02,
    MQTT_DISCONNECT_WITH_WILL = 0x04,
    MQTT_NO_MATCHING_SUBSCRIBERS = 0x10,
    MQTT_NO_SUBSCRIPTION_EXISTED = 0x11,
    MQTT_CONTINUE_AUTHENTICATION = 0x18,
    MQTT_REAUTHENTICATE = 0x19,
    MQTT_UNSPECIFIED_ERROR = 0x80,
    MQTT_MALFORMED_PACKET = 0x81,
    MQTT_PROTOCOL_ERROR = 0x82,
    MQTT_IMPLEMENTATION_ERROR = 0x83,
    MQTT_UNSUPPORTED_VERSION = 0x84,
    MQTT_CLIENT_ID_NOT_VALID = 0x85,
    MQTT_BAD_USER_OR_PASSWORD = 0x86,
    MQTT_NOT_AUTHORIZED = 0x87,
    MQTT_SERVER_UNAVAILABLE = 0x88,
    MQTT_SERVER_BUSY = 0x89,
    MQTT_BANNED = 0x8a,
    MQTT_SERVER_SHUTTING_DOWN = 0x8b,
    MQTT_BAD_AUTHENTICATION_METHOD = 0x8c,
    MQTT_KEEP_ALIVE_TIMEOUT = 0x8d,
    MQTT_SESSION_TAKEN_OVER = 0x8e,
    MQTT_TOPIC_FILTER_INVALID = 0x8f,
    MQTT_TOPIC_NAME_INVALID = 0x90,
    MQTT_PACKET_ID_IN_USE = 0x91,
    MQTT_PACKET_ID_NOT_FOUND = 0x92,
    MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    MQTT_TOPIC_ALIAS_INVALID = 0x94,
    MQTT_PACKET_TOO_LARGE = 0x95,
    MQTT_MESSAGE_RATE_TOO_HIGH = 0x96,
    MQTT_QUOTA_EXCEEDED = 0x97,
    MQTT_ADMINISTRATIVE_ACTION = 0x98,
    MQTT_PAYLOAD_FORMAT_INVALID = 0x99,
    MQTT_RETAIN_NOT_SUPPORTED = 0x9a,
    MQTT_QOS_NOT_SUPPORTED = 0x9b,
    MQTT_USE_ANOTHER_SERVER = 0x9c,
    MQTT_SERVER_MOVED = 0x9d,
    MQTT_SHARED_NOT_SUPPORTED = 0x9e,
    MQTT_CONNECTION_RATE_EXCEEDED = 0x9f,
    MQTT_MAXIMUM_CONNECT_TIME = 0xa0,
    MQTT_SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xa1,
    MQTT_WILDCARDS_NOT_SUPPORTED = 0xa2
};

/* Return codes of CONNACK and SUBACK in 3.1 and 3.1.1. */
enum mqtt_3_code {
    MQTT3_ACCEPTED = 0,
    MQTT3_UNACCEPTABLE_VERSION = 1,
    MQTT3_IDENTIFIER_REJECTED = 2,
    MQTT3_SERVER_UNAVAILABLE = 3,
    MQTT3_BAD_USER_OR_PASSWORD = 4,
    MQTT3_NOT_AUTHORIZED = 5,
    MQTT3_SUBSCRIBE_FAILURE = 0x80
};

/* ---- fixed header ---- */

#define MQTT_HEADER_MAX_BYTES    5
#define MQTT_REMAINING_MAX_BYTES 268435455u

struct mqtt_header {
    uint8_t type;  /* enum mqtt_type */
    uint8_t flags; /* the low four bits */
    uint8_t header_bytes;
    uint32_t body_bytes; /* the "remaining length" */
};

struct mqtt_frame {
    uint8_t type;
    uint8_t flags;
    struct slice body; /* borrowed from the input */
};

/* Reads type, flags and length without needing the body. RC_AGAIN: not all there yet.
 * RC_MALFORMED: type 0, or a length that is overlong or longer than four bytes. */
MUST_CHECK enum rc mqtt_decode_header(struct slice in, struct mqtt_header *ret);
/* Are these the flag bits that the version prescribes for the type (2.1.3)? */
bool mqtt_flags_are_legal(unsigned type, unsigned flags, unsigned version);

/* ---- properties (MQTT 5, 2.2.2) ---- */

enum mqtt_property {
    MQTT_PAYLOAD_FORMAT = 0x01,
    MQTT_MESSAGE_EXPIRY = 0x02,
    MQTT_CONTENT_TYPE = 0x03,
    MQTT_RESPONSE_TOPIC = 0x08,
    MQTT_CORRELATION_DATA = 0x09,
    MQTT_SUBSCRIPTION_ID = 0x0b,
    MQTT_SESSION_EXPIRY = 0x11,
    MQTT_ASSIGNED_CLIENT_ID = 0x12,
    MQTT_SERVER_KEEP_ALIVE = 0x13,
    MQTT_AUTHENTICATION_METHOD = 0x15,
    MQTT_AUTHENTICATION_DATA = 0x16,
    MQTT_REQUEST_PROBLEM_INFO = 0x17,
    MQTT_WILL_DELAY = 0x18,
    MQTT_REQUEST_RESPONSE_INFO = 0x19,
    MQTT_RESPONSE_INFO = 0x1a,
    MQTT_SERVER_REFERENCE = 0x1c,
    MQTT_REASON_STRING = 0x1f,
    MQTT_RECEIVE_MAXIMUM = 0x21,
    MQTT_TOPIC_ALIAS_MAXIMUM = 0x22,
    MQTT_TOPIC_ALIAS = 0x23,
    MQTT_MAXIMUM_QOS = 0x24,
    MQTT_RETAIN_AVAILABLE = 0x25,
    MQTT_USER_PROPERTY = 0x26,
    MQTT_MAXIMUM_PACKET_SIZE = 0x27,
    MQTT_WILDCARD_AVAILABLE = 0x28,
    MQTT_SUBSCRIPTION_IDS_AVAILABLE = 0x29,
    MQTT_SHARED_AVAILABLE = 0x2a,
    MQTT_PROPERTY_COUNT = 0x2b
};

/* Where a property list stands: a packet type, or the will of a CONNECT. */
#define MQTT_WILL_PLACE MQTT_RESERVED

/* More user properties than this in one packet are refused: a cost bound, see CONFORMANCE. */
#define MQTT_USER_PROPERTIES_MAX 1024

/* One decoded list. A value counts only when its bit is set in `present`. */
struct mqtt_properties {
    uint64_t present;     /* bit (1 << id) */
    struct slice raw;     /* decode: the whole list without its length */
    struct slice append;  /* encode: whole properties, written behind the others as they are */
    const uint8_t *first; /* encode: ids that come first, in this order, 0 behind; or NULL */
    const uint32_t *subscription_ids; /* encode: borrowed */
    size_t subscription_id_count;     /* both */
    unsigned user_count;              /* decode */
    uint8_t payload_format;
    uint8_t request_problem_info;
    uint8_t request_response_info;
    uint8_t maximum_qos;
    uint8_t retain_available;
    uint8_t wildcard_available;
    uint8_t subscription_ids_available;
    uint8_t shared_available;
    uint16_t server_keep_alive_s;
    uint16_t receive_maximum;
    uint16_t topic_alias_maximum;
    uint16_t topic_alias;
    uint32_t message_expiry_s;
    uint32_t session_expiry_s;
    uint32_t will_delay_s;
    uint32_t maximum_packet_size;
    uint32_t subscription_id; /* decode: the first */
    struct slice content_type;
    struct slice response_topic;
    struct slice correlation_data;
    struct slice assigned_client_id;
    struct slice authentication_method;
    struct slice authentication_data;
    struct slice response_info;
    struct slice server_reference;
    struct slice reason_string;
};

static inline bool mqtt_has(const struct mqtt_properties *p, enum mqtt_property id)
{
    return (p->present >> (unsigned)id & 1) != 0;
}

static inline void mqtt_set(struct mqtt_properties *p, enum mqtt_property id)
{
    p->present |= UINT64_C(1) << (unsigned)id;
}

/* Reads a length-prefixed property list. RC_MALFORMED: it does not parse, or an id is unknown.
 * RC_PROTOCOL: an id that is not of this place, a duplicate, a value that the specification
 * forbids. RC_LIMIT: too many user properties. On a failed `r` gives RC_MALFORMED. */
MUST_CHECK enum rc mqtt_decode_properties(struct rd *r, unsigned place,
                                          struct mqtt_properties *ret);
/* Writes length and list. */
void mqtt_encode_properties(struct wr *w, const struct mqtt_properties *p);

/* One property of a proved list, for walking it in order. */
struct mqtt_property_item {
    uint8_t id;
    uint32_t number;    /* bytes and integers */
    struct slice value; /* strings and binary; the value of a user property */
    struct slice name;  /* of a user property */
    struct slice whole; /* id and value as they stand in the list */
};
/* The next one; false at the end. The list must have passed mqtt_decode_properties(). */
bool mqtt_next_property(struct rd *list, struct mqtt_property_item *ret);
void mqtt_encode_user_property(struct wr *w, struct slice name, struct slice value);

/* ---- the packets ---- */

struct mqtt_will {
    bool is_set;
    uint8_t qos;
    bool is_retain;
    struct mqtt_properties properties;
    struct slice topic;
    struct slice payload;
};

struct mqtt_connect {
    uint8_t version;       /* enum mqtt_version */
    bool is_bridge;        /* bit 7 of the level: the private mark of bridges, 3.1 and 3.1.1 */
    bool clean_start;      /* "clean session" before 5.0 */
    bool is_id_ill_formed; /* set when it is refused for this */
    uint16_t keep_alive_s;
    struct mqtt_properties properties;
    struct slice client_id;
    struct mqtt_will will;
    struct slice user_name; /* none when absent */
    struct slice password;  /* none when absent */
};

struct mqtt_connack {
    bool session_present;
    uint8_t reason;
    struct mqtt_properties properties;
};

struct mqtt_publish {
    bool dup;
    uint8_t qos;
    bool retain;
    uint16_t packet_id; /* 0 when qos is 0 */
    struct slice topic;
    struct mqtt_properties properties;
    struct slice payload;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP */
struct mqtt_ack {
    uint16_t packet_id;
    uint8_t reason;
    struct mqtt_properties properties;
};

struct mqtt_subscribe { /* and UNSUBSCRIBE */
    uint16_t packet_id;
    struct mqtt_properties properties;
    struct rd filters; /* proved whole; walk with mqtt_next_filter() */
    size_t filter_count;
};

struct mqtt_filter {
    struct slice filter;
    uint8_t qos;
    bool no_local;
    bool retain_as_published;
    uint8_t retain_handling;
};

struct mqtt_suback { /* and UNSUBACK */
    uint16_t packet_id;
    struct mqtt_properties properties;
    struct slice reasons; /* one byte each; empty for UNSUBACK before 5.0 */
};

struct mqtt_disconnect { /* and AUTH */
    uint8_t reason;
    struct mqtt_properties properties;
};

/* Decoders take the body of a frame whose flags were found legal. RC_MALFORMED and RC_PROTOCOL as
 * the specification tells them apart; RC_LIMIT from properties. All slices borrow from the body.
 * CONNECT also: RC_VERSION for a level that we do not speak; ret->version is 0 or,
 * when the refusal is to be told in CONNACK, the level: not when name, flags or login do not parse.
 */
MUST_CHECK enum rc mqtt_decode_connect(struct slice body, struct mqtt_connect *ret);
MUST_CHECK enum rc mqtt_decode_connack(struct slice body, unsigned version,
                                       struct mqtt_connack *ret);
MUST_CHECK enum rc mqtt_decode_publish(const struct mqtt_frame *frame, unsigned version,
                                       struct mqtt_publish *ret);
MUST_CHECK enum rc mqtt_decode_ack(const struct mqtt_frame *frame, unsigned version,
                                   struct mqtt_ack *ret);
MUST_CHECK enum rc mqtt_decode_subscribe(struct slice body, unsigned version,
                                         struct mqtt_subscribe *ret);
MUST_CHECK enum rc mqtt_decode_unsubscribe(struct slice body, unsigned version,
                                           struct mqtt_subscribe *ret);
MUST_CHECK enum rc mqtt_decode_suback(const struct mqtt_frame *frame, unsigned version,
                                      struct mqtt_suback *ret);
/* PINGREQ and PINGRESP. */
MUST_CHECK enum rc mqtt_decode_ping(struct slice body);
MUST_CHECK enum rc mqtt_decode_disconnect(struct slice body, unsigned version,
                                          struct mqtt_disconnect *ret);
MUST_CHECK enum rc mqtt_decode_auth(struct slice body, struct mqtt_disconnect *ret);
/* The next filter of a SUBSCRIBE (with options) or UNSUBSCRIBE (without); false at the end. */
bool mqtt_next_filter(struct rd *filters, bool has_options, struct mqtt_filter *ret);
/* May a packet of this type carry this reason code? */
bool mqtt_reason_is_legal(unsigned type, unsigned reason);

/* Encoders write one whole packet; give them a counting wr to learn its size. */
void mqtt_encode_connect(struct wr *w, const struct mqtt_connect *p);
void mqtt_encode_connack(struct wr *w, unsigned version, const struct mqtt_connack *p);
/* All of the packet but the payload, whose length is counted in: the payload follows. */
void mqtt_encode_publish_head(struct wr *w, unsigned version, const struct mqtt_publish *p);
void mqtt_encode_publish(struct wr *w, unsigned version, const struct mqtt_publish *p);
void mqtt_encode_ack(struct wr *w, unsigned version, enum mqtt_type type, const struct mqtt_ack *p);
/* The same with reason 0 and no properties, as nearly all are, in every version. */
#define MQTT_PLAIN_ACK_BYTES 4
void mqtt_encode_plain_ack(struct wr *w, enum mqtt_type type, uint16_t packet_id);
/* `filters` are `count` entries; p->filters is not looked at. */
void mqtt_encode_subscribe(struct wr *w, unsigned version, const struct mqtt_subscribe *p,
                           const struct mqtt_filter *filters, size_t count);
void mqtt_encode_unsubscribe(struct wr *w, unsigned version, const struct mqtt_subscribe *p,
                             const struct mqtt_filter *filters, size_t count);
void mqtt_encode_suback(struct wr *w, unsigned version, enum mqtt_type type,
                        const struct mqtt_suback *p);
void mqtt_encode_ping(struct wr *w, enum mqtt_type type);
void mqtt_encode_disconnect(struct wr *w, unsigned version, const struct mqtt_disconnect *p);
void mqtt_encode_auth(struct wr *w, const struct mqtt_disconnect *p);

/* ---- strings and topics ---- */

/* Levels of a topic or filter beyond this are refused, so that matching has a bound. */
#define MQTT_TOPIC_LEVELS_MAX 201

/* Well-formed UTF-8 without U+0000 (1.5.4). */
bool mqtt_string_is_valid(struct slice s);
/* The same, and without the control characters and noncharacters that 1.5.4 lets a receiver refuse:
 * the rule for topics, filters, client identifiers and user names, as in other brokers. */
bool mqtt_name_is_valid(struct slice s);
/* Not empty, no wildcard, not too many levels (4.7.3). Its characters were checked before. */
bool mqtt_topic_is_valid(struct slice topic);
/* Not empty, wildcards only where they may stand (4.7.1). */
bool mqtt_filter_is_valid(struct slice filter);

enum mqtt_filter_kind {
    MQTT_FILTER_PLAIN,
    MQTT_FILTER_SHARED, /* $share/NAME/FILTER */
    MQTT_FILTER_QUEUE,  /* $queue/NAME */
    MQTT_FILTER_BAD     /* starts like one of them and is none */
};
/* Takes a valid filter apart: `name` of the share or the queue, `rest` behind the share's name. */
enum mqtt_filter_kind mqtt_filter_kind(struct slice filter, struct slice *name, struct slice *rest);

#endif
