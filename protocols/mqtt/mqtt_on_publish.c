/* SPDX-License-Identifier: Apache-2.0 */
/* What a client publishes: PUBLISH, and PUBREL of its QoS 2 messages. */
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/core/acl.h"
#include "broker/core/core.h"
#include "broker/core/delayed.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "broker/core/publish.h"
#include "broker/core/session.h"
#include "protocols/mqtt/mqtt_delayed.h"
#include "protocols/mqtt/mqtt_errors.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_kept.h"
#include "protocols/mqtt/mqtt_map.h"
#include "protocols/mqtt/mqtt_mount.h"

/* Topics that mean something to the broker itself are nobody's to publish to. */
bool mqtt_may_publish_to(struct slice topic)
{
    return !name_is_kept(topic);
}

/* ---- topic aliases (3.3.2.3.4) ---- */

static enum rc set_alias(struct mqtt_session *s, unsigned alias, struct slice topic)
{
    struct mqtt_alias *slot;
    uint8_t *copy = mem_try(topic.len);

    if (copy == NULL)
        return RC_MEMORY;
    memcpy(copy, topic.at, topic.len);
    if (mqtt_extra(s)->aliases == NULL)
        s->extra->aliases = mem_new_array(struct mqtt_alias, MQTT_ALIAS_MAX);
    slot = &s->extra->aliases[alias - 1];
    mem_free(slot->at);
    *slot = (struct mqtt_alias){ copy, (uint32_t)topic.len };
    return RC_OK;
}

struct slice mqtt_alias_topic(const struct mqtt_session *s, unsigned alias)
{
    const struct mqtt_alias *aliases = s->extra == NULL ? NULL : s->extra->aliases;

    if (aliases == NULL || alias == 0 || alias > MQTT_ALIAS_MAX)
        return SLICE_NONE;
    return slice_of(aliases[alias - 1].at, aliases[alias - 1].len);
}

/* The topic that is meant, by name or by alias. */
static enum rc resolve_topic(struct mqtt_session *s, const struct mqtt_publish *p,
                             struct slice *ret)
{
    const struct mqtt_profile *profile = s->server->config.profile;
    unsigned alias = p->properties.topic_alias;

    *ret = p->topic;
    if (!mqtt_has(&p->properties, MQTT_TOPIC_ALIAS))
        return p->topic.len > 0 ? RC_OK : mqtt_fail(s, RC_PROTOCOL, profile->topic_missing_reason);
    if (alias == 0 || alias > s->server->config.topic_alias_maximum)
        return mqtt_fail(s, RC_PROTOCOL, MQTT_TOPIC_ALIAS_INVALID);
    if (p->topic.len > 0)
        return mqtt_topic_is_valid(p->topic) ? set_alias(s, alias, p->topic) : RC_OK;
    *ret = mqtt_alias_topic(s, alias);
    return slice_is_none(*ret) ? mqtt_fail(s, RC_PROTOCOL, profile->alias_unknown_reason) : RC_OK;
}

/* ---- PUBLISH ---- */

static enum rc check(struct mqtt_session *s, const struct mqtt_publish *p, struct slice topic)
{
    const struct mqtt_config *config = &s->server->config;

    if (!mqtt_topic_is_valid(topic))
        return mqtt_fail(s, RC_MALFORMED, config->profile->topic_wildcard_reason);
    if (p->qos > config->maximum_qos) /* 3.2.2-11 tells the client */
        return mqtt_fail(s, RC_UNSUPPORTED, MQTT_QOS_NOT_SUPPORTED);
    if (p->retain && config->has_no_retain)
        return mqtt_fail(s, RC_UNSUPPORTED, MQTT_RETAIN_NOT_SUPPORTED);
    if (p->properties.present == 0)
        return RC_OK;
    if (mqtt_has(&p->properties, MQTT_SUBSCRIPTION_ID)) /* 3.3.4-6 */
        return RC_PROTOCOL;
    if (mqtt_has(&p->properties, MQTT_RESPONSE_TOPIC) && /* 3.3.2-14 */
        !mqtt_topic_is_valid(p->properties.response_topic))
        return RC_PROTOCOL;
    return RC_OK;
}

