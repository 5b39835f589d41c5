/* SPDX-License-Identifier: Apache-2.0 */
/* What very many things cost each, counted and not timed: bench_scale measures the rest. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/core/core_int.h"
#include "broker/core/position.h"
#include "broker/core/queue_int.h"
#include "broker/core/route.h"
#include "broker/core/stream_int.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define STREAMS 20000
/* Of memory, without the catalogue's pages: 500 in all is the aim for a million streams. */
#define STREAM_MOST_BYTES 460

static struct rig rig;
static struct rig_client client;

static void setup(void)
{
    rig_open(&rig, false);
    rig_client_open(&rig, &client, 0);
}

static void setup_durable(void)
{
    rig_open(&rig, true);
    rig_client_open(&rig, &client, 0);
}

static void teardown(void)
{
    rig_client_close(&client);
    rig_close(&rig);
}

static struct stream *make_stream(unsigned number)
{
    char name[32];
    struct stream_spec spec = { .partition_count = 1 };
    struct stream *stream = NULL;

    (void)snprintf(name, sizeof(name), "stream-%07u", number);
    spec.name = slice_str(name);
    ck_assert_int_eq(stream_create(rig.core, client.client, &spec, &stream), RC_OK);
    return stream;
}

START_TEST(a_stream_at_rest_is_small)
{
    int64_t before = (int64_t)mem_in_use_bytes();

    for (unsigned i = 0; i < STREAMS; i++) {
        (void)make_stream(i);
        if (i % 1000 == 0)
            rig_settle(&rig);
    }
    rig_settle(&rig);
    /* the memory store keeps a copy of each value, which is not the core's */
    ck_assert_int_lt(((int64_t)mem_in_use_bytes() - before) / STREAMS, STREAM_MOST_BYTES);
}
END_TEST

START_TEST(a_partition_keeps_nothing_for_work_that_is_done)
{
    struct stream *stream = make_stream(1);

    ck_assert_ptr_null(stream->partitions[0]->work);
    ck_assert_int_eq(rig_publish(&rig, &client, "stream-0000001", "x", 1, 0), RC_NO_ROUTE);
    ck_assert_ptr_nonnull(stream->partitions[0]->work);
    rig_settle(&rig);
    ck_assert_ptr_null(stream->partitions[0]->work);
    ck_assert_uint_eq(partition_durable_end(stream->partitions[0]), 1);
}
END_TEST

static void set_position(const char *group, const char *stream, uint32_t partition)
{
    const struct position position = { .offset = 5, .metadata = SLICE("") };

    ck_assert_int_eq(
        position_set(rig.core, slice_str(group), slice_str(stream), partition, &position), RC_OK);
}

static bool has_position(const char *group, const char *stream, uint32_t partition)
{
    struct position position;

    return position_get(rig.core, slice_str(group), slice_str(stream), partition, &position) ==
           RC_OK;
}

START_TEST(a_stream_takes_its_positions_along_and_looks_at_no_others)
{
    struct stream *stream = make_stream(1);

    set_position("a", "stream-0000001", 0);
    set_position("a", "stream-0000001", 1);
    set_position("b", "stream-0000001", 0);
    set_position("b", "other", 0);
    ck_assert_uint_eq(rig.core->place_streams.count, 2);
    ck_assert_int_eq(stream_delete(rig.core, client.client, stream), RC_OK);
    ck_assert_uint_eq(rig.core->place_streams.count, 1);
    ck_assert_uint_eq(rig.core->groups.count, 1);
    ck_assert(!has_position("a", "stream-0000001", 0));
    ck_assert(!has_position("b", "stream-0000001", 0));
    ck_assert(has_position("b", "other", 0));
    position_delete_group(rig.core, SLICE("b"));
    ck_assert_uint_eq(rig.core->place_streams.count, 0);
}
END_TEST

static struct consumer *consume(const char *queue)
{
    const struct consumer_spec spec = { 0 };
    struct consumer *consumer = NULL;

    ck_assert_int_eq(
        queue_consume(client.client, rig_queue(&rig, &client, queue, true), &spec, &consumer),
        RC_OK);
    return consumer;
}

