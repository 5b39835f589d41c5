/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_codec.h"

/* Bits of the connect flags (3.1.2.3). */
#define CONNECT_RESERVED     0x01u
#define CONNECT_CLEAN        0x02u
#define CONNECT_WILL         0x04u
#define CONNECT_WILL_QOS     0x18u
#define CONNECT_WILL_RETAIN  0x20u
#define CONNECT_PASSWORD     0x40u
#define CONNECT_USER         0x80u
#define CONNECT_BRIDGE_LEVEL 0x80u

/* Bits of the subscription options (3.8.3.1). */
#define OPTION_QOS       0x03u
#define OPTION_NO_LOCAL  0x04u
#define OPTION_RETAIN_AS 0x08u
#define OPTION_HANDLING  0x30u
#define OPTION_RESERVED  0xc0u

#define PUBLISH_RETAIN 0x01u
#define PUBLISH_DUP    0x08u

enum rc mqtt_decode_header(struct slice in, struct mqtt_header *ret)
{
    uint32_t len = 0;

    if (in.len > 0 && in.at[0] >> 4 == MQTT_RESERVED)
        return RC_MALFORMED;
    for (unsigned i = 1; i < MQTT_HEADER_MAX_BYTES; i++) {
        if (in.len <= i)
            return RC_AGAIN;
        len |= (uint32_t)(in.at[i] & 0x7f) << (7 * (i - 1));
        if ((in.at[i] & 0x80) != 0)
            continue;
        if (i > 1 && in.at[i] == 0)
            return RC_MALFORMED; /* 1.5.5: no longer than needed */
        *ret = (struct mqtt_header){ in.at[0] >> 4, in.at[0] & 0x0f, (uint8_t)(i + 1), len };
        return RC_OK;
    }
    return RC_MALFORMED;
}

bool mqtt_flags_are_legal(unsigned type, unsigned flags, unsigned version)
{
    unsigned qos = flags >> 1 & 3;

    switch (type) {
    case MQTT_PUBLISH:
        return qos < 3 && !((flags & PUBLISH_DUP) != 0 && qos == 0);
    case MQTT_PUBREL:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        /* 3.1 knows repeated ones, marked by DUP */
        return flags == 2 || (version == MQTT_V31 && flags == (2 | PUBLISH_DUP));
    default:
        return flags == 0;
    }
}

/* ---- pieces ---- */

static struct slice name(struct rd *r)
{
    struct slice s = rd_bytes(r, rd_u16(r));

    if (!mqtt_name_is_valid(s))
        rd_fail(r);
    return s;
}

/* Properties where the version has them. */
static enum rc properties(struct rd *r, unsigned version, unsigned place,
                          struct mqtt_properties *ret)
{
    return version >= MQTT_V5 ? mqtt_decode_properties(r, place, ret) : RC_OK;
}

/* The end of a packet: everything read, nothing left. */
static enum rc finish(const struct rd *r)
{
    return r->bad || r->left > 0 ? RC_MALFORMED : RC_OK;
}

/* ---- CONNECT ---- */

static enum rc read_version(struct rd *r, struct mqtt_connect *c)
{
    struct slice protocol = rd_bytes(r, rd_u16(r));
    uint8_t level = rd_u8(r);

    if (r->bad)
        return RC_MALFORMED;
    c->is_bridge = (level & CONNECT_BRIDGE_LEVEL) != 0;
    c->version = level & (uint8_t)~CONNECT_BRIDGE_LEVEL;
    if (slice_equal_str(protocol, "MQIsdp"))
        return c->version == MQTT_V31 ? RC_OK : RC_VERSION;
    if (!slice_equal_str(protocol, "MQTT"))
        return RC_MALFORMED;
    if (c->version == MQTT_V311 || level == MQTT_V5)
        return RC_OK;
    return RC_VERSION;
}

static enum rc check_connect_flags(unsigned flags, unsigned version)
{
    unsigned qos = (flags & CONNECT_WILL_QOS) >> 3;

