/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from the disk again, from a device that fails for a while or for good. */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "broker/base/clock.h"
#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

#define MANY      20u
#define LOOKS_MAX 1000u
#define LOOK_MS   10
#define STEP_NS   (3000 * NS_PER_MS) /* more than any wait before the next try */

static struct rig rig;
static struct rig_client *a;
static uint64_t now_ns;

static void open_client(void)
{
    a = mem_new(struct rig_client);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
}

static void setup(void)
{
    rig_open(&rig, true);
    open_client();
}

static void teardown(void)
{
    fault_disarm();
    clock_unset_for_test();
    rig_client_close(a);
    rig_close(&rig);
    MEM_FREE(a);
}

/* Nothing is in memory any more. */
static void restart(void)
{
    rig_client_close(a);
    MEM_FREE(a);
    rig_reopen(&rig);
    open_client();
    now_ns = clock_monotonic_ns();
}

/* Waits for the reader's thread a little; and time passes. */
static void go_on(unsigned *looks)
{
    struct pollfd fd = { .fd = rig.wake_fd, .events = POLLIN };
    eventfd_t wakes;

    ck_assert_uint_lt((*looks)++, LOOKS_MAX);
    if (poll(&fd, 1, LOOK_MS) > 0)
        ck_assert_int_eq(eventfd_read(rig.wake_fd, &wakes), 0);
    now_ns += STEP_NS;
    clock_set_for_test(now_ns, clock_wall_ms());
    rig_settle(&rig);
}

static void settle_until(unsigned wanted)
{
    unsigned looks = 0;

    rig_settle(&rig);
    while (a->count < wanted)
        go_on(&looks);
}

static void publish_many(const char *address)
{
    char value[16];

    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(value, sizeof(value), "%u", i);
        ck_assert_int_eq(rig_publish(&rig, a, address, value, 1, 0), RC_OK);
        rig_settle(&rig); /* an entry of its own */
    }
}

static void expect_all(void)
{
    char value[16];

    ck_assert_uint_eq(a->count, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(value, sizeof(value), "%u", i);
        ck_assert_str_eq(a->seen[i].value, value);
    }
}

static void consume(bool is_no_ack)
{
    struct consumer_spec spec = { .is_no_ack = is_no_ack };
    struct consumer *consumer = NULL;

    ck_assert_int_eq(queue_consume(a->client, queue_find(rig.core, SLICE("q")), &spec, &consumer),
                     RC_OK);
}

START_TEST(a_queue_keeps_what_could_not_be_read_for_a_while)
{
    static const char *const points[] = { "store.read", "store.open" };

    rig_queue(&rig, a, "q", true);
    publish_many("q");
    restart();
    fault_arm(points[_i], 1, FAULT_ONCE);
    consume(true);
    settle_until(MANY);
    ck_assert_uint_gt(fault_passed(), 1);
    expect_all();
}
END_TEST

START_TEST(a_queue_keeps_what_there_was_no_memory_for)
{
    char value[16];
    bool was_hit = true;

    rig_queue(&rig, a, "q", true);
    for (unsigned i = 0; i < MANY; i++) { /* in one batch */
        (void)snprintf(value, sizeof(value), "%u", i);
        ck_assert_int_eq(rig_publish(&rig, a, "q", value, 1, 0), RC_OK);
    }
    for (unsigned k = 1; was_hit; k++) {
        restart();
        consume(false);
        fault_arm("mem", k, FAULT_ONCE);
        settle_until(MANY);
        was_hit = fault_passed() >= k;
        fault_disarm();
        expect_all();
    }
}
END_TEST

START_TEST(a_session_keeps_what_could_not_be_read_for_a_while)
{
    struct session *s;
    bool is_present;

    s = rig_session(&rig, a, "s", false, UINT64_MAX, &is_present);
    rig_subscribe(s, "t", 1, 0);
    a->credit = 0;
    publish_many("t");
    session_detach(&s);
    restart();
    fault_arm("store.read", 1, FAULT_ONCE);
    s = rig_session(&rig, a, "s", false, UINT64_MAX, &is_present);
    ck_assert(is_present);
    settle_until(MANY);
    ck_assert_uint_gt(fault_passed(), 1);
    expect_all();
    session_detach(&s);
}
END_TEST

START_TEST(what_can_never_be_read_stops_no_queue)
{
    unsigned looks = 0;

    rig_queue(&rig, a, "q", true);
    publish_many("q");
    restart();
    fault_arm("store.read", 1, FAULT_FAIL);
    consume(true);
    rig_settle(&rig);
    while (queue_ready_count(queue_find(rig.core, SLICE("q"))) > 0)
        go_on(&looks);
    fault_disarm();
    ck_assert_uint_eq(a->count, 0);
    ck_assert_int_eq(rig_publish(&rig, a, "q", "next", 1, 0), RC_OK);
    settle_until(1);
    ck_assert_str_eq(a->seen[0].value, "next");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("cold");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, a_queue_keeps_what_could_not_be_read_for_a_while, 0, 2);
    tcase_add_test(tests, a_queue_keeps_what_there_was_no_memory_for);
    tcase_add_test(tests, a_session_keeps_what_could_not_be_read_for_a_while);
    tcase_add_test(tests, what_can_never_be_read_stops_no_queue);
    return suite_run("core cold", tests);
}
