/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_session.h"

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/core/session.h"
#include "broker/net/conn.h"
#include "protocols/mqtt/mqtt_errors.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_told.h"
#include "protocols/mqtt/mqtt_trace.h"

#define SESSION_MAGIC 0x6d717474u

#define IN(state) (1u << (state))

/* What a client may send, and when. The other types are the server's alone. */
static const struct mqtt_rule client_rules[MQTT_TYPE_COUNT] = {
    [MQTT_CONNECT] = { mqtt_on_connect, IN(STATE_AWAIT_CONNECT) },
    [MQTT_PUBLISH] = { mqtt_on_publish, IN(STATE_ACTIVE) },
    [MQTT_PUBACK] = { mqtt_on_puback, IN(STATE_ACTIVE) },
    [MQTT_PUBREC] = { mqtt_on_pubrec, IN(STATE_ACTIVE) },
    [MQTT_PUBREL] = { mqtt_on_pubrel, IN(STATE_ACTIVE) },
    [MQTT_PUBCOMP] = { mqtt_on_pubcomp, IN(STATE_ACTIVE) },
    [MQTT_SUBSCRIBE] = { mqtt_on_subscribe, IN(STATE_ACTIVE) },
    [MQTT_UNSUBSCRIBE] = { mqtt_on_unsubscribe, IN(STATE_ACTIVE) },
    [MQTT_PINGREQ] = { mqtt_on_pingreq, IN(STATE_ACTIVE) },
    [MQTT_DISCONNECT] = { mqtt_on_disconnect, IN(STATE_AWAIT_AUTH) | IN(STATE_ACTIVE) },
    [MQTT_AUTH] = { mqtt_on_auth, IN(STATE_AWAIT_AUTH) | IN(STATE_ACTIVE) },
};

static const struct mqtt_rule *rule_of(const struct mqtt_session *s, unsigned type)
{
    return s->server->bridge == NULL ? &client_rules[type] : &mqtt_bridge_rules[type];
}

static struct mqtt_session *session_of(void *arg)
{
    struct mqtt_session *s = arg;

    ASSERT(s->magic == SESSION_MAGIC);
    return s;
}

void mqtt_enter(struct mqtt_session *s, enum mqtt_state state)
{
    static const uint8_t edges[STATE_COUNT] = {
        [STATE_AWAIT_CONNECT] =
            IN(STATE_AWAIT_LOGIN) | IN(STATE_AWAIT_AUTH) | IN(STATE_ACTIVE) | IN(STATE_CLOSING),
        [STATE_AWAIT_AUTH] = IN(STATE_ACTIVE) | IN(STATE_CLOSING),
        [STATE_AWAIT_LOGIN] = IN(STATE_ACTIVE) | IN(STATE_CLOSING),
        [STATE_ACTIVE] = IN(STATE_CLOSING),
        [STATE_CLOSING] = 0,
    };

    ASSERT((edges[s->state] & IN(state)) != 0);
    if (state == STATE_ACTIVE)
        count_add_alone(COUNT_MQTT_CONNECTED, 1);
    else if (s->state == STATE_ACTIVE)
        count_add_alone(COUNT_MQTT_CONNECTED, -1);
    s->state = (uint8_t)state;
}

static void release(struct mqtt_session *s);

/* ---- time ---- */

static uint64_t patience_ms(const struct mqtt_session *s)
{
    return s->state < STATE_ACTIVE ? MQTT_CONNECT_TIMEOUT_MS : MQTT_KEEP_ALIVE_MS(s->keep_alive_s);
}

/* Since when the peer shows no life. One that is behind with reading is not read from either: then
 * it lives as long as it takes what we have for it. */
static uint64_t idle_ms(const struct mqtt_session *s)
{
    uint64_t last_ns = conn_last_input_ns(s->conn), now_ns = loop_now_ns(conn_loop(s->conn));

    if (conn_is_full(s->conn) && conn_last_output_ns(s->conn) > last_ns)
        last_ns = conn_last_output_ns(s->conn);
    if (s->extra != NULL && s->extra->meter != NULL && s->extra->meter->resumed_ns > last_ns)
        last_ns = s->extra->meter->resumed_ns;
    return now_ns <= last_ns ? 0 : (now_ns - last_ns) / 1000000;
}

