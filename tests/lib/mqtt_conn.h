/* SPDX-License-Identifier: Apache-2.0 */
/* A connection for tests of MQTT that only writes down what the session gives it: in place of net.
 */
#ifndef TERCET_TESTS_LIB_MQTT_CONN_H
#define TERCET_TESTS_LIB_MQTT_CONN_H

#include "broker/base/text.h"
#include "broker/net/conn.h"
#include "broker/net/loop.h"

struct conn {
    struct text out; /* memory of the test's own: free() */
    uint8_t room[CONN_RESERVE_MAX];
    bool is_full;
    bool is_finished;
    enum rc why;
    unsigned pauses;
    size_t expected;
    uint64_t last_output_ns;
    struct timer *timer;
};

/* What loop_now_ns() says. */
extern uint64_t mqtt_conn_now_ns;

/* Appends with realloc(), so that failing memory fails only what is tested. */
void mqtt_conn_keep(struct text *to, struct slice bytes);

#endif
