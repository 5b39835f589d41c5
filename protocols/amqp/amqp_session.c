/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/amqp/amqp_session.h"

#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "protocols/amqp/amqp_int.h"

#define SESSION_MAGIC 0x416d7170u

#define IN(state) (1u << STATE_##state)

/* Which methods a client may send, where and when. */
static const struct rule {
    amqp_handler_fn *handle; /* NULL: the server's own, or not offered */
    unsigned legal_in;       /* of connection methods; channels exist in RUNNING alone */
} rules[AMQP_METHOD_COUNT] = {
    [AMQP_CONNECTION_START_OK] = { amqp_on_start_ok, IN(START) },
    [AMQP_CONNECTION_TUNE_OK] = { amqp_on_tune_ok, IN(TUNE) },
    [AMQP_CONNECTION_OPEN] = { amqp_on_open, IN(OPEN) },
    [AMQP_CONNECTION_CLOSE] = { amqp_on_close,
                                IN(START) | IN(TUNE) | IN(OPEN) | IN(RUNNING) | IN(CLOSING) },
    [AMQP_CONNECTION_CLOSE_OK] = { amqp_on_close_ok, IN(CLOSING) },
    [AMQP_CONNECTION_UPDATE_SECRET] = { amqp_on_update_secret, IN(RUNNING) },
    [AMQP_CHANNEL_FLOW] = { amqp_on_channel_flow, IN(RUNNING) },
    [AMQP_CHANNEL_CLOSE] = { amqp_on_channel_close, IN(RUNNING) },
    [AMQP_ACCESS_REQUEST] = { amqp_on_access_request, IN(RUNNING) },
    [AMQP_EXCHANGE_DECLARE] = { amqp_on_exchange_declare, IN(RUNNING) },
    [AMQP_EXCHANGE_DELETE] = { amqp_on_exchange_delete, IN(RUNNING) },
    [AMQP_EXCHANGE_BIND] = { amqp_on_exchange_bind, IN(RUNNING) },
    [AMQP_EXCHANGE_UNBIND] = { amqp_on_exchange_unbind, IN(RUNNING) },
    [AMQP_QUEUE_DECLARE] = { amqp_on_queue_declare, IN(RUNNING) },
    [AMQP_QUEUE_BIND] = { amqp_on_queue_bind, IN(RUNNING) },
    [AMQP_QUEUE_PURGE] = { amqp_on_queue_purge, IN(RUNNING) },
    [AMQP_QUEUE_DELETE] = { amqp_on_queue_delete, IN(RUNNING) },
    [AMQP_QUEUE_UNBIND] = { amqp_on_queue_unbind, IN(RUNNING) },
    [AMQP_BASIC_QOS] = { amqp_on_qos, IN(RUNNING) },
    [AMQP_BASIC_CONSUME] = { amqp_on_consume, IN(RUNNING) },
    [AMQP_BASIC_CANCEL] = { amqp_on_cancel, IN(RUNNING) },
    [AMQP_BASIC_PUBLISH] = { amqp_on_publish, IN(RUNNING) },
    [AMQP_BASIC_GET] = { amqp_on_get, IN(RUNNING) },
    [AMQP_BASIC_ACK] = { amqp_on_ack, IN(RUNNING) },
    [AMQP_BASIC_REJECT] = { amqp_on_reject, IN(RUNNING) },
    [AMQP_BASIC_RECOVER_ASYNC] = { amqp_on_recover_async, IN(RUNNING) },
    [AMQP_BASIC_RECOVER] = { amqp_on_recover, IN(RUNNING) },
    [AMQP_BASIC_NACK] = { amqp_on_nack, IN(RUNNING) },
    [AMQP_CONFIRM_SELECT] = { amqp_on_confirm_select, IN(RUNNING) },
    [AMQP_TX_SELECT] = { amqp_on_tx_select, IN(RUNNING) },
    [AMQP_TX_COMMIT] = { amqp_on_tx_commit, IN(RUNNING) },
    [AMQP_TX_ROLLBACK] = { amqp_on_tx_rollback, IN(RUNNING) },
};

