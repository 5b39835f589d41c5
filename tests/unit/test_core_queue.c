/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/core/queue_int.h"
#include "broker/core/stream_int.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

static struct rig rig;
static struct rig_client *a, *b;

static void setup_on(bool is_durable)
{
    rig_open(&rig, is_durable);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void setup(void)
{
    setup_on(false);
}

static void setup_durable(void)
{
    setup_on(true);
}

static void teardown(void)
{
    rig_client_close(a);
    rig_client_close(b);
    rig_close(&rig);
    MEM_FREE(a);
    MEM_FREE(b);
}

static void restart_by(void (*reopen)(struct rig *rig))
{
    rig_client_close(a);
    rig_client_close(b);
    reopen(&rig);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void restart(void)
{
    restart_by(rig_reopen);
}

static struct consumer *consume(struct rig_client *c, struct queue *queue, bool is_no_ack)
{
    struct consumer_spec spec = { .is_no_ack = is_no_ack };
    struct consumer *consumer = NULL;

    ck_assert_int_eq(queue_consume(c->client, queue, &spec, &consumer), RC_OK);
    return consumer;
}

static void publish_many(const char *queue, unsigned from, unsigned to)
{
    char value[16];

    for (unsigned i = from; i < to; i++) {
        (void)snprintf(value, sizeof(value), "m%u", i);
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", queue, value), RC_OK);
    }
}

static void settle_seen(struct rig_client *c, unsigned i, enum outcome outcome)
{
    ck_assert_int_eq(queue_settle(c->client, c->seen[i].queue, c->seen[i].handle, outcome), RC_OK);
}

START_TEST(messages_are_delivered_in_order_once)
{
    struct queue *q = rig_queue(&rig, a, "q", true);

    consume(b, q, false);
    publish_many("q", 0, 3);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 3);
    ck_assert_str_eq(b->seen[0].value, "m0");
    ck_assert_str_eq(b->seen[2].value, "m2");
    ck_assert_uint_eq(queue_taken_count(q), 3);
    ck_assert_uint_eq(queue_ready_count(q), 0);
    for (unsigned i = 0; i < 3; i++)
        settle_seen(b, i, OUTCOME_ACCEPT);
    ck_assert_uint_eq(queue_taken_count(q), 0);
    ck_assert_int_eq(queue_settle(b->client, b->seen[0].queue, b->seen[0].handle, OUTCOME_ACCEPT),
                     RC_NOT_FOUND);
}
END_TEST

START_TEST(what_waited_in_the_log_is_read_back_for_a_consumer)
{
    struct queue *q = rig_queue(&rig, a, "q", true);

    publish_many("q", 0, 3000); /* more than a window */
    rig_settle(&rig);
    ck_assert_uint_eq(queue_ready_count(q), 3000);
    consume(b, q, true);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 3000);
    ck_assert_str_eq(b->seen[2999].value, "m2999");
    ck_assert_uint_eq(queue_ready_count(q), 0);
}
END_TEST

START_TEST(requeued_message_returns_to_its_place_redelivered)
{
    struct queue *q = rig_queue(&rig, a, "q", true);

    b->credit = 3;
    struct consumer *consumer = consume(b, q, false);
    publish_many("q", 0, 5);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 3);
    settle_seen(b, 1, OUTCOME_REQUEUE);
    b->credit = 2;
    consumer_ready(consumer);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 5);
    ck_assert_str_eq(b->seen[3].value, "m1");
    ck_assert(b->seen[3].is_redelivered);
    ck_assert_str_eq(b->seen[4].value, "m3");
    ck_assert(!b->seen[4].is_redelivered);
}
END_TEST

