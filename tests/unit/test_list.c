/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/list.h"

#include <signal.h>

#include "tests/lib/suite.h"

struct thing {
    int number;
    struct link link;
};

static struct list numbers;
static struct thing things[5];

static void setup(void)
{
    list_init(&numbers);
    memset(things, 0, sizeof(things));
    for (int i = 0; i < (int)COUNT_OF(things); i++)
        things[i].number = i;
}

/* The numbers in the list, read forwards, as one decimal number; both directions must agree. */
static int spelled(struct list *l)
{
    int forwards = 0, backwards = 0, place = 1;

    LIST_EACH (k, l)
        forwards = forwards * 10 + CONTAINER_OF(k, struct thing, link)->number;
    for (struct link *k = l->head.prev; k != &l->head; k = k->prev, place *= 10)
        backwards += place * CONTAINER_OF(k, struct thing, link)->number;
    ck_assert_int_eq(forwards, backwards);
    return forwards;
}

START_TEST(appending_and_prepending_keep_the_order)
{
    ck_assert(list_is_empty(&numbers));
    ck_assert_ptr_null(LIST_FIRST(&numbers, struct thing, link));
    ck_assert_ptr_null(LIST_LAST(&numbers, struct thing, link));
    list_append(&numbers, &things[2].link);
    list_append(&numbers, &things[3].link);
    list_prepend(&numbers, &things[1].link);
    link_insert(&things[2].link, &things[4].link);
    ck_assert_int_eq(spelled(&numbers), 1243);
    ck_assert_int_eq(LIST_FIRST(&numbers, struct thing, link)->number, 1);
    ck_assert_int_eq(LIST_LAST(&numbers, struct thing, link)->number, 3);
}
END_TEST

START_TEST(a_removed_link_is_unlinked_and_can_come_back)
{
    list_append(&numbers, &things[1].link);
    list_append(&numbers, &things[2].link);
    ck_assert(link_is_linked(&things[1].link));
    link_remove(&things[1].link);
    ck_assert(!link_is_linked(&things[1].link));
    link_remove_if(&things[1].link);
    list_append(&numbers, &things[1].link);
    ck_assert_int_eq(spelled(&numbers), 21);
}
END_TEST

START_TEST(the_safe_walk_may_remove_where_it_stands)
{
    for (size_t i = 1; i < COUNT_OF(things); i++)
        list_append(&numbers, &things[i].link);
    LIST_EACH_SAFE (k, &numbers) {
        if (CONTAINER_OF(k, struct thing, link)->number % 2 == 0)
            link_remove(k);
    }
    ck_assert_int_eq(spelled(&numbers), 13);
}
END_TEST

START_TEST(splicing_moves_all_behind_the_last)
{
    struct list more;

    list_init(&more);
    list_splice(&numbers, &more);
    ck_assert(list_is_empty(&numbers));
    list_append(&numbers, &things[1].link);
    list_append(&more, &things[2].link);
    list_append(&more, &things[3].link);
    list_splice(&numbers, &more);
    ck_assert_int_eq(spelled(&numbers), 123);
    ck_assert(list_is_empty(&more));
    list_splice(&more, &numbers);
    ck_assert_int_eq(spelled(&more), 123);
}
END_TEST

START_TEST(inserting_a_linked_link_aborts)
{
    list_append(&numbers, &things[1].link);
    list_append(&numbers, &things[1].link);
}
END_TEST

START_TEST(removing_an_unlinked_link_aborts)
{
    link_remove(&things[1].link);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("list");

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, appending_and_prepending_keep_the_order);
    tcase_add_test(tests, a_removed_link_is_unlinked_and_can_come_back);
    tcase_add_test(tests, the_safe_walk_may_remove_where_it_stands);
    tcase_add_test(tests, splicing_moves_all_behind_the_last);
    tcase_add_test_raise_signal(tests, inserting_a_linked_link_aborts, SIGABRT);
    tcase_add_test_raise_signal(tests, removing_an_unlinked_link_aborts, SIGABRT);
    return suite_run("list", tests);
}
