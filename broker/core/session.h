/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: a client's subscriptions and what it is owed, which outlive its connection. */
#ifndef TERCET_BROKER_CORE_SESSION_H
#define TERCET_BROKER_CORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/core/queue.h"

struct client;
struct core;
struct filter;
struct message;
struct session;

#define SESSION_NEVER_EXPIRES UINT64_MAX

struct session_spec {
    struct slice id;
    bool is_clean_start;    /* what was there before is forgotten */
    uint64_t expiry_ms;     /* how long it outlives its connection; 0: not; SESSION_NEVER_EXPIRES */
    bool is_will_forgotten; /* of the client it is taken over from, when the session goes on */
};

/* Opens the client's session, taking it over from another client if need be (that one's
 * on_taken_over() is called first). *ret_present: it existed and was kept. Deliveries of what it is
 * owed begin at session_ready(). RC_REFUSED, RC_TOO_LARGE (the id), RC_LIMIT (too many; counted).
 */
MUST_CHECK enum rc session_open(struct client *client, const struct session_spec *spec,
                                struct session **ret, bool *ret_present);
/* The connection is over: what was sent and not settled is owed again. The session ends now, or
 * when its expiry passes. Sets *session NULL. */
void session_detach(struct session **session);
/* MQTT 5 3.14.2.2.2: DISCONNECT may change it. */
void session_set_expiry(struct session *session, uint64_t expiry_ms);
struct slice session_id(const struct session *session);

struct subscription_spec {
    const struct filter *filter; /* copied */
    struct slice text;  /* the filter as the client spelled it: the subscription's identity */
    struct slice group; /* shared with all who have the same text: the name in it; none: alone */
    uint16_t filter_at; /* where in the text the filter begins */
    uint16_t slot;      /* 0, but for core when it loads */
    uint32_t id;        /* subscription identifier; 0: none */
    uint8_t qos;
    bool is_no_local;
    bool is_retain_as_published;
};
enum retained_wanted { RETAINED_NEVER, RETAINED_IF_NEW, RETAINED_ALWAYS };

/* Adds, or replaces the one with the same text (*ret_replaced). Retained messages that match are
 * delivered after the call, at the end of the turn, as credit allows. RC_REFUSED, RC_LIMIT. */
MUST_CHECK enum rc session_subscribe(struct session *session, const struct subscription_spec *spec,
                                     enum retained_wanted retained, bool *ret_replaced);
/* Are there retained messages that it is still to get? */
bool session_awaits_retained(const struct session *session);
/* What session_subscribe() has begun of retained messages waits: others of the same packet are
 * still to come, or their answer. Until it is called again, or the client leaves the session. */
void session_hold_retained(struct session *session, bool holds);
/* RC_NOT_FOUND: there is no such subscription. */
MUST_CHECK enum rc session_unsubscribe(struct session *session, struct slice text);

/* It has credit (again): call it after opening and whenever on_session_delivery() gave RC_AGAIN
 * before. */
void session_ready(struct session *session);
/* The delivery with that handle is done with. OUTCOME_REQUEUE: owed again. RC_NOT_FOUND. */
MUST_CHECK enum rc session_settle(struct session *session, uint64_t handle, enum outcome outcome);
/* How many references it holds: owed or sent and not settled. */
uint64_t session_owed_count(const struct session *session);
/* The same of the session with that id, whoever is connected; 0: there is none. */
uint64_t sessions_owed_count(const struct core *core, struct slice id);

/* ---- notes: small durable facts of the protocol's (packet ids of QoS 2, a will ...) ---- */

/* Survives with the session. Durable with the turn: acknowledge after client_await(). For a session
 * whose expiry is 0 it is kept in memory alone. */
void session_note_put(struct session *session, uint32_t key, struct slice value);
void session_note_delete(struct session *session, uint32_t key);
/* none when there is no such note. Borrowed until changed. */
struct slice session_note_get(const struct session *session, uint32_t key);
typedef void session_note_fn(void *arg, uint32_t key, struct slice value);
/* Those with keys from `first` to `last`, in their order. The visitor must not change notes. */
void session_note_each(const struct session *session, uint32_t first, uint32_t last,
                       session_note_fn *visit, void *arg);
/* How many of these there are, and how long their values are together. */
size_t session_note_count(const struct session *session, uint32_t first, uint32_t last,
                          size_t *ret_bytes);

/* All sessions that have this note. The visitor must not open or end any. */
typedef void session_fn(void *arg, const struct session *session);
void sessions_each_noted(const struct core *core, uint32_t key, session_fn *visit, void *arg);

/* A message to be published when the session has been without a client for `delay_ms`, or ends,
 * whichever is first; session_will_clear() takes it back (a new connection does so too). Takes the
 * message; it survives a restart. */
void session_will_set(struct session *session, struct message **message, uint64_t delay_ms);
void session_will_clear(struct session *session);

#endif
