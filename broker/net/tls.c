/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as a layer under the connection: the session above sees the same bytes. OpenSSL's error queue
 * is per thread, so it is cleared before each call that looks at it. */
#include "broker/net/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/net/net_int.h"
#include "broker/net/tls_int.h"

/* Bytes handed to one SSL_write(): one record. */
#define TLS_RECORD_BYTES 16384
/* Four of the longest records; a connection has it while a part of one is there. */
#define READ_BUFFER_BYTES 66000
/* A peer that renews its keys more often than this spends our time on purpose (CVE-2026-39304's
 * class: each renewal costs a key derivation and an answer). */
#define TLS_KEY_UPDATES_MAX       16
#define TLS_KEY_UPDATES_WINDOW_NS ((uint64_t)60 * 1000000000)
/* A client that comes back uses one, and gets another. Each costs 22 us and a write, a twelfth of a
 * handshake; OpenSSL would send two, for browsers that open several connections at once. */
#define TLS_TICKETS          1
#define TLS_HANDSHAKE_RECORD 22
#define TLS_KEY_UPDATE       24

/* The best first: AES of 128 bits is as far out of reach as that of 256, and 15 us less. A client
 * that would rather have ChaCha20, as those do that have no AES in their processor, gets it. */
#define TLS_SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* ---- the context ---- */

void tls_log(enum log_level level, const char *what, const char *file)
{
    unsigned long first = ERR_peek_error(), code = ERR_peek_last_error();
    char reason[256] = "no reason given";

    if (ERR_SYSTEM_ERROR(first)) /* of opening the file; what is said behind it tells nothing */
        (void)snprintf(reason, sizeof(reason), "%s", strerror(ERR_GET_REASON(first)));
    else if (code != 0)
        ERR_error_string_n(code, reason, sizeof(reason));
    log_event(level, "tls.configuration", "what=\"%s\" file=%s why=%s", what,
              log_quote(file, strlen(file)), log_quote(reason, strlen(reason)));
    ERR_clear_error();
}

static void on_message(int is_sent, int version, int type, const void *at, size_t len, SSL *ssl,
                       void *arg)
{
    struct tls_conn *tls = SSL_get_app_data(ssl);
    const unsigned char *bytes = at;
    uint64_t now_ns;

    (void)version;
    (void)arg;
    if (is_sent || type != TLS_HANDSHAKE_RECORD || len == 0 || bytes[0] != TLS_KEY_UPDATE ||
        tls == NULL)
        return;
    now_ns = clock_monotonic_ns();
    if (now_ns - tls->updates_since_ns > TLS_KEY_UPDATES_WINDOW_NS) {
        tls->updates_since_ns = now_ns;
        tls->updates = 0;
    }
    tls->updates++;
}

static enum rc load_revoked(struct tls *tls, const char *file)
{
    X509_STORE *store = SSL_CTX_get_cert_store(tls->context);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    if (lookup == NULL || X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) < 1) {
        tls_log(LOG_ERROR, "the list of revoked certificates cannot be used", file);
        return RC_INVALID;
    }
    (void)X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return RC_OK;
}

static enum rc ask_clients(struct tls *tls, const struct tls_config *config)
{
    SSL_CTX *context = tls->context;
    STACK_OF(X509_NAME) *names = NULL;

