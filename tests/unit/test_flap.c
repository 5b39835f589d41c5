/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/flap.h"

#include <stdio.h>

#include "tests/lib/suite.h"

#define SECOND UINT64_C(1000000000)

static const struct flap_config config = { .connects = 3, .window_ms = 60000, .ban_ms = 10000 };

START_TEST(one_connect_more_than_may_be_within_the_window_bans)
{
    struct flap *flap = flap_new(&config);
    uint64_t now = 1000 * SECOND;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(flap_connect(flap, SLICE("a"), now), FLAP_FINE);
    ck_assert_int_eq(flap_connect(flap, SLICE("a"), now), FLAP_BANNED_NOW);
    ck_assert_int_eq(flap_connect(flap, SLICE("a"), now + 9 * SECOND), FLAP_BANNED);
    ck_assert_int_eq(flap_connect(flap, SLICE("b"), now), FLAP_FINE);
    ck_assert_int_eq(flap_connect(flap, SLICE("a"), now + 10 * SECOND), FLAP_FINE);
    flap_free(&flap);
}
END_TEST

START_TEST(who_connects_slowly_enough_never_is)
{
    struct flap *flap = flap_new(&config);

    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(flap_connect(flap, SLICE("a"), i * 20 * SECOND), FLAP_FINE);
    flap_free(&flap);
}
END_TEST

static void count(void *arg, struct slice name, uint64_t left_ms)
{
    ck_assert(name.len > 0 && left_ms > 0 && left_ms <= config.ban_ms);
    (*(unsigned *)arg)++;
}

START_TEST(bans_that_follow_on_each_other_grow_until_it_was_quiet)
{
    const struct flap_config growing = {
        .connects = 1, .window_ms = 1000, .ban_ms = 10000, .ban_max_ms = 35000
    };
    const uint64_t lengths_s[] = { 10, 20, 35, 35 };
    struct flap *flap = flap_new(&growing);
    uint64_t now = SECOND;

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(flap_connect(flap, SLICE("a"), now), FLAP_FINE);
        ck_assert_int_eq(flap_connect(flap, SLICE("a"), now), FLAP_BANNED_NOW);
        ck_assert(flap_is_banned(flap, SLICE("a"), now + lengths_s[i] * SECOND - 1));
        now += lengths_s[i] * SECOND;
        ck_assert(!flap_is_banned(flap, SLICE("a"), now));
    }
    now += 37 * SECOND;
    ck_assert_int_eq(flap_connect(flap, SLICE("a"), now), FLAP_FINE);
    ck_assert_int_eq(flap_connect(flap, SLICE("a"), now), FLAP_BANNED_NOW);
    ck_assert(!flap_is_banned(flap, SLICE("a"), now + 10 * SECOND));
    flap_free(&flap);
}
END_TEST

START_TEST(who_is_forgiven_begins_anew_but_not_while_banned)
{
    struct flap *flap = flap_new(&config);

    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(flap_connect(flap, SLICE("a"), SECOND), FLAP_FINE);
        flap_forgive(flap, SLICE("a"), SECOND);
    }
    for (int i = 0; i < 4; i++)
        (void)flap_connect(flap, SLICE("a"), SECOND);
    flap_forgive(flap, SLICE("a"), SECOND);
    ck_assert(flap_is_banned(flap, SLICE("a"), SECOND));
    flap_free(&flap);
}
END_TEST

START_TEST(a_ban_is_shown_and_lifted)
{
    struct flap *flap = flap_new(&config);
    unsigned bans = 0;

    for (int i = 0; i < 4; i++)
        (void)flap_connect(flap, SLICE("a"), SECOND);
    flap_each(flap, SECOND, count, &bans);
    ck_assert_uint_eq(bans, 1);
    ck_assert(!flap_lift(flap, SLICE("b"), SECOND));
    ck_assert(flap_lift(flap, SLICE("a"), SECOND));
    ck_assert(!flap_lift(flap, SLICE("a"), SECOND));
    ck_assert_int_eq(flap_connect(flap, SLICE("a"), SECOND), FLAP_FINE);
    flap_free(&flap);
}
END_TEST

START_TEST(who_only_asks_is_not_counted)
{
    struct flap *flap = flap_new(&config);

    for (int i = 0; i < 100; i++)
        ck_assert(!flap_is_banned(flap, SLICE("a"), SECOND));
    for (int i = 0; i < 4; i++)
        (void)flap_connect(flap, SLICE("a"), SECOND);
    ck_assert(flap_is_banned(flap, SLICE("a"), SECOND));
    ck_assert(!flap_is_banned(flap, SLICE("a"), 12 * SECOND));
    flap_free(&flap);
}
END_TEST

START_TEST(names_are_bounded_and_bans_outlive_a_flood_of_them)
{
    struct flap *flap = flap_new(&config);
    unsigned bans = 0;
    char name[32];

    for (int i = 0; i < 4; i++)
        (void)flap_connect(flap, SLICE("banned"), SECOND);
    for (unsigned i = 0; i < 3 * FLAP_NAMES_MAX; i++) {
        int len = snprintf(name, sizeof(name), "n%u", i);

        ck_assert_int_eq(flap_connect(flap, slice_of(name, (size_t)len), SECOND), FLAP_FINE);
    }
    flap_each(flap, SECOND, count, &bans);
    ck_assert_uint_eq(bans, 1);
    flap_free(&flap);
}
END_TEST

START_TEST(with_no_number_nobody_is_counted)
{
    const struct flap_config off = { .window_ms = 1 };
    struct flap *flap = flap_new(&off);

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(flap_connect(flap, SLICE("a"), 1), FLAP_FINE);
    flap_free(&flap);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("flap");

    tcase_add_test(tests, one_connect_more_than_may_be_within_the_window_bans);
    tcase_add_test(tests, who_connects_slowly_enough_never_is);
    tcase_add_test(tests, bans_that_follow_on_each_other_grow_until_it_was_quiet);
    tcase_add_test(tests, who_is_forgiven_begins_anew_but_not_while_banned);
    tcase_add_test(tests, a_ban_is_shown_and_lifted);
    tcase_add_test(tests, who_only_asks_is_not_counted);
    tcase_add_test(tests, names_are_bounded_and_bans_outlive_a_flood_of_them);
    tcase_add_test(tests, with_no_number_nobody_is_counted);
    return suite_run("flap", tests);
}
