/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/net/upgrade.h"
#include "tests/lib/suite.h"

static const char *const names[] = { "mqtt", "mqttv3.1", NULL };

#define REQUEST_LINE "GET /mqtt HTTP/1.1\r\nHost: broker.example:8083\r\n"
#define REST                                                                   \
    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"                \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" \
    "\r\nSec-WebSocket-Protocol: mqttv3.1, other\r\n\r\n"

static struct upgrade_rules rules(void)
{
    return (struct upgrade_rules){ .path = "mqtt", .names = names, .needs_name = true };
}

static enum rc ask(struct slice in, struct text *answer)
{
    struct upgrade_rules r = rules();
    struct slice exact = exact_copy(in);
    const char *why = NULL;
    enum rc rc;

    text_clear(answer);
    rc = upgrade_answer(exact, &r, answer, &why);
    ck_assert((rc == RC_REFUSED) == (why != NULL));
    exact_free(exact);
    return rc;
}

START_TEST(a_request_is_answered_with_the_standards_own_example)
{
    struct text answer = { 0 };

    ck_assert_int_eq(ask(SLICE(REQUEST_LINE REST), &answer), RC_OK);
    ck_assert_slice(text_slice(&answer),
                    SLICE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                          "Sec-WebSocket-Protocol: mqttv3.1\r\n\r\n"));
    text_done(&answer);
}
END_TEST

START_TEST(as_mosquitto_an_answer_has_its_letters_and_a_bad_origin_none)
{
    struct upgrade_rules r = rules();
    struct text answer = { 0 };
    const char *why = NULL;

    r.is_as_mosquitto = true;
    r.origins = "a.example";
    ck_assert_int_eq(upgrade_answer(SLICE(REQUEST_LINE REST), &r, &answer, &why), RC_OK);
    text_add_byte(&answer, '\0');
    ck_assert_ptr_nonnull(strstr((const char *)answer.at, "\r\nUpgrade: WebSocket\r\n"));
    text_clear(&answer);
    ck_assert_int_eq(
        upgrade_answer(SLICE(REQUEST_LINE "Origin: https://b.example\r\n" REST), &r, &answer, &why),
        RC_REFUSED);
    ck_assert_uint_eq(answer.len, 0);
    ck_assert_str_eq(why, "origin");
    text_done(&answer);
}
END_TEST

START_TEST(every_truncation_asks_for_more)
{
    struct slice whole = SLICE(REQUEST_LINE REST);
    struct text answer = { 0 };

    for (size_t n = 0; n < whole.len; n++) {
        ck_assert_int_eq(ask(slice_of(whole.at, n), &answer), RC_AGAIN);
        ck_assert_uint_eq(answer.len, 0);
    }
    text_done(&answer);
}
END_TEST

START_TEST(a_refusal_tells_its_length)
{
    struct text answer = { 0 };

    ck_assert_int_eq(ask(SLICE("GET /other HTTP/1.1\r\nHost: h\r\n\r\n"), &answer), RC_REFUSED);
    ck_assert_slice(text_slice(&answer),
                    SLICE("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
                          "Content-Length: 36\r\nCache-Control: no-store\r\nConnection: close\r\n"
                          "\r\nThere is no WebSocket at this path.\n"));
    text_done(&answer);
}
END_TEST

static bool is_allowed(const char *origins, bool is_local, const char *origin, const char *host)
{
    struct upgrade_rules r = { .origins = origins, .is_local = is_local };

    return upgrade_origin_is_allowed(slice_str(origin), slice_str(host), &r);
}

START_TEST(a_page_of_this_machine_may_connect)
{
    ck_assert(is_allowed(NULL, true, "http://localhost:3000", "localhost:8083"));
    ck_assert(is_allowed(NULL, true, "https://127.0.0.1", "x"));
    ck_assert(is_allowed(NULL, false, "http://[::1]:80", "x"));
    ck_assert(!is_allowed(NULL, true, "http://localhost.example", "localhost.example"));
    ck_assert(!is_allowed(NULL, true, "http://127.0.0.1.example", "x"));
}
END_TEST

START_TEST(a_page_of_the_same_host_may_connect_unless_the_peer_is_trusted_for_being_local)
{
    ck_assert(is_allowed(NULL, false, "https://Broker.example", "broker.EXAMPLE:8083"));
    ck_assert(!is_allowed(NULL, true, "https://broker.example", "broker.example:8083"));
    ck_assert(!is_allowed(NULL, false, "https://other.example", "broker.example"));
    ck_assert(!is_allowed(NULL, false, "null", ""));
    ck_assert(!is_allowed(NULL, false, "https://", ""));
    ck_assert(!is_allowed(NULL, false, "", ""));
}
END_TEST

START_TEST(a_list_says_all_there_is_to_say)
{
    static const char list[] = "https://a.example , b.example,[2001:db8::1]";

    ck_assert(is_allowed(list, true, "https://a.example", "x"));
    ck_assert(!is_allowed(list, true, "http://a.example", "x"));
    ck_assert(!is_allowed(list, true, "https://a.example:8443", "x"));
    ck_assert(is_allowed(list, true, "http://b.example:8080", "x"));
    ck_assert(is_allowed(list, true, "http://[2001:db8::1]:1", "x"));
    ck_assert(!is_allowed(list, true, "http://localhost", "localhost"));
    ck_assert(!is_allowed(list, false, "", "x"));
    ck_assert(!is_allowed("a,,b", false, "null", "x"));
    ck_assert(is_allowed("*", true, "null", "x"));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("upgrade");

    tcase_add_test(tests, a_request_is_answered_with_the_standards_own_example);
    tcase_add_test(tests, as_mosquitto_an_answer_has_its_letters_and_a_bad_origin_none);
    tcase_add_test(tests, every_truncation_asks_for_more);
    tcase_add_test(tests, a_refusal_tells_its_length);
    tcase_add_test(tests, a_page_of_this_machine_may_connect);
    tcase_add_test(tests,
                   a_page_of_the_same_host_may_connect_unless_the_peer_is_trusted_for_being_local);
    tcase_add_test(tests, a_list_says_all_there_is_to_say);
    return suite_run("upgrade", tests);
}
