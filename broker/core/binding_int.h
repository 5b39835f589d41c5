/* SPDX-License-Identifier: Apache-2.0 */
/* Bindings as the files of core see them. */
#ifndef TERCET_BROKER_CORE_BINDING_INT_H
#define TERCET_BROKER_CORE_BINDING_INT_H

#include "broker/core/core_int.h"
#include "broker/core/exchange.h"

struct headers_pattern;

/* What leads to a queue, or to an exchange. */
struct inbound {
    struct list bindings; /* struct binding.of_destination */
    struct list ties;     /* struct tie.of_inbound: none once it has ended */
    /* Whose this is, in the rows of its bindings; an exchange's also where it is the source. 0:
     * made before there were such numbers, or always there. */
    uint64_t number;
};

/* All bindings from an exchange that goes with its last one to one destination. */
struct tie {
    struct exchange *source; /* borrowed */
    struct inbound *inbound; /* borrowed */
    size_t count;            /* of struct binding.tie */
    struct link of_source;   /* both until the destination ends */
    struct link of_inbound;
};

/* Bindings of a direct exchange with one key. */
struct binding_key {
    struct map_node by_key; /* borrows the key */
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
    struct tie *tie;                 /* shared by those it counts; NULL: the source stays */
    struct map_node by_identity;
    char *identity; /* owned: see binding_identity() */
    size_t identity_len;
};

/* ---- binding.c ---- */
void inbound_init(struct inbound *inbound, uint64_t number);
struct inbound *binding_inbound(const struct binding *binding);
/* One of its ends has ended: it is there for nobody, and goes in parts. */
bool binding_is_over(const struct binding *binding);
/* As binding_add(), of one that is on record. */
MUST_CHECK enum rc binding_load(const struct binding_spec *spec);
void binding_free(struct binding *binding);
/* Ends one that is over. */
void binding_sweep(struct binding *binding);
bool exchange_has_bindings(const struct exchange *exchange);

/* ---- binding_record.c ---- */
void binding_identity(const struct binding_spec *spec, struct text *out);
/* Takes the identity apart again; without headers. */
void binding_spec_of(const struct binding *binding, struct binding_spec *ret);
bool binding_is_durable(const struct binding *binding);
void binding_record(const struct binding *binding, const struct binding_spec *spec);
void binding_record_delete(const struct binding *binding);
/* Of one that is over: the row says nothing any more, and nobody waits for its end. */
void binding_record_sweep(const struct binding *binding);

/* ---- binding_end.c ---- */
/* Removes the exchange, and those that go with their last binding because of it. */
void exchange_remove(struct exchange *exchange);
/* Takes a queue that was removed and closed: its bindings are over, and it is freed behind them. */
void queue_unbind(struct queue *queue);

#endif