START_TEST(closing_a_client_returns_what_it_had_taken)
{
    struct queue *q = rig_queue(&rig, a, "q", true);

    consume(b, q, false);
    publish_many("q", 0, 4);
    rig_settle(&rig);
    settle_seen(b, 2, OUTCOME_ACCEPT);
    rig_client_close(b);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
    ck_assert_uint_eq(queue_ready_count(q), 3);
    consume(b, q, false);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 3);
    ck_assert_str_eq(b->seen[0].value, "m0");
    ck_assert_str_eq(b->seen[1].value, "m1");
    ck_assert_str_eq(b->seen[2].value, "m3");
    ck_assert(b->seen[0].is_redelivered);
}
END_TEST

START_TEST(competing_consumers_share_and_each_message_goes_to_one)
{
    struct queue *q = rig_queue(&rig, a, "q", true);

    consume(a, q, true);
    consume(b, q, true);
    publish_many("q", 0, 100);
    rig_settle(&rig);
    ck_assert_uint_eq(a->count + b->count, 100);
    ck_assert_uint_eq(a->count, 50);
}
END_TEST

/* Nobody waits for more than that; who was not served comes first in the next turn. */
START_TEST(what_all_queues_give_in_a_turn_is_bounded)
{
    struct rig_client *clients[5];
    unsigned given = 0;
    char name[] = "q0";

    for (unsigned i = 0; i < COUNT_OF(clients); i++) {
        clients[i] = mem_new(struct rig_client);
        rig_client_open(&rig, clients[i], RIG_SEEN_MAX);
        name[1] = (char)('0' + i);
        rig_queue(&rig, a, name, true);
        publish_many(name, 0, 2000);
        core_turn_end(rig.core);
    }
    for (unsigned i = 0; i < COUNT_OF(clients); i++) {
        name[1] = (char)('0' + i);
        consume(clients[i], queue_find(rig.core, slice_str(name)), true);
    }
    core_turn_end(rig.core);
    for (unsigned i = 0; i < COUNT_OF(clients); i++)
        given += clients[i]->count;
    ck_assert_uint_eq(given, 8192);
    core_turn_end(rig.core);
    for (unsigned i = 0; i < COUNT_OF(clients); i++) {
        ck_assert_uint_eq(clients[i]->count, 2000);
        rig_client_close(clients[i]);
        mem_free(clients[i]);
    }
}
END_TEST

START_TEST(get_gives_one_or_says_empty)
{
    struct queue *q = rig_queue(&rig, a, "q", true);

    rig_get(b, q, false);
    rig_settle(&rig);
    ck_assert_int_eq(b->got, RC_NOT_FOUND);
    publish_many("q", 0, 2);
    rig_settle(&rig);
    rig_get(b, q, false);
    rig_settle(&rig);
    ck_assert_int_eq(b->got, RC_OK);
    ck_assert_str_eq(b->seen[0].value, "m0");
    ck_assert_uint_eq(queue_ready_count(q), 1);
}
END_TEST

START_TEST(purge_leaves_what_is_taken)
{
    struct queue *q = rig_queue(&rig, a, "q", true);
    uint64_t purged = 0;

    publish_many("q", 0, 10);
    rig_settle(&rig);
    rig_get(b, q, false);
    rig_settle(&rig);
    ck_assert_int_eq(queue_purge(a->client, q, &purged), RC_OK);
    ck_assert_uint_eq(purged, 9);
    ck_assert_uint_eq(queue_ready_count(q), 0);
    settle_seen(b, 0, OUTCOME_REQUEUE);
    ck_assert_uint_eq(queue_ready_count(q), 1);
    publish_many("q", 10, 11);
    consume(b, q, true);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 3);
    ck_assert_str_eq(b->seen[1].value, "m0");
    ck_assert_str_eq(b->seen[2].value, "m10");
}
END_TEST

static struct queue *the_queue(void)
{
    struct queue *q = queue_find(rig.core, SLICE("q"));

    ck_assert_ptr_nonnull(q);
    return q;
}

