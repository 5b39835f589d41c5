/* SPDX-License-Identifier: Apache-2.0 */
/* A message: one encoded record body, shared by all who get it, and what routing must know of it.
 */
#ifndef TERCET_BROKER_CORE_MESSAGE_H
#define TERCET_BROKER_CORE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/slice.h"
#include "broker/base/text.h"

struct block;
struct record;

/* Names of the view headers: the shared language in which each protocol reads what
 * others wrote. A header not listed here is a user's own property and is shown as such by all. */
#define HEADER_CONTENT_TYPE     "content-type"
#define HEADER_CONTENT_ENCODING "content-encoding"
#define HEADER_EXPIRES_AT       "expires-at"     /* decimal ms since 1970 */
#define HEADER_REPLY_TO         "reply-to"       /* canonical address */
#define HEADER_CORRELATION_ID   "correlation-id" /* bytes */
#define HEADER_USER_ID          "user-id"
#define HEADER_ADDRESS          "tercet.address" /* where it was published, if not where it lies */
#define HEADER_MQTT_QOS         "mqtt.qos"       /* "0" "1" "2" */
#define HEADER_MQTT_RETAIN      "mqtt.retain"    /* "1" */
#define HEADER_MQTT_FORMAT      "mqtt.payload-format"
#define HEADER_MQTT_PROPS       "mqtt.props"    /* native block: hidden from AMQP and MQTT views */
#define HEADER_BRIDGE           "tercet.bridge" /* name of the one that brought it: never back */
#define HEADER_SOURCE           "tercet.source" /* client_source() of who published it */
#define HEADER_AMQP_PROPS       "amqp.props"    /* native block */
#define HEADER_AMQP_MODE        "amqp.delivery-mode"
#define HEADER_AMQP_EXCHANGE    "amqp.exchange"
#define HEADER_AMQP_ROUTING_KEY "amqp.routing-key"
#define HEADER_AMQP_PREFIX      "amqp."
#define HEADER_AMQP_TYPES       "amqp.types"

enum message_flag {
    MESSAGE_RETAIN = 1,     /* to be kept as its address's last value */
    MESSAGE_PERSISTENT = 2, /* its publisher waits until it is synced */
};

struct message {
    unsigned refs;
    uint32_t header_count;
    struct slice address; /* canonical: where it was published */
    struct slice body;    /* key, value and headers as a v2 record has them */
    struct slice key;     /* none: null */
    struct slice value;   /* none: null */
    struct slice headers; /* encoded record headers, header_count of them; record_header_next() */
    int64_t timestamp_ms;
    int64_t expires_at_ms; /* 0: never */
    struct block *block;   /* owned reference when the bytes lie in a block of the log */
    uint8_t qos;           /* 0, 1, 2: how it may be delivered at most */
    uint8_t flags;
    uint8_t priority;
};

/* All slices are borrowed and copied into the message, in one allocation. */
struct message_spec {
    struct slice address; /* canonical */
    struct slice key;     /* none: null; for what is published to an address: its subject */
    struct slice value;
    struct slice headers; /* built with message_add_header() */
    uint32_t header_count;
    int64_t timestamp_ms;
    int64_t expires_at_ms;
    uint8_t qos;
    uint8_t flags;
    uint8_t priority;
};

/* NULL without memory. One reference. */
struct message *message_new(const struct message_spec *spec);
/* From a record that lies in `block` (a reference is taken; NULL: the bytes are copied). Its
 * address is the header tercet.address, or else stream + '/' + key when the key is text that a
 * topic can hold, or else the stream alone. Expiry and QoS come from the headers; QoS 1 when there
 * is none. */
struct message *message_of_record(struct slice stream, const struct record *record,
                                  struct block *block);
static inline struct message *message_ref(struct message *m)
{
    m->refs++;
    return m;
}
void message_unref(struct message **m);

/* Adds one encoded header; value none is null. */
void message_add_header(struct text *headers, uint32_t *count, struct slice name,
                        struct slice value);
/* The value of the first header of that name; none when there is none (or its value is null). */
struct slice message_header(const struct message *m, const char *name);
/* Is the key of a record one that may stand as the tail of a topic? */
bool message_key_is_text(struct slice key);

#endif
