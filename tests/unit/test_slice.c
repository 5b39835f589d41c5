/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/slice.h"

#include "tests/lib/suite.h"

START_TEST(absent_differs_from_empty)
{
    ck_assert(slice_is_none(SLICE_NONE));
    ck_assert(!slice_is_none(SLICE("")));
    ck_assert(slice_equal(SLICE_NONE, SLICE("")));
    ck_assert(slice_is_none(slice_str(NULL)));
}
END_TEST

START_TEST(equality_looks_at_every_byte)
{
    ck_assert(slice_equal(SLICE("a\0b"), SLICE("a\0b")));
    ck_assert(!slice_equal(SLICE("a\0b"), SLICE("a\0c")));
    ck_assert(!slice_equal(SLICE("a"), SLICE("ab")));
    ck_assert(slice_equal_str(SLICE("ab"), "ab"));
    ck_assert(!slice_equal_str(SLICE("ab"), "a"));
    ck_assert(slice_equal_str(SLICE_NONE, NULL));
}
END_TEST

START_TEST(a_prefix_is_never_longer_than_the_whole)
{
    ck_assert(slice_starts(SLICE("abc"), SLICE("")));
    ck_assert(slice_starts(SLICE("abc"), SLICE("abc")));
    ck_assert(!slice_starts(SLICE("abc"), SLICE("abcd")));
    ck_assert(!slice_starts(SLICE("abc"), SLICE("b")));
    ck_assert(slice_starts(SLICE_NONE, SLICE_NONE));
}
END_TEST

START_TEST(order_is_by_bytes_then_by_length)
{
    static const struct slice ordered[] = {
        { (const uint8_t *)"", 0 },   { (const uint8_t *)"\0", 1 }, { (const uint8_t *)"a", 1 },
        { (const uint8_t *)"aa", 2 }, { (const uint8_t *)"b", 1 },  { (const uint8_t *)"\x80", 1 }
    };

    for (size_t i = 0; i < COUNT_OF(ordered); i++) {
        for (size_t k = 0; k < COUNT_OF(ordered); k++) {
            int order = slice_compare(ordered[i], ordered[k]);

            ck_assert_int_eq((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
}
END_TEST

START_TEST(what_follows_more_than_all_is_empty)
{
    ck_assert_slice(slice_after(SLICE("abc"), 1), SLICE("bc"));
    ck_assert_slice(slice_after(SLICE("abc"), 3), SLICE(""));
    ck_assert_slice(slice_after(SLICE("abc"), SIZE_MAX), SLICE(""));
    ck_assert(slice_is_none(slice_after(SLICE_NONE, 1)));
    ck_assert(!slice_is_none(slice_after(SLICE("abc"), 4)));
}
END_TEST

START_TEST(a_list_is_taken_apart_at_its_commas)
{
    struct slice list = SLICE(" a , b b,,c"), one;

    ck_assert(slice_next_listed(&list, &one));
    ck_assert(slice_equal_str(one, "a"));
    ck_assert(slice_next_listed(&list, &one));
    ck_assert(slice_equal_str(one, "b b"));
    ck_assert(slice_next_listed(&list, &one));
    ck_assert_uint_eq(one.len, 0);
    ck_assert(slice_next_listed(&list, &one));
    ck_assert(slice_equal_str(one, "c"));
    ck_assert(!slice_next_listed(&list, &one));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("slice");

    tcase_add_test(tests, absent_differs_from_empty);
    tcase_add_test(tests, equality_looks_at_every_byte);
    tcase_add_test(tests, a_prefix_is_never_longer_than_the_whole);
    tcase_add_test(tests, order_is_by_bytes_then_by_length);
    tcase_add_test(tests, what_follows_more_than_all_is_empty);
    tcase_add_test(tests, a_list_is_taken_apart_at_its_commas);
    return suite_run("slice", tests);
}
