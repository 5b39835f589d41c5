/* SPDX-License-Identifier: Apache-2.0 */
/* PINGREQ and DISCONNECT. */
#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/core/session.h"
#include "broker/core/user.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_told.h"
#include "protocols/mqtt/mqtt_trace.h"

enum rc mqtt_on_pingreq(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    uint8_t at[2];
    struct wr w = wr_of(at, sizeof(at));
    enum rc rc = mqtt_decode_ping(frame->body);

    if (rc != RC_OK)
        return rc;
    mqtt_encode_ping(&w, MQTT_PINGRESP);
    if (mqtt_is_traced(s))
        mqtt_trace_out(s, wr_slice(&w));
    conn_write(s->conn, wr_slice(&w));
    count_add(COUNT_MQTT_PACKETS_OUT, 1);
    return RC_OK;
}

/* 3.14.2.2.2: an expiry that was zero stays so. */
static enum rc change_expiry(struct mqtt_session *s, const struct mqtt_properties *p)
{
    uint64_t max_ms = client_session_expiry_max_ms(s->client);
    uint64_t expiry_ms = (uint64_t)p->session_expiry_s * 1000;

    if (!mqtt_has(p, MQTT_SESSION_EXPIRY))
        return RC_OK;
    if (s->expiry_ms == 0 && expiry_ms != 0)
        return RC_PROTOCOL;
    if (p->session_expiry_s == UINT32_MAX)
        expiry_ms = SESSION_NEVER_EXPIRES;
    if (expiry_ms > max_ms)
        expiry_ms = max_ms;
    s->expiry_ms = expiry_ms;
    s->is_durable = expiry_ms > 0;
    session_set_expiry(s->session, expiry_ms);
    return RC_OK;
}

enum rc mqtt_on_disconnect(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_disconnect d;
    enum rc rc = mqtt_decode_disconnect(frame->body, s->version, &d);

    doing("mqtt.disconnect");
    if (rc == RC_RANGE)
        return mqtt_fail(s, RC_PROTOCOL, s->server->config.profile->disconnect_reason);
    if (rc == RC_OK && s->session != NULL) /* before CONNACK there is none */
        rc = change_expiry(s, &d.properties);
    if (rc != RC_OK)
        return rc;
    /* 3.14.4-3: only 0x00 is a goodbye that forgets the will */
    s->is_goodbye = d.reason == MQTT_SUCCESS;
    mqtt_tell_disconnected(s, d.reason);
    mqtt_enter(s, STATE_CLOSING);
    conn_finish(s->conn, RC_OK);
    return RC_OK;
}
