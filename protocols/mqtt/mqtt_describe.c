/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_describe.h"

/* Names and reason strings are cut to this. */
#define NAME_MAX_BYTES 256
/* Filters and codes of one packet that are shown. */
#define LIST_MAX 16

static const char *const names[] = {
    [0] = "RESERVED",
    [MQTT_CONNECT] = "CONNECT",
    [MQTT_CONNACK] = "CONNACK",
    [MQTT_PUBLISH] = "PUBLISH",
    [MQTT_PUBACK] = "PUBACK",
    [MQTT_PUBREC] = "PUBREC",
    [MQTT_PUBREL] = "PUBREL",
    [MQTT_PUBCOMP] = "PUBCOMP",
    [MQTT_SUBSCRIBE] = "SUBSCRIBE",
    [MQTT_SUBACK] = "SUBACK",
    [MQTT_UNSUBSCRIBE] = "UNSUBSCRIBE",
    [MQTT_UNSUBACK] = "UNSUBACK",
    [MQTT_PINGREQ] = "PINGREQ",
    [MQTT_PINGRESP] = "PINGRESP",
    [MQTT_DISCONNECT] = "DISCONNECT",
    [MQTT_AUTH] = "AUTH",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == MQTT_TYPE_COUNT, "a name for each type");

/* ---- parts ---- */

void mqtt_describe_bytes(struct text *to, struct slice bytes, size_t max)
{
    size_t shown = bytes.len < max ? bytes.len : max;

    text_add_byte(to, '"');
    for (size_t i = 0; i < shown; i++) {
        uint8_t byte = bytes.at[i];

        if (byte == '"' || byte == '\\')
            text_format(to, "\\%c", byte);
        else if (byte >= 0x20 && byte < 0x7f)
            text_add_byte(to, byte);
        else
            text_format(to, "\\x%02x", byte);
    }
    text_format(to, shown < bytes.len ? "\"..." : "\"");
}

static void add_name(struct text *to, const char *what, struct slice name)
{
    text_format(to, " %s=", what);
    mqtt_describe_bytes(to, name, NAME_MAX_BYTES);
}

/* What of the properties people look for. */
static void add_properties(struct text *to, const struct mqtt_properties *p)
{
    if (mqtt_has(p, MQTT_MESSAGE_EXPIRY))
        text_format(to, " message_expiry=%u", p->message_expiry_s);
    if (mqtt_has(p, MQTT_SESSION_EXPIRY))
        text_format(to, " session_expiry=%u", p->session_expiry_s);
    if (mqtt_has(p, MQTT_RECEIVE_MAXIMUM))
        text_format(to, " receive_maximum=%u", p->receive_maximum);
    if (mqtt_has(p, MQTT_MAXIMUM_PACKET_SIZE))
        text_format(to, " maximum_packet_size=%u", p->maximum_packet_size);
    if (mqtt_has(p, MQTT_TOPIC_ALIAS))
        text_format(to, " alias=%u", p->topic_alias);
    if (p->subscription_ids != NULL) {
        for (size_t i = 0; i < LIST_MAX && i < p->subscription_id_count; i++)
            text_format(to, "%s%u", i == 0 ? " subscriptions=" : ",", p->subscription_ids[i]);
        if (p->subscription_id_count > LIST_MAX)
            text_format(to, " and %zu more", p->subscription_id_count - LIST_MAX);
    } else if (mqtt_has(p, MQTT_SUBSCRIPTION_ID)) {
        text_format(to, " subscription=%u", p->subscription_id);
    }
    if (mqtt_has(p, MQTT_CONTENT_TYPE))
        add_name(to, "content_type", p->content_type);
    if (mqtt_has(p, MQTT_RESPONSE_TOPIC))
        add_name(to, "response_topic", p->response_topic);
    if (mqtt_has(p, MQTT_CORRELATION_DATA))
        add_name(to, "correlation", p->correlation_data);
    if (mqtt_has(p, MQTT_ASSIGNED_CLIENT_ID))
        add_name(to, "assigned", p->assigned_client_id);
    if (mqtt_has(p, MQTT_AUTHENTICATION_METHOD))
        add_name(to, "method", p->authentication_method);
    if (mqtt_has(p, MQTT_SERVER_REFERENCE))
        add_name(to, "server", p->server_reference);
    if (mqtt_has(p, MQTT_REASON_STRING))
        add_name(to, "why", p->reason_string);
    if (p->user_count > 0)
        text_format(to, " user_properties=%u", (unsigned)p->user_count);
}

/* ---- packets ---- */

static enum rc add_connect(struct text *to, struct slice body)
{
    struct mqtt_connect c = { 0 };
    enum rc rc = mqtt_decode_connect(body, &c);

    if (rc != RC_OK)
        return rc;
    text_format(to, " version=%u clean=%d keep_alive=%u", c.version, c.clean_start, c.keep_alive_s);
    add_name(to, "client", c.client_id);
    if (!slice_is_none(c.user_name))
        add_name(to, "user", c.user_name);
    if (!slice_is_none(c.password))
        text_format(to, " password=\"...\"");
    add_properties(to, &c.properties);
    if (c.will.is_set) {
        add_name(to, "will", c.will.topic);
        text_format(to, " will_qos=%u will_retain=%d will_bytes=%zu", c.will.qos, c.will.is_retain,
                    c.will.payload.len);
    }
    return RC_OK;
}

