/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges: this broker as a client of others. Each has a session of core, which holds what is to go
 * out, and a connection while there can be one. Core thread only. */
#ifndef TERCET_PROTOCOLS_MQTT_BRIDGE_H
#define TERCET_PROTOCOLS_MQTT_BRIDGE_H

#include <stdbool.h>

#include "broker/base/rc.h"

struct bridge_config;
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
/* From now on `configs` holds. A bridge that is not in it ends, with what waited for it; one whose
 * section `is_same` finds another begins anew, at once or, if that says so, when its connection is
 * lost. Both lists, the one of before too, are borrowed: a config until bridges_use() denies it.
 * RC_INVALID: `why` says which new one cannot be; the others are. */
typedef bool bridge_same_fn(const struct bridge_config *a, const struct bridge_config *b);
MUST_CHECK enum rc bridges_reload(struct bridges *bridges, const struct list *configs,
                                  bridge_same_fn *is_same, struct text *why);
bool bridges_use(const struct bridges *bridges, const struct bridge_config *config);
/* No more connecting; those that are connected say goodbye when the loop drains. Again: ignored. */
void bridges_stop(struct bridges *bridges);
/* After the loop has drained. */
void bridges_free(struct bridges **bridges);

#endif
