/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of our own, to a listener of the same loop. */
#include "broker/net/dial.h"

#include <stdio.h>

#include "tests/unit/net_fixture.h"

static char *pem; /* certificate and key of localhost, 127.0.0.1 and ::1 */

/* The calling side: what its protocol saw. */
static struct calls {
    struct conn *conn;
    unsigned opened, closed, failed;
    enum rc why;
    const char *what;
    struct text in;
    bool is_refusing;
} calls;

static enum rc on_open(void *context, struct conn *conn, void **ret_session)
{
    ck_assert_ptr_eq(context, &calls);
    if (calls.is_refusing)
        return RC_LIMIT;
    calls.conn = conn;
    calls.opened++;
    *ret_session = &calls;
    return RC_OK;
}

static size_t on_input(void *session, struct slice in)
{
    ck_assert_ptr_eq(session, &calls);
    text_add(&calls.in, in);
    return in.len;
}

static void on_closed(void *session, enum rc why)
{
    ck_assert_ptr_eq(session, &calls);
    (void)why;
    calls.closed++;
    calls.conn = NULL;
}

static const struct protocol caller = {
    .name = "caller", .on_open = on_open, .on_input = on_input, .on_closed = on_closed
};

static void on_failed(void *context, enum rc why, const char *what)
{
    ck_assert_ptr_eq(context, &calls);
    calls.failed++;
    calls.why = why;
    calls.what = what;
}

static struct dial *dial_for(struct tls *tls)
{
    struct dial_config config = {
        .name = "out", .tls = tls, .protocol = &caller, .context = &calls, .on_failed = on_failed
    };
    struct dial *dial = NULL;

    ck_assert_int_eq(dial_new(fx.loop, &config, &dial), RC_OK);
    return dial;
}

static void setup(void)
{
    struct text path = { 0 };
    const char *top = getenv("srcdir");

    fx_setup();
    memset(&calls, 0, sizeof(calls));
    text_format(&path, "%s/tests/lib/localhost.pem", top == NULL ? ".." : top);
    pem = mem_copy_text(text_slice(&path));
    text_done(&path);
}

static void teardown(void)
{
    fx_teardown();
    text_done(&calls.in);
    mem_free(pem);
}

static void end(struct dial *dial)
{
    dial_free(&dial);
    FX_UNTIL(calls.opened == calls.closed);
}

/* The listener has IPv4 alone, and the name may have both: they are tried in turn. */
START_TEST(a_name_is_called_and_bytes_go_both_ways)
{
    struct text frame = { 0 };
    struct dial *dial = dial_for(NULL);

    fx.is_echo = true;
    fx_listen("127.0.0.1", NULL);
    ck_assert_int_eq(dial_start(dial, "localhost", listener_port(fx.listener)), RC_OK);
    ck_assert(dial_is_busy(dial));
    ck_assert_uint_eq(calls.opened, 0);
    FX_UNTIL(calls.opened == 1);
    ck_assert(!dial_is_busy(dial));
    ck_assert_str_eq(conn_listener_name(calls.conn), "out");
    ck_assert_str_eq(conn_local_host(calls.conn), "127.0.0.1");
    fx_add_frame(&frame, SLICE("hello"));
    conn_write(calls.conn, text_slice(&frame));
    FX_UNTIL(calls.in.len == 5);
    ck_assert(slice_equal(text_slice(&calls.in), SLICE("hello")));
    text_done(&frame);
    end(dial);
    ck_assert_uint_eq(calls.failed, 0);
}
END_TEST

START_TEST(where_nobody_listens_the_attempt_fails_and_another_may_follow)
{
    struct dial *dial = dial_for(NULL);
    uint16_t port;

    fx_listen("127.0.0.1", NULL);
    port = listener_port(fx.listener);
    listener_close(&fx.listener);
    ck_assert_int_eq(dial_start(dial, "127.0.0.1", port), RC_OK);
    FX_UNTIL(calls.failed == 1);
    ck_assert_int_eq(calls.why, RC_CLOSED);
    ck_assert_str_eq(calls.what, "connect");
    fx_listen("127.0.0.1", NULL);
    ck_assert_int_eq(dial_start(dial, "127.0.0.1", listener_port(fx.listener)), RC_OK);
    FX_UNTIL(calls.opened == 1);
    end(dial);
}
END_TEST

