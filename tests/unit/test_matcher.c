/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/matcher.h"

#include <check.h>
#include <stdlib.h>

#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "broker/core/filter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A subscriber of the tests: its filter, where it hangs, and how often it was found. */
struct found {
    struct match_entry entry;
    struct filter *filter; /* owned */
    unsigned times;
};

static void on_match(void *arg, struct match_entry *entry)
{
    struct found *found = (struct found *)(void *)entry;

    (void)arg; /* the entry says all */
    found->times++;
}

static void ignore_match(void *arg, struct match_entry *entry)
{
    (void)entry;
    ++*(size_t *)arg;
}

static struct filter *from_mqtt(struct slice text)
{
    struct filter *filter = NULL;

    if (filter_from_mqtt(text, &filter) != RC_OK)
        ck_abort_msg("filter %.*s", SLICE_FMT(text));
    return filter;
}

static struct filter *from_amqp(struct slice key)
{
    struct filter *filter = NULL;

    if (filter_from_amqp(key, NAME_DOTS_ESCAPE, &filter) != RC_OK)
        ck_abort_msg("binding %.*s", SLICE_FMT(key));
    return filter;
}

static void subscribe(struct matcher *m, struct found *found, struct filter *filter)
{
    *found = (struct found){ .filter = filter };
    if (matcher_add(m, filter, &found->entry) != RC_OK)
        ck_abort_msg("no memory");
}

static void unsubscribe(struct matcher *m, struct found *found)
{
    matcher_remove(m, &found->entry);
    filter_free(&found->filter);
}

static size_t count_of(struct matcher *m, struct slice address)
{
    size_t calls = 0;
    size_t count = matcher_find(m, address, ignore_match, &calls);

    if (calls != count)
        ck_abort_msg("%zu calls, %zu told", calls, count);
    return count;
}

START_TEST(an_empty_matcher_finds_nothing)
{
    struct matcher *m = matcher_new();

    ck_assert_uint_eq(count_of(m, SLICE("a")), 0);
    ck_assert_uint_eq(count_of(m, SLICE("")), 0);
    ck_assert(!matcher_touches(m, SLICE("a")));
    matcher_free(&m);
    ck_assert_ptr_null(m);
    matcher_free(&m);
}
END_TEST

START_TEST(entries_with_the_same_filter_are_each_found)
{
    struct matcher *m = matcher_new();
    struct found found[3];

    for (size_t i = 0; i < COUNT(found); i++)
        subscribe(m, &found[i], from_mqtt(SLICE("a/+/#")));
    ck_assert_uint_eq(count_of(m, SLICE("a/b")), 3);
    unsubscribe(m, &found[1]);
    ck_assert(!match_entry_is_added(&found[1].entry));
    ck_assert_uint_eq(count_of(m, SLICE("a/b")), 2);
    unsubscribe(m, &found[0]);
    unsubscribe(m, &found[2]);
    ck_assert_uint_eq(count_of(m, SLICE("a/b")), 0);
    matcher_free(&m);
}
END_TEST

START_TEST(each_change_gives_a_new_epoch)
{
    struct matcher *m = matcher_new();
    uint64_t first = matcher_epoch(m), second;
    struct found found;

    subscribe(m, &found, from_mqtt(SLICE("a/b/c/d")));
    second = matcher_epoch(m);
    ck_assert_uint_ne(first, second);
    ck_assert_uint_eq(count_of(m, SLICE("a/b/c/d")), 1);
    ck_assert_uint_eq(matcher_epoch(m), second);
    unsubscribe(m, &found);
    ck_assert_uint_ne(matcher_epoch(m), first);
    ck_assert_uint_ne(matcher_epoch(m), second);
    matcher_free(&m);
}
END_TEST

START_TEST(nothing_is_left_behind_when_all_have_gone)
{
    static const struct slice texts[] = { SLICE("a"),       SLICE("a/b"),   SLICE("a/b/c"),
                                          SLICE("a/b/c/d"), SLICE("a/#"),   SLICE("#"),
                                          SLICE("+/b/#"),   SLICE("a/+/c"), SLICE("/") };
    struct matcher *m = matcher_new();
    struct found found[COUNT(texts)], middle;

    for (size_t i = 0; i < COUNT(texts); i++)
        subscribe(m, &found[i], from_mqtt(texts[i]));
    subscribe(m, &middle, from_amqp(SLICE("#.x.#.y.#")));
    ck_assert_uint_gt(matcher_node_count(m), 0);
    for (size_t i = 0; i < COUNT(texts); i++)
        unsubscribe(m, &found[i]);
    unsubscribe(m, &middle);
    ck_assert_uint_eq(matcher_node_count(m), 0);
    ck_assert_uint_eq(matcher_entry_count(m), 0);
    matcher_free(&m);
}
END_TEST

