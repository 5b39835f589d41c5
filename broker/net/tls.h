/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS context of one listener, or of our own connections: certificates, key, versions. Loop
 * thread only. */
#ifndef TERCET_BROKER_NET_TLS_H
#define TERCET_BROKER_NET_TLS_H

#include <stdbool.h>

#include "broker/base/rc.h"

struct tls;

struct tls_config {
    const char *certificate_file; /* PEM chain; NULL: clients come by shared keys alone */
    const char *key_file;         /* PEM */
    /* Where the rest of the chain is looked for when the file above lacks it; or NULL. */
    const char *chain_file;
    const char *chain_path;
    /* Neither: no client certificates are asked for. */
    const char *ca_file;
    const char *ca_path;  /* a directory as openssl-rehash(1) leaves it */
    const char *crl_file; /* certificates that are revoked; NULL: none is looked for */
    bool is_client_certificate_required;
    bool is_date_unchecked;   /* of clients' certificates: one that is over is as good */
    bool is_1_3_required;     /* else 1.2 will do */
    const char *ciphers;      /* for 1.2, in OpenSSL's notation; NULL: its defaults */
    const char *ciphersuites; /* for 1.3 */
    const char *dh_file;      /* PEM parameters of ephemeral Diffie-Hellman; NULL: it is not done */
    const char *psk_file;     /* shared keys, lines of IDENTITY:HEX; NULL: there are none */
    const char *psk_hint;     /* told to clients of 1.2 before they say who they are; or NULL */
};

/* Before any of them is made: appends the secrets of all their connections to that file, for those
 * who look at what goes over the wire; the log warns. RC_IO: it cannot be opened, or is a symbolic
 * link; errno says why. */
MUST_CHECK enum rc tls_keep_keys(const char *file);
void tls_keep_no_keys(void);

/* The log line says what OpenSSL found wrong. RC_INVALID: the files do not fit together, or the
 * ciphers are none. */
MUST_CHECK enum rc tls_new(const struct tls_config *config, struct tls **ret);
void tls_free(struct tls **tls);

/* Of connections that we make. */
struct tls_client_config {
    const char *ca_file; /* PEM; neither: the system's authorities */
    const char *ca_path;
    const char *certificate_file; /* PEM chain; NULL: none is shown */
    const char *key_file;
    const char *alpn;         /* one name; NULL: nothing is asked for */
    bool is_1_3_required;     /* else 1.2 will do */
    bool is_name_unchecked;   /* the certificate may be anybody's, if it is good */
    const char *ciphers;      /* as above */
    const char *ciphersuites; /* as above */
    /* A shared key, in hexadecimal: the peer must have it too, and no certificate will do. NULL:
     * certificates. */
    const char *psk_identity;
    const char *psk;
    bool is_ocsp_required; /* the peer must show that its certificate is not revoked */
};

/* The log line says what is wrong. RC_INVALID: as above, or alpn is no name. */
MUST_CHECK enum rc tls_client_new(const struct tls_client_config *config, struct tls **ret);

#endif