/* Two purges with something taken before each, over many chunks and in the midst of one. */
START_TEST(what_was_purged_behind_what_is_taken_stays_away)
{
    struct queue *q = rig_queue(&rig, a, "q", true);
    uint64_t purged = 0;

    publish_many("q", 0, 3000);
    rig_settle(&rig);
    rig_get(b, q, false);
    rig_settle(&rig);
    ck_assert_int_eq(queue_purge(a->client, q, &purged), RC_OK);
    ck_assert_uint_eq(purged, 2999);
    ck_assert_uint_eq(queue_ready_count(q), 0);
    ck_assert_int_eq(queue_purge(a->client, q, &purged), RC_OK);
    ck_assert_uint_eq(purged, 0);
    publish_many("q", 3000, 4000);
    ck_assert_uint_eq(queue_ready_count(q), 1000);
    rig_get(b, q, false);
    rig_settle(&rig);
    ck_assert_int_eq(queue_purge(a->client, q, &purged), RC_OK);
    ck_assert_uint_eq(purged, 999);
    publish_many("q", 4000, 4002);
    rig_settle(&rig);
    if (_i == 1)
        restart();
    else if (_i == 2)
        restart_by(rig_reopen_after_crash);
    else
        settle_seen(b, 0, OUTCOME_REQUEUE);
    q = the_queue();
    ck_assert_uint_eq(queue_ready_count(q), _i == 0 ? 3 : 4);
    b->count = 0;
    consume(b, q, true);
    rig_settle_until(&rig, &b->count, _i == 0 ? 3 : 4);
    ck_assert_str_eq(b->seen[0].value, "m0");
    ck_assert_str_eq(b->seen[1].value, _i == 0 ? "m4000" : "m3000");
    ck_assert_str_eq(b->seen[b->count - 1].value, "m4001");
    if (_i == 0)
        return;
    rig_settle(&rig);
    restart();
    ck_assert_uint_eq(queue_ready_count(the_queue()), 0);
    publish_many("q", 4002, 4003);
    consume(b, the_queue(), true);
    rig_settle_until(&rig, &b->count, 1);
    ck_assert_str_eq(b->seen[0].value, "m4002");
}
END_TEST

#define MANY 140000u

/* The first is taken by `b`, all the others are settled by it. */
static struct queue *settle_all_but_the_first(void)
{
    struct queue *q = rig_queue(&rig, a, "q", true);
    struct consumer *consumer;

    publish_many("q", 0, 1);
    rig_settle(&rig);
    rig_get(b, q, false);
    rig_settle(&rig);
    consumer = consume(b, q, true);
    for (unsigned i = 1; i < MANY; i += 4000) {
        b->count = 1;
        b->credit = RIG_SEEN_MAX;
        publish_many("q", i, i + 4000 < MANY ? i + 4000 : MANY);
        rig_settle(&rig);
    }
    consumer_cancel(&consumer);
    ck_assert_uint_eq(queue_ready_count(q), 0);
    return q;
}

static struct partition *log_of_q(void)
{
    return stream_partition(stream_find(rig.core, SLICE("q")), 0);
}

/* The head passes some of what is settled behind it in each turn. */
START_TEST(much_that_is_settled_is_passed_in_parts_while_others_go_on)
{
    struct queue *q = settle_all_but_the_first();
    uint64_t purged;
    unsigned turns = 0;

    b->count = 1;
    settle_seen(b, 0, _i == 0 ? OUTCOME_ACCEPT : OUTCOME_REQUEUE);
    if (_i == 1) {
        ck_assert_int_eq(queue_purge(a->client, q, &purged), RC_OK);
        ck_assert_uint_eq(purged, 1);
    }
    if (_i == 0)
        ck_assert_uint_lt(queue_floor(q, log_of_q()), MANY);
    publish_many("q", MANY, MANY + 2);
    rig_get(b, q, false); /* in its midst */
    rig_settle_until(&rig, &b->count, 2);
    ck_assert_str_eq(b->seen[1].value, "m140000");
    while (queue_floor(q, log_of_q()) < MANY && turns++ < 100)
        rig_settle(&rig);
    ck_assert_uint_eq(queue_floor(q, log_of_q()), MANY);
    ck_assert_int_eq(queue_purge(a->client, q, &purged), RC_OK);
    ck_assert_uint_eq(purged, 1);
    settle_seen(b, 1, OUTCOME_ACCEPT);
    rig_settle(&rig);
    restart();
    ck_assert_uint_eq(queue_ready_count(the_queue()), 0);
}
END_TEST

