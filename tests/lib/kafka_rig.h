/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka sessions without sockets or loop. Nothing of the test framework: fuzz targets use it. */
#ifndef TERCET_TESTS_LIB_KAFKA_RIG_H
#define TERCET_TESTS_LIB_KAFKA_RIG_H

#include "protocols/kafka/kafka_messages.h"
#include "tests/lib/mem_core.h"
#include "tests/lib/net_rig.h"

struct kafka;

struct kafka_rig {
    struct mem_core on;
    struct kafka *kafka;
};

void kafka_rig_start(struct kafka_rig *rig);
void kafka_rig_stop(struct kafka_rig *rig);
/* Turns until nothing is left to do. */
void kafka_rig_settle(struct kafka_rig *rig);
void kafka_rig_open(struct conn *conn, struct kafka_rig *rig);
/* The session is freed as net would. */
void kafka_rig_close(struct conn *conn);
/* Bytes come, and turns go by; false when the connection is over. */
bool kafka_rig_feed(struct conn *conn, struct slice bytes);
/* The same, but the store has not finished when it returns. */
bool kafka_rig_feed_unsettled(struct conn *conn, struct slice bytes);
/* Moves the clock; timers that fall due run, in their order. */
void kafka_rig_wait(struct kafka_rig *rig, uint64_t ms);

/* A framed request with header; `body` is a struct of the API's request. */
void kafka_rig_request(struct text *to, int16_t key, int16_t version, int32_t correlation,
                       const void *body);
/* Takes the next answer from conn->out and decodes it into `ret`, a struct of the API's response
 * that borrows from `bytes` and `arena`. False: there is none, or it is not that. */
bool kafka_rig_answer(struct conn *conn, int16_t key, int16_t version, int32_t correlation,
                      struct text *bytes, struct kafka_arena *arena, void *ret);

#endif
