/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/rate.h"

#include "tests/lib/suite.h"

#define SECOND UINT64_C(1000000000)

START_TEST(a_seconds_worth_comes_at_once_and_then_one_after_the_other)
{
    struct rate rate = { .per_s = 10 };
    uint64_t now = 100 * SECOND;

    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(rate_take(&rate, 1, now), 0);
    ck_assert_uint_eq(rate_take(&rate, 1, now), SECOND / 10);
    now += SECOND / 10;
    ck_assert_uint_eq(rate_take(&rate, 1, now), SECOND / 10);
}
END_TEST

START_TEST(what_was_not_used_is_kept_for_a_second_and_no_longer)
{
    struct rate rate = { .per_s = 10 };

    ck_assert_uint_eq(rate_take(&rate, 10, 100 * SECOND), 0);
    ck_assert_uint_eq(rate_take(&rate, 11, 1000 * SECOND), SECOND / 10);
}
END_TEST

START_TEST(one_large_thing_is_taken_and_paid_for_later)
{
    struct rate rate = { .per_s = 1000 };

    ck_assert_uint_eq(rate_take(&rate, 11000, 100 * SECOND), 10 * SECOND);
    ck_assert_uint_eq(rate_take(&rate, UINT64_MAX, 200 * SECOND),
                      (UINT64_C(1) << 33) / 1000 * SECOND + SECOND * 592 / 1000 - SECOND);
}
END_TEST

START_TEST(without_a_rate_there_is_no_limit)
{
    struct rate rate = { 0 };

    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(rate_take(&rate, UINT64_MAX, i), 0);
}
END_TEST

START_TEST(soon_after_the_machine_began_nothing_is_different)
{
    struct rate rate = { .per_s = 2 };

    ck_assert_uint_eq(rate_take(&rate, 1, 0), SECOND / 2);
    ck_assert_uint_eq(rate_take(&rate, 1, SECOND), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rate");

    tcase_add_test(tests, a_seconds_worth_comes_at_once_and_then_one_after_the_other);
    tcase_add_test(tests, what_was_not_used_is_kept_for_a_second_and_no_longer);
    tcase_add_test(tests, one_large_thing_is_taken_and_paid_for_later);
    tcase_add_test(tests, without_a_rate_there_is_no_limit);
    tcase_add_test(tests, soon_after_the_machine_began_nothing_is_different);
    return suite_run("rate", tests);
}
