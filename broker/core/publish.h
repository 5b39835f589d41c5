/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing: to an address, or through an exchange. */
#ifndef TERCET_BROKER_CORE_PUBLISH_H
#define TERCET_BROKER_CORE_PUBLISH_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct client;
struct core;
struct header_value; /* broker/core/headers_match.h */
struct exchange;
struct message;

/* Publishes to message->address as MQTT and HTTP do: the stream of its first level (made when there
 * is none and auto_stream allows), the queues bound to amq.topic, the subscriptions, the retained
 * store. Takes the message reference in any case. client_await() then says when it is durable.
 * RC_NO_ROUTE: nobody wanted it (still a success for MQTT). RC_REFUSED. RC_LIMIT: no more implicit
 * streams. RC_FULL/RC_IO: stalled, nothing was published. */
MUST_CHECK enum rc publish_address(struct client *client, struct message **message);

/* Tells those who are subscribed and can take it now, and is its address's last value until the
 * next or until the process ends: it is not logged, not recorded, and no limit holds for it. Takes
 * the message, which must be of QoS 0. */
void publish_transient(struct core *core, struct message **message);

/* The same through an exchange of AMQP. `message->address` must be the canonical spelling of the
 * routing key when the exchange is amq.topic (publish_exchange_is_address()), the queue's address
 * for the default exchange; it is not looked at for others. */
struct publish_exchange {
    struct exchange *exchange;        /* exchange_find() */
    const struct slice *routing_keys; /* the key, then those of CC and BCC */
    unsigned routing_key_count;
    const struct header_value *headers; /* the message's, for headers exchanges; may be NULL */
    unsigned header_count;
    uint64_t delay_ms; /* for exchanges that delay, which keep it so long; 0: they do not */
    /* What such an exchange is to publish then; NULL: the same. Called once at most. Gives a
     * reference; *ret, which is the publish itself at first, may get other headers. */
    enum rc (*later)(void *arg, struct publish_exchange *ret, struct message **ret_message);
    void *later_arg;
};
/* RC_NO_ROUTE: no queue took it (return it when it is mandatory), nor an exchange that delays.
 * RC_LIMIT: a queue with reject-publish refused, or as much waits as may (nack). RC_INVALID: the
 * delay is too long. Others as above. */
MUST_CHECK enum rc publish_exchange(struct client *client, const struct publish_exchange *publish,
                                    struct message **message);
/* Would that be refused before anything is done? RC_REFUSED, RC_INVALID; RC_FULL, RC_IO. */
MUST_CHECK enum rc publish_check(struct client *client, const struct publish_exchange *publish);
/* What an exchange kept, now that it is due: the client must be one who may publish to `asked`, the
 * exchange it was published to. Routed as above, without a delay. */
MUST_CHECK enum rc publish_due(struct client *client, const struct publish_exchange *publish,
                               struct slice asked, struct message **message);

#endif
