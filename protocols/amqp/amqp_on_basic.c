/* SPDX-License-Identifier: Apache-2.0 */
/* Consuming: qos, consume, cancel, get, and how deliveries are settled. */
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "broker/core/queue.h"
#include "protocols/amqp/amqp_int.h"
#include "protocols/amqp/amqp_table.h"

enum rc amqp_on_qos(struct amqp_session *s, struct amqp_channel *channel,
                    const struct amqp_method *m)
{
    const struct amqp_basic_qos *q = &m->basic_qos;

    if (q->prefetch_size != 0)
        return amqp_refuse(s, AMQP_REPLY_NOT_IMPLEMENTED, "prefetch_size!=0 (%u)",
                           q->prefetch_size);
    if (q->global)
        channel->channel_prefetch = q->prefetch_count; /* at once, for all of the channel */
    else
        channel->prefetch = q->prefetch_count; /* for consumers that begin from now on */
    amqp_send_empty(s, channel->number, AMQP_BASIC_QOS_OK);
    amqp_channel_wake(channel);
    return RC_OK;
}

/* ---- consume ---- */

static enum rc read_priority(struct amqp_session *s, struct slice queue, struct slice arguments,
                             int32_t *ret)
{
    struct amqp_value v;

    *ret = 0;
    if (!amqp_table_find(arguments, SLICE("x-priority"), &v))
        return RC_OK;
    if (!amqp_value_is_integer(&v))
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "invalid arg 'x-priority' for queue '%.*s' in vhost '%s': \"expected "
                           "integer, got %s\"",
                           SLICE_FMT(queue), AMQP_VHOST, amqp_type_word(v.type));
    *ret = v.integer > INT32_MAX   ? INT32_MAX
           : v.integer < INT32_MIN ? INT32_MIN
                                   : (int32_t)v.integer;
    return RC_OK;
}

/* Arguments that would change what the consumer gets, and that are not done. */
static enum rc check_arguments(struct amqp_session *s, struct slice arguments)
{
    static const char *const absent[] = { "x-stream-offset", "x-stream-filter",
                                          "x-stream-match-unfiltered", "x-consumer-timeout" };
    struct amqp_value v;

    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        if (amqp_table_find(arguments, slice_str(absent[i]), &v))
            return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                               "consumer arg '%s' is not implemented yet", absent[i]);
    }
    return RC_OK;
}

/* The tag given, or a made one, in *consumer. */
static enum rc set_tag(struct amqp_channel *channel, struct slice tag,
                       struct amqp_consumer *consumer)
{
    struct amqp_session *s = channel->session;

    if (tag.len == 0) {
        text_clear(&s->scratch);
        amqp_random_name("amq.ctag-", &s->scratch);
        tag = text_slice(&s->scratch);
    } else if (map_get(&channel->consumers, tag) != NULL) {
        return amqp_refuse(s, AMQP_REPLY_NOT_ALLOWED, "attempt to reuse consumer tag '%.*s'",
                           SLICE_FMT(tag));
    }
    if (channel->consumers.count >= AMQP_CONSUMERS_MAX)
        return amqp_refuse(s, AMQP_REPLY_RESOURCE_ERROR, "too many consumers on this channel");
    ASSERT(tag.len <= sizeof(consumer->tag));
    memcpy(consumer->tag, tag.at, tag.len);
    consumer->tag_len = (uint8_t)tag.len;
    return RC_OK;
}

static enum rc start(struct amqp_channel *channel, struct amqp_consumer *consumer,
                     struct queue *queue, const struct amqp_basic_consume *c)
{
    struct amqp_session *s = channel->session;
    struct slice name = queue_spec(queue)->name;
    struct consumer_spec spec = { .is_no_ack = c->no_ack,
                                  .is_exclusive = c->exclusive,
                                  .context = consumer };
    enum rc rc = read_priority(s, name, c->arguments, &spec.priority);

