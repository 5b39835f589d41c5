/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection: handshake, open, finishing, draining, closed. Nothing is freed inside a
 * call to the session; conn_reap() does it at the end of the turn. */
#include "broker/net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/base/log.h"
#include "broker/base/plant.h"
#include "broker/net/net_int.h"

/* The sweep over running deadlines comes at least this often, and at most this often. */
#define SWEEP_MAX_MS 1000u
#define SWEEP_MIN_MS 10u

/* ---- who is there ---- */

uint64_t conn_id(const struct conn *conn)
{
    return conn->id;
}

const char *conn_peer(const struct conn *conn)
{
    const struct conn_peer *peer = &conn->peer;
    bool is_six = peer->family == AF_INET6;
    char text[INET6_ADDRSTRLEN];

    if (inet_ntop(peer->family, peer->address, text, sizeof(text)) == NULL)
        return "unix";
    (void)snprintf(conn->loop->peer, sizeof(conn->loop->peer), "%s%s%s:%u", is_six ? "[" : "", text,
                   is_six ? "]" : "", (unsigned)peer->port);
    return conn->loop->peer;
}

/* An IPv4 address, also as IPv6 writes it; NULL: it is none. */
static const uint8_t *four_of(const struct conn_peer *peer)
{
    static const uint8_t mapped[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    if (peer->family == AF_INET)
        return peer->address;
    if (peer->family == AF_INET6 && memcmp(peer->address, mapped, sizeof(mapped)) == 0)
        return peer->address + sizeof(mapped);
    return NULL;
}

const char *conn_origin(const struct conn *conn)
{
    const struct conn_peer *peer = &conn->peer;
    const uint8_t *four = four_of(peer);
    uint8_t network[sizeof(peer->address)] = { 0 };
    char text[INET6_ADDRSTRLEN];
    bool is_loopback = four != NULL ? four[0] == IN_LOOPBACKNET
                                    : memcmp(peer->address, &in6addr_loopback, 16) == 0;

    if (peer->is_proxys || is_loopback || (four == NULL && peer->family != AF_INET6))
        return NULL;
    memcpy(network, peer->address, sizeof(network) / 2);
    if (inet_ntop(four != NULL ? AF_INET : AF_INET6, four != NULL ? four : network, text,
                  sizeof(text)) == NULL)
        return NULL;
    (void)snprintf(conn->loop->peer, sizeof(conn->loop->peer), "%s%s", text,
                   four != NULL ? "" : "/64");
    return conn->loop->peer;
}

struct conn_extra *conn_extra(struct conn *conn)
{
    if (conn->extra == NULL)
        conn->extra = mem_new(struct conn_extra);
    return conn->extra;
}

/* A listener on one address knows it; on the wildcard address the socket must be asked. */
static void learn_local(struct conn *conn)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    if (conn->listener->is_any && getsockname(conn->fd, (struct sockaddr *)&address, &len) == 0)
        conn_set_local(conn, &address);
    else
        conn_extra(conn)->local_host = mem_copy_text(slice_str(conn->listener->config.address));
}

const char *conn_local_host(const struct conn *conn)
{
    struct conn *cache = (struct conn *)(uintptr_t)conn; /* filled at the first question */

    if (conn->extra == NULL || conn->extra->local_host == NULL)
        learn_local(cache);
    return conn->extra->local_host;
}

uint16_t conn_local_port(const struct conn *conn)
{
    return conn->local_port;
}

bool conn_is_loopback(const struct conn *conn)
{
    return conn->is_loopback || conn->listener->config.is_trusting;
}

bool conn_is_tls(const struct conn *conn)
{
    return conn->tls != NULL;
}

const char *conn_certificate_name(const struct conn *conn)
{
    struct conn *cache = (struct conn *)(uintptr_t)conn;
    char *name = conn->extra == NULL ? NULL : conn->extra->certificate_name;

    if (name != NULL || conn->tls == NULL)
        return name;
    name = conn->listener->config.is_psk_name
               ? tls_psk_name(conn->tls)
               : tls_certificate_name(conn->tls, conn->listener->config.is_subject_name);
    if (name != NULL)
        conn_extra(cache)->certificate_name = name;
    return name;
}

