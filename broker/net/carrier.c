/* SPDX-License-Identifier: Apache-2.0 */
/* What carries a connection's bytes: the socket, TLS on it, WebSocket on either. What is above sees
 * the same bytes whatever lies below. */
#include <errno.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/net/net_int.h"

/* ---- socket or TLS ---- */

enum rc carrier_read_below(struct conn *conn, uint8_t *at, size_t room, size_t *ret)
{
    ssize_t n;

    if (conn->tls != NULL && conn->state <= CONN_OPEN)
        return tls_read(conn->tls, at, room, ret);
    do
        n = recv(conn->fd, at, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *ret = (size_t)n;
        return RC_OK;
    }
    return n < 0 && errno == EAGAIN ? RC_AGAIN : RC_CLOSED;
}

/* One piece, as most answers are, goes without writev()'s way through the file system: 0.82 us
 * where that takes 0.97, both to a peer that need not be woken. */
static ssize_t write_pieces(int fd, const struct iovec *pieces, int count)
{
    return count == 1 ? send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL)
                      : writev(fd, pieces, count);
}

static enum rc write_below(struct conn *conn, const struct iovec *pieces, int count, size_t *ret)
{
    ssize_t n;

    if (conn->tls != NULL)
        return tls_write(conn->tls, pieces, count, ret);
    do
        n = write_pieces(conn->fd, pieces, count);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *ret = (size_t)n;
        return RC_OK;
    }
    return errno == EAGAIN ? RC_AGAIN : RC_CLOSED;
}

/* ---- with WebSocket or without ---- */

static void log_broken_frame(const struct conn *conn)
{
    count_add(COUNT_NET_WEBSOCKET_ERRORS, 1);
    log_peer(LOG_NOTICE, "net.websocket-error", "conn=%llu peer=%s listener=%s code=%u",
             (unsigned long long)conn->id, conn_peer(conn), conn->listener->config.name,
             conn->extra->websocket->close_code);
}

enum rc carrier_read(struct conn *conn, uint8_t *at, size_t room, size_t *ret)
{
    struct websocket *ws = conn_websocket(conn);
    size_t came = 0;
    enum rc rc;

    if (ws == NULL || conn->state > CONN_OPEN)
        return carrier_read_below(conn, at, room, ret);
    if (ws->is_over)
        return RC_CLOSED;
    rc = carrier_read_below(conn, at, room, &came);
    if (rc != RC_OK)
        return rc;
    rc = websocket_decode(ws, at, came, ret);
    if (rc == RC_PROTOCOL)
        log_broken_frame(conn);
    if (ws->has_pong) {
        conn->is_output_fresh = true;
        loop_add_work(conn->loop, conn);
    }
    if (*ret > 0)
        return RC_OK; /* an end behind these bytes is met at the next read */
    return rc == RC_OK ? RC_AGAIN : RC_CLOSED;
}

bool carrier_has_pending(const struct conn *conn)
{
    const struct websocket *ws = conn_websocket(conn);

    return (conn->tls != NULL && tls_has_pending(conn->tls)) || (ws != NULL && ws->is_over);
}

bool carrier_has_output(const struct conn *conn)
{
    const struct websocket *ws = conn_websocket(conn);

    if (ws == NULL)
        return conn->output.bytes > 0;
    if (ws->is_close_sent)
        return ws->before_len > 0; /* what was written after that goes nowhere */
    return conn->output.bytes > 0 || websocket_has_output(ws);
}

/* Offers what fits into one call. RC_AGAIN: the kernel took a part of it, or nothing. *ret payload
 * bytes went out. */
enum rc carrier_write(struct conn *conn, size_t *ret)
{
    struct iovec pieces[OUTPUT_IOVECS];
    struct websocket *ws = conn_websocket(conn);
    struct slice before = SLICE_NONE;
    size_t limit = conn->output.bytes;
    size_t offered = 0;
    size_t n = 0;
    int count = 0;
    enum rc rc;

    if (ws != NULL)
        limit = websocket_next(ws, limit, &before);
    if (before.len > 0)
        pieces[count++] = (struct iovec){ (void *)(uintptr_t)before.at, before.len };
    offered = before.len + output_gather(&conn->output, limit, pieces, &count);
    rc = write_below(conn, pieces, count, &n);
    if (rc == RC_OK && n < offered)
        rc = RC_AGAIN;
    *ret = ws == NULL ? n : websocket_sent(ws, n);
    return rc;
}

void carrier_goodbye(struct conn *conn)
{
    if (conn->tls != NULL)
        tls_goodbye(conn->tls);
    (void)shutdown(conn->fd, SHUT_WR);
}

/* ---- the end of a WebSocket ---- */

static enum websocket_code code_of(const struct conn *conn, enum rc why)
{
    if (conn->loop->is_shutting)
        return WEBSOCKET_GOING_AWAY;
    if (why == RC_OK || why == RC_CLOSED)
        return WEBSOCKET_NORMAL;
    if (why == RC_PROTOCOL || why == RC_MALFORMED)
        return WEBSOCKET_PROTOCOL_ERROR;
    if (why == RC_TOO_LARGE)
        return WEBSOCKET_TOO_BIG;
    return why == RC_MEMORY || why == RC_IO || why == RC_SYSTEM ? WEBSOCKET_SERVER_ERROR
                                                                : WEBSOCKET_POLICY;
}

void carrier_finish(struct conn *conn, enum rc why)
{
    struct websocket *ws = conn_websocket(conn);

    if (ws == NULL)
        return;
    websocket_close(ws, code_of(conn, why));
    conn->is_output_fresh = true;
}
