/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/table.h"

#include <signal.h>

#include "tests/lib/suite.h"

#define ITEMS 1000
#define STEPS 100000

struct thing {
    uint32_t number;
    bool is_in;
};

static struct thing things[ITEMS];
static struct table table;

/* Few different values, so that runs are long and wrap around. */
static uint64_t poor_hash(const void *item)
{
    return ~UINT64_C(0) - ((const struct thing *)item)->number % 16;
}

static uint64_t good_hash(const void *item)
{
    return table_mix(((const struct thing *)item)->number);
}

static bool is_numbered(const void *item, const void *key)
{
    return ((const struct thing *)item)->number == *(const uint32_t *)key;
}

static void setup(void)
{
    for (uint32_t i = 0; i < ITEMS; i++)
        things[i] = (struct thing){ .number = i };
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void agrees_with_a_model(table_hash_fn *hash)
{
    uint32_t state = 1;
    size_t count = 0;

    table_init(&table, hash);
    for (unsigned step = 0; step < STEPS; step++) {
        struct thing *thing = &things[next_random(&state) % (step < STEPS / 2 ? 40 : ITEMS)];

        ck_assert_ptr_eq(table_get(&table, hash(thing), is_numbered, &thing->number),
                         thing->is_in ? thing : NULL);
        if (thing->is_in) {
            table_remove(&table, thing);
            count--;
        } else {
            table_add(&table, thing);
            count++;
        }
        thing->is_in = !thing->is_in;
        ck_assert_uint_eq(table.count, count);
    }
    for (size_t i = 0; i < ITEMS; i++)
        ck_assert_ptr_eq(table_get(&table, hash(&things[i]), is_numbered, &things[i].number),
                         things[i].is_in ? &things[i] : NULL);
    table_done(&table);
}

START_TEST(random_operations_agree_with_a_model)
{
    agrees_with_a_model(good_hash);
}
END_TEST

START_TEST(hashes_that_collide_are_told_apart)
{
    agrees_with_a_model(poor_hash);
}
END_TEST

START_TEST(an_item_costs_less_than_three_pointers)
{
    table_init(&table, good_hash);
    for (size_t i = 0; i < ITEMS; i++)
        table_add(&table, &things[i]);
    ck_assert_uint_lt(table.now.room, 3 * (size_t)ITEMS);
    table_done(&table);
}
END_TEST

/* Items that are removed while it grows may stand in either set of slots. */
START_TEST(a_table_grows_by_some_slots_at_a_time)
{
    unsigned growing = 0;

    table_init(&table, good_hash);
    for (size_t i = 0; i < ITEMS; i++) {
        size_t moved = table.before.room > 0 ? table.moved : 0;

        table_add(&table, &things[i]);
        growing += table.before.room > 0;
        if (table.before.room > 0)
            ck_assert_uint_le(table.moved, moved + 8);
        if (table.before.room > 0 && i % 3 == 0) {
            table_remove(&table, &things[i / 2]);
            ck_assert_ptr_null(
                table_get(&table, good_hash(&things[i / 2]), is_numbered, &things[i / 2].number));
            table_add(&table, &things[i / 2]);
        }
        for (size_t k = 0; k <= i; k += 1 + i / 16)
            ck_assert_ptr_eq(
                table_get(&table, good_hash(&things[k]), is_numbered, &things[k].number),
                &things[k]);
    }
    ck_assert_uint_gt(growing, 60);
    table_done(&table);
}
END_TEST

START_TEST(room_can_be_made_while_it_grows)
{
    table_init(&table, good_hash);
    for (size_t i = 0; table.before.room == 0; i++)
        table_add(&table, &things[i]);
    table_reserve(&table, 4 * (size_t)ITEMS);
    for (size_t i = table.count; i < ITEMS; i++)
        table_add(&table, &things[i]);
    for (size_t i = 0; i < ITEMS; i++)
        ck_assert_ptr_eq(table_get(&table, good_hash(&things[i]), is_numbered, &things[i].number),
                         &things[i]);
    table_done(&table);
}
END_TEST

START_TEST(an_empty_table_finds_nothing)
{
    table_init(&table, good_hash);
    ck_assert_ptr_null(table_get(&table, 0, is_numbered, &things[0].number));
    table_done(&table);
}
END_TEST

START_TEST(removing_what_is_not_in_it_aborts)
{
    table_init(&table, good_hash);
    table_add(&table, &things[0]);
    table_remove(&table, &things[1]);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("table");

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, random_operations_agree_with_a_model);
    tcase_add_test(tests, hashes_that_collide_are_told_apart);
    tcase_add_test(tests, an_item_costs_less_than_three_pointers);
    tcase_add_test(tests, a_table_grows_by_some_slots_at_a_time);
    tcase_add_test(tests, room_can_be_made_while_it_grows);
    tcase_add_test(tests, an_empty_table_finds_nothing);
    tcase_add_test_raise_signal(tests, removing_what_is_not_in_it_aborts, SIGABRT);
    return suite_run("table", tests);
}