/* One timer a connection: it looks how long the last input is ago, so packets do not touch it. */
static void on_timer(void *arg)
{
    struct mqtt_session *s = session_of(arg);
    uint64_t patience = patience_ms(s), idle;

    if (s->state == STATE_CLOSING || patience == 0)
        return;
    idle = idle_ms(s);
    if (s->state < STATE_ACTIVE || (idle >= patience && s->pauses == 0)) {
        mqtt_end(s, RC_TIMEOUT,
                 s->state == STATE_ACTIVE ? "keep alive passed" : "no CONNECT in time");
        release(s); /* the will does not wait until a dead peer's connection is given up */
        return;
    }
    timer_start(&s->timer, idle >= patience ? patience : patience - idle);
}

/* ---- life ---- */

enum rc mqtt_session_open(const struct mqtt_server *server, struct conn *conn,
                          struct mqtt_session **ret)
{
    struct mqtt_session *s = mem_try(sizeof(*s));

    if (s == NULL)
        return RC_MEMORY;
    *s = (struct mqtt_session){ .magic = SESSION_MAGIC,
                                .state = STATE_AWAIT_CONNECT,
                                .server = server,
                                .core = server->core,
                                .conn = conn,
                                .receive_max = UINT16_MAX,
                                .packet_max = UINT32_MAX };
    timer_init(&s->timer, conn_loop(conn), on_timer, s);
    timer_start(&s->timer, MQTT_CONNECT_TIMEOUT_MS);
    mqtt_control_opened(s);
    mqtt_tell_opened(s);
    *ret = s;
    return RC_OK;
}

struct mqtt_extra *mqtt_extra(struct mqtt_session *s)
{
    if (s->extra == NULL) {
        s->extra = mem_new(struct mqtt_extra);
        list_init(&s->extra->queues);
    }
    return s->extra;
}

static void extra_free(struct mqtt_session *s)
{
    struct mqtt_extra *extra = s->extra;

    if (extra == NULL)
        return;
    for (unsigned i = 0; extra->aliases != NULL && i < MQTT_ALIAS_MAX; i++)
        mem_free(extra->aliases[i].at);
    mem_free(extra->aliases);
    text_done(&extra->connect);
    mqtt_auth_done(s);
    mqtt_meter_free(s);
    MEM_FREE(s->extra);
}

static void drop_answers(struct mqtt_session *s)
{
    struct mqtt_answer *answer;

    while ((answer = mqtt_pending_first(&s->pending)) != NULL) {
        struct mqtt_answer dropped = *answer;

        mqtt_pending_drop(&s->pending);
        if (dropped.kind == ANSWER_PUBLISH)
            mqtt_held_free(dropped.owned);
        else
            mem_free(dropped.owned);
    }
}

/* Gives back all that core keeps for this connection. Not inside a call of core's. */
static void release(struct mqtt_session *s)
{
    timer_stop(&s->timer);
    mqtt_many_stop(s);
    if (s->client == NULL)
        return;
    mqtt_queue_cancel_all(s);
    if (s->session != NULL) {
        if (s->is_goodbye)
            session_will_clear(s->session);
        else if (s->is_will_dated)
            mqtt_date_will(s);
        mqtt_note_flights(s);
        session_detach(&s->session);
    }
    drop_answers(s);
    client_close(&s->client);
}

void mqtt_session_close(struct mqtt_session **session, enum rc why)
{
    struct mqtt_session *s = *session;

    *session = NULL;
    if (s == NULL)
        return;
    (void)session_of(s);
    if (s->state != STATE_CLOSING)
        mqtt_tell_closed(s, why);
    if (s->state == STATE_ACTIVE)
        count_add_alone(COUNT_MQTT_CONNECTED, -1);
    release(s);
    mqtt_control_closed(s);
    timer_done(&s->timer);
    extra_free(s);
    mqtt_aliases_done(&s->given);
    mqtt_inflight_done(&s->inflight);
    mqtt_pending_done(&s->pending);
    s->magic = 0;
    mem_free(s);
}

/* ---- the end of a connection ---- */

enum rc mqtt_fail(struct mqtt_session *s, enum rc rc, enum mqtt_reason reason)
{
    s->end_reason = (uint8_t)reason;
    return rc;
}