static const struct state_row {
    const char *name; /* as RabbitMQ's texts have it */
    unsigned may_follow;
} states[STATE_COUNT] = {
    [STATE_HEADER] = { "starting", 0 },
    [STATE_START] = { "starting", IN(HEADER) },
    [STATE_TUNE] = { "tuning", IN(START) },
    [STATE_OPEN] = { "opening", IN(TUNE) },
    [STATE_RUNNING] = { "running", IN(OPEN) },
    [STATE_CLOSING] = { "closing", IN(START) | IN(TUNE) | IN(OPEN) | IN(RUNNING) },
    [STATE_DEAF] = { "closed",
                     IN(HEADER) | IN(START) | IN(TUNE) | IN(OPEN) | IN(RUNNING) | IN(CLOSING) },
};

void amqp_enter(struct amqp_session *s, enum amqp_state state)
{
    ASSERT((states[state].may_follow & 1u << s->state) != 0);
    s->state = state;
}

struct amqp_session *amqp_session_of(void *arg)
{
    struct amqp_session *s = arg;

    ASSERT(s->magic == SESSION_MAGIC);
    return s;
}

/* ---- answering ---- */

void amqp_send(struct amqp_session *s, uint16_t channel, const struct amqp_method *method)
{
    struct wr counting = wr_counting(), w;

    amqp_encode_method(&counting, method);
    w = wr_of(conn_reserve(s->conn, counting.len + AMQP_FRAME_OVERHEAD),
              counting.len + AMQP_FRAME_OVERHEAD);
    amqp_put_frame_head(&w, AMQP_FRAME_METHOD, channel, counting.len);
    amqp_encode_method(&w, method);
    wr_u8(&w, AMQP_FRAME_END);
    ASSERT(!w.bad);
    conn_commit(s->conn, w.len);
    s->frames_out++;
}

void amqp_send_empty(struct amqp_session *s, uint16_t channel, enum amqp_method_name name)
{
    struct amqp_method m = { .name = name };

    amqp_send(s, channel, &m);
}

enum rc amqp_refuse(struct amqp_session *s, enum amqp_reply reply, const char *format, ...)
{
    va_list list;

    s->refusal = reply;
    text_clear(&s->refusal_text);
    text_format(&s->refusal_text, "%s - ", amqp_reply_name(reply));
    va_start(list, format);
    text_format_list(&s->refusal_text, format, list);
    va_end(list);
    return RC_PROTOCOL;
}

const char *amqp_user(const struct amqp_session *s)
{
    return s->client == NULL ? ""
                             : log_quote(client_principal(s->client)->name.at,
                                         client_principal(s->client)->name.len);
}

/* The connection ends by our will: say so, leave core, and wait for close-ok. */
static void close_connection(struct amqp_session *s, uint16_t class_id, uint16_t method_id)
{
    struct amqp_method m = { .name = AMQP_CONNECTION_CLOSE };

    count_add(COUNT_AMQP_CONNECTION_ERRORS, 1);
    m.connection_close.reply_code = (uint16_t)s->refusal;
    m.connection_close.reply_text = amqp_reply_text(&s->refusal_text);
    m.connection_close.class_id = class_id;
    m.connection_close.method_id = method_id;
    log_peer(LOG_NOTICE, "amqp.refused", "conn=%llu peer=%s why=%s",
             (unsigned long long)conn_id(s->conn), conn_peer(s->conn),
             log_quote(m.connection_close.reply_text.at, m.connection_close.reply_text.len));
    amqp_send(s, 0, &m);
    amqp_release(s);
    amqp_enter(s, STATE_CLOSING);
    timer_start(&s->timer, AMQP_CLOSING_MS);
}

