/* SPDX-License-Identifier: Apache-2.0 */
/* Settling very many deliveries by one method (a channel that ends, basic.recover, an
 * acknowledgement of many) in parts. Meanwhile nothing of the connection is read, and consumers of
 * the channel are given nothing, so that all else finds what it would have found had it been done
 * at once. */
#include "broker/base/mem.h"
#include "broker/core/queue.h"
#include "protocols/amqp/amqp_int.h"

static struct amqp_many *many_of(struct settling *settling)
{
    return CONTAINER_OF(settling, struct amqp_many, settling);
}

static bool is_of_end(const struct amqp_many *many)
{
    return many->then == MANY_CLOSED || many->then == MANY_CLOSE_OK;
}

static bool settle_part(struct settling *settling, unsigned *left)
{
    struct amqp_many *many = many_of(settling);
    struct amqp_channel *channel = many->channel;
    struct unacked *one;

    if (is_of_end(many) && !amqp_tx_requeue(channel, left))
        return false;
    while ((one = unacked_oldest(&channel->unacked)) != NULL && one->tag <= many->last) {
        if (*left == 0)
            return false;
        --*left;
        amqp_settle_now(channel, one, many->outcome);
    }
    return true;
}

static void finish(struct amqp_channel *channel, enum amqp_many_then then)
{
    struct amqp_session *s = channel->session;
    uint16_t number = channel->number;

    channel->is_settling = false;
    switch (then) {
    case MANY_SETTLED:
        amqp_channel_wake(channel);
        break;
    case MANY_RECOVER_OK:
        amqp_channel_wake(channel);
        amqp_send_empty(s, number, AMQP_BASIC_RECOVER_OK);
        break;
    case MANY_CLOSE_OK:
        amqp_channel_free(channel);
        amqp_send_empty(s, number, AMQP_CHANNEL_CLOSE_OK);
        break;
    case MANY_CLOSED: /* the peer was told, and its close-ok is wanted */
        break;
    }
}

static void on_done(struct settling *settling)
{
    struct amqp_many *many = many_of(settling);
    struct amqp_session *s = many->channel->session;

    ASSERT(s->many == many);
    s->many = NULL;
    finish(many->channel, many->then);
    mem_free(many);
    if (--s->get_pending == 0)
        conn_resume(s->conn, CONN_PAUSE_BUSY);
}

void amqp_settle_many(struct amqp_channel *channel, uint64_t last, enum outcome outcome,
                      enum amqp_many_then then)
{
    struct amqp_session *s = channel->session;
    struct amqp_many many = { .settling = { .part = settle_part, .on_done = on_done },
                              .channel = channel,
                              .last = last,
                              .outcome = outcome,
                              .then = then };

    ASSERT(s->many == NULL);
    if (settling_now(s->core, &many.settling)) {
        finish(channel, then);
        return;
    }
    s->many = mem_new(struct amqp_many);
    *s->many = many;
    channel->is_settling = true;
    s->get_pending++;
    conn_pause(s->conn, CONN_PAUSE_BUSY);
    settling_later(s->core, &s->many->settling);
}

/* ---- the memory of a table ---- */

/* What giving some of it back counts, of what a turn may settle. */
#define SHRINK_COUNTS 2048u

/* Nobody's: it is its own. */
struct large_table {
    struct settling settling;
    struct unacked_table table;
};

static bool shrink_part(struct settling *settling, unsigned *left)
{
    struct large_table *large = CONTAINER_OF(settling, struct large_table, settling);

    while (*left > 0) {
        *left -= *left < SHRINK_COUNTS ? *left : SHRINK_COUNTS;
        if (unacked_shrink(&large->table))
            return true;
    }
    return false;
}

static void on_shrunk(struct settling *settling)
{
    mem_free(CONTAINER_OF(settling, struct large_table, settling));
}

void amqp_let_go(struct core *core, struct unacked_table *table)
{
    struct large_table *large;

    ASSERT(table->live == 0);
    if (!unacked_is_large(table)) {
        unacked_done(table);
        return;
    }
    large = mem_new(struct large_table);
    large->settling = (struct settling){ .part = shrink_part, .on_done = on_shrunk };
    large->table = *table;
    unacked_init(table);
    settling_later(core, &large->settling);
}

void amqp_settle_stop(struct amqp_session *s)
{
    if (s->many == NULL)
        return;
    settling_stop(&s->many->settling);
    MEM_FREE(s->many); /* get_pending is taken back with all else that the session waits for */
}
