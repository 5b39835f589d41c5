/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/amqp_rig.h"

#include "broker/base/mem.h"
#include "protocols/amqp/amqp_session.h"
#include "storage/log.h"
#include "storage/mem/mem_store.h"

static uint64_t now_ns = 1;
static struct conn *timer_of; /* the one connection there is */

/* ---- what the room calls of net ---- */

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

const char *conn_listener_name(const struct conn *conn)
{
    (void)conn;
    return "amqp";
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
    text_add(&conn->out, bytes);
    conn->last_output_ns = now_ns;
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
    (void)why;
    conn->is_closing = true;
}

void conn_finish(struct conn *conn, enum rc why)
{
    (void)why;
    conn->is_finishing = true;
}

bool conn_is_closing(const struct conn *conn)
{
    return conn->is_closing || conn->is_finishing;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    (void)loop;
    return now_ns;
}

void timer_init(struct timer *timer, struct loop *loop, loop_call_fn *call, void *arg)
{
    (void)loop;
    *timer = (struct timer){ .call = call, .arg = arg };
    timer_of->timer = timer;
}

void timer_start(struct timer *timer, uint64_t after_ms)
{
    ASSERT(timer == timer_of->timer);
    timer_of->timer_at_ns = now_ns + after_ms * 1000000u;
}

void timer_stop(struct timer *timer)
{
    ASSERT(timer == timer_of->timer);
    timer_of->timer_at_ns = 0;
}

void timer_done(struct timer *timer)
{
    timer_stop(timer);
}

/* ---- the rig ---- */

static void on_wake(void *arg)
{
    struct amqp_rig *rig = arg;

    __atomic_store_n(&rig->is_woken, true, __ATOMIC_SEQ_CST);
}

void amqp_rig_start(struct amqp_rig *rig)
{
    struct store_config store_config = STORE_CONFIG_DEFAULT;
    struct core_config config = CORE_CONFIG_DEFAULT;
    enum rc rc;

    config.wake = on_wake;
    config.wake_arg = rig;
    store_config.directory = "";
    rc = mem_store_open(&store_config, &rig->store);
    ASSERT(rc == RC_OK);
    rc = core_new(rig->store, &config, &rig->core);
    ASSERT(rc == RC_OK);
}

void amqp_rig_stop(struct amqp_rig *rig)
{
    amqp_rig_settle(rig);
    core_free(&rig->core);
    store_close(&rig->store);
}

void amqp_rig_settle(struct amqp_rig *rig)
{
    do {
        enum rc rc;

        __atomic_store_n(&rig->is_woken, false, __ATOMIC_SEQ_CST);
        core_turn_end(rig->core);
        rc = store_flush(rig->store);
        ASSERT(rc == RC_OK);
        core_poll(rig->core);
        core_turn_end(rig->core);
    } while (__atomic_load_n(&rig->is_woken, __ATOMIC_SEQ_CST));
}

void amqp_rig_open(struct conn *conn, struct amqp_rig *rig)
{
    *conn = (struct conn){ .rig = rig, .last_input_ns = now_ns, .last_output_ns = now_ns };
    timer_of = conn;
    conn->session = amqp_session_new(rig->core, conn);
}

void amqp_rig_close(struct conn *conn)
{
    amqp_session_free(&conn->session);
    text_done(&conn->in);
    text_done(&conn->out);
}

bool amqp_rig_feed(struct conn *conn, struct slice bytes)
{
    conn->last_input_ns = now_ns;
    text_add(&conn->in, bytes);
    while (!conn_is_closing(conn)) {
        size_t used = 0, left;

        if (conn->paused == 0 && conn->in.len > 0 && conn->in.len >= conn->expected)
            used = amqp_session_input(conn->session, text_slice(&conn->in));
        ASSERT(used <= conn->in.len);
        left = conn->in.len - used;
        if (used > 0)
            memmove(conn->in.at, conn->in.at + used, left);
        conn->in.len = left;
        amqp_rig_settle(conn->rig);
        if (used == 0)
            break;
    }
    return !conn_is_closing(conn);
}

void amqp_rig_wait(struct conn *conn, uint64_t ms)
{
    uint64_t end = now_ns + ms * 1000000u;

    while (conn->timer_at_ns != 0 && conn->timer_at_ns <= end && !conn_is_closing(conn)) {
        now_ns = conn->timer_at_ns;
        conn->timer_at_ns = 0;
        conn->timer->call(conn->timer->arg);
    }
    now_ns = end;
}