static void close_channel(struct amqp_channel *channel, uint16_t class_id, uint16_t method_id)
{
    struct amqp_session *s = channel->session;
    struct amqp_method m = { .name = AMQP_CHANNEL_CLOSE };

    count_add(COUNT_AMQP_CHANNEL_ERRORS, 1);
    m.channel_close.reply_code = (uint16_t)s->refusal;
    m.channel_close.reply_text = amqp_reply_text(&s->refusal_text);
    m.channel_close.class_id = class_id;
    m.channel_close.method_id = method_id;
    log_peer(LOG_INFO, "amqp.channel-refused", "conn=%llu channel=%u why=%s",
             (unsigned long long)conn_id(s->conn), channel->number,
             log_quote(m.channel_close.reply_text.at, m.channel_close.reply_text.len));
    amqp_channel_stop(channel);
    amqp_send(s, channel->number, &m);
    channel->is_closing = true;
    s->channel_count--;
    amqp_settle_many(channel, UINT64_MAX, OUTCOME_REQUEUE, MANY_CLOSED);
}

void amqp_fail(struct amqp_session *s, struct amqp_channel *channel, enum rc rc, uint16_t class_id,
               uint16_t method_id)
{
    if (s->refusal == AMQP_REPLY_NONE) {
        const struct amqp_error *error = amqp_error_of(rc);

        (void)amqp_refuse(s, error->reply, "%s", error->text); /* its rc says no more */
    }
    if (s->state >= STATE_CLOSING)
        ; /* it was told already */
    else if (channel != NULL && !amqp_reply_is_hard(s->refusal))
        close_channel(channel, class_id, method_id);
    else
        close_connection(s, class_id, method_id);
    s->refusal = AMQP_REPLY_NONE;
}

/* After an error of framing nothing that follows can be trusted to be a frame. */
static void fail_deaf(struct amqp_session *s)
{
    amqp_fail(s, NULL, RC_MALFORMED, 0, 0);
    if (s->state != STATE_DEAF)
        amqp_enter(s, STATE_DEAF);
}

/* ---- frames ---- */

/* Words for a frame that has no place here: `type 8, all octets = <<...>>`. */
static void add_frame_words(struct text *to, const struct amqp_frame *frame)
{
    text_format(to, "type %u, all octets = ", frame->type);
    amqp_add_octets(to, frame->payload);
}

static void refuse_frame(struct amqp_session *s, enum amqp_reply reply,
                         const struct amqp_frame *frame, const char *why)
{
    (void)amqp_refuse(s, reply, "%s", ""); /* told by the caller */
    add_frame_words(&s->refusal_text, frame);
    text_format(&s->refusal_text, "%s", why);
}

static void on_frame_too_large(struct amqp_session *s, const struct amqp_frame *frame)
{
    (void)amqp_refuse(s, AMQP_REPLY_FRAME_ERROR,
                      "type %u, all octets = <<>>: {frame_too_large,%u,%u}", frame->type,
                      frame->size, s->frame_max - AMQP_FRAME_OVERHEAD);
    fail_deaf(s);
}

static void on_bad_end(struct amqp_session *s, const struct amqp_frame *frame)
{
    refuse_frame(s, AMQP_REPLY_FRAME_ERROR, frame, "");
    text_format(&s->refusal_text, ": {invalid_frame_end_marker,%u}", frame->end);
    fail_deaf(s);
}

/* A method that does not decode. */
static void on_bad_method(struct amqp_session *s, const struct amqp_frame *frame, enum rc rc)
{
    uint16_t class_id, method_id;

    amqp_method_ids(frame->payload, &class_id, &method_id);
    if (rc == RC_NOT_FOUND) {
        (void)amqp_refuse(s, AMQP_REPLY_COMMAND_INVALID, "unknown method {%u,%u}", class_id,
                          method_id);
    } else if (rc == RC_INVALID) {
        (void)amqp_refuse(s, AMQP_REPLY_FRAME_ERROR, "Malformed UTF-8 in shortstr");
        class_id = method_id = 0;
    } else if (rc == RC_LIMIT) {
        (void)amqp_refuse(s, AMQP_REPLY_FRAME_ERROR, "a table is nested too deep");
    } else {
        (void)amqp_refuse(s, AMQP_REPLY_FRAME_ERROR, "cannot decode ");
        amqp_add_octets(&s->refusal_text, slice_after(frame->payload, 4));
    }
    amqp_fail(s, NULL, rc, class_id, method_id);
}

