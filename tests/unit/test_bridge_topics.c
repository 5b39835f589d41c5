/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/mqtt/bridge_topics.h"

static struct bridge_topics topics;
static struct text to;

static void teardown(void)
{
    bridge_topics_done(&topics);
    text_done(&to);
}

typedef bool exchange_fn(const struct bridge_topics *topics, struct slice topic, struct text *to);

/* `expected` NULL: it does not cross. */
static void crosses(exchange_fn *exchange, const char *topic, const char *expected)
{
    bool does = exchange(&topics, slice_str(topic), &to);

    ck_assert_msg(does == (expected != NULL), "%s", topic);
    if (expected != NULL)
        ck_assert_msg(slice_equal_str(text_slice(&to), expected), "%s became %.*s", topic,
                      (int)to.len, (const char *)to.at);
}

START_TEST(prefixes_are_exchanged_on_the_way)
{
    ck_assert_int_eq(bridge_topics_init(&topics, "a/# both 1 l/ r/\nb/+/c out\nd in 0 \"\" far/"),
                     RC_OK);
    crosses(bridge_topic_out, "l/a/x/y", "r/a/x/y");
    crosses(bridge_topic_out, "l/a", "r/a");
    crosses(bridge_topic_out, "a/x", NULL);
    crosses(bridge_topic_out, "b/1/c", "b/1/c");
    crosses(bridge_topic_out, "b/1/2/c", NULL);
    crosses(bridge_topic_out, "d", NULL);
    crosses(bridge_topic_in, "r/a/x", "l/a/x");
    crosses(bridge_topic_in, "b/1/c", NULL);
    crosses(bridge_topic_in, "far/d", "d");
    crosses(bridge_topic_in, "d", NULL);
}
END_TEST

START_TEST(without_a_pattern_the_prefixes_are_two_names_of_one_topic)
{
    ck_assert_int_eq(bridge_topics_init(&topics, "\"\" both 0 here/it there"), RC_OK);
    crosses(bridge_topic_out, "here/it", "there");
    crosses(bridge_topic_out, "here/it/not", NULL);
    crosses(bridge_topic_in, "there", "here/it");
}
END_TEST

START_TEST(the_first_line_that_fits_says_how)
{
    ck_assert_int_eq(bridge_topics_init(&topics, "a/b out 0 \"\" one/\na/# out 0 \"\" two/"),
                     RC_OK);
    crosses(bridge_topic_out, "a/b", "one/a/b");
    crosses(bridge_topic_out, "a/c", "two/a/c");
}
END_TEST

START_TEST(a_topic_that_would_be_none_there_does_not_cross)
{
    static char lines[600], longest[65536];

    memset(lines, 'p', 500);
    memcpy(lines, "# out 0 \"\" ", 11);
    lines[499] = '/';
    memset(longest, 't', sizeof(longest) - 1);
    ck_assert_int_eq(bridge_topics_init(&topics, lines), RC_OK);
    crosses(bridge_topic_out, longest, NULL);
    longest[1000] = '\0';
    ck_assert(bridge_topic_out(&topics, slice_str(longest), &to));
    ck_assert_uint_eq(to.len, 489 + 1000);
}
END_TEST

START_TEST(names_that_begin_with_a_dollar_are_not_meant_by_wildcards)
{
    ck_assert_int_eq(bridge_topics_init(&topics, "# both"), RC_OK);
    crosses(bridge_topic_out, "$SYS/x", NULL);
    crosses(bridge_topic_in, "$SYS/x", NULL);
    crosses(bridge_topic_in, "x", "x");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bridge_topics");
    TCase *test = tcase_create("bridge_topics");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(test, NULL, teardown);
    tcase_add_test(test, prefixes_are_exchanged_on_the_way);
    tcase_add_test(test, without_a_pattern_the_prefixes_are_two_names_of_one_topic);
    tcase_add_test(test, the_first_line_that_fits_says_how);
    tcase_add_test(test, a_topic_that_would_be_none_there_does_not_cross);
    tcase_add_test(test, names_that_begin_with_a_dollar_are_not_meant_by_wildcards);
    suite_add_tcase(suite, test);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
