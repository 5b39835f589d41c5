/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "tests/lib/core_rig.h"

#define HOUR_MS 3600000

static struct rig rig;
static struct rig_client *sender, *a, *b;
static bool present;

static void open_clients(void)
{
    rig_client_open(&rig, sender, 0);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
}

static void close_clients(void)
{
    rig_client_close(sender);
    rig_client_close(a);
    rig_client_close(b);
}

static void setup_on(bool is_durable)
{
    rig_open(&rig, is_durable);
    sender = mem_new(struct rig_client);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    open_clients();
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
    clock_unset_for_test();
    close_clients();
    rig_close(&rig);
    MEM_FREE(sender);
    MEM_FREE(a);
    MEM_FREE(b);
}

static void restart_by(void (*reopen)(struct rig *rig))
{
    close_clients();
    reopen(&rig);
    open_clients();
}

/* A session of that client, which lasts for an hour, or as long as its connection. */
static struct session *session_of(struct rig_client *c, const char *id, bool is_kept)
{
    return rig_session(&rig, c, id, !is_kept, is_kept ? HOUR_MS : 0, &present);
}

static enum rc try_share(struct session *session, const char *group, const char *text, unsigned qos,
                         uint32_t id)
{
    struct filter *filter = NULL;
    char whole[128];
    struct subscription_spec spec = { .group = slice_str(group), .id = id, .qos = (uint8_t)qos };
    bool is_replaced;
    enum rc rc;

    (void)snprintf(whole, sizeof(whole), "$share/%s/%s", group, text);
    spec.text = slice_str(whole);
    spec.filter_at = (uint16_t)(strlen(whole) - strlen(text));
    ck_assert_int_eq(filter_from_mqtt(slice_str(text), &filter), RC_OK);
    spec.filter = filter;
    rc = session_subscribe(session, &spec, RETAINED_ALWAYS, &is_replaced);
    filter_free(&filter);
    return rc;
}

static void share(struct session *session, const char *text, unsigned qos)
{
    ck_assert_int_eq(try_share(session, "g", text, qos, 0), RC_OK);
}

static void publish(unsigned first, unsigned count, unsigned qos)
{
    char value[16];

    for (unsigned i = first; i < first + count; i++) {
        (void)snprintf(value, sizeof(value), "m%u", i);
        (void)rig_publish(&rig, sender, "t/x", value, qos, 0);
    }
}

static void settle_all(struct session *session, struct rig_client *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (c->seen[i].handle != 0)
            ck_assert_int_eq(session_settle(session, c->seen[i].handle, OUTCOME_ACCEPT), RC_OK);
    }
    c->count = 0;
}

static void assert_seen(const struct rig_client *c, unsigned count, const char *first)
{
    ck_assert_uint_eq(c->count, count);
    ck_assert_str_eq(c->seen[0].value, first);
}

START_TEST(each_message_goes_to_one_member_in_turn)
{
    struct session *one = session_of(a, "one", false), *two = session_of(b, "two", false);

    ck_assert_int_eq(try_share(one, "g", "t/#", 1, 7), RC_OK);
    share(two, "t/#", 0);
    publish(0, 10, 1);
    rig_settle(&rig);
    assert_seen(a, 5, "m0");
    assert_seen(b, 5, "m1");
    ck_assert_uint_eq(a->seen[0].qos, 1); /* each as it was granted */
    ck_assert_uint_eq(b->seen[0].qos, 0);
    ck_assert_uint_eq(a->seen[0].first_id, 7);
    ck_assert_uint_eq(b->seen[0].id_count, 0);
    settle_all(one, a);
    ck_assert_uint_eq(session_owed_count(one), 0);
    session_detach(&one);
    session_detach(&two);
}
END_TEST

START_TEST(two_groups_and_a_plain_subscription_each_get_all)
{
    struct session *one = session_of(a, "one", false), *two = session_of(b, "two", false);

    share(one, "t/#", 1);
    ck_assert_int_eq(try_share(two, "other", "t/#", 1, 0), RC_OK);
    rig_subscribe(two, "t/x", 1, 3);
    publish(0, 4, 1);
    rig_settle(&rig);
    ck_assert_uint_eq(a->count, 4);
    ck_assert_uint_eq(b->count, 8);
    session_detach(&one);
    session_detach(&two);
}
END_TEST

START_TEST(no_retained_messages_come_with_a_shared_subscription)
{
    struct session *one = session_of(a, "one", false);

    (void)rig_publish(&rig, sender, "t/x", "kept", 1, MESSAGE_RETAIN);
    share(one, "t/#", 1);
    rig_settle(&rig);
    ck_assert_uint_eq(a->count, 0);
    session_detach(&one);
}
END_TEST

