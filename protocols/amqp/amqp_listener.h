/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 0-9-1 as net knows it: one row for the table of protocols. The context of its listeners is
 * the core. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_LISTENER_H
#define TERCET_PROTOCOLS_AMQP_AMQP_LISTENER_H

#include "broker/net/protocol.h"

extern const struct protocol amqp_protocol;

#endif