    if (rc == RC_OK)
        rc = check_arguments(s, c->arguments);
    if (rc != RC_OK)
        return rc;
    consumer->queue_number = queue_number(queue);
    consumer->is_quorum = amqp_queue_is_quorum(queue_spec(queue)->arguments);
    if (consumer->is_quorum && channel->channel_prefetch != 0)
        return amqp_refuse(s, AMQP_REPLY_NOT_IMPLEMENTED,
                           "queue '%.*s' in vhost '%s' does not support global qos",
                           SLICE_FMT(name), AMQP_VHOST);
    rc = queue_consume(s->client, queue, &spec, &consumer->consumer);
    if (rc == RC_IN_USE)
        return amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                           "queue '%.*s' in vhost '%s' in exclusive use", SLICE_FMT(name),
                           AMQP_VHOST);
    if (rc == RC_LOCKED)
        return amqp_refuse_locked(s, name);
    if (rc == RC_REFUSED)
        return amqp_refuse_access(s, "read", "queue", name);
    return rc;
}

/* Direct reply-to: a queue of this channel's own, which the reply_to of its publishes names. */
static enum rc reply_queue(struct amqp_channel *channel, const struct amqp_basic_consume *c,
                           struct queue **ret)
{
    struct amqp_session *s = channel->session;
    struct queue_spec spec = { .is_exclusive = true,
                               .is_auto_delete = true,
                               .is_server_named = true };

    if (!c->no_ack)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "reply consumer cannot acknowledge");
    if (channel->reply_consumer != NULL)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "reply consumer already set");
    text_clear(&channel->reply_queue);
    amqp_random_name(AMQP_REPLY_TO ".", &channel->reply_queue);
    spec.name = text_slice(&channel->reply_queue);
    return queue_declare(s->client, &spec, ret);
}

enum rc amqp_on_consume(struct amqp_session *s, struct amqp_channel *channel,
                        const struct amqp_method *m)
{
    const struct amqp_basic_consume *c = &m->basic_consume;
    bool is_reply = slice_equal_str(c->queue, AMQP_REPLY_TO);
    struct amqp_method ok = { .name = AMQP_BASIC_CONSUME_OK };
    struct amqp_consumer *consumer = mem_new(struct amqp_consumer);
    struct queue *queue = NULL;
    enum rc rc;

    consumer->channel = channel;
    consumer->is_no_ack = c->no_ack;
    consumer->prefetch = channel->prefetch;
    rc = set_tag(channel, c->consumer_tag, consumer);
    if (rc == RC_OK)
        rc = is_reply ? reply_queue(channel, c, &queue)
                      : amqp_queue_named(s, channel, c->queue, &queue);
    if (rc == RC_OK)
        rc = start(channel, consumer, queue, c);
    if (rc != RC_OK) {
        mem_free(consumer);
        return rc;
    }
    map_add(&channel->consumers, slice_of(consumer->tag, consumer->tag_len), &consumer->node);
    if (is_reply) {
        channel->reply_consumer = consumer;
        channel->outline.is_whole = false;
    }
    ok.basic_consume_ok.consumer_tag = slice_of(consumer->tag, consumer->tag_len);
    if (!c->nowait)
        amqp_send(s, channel->number, &ok);
    return RC_OK;
}

enum rc amqp_on_cancel(struct amqp_session *s, struct amqp_channel *channel,
                       const struct amqp_method *m)
{
    struct amqp_method ok = { .name = AMQP_BASIC_CANCEL_OK };
    struct map_node *node = map_get(&channel->consumers, m->basic_cancel.consumer_tag);

    ok.basic_cancel_ok.consumer_tag = m->basic_cancel.consumer_tag;
    if (node != NULL)
        amqp_consumer_end(CONTAINER_OF(node, struct amqp_consumer, node));
    if (!m->basic_cancel.nowait)
        amqp_send(s, channel->number, &ok);
    return RC_OK;
}

/* ---- get ---- */

/* The channel of a get and whether it wants to acknowledge, packed into core's token. */
#define GET_NO_ACK       1u
#define GET_NUMBER_SHIFT 1
#define GET_SERIAL_SHIFT 17

