/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on their way out: one reservation for method, header and a small body; large bodies go
 * by reference, split at frame_max. */
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/message.h"
#include "broker/core/queue.h"
#include "protocols/amqp/amqp_int.h"

static void put_body_frame(struct wr *w, uint16_t channel, struct slice part)
{
    amqp_put_frame_head(w, AMQP_FRAME_BODY, channel, part.len);
    wr_bytes(w, part);
    wr_u8(w, AMQP_FRAME_END);
}

static void on_sent(void *arg, struct block *block)
{
    struct message *message = arg;

    (void)block; /* base frees it */
    message_unref(&message);
}

/* A block that keeps the body until it is sent: the log's own, or one around the message. NULL:
 * there is none, and the body is copied. */
static struct block *body_block(const struct amqp_content *content)
{
    struct block *block;

    if (content->message == NULL)
        return NULL;
    if (content->message->block != NULL)
        return block_ref(content->message->block);
    block = block_around(content->body, on_sent, content->message);
    if (block != NULL)
        (void)message_ref(content->message); /* on_sent() drops it */
    return block;
}

/* One body frame whose payload is sent by reference when it lies in a block. */
static void send_body_frame(struct amqp_session *s, uint16_t channel, struct block *block,
                            struct slice part)
{
    struct wr w = wr_of(conn_reserve(s->conn, AMQP_FRAME_HEAD), AMQP_FRAME_HEAD);
    static const uint8_t end = AMQP_FRAME_END;

    amqp_put_frame_head(&w, AMQP_FRAME_BODY, channel, part.len);
    conn_commit(s->conn, w.len);
    if (block != NULL)
        conn_write_block(s->conn, block, part);
    else
        conn_write(s->conn, part);
    conn_write(s->conn, slice_of(&end, 1));
}

/* The body in frames of its own, behind what was sent of it. */
static void send_body(struct amqp_session *s, uint16_t channel, const struct amqp_content *content)
{
    struct slice body = content->body;
    size_t most = s->frame_max - AMQP_FRAME_OVERHEAD;
    struct block *block = body.len >= AMQP_COPY_LEAST_BYTES ? body_block(content) : NULL;

    for (size_t at = 0; at < body.len; s->frames_out++) {
        struct slice part = slice_of(body.at + at, body.len - at < most ? body.len - at : most);

        send_body_frame(s, channel, block, part);
        at += part.len;
    }
    block_unref(&block);
}

/* Method and header apart: properties of tens of kilobytes do not fit in a reservation. */
static void send_large_header(struct amqp_session *s, uint16_t channel,
                              const struct amqp_method *method, const struct amqp_content *content)
{
    struct wr w;

    amqp_send(s, channel, method);
    text_clear(&s->scratch);
    if (!text_reserve(&s->scratch,
                      AMQP_FRAME_OVERHEAD + AMQP_HEADER_FIXED + content->properties.len)) {
        conn_close(s->conn, RC_MEMORY);
        return;
    }
    w = wr_of(s->scratch.at, s->scratch.room);
    amqp_encode_header_frame(&w, channel, content->body.len, content->properties);
    ASSERT(!w.bad);
    conn_write(s->conn, wr_slice(&w));
    s->frames_out++;
}

void amqp_send_content(struct amqp_session *s, uint16_t channel, const struct amqp_method *method,
                       const struct amqp_content *content)
{
    struct slice body = content->body;
    struct wr counting = wr_counting(), w;
    size_t head, in_line = 0;

    amqp_encode_method(&counting, method);
    head = counting.len + AMQP_FRAME_OVERHEAD + AMQP_FRAME_OVERHEAD + AMQP_HEADER_FIXED +
           content->properties.len;
    if (head + AMQP_FRAME_OVERHEAD + AMQP_COPY_LEAST_BYTES > CONN_RESERVE_MAX) {
        send_large_header(s, channel, method, content);
        send_body(s, channel, content);
        return;
    }
    if (body.len > 0 && body.len < AMQP_COPY_LEAST_BYTES &&
        body.len <= s->frame_max - AMQP_FRAME_OVERHEAD)
        in_line = body.len + AMQP_FRAME_OVERHEAD;
    w = wr_of(conn_reserve(s->conn, head + in_line), head + in_line);
    amqp_put_frame_head(&w, AMQP_FRAME_METHOD, channel, counting.len);
    amqp_encode_method(&w, method);
    wr_u8(&w, AMQP_FRAME_END);
    amqp_encode_header_frame(&w, channel, body.len, content->properties);
    if (in_line > 0)
        put_body_frame(&w, channel, body);
    ASSERT(!w.bad);
    conn_commit(s->conn, w.len);
    s->frames_out += in_line > 0 ? 3 : 2;
    if (in_line == 0)
        send_body(s, channel, content);
}

/* ---- consumers ---- */

bool amqp_consumer_has_credit(const struct amqp_consumer *consumer)
{
    const struct amqp_channel *channel = consumer->channel;

    if (consumer->is_no_ack)
        return true;
    return (consumer->prefetch == 0 || consumer->unacked < consumer->prefetch) &&
           (channel->channel_prefetch == 0 || channel->counted < channel->channel_prefetch) &&
           channel->unacked.live < AMQP_UNACKED_MAX && !channel->is_settling;
}

void amqp_consumer_block(struct amqp_consumer *consumer)
{
    if (!link_is_linked(&consumer->blocked_link))
        list_append(&consumer->channel->blocked, &consumer->blocked_link);
}

