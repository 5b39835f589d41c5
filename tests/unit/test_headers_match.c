/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/headers_match.h"

#include <check.h>
#include <stdlib.h>

#include "broker/base/fault.h"
#include "broker/base/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct header_value text_of(const char *name, const char *text)
{
    return (struct header_value){ .name = slice_str(name),
                                  .kind = HEADER_TEXT,
                                  .as.bytes = slice_str(text) };
}

static struct header_value integer_of(const char *name, int64_t integer)
{
    return (struct header_value){ .name = slice_str(name),
                                  .kind = HEADER_INTEGER,
                                  .as.integer = integer };
}

static struct header_value void_of(const char *name)
{
    return (struct header_value){ .name = slice_str(name), .kind = HEADER_VOID };
}

/* A binding of these arguments, behind x-match when `word` is given, against these headers. */
static bool matches(const char *word, const struct header_value *arguments, size_t argument_count,
                    const struct header_value *headers, size_t header_count)
{
    struct header_value all[8], sorted[8];
    struct headers_pattern *pattern = NULL;
    size_t count = 0;
    bool is_match;

    ck_assert_uint_lt(argument_count, COUNT(all));
    ck_assert_uint_le(header_count, COUNT(sorted));
    for (size_t i = 0; i < argument_count; i++)
        all[count++] = arguments[i];
    if (word != NULL)
        all[count++] = text_of("x-match", word);
    for (size_t i = 0; i < header_count; i++)
        sorted[i] = headers[i];
    ck_assert_int_eq(headers_pattern_new(all, count, &pattern), RC_OK);
    ck_assert_int_eq(headers_sort(sorted, header_count), RC_OK);
    is_match = headers_match(pattern, sorted, header_count);
    headers_pattern_free(&pattern);
    return is_match;
}

START_TEST(all_asks_for_every_argument)
{
    struct header_value arguments[] = { text_of("b", "2"), text_of("a", "1") };
    struct header_value both[] = { text_of("a", "1"), text_of("c", "3"), text_of("b", "2") };
    struct header_value wrong[] = { text_of("a", "1"), text_of("b", "x") };

    ck_assert(matches("all", arguments, 2, both, 3));
    ck_assert(matches(NULL, arguments, 2, both, 3));
    ck_assert(!matches("all", arguments, 2, wrong, 2));
    ck_assert(!matches("all", arguments, 2, both, 1));
    ck_assert(!matches("all", arguments, 2, NULL, 0));
}
END_TEST

START_TEST(any_asks_for_one_argument)
{
    struct header_value arguments[] = { text_of("b", "2"), text_of("a", "1") };
    struct header_value one[] = { text_of("a", "x"), text_of("b", "2") };
    struct header_value none[] = { text_of("a", "2"), text_of("c", "1") };

    ck_assert(matches("any", arguments, 2, one, 2));
    ck_assert(!matches("any", arguments, 2, none, 2));
    ck_assert(!matches("any", arguments, 2, NULL, 0));
}
END_TEST

START_TEST(no_arguments_match_all_and_never_any)
{
    struct header_value headers[] = { text_of("a", "1") };

    ck_assert(matches(NULL, NULL, 0, headers, 1));
    ck_assert(matches("all", NULL, 0, NULL, 0));
    ck_assert(!matches("any", NULL, 0, headers, 1));
    ck_assert(!matches("any-with-x", NULL, 0, headers, 1));
}
END_TEST

START_TEST(names_with_x_count_only_when_asked)
{
    struct header_value arguments[] = { text_of("a", "1"), text_of("x-b", "2") };
    struct header_value a[] = { text_of("a", "1") };
    struct header_value x[] = { text_of("x-b", "2") };
    struct header_value both[] = { text_of("x-b", "2"), text_of("a", "1") };

    ck_assert(matches("all", arguments, 2, a, 1));
    ck_assert(!matches("all-with-x", arguments, 2, a, 1));
    ck_assert(matches("all-with-x", arguments, 2, both, 2));
    ck_assert(!matches("any", arguments, 2, x, 1));
    ck_assert(matches("any-with-x", arguments, 2, x, 1));
}
END_TEST

START_TEST(a_void_argument_asks_only_for_presence)
{
    struct header_value arguments[] = { void_of("a") };
    struct header_value there[] = { integer_of("a", 7) };
    struct header_value also_void[] = { void_of("a") };
    struct header_value other[] = { integer_of("b", 7) };

    ck_assert(matches("all", arguments, 1, there, 1));
    ck_assert(matches("any", arguments, 1, also_void, 1));
    ck_assert(!matches("all", arguments, 1, other, 1));
    ck_assert(!matches("all", there, 1, also_void, 1));
}
END_TEST

START_TEST(kinds_are_never_equal_to_each_other)
{
    struct header_value values[] = {
        { .name = SLICE("a"), .kind = HEADER_INTEGER, .as.integer = 1 },
        { .name = SLICE("a"), .kind = HEADER_REAL, .as.real = 1 },
        { .name = SLICE("a"), .kind = HEADER_TIME, .as.integer = 1 },
        { .name = SLICE("a"), .kind = HEADER_BOOL, .as.yes = true },
        { .name = SLICE("a"), .kind = HEADER_TEXT, .as.bytes = SLICE("1") },
        { .name = SLICE("a"), .kind = HEADER_BYTES, .as.bytes = SLICE("1") },
        { .name = SLICE("a"), .kind = HEADER_OTHER, .as.bytes = SLICE("1") },
    };

    for (size_t i = 0; i < COUNT(values); i++) {
        for (size_t k = 0; k < COUNT(values); k++)
            ck_assert_int_eq(matches("all", &values[i], 1, &values[k], 1), i == k);
    }
}
END_TEST

