/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT as net sees it. The context of its listeners is the struct core. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_LISTENER_H
#define TERCET_PROTOCOLS_MQTT_MQTT_LISTENER_H

#include "broker/net/protocol.h"

extern const struct protocol mqtt_protocol;

#endif
