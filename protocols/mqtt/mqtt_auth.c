/* SPDX-License-Identifier: Apache-2.0 */
/* Who the sender of a CONNECT is: a user by password, by certificate, or nobody by name. */
#include "broker/core/acl.h"
#include "protocols/mqtt/mqtt_errors.h"
#include "protocols/mqtt/mqtt_int.h"

/* As long as the last of a full queue of checks may wait. */
#define LOGIN_TIMEOUT_MS 30000

/* What CONNACK says of a login that failed, where the row of its code says it of something else. */
static enum rc refuse(struct mqtt_session *s, enum rc rc)
{
    return rc == RC_LIMIT ? mqtt_fail(s, RC_AGAIN, MQTT_SERVER_BUSY) : rc;
}

enum rc mqtt_login(struct mqtt_session *s, const struct mqtt_connect *c, struct slice body)
{
    enum rc rc;

    s->client = client_open(s->core, &mqtt_client_ops, s, conn_is_loopback(s->conn));
    client_enter(s->client, conn_listener_name(s->conn), conn_certificate_name(s->conn));
    rc = client_login(s->client, c->user_name, c->password);
    if (rc == RC_OK)
        return mqtt_welcome(s, c, body);
    if (rc != RC_AGAIN)
        return refuse(s, rc);
    text_add(&s->connect, body);
    if (s->connect.bad)
        return RC_MEMORY;
    mqtt_enter(s, STATE_AWAIT_LOGIN);
    mqtt_pause(s, CONN_PAUSE_BUSY);
    timer_start(&s->timer, LOGIN_TIMEOUT_MS);
    return RC_OK;
}

void mqtt_on_login(void *session, enum rc rc)
{
    struct mqtt_session *s = session;
    struct mqtt_connect c = { 0 };

    if (s->state != STATE_AWAIT_LOGIN)
        return;
    if (rc == RC_OK)
        rc = mqtt_decode_connect(text_slice(&s->connect), &c);
    if (rc == RC_OK)
        rc = mqtt_welcome(s, &c, text_slice(&s->connect));
    mqtt_resume(s, CONN_PAUSE_BUSY);
    if (rc != RC_OK)
        mqtt_end(s, rc, rc_word(rc));
    else if (!s->is_will_dated)
        text_done(&s->connect);
}