const char *conn_listener_name(const struct conn *conn)
{
    return conn->listener->config.name;
}

bool conn_is_proxied(const struct conn *conn)
{
    return conn->listener->config.is_proxied;
}

struct loop *conn_loop(const struct conn *conn)
{
    return conn->loop;
}

uint64_t conn_last_input_ns(const struct conn *conn)
{
    return conn->last_input_ns;
}

uint64_t conn_last_output_ns(const struct conn *conn)
{
    return conn->last_output_ns;
}

/* ---- the beginning ---- */

void conn_set_peer(struct conn *conn, const struct sockaddr_storage *peer)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)peer;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;

    conn->peer = (struct conn_peer){ .family = (uint8_t)peer->ss_family };
    if (peer->ss_family == AF_INET) {
        memcpy(conn->peer.address, &in->sin_addr, sizeof(in->sin_addr));
        conn->peer.port = ntohs(in->sin_port);
        conn->is_loopback = ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    } else if (peer->ss_family == AF_INET6) {
        memcpy(conn->peer.address, &in6->sin6_addr, sizeof(in6->sin6_addr));
        conn->peer.port = ntohs(in6->sin6_port);
        conn->is_loopback =
            IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
            (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
    } else {
        conn->is_loopback = true;
    }
}

void conn_set_local(struct conn *conn, const struct sockaddr_storage *local)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)local;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)local;
    char text[INET6_ADDRSTRLEN];

    if (local->ss_family != AF_INET && local->ss_family != AF_INET6)
        return;
    if (local->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        conn->local_port = ntohs(in->sin_port);
    } else {
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
        conn->local_port = ntohs(in6->sin6_port);
    }
    mem_free(conn_extra(conn)->local_host);
    conn->extra->local_host = mem_copy_text(slice_str(text));
}

static void extra_free(struct conn_extra **ref)
{
    struct conn_extra *extra = *ref;

    *ref = NULL;
    if (extra == NULL)
        return;
    if (extra->write_event != NULL)
        event_free(extra->write_event);
    mem_free(extra->websocket);
    mem_free(extra->local_host);
    mem_free(extra->certificate_name);
    mem_free(extra);
}

static void release(struct conn *conn)
{
    struct listener *listener = conn->listener;

    conn_set_reading(conn, false);
    extra_free(&conn->extra); /* its event before the socket */
    tls_conn_free(&conn->tls);
    if (!PLANTED("socket-kept"))
        (void)close(conn->fd);
    input_done(conn);
    output_done(conn);
    link_remove(&conn->all);
    link_remove_if(&conn->work);
    link_remove_if(&conn->waiting);
    if (listener->dial != NULL)
        dial_conn_gone(listener->dial, conn, conn->why);
    mem_free(conn);
    count_add(COUNT_NET_OPEN, -1);
    listener_lost(listener);
}

void conn_start(struct conn *conn)
{
    const struct listener_config *config = &conn->listener->config;
    enum rc rc;

    conn->state = CONN_OPEN;
    rc = config->protocol->on_open(config->context, conn, &conn->session);
    if (rc != RC_OK) {
        count_add(COUNT_NET_REFUSED, 1);
        conn_close(conn, rc);
        return;
    }
    conn->has_session = true;
    if (conn->listener->dial != NULL)
        dial_conn_opened(conn->listener->dial);
    /* What came in the same packets as the end of the handshake. */
    conn->is_resumed = conn->is_resumed || carrier_has_pending(conn);
    if (conn->is_resumed)
        loop_add_work(conn->loop, conn);
}

struct conn *conn_open(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    struct loop *loop = listener->loop;
    struct conn *conn = mem_new(struct conn);

    conn->loop = loop;
    conn->listener = listener;
    conn->fd = fd;
    conn->id = ++loop->last_conn_id;
    conn->state = CONN_HANDSHAKE;
    conn->why = RC_CLOSED;
    conn->frame_timeout_ms = CONN_FRAME_TIMEOUT_MS;
    conn->last_input_ns = conn->last_output_ns = loop->now_ns;
    conn->local_port = listener->port;
    conn->opening = opening_first(&listener->config);
    conn_set_peer(conn, peer);
    (void)event_assign(&conn->read_event, loop->base, fd, EV_READ | EV_PERSIST, input_on_readable,
                       conn);
    list_append(&loop->conns, &conn->all);
    listener->connections++;
    loop->accepted += listener->dial == NULL;
    count_add(COUNT_NET_OPEN, 1);
    conn_set_reading(conn, true);
    if (conn->opening == OPENING_DONE)
        conn_start(conn);
    else
        conn_wait(conn);
    return conn;
}

