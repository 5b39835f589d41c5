/* SPDX-License-Identifier: Apache-2.0 */
/* What nobody waits for is gathered over several turns, and nothing else is. */
#include <check.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/core/stream_int.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define GATHER_MS 5
#define WAIT_MS   20000
#define START_NS  UINT64_C(1000000000000)

static struct rig rig;
static struct rig_client *a, *b;

static const struct policy_rule rules[] = {
    { { (const uint8_t *)"held*", 5 }, STREAM_POLICY_OPEN },
    { { (const uint8_t *)"written*", 8 }, STREAM_POLICY_OPEN },
};
static struct policy_rule own_rules[2];

/* On the store in memory, or on the durable one. */
static void begin(int is_durable)
{
    struct core_config config = CORE_CONFIG_DEFAULT;

    own_rules[0] = rules[0];
    own_rules[0].policy.durability = DURABILITY_MEMORY;
    own_rules[1] = rules[1];
    own_rules[1].policy.durability = DURABILITY_INTERVAL;
    clock_set_for_test(START_NS, 1000000);
    config.gather_ms = GATHER_MS;
    config.rules = own_rules;
    config.rule_count = 2;
    rig_open_as(&rig, is_durable != 0, &config);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void teardown(void)
{
    clock_unset_for_test();
    rig_client_close(a);
    rig_client_close(b);
    rig_close(&rig);
    MEM_FREE(a);
    MEM_FREE(b);
}

static void turn(void)
{
    core_turn_end(rig.core);
}

static void wait_for_wake(void)
{
    struct pollfd fd = { .fd = rig.wake_fd, .events = POLLIN };
    eventfd_t wakes;

    ck_assert_int_eq(poll(&fd, 1, WAIT_MS), 1);
    ck_assert_int_eq(eventfd_read(rig.wake_fd, &wakes), 0);
}

static void forget_wakes(void)
{
    eventfd_t wakes;

    (void)eventfd_read(rig.wake_fd, &wakes);
    __atomic_store_n(&rig.is_woken, false, __ATOMIC_SEQ_CST);
}

static struct partition *partition_of(const char *stream)
{
    struct stream *s = stream_find(rig.core, slice_str(stream));

    ck_assert_ptr_nonnull(s);
    return s->partitions[0];
}

static void publish(const char *address, unsigned qos)
{
    (void)rig_publish(&rig, a, address, "v", qos, 0); /* nobody may be subscribed */
}

static void let_time_pass(void)
{
    clock_set_for_test(clock_monotonic_ns() + GATHER_MS * NS_PER_MS, 1000000);
    core_poll(rig.core);
    turn();
}

/* The stream is there and has two records that are durable. The second commit is made after the
 * writer has woken anybody for the first, and wakes nobody. */
static struct partition *make_stream(const char *name)
{
    for (uint64_t end = 1; end <= 2; end++) {
        publish(name, 0);
        turn();
        for (let_time_pass(); partition_of(name)->durable_end < end; turn())
            (void)sched_yield();
    }
    forget_wakes();
    return partition_of(name);
}

START_TEST(turns_that_nobody_waits_for_share_one_commit)
{
    struct partition *p;
    int64_t commits;
    uint64_t since_ns;

    begin(_i);
    p = make_stream("s");
    commits = count_get(COUNT_STORE_COMMITS);
    since_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < 100; i++) {
        publish("s", 0);
        turn();
    }
    ck_assert_uint_eq(p->end, 102);
    ck_assert_uint_eq(p->sealed_end, 2);
    ck_assert_uint_eq(core_next_deadline_ns(rig.core), since_ns + GATHER_MS * NS_PER_MS);
    clock_set_for_test(since_ns + GATHER_MS * NS_PER_MS - 1, 1000000);
    core_poll(rig.core);
    turn();
    ck_assert_int_eq(count_get(COUNT_STORE_COMMITS), commits);
    clock_set_for_test(since_ns + GATHER_MS * NS_PER_MS, 1000000);
    core_poll(rig.core);
    turn();
    ck_assert_uint_eq(p->sealed_end, 102);
    for (; p->durable_end < 102; turn()) /* looks by itself */
        (void)sched_yield();
    ck_assert_int_eq(count_get(COUNT_STORE_COMMITS), commits + 1);
    ck_assert(!__atomic_load_n(&rig.is_woken, __ATOMIC_SEQ_CST));
}
END_TEST

START_TEST(what_is_done_is_seen_by_the_deadline_when_no_turn_comes)
{
    struct partition *p;

    begin(_i);
    p = make_stream("s");
    publish("s", 0);
    turn();
    while (p->durable_end < 3) {
        uint64_t due_ns = core_next_deadline_ns(rig.core);

        ck_assert_uint_ne(due_ns, UINT64_MAX);
        ck_assert_uint_le(due_ns, clock_monotonic_ns() + GATHER_MS * NS_PER_MS);
        clock_set_for_test(due_ns, 1000000);
        core_poll(rig.core);
        turn();
    }
}
END_TEST

START_TEST(a_confirm_that_waits_for_the_disk_takes_along_what_was_gathered)
{
    struct partition *p;

    begin(_i);
    p = make_stream("s");
    publish("s", 0);
    turn();
    ck_assert_uint_eq(p->sealed_end, 2);
    (void)rig_publish(&rig, a, "other", "v", 1, 0);
    client_await(a->client, 7);
    turn();
    ck_assert_uint_eq(p->sealed_end, 3);
    ck_assert_uint_eq(partition_of("other")->sealed_end, 1);
    wait_for_wake();
    while (a->durable_count == 0)
        core_poll(rig.core);
    ck_assert_uint_eq(p->durable_end, 3);
    ck_assert_uint_eq(partition_of("other")->durable_end, 1);
}
END_TEST

