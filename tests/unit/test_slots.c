/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/slots.h"

#include <signal.h>

#include "broker/base/mem.h"
#include "tests/lib/suite.h"

#define SLOT_BYTES ((size_t)2 * SLOT_LINE)
#define MANY       50000u

struct thing {
    uint32_t number;
    uint32_t twice;
};

static struct slots slots;

static struct thing *add(uint32_t number)
{
    struct thing *thing = slots_add(&slots, number);

    ck_assert_uint_eq(thing->number, number);
    ck_assert_uint_eq(thing->twice, 0);
    ck_assert_uint_eq((uintptr_t)thing % SLOT_LINE, 0);
    thing->twice = number * 2;
    return thing;
}

static void remove_all(void)
{
    struct thing *thing;

    for (uint32_t number = 0; (thing = slots_next(&slots, number)) != NULL;) {
        number = thing->number;
        slots_remove(&slots, number);
    }
    slots_done(&slots);
}

START_TEST(a_slot_is_found_by_its_number_and_stays_where_it_is)
{
    static const uint32_t numbers[] = { 1, 2, 31, 32, 33, 65535, 65536, 1u << 24, UINT32_MAX };
    const size_t count = COUNT_OF(numbers);
    struct thing *at[COUNT_OF(numbers)];

    for (size_t i = count; i-- > 0;)
        at[i] = add(numbers[i]);
    for (size_t i = 0; i < count; i++)
        ck_assert_ptr_eq(slots_get(&slots, numbers[i]), at[i]);
    ck_assert_ptr_null(slots_get(&slots, 0));
    ck_assert_ptr_null(slots_get(&slots, 3));
    ck_assert_ptr_null(slots_get(&slots, 65537));
    ck_assert_ptr_null(slots_get(&slots, UINT32_MAX - 1));
    remove_all();
}
END_TEST

START_TEST(all_slots_are_walked_in_the_order_of_their_numbers)
{
    uint32_t before = 0, count = 0;

    for (uint32_t number = 3; number < MANY * 7; number += 7)
        add(number);
    for (struct thing *t = slots_next(&slots, 0); t != NULL; t = slots_next(&slots, t->number)) {
        ck_assert_uint_eq(t->number, before == 0 ? 3 : before + 7);
        ck_assert_uint_eq(t->twice, t->number * 2);
        before = t->number;
        count++;
    }
    ck_assert_uint_eq(count, MANY);
    ck_assert_ptr_null(slots_next(&slots, UINT32_MAX));
    remove_all();
}
END_TEST

START_TEST(what_is_removed_is_not_found_and_its_memory_is_given_back)
{
    uint64_t before = mem_in_use_bytes(), full;

    for (uint32_t number = 1; number <= MANY; number++)
        add(number);
    full = mem_in_use_bytes() - before;
    ck_assert_uint_lt(full, MANY * (SLOT_BYTES + 8));
    for (uint32_t number = 1; number <= MANY; number++) {
        if (number % 1000 != 0)
            slots_remove(&slots, number);
    }
    ck_assert_ptr_null(slots_get(&slots, 999));
    ck_assert_ptr_nonnull(slots_get(&slots, 1000));
    ck_assert_ptr_eq(slots_next(&slots, 1000), slots_get(&slots, 2000));
    ck_assert_uint_lt(mem_in_use_bytes() - before, full / 20);
    add(999); /* a number may come again when it is free */
    remove_all();
}
END_TEST

static void setup(void)
{
    slots_init(&slots, SLOT_BYTES);
}

START_TEST(taking_a_number_twice_aborts)
{
    add(5);
    add(5);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("slots");

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, a_slot_is_found_by_its_number_and_stays_where_it_is);
    tcase_add_test(tests, all_slots_are_walked_in_the_order_of_their_numbers);
    tcase_add_test(tests, what_is_removed_is_not_found_and_its_memory_is_given_back);
    tcase_add_test_raise_signal(tests, taking_a_number_twice_aborts, SIGABRT);
    return suite_run("slots", tests);
}
