/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ctl.h"
#include "tests/lib/suite.h"

static const char *or_none(const char *text)
{
    return text == NULL ? "-" : text;
}

START_TEST(every_part_is_found)
{
    static const struct {
        const char *text, *scheme, *host, *user, *password, *path;
        unsigned port;
        bool has_tls;
    } rows[] = {
        { "mqtt://host", "mqtt", "host", "-", "-", "-", 0, false },
        { "mqtt://", "mqtt", "localhost", "-", "-", "-", 0, false },
        { "mqtts://host:1", "mqtt", "host", "-", "-", "-", 1, true },
        { "amqp://u:p@host:5672/v", "amqp", "host", "u", "p", "v", 5672, false },
        { "amqp://host/", "amqp", "host", "-", "-", "", 0, false },
        { "amqp://host/%2f", "amqp", "host", "-", "-", "/", 0, false },
        { "amqp://host/a/b", "amqp", "host", "-", "-", "a/b", 0, false },
        { "amqp://u@host", "amqp", "host", "u", "", "-", 0, false },
        { "amqp://a%40b:p%3a%2F@host", "amqp", "host", "a@b", "p:/", "-", 0, false },
        { "kafka://[::1]:9092", "kafka", "::1", "-", "-", "-", 9092, false },
        { "kafka://[::1]", "kafka", "::1", "-", "-", "-", 0, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ctl_url url;
        const char *why;

        ck_assert_msg(ctl_url_parse(rows[i].text, &url, &why), "%s: %s", rows[i].text, why);
        ck_assert_str_eq(url.scheme, rows[i].scheme);
        ck_assert_str_eq(url.host, rows[i].host);
        ck_assert_str_eq(or_none(url.user), rows[i].user);
        ck_assert_str_eq(or_none(url.password), rows[i].password);
        ck_assert_str_eq(or_none(url.path), rows[i].path);
        ck_assert_uint_eq(url.port, rows[i].port);
        ck_assert(url.has_tls == rows[i].has_tls);
        ctl_url_done(&url);
    }
}
END_TEST

START_TEST(what_is_malformed_is_refused_with_a_reason)
{
    static const char *const rows[] = {
        "",
        "host",
        "host:1883",
        "://host",
        "mqtt:/host",
        "mqtt://host:",
        "mqtt://host:0",
        "mqtt://host:65536",
        "mqtt://host:1x",
        "mqtt://::1",
        "mqtt://[::1",
        "mqtt://[::1]x",
        "mqtt://a%zz@host",
        "mqtt://a%4@host",
        "mqtt://host/%",
        "mqtt://host/%00",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ctl_url url;
        const char *why = NULL;

        ck_assert_msg(!ctl_url_parse(rows[i], &url, &why), "%s", rows[i]);
        ck_assert_ptr_nonnull(why);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ctl_url");

    tcase_add_test(tests, every_part_is_found);
    tcase_add_test(tests, what_is_malformed_is_refused_with_a_reason);
    return suite_run("ctl_url", tests);
}
