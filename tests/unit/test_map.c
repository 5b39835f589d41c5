/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/map.h"

#include <signal.h>

#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "tests/lib/suite.h"

#define KEYS  2000
#define STEPS 100000

struct entry {
    struct map_node node;
    uint8_t key[4];
    bool is_in;
    unsigned seen;
};

static struct entry entries[KEYS];
static struct map map;

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void setup(void)
{
    map_init(&map);
    memset(entries, 0, sizeof(entries));
    for (uint32_t i = 0; i < KEYS; i++)
        memcpy(entries[i].key, &i, sizeof(i));
}

static struct slice key_of(const struct entry *entry)
{
    return slice_of(entry->key, sizeof(entry->key));
}

static struct entry *entry_of(struct map_node *node)
{
    return (struct entry *)(void *)node;
}

static void add(struct entry *entry)
{
    map_add(&map, key_of(entry), &entry->node);
    entry->is_in = true;
}

/* Exactly the entries that the model holds, each once. */
static void check_walk(size_t count)
{
    size_t walked = 0;

    MAP_EACH (node, &map) {
        ck_assert(entry_of(node)->is_in);
        entry_of(node)->seen++;
        ck_assert_uint_eq(entry_of(node)->seen, 1);
        walked++;
    }
    ck_assert_uint_eq(walked, count);
    for (size_t i = 0; i < KEYS; i++)
        entries[i].seen = 0;
}

static void empty_it(void)
{
    for (struct map_node *node; (node = map_any(&map)) != NULL;)
        map_remove(&map, node);
    map_done(&map);
}

START_TEST(random_operations_agree_with_a_model)
{
    uint32_t state = 1;
    size_t count = 0;

    for (size_t step = 0; step < STEPS; step++) {
        struct entry *entry = &entries[next_random(&state) % KEYS];
        struct map_node *found = map_get(&map, key_of(entry));

        ck_assert_ptr_eq(found, entry->is_in ? &entry->node : NULL);
        if (entry->is_in) {
            map_remove(&map, &entry->node);
            entry->is_in = false;
            count--;
        } else {
            add(entry);
            count++;
        }
        ck_assert_uint_eq(map.count, count);
        found = map_any(&map);
        ck_assert(found == NULL ? count == 0 : entry_of(found)->is_in);
        if (step % 5000 == 0)
            check_walk(count);
    }
    check_walk(count);
    empty_it();
}
END_TEST

/* The place that map_any() goes on from never moves back, so all of it is one walk. */
START_TEST(taking_everything_out_passes_each_bucket_once)
{
    size_t before = 0;

    for (size_t i = 0; i < KEYS; i++)
        add(&entries[i]);
    for (struct map_node *node; (node = map_any(&map)) != NULL;) {
        ck_assert_uint_ge(map.first, before);
        before = map.first;
        map_remove(&map, node);
    }
    ck_assert_uint_gt(before, 0);
    add(&entries[7]);
    ck_assert_ptr_eq(map_any(&map), &entries[7].node);
    empty_it();
}
END_TEST

/* What one turn of the loop may wait for: never for all that is there. */
START_TEST(a_large_map_grows_by_a_bucket_at_a_time)
{
    size_t before;

    for (size_t i = 0; i < KEYS; i++) {
        before = map.bucket_count;
        add(&entries[i]);
        if (before >= 512)
            ck_assert_uint_le(map.bucket_count, before + 1);
        ck_assert_uint_ge(map.bucket_count, map.count);
    }
    for (size_t i = 0; i < KEYS; i++)
        ck_assert_ptr_eq(map_get(&map, key_of(&entries[i])), &entries[i].node);
    check_walk(KEYS);
    empty_it();
}
END_TEST

START_TEST(room_can_be_made_before_and_between)
{
    map_reserve(&map, 700);
    ck_assert_uint_eq(map.bucket_count, 700);
    for (size_t i = 0; i < 600; i++)
        add(&entries[i]);
    map_reserve(&map, KEYS);
    for (size_t i = 600; i < KEYS; i++)
        add(&entries[i]);
    ck_assert_uint_eq(map.bucket_count, KEYS);
    check_walk(KEYS);
    empty_it();
}
END_TEST

START_TEST(an_empty_map_finds_nothing)
{
    ck_assert_ptr_null(map_get(&map, SLICE("x")));
    ck_assert_ptr_null(map_any(&map));
    ck_assert_ptr_null(map_next(&map, NULL));
    map_done(&map);
}
END_TEST

START_TEST(keys_are_bytes_and_may_be_empty)
{
    struct map_node a = { 0 }, b = { 0 }, c = { 0 };

    map_add(&map, SLICE(""), &a);
    map_add(&map, SLICE("\0"), &b);
    map_add(&map, SLICE("\0\0"), &c);
    ck_assert_ptr_eq(map_get(&map, SLICE("")), &a);
    ck_assert_ptr_eq(map_get(&map, SLICE("\0")), &b);
    ck_assert_ptr_eq(map_get(&map, SLICE("\0\0")), &c);
    ck_assert_ptr_eq(map_get_hashed(&map, SLICE("\0"), hash_seeded(SLICE("\0"))), &b);
    empty_it();
}
END_TEST

START_TEST(removing_what_is_not_in_it_aborts)
{
    add(&entries[0]);
    entries[1].node.key = key_of(&entries[1]);
    entries[1].node.hash = hash_seeded(entries[1].node.key);
    map_remove(&map, &entries[1].node);
}
END_TEST

START_TEST(ending_a_map_that_holds_something_aborts)
{
    add(&entries[0]);
    map_done(&map);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("map");

    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, random_operations_agree_with_a_model);
    tcase_add_test(tests, taking_everything_out_passes_each_bucket_once);
    tcase_add_test(tests, a_large_map_grows_by_a_bucket_at_a_time);
    tcase_add_test(tests, room_can_be_made_before_and_between);
    tcase_add_test(tests, an_empty_map_finds_nothing);
    tcase_add_test(tests, keys_are_bytes_and_may_be_empty);
    tcase_add_test_raise_signal(tests, removing_what_is_not_in_it_aborts, SIGABRT);
    tcase_add_test_raise_signal(tests, ending_a_map_that_holds_something_aborts, SIGABRT);
    return suite_run("map", tests);
}
