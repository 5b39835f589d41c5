/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of broker/net: a loop, a listener on a free port, and a protocol of length-prefixed
 * frames whose session does what the test tells it. One connection at a time. */
#ifndef TERCET_TESTS_UNIT_NET_FIXTURE_H
#define TERCET_TESTS_UNIT_NET_FIXTURE_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/net/conn.h"
#include "broker/net/listener.h"
#include "broker/net/loop.h"
#include "broker/net/tls.h"

#define FRAME_HEAD 4

/* What the sessions saw, and how they are to behave. */
static struct net_fixture {
    struct loop *loop;
    struct listener *listener;
    struct conn *conn;  /* of the last session opened */
    struct text frames; /* bodies of the frames, each closed by '|' unless is_echo */
    size_t frame_count;
    unsigned opened, closed, inputs, drained, shutdowns;
    enum rc closed_why;
    size_t least_input; /* the smallest `in` with which on_input was called */
    bool is_echo;
    bool is_expecting;  /* conn_expect() for each frame under way */
    bool is_one_by_one; /* pause after each frame */
    bool is_refusing;   /* on_open says no */
    bool is_finishing;  /* conn_finish() after the first frame */
    bool is_deaf;       /* no goodbye at shutdown */
} fx;

static inline enum rc fx_on_open(void *context, struct conn *conn, void **ret_session)
{
    ck_assert_ptr_eq(context, &fx);
    if (fx.is_refusing)
        return RC_REFUSED;
    fx.conn = conn;
    fx.opened++;
    *ret_session = &fx;
    return RC_OK;
}

static inline void fx_on_frame(struct slice body)
{
    fx.frame_count++;
    if (fx.is_echo) {
        conn_write(fx.conn, body);
        return;
    }
    text_add(&fx.frames, body);
    text_add_byte(&fx.frames, '|');
}

static inline size_t fx_on_input(void *session, struct slice in)
{
    struct rd r = rd_of(in);
    size_t used = 0;

    ck_assert_ptr_eq(session, &fx);
    fx.inputs++;
    if (fx.inputs == 1 || in.len < fx.least_input)
        fx.least_input = in.len;
    while (r.left >= FRAME_HEAD) {
        uint32_t len = rd_u32(&r);
        struct slice body = rd_bytes(&r, len);

        if (r.bad) {
            if (fx.is_expecting)
                conn_expect(fx.conn, (size_t)len + FRAME_HEAD);
            break;
        }
        fx_on_frame(body);
        used += len + FRAME_HEAD;
        if (fx.is_finishing) {
            conn_finish(fx.conn, RC_PROTOCOL);
            break;
        }
        if (fx.is_one_by_one) {
            conn_pause(fx.conn, CONN_PAUSE_BUSY);
            break;
        }
    }
    return used;
}

static inline void fx_on_drained(void *session)
{
    ck_assert_ptr_eq(session, &fx);
    fx.drained++;
}

static inline void fx_on_closed(void *session, enum rc why)
{
    ck_assert_ptr_eq(session, &fx);
    fx.closed++;
    fx.closed_why = why;
    fx.conn = NULL;
}

static inline void fx_on_shutdown(void *session)
{
    ck_assert_ptr_eq(session, &fx);
    fx.shutdowns++;
    if (fx.is_deaf)
        return;
    conn_write(fx.conn, SLICE("bye"));
    conn_finish(fx.conn, RC_CLOSED);
}

static const struct protocol fx_protocol = {
    .name = "frames",
    .on_open = fx_on_open,
    .on_input = fx_on_input,
    .on_drained = fx_on_drained,
    .on_closed = fx_on_closed,
    .on_shutdown = fx_on_shutdown,
};

/* The rest of `config` is filled in. */
static inline void fx_listen_with(struct listener_config config)
{
    config.name = "test";
    config.max_connections = 8;
    config.protocol = &fx_protocol;
    config.context = &fx;
    ck_assert_int_eq(listener_open(fx.loop, &config, &fx.listener), RC_OK);
}

static inline void fx_listen(const char *address, struct tls *tls)
{
    fx_listen_with((struct listener_config){ .address = address, .tls = tls });
}

static inline void fx_setup(void)
{
    memset(&fx, 0, sizeof(fx));
    log_set_threshold(LOG_ERROR);
    ck_assert_int_eq(loop_new(&fx.loop), RC_OK);
}

static inline void fx_stop(void *arg)
{
    *(bool *)arg = true;
}

static inline void fx_teardown(void)
{
    bool is_done = false;

    clock_unset_for_test();
    listener_close(&fx.listener);
    fx.is_deaf = false;
    net_shutdown(fx.loop, 0, fx_stop, &is_done);
    for (unsigned i = 0; i < 1000 && !is_done; i++)
        loop_turn(fx.loop, 10);
    ck_assert(is_done);
    ck_assert_uint_eq(fx.opened, fx.closed);
    ck_assert_int_eq(count_get(COUNT_NET_OPEN), 0);
    loop_free(&fx.loop);
    text_done(&fx.frames);
}

/* A client's socket, not blocking, connected to the listener. */
static inline int fx_connect(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(listener_port(fx.listener)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Turns the loop until `condition` holds. A turn that has nothing to do ends after 10 ms: the bound
 * is there for a broken broker only. */
#define FX_UNTIL(condition)                                             \
    do {                                                                \
        for (unsigned turn_ = 0; turn_ < 2000 && !(condition); turn_++) \
            loop_turn(fx.loop, 10);                                     \
        ck_assert_msg((condition), "never came true: %s", #condition);  \
    } while (0)

/* The loop has handled everything that came so far. */
static inline void fx_settle(void)
{
    for (unsigned i = 0; i < 5; i++)
        loop_turn(fx.loop, 0);
}

/* A client connected and its session open. */
static inline int fx_client(void)
{
    unsigned before = fx.opened;
    int fd = fx_connect();

    FX_UNTIL(fx.opened > before);
    return fd;
}

static inline void fx_add_frame(struct text *t, struct slice body)
{
    text_add_u32(t, (uint32_t)body.len);
    text_add(t, body);
}

static inline void fx_send(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL);

        if (n < 0)
            ck_assert_int_eq(errno, EAGAIN);
        else
            bytes = slice_after(bytes, (size_t)n);
        loop_turn(fx.loop, 0);
    }
}

static inline void fx_send_frame(int fd, const char *body)
{
    struct text t = { 0 };

    fx_add_frame(&t, slice_str(body));
    fx_send(fd, text_slice(&t));
    text_done(&t);
}

/* Reads `len` bytes, turning the loop meanwhile; fewer when the broker's side ends. */
static inline struct slice fx_receive(int fd, struct text *to, size_t len)
{
    unsigned idle = 0;

    while (to->len < len && idle < 2000) {
        ssize_t n;

        ck_assert(text_reserve(to, len - to->len));
        n = recv(fd, to->at + to->len, len - to->len, 0);
        if (n == 0)
            break;
        if (n > 0)
            to->len += (size_t)n;
        idle = n > 0 ? 0 : idle + 1;
        loop_turn(fx.loop, n > 0 ? 0 : 1);
    }
    return text_slice(to);
}

static inline bool fx_is_at_end(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char byte;

    return poll(&p, 1, 0) == 1 && recv(fd, &byte, 1, MSG_PEEK) <= 0;
}

#endif