/* In the order in which they were blocked, so that a shared limit goes round. */
void amqp_channel_wake(struct amqp_channel *channel)
{
    if (list_is_empty(&channel->blocked) || conn_is_full(channel->session->conn))
        return;
    LIST_EACH_SAFE (k, &channel->blocked) {
        struct amqp_consumer *consumer = CONTAINER_OF(k, struct amqp_consumer, blocked_link);

        if (!amqp_consumer_has_credit(consumer))
            continue;
        link_remove(k);
        consumer_ready(consumer->consumer);
    }
}

void amqp_consumer_free(struct amqp_consumer *consumer)
{
    link_remove_if(&consumer->blocked_link);
    mem_free(consumer);
}

static void free_if_unused(struct amqp_consumer *consumer)
{
    if (consumer->channel == NULL && consumer->unacked == 0)
        amqp_consumer_free(consumer);
}

void amqp_consumer_settled(struct amqp_consumer *consumer)
{
    ASSERT(consumer->unacked > 0);
    consumer->unacked--;
    free_if_unused(consumer);
}

void amqp_consumer_end(struct amqp_consumer *consumer)
{
    struct amqp_channel *channel = consumer->channel;

    map_remove(&channel->consumers, &consumer->node);
    link_remove_if(&consumer->blocked_link);
    if (channel->reply_consumer == consumer) {
        channel->reply_consumer = NULL;
        channel->outline.is_whole = false; /* it may name the queue that goes */
    }
    if (consumer->consumer != NULL)
        consumer_cancel(&consumer->consumer);
    consumer->channel = NULL;
    list_append(&channel->ended, &consumer->blocked_link);
    free_if_unused(consumer);
}

void amqp_settle(struct amqp_session *s, uint64_t queue_number, uint64_t handle,
                 enum outcome outcome)
{
    enum rc rc = queue_settle(s->client, queue_number, handle, outcome);

    if (rc != RC_OK && rc != RC_NOT_FOUND) /* its queue may have been deleted: then it is too */
        log_peer(LOG_ERROR, "amqp.unsettled", "conn=%llu rc=%s",
                 (unsigned long long)conn_id(s->conn), rc_word(rc));
}

/* ---- what core calls ---- */

enum rc amqp_on_queue_delivery(void *arg, struct consumer *core_consumer,
                               const struct delivery *delivery)
{
    struct amqp_session *s = arg;
    struct amqp_consumer *consumer = consumer_context(core_consumer);
    struct amqp_channel *channel = consumer->channel;
    struct amqp_method m = { .name = AMQP_BASIC_DELIVER };
    struct amqp_content content;
    enum rc rc;

    if (!amqp_consumer_has_credit(consumer) || conn_is_full(s->conn)) {
        amqp_consumer_block(consumer);
        return RC_AGAIN;
    }
    rc = amqp_view_of(&s->view, s->core, delivery->message,
                      s->frame_max - AMQP_FRAME_OVERHEAD - AMQP_HEADER_FIXED);
    if (rc == RC_OK && consumer->is_quorum)
        rc = amqp_view_add_count(&s->view, delivery->delivery_count);
    if (rc == RC_OK && delivery->handle != 0 && !consumer->is_no_ack) {
        struct unacked entry = { .tag = channel->delivered + 1,
                                 .queue_number = consumer->queue_number,
                                 .handle = delivery->handle,
                                 .consumer = consumer };

        rc = unacked_add(&channel->unacked, &entry);
        if (rc == RC_OK) {
            consumer->unacked++;
            channel->counted++;
        }
    }
    if (rc != RC_OK) { /* without memory this peer gets nothing more */
        conn_close(s->conn, rc);
        amqp_consumer_block(consumer);
        return RC_AGAIN;
    }
    m.basic_deliver.consumer_tag = slice_of(consumer->tag, consumer->tag_len);
    m.basic_deliver.delivery_tag = ++channel->delivered;
    m.basic_deliver.redelivered = delivery->is_redelivered;
    m.basic_deliver.exchange = s->view.exchange;
    m.basic_deliver.routing_key = s->view.routing_key;
    content = amqp_content_of(s, delivery->message);
    amqp_send_content(s, channel->number, &m, &content);
    return RC_OK;
}

/* One that this connection caused follows the answer to what caused it: libraries that wait for
 * queue.delete-ok do not look for a basic.cancel before it. */
static void send_cancel(struct amqp_session *s, uint16_t channel, const struct amqp_method *m)
{
    struct wr counting = wr_counting(), w;

    if (!s->is_late_cancel) {
        amqp_send(s, channel, m);
        return;
    }
    amqp_encode_method_frame(&counting, channel, m);
    if (!text_reserve(&s->late, counting.len))
        return; /* late.bad: the connection is ended below */
    w = wr_of(s->late.at + s->late.len, counting.len);
    amqp_encode_method_frame(&w, channel, m);
    s->late.len += w.len;
}

void amqp_send_late(struct amqp_session *s)
{
    s->is_late_cancel = false;
    if (s->late.bad)
        conn_close(s->conn, RC_MEMORY);
    else if (s->late.len > 0)
        conn_write(s->conn, text_slice(&s->late));
    text_clear(&s->late);
}

/* The queue is gone: a client that can be told is told. */
void amqp_on_consumer_cancelled(void *arg, struct consumer *core_consumer, enum rc why)
{
    struct amqp_session *s = arg;
    struct amqp_consumer *consumer = consumer_context(core_consumer);
    struct amqp_method m = { .name = AMQP_BASIC_CANCEL };

    (void)why; /* AMQP has no word for it */
    m.basic_cancel.consumer_tag = slice_of(consumer->tag, consumer->tag_len);
    m.basic_cancel.nowait = true;
    if (s->can_take_cancel)
        send_cancel(s, consumer->channel->number, &m);
    consumer->consumer = NULL; /* core's dies after this call */
    amqp_consumer_end(consumer);
}