static bool is_of_connection(enum amqp_method_name name)
{
    return amqp_method_class_id(name) == amqp_method_class_id(AMQP_CONNECTION_START);
}

static void on_connection_method(struct amqp_session *s, const struct amqp_method *m)
{
    const struct rule *rule = &rules[m->name];
    uint16_t class_id = amqp_method_class_id(m->name), method_id = amqp_method_id(m->name);
    enum rc rc;

    if (s->state == STATE_CLOSING && m->name != AMQP_CONNECTION_CLOSE &&
        m->name != AMQP_CONNECTION_CLOSE_OK)
        return; /* sent before the peer read our close */
    if (!is_of_connection(m->name) || (rule->handle != NULL && !(rule->legal_in & 1u << s->state)))
        rc = amqp_refuse(s, AMQP_REPLY_CHANNEL_ERROR, "unexpected method in connection state %s",
                         states[s->state].name);
    else if (rule->handle == NULL)
        rc = amqp_refuse(s, AMQP_REPLY_COMMAND_INVALID, "unimplemented method");
    else
        rc = rule->handle(s, NULL, m);
    if (rc != RC_OK)
        amqp_fail(s, NULL, rc, class_id, method_id);
}

/* A method on a channel that is open. */
static void on_channel_method(struct amqp_channel *channel, const struct amqp_method *m)
{
    struct amqp_session *s = channel->session;
    const struct rule *rule = &rules[m->name];
    enum rc rc;

    doing(amqp_method_text(m->name));
    if (channel->content != CONTENT_NONE) {
        rc = amqp_refuse(s, AMQP_REPLY_UNEXPECTED_FRAME,
                         channel->content == CONTENT_HEADER
                             ? "expected content header for class 60, got non content header "
                               "frame instead"
                             : "expected content body, got non content body frame instead");
        amqp_fail(s, channel, rc, amqp_method_class_id(AMQP_BASIC_PUBLISH),
                  amqp_method_id(AMQP_BASIC_PUBLISH));
        return;
    }
    if (m->name == AMQP_CHANNEL_OPEN)
        rc = amqp_refuse(s, AMQP_REPLY_CHANNEL_ERROR, "second 'channel.open' seen");
    else if (rule->handle == NULL || is_of_connection(m->name))
        rc = amqp_refuse(s, AMQP_REPLY_COMMAND_INVALID, "unimplemented method");
    else
        rc = rule->handle(s, channel, m);
    if (rc != RC_OK)
        amqp_fail(s, channel, rc, amqp_method_class_id(m->name), amqp_method_id(m->name));
}

/* A method on a channel that is not open. */
static void on_channel_opening(struct amqp_session *s, uint16_t number, const struct amqp_method *m)
{
    enum rc rc;

    if (m->name == AMQP_CHANNEL_OPEN) {
        rc = amqp_channel_open(s, number);
        if (rc != RC_OK)
            amqp_fail(s, NULL, rc, 0, 0);
        return;
    }
    rc = is_of_connection(m->name)
             ? amqp_refuse(s, AMQP_REPLY_COMMAND_INVALID, "unimplemented method")
             : amqp_refuse(s, AMQP_REPLY_CHANNEL_ERROR, "expected 'channel.open'");
    amqp_fail(s, NULL, rc, amqp_method_class_id(m->name), amqp_method_id(m->name));
}

/* We closed the channel: all but the end of that is of the past. */
static void on_closing_channel(struct amqp_channel *channel, const struct amqp_method *m)
{
    if (m->name == AMQP_CHANNEL_CLOSE_OK)
        amqp_channel_free(channel);
    else if (m->name == AMQP_CHANNEL_CLOSE) /* both closed at once */
        amqp_send_empty(channel->session, channel->number, AMQP_CHANNEL_CLOSE_OK);
}

/* basic.publish whose content is all here already. Gives the bytes of the content used. */
static size_t publish_at_once(struct amqp_channel *channel, const struct amqp_basic_publish *m,
                              struct slice behind)
{
    struct amqp_session *s = channel->session;
    struct amqp_publish publish = { .exchange = m->exchange,
                                    .routing_key = m->routing_key,
                                    .is_mandatory = m->mandatory,
                                    .is_immediate = m->immediate };
    unsigned frames;
    size_t used =
        amqp_content_whole(s, channel->number, behind, &publish.properties, &publish.body, &frames);
    enum rc rc;