/* More than one turn gives back, in the order it was in, and others go on meanwhile. */
START_TEST(what_a_client_held_comes_back_in_parts_and_in_order)
{
    struct queue *q = rig_queue(&rig, a, "q", true);
    uint64_t purged = 0, ready = 0;
    struct consumer *consumer;
    unsigned count = 0;

    consume(b, q, false);
    for (unsigned i = 0; i < 20000; i += 4000) {
        b->count = 0;
        b->credit = RIG_SEEN_MAX;
        publish_many("q", i, i + 4000);
        rig_settle_until(&rig, &b->count, 4000);
    }
    ck_assert_uint_eq(queue_taken_count(q), 20000);
    rig_client_close(b);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
    ck_assert_uint_gt(queue_taken_count(q), 10000);
    ck_assert_uint_eq(queue_ready_count(q) + queue_taken_count(q), 20000);
    if (_i == 1) { /* what is not back yet stays, as it did while it was held */
        ck_assert_int_eq(queue_purge(a->client, q, &purged), RC_OK);
        ck_assert_uint_gt(purged, 0);
    } else if (_i == 2) {
        ck_assert_int_eq(queue_delete(a->client, q, false, false, &ready), RC_OK);
        rig_settle(&rig);
        return;
    } else if (_i == 3) {
        return; /* the broker ends */
    }
    consumer = consume(b, q, true);
    for (unsigned seen = 0; count < 20000 - purged; count += seen) {
        rig_settle_until(&rig, &b->count, 1);
        seen = b->count;
        for (unsigned i = 0; i < seen; i++) {
            char value[16];

            (void)snprintf(value, sizeof(value), "m%u", (unsigned)purged + count + i);
            ck_assert_str_eq(b->seen[i].value, value);
            ck_assert(b->seen[i].is_redelivered);
        }
        b->count = 0;
        b->credit = RIG_SEEN_MAX;
        consumer_ready(consumer);
    }
    rig_settle(&rig);
    ck_assert_uint_eq(queue_taken_count(q), 0);
    ck_assert_uint_eq(queue_ready_count(q), 0);
}
END_TEST

START_TEST(a_queue_that_is_deleted_while_it_is_swept_can_be_made_again)
{
    struct queue *q = settle_all_but_the_first();
    uint64_t ready = 0;

    ck_assert_int_eq(queue_delete(a->client, q, false, false, &ready), RC_OK);
    q = rig_queue(&rig, a, "q", true);
    publish_many("q", 0, 2);
    rig_settle(&rig);
    if (_i == 1)
        restart();
    q = the_queue();
    ck_assert_uint_eq(queue_ready_count(q), 2);
    b->count = 0;
    consume(b, q, true);
    rig_settle_until(&rig, &b->count, 2);
    ck_assert_str_eq(b->seen[0].value, "m0");
}
END_TEST

START_TEST(deleting_a_queue_cancels_its_consumers_and_its_stream)
{
    struct queue *q = rig_queue(&rig, a, "q", true);
    uint64_t ready = 0;

    consume(b, q, false);
    publish_many("q", 0, 2);
    rig_settle(&rig);
    ck_assert_int_eq(queue_delete(a->client, q, true, false, &ready), RC_IN_USE);
    ck_assert_int_eq(queue_delete(a->client, q, false, false, &ready), RC_OK);
    ck_assert_uint_eq(b->cancelled, 1);
    ck_assert_ptr_null(queue_find(rig.core, SLICE("q")));
    ck_assert_ptr_null(stream_find(rig.core, SLICE("q")));
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "x"), RC_NO_ROUTE);
}
END_TEST

