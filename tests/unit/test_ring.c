/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/ring.h"

#include "tests/lib/suite.h"

static struct ring ring;

static void setup(void)
{
    ring_init(&ring, sizeof(unsigned));
}

static void teardown(void)
{
    ring_done(&ring);
}

static void push(unsigned value)
{
    memcpy(ring_push(&ring), &value, sizeof(value));
}

static unsigned value_at(size_t n)
{
    unsigned value;

    memcpy(&value, ring_at(&ring, n), sizeof(value));
    return value;
}

START_TEST(values_come_out_in_order_while_it_wraps_and_grows)
{
    unsigned pushed = 0, popped = 0;

    for (unsigned round = 1; round < 200; round++) {
        for (unsigned i = 0; i < round; i++)
            push(pushed++);
        for (unsigned i = 0; i < round / 2 + 1 && ring.count > 0; i++) {
            ck_assert_uint_eq(value_at(0), popped);
            ring_pop(&ring, 1);
            popped++;
        }
        ck_assert_uint_eq(ring.count, pushed - popped);
        for (size_t i = 0; i < ring.count; i++)
            ck_assert_uint_eq(value_at(i), popped + i);
    }
}
END_TEST

START_TEST(an_empty_ring_has_no_front)
{
    ck_assert_ptr_null(ring_front(&ring));
    push(1);
    ck_assert_ptr_nonnull(ring_front(&ring));
    ring_pop(&ring, 1);
    ck_assert_ptr_null(ring_front(&ring));
}
END_TEST

START_TEST(several_may_go_at_once_and_the_last_may_be_taken_back)
{
    for (unsigned i = 0; i < 10; i++)
        push(i);
    ring_pop(&ring, 7);
    ck_assert_uint_eq(value_at(0), 7);
    ring_drop_last(&ring);
    ck_assert_uint_eq(ring.count, 2);
    push(20);
    ck_assert_uint_eq(value_at(2), 20);
}
END_TEST

START_TEST(what_is_put_in_front_comes_first_also_while_it_grows)
{
    push(100);
    for (unsigned i = 0; i < 20; i++) {
        unsigned value = 99 - i;

        memcpy(ring_push_front(&ring), &value, sizeof(value));
    }
    ck_assert_uint_eq(ring.count, 21);
    for (unsigned i = 0; i < 21; i++)
        ck_assert_uint_eq(value_at(i), 80 + i);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ring");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, values_come_out_in_order_while_it_wraps_and_grows);
    tcase_add_test(tests, an_empty_ring_has_no_front);
    tcase_add_test(tests, several_may_go_at_once_and_the_last_may_be_taken_back);
    tcase_add_test(tests, what_is_put_in_front_comes_first_also_while_it_grows);
    return suite_run("ring", tests);
}
