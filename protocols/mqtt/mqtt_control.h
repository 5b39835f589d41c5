/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator sets for the clients of a listener, and does with those that are there: rates,
 * mount points, bans, sending them elsewhere. Core thread only. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_CONTROL_H
#define TERCET_PROTOCOLS_MQTT_MQTT_CONTROL_H

#include "broker/base/list.h"
#include "broker/base/rate.h"
#include "broker/base/text.h"
#include "broker/core/flap.h"
#include "broker/net/loop.h"

struct drain_order; /* broker/core/operations.h */
struct mqtt_connect;
struct mqtt_properties;
struct mqtt_session;
struct operations;

struct mqtt_place_config {
    uint64_t messages_per_s; /* of all its clients; 0: no limit, as for the others */
    uint64_t bytes_per_s;
    uint64_t client_messages_per_s; /* of each client */
    uint64_t client_bytes_per_s;
    const char *mount;     /* as in mqtt_mount.h; NULL: none; borrowed from the settings */
    bool is_disconnecting; /* who is too fast is sent away rather than made to wait */
};

/* A listener for which something is set. */
struct mqtt_place {
    struct mqtt_place_config config;
    struct rate messages;
    struct rate bytes;
    struct text mounted; /* a topic or filter, while something is done with it */
};

/* What one client may send; only where a listener limits that. */
struct mqtt_meter {
    struct rate messages;
    struct rate bytes;
    struct timer resume;
    uint64_t resumed_ns; /* until then its silence was ours */
};

struct mqtt_drain {
    struct text to; /* what clients are told; empty: nothing */
    struct timer step;
    struct rate rate;
    bool is_on;
    bool is_for_now;
};

struct mqtt_control {
    struct loop *loop;    /* borrowed */
    unsigned refs;        /* of the servers that share it */
    struct list sessions; /* struct mqtt_session.of_server, those being sent away not any more */
    struct flap *clients; /* owned */
    struct flap *addresses;
    struct mqtt_drain drain;
    struct list traces; /* struct mqtt_trace.link */
    unsigned trace_count;
    uint64_t last_trace;
    struct timer trace_sweep;
};

struct mqtt_control_config {
    struct flap_config clients;
    struct flap_config addresses;
};

struct mqtt_control *mqtt_control_new(struct loop *loop, const struct mqtt_control_config *config);
struct mqtt_control *mqtt_control_ref(struct mqtt_control *control);
/* With the last one all sessions are gone. */
void mqtt_control_unref(struct mqtt_control **control);
struct mqtt_place *mqtt_place_new(const struct mqtt_place_config *config);
void mqtt_place_free(struct mqtt_place **place);
/* Fills in the table by which the admin door asks; `ret->arg` is the control. */
void mqtt_control_operations(struct mqtt_control *control, struct operations *ret);

/* ---- for the session; fine without a control ---- */

void mqtt_control_opened(struct mqtt_session *s);
void mqtt_control_closed(struct mqtt_session *s);
/* May this client connect? RC_REFUSED: it is banned. RC_CLOSED: it is to go elsewhere. */
MUST_CHECK enum rc mqtt_control_admit(struct mqtt_session *s, const struct mqtt_connect *c);
/* It has logged in: counts it by its identifier. RC_REFUSED: it came too often and is banned. */
MUST_CHECK enum rc mqtt_control_count(struct mqtt_session *s, struct slice client_id);
/* Adds the server that a client is sent to, with the reasons that say so. */
void mqtt_control_say_where(const struct mqtt_session *s, struct mqtt_properties *p,
                            uint8_t reason);

/* ---- mqtt_rate.c ---- */
/* A PUBLISH of so many bytes was taken; fine without a meter. RC_LIMIT: it was one too many. */
MUST_CHECK enum rc mqtt_meter_take(struct mqtt_session *s, size_t bytes);
void mqtt_meter_new(struct mqtt_session *s);
/* Of a session with an extra part. */
void mqtt_meter_free(struct mqtt_session *s);

#endif