START_TEST(exclusive_queue_goes_with_its_client_and_is_locked_for_others)
{
    struct queue_spec spec = { .name = SLICE("x"), .is_exclusive = true, .arguments = SLICE("") };
    struct queue *q = NULL;

    ck_assert_int_eq(queue_declare(b->client, &spec, &q), RC_OK);
    ck_assert_int_eq(queue_declare(a->client, &spec, &q), RC_LOCKED);
    publish_many("x", 0, 2);
    rig_client_close(b);
    ck_assert_ptr_null(queue_find(rig.core, SLICE("x")));
    rig_client_open(&rig, b, 1);
}
END_TEST

START_TEST(confirm_comes_after_everything_before_it_is_durable)
{
    rig_queue(&rig, a, "q", true);
    publish_many("q", 0, 1);
    client_await(a->client, 7);
    publish_many("q", 1, 2);
    client_await(a->client, 8);
    ck_assert_uint_eq(a->durable_count, 0);
    rig_settle(&rig);
    ck_assert_uint_eq(a->durable_count, 2);
    ck_assert_uint_eq(a->durable[0], 7);
    ck_assert_uint_eq(a->durable[1], 8);
    ck_assert_uint_eq(a->durable_ends, 1);
}
END_TEST

START_TEST(bindings_of_every_exchange_type_route_as_rabbitmq_does)
{
    rig_queue(&rig, a, "d", true);
    rig_queue(&rig, a, "f", true);
    rig_queue(&rig, a, "t", true);
    rig_bind(&rig, a, "amq.direct", "d", "key");
    rig_bind(&rig, a, "amq.fanout", "f", "");
    rig_bind(&rig, a, "amq.topic", "t", "a.*.#");
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "amq.direct", "other", "1"), RC_NO_ROUTE);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "amq.direct", "key", "1"), RC_OK);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "amq.fanout", "any", "2"), RC_OK);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "amq.topic", "a.b.c.d", "3"), RC_OK);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "amq.topic", "a", "4"), RC_NO_ROUTE);
    rig_settle(&rig);
    consume(b, queue_find(rig.core, SLICE("d")), true);
    consume(b, queue_find(rig.core, SLICE("f")), true);
    consume(b, queue_find(rig.core, SLICE("t")), true);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 3);
    ck_assert_str_eq(b->seen[2].value, "3");
    ck_assert_str_eq(b->seen[2].address, "a/b/c/d"); /* its own log does not tell: a header does */
}
END_TEST

START_TEST(a_message_enters_a_queue_once_however_many_ways_match)
{
    struct queue *q = rig_queue(&rig, a, "orders", true);

    rig_bind(&rig, a, "amq.topic", "orders", "orders.#");
    rig_bind(&rig, a, "amq.topic", "orders", "#");
    ck_assert_int_eq(rig_publish(&rig, a, "orders/eu", "x", 1, 0), RC_OK);
    rig_settle(&rig);
    ck_assert_uint_eq(queue_ready_count(q), 1);
}
END_TEST

START_TEST(settled_and_unsettled_survive_a_restart)
{
    struct queue *q = rig_queue(&rig, a, "q", true);

    rig_bind(&rig, a, "amq.direct", "q", "k");
    publish_many("q", 0, 600);
    consume(b, q, false);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 600);
    for (unsigned i = 0; i < 600; i++) {
        if (i % 3 != 0)
            settle_seen(b, i, OUTCOME_ACCEPT);
    }
    rig_settle(&rig);
    restart();
    q = queue_find(rig.core, SLICE("q"));
    ck_assert_ptr_nonnull(q);
    ck_assert_uint_eq(queue_ready_count(q), 200);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "amq.direct", "k", "last"), RC_OK);
    consume(b, q, true);
    rig_settle_until(&rig, &b->count, 201);
    ck_assert_uint_eq(b->count, 201);
    ck_assert_str_eq(b->seen[0].value, "m0");
    ck_assert(b->seen[0].is_redelivered);
    ck_assert_str_eq(b->seen[1].value, "m3");
    ck_assert_str_eq(b->seen[199].value, "m597");
    ck_assert_str_eq(b->seen[200].value, "last");
    ck_assert(!b->seen[200].is_redelivered);
    rig_settle(&rig);
    restart();
    ck_assert_uint_eq(queue_ready_count(queue_find(rig.core, SLICE("q"))), 0);
}
END_TEST

