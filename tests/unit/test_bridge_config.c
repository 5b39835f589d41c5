/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/text.h"
#include "protocols/mqtt/bridge_config.h"

static struct text why;

static void setup(void)
{
    why = (struct text){ 0 };
}

static void teardown(void)
{
    text_done(&why);
}

static void is_slice(struct slice s, const char *expected)
{
    ck_assert_uint_eq(s.len, strlen(expected));
    ck_assert_int_eq(memcmp(s.at, expected, s.len), 0);
}

START_TEST(addresses_are_hosts_with_and_without_ports)
{
    static const struct {
        const char *host;
        unsigned port;
    } expected[] = { { "a.example", 1883 }, { "b", 99 },         { "::1", 1883 },
                     { "::1", 8883 },       { "fe80::1", 1883 }, { "unix:/run/x", 0 } };
    struct slice list = slice_str(" a.example b:99\n[::1] [::1]:8883 fe80::1 unix:/run/x ");
    struct bridge_address a;

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        ck_assert(bridge_next_address(&list, BRIDGE_PORT, &a));
        is_slice(a.host, expected[i].host);
        ck_assert_uint_eq(a.port, expected[i].port);
    }
    ck_assert(!bridge_next_address(&list, BRIDGE_PORT, &a));
}
END_TEST

START_TEST(what_is_no_address_has_no_host)
{
    static const char *const bad[] = { "a:",     "a:0",    "a:65536", "a:1x", "[::1",
                                       "[::1]x", "[::1]:", "unix:",   "\"\"" };
    struct bridge_address a;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct slice list = slice_str(bad[i]);

        ck_assert(bridge_next_address(&list, BRIDGE_PORT, &a));
        ck_assert_msg(a.host.len == 0, "%s", bad[i]);
    }
}
END_TEST

START_TEST(topics_say_pattern_direction_qos_and_prefixes)
{
    struct slice list =
        slice_str("a/#\n\n b/+ both 2 l/ r/\n\"x y\" in 1 \"\" r/\r\n\"\" out 0 l r");
    struct bridge_topic_line t;
    enum rc rc = RC_OK;

    ck_assert(bridge_next_topic(&list, &t, &rc, &why));
    ck_assert_int_eq(rc, RC_OK);
    is_slice(t.pattern, "a/#");
    ck_assert(t.is_out && !t.is_in && t.qos == 0);
    ck_assert(bridge_next_topic(&list, &t, &rc, &why));
    ck_assert_int_eq(rc, RC_OK);
    ck_assert(t.is_out && t.is_in && t.qos == 2);
    is_slice(t.local_prefix, "l/");
    is_slice(t.remote_prefix, "r/");
    ck_assert(bridge_next_topic(&list, &t, &rc, &why));
    ck_assert_int_eq(rc, RC_OK);
    is_slice(t.pattern, "x y");
    is_slice(t.local_prefix, "");
    is_slice(t.remote_prefix, "r/");
    ck_assert(bridge_next_topic(&list, &t, &rc, &why));
    ck_assert_int_eq(rc, RC_OK);
    is_slice(t.pattern, "");
    ck_assert(!bridge_next_topic(&list, &t, &rc, &why));
}
END_TEST

START_TEST(a_topic_that_makes_no_sense_is_refused_with_words)
{
    static const char *const bad[] = { "a sideways",           "a out 3",      "a out 1 l/# r",
                                       "a/# out 0 l/ r/ x",    "a/#/b out",    "\"\" both 0 l",
                                       "$share/g/a in 1",      "$queue/q out", "a# out 0 b",
                                       "\"\" both 0 \"\" \"\"" };
    struct bridge_topic_line t;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct slice list = slice_str(bad[i]);
        enum rc rc = RC_OK;

        text_clear(&why);
        ck_assert(bridge_next_topic(&list, &t, &rc, &why));
        ck_assert_msg(rc == RC_INVALID && why.len > 0, "%s", bad[i]);
    }
}
END_TEST

/* Each field in turn is made what does not fit; the words of the line tell which. */
START_TEST(a_configuration_is_told_each_mistake_in_it)
{
    char name[] = "b", addresses[] = "h", topics[] = "a", other[] = "x#", many[] = "a in 7\nb";
    const struct bridge_config good = { .name = name,
                                        .addresses = addresses,
                                        .topics = topics,
                                        .version = BRIDGE_V311,
                                        .keep_alive_ms = 60000,
                                        .restart_min_ms = 5000 };
    struct bridge_config c = good;
    struct bridge_config bad[9];

    ck_assert_int_eq(bridge_config_check(&c, &why), RC_OK);
    ck_assert_uint_eq(why.len, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        bad[i] = good;
    bad[0].addresses = NULL;
    bad[1].topics = NULL;
    bad[2].topics = many;
    bad[3].insecure = true;
    bad[4].certificate = name;
    bad[5].remote_password = name;
    bad[6].keep_alive_ms = 1500;
    bad[7].notification_topic = other;
    bad[8].restart_min_ms = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        text_clear(&why);
        ck_assert_msg(bridge_config_check(&bad[i], &why) == RC_INVALID, "%zu", i);
        ck_assert(slice_starts(text_slice(&why), SLICE("bridge b: ")));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bridge_config");
    TCase *test = tcase_create("bridge_config");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, addresses_are_hosts_with_and_without_ports);
    tcase_add_test(test, what_is_no_address_has_no_host);
    tcase_add_test(test, topics_say_pattern_direction_qos_and_prefixes);
    tcase_add_test(test, a_topic_that_makes_no_sense_is_refused_with_words);
    tcase_add_test(test, a_configuration_is_told_each_mistake_in_it);
    suite_add_tcase(suite, test);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
