/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/amqp_rig.h"

#include "protocols/amqp/amqp_session.h"

static size_t on_input(void *session, struct slice in)
{
    return amqp_session_input(amqp_session_of(session), in);
}

void amqp_rig_open(struct conn *conn, struct mem_core *core)
{
    net_rig_open(conn, "amqp");
    conn->rig = core;
    conn->session = amqp_session_new(core->core, conn);
}

void amqp_rig_close(struct conn *conn)
{
    struct amqp_session *s = amqp_session_of(conn->session);

    amqp_session_free(&s);
    net_rig_close(conn);
}

bool amqp_rig_feed(struct conn *conn, struct slice bytes)
{
    bool is_more;

    net_rig_add(conn, bytes);
    do {
        is_more = net_rig_give(conn, on_input);
        mem_core_settle(conn->rig);
    } while (is_more);
    return !conn_is_closing(conn);
}