/* Deliveries are recorded a little later than they are made, so a kill may have cut that off. */
START_TEST(after_a_crash_what_was_there_counts_as_delivered_for_good)
{
    struct queue *q = rig_queue(&rig, a, "q", true);

    rig_bind(&rig, a, "amq.direct", "q", "k");
    publish_many("q", 0, 2);
    rig_settle(&rig);
    restart_by(rig_reopen_after_crash);
    publish_many("q", 2, 3);
    rig_settle(&rig);
    restart();
    q = queue_find(rig.core, SLICE("q"));
    consume(b, q, true);
    rig_settle_until(&rig, &b->count, 3);
    ck_assert(b->seen[0].is_redelivered);
    ck_assert(b->seen[1].is_redelivered);
    ck_assert(!b->seen[2].is_redelivered);
}
END_TEST

static int64_t number_of(const char *value)
{
    int64_t number = -1;

    ck_assert_int_eq(number_i64(slice_str(value), 0, INT64_MAX, &number), RC_OK);
    return number;
}

/* As a client of batches does. */
static enum rc produce(const char *stream, const char *value)
{
    struct batch_builder builder;
    struct append_result result;
    struct block *block = NULL;
    enum rc rc;

    batch_builder_init(&builder, 0, 0);
    ck_assert_int_eq(
        batch_builder_add(&builder, 1000, SLICE("key"), slice_str(value), 0, SLICE("")), RC_OK);
    batch_builder_seal(&builder, 0, &block);
    batch_builder_done(&builder);
    rc = partition_append(stream_partition(stream_find(rig.core, slice_str(stream)), 0), a->client,
                          block_slice(block), DURABILITY_ALWAYS, &result);
    block_unref(&block);
    return rc;
}

static void limit(struct queue *queue, uint64_t messages, uint64_t bytes, bool is_refusing)
{
    struct queue_limits limits = QUEUE_LIMITS_NONE;

    limits.max_messages = messages;
    limits.max_bytes = bytes;
    limits.is_refusing = is_refusing;
    queue_set_limits(queue, &limits);
}

START_TEST(a_full_queue_refuses_whoever_publishes)
{
    struct queue *full = rig_queue(&rig, a, "full", true), *other = rig_queue(&rig, a, "o", true);

    rig_bind(&rig, a, "amq.topic", "full", "t.#");
    rig_bind(&rig, a, "amq.topic", "o", "t.#");
    limit(full, 1, QUEUE_UNLIMITED, true);
    ck_assert_int_eq(rig_publish(&rig, a, "full/x", "1", 1, 0), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "full/x", "2", 1, 0), RC_LIMIT);
    ck_assert_int_eq(rig_publish(&rig, a, "t/x", "3", 1, 0), RC_LIMIT);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "full", "4"), RC_LIMIT);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "amq.topic", "t.x", "5"), RC_LIMIT);
    ck_assert_int_eq(produce("full", "6"), RC_LIMIT);
    rig_settle(&rig);
    ck_assert_uint_eq(queue_ready_count(full), 1);
    ck_assert_uint_eq(queue_ready_count(other), 2); /* it has room */
    rig_get(b, full, true);
    rig_settle(&rig);
    ck_assert_int_eq(produce("full", "7"), RC_OK);
    ck_assert_int_eq(rig_publish(&rig, a, "full/x", "8", 1, 0), RC_LIMIT);
}
END_TEST