START_TEST(a_stream_is_touched_by_its_filters_and_by_leading_wildcards)
{
    struct matcher *m = matcher_new();
    struct found a, b;

    subscribe(m, &a, from_mqtt(SLICE("orders/eu/new")));
    ck_assert(matcher_touches(m, SLICE("orders")));
    ck_assert(!matcher_touches(m, SLICE("order")));
    subscribe(m, &b, from_mqtt(SLICE("+/x")));
    ck_assert(matcher_touches(m, SLICE("order")));
    ck_assert(!matcher_touches(m, SLICE("$SYS")));
    unsubscribe(m, &b);
    ck_assert(!matcher_touches(m, SLICE("order")));
    subscribe(m, &b, from_amqp(SLICE("#.x")));
    ck_assert(matcher_touches(m, SLICE("$SYS")));
    unsubscribe(m, &b);
    subscribe(m, &b, from_amqp(SLICE("")));
    ck_assert(matcher_touches(m, SLICE("")));
    unsubscribe(m, &b);
    unsubscribe(m, &a);
    ck_assert(!matcher_touches(m, SLICE("orders")));
    matcher_free(&m);
}
END_TEST

START_TEST(many_ways_to_match_are_still_one_match)
{
    struct matcher *m = matcher_new();
    struct found found[3];

    subscribe(m, &found[0], from_amqp(SLICE("#.a.#.a.#")));
    subscribe(m, &found[1], from_amqp(SLICE("#.a")));
    subscribe(m, &found[2], from_amqp(SLICE("#.a.#")));
    ck_assert_uint_eq(matcher_find(m, SLICE("a/a/a/a/a/a"), on_match, NULL), 3);
    for (size_t i = 0; i < COUNT(found); i++)
        ck_assert_uint_eq(found[i].times, 1);
    for (size_t i = 0; i < COUNT(found); i++)
        unsubscribe(m, &found[i]);
    matcher_free(&m);
}
END_TEST

/* 2^250 ways lead through this one: only a walk without doubles comes to an end. */
START_TEST(chains_of_manys_do_not_blow_up)
{
    struct matcher *m = matcher_new();
    struct text key = { 0 }, address = { 0 };
    struct found found;

    for (size_t i = 0; i < 120; i++)
        text_add(&key, SLICE("#.a."));
    text_add(&key, SLICE("b"));
    subscribe(m, &found, from_amqp(text_slice(&key)));
    for (size_t i = 0; i < 250; i++)
        text_add(&address, SLICE("a/"));
    text_add(&address, SLICE("c"));
    ck_assert_uint_eq(count_of(m, text_slice(&address)), 0);
    address.at[address.len - 1] = 'b';
    ck_assert_uint_eq(count_of(m, text_slice(&address)), 1);
    unsubscribe(m, &found);
    matcher_free(&m);
    text_done(&key);
    text_done(&address);
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Words joined by a separator. */
static struct slice random_words(uint64_t *state, const struct slice *words, size_t word_count,
                                 char separator, struct text *out)
{
    size_t count = 1 + next_random(state) % 6;

    text_clear(out);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            text_add_byte(out, (uint8_t)separator);
        text_add(out, words[next_random(state) % word_count]);
    }
    return text_slice(out);
}

static struct filter *random_filter(uint64_t *state, struct text *out)
{
    static const struct slice levels[] = { SLICE("a"), SLICE("b"), SLICE(""),  SLICE("*"),
                                           SLICE("+"), SLICE("+"), SLICE("$a") };
    static const struct slice words[] = { SLICE("a"), SLICE("b"), SLICE(""),  SLICE("*"),
                                          SLICE("#"), SLICE("#"), SLICE("$a") };
    struct filter *filter = NULL;

    if (next_random(state) % 2 == 0)
        return from_amqp(random_words(state, words, COUNT(words), '.', out));
    (void)random_words(state, levels, COUNT(levels), '/', out); /* the text is in `out` */
    if (next_random(state) % 3 == 0)
        text_add(out, SLICE("/#"));
    /* The one text of this alphabet that is no filter is the empty one. */
    if (filter_from_mqtt(text_slice(out), &filter) != RC_OK)
        filter = from_mqtt(SLICE("#"));
    return filter;
}

