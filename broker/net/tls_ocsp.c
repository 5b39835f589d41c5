/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a server's certificate was revoked, as its authority says in an answer that the server
 * hands over in the handshake (RFC 6066 8, RFC 6960). A server that has none is refused. */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>

#include "broker/net/net_int.h"
#include "broker/net/tls_int.h"

/* Clocks may differ by this much. */
#define SKEW_S 300
/* Answers about other certificates beside ours: a responder has no reason for more. */
#define SINGLES_MAX 100

/* An answer names the certificate by digests of its own choice. */
static bool is_about(OCSP_SINGLERESP *single, const X509 *leaf, const X509 *issuer)
{
    OCSP_CERTID *told = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single), *ours;
    ASN1_OBJECT *digest = NULL;
    const EVP_MD *md;
    bool is_same;

    if (OCSP_id_get0_info(NULL, &digest, NULL, NULL, told) != 1)
        return false;
    md = EVP_get_digestbyobj(digest);
    ours = md == NULL ? NULL : OCSP_cert_to_id(md, leaf, issuer);
    is_same = ours != NULL && OCSP_id_cmp(ours, told) == 0;
    OCSP_CERTID_free(ours);
    return is_same;
}

/* NULL: it is good. */
static const char *judge_single(OCSP_SINGLERESP *single)
{
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
    int status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);

    if (OCSP_check_validity(from, until, SKEW_S, -1) != 1)
        return "the OCSP answer is too old";
    return status == V_OCSP_CERTSTATUS_GOOD      ? NULL
           : status == V_OCSP_CERTSTATUS_REVOKED ? "OCSP: the certificate is revoked"
                                                 : "OCSP: the certificate is not known";
}

static const char *judge_basic(SSL *ssl, OCSP_BASICRESP *basic)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    const X509 *leaf, *issuer;
    int count = OCSP_resp_count(basic);

    if (chain == NULL || sk_X509_num(chain) == 0)
        return "OCSP: the certificate has no chain";
    leaf = sk_X509_value(chain, 0);
    issuer = sk_X509_value(chain, sk_X509_num(chain) > 1 ? 1 : 0);
    if (OCSP_basic_verify(basic, chain, store, 0) != 1)
        return "the OCSP answer is not signed by the authority";
    for (int i = 0; i < count && i < SINGLES_MAX; i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);

        if (is_about(single, leaf, issuer))
            return judge_single(single);
    }
    return "the OCSP answer is about another certificate";
}

static const char *judge(SSL *ssl)
{
    const unsigned char *at = NULL;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &at);
    OCSP_RESPONSE *response;
    OCSP_BASICRESP *basic;
    const char *why = "the OCSP answer is none";

    if (at == NULL || len <= 0)
        return "the server has no OCSP answer";
    response = d2i_OCSP_RESPONSE(NULL, &at, len);
    if (response == NULL)
        return why;
    basic = OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
                ? OCSP_response_get1_basic(response)
                : NULL;
    if (basic != NULL)
        why = judge_basic(ssl, basic);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return why;
}

/* Called when the certificate was found good, with an answer or without one. */
static int on_status(SSL *ssl, void *arg)
{
    struct tls_conn *conn = SSL_get_app_data(ssl);

    (void)arg;
    conn->why = judge(ssl);
    ERR_clear_error();
    return conn->why == NULL ? 1 : 0;
}

enum rc tls_require_ocsp(struct tls *tls)
{
    if (SSL_CTX_set_tlsext_status_type(tls->context, TLSEXT_STATUSTYPE_ocsp) != 1)
        return RC_MEMORY;
    (void)SSL_CTX_set_tlsext_status_cb(tls->context, on_status);
    return RC_OK;
}
