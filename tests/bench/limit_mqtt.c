/* SPDX-License-Identifier: Apache-2.0 */
/* The least that one thread can do as an MQTT 3.1.1 broker: what a real one is compared with. It
 * forwards what a connection publishes, byte for byte, to every connection that subscribed
 * anything, and answers QoS 1; nothing is checked, matched or kept. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "tests/bench/bench.h"

#define PEERS_MAX  1024
#define IN_BYTES   ((size_t)512 << 10)
#define OUT_BYTES  ((size_t)64 << 20)
#define EVENTS_MAX 64

#define TYPE_CONNECT   1
#define TYPE_PUBLISH   3
#define TYPE_SUBSCRIBE 8
#define TYPE_PING      12

struct peer {
    int fd;
    bool is_subscribed;
    uint8_t *in; /* owned */
    size_t in_len;
    struct text out; /* of this turn, or what the kernel did not take */
    bool is_watched_for_room;
};

static struct peer peers[PEERS_MAX];
static unsigned peer_count;
static int epoll_fd;
static uint64_t port = 1883;

static void watch(struct peer *peer, int what, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = peer };

    if (epoll_ctl(epoll_fd, what, peer->fd, &event) != 0)
        bench_fail("epoll_ctl", errno);
}

static void add(struct peer *peer, struct slice bytes)
{
    if (peer->out.len + bytes.len > OUT_BYTES)
        bench_fail("a receiver does not keep up", 0);
    text_add(&peer->out, bytes);
}

static void forward(struct slice packets)
{
    if (packets.len == 0)
        return;
    for (unsigned i = 0; i < peer_count; i++) {
        if (peers[i].is_subscribed && peers[i].fd >= 0)
            add(&peers[i], packets);
    }
}

/* PUBLISH with QoS 1: the identifier stands behind the topic. */
static void acknowledge(struct peer *peer, struct rd r)
{
    uint8_t answer[4] = { 0x40, 2 };

    (void)rd_bytes(&r, rd_u16(&r));
    answer[2] = rd_u8(&r);
    answer[3] = rd_u8(&r);
    add(peer, slice_of(answer, sizeof(answer)));
}

/* Every filter granted at the QoS it asks for. */
static void grant(struct peer *peer, struct rd r)
{
    struct text answer = { 0 };
    struct text codes = { 0 };
    uint16_t id = rd_u16(&r);

    while (r.left > 0 && !r.bad) {
        (void)rd_bytes(&r, rd_u16(&r));
        text_add_byte(&codes, rd_u8(&r));
    }
    text_add_byte(&answer, 0x90);
    text_add_byte(&answer, (uint8_t)(codes.len + 2)); /* up to 125 filters */
    text_add_u16(&answer, id);
    text_add(&answer, text_slice(&codes));
    add(peer, text_slice(&answer));
    peer->is_subscribed = true;
    text_done(&answer);
    text_done(&codes);
}

static void take_other(struct peer *peer, uint8_t type, struct rd r)
{
    if (type == TYPE_CONNECT)
        add(peer, slice_of("\x20\x02\x00\x00", 4));
    else if (type == TYPE_SUBSCRIBE)
        grant(peer, r);
    else if (type == TYPE_PING)
        add(peer, slice_of("\xd0\x00", 2));
}

/* Takes whole packets; runs of PUBLISH are forwarded in one piece. Gives how much it took. */
static size_t take(struct peer *peer, struct slice bytes)
{
    size_t done = 0;
    size_t run = 0; /* where the PUBLISHes not yet forwarded begin */

    for (;;) {
        struct rd r = rd_of(slice_after(bytes, done));
        uint8_t first = rd_u8(&r);
        uint32_t len = rd_varint4(&r);
        struct slice body;

        if (r.bad || len > r.left)
            break;
        body = rd_bytes(&r, len);
        if (first >> 4 == TYPE_PUBLISH) {
            if (first & 2)
                acknowledge(peer, rd_of(body));
            done = bytes.len - r.left;
            continue;
        }
        forward(slice_of(bytes.at + run, done - run));
        take_other(peer, first >> 4, rd_of(body));
        run = done = bytes.len - r.left;
    }
    forward(slice_of(bytes.at + run, done - run));
    return done;
}

static void close_peer(struct peer *peer)
{
    (void)close(peer->fd);
    peer->fd = -1;
    MEM_FREE(peer->in);
    text_done(&peer->out);
}

static void read_some(struct peer *peer)
{
    ssize_t n = recv(peer->fd, peer->in + peer->in_len, IN_BYTES - peer->in_len, MSG_DONTWAIT);
    size_t taken;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close_peer(peer);
        return;
    }
    peer->in_len += (size_t)n;
    taken = take(peer, slice_of(peer->in, peer->in_len));
    peer->in_len -= taken;
    memmove(peer->in, peer->in + taken, peer->in_len);
}

static void write_some(struct peer *peer)
{
    ssize_t n;

    if (peer->fd < 0 || peer->out.len == 0)
        return;
    n = send(peer->fd, peer->out.at, peer->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        close_peer(peer);
        return;
    }
    if (n > 0) {
        memmove(peer->out.at, peer->out.at + n, peer->out.len - (size_t)n);
        peer->out.len -= (size_t)n;
    }
    if ((peer->out.len > 0) != peer->is_watched_for_room) {
        peer->is_watched_for_room = peer->out.len > 0;
        watch(peer, EPOLL_CTL_MOD, EPOLLIN | (peer->out.len > 0 ? (uint32_t)EPOLLOUT : 0));
    }
}

static struct peer *free_place(void)
{
    for (unsigned i = 0; i < peer_count; i++) {
        if (peers[i].fd < 0)
            return &peers[i];
    }
    if (peer_count == PEERS_MAX)
        bench_fail("too many connections", 0);
    return &peers[peer_count++];
}

static void accept_one(int listener)
{
    struct peer *peer = free_place();
    int one = 1;

    *peer = (struct peer){ .fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC),
                           .in = mem_get(IN_BYTES) };
    if (peer->fd < 0)
        bench_fail("accept4", errno);
    (void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    watch(peer, EPOLL_CTL_ADD, EPOLLIN);
}

static int listen_on(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, PEERS_MAX) != 0)
        bench_fail("listen", errno);
    return fd;
}

int main(int argc, char **argv)
{
    const struct bench_option options[] = {
        { "port", &port, NULL, "where it listens, on loopback" },
        { NULL, NULL, NULL, NULL },
    };
    struct peer listener = { .fd = -1 };
    struct epoll_event events[EVENTS_MAX];

    (void)bench_options(argc, argv, options);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    listener.fd = listen_on();
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;

            if (peer == &listener)
                accept_one(listener.fd);
            else if (peer->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_some(peer);
        }
        for (unsigned i = 0; i < peer_count; i++)
            write_some(&peers[i]);
    }
}