START_TEST(the_head_goes_first_whatever_was_taken_and_came_back)
{
    struct queue *q = rig_queue(&rig, a, "q", true);
    uint64_t held[200];
    unsigned held_count = 0, dropped = 0, published = 0;
    int64_t before = count_get(COUNT_CORE_QUEUE_DROPPED);
    unsigned seed = 7;
    char value[16];

    limit(q, 10, QUEUE_UNLIMITED, false);
    for (unsigned i = 0; i < 3000; i++) {
        unsigned what = (seed = seed * 1103515245 + 12345) >> 16 & 7;

        if (what < 4 || held_count == 200) {
            (void)snprintf(value, sizeof(value), "%u", published++);
            ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", value), RC_OK);
        } else if (what < 6) {
            unsigned had = b->count;

            rig_get(b, q, false);
            rig_settle(&rig);
            if (b->count > had)
                held[held_count++] = b->seen[had].handle;
            b->count = 0;
        } else if (held_count > 0) {
            ck_assert_int_eq(queue_settle(b->client, queue_number(q), held[--held_count],
                                          what == 6 ? OUTCOME_ACCEPT : OUTCOME_REQUEUE),
                             RC_OK);
        }
        ck_assert_uint_le(queue_ready_count(q), 10);
        ck_assert_uint_eq(queue_taken_count(q), held_count);
    }
    dropped = (unsigned)(count_get(COUNT_CORE_QUEUE_DROPPED) - before);
    ck_assert_uint_gt(dropped, 100);
    ck_assert_uint_gt(published, dropped);
    while (queue_ready_count(q) > 0) { /* in order, and the newest is among them */
        unsigned had = b->count;

        rig_get(b, q, true);
        rig_settle(&rig);
        ck_assert_uint_eq(b->count, had + 1);
        if (had > 0)
            ck_assert_int_lt(number_of(b->seen[had - 1].value), number_of(b->seen[had].value));
    }
}
END_TEST

START_TEST(bytes_that_a_queue_holds_are_known_after_a_restart)
{
    static void (*const reopens[])(struct rig * rig) = { rig_reopen, rig_reopen_after_crash };
    struct queue *q = rig_queue(&rig, a, "q", true);

    limit(q, QUEUE_UNLIMITED, 100, true);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "0123456789012345678901234"), RC_OK);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "0123456789012345678901234"), RC_OK);
    ck_assert_int_eq(produce("q", "0123456789012345678901234"), RC_OK);
    rig_settle(&rig);
    rig_get(b, q, false);
    rig_settle(&rig);
    for (unsigned life = 0; life < 2; life++) { /* what was taken is ready again */
        restart_by(reopens[life]);
        q = queue_find(rig.core, SLICE("q"));
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "01234567890123456789012345"),
                         RC_LIMIT);
    }
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "0123456789012345678901234"), RC_OK);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "0"), RC_LIMIT);
    b->count = 0;
    rig_get(b, q, true);
    rig_settle_until(&rig, &b->count, 1);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "0123456789012345678901234"), RC_OK);
    ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "0"), RC_LIMIT);
}
END_TEST

START_TEST(transient_queue_is_gone_after_a_restart)
{
    rig_queue(&rig, a, "t", false);
    publish_many("t", 0, 5);
    rig_settle(&rig);
    restart();
    ck_assert_ptr_null(queue_find(rig.core, SLICE("t")));
    ck_assert_ptr_null(stream_find(rig.core, SLICE("t")));
}
END_TEST