/* Says `why` in words when the code does not say it already and the client wants to know. */
static void say_why(const struct mqtt_session *s, struct mqtt_properties *p, uint8_t reason,
                    const char *why)
{
    if (s->no_problem_info || s->server->config.profile->is_wordless ||
        !mqtt_reason_needs_words(reason))
        return;
    p->reason_string = slice_str(why);
    mqtt_set(p, MQTT_REASON_STRING);
}

static void send_disconnect(struct mqtt_session *s, uint8_t reason, const char *why)
{
    struct mqtt_disconnect d = { .reason = reason };
    struct wr count = wr_counting(), w;

    say_why(s, &d.properties, reason, why);
    mqtt_control_say_where(s, &d.properties, reason);
    mqtt_encode_disconnect(&count, s->version, &d);
    if (count.len > s->packet_max) {
        d.properties.present = 0;
        count = wr_counting();
        mqtt_encode_disconnect(&count, s->version, &d);
    }
    if (count.len > s->packet_max)
        return;
    w = wr_of(conn_reserve(s->conn, count.len), count.len);
    mqtt_encode_disconnect(&w, s->version, &d);
    if (mqtt_is_traced(s))
        mqtt_trace_out(s, wr_slice(&w));
    conn_commit(s->conn, w.len);
    count_add_alone(COUNT_MQTT_PACKETS_OUT, 1);
}

/* The CONNACK that refuses; what the old versions cannot say is a mere close. */
static void send_refusal(struct mqtt_session *s, enum rc rc, uint8_t reason, const char *why)
{
    struct mqtt_connack c = { .reason = reason };
    uint8_t at[256];
    struct wr w = wr_of(at, sizeof(at));

    if (s->version >= MQTT_V5) {
        say_why(s, &c.properties, reason, why);
        mqtt_control_say_where(s, &c.properties, reason);
    } else {
        c.reason = mqtt_error(rc)->connack_3;
    }
    if (c.reason == MQTT3_CLOSE || c.reason == 0)
        return;
    mqtt_encode_connack(&w, s->version, &c);
    if (w.len > s->packet_max) { /* 3.2.2-19 */
        c.properties.present = 0;
        w = wr_of(at, sizeof(at));
        mqtt_encode_connack(&w, s->version, &c);
    }
    if (w.bad || w.len > s->packet_max)
        return;
    if (mqtt_is_traced(s))
        mqtt_trace_out(s, wr_slice(&w));
    conn_write(s->conn, wr_slice(&w));
    count_add_alone(COUNT_MQTT_PACKETS_OUT, 1);
}

static void count_end(enum rc rc, enum mqtt_state state)
{
    if (rc == RC_MALFORMED)
        count_add(COUNT_MQTT_MALFORMED, 1);
    else if (rc == RC_PROTOCOL)
        count_add(COUNT_MQTT_PROTOCOL_ERRORS, 1);
    if (state < STATE_ACTIVE)
        count_add(COUNT_MQTT_REFUSED, 1);
}

void mqtt_end(struct mqtt_session *s, enum rc rc, const char *why)
{
    enum mqtt_state state = (enum mqtt_state)s->state;
    uint8_t reason = s->end_reason;

    if (state == STATE_CLOSING)
        return;
    if (reason == 0)
        reason = state == STATE_ACTIVE ? mqtt_error(rc)->disconnect : mqtt_error(rc)->connack;
    if (s->server->bridge != NULL)
        reason = mqtt_bridge_reason(s, reason);
    count_end(rc, state);
    mqtt_tell_ended(s, rc, reason, why);
    if (reason == MQTT_SILENCE)
        ; /* the profile says nothing */
    else if (state == STATE_ACTIVE && s->version >= MQTT_V5)
        send_disconnect(s, reason, why);
    else if (state < STATE_ACTIVE && s->version != 0 && s->server->bridge == NULL)
        send_refusal(s, rc, reason, why);
    mqtt_enter(s, STATE_CLOSING);
    conn_finish(s->conn, rc);
}

void mqtt_session_shutdown(struct mqtt_session *s)
{
    (void)session_of(s);
    s->end_reason = s->state == STATE_ACTIVE ? MQTT_SERVER_SHUTTING_DOWN : 0;
    mqtt_end(s, RC_CLOSED, "the server stops");
    release(s);
}

