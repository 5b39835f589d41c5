/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of our own to others: the name is looked up off the loop, its addresses are tried in
 * turn, then TLS is agreed on. What comes of it is a conn like those that a listener accepts. Loop
 * thread only. */
#ifndef TERCET_BROKER_NET_DIAL_H
#define TERCET_BROKER_NET_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/net/protocol.h"

struct dial;
struct loop;
struct tls;

/* Each address has this long to take the connection. */
#define DIAL_CONNECT_MS 5000
/* Addresses of one name that are tried. */
#define DIAL_ADDRESSES_MAX 16

struct dial_config {
    const char *name;          /* conn_listener_name() of its connections; borrowed during new */
    unsigned keepalive_idle_s; /* TCP's own probes; 0: as for connections that are accepted */
    unsigned keepalive_interval_s;
    unsigned keepalive_probes;
    unsigned user_timeout_ms; /* how long what was sent may go unacknowledged; 0: the system's */
    const char *bind_address; /* to connect from; NULL: any; borrowed during new */
    struct tls *tls;          /* of tls_client_new(); NULL: plain; borrowed until freed */
    const struct protocol *protocol;
    void *context; /* for protocol->on_open and on_failed */
    /* An attempt came to nothing before protocol->on_open, or that refused. `what` says in which
     * step. */
    void (*on_failed)(void *context, enum rc why, const char *what);
};

/* RC_INVALID: bind_address is none. */
MUST_CHECK enum rc dial_new(struct loop *loop, const struct dial_config *config, struct dial **ret);
/* Ends what is under way without a call; a connection that is open ends with on_closed. */
void dial_free(struct dial **dial);
/* One attempt, and none may be under way: protocol->on_open, or on_failed, follows after this call.
 * `host`: a name, an IPv4 or IPv6 address, or "unix:/path". RC_CLOSED: the loop drains. RC_INVALID:
 * no such path. RC_SYSTEM: no thread could be started for it. */
MUST_CHECK enum rc dial_start(struct dial *dial, const char *host, uint16_t port);
/* Between dial_start() and on_open or on_failed. */
bool dial_is_busy(const struct dial *dial);

#endif
