/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "tests/lib/suite.h"

static int ends[2];
static char lines[65536];

static void setup(void)
{
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    log_set_fd(ends[1]);
    log_set_threshold(LOG_INFO);
    clock_set_for_test(UINT64_C(5000000000), INT64_C(1767225600123)); /* 2026-01-01T00:00:00.123Z */
}

static void teardown(void)
{
    log_set_fd(STDERR_FILENO);
    clock_unset_for_test();
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* What was logged since the last call, as one text. */
static const char *logged(void)
{
    ssize_t len = read(ends[0], lines, sizeof(lines) - 1);

    ck_assert(len >= 0 || errno == EAGAIN);
    lines[len < 0 ? 0 : len] = '\0';
    return lines;
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned n = 0;

    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        n++;
    return n;
}

START_TEST(an_event_is_one_line)
{
    log_event(LOG_NOTICE, "test.event", "a=%d b=%s", 1, "x");
    ck_assert_str_eq(logged(), "2026-01-01T00:00:00.123Z notice test.event a=1 b=x\n");
}
END_TEST

START_TEST(words_for_others_stand_alone_behind_the_time_as_they_write_it)
{
    log_set_style(LOG_AS_MOSQUITTO);
    log_said(LOG_NOTICE, "test.said", "Client %s is here.", "x");
    ck_assert_str_eq(logged(), "1767225600: Client x is here.\n");
    log_event(LOG_NOTICE, "test.event", "a=%d", 1);
    ck_assert_str_eq(logged(), "1767225600: notice test.event a=1\n");
    log_set_time_format("%y");
    log_said(LOG_DEBUG, "test.said", "below the threshold");
    log_said(LOG_NOTICE, "test.said", "so");
    ck_assert_str_eq(logged(), "26: so\n");
    log_set_time_format(NULL);
    for (unsigned i = 0; i < 2 * LOG_SAID_LINES_PER_SECOND; i++)
        log_said(LOG_NOTICE, "test.said", "again");
    ck_assert_uint_eq(count_of(logged(), "again"), LOG_SAID_LINES_PER_SECOND);
    log_set_style(LOG_AS_OURSELVES);
}
END_TEST

START_TEST(what_is_below_the_threshold_is_not_written)
{
    log_event(LOG_DEBUG, "test.event", "a=%d", 1);
    ck_assert_str_eq(logged(), "");
    log_set_threshold(LOG_DEBUG);
    log_event(LOG_DEBUG, "test.event", "a=%d", 1);
    ck_assert_str_ne(logged(), "");
    log_set_threshold(LOG_ERROR);
    log_event(LOG_WARNING, "test.event", "a=%d", 1);
    ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(no_value_can_break_the_line)
{
    log_event(LOG_INFO, "test.event", "a=%s", "1\n2026-01-01 forged\r\x1b[2J\x7f");
    ck_assert_str_eq(logged(),
                     "2026-01-01T00:00:00.123Z info test.event a=1?2026-01-01 forged??[2J?\n");
}
END_TEST

START_TEST(a_long_line_is_cut_and_still_ends)
{
    char text[5000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_event(LOG_INFO, "test.event", "a=%s", text);
    (void)logged();
    ck_assert_uint_eq(strlen(lines), 2047);
    ck_assert_uint_eq(count_of(lines, "\n"), 1);
    ck_assert_int_eq(lines[2046], '\n');
}
END_TEST

START_TEST(quoting_escapes_what_would_confuse)
{
    ck_assert_str_eq(log_quote("a b", 3), "\"a b\"");
    ck_assert_str_eq(log_quote("", 0), "\"\"");
    ck_assert_str_eq(log_quote("\"\\\n\0\x7f", 5), "\"\\x22\\x5c\\x0a\\x00\\x7f\"");
    ck_assert_str_eq(log_quote("\xc3\xa9", 2), "\"\xc3\xa9\"");
}
END_TEST

START_TEST(a_long_quote_is_cut_and_says_so)
{
    char zeros[500] = { 0 };
    const char *quoted = log_quote(zeros, sizeof(zeros));

    ck_assert_uint_eq(strlen(quoted), 200 * 4 + 4);
    ck_assert_str_eq(quoted + 800, "0..\"");
}
END_TEST

START_TEST(four_quotes_fit_in_one_event)
{
    log_event(LOG_INFO, "test.event", "%s %s %s %s", log_quote("a", 1), log_quote("b", 1),
              log_quote("c", 1), log_quote("d", 1));
    for (const char *p = "abcd"; *p != '\0'; p++) {
        char quoted[4] = { '"', *p, '"', '\0' };

        if (p[0] == 'a')
            (void)logged();
        ck_assert_uint_eq(count_of(lines, quoted), 1);
    }
}
END_TEST

static void peer_says(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        log_peer(LOG_INFO, "test.peer", "i=%u", i);
}

START_TEST(a_peer_cannot_fill_the_log)
{
    peer_says(1000);
    ck_assert_uint_eq(count_of(logged(), "test.peer"), LOG_PEER_LINES_PER_SECOND);
    peer_says(1000);
    ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(the_next_second_tells_what_was_kept_back)
{
    peer_says(12);
    (void)logged();
    clock_set_for_test(UINT64_C(6000000000), 0);
    peer_says(1);
    (void)logged();
    ck_assert_uint_eq(count_of(lines, "log.suppressed event=test.peer lines=7\n"), 1);
    ck_assert_uint_eq(count_of(lines, "test.peer i=0\n"), 1);
    peer_says(1);
    ck_assert_uint_eq(count_of(logged(), "log.suppressed"), 0);
}
END_TEST

START_TEST(each_place_has_its_own_allowance)
{
    peer_says(1000);
    (void)logged();
    log_peer(LOG_INFO, "test.other", "x=%d", 1);
    ck_assert_uint_eq(count_of(logged(), "test.other"), 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("log");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_event_is_one_line);
    tcase_add_test(tests, words_for_others_stand_alone_behind_the_time_as_they_write_it);
    tcase_add_test(tests, what_is_below_the_threshold_is_not_written);
    tcase_add_test(tests, no_value_can_break_the_line);
    tcase_add_test(tests, a_long_line_is_cut_and_still_ends);
    tcase_add_test(tests, quoting_escapes_what_would_confuse);
    tcase_add_test(tests, a_long_quote_is_cut_and_says_so);
    tcase_add_test(tests, four_quotes_fit_in_one_event);
    tcase_add_test(tests, a_peer_cannot_fill_the_log);
    tcase_add_test(tests, the_next_second_tells_what_was_kept_back);
    tcase_add_test(tests, each_place_has_its_own_allowance);
    return suite_run("log", tests);
}