    if (SSL_CTX_load_verify_locations(context, config->ca_file, config->ca_path) != 1) {
        tls_log(LOG_ERROR, "the authorities cannot be used",
                config->ca_file != NULL ? config->ca_file : config->ca_path);
        return RC_INVALID;
    }
    if (config->ca_file != NULL)
        names = SSL_load_client_CA_file(config->ca_file);
    else
        names = sk_X509_NAME_new_null();
    if (names != NULL && config->ca_path != NULL)
        (void)SSL_add_dir_cert_subjects_to_stack(names, config->ca_path); /* only a hint */
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(
        context,
        SSL_VERIFY_PEER |
            (config->is_client_certificate_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    if (config->is_date_unchecked)
        (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_NO_CHECK_TIME);
    return config->crl_file == NULL ? RC_OK : load_revoked(tls, config->crl_file);
}

static void warn_of_readers(const char *key_file)
{
    struct stat is;

    if (stat(key_file, &is) == 0 && (is.st_mode & S_IROTH) != 0)
        log_event(LOG_WARNING, "tls.key_readable", "file=%s what=%s",
                  log_quote(key_file, strlen(key_file)),
                  "\"every user of this machine can read the key: chmod o-r\"");
}

enum rc tls_load(struct tls *tls, const char *certificate_file, const char *key_file)
{
    warn_of_readers(key_file);
    if (SSL_CTX_use_certificate_chain_file(tls->context, certificate_file) != 1) {
        tls_log(LOG_ERROR, "the certificate cannot be used", certificate_file);
        return RC_INVALID;
    }
    if (SSL_CTX_use_PrivateKey_file(tls->context, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls->context) != 1) {
        tls_log(LOG_ERROR, "the key cannot be used with the certificate", key_file);
        return RC_INVALID;
    }
    return RC_OK;
}

/* Apart from the authorities that clients' certificates are held against. */
static enum rc load_chain(struct tls *tls, const struct tls_config *config)
{
    X509_STORE *store = X509_STORE_new();

    if (store == NULL)
        return RC_MEMORY;
    if (X509_STORE_load_locations(store, config->chain_file, config->chain_path) != 1) {
        tls_log(LOG_ERROR, "the chain behind the certificate cannot be used",
                config->chain_file != NULL ? config->chain_file : config->chain_path);
        X509_STORE_free(store);
        return RC_INVALID;
    }
    (void)SSL_CTX_set0_chain_cert_store(tls->context, store); /* taken */
    return RC_OK;
}

static enum rc load_dh(struct tls *tls, const char *file)
{
    BIO *from = BIO_new_file(file, "r");
    EVP_PKEY *parameters = from == NULL ? NULL : PEM_read_bio_Parameters(from, NULL);

    BIO_free(from);
    if (parameters != NULL && SSL_CTX_set0_tmp_dh_pkey(tls->context, parameters) == 1)
        return RC_OK; /* taken */
    tls_log(LOG_ERROR, "the Diffie-Hellman parameters cannot be used", file);
    EVP_PKEY_free(parameters);
    return RC_INVALID;
}

static enum rc load(struct tls *tls, const struct tls_config *config)
{
    enum rc rc = RC_OK;

    tls->is_psk_alone = config->certificate_file == NULL;
    if (config->dh_file != NULL)
        rc = load_dh(tls, config->dh_file);
    if (rc == RC_OK && config->psk_file != NULL)
        rc = tls_use_psk(tls, config->psk_file, config->psk_hint);
    if (rc != RC_OK || tls->is_psk_alone)
        return rc;
    rc = tls_load(tls, config->certificate_file, config->key_file);
    if (rc == RC_OK && (config->chain_file != NULL || config->chain_path != NULL))
        rc = load_chain(tls, config);
    if (rc != RC_OK || (config->ca_file == NULL && config->ca_path == NULL))
        return rc;
    return ask_clients(tls, config);
}

enum rc tls_restrict_to(struct tls *tls, bool is_1_3_required, const char *ciphers,
                        const char *ciphersuites)
{
    SSL_CTX *context = tls->context;

    (void)SSL_CTX_set_min_proto_version(context, is_1_3_required ? TLS1_3_VERSION : TLS1_2_VERSION);
    if (ciphers != NULL && SSL_CTX_set_cipher_list(context, ciphers) != 1) {
        tls_log(LOG_ERROR, "none of the ciphers for TLS 1.2 is known", ciphers);
        return RC_INVALID;
    }
    if (ciphersuites != NULL && SSL_CTX_set_ciphersuites(context, ciphersuites) != 1) {
        tls_log(LOG_ERROR, "a cipher suite for TLS 1.3 is unknown", ciphersuites);
        return RC_INVALID;
    }
    return RC_OK;
}

enum rc tls_begin(const SSL_METHOD *method, struct tls **ret)
{
    struct tls *tls = mem_new(struct tls);

    tls->refs = 1;
    ERR_clear_error();
    tls->context = SSL_CTX_new(method);
    if (tls->context == NULL) {
        mem_free(tls);
        return RC_MEMORY;
    }
    (void)SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                                SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                             SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls->context, 1); /* several records in one read */
    SSL_CTX_set_default_read_buffer_len(tls->context, READ_BUFFER_BYTES);
    (void)SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF); /* tickets only */
    SSL_CTX_set_msg_callback(tls->context, on_message);
    tls_keep_keys_of(tls->context);
    *ret = tls;
    return RC_OK;
}

