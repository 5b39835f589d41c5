/* SPDX-License-Identifier: Apache-2.0 */
/* DOOR 1: what a protocol gives to net. One const struct per protocol; main lists them in a table.
 */
#ifndef TERCET_BROKER_NET_PROTOCOL_H
#define TERCET_BROKER_NET_PROTOCOL_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct conn;

struct protocol {
    const char *name; /* "mqtt": in listener options, the ready file, logs */
    uint16_t default_port;
    uint16_t default_tls_port;
    /* What clients may call it as a sub-protocol of WebSocket, the best first; NULL at the end, or
     * none at all. */
    const char *const *websocket_names;
    bool needs_websocket_name; /* a client that calls it nothing is refused */

    /* A connection was accepted (and what lies below is up). `context` is what main gave with
     * the listener. Not RC_OK: net closes the connection, on_closed is not called. */
    enum rc (*on_open)(void *context, struct conn *conn, void **ret_session);

    /* Bytes came: `in` is all that is unread, in one piece, borrowed during the call. Gives back
     * how many bytes it used; the rest comes again, with more behind it. A session that needs n
     * bytes for one frame says so with conn_expect(). Called at most once a turn for each
     * connection, except when the session paused and resumed reading. */
    size_t (*on_input)(void *session, struct slice in);

    /* Output fell under the low mark after conn_is_full() was true. May be NULL. */
    void (*on_drained)(void *session);

    /* The last call, at the end of a turn: the session frees itself; conn is gone afterwards. */
    void (*on_closed)(void *session, enum rc why);

    /* The broker drains: say goodbye in the protocol's own words and conn_finish(). May be NULL. */
    void (*on_shutdown)(void *session);

    /* The shared key of TLS by which it came was changed or taken away: say so in the protocol's
     * own words and conn_finish(). NULL: it is closed. */
    void (*on_revoked)(void *session);
};

#endif
