/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/fault.h"

#include <signal.h>
#include <stdio.h>

#include "broker/base/counters.h"
#include "tests/lib/suite.h"

/* Which of ten passings of the point "here" fail, as a bit each. */
static unsigned failing_passings(void)
{
    unsigned failing = 0;

    for (unsigned i = 0; i < 10; i++)
        failing |= FAULT("here") ? 1U << i : 0;
    return failing;
}

START_TEST(nothing_fails_unarmed)
{
    ck_assert_uint_eq(failing_passings(), 0);
}
END_TEST

START_TEST(a_point_fails_from_its_nth_passing_on)
{
    fault_arm("here", 4, FAULT_FAIL);
    ck_assert_uint_eq(failing_passings(), 0x3f8);
    ck_assert_uint_eq(fault_passed(), 10);
    fault_disarm();
    ck_assert_uint_eq(failing_passings(), 0);
}
END_TEST

START_TEST(once_is_once)
{
    fault_arm("here", 4, FAULT_ONCE);
    ck_assert_uint_eq(failing_passings(), 0x008);
}
END_TEST

START_TEST(another_point_is_left_alone)
{
    fault_arm("elsewhere", 1, FAULT_FAIL);
    ck_assert_uint_eq(failing_passings(), 0);
    ck_assert_uint_eq(fault_passed(), 0);
}
END_TEST

START_TEST(arming_again_counts_from_one)
{
    fault_arm("here", 2, FAULT_ONCE);
    ck_assert_uint_eq(failing_passings(), 0x002);
    fault_arm("here", 3, FAULT_ONCE);
    ck_assert_uint_eq(failing_passings(), 0x004);
}
END_TEST

/* The place above, which stands in failing_passings(). */
static const struct fault_site *here_site(void)
{
    struct fault_site *const *sites;
    size_t count = fault_sites(&sites);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(sites[i]->name, "here") == 0)
            return sites[i];
    }
    return NULL;
}

START_TEST(every_place_is_known_and_counts_its_passings)
{
    const struct fault_site *site = here_site();

    ck_assert_ptr_nonnull(site);
    ck_assert_ptr_nonnull(strstr(site->file, "test_fault.c"));
    fault_count();
    ck_assert_uint_eq(failing_passings(), 0);
    ck_assert_uint_eq(site->passed, 10);
    fault_count();
    ck_assert_uint_eq(site->passed, 0);
    fault_disarm();
    ck_assert_uint_eq(failing_passings(), 0);
    ck_assert_uint_eq(site->passed, 0);
}
END_TEST

START_TEST(one_place_of_a_point_can_fail_alone)
{
    char text[80];

    (void)snprintf(text, sizeof(text), "here@test_fault.c+%d", here_site()->line);
    fault_arm(text, 9, FAULT_FAIL);
    ck_assert_uint_eq(failing_passings(), 0x300);
    (void)snprintf(text, sizeof(text), "here@test_fault.c+%d", here_site()->line + 1);
    fault_arm(text, 1, FAULT_FAIL);
    ck_assert_uint_eq(failing_passings(), 0);
    (void)snprintf(text, sizeof(text), "here@other.c+%d", here_site()->line);
    fault_arm(text, 1, FAULT_FAIL);
    ck_assert_uint_eq(failing_passings(), 0);
}
END_TEST

START_TEST(each_failure_is_counted)
{
    int64_t before = count_get(COUNT_FAULTS_INJECTED);

    fault_arm("here", 8, FAULT_FAIL);
    (void)failing_passings();
    ck_assert_int_eq(count_get(COUNT_FAULTS_INJECTED), before + 3);
}
END_TEST

START_TEST(the_environment_arms)
{
    static const struct {
        const char *text;
        bool is_accepted;
        unsigned failing;
    } rows[] = {
        { "here:3", true, 0x3fc }, { "here:3:once", true, 0x004 },   { "here", false, 0 },
        { "here:", false, 0 },     { "here:0", false, 0 },           { "here:x", false, 0 },
        { "here:1:", false, 0 },   { "here:1:sometimes", false, 0 }, { "here:-1", false, 0 },
        { "other:1", true, 0 },    { "here@x.c+5:1", true, 0 },      { "here@x.c:1", false, 0 },
        { "here@+5:1", false, 0 }, { "here@x.c+:1", false, 0 },      { "here@x.c+5y:1", false, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fault_disarm();
        ck_assert_int_eq(setenv("TERCET_FAULT", rows[i].text, 1), 0);
        ck_assert_msg(fault_arm_from_environment() == rows[i].is_accepted, "%s", rows[i].text);
        ck_assert_uint_eq(failing_passings(), rows[i].failing);
    }
    fault_disarm();
    ck_assert_int_eq(unsetenv("TERCET_FAULT"), 0);
    ck_assert(fault_arm_from_environment());
    ck_assert_uint_eq(failing_passings(), 0);
}
END_TEST

START_TEST(a_name_of_any_length_is_refused_not_cut)
{
    char text[200];

    memset(text, 'n', sizeof(text));
    memcpy(text + sizeof(text) - 3, ":1", 3);
    ck_assert_int_eq(setenv("TERCET_FAULT", text, 1), 0);
    ck_assert(!fault_arm_from_environment());
}
END_TEST

START_TEST(kill_ends_the_process)
{
    fault_arm("here", 10, FAULT_KILL);
    (void)failing_passings();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("fault");

    tcase_add_test(tests, nothing_fails_unarmed);
    tcase_add_test(tests, a_point_fails_from_its_nth_passing_on);
    tcase_add_test(tests, once_is_once);
    tcase_add_test(tests, another_point_is_left_alone);
    tcase_add_test(tests, arming_again_counts_from_one);
    tcase_add_test(tests, every_place_is_known_and_counts_its_passings);
    tcase_add_test(tests, one_place_of_a_point_can_fail_alone);
    tcase_add_test(tests, each_failure_is_counted);
    tcase_add_test(tests, the_environment_arms);
    tcase_add_test(tests, a_name_of_any_length_is_refused_not_cut);
    tcase_add_test_raise_signal(tests, kill_ends_the_process, SIGKILL);
    return suite_run("fault", tests);
}
