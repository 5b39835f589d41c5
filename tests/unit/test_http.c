/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/net/http.h"
#include "tests/lib/suite.h"

static const char plain[] = "GET /api/streams?limit=5&after=a%2Fb+c HTTP/1.1\r\n"
                            "Host: localhost\r\n"
                            "X-Two:  words here \r\n"
                            "\r\n";

static enum rc decode(const char *text, struct http_request *ret)
{
    return http_decode(slice_str(text), ret);
}

START_TEST(a_request_is_taken_apart)
{
    struct http_request r;
    struct text value = { 0 };

    ck_assert_int_eq(decode(plain, &r), RC_OK);
    ck_assert_int_eq(r.method, HTTP_GET);
    ck_assert_slice(r.path, SLICE("/api/streams"));
    ck_assert_slice(r.query, SLICE("limit=5&after=a%2Fb+c"));
    ck_assert_slice(http_header(&r, "host"), SLICE("localhost"));
    ck_assert_slice(http_header(&r, "x-two"), SLICE("words here"));
    ck_assert(slice_is_none(http_header(&r, "x-three")));
    ck_assert(r.is_kept && !r.is_asking_first);
    ck_assert_uint_eq(r.body_bytes, 0);
    ck_assert_uint_eq(r.head_bytes, sizeof(plain) - 1);
    ck_assert_int_eq(http_query(&r, "limit", &value), RC_OK);
    ck_assert_slice(text_slice(&value), SLICE("5"));
    ck_assert_int_eq(http_query(&r, "after", &value), RC_OK);
    ck_assert_slice(text_slice(&value), SLICE("a/b c"));
    ck_assert_int_eq(http_query(&r, "lim", &value), RC_NOT_FOUND);
    text_done(&value);
}
END_TEST

START_TEST(every_truncation_asks_for_more)
{
    for (size_t n = 0; n < sizeof(plain) - 1; n++) {
        struct slice cut = exact_copy(slice_of(plain, n));
        struct http_request r;

        ck_assert_int_eq(http_decode(cut, &r), RC_AGAIN);
        exact_free(cut);
    }
}
END_TEST

START_TEST(a_body_has_the_length_that_its_header_says)
{
    struct http_request r;

    ck_assert_int_eq(decode("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n"
                            "Expect: 100-continue\r\nConnection: a, close\r\n\r\nbody",
                            &r),
                     RC_OK);
    ck_assert_int_eq(r.method, HTTP_PUT);
    ck_assert_uint_eq(r.body_bytes, 12);
    ck_assert(r.is_asking_first && !r.is_kept);
    ck_assert(slice_is_none(r.query));
}
END_TEST

START_TEST(an_old_client_gets_no_second_request)
{
    struct http_request r;

    ck_assert_int_eq(decode("PATCH / HTTP/1.0\r\n\r\n", &r), RC_OK);
    ck_assert_int_eq(r.method, HTTP_OTHER);
    ck_assert(!r.is_kept);
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
    static const struct {
        const char *text;
        enum rc rc;
    } rows[] = {
        { "\r\n", RC_MALFORMED },
        { "GET /\r\n\r\n", RC_MALFORMED },
        { "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", RC_MALFORMED },
        { "G\tT / HTTP/1.1\r\nHost: h\r\n\r\n", RC_MALFORMED },
        { "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", RC_MALFORMED },
        { "GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\nHost: h\n\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\nHost : h\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\nHost: h\x01\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\nnothing\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", RC_MALFORMED },
        { "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
          RC_MALFORMED },
        { "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", RC_UNSUPPORTED },
        { "GET / HTTP/1.1\r\nHost: h\r\nExpect: wonders\r\n\r\n", RC_UNSUPPORTED },
        { "GET / HTTP/2.0\r\nHost: h\r\n\r\n", RC_VERSION },
        { "GET / HTTQ/1.1\r\nHost: h\r\n\r\n", RC_MALFORMED },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_request r;

        ck_assert_msg(decode(rows[i].text, &r) == rows[i].rc, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(a_head_may_be_as_long_as_the_limit_and_no_longer)
{
    for (size_t more = 0; more < 2; more++) {
        struct text head = { 0 };
        struct http_request r;

        text_format(&head, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
        while (head.len < HTTP_HEAD_MAX_BYTES - 4 + more)
            text_add_byte(&head, 'x');
        ck_assert_int_eq(http_decode(text_slice(&head), &r), RC_AGAIN);
        text_format(&head, "\r\n\r\n");
        ck_assert_int_eq(http_decode(text_slice(&head), &r), more == 0 ? RC_OK : RC_TOO_LARGE);
        text_done(&head);
    }
}
END_TEST

START_TEST(as_many_headers_as_the_limit_and_no_more)
{
    for (unsigned more = 0; more < 2; more++) {
        struct text head = { 0 };
        struct http_request r;

        text_format(&head, "GET / HTTP/1.1\r\nHost: h\r\n");
        for (unsigned i = 1; i < HTTP_HEADERS_MAX + more; i++)
            text_format(&head, "X: %u\r\n", i);
        text_format(&head, "\r\n");
        ck_assert_int_eq(http_decode(text_slice(&head), &r), more == 0 ? RC_OK : RC_TOO_LARGE);
        text_done(&head);
    }
}
END_TEST

START_TEST(a_query_with_a_broken_escape_is_refused)
{
    static const char *const queries[] = { "a=%", "a=%2", "a=%g0", "a=%0g" };
    struct text value = { 0 };

    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        struct http_request r = { .query = slice_str(queries[i]) };

        ck_assert_int_eq(http_query(&r, "a", &value), RC_MALFORMED);
        ck_assert_int_eq(http_query(&r, "b", &value), RC_NOT_FOUND);
    }
    text_done(&value);
}
END_TEST

START_TEST(an_answer_says_what_follows)
{
    struct http_answer answer = {
        .status = 405, .type = "application/json", .body_bytes = 7, .allow = "GET"
    };
    struct text out = { 0 };

    http_encode(&out, &answer);
    ck_assert_slice(text_slice(&out),
                    SLICE("HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\n"
                          "Allow: GET\r\nContent-Length: 7\r\nCache-Control: no-store\r\n"
                          "Connection: close\r\n\r\n"));
    text_done(&out);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("http");

    tcase_add_test(tests, a_request_is_taken_apart);
    tcase_add_test(tests, every_truncation_asks_for_more);
    tcase_add_test(tests, a_body_has_the_length_that_its_header_says);
    tcase_add_test(tests, an_old_client_gets_no_second_request);
    tcase_add_test(tests, what_is_no_request_is_refused);
    tcase_add_test(tests, a_head_may_be_as_long_as_the_limit_and_no_longer);
    tcase_add_test(tests, as_many_headers_as_the_limit_and_no_more);
    tcase_add_test(tests, a_query_with_a_broken_escape_is_refused);
    tcase_add_test(tests, an_answer_says_what_follows);
    return suite_run("http", tests);
}
