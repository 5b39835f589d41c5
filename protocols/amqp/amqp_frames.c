/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, and to which handler each goes. */
#include "broker/base/doing.h"
#include "protocols/amqp/amqp_int.h"

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

/* After an error of framing nothing that follows can be trusted to be a frame. */
static void fail_deaf(struct amqp_session *s)
{
    amqp_fail(s, NULL, RC_MALFORMED, 0, 0);
    if (s->state != STATE_DEAF)
        amqp_enter(s, STATE_DEAF);
}

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
                         amqp_state_name(s));
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

size_t amqp_on_frames(struct amqp_session *s, struct slice in)
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