START_TEST(who_has_no_credit_is_passed_over_and_nobody_loses)
{
    struct session *one = session_of(a, "one", false), *two = session_of(b, "two", false);

    a->credit = 1;
    b->credit = 2;
    share(one, "t/#", 1);
    share(two, "t/#", 1);
    publish(0, 10, 1);
    rig_settle(&rig);
    ck_assert_uint_eq(a->count, 1);
    ck_assert_uint_eq(b->count, 2);
    b->credit = 100; /* the rest is the group's until somebody takes it */
    session_ready(two);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 9);
    ck_assert_str_eq(b->seen[2].value, "m3");
    ck_assert_str_eq(b->seen[8].value, "m9");
    session_detach(&one);
    session_detach(&two);
}
END_TEST

START_TEST(what_an_ended_session_did_not_settle_is_the_first_for_others)
{
    struct session *one = session_of(a, "one", false), *two = session_of(b, "two", false);

    b->credit = 0;
    share(one, "t/#", 2);
    share(two, "t/#", 2);
    publish(0, 3, 1);
    publish(3, 1, 2); /* 4.8.2-5: nobody else may have it */
    a->credit = 0;
    publish(4, 2, 1);
    rig_settle(&rig);
    ck_assert_uint_eq(a->count, 4);
    ck_assert_int_eq(session_settle(one, a->seen[1].handle, OUTCOME_ACCEPT), RC_OK);
    session_detach(&one);
    b->credit = 100;
    session_ready(two);
    rig_settle(&rig);
    assert_seen(b, 4, "m0");
    ck_assert(!b->seen[0].is_redelivered); /* this client never saw it */
    ck_assert_str_eq(b->seen[1].value, "m2");
    ck_assert_str_eq(b->seen[2].value, "m4");
    ck_assert_str_eq(b->seen[3].value, "m5");
    settle_all(two, b);
    session_detach(&two);
    ck_assert_int_eq(count_get(COUNT_CORE_SHARES), 0);
}
END_TEST

START_TEST(a_kept_session_gets_its_own_again_within_the_grace)
{
    struct session *one = session_of(a, "one", true), *two = session_of(b, "two", false);

    b->credit = 0;
    clock_set_for_test(NS_PER_MS, 1000);
    ck_assert_int_eq(try_share(one, "g", "t/#", 2, 5), RC_OK);
    share(two, "t/#", 1);
    publish(0, 2, 1);
    publish(2, 1, 2);
    session_detach(&one);
    b->credit = 100;
    session_ready(two);
    clock_set_for_test(4000 * NS_PER_MS, 5000);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 0);
    a->count = 0;
    one = session_of(a, "one", true);
    session_ready(one);
    clock_set_for_test(9000 * NS_PER_MS, 10000);
    rig_settle(&rig);
    assert_seen(a, 3, "m0");
    ck_assert(a->seen[0].is_redelivered);
    ck_assert_uint_eq(a->seen[0].first_id, 5);
    ck_assert_uint_eq(b->count, 0);
    session_detach(&one);
    session_detach(&two);
}
END_TEST

START_TEST(after_the_grace_another_member_gets_them_but_not_qos_2)
{
    struct session *one = session_of(a, "one", true), *two = session_of(b, "two", false);

    b->credit = 0;
    clock_set_for_test(NS_PER_MS, 1000);
    share(one, "t/#", 2);
    share(two, "t/#", 1);
    publish(0, 2, 1);
    publish(2, 1, 2);
    session_detach(&one);
    b->credit = 100;
    session_ready(two);
    clock_set_for_test(6000 * NS_PER_MS, 7000);
    rig_settle(&rig);
    assert_seen(b, 2, "m0");
    a->count = 0;
    one = session_of(a, "one", true);
    session_ready(one);
    rig_settle(&rig);
    assert_seen(a, 1, "m2");
    ck_assert(a->seen[0].is_redelivered);
    session_detach(&one);
    session_detach(&two);
}
END_TEST

START_TEST(leaving_finishes_what_was_started_and_the_last_ends_the_group)
{
    struct session *one = session_of(a, "one", true);

    share(one, "t/#", 1);
    publish(0, 1, 1);
    ck_assert_int_eq(session_unsubscribe(one, SLICE("$share/g/t/#")), RC_OK);
    ck_assert_int_eq(session_unsubscribe(one, SLICE("$share/g/t/#")), RC_NOT_FOUND);
    ck_assert_int_eq(count_get(COUNT_CORE_SHARES), 0);
    publish(1, 1, 1);
    session_detach(&one);
    a->count = 0;
    one = session_of(a, "one", true);
    session_ready(one);
    rig_settle(&rig);
    assert_seen(a, 1, "m0");
    settle_all(one, a);
    session_detach(&one);
}
END_TEST