/* ---- answers ---- */

static void send_plain_ack(struct mqtt_session *s, enum mqtt_type type, uint16_t packet_id)
{
    struct wr w = wr_of(conn_reserve(s->conn, MQTT_PLAIN_ACK_BYTES), MQTT_PLAIN_ACK_BYTES);

    mqtt_encode_plain_ack(&w, type, packet_id);
    conn_commit(s->conn, w.len);
    count_add_alone(COUNT_MQTT_PACKETS_OUT, 1);
}

static void send_long_ack(struct mqtt_session *s, enum mqtt_type type, uint16_t packet_id,
                          uint8_t reason)
{
    const char *why = "the broker did not take it";
    struct mqtt_ack ack = { .packet_id = packet_id, .reason = reason };
    uint8_t at[128];
    struct wr w = wr_of(at, sizeof(at));

    if (reason >= MQTT_UNSPECIFIED_ERROR)
        say_why(s, &ack.properties, reason, why);
    mqtt_encode_ack(&w, s->version, type, &ack);
    if (w.len > s->packet_max && ack.properties.present != 0) {
        ack.properties.present = 0;
        w = wr_of(at, sizeof(at));
        mqtt_encode_ack(&w, s->version, type, &ack);
    }
    ASSERT(!w.bad);
    if (w.len > s->packet_max)
        return;
    if (mqtt_is_traced(s))
        mqtt_trace_out(s, wr_slice(&w));
    conn_write(s->conn, wr_slice(&w));
    count_add_alone(COUNT_MQTT_PACKETS_OUT, 1);
}

void mqtt_send_ack(struct mqtt_session *s, enum mqtt_type type, uint16_t packet_id, uint8_t reason)
{
    if (reason == MQTT_SUCCESS && s->packet_max >= MQTT_PLAIN_ACK_BYTES && !mqtt_is_traced(s))
        send_plain_ack(s, type, packet_id);
    else
        send_long_ack(s, type, packet_id, reason);
}

enum rc mqtt_answer_later(struct mqtt_session *s, const struct mqtt_answer *answer)
{
    enum rc rc = mqtt_pending_add(&s->pending, answer);

    if (rc == RC_OK && mqtt_pending_count(&s->pending) == MQTT_PENDING_MAX)
        mqtt_pause(s, CONN_PAUSE_BUSY);
    return rc;
}

enum rc mqtt_ack_later(struct mqtt_session *s, enum mqtt_type type, uint16_t packet_id,
                       uint8_t reason)
{
    struct mqtt_answer answer = {
        .packet_id = packet_id, .kind = ANSWER_ACK, .type = (uint8_t)type, .reason = reason
    };

    answer.ends_inbound = type != MQTT_PUBREC || reason >= MQTT_UNSPECIFIED_ERROR;
    return mqtt_answer_later(s, &answer);
}

void mqtt_await_answers(struct mqtt_session *s)
{
    if (s->pending.awaited == s->pending.tail || s->client == NULL)
        return;
    s->pending.awaited = s->pending.tail;
    client_await(s->client, s->pending.tail);
}

static void send_answer(struct mqtt_session *s, const struct mqtt_answer *a)
{
    switch ((enum mqtt_answer_kind)a->kind) {
    case ANSWER_ACK:
        mqtt_send_ack(s, (enum mqtt_type)a->type, a->packet_id, a->reason);
        if (a->ends_inbound && s->open_inbound > 0)
            s->open_inbound--;
        break;
    case ANSWER_PACKET:
        if (mqtt_is_traced(s))
            mqtt_trace_out(s, slice_of(a->owned, a->len));
        conn_write(s->conn, slice_of(a->owned, a->len));
        count_add_alone(COUNT_MQTT_PACKETS_OUT, 1);
        mem_free(a->owned);
        if (s->extra == NULL || s->extra->many == NULL) /* that one's answer is to come */
            session_hold_retained(s->session, false);
        break;
    case ANSWER_PUBLISH:
        mqtt_send_held(s, a->owned, a->packet_id);
        mqtt_held_free(a->owned);
        break;
    case ANSWER_RELEASE:
        mqtt_send_ack(s, MQTT_PUBREL, a->packet_id, a->reason);
        break;
    case ANSWER_DROPPED:
        mqtt_settle_dropped(s, a->packet_id);
        break;
    }
}