    if (qos == 3 || ((flags & CONNECT_RESERVED) != 0 && version > MQTT_V31))
        return RC_MALFORMED; /* 3.1 gave the reserved bit no meaning and did not forbid it */
    if ((flags & CONNECT_WILL) == 0 && (flags & (CONNECT_WILL_QOS | CONNECT_WILL_RETAIN)) != 0)
        return RC_MALFORMED;
    /* before 5.0 a password needs a user name (3.1.1, 3.1.2-22) */
    if (version < MQTT_V5 && (flags & CONNECT_PASSWORD) != 0 && (flags & CONNECT_USER) == 0)
        return RC_MALFORMED;
    return RC_OK;
}

static enum rc read_will(struct rd *r, unsigned flags, unsigned version, struct mqtt_will *will)
{
    enum rc rc;

    if ((flags & CONNECT_WILL) == 0)
        return RC_OK;
    will->is_set = true;
    will->qos = (uint8_t)((flags & CONNECT_WILL_QOS) >> 3);
    will->is_retain = (flags & CONNECT_WILL_RETAIN) != 0;
    rc = properties(r, version, MQTT_WILL_PLACE, &will->properties);
    will->topic = name(r);
    will->payload = rd_bytes(r, rd_u16(r));
    return rc;
}

enum rc mqtt_decode_connect(struct slice body, struct mqtt_connect *ret)
{
    struct mqtt_connect c = { 0 };
    struct rd r = rd_of(body);
    enum rc rc = read_version(&r, &c);
    unsigned flags = rd_u8(&r);
    bool is_whole;

    if (rc == RC_OK)
        rc = check_connect_flags(flags, c.version);
    c.clean_start = (flags & CONNECT_CLEAN) != 0;
    c.keep_alive_s = rd_u16(&r);
    ret->version = (rc == RC_OK && !r.bad) || rc == RC_VERSION ? c.version : 0;
    if (rc != RC_OK)
        return rc;
    rc = properties(&r, c.version, MQTT_CONNECT, &c.properties);
    if (rc != RC_OK)
        return rc;
    if (mqtt_has(&c.properties, MQTT_AUTHENTICATION_DATA) &&
        !mqtt_has(&c.properties, MQTT_AUTHENTICATION_METHOD))
        return RC_PROTOCOL;
    c.client_id = rd_bytes(&r, rd_u16(&r));
    ret->is_id_ill_formed = !r.bad && !mqtt_name_is_valid(c.client_id);
    if (ret->is_id_ill_formed)
        rd_fail(&r);
    rc = read_will(&r, flags, c.version, &c.will);
    if (rc != RC_OK)
        return rc;
    is_whole = !r.bad;
    if ((flags & CONNECT_USER) != 0)
        c.user_name = name(&r);
    if ((flags & CONNECT_PASSWORD) != 0)
        c.password = rd_bytes(&r, rd_u16(&r));
    if (is_whole && r.bad)
        ret->version = 0; /* who sends a login that is none is told nothing */
    rc = finish(&r);
    if (rc == RC_OK)
        *ret = c;
    return rc;
}

enum rc mqtt_decode_connack(struct slice body, unsigned version, struct mqtt_connack *ret)
{
    struct mqtt_connack c = { 0 };
    struct rd r = rd_of(body);
    uint8_t flags = rd_u8(&r);
    enum rc rc;

    c.reason = rd_u8(&r);
    c.session_present = flags == 1;
    rc = properties(&r, version, MQTT_CONNACK, &c.properties);
    if (rc == RC_OK)
        rc = finish(&r);
    if (rc != RC_OK)
        return rc;
    if (flags > 1 || (c.session_present && c.reason != 0))
        return RC_MALFORMED;
    if (version >= MQTT_V5 ? !mqtt_reason_is_legal(MQTT_CONNACK, c.reason)
                           : c.reason > MQTT3_NOT_AUTHORIZED)
        return RC_PROTOCOL;
    *ret = c;
    return RC_OK;
}

/* ---- PUBLISH and its answers ---- */

enum rc mqtt_decode_publish(const struct mqtt_frame *frame, unsigned version,
                            struct mqtt_publish *ret)
{
    struct rd r = rd_of(frame->body);
    enum rc rc;

