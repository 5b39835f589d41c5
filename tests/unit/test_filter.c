/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/filter.h"

#include <check.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct filter *from_mqtt(struct slice text)
{
    struct filter *filter = NULL;

    ck_assert_msg(filter_from_mqtt(text, &filter) == RC_OK, "filter %.*s", SLICE_FMT(text));
    return filter;
}

static struct filter *from_amqp(struct slice key)
{
    struct filter *filter = NULL;

    ck_assert_int_eq(filter_from_amqp(key, NAME_DOTS_ESCAPE, &filter), RC_OK);
    return filter;
}

static bool mqtt_matches(struct slice text, struct slice topic)
{
    struct filter *filter = from_mqtt(text);
    bool matches = filter_matches(filter, topic);

    filter_free(&filter);
    return matches;
}

/* Both sides as AMQP spells them. */
static bool amqp_matches(struct slice binding, struct slice key)
{
    struct filter *filter = from_amqp(binding);
    struct text scratch = { 0 };
    struct slice address = SLICE_NONE;
    bool matches;

    ck_assert_int_eq(name_from_amqp_key(key, NAME_DOTS_ESCAPE, &scratch, &address), RC_OK);
    matches = filter_matches(filter, address);
    filter_free(&filter);
    text_done(&scratch);
    return matches;
}

