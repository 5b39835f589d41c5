/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define GIB       (UINT64_C(1) << 30)
#define MIB       (UINT64_C(1) << 20)
#define SECOND_NS UINT64_C(1000000000)
#define TOTAL     (100 * GIB)

static struct rig rig;
static struct rig_client *a, *b;
static unsigned asked;
static uint64_t now_ns;

static void on_ask(void *arg)
{
    ck_assert_ptr_eq(arg, &rig);
    asked++;
}

static uint64_t free_enough_bytes;

static void setup_as(uint64_t free_min_bytes)
{
    struct core_config config = CORE_CONFIG_DEFAULT;

    config.disk_free_enough_bytes = free_enough_bytes;

    config.ask_room = on_ask;
    config.disk_free_min_bytes = free_min_bytes;
    config.retention_bytes = 0;
    count_set(COUNT_CORE_DISK_LOW, 0);
    count_set(COUNT_CORE_DISK_STOPPED, 0);
    asked = 0;
    now_ns = 1000 * SECOND_NS;
    clock_set_for_test(now_ns, INT64_C(1700000000000));
    rig_open_as(&rig, false, &config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void setup(void)
{
    setup_as(16 * MIB);
}

static void teardown(void)
{
    rig_client_close(a);
    rig_client_close(b);
    rig_close(&rig);
    clock_unset_for_test();
    MEM_FREE(a);
    MEM_FREE(b);
}

static enum rc publish(unsigned qos)
{
    return rig_publish(&rig, a, "s", "v", qos, qos > 0 ? MESSAGE_PERSISTENT : 0);
}

/* Publishes, is asked, and answers. */
static void answer(uint64_t free_bytes)
{
    now_ns += SECOND_NS;
    clock_set_for_test(now_ns, INT64_C(1700000000000));
    if (asked == 0)
        (void)publish(1);
    rig_settle(&rig);
    ck_assert_uint_eq(asked, 1);
    asked = 0;
    core_disk_room(rig.core, TOTAL, free_bytes);
}

static void answer_low(uint64_t free_bytes)
{
    now_ns += SECOND_NS;
    clock_set_for_test(now_ns, INT64_C(1700000000000));
    rig_settle(&rig); /* over a mark it is asked each second, whether something comes or not */
    ck_assert_uint_eq(asked, 1);
    asked = 0;
    core_disk_room(rig.core, TOTAL, free_bytes);
}

START_TEST(publishers_are_paused_at_the_mark_and_go_on_below_it)
{
    answer(40 * GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_OK);
    ck_assert_int_eq(count_get(COUNT_CORE_DISK_LOW), 0);
    answer(24 * GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_OK);
    ck_assert_int_eq(count_get(COUNT_CORE_DISK_LOW), 1);
    answer_low(15 * GIB - 1);
    ck_assert_int_eq(core_stall(rig.core), RC_FULL);
    ck_assert_int_eq(count_get(COUNT_CORE_DISK_STOPPED), 1);
    answer_low(15 * GIB + GIB / 2); /* not enough to be worth it */
    ck_assert_int_eq(core_stall(rig.core), RC_FULL);
    answer_low(17 * GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_OK);
    ck_assert_int_eq(count_get(COUNT_CORE_DISK_STOPPED), 0);
    ck_assert_int_eq(count_get(COUNT_CORE_DISK_LOW), 1);
    answer_low(27 * GIB);
    ck_assert_int_eq(count_get(COUNT_CORE_DISK_LOW), 0);
}
END_TEST

START_TEST(what_is_accepted_counts_before_it_is_written)
{
    static char body[60001];
    unsigned taken = 0;

    memset(body, 'x', 60000);
    answer(15 * GIB + 20 * MIB);
    now_ns += SECOND_NS;
    clock_set_for_test(now_ns, INT64_C(1700000000000));
    while (core_stall(rig.core) == RC_OK && taken < 1000) {
        ck_assert_int_eq(rig_publish(&rig, a, "s", body, 1, MESSAGE_PERSISTENT), RC_NO_ROUTE);
        core_turn_end(rig.core);
        taken++;
    }
    ck_assert_uint_le(taken, 20 * MIB / 60000);
    ck_assert_uint_ge(taken, 15 * MIB / 76500);
    ck_assert_uint_eq(asked, 1); /* near the mark, without waiting for the second to be over */
}
END_TEST

START_TEST(a_floor_holds_whatever_the_percentage_says)
{
    teardown();
    setup_as(30 * GIB);
    answer(31 * GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_OK);
    answer(29 * GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_FULL);
}
END_TEST

START_TEST(enough_is_enough_on_a_large_disk)
{
    teardown();
    free_enough_bytes = 4 * GIB;
    setup_as(16 * MIB);
    free_enough_bytes = 0; /* for the tests after this one */
    answer(9 * GIB);
    ck_assert_int_eq(count_get(COUNT_CORE_DISK_LOW), 0);
    answer(7 * GIB);
    ck_assert_int_eq(count_get(COUNT_CORE_DISK_LOW), 1);
    ck_assert_int_eq(core_stall(rig.core), RC_OK);
    answer_low(3 * GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_FULL);
    answer_low(6 * GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_OK);
}
END_TEST

START_TEST(consumers_go_on_and_their_settling_is_kept)
{
    struct queue *queue = rig_queue(&rig, a, "q", true);

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(rig_publish_exchange(&rig, a, "", "q", "x"), RC_OK);
    rig_settle(&rig);
    answer(GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_FULL);
    rig_get(b, queue, true);
    rig_get(b, queue, true);
    ck_assert_uint_eq(b->count, 2);
    client_await(b->client, 7);
    rig_settle(&rig);
    ck_assert_uint_eq(b->durable_count, 1);
    ck_assert_uint_eq(queue_ready_count(queue), 1);
}
END_TEST

START_TEST(what_was_on_its_way_is_taken_up_to_a_limit)
{
    static char body[60001];
    unsigned taken = 0;

    memset(body, 'x', 60000);
    answer(GIB);
    ck_assert_int_eq(core_stall(rig.core), RC_FULL);
    while (rig_publish(&rig, a, "s", body, 1, MESSAGE_PERSISTENT) == RC_NO_ROUTE && taken < 2000) {
        core_turn_end(rig.core);
        rig_settle(&rig);
        taken++;
    }
    ck_assert_uint_ge(taken, 300);
    ck_assert_uint_le(taken, 48 * MIB / 60000 + 64);
    ck_assert_int_eq(rig_publish(&rig, a, "s", body, 1, MESSAGE_PERSISTENT), RC_FULL);
}
END_TEST

START_TEST(qos_0_is_delivered_and_not_logged)
{
    struct session *s;
    bool present;
    uint64_t end;

    answer(GIB);
    s = rig_session(&rig, b, "live", true, 0, &present);
    rig_subscribe(s, "s", 0, 0);
    end = partition_end(stream_partition(stream_find(rig.core, SLICE("s")), 0));
    ck_assert_int_eq(publish(0), RC_OK);
    ck_assert_uint_eq(b->count, 1);
    ck_assert_uint_eq(partition_end(stream_partition(stream_find(rig.core, SLICE("s")), 0)), end);
    session_detach(&s);
}
END_TEST

START_TEST(nothing_is_asked_while_nothing_comes)
{
    answer(40 * GIB);
    for (unsigned i = 0; i < 5; i++) {
        now_ns += SECOND_NS;
        clock_set_for_test(now_ns, INT64_C(1700000000000));
        rig_settle(&rig);
    }
    ck_assert_uint_eq(asked, 0);
    (void)publish(1);
    rig_settle(&rig);
    ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(a_disk_that_cannot_be_asked_stops_nobody)
{
    answer(40 * GIB);
    (void)publish(1);
    now_ns += SECOND_NS;
    clock_set_for_test(now_ns, INT64_C(1700000000000));
    rig_settle(&rig);
    core_disk_room(rig.core, 0, 0);
    ck_assert_int_eq(core_stall(rig.core), RC_OK);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("intake");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, publishers_are_paused_at_the_mark_and_go_on_below_it);
    tcase_add_test(tests, what_is_accepted_counts_before_it_is_written);
    tcase_add_test(tests, a_floor_holds_whatever_the_percentage_says);
    tcase_add_test(tests, enough_is_enough_on_a_large_disk);
    tcase_add_test(tests, consumers_go_on_and_their_settling_is_kept);
    tcase_add_test(tests, what_was_on_its_way_is_taken_up_to_a_limit);
    tcase_add_test(tests, qos_0_is_delivered_and_not_logged);
    tcase_add_test(tests, nothing_is_asked_while_nothing_comes);
    tcase_add_test(tests, a_disk_that_cannot_be_asked_stops_nobody);
    return suite_run("core_intake", tests);
}
