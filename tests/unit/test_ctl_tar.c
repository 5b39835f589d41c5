/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl_tar.h"
#include <stdio.h>

#include "tests/lib/suite.h"

static uint8_t block[TAR_BLOCK];

START_TEST(a_header_comes_back)
{
    static const uint64_t sizes[] = { 0, 1, 511, 077777777777, 0100000000000, INT64_MAX };

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct tar_file file = { .name = "seg/0000000001.seg", .bytes = sizes[i], .time_s = 1234 };
        struct tar_file back;

        tar_write(block, &file);
        ck_assert_int_eq(tar_read(block, &back), RC_OK);
        ck_assert_str_eq(back.name, file.name);
        ck_assert_uint_eq(back.bytes, sizes[i]);
        ck_assert_uint_eq(back.time_s, 1234);
        ck_assert(!back.is_folder);
    }
}
END_TEST

START_TEST(the_longest_name_needs_no_end)
{
    struct tar_file file = { .bytes = 5 }, back;

    memset(file.name, 'n', TAR_NAME_MAX);
    tar_write(block, &file);
    ck_assert_int_eq(tar_read(block, &back), RC_OK);
    ck_assert_str_eq(back.name, file.name);
}
END_TEST

START_TEST(any_changed_byte_is_found)
{
    struct tar_file file = { .name = "catalog.mdb", .bytes = 4096 }, back;

    tar_write(block, &file);
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (i == 155)
            continue; /* behind the end of the checksum's digits */
        block[i] ^= 0x11;
        ck_assert_msg(tar_read(block, &back) != RC_OK, "%zu", i);
        block[i] ^= 0x11;
    }
    ck_assert_int_eq(tar_read(block, &back), RC_OK);
}
END_TEST

START_TEST(a_block_of_zeros_is_the_end)
{
    struct tar_file back;

    memset(block, 0, sizeof(block));
    ck_assert_int_eq(tar_read(block, &back), RC_NOT_FOUND);
}
END_TEST

START_TEST(links_and_devices_are_refused)
{
    static const char types[] = "123467gxL";

    for (const char *type = types; *type != '\0'; type++) {
        struct tar_file file = { .name = "catalog.mdb" }, back;
        unsigned sum = 0;
        char digits[8];

        tar_write(block, &file);
        block[156] = (uint8_t)*type;
        memset(block + 148, ' ', 8);
        for (size_t i = 0; i < TAR_BLOCK; i++)
            sum += block[i];
        (void)snprintf(digits, sizeof(digits), "%06o", sum);
        memcpy(block + 148, digits, 7);
        ck_assert_int_eq(tar_read(block, &back), RC_UNSUPPORTED);
    }
}
END_TEST

START_TEST(padding_fills_the_last_block)
{
    ck_assert_uint_eq(tar_padding(0), 0);
    ck_assert_uint_eq(tar_padding(1), 511);
    ck_assert_uint_eq(tar_padding(512), 0);
    ck_assert_uint_eq(tar_padding(513), 511);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ctl_tar");

    tcase_add_test(tests, a_header_comes_back);
    tcase_add_test(tests, the_longest_name_needs_no_end);
    tcase_add_test(tests, any_changed_byte_is_found);
    tcase_add_test(tests, a_block_of_zeros_is_the_end);
    tcase_add_test(tests, links_and_devices_are_refused);
    tcase_add_test(tests, padding_fills_the_last_block);
    return suite_run("ctl_tar", tests);
}