/* A client of 5.0 is told that its message was not taken, and may come with it again. A broker that
 * we are the client of would take it for done. */
static bool can_refuse(const struct mqtt_session *s)
{
    return s->version >= MQTT_V5 && s->server->bridge == NULL;
}

/* The store takes nothing. 5.0 is told so in its answer; older versions have no word for it, so the
 * packet stays where it is, and is looked at again when the store goes on. */
static bool should_wait(struct mqtt_session *s)
{
    if (can_refuse(s) || core_stall(s->core) == RC_OK)
        return false;
    mqtt_pause(s, CONN_PAUSE_STORE);
    return true;
}

/* Larger than the operator takes, though the packet is not. */
static bool is_too_large(const struct mqtt_session *s, const struct mqtt_publish *p)
{
    uint32_t max = s->server->config.max_payload_bytes;

    if (max == 0 || p->payload.len <= max)
        return false;
    count_add(COUNT_MQTT_OVERSIZED, 1);
    log_peer(LOG_NOTICE, "mqtt.payload_too_large", "conn=%llu bytes=%zu max=%u",
             (unsigned long long)conn_id(s->conn), p->payload.len, max);
    return true;
}

/* What needs no message to be said no to. Gives the topic that is meant, and when. */
static enum rc may_publish(struct mqtt_session *s, const struct mqtt_publish *p,
                           struct slice *topic, uint64_t *ret_delay_ms)
{
    enum rc rc = RC_OK;

    *ret_delay_ms = 0;
    if (mqtt_is_delayed(*topic))
        rc = mqtt_delayed_parse(*topic, ret_delay_ms, topic);
    if (rc != RC_OK)
        return rc;
    if (!mqtt_may_publish_to(*topic))
        return RC_REFUSED;
    rc = mqtt_mount_topic(s, *topic, topic);
    if (rc != RC_OK)
        return rc;
    if (is_too_large(s, p)) /* older versions have no word for it that keeps the connection */
        return can_refuse(s) ? RC_UNSUPPORTED : RC_NO_ROUTE;
    /* core would keep it in memory until the store goes on; 5.0 can be told at once */
    if (can_refuse(s) && p->qos > 0 && core_stall(s->core) != RC_OK)
        return core_stall(s->core);
    return RC_OK;
}

static enum rc publish(struct mqtt_session *s, const struct mqtt_publish *p, struct slice topic)
{
    struct mqtt_origin origin = { .now_ms = core_wall_ms(s->core),
                                  .user = client_principal(s->client)->name,
                                  .mount = mqtt_mount_of(s),
                                  .bridge =
                                      s->is_bridge ? SLICE(MQTT_BRIDGE_OF_OTHERS) : SLICE_NONE };
    struct text source = { 0 };
    struct message *message;
    uint64_t delay_ms = 0;
    enum rc rc = RC_OK;

    if (p->properties.user_count > 0 && mqtt_bridge_was_here(s, p))
        return RC_NO_ROUTE;
    if (s->server->bridge != NULL)
        rc = mqtt_bridge_in(s, &topic, &origin);
    if (rc == RC_OK)
        rc = may_publish(s, p, &topic, &delay_ms);
    if (rc != RC_OK)
        return rc;
    if (p->retain && s->server->config.keeps_sources)
        client_source(s->client, &source);
    origin.source = text_slice(&source);
    rc = mqtt_map_publish(p, topic, &origin, &message);
    text_done(&source);
    if (rc == RC_OK)
        rc = delay_ms == 0 ? publish_address(s->client, &message)
                           : delayed_publish(s->client, &message, delay_ms);
    /* RC_NO_ROUTE: it was taken, and would be twice if it were looked at again */
    return rc != RC_OK && rc != RC_NO_ROUTE && should_wait(s) ? RC_AGAIN : rc;
}

