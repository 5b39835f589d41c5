/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges and bindings: AMQP's routing from (exchange, key, headers) to queues and exchanges. */
#ifndef TERCET_BROKER_CORE_EXCHANGE_H
#define TERCET_BROKER_CORE_EXCHANGE_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct client;
struct header_value; /* broker/core/headers_match.h */
struct core;
struct exchange;
struct queue;
struct text;

enum exchange_type {
    EXCHANGE_DIRECT,
    EXCHANGE_FANOUT,
    EXCHANGE_TOPIC,
    EXCHANGE_HEADERS,
    EXCHANGE_TYPE_COUNT
};

struct exchange_spec {
    struct slice name;
    enum exchange_type type;
    bool is_durable;
    bool is_auto_delete;
    bool is_internal;
    bool is_delaying;       /* keeps what comes with a delay until then (delayed.h) */
    struct slice alternate; /* exchange for what it routes nowhere; none: no such */
    struct slice arguments; /* opaque, kept */
};

/* The default exchange has the empty name. NULL when there is none. */
struct exchange *exchange_find(struct core *core, struct slice name);
/* RC_EXISTS: with the same properties, *ret is it. RC_MISMATCH: with others, *ret is it.
 * RC_REFUSED: not allowed. Reserved names are the protocol's to refuse. Durable ones survive. */
MUST_CHECK enum rc exchange_declare(struct client *client, const struct exchange_spec *spec,
                                    struct exchange **ret);
/* RC_IN_USE: if_unused and it is the source of bindings. RC_REFUSED. */
MUST_CHECK enum rc exchange_delete(struct client *client, struct exchange *exchange,
                                   bool if_unused);
/* Would exchange_declare() call it RC_EXISTS? */
bool exchange_is_same(const struct exchange *exchange, const struct exchange_spec *spec);
const struct exchange_spec *exchange_spec(const struct exchange *exchange);
bool exchange_is_predeclared(const struct exchange *exchange); /* "" and amq.* */
/* Is it the shared one, whose routing keys are addresses (amq.topic)? And the default one? */
bool exchange_is_shared(const struct exchange *exchange);
bool exchange_is_default(const struct exchange *exchange);
/* Is there one that delays? */
bool exchanges_delay(const struct core *core);
struct exchange *exchange_next(struct core *core, struct exchange *after);

struct binding_spec {
    struct exchange *source;
    struct queue *queue;                /* destination: this, */
    struct exchange *destination;       /* or this */
    struct slice key;                   /* as the protocol spells it */
    struct slice arguments;             /* opaque, part of the binding's identity */
    const struct header_value *headers; /* the arguments, for headers exchanges */
    unsigned header_count;
};
/* The same binding again is RC_OK and changes nothing. RC_REFUSED. RC_LIMIT. RC_INVALID: a key too
 * long, or a bad x-match. */
MUST_CHECK enum rc binding_add(struct client *client, const struct binding_spec *spec);
/* Its bindings as source, in the order they were made; `headers` are not given. Borrowed during the
 * call, which must not change bindings. */
typedef void binding_visit_fn(void *arg, const struct binding_spec *spec);
/* The first `*count`, which is counted down, or those behind the ones that the last call came to:
 * `after`, empty at first, keeps the place. RC_AGAIN: there are more. RC_OK: there are none.
 * RC_NOT_FOUND: that place is gone. RC_MEMORY. */
MUST_CHECK enum rc binding_some(const struct exchange *source, struct text *after, unsigned *count,
                                binding_visit_fn *visit, void *arg);
/* Is there this very binding? */
bool binding_exists(const struct binding_spec *spec);
/* RC_NOT_FOUND when there is none (the protocol may call that success). RC_MEMORY. */
MUST_CHECK enum rc binding_remove(struct client *client, const struct binding_spec *spec);

#endif
