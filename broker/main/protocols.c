/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/protocols.h"

#include "broker/main/settings.h"
#include "broker/net/protocol.h"
#include "protocols/amqp/amqp_listener.h"
#include "protocols/kafka/kafka_listener.h"
#include "protocols/mqtt/mqtt_control.h"
#include "protocols/mqtt/mqtt_listener.h"
#include "protocols/mqtt/mqtt_profile.h"

/* Sessions that share nothing but the core. */
static void *share_core(struct core *core, struct loop *loop, const struct settings *settings)
{
    (void)loop;
    (void)settings;
    return core;
}

static void *start_mqtt(struct core *core, struct loop *loop, const struct settings *settings)
{
    struct mqtt_config config = MQTT_CONFIG_DEFAULT;
    struct mqtt_control_config control = {
        .clients = { .connects = settings->flap_client_connects,
                     .window_ms = settings->flap_window_ms,
                     .ban_ms = settings->flap_ban_ms },
        .addresses = { .connects = settings->flap_address_connects,
                       .window_ms = settings->flap_window_ms,
                       .ban_ms = settings->flap_ban_ms },
    };

    config.max_keep_alive_s = (uint16_t)(settings->mqtt_max_keep_alive_ms / 1000);
    config.profile = &mqtt_profiles[settings->mqtt_profile];
    config.receive_maximum = config.profile->receive_maximum;
    config.max_packet_bytes = config.profile->max_packet_bytes;
    config.topic_alias_maximum = config.profile->topic_alias_maximum;
    if (settings_has_mqtt_receive_maximum(settings))
        config.receive_maximum = (uint16_t)settings->mqtt_receive_maximum;
    if (settings_has_mqtt_max_packet(settings))
        config.max_packet_bytes = (uint32_t)settings->mqtt_max_packet_bytes;
    if (settings_has_mqtt_topic_alias_maximum(settings))
        config.topic_alias_maximum = (uint16_t)settings->mqtt_topic_alias_maximum;
    if (settings_has_mqtt_send_window(settings))
        config.send_window = (uint16_t)settings->mqtt_send_window;
    config.max_payload_bytes = (uint32_t)settings->mqtt_max_payload_bytes;
    config.maximum_qos = (uint8_t)settings->mqtt_maximum_qos;
    config.has_no_retain = !settings->mqtt_retain;
    config.gives_no_ids = !settings->mqtt_assign_id;
    config.id_prefix = settings->mqtt_id_prefix;
    config.send_bytes = (uint32_t)settings->mqtt_send_bytes;
    config.id_must_begin = settings->mqtt_id_must_begin;
    config.is_quiet_of_coming = !settings->log_connections;
    config.keeps_sources = settings->retained_check_source;
    return mqtt_server_new(core, loop, &config, &control);
}

static void *listen_mqtt(void *context, const struct listener_settings *l)
{
    const struct mqtt_server *server = context;
    struct mqtt_config config = server->config;
    const struct mqtt_place_config place = {
        .messages_per_s = l->message_rate,
        .bytes_per_s = l->byte_rate,
        .client_messages_per_s = l->client_message_rate,
        .client_bytes_per_s = l->client_byte_rate,
        .mount = l->mount_point,
        .is_disconnecting = l->rate_action == 1,
    };

    config.versions = (uint8_t)listener_settings_mqtt_versions(l);
    if (listener_settings_is_given(l, "mqtt_maximum_qos"))
        config.maximum_qos = (uint8_t)l->mqtt_maximum_qos;
    if (listener_settings_is_given(l, "mqtt_topic_alias_maximum"))
        config.topic_alias_maximum = (uint16_t)l->mqtt_topic_alias_maximum;
    if (listener_settings_is_given(l, "mqtt_assign_id"))
        config.gives_no_ids = !l->mqtt_assign_id;
    config.aliases_given = (uint16_t)l->mqtt_topic_alias_given;
    config.is_user_id = l->mqtt_user_is_id;
    if (listener_settings_is_given(l, "mqtt_id_prefix"))
        config.id_prefix = l->mqtt_id_prefix;
    return mqtt_server_new_place(server, &config, &place);
}

static void stop_mqtt(void *context)
{
    struct mqtt_server *server = context;

    mqtt_server_free(&server);
}

static void *start_kafka(struct core *core, struct loop *loop, const struct settings *settings)
{
    struct kafka_config config = KAFKA_CONFIG_DEFAULT;

    config.node_id = (int32_t)settings->kafka_node_id;
    config.advertised_host = settings->kafka_advertised_host;
    config.advertised_port = (uint16_t)settings->kafka_advertised_port;
    config.is_auto_create = settings->kafka_auto_create;
    config.initial_rebalance_delay_ms = (unsigned)settings->kafka_rebalance_delay_ms;
    config.max_message_bytes = (uint32_t)settings->kafka_max_batch_bytes;
    return kafka_new(core, loop, &config);
}

static void stop_kafka(void *context)
{
    struct kafka *kafka = context;

    kafka_free(&kafka);
}

const struct protocol_row protocols[SETTINGS_PROTOCOLS] = {
    { &mqtt_protocol, start_mqtt, listen_mqtt, stop_mqtt },
    { &amqp_protocol, share_core, NULL, NULL },
    { &kafka_protocol, start_kafka, NULL, stop_kafka },
};
