/* SPDX-License-Identifier: Apache-2.0 */
/* The tx class. Publishes and settlements wait in the channel until tx.commit, which does them in
 * one turn: publishes first, then settlements, in the order they came. What one turn hands to the
 * store is one commit as long as it fits in one, so the transaction is on disk whole or not at all
 * up to that size; tx.commit-ok says that it is.
 *
 * A kept publish: exchange length u8 | key length u8 | mandatory u8 | properties length u32 |
 *                 body length u32 | exchange | key | properties | body */
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "protocols/amqp/amqp_int.h"

void amqp_tx_init(struct amqp_tx *tx)
{
    *tx = (struct amqp_tx){ 0 };
}

void amqp_tx_done(struct amqp_tx *tx)
{
    ASSERT(tx->settle_count == 0);
    text_done(&tx->publishes);
    MEM_FREE(tx->settles);
    amqp_tx_init(tx);
}

enum rc amqp_tx_publish(struct amqp_tx *tx, const struct amqp_publish *p)
{
    size_t bytes = p->exchange.len + p->routing_key.len + p->properties.len + p->body.len;

    if (bytes > AMQP_TX_MAX_BYTES - tx->publishes.len)
        return RC_LIMIT;
    text_add_byte(&tx->publishes, (uint8_t)p->exchange.len);
    text_add_byte(&tx->publishes, (uint8_t)p->routing_key.len);
    text_add_byte(&tx->publishes, p->is_mandatory ? 1 : 0);
    text_add_u32(&tx->publishes, (uint32_t)p->properties.len);
    text_add_u32(&tx->publishes, (uint32_t)p->body.len);
    text_add(&tx->publishes, p->exchange);
    text_add(&tx->publishes, p->routing_key);
    text_add(&tx->publishes, p->properties);
    text_add(&tx->publishes, p->body);
    return tx->publishes.bad ? RC_MEMORY : RC_OK;
}

bool amqp_tx_next(struct rd *rd, struct amqp_publish *ret)
{
    size_t exchange, key, properties, body;

    if (rd->left == 0)
        return false;
    *ret = (struct amqp_publish){ .is_mandatory = false };
    exchange = rd_u8(rd);
    key = rd_u8(rd);
    ret->is_mandatory = rd_u8(rd) != 0;
    properties = rd_u32(rd);
    body = rd_u32(rd);
    ret->exchange = rd_bytes(rd, exchange);
    ret->routing_key = rd_bytes(rd, key);
    ret->properties = rd_bytes(rd, properties);
    ret->body = rd_bytes(rd, body);
    ASSERT(!rd->bad); /* we wrote it */
    return true;
}

enum rc amqp_tx_settle(struct amqp_tx *tx, struct unacked_table *table, struct unacked *one,
                       enum outcome outcome)
{
    if (tx->settle_count == tx->settle_room) {
        size_t room = tx->settle_room == 0 ? 64 : tx->settle_room * 2;
        struct amqp_tx_settle *at = mem_try_resize(tx->settles, room * sizeof(*at));

        if (at == NULL)
            return RC_MEMORY;
        tx->settles = at;
        tx->settle_room = room;
    }
    tx->settles[tx->settle_count++] = (struct amqp_tx_settle){ *one, outcome };
    unacked_remove(table, one);
    return RC_OK;
}

static void settle_kept(struct amqp_channel *channel, const struct amqp_tx_settle *kept,
                        enum outcome outcome)
{
    amqp_settle(channel->session, kept->entry.queue_number, kept->entry.handle, outcome);
    if (kept->entry.consumer != NULL) {
        channel->counted--;
        amqp_consumer_settled(kept->entry.consumer);
    }
}

/* In one turn, whatever their number: it is one commit. */
static void settle_all(struct amqp_channel *channel)
{
    struct amqp_tx *tx = &channel->tx;

    for (size_t i = 0; i < tx->settle_count; i++)
        settle_kept(channel, &tx->settles[i], tx->settles[i].outcome);
    tx->settle_count = 0;
}

bool amqp_tx_requeue(struct amqp_channel *channel, unsigned *left)
{
    struct amqp_tx *tx = &channel->tx;

    text_clear(&tx->publishes);
    for (; tx->settle_first < tx->settle_count; tx->settle_first++) {
        if (*left == 0)
            return false;
        --*left;
        settle_kept(channel, &tx->settles[tx->settle_first], OUTCOME_REQUEUE);
    }
    amqp_tx_forget(tx);
    return true;
}

void amqp_tx_forget(struct amqp_tx *tx)
{
    tx->settle_first = tx->settle_count = 0;
}

/* ---- methods ---- */

enum rc amqp_on_tx_select(struct amqp_session *s, struct amqp_channel *channel,
                          const struct amqp_method *m)
{
    (void)m; /* it has no fields */
    if (channel->mode == MODE_CONFIRM)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "cannot switch from confirm to tx mode");
    channel->mode = MODE_TX;
    amqp_send_empty(s, channel->number, AMQP_TX_SELECT_OK);
    return RC_OK;
}

static enum rc check_mode(struct amqp_channel *channel)
{
    if (channel->mode == MODE_TX)
        return RC_OK;
    return amqp_refuse(channel->session, AMQP_REPLY_PRECONDITION_FAILED,
                       "channel is not transactional");
}

/* Before anything is done: the exchanges are still there, and each publish is allowed. */
static enum rc check_publishes(struct amqp_channel *channel)
{
    struct rd rd = rd_of(text_slice(&channel->tx.publishes));
    struct amqp_publish p;
    enum rc rc = RC_OK;

    while (rc == RC_OK && amqp_tx_next(&rd, &p))
        rc = amqp_publish_check(channel, &p);
    return rc;
}

enum rc amqp_on_tx_commit(struct amqp_session *s, struct amqp_channel *channel,
                          const struct amqp_method *m)
{
    struct rd rd = rd_of(text_slice(&channel->tx.publishes));
    struct amqp_publish p;
    enum rc rc = check_mode(channel);

    (void)s; /* the channel knows it */
    (void)m; /* it has no fields */
    if (rc == RC_OK)
        rc = check_publishes(channel);
    while (rc == RC_OK && amqp_tx_next(&rd, &p) && !PLANTED("transaction-cut"))
        rc = amqp_publish_now(channel, &p);
    if (rc != RC_OK)
        return rc;
    settle_all(channel);
    text_clear(&channel->tx.publishes);
    amqp_channel_wake(channel);
    amqp_await(channel, 0, true);
    return RC_OK;
}

/* Publishes are forgotten; deliveries are outstanding again. */
enum rc amqp_on_tx_rollback(struct amqp_session *s, struct amqp_channel *channel,
                            const struct amqp_method *m)
{
    struct amqp_tx *tx = &channel->tx;
    enum rc rc = check_mode(channel);

    (void)m; /* it has no fields */
    if (rc == RC_OK)
        rc = unacked_reserve(&channel->unacked, tx->settle_count);
    if (rc != RC_OK)
        return rc;
    for (size_t i = 0; i < tx->settle_count; i++)
        unacked_restore(&channel->unacked, &tx->settles[i].entry);
    unacked_sort(&channel->unacked);
    tx->settle_count = 0;
    if (!PLANTED("rollback-kept"))
        text_clear(&tx->publishes);
    amqp_send_empty(s, channel->number, AMQP_TX_ROLLBACK_OK);
    return RC_OK;
}
