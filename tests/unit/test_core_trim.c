/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/core/core_int.h"
#include "broker/core/user.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

static struct rig rig;
static struct rig_client *a, *b;
static bool present;

static void setup(void)
{
    rig_open(&rig, false);
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

static void lower(uint64_t messages, uint64_t bytes, enum session_overflow what)
{
    const struct users_config config = {
        .common = { .session_messages = messages, .session_bytes = bytes, .overflow = what }
    };

    users_set(rig.core, &config);
}

/* A session that is away and owed so many. */
static void leave_owing(const char *id, unsigned count)
{
    struct session *s = rig_session(&rig, b, id, false, SESSION_NEVER_EXPIRES, &present);

    rig_subscribe(s, "t", 1, 0);
    session_detach(&s);
    for (unsigned i = 0; i < count; i++) {
        char value[16];

        (void)snprintf(value, sizeof(value), "m%u", i);
        ck_assert_int_eq(rig_publish(&rig, a, "t", value, 1, 0), RC_OK);
    }
    rig_settle(&rig);
}

START_TEST(what_is_owed_above_a_cap_that_was_lowered_goes_in_parts)
{
    enum { COUNT = 10000 };
    int64_t dropped = count_get(COUNT_CORE_DROPPED);
    struct session *s;

    leave_owing("s", COUNT);
    ck_assert_uint_eq(rig.core->owed_count, COUNT);
    lower(10, 0, OVERFLOW_REJECT); /* no more comes, and what there is stays */
    rig_settle(&rig);
    ck_assert_uint_eq(rig.core->owed_count, COUNT);
    lower(10, 0, OVERFLOW_DROP_OLDEST);
    core_turn_end(rig.core);
    ck_assert_uint_lt(rig.core->owed_count, COUNT);
    ck_assert_uint_gt(rig.core->owed_count, COUNT / 2);
    rig_settle(&rig);
    ck_assert_uint_eq(rig.core->owed_count, 10);
    ck_assert_int_eq(count_get(COUNT_CORE_DROPPED) - dropped, COUNT - 10);
    lower(10, 1, OVERFLOW_DROP_OLDEST);
    rig_settle(&rig);
    ck_assert_uint_eq(rig.core->owed_count, 0);
    lower(COUNT, 0, OVERFLOW_DROP_OLDEST);
    ck_assert_int_eq(rig_publish(&rig, a, "t", "after", 1, 0), RC_OK);
    s = rig_session(&rig, b, "s", false, 0, &present);
    session_ready(s);
    rig_settle(&rig);
    ck_assert_uint_eq(b->count, 1);
    ck_assert_str_eq(b->seen[0].value, "after");
    session_detach(&s);
}
END_TEST

START_TEST(sessions_above_a_cap_that_was_lowered_end_where_that_is_the_rule)
{
    enum { COUNT = 200 };
    int64_t ended = count_get(COUNT_CORE_SESSIONS_OVERFLOWED);
    char id[16];

    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(id, sizeof(id), "s%u", i);
        leave_owing(id, i == COUNT - 1 ? 3 : 0);
    }
    leave_owing("small", 1);
    lower(3, 0, OVERFLOW_END);
    core_turn_end(rig.core);
    ck_assert_int_lt(count_get(COUNT_CORE_SESSIONS_OVERFLOWED) - ended, COUNT);
    ck_assert_int_gt(count_get(COUNT_CORE_SESSIONS_OVERFLOWED) - ended, 0);
    rig_settle(&rig);
    ck_assert_int_eq(count_get(COUNT_CORE_SESSIONS_OVERFLOWED) - ended, COUNT);
    ck_assert_uint_eq(rig.core->sessions.count, 1);
}
END_TEST

/* Two users, of whom `poor` may be owed less. */
static void set_apart(enum session_overflow what)
{
    const struct user_rule rule = { SLICE("poor"), { .session_messages = 2, .overflow = what } };
    const struct users_config config = { .common = { .session_messages = 100 },
                                         .rules = &rule,
                                         .rule_count = 1 };

    users_set(rig.core, &config);
}

/* Another user's client comes for the session "s", which is owed ten, and asks for none yet. */
static struct session *pass_on(void)
{
    const struct session_spec spec = { .id = SLICE("s"), .expiry_ms = SESSION_NEVER_EXPIRES };
    struct session *s = NULL;

    client_set_user(b->client, SLICE("rich"));
    leave_owing("s", 10);
    ck_assert_uint_eq(user_find(rig.core, SLICE("rich"))->owed_count, 10);
    client_set_user(b->client, SLICE("poor"));
    ck_assert_int_eq(session_open(b->client, &spec, &s, &present), RC_OK);
    ck_assert(present);
    ck_assert_ptr_null(user_find(rig.core, SLICE("rich")));
    return s;
}

START_TEST(a_session_that_passes_to_a_user_who_may_be_owed_less_is_trimmed_at_once)
{
    int64_t dropped = count_get(COUNT_CORE_DROPPED);
    struct session *s;

    set_apart(OVERFLOW_DROP_OLDEST);
    s = pass_on();
    core_turn_end(rig.core);
    ck_assert_uint_eq(user_find(rig.core, SLICE("poor"))->owed_count, 2);
    ck_assert_uint_eq(rig.core->owed_count, 2);
    ck_assert_int_eq(count_get(COUNT_CORE_DROPPED) - dropped, 8);
    session_ready(s);
    rig_settle_until(&rig, &b->count, 2);
    ck_assert_str_eq(b->seen[0].value, "m8");
    session_detach(&s);
}
END_TEST

START_TEST(a_session_that_passes_to_such_a_user_ends_where_that_is_the_rule)
{
    int64_t ended = count_get(COUNT_CORE_SESSIONS_OVERFLOWED);

    set_apart(OVERFLOW_END);
    (void)pass_on();
    rig_settle(&rig);
    ck_assert_int_eq(count_get(COUNT_CORE_SESSIONS_OVERFLOWED) - ended, 1);
    ck_assert_uint_eq(rig.core->sessions.count, 0);
    ck_assert_uint_eq(user_find(rig.core, SLICE("poor"))->sessions, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_trim");
    TCase *plain = tcase_create("plain");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(plain, setup, teardown);
    tcase_set_timeout(plain, 60);
    tcase_add_test(plain, what_is_owed_above_a_cap_that_was_lowered_goes_in_parts);
    tcase_add_test(plain, sessions_above_a_cap_that_was_lowered_end_where_that_is_the_rule);
    tcase_add_test(plain, a_session_that_passes_to_a_user_who_may_be_owed_less_is_trimmed_at_once);
    tcase_add_test(plain, a_session_that_passes_to_such_a_user_ends_where_that_is_the_rule);
    suite_add_tcase(suite, plain);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
