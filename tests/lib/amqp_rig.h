/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP sessions on a core without sockets or loop: a connection that writes down what it is given,
 * and a clock and timers moved by hand. */
#ifndef TERCET_TESTS_LIB_AMQP_RIG_H
#define TERCET_TESTS_LIB_AMQP_RIG_H

#include <stdbool.h>

#include "broker/base/text.h"
#include "broker/core/core.h"
#include "broker/net/conn.h"
#include "broker/net/loop.h"

struct amqp_session;

/* A core on the memory store. Nothing of the test framework: the fuzz target uses it too. */
struct amqp_rig {
    struct store *store;
    struct core *core;
    bool is_woken;
};
void amqp_rig_start(struct amqp_rig *rig);
void amqp_rig_stop(struct amqp_rig *rig);
/* Turns until nothing is left to do. */
void amqp_rig_settle(struct amqp_rig *rig);

struct conn {
    struct text in;  /* what came and was not used */
    struct text out; /* what the session wrote */
    uint8_t reserved[CONN_RESERVE_MAX];
    unsigned paused;
    size_t expected;
    bool is_full;
    bool is_closing;
    bool is_finishing;
    uint64_t last_input_ns;
    uint64_t last_output_ns;
    struct timer *timer;  /* of the session */
    uint64_t timer_at_ns; /* 0: stopped */
    struct amqp_session *session;
    struct amqp_rig *rig;
};

/* A connection with its session, on a core that is open. */
void amqp_rig_open(struct conn *conn, struct amqp_rig *rig);
/* The session is freed as net would. */
void amqp_rig_close(struct conn *conn);
/* Bytes come; gives false when the connection is over. */
bool amqp_rig_feed(struct conn *conn, struct slice bytes);
/* Moves the clock; timers that fall due run. */
void amqp_rig_wait(struct conn *conn, uint64_t ms);

#endif
