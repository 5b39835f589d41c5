/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of MQTT: CONNECT and its answer, SUBSCRIBE, PINGREQ, DISCONNECT. Messages and
 * their acknowledgements are the same at both sides, and are handled where they are for clients. */
#include "broker/base/counters.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "broker/core/session.h"
#include "protocols/mqtt/bridge_int.h"

/* The longest the timer sleeps when neither pings nor idleness are to be looked for. */
#define LOOK_MAX_MS 60000u
#define LOOK_MIN_MS 100u

static void write_packet(struct mqtt_session *s, const struct text *packet)
{
    conn_write(s->conn, text_slice(packet));
    count_add(COUNT_MQTT_PACKETS_OUT, 1);
}

/* ---- CONNECT ---- */

static struct slice or_none(const char *text)
{
    return text == NULL ? SLICE_NONE : slice_str(text);
}

static void set_will(const struct bridge *b, struct mqtt_will *will)
{
    if (b->state_topic == NULL || b->config->notifications_local_only)
        return;
    *will = (struct mqtt_will){ .is_set = true,
                                .qos = b->version == BRIDGE_V31 || b->qos_max == 0 ? 0 : 1,
                                .is_retain = b->has_retain,
                                .topic = slice_str(b->state_topic),
                                .payload = SLICE("0") };
}

static void set_properties(const struct bridge *b, struct mqtt_properties *p)
{
    static const uint8_t plain_order[] = { MQTT_TOPIC_ALIAS_MAXIMUM, MQTT_SESSION_EXPIRY,
                                           MQTT_RECEIVE_MAXIMUM, 0 };
    const struct mqtt_config *config = &b->server.config;

    if (b->config->is_plain)
        p->first = plain_order;
    p->session_expiry_s = b->config->clean_session ? 0 : (uint32_t)b->config->session_expiry_s;
    p->receive_maximum = config->receive_maximum;
    p->topic_alias_maximum = config->topic_alias_maximum;
    if (p->session_expiry_s > 0)
        mqtt_set(p, MQTT_SESSION_EXPIRY);
    mqtt_set(p, MQTT_RECEIVE_MAXIMUM);
    if (p->topic_alias_maximum > 0)
        mqtt_set(p, MQTT_TOPIC_ALIAS_MAXIMUM);
    if (b->config->max_packet_bytes != 0 && !b->config->is_plain) {
        p->maximum_packet_size = (uint32_t)b->config->max_packet_bytes;
        mqtt_set(p, MQTT_MAXIMUM_PACKET_SIZE);
    }
}

static enum rc send_connect(struct mqtt_session *s)
{
    struct bridge *b = bridge_of(s);
    struct mqtt_connect c = { .version = s->version,
                              .is_bridge =
                                  s->version < MQTT_V5 && b->config->try_private && !b->is_public,
                              .clean_start = b->config->clean_session,
                              .keep_alive_s = s->keep_alive_s,
                              .client_id = slice_str(b->remote_id),
                              .user_name = or_none(b->config->remote_user),
                              .password = or_none(b->config->remote_password) };
    uint8_t greeting[MQTT_BRIDGE_GREETING_BYTES];
    struct wr count = wr_counting(), w;
    struct text packet = { 0 };
    enum rc rc = RC_MEMORY;

    if (!b->config->is_plain)
        c.properties.append = mqtt_bridge_greeting(s->core, greeting);
    set_will(b, &c.will);
    set_properties(b, &c.properties);
    mqtt_encode_connect(&count, &c);
    if (!count.bad && text_reserve(&packet, count.len)) {
        w = wr_of(packet.at, count.len);
        mqtt_encode_connect(&w, &c);
        packet.len = w.len;
        write_packet(s, &packet);
        rc = RC_OK;
    }
    text_done(&packet);
    return rc;
}

/* ---- SUBSCRIBE ---- */

typedef void encode_fn(struct wr *w, unsigned version, const struct mqtt_subscribe *p,
                       const struct mqtt_filter *filters, size_t count);

/* One filter a packet, as there are brokers that take few at a time. Its id waits for the answer
 * among those of messages, from which it must differ. */