enum rc tls_new(const struct tls_config *config, struct tls **ret)
{
    static const unsigned char session_context[] = "tercet";
    struct tls *tls = NULL;
    enum rc rc = tls_begin(TLS_server_method(), &tls);

    if (rc != RC_OK)
        goto out;
    (void)SSL_CTX_set_options(tls->context,
                              SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_num_tickets(tls->context, TLS_TICKETS);
    (void)SSL_CTX_set_session_id_context(tls->context, session_context,
                                         sizeof(session_context) - 1);
    rc = tls_restrict_to(tls, config->is_1_3_required, config->ciphers,
                         config->ciphersuites != NULL ? config->ciphersuites : TLS_SUITES);
    if (rc == RC_OK)
        rc = load(tls, config);
    if (rc != RC_OK)
        goto out;
    *ret = tls;
    tls = NULL; /* given */
out:
    tls_free(&tls);
    return rc;
}

void tls_free(struct tls **tls)
{
    struct tls *t = *tls;

    *tls = NULL;
    if (t == NULL || --t->refs > 0)
        return;
    psk_keys_free(&t->keys);
    SSL_CTX_free(t->context);
    mem_free(t);
}

/* ---- one connection ---- */

enum rc tls_conn_new(struct tls *tls, int fd, struct tls_conn **ret)
{
    struct tls_conn *conn = mem_new(struct tls_conn);

    ERR_clear_error();
    conn->tls = tls;
    tls->refs++;
    conn->ssl = SSL_new(tls->context);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, fd) != 1 ||
        SSL_set_app_data(conn->ssl, conn) != 1) {
        ERR_clear_error();
        tls_conn_free(&conn);
        return RC_MEMORY;
    }
    SSL_set_accept_state(conn->ssl);
    *ret = conn;
    return RC_OK;
}

void tls_conn_free(struct tls_conn **tls)
{
    if (*tls == NULL)
        return;
    SSL_free((*tls)->ssl);
    tls_free(&(*tls)->tls);
    MEM_FREE(*tls);
}

/* What an unsuccessful call means; the reason of a failed handshake goes to the log. */
static enum rc rc_of(struct tls_conn *tls, int result, bool *ret_wants_write)
{
    int error = SSL_get_error(tls->ssl, result);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        *ret_wants_write = error == SSL_ERROR_WANT_WRITE;
        return RC_AGAIN;
    }
    if (error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL)
        tls->is_failed = true;
    return error == SSL_ERROR_SSL ? RC_PROTOCOL : RC_CLOSED;
}

enum rc tls_handshake(struct tls_conn *tls, const struct conn *conn, bool *ret_wants_write)
{
    char reason[256];
    enum rc rc;
    int result;

    ERR_clear_error();
    tls->conn = conn;
    result = SSL_do_handshake(tls->ssl);
    tls->conn = NULL;
    if (result == 1) {
        tls->is_more = true; /* data may have come behind the handshake */
        if (tls->key != NULL)
            tls_psk_shown(tls, conn);
        return RC_OK;
    }
    rc = rc_of(tls, result, ret_wants_write);
    if (rc == RC_PROTOCOL) {
        ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
        if (tls->why != NULL)
            log_peer(LOG_NOTICE, "tls.refused", "conn=%llu peer=%s why=\"%s\"",
                     (unsigned long long)conn_id(conn), conn_peer(conn), tls->why);
        else if (tls->key != NULL)
            tls_psk_failed(tls, conn, reason);
        else
            log_peer(LOG_NOTICE, "tls.refused", "conn=%llu peer=%s why=%s",
                     (unsigned long long)conn_id(conn), conn_peer(conn),
                     log_quote(reason, strlen(reason)));
    }
    ERR_clear_error();
    return rc;
}

enum rc tls_read(struct tls_conn *tls, uint8_t *at, size_t room, size_t *ret)
{
    bool wants_write = false;
    size_t done = 0;
    enum rc rc = RC_OK;