    if (used == 0)
        return 0;
    s->frames_in += frames;
    rc = amqp_publish(channel, &publish);
    if (rc != RC_OK)
        amqp_fail(s, channel, rc, amqp_method_class_id(AMQP_BASIC_PUBLISH),
                  amqp_method_id(AMQP_BASIC_PUBLISH));
    return used;
}

/* A header or body frame on a channel. */
static void on_content(struct amqp_session *s, struct amqp_channel *channel,
                       const struct amqp_frame *frame)
{
    bool is_publishing;
    enum rc rc;

    if (channel == NULL) {
        rc = amqp_refuse(s, AMQP_REPLY_UNEXPECTED_FRAME,
                         "expected method frame, got non method frame instead");
        amqp_fail(s, NULL, rc, 0, 0);
        return;
    }
    if (channel->is_closing)
        return;
    is_publishing = channel->content != CONTENT_NONE;
    rc = amqp_on_content_frame(channel, frame);
    if (rc != RC_OK)
        amqp_fail(s, channel, rc, is_publishing ? amqp_method_class_id(AMQP_BASIC_PUBLISH) : 0,
                  is_publishing ? amqp_method_id(AMQP_BASIC_PUBLISH) : 0);
}

/* Gives how many bytes behind the frame were used as well. */
static size_t on_channel_frame(struct amqp_session *s, const struct amqp_frame *frame,
                               struct slice behind)
{
    struct amqp_channel *channel = amqp_channel_find(s, frame->channel);
    struct amqp_method m;
    enum rc rc;

    if (frame->type != AMQP_FRAME_METHOD) {
        on_content(s, channel, frame);
        return 0;
    }
    rc = amqp_decode_method(frame->payload, &m);
    if (rc != RC_OK)
        on_bad_method(s, frame, rc);
    else if (channel == NULL)
        on_channel_opening(s, frame->channel, &m);
    else if (channel->is_closing)
        on_closing_channel(channel, &m);
    else if (m.name == AMQP_BASIC_PUBLISH && channel->content == CONTENT_NONE) {
        size_t used = publish_at_once(channel, &m.basic_publish, behind);

        if (used > 0)
            return used;
        on_channel_method(channel, &m);
    } else {
        on_channel_method(channel, &m);
    }
    return 0;
}

static void on_connection_frame(struct amqp_session *s, const struct amqp_frame *frame)
{
    struct amqp_method m;
    enum rc rc;

    if (frame->type != AMQP_FRAME_METHOD) {
        refuse_frame(s, AMQP_REPLY_UNEXPECTED_FRAME, frame, "");
        amqp_fail(s, NULL, RC_PROTOCOL, 0, 0);
        return;
    }
    rc = amqp_decode_method(frame->payload, &m);
    if (rc == RC_OK)
        on_connection_method(s, &m);
    else if (s->state != STATE_CLOSING)
        on_bad_method(s, frame, rc);
}

static size_t on_frame(struct amqp_session *s, const struct amqp_frame *frame, struct slice behind)
{
    s->frames_in++;
    if (frame->type == AMQP_FRAME_HEARTBEAT && frame->channel == 0 && frame->size == 0)
        return 0;
    if (s->state == STATE_CLOSING && frame->channel != 0)
        return 0;
    if ((frame->type != AMQP_FRAME_METHOD && frame->type != AMQP_FRAME_HEADER &&
         frame->type != AMQP_FRAME_BODY && frame->type != AMQP_FRAME_HEARTBEAT) ||
        (frame->type == AMQP_FRAME_HEARTBEAT && frame->channel == 0)) {
        refuse_frame(s, AMQP_REPLY_FRAME_ERROR, frame, ": unknown_frame");
        fail_deaf(s);
        return 0;
    }
    if (frame->type == AMQP_FRAME_HEARTBEAT || (frame->channel != 0 && s->state != STATE_RUNNING)) {
        refuse_frame(s, AMQP_REPLY_UNEXPECTED_FRAME, frame, "");
        amqp_fail(s, NULL, RC_PROTOCOL, 0, 0);
        return 0;
    }
    if (frame->channel != 0)
        return on_channel_frame(s, frame, behind);
    on_connection_frame(s, frame);
    return 0;
}