    *ret = (struct mqtt_publish){ 0 };
    ret->dup = (frame->flags & PUBLISH_DUP) != 0;
    ret->qos = frame->flags >> 1 & 3;
    ret->retain = (frame->flags & PUBLISH_RETAIN) != 0;
    ret->topic = name(&r);
    if (ret->qos > 0) {
        ret->packet_id = rd_u16(&r);
        if (!r.bad && ret->packet_id == 0)
            return RC_PROTOCOL;
    }
    rc = properties(&r, version, MQTT_PUBLISH, &ret->properties);
    if (rc != RC_OK)
        return rc;
    ret->payload = rd_rest(&r);
    return r.bad ? RC_MALFORMED : RC_OK;
}

/* Reason code and properties that may be left out from the end (3.4.2.1): absent means 0. */
static enum rc read_reason(struct rd *r, unsigned type, uint8_t *reason,
                           struct mqtt_properties *list)
{
    enum rc rc = RC_OK;

    if (r->left == 0)
        return RC_OK;
    *reason = rd_u8(r);
    if (!mqtt_reason_is_legal(type, *reason))
        return RC_PROTOCOL;
    if (r->left > 0)
        rc = mqtt_decode_properties(r, type, list);
    return rc;
}

enum rc mqtt_decode_ack(const struct mqtt_frame *frame, unsigned version, struct mqtt_ack *ret)
{
    struct mqtt_ack a = { 0 };
    struct rd r = rd_of(frame->body);
    enum rc rc = RC_OK;

    a.packet_id = rd_u16(&r);
    if (r.bad)
        return RC_MALFORMED;
    if (a.packet_id == 0)
        return RC_PROTOCOL;
    if (version >= MQTT_V5)
        rc = read_reason(&r, frame->type, &a.reason, &a.properties);
    if (rc == RC_OK)
        rc = finish(&r);
    if (rc == RC_OK)
        *ret = a;
    return rc;
}

/* ---- SUBSCRIBE, UNSUBSCRIBE and their answers ---- */

static bool options_are_legal(unsigned options, unsigned version)
{
    if ((options & OPTION_QOS) == 3)
        return false;
    if (version < MQTT_V5)
        return (options & ~OPTION_QOS) == 0;
    return (options & OPTION_RESERVED) == 0 && (options & OPTION_HANDLING) != OPTION_HANDLING;
}

static enum rc decode_filters(struct slice body, unsigned version, unsigned type,
                              struct mqtt_subscribe *ret)
{
    struct mqtt_subscribe s = { 0 };
    struct rd r = rd_of(body);
    enum rc rc;

    s.packet_id = rd_u16(&r);
    rc = properties(&r, version, type, &s.properties);
    if (rc != RC_OK)
        return rc;
    s.filters = r; /* proved whole below, walked again by the session */
    for (; !r.bad && r.left > 0; s.filter_count++) {
        (void)name(&r); /* walked here to prove it */
        if (type == MQTT_SUBSCRIBE && !options_are_legal(rd_u8(&r), version))
            return RC_MALFORMED;
    }
    if (r.bad)
        return RC_MALFORMED;
    if (s.packet_id == 0 || s.filter_count == 0)
        return RC_NOT_FOUND;
    *ret = s;
    return RC_OK;
}

enum rc mqtt_decode_subscribe(struct slice body, unsigned version, struct mqtt_subscribe *ret)
{
    return decode_filters(body, version, MQTT_SUBSCRIBE, ret);
}

enum rc mqtt_decode_unsubscribe(struct slice body, unsigned version, struct mqtt_subscribe *ret)
{
    return decode_filters(body, version, MQTT_UNSUBSCRIBE, ret);
}

