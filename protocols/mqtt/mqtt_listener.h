/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT as net sees it. The context of its listeners is a struct mqtt_server. Core thread only. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_LISTENER_H
#define TERCET_PROTOCOLS_MQTT_MQTT_LISTENER_H

#include "broker/net/protocol.h"
#include "protocols/mqtt/mqtt_session.h"

extern const struct protocol mqtt_protocol;

struct loop;
struct operations; /* broker/core/operations.h */
struct mqtt_place_config;
struct mqtt_control_config; /* protocols/mqtt/mqtt_control.h */

/* Borrows `core` and `loop`, which must outlive it, as it must outlive all its connections. */
struct mqtt_server *mqtt_server_new(struct core *core, struct loop *loop,
                                    const struct mqtt_config *config,
                                    const struct mqtt_control_config *control);
/* For the listeners of one section, with what it sets; otherwise one with `all`. */
struct mqtt_server *mqtt_server_new_place(const struct mqtt_server *all,
                                          const struct mqtt_config *config,
                                          const struct mqtt_place_config *place);
/* Fills in the table by which the admin door asks. */
void mqtt_server_operations(struct mqtt_server *server, struct operations *ret);
void mqtt_server_free(struct mqtt_server **server);

#endif
