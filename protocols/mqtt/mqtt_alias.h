/* SPDX-License-Identifier: Apache-2.0 */
/* Topic aliases that we give to one client of MQTT 5 (3.3.2.3.4). */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_ALIAS_H
#define TERCET_PROTOCOLS_MQTT_MQTT_ALIAS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/slice.h"

struct mqtt_given; /* one alias: body in mqtt_alias.c */

struct mqtt_aliases {
    struct mqtt_given *given; /* owned: `max` of them; NULL before the first */
    uint16_t max;             /* what the client takes, and we keep; 0: none */
    uint16_t hand;            /* which is asked next to make room */
};

void mqtt_aliases_done(struct mqtt_aliases *t);
/* The alias that a PUBLISH of that topic is to carry, 0: none. *ret_known: the client knows it, so
 * that the topic is left out; else mqtt_aliases_give() when the packet was sent with both. */
uint16_t mqtt_aliases_find(struct mqtt_aliases *t, struct slice topic, bool *ret_known);
void mqtt_aliases_give(struct mqtt_aliases *t, uint16_t alias, struct slice topic);

#endif