/* What the client is told. RC_AGAIN: nothing yet. Else not RC_OK: its version has no word for it
 * but the end. */
static enum rc verdict(struct mqtt_session *s, enum rc rc, uint8_t *ret_reason)
{
    const struct mqtt_error *error = mqtt_error(rc);

    if (rc == RC_AGAIN)
        return rc;
    if (rc != RC_OK && rc != RC_NO_ROUTE)
        log_peer(LOG_NOTICE, "mqtt.publish_refused", "conn=%llu rc=%s",
                 (unsigned long long)conn_id(s->conn), rc_word(rc));
    *ret_reason = can_refuse(s) ? error->publish : 0;
    if (s->server->bridge != NULL) /* no use in bringing it again, but to one without memory */
        return rc == RC_MEMORY ? rc : RC_OK;
    return s->version < MQTT_V5 && error->publish_3 == MQTT3_CLOSE ? rc : RC_OK;
}

/* A refusal has nothing to wait for on the disk, which may be the reason for it: it goes out at
 * once, unless answers to earlier messages are waiting (4.6.0-2). */
static enum rc answer(struct mqtt_session *s, enum mqtt_type type, uint16_t packet_id,
                      uint8_t reason)
{
    enum rc rc;

    if (reason >= MQTT_UNSPECIFIED_ERROR && mqtt_pending_count(&s->pending) == 0) {
        mqtt_send_ack(s, type, packet_id, reason);
        return RC_OK;
    }
    rc = mqtt_ack_later(s, type, packet_id, reason);
    if (rc == RC_OK)
        s->open_inbound++;
    return rc;
}

static enum rc on_qos_1(struct mqtt_session *s, const struct mqtt_publish *p, struct slice topic)
{
    uint8_t reason = MQTT_SUCCESS;
    enum rc rc = verdict(s, publish(s, p, topic), &reason);

    return rc == RC_OK ? answer(s, MQTT_PUBACK, p->packet_id, reason) : rc;
}

/* It will be published at PUBREL; whether it may be is said now. */
static enum rc admit(struct mqtt_session *s, const struct mqtt_publish *p, struct slice topic)
{
    uint64_t delay_ms;
    enum rc rc = may_publish(s, p, &topic, &delay_ms);

    if (rc == RC_OK)
        rc = authorise(s->client, OPERATION_PUBLISH, RESOURCE_TOPIC, topic);
    return rc == RC_OK && should_wait(s) ? RC_AGAIN : rc;
}

/* Its PUBLISH came before, its PUBREL did not. */
static bool is_open(const struct mqtt_session *s, const struct mqtt_publish *p)
{
    return !slice_is_none(session_note_get(s->session, NOTE_INBOUND | p->packet_id));
}

static enum rc on_qos_2(struct mqtt_session *s, const struct mqtt_publish *p, struct slice topic,
                        const struct mqtt_frame *frame)
{
    uint8_t reason = MQTT_SUCCESS;
    bool is_kept;
    enum rc rc;

    /* 4.3.3-10: until PUBREL the same id is the same message, whatever it holds */
    if (is_open(s, p) && !mqtt_is_another(s, p, topic)) {
        rc = mqtt_keep_again(s, p->packet_id);
        return rc == RC_OK ? mqtt_ack_later(s, MQTT_PUBREC, p->packet_id, MQTT_SUCCESS) : rc;
    }
    if (is_open(s, p)) { /* the profile lets it take the place of the one before */
        mqtt_keep_no_longer(s, p->packet_id);
        s->open_inbound -= s->open_inbound > 0;
    }
    is_kept = mqtt_may_keep(s, topic, frame);
    rc = verdict(s, is_kept ? admit(s, p, topic) : publish(s, p, topic), &reason);
    if (reason == MQTT_NO_MATCHING_SUBSCRIBERS) /* at PUBREL there may be some */
        reason = MQTT_SUCCESS;
    if (rc == RC_OK)
        rc = answer(s, MQTT_PUBREC, p->packet_id, reason);
    if (rc != RC_OK)
        return rc;
    /* with the message in one commit */
    if (reason < MQTT_UNSPECIFIED_ERROR && !PLANTED("packet-id-forgotten"))
        rc = mqtt_keep(s, p, topic, frame, is_kept);
    return rc;
}

