/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/number.h"

#include "tests/lib/suite.h"

struct row {
    const char *text;
    enum rc rc;
    uint64_t value;
};

static void check_rows(const struct row *rows, size_t count,
                       enum rc (*read)(struct slice, uint64_t, uint64_t, uint64_t *))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 0;
        enum rc rc = read(slice_str(rows[i].text), 0, UINT64_MAX, &value);

        ck_assert_msg(rc == rows[i].rc && value == rows[i].value, "\"%s\": %s", rows[i].text,
                      rc_word(rc));
    }
}

START_TEST(whole_numbers_are_read_and_nothing_else)
{
    static const struct row rows[] = {
        { "0", RC_OK, 0 },
        { "007", RC_OK, 7 },
        { "18446744073709551615", RC_OK, UINT64_MAX },
        { "18446744073709551616", RC_RANGE, 0 },
        { "99999999999999999999999999", RC_RANGE, 0 },
        { "99999999999999999999999999x", RC_INVALID, 0 },
        { "", RC_INVALID, 0 },
        { " 1", RC_INVALID, 0 },
        { "1 ", RC_INVALID, 0 },
        { "+1", RC_INVALID, 0 },
        { "-1", RC_INVALID, 0 },
        { "0x1", RC_INVALID, 0 },
        { "1.0", RC_INVALID, 0 },
        { "1k", RC_INVALID, 0 },
        { "/", RC_INVALID, 0 },
        { ":", RC_INVALID, 0 },
    };

    check_rows(rows, COUNT_OF(rows), number_u64);
}
END_TEST

START_TEST(a_range_holds_its_ends)
{
    uint64_t value = 5;

    ck_assert_int_eq(number_u64(SLICE("10"), 10, 20, &value), RC_OK);
    ck_assert_int_eq(number_u64(SLICE("20"), 10, 20, &value), RC_OK);
    ck_assert_uint_eq(value, 20);
    ck_assert_int_eq(number_u64(SLICE("9"), 10, 20, &value), RC_RANGE);
    ck_assert_int_eq(number_u64(SLICE("21"), 10, 20, &value), RC_RANGE);
    ck_assert_uint_eq(value, 20);
}
END_TEST

START_TEST(signed_numbers_reach_both_ends)
{
    int64_t value;

    ck_assert_int_eq(number_i64(SLICE("-9223372036854775808"), INT64_MIN, 0, &value), RC_OK);
    ck_assert_int_eq(value, INT64_MIN);
    ck_assert_int_eq(number_i64(SLICE("9223372036854775807"), 0, INT64_MAX, &value), RC_OK);
    ck_assert_int_eq(value, INT64_MAX);
    ck_assert_int_eq(number_i64(SLICE("-9223372036854775809"), INT64_MIN, 0, &value), RC_RANGE);
    ck_assert_int_eq(number_i64(SLICE("9223372036854775808"), 0, INT64_MAX, &value), RC_RANGE);
    ck_assert_int_eq(number_i64(SLICE("-1"), INT64_MIN, INT64_MAX, &value), RC_OK);
    ck_assert_int_eq(value, -1);
    ck_assert_int_eq(number_i64(SLICE("-"), INT64_MIN, INT64_MAX, &value), RC_INVALID);
    ck_assert_int_eq(number_i64(SLICE("--1"), INT64_MIN, INT64_MAX, &value), RC_INVALID);
    ck_assert_int_eq(number_i64(SLICE("-1"), 0, 1, &value), RC_RANGE);
}
END_TEST

START_TEST(sizes_take_a_unit)
{
    static const struct row rows[] = {
        { "0", RC_OK, 0 },
        { "12", RC_OK, 12 },
        { "1k", RC_OK, 1024 },
        { "64M", RC_OK, 64 << 20 },
        { "3g", RC_OK, UINT64_C(3) << 30 },
        { "17179869183g", RC_OK, UINT64_C(17179869183) << 30 },
        { "17179869184g", RC_RANGE, 0 },
        { "k", RC_INVALID, 0 },
        { "", RC_INVALID, 0 },
        { "1t", RC_INVALID, 0 },
        { "1kk", RC_INVALID, 0 },
        { "1.5m", RC_INVALID, 0 },
        { "-1k", RC_INVALID, 0 },
    };

    check_rows(rows, COUNT_OF(rows), number_bytes);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("number");

    tcase_add_test(tests, whole_numbers_are_read_and_nothing_else);
    tcase_add_test(tests, a_range_holds_its_ends);
    tcase_add_test(tests, signed_numbers_reach_both_ends);
    tcase_add_test(tests, sizes_take_a_unit);
    return suite_run("number", tests);
}
