/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a session, shared by its handlers. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_INT_H
#define TERCET_PROTOCOLS_MQTT_MQTT_INT_H

#include "broker/base/list.h"
#include "broker/base/log.h"
#include "broker/base/text.h"
#include "broker/core/client.h"
#include "broker/core/queue.h"
#include "broker/net/conn.h"
#include "broker/net/loop.h"
#include "protocols/mqtt/mqtt_alias.h"
#include "protocols/mqtt/mqtt_codec.h"
#include "protocols/mqtt/mqtt_control.h"
#include "protocols/mqtt/mqtt_inflight.h"
#include "protocols/mqtt/mqtt_limits.h"
#include "protocols/mqtt/mqtt_pending.h"
#include "protocols/mqtt/mqtt_session.h"

struct bridge;
struct consumer;
struct mqtt_auth;
struct mqtt_many;
struct message;
struct mqtt_origin;
struct session;

enum mqtt_state {
    STATE_AWAIT_CONNECT,
    STATE_AWAIT_LOGIN, /* the password is being checked; nothing is read meanwhile */
    STATE_AWAIT_AUTH,  /* the exchange of AUTH is under way */
    STATE_ACTIVE,      /* those before it are before CONNACK */
    STATE_CLOSING,     /* nothing more is read; what was written is being sent */
    STATE_COUNT
};

/* Keys of the notes kept with core's session: what must survive beside the subscriptions. */
#define NOTE_INBOUND    0x10000u /* | packet id: a QoS 2 PUBLISH came, its PUBREL did not */
#define NOTE_OUTBOUND   0x20000u /* | packet id: struct mqtt_flight of what was sent */
#define NOTE_QUEUE      0x30000u /* | index: QoS and filter of a $queue subscription */
#define NOTE_LAST(kind) ((kind) | 0xffffu)

/* One $queue/NAME subscription. */
struct mqtt_queue_sub {
    struct link link;
    struct mqtt_session *session; /* borrowed: the owner */
    struct consumer *consumer;    /* owned; NULL when the queue is gone */
    struct slice filter;          /* owned, behind this struct */
    uint64_t queue;               /* number */
    uint32_t id;                  /* subscription identifier, or 0 */
    uint32_t note;                /* key of its note */
    uint8_t qos;
    bool is_starved; /* on_queue_delivery said RC_AGAIN */
};

struct mqtt_alias {
    uint8_t *at; /* owned */
    uint32_t len;
};

/* Of a session with an exchange of AUTH, a login that is open, a will that is dated, $queue
 * subscriptions, aliases of its client's, QoS 2 messages, a limit of rates, or a SUBSCRIBE of very
 * many filters that goes on. */
struct mqtt_extra {
    struct mqtt_alias *aliases; /* owned: the client's; MQTT_ALIAS_MAX of them, or NULL */
    struct mqtt_auth *auth;     /* owned; NULL: no exchange of AUTH is under way */
    struct mqtt_meter *meter;   /* owned; NULL: it may publish as fast as it can */
    struct mqtt_many *many;     /* owned: a SUBSCRIBE or UNSUBSCRIBE that goes on; NULL */
    struct list queues;         /* struct mqtt_queue_sub */
    unsigned queue_count;
    size_t kept_bytes; /* of QoS 2 messages that wait for PUBREL (mqtt_kept.h) */
    /* the CONNECT's body, kept while the login is open, and when the will is dated */
    struct text connect;
};

struct mqtt_session {
    uint32_t magic;
    uint8_t state;          /* enum mqtt_state */
    uint8_t version;        /* 0 until CONNECT told it */
    uint8_t end_reason;     /* reason code for the DISCONNECT, when a handler knows better; or 0 */
    bool is_bridge;         /* its subscriptions do not echo, and keep the retain flag */
    bool is_durable;        /* the session outlives the connection */
    bool is_starved;        /* on_session_delivery said RC_AGAIN */
    bool is_keep_alive_cut; /* by the operator's limit, as CONNACK tells */
    bool is_expiry_cut;
    bool is_goodbye;      /* the client sent DISCONNECT: no will */
    bool is_expecting;    /* conn_expect() was called */
    bool no_problem_info; /* the client wants no reason strings */
    bool has_resumed;     /* some flights wait to be sent again under their old ids */
    bool is_will_dated;   /* its will has an expiry, which counts from its publication */
    bool has_auth_method; /* CONNECT named one */
    uint8_t auth_hash;    /* enum scram_hash: which */
    uint8_t pauses;       /* enum conn_pause bits that we set: nothing is read meanwhile */
    uint16_t keep_alive_s;
    uint16_t receive_max;  /* of the client: QoS > 0 messages under way to it */
    uint32_t open_inbound; /* QoS > 0 messages of the client that are not done with */
    uint32_t packet_max;   /* of the client */
    uint64_t expiry_ms;
    const struct mqtt_server *server; /* borrowed from the listener */
    struct core *core;                /* borrowed from the server */
    struct conn *conn;                /* borrowed until on_closed */
    struct client *client;            /* owned */
    struct session *session;   /* owned attachment; NULL before CONNECT and after a takeover */
    struct mqtt_extra *extra;  /* owned; NULL: it has none of that */
    struct mqtt_aliases given; /* those of our own */
    struct mqtt_inflight inflight;
    struct mqtt_pending pending;
    struct timer timer;    /* CONNECT, then keep alive */
    struct link of_server; /* in the control's list */
};
/* 10,000 that are idle are to cost 1,500 bytes each, all told: what only some have stands apart. */
_Static_assert(sizeof(struct mqtt_session) <= 232, "an idle session");

