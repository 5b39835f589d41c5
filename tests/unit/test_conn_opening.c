/* SPDX-License-Identifier: Apache-2.0 */
/* What comes before a session: PROXY heads, first bytes, upgrades, and their deadline. */
#include "tests/unit/net_fixture.h"

#define SECOND_NS UINT64_C(1000000000)
#define UPGRADE                                                         \
    "GET /frames HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" \
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"              \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
/* One frame of the fixture's protocol ("ab") in one of WebSocket, with a mask of zeros. */
#define MASKED "\x82\x86\0\0\0\0\0\0\0\2ab"

static struct text got;

static void setup(void)
{
    fx_setup();
    got = (struct text){ 0 };
}

static void teardown(void)
{
    text_done(&got);
    fx_teardown();
}

static void listen_with(bool is_proxied, bool is_detecting, enum websocket_use websocket)
{
    fx_listen_with((struct listener_config){ .address = "127.0.0.1",
                                             .is_proxied = is_proxied,
                                             .proxy_peers = "127.0.0.1",
                                             .is_tls_optional = is_detecting,
                                             .websocket = websocket });
}

static int client_with(struct slice first)
{
    unsigned before = fx.opened;
    int fd = fx_connect();

    fx_send(fd, first);
    FX_UNTIL(fx.opened > before);
    return fd;
}

static void read_upgrade(int fd)
{
    size_t len = sizeof("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n") -
                 1;

    ck_assert(slice_starts(fx_receive(fd, &got, len), SLICE("HTTP/1.1 101 ")));
    ck_assert_uint_eq(got.len, len);
    text_clear(&got);
}

START_TEST(a_proxied_client_is_who_the_proxy_says)
{
    int fd;

    listen_with(true, false, WEBSOCKET_NO);
    fd = client_with(SLICE("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n"));
    ck_assert_str_eq(conn_peer(fx.conn), "192.0.2.7:4711");
    ck_assert_str_eq(conn_local_host(fx.conn), "192.0.2.1");
    ck_assert_uint_eq(conn_local_port(fx.conn), 25);
    ck_assert(!conn_is_loopback(fx.conn));
    ck_assert_ptr_null(conn_certificate_name(fx.conn));
    fx_send_frame(fd, "hello");
    FX_UNTIL(fx.frame_count == 1);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_proxied_client_is_local_only_when_its_source_is)
{
    static const struct {
        struct slice head;
        bool is_local;
    } cases[] = {
        { SLICE("PROXY TCP4 127.0.0.9 192.0.2.1 1 2\r\n"), true },
        { SLICE("PROXY TCP6 ::1 ::1 1 2\r\n"), true },
        { SLICE("PROXY TCP6 ::ffff:127.0.0.1 ::1 1 2\r\n"), true },
        { SLICE("PROXY TCP6 ::ffff:128.0.0.1 ::1 1 2\r\n"), false },
        { SLICE("PROXY UNKNOWN\r\n"), false },
        { SLICE("\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"), true }, /* the proxy itself */
        { SLICE("\r\n\r\n\0\r\nQUIT\n\x21\x00\0\0"), false },
    };

    listen_with(true, false, WEBSOCKET_NO);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = client_with(cases[i].head);

        ck_assert_msg(conn_is_loopback(fx.conn) == cases[i].is_local, "case %zu", i);
        ck_assert_int_eq(close(fd), 0);
        FX_UNTIL(fx.closed == fx.opened);
    }
}
END_TEST

START_TEST(a_name_that_a_proxy_has_checked_is_told)
{
    struct text head = { 0 };
    int fd;

    text_add(&head, SLICE("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x18\xc0\0\2\7\xc0\0\2\1\0\1\0\2"
                          "\x20\0\x09\7\0\0\0\0\x22\0\1z"));
    listen_with(true, false, WEBSOCKET_NO);
    fd = client_with(text_slice(&head));
    ck_assert_str_eq(conn_certificate_name(fx.conn), "z");
    ck_assert_int_eq(close(fd), 0);
    text_done(&head);
}
END_TEST

