/* SPDX-License-Identifier: Apache-2.0 */
/* One client's connection: bytes in, calls to core and bytes out. Core thread only. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_SESSION_H
#define TERCET_PROTOCOLS_MQTT_MQTT_SESSION_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct conn;
struct core;
struct mqtt_session;

/* Waits for CONNECT on `conn`, which must outlive it, as must `core`. */
MUST_CHECK enum rc mqtt_session_open(struct core *core, struct conn *conn,
                                     struct mqtt_session **ret);
/* Gives back how many bytes it used: whole packets alone. */
size_t mqtt_session_input(struct mqtt_session *session, struct slice in);
/* Output drained: deliveries may go on. */
void mqtt_session_drained(struct mqtt_session *session);
/* The broker stops: says so to the client. */
void mqtt_session_shutdown(struct mqtt_session *session);
/* The connection is gone. Publishes the will unless the client said goodbye. Sets *session NULL. */
void mqtt_session_close(struct mqtt_session **session, enum rc why);

#endif
