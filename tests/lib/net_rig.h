/* SPDX-License-Identifier: Apache-2.0 */
/* In place of net, for tests of sessions: connections that write down what they are given, and a
 * clock and timers moved by hand. Nothing of the test framework: fuzz targets use it. */
#ifndef TERCET_TESTS_LIB_NET_RIG_H
#define TERCET_TESTS_LIB_NET_RIG_H

#include <stdbool.h>

#include "broker/base/text.h"
#include "broker/net/conn.h"
#include "broker/net/loop.h"

struct conn {
    const char *listener; /* the protocol's word */
    struct text in;       /* what came and was not used */
    struct text out;      /* what the session wrote and nobody read; by net_rig_keep() */
    uint8_t reserved[CONN_RESERVE_MAX];
    unsigned paused;
    size_t expected;
    size_t block_bytes; /* of what it wrote: sent from blocks, uncopied */
    bool is_full;
    bool is_closing;
    bool is_finishing;
    enum rc why;
    uint64_t last_input_ns;
    uint64_t last_output_ns;
    void *session;
    void *rig; /* borrowed: the test's own */
};

void net_rig_open(struct conn *conn, const char *listener);
/* Frees what it wrote down; the session is the test's to end, before. */
void net_rig_close(struct conn *conn);
/* Bytes come. */
void net_rig_add(struct conn *conn, struct slice bytes);
/* A session's door: how many bytes were used. */
typedef size_t net_rig_input_fn(void *session, struct slice in);
/* Gives the session what it has not used, as net would; false: it was not asked or took nothing. */
bool net_rig_give(struct conn *conn, net_rig_input_fn *input);

/* Appends with realloc(), so that failing memory fails only what is tested. */
void net_rig_keep(struct text *to, struct slice bytes);

/* Moves the clock; timers that fall due run, in their order, and `then` after each (or NULL). */
void net_rig_pass(uint64_t ms, void (*then)(void *arg), void *arg);
unsigned net_rig_timers(void); /* that exist */

#endif
