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
                           .max_packet_bytes = UINT32_C(128) << 20 },
    [MQTT_PROFILE_MOSQUITTO] = { .name = "mosquitto",
                                 .receive_maximum = 20,
                                 .topic_alias_maximum = 10,
                                 .max_packet_bytes = 2000000,
                                 .connack_order = mosquitto_connack_order,
                                 .is_assigned_id_uuid = true,
                                 .is_wordless = true },
};
