/* SPDX-License-Identifier: Apache-2.0 */
/* One AMQP connection: bytes in, calls into core and bytes out. Core thread only. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_SESSION_H
#define TERCET_PROTOCOLS_AMQP_AMQP_SESSION_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct amqp_session;
struct conn;
struct core;

/* Borrows both until amqp_session_free(). */
struct amqp_session *amqp_session_new(struct core *core, struct conn *conn);
/* Leaves core (unsettled messages go back to their queues) and frees. */
void amqp_session_free(struct amqp_session **session);
/* How many bytes of `in` were used. */
size_t amqp_session_input(struct amqp_session *session, struct slice in);
/* There is room in the output again. */
void amqp_session_drained(struct amqp_session *session);
/* Says goodbye: connection.close 320. */
void amqp_session_shutdown(struct amqp_session *session);
/* The argument of net's and core's callbacks, checked. */
struct amqp_session *amqp_session_of(void *arg);

#endif