/* 3.3.4-7; older versions know no such limit */
static bool is_over_receive_maximum(const struct mqtt_session *s, const struct mqtt_publish *p)
{
    return s->version >= MQTT_V5 && s->open_inbound >= s->server->config.receive_maximum &&
           !is_open(s, p);
}

/* A packet that is looked at again counts then. */
static enum rc count_publish(enum rc rc, const struct mqtt_publish *p)
{
    if (rc == RC_AGAIN)
        return rc;
    count_add_alone(COUNT_MQTT_PUBLISH_IN, 1);
    count_add_alone(COUNT_MQTT_PUBLISH_BYTES_IN, (int64_t)p->payload.len);
    return rc;
}

static enum rc take(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_publish p;
    struct slice topic;
    uint8_t reason;
    enum rc rc = mqtt_decode_publish(frame, s->version, &p);

    if (rc == RC_OK)
        rc = resolve_topic(s, &p, &topic);
    if (rc == RC_OK)
        rc = check(s, &p, topic);
    if (rc != RC_OK)
        return rc;
    if (p.qos == 0) {
        rc = count_publish(verdict(s, publish(s, &p, topic), &reason), &p);
        return rc == RC_AGAIN ? rc : RC_OK; /* QoS 0 has no answer */
    }
    if (is_over_receive_maximum(s, &p))
        return mqtt_fail(s, RC_PROTOCOL, MQTT_RECEIVE_MAXIMUM_EXCEEDED);
    rc = p.qos == 1 ? on_qos_1(s, &p, topic) : on_qos_2(s, &p, topic, frame);
    return count_publish(rc, &p);
}

/* The message that waited for this PUBREL goes on its way. RC_AGAIN: not yet, the store takes
 * nothing, and PUBCOMP has no words for that. */
static enum rc publish_kept(struct mqtt_session *s, uint16_t packet_id)
{
    struct mqtt_publish p;
    uint8_t reason;
    enum rc rc;

    if (!mqtt_kept(s, packet_id, &p))
        return RC_OK;
    if (core_stall(s->core) != RC_OK) {
        mqtt_pause(s, CONN_PAUSE_STORE);
        return RC_AGAIN;
    }
    rc = publish(s, &p, p.topic);
    if (rc == RC_AGAIN || rc == RC_MEMORY)
        return rc;
    /* what may no longer be published is gone, and verdict() logs it */
    (void)verdict(s, rc, &reason);
    return RC_OK;
}

enum rc mqtt_on_publish(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    enum rc rc = take(s, frame);

    return rc == RC_OK && s->extra != NULL ? mqtt_meter_take(s, frame->body.len) : rc;
}

enum rc mqtt_on_pubrel(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_ack ack;
    enum rc rc = mqtt_decode_ack(frame, s->version, &ack);
    uint32_t note = NOTE_INBOUND | ack.packet_id;

    if (rc != RC_OK)
        return rc;
    if (slice_is_none(session_note_get(s->session, note))) {
        mqtt_send_ack(s, MQTT_PUBCOMP, ack.packet_id,
                      s->version >= MQTT_V5 ? s->server->config.profile->stray_reason
                                            : MQTT_SUCCESS);
        return RC_OK;
    }
    rc = publish_kept(s, ack.packet_id);
    if (rc != RC_OK)
        return rc;
    /* PUBCOMP frees the id for a new message, so it waits until we have durably forgotten it */
    mqtt_keep_no_longer(s, ack.packet_id);
    return mqtt_ack_later(s, MQTT_PUBCOMP, ack.packet_id, MQTT_SUCCESS);
}