    if (tls->is_failed)
        return RC_CLOSED;
    ERR_clear_error();
    while (done < room && rc == RC_OK) {
        size_t n = 0;
        int result = SSL_read_ex(tls->ssl, at + done, room - done, &n);

        if (result == 1)
            done += n;
        else
            rc = rc_of(tls, result, &wants_write);
        if (tls->updates > TLS_KEY_UPDATES_MAX)
            rc = RC_CLOSED;
    }
    tls->is_more = rc == RC_OK || (rc != RC_AGAIN && done > 0);
    if (tls->updates > TLS_KEY_UPDATES_MAX) {
        log_peer(LOG_NOTICE, "tls.refused", "why=\"too many key updates\"");
        return RC_CLOSED;
    }
    if (done == 0)
        return rc == RC_PROTOCOL ? RC_CLOSED : rc;
    *ret = done; /* an end behind these bytes is met at the next read */
    return RC_OK;
}

/* Short pieces together are one record, and so one write; a long one is not copied. Asked again
 * after RC_AGAIN, the same bytes stand first, as OpenSSL wants it. */
static struct slice next_record(const struct iovec *pieces, int count, size_t skip,
                                uint8_t together[TLS_RECORD_BYTES])
{
    struct slice record = SLICE_NONE;

    for (int i = 0; i < count && record.len < TLS_RECORD_BYTES; i++) {
        struct slice piece = slice_of(pieces[i].iov_base, pieces[i].iov_len);
        size_t room = TLS_RECORD_BYTES - record.len;

        if (skip >= piece.len) {
            skip -= piece.len;
            continue;
        }
        piece = slice_after(piece, skip);
        skip = 0;
        if (piece.len > room)
            piece.len = room;
        if (record.len == 0 && (piece.len == room || i + 1 == count))
            return piece;
        memcpy(together + record.len, piece.at, piece.len);
        record = slice_of(together, record.len + piece.len);
    }
    return record;
}

enum rc tls_write(struct tls_conn *tls, const struct iovec *pieces, int count, size_t *ret)
{
    uint8_t together[TLS_RECORD_BYTES];
    bool wants_write = false;
    size_t done = 0;
    enum rc rc = RC_OK;

    if (tls->is_failed)
        return RC_CLOSED;
    ERR_clear_error();
    while (rc == RC_OK) {
        struct slice record = next_record(pieces, count, done, together);
        size_t n = 0;
        int result;

        if (record.len == 0)
            break;
        result = SSL_write_ex(tls->ssl, record.at, record.len, &n);
        if (result != 1)
            rc = rc_of(tls, result, &wants_write);
        done += n;
    }
    if (done == 0 && rc != RC_OK)
        return rc == RC_AGAIN ? RC_AGAIN : RC_CLOSED;
    *ret = done;
    return RC_OK;
}

bool tls_has_pending(const struct tls_conn *tls)
{
    return tls->is_more;
}

void tls_goodbye(struct tls_conn *tls)
{
    if (tls->is_failed || SSL_is_init_finished(tls->ssl) == 0)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl); /* our close_notify; the peer's is not waited for */
    ERR_clear_error();
}

/* As mosquitto tells it to its rules, letters beyond ASCII as \HH too. */
static char *subject_of(X509_NAME *subject)
{
    BIO *told = BIO_new(BIO_s_mem());
    char *at = NULL, *copy = NULL;
    long len = 0;

    if (told != NULL && X509_NAME_print_ex(told, subject, 0, XN_FLAG_RFC2253) >= 0)
        len = BIO_get_mem_data(told, &at);
    if (len > 0 && memchr(at, '\0', (size_t)len) == NULL)
        copy = mem_copy_text(slice_of(at, (size_t)len));
    BIO_free(told);
    return copy;
}

char *tls_certificate_name(const struct tls_conn *tls, bool is_subject)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    X509_NAME *subject = certificate == NULL ? NULL : X509_get_subject_name(certificate);
    unsigned char *name = NULL;
    char *copy = NULL;
    int at, len;

    if (subject == NULL || SSL_get_verify_result(tls->ssl) != X509_V_OK)
        return NULL;
    if (is_subject)
        return subject_of(subject);
    at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return NULL;
    len = ASN1_STRING_to_UTF8(&name, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    /* a NUL inside would make two names look alike */
    if (len > 0 && memchr(name, '\0', (size_t)len) == NULL)
        copy = mem_copy_text(slice_of(name, (size_t)len));
    OPENSSL_free(name);
    return copy;
}
