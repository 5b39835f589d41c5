/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges as the files of core see them. */
#ifndef TERCET_BROKER_CORE_EXCHANGE_INT_H
#define TERCET_BROKER_CORE_EXCHANGE_INT_H

#include "broker/core/binding_int.h"

struct exchange {
    struct core *core;
    struct exchange_spec spec; /* name, alternate and arguments owned */
    struct map_node by_name;
    struct link link;
    struct list bindings;    /* as source: struct binding.of_source */
    struct list ties;        /* if it goes with its last binding: struct tie.of_source */
    struct inbound inbound;  /* as destination */
    struct map keys;         /* direct: struct binding_key */
    struct matcher *matcher; /* topic: owned, but for the shared one */
    uint64_t stamp;
    uint64_t born;          /* delaying: what it keeps has this number or a later one */
    uint64_t delayed_count; /* of that, what is known to wait */
    uint64_t delayed_bytes;
    bool is_predeclared;
    bool is_removed; /* and has bindings that go in parts */
};

/* ---- exchange.c ---- */
/* Nothing finds it any more; it is unlinked. */
void exchange_close(struct exchange *exchange);
/* One that was closed, and has no bindings. */
void exchange_free(struct exchange *exchange);

/* An exchange that delays, and the key by which a message reached it. */
struct delaying {
    struct exchange *exchange;
    struct slice key;
};

/* The one that delays, with this `born`; NULL: it is gone. */
struct exchange *exchange_born(struct core *core, uint64_t born);

/* One message less waits in it. */
void delaying_left(struct exchange *exchange, uint64_t bytes);

void routed_done(struct routed *routed);

/* What a routing is about. */
struct routing {
    struct slice key; /* as AMQP spells it */
    const struct header_value *headers;
    unsigned header_count;
    uint64_t delay_ms; /* for exchanges that delay; 0: they do not */
};
/* Follows bindings from `exchange` on: each exchange once per core->walk_stamp, each queue once per
 * core->stamp; the caller makes these new. */
void exchange_walk(struct exchange *exchange, const struct routing *routing, struct routed *routed);

/* Header values as they are recorded: the count u32, then each. */
void header_values_write(struct text *out, const struct header_value *values, unsigned count);
void header_value_read(struct rd *rd, struct header_value *ret);

struct publish_exchange;
/* ---- delaying.c: exchanges that delay ---- */
/* A walk came to it with a delay, by this key, which stays until delaying_keep(). */
void delaying_reach(struct exchange *exchange, struct slice key);
/* Once the message was routed with `rc`: keeps it for each exchange that was reached; *kept counts
 * them. As delayed_publish(), or that `rc` when none was reached or nothing was published. */
MUST_CHECK enum rc delaying_keep(struct client *client, const struct publish_exchange *publish,
                                 struct message *message, enum rc rc, size_t *kept);

#endif