static void ask(struct mqtt_session *s, encode_fn *encode, const struct mqtt_filter *filter)
{
    struct mqtt_subscribe p = { 0 };
    struct mqtt_flight *flight;
    struct wr count = wr_counting(), w;
    struct text packet = { 0 };

    if (mqtt_inflight_add(&s->inflight, &flight) != RC_OK) {
        mqtt_end(s, RC_MEMORY, "no packet identifier for a subscription");
        return;
    }
    mqtt_inflight_set(&s->inflight, flight, FLIGHT_ASKED);
    p.packet_id = flight->packet_id;
    encode(&count, s->version, &p, filter, 1);
    if (text_reserve(&packet, count.len)) {
        w = wr_of(packet.at, count.len);
        encode(&w, s->version, &p, filter, 1);
        packet.len = w.len;
        write_packet(s, &packet);
    } else {
        conn_close(s->conn, RC_MEMORY);
    }
    text_done(&packet);
}

/* What the other broker's session is to have: when it has it, nothing is asked again, for before
 * MQTT 5 that would bring all retained messages once more. */
static uint64_t wanted_there(const struct bridge *b)
{
    return hash_checksum(slice_str(b->config->topics), b->config->attempt_unsubscribe);
}

static bool is_wanted_there(const struct bridge *b, const char *filter)
{
    for (unsigned i = 0; i < b->topics.count; i++)
        if (b->topics.at[i].line.is_in &&
            slice_equal(slice_str(filter), slice_str(b->topics.at[i].remote)))
            return true;
    return false;
}

static void ask_all(struct mqtt_session *s)
{
    struct bridge *b = bridge_of(s);

    for (unsigned i = 0; i < b->topics.count && s->state == STATE_ACTIVE; i++) {
        const struct bridge_topic *t = &b->topics.at[i];
        struct mqtt_filter filter = { .filter = slice_str(t->remote), .qos = t->line.qos };

        if (t->line.is_in) {
            filter.no_local = filter.retain_as_published = s->version >= MQTT_V5;
            ask(s, mqtt_encode_subscribe, &filter);
        } else if (b->config->attempt_unsubscribe && !is_wanted_there(b, t->remote)) {
            ask(s, mqtt_encode_unsubscribe, &filter);
        }
    }
}

/* Gives whether all that was asked of this session before is what is wanted now. */
static bool is_asked(const struct bridge *b, const struct session *session)
{
    struct rd r = rd_of(session_note_get(session, NOTE_BRIDGE_REMOTE));
    uint64_t hash = rd_u64(&r);

    return !r.bad && hash == wanted_there(b);
}

static void note_asked(struct mqtt_session *s)
{
    uint8_t at[8];
    struct wr w = wr_of(at, sizeof(at));

    wr_u64(&w, wanted_there(bridge_of(s)));
    session_note_put(s->session, NOTE_BRIDGE_REMOTE, wr_slice(&w));
}

/* ---- CONNACK ---- */

