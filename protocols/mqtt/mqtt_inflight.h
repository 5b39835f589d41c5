/* SPDX-License-Identifier: Apache-2.0 */
/* Packet identifiers of what was sent to one client and is not done with (2.2.1, 4.3). Pure. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_INFLIGHT_H
#define TERCET_PROTOCOLS_MQTT_MQTT_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/base/rc.h"

enum mqtt_flight_state {
    FLIGHT_FREE,
    FLIGHT_HELD,    /* QoS 2: the id is not durable yet, so nothing was sent */
    FLIGHT_PUBLISH, /* QoS 1 sent: PUBACK is awaited */
    FLIGHT_RECEIVE, /* QoS 2 sent: PUBREC is awaited */
    FLIGHT_RELEASE, /* PUBREC came: PUBREL is on its way, PUBCOMP is awaited */
    FLIGHT_RESUME,  /* sent on an earlier connection: to be sent again under this id */
    FLIGHT_ASKED,   /* no message: the answer to a SUBSCRIBE of our own is awaited */
    FLIGHT_DROPPED, /* larger than the client takes: was not sent, and is settled soon */
};

struct mqtt_flight {
    uint64_t handle; /* 0: settled already */
    uint64_t queue;  /* number of the queue it came from; 0: the session's */
    uint16_t packet_id;
    uint8_t state; /* enum mqtt_flight_state */
    uint8_t qos;
    bool is_from_queue;
    bool has_note;   /* it is written down with the session */
    uint16_t weight; /* mqtt_weight() of its payload; 0: not counted */
};

/* Slots found by the low bits of the id; at most half of them are ever taken. */
struct mqtt_inflight {
    struct mqtt_flight *slots; /* owned; NULL while nothing was sent with QoS > 0 */
    unsigned room;             /* a power of two, or 0 */
    uint16_t count;            /* taken slots, resumed ones too: each has an id of its own */
    uint16_t sent;             /* those that count against the client's receive maximum */
    uint16_t last_id;
    uint16_t resumed_at; /* where the last one to be sent again was found */
};

/* More than this is never under way to one client, whatever it says it can take. */
#define MQTT_INFLIGHT_MAX 4096u

/* A payload's size in two bytes: rounded up by a 2048th at most, and exact below 4096. */
uint16_t mqtt_weight(size_t bytes);
/* The sum of all weights. Goes through all slots. */
uint64_t mqtt_inflight_bytes(const struct mqtt_inflight *t);
void mqtt_inflight_done(struct mqtt_inflight *t);
/* A slot under a new id, in FLIGHT_FREE still: the caller fills it. RC_LIMIT: MQTT_INFLIGHT_MAX.
 * RC_MEMORY. */
MUST_CHECK enum rc mqtt_inflight_add(struct mqtt_inflight *t, struct mqtt_flight **ret);
/* A slot under a known id (RC_EXISTS: it is taken): used when a session comes back. */
MUST_CHECK enum rc mqtt_inflight_restore(struct mqtt_inflight *t, uint16_t packet_id,
                                         struct mqtt_flight **ret);
/* Moves a slot to a state and keeps the counts. */
void mqtt_inflight_set(struct mqtt_inflight *t, struct mqtt_flight *flight,
                       enum mqtt_flight_state state);
/* NULL when the id is not under way. */
struct mqtt_flight *mqtt_inflight_get(const struct mqtt_inflight *t, uint16_t packet_id);
/* NULL when nothing of that handle waits to be sent again. */
struct mqtt_flight *mqtt_inflight_resumed(struct mqtt_inflight *t, uint64_t handle);
void mqtt_inflight_remove(struct mqtt_inflight *t, struct mqtt_flight *flight);
/* Walks the taken slots: start with NULL. */
struct mqtt_flight *mqtt_inflight_next(const struct mqtt_inflight *t, struct mqtt_flight *after);

#endif
