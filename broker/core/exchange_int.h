/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges as the files of core see them. */
#ifndef TERCET_BROKER_CORE_EXCHANGE_INT_H
#define TERCET_BROKER_CORE_EXCHANGE_INT_H

#include "broker/core/core_int.h"
#include "broker/core/exchange.h"

/* Bindings of a direct exchange with one key. */
struct binding_key {
    struct map_node by_key; /* borrows the key of its first binding */
    struct list bindings;   /* struct binding.of_key */
    char *key;              /* owned */
};

struct binding {
    struct interest interest; /* first: in a matcher when the source is a topic exchange */
    struct exchange *source;  /* borrowed */
    struct queue *queue;      /* borrowed; or */
    struct exchange *destination;
    struct link of_source;
    struct link of_destination;
    struct link of_key; /* direct: in binding_key->bindings */
    struct binding_key *by_key;
    struct headers_pattern *pattern; /* owned; headers exchanges */
    struct map_node by_identity;
    char *identity; /* owned: see binding_identity() */
    size_t identity_len;
};

struct exchange {
    struct core *core;
    struct exchange_spec spec; /* name, alternate and arguments owned */
    struct map_node by_name;
    struct link link;
    struct list bindings;     /* as source: struct binding.of_source */
    struct list destinations; /* as destination: struct binding.of_destination */
    struct map keys;          /* direct: struct binding_key */
    struct matcher *matcher;  /* topic: owned, but for the shared one */
    size_t queue_bindings;
    uint64_t stamp;
    bool is_predeclared;
    bool had_bindings;
};

void routed_done(struct routed *routed);
/* Adds the queue unless this stamp has seen it. */
void routed_add(struct core *core, struct routed *routed, struct queue *queue);

/* What a routing is about. */
struct routing {
    struct slice key; /* as AMQP spells it */
    const struct header_value *headers;
    unsigned header_count;
};
/* Follows bindings from `exchange` on: each exchange once per core->walk_stamp, each queue once per
 * core->stamp; the caller makes these new. */
void exchange_walk(struct exchange *exchange, const struct routing *routing, struct routed *routed);

#endif
