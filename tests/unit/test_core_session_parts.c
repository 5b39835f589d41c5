/* SPDX-License-Identifier: Apache-2.0 */
/* What of sessions is ended in parts. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/session.h"
#include "storage/log.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

static struct rig rig;
static struct rig_client *a, *b;
static bool present;

static void setup(void)
{
    rig_open(&rig, true);
    a = mem_new(struct rig_client);
    b = mem_new(struct rig_client);
    rig_client_open(&rig, a, RIG_SEEN_MAX);
    rig_client_open(&rig, b, RIG_SEEN_MAX);
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

#define VERY_MANY 5000u /* more than one turn ends */

static unsigned strays;

static void on_line(enum log_level level, const char *line, size_t len)
{
    (void)level;
    if (memmem(line, len, "core.strays_deleted", strlen("core.strays_deleted")) != NULL)
        strays++;
}

static void subscribe_many(struct session *s)
{
    char filter[32];

    for (unsigned i = 0; i < VERY_MANY; i++) {
        (void)snprintf(filter, sizeof(filter), "many/%u/+", i);
        rig_subscribe(s, filter, 1, 0);
    }
}

/* Once it ended nothing matches any more, whatever is left of it; its name is free. */
static void expect_no_matches(void)
{
    char address[32];

    for (unsigned i = 0; i < VERY_MANY; i += 499) {
        (void)snprintf(address, sizeof(address), "many/%u/x", i);
        ck_assert_int_eq(rig_publish(&rig, a, address, "x", 1, 0), RC_NO_ROUTE);
    }
    ck_assert_uint_eq(b->count, 0);
}

START_TEST(a_session_with_very_many_subscriptions_ends_in_parts)
{
    int64_t before = count_get(COUNT_CORE_SUBSCRIPTIONS);
    struct session *s = rig_session(&rig, b, "s", true, 60000, &present);

    subscribe_many(s);
    rig_settle(&rig);
    s = rig_session(&rig, a, "s", true, 60000, &present);
    ck_assert(!present);
    ck_assert_int_gt(count_get(COUNT_CORE_SUBSCRIPTIONS), before + 1000);
    expect_no_matches();
    rig_subscribe(s, "many/1/+", 1, 0);
    ck_assert_int_eq(rig_publish(&rig, b, "many/1/x", "mine", 1, 0), RC_OK);
    core_turn_end(rig.core);
    ck_assert_int_gt(count_get(COUNT_CORE_SUBSCRIPTIONS), before + 1000);
    expect_no_matches();
    rig_settle(&rig);
    ck_assert_int_eq(count_get(COUNT_CORE_SUBSCRIPTIONS), before + 1);
    ck_assert_uint_eq(a->count, 1);
    session_detach(&s);
}
END_TEST

START_TEST(what_is_left_of_a_session_at_a_stop_is_gone_after_the_next_start)
{
    int64_t before = count_get(COUNT_CORE_SUBSCRIPTIONS);
    struct session *s = rig_session(&rig, b, "s", true, 60000, &present);

    subscribe_many(s);
    rig_settle(&rig);
    s = rig_session(&rig, a, "s", true, 60000, &present);
    rig_subscribe(s, "many/1/+", 1, 0);
    core_turn_end(rig.core);
    ck_assert_int_eq(store_flush(rig.store), RC_OK);
    ck_assert_int_gt(count_get(COUNT_CORE_SUBSCRIPTIONS), before + 1000);
    strays = 0;
    log_set_threshold(LOG_INFO);
    log_set_sink(on_line);
    restart_by(rig_reopen_amid);
    ck_assert_int_eq(count_get(COUNT_CORE_SUBSCRIPTIONS), before + 1);
    ck_assert_uint_eq(strays, 1);
    rig_settle(&rig);
    restart_by(rig_reopen);
    ck_assert_int_eq(count_get(COUNT_CORE_SUBSCRIPTIONS), before + 1);
    ck_assert_uint_eq(strays, 1);
    log_set_sink(NULL);
    s = rig_session(&rig, b, "s", false, 60000, &present);
    ck_assert(present);
    session_detach(&s);
}
END_TEST

#define VERY_MANY_WAIT 40000u /* more than two parts end */

