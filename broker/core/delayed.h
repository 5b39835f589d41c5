/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to be published at a later time. Until then they lie in the log, in hidden streams for
 * stretches of time; memory holds where the next of them are. Core thread only. */
#ifndef TERCET_BROKER_CORE_DELAYED_H
#define TERCET_BROKER_CORE_DELAYED_H

#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/core/cursor.h"

struct client;
struct core;
struct message;
struct publish_exchange;

/* The longest delay an operator may allow. */
#define DELAY_MAX_MS (UINT64_C(3650) * 86400000)

/* Has the message published to its address in `delay_ms`, as publish_address() would now; with 0 it
 * is that. Authorised now, on the message's own address, and when it is due again, for what the
 * client's user may then. Takes the reference in any case.
 * client_await() says when it is durable that it will come. What has the same due time comes in the
 * order of these calls. A message whose expiry is over by then is dropped.
 * RC_INVALID: longer than core_config.delayed_max_ms. RC_LIMIT: as many wait as may. Others as
 * publish_address(). */
MUST_CHECK enum rc delayed_publish(struct client *client, struct message **message,
                                   uint64_t delay_ms);

/* The same by an exchange that delays, publish->exchange, for publish->delay_ms: it routes it when
 * it is due, to what is bound to it then. The client was authorised for `asked`, the exchange that
 * it was published to, and is again then. What the exchange keeps goes with it. */
MUST_CHECK enum rc delayed_publish_through(struct client *client,
                                           const struct publish_exchange *publish,
                                           struct slice asked, const struct message *message);

/* ---- for exchange.c ---- */

/* All that is kept from now on has a greater number. */
uint64_t delayed_number(struct core *core);
/* So many of what waits will not come: their places are free. */
void delayed_release(struct core *core, uint64_t records, uint64_t bytes);

/* ---- for operators (delayed_walk.c) ---- */

/* Marks that wait with their messages: memory and a row of the catalogue each. */
#define DELAYED_CANCELLED_MAX 100000u

/* It is not to come: it is left out when its time comes; its place is free at once, or, where it
 * lies so far ahead that memory does not know of it, as soon as it is found in its bucket: such a
 * one is taken at its word. client_await() says when that is durable. RC_NOT_FOUND: none such
 * waits. RC_LIMIT: DELAYED_CANCELLED_MAX. */
MUST_CHECK enum rc delayed_cancel(struct core *core, int64_t due_ms, uint64_t number);

/* Where a walk stands: zero is the beginning. */
struct delayed_at {
    int64_t start_ms;
    int64_t end_ms;
    uint64_t offset;
};
struct delayed_walk {
    struct core *core;
    struct delayed_at at;
    struct cursor cursor;
    void (*on_ready)(void *arg);
    void *arg;
};
struct delayed_item {
    int64_t due_ms;
    uint64_t number;
    struct message *message; /* one reference */
    char exchange[256];      /* that routes it; empty: it goes to its address */
};
/* All that wait, by stretches of time, and within one in the order in which they came. There is one
 * walk at a time (RC_IN_USE). It stays where it is until delayed_walk_end(). */
MUST_CHECK enum rc delayed_walk_begin(struct core *core, struct delayed_walk *walk,
                                      const struct delayed_at *at, void (*on_ready)(void *arg),
                                      void *arg);
/* RC_NOT_FOUND: that one does not wait any more: ask again. RC_AGAIN: on_ready() comes. RC_RANGE:
 * there are no more. RC_MEMORY. */
MUST_CHECK enum rc delayed_walk_next(struct delayed_walk *walk, struct delayed_item *ret);
void delayed_walk_end(struct delayed_walk *walk);

/* ---- for core.c ---- */

/* After streams_load(). RC_CORRUPT. */
MUST_CHECK enum rc delayed_load(struct core *core);
/* After loading, when puts are allowed. */
void delayed_begin(struct core *core);
/* Before streams_done(). NULL is fine. */
void delayed_done(struct core *core);

#endif
