/* SPDX-License-Identifier: Apache-2.0 */
/* Where the specification leaves a server a choice: what this broker does, and what it does for
 * those who are used to another one. A row each; handlers ask the row, never its name. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_PROFILE_H
#define TERCET_PROTOCOLS_MQTT_MQTT_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order in which the option mqtt_profile names them. */
enum mqtt_profile_name { MQTT_PROFILE_OWN, MQTT_PROFILE_MOSQUITTO, MQTT_PROFILE_COUNT };

struct mqtt_profile {
    const char *name;
    /* What CONNACK tells when the operator says nothing. */
    uint16_t receive_maximum;
    uint16_t topic_alias_maximum; /* at most MQTT_ALIAS_MAX */
    uint32_t max_packet_bytes;
    /* The properties of CONNACK that come first, in this order, 0 behind them; NULL: by their
     * numbers. */
    const uint8_t *connack_order;
    /* An identifier that we give is the prefix and a UUID in capitals, not 32 digits. */
    bool is_assigned_id_uuid;
    /* Refusals have no reason string. */
    bool is_wordless;
};

extern const struct mqtt_profile mqtt_profiles[MQTT_PROFILE_COUNT];

#endif
