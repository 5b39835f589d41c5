/* SPDX-License-Identifier: Apache-2.0 */
/* One client's connection: bytes in, calls to core and bytes out. Core thread only. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_SESSION_H
#define TERCET_PROTOCOLS_MQTT_MQTT_SESSION_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "protocols/mqtt/mqtt_limits.h"
#include "protocols/mqtt/mqtt_profile.h"

struct conn;
struct core;
struct mqtt_control;
struct mqtt_place;
struct mqtt_session;

/* What the operator sets. */
struct mqtt_config {
    uint16_t max_keep_alive_s;    /* a longer one, or none, is cut to this; 0: no limit */
    uint16_t receive_maximum;     /* a client's messages of QoS > 0 under way to us */
    uint32_t max_packet_bytes;    /* the largest packet taken */
    uint32_t max_payload_bytes;   /* a message with more is refused; 0: no limit of its own */
    uint16_t topic_alias_maximum; /* a client's, up to MQTT_ALIAS_MAX */
    uint16_t aliases_given;       /* to a client, up to MQTT_ALIAS_GIVEN_MAX */
    uint16_t send_window;  /* to a client that does not say how many it takes; 0: MQTT_WINDOW_3, and
                            * in MQTT 5 as many as can be */
    uint8_t versions;      /* bits of those spoken: 3.1 the lowest, then 3.1.1 and 5 */
    uint8_t maximum_qos;   /* of what a client publishes, and of what it is sent */
    bool has_no_retain;    /* a retained message ends its connection */
    bool gives_no_ids;     /* who comes without an identifier is turned away */
    const char *id_prefix; /* of those given; borrowed; NULL: MQTT_ID_PREFIX */
    const struct mqtt_profile *profile;
    uint32_t send_bytes;       /* of payloads under way to one client; 0: no limit */
    const char *id_must_begin; /* who has another identifier is turned away; borrowed; NULL */
    bool is_user_id;           /* a client's identifier is its user's name */
    bool is_quiet_of_coming;   /* connections are no news: they are logged for debugging alone */
    bool keeps_sources;        /* of retained messages */
};

#define MQTT_CONFIG_DEFAULT                                                              \
    {                                                                                    \
        .receive_maximum = 1024, .max_packet_bytes = UINT32_C(128) << 20,                \
        .topic_alias_maximum = 10, .aliases_given = MQTT_ALIAS_GIVEN_MAX, .versions = 7, \
        .maximum_qos = 2, .profile = &mqtt_profiles[MQTT_PROFILE_OWN]                    \
    }

/* What all sessions share. */
struct mqtt_server {
    struct core *core; /* borrowed */
    struct mqtt_config config;
    struct mqtt_control *control; /* a reference; NULL: there is none, as in tests */
    struct mqtt_place *place;     /* owned: what is set for its listeners; NULL: nothing */
    struct bridge
        *bridge; /* borrowed: it is we who connect, for this one; NULL: we are the server */
};

/* Waits for CONNECT on `conn`, which must outlive it, as must `server`. */
MUST_CHECK enum rc mqtt_session_open(const struct mqtt_server *server, struct conn *conn,
                                     struct mqtt_session **ret);
/* Gives back how many bytes it used: whole packets alone. */
size_t mqtt_session_input(struct mqtt_session *session, struct slice in);
/* Output drained: deliveries may go on. */
void mqtt_session_drained(struct mqtt_session *session);
/* The broker stops: says so to the client. */
void mqtt_session_shutdown(struct mqtt_session *session);
/* What it came in by holds no more: net's and core's callback. */
void mqtt_session_revoked(void *session);
/* The connection is gone. Publishes the will unless the client said goodbye. Sets *session NULL. */
void mqtt_session_close(struct mqtt_session **session, enum rc why);

#endif