START_TEST(values_of_one_kind_are_compared)
{
    static const struct {
        struct header_value a, b;
    } pairs[] = {
        { { .kind = HEADER_INTEGER, .as.integer = -1 }, { .kind = HEADER_INTEGER } },
        { { .kind = HEADER_REAL, .as.real = 0.5 }, { .kind = HEADER_REAL, .as.real = 0.25 } },
        { { .kind = HEADER_TIME, .as.integer = 5 }, { .kind = HEADER_TIME, .as.integer = 6 } },
        { { .kind = HEADER_BOOL, .as.yes = true }, { .kind = HEADER_BOOL } },
        { { .kind = HEADER_TEXT, .as.bytes = SLICE("ab") },
          { .kind = HEADER_TEXT, .as.bytes = SLICE("a") } },
        { { .kind = HEADER_OTHER, .as.bytes = SLICE("A\0") },
          { .kind = HEADER_OTHER, .as.bytes = SLICE("A\1") } },
    };

    for (size_t i = 0; i < COUNT(pairs); i++) {
        ck_assert(matches("all", &pairs[i].a, 1, &pairs[i].a, 1));
        ck_assert(!matches("all", &pairs[i].a, 1, &pairs[i].b, 1));
        ck_assert(!matches("any", &pairs[i].b, 1, &pairs[i].a, 1));
    }
}
END_TEST

START_TEST(not_a_number_equals_nothing)
{
    struct header_value nan = { .kind = HEADER_REAL, .as.real = strtod("nan", NULL) };

    ck_assert(!matches("all", &nan, 1, &nan, 1));
}
END_TEST

START_TEST(a_bad_x_match_is_refused)
{
    struct header_value word = text_of("x-match", "bogus"), number = integer_of("x-match", 1);
    struct headers_pattern *pattern = NULL;

    ck_assert_int_eq(headers_pattern_new(&word, 1, &pattern), RC_INVALID);
    ck_assert_int_eq(headers_pattern_new(&number, 1, &pattern), RC_MISMATCH);
    ck_assert_ptr_null(pattern);
    headers_pattern_free(&pattern);
}
END_TEST

START_TEST(a_pattern_outlives_its_arguments)
{
    char name[] = "colour", text[] = "red";
    struct header_value argument = text_of(name, text), header = text_of("colour", "red");
    struct headers_pattern *pattern = NULL;

    ck_assert_int_eq(headers_pattern_new(&argument, 1, &pattern), RC_OK);
    memset(name, 'x', sizeof(name));
    memset(text, 'x', sizeof(text));
    ck_assert(headers_match(pattern, &header, 1));
    headers_pattern_free(&pattern);
}
END_TEST

START_TEST(sorting_keeps_the_order_of_equal_names)
{
    struct header_value values[37];

    for (size_t i = 0; i < COUNT(values); i++) {
        static const char *const names[] = { "c", "a", "b" };

        values[i] = integer_of(names[i % 3], (int64_t)i);
    }
    ck_assert_int_eq(headers_sort(values, COUNT(values)), RC_OK);
    for (size_t i = 1; i < COUNT(values); i++) {
        int order = slice_compare(values[i - 1].name, values[i].name);

        ck_assert_int_le(order, 0);
        if (order == 0)
            ck_assert_int_lt(values[i - 1].as.integer, values[i].as.integer);
    }
}
END_TEST

START_TEST(no_memory_is_an_answer)
{
    struct header_value values[] = { text_of("b", "2"), text_of("a", "1") };
    struct headers_pattern *pattern = NULL;

    fault_arm("mem", 1, FAULT_FAIL);
    ck_assert_int_eq(headers_sort(values, 2), RC_MEMORY);
    ck_assert_int_eq(headers_pattern_new(values, 2, &pattern), RC_MEMORY);
    fault_disarm();
    ck_assert(slice_equal_str(values[0].name, "b"));
    ck_assert_ptr_null(pattern);
    fault_arm("mem", 2, FAULT_FAIL);
    ck_assert_int_eq(headers_pattern_new(values, 2, &pattern), RC_MEMORY);
    fault_disarm();
    ck_assert_ptr_null(pattern);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("headers_match");
    TCase *tests = tcase_create("headers_match");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, all_asks_for_every_argument);
    tcase_add_test(tests, any_asks_for_one_argument);
    tcase_add_test(tests, no_arguments_match_all_and_never_any);
    tcase_add_test(tests, names_with_x_count_only_when_asked);
    tcase_add_test(tests, a_void_argument_asks_only_for_presence);
    tcase_add_test(tests, kinds_are_never_equal_to_each_other);
    tcase_add_test(tests, values_of_one_kind_are_compared);
    tcase_add_test(tests, not_a_number_equals_nothing);
    tcase_add_test(tests, a_bad_x_match_is_refused);
    tcase_add_test(tests, a_pattern_outlives_its_arguments);
    tcase_add_test(tests, sorting_keeps_the_order_of_equal_names);
    tcase_add_test(tests, no_memory_is_an_answer);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
