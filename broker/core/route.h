/* SPDX-License-Identifier: Apache-2.0 */
/* Where what is published to an address goes: looked up once, kept while nothing changes. For core.
 */
#ifndef TERCET_BROKER_CORE_ROUTE_H
#define TERCET_BROKER_CORE_ROUTE_H

#include "broker/core/core_int.h"

struct session;

/* One session whose subscriptions match, all of them taken together. */
struct target {
    struct session *session; /* borrowed while the route is valid */
    const uint32_t *ids;     /* subscription identifiers; borrowed from the route */
    unsigned id_count;
    uint8_t qos;                 /* greatest of its subscriptions */
    bool is_retain_as_published; /* any of them */
    /* The same for what the session's own client publishes: of those that are not no local. */
    unsigned local_id_count; /* the first ones of `ids` */
    uint8_t local_qos;
    bool is_local_as_published;
    bool has_no_local; /* some of them are */
    bool is_no_local;  /* all of them are */
    bool is_own;       /* such a message is being given: not of the route */
};

struct route {
    struct map_node by_address; /* the address lies behind the struct, in its allocation */
    struct link link;           /* in core->route_list, the oldest first */
    uint64_t topics_epoch;
    uint64_t bindings_epoch;
    struct stream *stream; /* of the first level; NULL: none yet */
    bool is_kept;          /* the address is one of the broker's own (name_is_kept()) */
    struct queue **queues; /* owned: bound to amq.topic; NULL when there are none, as the others */
    size_t queue_count;
    struct exchange **exchanges; /* owned: bound to amq.topic, to be walked for each message */
    size_t exchange_count;
    struct target *targets; /* owned */
    size_t target_count;
    uint32_t *ids; /* owned */
};

/* Valid until the next change of subscriptions, bindings, queues or streams: use it at once. */
const struct route *route_of(struct core *core, struct slice address);

#endif
