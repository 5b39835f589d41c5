/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/counters.h"

#include "broker/base/rc.h"
#include "tests/lib/suite.h"

START_TEST(every_name_can_be_a_metric)
{
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const char *name = counter_name((enum counter)i);

        ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
        ck_assert_msg(name[0] >= 'a' && name[0] <= 'z', "%s", name);
        ck_assert_msg(strstr(name, "__") == NULL, "%s", name);
    }
}
END_TEST

START_TEST(every_name_is_its_own_and_says_what_it_counts)
{
    for (int i = 0; i < COUNTER_COUNT; i++) {
        ck_assert_uint_gt(strlen(counter_what((enum counter)i)), 0);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(counter_name((enum counter)i), counter_name((enum counter)k));
    }
}
END_TEST

START_TEST(counting_adds_and_setting_sets)
{
    ck_assert_int_eq(count_get(COUNT_NET_OPEN), 0);
    count_add(COUNT_NET_OPEN, 3);
    count_add(COUNT_NET_OPEN, -1);
    ck_assert_int_eq(count_get(COUNT_NET_OPEN), 2);
    count_set(COUNT_NET_OPEN, 7);
    ck_assert_int_eq(count_get(COUNT_NET_OPEN), 7);
    ck_assert_int_eq(count_get(COUNT_NET_ACCEPTED), 0);
}
END_TEST

START_TEST(every_return_code_has_a_word_of_its_own)
{
    for (int i = 0; i < RC_COUNT; i++) {
        ck_assert_uint_gt(strlen(rc_word((enum rc)i)), 0);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(rc_word((enum rc)i), rc_word((enum rc)k));
    }
    ck_assert_str_eq(rc_word(RC_COUNT), "unknown");
    ck_assert_str_eq(rc_word((enum rc) - 1), "unknown");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("counters");

    tcase_add_test(tests, every_name_can_be_a_metric);
    tcase_add_test(tests, every_name_is_its_own_and_says_what_it_counts);
    tcase_add_test(tests, counting_adds_and_setting_sets);
    tcase_add_test(tests, every_return_code_has_a_word_of_its_own);
    return suite_run("counters", tests);
}
