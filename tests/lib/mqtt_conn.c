/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/mqtt_conn.h"

#include <stdlib.h>

#include "broker/base/block.h"
#include "broker/base/mem.h"

void mqtt_conn_keep(struct text *to, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    to->at = realloc(to->at, to->len + bytes.len);
    ASSERT(to->at != NULL);
    memcpy(to->at + to->len, bytes.at, bytes.len);
    to->len += bytes.len;
}

static struct conn *last_conn; /* the one whose timer is being set */
uint64_t mqtt_conn_now_ns = 1;

uint64_t conn_id(const struct conn *conn)
{
    (void)conn;
    return 1;
}

const char *conn_origin(const struct conn *conn)
{
    (void)conn;
    return NULL;
}

const char *conn_peer(const struct conn *conn)
{
    (void)conn;
    return "test";
}

const char *conn_listener_name(const struct conn *conn)
{
    (void)conn;
    return "mqtt";
}

const char *conn_certificate_name(const struct conn *conn)
{
    (void)conn;
    return NULL;
}

bool conn_is_loopback(const struct conn *conn)
{
    (void)conn;
    return true;
}

struct loop *conn_loop(const struct conn *conn)
{
    last_conn = (struct conn *)(uintptr_t)conn;
    return NULL;
}

uint64_t conn_last_input_ns(const struct conn *conn)
{
    (void)conn;
    return 1;
}

uint64_t conn_last_output_ns(const struct conn *conn)
{
    return conn->last_output_ns;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    (void)loop;
    return mqtt_conn_now_ns;
}

uint8_t *conn_reserve(struct conn *conn, size_t n)
{
    ASSERT(n <= CONN_RESERVE_MAX);
    return conn->room;
}

void conn_commit(struct conn *conn, size_t n)
{
    conn_write(conn, slice_of(conn->room, n));
}

void conn_write(struct conn *conn, struct slice bytes)
{
    mqtt_conn_keep(&conn->out, bytes);
}

void conn_write_block(struct conn *conn, struct block *block, struct slice bytes)
{
    ASSERT(block != NULL);
    conn_write(conn, bytes);
}

bool conn_is_full(const struct conn *conn)
{
    return conn->is_full;
}

void conn_pause(struct conn *conn, enum conn_pause why)
{
    conn->pauses |= why;
}

void conn_resume(struct conn *conn, enum conn_pause why)
{
    conn->pauses &= ~(unsigned)why;
}

void conn_expect(struct conn *conn, size_t n)
{
    conn->expected = n;
}

void conn_close(struct conn *conn, enum rc why)
{
    conn->is_finished = true;
    conn->why = why;
}

void conn_finish(struct conn *conn, enum rc why)
{
    conn_close(conn, why);
}

void timer_init(struct timer *timer, struct loop *loop, loop_call_fn *call, void *arg)
{
    (void)loop;
    *timer = (struct timer){ .call = call, .arg = arg };
    last_conn->timer = timer;
}

void timer_start(struct timer *timer, uint64_t after_ms)
{
    (void)after_ms;
    timer->deadline_ns = 1;
}

void timer_stop(struct timer *timer)
{
    timer->deadline_ns = 0;
}

void timer_done(struct timer *timer)
{
    timer->deadline_ns = 0;
}
