/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: a stream read by competing consumers through one shared cursor. */
#ifndef TERCET_BROKER_CORE_QUEUE_H
#define TERCET_BROKER_CORE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/list.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/core/client.h"

struct consumer;
struct core;
struct queue;
struct stream;

struct queue_spec {
    struct slice name; /* as AMQP spells it; its stream's name is name_from_queue() of it */
    bool is_durable;
    bool is_exclusive; /* to the declaring client; gone with it */
    bool is_auto_delete;
    bool is_server_named;
    struct slice arguments; /* opaque, kept for the protocol's equivalence check */
};

#define QUEUE_UNLIMITED UINT64_MAX
/* Longest times: ten years. */
#define QUEUE_WAIT_MAX_MS UINT64_C(315360000000)

/* What it holds of ready messages, and for how long. */
struct queue_limits {
    uint64_t max_messages;
    uint64_t max_bytes;  /* of their values */
    uint64_t ttl_ms;     /* from when they were published; of those at its head */
    uint64_t expires_ms; /* how long it lives without a consumer, a get or queue_used() */
    bool is_refusing;    /* who publishes one too many is refused, RC_LIMIT; else the first goes */
};
#define QUEUE_LIMITS_NONE                                                                         \
    {                                                                                             \
        .max_messages = QUEUE_UNLIMITED, .max_bytes = QUEUE_UNLIMITED, .ttl_ms = QUEUE_UNLIMITED, \
        .expires_ms = QUEUE_UNLIMITED                                                             \
    }

/* Kept with the queue, and effective at once. */
void queue_set_limits(struct queue *queue, const struct queue_limits *limits);
/* Somebody asked for it. */
void queue_used(struct queue *queue);

/* NULL when there is none. */
struct queue *queue_find(struct core *core, struct slice name);
/* Makes the queue and, when there is none, its stream; an existing stream becomes the queue's log
 * and all it still holds is ready. RC_EXISTS: *ret is the queue, compare its spec. RC_LOCKED:
 * exclusive to another client. RC_REFUSED, RC_LIMIT. */
MUST_CHECK enum rc queue_declare(struct client *client, const struct queue_spec *spec,
                                 struct queue **ret);
/* RC_IN_USE: if_unused and it has consumers. RC_MISMATCH: if_empty and it is not. RC_LOCKED. Its
 * consumers are cancelled (rc RC_NOT_FOUND), its bindings and its stream go with it. *ret_ready:
 * the messages it held. */
MUST_CHECK enum rc queue_delete(struct client *client, struct queue *queue, bool if_unused,
                                bool if_empty, uint64_t *ret_ready);
/* Settles all that is ready. RC_LOCKED, RC_REFUSED. */
MUST_CHECK enum rc queue_purge(struct client *client, struct queue *queue, uint64_t *ret_count);
/* RC_LOCKED when the queue is exclusive to another client. */
MUST_CHECK enum rc queue_check_owner(const struct queue *queue, const struct client *client);

const struct queue_spec *queue_spec(const struct queue *queue);
struct stream *queue_stream(const struct queue *queue);
uint64_t queue_ready_count(const struct queue *queue);
uint64_t queue_taken_count(const struct queue *queue);
unsigned queue_consumer_count(const struct queue *queue);
struct queue *queue_next(struct core *core, struct queue *after);

/* ---- consuming ---- */

struct consumer_spec {
    bool is_no_ack;    /* settled as it is delivered */
    bool is_exclusive; /* RC_IN_USE when there is another, and for others afterwards */
    int32_t priority;
    void *context; /* the protocol's own, given back by consumer_context() */
};

/* Deliveries begin at the end of the turn. RC_LOCKED, RC_IN_USE, RC_REFUSED. */
MUST_CHECK enum rc queue_consume(struct client *client, struct queue *queue,
                                 const struct consumer_spec *spec, struct consumer **ret);
/* No more deliveries. What it had taken stays taken by its client until settled: settle with the
 * queue (queue_settle()); client_close() returns it. Sets *consumer NULL. */
void consumer_cancel(struct consumer **consumer);
/* It has credit again after RC_AGAIN. */
void consumer_ready(struct consumer *consumer);
void *consumer_context(const struct consumer *consumer);
struct queue *consumer_queue(const struct consumer *consumer);

enum outcome {
    OUTCOME_ACCEPT,  /* done: never again */
    OUTCOME_REQUEUE, /* back to its place, redelivered */
    OUTCOME_REJECT,  /* done, as a failure: dead-lettered when the queue says where to */
};
/* `queue` is looked up by number so that a settled-too-late is harmless: see queue_number().
 * Handles come from on_queue_delivery() and queue_get(). RC_NOT_FOUND: not taken (any more) by this
 * client. */
MUST_CHECK enum rc queue_settle(struct client *client, uint64_t queue_number, uint64_t handle,
                                enum outcome outcome);
uint64_t queue_number(const struct queue *queue);

/* One message for basic.get: on_got is called once, perhaps inside the call: RC_OK with a delivery,
 * or RC_NOT_FOUND when the queue is empty or goes away. */
typedef void queue_got_fn(void *session, uint64_t token, enum rc rc, struct queue *queue,
                          const struct delivery *delivery);
MUST_CHECK enum rc queue_get(struct client *client, struct queue *queue, bool is_no_ack,
                             queue_got_fn *on_got, uint64_t token);

/* ---- very many at once ---- */

/* What settles, or ends, so many that it takes several turns. */
struct settling {
    struct link link; /* while it goes on */
    /* Settles at most *left, which it counts down; false: there is more. */
    bool (*part)(struct settling *settling, unsigned *left);
    void (*on_done)(struct settling *settling); /* not linked any more: may free it */
};
/* The first part; true: that was all of it, and on_done() was not called. */
bool settling_now(struct core *core, struct settling *settling);
/* The rest, some in each turn, behind what others began earlier; then on_done(). Borrowed until
 * then, or until it is stopped. */
void settling_later(struct core *core, struct settling *settling);
void settling_stop(struct settling *settling);

#endif