START_TEST(what_is_no_name_is_told_as_such)
{
    struct dial *dial = dial_for(NULL);

    ck_assert_int_eq(dial_start(dial, "no name at all", 1), RC_OK);
    FX_UNTIL(calls.failed == 1);
    ck_assert_int_eq(calls.why, RC_NOT_FOUND);
    ck_assert_str_eq(calls.what, "name");
    end(dial);
}
END_TEST

START_TEST(a_session_that_does_not_open_is_a_failed_attempt)
{
    struct dial *dial = dial_for(NULL);

    calls.is_refusing = true;
    fx_listen("127.0.0.1", NULL);
    ck_assert_int_eq(dial_start(dial, "127.0.0.1", listener_port(fx.listener)), RC_OK);
    FX_UNTIL(calls.failed == 1);
    ck_assert_int_eq(calls.why, RC_LIMIT);
    ck_assert(!dial_is_busy(dial));
    end(dial);
}
END_TEST

START_TEST(an_attempt_can_be_given_up_at_any_step)
{
    fx_listen("127.0.0.1", NULL);
    for (unsigned turns = 0; turns < 4; turns++) {
        struct dial *dial = dial_for(NULL);

        ck_assert_int_eq(dial_start(dial, "localhost", listener_port(fx.listener)), RC_OK);
        for (unsigned i = 0; i < turns; i++)
            loop_turn(fx.loop, 10);
        end(dial);
    }
    ck_assert_uint_eq(calls.failed, 0);
}
END_TEST

