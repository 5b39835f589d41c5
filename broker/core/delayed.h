/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to be published at a later time. Until then they lie in the log, in hidden streams for
 * stretches of time; memory holds where the next of them are. Core thread only. */
#ifndef TERCET_BROKER_CORE_DELAYED_H
#define TERCET_BROKER_CORE_DELAYED_H

#include <stdint.h>

#include "broker/base/rc.h"

struct client;
struct core;
struct message;

/* The longest delay an operator may allow. */
#define DELAY_MAX_MS (UINT64_C(3650) * 86400000)

/* Has the message published to its address in `delay_ms`, as publish_address() would now; with 0 it
 * is that. Authorised now, on the message's own address. Takes the reference in any case.
 * client_await() says when it is durable that it will come. What has the same due time comes in the
 * order of these calls. A message whose expiry is over by then is dropped.
 * RC_INVALID: longer than core_config.delayed_max_ms. RC_LIMIT: as many wait as may. Others as
 * publish_address(). */
MUST_CHECK enum rc delayed_publish(struct client *client, struct message **message,
                                   uint64_t delay_ms);

/* ---- for core.c ---- */

/* After streams_load(). RC_CORRUPT. */
MUST_CHECK enum rc delayed_load(struct core *core);
/* After loading, when puts are allowed. */
void delayed_begin(struct core *core);
/* Before streams_done(). NULL is fine. */
void delayed_done(struct core *core);

#endif
