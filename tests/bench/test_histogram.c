/* SPDX-License-Identifier: Apache-2.0 */
/* What the measuring programs tell must be true: their percentiles, checked against sorting. */
#include <check.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

static struct histogram h;

static void clear(void)
{
    memset(&h, 0, sizeof(h));
}

START_TEST(a_value_alone_is_told_within_its_class)
{
    for (unsigned bit = 0; bit < 43; bit++)
        for (int around = -1; around <= 1; around++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)around;
            uint64_t told;

            clear();
            histogram_add(&h, value);
            told = histogram_at(&h, 500);
            ck_assert_uint_le(told, value);
            ck_assert_uint_le(value - told, value / (HISTOGRAM_STEPS / 2));
            ck_assert_uint_eq(h.max, value);
        }
}
END_TEST

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

START_TEST(percentiles_are_those_of_the_sorted_values)
{
    static uint64_t values[10000];
    uint64_t noise = 1;

    clear();
    for (unsigned i = 0; i < 10000; i++) {
        noise = noise * 6364136223846793005u + 1442695040888963407u;
        values[i] = (noise >> 33) >> (i % 20);
        histogram_add(&h, values[i]);
    }
    qsort(values, 10000, sizeof(values[0]), by_size);
    for (unsigned per_mille = 1; per_mille < 1000; per_mille += 7) {
        uint64_t exact = values[10 * per_mille];
        uint64_t told = histogram_at(&h, per_mille);

        ck_assert_uint_le(told, exact);
        ck_assert_uint_le(exact - told, exact / (HISTOGRAM_STEPS / 2));
    }
    ck_assert_uint_eq(h.total, 10000);
    ck_assert_uint_eq(h.max, values[9999]);
}
END_TEST

START_TEST(no_values_give_zero_and_huge_ones_the_last_class)
{
    clear();
    ck_assert_uint_eq(histogram_at(&h, 500), 0);
    histogram_add(&h, UINT64_MAX);
    ck_assert_uint_eq(h.max, UINT64_MAX);
    ck_assert_uint_gt(histogram_at(&h, 500), UINT64_C(1) << 40);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histogram");
    TCase *tcase = tcase_create("histogram");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, a_value_alone_is_told_within_its_class);
    tcase_add_test(tcase, percentiles_are_those_of_the_sorted_values);
    tcase_add_test(tcase, no_values_give_zero_and_huge_ones_the_last_class);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