START_TEST(unix_sockets_are_called_by_path)
{
    char path[] = "/tmp/tercet-dial-XXXXXX", address[64];
    struct dial *dial = dial_for(NULL);

    ck_assert_ptr_nonnull(mkdtemp(path));
    (void)snprintf(address, sizeof(address), "unix:%s/socket", path);
    ck_assert_int_eq(dial_start(dial, address, 0), RC_OK);
    ck_assert_uint_eq(calls.failed, 0); /* not inside the call */
    FX_UNTIL(calls.failed == 1);
    fx_listen(address, NULL);
    ck_assert_int_eq(dial_start(dial, address, 0), RC_OK);
    FX_UNTIL(calls.opened == 1);
    ck_assert_int_eq(dial_start(dial, "unix:", 0), RC_INVALID);
    end(dial);
    listener_close(&fx.listener);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* ---- TLS ---- */

static struct tls *server_tls(void)
{
    struct tls_config config = { .certificate_file = pem, .key_file = pem };
    struct tls *tls = NULL;

    ck_assert_int_eq(tls_new(&config, &tls), RC_OK);
    return tls;
}

/* Calls `host` by TLS; gives whether a session came of it. */
static bool call_by_tls(const char *host, const struct tls_client_config *config)
{
    struct tls *theirs = server_tls(), *ours = NULL;
    unsigned failed = calls.failed, opened = calls.opened;
    struct dial *dial;
    bool is_open;

    ck_assert_int_eq(tls_client_new(config, &ours), RC_OK);
    fx_listen("127.0.0.1", theirs);
    dial = dial_for(ours);
    ck_assert_int_eq(dial_start(dial, host, listener_port(fx.listener)), RC_OK);
    FX_UNTIL(calls.opened > opened || calls.failed > failed);
    is_open = calls.opened > opened;
    if (is_open)
        ck_assert(conn_is_tls(calls.conn));
    end(dial);
    listener_close(&fx.listener);
    for (unsigned i = 0; i < 200 && count_get(COUNT_NET_OPEN) > 0; i++)
        loop_turn(fx.loop, 10);
    tls_free(&theirs);
    tls_free(&ours);
    return is_open;
}

START_TEST(the_certificate_must_be_good_and_have_the_name_that_was_called)
{
    struct tls_client_config good = { .ca_file = pem }, system = { .alpn = "mqtt" };
    struct tls_client_config unchecked = { .ca_file = pem, .is_name_unchecked = true };

    ck_assert(call_by_tls("localhost", &good));
    ck_assert(call_by_tls("127.0.0.1", &good));
    ck_assert(!call_by_tls("127.0.0.2", &good));
    ck_assert_str_eq(calls.what, "connect"); /* nobody listens there */
    ck_assert(!call_by_tls("localhost", &system));
    ck_assert_str_eq(calls.what, "tls");
    ck_assert(call_by_tls("localhost", &unchecked));
}
END_TEST

START_TEST(another_name_is_refused_unless_names_are_not_looked_at)
{
    struct tls_client_config good = { .ca_file = pem, .is_1_3_required = true };
    struct tls_client_config unchecked = { .ca_file = pem, .is_name_unchecked = true };

    /* a number in another spelling is the same machine, and no name of the certificate's */
    ck_assert(!call_by_tls("127.1", &good));
    ck_assert_str_eq(calls.what, "tls");
    ck_assert(call_by_tls("127.1", &unchecked));
}
END_TEST

START_TEST(files_that_are_none_are_refused)
{
    struct tls_client_config no_ca = { .ca_file = "/nonexistent" };
    struct tls_client_config no_key = { .ca_file = pem,
                                        .certificate_file = "/nonexistent",
                                        .key_file = pem };
    struct tls_client_config no_name = { .ca_file = pem, .alpn = "" };
    struct tls *tls = NULL;

    log_set_threshold(LOG_ERROR);
    ck_assert_int_eq(tls_client_new(&no_ca, &tls), RC_INVALID);
    ck_assert_int_eq(tls_client_new(&no_key, &tls), RC_INVALID);
    ck_assert_int_eq(tls_client_new(&no_name, &tls), RC_INVALID);
    ck_assert_ptr_null(tls);
}
END_TEST

START_TEST(an_address_to_call_from_must_be_one)
{
    struct dial_config config = { .name = "out",
                                  .bind_address = "here",
                                  .protocol = &caller,
                                  .context = &calls,
                                  .on_failed = on_failed };
    struct dial *dial = NULL;

    ck_assert_int_eq(dial_new(fx.loop, &config, &dial), RC_INVALID);
    config.bind_address = "127.0.0.9";
    ck_assert_int_eq(dial_new(fx.loop, &config, &dial), RC_OK);
    fx_listen("127.0.0.1", NULL);
    ck_assert_int_eq(dial_start(dial, "127.0.0.1", listener_port(fx.listener)), RC_OK);
    FX_UNTIL(calls.opened == 1 && fx.opened == 1);
    ck_assert(slice_starts(slice_str(conn_peer(fx.conn)), SLICE("127.0.0.9:")));
    end(dial);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dial");
    TCase *test = tcase_create("dial");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, a_name_is_called_and_bytes_go_both_ways);
    tcase_add_test(test, where_nobody_listens_the_attempt_fails_and_another_may_follow);
    tcase_add_test(test, what_is_no_name_is_told_as_such);
    tcase_add_test(test, a_session_that_does_not_open_is_a_failed_attempt);
    tcase_add_test(test, an_attempt_can_be_given_up_at_any_step);
    tcase_add_test(test, unix_sockets_are_called_by_path);
    tcase_add_test(test, the_certificate_must_be_good_and_have_the_name_that_was_called);
    tcase_add_test(test, another_name_is_refused_unless_names_are_not_looked_at);
    tcase_add_test(test, files_that_are_none_are_refused);
    tcase_add_test(test, an_address_to_call_from_must_be_one);
    suite_add_tcase(suite, test);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
