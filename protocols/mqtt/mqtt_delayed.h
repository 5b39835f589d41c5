/* SPDX-License-Identifier: Apache-2.0 */
/* $delayed/SECONDS/TOPIC: what is published there is published to TOPIC so much later. Pure. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_DELAYED_H
#define TERCET_PROTOCOLS_MQTT_MQTT_DELAYED_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

/* Does a topic begin with the level $delayed? */
bool mqtt_is_delayed(struct slice topic);
/* The delay and the topic behind it, borrowed from `topic`, which must be such a one. RC_INVALID:
 * SECONDS is not a decimal number, or longer than any delay may be, or TOPIC is empty. */
MUST_CHECK enum rc mqtt_delayed_parse(struct slice topic, uint64_t *ret_delay_ms,
                                      struct slice *ret_topic);

#endif