/* ---- reading or not ---- */

void conn_set_reading(struct conn *conn, bool is_on)
{
    if (conn->is_reading == is_on)
        return;
    conn->is_reading = is_on;
    if (is_on)
        (void)event_add(&conn->read_event, NULL);
    else
        (void)event_del(&conn->read_event);
}

/* The event stays: only when input comes while paused is it taken out, so that a session which
 * pauses for each request of a client that waits for the answer costs no call to the kernel. */
void conn_pause(struct conn *conn, enum conn_pause why)
{
    conn->paused |= (uint8_t)why;
}

void conn_resume(struct conn *conn, enum conn_pause why)
{
    if ((conn->paused & why) == 0)
        return;
    conn->paused &= (uint8_t) ~(unsigned)why;
    if (conn->paused != 0 || conn->state != CONN_OPEN)
        return;
    conn->is_resumed = true;
    loop_add_work(conn->loop, conn);
}

void conn_expect(struct conn *conn, size_t n)
{
    ASSERT(n <= UINT32_MAX);
    conn->expect_bytes = (uint32_t)n;
}

void conn_set_frame_timeout(struct conn *conn, unsigned ms)
{
    conn->frame_timeout_ms = ms;
    if (conn->state == CONN_OPEN && link_is_linked(&conn->waiting))
        conn_wait(conn);
}

/* ---- deadlines: one coarse sweep for all ---- */

static unsigned wait_limit_ms(const struct conn *conn)
{
    switch (conn->state) {
    case CONN_HANDSHAKE:
        return CONN_HANDSHAKE_MS;
    case CONN_OPEN:
        return conn->frame_timeout_ms;
    case CONN_FINISHING:
        return CONN_LINGER_MS;
    case CONN_DRAINING:
        return conn->loop->is_shutting ? CONN_DRAIN_SHUTTING_MS : CONN_DRAIN_MS;
    case CONN_CLOSED:
        break;
    }
    return 0;
}

static unsigned sweep_ms(unsigned limit_ms)
{
    unsigned ms = limit_ms / 4;

    return ms < SWEEP_MIN_MS ? SWEEP_MIN_MS : ms > SWEEP_MAX_MS ? SWEEP_MAX_MS : ms;
}

void conn_wait(struct conn *conn)
{
    struct loop *loop = conn->loop;
    unsigned limit_ms = wait_limit_ms(conn);

    conn->wait_since_ns = loop->now_ns;
    conn->wait_bytes = 0;
    if (limit_ms == 0) {
        conn_wait_over(conn);
        return;
    }
    if (!link_is_linked(&conn->waiting))
        list_append(&loop->waiting, &conn->waiting);
    if (!timer_is_running(&loop->sweep) ||
        loop->sweep.deadline_ns > loop->now_ns + (uint64_t)sweep_ms(limit_ms) * NS_PER_MS) {
        timer_stop(&loop->sweep);
        timer_start(&loop->sweep, sweep_ms(limit_ms));
    }
}

void conn_wait_over(struct conn *conn)
{
    link_remove_if(&conn->waiting);
}