/* Everything queued below `token` is on disk: the answers go out in their order. */
static void on_durable(void *arg, uint64_t token, enum rc rc)
{
    struct mqtt_session *s = session_of(arg);
    struct mqtt_answer *first;

    if (s->state != STATE_ACTIVE)
        return;
    if (rc != RC_OK) { /* nothing is acknowledged that may be lost */
        mqtt_end(s, rc, "the store failed");
        return;
    }
    while (s->pending.head < token && (first = mqtt_pending_first(&s->pending)) != NULL) {
        struct mqtt_answer answer = *first;

        mqtt_pending_drop(&s->pending);
        send_answer(s, &answer);
    }
    mqtt_give_credit(s);
    if ((s->pauses & CONN_PAUSE_BUSY) != 0 && (s->extra == NULL || s->extra->many == NULL) &&
        mqtt_pending_count(&s->pending) < MQTT_PENDING_MAX / 2)
        mqtt_resume(s, CONN_PAUSE_BUSY);
}

/* ---- pauses ---- */

void mqtt_pause(struct mqtt_session *s, enum conn_pause why)
{
    s->pauses |= (uint8_t)why;
    conn_pause(s->conn, why);
}

void mqtt_resume(struct mqtt_session *s, enum conn_pause why)
{
    if ((s->pauses & why) == 0)
        return;
    s->pauses &= (uint8_t) ~(unsigned)why;
    conn_resume(s->conn, why);
}

/* The disk is behind: do not read from who publishes. When it takes nothing at all, 5.0 has words
 * for each refusal and goes on; older clients can only be kept waiting. */
static void on_pressure(void *arg, enum pressure pressure)
{
    struct mqtt_session *s = session_of(arg);
    bool should_wait =
        pressure == PRESSURE_BACKLOG || (pressure == PRESSURE_STALLED && s->version < MQTT_V5);

    if (should_wait)
        mqtt_pause(s, CONN_PAUSE_STORE);
    else
        mqtt_resume(s, CONN_PAUSE_STORE);
}

/* Inside a call of core's: the ids are kept for the one who takes over. */
static void on_taken_over(void *arg)
{
    struct mqtt_session *s = session_of(arg);

    mqtt_note_flights(s);
    s->session = NULL;
    s->end_reason = MQTT_SESSION_TAKEN_OVER;
    mqtt_end(s, RC_CLOSED, "another connection uses this client identifier");
}

static void on_session_over(void *arg)
{
    struct mqtt_session *s = session_of(arg);

    s->session = NULL;
    s->end_reason = MQTT_QUOTA_EXCEEDED;
    mqtt_end(s, RC_LIMIT, "more waits for this session than may");
}

void mqtt_session_revoked(void *arg)
{
    struct mqtt_session *s = session_of(arg);

    s->end_reason = s->state == STATE_ACTIVE ? MQTT_NOT_AUTHORIZED : 0;
    mqtt_end(s, RC_REFUSED, "this login does not hold any more");
}

static const char *origin(void *session)
{
    const struct mqtt_session *s = session;

    return conn_origin(s->conn);
}

const struct client_ops mqtt_client_ops = {
    .protocol = "mqtt",
    .origin = origin,
    .on_durable = on_durable,
    .on_queue_delivery = mqtt_on_queue_delivery,
    .on_consumer_cancelled = mqtt_on_consumer_cancelled,
    .on_session_delivery = mqtt_on_session_delivery,
    .on_taken_over = on_taken_over,
    .on_session_over = on_session_over,
    .on_pressure = on_pressure,
    .on_login = mqtt_on_login,
    .on_revoked = mqtt_session_revoked,
};

/* ---- input ---- */

static enum rc check_header(struct mqtt_session *s, const struct mqtt_header *header)
{
    size_t bytes = (size_t)header->header_bytes + header->body_bytes;
    const struct mqtt_rule *rule = rule_of(s, header->type);
    const struct mqtt_profile *profile = s->server->config.profile;

