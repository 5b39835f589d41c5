/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/amqp/amqp_listener.h"

#include "protocols/amqp/amqp_session.h"

static enum rc on_open(void *context, struct conn *conn, void **ret_session)
{
    *ret_session = amqp_session_new(context, conn);
    return RC_OK;
}

static size_t on_input(void *session, struct slice in)
{
    return amqp_session_input(amqp_session_of(session), in);
}

static void on_drained(void *session)
{
    amqp_session_drained(amqp_session_of(session));
}

static void on_closed(void *session, enum rc why)
{
    struct amqp_session *s = amqp_session_of(session);

    (void)why; /* net has logged it */
    amqp_session_free(&s);
}

static void on_shutdown(void *session)
{
    amqp_session_shutdown(amqp_session_of(session));
}

static const char *const websocket_names[] = { "amqp", NULL };

const struct protocol amqp_protocol = {
    .name = "amqp",
    .default_port = 5672,
    .default_tls_port = 5671,
    .websocket_names = websocket_names,
    .on_open = on_open,
    .on_input = on_input,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .on_shutdown = on_shutdown,
};
