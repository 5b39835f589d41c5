/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of TLS: whom to trust, and that the peer is who was called. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdint.h>

#include "broker/net/net_int.h"
#include "broker/net/tls_int.h"

#define ALPN_MAX_BYTES 255
/* All with a shared key but those that want a certificate too; that of a key alone last: it keeps
 * no secret from who learns the key later. */
#define PSK_CIPHERS "kECDHEPSK:kDHEPSK:kPSK"

static enum rc trust(struct tls *tls, const struct tls_client_config *config)
{
    const char *what = config->ca_file != NULL ? config->ca_file : config->ca_path;
    int is_loaded = what == NULL ? SSL_CTX_set_default_verify_paths(tls->context)
                                 : SSL_CTX_load_verify_locations(tls->context, config->ca_file,
                                                                 config->ca_path);

    if (is_loaded == 1)
        return RC_OK;
    tls_log(LOG_ERROR, "the authorities cannot be used", what == NULL ? "" : what);
    return RC_INVALID;
}

/* Protocol names as they stand in the handshake: each behind its length (RFC 7301 3.1). */
static enum rc ask_for(struct tls *tls, const char *name)
{
    unsigned char list[1 + ALPN_MAX_BYTES];
    size_t len = name == NULL ? 0 : strlen(name);

    if (name == NULL)
        return RC_OK;
    if (len == 0 || len > ALPN_MAX_BYTES)
        return RC_INVALID;
    list[0] = (unsigned char)len;
    memcpy(list + 1, name, len);
    return SSL_CTX_set_alpn_protos(tls->context, list, (unsigned)len + 1) == 0 ? RC_OK : RC_MEMORY;
}

enum rc tls_client_new(const struct tls_client_config *config, struct tls **ret)
{
    struct tls *tls = NULL;
    enum rc rc = tls_begin(TLS_client_method(), &tls);

    if (rc != RC_OK)
        goto out;
    tls->is_name_unchecked = config->is_name_unchecked;
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    rc = tls_restrict_to(tls, config->is_1_3_required,
                         config->ciphers == NULL && config->psk != NULL ? PSK_CIPHERS
                                                                        : config->ciphers,
                         config->ciphersuites);
    if (rc == RC_OK && config->psk != NULL)
        rc = tls_use_psk_as(tls, config->psk_identity, config->psk);
    else if (rc == RC_OK)
        rc = trust(tls, config);
    if (rc == RC_OK && config->certificate_file != NULL)
        rc = tls_load(tls, config->certificate_file, config->key_file);
    if (rc == RC_OK && config->is_ocsp_required)
        rc = tls_require_ocsp(tls);
    if (rc == RC_OK)
        rc = ask_for(tls, config->alpn);
    if (rc != RC_OK)
        goto out;
    *ret = tls;
    tls = NULL; /* given */
out:
    tls_free(&tls);
    return rc;
}

static bool is_number(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* A name is told to the peer, which may have several; an address is not (RFC 6066 3). */
static bool call(SSL *ssl, const char *host, bool is_unchecked)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (is_number(host))
        return is_unchecked || X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    /* As SSL_set_tlsext_host_name(), whose cast drops the const. */
    if (SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)host) != 1)
        return false;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return is_unchecked || SSL_set1_host(ssl, host) == 1;
}

enum rc tls_conn_new_client(struct tls *tls, int fd, const char *host, struct tls_conn **ret)
{
    struct tls_conn *conn = NULL;
    enum rc rc = tls_conn_new(tls, fd, &conn);

    if (rc != RC_OK)
        return rc;
    SSL_set_connect_state(conn->ssl);
    if (!call(conn->ssl, host, tls->is_name_unchecked)) {
        ERR_clear_error();
        tls_conn_free(&conn);
        return RC_INVALID;
    }
    *ret = conn;
    return RC_OK;
}
