/* SPDX-License-Identifier: Apache-2.0 */
/* The border: AMQP's properties, exchanges and keys on one side, core's messages on the other. Only
 * amqp_map*.c know both languages. Core thread only. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_MAP_H
#define TERCET_PROTOCOLS_AMQP_AMQP_MAP_H

#include "broker/base/text.h"
#include "protocols/amqp/amqp_codec.h"

struct amqp_value;
struct core;
struct exchange;
struct header_value;
struct message;

/* Headers that AMQP shows for what others wrote; tercet-mapping(7) says when. */
#define AMQP_HEADER_KAFKA_KEY      "x-kafka-key"
#define AMQP_HEADER_KAFKA_NULL     "x-kafka-null"
#define AMQP_HEADER_TIMESTAMP_MS   "timestamp_in_ms"
#define AMQP_HEADER_RETAIN         "x-mqtt-retain"
#define AMQP_HEADER_FORMAT         "x-mqtt-payload-format"
#define AMQP_HEADER_CONTENT_TYPE   "x-content-type"
#define AMQP_HEADER_ENCODING       "x-content-encoding"
#define AMQP_HEADER_CORRELATION_ID "x-correlation-id"
#define AMQP_HEADER_REPLY_TOPIC    "x-reply-to-topic"
#define AMQP_HEADER_ADDRESS        "x-address" /* an address too long for a routing key */
#define AMQP_HEADER_DELAY          "x-delay"
#define AMQP_HEADER_DELIVERY_COUNT "x-delivery-count"

/* A reply_to that stands for an address (an MQTT response topic): this and the address in routing
 * key spelling. Publishing to it through the default exchange publishes to that address. */
#define AMQP_REPLY_ADDRESS_PREFIX "amq.reply-to-topic."

/* Direct reply-to: consuming from this pseudo-queue, and naming it as reply_to. */
#define AMQP_REPLY_TO     "amq.rabbitmq.reply-to"
#define AMQP_REPLY_TO_MAX 64 /* bytes of the queue name that stands for it */

/* RabbitMQ's limit on an expiration, ten years. */
#define AMQP_EXPIRATION_MAX_MS UINT64_C(315360000000)

/* ---- AMQP to core ---- */

/* Whether the header x-delay says something. */
enum amqp_delays {
    AMQP_DELAYS_NOT,     /* no exchange delays */
    AMQP_DELAYS_PERHAPS, /* one to which bindings lead may */
    AMQP_DELAYS,         /* the exchange it is published to does */
};

/* A publish as it came. Borrowed. */
struct amqp_source {
    struct slice exchange;
    struct slice routing_key;
    struct slice properties;  /* encoded */
    struct slice reply_queue; /* what AMQP_REPLY_TO stands for on this channel; none: nothing */
    enum amqp_delays delays;
};

/* All that one publish says besides its body, translated. Kept by a channel from publish to
 * publish: the next one with the same exchange, key and properties costs three comparisons. */
struct amqp_outline {
    struct text source;    /* owned: the three below, one behind the other */
    struct slice exchange; /* these three borrow from it */
    struct slice routing_key;
    struct slice raw;                  /* properties as they came */
    struct amqp_properties properties; /* borrows from `raw` */
    struct text rewritten;             /* owned: the properties that go on, when not `raw` */
    struct slice native;               /* borrows from `source` or `rewritten` */
    struct text address;               /* owned: canonical */
    struct slice key;                  /* the record's: of `address` or `raw`; none: null */
    struct text headers;               /* owned: encoded record headers */
    uint32_t header_count;
    struct slice *keys; /* owned array: the routing key, then those of CC and BCC */
    unsigned key_count;
    unsigned key_room;
    struct header_value *values; /* owned array: the headers, for headers exchanges */
    unsigned value_count;
    unsigned value_room;
    uint64_t ttl_ms;     /* of `expiration` */
    struct text negated; /* owned: the headers of what is delayed */
    uint64_t delay_ms;   /* of x-delay; 0: none */
    enum amqp_delays delays;
    bool has_ttl;
    bool is_shared;   /* it goes to amq.topic, where routing keys are addresses */
    bool is_retained; /* x-mqtt-retain: the address's last value, kept for new MQTT subscribers */
    bool is_null;     /* an empty body stands for a null value */
    bool is_whole;    /* built without error, and good for a publish with the same source */
};

void amqp_outline_init(struct amqp_outline *outline);
void amqp_outline_done(struct amqp_outline *outline);
/* True when it was built from this very source and does not depend on the time. The reply queue is
 * not compared: forget the outline when it changes. */
bool amqp_outline_fits(const struct amqp_outline *outline, const struct amqp_source *source);
/* Translates. RC_MALFORMED, RC_LIMIT: the properties do not parse (frame error). RC_INVALID: a
 * value is not allowed, *why says which (406). RC_MEMORY. */
MUST_CHECK enum rc amqp_outline_build(struct amqp_outline *outline, struct core *core,
                                      const struct exchange *target,
                                      const struct amqp_source *source, struct text *why);
/* The message with this body; NULL without memory. */
struct message *amqp_outline_message(const struct amqp_outline *outline, struct core *core,
                                     struct slice body);

/* ---- core to AMQP ---- */

/* How a message looks to AMQP; borrows from the message and from the view's own scratch, until the
 * next call with it. */
struct amqp_view {
    struct slice exchange;
    struct slice routing_key;
    struct slice properties; /* encoded */
    struct text built;       /* owned: properties made here */
    struct text counted;     /* owned: the same with a delivery count */
    struct text key;         /* owned: the routing key, when it had to be spelled */
    struct text reply_to;    /* owned: likewise */
};

void amqp_view_init(struct amqp_view *view);
void amqp_view_done(struct amqp_view *view);
/* RC_MEMORY. The properties take at most `max_bytes`: headers that do not fit are left out. */
MUST_CHECK enum rc amqp_view_of(struct amqp_view *view, struct core *core, const struct message *m,
                                size_t max_bytes);
/* Adds x-delivery-count to the headers, as queues of type quorum show it. */
MUST_CHECK enum rc amqp_view_add_count(struct amqp_view *view, uint32_t delivery_count);

/* ---- both ways ---- */

/* A table as core's headers exchange wants it; values borrow from `table`. Grows *values.
 * RC_MEMORY. */
MUST_CHECK enum rc amqp_header_values(struct slice table, struct header_value **values,
                                      unsigned *count, unsigned *room);

/* Text for a table value as other protocols see it: numbers in decimal, tables and
 * arrays as JSON. */
void amqp_value_text(struct text *to, const struct amqp_value *value);

#endif