static void owe_very_many(void)
{
    struct session *s = rig_session(&rig, b, "s", true, 60000, &present);

    rig_subscribe(s, "w/#", 1, 0);
    session_detach(&s);
    for (unsigned i = 0; i < VERY_MANY_WAIT; i++)
        ck_assert_int_eq(rig_publish(&rig, a, "w/x", "x", 1, 0), RC_OK);
    rig_settle(&rig);
    ck_assert_uint_eq(sessions_owed_count(rig.core, SLICE("s")), VERY_MANY_WAIT);
}

/* How often a start found rows of nobody, from a restart by `reopen` to the one after the next. */
static unsigned strays_of(void (*reopen)(struct rig *rig))
{
    strays = 0;
    log_set_threshold(LOG_INFO);
    log_set_sink(on_line);
    restart_by(reopen);
    rig_settle(&rig);
    restart_by(rig_reopen);
    log_set_sink(NULL);
    return strays;
}

START_TEST(a_session_that_is_owed_very_much_ends_in_parts)
{
    struct session *s;

    owe_very_many();
    s = rig_session(&rig, a, "s", true, 60000, &present);
    ck_assert(!present);
    ck_assert_uint_eq(sessions_owed_count(rig.core, SLICE("s")), 0);
    core_turn_end(rig.core);
    ck_assert_int_eq(count_get(COUNT_CORE_OWED), 0);
    ck_assert_int_eq(store_flush(rig.store), RC_OK);
    ck_assert_uint_eq(strays_of(rig_reopen_amid), 1);
    s = rig_session(&rig, b, "s", false, 60000, &present);
    ck_assert(present);
    ck_assert_uint_eq(session_owed_count(s), 0);
    session_detach(&s);
}
END_TEST

START_TEST(nothing_stays_of_a_session_that_was_owed_very_much)
{
    owe_very_many();
    (void)rig_session(&rig, a, "s", true, 60000, &present);
    rig_settle(&rig);
    ck_assert_uint_eq(strays_of(rig_reopen), 0);
}
END_TEST

START_TEST(a_session_that_is_not_to_outlive_its_connection_leaves_its_rows_till_it_ends)
{
    struct session *s = rig_session(&rig, b, "s", true, 60000, &present);

    subscribe_many(s);
    rig_settle(&rig);
    session_set_expiry(s, 0);
    rig_settle(&rig);
    ck_assert_uint_eq(strays_of(rig_reopen_after_crash), 1);
    s = rig_session(&rig, b, "s", false, 60000, &present);
    ck_assert(!present);
    subscribe_many(s);
    rig_settle(&rig);
    session_set_expiry(s, 0);
    ck_assert_int_eq(session_unsubscribe(s, SLICE("many/7/+")), RC_OK);
    session_detach(&s);
    rig_settle(&rig);
    ck_assert_uint_eq(strays_of(rig_reopen), 0);
}
END_TEST

struct visited {
    uint32_t next; /* key that is to come */
    uint32_t last;
};

static void on_note(void *arg, uint32_t key, struct slice value)
{
    struct visited *visited = arg;

    ck_assert_uint_eq(key, visited->next);
    ck_assert_uint_eq(value.len, 2);
    visited->next += 2;
    visited->last = key;
}

START_TEST(notes_of_a_range_are_visited_in_the_order_of_their_keys)
{
    struct session *s = rig_session(&rig, b, "s", true, 0, &present);
    struct visited visited = { .next = 1000 };
    size_t bytes;

    for (uint32_t i = 0; i < 30000; i++) /* even keys, from far apart to neighbours */
        session_note_put(s, (i * 7919u % 30000u) * 2, SLICE("ab"));
    session_note_each(s, 999, 50001, on_note, &visited);
    ck_assert_uint_eq(visited.last, 50000);
    ck_assert_uint_eq(session_note_count(s, 999, 50001, &bytes), 24501);
    ck_assert_uint_eq(bytes, 2 * 24501);
    ck_assert_uint_eq(session_note_count(s, 60000, UINT32_MAX, &bytes), 0);
    session_detach(&s);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("durable");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_session_with_very_many_subscriptions_ends_in_parts);
    tcase_add_test(tests, what_is_left_of_a_session_at_a_stop_is_gone_after_the_next_start);
    tcase_add_test(tests, a_session_that_is_owed_very_much_ends_in_parts);
    tcase_add_test(tests, nothing_stays_of_a_session_that_was_owed_very_much);
    tcase_add_test(tests,
                   a_session_that_is_not_to_outlive_its_connection_leaves_its_rows_till_it_ends);
    tcase_add_test(tests, notes_of_a_range_are_visited_in_the_order_of_their_keys);
    return suite_run("sessions that end in parts", tests);
}
