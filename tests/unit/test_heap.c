/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/heap.h"

#include <signal.h>

#include "tests/lib/suite.h"

#define NODES 500
#define STEPS 50000

static struct heap heap;
static struct heap_node nodes[NODES];

static void setup(void)
{
    heap_init(&heap);
    memset(nodes, 0, sizeof(nodes));
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static uint64_t least_key(void)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < NODES; i++) {
        if (heap_node_is_in(&nodes[i]) && nodes[i].key < least)
            least = nodes[i].key;
    }
    return least;
}

START_TEST(the_smallest_is_always_first)
{
    uint32_t state = 7;
    size_t count = 0;

    for (size_t step = 0; step < STEPS; step++) {
        struct heap_node *node = &nodes[next_random(&state) % NODES];

        if (heap_node_is_in(node)) {
            heap_remove(&heap, node);
            count--;
        } else {
            heap_add(&heap, node, next_random(&state) % 100);
            count++;
        }
        ck_assert_uint_eq(heap.count, count);
        ck_assert_int_eq(heap_first(&heap) == NULL, count == 0);
        if (step % 50 == 0 && count > 0)
            ck_assert_uint_eq(heap_first(&heap)->key, least_key());
    }
    while (heap_first(&heap) != NULL)
        heap_remove(&heap, heap_first(&heap));
    heap_done(&heap);
}
END_TEST

START_TEST(all_come_out_in_order)
{
    uint32_t state = 3;
    uint64_t before = 0;

    for (size_t i = 0; i < NODES; i++)
        heap_add(&heap, &nodes[i], next_random(&state));
    for (size_t i = 0; i < NODES; i++) {
        struct heap_node *first = heap_first(&heap);

        ck_assert_uint_ge(first->key, before);
        before = first->key;
        heap_remove(&heap, first);
        ck_assert(!heap_node_is_in(first));
    }
    ck_assert_ptr_null(heap_first(&heap));
    heap_done(&heap);
}
END_TEST

START_TEST(adding_a_node_twice_aborts)
{
    heap_add(&heap, &nodes[0], 1);
    heap_add(&heap, &nodes[0], 1);
}
END_TEST

START_TEST(removing_a_node_that_is_in_no_heap_aborts)
{
    heap_remove(&heap, &nodes[0]);
}
END_TEST

START_TEST(ending_a_heap_that_holds_something_aborts)
{
    heap_add(&heap, &nodes[0], 1);
    heap_done(&heap);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("heap");

    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, the_smallest_is_always_first);
    tcase_add_test(tests, all_come_out_in_order);
    tcase_add_test_raise_signal(tests, adding_a_node_twice_aborts, SIGABRT);
    tcase_add_test_raise_signal(tests, removing_a_node_that_is_in_no_heap_aborts, SIGABRT);
    tcase_add_test_raise_signal(tests, ending_a_heap_that_holds_something_aborts, SIGABRT);
    return suite_run("heap", tests);
}
