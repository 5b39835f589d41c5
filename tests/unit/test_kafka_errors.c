/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

#include "protocols/kafka/kafka_errors.h"

START_TEST(every_rc_has_a_code_and_only_success_has_none)
{
    for (int rc = 0; rc < RC_COUNT; rc++) {
        for (int about = 0; about < KAFKA_ABOUT_COUNT; about++) {
            bool is_success = rc == RC_OK || rc == RC_DUPLICATE;
            int code = kafka_error_of((enum rc)rc, (enum kafka_about)about);

            ck_assert_msg((code == KAFKA_ERROR_NONE) == is_success, "%s about %d is %d",
                          rc_word((enum rc)rc), about, code);
        }
    }
}
END_TEST

START_TEST(a_refusal_says_what_was_refused)
{
    ck_assert_int_eq(kafka_error_of(RC_REFUSED, KAFKA_ABOUT_TOPIC), 29);
    ck_assert_int_eq(kafka_error_of(RC_REFUSED, KAFKA_ABOUT_GROUP), 30);
    ck_assert_int_eq(kafka_error_of(RC_REFUSED, KAFKA_ABOUT_CLUSTER), 31);
}
END_TEST

START_TEST(what_producers_must_tell_apart_is_told_apart)
{
    ck_assert_int_eq(kafka_error_of(RC_SEQUENCE, KAFKA_ABOUT_TOPIC), 45);
    ck_assert_int_eq(kafka_error_of(RC_FENCED, KAFKA_ABOUT_TOPIC), 47);
    ck_assert_int_eq(kafka_error_of(RC_FULL, KAFKA_ABOUT_TOPIC), 56);
    ck_assert_int_eq(kafka_error_of(RC_IO, KAFKA_ABOUT_TOPIC), 56);
    ck_assert_int_eq(kafka_error_of(RC_RANGE, KAFKA_ABOUT_TOPIC), 1);
    ck_assert_int_eq(kafka_error_of(RC_NOT_FOUND, KAFKA_ABOUT_TOPIC), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_errors");
    TCase *tests = tcase_create("codes");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, every_rc_has_a_code_and_only_success_has_none);
    tcase_add_test(tests, a_refusal_says_what_was_refused);
    tcase_add_test(tests, what_producers_must_tell_apart_is_told_apart);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
