/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/mem.h"
#include "broker/core/queue.h"
#include "protocols/amqp/amqp_int.h"

struct amqp_channel *amqp_channel_find(struct amqp_session *s, uint16_t number)
{
    uint8_t key[2] = { (uint8_t)(number >> 8), (uint8_t)number };
    struct map_node *node;

    if (s->last != NULL && s->last->number == number)
        return s->last;
    node = map_get(&s->channels, slice_of(key, sizeof(key)));
    if (node == NULL)
        return NULL;
    s->last = CONTAINER_OF(node, struct amqp_channel, node);
    return s->last;
}

struct amqp_channel *amqp_channel_find_serial(struct amqp_session *s, uint16_t number,
                                              uint64_t serial)
{
    struct amqp_channel *channel = amqp_channel_find(s, number);

    return channel == NULL || channel->serial != serial || channel->is_closing ? NULL : channel;
}

enum rc amqp_channel_open(struct amqp_session *s, uint16_t number)
{
    struct amqp_method ok = { .name = AMQP_CHANNEL_OPEN_OK };
    struct amqp_channel *channel;

    if (s->channel_count >= s->channel_max)
        return amqp_refuse(s, AMQP_REPLY_NOT_ALLOWED,
                           "number of channels opened (%u) has reached the negotiated channel_max "
                           "(%u)",
                           s->channel_count, s->channel_max);
    channel = mem_new(struct amqp_channel);
    channel->session = s;
    channel->number = number;
    channel->number_key[0] = (uint8_t)(number >> 8);
    channel->number_key[1] = (uint8_t)number;
    channel->serial = ++s->next_serial;
    map_init(&channel->consumers);
    list_init(&channel->blocked);
    list_init(&channel->ended);
    unacked_init(&channel->unacked);
    amqp_outline_init(&channel->outline);
    amqp_tx_init(&channel->tx);
    map_add(&s->channels, slice_of(channel->number_key, 2), &channel->node);
    s->channel_count++;
    amqp_send(s, number, &ok);
    return RC_OK;
}

void amqp_content_drop(struct amqp_channel *channel)
{
    ASSERT(channel->session->partial_bytes >= channel->body.len);
    channel->session->partial_bytes -= channel->body.len;
    text_done(&channel->body);
    channel->content = CONTENT_NONE;
}

void amqp_channel_stop(struct amqp_channel *channel)
{
    struct map_node *node;

    while ((node = map_any(&channel->consumers)) != NULL)
        amqp_consumer_end(CONTAINER_OF(node, struct amqp_consumer, node));
    amqp_content_drop(channel);
    link_remove_if(&channel->await_link);
    link_remove_if(&channel->durable_link);
    channel->mode = MODE_PLAIN;
}

void amqp_channel_free(struct amqp_channel *channel)
{
    struct amqp_session *s = channel->session;

    ASSERT(channel->consumers.count == 0 && list_is_empty(&channel->blocked));
    ASSERT(list_is_empty(&channel->ended));
    if (s->last == channel)
        s->last = NULL;
    if (!channel->is_closing)
        s->channel_count--;
    map_remove(&s->channels, &channel->node);
    map_done(&channel->consumers);
    amqp_let_go(s->core, &channel->unacked);
    amqp_outline_done(&channel->outline);
    amqp_tx_done(&channel->tx);
    text_done(&channel->last_queue);
    text_done(&channel->reply_queue);
    text_done(&channel->held);
    text_done(&channel->body);
    mem_free(channel);
}

/* ---- methods ---- */

enum rc amqp_on_channel_close(struct amqp_session *s, struct amqp_channel *channel,
                              const struct amqp_method *m)
{
    (void)s; /* the channel knows it */
    (void)m; /* why the client closes is its own business */
    amqp_channel_stop(channel);
    amqp_settle_many(channel, UINT64_MAX, OUTCOME_REQUEUE, MANY_CLOSE_OK);
    return RC_OK;
}

enum rc amqp_on_channel_flow(struct amqp_session *s, struct amqp_channel *channel,
                             const struct amqp_method *m)
{
    struct amqp_method ok = { .name = AMQP_CHANNEL_FLOW_OK };

    if (!m->channel_flow.active)
        return amqp_refuse(s, AMQP_REPLY_NOT_IMPLEMENTED, "active=false");
    ok.channel_flow_ok.active = true;
    amqp_send(s, channel->number, &ok);
    return RC_OK;
}

/* Of protocol versions long gone; clients of those still ask for a ticket. */
enum rc amqp_on_access_request(struct amqp_session *s, struct amqp_channel *channel,
                               const struct amqp_method *m)
{
    struct amqp_method ok = { .name = AMQP_ACCESS_REQUEST_OK };

    (void)m; /* the ticket is the same for all */
    ok.access_request_ok.ticket = 1;
    amqp_send(s, channel->number, &ok);
    return RC_OK;
}