/* ---- input ---- */

/* "AMQP" and a version: 0-9-1, or 0-9 as it was first spelled. Anything else is told what we speak
 * and let go. */
static size_t on_protocol_header(struct amqp_session *s, struct slice in)
{
    static const uint8_t ours[] = { 'A', 'M', 'Q', 'P', 0, 0, 9, 1 };
    static const uint8_t older[] = { 'A', 'M', 'Q', 'P', 1, 1, 0, 9 };
    struct slice header = slice_of(in.at, in.len < sizeof(ours) ? in.len : sizeof(ours));

    if (slice_equal(header, slice_of(ours, sizeof(ours))) ||
        slice_equal(header, slice_of(older, sizeof(older)))) {
        amqp_enter(s, STATE_START);
        amqp_send_start(s);
        return sizeof(ours);
    }
    if (slice_starts(slice_of(ours, sizeof(ours)), header) ||
        slice_starts(slice_of(older, sizeof(older)), header))
        return 0; /* so far so good */
    log_peer(LOG_NOTICE, "amqp.not-amqp", "conn=%llu peer=%s first=%s",
             (unsigned long long)conn_id(s->conn), conn_peer(s->conn),
             in.len > 0 && in.at[0] == 0x16 ? "tls" : log_quote(header.at, header.len));
    count_add(COUNT_AMQP_CONNECTION_ERRORS, 1);
    conn_write(s->conn, slice_of(ours, sizeof(ours)));
    amqp_enter(s, STATE_DEAF);
    conn_finish(s->conn, RC_PROTOCOL);
    return in.len;
}

/* A publish that must wait stays unread, and with it all behind it; what came before it counts. */
static bool must_hold(struct amqp_session *s, const struct amqp_frame *frame)
{
    uint16_t class_id, method_id;

    if (s->pressure == PRESSURE_NONE || frame->type != AMQP_FRAME_METHOD)
        return false;
    amqp_method_ids(frame->payload, &class_id, &method_id);
    if (class_id != amqp_method_class_id(AMQP_BASIC_PUBLISH) ||
        method_id != amqp_method_id(AMQP_BASIC_PUBLISH))
        return false;
    s->is_held = true;
    conn_pause(s->conn, CONN_PAUSE_STORE);
    return true;
}

static void expect(struct amqp_session *s, size_t bytes)
{
    if (bytes == s->expected)
        return;
    s->expected = bytes;
    conn_expect(s->conn, bytes);
}

/* Frames, one behind the other. */
static size_t on_frames(struct amqp_session *s, struct slice in)
{
    struct amqp_frame frame;
    size_t used = 0, need = 0;

    while (!conn_is_closing(s->conn) && !s->is_held && s->get_pending == 0) {
        struct slice rest = slice_after(in, used);
        enum rc rc;

        if (s->state == STATE_DEAF)
            return in.len;
        rc = amqp_frame_next(rest, s->frame_max, &frame, &need);
        if (rc == RC_AGAIN) {
            expect(s, rest.len == 0 ? 0 : need);
            return used;
        }
        if (rc == RC_TOO_LARGE) {
            on_frame_too_large(s, &frame);
        } else if (rc == RC_MALFORMED) {
            on_bad_end(s, &frame);
        } else if (!must_hold(s, &frame)) {
            used += AMQP_FRAME_OVERHEAD + frame.payload.len;
            used += on_frame(s, &frame, slice_after(in, used));
        }
    }
    expect(s, 0);
    return used;
}

