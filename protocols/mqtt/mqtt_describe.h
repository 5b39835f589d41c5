/* SPDX-License-Identifier: Apache-2.0 */
/* Packets in words, for people. Pure. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_DESCRIBE_H
#define TERCET_PROTOCOLS_MQTT_MQTT_DESCRIBE_H

#include "broker/base/text.h"
#include "protocols/mqtt/mqtt_codec.h"

/* Adds one packet, of either side, as `PUBLISH qos=1 id=7 topic="a/b" ...`, without line feed.
 * Payloads are cut to payload_max bytes, names and lists to some length; secrets are not shown.
 * What does not decode is `PUBLISH malformed`. `version` 0: not known yet, a CONNECT tells. */
void mqtt_describe(struct text *to, unsigned version, const struct mqtt_frame *frame,
                   size_t payload_max);
void mqtt_describe_publish(struct text *to, const struct mqtt_publish *p, size_t payload_max);
/* In quotes, with escapes for what is no printable ASCII, and "..." behind it when it is cut. */
void mqtt_describe_bytes(struct text *to, struct slice bytes, size_t max);

#endif