static enum rc add_connack(struct text *to, unsigned version, struct slice body)
{
    struct mqtt_connack c = { 0 };
    enum rc rc = mqtt_decode_connack(body, version, &c);

    if (rc != RC_OK)
        return rc;
    text_format(to, " reason=0x%02x present=%d", c.reason, c.session_present);
    add_properties(to, &c.properties);
    return RC_OK;
}

void mqtt_describe_publish(struct text *to, const struct mqtt_publish *p, size_t payload_max)
{
    text_format(to, "PUBLISH qos=%u", p->qos);
    if (p->qos > 0)
        text_format(to, " id=%u", p->packet_id);
    if (p->dup)
        text_format(to, " dup=1");
    if (p->retain)
        text_format(to, " retain=1");
    add_name(to, "topic", p->topic);
    add_properties(to, &p->properties);
    text_format(to, " bytes=%zu payload=", p->payload.len);
    mqtt_describe_bytes(to, p->payload, payload_max);
}

static enum rc add_ack(struct text *to, unsigned version, const struct mqtt_frame *frame)
{
    struct mqtt_ack ack = { 0 };
    enum rc rc = mqtt_decode_ack(frame, version, &ack);

    if (rc != RC_OK)
        return rc;
    text_format(to, " id=%u", ack.packet_id);
    if (ack.reason != 0)
        text_format(to, " reason=0x%02x", ack.reason);
    add_properties(to, &ack.properties);
    return RC_OK;
}

static enum rc add_filters(struct text *to, unsigned version, const struct mqtt_frame *frame)
{
    bool has_options = frame->type == MQTT_SUBSCRIBE;
    struct mqtt_subscribe s = { 0 };
    struct mqtt_filter filter;
    struct rd filters;
    enum rc rc = has_options ? mqtt_decode_subscribe(frame->body, version, &s)
                             : mqtt_decode_unsubscribe(frame->body, version, &s);

    if (rc != RC_OK)
        return rc;
    text_format(to, " id=%u", s.packet_id);
    add_properties(to, &s.properties);
    filters = s.filters;
    for (size_t i = 0; i < LIST_MAX && mqtt_next_filter(&filters, has_options, &filter); i++) {
        add_name(to, "filter", filter.filter);
        if (has_options)
            text_format(to, " qos=%u", filter.qos);
    }
    if (s.filter_count > LIST_MAX)
        text_format(to, " and %zu more", s.filter_count - LIST_MAX);
    return RC_OK;
}

static enum rc add_codes(struct text *to, unsigned version, const struct mqtt_frame *frame)
{
    struct mqtt_suback ack = { 0 };
    enum rc rc = mqtt_decode_suback(frame, version, &ack);

    if (rc != RC_OK)
        return rc;
    text_format(to, " id=%u reasons=", ack.packet_id);
    for (size_t i = 0; i < LIST_MAX && i < ack.reasons.len; i++)
        text_format(to, "%s0x%02x", i == 0 ? "" : ",", ack.reasons.at[i]);
    if (ack.reasons.len > LIST_MAX)
        text_format(to, " and %zu more", ack.reasons.len - LIST_MAX);
    return RC_OK;
}

static enum rc add_end(struct text *to, unsigned version, const struct mqtt_frame *frame)
{
    struct mqtt_disconnect d = { 0 };
    enum rc rc = frame->type == MQTT_AUTH ? mqtt_decode_auth(frame->body, &d)
                                          : mqtt_decode_disconnect(frame->body, version, &d);

    if (rc != RC_OK)
        return rc;
    text_format(to, " reason=0x%02x", d.reason);
    add_properties(to, &d.properties);
    return RC_OK;
}

static enum rc add_body(struct text *to, unsigned version, const struct mqtt_frame *frame)
{
    switch (frame->type) {
    case MQTT_CONNECT:
        return add_connect(to, frame->body);
    case MQTT_CONNACK:
        return add_connack(to, version, frame->body);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return add_ack(to, version, frame);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return add_filters(to, version, frame);
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        return add_codes(to, version, frame);
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        return add_end(to, version, frame);
    default:
        return mqtt_decode_ping(frame->body);
    }
}

void mqtt_describe(struct text *to, unsigned version, const struct mqtt_frame *frame,
                   size_t payload_max)
{
    struct mqtt_publish p = { 0 };
    size_t before = to->len;

    if (frame->type == MQTT_PUBLISH && mqtt_decode_publish(frame, version, &p) == RC_OK) {
        mqtt_describe_publish(to, &p, payload_max);
        return;
    }
    text_format(to, "%s", names[frame->type % MQTT_TYPE_COUNT]);
    if (frame->type != MQTT_PUBLISH && add_body(to, version, frame) == RC_OK)
        return;
    to->len = before;
    text_format(to, "%s malformed bytes=%zu", names[frame->type % MQTT_TYPE_COUNT],
                frame->body.len);
}
