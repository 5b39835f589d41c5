/* SPDX-License-Identifier: Apache-2.0 */
/* Publisher confirms. Tags count from 1 in a channel; core is asked once for a whole read, answers
 * in the order asked, and what it answered in one go is told in one cumulative ack a channel. */
#include "broker/base/mem.h"
#include "protocols/amqp/amqp_int.h"

void amqp_confirm_await(struct amqp_channel *channel)
{
    channel->wanted = channel->published;
    if (!link_is_linked(&channel->await_link))
        list_append(&channel->session->await, &channel->await_link);
}

/* Told at once, so that no later cumulative ack can cover it before it is known as refused. Those
 * before it that still wait are told by that ack. */
void amqp_confirm_nack(struct amqp_channel *channel, uint64_t tag)
{
    struct amqp_method m = { .name = AMQP_BASIC_NACK };

    m.basic_nack.delivery_tag = tag;
    amqp_send(channel->session, channel->number, &m);
    if (channel->confirmed + 1 == tag) /* nothing before it waits */
        channel->confirmed = channel->durable = tag;
}

void amqp_await(struct amqp_channel *channel, uint64_t tag, bool is_commit)
{
    struct amqp_session *s = channel->session;
    struct amqp_await *await = ring_push(&s->awaits);

    *await = (struct amqp_await){
        .serial = channel->serial, .tag = tag, .channel = channel->number, .is_commit = is_commit
    };
    client_await(s->client, s->awaits_popped + s->awaits.count - 1);
}

void amqp_hold(struct amqp_session *s)
{
    struct amqp_await *await = ring_push(&s->awaits);

    *await = (struct amqp_await){ .is_change = true };
    s->changes++;
    conn_hold(s->conn);
    client_await(s->client, s->awaits_popped + s->awaits.count - 1);
}

void amqp_confirm_ask(struct amqp_session *s)
{
    while (!list_is_empty(&s->await)) {
        struct amqp_channel *channel = LIST_FIRST(&s->await, struct amqp_channel, await_link);

        link_remove(&channel->await_link);
        amqp_await(channel, channel->wanted, false);
    }
}

/* All up to `tag` that was not told yet failed. */
static void nack_up_to(struct amqp_channel *channel, uint64_t tag)
{
    struct amqp_method m = { .name = AMQP_BASIC_NACK };

    m.basic_nack.delivery_tag = tag;
    m.basic_nack.multiple = tag - channel->confirmed > 1;
    amqp_send(channel->session, channel->number, &m);
    channel->confirmed = tag;
}

static void ack_up_to(struct amqp_channel *channel, uint64_t tag)
{
    struct amqp_method m = { .name = AMQP_BASIC_ACK };

    if (tag <= channel->confirmed)
        return;
    m.basic_ack.delivery_tag = tag;
    m.basic_ack.multiple = tag - channel->confirmed > 1;
    amqp_send(channel->session, channel->number, &m);
    channel->confirmed = tag;
}

void amqp_on_durable(void *arg, uint64_t token, enum rc rc)
{
    struct amqp_session *s = arg;
    const struct amqp_await *front = ring_front(&s->awaits);
    struct amqp_await await;
    struct amqp_channel *channel;

    ASSERT(front != NULL && token == s->awaits_popped);
    await = *front;
    ring_pop(&s->awaits, 1);
    s->awaits_popped++;
    if (await.is_change) {
        if (--s->changes == 0)
            conn_release(s->conn);
        return;
    }
    channel = amqp_channel_find_serial(s, await.channel, await.serial);
    if (channel != NULL && await.is_commit) {
        if (rc == RC_OK)
            amqp_send_empty(s, channel->number, AMQP_TX_COMMIT_OK);
        else /* nobody can say what of it is on disk: the client must not take it for done */
            conn_close(s->conn, rc);
        return;
    }
    if (channel == NULL || channel->mode != MODE_CONFIRM || await.tag <= channel->confirmed)
        return;
    if (rc != RC_OK) {
        ack_up_to(channel, channel->durable);
        nack_up_to(channel, await.tag);
        return;
    }
    channel->durable = await.tag;
    if (!link_is_linked(&channel->durable_link))
        list_append(&s->durable, &channel->durable_link);
}

void amqp_on_durable_end(void *arg)
{
    struct amqp_session *s = arg;

    while (!list_is_empty(&s->durable)) {
        struct amqp_channel *channel = LIST_FIRST(&s->durable, struct amqp_channel, durable_link);

        link_remove(&channel->durable_link);
        ack_up_to(channel, channel->durable);
    }
}

enum rc amqp_on_confirm_select(struct amqp_session *s, struct amqp_channel *channel,
                               const struct amqp_method *m)
{
    if (channel->mode == MODE_TX)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "cannot switch from tx to confirm mode");
    channel->mode = MODE_CONFIRM;
    if (!m->confirm_select.nowait)
        amqp_send_empty(s, channel->number, AMQP_CONFIRM_SELECT_OK);
    return RC_OK;
}
