/* SPDX-License-Identifier: Apache-2.0 */
/* What a channel delivered and the client has not settled yet, by delivery tag. Core thread only.
 */
#ifndef TERCET_PROTOCOLS_AMQP_AMQP_UNACKED_H
#define TERCET_PROTOCOLS_AMQP_AMQP_UNACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/base/rc.h"

struct amqp_consumer;

struct unacked {
    uint64_t tag; /* 0: settled, only its place is left */
    uint64_t queue_number;
    uint64_t handle;
    struct amqp_consumer *consumer; /* counted in its `unacked`; NULL: taken by basic.get */
};

/* In the order of tags. Settled ones leave holes; holes at the front are dropped at once, and all
 * of them when they are three quarters, so memory and search follow what is outstanding. */
struct unacked_table {
    struct unacked *at; /* owned */
    size_t first;       /* the oldest outstanding one, when live > 0 */
    size_t end;         /* behind the newest */
    size_t room;
    size_t live;
};

void unacked_init(struct unacked_table *table);
void unacked_done(struct unacked_table *table);
/* What is outstanding is settled by others: it is empty then, and keeps its room. */
void unacked_forget(struct unacked_table *table);
/* Gives back some of what an empty one holds; true: that was all. The system takes the pages of a
 * large one one by one: 0.1 us each. */
bool unacked_shrink(struct unacked_table *table);
/* Whether it holds more than that gives back at once. */
bool unacked_is_large(const struct unacked_table *table);
/* Tags must rise. RC_MEMORY: nothing was added. */
MUST_CHECK enum rc unacked_add(struct unacked_table *table, const struct unacked *entry);
/* Room for `count` more. RC_MEMORY. */
MUST_CHECK enum rc unacked_reserve(struct unacked_table *table, size_t count);
/* Puts one back that was taken out, at the end, where there is room; unacked_sort() then. */
void unacked_restore(struct unacked_table *table, const struct unacked *entry);
void unacked_sort(struct unacked_table *table);
/* The outstanding one with this tag, or NULL. */
struct unacked *unacked_find(const struct unacked_table *table, uint64_t tag);
/* The oldest, or NULL. */
struct unacked *unacked_oldest(const struct unacked_table *table);
/* The newest, or NULL. */
struct unacked *unacked_newest(const struct unacked_table *table);
/* Takes it out; the pointers given before are void. */
void unacked_remove(struct unacked_table *table, struct unacked *entry);

#endif
