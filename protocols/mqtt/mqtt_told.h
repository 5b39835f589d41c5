/* SPDX-License-Identifier: Apache-2.0 */
/* What the log tells of clients that come and go: in our words, or in those of mosquitto 2.1, which
 * its users' tools look for. */
#ifndef TERCET_PROTOCOLS_MQTT_TOLD_H
#define TERCET_PROTOCOLS_MQTT_TOLD_H

#include "broker/base/rc.h"
#include "protocols/mqtt/mqtt_codec.h"

struct mqtt_session;

void mqtt_tell_opened(const struct mqtt_session *s);
void mqtt_tell_connected(const struct mqtt_session *s, const struct mqtt_connect *c,
                         bool is_present);
/* It said goodbye. */
void mqtt_tell_disconnected(const struct mqtt_session *s, uint8_t reason);
/* We end it; `reason` may be MQTT_SILENCE. */
void mqtt_tell_ended(const struct mqtt_session *s, enum rc rc, uint8_t reason, const char *why);
/* It went without a word. */
void mqtt_tell_closed(const struct mqtt_session *s, enum rc why);

#endif
