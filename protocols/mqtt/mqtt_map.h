/* SPDX-License-Identifier: Apache-2.0 */
/* Between PUBLISH and core's message: the only file that knows both languages. No state. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_MAP_H
#define TERCET_PROTOCOLS_MQTT_MQTT_MAP_H

#include "broker/base/text.h"
#include "protocols/mqtt/mqtt_codec.h"

struct message;

/* User property: a broker that the message was at, as 32 hexadecimal digits. Bridges add it, so
 * that none goes round in circles; it goes through brokers that know nothing of it. */
#define MQTT_VIA "tercet-via"

/* In place of the name of the bridge that brought a message; no section has such names. Of what
 * came over another broker's bridge to here, and of what is not to leave by those. */
#define MQTT_BRIDGE_OF_OTHERS ""
#define MQTT_BRIDGE_STAYS     "\n"

/* Who published, and when. */
struct mqtt_origin {
    int64_t now_ms;
    struct slice mount;  /* what a response topic is below; may be none */
    struct slice user;   /* the principal's name; may be empty */
    struct slice bridge; /* by which it came, or one of the above; none: a client published it */
    struct slice there;  /* the broker it came from, if it has told; else none */
    struct slice here;   /* this one, or none; both are added as MQTT_VIA */
    struct slice source; /* what client_source() says of it; empty: that is not kept */
};

/* The message that a PUBLISH means; `topic` is the one behind its alias. RC_MEMORY. */
MUST_CHECK enum rc mqtt_map_publish(const struct mqtt_publish *publish, struct slice topic,
                                    const struct mqtt_origin *origin, struct message **ret);
/* The message that a will means when it is published at origin->now_ms. RC_MEMORY. */
MUST_CHECK enum rc mqtt_map_will(const struct mqtt_will *will, const struct mqtt_origin *origin,
                                 struct message **ret);

/* Writes the properties (without their length) that an MQTT 5 subscriber sees of a message:
 * remaining expiry, payload format, content type, response topic, correlation data, and all others
 * as user properties in their order. Written behind each other as `append` of a property list.
 * A response topic is told as who sees `mount` (which may be empty) calls it.
 * `scratch` serves for values that need Base64. */
void mqtt_map_properties(struct wr *w, const struct message *message, int64_t now_ms,
                         struct slice mount, struct text *scratch);

#endif
