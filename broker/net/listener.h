/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket for one protocol: IPv4, IPv6 or Unix, plain, TLS, WebSocket or either. Loop
 * thread only. */
#ifndef TERCET_BROKER_NET_LISTENER_H
#define TERCET_BROKER_NET_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/net/protocol.h"

struct listener;
struct loop;
struct tls;

enum websocket_use {
    WEBSOCKET_NO,
    WEBSOCKET_ONLY,
    WEBSOCKET_DETECTED, /* by the first byte, or without it */
};

/* What a proxy must say of the connection that its client made to it, by version 2 of the head. */
enum proxy_client { PROXY_CLIENT_ANY, PROXY_CLIENT_TLS, PROXY_CLIENT_CERTIFIED };

struct listener_config {
    const char *name;     /* borrowed until freed */
    const char *address;  /* "127.0.0.1", "::1", "0.0.0.0", "unix:/path"; borrowed during open */
    unsigned socket_mode; /* of a Unix socket's file; 0: as the process makes files */
    uint16_t port;        /* 0: any free one */
    struct tls *tls;      /* NULL: plain; borrowed until the listener is freed */
    bool is_tls_optional; /* TLS is recognised by the first byte, and refused when `tls` is NULL */
    enum websocket_use websocket;
    const char *websocket_paths;   /* as in upgrade.h; borrowed until the listener is freed */
    const char *websocket_origins; /* as in upgrade.h; borrowed until the listener is freed */
    bool is_proxied;               /* a PROXY head comes before anything else */
    enum proxy_client proxy_client;
    const char *proxy_peers; /* networks of the proxies; borrowed during open */
    unsigned max_connections;
    bool is_subject_name;   /* a certificate's name is its whole subject, not its common name */
    bool is_psk_name;       /* a client's name is the identity of its shared key */
    uint64_t accepts_per_s; /* what comes faster waits in the backlog; 0: no limit */
    bool is_as_mosquitto;   /* as in upgrade.h */
    bool is_trusting;       /* its peers count as if they were on this machine */
    const struct protocol *protocol;
    void *context; /* for protocol->on_open */
};

/* Binds and listens. RC_IN_USE: the address is taken. RC_REFUSED: not permitted. RC_INVALID: no
 * such address, or
 * proxy_peers are none. */
MUST_CHECK enum rc listener_open(struct loop *loop, const struct listener_config *config,
                                 struct listener **ret);
/* Stops accepting; its connections stay. */
void listener_close(struct listener **listener);
/* Connections accepted from now on use `tls` (taken up by a reload); both sides keep being TLS. Who
 * came by a shared key that `tls` does not have goes. */
void listener_set_tls(struct listener *listener, struct tls *tls);
const char *listener_name(const struct listener *listener);
const char *listener_address(const struct listener *listener);
uint16_t listener_port(const struct listener *listener);
/* Without TLS nobody gets in. */
bool listener_is_tls(const struct listener *listener);
bool listener_takes_tls(const struct listener *listener);
bool listener_is_websocket(const struct listener *listener);
const struct protocol *listener_protocol(const struct listener *listener);
/* Walks the open listeners of a loop; start with NULL. */
struct listener *listener_next(struct loop *loop, struct listener *after);
/* Connections of all listeners together; one more is closed. 0: no limit. */
void net_limit_connections(struct loop *loop, unsigned max);
/* Who counts logins, and bans; of those by shared keys net tells. Origins are conn_origin()'s. */
struct net_logins {
    bool (*is_banned)(void *arg, const char *origin, const char *identity);
    void (*on_login)(void *arg, const char *origin, const char *identity, bool is_right);
    void *arg;
};
void net_watch_logins(struct loop *loop, const struct net_logins *logins);
/* Asks every connection of the loop to say goodbye (on_shutdown), then closes those left after
 * `grace_ms`; calls done(arg) when none is left. Again before that: `grace_ms` counts from now and
 * the later done() is called. */
void net_shutdown(struct loop *loop, unsigned grace_ms, void (*done)(void *arg), void *arg);

#endif
