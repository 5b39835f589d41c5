/* SPDX-License-Identifier: Apache-2.0 */
/* TLS under a connection, against OpenSSL's own client in the same thread. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "tests/unit/net_fixture.h"

#define SECOND_NS 1000000000u
/* More together than the kernel keeps for a socket. */
#define COPIES 8

static char dir[64];
static char certificate_file[80];
static char key_file[80];
static char other_key_file[80];
static struct tls *tls;
static SSL_CTX *client_context;

/* ---- a certificate of our own ---- */

static EVP_PKEY *make_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(key);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    ck_assert_int_eq(fclose(file), 0);
    return key;
}

static void make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    FILE *file = fopen(certificate_file, "we");

    (void)X509_set_version(x, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    (void)X509_set_pubkey(x, key);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0);
    (void)X509_set_issuer_name(x, name);
    ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_X509(file, x), 1);
    ck_assert_int_eq(fclose(file), 0);
    X509_free(x);
}

static void make_files(void)
{
    EVP_PKEY *key, *other;

    (void)snprintf(dir, sizeof(dir), "/tmp/tercet-tls-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(certificate_file, sizeof(certificate_file), "%s/cert.pem", dir);
    (void)snprintf(key_file, sizeof(key_file), "%s/key.pem", dir);
    (void)snprintf(other_key_file, sizeof(other_key_file), "%s/other.pem", dir);
    key = make_key(key_file);
    other = make_key(other_key_file);
    make_certificate(key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void setup(void)
{
    struct tls_config config;

    fx_setup();
    make_files();
    config = (struct tls_config){ .certificate_file = certificate_file, .key_file = key_file };
    ck_assert_int_eq(tls_new(&config, &tls), RC_OK);
    fx_listen("127.0.0.1", tls);
    client_context = SSL_CTX_new(TLS_client_method());
    ck_assert_int_eq(SSL_CTX_load_verify_locations(client_context, certificate_file, NULL), 1);
    SSL_CTX_set_verify(client_context, SSL_VERIFY_PEER, NULL);
}

static void teardown(void)
{
    SSL_CTX_free(client_context);
    fx_teardown();
    tls_free(&tls);
    (void)unlink(certificate_file);
    (void)unlink(key_file);
    (void)unlink(other_key_file);
    ck_assert_int_eq(rmdir(dir), 0);
}

/* ---- a client that turns the loop while it waits ---- */

static SSL *client_new(void)
{
    SSL *ssl = SSL_new(client_context);

    ck_assert_int_eq(SSL_set_fd(ssl, fx_connect()), 1);
    SSL_set_connect_state(ssl);
    return ssl;
}

static void client_free(SSL *ssl)
{
    ck_assert_int_eq(close(SSL_get_fd(ssl)), 0);
    SSL_free(ssl);
}

/* True when done, false when the handshake failed. */
static bool handshake(SSL *ssl)
{
    for (unsigned i = 0; i < 2000; i++) {
        int result = SSL_do_handshake(ssl);
        int error = SSL_get_error(ssl, result);

        if (result == 1)
            return true;
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return false;
        loop_turn(fx.loop, 1);
    }
    ck_abort_msg("the handshake never ends");
    return false;
}

static SSL *client(void)
{
    unsigned before = fx.opened;
    SSL *ssl = client_new();

    ck_assert(handshake(ssl));
    FX_UNTIL(fx.opened > before);
    return ssl;
}

static void client_send(SSL *ssl, struct slice bytes)
{
    unsigned idle = 0;

    while (bytes.len > 0 && idle < 2000) {
        size_t n = 0;

        if (SSL_write_ex(ssl, bytes.at, bytes.len < 16384 ? bytes.len : 16384, &n) != 1) {
            ck_assert_int_eq(SSL_get_error(ssl, 0), SSL_ERROR_WANT_WRITE);
            idle++;
        } else {
            idle = 0;
        }
        bytes = slice_after(bytes, n);
        loop_turn(fx.loop, 0);
    }
    ck_assert_uint_eq(bytes.len, 0);
}

/* Up to `len` bytes; *ret_error is 0, or SSL's error that ended it before. */
static void client_receive(SSL *ssl, struct text *to, size_t len, int *ret_error)
{
    unsigned idle = 0;

    *ret_error = 0;
    while (to->len < len && idle < 2000) {
        size_t n = 0;

        ck_assert(text_reserve(to, len - to->len));
        if (SSL_read_ex(ssl, to->at + to->len, len - to->len, &n) != 1) {
            int error = SSL_get_error(ssl, 0);

            if (error != SSL_ERROR_WANT_READ) {
                *ret_error = error;
                return;
            }
            idle++;
        } else {
            idle = 0;
        }
        to->len += n;
        loop_turn(fx.loop, n == 0 ? 1 : 0);
    }
}

START_TEST(frames_arrive_and_answers_go_back_over_tls)
{
    SSL *ssl = client();
    struct text t = { 0 };
    struct text got = { 0 };
    int error;

    fx.is_echo = true;
    ck_assert(conn_is_tls(fx.conn));
    fx_add_frame(&t, SLICE("over "));
    fx_add_frame(&t, SLICE("tls"));
    client_send(ssl, text_slice(&t));
    client_receive(ssl, &got, 8, &error);
    ck_assert(slice_equal_str(text_slice(&got), "over tls"));
    text_done(&t);
    text_done(&got);
    client_free(ssl);
}
END_TEST

static SSL_SESSION *ticket;
static unsigned ticket_count;

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    ticket_count++;
    return 1; /* taken */
}

START_TEST(a_client_gets_one_ticket_and_comes_back_by_it)
{
    struct text got = { 0 };
    SSL *ssl;
    int error;

    (void)SSL_CTX_set_session_cache_mode(client_context,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_context, on_ticket);
    ssl = client();
    conn_write(fx.conn, SLICE("x"));
    client_receive(ssl, &got, 1, &error); /* tickets come before it */
    ck_assert_uint_eq(got.len, 1);
    ck_assert_uint_eq(ticket_count, 1);
    ck_assert(!SSL_session_reused(ssl));
    (void)SSL_shutdown(ssl); /* what ends without it is not taken up again */
    FX_UNTIL(fx.closed == 1);
    client_free(ssl);
    ssl = client_new();
    ck_assert_int_eq(SSL_set_session(ssl, ticket), 1);
    ck_assert(handshake(ssl));
    ck_assert(SSL_session_reused(ssl));
    client_free(ssl);
    SSL_SESSION_free(ticket);
    text_done(&got);
}
END_TEST

static void expect_suite(const char *suites, const char *chosen)
{
    SSL *ssl;

    ck_assert_int_eq(SSL_CTX_set_ciphersuites(client_context, suites), 1);
    ssl = client();
    ck_assert_str_eq(SSL_get_cipher_name(ssl), chosen);
    client_free(ssl);
}

START_TEST(the_cheapest_suite_is_chosen_unless_the_client_wants_chacha)
{
    expect_suite("TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
                 "TLS_AES_128_GCM_SHA256");
    expect_suite("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
                 "TLS_CHACHA20_POLY1305_SHA256");
    expect_suite("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384");
}
END_TEST

START_TEST(frames_sent_byte_by_byte_over_tls_arrive_whole)
{
    SSL *ssl = client();
    struct text t = { 0 };

    fx_add_frame(&t, SLICE("one"));
    fx_add_frame(&t, SLICE("two"));
    for (size_t i = 0; i < t.len; i++)
        client_send(ssl, slice_of(t.at + i, 1));
    FX_UNTIL(fx.frame_count == 2);
    ck_assert(slice_equal_str(text_slice(&fx.frames), "one|two|"));
    text_done(&t);
    client_free(ssl);
}
END_TEST

START_TEST(large_input_and_output_go_through_whole)
{
    SSL *ssl = client();
    struct text t = { 0 };
    struct text got = { 0 };
    struct block *block = block_try(3000000);
    int error;

    for (size_t i = 0; i < block->len; i++)
        block->at[i] = (uint8_t)(i * 40503 >> 7);
    fx_add_frame(&t, block_slice(block));
    client_send(ssl, text_slice(&t));
    FX_UNTIL(fx.frame_count == 1);
    ck_assert_uint_eq(fx.frames.len, block->len + 1);
    ck_assert_int_eq(memcmp(fx.frames.at, block->at, block->len), 0);
    for (unsigned i = 0; i < COPIES; i++) {
        conn_write(fx.conn, SLICE("head"));
        conn_write_block(fx.conn, block, block_slice(block));
    }
    fx_settle(); /* the socket is full before the client reads */
    ck_assert_uint_gt(conn_output_bytes(fx.conn), 0);
    ck_assert(conn_is_full(fx.conn));
    client_receive(ssl, &got, COPIES * (4 + block->len), &error);
    ck_assert_uint_eq(got.len, COPIES * (4 + block->len));
    for (unsigned i = 0; i < COPIES; i++) {
        ck_assert_int_eq(memcmp(got.at + i * (4 + block->len), "head", 4), 0);
        ck_assert_int_eq(memcmp(got.at + i * (4 + block->len) + 4, block->at, block->len), 0);
    }
    FX_UNTIL(fx.drained == 1);
    ck_assert_uint_eq(block->refs, 1);
    block_unref(&block);
    text_done(&t);
    text_done(&got);
    client_free(ssl);
}
END_TEST

START_TEST(more_than_a_read_takes_is_not_forgotten_inside)
{
    SSL *ssl = client();
    struct text t = { 0 };
    struct text body = { 0 };

    /* What lies decrypted inside after a pause is told by no poll of the socket. */
    fx.is_one_by_one = true;
    ck_assert(text_reserve(&body, 100000));
    memset(body.at, 'x', 100000);
    body.len = 100000;
    for (unsigned i = 0; i < 20; i++)
        fx_add_frame(&t, text_slice(&body));
    client_send(ssl, text_slice(&t));
    for (unsigned i = 1; i <= 20; i++) {
        FX_UNTIL(fx.frame_count == i);
        conn_resume(fx.conn, CONN_PAUSE_BUSY);
    }
    ck_assert_uint_eq(fx.frames.len, 20 * 100001);
    text_done(&t);
    text_done(&body);
    client_free(ssl);
}
END_TEST

START_TEST(finishing_ends_with_a_close_notify)
{
    SSL *ssl = client();
    struct text got = { 0 };
    int error;

    conn_write(fx.conn, SLICE("bye"));
    conn_finish(fx.conn, RC_PROTOCOL);
    client_receive(ssl, &got, 100, &error);
    ck_assert(slice_equal_str(text_slice(&got), "bye"));
    ck_assert_int_eq(error, SSL_ERROR_ZERO_RETURN);
    FX_UNTIL(fx.closed == 1);
    text_done(&got);
    client_free(ssl);
}
END_TEST

START_TEST(a_peer_that_ends_with_a_close_notify_is_closed)
{
    SSL *ssl = client();

    ck_assert_int_ge(SSL_shutdown(ssl), 0);
    FX_UNTIL(fx.closed == 1);
    ck_assert_int_eq(fx.closed_why, RC_CLOSED);
    client_free(ssl);
}
END_TEST

START_TEST(a_client_that_speaks_no_tls_is_refused_without_a_session)
{
    int64_t before = count_get(COUNT_NET_REFUSED);
    int fd = fx_connect();

    fx_send(fd, SLICE("\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id"));
    FX_UNTIL(count_get(COUNT_NET_REFUSED) == before + 1);
    FX_UNTIL(fx_is_at_end(fd));
    ck_assert_uint_eq(fx.opened, 0);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_handshake_that_never_ends_is_timed_out)
{
    int64_t before = count_get(COUNT_NET_TIMEOUTS);
    int fd;

    clock_set_for_test(SECOND_NS, 0);
    fd = fx_connect();
    fx_send(fd, SLICE("\x16\x03\x01"));
    fx_settle();
    clock_set_for_test(9 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    ck_assert_int_eq(count_get(COUNT_NET_TIMEOUTS), before);
    clock_set_for_test(12 * (uint64_t)SECOND_NS, 0);
    fx_settle();
    ck_assert_int_eq(count_get(COUNT_NET_TIMEOUTS), before + 1);
    FX_UNTIL(fx_is_at_end(fd));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_peer_that_vanishes_in_the_handshake_leaves_nothing)
{
    int fd = fx_connect();

    fx_send(fd, SLICE("\x16\x03\x01"));
    fx_settle();
    ck_assert_int_eq(close(fd), 0);
    FX_UNTIL(count_get(COUNT_NET_OPEN) == 0);
    ck_assert_uint_eq(fx.opened, 0);
}
END_TEST

START_TEST(tls_1_1_is_refused)
{
    SSL *ssl = client_new();

    ck_assert_int_eq(SSL_set_max_proto_version(ssl, TLS1_1_VERSION), 1);
    SSL_set_security_level(ssl, 0);
    ck_assert(!handshake(ssl));
    FX_UNTIL(count_get(COUNT_NET_OPEN) == 0);
    client_free(ssl);
}
END_TEST

START_TEST(tls_1_2_and_1_3_are_spoken)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (unsigned i = 0; i < 2; i++) {
        unsigned before = fx.opened;
        SSL *ssl = client_new();

        ck_assert_int_eq(SSL_set_max_proto_version(ssl, versions[i]), 1);
        ck_assert(handshake(ssl));
        ck_assert_int_eq(SSL_version(ssl), versions[i]);
        FX_UNTIL(fx.opened == before + 1);
        client_free(ssl);
        FX_UNTIL(fx.closed == before + 1);
    }
}
END_TEST

START_TEST(a_flood_of_key_updates_ends_the_connection)
{
    SSL *ssl = client();

    for (unsigned i = 0; i < 40 && fx.closed == 0; i++) {
        if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
            break;
        (void)SSL_do_handshake(ssl); /* the broker may have closed already */
        fx_settle();
    }
    FX_UNTIL(fx.closed == 1);
    client_free(ssl);
}
END_TEST

START_TEST(files_that_do_not_fit_together_are_refused)
{
    struct tls *none = NULL;
    struct tls_config config = { .certificate_file = certificate_file, .key_file = other_key_file };

    ck_assert_int_eq(close(STDERR_FILENO), 0); /* the log line is wanted, and not here */
    ck_assert_int_eq(tls_new(&config, &none), RC_INVALID);
    config.key_file = key_file;
    config.certificate_file = "/nowhere/cert.pem";
    ck_assert_int_eq(tls_new(&config, &none), RC_INVALID);
    config.certificate_file = certificate_file;
    config.ca_file = key_file;
    ck_assert_int_eq(tls_new(&config, &none), RC_INVALID);
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(a_required_client_certificate_is_asked_for_and_checked)
{
    struct tls_config config = { .certificate_file = certificate_file,
                                 .key_file = key_file,
                                 .ca_file = certificate_file,
                                 .is_client_certificate_required = true };
    struct tls *asking = NULL;
    int64_t before = count_get(COUNT_NET_REFUSED);
    SSL *ssl;

    ck_assert_int_eq(tls_new(&config, &asking), RC_OK);
    listener_close(&fx.listener);
    fx_listen("127.0.0.1", asking);
    ssl = client_new();
    (void)handshake(ssl); /* in TLS 1.3 the client is done before the broker has said no */
    FX_UNTIL(count_get(COUNT_NET_REFUSED) == before + 1);
    ck_assert_uint_eq(fx.opened, 0);
    client_free(ssl);
    ck_assert_int_eq(
        SSL_CTX_use_certificate_file(client_context, certificate_file, SSL_FILETYPE_PEM), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(client_context, key_file, SSL_FILETYPE_PEM), 1);
    ssl = client();
    ck_assert_str_eq(conn_certificate_name(fx.conn), "localhost");
    client_free(ssl);
    FX_UNTIL(fx.closed == 1);
    listener_close(&fx.listener);
    FX_UNTIL(count_get(COUNT_NET_OPEN) == 0);
    tls_free(&asking);
}
END_TEST

static unsigned on_hint(SSL *ssl, const char *hint, char *identity, unsigned identity_room,
                        unsigned char *at, unsigned max)
{
    (void)ssl;
    (void)hint;
    ck_assert_uint_ge(identity_room, 3);
    ck_assert_uint_ge(max, 2);
    memcpy(identity, "me", 3);
    memcpy(at, "\x01\x02", 2);
    return 2;
}

/* In 1.2 the server looks for the key when it has the client's second flight. */
START_TEST(a_handshake_under_way_ends_when_a_reload_takes_its_keys_away)
{
    struct tls_config config = { .psk_file = other_key_file, .psk_hint = "hint" };
    struct tls *keys = NULL;
    FILE *file = fopen(other_key_file, "we");
    unsigned turns = 0;
    int64_t revoked = count_get(COUNT_NET_PSK_REVOKED);
    SSL *ssl;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs("other:ff\nme:0102\n", file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(tls_new(&config, &keys), RC_OK);
    listener_set_tls(fx.listener, keys);
    (void)SSL_CTX_set_max_proto_version(client_context, TLS1_2_VERSION);
    SSL_CTX_set_psk_client_callback(client_context, on_hint);
    ssl = client_new();
    (void)SSL_do_handshake(ssl);
    while (SSL_get_state(ssl) == TLS_ST_CW_CLNT_HELLO && turns++ < 2000) {
        loop_turn(fx.loop, 1);
        (void)SSL_do_handshake(ssl);
    }
    ck_assert_int_eq(SSL_get_state(ssl), TLS_ST_CW_FINISHED);
    listener_set_tls(fx.listener, tls);
    tls_free(&keys);
    ck_assert(!handshake(ssl));
    FX_UNTIL(count_get(COUNT_NET_OPEN) == 0);
    ck_assert_int_eq(count_get(COUNT_NET_PSK_REVOKED), revoked + 1);
    client_free(ssl);
}
END_TEST

START_TEST(secrets_are_kept_where_that_is_asked_for_and_in_no_link)
{
    struct tls_config config = { .certificate_file = certificate_file, .key_file = key_file };
    char path[] = "/tmp/tercet-keylog-XXXXXX", link[sizeof(path) + 2], line[256] = "";
    struct tls *kept = NULL;
    FILE *file;
    SSL *ssl;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
    (void)snprintf(link, sizeof(link), "%s-l", path);
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert_int_eq(tls_keep_keys(link), RC_IO);
    ck_assert_int_eq(tls_keep_keys(path), RC_OK);
    ck_assert_int_eq(tls_new(&config, &kept), RC_OK);
    listener_set_tls(fx.listener, kept);
    ssl = client();
    client_free(ssl);
    FX_UNTIL(fx.closed == 1);
    tls_keep_no_keys();
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
    ck_assert(strstr(line, "_SECRET ") != NULL || strstr(line, "CLIENT_RANDOM ") != NULL);
    (void)fclose(file);
    listener_set_tls(fx.listener, tls);
    tls_free(&kept);
    (void)unlink(path);
    (void)unlink(link);
}
END_TEST

START_TEST(keys_that_are_none_are_refused)
{
    static const char *const contents[] = { "me\n", "me:\n", ":01\n", "me:0x\n", "a:01\na:01\n" };
    struct tls_config config = { .psk_file = other_key_file };
    struct tls *keys = NULL;

    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        FILE *file = fopen(other_key_file, "we");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(contents[i], file), 0);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(tls_new(&config, &keys), RC_INVALID);
        ck_assert_ptr_null(keys);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn_tls");
    TCase *test = tcase_create("conn_tls");
    SRunner *runner;
    int failed;

    tcase_set_timeout(test, 60);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, frames_arrive_and_answers_go_back_over_tls);
    tcase_add_test(test, a_client_gets_one_ticket_and_comes_back_by_it);
    tcase_add_test(test, the_cheapest_suite_is_chosen_unless_the_client_wants_chacha);
    tcase_add_test(test, frames_sent_byte_by_byte_over_tls_arrive_whole);
    tcase_add_test(test, large_input_and_output_go_through_whole);
    tcase_add_test(test, more_than_a_read_takes_is_not_forgotten_inside);
    tcase_add_test(test, finishing_ends_with_a_close_notify);
    tcase_add_test(test, a_peer_that_ends_with_a_close_notify_is_closed);
    tcase_add_test(test, a_client_that_speaks_no_tls_is_refused_without_a_session);
    tcase_add_test(test, a_handshake_that_never_ends_is_timed_out);
    tcase_add_test(test, a_peer_that_vanishes_in_the_handshake_leaves_nothing);
    tcase_add_test(test, tls_1_1_is_refused);
    tcase_add_test(test, tls_1_2_and_1_3_are_spoken);
    tcase_add_test(test, a_handshake_under_way_ends_when_a_reload_takes_its_keys_away);
    tcase_add_test(test, keys_that_are_none_are_refused);
    tcase_add_test(test, secrets_are_kept_where_that_is_asked_for_and_in_no_link);
    tcase_add_test(test, a_flood_of_key_updates_ends_the_connection);
    tcase_add_test(test, files_that_do_not_fit_together_are_refused);
    tcase_add_test(test, a_required_client_certificate_is_asked_for_and_checked);
    suite_add_tcase(suite, test);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
