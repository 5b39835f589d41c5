/* SPDX-License-Identifier: Apache-2.0 */
/* The way from an accepted socket to a session, as far as its listener has one: the PROXY head, a
 * look at the first byte, TLS, a look at the first byte inside, the upgrade to WebSocket. One
 * deadline holds for all of it, whatever trickles in, and no byte is kept beyond what a head may
 * have. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/text.h"
#include "broker/net/http.h"
#include "broker/net/net_int.h"
#include "broker/net/networks.h"
#include "broker/net/proxy.h"
#include "broker/net/upgrade.h"

/* First bytes that none of our protocols begins with: a TLS record with a handshake, and "GET". */
#define FIRST_OF_TLS  0x16
#define FIRST_OF_HTTP 'G'

static enum rc refuse(struct conn *conn, const char *why)
{
    log_peer(LOG_NOTICE, "net.refused", "conn=%llu peer=%s listener=%s why=%s",
             (unsigned long long)conn->id, conn_peer(conn), conn->listener->config.name, why);
    return RC_REFUSED;
}

/* ---- which step ---- */

enum opening opening_first(const struct listener_config *config)
{
    if (config->is_proxied)
        return OPENING_PROXY;
    if (config->is_tls_optional)
        return OPENING_LOOK;
    if (config->tls != NULL)
        return OPENING_TLS;
    return config->websocket == WEBSOCKET_NO         ? OPENING_DONE
           : config->websocket == WEBSOCKET_DETECTED ? OPENING_LOOK_INSIDE
                                                     : OPENING_UPGRADE;
}

static enum opening after_proxy(const struct listener_config *config)
{
    struct listener_config rest = *config;

    rest.is_proxied = false;
    return opening_first(&rest);
}

static enum opening after_tls(const struct listener_config *config)
{
    struct listener_config rest = *config;

    rest.is_proxied = rest.is_tls_optional = false;
    rest.tls = NULL;
    return opening_first(&rest);
}

/* ---- the PROXY head ---- */

static enum rc refuse_proxy(struct conn *conn, const char *why)
{
    count_add(COUNT_NET_PROXY_REFUSED, 1);
    return refuse(conn, why);
}

static enum rc take_from_socket(struct conn *conn, uint8_t *at, size_t n)
{
    return recv(conn->fd, at, n, 0) == (ssize_t)n ? RC_OK : RC_CLOSED;
}

/* NULL: the proxy says what is asked of it. */
static const char *what_lacks(const struct conn *conn, const struct proxy_head *head)
{
    enum proxy_client client = conn->listener->config.proxy_client;

    if (client >= PROXY_CLIENT_TLS && !head->is_tls)
        return "proxy-client-without-tls";
    return client >= PROXY_CLIENT_CERTIFIED && !head->is_certified
               ? "proxy-client-without-certificate"
               : NULL;
}

static enum rc apply_proxy(struct conn *conn, const struct proxy_head *head)
{
    const char *lacks = what_lacks(conn, head);

    if (lacks != NULL)
        return refuse_proxy(conn, lacks);
    switch (head->source) {
    case PROXY_LOCAL:
        conn->peer.is_proxys = true; /* who connects is the proxy */
        break;
    case PROXY_UNKNOWN:
        conn->peer.is_proxys = true;
        conn->is_loopback = false;
        break;
    case PROXY_ADDRESS:
        conn_set_peer(conn, &head->from);
        conn_set_local(conn, &head->to);
        conn->is_loopback = conn->is_loopback && head->from.ss_family != AF_UNIX;
        break;
    }
    if (!slice_is_none(head->name))
        conn_extra(conn)->certificate_name = mem_copy_text(head->name);
    conn->opening = after_proxy(&conn->listener->config);
    return RC_OK;
}

/* The socket is read no further than the head goes: what follows may be for TLS. */
static enum rc step_proxy(struct conn *conn)
{
    uint8_t *at = conn->loop->input;
    size_t before = input_unread(conn).len;
    struct proxy_head head;
    enum rc rc;
    ssize_t n;

    if (before > 0)
        memcpy(at, input_unread(conn).at, before);
    n = recv(conn->fd, at + before, PROXY_HEAD_MAX_BYTES - before, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return RC_AGAIN;
    if (n <= 0)
        return RC_CLOSED;
    rc = proxy_decode(slice_of(at, before + (size_t)n), &head);
    if (rc == RC_AGAIN) {
        rc = take_from_socket(conn, at + before, (size_t)n);
        input_keep(conn, slice_of(at, before + (size_t)n));
        return rc == RC_OK ? RC_AGAIN : rc;
    }
    if (rc != RC_OK)
        return refuse_proxy(conn, rc == RC_TOO_LARGE ? "proxy-head-too-large" : "no-proxy-head");
    ASSERT(head.bytes > before);
    rc = take_from_socket(conn, at + before, head.bytes - before);
    if (rc == RC_OK)
        rc = apply_proxy(conn, &head);
    input_done(conn);
    return rc;
}

/* ---- TLS ---- */

static enum rc begin_tls(struct conn *conn)
{
    if (conn->listener->config.tls == NULL)
        return refuse(conn, "tls-without-certificate");
    conn->opening = OPENING_TLS;
    if (conn->listener->dial != NULL)
        return tls_conn_new_client(conn->listener->config.tls, conn->fd,
                                   conn->listener->config.address, &conn->tls);
    return tls_conn_new(conn->listener->config.tls, conn->fd, &conn->tls);
}

static enum rc step_look(struct conn *conn)
{
    uint8_t first;
    ssize_t n = recv(conn->fd, &first, 1, MSG_PEEK);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return RC_AGAIN;
    if (n <= 0)
        return RC_CLOSED;
    if (first == FIRST_OF_TLS)
        return begin_tls(conn);
    conn->opening = after_tls(&conn->listener->config);
    return RC_OK;
}

static enum rc step_tls(struct conn *conn)
{
    bool wants_write = false;
    enum rc rc;

