/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/block.h"

#include <signal.h>

#include "broker/base/mem.h"
#include "tests/lib/suite.h"

static unsigned freed;

static void on_free(void *arg, struct block *block)
{
    ck_assert_ptr_eq(arg, &freed);
    ck_assert_slice(block_slice(block), SLICE("elsewhere"));
    freed++;
}

START_TEST(a_block_lives_until_its_last_reference)
{
    struct block *a = block_around(SLICE("elsewhere"), on_free, &freed);
    struct block *b = block_ref(a);

    block_unref(&a);
    ck_assert_ptr_null(a);
    ck_assert_uint_eq(freed, 0);
    block_unref(&b);
    ck_assert_uint_eq(freed, 1);
    block_unref(&b);
    ck_assert_uint_eq(freed, 1);
}
END_TEST

START_TEST(its_bytes_are_its_own)
{
    struct block *b = block_try(100);

    ck_assert_uint_eq(b->len, 100);
    memset(b->at, 0xa5, b->len);
    b = block_try_resize(b, 1000);
    ck_assert_ptr_nonnull(b);
    ck_assert_uint_eq(b->len, 1000);
    ck_assert_uint_eq(b->at[99], 0xa5);
    memset(b->at, 0x5a, b->len);
    block_unref(&b);
}
END_TEST

START_TEST(an_impossible_size_is_refused)
{
    ck_assert_ptr_null(block_try(SIZE_MAX));
    ck_assert_ptr_null(block_try(SIZE_MAX - sizeof(struct block) + 1));
}
END_TEST

START_TEST(a_shared_block_may_not_be_resized)
{
    struct block *b = block_try(10);

    (void)block_ref(b);
    b = block_try_resize(b, 20);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("block");

    tcase_add_test(tests, a_block_lives_until_its_last_reference);
    tcase_add_test(tests, its_bytes_are_its_own);
    tcase_add_test(tests, an_impossible_size_is_refused);
    tcase_add_test_raise_signal(tests, a_shared_block_may_not_be_resized, SIGABRT);
    return suite_run("block", tests);
}