START_TEST(qos_0_is_for_who_is_there)
{
    struct session *one = session_of(a, "one", true);

    share(one, "t/#", 1);
    a->credit = 1;
    publish(0, 3, 0); /* two wait while it is there */
    assert_seen(a, 1, "m0");
    session_detach(&one);
    publish(3, 1, 0);
    publish(4, 1, 1);
    a->count = 0;
    a->credit = 100;
    one = session_of(a, "one", true);
    session_ready(one);
    rig_settle(&rig);
    assert_seen(a, 1, "m4");
    session_detach(&one);
}
END_TEST

/* Messages of a group whose only member is away, half of them sent to it before. */
static void leave_behind(void)
{
    struct session *one = session_of(a, "one", true);

    a->credit = 300;
    ck_assert_int_eq(try_share(one, "g", "t/#", 1, 9), RC_OK);
    publish(0, 600, 1);
    rig_settle(&rig);
    ck_assert_uint_eq(a->count, 300);
    session_detach(&one);
    publish(600, 1, 1);
    rig_settle(&rig);
}

static void assert_all_again(struct rig_client *c, const char *id, bool is_own)
{
    struct session *session = session_of(c, id, true);
    char value[16];

    ck_assert(present == is_own);
    if (!is_own)
        share(session, "t/#", 1);
    session_ready(session);
    rig_settle_until(&rig, &c->count, 601);
    ck_assert_uint_eq(c->count, 601);
    for (unsigned i = 0; i < 601; i++) {
        (void)snprintf(value, sizeof(value), "m%u", i);
        ck_assert_str_eq(c->seen[i].value, value);
        ck_assert(c->seen[i].is_redelivered == (is_own && i < 300));
        ck_assert_uint_eq(c->seen[i].first_id, is_own ? 9 : 0);
    }
    settle_all(session, c);
    rig_settle(&rig);
    session_detach(&session);
}

START_TEST(a_group_keeps_its_place_over_a_restart)
{
    struct session *one;

    leave_behind();
    restart_by(_i == 0 ? rig_reopen : rig_reopen_after_crash);
    ck_assert_int_eq(count_get(COUNT_CORE_SHARES), 1);
    assert_all_again(a, "one", true);
    restart_by(rig_reopen);
    ck_assert_int_eq(count_get(COUNT_CORE_SHARES), 1);
    one = session_of(a, "one", true);
    rig_settle(&rig);
    ck_assert_uint_eq(a->count, 0);
    session_detach(&one);
}
END_TEST

START_TEST(after_a_restart_the_grace_runs_too)
{
    struct session *two;

    leave_behind();
    clock_set_for_test(clock_monotonic_ns(), clock_wall_ms());
    restart_by(rig_reopen);
    clock_set_for_test(clock_monotonic_ns() + 6000 * NS_PER_MS, clock_wall_ms());
    rig_settle(&rig);
    assert_all_again(b, "two", false);
    restart_by(rig_reopen); /* and what came back and was settled stays so */
    b->count = 0;
    two = session_of(b, "two", true);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 0);
    session_detach(&two);
}
END_TEST

static void add_tests(TCase *plain, TCase *durable)
{
    tcase_add_test(plain, each_message_goes_to_one_member_in_turn);
    tcase_add_test(plain, two_groups_and_a_plain_subscription_each_get_all);
    tcase_add_test(plain, no_retained_messages_come_with_a_shared_subscription);
    tcase_add_test(plain, who_has_no_credit_is_passed_over_and_nobody_loses);
    tcase_add_test(plain, what_an_ended_session_did_not_settle_is_the_first_for_others);
    tcase_add_test(plain, a_kept_session_gets_its_own_again_within_the_grace);
    tcase_add_test(plain, after_the_grace_another_member_gets_them_but_not_qos_2);
    tcase_add_test(plain, leaving_finishes_what_was_started_and_the_last_ends_the_group);
    tcase_add_test(plain, qos_0_is_for_who_is_there);
    tcase_add_loop_test(durable, a_group_keeps_its_place_over_a_restart, 0, 2);
    tcase_add_test(durable, after_a_restart_the_grace_runs_too);
}

int main(void)
{
    Suite *suite = suite_create("core shared subscriptions");
    TCase *plain = tcase_create("memory");
    TCase *durable = tcase_create("durable");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(plain, setup, teardown);
    tcase_add_checked_fixture(durable, setup_durable, teardown);
    tcase_set_timeout(durable, 60);
    add_tests(plain, durable);
    suite_add_tcase(suite, plain);
    suite_add_tcase(suite, durable);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