bool mqtt_next_filter(struct rd *filters, bool has_options, struct mqtt_filter *ret)
{
    unsigned options = 0;

    if (filters->bad || filters->left == 0)
        return false;
    *ret = (struct mqtt_filter){ 0 };
    ret->filter = rd_bytes(filters, rd_u16(filters));
    if (has_options)
        options = rd_u8(filters);
    ret->qos = options & OPTION_QOS;
    ret->no_local = (options & OPTION_NO_LOCAL) != 0;
    ret->retain_as_published = (options & OPTION_RETAIN_AS) != 0;
    ret->retain_handling = (uint8_t)((options & OPTION_HANDLING) >> 4);
    return !filters->bad;
}

enum rc mqtt_decode_suback(const struct mqtt_frame *frame, unsigned version,
                           struct mqtt_suback *ret)
{
    struct mqtt_suback s = { 0 };
    struct rd r = rd_of(frame->body);
    enum rc rc;

    s.packet_id = rd_u16(&r);
    rc = properties(&r, version, frame->type, &s.properties);
    if (rc != RC_OK)
        return rc;
    s.reasons = rd_rest(&r);
    if (r.bad)
        return RC_MALFORMED;
    if (version < MQTT_V5 && frame->type == MQTT_UNSUBACK)
        return s.reasons.len > 0 || s.packet_id == 0 ? RC_MALFORMED : (*ret = s, RC_OK);
    if (s.packet_id == 0 || s.reasons.len == 0)
        return RC_PROTOCOL;
    for (size_t i = 0; i < s.reasons.len; i++) {
        uint8_t code = s.reasons.at[i];

        if (version >= MQTT_V5 ? !mqtt_reason_is_legal(frame->type, code)
                               : code > 2 && code != MQTT3_SUBSCRIBE_FAILURE)
            return RC_PROTOCOL;
    }
    *ret = s;
    return RC_OK;
}

/* ---- PING, DISCONNECT, AUTH ---- */

enum rc mqtt_decode_ping(struct slice body)
{
    return body.len == 0 ? RC_OK : RC_MALFORMED;
}

static enum rc decode_reasoned(struct slice body, unsigned type, struct mqtt_disconnect *ret)
{
    struct mqtt_disconnect d = { 0 };
    struct rd r = rd_of(body);
    enum rc rc = read_reason(&r, type, &d.reason, &d.properties);

    if (rc == RC_OK)
        rc = finish(&r);
    if (rc == RC_OK)
        *ret = d;
    return rc;
}

enum rc mqtt_decode_disconnect(struct slice body, unsigned version, struct mqtt_disconnect *ret)
{
    if (version >= MQTT_V5) {
        if (body.len > 0 && !mqtt_reason_is_legal(MQTT_DISCONNECT, body.at[0]))
            return RC_RANGE;
        return decode_reasoned(body, MQTT_DISCONNECT, ret);
    }
    *ret = (struct mqtt_disconnect){ 0 };
    return body.len == 0 ? RC_OK : RC_MALFORMED;
}

enum rc mqtt_decode_auth(struct slice body, struct mqtt_disconnect *ret)
{
    return decode_reasoned(body, MQTT_AUTH, ret);
}

/* ---- reason codes (2.4): who may carry what ---- */

#define IN(type)        (1u << (type))
#define PUBLISH_ANSWERS (IN(MQTT_PUBACK) | IN(MQTT_PUBREC))
#define RELEASES        (IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))
#define SUBSCRIPTIONS   (IN(MQTT_SUBACK) | IN(MQTT_UNSUBACK))
#define ENDS            (IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT))

