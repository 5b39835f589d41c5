/* SPDX-License-Identifier: Apache-2.0 */
/* What a client says of the messages it got: PUBACK, PUBREC, PUBCOMP. */
#include "broker/base/wire.h"
#include "broker/core/session.h"
#include "protocols/mqtt/mqtt_int.h"

/* 3.4.2.1: a code of 0x80 and above is an acknowledgement all the same; to a queue it says no. */
static enum outcome outcome_of(const struct mqtt_flight *flight, uint8_t reason)
{
    return flight->is_from_queue && reason >= MQTT_UNSPECIFIED_ERROR ? OUTCOME_REJECT
                                                                     : OUTCOME_ACCEPT;
}

enum rc mqtt_on_puback(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_ack ack;
    struct mqtt_flight *flight;
    enum rc rc = mqtt_decode_ack(frame, s->version, &ack);

    if (rc != RC_OK)
        return rc;
    flight = mqtt_inflight_get(&s->inflight, ack.packet_id);
    if (flight == NULL) /* late or made up: nothing to do */
        return RC_OK;
    if (flight->qos != 1)
        return RC_PROTOCOL;
    if (s->server->bridge != NULL)
        mqtt_bridge_not_taken(s, ack.reason);
    mqtt_settle(s, flight, outcome_of(flight, ack.reason));
    return RC_OK;
}

/* The client owns the message now: only its id is kept, until PUBCOMP. */
static enum rc release(struct mqtt_session *s, struct mqtt_flight *flight)
{
    struct mqtt_answer answer = { .packet_id = flight->packet_id, .kind = ANSWER_RELEASE };

    if (flight->state != FLIGHT_RELEASE)
        mqtt_hand_over(s, flight);
    if (!s->is_durable) {
        mqtt_send_ack(s, MQTT_PUBREL, flight->packet_id, MQTT_SUCCESS);
        return RC_OK;
    }
    return mqtt_answer_later(s, &answer);
}

enum rc mqtt_on_pubrec(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_ack ack;
    struct mqtt_flight *flight;
    enum rc rc = mqtt_decode_ack(frame, s->version, &ack);

    if (rc != RC_OK)
        return rc;
    flight = mqtt_inflight_get(&s->inflight, ack.packet_id);
    if (flight == NULL && ack.reason >= MQTT_UNSPECIFIED_ERROR)
        return RC_OK;
    if (flight == NULL) {
        mqtt_send_ack(s, MQTT_PUBREL, ack.packet_id,
                      s->version >= MQTT_V5 ? s->server->config.profile->stray_reason
                                            : MQTT_SUCCESS);
        return RC_OK;
    }
    if (flight->qos != 2 || flight->state == FLIGHT_HELD)
        return RC_PROTOCOL;
    if (ack.reason >= MQTT_UNSPECIFIED_ERROR) { /* 4.3.3-4: the flow ends here */
        if (s->server->bridge != NULL)
            mqtt_bridge_not_taken(s, ack.reason);
        mqtt_settle(s, flight, outcome_of(flight, ack.reason));
        return RC_OK;
    }
    return release(s, flight);
}

enum rc mqtt_on_pubcomp(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_ack ack;
    struct mqtt_flight *flight;
    enum rc rc = mqtt_decode_ack(frame, s->version, &ack);

    if (rc != RC_OK)
        return rc;
    flight = mqtt_inflight_get(&s->inflight, ack.packet_id);
    if (flight == NULL)
        return RC_OK;
    if (flight->state != FLIGHT_RELEASE)
        return RC_PROTOCOL;
    mqtt_settle(s, flight, OUTCOME_ACCEPT);
    return RC_OK;
}