extern const struct client_ops mqtt_client_ops;

static inline enum log_level mqtt_level_of_coming(const struct mqtt_session *s)
{
    return s->server->config.is_quiet_of_coming ? LOG_DEBUG : LOG_INFO;
}

/* ---- handlers: one for each packet type a client may send ---- */

typedef enum rc mqtt_handler_fn(struct mqtt_session *s, const struct mqtt_frame *frame);
/* A packet type's handler, and the states in which it may come (bits). */
struct mqtt_rule {
    mqtt_handler_fn *handle;
    unsigned legal_in;
};

mqtt_handler_fn mqtt_on_connect;
mqtt_handler_fn mqtt_on_publish;
mqtt_handler_fn mqtt_on_pubrel;
mqtt_handler_fn mqtt_on_puback;
mqtt_handler_fn mqtt_on_pubrec;
mqtt_handler_fn mqtt_on_pubcomp;
mqtt_handler_fn mqtt_on_subscribe;
mqtt_handler_fn mqtt_on_unsubscribe;
mqtt_handler_fn mqtt_on_pingreq;
mqtt_handler_fn mqtt_on_disconnect;
mqtt_handler_fn mqtt_on_auth;

/* ---- shared by them (mqtt_session.c) ---- */

void mqtt_enter(struct mqtt_session *s, enum mqtt_state state);
/* Made when something of it is needed first. */
struct mqtt_extra *mqtt_extra(struct mqtt_session *s);
/* The connection is to end with this reason code: for `return mqtt_fail(s, RC_..., 0x..)`. */
enum rc mqtt_fail(struct mqtt_session *s, enum rc rc, enum mqtt_reason reason);
/* Ends it: DISCONNECT or CONNACK with the reason where the version has one, then close. Safe inside
 * a call of core's. */
void mqtt_end(struct mqtt_session *s, enum rc rc, const char *why);
void mqtt_send_ack(struct mqtt_session *s, enum mqtt_type type, uint16_t packet_id, uint8_t reason);
/* Queues an answer behind those that wait for the disk already. RC_MEMORY. */
MUST_CHECK enum rc mqtt_answer_later(struct mqtt_session *s, const struct mqtt_answer *answer);
MUST_CHECK enum rc mqtt_ack_later(struct mqtt_session *s, enum mqtt_type type, uint16_t packet_id,
                                  uint8_t reason);
/* A packet was handled, or a part of it, and that gave `rc`: the end. */
void mqtt_end_packet(struct mqtt_session *s, enum rc rc);
/* Asks core to report, once, all answers that were queued since the last time. */
void mqtt_await_answers(struct mqtt_session *s);

/* A SUBSCRIBE or UNSUBSCRIBE that goes on is given up: its connection ends (mqtt_on_subscribe.c).
 */
void mqtt_many_stop(struct mqtt_session *s);
/* Is it a topic that clients may publish to, as far as the broker's own ones go? */
bool mqtt_may_publish_to(struct slice topic);
/* What an alias of the client's stands for; none: nothing. */
struct slice mqtt_alias_topic(const struct mqtt_session *s, unsigned alias);
/* Reasons of our own to stop reading; other reasons are net's. */
void mqtt_pause(struct mqtt_session *s, enum conn_pause why);
void mqtt_resume(struct mqtt_session *s, enum conn_pause why);
/* After CONNECT was found right and its sender let in (mqtt_on_connect.c). `body` is the CONNECT's;
 * it may be the one that was kept. */
MUST_CHECK enum rc mqtt_welcome(struct mqtt_session *s, const struct mqtt_connect *c,
                                struct slice body);
/* Opens s->client and asks who the sender of this CONNECT is; goes on to mqtt_welcome() at once or
 * later (mqtt_auth.c). */
MUST_CHECK enum rc mqtt_login(struct mqtt_session *s, const struct mqtt_connect *c,
                              struct slice body);
