/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP sessions without sockets or loop. Nothing of the test framework: the fuzz target uses it. */
#ifndef TERCET_TESTS_LIB_AMQP_RIG_H
#define TERCET_TESTS_LIB_AMQP_RIG_H

#include "tests/lib/mem_core.h"
#include "tests/lib/net_rig.h"

/* A connection with its session, on a core that is open. */
void amqp_rig_open(struct conn *conn, struct mem_core *core);
/* The session is freed as net would. */
void amqp_rig_close(struct conn *conn);
/* Bytes come, and turns go by; false when the connection is over. */
bool amqp_rig_feed(struct conn *conn, struct slice bytes);

#endif
