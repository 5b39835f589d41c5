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
    /* CONNACK's reason when an identifier is missing and none is given. */
    uint8_t no_id_reason;
    /* A wrong password is told as not being authorised (0x87, 5), not as such (0x86, 4). */
    bool hides_bad_password;
    /* Refusals have no reason string. */
    bool is_wordless;
    /* A keep alive over the operator's limit is refused before 5.0, not cut in silence. */
    bool refuses_keep_alive;
    /* A protocol level that MQTT does not have is refused in the form of 5.0. */
    bool is_level_refused_as_5;
    /* A QoS 2 message goes on its way at PUBREL (4.3.3, method A), not at PUBLISH (method B); until
     * then, another one under its packet identifier replaces it. */
    bool publishes_at_pubrel;
    /* More repetitions of a QoS 2 PUBLISH than these are a protocol error; 0: as many as come. */
    uint8_t qos_2_repeats_max;
    /* CONNACK's reason when there are as many sessions as there may be. */
    uint8_t too_many_reason;
    /* The will of a client that is taken over is forgotten when the session goes on. */
    bool forgets_will_taken_over;
    /* In the answer to a PUBREC or PUBREL whose packet identifier nobody knows. */
    uint8_t stray_reason;

    /* What 5.0 is told of a fault: a reason code, or MQTT_SILENCE for a mere close. */
    uint8_t length_reason;             /* a remaining length that is none */
    uint8_t reserved_type_reason;      /* packet type 0 */
    uint16_t flags_error_types;        /* bit (1 << type): wrong flags are 0x82, not 0x81 */
    uint8_t ping_body_reason;          /* PINGREQ or PINGRESP with a body */
    uint8_t client_id_reason;          /* not well-formed */
    uint8_t property_reason;           /* not of this packet */
    uint8_t subscribe_property_reason; /* the same in SUBSCRIBE and UNSUBSCRIBE */
    uint8_t filters_missing_reason;    /* no filter, or packet identifier 0 */
    uint8_t filter_levels_reason;      /* more levels than there may be */
    uint8_t topic_missing_reason;      /* neither topic nor alias */
    uint8_t topic_wildcard_reason;
    uint8_t alias_unknown_reason;
    uint8_t disconnect_reason; /* DISCONNECT with a code that it may not have */
};

/* Not a reason code of any packet that ends a connection. */
#define MQTT_SILENCE 0x01

extern const struct mqtt_profile mqtt_profiles[MQTT_PROFILE_COUNT];

#endif
