/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges: this broker as a client of others. Each has a session of core, which holds what is to go
 * out, and a connection while there can be one. Core thread only. */
#ifndef TERCET_PROTOCOLS_MQTT_BRIDGE_H
#define TERCET_PROTOCOLS_MQTT_BRIDGE_H

#include "broker/base/rc.h"

struct bridges;
struct core;
struct list;
struct loop;
struct text;

/* `configs` is a list of struct bridge_config that were checked; it is borrowed until
 * bridges_free(), as are core and loop. From now on what is to go out waits in the log; connecting
 * begins with the loop. RC_INVALID: `why` says which bridge cannot be, and why. */
MUST_CHECK enum rc bridges_start(struct core *core, struct loop *loop, const struct list *configs,
                                 struct bridges **ret, struct text *why);
/* No more connecting; those that are connected say goodbye when the loop drains. Again: ignored. */
void bridges_stop(struct bridges *bridges);
/* After the loop has drained. */
void bridges_free(struct bridges **bridges);

#endif