size_t amqp_session_input(struct amqp_session *s, struct slice in)
{
    size_t used = 0;

    if (s->state == STATE_HEADER) {
        used = on_protocol_header(s, in);
        if (s->state != STATE_START)
            return used;
    }
    if (s->state == STATE_DEAF)
        return in.len;
    used += on_frames(s, slice_after(in, used));
    amqp_confirm_ask(s);
    count_add(COUNT_AMQP_FRAMES_IN, (int64_t)s->frames_in);
    count_add(COUNT_AMQP_FRAMES_OUT, (int64_t)s->frames_out);
    s->frames_in = s->frames_out = 0;
    return used;
}

/* ---- time ---- */

static void send_heartbeat(struct amqp_session *s)
{
    struct wr w = wr_of(conn_reserve(s->conn, AMQP_FRAME_OVERHEAD), AMQP_FRAME_OVERHEAD);

    amqp_put_frame_head(&w, AMQP_FRAME_HEARTBEAT, 0, 0);
    wr_u8(&w, AMQP_FRAME_END);
    conn_commit(s->conn, w.len);
    s->frames_out++;
}

/* Twice an interval: say that we live, and see whether the peer does. Three silent intervals, less
 * a quarter for the clock's grain, are too many; a peer we do not read cannot be heard. */
static void on_heartbeat_time(struct amqp_session *s)
{
    uint64_t now = loop_now_ns(conn_loop(s->conn));
    uint64_t interval = (uint64_t)s->heartbeat * 1000000000u;

    if (!s->is_held && now - conn_last_input_ns(s->conn) >= interval * 3 - interval / 4) {
        log_peer(LOG_NOTICE, "amqp.heartbeat-missed", "conn=%llu peer=%s heartbeat_s=%u",
                 (unsigned long long)conn_id(s->conn), conn_peer(s->conn), s->heartbeat);
        conn_close(s->conn, RC_TIMEOUT);
        return;
    }
    if (now - conn_last_output_ns(s->conn) >= interval / 2 - interval / 8)
        send_heartbeat(s);
    timer_start(&s->timer, (uint64_t)s->heartbeat * 500);
}

static void on_time(void *arg)
{
    struct amqp_session *s = amqp_session_of(arg);

    if (s->state == STATE_RUNNING) {
        on_heartbeat_time(s);
        return;
    }
    if (s->state < STATE_RUNNING)
        log_peer(LOG_NOTICE, "amqp.handshake-timeout", "conn=%llu peer=%s",
                 (unsigned long long)conn_id(s->conn), conn_peer(s->conn));
    conn_close(s->conn, RC_TIMEOUT);
}

/* ---- what core says ---- */

static void on_pressure(void *arg, enum pressure pressure)
{
    struct amqp_session *s = amqp_session_of(arg);

    s->pressure = pressure;
    if (pressure == PRESSURE_STALLED && s->can_take_blocked && !s->is_blocked &&
        s->state == STATE_RUNNING) {
        struct amqp_method m = { .name = AMQP_CONNECTION_BLOCKED };

        m.connection_blocked.reason = core_stall(s->core) == RC_FULL     ? SLICE("low on disk")
                                      : core_stall(s->core) == RC_MEMORY ? SLICE("low on memory")
                                                                         : SLICE("the store fails");
        amqp_send(s, 0, &m);
        s->is_blocked = true;
    }
    if (pressure != PRESSURE_NONE)
        return;
    if (s->is_blocked && s->state == STATE_RUNNING)
        amqp_send_empty(s, 0, AMQP_CONNECTION_UNBLOCKED);
    s->is_blocked = false;
    if (s->is_held) {
        s->is_held = false;
        conn_resume(s->conn, CONN_PAUSE_STORE);
    }
}

/* RabbitMQ's words for a user that is deleted. */
static void on_revoked(void *session)
{
    struct amqp_session *s = session;
    enum rc rc = amqp_refuse(s, AMQP_REPLY_CONNECTION_FORCED, "user '%.*s' is deleted",
                             SLICE_FMT(client_principal(s->client)->name));

    amqp_fail(s, NULL, rc, 0, 0);
}

