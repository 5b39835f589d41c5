/* SPDX-License-Identifier: Apache-2.0 */
/* Binding and unbinding, the same for queues and exchanges. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_BIND_H
#define TERCET_PROTOCOLS_AMQP_AMQP_BIND_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct amqp_session;
struct exchange;
struct queue;

struct amqp_binding {
    struct slice source;
    struct queue *queue;          /* destination: this, */
    struct exchange *destination; /* or this */
    struct slice key;
    struct slice arguments;
    bool is_add;
};

/* Refuses in RabbitMQ's words. Removing what is not there is fine. */
MUST_CHECK enum rc amqp_bind(struct amqp_session *session, const struct amqp_binding *binding);

#endif
