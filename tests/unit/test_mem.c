/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/mem.h"

#include <signal.h>

#include "broker/base/block.h"
#include "broker/base/fault.h"
#include "tests/lib/suite.h"

START_TEST(fixed_sizes_come_zeroed)
{
    uint64_t *array = mem_new_array(uint64_t, 1000);

    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(array[i], 0);
    MEM_FREE(array);
    ck_assert_ptr_null(array);
    mem_free(NULL);
}
END_TEST

START_TEST(what_is_held_is_counted_and_given_back)
{
    uint64_t before = mem_in_use_bytes();
    void *at = mem_try(1000000);

    ck_assert_ptr_nonnull(at);
    ck_assert_uint_ge(mem_in_use_bytes(), before + 1000000);
    at = mem_resize(at, 3000000);
    ck_assert_uint_ge(mem_in_use_bytes(), before + 3000000);
    mem_free(at);
    ck_assert_uint_eq(mem_in_use_bytes(), before);
}
END_TEST

START_TEST(pages_are_aligned_zeroed_counted_and_given_back)
{
    static const size_t sizes[] = { 1, 4096, 5000, 512 << 10, (2 << 20) + 1, 5 << 20 };
    uint64_t before = mem_in_use_bytes();
    struct mem_pages pages = { 0 };

    ck_assert(mem_pages_try(&pages, 0));
    ck_assert_ptr_null(pages.at);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ck_assert(mem_pages_try(&pages, sizes[i]));
        ck_assert_uint_ge(pages.room, sizes[i]);
        ck_assert_uint_eq((uintptr_t)pages.at % 4096, 0);
        ck_assert_uint_eq(pages.at[0], 0);
        ck_assert_uint_eq(pages.at[sizes[i] - 1], 0);
        ck_assert_uint_eq(mem_in_use_bytes(), before + pages.room);
        mem_pages_free(&pages);
        ck_assert_ptr_null(pages.at);
    }
    ck_assert_uint_eq(mem_in_use_bytes(), before);
}
END_TEST

START_TEST(pages_with_room_are_kept_and_lost_when_there_are_no_others)
{
    uint64_t before = mem_in_use_bytes();
    struct mem_pages pages = { 0 };
    uint8_t *at;

    ck_assert(mem_pages_try(&pages, 100000));
    at = pages.at;
    memset(at, 1, 100000);
    ck_assert(mem_pages_try(&pages, 50000));
    ck_assert_ptr_eq(pages.at, at);
    ck_assert_uint_eq(at[99999], 1);
    ck_assert(!mem_pages_try(&pages, SIZE_MAX));
    ck_assert_uint_eq(pages.room, 0);
    ck_assert(!mem_pages_try(&pages, SIZE_MAX / 2));
    ck_assert_uint_eq(mem_in_use_bytes(), before);
}
END_TEST

START_TEST(a_size_of_zero_is_a_thing_of_its_own)
{
    void *a = mem_try(0);
    void *b = mem_get(0);

    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_ne(a, b);
    mem_free(a);
    mem_free(b);
}
END_TEST

START_TEST(the_fault_point_makes_peers_sizes_fail)
{
    struct mem_pages pages = { 0 };
    void *at = mem_try(10);
    void *resized;

    fault_arm("mem", 1, FAULT_FAIL);
    ck_assert_ptr_null(mem_try(10));
    resized = mem_try_resize(at, 20);
    ck_assert_ptr_null(resized);
    ck_assert(!mem_pages_try(&pages, 10));
    ck_assert_ptr_null(block_try(10));
    fault_disarm();
    mem_free(at);
}
END_TEST

START_TEST(the_fault_point_leaves_fixed_sizes_alone)
{
    void *at;

    fault_arm("mem", 1, FAULT_FAIL);
    at = mem_get(10);
    fault_disarm();
    ck_assert_ptr_nonnull(at);
    mem_free(at);
}
END_TEST

START_TEST(a_copied_text_ends_with_nul)
{
    char *copy = mem_copy_text(SLICE("abc"));
    char *empty = mem_copy_text(SLICE_NONE);

    ck_assert_str_eq(copy, "abc");
    ck_assert_str_eq(empty, "");
    mem_free(copy);
    mem_free(empty);
}
END_TEST

START_TEST(a_false_assertion_aborts)
{
    ASSERT(mem_in_use_bytes() == UINT64_MAX);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("mem");

    tcase_add_test(tests, fixed_sizes_come_zeroed);
    tcase_add_test(tests, what_is_held_is_counted_and_given_back);
    tcase_add_test(tests, pages_are_aligned_zeroed_counted_and_given_back);
    tcase_add_test(tests, pages_with_room_are_kept_and_lost_when_there_are_no_others);
    tcase_add_test(tests, a_size_of_zero_is_a_thing_of_its_own);
    tcase_add_test(tests, the_fault_point_makes_peers_sizes_fail);
    tcase_add_test(tests, the_fault_point_leaves_fixed_sizes_alone);
    tcase_add_test(tests, a_copied_text_ends_with_nul);
    tcase_add_test_raise_signal(tests, a_false_assertion_aborts, SIGABRT);
    return suite_run("mem", tests);
}