static void compare(struct matcher *m, struct found *found, size_t count, struct slice address)
{
    size_t expected = 0;

    for (size_t i = 0; i < count; i++)
        found[i].times = 0;
    (void)matcher_find(m, address, on_match, NULL); /* counted below, one by one */
    for (size_t i = 0; i < count; i++) {
        unsigned wanted = found[i].filter != NULL && filter_matches(found[i].filter, address);

        expected += wanted;
        if (found[i].times != wanted)
            ck_abort_msg("filter %zu found %u times, not %u, for \"%.*s\"", i, found[i].times,
                         wanted, SLICE_FMT(address));
    }
    if (count_of(m, address) != expected)
        ck_abort_msg("counts differ for \"%.*s\"", SLICE_FMT(address));
    if (expected > 0 && !matcher_touches(m, name_stream(address)))
        ck_abort_msg("\"%.*s\" is not touched", SLICE_FMT(address));
}

/* 40,000 rounds of 100 filters are four million pairs; filters come and go between them. */
START_TEST(the_matcher_agrees_with_the_rule_on_millions_of_pairs)
{
    static const struct slice levels[] = { SLICE("a"), SLICE("b"), SLICE(""), SLICE("*"),
                                           SLICE("$a") };
    uint64_t state = UINT64_C(0x7265637465740002);
    struct matcher *m = matcher_new();
    struct text text = { 0 };
    struct found *found = mem_new_array(struct found, 100);

    for (size_t round = 0; round < 40000; round++) {
        struct found *changed = &found[next_random(&state) % 100];

        if (changed->filter != NULL)
            unsubscribe(m, changed);
        else
            subscribe(m, changed, random_filter(&state, &text));
        compare(m, found, 100, random_words(&state, levels, COUNT(levels), '/', &text));
    }
    compare(m, found, 100, SLICE(""));
    for (size_t i = 0; i < 100; i++) {
        if (found[i].filter != NULL)
            unsubscribe(m, &found[i]);
    }
    ck_assert_uint_eq(matcher_node_count(m), 0);
    matcher_free(&m);
    mem_free(found);
    text_done(&text);
}
END_TEST

/* Three kinds of filter for each of many devices: the exact one, a tail, and one in the middle. */
START_TEST(a_hundred_thousand_filters_find_their_own)
{
    static const struct slice tails[] = { SLICE("temp"), SLICE("#"), SLICE("+/x") };
    const size_t count = 100000;
    struct matcher *m = matcher_new();
    struct found *found = mem_new_array(struct found, count);
    struct text text = { 0 };

    for (size_t i = 0; i < count; i++) {
        text_clear(&text);
        text_format(&text, "devices/%zu/", i / 3);
        text_add(&text, tails[i % 3]);
        subscribe(m, &found[i], from_mqtt(text_slice(&text)));
    }
    for (size_t i = 0; i + 3 <= count; i += 3) {
        text_clear(&text);
        text_format(&text, "devices/%zu/temp", i / 3);
        if (matcher_find(m, text_slice(&text), on_match, NULL) != 2)
            ck_abort_msg("%.*s", SLICE_FMT(text));
        if (found[i].times != 1 || found[i + 1].times != 1 || found[i + 2].times != 0)
            ck_abort_msg("%.*s found another's", SLICE_FMT(text));
    }
    for (size_t i = 0; i < count; i++)
        unsubscribe(m, &found[i]);
    ck_assert_uint_eq(matcher_node_count(m), 0);
    matcher_free(&m);
    mem_free(found);
    text_done(&text);
}
END_TEST

static void subscribe_device(struct matcher *m, struct found *found, size_t i)
{
    struct text text = { 0 };

    text_format(&text, "devices/%zu", i);
    subscribe(m, found, from_mqtt(text_slice(&text)));
    text_done(&text);
}

static bool is_device_found(struct matcher *m, struct found *found, size_t i)
{
    struct text text = { 0 };
    size_t count;

    found->times = 0;
    text_format(&text, "devices/%zu", i);
    count = matcher_find(m, text_slice(&text), on_match, NULL);
    text_done(&text);
    return count == 1 && found->times == 1;
}

/* The table of nodes grows some slots with each that comes, and with each find: between any two of
 * them all that is there is found, what lies in the old slots as what lies in the new ones. */
