/* SPDX-License-Identifier: Apache-2.0 */
/* Sending clients elsewhere: those that are there go one after the other, new ones are refused. A
 * protocol that has its own way of it (operations.h) gives no on_drain(). Core thread only. */
#ifndef TERCET_BROKER_CORE_DRAIN_H
#define TERCET_BROKER_CORE_DRAIN_H

#include <stdbool.h>

#include "broker/base/rate.h"
#include "broker/base/rc.h"
#include "broker/base/text.h"
#include "broker/core/deadline.h"

struct core;
struct drain_order;

struct drain {
    bool is_on;
    struct text to;        /* as clients are told; empty: nothing */
    struct text node_host; /* empty: nobody is told of another server by host and port */
    uint16_t node_port;
    struct rate rate;
    struct deadline step;
};

/* RC_INVALID: order->node is no host:port; nothing was changed. */
MUST_CHECK enum rc core_drain(struct core *core, const struct drain_order *order);
void core_drain_stop(struct core *core);
/* NULL: clients are welcome. */
const struct drain *core_draining(const struct core *core);

/* ---- for core ---- */
void drain_done(struct core *core);

#endif