static unsigned dice(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Random consumption against a model: every message ends accepted exactly once, whatever is given
 * back, closed or restarted in between. */
START_TEST(every_message_is_accepted_once_whatever_happens)
{
    enum { MESSAGES = 1500 };
    static unsigned accepted[MESSAGES];
    struct queue *q = rig_queue(&rig, a, "q", true);
    unsigned done = 0;
    uint32_t seed = 11;

    memset(accepted, 0, sizeof(accepted));
    publish_many("q", 0, MESSAGES);
    rig_settle(&rig);
    for (unsigned round = 0; done < MESSAGES; round++) {
        ck_assert_uint_lt(round, 2000);
        b->count = 0;
        b->credit = 1 + dice(&seed) % 40;
        struct consumer *consumer = consume(b, q, false);
        rig_settle_until(&rig, &b->count, b->credit < MESSAGES - done ? b->credit : 1);
        for (unsigned i = 0; i < b->count; i++) {
            unsigned act = dice(&seed) % 10;
            uint64_t number = MESSAGES;

            ck_assert_int_eq(number_u64(slice_str(b->seen[i].value + 1), 0, MESSAGES - 1, &number),
                             RC_OK);
            if (act < 8) {
                settle_seen(b, i, OUTCOME_ACCEPT);
                ck_assert_uint_eq(accepted[number]++, 0);
                done++;
            } else if (act < 9) {
                settle_seen(b, i, OUTCOME_REQUEUE);
            }
        }
        consumer_cancel(&consumer);
        if (round % 50 == 49) {
            restart();
            q = queue_find(rig.core, SLICE("q"));
        } else {
            rig_client_close(b);
            rig_client_open(&rig, b, 0);
        }
    }
    ck_assert_uint_eq(queue_ready_count(q), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core queues");
    TCase *plain = tcase_create("memory");
    TCase *durable = tcase_create("durable");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(plain, setup, teardown);
    tcase_add_test(plain, messages_are_delivered_in_order_once);
    tcase_add_test(plain, what_waited_in_the_log_is_read_back_for_a_consumer);
    tcase_add_test(plain, requeued_message_returns_to_its_place_redelivered);
    tcase_add_test(plain, closing_a_client_returns_what_it_had_taken);
    tcase_add_test(plain, competing_consumers_share_and_each_message_goes_to_one);
    tcase_add_test(plain, what_all_queues_give_in_a_turn_is_bounded);
    tcase_add_test(plain, get_gives_one_or_says_empty);
    tcase_add_test(plain, purge_leaves_what_is_taken);
    tcase_add_test(plain, deleting_a_queue_cancels_its_consumers_and_its_stream);
    tcase_add_test(plain, exclusive_queue_goes_with_its_client_and_is_locked_for_others);
    tcase_add_test(plain, confirm_comes_after_everything_before_it_is_durable);
    tcase_add_test(plain, bindings_of_every_exchange_type_route_as_rabbitmq_does);
    tcase_add_test(plain, a_message_enters_a_queue_once_however_many_ways_match);
    suite_add_tcase(suite, plain);
    tcase_add_test(plain, a_full_queue_refuses_whoever_publishes);
    tcase_add_test(plain, the_head_goes_first_whatever_was_taken_and_came_back);
    tcase_add_loop_test(plain, what_a_client_held_comes_back_in_parts_and_in_order, 0, 4);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_set_timeout(durable, 60);
    tcase_add_loop_test(durable, what_was_purged_behind_what_is_taken_stays_away, 0, 3);
    tcase_add_loop_test(durable, much_that_is_settled_is_passed_in_parts_while_others_go_on, 0, 2);
    tcase_add_loop_test(durable, a_queue_that_is_deleted_while_it_is_swept_can_be_made_again, 0, 2);
    tcase_add_test(durable, settled_and_unsettled_survive_a_restart);
    tcase_add_test(durable, after_a_crash_what_was_there_counts_as_delivered_for_good);
    tcase_add_test(durable, bytes_that_a_queue_holds_are_known_after_a_restart);
    tcase_add_test(durable, transient_queue_is_gone_after_a_restart);
    tcase_add_test(durable, every_message_is_accepted_once_whatever_happens);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