START_TEST(filters_come_and_go_while_the_table_grows)
{
    enum { DEVICES = 30000 };
    uint64_t state = UINT64_C(0x7265637465740003);
    struct matcher *m = matcher_new();
    struct found *found = mem_new_array(struct found, DEVICES);

    for (size_t i = 0; i < DEVICES; i++) {
        size_t other = next_random(&state) % (i + 1);

        subscribe_device(m, &found[i], i);
        if (i % 4 == 1 && found[other].filter != NULL)
            unsubscribe(m, &found[other]);
        other = next_random(&state) % (i + 1);
        if (i % 3 == 1 && is_device_found(m, &found[other], other) != (found[other].filter != NULL))
            ck_abort_msg("device %zu of %zu", other, i);
    }
    for (size_t i = 0; i < DEVICES; i++) {
        if (is_device_found(m, &found[i], i) != (found[i].filter != NULL))
            ck_abort_msg("device %zu in the end", i);
        if (found[i].filter != NULL)
            unsubscribe(m, &found[i]);
    }
    ck_assert_uint_eq(matcher_node_count(m), 0);
    matcher_free(&m);
    mem_free(found);
}
END_TEST

/* Without memory for the larger table, or for some of its slots, the filter is refused and all
 * others are still there. */
START_TEST(a_table_that_cannot_grow_refuses_and_keeps_what_it_has)
{
    enum { DEVICES = 20000 };
    struct matcher *m = matcher_new();
    struct found *found = mem_new_array(struct found, DEVICES);
    struct filter *more = from_mqtt(SLICE("one/more"));
    struct match_entry entry = { 0 };
    size_t refused = 0;

    for (size_t i = 0; i < DEVICES; i++) {
        subscribe_device(m, &found[i], i);
        for (unsigned nth = 1; nth <= 4; nth++) {
            fault_arm("mem", nth, FAULT_ONCE);
            if (matcher_add(m, more, &entry) == RC_OK)
                matcher_remove(m, &entry);
            else
                refused++;
            fault_disarm();
        }
    }
    ck_assert_uint_gt(refused,
                      2 * (DEVICES / 64)); /* a node for each of the two levels, and more */
    for (size_t i = 0; i < DEVICES; i++) {
        if (!is_device_found(m, &found[i], i))
            ck_abort_msg("device %zu", i);
        unsubscribe(m, &found[i]);
    }
    ck_assert_uint_eq(matcher_node_count(m), 0);
    filter_free(&more);
    matcher_free(&m);
    mem_free(found);
}
END_TEST

/* The first, second, ... allocation fails: the filter is refused and leaves no trace. */
START_TEST(an_add_without_memory_changes_nothing)
{
    static const struct slice texts[] = { SLICE("a/b/c/d"), SLICE("a/+/c/+/e/#"), SLICE("+/b") };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct matcher *m = matcher_new();
        struct match_entry entry = { 0 };
        struct filter *filter = from_mqtt(texts[i]);
        enum rc rc = RC_MEMORY;
        unsigned failures = 0;

        while (rc == RC_MEMORY) {
            fault_arm("mem", failures + 1, FAULT_ONCE);
            rc = matcher_add(m, filter, &entry);
            fault_disarm();
            failures += rc == RC_MEMORY;
            ck_assert_uint_eq(matcher_entry_count(m), rc == RC_OK);
            if (rc == RC_MEMORY)
                ck_assert_uint_eq(matcher_node_count(m), 0);
        }
        ck_assert_int_eq(rc, RC_OK);
        ck_assert_uint_ge(failures, 2);
        matcher_remove(m, &entry);
        filter_free(&filter);
        matcher_free(&m);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("matcher");
    TCase *tests = tcase_create("matcher");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, an_empty_matcher_finds_nothing);
    tcase_add_test(tests, entries_with_the_same_filter_are_each_found);
    tcase_add_test(tests, each_change_gives_a_new_epoch);
    tcase_add_test(tests, nothing_is_left_behind_when_all_have_gone);
    tcase_add_test(tests, a_stream_is_touched_by_its_filters_and_by_leading_wildcards);
    tcase_add_test(tests, many_ways_to_match_are_still_one_match);
    tcase_add_test(tests, chains_of_manys_do_not_blow_up);
    tcase_add_test(tests, the_matcher_agrees_with_the_rule_on_millions_of_pairs);
    tcase_add_test(tests, a_hundred_thousand_filters_find_their_own);
    tcase_add_test(tests, filters_come_and_go_while_the_table_grows);
    tcase_add_test(tests, a_table_that_cannot_grow_refuses_and_keeps_what_it_has);
    tcase_add_test(tests, an_add_without_memory_changes_nothing);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
