/* SPDX-License-Identifier: Apache-2.0 */
/* One accepted connection, whatever carries it: its output, its pauses, its end. Loop thread only.
 */
#ifndef TERCET_BROKER_NET_CONN_H
#define TERCET_BROKER_NET_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/block.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct conn;
struct loop;

/* ---- who is there ---- */
uint64_t conn_id(const struct conn *conn); /* unique in this process, from 1 */
/* "127.0.0.1:53411", "[::1]:53411" or "unix"; borrowed until another connection of the loop is
 * asked. As a trusted proxy told. */
const char *conn_peer(const struct conn *conn);
/* Where the peer is, to judge all that comes from there by: "192.0.2.7", or of IPv6 the network of
 * one place, "2001:db8::/64". NULL where one address stands for many that have nothing to do with
 * each other: loopback and Unix sockets, and a proxy that does not tell. Borrowed as conn_peer().
 */
const char *conn_origin(const struct conn *conn);
/* The address and port the peer connected to, as numbers for those who must advertise it. */
const char *conn_local_host(const struct conn *conn);
uint16_t conn_local_port(const struct conn *conn);
/* Came from a loopback address or over a Unix socket, or to a listener that trusts everybody alike.
 * Who comes through a proxy came from where the proxy says. */
bool conn_is_loopback(const struct conn *conn);
bool conn_is_tls(const struct conn *conn);
/* The common name of the client's certificate, which was found good, here or by a trusted proxy, or
 * what the listener takes instead (its subject, the identity of a shared key); NULL: none. Borrowed
 * until closed. */
const char *conn_certificate_name(const struct conn *conn);
const char *conn_listener_name(const struct conn *conn);
/* A PROXY head came first. */
bool conn_is_proxied(const struct conn *conn);
struct loop *conn_loop(const struct conn *conn);
/* Loop time when bytes last came, and when bytes were last handed to the kernel. */
uint64_t conn_last_input_ns(const struct conn *conn);
uint64_t conn_last_output_ns(const struct conn *conn);

/* ---- output: gathered during the turn, written once at its end ---- */

/* Room for `n` <= CONN_RESERVE_MAX contiguous bytes, then conn_commit() with what was used. Never
 * NULL: when there is no memory, or the connection is closing, the bytes go nowhere (and it
 * closes). */
#define CONN_RESERVE_MAX ((size_t)64 << 10)
uint8_t *conn_reserve(struct conn *conn, size_t n);
void conn_commit(struct conn *conn, size_t n);
/* Copies. Any size. */
void conn_write(struct conn *conn, struct slice bytes);
/* Sends `bytes`, which lie in `block`, without copying when they are long enough for that to pay;
 * takes a reference of its own. */
void conn_write_block(struct conn *conn, struct block *block, struct slice bytes);
/* Bytes given and not yet taken by the kernel. */
size_t conn_output_bytes(const struct conn *conn);
/* Over the high mark: who can wait should, until on_drained. */
bool conn_is_full(const struct conn *conn);
/* Output stays gathered until conn_release(): for answers that must wait for the disk without being
 * overtaken by later ones. Again: nothing changes. A connection that ends sends it all the same. */
void conn_hold(struct conn *conn);
void conn_release(struct conn *conn);

/* ---- input ---- */

/* Reasons to stop reading; reading goes on when none is left. */
enum conn_pause {
    CONN_PAUSE_OUTPUT = 1,  /* its own output is over the high mark (net does this one itself) */
    CONN_PAUSE_BUSY = 2,    /* the session handles one request at a time */
    CONN_PAUSE_STORE = 4,   /* the store has a long backlog or is stalled */
    CONN_PAUSE_BLOCKED = 8, /* alarms */
    CONN_PAUSE_RATE = 16,   /* more came than may come in a while */
};
void conn_pause(struct conn *conn, enum conn_pause why);
/* Unread input is given to on_input again at the end of this turn. */
void conn_resume(struct conn *conn, enum conn_pause why);
/* The frame under way needs `n` bytes in all: on_input is not called with fewer. The session has
 * checked n against its limit, which is below 4 GB. 0 takes it back. Memory grows with what came,
 * not with n. */
void conn_expect(struct conn *conn, size_t n);
/* Unused input that stays incomplete for this long ends the connection (RC_TIMEOUT). 0: never.
 * Default CONN_FRAME_TIMEOUT_MS. */
#define CONN_FRAME_TIMEOUT_MS 30000
void conn_set_frame_timeout(struct conn *conn, unsigned ms);

/* ---- the end ---- */

/* Marks it: no more input, unsent output is dropped, on_closed at the end of the turn. Again:
 * ignored. */
void conn_close(struct conn *conn, enum rc why);
/* Stops input, sends what is gathered (at most CONN_LINGER_MS), then closes. */
#define CONN_LINGER_MS 5000
void conn_finish(struct conn *conn, enum rc why);
bool conn_is_closing(const struct conn *conn);

#endif
