/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka sessions on a core without sockets or loop: connections that write down what they are
 * given, and a clock and timers moved by hand. Nothing of the test framework: fuzz targets use it.
 */
#ifndef TERCET_TESTS_LIB_KAFKA_RIG_H
#define TERCET_TESTS_LIB_KAFKA_RIG_H

#include <stdbool.h>

#include "broker/base/text.h"
#include "broker/core/core.h"
#include "broker/net/conn.h"
#include "broker/net/loop.h"
#include "protocols/kafka/kafka_messages.h"

struct kafka;
struct store;

struct kafka_rig {
    struct store *store;
    struct core *core;
    struct kafka *kafka;
    bool is_woken;
};

struct conn {
    struct text in;  /* what came and was not used */
    struct text out; /* what the session wrote and nobody read */
    uint8_t reserved[CONN_RESERVE_MAX];
    unsigned paused;
    size_t expected;
    size_t block_bytes; /* of what it wrote: sent from blocks, uncopied */
    bool is_full;
    bool is_closing;
    bool is_finishing;
    void *session;
    struct kafka_rig *rig;
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
/* The same while the store does nothing. */
void kafka_rig_pass(uint64_t ms);
unsigned kafka_rig_timers(void); /* that exist */

/* A framed request with header; `body` is a struct of the API's request. */
void kafka_rig_request(struct text *to, int16_t key, int16_t version, int32_t correlation,
                       const void *body);
/* Takes the next answer from conn->out and decodes it into `ret`, a struct of the API's response
 * that borrows from `bytes` and `arena`. False: there is none, or it is not that. */
bool kafka_rig_answer(struct conn *conn, int16_t key, int16_t version, int32_t correlation,
                      struct text *bytes, struct kafka_arena *arena, void *ret);

#endif