static const uint16_t reason_places[256] = {
    [MQTT_SUCCESS] = IN(MQTT_CONNACK) | PUBLISH_ANSWERS | RELEASES | SUBSCRIPTIONS |
                     IN(MQTT_DISCONNECT) | IN(MQTT_AUTH),
    [MQTT_GRANTED_QOS_1] = IN(MQTT_SUBACK),
    [MQTT_GRANTED_QOS_2] = IN(MQTT_SUBACK),
    [MQTT_DISCONNECT_WITH_WILL] = IN(MQTT_DISCONNECT),
    [MQTT_NO_MATCHING_SUBSCRIBERS] = PUBLISH_ANSWERS,
    [MQTT_NO_SUBSCRIPTION_EXISTED] = IN(MQTT_UNSUBACK),
    [MQTT_CONTINUE_AUTHENTICATION] = IN(MQTT_AUTH),
    [MQTT_REAUTHENTICATE] = IN(MQTT_AUTH),
    [MQTT_UNSPECIFIED_ERROR] = ENDS | PUBLISH_ANSWERS | SUBSCRIPTIONS,
    [MQTT_MALFORMED_PACKET] = ENDS,
    [MQTT_PROTOCOL_ERROR] = ENDS,
    [MQTT_IMPLEMENTATION_ERROR] = ENDS | PUBLISH_ANSWERS | SUBSCRIPTIONS,
    [MQTT_UNSUPPORTED_VERSION] = IN(MQTT_CONNACK),
    [MQTT_CLIENT_ID_NOT_VALID] = IN(MQTT_CONNACK),
    [MQTT_BAD_USER_OR_PASSWORD] = IN(MQTT_CONNACK),
    [MQTT_NOT_AUTHORIZED] = ENDS | PUBLISH_ANSWERS | SUBSCRIPTIONS,
    [MQTT_SERVER_UNAVAILABLE] = IN(MQTT_CONNACK),
    [MQTT_SERVER_BUSY] = ENDS,
    [MQTT_BANNED] = IN(MQTT_CONNACK),
    [MQTT_SERVER_SHUTTING_DOWN] = IN(MQTT_DISCONNECT),
    [MQTT_BAD_AUTHENTICATION_METHOD] = ENDS,
    [MQTT_KEEP_ALIVE_TIMEOUT] = IN(MQTT_DISCONNECT),
    [MQTT_SESSION_TAKEN_OVER] = IN(MQTT_DISCONNECT),
    [MQTT_TOPIC_FILTER_INVALID] = SUBSCRIPTIONS | IN(MQTT_DISCONNECT),
    [MQTT_TOPIC_NAME_INVALID] = ENDS | PUBLISH_ANSWERS,
    [MQTT_PACKET_ID_IN_USE] = PUBLISH_ANSWERS | SUBSCRIPTIONS,
    [MQTT_PACKET_ID_NOT_FOUND] = RELEASES,
    [MQTT_RECEIVE_MAXIMUM_EXCEEDED] = IN(MQTT_DISCONNECT),
    [MQTT_TOPIC_ALIAS_INVALID] = IN(MQTT_DISCONNECT),
    [MQTT_PACKET_TOO_LARGE] = ENDS,
    [MQTT_MESSAGE_RATE_TOO_HIGH] = IN(MQTT_DISCONNECT),
    [MQTT_QUOTA_EXCEEDED] = ENDS | PUBLISH_ANSWERS | IN(MQTT_SUBACK),
    [MQTT_ADMINISTRATIVE_ACTION] = IN(MQTT_DISCONNECT),
    [MQTT_PAYLOAD_FORMAT_INVALID] = ENDS | PUBLISH_ANSWERS,
    [MQTT_RETAIN_NOT_SUPPORTED] = ENDS,
    [MQTT_QOS_NOT_SUPPORTED] = ENDS,
    [MQTT_USE_ANOTHER_SERVER] = ENDS,
    [MQTT_SERVER_MOVED] = ENDS,
    [MQTT_SHARED_NOT_SUPPORTED] = IN(MQTT_SUBACK) | IN(MQTT_DISCONNECT),
    [MQTT_CONNECTION_RATE_EXCEEDED] = ENDS,
    [MQTT_MAXIMUM_CONNECT_TIME] = IN(MQTT_DISCONNECT),
    [MQTT_SUBSCRIPTION_IDS_NOT_SUPPORTED] = IN(MQTT_SUBACK) | IN(MQTT_DISCONNECT),
    [MQTT_WILDCARDS_NOT_SUPPORTED] = IN(MQTT_SUBACK) | IN(MQTT_DISCONNECT),
};

bool mqtt_reason_is_legal(unsigned type, unsigned reason)
{
    return reason < 256 && type < MQTT_TYPE_COUNT && (reason_places[reason] >> type & 1) != 0;
}