START_TEST(what_follows_a_proxy_head_in_the_same_packet_is_not_lost)
{
    struct text bytes = { 0 };
    int fd;

    text_add(&bytes, SLICE("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n"));
    fx_add_frame(&bytes, SLICE("at once"));
    listen_with(true, false, WEBSOCKET_DETECTED);
    fd = client_with(text_slice(&bytes));
    FX_UNTIL(fx.frame_count == 1);
    ck_assert_str_eq(conn_peer(fx.conn), "192.0.2.7:4711");
    ck_assert_int_eq(close(fd), 0);
    text_done(&bytes);
}
END_TEST

START_TEST(a_connection_that_is_no_proxys_is_refused)
{
    struct listener *none = NULL;
    struct listener_config config = { .name = "x",
                                      .address = "127.0.0.1",
                                      .is_proxied = true,
                                      .proxy_peers = "no network",
                                      .protocol = &fx_protocol };
    int64_t before = count_get(COUNT_NET_PROXY_REFUSED);
    int fd;

    ck_assert_int_eq(listener_open(fx.loop, &config, &none), RC_INVALID);
    fx_listen_with((struct listener_config){
        .address = "127.0.0.1", .is_proxied = true, .proxy_peers = "10.0.0.0/8, unix" });
    fd = fx_connect();
    FX_UNTIL(fx_is_at_end(fd));
    ck_assert_int_eq(count_get(COUNT_NET_PROXY_REFUSED), before + 1);
    ck_assert_uint_eq(fx.opened, 0);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

static void check_deadline(struct slice trickle)
{
    int64_t before = count_get(COUNT_NET_TIMEOUTS);
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    fd = fx_connect();
    fx_settle();
    for (unsigned second = 0; second < 9; second++) {
        clock_set_for_test((1 + second) * SECOND_NS, 0);
        fx_send(fd, slice_of(trickle.at + second, 1));
        fx_settle();
    }
    ck_assert_int_eq(count_get(COUNT_NET_TIMEOUTS), before);
    clock_set_for_test(12 * SECOND_NS, 0);
    fx_settle();
    ck_assert_int_eq(count_get(COUNT_NET_TIMEOUTS), before + 1);
    FX_UNTIL(fx_is_at_end(fd));
    ck_assert_uint_eq(fx.opened, 0);
    ck_assert_int_eq(close(fd), 0);
    clock_unset_for_test();
}

START_TEST(a_proxy_head_that_trickles_in_is_timed_out)
{
    listen_with(true, false, WEBSOCKET_NO);
    check_deadline(SLICE("PROXY UNKNOWN"));
}
END_TEST

START_TEST(a_request_that_trickles_in_is_timed_out)
{
    listen_with(false, true, WEBSOCKET_DETECTED);
    check_deadline(SLICE(UPGRADE));
}
END_TEST

START_TEST(who_says_nothing_is_timed_out_where_the_first_byte_decides)
{
    int64_t before = count_get(COUNT_NET_TIMEOUTS);
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    listen_with(false, true, WEBSOCKET_DETECTED);
    fd = fx_connect();
    fx_settle();
    clock_set_for_test(12 * SECOND_NS, 0);
    FX_UNTIL(count_get(COUNT_NET_TIMEOUTS) == before + 1);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(frames_go_through_a_websocket_both_ways)
{
    int fd;

    fx.is_echo = true;
    listen_with(false, false, WEBSOCKET_ONLY);
    fd = client_with(SLICE(UPGRADE));
    read_upgrade(fd);
    for (size_t i = 0; i < sizeof(MASKED) - 1; i++)
        fx_send(fd, slice_of(&MASKED[i], 1));
    ck_assert(slice_equal(fx_receive(fd, &got, 4), SLICE("\x82\x02"
                                                         "ab")));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(one_listener_tells_the_first_bytes_apart)
{
    int fd;

    fx.is_echo = true;
    listen_with(false, true, WEBSOCKET_DETECTED);
    fd = client_with(SLICE(UPGRADE));
    read_upgrade(fd);
    ck_assert_int_eq(close(fd), 0);
    fd = client_with(SLICE("\0"));
    fx_send(fd, SLICE("\0\0\2ab"));
    ck_assert(slice_equal(fx_receive(fd, &got, 2), SLICE("ab")));
    ck_assert_int_eq(close(fd), 0);
    fd = fx_connect(); /* TLS, for which there is no certificate */
    fx_send(fd, SLICE("\x16\3\1"));
    FX_UNTIL(fx_is_at_end(fd));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_session_that_finishes_says_so_to_the_websocket)
{
    int fd;

    fx.is_finishing = true;
    listen_with(false, false, WEBSOCKET_ONLY);
    fd = client_with(SLICE(UPGRADE));
    read_upgrade(fd);
    fx_send(fd, SLICE(MASKED));
    ck_assert(slice_equal(fx_receive(fd, &got, 5), SLICE("\x88\x02\x03\xea"))); /* 1002 */
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_shutdown_tells_websockets_that_the_server_goes)
{
    bool is_done = false;
    int fd;

    listen_with(false, false, WEBSOCKET_ONLY);
    fd = client_with(SLICE(UPGRADE));
    read_upgrade(fd);
    listener_close(&fx.listener);
    net_shutdown(fx.loop, 1000, fx_stop, &is_done);
    ck_assert(slice_equal(fx_receive(fd, &got, 10), SLICE("\x82\x03"
                                                          "bye\x88\x02\x03\xe9")));
    ck_assert_int_eq(close(fd), 0);
    FX_UNTIL(is_done);
}
END_TEST

START_TEST(a_session_that_pauses_meets_the_close_behind_its_input)
{
    int fd;

    fx.is_one_by_one = true;
    listen_with(false, false, WEBSOCKET_ONLY);
    fd = client_with(SLICE(UPGRADE));
    read_upgrade(fd);
    fx_send(fd, SLICE(MASKED MASKED "\x88\x80\0\0\0\0"));
    FX_UNTIL(fx.frame_count == 1);
    fx_settle();
    ck_assert_uint_eq(fx.closed, 0);
    conn_resume(fx.conn, CONN_PAUSE_BUSY);
    FX_UNTIL(fx.frame_count == 2);
    ck_assert_uint_eq(fx.closed, 0);
    conn_resume(fx.conn, CONN_PAUSE_BUSY);
    FX_UNTIL(fx.closed == 1);
    ck_assert_int_eq(fx.closed_why, RC_CLOSED);
    ck_assert(slice_equal(fx_receive(fd, &got, 2), SLICE("\x88\0")));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_refused_request_never_makes_a_session)
{
    int64_t before = count_get(COUNT_NET_WEBSOCKET_ERRORS);
    int fd;

    listen_with(false, false, WEBSOCKET_ONLY);
    fd = fx_connect();
    fx_send(fd, SLICE("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    ck_assert(slice_starts(fx_receive(fd, &got, 1000), SLICE("HTTP/1.1 404 ")));
    ck_assert_int_eq(count_get(COUNT_NET_WEBSOCKET_ERRORS), before + 1);
    ck_assert_uint_eq(fx.opened, 0);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn_opening");
    TCase *test = tcase_create("conn_opening");
    SRunner *runner;
    int failed;

    tcase_set_timeout(test, 60);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, a_proxied_client_is_who_the_proxy_says);
    tcase_add_test(test, a_proxied_client_is_local_only_when_its_source_is);
    tcase_add_test(test, a_name_that_a_proxy_has_checked_is_told);
    tcase_add_test(test, what_follows_a_proxy_head_in_the_same_packet_is_not_lost);
    tcase_add_test(test, a_connection_that_is_no_proxys_is_refused);
    tcase_add_test(test, a_proxy_head_that_trickles_in_is_timed_out);
    tcase_add_test(test, a_request_that_trickles_in_is_timed_out);
    tcase_add_test(test, who_says_nothing_is_timed_out_where_the_first_byte_decides);
    tcase_add_test(test, frames_go_through_a_websocket_both_ways);
    tcase_add_test(test, one_listener_tells_the_first_bytes_apart);
    tcase_add_test(test, a_session_that_finishes_says_so_to_the_websocket);
    tcase_add_test(test, a_shutdown_tells_websockets_that_the_server_goes);
    tcase_add_test(test, a_session_that_pauses_meets_the_close_behind_its_input);
    tcase_add_test(test, a_refused_request_never_makes_a_session);
    suite_add_tcase(suite, test);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
