/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/durations.h"

#include "broker/base/mem.h"
#include "tests/lib/suite.h"

static struct durations durations;

static void setup(void)
{
    durations = (struct durations){ 0 };
}

START_TEST(a_bucket_is_a_sixteenth_wide_and_holds_what_it_says)
{
    for (uint64_t us = 0; us < 100000; us++) {
        struct durations one = { 0 };
        unsigned bucket = 0;

        durations_note(&one, us);
        while (one.buckets[bucket] == 0)
            bucket++;
        ck_assert_uint_ge(durations_bucket_us(bucket), us);
        ck_assert_uint_le(durations_bucket_us(bucket), us + us / 16);
        if (bucket > 0)
            ck_assert_uint_lt(durations_bucket_us(bucket - 1), us);
    }
}
END_TEST

START_TEST(what_is_longer_than_all_buckets_is_in_the_last)
{
    durations_note(&durations, UINT64_MAX);
    durations_note(&durations, UINT64_C(1) << 31);
    ck_assert_uint_eq(durations.buckets[DURATIONS_BUCKETS - 1], 2);
    ck_assert_uint_eq(durations.max_us, UINT64_MAX);
}
END_TEST

START_TEST(one_of_a_thousand_is_beyond_the_last_permille)
{
    for (unsigned i = 0; i < 9990; i++)
        durations_note(&durations, 10);
    for (unsigned i = 0; i < 10; i++)
        durations_note(&durations, 5000);
    ck_assert_uint_eq(durations_permille_us(&durations, 500), 10);
    ck_assert_uint_eq(durations_permille_us(&durations, 999), 10);
    ck_assert_uint_eq(durations_permille_us(&durations, 1000), 5000);
    durations_note(&durations, 5000);
    ck_assert_uint_ge(durations_permille_us(&durations, 999), 5000 - 5000 / 16);
}
END_TEST

START_TEST(of_nothing_all_is_nought)
{
    ck_assert_uint_eq(durations_permille_us(&durations, 999), 0);
    ck_assert_uint_eq(durations_below(&durations, 20), 0);
}
END_TEST

START_TEST(what_is_below_an_octave_is_counted_exactly)
{
    for (uint64_t us = 0; us < 3000; us++)
        durations_note(&durations, us);
    for (unsigned exponent = 0; exponent < 11; exponent++)
        ck_assert_uint_eq(durations_below(&durations, exponent), UINT64_C(1) << exponent);
    ck_assert_uint_eq(durations_below(&durations, 12), 3000);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("durations");

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, a_bucket_is_a_sixteenth_wide_and_holds_what_it_says);
    tcase_add_test(tests, what_is_longer_than_all_buckets_is_in_the_last);
    tcase_add_test(tests, one_of_a_thousand_is_beyond_the_last_permille);
    tcase_add_test(tests, of_nothing_all_is_nought);
    tcase_add_test(tests, what_is_below_an_octave_is_counted_exactly);
    return suite_run("durations", tests);
}