/* Method and data for CONNACK, when there was an exchange of AUTH. */
void mqtt_auth_describe(const struct mqtt_session *s, struct mqtt_properties *p);
void mqtt_auth_done(struct mqtt_session *s);
/* client_ops */
void mqtt_on_login(void *session, enum rc rc);
/* Keeps the CONNECT's body, unless it is kept already. False: there is no memory. */
MUST_CHECK bool mqtt_keep_connect(struct mqtt_session *s, struct slice body);
/* Sets the will anew, its expiry counted from now (mqtt_on_connect.c). */
void mqtt_date_will(struct mqtt_session *s);

/* ---- deliveries (mqtt_deliver.c) ---- */

enum rc mqtt_on_session_delivery(void *session, const struct delivery *delivery);
enum rc mqtt_on_queue_delivery(void *session, struct consumer *consumer,
                               const struct delivery *delivery);
/* A QoS 2 delivery that waits until its packet id is durable. */
struct mqtt_held;
/* Writes it, if its flight is still under way. */
void mqtt_send_held(struct mqtt_session *s, const struct mqtt_held *held, uint16_t packet_id);
void mqtt_held_free(struct mqtt_held *held);
/* The client is done with a flight: settle it and free its id. */
void mqtt_settle(struct mqtt_session *s, struct mqtt_flight *flight, enum outcome outcome);
/* The same for one that was too large for the client. */
void mqtt_settle_dropped(struct mqtt_session *s, uint16_t packet_id);
/* PUBREC came: the message is the client's, its id stays taken until PUBCOMP. */
void mqtt_hand_over(struct mqtt_session *s, struct mqtt_flight *flight);
/* Tells core that there is room again, if it was told that there is none. */
void mqtt_give_credit(struct mqtt_session *s);
/* Keeps the ids of what is under way, so that they are used again on resume (4.4.0-1). */
void mqtt_note_flights(struct mqtt_session *s);
/* Reads them back. */
void mqtt_resume_flights(struct mqtt_session *s);
/* Sends PUBREL to those that are owed it. */
void mqtt_release_flights(struct mqtt_session *s);

/* ---- where we are the client (bridge_link.c) ---- */

extern const struct mqtt_rule mqtt_bridge_rules[MQTT_TYPE_COUNT];
/* The reason of a DISCONNECT as a client may say it, or MQTT_SILENCE. */
uint8_t mqtt_bridge_reason(const struct mqtt_session *s, uint8_t reason);
/* The other broker takes no more than this. */
uint8_t mqtt_bridge_qos(const struct mqtt_session *s, uint8_t qos);
/* False: it came over a bridge that does not relay, and is nothing for other brokers' bridges. */
bool mqtt_bridge_may_leave(const struct message *message);
/* Topic and retain flag as they go out. False: the message does not. */
bool mqtt_bridge_out(struct mqtt_session *s, const struct message *message, struct mqtt_publish *p);
/* One more property, unless it is there: that the message was at this broker. */
void mqtt_bridge_write_via(const struct mqtt_session *s, const struct message *message,
                           struct wr *w);
/* The topic that it has here. RC_NO_ROUTE: none. Borrowed until the next. */
MUST_CHECK enum rc mqtt_bridge_in(struct mqtt_session *s, struct slice *topic,
                                  struct mqtt_origin *origin);
/* A message comes, by whatever way, that went out from this broker: it goes round in circles. */
bool mqtt_bridge_was_here(const struct mqtt_session *s, const struct mqtt_publish *p);
/* Does the client say in CONNECT that it is a bridge of our kind? Then it is told in CONNACK which
 * broker this is: `append`, written to `at`. */
#define MQTT_BRIDGE_GREETING_BYTES 48
bool mqtt_bridge_greets(const struct mqtt_properties *p);
struct slice mqtt_bridge_greeting(const struct core *core, uint8_t at[MQTT_BRIDGE_GREETING_BYTES]);
/* An acknowledgement came with this reason code. */
void mqtt_bridge_not_taken(const struct mqtt_session *s, uint8_t reason);

/* ---- $queue subscriptions (mqtt_queue_sub.c) ---- */

/* Subscribes, or replaces: the granted QoS in *ret. RC_NOT_FOUND: no such queue. RC_LIMIT. */
MUST_CHECK enum rc mqtt_queue_subscribe(struct mqtt_session *s, const struct mqtt_filter *filter,
                                        uint32_t id, uint8_t *ret);
/* RC_NOT_FOUND: there is no such subscription. */
MUST_CHECK enum rc mqtt_queue_unsubscribe(struct mqtt_session *s, struct slice filter);
/* Those that the session had before come back. */
void mqtt_queue_resume(struct mqtt_session *s);
/* All consumers end; their notes stay. */
void mqtt_queue_cancel_all(struct mqtt_session *s);
void mqtt_on_consumer_cancelled(void *session, struct consumer *consumer, enum rc why);

#endif