static enum rc deliver_got(struct amqp_channel *channel, struct queue *queue, bool is_no_ack,
                           const struct delivery *delivery)
{
    struct amqp_session *s = channel->session;
    struct amqp_method m = { .name = AMQP_BASIC_GET_OK };
    uint64_t left = queue_ready_count(queue);
    struct amqp_content content;
    enum rc rc;

    rc = amqp_view_of(&s->view, s->core, delivery->message,
                      s->frame_max - AMQP_FRAME_OVERHEAD - AMQP_HEADER_FIXED);
    if (rc == RC_OK && amqp_queue_is_quorum(queue_spec(queue)->arguments))
        rc = amqp_view_add_count(&s->view, delivery->delivery_count);
    if (rc == RC_OK && !is_no_ack && delivery->handle != 0) {
        struct unacked entry = { .tag = channel->delivered + 1,
                                 .queue_number = queue_number(queue),
                                 .handle = delivery->handle };

        rc = unacked_add(&channel->unacked, &entry);
    }
    if (rc != RC_OK)
        return rc;
    m.basic_get_ok.delivery_tag = ++channel->delivered;
    m.basic_get_ok.redelivered = delivery->is_redelivered;
    m.basic_get_ok.exchange = s->view.exchange;
    m.basic_get_ok.routing_key = s->view.routing_key;
    m.basic_get_ok.message_count = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
    content = amqp_content_of(s, delivery->message);
    amqp_send_content(s, channel->number, &m, &content);
    return RC_OK;
}

static void on_got(void *arg, uint64_t token, enum rc rc, struct queue *queue,
                   const struct delivery *delivery)
{
    struct amqp_session *s = arg;
    struct amqp_channel *channel = amqp_channel_find_serial(
        s, (uint16_t)(token >> GET_NUMBER_SHIFT), token >> GET_SERIAL_SHIFT);

    if (--s->get_pending == 0)
        conn_resume(s->conn, CONN_PAUSE_BUSY);
    if (channel == NULL) { /* its channel ended meanwhile */
        if (rc == RC_OK && delivery->handle != 0)
            amqp_settle(s, queue_number(queue), delivery->handle, OUTCOME_REQUEUE);
        return;
    }
    if (rc == RC_OK)
        rc = deliver_got(channel, queue, (token & GET_NO_ACK) != 0, delivery);
    if (rc == RC_MEMORY)
        conn_close(s->conn, rc);
    else if (rc != RC_OK) {
        struct amqp_method empty = { .name = AMQP_BASIC_GET_EMPTY };

        amqp_send(s, channel->number, &empty);
    }
}

/* The answer may come later, from the disk: until then nothing more of this connection is read, so
 * that answers keep their order. */
enum rc amqp_on_get(struct amqp_session *s, struct amqp_channel *channel,
                    const struct amqp_method *m)
{
    const struct amqp_basic_get *g = &m->basic_get;
    struct queue *queue;
    enum rc rc = amqp_queue_named(s, channel, g->queue, &queue);

    if (rc != RC_OK)
        return rc;
    if (channel->unacked.live >= AMQP_UNACKED_MAX)
        return amqp_refuse(s, AMQP_REPLY_RESOURCE_ERROR, "too many unacknowledged messages");
    s->get_pending++;
    rc =
        queue_get(s->client, queue, g->no_ack, on_got,
                  channel->serial << GET_SERIAL_SHIFT |
                      (uint64_t)channel->number << GET_NUMBER_SHIFT | (g->no_ack ? GET_NO_ACK : 0));
    if (rc == RC_OK) {
        if (s->get_pending > 0)
            conn_pause(s->conn, CONN_PAUSE_BUSY);
        return RC_OK;
    }
    s->get_pending--;
    if (rc == RC_REFUSED)
        return amqp_refuse_access(s, "read", "queue", queue_spec(queue)->name);
    return rc;
}

/* ---- settling ---- */

static enum rc refuse_tag(struct amqp_session *s, uint64_t tag)
{
    return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "unknown delivery tag %llu",
                       (unsigned long long)tag);
}