static uint32_t lesser(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static void adopt(struct mqtt_session *s, const struct mqtt_properties *p)
{
    struct bridge *b = bridge_of(s);
    uint32_t receive_max = mqtt_has(p, MQTT_RECEIVE_MAXIMUM) ? p->receive_maximum : UINT16_MAX;
    uint32_t own_max =
        b->config->max_packet_bytes == 0 ? UINT32_MAX : (uint32_t)b->config->max_packet_bytes;

    bridge_name_there(b, p);
    s->receive_max = (uint16_t)lesser(receive_max, b->config->max_inflight);
    s->packet_max = lesser(own_max, mqtt_has(p, MQTT_MAXIMUM_PACKET_SIZE) ? p->maximum_packet_size
                                                                          : UINT32_MAX);
    s->given.max = 0;
    if (mqtt_has(p, MQTT_TOPIC_ALIAS_MAXIMUM))
        s->given.max = (uint16_t)lesser(p->topic_alias_maximum, b->config->max_topic_alias);
    if (mqtt_has(p, MQTT_SERVER_KEEP_ALIVE))
        s->keep_alive_s = p->server_keep_alive_s;
    b->qos_max = mqtt_has(p, MQTT_MAXIMUM_QOS) ? p->maximum_qos : 2;
    b->has_retain = !mqtt_has(p, MQTT_RETAIN_AVAILABLE) || p->retain_available != 0;
}

static enum rc refused(struct mqtt_session *s, const struct mqtt_connack *c)
{
    struct bridge *b = bridge_of(s);
    bool is_version = s->version < MQTT_V5 && c->reason == MQTT3_UNACCEPTABLE_VERSION;
    bool is_too_new = s->version >= MQTT_V5 && (c->reason == MQTT3_UNACCEPTABLE_VERSION ||
                                                c->reason == MQTT_UNSUPPORTED_VERSION);
    bool is_will = b->has_retain && c->reason == MQTT_RETAIN_NOT_SUPPORTED;

    log_event(LOG_WARNING, "bridge.refused", "name=%s peer=%s code=0x%02x why=%s", b->config->name,
              conn_peer(s->conn), c->reason,
              log_quote(c->properties.reason_string.at, c->properties.reason_string.len));
    if (is_version && b->config->try_private && !b->is_public) {
        b->is_public = true; /* the next attempt says nothing of bridges */
        b->tried = 0;
    }
    if (is_too_new) {
        log_event(LOG_WARNING, "bridge.older_version", "name=%s version=3.1.1", b->config->name);
        b->version = BRIDGE_V311;
        b->tried = 0;
    }
    is_will |= b->qos_max > 0 && c->reason == MQTT_QOS_NOT_SUPPORTED;
    if (is_will && s->version >= MQTT_V5) { /* the next one has a will that may be */
        b->has_retain = b->has_retain && c->reason != MQTT_RETAIN_NOT_SUPPORTED;
        if (c->reason == MQTT_QOS_NOT_SUPPORTED)
            b->qos_max = mqtt_has(&c->properties, MQTT_MAXIMUM_QOS) ? c->properties.maximum_qos : 0;
        b->tried = 0;
    }
    mqtt_enter(s, STATE_CLOSING);
    conn_finish(s->conn, RC_REFUSED);
    return RC_OK;
}

static void notify_there(struct mqtt_session *s, bool is_up)
{
    const struct bridge *b = bridge_of(s);
    struct mqtt_publish p = { .retain = b->has_retain,
                              .topic = or_none(b->state_topic),
                              .payload = is_up ? SLICE("1") : SLICE("0") };
    struct wr count = wr_counting(), w;
    struct text packet = { 0 };

    if (b->state_topic == NULL || b->config->notifications_local_only)
        return;
    mqtt_encode_publish(&count, s->version, &p);
    if (count.len <= s->packet_max && text_reserve(&packet, count.len)) {
        w = wr_of(packet.at, count.len);
        mqtt_encode_publish(&w, s->version, &p);
        packet.len = w.len;
        write_packet(s, &packet);
    }
    text_done(&packet);
}

static void begin(struct mqtt_session *s, bool is_there, bool is_here)
{
    struct bridge *b = bridge_of(s);
    bool is_known = is_there && is_here && is_asked(b, s->session);

    if (!is_there)
        bridge_local_forget(s->session, !b->config->is_plain);
    mqtt_enter(s, STATE_ACTIVE);
    s->is_durable = b->is_local_kept;
    mqtt_resume_flights(s);
    notify_there(s, true);
    if (!is_known)
        ask_all(s);
    mqtt_release_flights(s);
    if (!is_known) {
        bridge_local_retained(b, s->session);
        note_asked(s);
    }
    if (s->state != STATE_ACTIVE)
        return;
    log_event(LOG_NOTICE, "bridge.connected", "name=%s peer=%s version=%u present=%d",
              b->config->name, conn_peer(s->conn), s->version, is_there);
    b->on_connected(b);
    session_ready(s->session);
}

static enum rc on_connack(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct bridge *b = bridge_of(s);
    struct mqtt_connack c;
    enum rc rc = mqtt_decode_connack(frame->body, s->version, &c);

    if (rc != RC_OK && s->version >= MQTT_V5 &&
        mqtt_decode_connack(frame->body, MQTT_V311, &c) == RC_OK &&
        c.reason == MQTT3_UNACCEPTABLE_VERSION)
        rc = RC_OK; /* it speaks no 5.0, and says so in its own words */
    if (rc != RC_OK)
        return rc;
    if (c.reason != 0)
        return refused(s, &c);
    adopt(s, &c.properties);
    begin(s, c.session_present, b->is_here);
    return RC_OK;
}

/* ---- the other answers ---- */

static enum rc on_suback(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_suback ack;
    struct mqtt_flight *flight;
    enum rc rc = mqtt_decode_suback(frame, s->version, &ack);

    if (rc != RC_OK)
        return rc;
    flight = mqtt_inflight_get(&s->inflight, ack.packet_id);
    if (flight == NULL || flight->state != FLIGHT_ASKED)
        return RC_PROTOCOL;
    mqtt_inflight_remove(&s->inflight, flight);
    if (frame->type == MQTT_SUBACK && ack.reasons.len > 0 &&
        ack.reasons.at[0] >= MQTT_UNSPECIFIED_ERROR) {
        session_note_delete(s->session, NOTE_BRIDGE_REMOTE); /* to be asked again next time */
        log_event(LOG_WARNING, "bridge.subscription_refused", "name=%s code=0x%02x",
                  bridge_of(s)->config->name, ack.reasons.at[0]);
    }
    return RC_OK;
}

static enum rc on_pingresp(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    (void)s; /* that something came is all that is looked for */
    return mqtt_decode_ping(frame->body);
}

/* mosquitto answers it, to a broker that has no business to ask. */
static enum rc on_pingreq(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    return bridge_of(s)->config->is_plain ? mqtt_on_pingreq(s, frame) : RC_PROTOCOL;
}

static enum rc on_disconnect(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_disconnect d;
    enum rc rc = mqtt_decode_disconnect(frame->body, s->version, &d);

    if (rc != RC_OK)
        return rc;
    log_event(LOG_NOTICE, "bridge.sent_away", "name=%s code=0x%02x why=%s",
              bridge_of(s)->config->name, d.reason,
              log_quote(d.properties.reason_string.at, d.properties.reason_string.len));
    mqtt_enter(s, STATE_CLOSING);
    conn_finish(s->conn, RC_CLOSED);
    return RC_OK;
}

#define IN(state) (1u << (state))

/* What a server may send, and when. Before MQTT 5 it has no DISCONNECT. */
const struct mqtt_rule mqtt_bridge_rules[MQTT_TYPE_COUNT] = {
    [MQTT_CONNACK] = { on_connack, IN(STATE_AWAIT_CONNECT) },
    [MQTT_PUBLISH] = { mqtt_on_publish, IN(STATE_ACTIVE) },
    [MQTT_PUBACK] = { mqtt_on_puback, IN(STATE_ACTIVE) },
    [MQTT_PUBREC] = { mqtt_on_pubrec, IN(STATE_ACTIVE) },
    [MQTT_PUBREL] = { mqtt_on_pubrel, IN(STATE_ACTIVE) },
    [MQTT_PUBCOMP] = { mqtt_on_pubcomp, IN(STATE_ACTIVE) },
    [MQTT_SUBACK] = { on_suback, IN(STATE_ACTIVE) },
    [MQTT_UNSUBACK] = { on_suback, IN(STATE_ACTIVE) },
    [MQTT_PINGREQ] = { on_pingreq, IN(STATE_ACTIVE) },
    [MQTT_PINGRESP] = { on_pingresp, IN(STATE_ACTIVE) },
    [MQTT_DISCONNECT] = { on_disconnect, IN(STATE_ACTIVE) },
};

/* 3.14.2.1: what a client may say; the rest is the server's. */
uint8_t mqtt_bridge_reason(const struct mqtt_session *s, uint8_t reason)
{
    if (bridge_of(s)->config->is_plain && reason >= MQTT_UNSPECIFIED_ERROR)
        return MQTT_SILENCE;
    switch (reason) {
    case MQTT_SUCCESS:
    case MQTT_DISCONNECT_WITH_WILL:
    case MQTT_MALFORMED_PACKET:
    case MQTT_PROTOCOL_ERROR:
    case MQTT_IMPLEMENTATION_ERROR:
    case MQTT_TOPIC_NAME_INVALID:
    case MQTT_RECEIVE_MAXIMUM_EXCEEDED:
    case MQTT_TOPIC_ALIAS_INVALID:
    case MQTT_PACKET_TOO_LARGE:
    case MQTT_MESSAGE_RATE_TOO_HIGH:
    case MQTT_QUOTA_EXCEEDED:
    case MQTT_ADMINISTRATIVE_ACTION:
    case MQTT_PAYLOAD_FORMAT_INVALID:
        return reason;
    default:
        return MQTT_UNSPECIFIED_ERROR;
    }
}

/* ---- time ---- */

static uint64_t since_ms(const struct mqtt_session *s, uint64_t then_ns)
{
    uint64_t now_ns = loop_now_ns(conn_loop(s->conn));

    return now_ns <= then_ns ? 0 : (now_ns - then_ns) / 1000000;
}

static void ping(struct mqtt_session *s)
{
    uint8_t at[2];
    struct wr w = wr_of(at, sizeof(at));

    mqtt_encode_ping(&w, MQTT_PINGREQ);
    conn_write(s->conn, wr_slice(&w));
    count_add(COUNT_MQTT_PACKETS_OUT, 1);
}

static bool is_idle(struct mqtt_session *s)
{
    const struct bridge *b = bridge_of(s);

    return b->config->start == BRIDGE_LAZY && s->inflight.count == 0 &&
           session_owed_count(s->session) == 0 &&
           since_ms(s, b->last_message_ns) >= b->config->idle_timeout_ms;
}

static uint64_t look_ms(const struct mqtt_session *s)
{
    const struct bridge *b = bridge_of(s);
    uint64_t ms = s->keep_alive_s == 0 ? LOOK_MAX_MS : (uint64_t)s->keep_alive_s * 1000 / 4;

    if (b->config->start == BRIDGE_LAZY && b->config->idle_timeout_ms / 4 < ms)
        ms = b->config->idle_timeout_ms / 4;
    return ms < LOOK_MIN_MS ? LOOK_MIN_MS : ms;
}

static void look_alive(struct mqtt_session *s)
{
    uint64_t keep_alive_ms = (uint64_t)s->keep_alive_s * 1000;
    uint64_t in_ms = since_ms(s, conn_last_input_ns(s->conn));
    uint64_t out_ms = since_ms(s, conn_last_output_ns(s->conn));

    if (keep_alive_ms == 0)
        return;
    if (in_ms >= MQTT_KEEP_ALIVE_MS(s->keep_alive_s) && s->pauses == 0 && !conn_is_full(s->conn))
        mqtt_end(s, RC_TIMEOUT, "the other broker does not answer");
    else if (in_ms >= keep_alive_ms / 2 || out_ms >= keep_alive_ms / 2)
        ping(s);
}

static void on_timer(void *arg)
{
    struct mqtt_session *s = arg;

    if (s->state == STATE_AWAIT_CONNECT)
        mqtt_end(s, RC_TIMEOUT, "no CONNACK in time");
    if (s->state != STATE_ACTIVE)
        return;
    if (is_idle(s)) {
        bridge_link_goodbye(s);
        return;
    }
    look_alive(s);
    timer_start(&s->timer, look_ms(s));
}

/* ---- life ---- */

enum rc bridge_link_open(struct bridge *b, struct conn *conn, struct mqtt_session **ret)
{
    static const uint8_t versions[] = { MQTT_V31, MQTT_V311, MQTT_V5 };
    struct mqtt_session *s;
    enum rc rc = mqtt_session_open(&b->server, conn, &s);

    if (rc != RC_OK)
        return rc;
    s->version = versions[b->version];
    s->keep_alive_s = (uint16_t)(b->config->keep_alive_ms / 1000);
    s->inflight.last_id = b->last_id;
    timer_done(&s->timer);
    timer_init(&s->timer, b->loop, on_timer, s);
    timer_start(&s->timer, MQTT_CONNECT_TIMEOUT_MS);
    rc = send_connect(s);
    if (rc == RC_OK) { /* what comes until CONNACK waits for it, QoS 0 too */
        s->client = client_open(s->core, &mqtt_client_ops, s, true);
        rc = bridge_local_open(b, s->client, &s->session, &b->is_here);
    }
    if (rc != RC_OK)
        mqtt_session_close(&s, rc);
    else
        *ret = s;
    return rc;
}

void bridge_link_watch(struct mqtt_session *s)
{
    timer_start(&s->timer, look_ms(s));
}

void bridge_link_goodbye(struct mqtt_session *s)
{
    struct mqtt_disconnect d = { .reason = MQTT_SUCCESS };
    uint8_t at[8];
    struct wr w = wr_of(at, sizeof(at));

    if (s->state == STATE_CLOSING)
        return;
    if (s->state == STATE_ACTIVE) {
        notify_there(s, false);
        mqtt_encode_disconnect(&w, s->version, &d);
        conn_write(s->conn, wr_slice(&w));
        count_add(COUNT_MQTT_PACKETS_OUT, 1);
    }
    mqtt_enter(s, STATE_CLOSING);
    conn_finish(s->conn, RC_OK);
}
