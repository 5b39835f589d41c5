/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/ordered.h"

#include <stdio.h>

#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "tests/lib/suite.h"

#define NODES 600

static struct ordered ordered;
static struct ordered_node nodes[NODES];
static char names[NODES][64];
static unsigned count;
static uint64_t state;

static void setup(void)
{
    ordered = (struct ordered){ .count = 0 };
    count = 0;
    state = 88172645463325252u;
}

static unsigned dice(unsigned sides)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % sides);
}

static void add(const char *name)
{
    (void)snprintf(names[count], sizeof(names[count]), "%s", name);
    ordered_add(&ordered, &nodes[count], slice_str(names[count]));
    count++;
}

static bool is_there(const char *name)
{
    struct ordered_node *node = ordered_seek(&ordered, slice_str(name));

    return node != NULL && slice_equal_str(node->address, name);
}

static void random_name(char *to, size_t room, bool is_filter)
{
    static const char *const levels[] = { "a", "b", "", "ab", "$s", "a!", "\x02", "z" };
    unsigned level_count = 1 + dice(4);
    size_t len = 0;

    for (unsigned i = 0; i < level_count; i++) {
        const char *level = levels[dice(8)];

        if (is_filter && dice(3) == 0)
            level = "+";
        if (is_filter && i + 1 == level_count && dice(3) == 0)
            level = "#";
        len += (size_t)snprintf(to + len, room - len, "%s%s", i > 0 ? "/" : "", level);
    }
}

START_TEST(a_levels_end_comes_before_what_goes_on)
{
    static const char *const in_order[] = { "",      "a",  "a/",   "a//", "a/b", "a/b/c",
                                            "a\x01", "a!", "a!/b", "ab",  "b" };

    for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
        for (size_t k = 0; k < sizeof(in_order) / sizeof(in_order[0]); k++) {
            int wanted = i < k ? -1 : i > k;

            ck_assert_int_eq(ordered_compare(slice_str(in_order[i]), slice_str(in_order[k])),
                             wanted);
        }
    }
    ck_assert_int_eq(ordered_compare(SLICE("0123456789abcdef/x"), SLICE("0123456789abcdef!")), -1);
}
END_TEST

START_TEST(nodes_come_in_order_while_others_come_and_go)
{
    char name[64];

    for (unsigned round = 0; round < 3000; round++) {
        struct ordered_node *node;
        size_t seen = 0;

        random_name(name, sizeof(name), false);
        node = ordered_seek(&ordered, slice_str(name));
        if (is_there(name)) {
            ordered_remove(&ordered, node);
            ck_assert(!is_there(name));
        } else if (count < NODES) {
            add(name);
            ck_assert(is_there(name));
        }
        if (round % 50 != 0)
            continue;
        for (node = ordered_seek(&ordered, SLICE("")); node != NULL; node = ordered_next(node)) {
            struct ordered_node *next = ordered_next(node);

            seen++;
            if (next != NULL)
                ck_assert_int_eq(ordered_compare(node->address, next->address), -1);
        }
        ck_assert_uint_eq(seen, ordered.count);
    }
}
END_TEST

static unsigned walk(const struct filter *filter, bool *seen)
{
    struct text from = { 0 };
    struct ordered_node *node;
    unsigned budget = 100000, found = 0;

    while ((node = ordered_match(&ordered, filter, &from, &budget)) != NULL) {
        ck_assert(!seen[node - nodes]);
        seen[node - nodes] = true;
        found++;
        ordered_go_behind(&from, node->address);
    }
    ck_assert_uint_gt(budget, 0);
    text_done(&from);
    return found;
}

START_TEST(a_filter_finds_all_that_match_each_once)
{
    char text[64];

    while (count < 400) {
        random_name(text, sizeof(text), false);
        if (text[0] != 0 && !is_there(text))
            add(text);
    }
    for (unsigned round = 0; round < 400; round++) {
        bool seen[NODES] = { false };
        struct filter *filter = NULL;
        unsigned wanted = 0, found;

        random_name(text, sizeof(text), true);
        if (filter_from_mqtt(slice_str(text), &filter) != RC_OK)
            continue; /* the empty one */
        found = walk(filter, seen);
        for (unsigned i = 0; i < count; i++) {
            bool matches = filter_matches(filter, nodes[i].address);

            ck_assert_msg(matches == seen[i], "%s and %s", text, names[i]);
            wanted += matches;
        }
        ck_assert_uint_eq(found, wanted);
        filter_free(&filter);
    }
}
END_TEST

/* What is looked at beyond what matches is a few places for each value of a wildcard's level. */
START_TEST(a_wildcard_skips_what_lies_under_other_levels)
{
    struct filter *filter = NULL;
    struct text from = { 0 };
    unsigned budget = 100;
    char name[64];

    for (unsigned i = 0; i < 10; i++) {
        for (unsigned k = 0; k < 50; k++) {
            (void)snprintf(name, sizeof(name), "a/%u/%02u", i, k);
            add(name);
        }
    }
    add("b/1");
    ck_assert_int_eq(filter_from_mqtt(SLICE("a/+/25"), &filter), RC_OK);
    for (unsigned i = 0; i < 10; i++) {
        struct ordered_node *node = ordered_match(&ordered, filter, &from, &budget);

        ck_assert_ptr_nonnull(node);
        ordered_go_behind(&from, node->address);
    }
    ck_assert_ptr_null(ordered_match(&ordered, filter, &from, &budget));
    ck_assert_uint_gt(budget, 100 - 45);
    filter_free(&filter);
    text_clear(&from);
    ck_assert_int_eq(filter_from_mqtt(SLICE("+/+/+/+"), &filter), RC_OK);
    budget = 3; /* it stops there, and goes on later */
    ck_assert_ptr_null(ordered_match(&ordered, filter, &from, &budget));
    ck_assert_uint_eq(budget, 0);
    ck_assert_uint_gt(from.len, 0);
    filter_free(&filter);
    text_done(&from);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ordered");

    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, a_levels_end_comes_before_what_goes_on);
    tcase_add_test(tests, nodes_come_in_order_while_others_come_and_go);
    tcase_add_test(tests, a_filter_finds_all_that_match_each_once);
    tcase_add_test(tests, a_wildcard_skips_what_lies_under_other_levels);
    return suite_run("ordered addresses", tests);
}
