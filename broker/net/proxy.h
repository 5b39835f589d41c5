/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol, versions 1 and 2: what a proxy says, before anything else, of the client
 * whose connection it passes on. Pure. */
#ifndef TERCET_BROKER_NET_PROXY_H
#define TERCET_BROKER_NET_PROXY_H

#include <stdbool.h>
#include <sys/socket.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

/* Of version 1, with its end of line. */
#define PROXY_V1_MAX_BYTES 107
/* Of version 2, with what proxies add to the addresses. */
#define PROXY_HEAD_MAX_BYTES ((size_t)4 << 10)
/* TLS's own limit for a common name. */
#define PROXY_NAME_MAX_BYTES 64

enum proxy_source {
    PROXY_LOCAL,   /* the proxy itself connects, to see whether we are there */
    PROXY_UNKNOWN, /* a client of which it does not tell the address */
    PROXY_ADDRESS,
};

struct proxy_head {
    enum proxy_source source;
    struct sockaddr_storage from; /* PROXY_ADDRESS: AF_INET, AF_INET6 or AF_UNIX */
    struct sockaddr_storage to;
    struct slice
        name;    /* common name of the certificate that the proxy checked; borrowed, or none */
    bool is_tls; /* the client speaks TLS with the proxy */
    bool is_certified; /* and showed a certificate that the proxy found good */
    size_t bytes;      /* what belongs to it */
};

/* `in` is what came first. RC_AGAIN: all of it belongs to the head, of which there is more to come.
 * RC_MALFORMED: it is none. RC_TOO_LARGE: over PROXY_HEAD_MAX_BYTES. */
MUST_CHECK enum rc proxy_decode(struct slice in, struct proxy_head *ret);

#endif