void amqp_settle_now(struct amqp_channel *channel, struct unacked *one, enum outcome outcome)
{
    amqp_settle(channel->session, one->queue_number, one->handle, outcome);
    if (one->consumer != NULL) {
        channel->counted--;
        amqp_consumer_settled(one->consumer);
    }
    unacked_remove(&channel->unacked, one);
}

/* At tx.commit. */
static enum rc keep_up_to(struct amqp_channel *channel, uint64_t last, enum outcome outcome)
{
    struct unacked *one;
    enum rc rc = RC_OK;

    while (rc == RC_OK && (one = unacked_oldest(&channel->unacked)) != NULL && one->tag <= last)
        rc = amqp_tx_settle(&channel->tx, &channel->unacked, one, outcome);
    if (rc == RC_OK)
        amqp_channel_wake(channel);
    return rc;
}

/* Up to and with `tag`; 0 means all. */
static enum rc settle_up_to(struct amqp_channel *channel, uint64_t tag, enum outcome outcome)
{
    const struct unacked *one =
        tag == 0 ? unacked_newest(&channel->unacked) : unacked_find(&channel->unacked, tag);

    if (one == NULL)
        return tag == 0 ? RC_OK : refuse_tag(channel->session, tag);
    if (channel->mode == MODE_TX)
        return keep_up_to(channel, one->tag, outcome);
    amqp_settle_many(channel, one->tag, outcome, MANY_SETTLED);
    return RC_OK;
}

static enum rc settle(struct amqp_channel *channel, uint64_t tag, bool is_multiple,
                      enum outcome outcome)
{
    struct unacked *one;
    enum rc rc = RC_OK;

    if (is_multiple)
        return settle_up_to(channel, tag, outcome);
    one = unacked_find(&channel->unacked, tag);
    if (one == NULL)
        return refuse_tag(channel->session, tag);
    if (channel->mode == MODE_TX)
        rc = amqp_tx_settle(&channel->tx, &channel->unacked, one, outcome);
    else
        amqp_settle_now(channel, one, outcome);
    if (rc == RC_OK)
        amqp_channel_wake(channel);
    return rc;
}

enum rc amqp_on_ack(struct amqp_session *s, struct amqp_channel *channel,
                    const struct amqp_method *m)
{
    (void)s; /* the channel knows it */
    return settle(channel, m->basic_ack.delivery_tag, m->basic_ack.multiple, OUTCOME_ACCEPT);
}

enum rc amqp_on_nack(struct amqp_session *s, struct amqp_channel *channel,
                     const struct amqp_method *m)
{
    (void)s;
    return settle(channel, m->basic_nack.delivery_tag, m->basic_nack.multiple,
                  m->basic_nack.requeue ? OUTCOME_REQUEUE : OUTCOME_REJECT);
}

enum rc amqp_on_reject(struct amqp_session *s, struct amqp_channel *channel,
                       const struct amqp_method *m)
{
    (void)s;
    return settle(channel, m->basic_reject.delivery_tag, false,
                  m->basic_reject.requeue ? OUTCOME_REQUEUE : OUTCOME_REJECT);
}

/* Also in a transaction: it settles nothing. */
static enum rc recover(struct amqp_channel *channel, bool is_requeue, enum amqp_many_then then)
{
    if (!is_requeue)
        return amqp_refuse(channel->session, AMQP_REPLY_NOT_IMPLEMENTED, "requeue=false");
    amqp_settle_many(channel, UINT64_MAX, OUTCOME_REQUEUE, then);
    return RC_OK;
}

enum rc amqp_on_recover(struct amqp_session *s, struct amqp_channel *channel,
                        const struct amqp_method *m)
{
    (void)s; /* the channel knows it */
    return recover(channel, m->basic_recover.requeue, MANY_RECOVER_OK);
}

enum rc amqp_on_recover_async(struct amqp_session *s, struct amqp_channel *channel,
                              const struct amqp_method *m)
{
    (void)s; /* nothing is answered */
    return recover(channel, m->basic_recover_async.requeue, MANY_SETTLED);
}