/* While its reading is off, nothing tells that the peer is gone; a reset shows here. */
static bool is_hung_up(const struct conn *conn)
{
    struct pollfd p = { .fd = conn->fd };

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

static void sweep_one(struct conn *conn, unsigned limit_ms)
{
    if (conn->state == CONN_OPEN && conn->paused != 0) {
        conn->wait_since_ns = conn->loop->now_ns; /* it is we who let it wait */
        if (!conn->is_reading && is_hung_up(conn))
            conn_close(conn, RC_CLOSED);
        return;
    }
    if (conn->loop->now_ns - conn->wait_since_ns < (uint64_t)limit_ms * NS_PER_MS)
        return;
    if (conn->state == CONN_OPEN || conn->state == CONN_HANDSHAKE) {
        count_add(COUNT_NET_TIMEOUTS, 1);
        log_peer(LOG_NOTICE, "net.timeout", "conn=%llu peer=%s listener=%s what=%s unread=%zu",
                 (unsigned long long)conn->id, conn_peer(conn), conn->listener->config.name,
                 conn->state == CONN_OPEN ? "frame" : "handshake", input_unread(conn).len);
        conn_close(conn, RC_TIMEOUT);
        return;
    }
    conn_close(conn, conn->why);
}

void conn_sweep(void *arg)
{
    struct loop *loop = arg;
    unsigned next_ms = SWEEP_MAX_MS;

    LIST_EACH_SAFE (k, &loop->waiting) {
        struct conn *conn = CONTAINER_OF(k, struct conn, waiting);
        unsigned limit_ms = wait_limit_ms(conn);

        if (sweep_ms(limit_ms) < next_ms)
            next_ms = sweep_ms(limit_ms);
        sweep_one(conn, limit_ms);
    }
    if (!list_is_empty(&loop->waiting))
        timer_start(&loop->sweep, next_ms);
}

/* ---- the end ---- */

bool conn_is_closing(const struct conn *conn)
{
    return conn->state > CONN_OPEN;
}

void conn_close(struct conn *conn, enum rc why)
{
    if (conn->state == CONN_CLOSED)
        return;
    if (conn->state <= CONN_OPEN)
        conn->why = why;
    conn->state = CONN_CLOSED;
    conn_wait_over(conn);
    loop_add_work(conn->loop, conn);
}

void conn_finish(struct conn *conn, enum rc why)
{
    if (conn->state == CONN_HANDSHAKE) {
        conn_close(conn, why);
        return;
    }
    if (conn->state != CONN_OPEN)
        return;
    conn->why = why;
    carrier_finish(conn, why);
    conn->state = CONN_FINISHING;
    conn->paused = 0;
    conn_wait(conn);
    conn_set_reading(conn, !conn->is_input_over); /* to throw away what comes */
    loop_add_work(conn->loop, conn);
}

bool conn_redeliver(struct conn *conn)
{
    bool was_called = false;

    if (conn->is_drained_due && conn->state == CONN_OPEN) {
        conn->is_drained_due = false;
        if (conn->listener->config.protocol->on_drained != NULL) {
            conn->listener->config.protocol->on_drained(conn->session);
            was_called = true;
        }
    }
    if (conn->is_resumed) {
        conn->is_resumed = false;
        if (conn->state == CONN_OPEN && conn->paused == 0) {
            conn_set_reading(conn, !conn->is_input_over);
            was_called = input_give(conn) || was_called;
        }
    }
    return was_called;
}

static bool end_session(struct conn *conn)
{
    if (!conn->has_session)
        return false;
    conn->has_session = false;
    doing("net.close");
    conn->listener->config.protocol->on_closed(conn->session, conn->why);
    conn->session = NULL;
    return true;
}

/* All is sent: says so to the peer, and waits a moment for its end, because closing over unread
 * input would reset the connection and could take our last bytes from the peer. */
static void drain(struct conn *conn)
{
    carrier_goodbye(conn);
    conn->state = CONN_DRAINING;
    conn_wait(conn);
}

bool conn_reap(struct conn *conn)
{
    bool was_called = false;

    if (conn->state == CONN_FINISHING)
        input_done(conn); /* not before: the session may have been reading it when it finished */
    if (conn->state == CONN_FINISHING && !carrier_has_output(conn)) {
        if (conn->is_input_over)
            conn->state = CONN_CLOSED;
        else
            drain(conn);
        was_called = end_session(conn);
    }
    if (conn->state == CONN_CLOSED) {
        was_called = end_session(conn) || was_called;
        release(conn);
    }
    return was_called;
}

bool conn_has_work(const struct conn *conn)
{
    bool is_kept = conn->is_write_armed || (conn->is_held && conn->state == CONN_OPEN);

    return conn->state != CONN_CLOSED &&
           ((conn->is_output_fresh && !is_kept) || conn->is_resumed || conn->is_drained_due);
}