    if (conn->tls == NULL) {
        rc = begin_tls(conn);
        if (rc != RC_OK)
            return rc;
    }
    rc = tls_handshake(conn->tls, conn, &wants_write);
    if (rc == RC_AGAIN)
        output_arm(conn, wants_write);
    if (rc == RC_OK)
        conn->opening = after_tls(&conn->listener->config);
    return rc;
}

/* ---- WebSocket ---- */

/* All that came and fits a request's head, in the loop's buffer. */
static enum rc read_early(struct conn *conn, struct slice *ret)
{
    uint8_t *at = conn->loop->input;
    size_t before = input_unread(conn).len;
    size_t n = 0;
    enum rc rc;

    if (before > 0)
        memcpy(at, input_unread(conn).at, before);
    *ret = slice_of(at, before);
    if (before >= HTTP_HEAD_MAX_BYTES)
        return RC_OK;
    rc = carrier_read_below(conn, at + before, HTTP_HEAD_MAX_BYTES - before, &n);
    ret->len += n;
    return rc;
}

static enum rc step_look_inside(struct conn *conn)
{
    struct slice in;
    enum rc rc = read_early(conn, &in);

    if (rc != RC_OK)
        return rc;
    input_keep(conn, in);
    conn->opening = in.at[0] == FIRST_OF_HTTP ? OPENING_UPGRADE : OPENING_DONE;
    conn->is_looked_into = true;
    conn->is_resumed = conn->opening == OPENING_DONE;
    return RC_OK;
}

/* What the answer says goes out as it is, before the first frame. */
static enum rc grant(struct conn *conn, struct slice answer)
{
    input_done(conn);
    conn_extra(conn)->websocket = mem_new(struct websocket);
    conn->extra->websocket->frame_left = answer.len;
    conn->opening = OPENING_DONE;
    conn->state = CONN_OPEN;
    conn_write(conn, answer);
    count_add(COUNT_NET_WEBSOCKETS, 1);
    return RC_OK;
}

/* The answer is sent, then all ends; there never was a session. */
static enum rc deny(struct conn *conn, struct slice answer, const char *why)
{
    count_add(COUNT_NET_WEBSOCKET_ERRORS, 1);
    count_add(COUNT_NET_REFUSED, 1);
    (void)refuse(conn, why);
    conn->state = CONN_OPEN;
    conn_write(conn, answer);
    conn_finish(conn, RC_REFUSED);
    return RC_OK;
}

static enum rc answer_upgrade(struct conn *conn, struct slice in)
{
    const struct listener_config *config = &conn->listener->config;
    const struct protocol *protocol = config->protocol;
    struct upgrade_rules rules = { .path = protocol->name,
                                   .names = protocol->websocket_names,
                                   .needs_name = protocol->needs_websocket_name,
                                   .paths = config->websocket_paths,
                                   .origins = config->websocket_origins,
                                   .is_local = conn->is_loopback,
                                   .is_as_mosquitto = config->is_as_mosquitto };
    struct text answer = { 0 };
    const char *why = NULL;
    enum rc rc = upgrade_answer(in, &rules, &answer, &why);

    if (rc == RC_AGAIN)
        input_keep(conn, in);
    else if (rc == RC_OK)
        rc = grant(conn, text_slice(&answer));
    else if (rc == RC_REFUSED)
        rc = deny(conn, text_slice(&answer), why);
    text_done(&answer);
    return rc;
}

static enum rc step_upgrade(struct conn *conn)
{
    struct slice came = input_unread(conn);
    enum rc rc;

    if (conn->is_looked_into) { /* what the look has read may be all there is */
        conn->is_looked_into = false;
        memcpy(conn->loop->input, came.at, came.len);
        return answer_upgrade(conn, slice_of(conn->loop->input, came.len));
    }
    rc = read_early(conn, &came);
    return rc == RC_OK ? answer_upgrade(conn, came) : rc;
}

/* ---- all of it ---- */

typedef enum rc step_fn(struct conn *conn);

static step_fn *const steps[] = {
    [OPENING_PROXY] = step_proxy,     [OPENING_LOOK] = step_look,
    [OPENING_TLS] = step_tls,         [OPENING_LOOK_INSIDE] = step_look_inside,
    [OPENING_UPGRADE] = step_upgrade,
};

void opening_go_on(struct conn *conn)
{
    enum rc rc = RC_OK;

    output_arm(conn, false);
    while (rc == RC_OK && conn->opening != OPENING_DONE && conn->state == CONN_HANDSHAKE)
        rc = steps[conn->opening](conn);
    if (rc == RC_AGAIN || conn->state > CONN_OPEN)
        return;
    if (rc != RC_OK) {
        count_add(COUNT_NET_REFUSED, 1);
        conn_close(conn, rc);
        return;
    }
    conn_wait_over(conn);
    conn_start(conn);
}

bool opening_is_welcome(const struct listener *listener, const struct sockaddr_storage *peer)
{
    return !listener->config.is_proxied || networks_have(listener->proxies, peer);
}
