/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge as its files see it. */
#ifndef TERCET_PROTOCOLS_MQTT_BRIDGE_INT_H
#define TERCET_PROTOCOLS_MQTT_BRIDGE_INT_H

#include "broker/base/list.h"
#include "broker/net/dial.h"
#include "protocols/mqtt/bridge.h"
#include "protocols/mqtt/bridge_topics.h"
#include "protocols/mqtt/mqtt_int.h"

struct tls;

/* Behind the sessions' own notes. */
#define NOTE_BRIDGE_FILTER 0x70000u /* | index: a local filter that it is subscribed to */
#define NOTE_BRIDGE_OWN    0x60000u /* it is a bridge's session */
#define NOTE_BRIDGE_REMOTE 0x80000u /* hash u64 of what it asked of the other broker's session */

#define BRIDGE_IDENTITY_DIGITS 32

struct bridge {
    struct link link;                   /* in bridges->all */
    struct bridges *bridges;            /* borrowed: those it is one of */
    const struct bridge_config *config; /* borrowed */
    const struct bridge_config *next;   /* what it is to be without a connection; NULL: the same */
    struct core *core;                  /* borrowed */
    struct loop *loop;                  /* borrowed */
    struct mqtt_server server;          /* what its session believes to belong to */
    struct mqtt_profile profile;        /* of that */
    struct bridge_topics topics;
    struct bridge_address addresses[BRIDGE_ADDRESSES_MAX];
    unsigned address_count;
    unsigned address; /* of the attempt, or of the connection */
    unsigned tried;   /* addresses, since the last wait */
    struct tls *tls;  /* owned; NULL: plain */
    struct dial *dial;
    struct dial *probe;           /* asks whether the primary can be reached again; NULL: none */
    struct mqtt_session *session; /* borrowed from its connection; NULL: there is none */
    struct timer timer;           /* the next attempt, or the next look at a lazy one */
    struct timer probe_timer;
    uint64_t wait_ms; /* the last one; 0: the last attempt came to something */
    uint64_t last_message_ns;
    void (*on_connected)(struct bridge *bridge); /* the other broker said CONNACK */
    char *remote_id;                             /* owned, like the next two */
    char *local_id;                              /* of its session here */
    char *state_topic;                           /* NULL: nothing is said there */
    char here[BRIDGE_IDENTITY_DIGITS + 1];       /* this broker, in marks of messages */
    char there[BRIDGE_IDENTITY_DIGITS + 1];      /* the other one; "": it does not tell */
    struct text topic;                           /* of the message under way */
    uint8_t version;     /* enum bridge_version: the other broker may not know the one wanted */
    uint8_t qos_max;     /* of what the other broker takes */
    uint16_t last_id;    /* packet identifier of the last connection */
    bool has_retain;     /* it keeps retained messages */
    bool is_public;      /* it does not know the private mark of bridges */
    bool is_up;          /* it said that we are connected */
    bool is_local_kept;  /* the session here outlives the connection */
    bool is_primary_met; /* the probe's answer */
    bool is_here;        /* its session here was there before */
    bool is_leaving;     /* it is in no configuration any more */
    bool is_stopping;
};

static inline struct bridge *bridge_of(const struct mqtt_session *s)
{
    return s->server->bridge;
}

/* ---- bridge_link.c: the client's side of MQTT ---- */

/* A connection is there: says CONNECT. */
MUST_CHECK enum rc bridge_link_open(struct bridge *bridge, struct conn *conn,
                                    struct mqtt_session **ret);
/* It is connected: pings and idleness are looked for. */
void bridge_link_watch(struct mqtt_session *s);
/* Ends it in good order. */
void bridge_link_goodbye(struct mqtt_session *s);

/* ---- bridge_message.c ---- */

/* Spells bridge->here. */
void bridge_name_here(struct bridge *bridge);
/* The other broker said this of itself in CONNACK. */
void bridge_name_there(struct bridge *bridge, const struct mqtt_properties *p);

/* ---- bridge_local.c: its session here ---- */

/* Opens the session for `client` and has it subscribed to what the configuration says, with no
 * retained messages. *ret_present: it was there before. */
MUST_CHECK enum rc bridge_local_open(struct bridge *bridge, struct client *client,
                                     struct session **ret, bool *ret_present);
/* Has all retained messages that are to go out delivered. */
void bridge_local_retained(struct bridge *bridge, struct session *session);
/* What was under way between it and another session at the other broker, which is gone, is
 * forgotten; that of QoS 2 messages which it has taken only if asked for. */
void bridge_local_forget(struct session *session, bool is_release_too);
/* Ends the sessions of bridges that are none of these (struct bridge.link): nobody would ever read
 * what goes on to be kept for them. */
void bridge_local_end_others(struct core *core, const struct list *bridges);
/* Publishes here that it is up, or down. */
void bridge_local_notify(struct bridge *bridge, bool is_up);

#endif