START_TEST(what_is_to_be_written_before_its_confirm_is_not_gathered)
{
    struct partition *p;

    begin(_i);
    p = make_stream("written");
    publish("written", 1);
    client_await(a->client, 7);
    ck_assert_uint_eq(a->durable_count, 0);
    turn();
    ck_assert_uint_eq(p->sealed_end, 3);
    ck_assert(a->durable_count == 0 || p->durable_end == 3);
    wait_for_wake();
    while (a->durable_count == 0)
        core_poll(rig.core);
    ck_assert_uint_eq(p->durable_end, 3);
}
END_TEST

START_TEST(what_is_confirmed_when_held_is_gathered_and_confirmed_at_once)
{
    struct partition *p;

    begin(_i);
    p = make_stream("held");
    for (unsigned i = 0; i < 10; i++) {
        publish("held", 1);
        client_await(a->client, i);
        turn();
        ck_assert_uint_eq(a->durable_count, i + 1);
    }
    ck_assert_uint_eq(p->sealed_end, 2);
    ck_assert_uint_eq(p->end, 12);
}
END_TEST

/* Its confirm must not come while a stronger record of the same client is only gathered. */
START_TEST(an_await_covers_what_was_gathered_in_streams_that_sync)
{
    struct partition *p;

    begin(_i);
    p = make_stream("s");
    publish("s", 0);
    turn();
    client_await(a->client, 7);
    turn();
    ck_assert_uint_eq(p->sealed_end, 3);
    wait_for_wake();
    while (a->durable_count == 0)
        core_poll(rig.core);
    ck_assert_uint_eq(p->durable_end, 3);
}
END_TEST

static unsigned moved;

static void on_moved(struct partition_waiter *waiter, enum rc rc)
{
    (void)waiter;
    ck_assert_int_eq(rc, RC_OK);
    moved++;
}

START_TEST(what_somebody_waits_to_read_is_not_gathered)
{
    struct partition *p;
    struct partition_waiter waiter = { .on_moved = on_moved };

    begin(_i);
    p = make_stream("s");
    partition_wait(p, &waiter);
    publish("s", 0);
    turn();
    wait_for_wake();
    while (moved == 0)
        core_poll(rig.core);
    ck_assert_uint_eq(p->durable_end, 3);
}
END_TEST

START_TEST(much_is_not_gathered)
{
    struct partition *p;
    char value[60 * 1024];
    unsigned turns = 0;

    begin(_i);
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    p = make_stream("s");
    while (p->sealed_end == 2) {
        (void)rig_publish(&rig, a, "s", value, 0, 0);
        turn();
        ck_assert_uint_lt(++turns, 10);
    }
    ck_assert_uint_gt(turns, 2);
    ck_assert_uint_eq(p->sealed_end, turns + 2);
}
END_TEST

/* Slow readers read what no store has been given yet. */
START_TEST(what_is_gathered_can_be_read_back)
{
    struct partition *p;
    struct session *session;
    bool present;

    begin(_i);
    session = rig_session(&rig, b, "slow", true, 0, &present);
    rig_subscribe(session, "held/#", 1, 0);
    p = make_stream("held");
    b->credit = 0;
    for (unsigned i = 0; i < 20; i++) {
        publish("held/x", 1);
        turn();
    }
    b->credit = RIG_SEEN_MAX;
    session_ready(session);
    for (unsigned i = 0; i < 100 && b->count < 22; i++) {
        core_poll(rig.core);
        turn();
    }
    ck_assert_uint_eq(b->count, 22);
    ck_assert_uint_eq(p->end, 22);
}
END_TEST

START_TEST(an_orderly_stop_writes_what_was_gathered)
{
    struct partition *p;

    begin(_i);
    p = make_stream("s");
    for (unsigned i = 0; i < 5; i++) {
        publish("s", 0);
        turn();
    }
    ck_assert_uint_eq(p->sealed_end, 2);
    rig_client_close(a);
    rig_client_close(b);
    core_stop(rig.core);
    ck_assert_int_eq(store_flush(rig.store), RC_OK);
    ck_assert_uint_eq(p->durable_end, 7);
    rig_client_open(&rig, a, 0);
    rig_client_open(&rig, b, 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gather");

    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, turns_that_nobody_waits_for_share_one_commit, 0, 2);
    tcase_add_loop_test(tests, what_is_done_is_seen_by_the_deadline_when_no_turn_comes, 0, 2);
    tcase_add_loop_test(tests, a_confirm_that_waits_for_the_disk_takes_along_what_was_gathered, 0,
                        2);
    tcase_add_loop_test(tests, what_is_to_be_written_before_its_confirm_is_not_gathered, 0, 2);
    tcase_add_loop_test(tests, what_is_confirmed_when_held_is_gathered_and_confirmed_at_once, 0, 2);
    tcase_add_loop_test(tests, an_await_covers_what_was_gathered_in_streams_that_sync, 0, 2);
    tcase_add_loop_test(tests, what_somebody_waits_to_read_is_not_gathered, 0, 2);
    tcase_add_loop_test(tests, much_is_not_gathered, 0, 2);
    tcase_add_loop_test(tests, what_is_gathered_can_be_read_back, 0, 2);
    tcase_add_loop_test(tests, an_orderly_stop_writes_what_was_gathered, 0, 2);
    return suite_run("core_gather", tests);
}
