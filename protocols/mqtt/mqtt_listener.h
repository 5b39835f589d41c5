/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT as net sees it. The context of its listeners is a struct mqtt_server. Core thread only. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_LISTENER_H
#define TERCET_PROTOCOLS_MQTT_MQTT_LISTENER_H

#include "broker/net/protocol.h"
#include "protocols/mqtt/mqtt_session.h"

extern const struct protocol mqtt_protocol;

/* Borrows `core`, which must outlive it, as it must outlive all its connections. */
struct mqtt_server *mqtt_server_new(struct core *core, const struct mqtt_config *config);
void mqtt_server_free(struct mqtt_server **server);

#endif
