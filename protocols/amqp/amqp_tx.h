/* SPDX-License-Identifier: Apache-2.0 */
/* What a channel in transaction mode has put off until tx.commit. Core thread only. */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_TX_H
#define TERCET_PROTOCOLS_AMQP_AMQP_TX_H

#include "broker/base/text.h"
#include "broker/core/queue.h"
#include "protocols/amqp/amqp_unacked.h"

struct amqp_channel;
struct amqp_publish;

/* Bytes of publishes that one transaction may hold: they are in memory until it ends. */
#define AMQP_TX_MAX_BYTES ((size_t)64 << 20)

struct amqp_tx_settle {
    struct unacked entry;
    enum outcome outcome;
};

struct amqp_tx {
    struct text publishes;          /* owned: one behind the other, in the order they came */
    struct amqp_tx_settle *settles; /* owned array, likewise */
    size_t settle_first;            /* those before it went back, while the channel ends */
    size_t settle_count;
    size_t settle_room;
};

void amqp_tx_init(struct amqp_tx *tx);
void amqp_tx_done(struct amqp_tx *tx);
/* Keeps a publish that was found good. RC_LIMIT: the transaction is full. RC_MEMORY. */
MUST_CHECK enum rc amqp_tx_publish(struct amqp_tx *tx, const struct amqp_publish *publish);
/* Takes one outstanding delivery out of the channel's table and keeps what is to become of it.
 * RC_MEMORY: nothing was changed. */
MUST_CHECK enum rc amqp_tx_settle(struct amqp_tx *tx, struct unacked_table *table,
                                  struct unacked *one, enum outcome outcome);
/* The next publish kept; `rd` starts over the publishes. False at the end. */
bool amqp_tx_next(struct rd *rd, struct amqp_publish *ret);
/* What is kept goes back to its queue (its channel ends), at most *left, which is counted down.
 * False: there is more. */
bool amqp_tx_requeue(struct amqp_channel *channel, unsigned *left);
/* Deliveries that are kept are settled by others: they are forgotten. */
void amqp_tx_forget(struct amqp_tx *tx);

#endif
