/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection is told: methods, and why its channels or itself are closed. */
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "protocols/amqp/amqp_int.h"

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
