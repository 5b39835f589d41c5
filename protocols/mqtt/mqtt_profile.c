/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_profile.h"

#include "protocols/mqtt/mqtt_codec.h"

static const uint8_t mosquitto_connack_order[] = {
    MQTT_SERVER_KEEP_ALIVE,   MQTT_TOPIC_ALIAS_MAXIMUM,
    MQTT_ASSIGNED_CLIENT_ID,  MQTT_AUTHENTICATION_METHOD,
    MQTT_AUTHENTICATION_DATA, MQTT_RETAIN_AVAILABLE,
    MQTT_MAXIMUM_PACKET_SIZE, MQTT_RECEIVE_MAXIMUM,
    MQTT_MAXIMUM_QOS,         0
};

/* Of our own: a kilobyte message fills one commit window of a fast disk with this receive maximum;
 * the largest packet is core's largest message. */
const struct mqtt_profile mqtt_profiles[MQTT_PROFILE_COUNT] = {
    [MQTT_PROFILE_OWN] = { .name = "own",
                           .receive_maximum = 1024,
                           .topic_alias_maximum = 10,
                           .max_packet_bytes = UINT32_C(128) << 20,
                           .no_id_reason = MQTT_CLIENT_ID_NOT_VALID,
                           .too_many_reason = MQTT_QUOTA_EXCEEDED,
                           .stray_reason = MQTT_PACKET_ID_NOT_FOUND,
                           .length_reason = MQTT_MALFORMED_PACKET,
                           .reserved_type_reason = MQTT_MALFORMED_PACKET,
                           .ping_body_reason = MQTT_MALFORMED_PACKET,
                           .client_id_reason = MQTT_MALFORMED_PACKET,
                           .property_reason = MQTT_MALFORMED_PACKET,
                           .subscribe_property_reason = MQTT_MALFORMED_PACKET,
                           .filters_missing_reason = MQTT_PROTOCOL_ERROR,
                           .filter_levels_reason = MQTT_TOPIC_FILTER_INVALID,
                           .topic_missing_reason = MQTT_PROTOCOL_ERROR,
                           .topic_wildcard_reason = MQTT_TOPIC_NAME_INVALID,
                           .alias_unknown_reason = MQTT_TOPIC_ALIAS_INVALID,
                           .disconnect_reason = MQTT_PROTOCOL_ERROR },
    [MQTT_PROFILE_MOSQUITTO] = { .name = "mosquitto",
                                 .receive_maximum = 20,
                                 .topic_alias_maximum = 10,
                                 .max_packet_bytes = 2000000,
                                 .connack_order = mosquitto_connack_order,
                                 .is_assigned_id_uuid = true,
                                 .no_id_reason = MQTT_UNSPECIFIED_ERROR,
                                 .too_many_reason = MQTT_SERVER_BUSY,
                                 .forgets_will_taken_over = true,
                                 .hides_bad_password = true,
                                 .is_wordless = true,
                                 .refuses_keep_alive = true,
                                 .is_level_refused_as_5 = true,
                                 .publishes_at_pubrel = true,
                                 .qos_2_repeats_max = 1,
                                 .stray_reason = MQTT_SUCCESS,
                                 .length_reason = MQTT_SILENCE,
                                 .reserved_type_reason = MQTT_PROTOCOL_ERROR,
                                 .flags_error_types = 1u << MQTT_CONNACK | 1u << MQTT_PUBREL |
                                                      1u << MQTT_DISCONNECT | 1u << MQTT_AUTH,
                                 .ping_body_reason = MQTT_SILENCE,
                                 .client_id_reason = MQTT_CLIENT_ID_NOT_VALID,
                                 .property_reason = MQTT_PROTOCOL_ERROR,
                                 .subscribe_property_reason = MQTT_MALFORMED_PACKET,
                                 .filters_missing_reason = MQTT_MALFORMED_PACKET,
                                 .filter_levels_reason = MQTT_MALFORMED_PACKET,
                                 .topic_missing_reason = MQTT_MALFORMED_PACKET,
                                 .topic_wildcard_reason = MQTT_MALFORMED_PACKET,
                                 .alias_unknown_reason = MQTT_PROTOCOL_ERROR,
                                 .disconnect_reason = MQTT_SILENCE },
};
