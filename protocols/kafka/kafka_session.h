/* SPDX-License-Identifier: Apache-2.0 */
/* One Kafka connection: bytes to requests, answers in the order of the requests. Core thread. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_SESSION_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_SESSION_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct conn;
struct kafka;
struct kafka_session;

/* The members of struct protocol. */
MUST_CHECK enum rc kafka_session_open(void *context, struct conn *conn, void **ret_session);
size_t kafka_session_input(void *session, struct slice in);
void kafka_session_drained(void *session);
void kafka_session_closed(void *session, enum rc why);
void kafka_session_shutdown(void *session);

/* Frees what sessions kept for use again. */
void kafka_session_free_spare(struct kafka *kafka);

#endif
