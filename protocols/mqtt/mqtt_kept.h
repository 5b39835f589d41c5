/* SPDX-License-Identifier: Apache-2.0 */
/* The notes of QoS 2 messages that came and whose PUBREL did not: for a profile that publishes at
 * PUBREL they hold the message itself. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_KEPT_H
#define TERCET_PROTOCOLS_MQTT_MQTT_KEPT_H

#include "broker/base/rc.h"
#include "protocols/mqtt/mqtt_codec.h"

struct mqtt_session;

/* May this message wait, as the profile wants? Else it is published at once, as MQTT allows. */
bool mqtt_may_keep(const struct mqtt_session *s, struct slice topic,
                   const struct mqtt_frame *frame);
/* Notes a PUBLISH under its packet identifier, the message with it when `keep_it`; `topic` is the
 * one behind its alias. RC_MEMORY. */
MUST_CHECK enum rc mqtt_keep(struct mqtt_session *s, const struct mqtt_publish *p,
                             struct slice topic, const struct mqtt_frame *frame, bool keep_it);
/* Is it another message than the one that is kept under its packet identifier? */
bool mqtt_is_another(const struct mqtt_session *s, const struct mqtt_publish *p,
                     struct slice topic);
/* It came once more. RC_PROTOCOL: more often than the profile bears. RC_MEMORY. */
MUST_CHECK enum rc mqtt_keep_again(struct mqtt_session *s, uint16_t packet_id);
/* What is kept under a packet identifier, borrowed until that is forgotten. False: nothing but the
 * identifier. */
bool mqtt_kept(const struct mqtt_session *s, uint16_t packet_id, struct mqtt_publish *ret);
void mqtt_keep_no_longer(struct mqtt_session *s, uint16_t packet_id);
/* Counts what a resumed session keeps, and the QoS 2 messages that wait for PUBREL. */
void mqtt_kept_resume(struct mqtt_session *s);

#endif