START_TEST(mqtt_filters_match_as_the_specification_says)
{
    static const struct {
        struct slice filter, topic;
        bool matches;
    } rows[] = {
        { SLICE("sport/tennis/#"), SLICE("sport/tennis"), true },
        { SLICE("sport/tennis/#"), SLICE("sport/tennis/player1/score"), true },
        { SLICE("sport/#"), SLICE("sport"), true },
        { SLICE("sport/#"), SLICE("sports"), false },
        { SLICE("#"), SLICE("a/b"), true },
        { SLICE("#"), SLICE("/"), true },
        { SLICE("+"), SLICE("sport"), true },
        { SLICE("+"), SLICE("/finance"), false },
        { SLICE("+/+"), SLICE("/finance"), true },
        { SLICE("/+"), SLICE("/finance"), true },
        { SLICE("sport/+"), SLICE("sport"), false },
        { SLICE("sport/+"), SLICE("sport/"), true },
        { SLICE("sport/+/player1"), SLICE("sport/tennis/player1"), true },
        { SLICE("sport/+/player1"), SLICE("sport/a/b/player1"), false },
        { SLICE("+/#"), SLICE("a"), true },
        { SLICE("+/tennis/#"), SLICE("a/tennis"), true },
        { SLICE("a//b"), SLICE("a//b"), true },
        { SLICE("a//b"), SLICE("a/b"), false },
        { SLICE("a/*/b"), SLICE("a/x/b"), false },
        { SLICE("a/*/b"), SLICE("a/*/b"), true },
        { SLICE("A"), SLICE("a"), false },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(mqtt_matches(rows[i].filter, rows[i].topic) == rows[i].matches,
                      "%.*s against %.*s", SLICE_FMT(rows[i].filter), SLICE_FMT(rows[i].topic));
}
END_TEST

START_TEST(leading_mqtt_wildcards_do_not_see_dollar_names)
{
    ck_assert(!mqtt_matches(SLICE("#"), SLICE("$SYS/uptime")));
    ck_assert(!mqtt_matches(SLICE("+/uptime"), SLICE("$SYS/uptime")));
    ck_assert(!mqtt_matches(SLICE("+/#"), SLICE("$SYS/uptime")));
    ck_assert(!mqtt_matches(SLICE("+"), SLICE("$")));
    ck_assert(mqtt_matches(SLICE("$SYS/#"), SLICE("$SYS/uptime")));
    ck_assert(mqtt_matches(SLICE("$SYS/+"), SLICE("$SYS/uptime")));
    ck_assert(mqtt_matches(SLICE("a/+"), SLICE("a/$x")));
}
END_TEST

START_TEST(amqp_bindings_match_as_rabbitmq_does)
{
    static const struct {
        struct slice binding, key;
        bool matches;
    } rows[] = {
        { SLICE("a.b.c"), SLICE("a.b.c"), true },
        { SLICE("a.*.c"), SLICE("a.b.c"), true },
        { SLICE("a.*.c"), SLICE("a..c"), true },
        { SLICE("a.*.c"), SLICE("a.c"), false },
        { SLICE("*"), SLICE(""), false },
        { SLICE("*"), SLICE("a"), true },
        { SLICE("*"), SLICE("a.b"), false },
        { SLICE("#"), SLICE(""), true },
        { SLICE("#"), SLICE("a.b.c"), true },
        { SLICE(""), SLICE(""), true },
        { SLICE(""), SLICE("a"), false },
        { SLICE("."), SLICE("."), true },
        { SLICE("."), SLICE(""), false },
        { SLICE("*.*"), SLICE("."), true },
        { SLICE("#.b"), SLICE("b"), true },
        { SLICE("#.b"), SLICE("a.a.b"), true },
        { SLICE("#.b"), SLICE("a.b.a"), false },
        { SLICE("a.#.b"), SLICE("a.b"), true },
        { SLICE("a.#.b"), SLICE("a.x.y.b"), true },
        { SLICE("a.#.#.b"), SLICE("a.b"), true },
        { SLICE("#.*"), SLICE(""), false },
        { SLICE("#.*"), SLICE("a"), true },
        { SLICE("*.#"), SLICE("a"), true },
        { SLICE("#.*.#.*"), SLICE("a"), false },
        { SLICE("#.*.#.*"), SLICE("a.b"), true },
        { SLICE("#.a.#.a.#"), SLICE("a"), false },
        { SLICE("#.a.#.a.#"), SLICE("x.a.y.a.z"), true },
        { SLICE("a*"), SLICE("ab"), false },
        { SLICE("a*"), SLICE("a*"), true },
        { SLICE("a#.b"), SLICE("a#.b"), true },
        { SLICE("+"), SLICE("a"), false },
        { SLICE("+"), SLICE("+"), true },
        { SLICE("a/b.*"), SLICE("a/b.c"), true },
        { SLICE("a.*"), SLICE("a/b.c"), false },
        { SLICE("*.x"), SLICE("$SYS.x"), true },
        { SLICE("#"), SLICE("$SYS.x"), true },
        { SLICE("*.*"), SLICE("*.#"), true },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        ck_assert_msg(amqp_matches(rows[i].binding, rows[i].key) == rows[i].matches,
                      "%.*s against %.*s", SLICE_FMT(rows[i].binding), SLICE_FMT(rows[i].key));
}
END_TEST

START_TEST(wildcards_in_the_wrong_place_are_malformed)
{
    static const struct slice bad[] = {
        SLICE(""),      SLICE("a+"),   SLICE("+a"),   SLICE("a/+b/c"), SLICE("#/a"),
        SLICE("a/#/b"), SLICE("a#"),   SLICE("#a"),   SLICE("##"),     SLICE("++"),
        SLICE("a\0"),   SLICE("\xff"), SLICE("a/#/"), SLICE("+#"),     SLICE("/#b"),
    };
    struct filter *filter = NULL;

    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(filter_from_mqtt(bad[i], &filter) == RC_MALFORMED, "%.*s", SLICE_FMT(bad[i]));
    ck_assert_ptr_null(filter);
}
END_TEST

START_TEST(limits_are_exact)
{
    static uint8_t text[NAME_MAX_BYTES + 1];
    struct filter *filter = NULL;

    memset(text, 'a', sizeof(text));
    ck_assert_int_eq(filter_from_mqtt(slice_of(text, sizeof(text)), &filter), RC_TOO_LARGE);
    ck_assert_int_eq(filter_from_amqp(slice_of(text, sizeof(text)), NAME_DOTS_ESCAPE, &filter),
                     RC_TOO_LARGE);
    ck_assert_int_eq(filter_from_address(slice_of(text, sizeof(text)), &filter), RC_TOO_LARGE);
    ck_assert_int_eq(filter_from_mqtt(slice_of(text, NAME_MAX_BYTES), &filter), RC_OK);
    filter_free(&filter);
    memset(text, '/', sizeof(text));
    ck_assert_int_eq(filter_from_mqtt(slice_of(text, NAME_MAX_LEVELS), &filter), RC_LIMIT);
    ck_assert_int_eq(filter_from_mqtt(slice_of(text, NAME_MAX_LEVELS - 1), &filter), RC_OK);
    ck_assert_uint_eq(filter_token_count(filter), NAME_MAX_LEVELS);
    filter_free(&filter);
    memset(text, '/', sizeof(text));
    /* Each slash of a routing key takes three bytes in an address. */
    ck_assert_int_eq(
        filter_from_amqp(slice_of(text, NAME_MAX_BYTES / 3 + 1), NAME_DOTS_ESCAPE, &filter),
        RC_TOO_LARGE);
    ck_assert_int_eq(
        filter_from_amqp(slice_of(text, NAME_MAX_BYTES / 3), NAME_DOTS_ESCAPE, &filter), RC_OK);
    filter_free(&filter);
}
END_TEST

START_TEST(a_literal_filter_is_its_address)
{
    struct filter *filter = from_amqp(SLICE("a/b.c"));

    ck_assert(filter_is_literal(filter));
    ck_assert(slice_equal(filter_address(filter), SLICE("a%2Fb/c")));
    filter_free(&filter);
    ck_assert_int_eq(filter_from_address(SLICE("a/*/%23"), &filter), RC_OK);
    ck_assert(filter_is_literal(filter));
    ck_assert(slice_equal(filter_address(filter), SLICE("a/*/%23")));
    ck_assert(filter_matches(filter, SLICE("a/*/%23")));
    ck_assert(!filter_matches(filter, SLICE("a/b/%23")));
    filter_free(&filter);
    filter = from_mqtt(SLICE("a/+"));
    ck_assert(!filter_is_literal(filter));
    ck_assert(slice_is_none(filter_address(filter)));
    filter_free(&filter);
}
END_TEST

START_TEST(an_address_with_a_wildcard_byte_is_no_address)
{
    struct filter *filter = NULL;

    ck_assert_int_eq(filter_from_address(SLICE("a/+"), &filter), RC_INVALID);
    ck_assert_ptr_null(filter);
}
END_TEST

START_TEST(equal_demands_have_equal_tokens)
{
    struct filter *a = from_amqp(SLICE("a.#.*.#")), *b = from_amqp(SLICE("a.*.#"));
    struct filter *c = from_mqtt(SLICE("a/+/#")), *copy = NULL;

    ck_assert(filter_equal(a, b));
    ck_assert(filter_equal(a, c));
    ck_assert_uint_eq(filter_token_count(a), 3);
    ck_assert_int_eq(filter_copy(a, &copy), RC_OK);
    ck_assert(filter_equal(a, copy));
    filter_free(&b);
    filter_free(&c);
    b = from_amqp(SLICE("#"));
    c = from_mqtt(SLICE("#"));
    ck_assert(filter_hides_dollar(c));
    ck_assert(!filter_equal(b, c));
    filter_free(&a);
    filter_free(&b);
    filter_free(&c);
    filter_free(&copy);
}
END_TEST

START_TEST(rabbitmq_dots_cut_bindings_at_slashes_too)
{
    struct filter *filter = NULL;

    ck_assert_int_eq(filter_from_amqp(SLICE("a/b.*"), NAME_DOTS_RABBITMQ, &filter), RC_OK);
    ck_assert_uint_eq(filter_token_count(filter), 3);
    ck_assert(filter_matches(filter, SLICE("a/b/c")));
    filter_free(&filter);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filter");
    TCase *tests = tcase_create("filter");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, mqtt_filters_match_as_the_specification_says);
    tcase_add_test(tests, leading_mqtt_wildcards_do_not_see_dollar_names);
    tcase_add_test(tests, amqp_bindings_match_as_rabbitmq_does);
    tcase_add_test(tests, wildcards_in_the_wrong_place_are_malformed);
    tcase_add_test(tests, limits_are_exact);
    tcase_add_test(tests, a_literal_filter_is_its_address);
    tcase_add_test(tests, an_address_with_a_wildcard_byte_is_no_address);
    tcase_add_test(tests, equal_demands_have_equal_tokens);
    tcase_add_test(tests, rabbitmq_dots_cut_bindings_at_slashes_too);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
