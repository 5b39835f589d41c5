/* SPDX-License-Identifier: Apache-2.0 */
/* The named limits of the MQTT server, each with its reason. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_LIMITS_H
#define TERCET_PROTOCOLS_MQTT_MQTT_LIMITS_H

/* A stranger may make us hold no more than this: the largest CONNECT. */
#define MQTT_CONNECT_MAX_BYTES (64u << 10)
/* A connection that does not say who it is holds a socket for nothing. */
#define MQTT_CONNECT_TIMEOUT_MS 10000u
/* Aliases of a client, told in CONNACK: each holds a topic in our memory. */
#define MQTT_ALIAS_MAX 10u
/* Aliases that we give to a client, if it takes so many: each holds a topic in our memory too. */
#define MQTT_ALIAS_GIVEN_MAX 16u
/* Messages under way to one client of 3.1 and 3.1.1, which cannot say what it takes. */
#define MQTT_WINDOW_3 1000u
/* Filters in one SUBSCRIBE or UNSUBSCRIBE: bounds the work of one packet. */
#define MQTT_FILTERS_MAX 65536u
/* $queue subscriptions of one session. */
#define MQTT_QUEUES_MAX 1000u
/* The least that an operator may set as the largest packet: a CONNACK of our own. */
#define MQTT_PACKET_LEAST_BYTES 20u
/* Before an identifier that we give, unless the operator says otherwise; and how long that is. */
#define MQTT_ID_PREFIX           "auto-"
#define MQTT_ID_PREFIX_MAX_BYTES 64
/* QoS 2 messages of one session that wait for PUBREL, where the profile has them wait: they are in
 * memory. What goes beyond is published when it comes. */
#define MQTT_KEPT_MAX_BYTES ((size_t)16 << 20)
/* Keep alive as the specification stretches it: one and a half (3.1.2-22). */
#define MQTT_KEEP_ALIVE_MS(seconds) ((uint64_t)(seconds)*1500u)

#endif
