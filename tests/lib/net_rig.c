/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/net_rig.h"

#include <stdlib.h>

#include "broker/base/block.h"
#include "broker/base/clock.h"
#include "broker/base/mem.h"

#define TIMERS_MAX 1024

static uint64_t now_ns = 1;

static struct {
    struct timer *timer; /* NULL: free */
    uint64_t at_ns;      /* 0: stopped */
} timers[TIMERS_MAX];

/* ---- what sessions ask of a connection ---- */

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
    return "rig";
}

const char *conn_local_host(const struct conn *conn)
{
    (void)conn;
    return "127.0.0.1";
}

uint16_t conn_local_port(const struct conn *conn)
{
    (void)conn;
    return 9092;
}

bool conn_is_proxied(const struct conn *conn)
{
    (void)conn;
    return false;
}

const char *conn_listener_name(const struct conn *conn)
{
    return conn->listener;
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
    (void)conn;
    return NULL;
}

uint64_t conn_last_input_ns(const struct conn *conn)
{
    return conn->last_input_ns;
}

uint64_t conn_last_output_ns(const struct conn *conn)
{
    return conn->last_output_ns;
}

uint8_t *conn_reserve(struct conn *conn, size_t n)
{
    ASSERT(n <= CONN_RESERVE_MAX);
    return conn->reserved;
}

void conn_commit(struct conn *conn, size_t n)
{
    conn_write(conn, slice_of(conn->reserved, n));
}

void conn_write(struct conn *conn, struct slice bytes)
{
    if (conn->is_closing)
        return;
    net_rig_keep(&conn->out, bytes);
    conn->last_output_ns = now_ns;
}

void conn_write_block(struct conn *conn, struct block *block, struct slice bytes)
{
    ASSERT(block->refs > 0 && bytes.at >= block->at &&
           bytes.at + bytes.len <= block->at + block->len);
    conn->block_bytes += bytes.len;
    conn_write(conn, bytes);
}

bool conn_is_full(const struct conn *conn)
{
    return conn->is_full;
}

void conn_pause(struct conn *conn, enum conn_pause why)
{
    conn->paused |= why;
}

void conn_resume(struct conn *conn, enum conn_pause why)
{
    conn->paused &= ~(unsigned)why;
}

/* Without a store to wait for, what is held would only hide what was said. */
void conn_hold(struct conn *conn)
{
    (void)conn;
}

void conn_release(struct conn *conn)
{
    (void)conn;
}

void conn_expect(struct conn *conn, size_t n)
{
    conn->expected = n;
}

void conn_close(struct conn *conn, enum rc why)
{
    conn->is_closing = true;
    conn->why = why;
}

void conn_finish(struct conn *conn, enum rc why)
{
    conn->is_finishing = true;
    conn->why = why;
}

bool conn_is_closing(const struct conn *conn)
{
    return conn->is_closing || conn->is_finishing;
}

/* ---- what they ask of the loop ---- */

uint64_t loop_now_ns(const struct loop *loop)
{
    (void)loop;
    return now_ns;
}

static unsigned slot_of(const struct timer *timer)
{
    unsigned slot = 0;

    while (slot < TIMERS_MAX && timers[slot].timer != timer)
        slot++;
    return slot;
}

void timer_init(struct timer *timer, struct loop *loop, loop_call_fn *call, void *arg)
{
    unsigned slot = slot_of(NULL);

    ASSERT(slot < TIMERS_MAX && slot_of(timer) == TIMERS_MAX);
    *timer = (struct timer){ .loop = loop, .call = call, .arg = arg };
    timers[slot].timer = timer;
    timers[slot].at_ns = 0;
}

void timer_start(struct timer *timer, uint64_t after_ms)
{
    unsigned slot = slot_of(timer);

    ASSERT(slot < TIMERS_MAX);
    timers[slot].at_ns = now_ns + after_ms * NS_PER_MS;
}

void timer_stop(struct timer *timer)
{
    unsigned slot = slot_of(timer);

    ASSERT(slot < TIMERS_MAX);
    timers[slot].at_ns = 0;
}

bool timer_is_running(const struct timer *timer)
{
    unsigned slot = slot_of(timer);

    return slot < TIMERS_MAX && timers[slot].at_ns != 0;
}

void timer_done(struct timer *timer)
{
    unsigned slot = slot_of(timer);

    if (slot < TIMERS_MAX)
        timers[slot].timer = NULL;
}

/* ---- the rig ---- */

void net_rig_open(struct conn *conn, const char *listener)
{
    *conn =
        (struct conn){ .listener = listener, .last_input_ns = now_ns, .last_output_ns = now_ns };
}

void net_rig_close(struct conn *conn)
{
    text_done(&conn->in);
    free(conn->out.at);
    conn->out = (struct text){ 0 };
}

void net_rig_add(struct conn *conn, struct slice bytes)
{
    conn->last_input_ns = now_ns;
    text_add(&conn->in, bytes);
}

bool net_rig_give(struct conn *conn, net_rig_input_fn *input)
{
    size_t used, left;

    if (conn_is_closing(conn) || conn->paused != 0 || conn->in.len == 0 ||
        conn->in.len < conn->expected)
        return false;
    used = input(conn->session, text_slice(&conn->in));
    ASSERT(used <= conn->in.len);
    left = conn->in.len - used;
    memmove(conn->in.at, conn->in.at + used, left);
    conn->in.len = left;
    return used > 0;
}

void net_rig_keep(struct text *to, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    to->at = realloc(to->at, to->len + bytes.len);
    ASSERT(to->at != NULL);
    memcpy(to->at + to->len, bytes.at, bytes.len);
    to->len += bytes.len;
}

/* The first timer that is due by `end`, run; false: none. */
static bool run_one(uint64_t end)
{
    unsigned first = TIMERS_MAX;

    for (unsigned i = 0; i < TIMERS_MAX; i++) {
        if (timers[i].timer != NULL && timers[i].at_ns != 0 && timers[i].at_ns <= end &&
            (first == TIMERS_MAX || timers[i].at_ns < timers[first].at_ns))
            first = i;
    }
    if (first == TIMERS_MAX)
        return false;
    if (timers[first].at_ns > now_ns)
        now_ns = timers[first].at_ns;
    timers[first].at_ns = 0;
    timers[first].timer->call(timers[first].timer->arg);
    return true;
}

void net_rig_pass(uint64_t ms, void (*then)(void *arg), void *arg)
{
    uint64_t end = now_ns + ms * NS_PER_MS;

    while (run_one(end)) {
        if (then != NULL)
            then(arg);
    }
    now_ns = end;
}

unsigned net_rig_timers(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < TIMERS_MAX; i++)
        count += timers[i].timer != NULL;
    return count;
}