/* RabbitMQ's words for a node that is to be emptied. */
static bool on_drain(void *session)
{
    struct amqp_session *s = session;
    enum rc rc;

    if (s->state != STATE_RUNNING)
        return false; /* its connection.open will be refused */
    rc = amqp_refuse(s, AMQP_REPLY_CONNECTION_FORCED, AMQP_DRAIN_TEXT);
    amqp_fail(s, NULL, rc, 0, 0);
    return true;
}

static const char *origin(void *session)
{
    const struct amqp_session *s = session;

    return conn_origin(s->conn);
}

static const struct client_ops ops = {
    .protocol = "amqp",
    .origin = origin,
    .on_durable = amqp_on_durable,
    .on_durable_end = amqp_on_durable_end,
    .on_queue_delivery = amqp_on_queue_delivery,
    .on_consumer_cancelled = amqp_on_consumer_cancelled,
    .on_pressure = on_pressure,
    .on_login = amqp_on_login,
    .on_revoked = on_revoked,
    .on_drain = on_drain,
};

/* ---- life ---- */

struct amqp_session *amqp_session_new(struct core *core, struct conn *conn)
{
    struct amqp_session *s = mem_new(struct amqp_session);

    s->magic = SESSION_MAGIC;
    s->core = core;
    s->conn = conn;
    s->frame_max = AMQP_FRAME_MAX_INITIAL;
    s->client = client_open(core, &ops, s, conn_is_loopback(conn));
    client_enter(s->client, conn_listener_name(conn), conn_certificate_name(conn));
    map_init(&s->channels);
    list_init(&s->await);
    list_init(&s->durable);
    ring_init(&s->awaits, sizeof(struct amqp_await));
    amqp_view_init(&s->view);
    timer_init(&s->timer, conn_loop(conn), on_time, s);
    timer_start(&s->timer, AMQP_HANDSHAKE_MS);
    return s;
}

/* Its connection ends: what was outstanding core gives back with all that the client held. */
static void drop_channel(struct amqp_channel *channel)
{
    if (!channel->is_closing)
        amqp_channel_stop(channel);
    unacked_forget(&channel->unacked);
    amqp_tx_forget(&channel->tx);
    while (!list_is_empty(&channel->ended))
        amqp_consumer_free(LIST_FIRST(&channel->ended, struct amqp_consumer, blocked_link));
    amqp_channel_free(channel);
}

void amqp_release(struct amqp_session *s)
{
    struct map_node *node;

    if (s->client == NULL)
        return;
    amqp_settle_stop(s);
    while ((node = map_any(&s->channels)) != NULL)
        drop_channel(CONTAINER_OF(node, struct amqp_channel, node));
    client_close(&s->client);
    if (s->is_held) { /* what waits behind is for nobody now */
        s->is_held = false;
        conn_resume(s->conn, CONN_PAUSE_STORE);
    }
    if (s->get_pending > 0) {
        s->get_pending = 0;
        conn_resume(s->conn, CONN_PAUSE_BUSY);
    }
}

void amqp_session_free(struct amqp_session **session)
{
    struct amqp_session *s = *session;

    *session = NULL;
    if (s == NULL)
        return;
    amqp_release(s);
    timer_done(&s->timer);
    map_done(&s->channels);
    ring_done(&s->awaits);
    amqp_view_done(&s->view);
    text_done(&s->scratch);
    text_done(&s->name);
    text_done(&s->refusal_text);
    text_done(&s->late);
    count_add(COUNT_AMQP_FRAMES_OUT, (int64_t)s->frames_out);
    s->magic = 0;
    mem_free(s);
}

void amqp_session_drained(struct amqp_session *s)
{
    MAP_EACH (node, &s->channels)
        amqp_channel_wake(CONTAINER_OF(node, struct amqp_channel, node));
}

void amqp_session_shutdown(struct amqp_session *s)
{
    if (s->state > STATE_HEADER && s->state < STATE_CLOSING) {
        (void)amqp_refuse(s, AMQP_REPLY_CONNECTION_FORCED,
                          "broker forced connection closure with reason 'shutdown'");
        amqp_fail(s, NULL, RC_CLOSED, 0, 0);
    }
    conn_finish(s->conn, RC_CLOSED);
}
