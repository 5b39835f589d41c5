/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/record/crc32c.h"

/* Bit by bit, as the polynomial says. */
static uint32_t crc32c_slow(struct slice bytes)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

START_TEST(the_check_value_is_e3069283)
{
    ck_assert_uint_eq(crc32c(SLICE("123456789")), 0xe3069283);
}
END_TEST

START_TEST(the_vectors_of_rfc_3720_hold)
{
    uint8_t bytes[32] = { 0 };

    ck_assert_uint_eq(crc32c(slice_of(bytes, sizeof(bytes))), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    ck_assert_uint_eq(crc32c(slice_of(bytes, sizeof(bytes))), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    ck_assert_uint_eq(crc32c(slice_of(bytes, sizeof(bytes))), 0x46dd794e);
}
END_TEST

START_TEST(nothing_gives_zero)
{
    ck_assert_uint_eq(crc32c(SLICE("")), 0);
    ck_assert_uint_eq(crc32c(SLICE_NONE), 0);
}
END_TEST

START_TEST(every_length_and_alignment_agrees_with_the_polynomial)
{
    uint8_t bytes[600];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + (i >> 3));
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; len <= sizeof(bytes) - from; len += 1 + len / 40) {
            struct slice part = slice_of(bytes + from, len);

            ck_assert_uint_eq(crc32c(part), crc32c_slow(part));
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crc32c");
    TCase *tcase = tcase_create("crc32c");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, the_check_value_is_e3069283);
    tcase_add_test(tcase, the_vectors_of_rfc_3720_hold);
    tcase_add_test(tcase, nothing_gives_zero);
    tcase_add_test(tcase, every_length_and_alignment_agrees_with_the_polynomial);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
