/* SPDX-License-Identifier: Apache-2.0 */
/* DOOR 2: what core calls on a client (one connection's session), and how a client comes and goes.
 */
#ifndef TERCET_BROKER_CORE_CLIENT_H
#define TERCET_BROKER_CORE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/core/scram.h"

struct client;
struct consumer;
struct core;
struct message;
struct session;

/* One message on its way to one client. Borrowed during the call. */
struct delivery {
    struct message *message; /* message_ref() to keep it */
    uint64_t handle;         /* for queue_settle() or session_settle(); 0: nothing to settle */
    const uint32_t *subscription_ids; /* of the subscriptions that matched, those that have one */
    unsigned subscription_id_count;
    uint32_t delivery_count; /* earlier attempts */
    uint8_t qos;             /* as granted: min(published, subscribed) */
    bool is_retained;        /* to be shown with the retain flag */
    bool is_redelivered;
};

/* Why publishers should stop for a while. */
enum pressure {
    PRESSURE_NONE,
    PRESSURE_BACKLOG, /* the disk is behind: do not read from this publisher */
    PRESSURE_STALLED, /* the store takes nothing (core_stall() says why): refuse or block, and say
                         so */
};

/* All are called on the core's thread; none but the last two may close the client inside the call
 * (conn_close() only marks, so that is fine). A NULL member is not called. */
struct client_ops {
    const char *protocol; /* for listings and the log; core never compares it */

    /* Where it comes from, by which failed logins are counted (conn_origin()); NULL: by nothing. */
    const char *(*origin)(void *session);

    /* What was published (or stored) with this token is as durable as it asked. Tokens come back in
     * the order they were given. */
    void (*on_durable)(void *session, uint64_t token, enum rc rc);
    /* Follows the last of a run of on_durable() calls: send coalesced acknowledgements now. */
    void (*on_durable_end)(void *session);

    /* A message for a queue consumer. RC_OK: taken, to be settled (unless the consumer is no_ack).
     * RC_AGAIN: no credit; nothing comes until consumer_ready(). */
    enum rc (*on_queue_delivery)(void *session, struct consumer *consumer,
                                 const struct delivery *delivery);
    /* The consumer is gone (its queue was deleted); the pointer dies after the call. */
    void (*on_consumer_cancelled)(void *session, struct consumer *consumer, enum rc why);

    /* A message for the session of this client. RC_OK: taken; to be settled when its handle is not
     * 0. RC_AGAIN: no credit; the message is kept as a reference until session_ready(). */
    enum rc (*on_session_delivery)(void *session, const struct delivery *delivery);
    /* Another client opened the same session: say so to the peer and close. The session is no
     * longer this client's. */
    void (*on_taken_over)(void *session);

    /* The session of this client was ended, for it was owed too much: say so to the peer and close.
     */
    void (*on_session_over)(void *session);

    /* Sent to every client that has published, and before a first publish while it lasts. */
    void (*on_pressure)(void *session, enum pressure pressure);

    /* It is to go elsewhere (core_draining()). False: it is not there yet, or was told. */
    bool (*on_drain)(void *session);

    /* These two may close the client.
     * What client_login() had to leave open: RC_OK, RC_AUTH, RC_MEMORY. */
    void (*on_login)(void *session, enum rc rc);
    /* It would not be let in any more, for its account is gone or is another: say so to the peer
     * and close. */
    void (*on_revoked)(void *session);
};

/* Who a connection is. */
struct principal {
    struct slice name; /* borrowed from the client */
    bool is_loopback;  /* came over a loopback address or a Unix socket */
    bool is_anonymous;
    bool is_certified; /* a certificate names it */
};

/* `session` is what ops are called with; borrowed until client_close(). The client is anonymous
 * until client_login(). */
struct client *client_open(struct core *core, const struct client_ops *ops, void *session,
                           bool is_loopback);
/* Cancels its consumers (what they had taken goes back to its queues), deletes its exclusive
 * queues, and forgets its tokens. Its MQTT-style session must have been detached. Sets *client
 * NULL. */
void client_close(struct client **client);

/* Which listener it came by, whose access holds for it (acl.h), and the name in its certificate,
 * which was found good; NULL: it showed none. A client that never entered is the broker's own, and
 * may do all when it came by loopback. */
void client_enter(struct client *client, const char *listener, const char *certificate);
/* What %c of rules stands for. Copies. */
void client_set_id(struct client *client, struct slice id);
/* NONE: it has none yet. Borrowed until it has another. */
struct slice client_id(const struct client *client);

/* Name and password; slices are borrowed. user none: anonymous. RC_AUTH: no. RC_REFUSED: this
 * account, or nobody without one, may come from there. RC_BANNED: too many logins failed there.
 * RC_AGAIN: on_login() tells. RC_LIMIT: too many ask at a time. RC_MEMORY, RC_SYSTEM. Refusals are
 * counted and logged here. */
MUST_CHECK enum rc client_login(struct client *client, struct slice user, struct slice password);
/* Whether client_login() would let it in now without a name, or by its certificate. */
bool client_needs_no_name(const struct client *client);
/* Whether it may show who it is by SCRAM: there are accounts, and no certificate is asked for. */
bool client_takes_scram(const struct client *client);
/* Whether it may try by SCRAM. RC_BANNED: too many logins failed; counted. */
MUST_CHECK enum rc client_may_try(const struct client *client, struct slice user);
/* Whether who shows no certificate stays outside. */
bool client_needs_certificate(const struct client *client);
/* What a SCRAM exchange about this name goes by. Of a name that nobody has, or that has no verifier
 * of this kind, no proof is right. */
void client_scram_verifier(const struct client *client, struct slice user, enum scram_hash hash,
                           struct scram_verifier *ret);
/* After the proof by this kind was right. RC_AUTH: the account has gone meanwhile, or too many
 * logins failed: who guesses is not to learn more than that. */
MUST_CHECK enum rc client_login_by_scram(struct client *client, struct slice user,
                                         enum scram_hash hash);
/* As somebody whom the configuration names: nothing is to be shown. RC_AUTH: there is no such
 * account. */
MUST_CHECK enum rc client_login_as(struct client *client, struct slice user);
/* A login that was refused elsewhere: counts and logs it. */
void client_login_refused(const struct client *client, struct slice user, enum rc rc);
const struct principal *client_principal(const struct client *client);
struct core *client_core(const struct client *client);

/* Asks for on_durable(token) when all that was put so far, by anyone, is as durable as it asked. */
void client_await(struct client *client, uint64_t token);

#endif
