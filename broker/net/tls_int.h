/* SPDX-License-Identifier: Apache-2.0 */
/* What the two sides of TLS share. */
#ifndef TERCET_BROKER_NET_TLS_INT_H
#define TERCET_BROKER_NET_TLS_INT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/base/log.h"
#include "broker/base/rc.h"
#include "broker/net/tls.h"

struct conn;
struct psk_keys;
struct psk_key;

struct tls {
    SSL_CTX *context;       /* owned */
    struct psk_keys *keys;  /* owned; NULL: there are no shared keys */
    unsigned refs;          /* its maker's and its connections': their handshakes look for keys */
    bool is_name_unchecked; /* of a client: any good certificate will do */
    bool is_psk_alone;      /* of a server: it has no certificate to fall back to */
};

struct tls_conn {
    SSL *ssl;                  /* owned */
    struct tls *tls;           /* shared: counted */
    const struct conn *conn;   /* borrowed during the handshake; it owns this */
    const char *why;           /* of a handshake that we ended; NULL: OpenSSL knows */
    const struct psk_key *key; /* what it was asked to show; borrowed from tls */
    uint64_t updates_since_ns;
    unsigned updates; /* of the keys by the peer */
    bool is_failed;   /* after an error nothing more may be asked of ssl */
    bool is_more;     /* the last read stopped before it met the end of what is there */
};

/* Logs what OpenSSL says last of a file or word of the configuration. */
void tls_log(enum log_level level, const char *what, const char *file);
/* A context of that method with all that both sides have in common. RC_MEMORY. */
MUST_CHECK enum rc tls_begin(const SSL_METHOD *method, struct tls **ret);
/* RC_INVALID: a cipher is none. */
MUST_CHECK enum rc tls_restrict_to(struct tls *tls, bool is_1_3_required, const char *ciphers,
                                   const char *ciphersuites);
/* RC_INVALID: the files do not fit together. */
MUST_CHECK enum rc tls_load(struct tls *tls, const char *certificate_file, const char *key_file);

/* Of a client: the server must hand over an answer of its authority that says it is good. */
MUST_CHECK enum rc tls_require_ocsp(struct tls *tls);

/* ---- tls_keylog.c ---- */

/* Where the broker was asked to keep them. */
void tls_keep_keys_of(SSL_CTX *context);

/* ---- tls_psk.c ---- */

/* RC_INVALID: a line of the file is none, or the hint is too long; the log says so. */
MUST_CHECK enum rc tls_use_psk(struct tls *tls, const char *file, const char *hint);
/* Of a client. RC_INVALID: the key is no hexadecimal number, or one of both is too long. */
MUST_CHECK enum rc tls_use_psk_as(struct tls *tls, const char *identity, const char *key);
void psk_keys_free(struct psk_keys **keys);
/* The handshake is over: tells who counts logins that a shared key was right. */
void tls_psk_shown(const struct tls_conn *tls, const struct conn *conn);
/* The handshake failed: counts and tells it when a shared key was at stake. */
void tls_psk_failed(const struct tls_conn *tls, const struct conn *conn, const char *reason);

#endif