    if (s->state == STATE_AWAIT_CONNECT) {
        if (header->type != (s->server->bridge == NULL ? MQTT_CONNECT : MQTT_CONNACK))
            return RC_PROTOCOL;
        return bytes > MQTT_CONNECT_MAX_BYTES ? RC_TOO_LARGE : RC_OK;
    }
    if (!mqtt_flags_are_legal(header->type, header->flags, s->version))
        return mqtt_fail(s, RC_MALFORMED,
                         (profile->flags_error_types & IN(header->type)) != 0
                             ? MQTT_PROTOCOL_ERROR
                             : MQTT_MALFORMED_PACKET);
    if ((header->type == MQTT_PINGREQ || header->type == MQTT_PINGRESP) && header->body_bytes > 0)
        return mqtt_fail(s, RC_MALFORMED, profile->ping_body_reason);
    if (rule->handle == NULL || (header->type == MQTT_AUTH && s->version < MQTT_V5))
        return RC_PROTOCOL;
    if ((rule->legal_in & IN(s->state)) == 0)
        return RC_PROTOCOL;
    if (s->state < STATE_ACTIVE && bytes > MQTT_CONNECT_MAX_BYTES)
        return RC_TOO_LARGE;
    return bytes > s->server->config.max_packet_bytes ? RC_TOO_LARGE : RC_OK;
}

static void expect(struct mqtt_session *s, size_t bytes)
{
    if (bytes != 0 || s->is_expecting)
        conn_expect(s->conn, bytes);
    s->is_expecting = bytes != 0;
}

/* Takes one packet off `in`. RC_AGAIN: it is not whole yet. */
static enum rc take_packet(struct mqtt_session *s, struct slice in, size_t *ret_used)
{
    struct mqtt_header header;
    struct mqtt_frame frame;
    size_t bytes;
    const struct mqtt_profile *profile = s->server->config.profile;
    enum rc rc = mqtt_decode_header(in, &header);

    if (rc == RC_OK)
        rc = check_header(s, &header);
    else if (rc == RC_MALFORMED)
        rc = mqtt_fail(s, rc,
                       in.at[0] >> 4 == MQTT_RESERVED ? profile->reserved_type_reason
                                                      : profile->length_reason);
    if (rc != RC_OK)
        return rc;
    bytes = (size_t)header.header_bytes + header.body_bytes;
    if (in.len < bytes) {
        expect(s, bytes);
        return RC_AGAIN;
    }
    frame = (struct mqtt_frame){ header.type, header.flags,
                                 slice_of(in.at + header.header_bytes, header.body_bytes) };
    *ret_used = bytes;
    if (mqtt_is_traced(s))
        mqtt_trace_in(s, &frame);
    rc = rule_of(s, header.type)->handle(s, &frame);
    /* 2.2.2.2: a property that is not of this packet; core has no such answer for a packet */
    return rc == RC_MISMATCH ? mqtt_fail(s, RC_MALFORMED, profile->property_reason) : rc;
}

static const char *why_of(enum rc rc)
{
    switch ((unsigned)rc) {
    case RC_MALFORMED:
        return "malformed packet";
    case RC_PROTOCOL:
        return "protocol error";
    case RC_TOO_LARGE:
        return "packet too large";
    default:
        return rc_word(rc);
    }
}

void mqtt_end_packet(struct mqtt_session *s, enum rc rc)
{
    mqtt_end(s, rc, why_of(rc));
}

size_t mqtt_session_input(struct mqtt_session *s, struct slice in)
{
    size_t used = 0;
    int64_t packets = 0;

    (void)session_of(s);
    expect(s, 0);
    while (s->state != STATE_CLOSING && s->pauses == 0 && used < in.len) {
        size_t bytes = 0;
        enum rc rc = take_packet(s, slice_after(in, used), &bytes);

        if (rc == RC_AGAIN)
            break;
        used += bytes;
        packets++;
        if (rc != RC_OK)
            mqtt_end_packet(s, rc);
    }
    if (packets > 0)
        count_add_alone(COUNT_MQTT_PACKETS_IN, packets);
    if (s->state == STATE_CLOSING) {
        release(s);
        return in.len;
    }
    mqtt_await_answers(s);
    mqtt_give_credit(s);
    return used;
}

void mqtt_session_drained(struct mqtt_session *s)
{
    (void)session_of(s);
    mqtt_give_credit(s);
}