static void settle_seen(unsigned i)
{
    ck_assert_int_eq(
        queue_settle(client.client, client.seen[i].queue, client.seen[i].handle, OUTCOME_ACCEPT),
        RC_OK);
}

START_TEST(a_queue_that_is_empty_keeps_no_items)
{
    struct consumer *consumer = consume("q");
    const struct lane *lane = queue_find(rig.core, SLICE("q"))->lanes[0];

    client.credit = RIG_SEEN_MAX;
    for (unsigned round = 0; round < 3; round++) {
        unsigned before = client.count;

        for (unsigned i = 0; i < 300; i++)
            ck_assert_int_eq(rig_publish(&rig, &client, "q", "x", 1, 0), RC_OK);
        rig_settle(&rig);
        ck_assert_uint_eq(client.count, before + 300);
        ck_assert_uint_gt(lane->chunks.count, 0);
        for (unsigned i = before; i < client.count; i++)
            settle_seen(i);
        ck_assert_uint_eq(lane->chunks.count, 0);
        ck_assert_uint_eq(queue_ready_count(lane->queue), 0);
    }
    consumer_cancel(&consumer);
}
END_TEST

/* What is settled out of order is recorded also when the head began inside a chunk. */
START_TEST(settled_out_of_order_after_a_restart_stays_settled)
{
    struct consumer *consumer = consume("q");

    client.credit = RIG_SEEN_MAX;
    for (unsigned i = 0; i < 10; i++)
        ck_assert_int_eq(rig_publish(&rig, &client, "q", "x", 1, MESSAGE_PERSISTENT), RC_OK);
    rig_settle(&rig);
    for (unsigned i = 0; i < 5; i++)
        settle_seen(i);
    rig_settle(&rig);
    consumer_cancel(&consumer);
    rig_client_close(&client);
    rig_reopen(&rig);
    rig_client_open(&rig, &client, RIG_SEEN_MAX);
    consumer = consume("q");
    rig_settle_until(&rig, &client.count, 5);
    settle_seen(2);
    rig_settle(&rig);
    consumer_cancel(&consumer);
    rig_client_close(&client);
    rig_reopen_after_crash(&rig);
    rig_client_open(&rig, &client, RIG_SEEN_MAX);
    ck_assert_uint_eq(queue_ready_count(queue_find(rig.core, SLICE("q"))), 4);
}
END_TEST

START_TEST(a_new_stream_leaves_cached_routes_as_they_are)
{
    const struct route *route = route_of(rig.core, SLICE("a/b"));
    uint64_t epoch = rig.core->bindings_epoch;

    (void)make_stream(1);
    ck_assert_uint_eq(rig.core->bindings_epoch, epoch);
    ck_assert_ptr_eq(route_of(rig.core, SLICE("a/b")), route);
}
END_TEST

START_TEST(one_route_goes_for_one_that_comes)
{
    char address[32];

    for (unsigned i = 0; i < ROUTES_MAX + 10; i++) {
        (void)snprintf(address, sizeof(address), "a/%u", i);
        (void)route_of(rig.core, slice_str(address));
    }
    ck_assert_uint_eq(rig.core->routes.count, ROUTES_MAX);
    ck_assert_ptr_null(map_get(&rig.core->routes, SLICE("a/9")));
    ck_assert_ptr_nonnull(map_get(&rig.core->routes, SLICE("a/10")));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("scale"), *durable = tcase_create("durable");
    Suite *suite = suite_create("core_scale");
    SRunner *runner;
    int failed;

    tcase_set_timeout(durable, 60);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_add_test(durable, settled_out_of_order_after_a_restart_stays_settled);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_stream_at_rest_is_small);
    tcase_add_test(tests, a_partition_keeps_nothing_for_work_that_is_done);
    tcase_add_test(tests, a_stream_takes_its_positions_along_and_looks_at_no_others);
    tcase_add_test(tests, a_queue_that_is_empty_keeps_no_items);
    tcase_add_test(tests, a_new_stream_leaves_cached_routes_as_they_are);
    tcase_add_test(tests, one_route_goes_for_one_that_comes);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
