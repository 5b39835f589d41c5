/* SPDX-License-Identifier: Apache-2.0 */
/* Draining the loop: every session says goodbye, the last bytes go out, then all ends. */
#include "broker/base/log.h"
#include "broker/net/net_int.h"

/* The last look, one turn after the last connection went. */
static void look_again(struct loop *loop)
{
    timer_start(&loop->grace, 0);
}

static void say_goodbye(struct conn *conn)
{
    const struct protocol *protocol = conn->listener->config.protocol;

    if (conn->state == CONN_HANDSHAKE)
        conn_close(conn, RC_CLOSED);
    else if (conn->state == CONN_OPEN && protocol->on_shutdown != NULL)
        protocol->on_shutdown(conn->session);
    else if (conn->state == CONN_OPEN)
        conn_finish(conn, RC_CLOSED);
}

static void on_grace(void *arg)
{
    struct loop *loop = arg;

    if (!loop->is_shutting)
        return;
    if (list_is_empty(&loop->conns)) {
        loop->is_shutting = false;
        loop->on_shut(loop->shut_arg);
        return;
    }
    LIST_EACH (k, &loop->conns) {
        conn_close(CONTAINER_OF(k, struct conn, all), RC_CLOSED);
    }
}

void shutdown_look(struct loop *loop)
{
    if (loop->is_shutting && list_is_empty(&loop->conns))
        look_again(loop);
}

void net_shutdown(struct loop *loop, unsigned grace_ms, void (*done)(void *arg), void *arg)
{
    loop->on_shut = done;
    loop->shut_arg = arg;
    if (!loop->is_shutting) {
        loop->is_shutting = true;
        timer_init(&loop->grace, loop, on_grace, loop);
        LIST_EACH (k, &loop->conns) {
            say_goodbye(CONTAINER_OF(k, struct conn, all));
        }
    }
    timer_start(&loop->grace, list_is_empty(&loop->conns) ? 0 : grace_ms);
}
