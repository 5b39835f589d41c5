/* SPDX-License-Identifier: Apache-2.0 */
/* One publisher, some receivers, one thread: sends by window or by rate, checks that every message
 * comes once and in order, and measures the broker. What the protocols share.
 *
 * A payload begins with its number and the time it was (or, at a fixed rate, ought to have been)
 * sent. Every packet has the same length, so that they lie ready in a ring and only these two, and
 * MQTT's packet identifier, are written before a run of them goes out in one write. */
#ifndef TERCET_TESTS_BENCH_LOAD_H
#define TERCET_TESTS_BENCH_LOAD_H

#include "tests/bench/bench.h"

#define LOAD_STAMP_BYTES 16
/* The head of a server's WebSocket frame. */
#define LOAD_FRAME_HEAD_MAX 10

struct load;
struct load_peer;

/* Takes whole packets from `bytes`; gives how many bytes it took. */
typedef size_t load_take_fn(struct load *load, struct load_peer *peer, struct slice bytes);

struct load_peer {
    int fd;
    load_take_fn *take;
    uint8_t *in; /* owned */
    size_t in_len;
    struct text out; /* acknowledgements not yet written */
    bool wants_out;
    uint64_t next;     /* number of the message that comes next */
    uint64_t step;     /* from one number to the next that comes */
    uint64_t received; /* messages */
    uint64_t tag;      /* the protocol's: last tag not yet acknowledged, or the like */
    bool is_framed;    /* what comes lies in frames of WebSocket, whose heads are taken out */
    uint8_t frame_head[LOAD_FRAME_HEAD_MAX];
    size_t frame_head_len;
    uint64_t frame_left;
};

struct load {
    /* options */
    const char *host;
    const char *name; /* of topic or queue */
    uint64_t port, pid, size, receivers_wanted, window, batch, rate, seconds, warm_ms, drain_ms;
    uint64_t messages; /* stop after so many instead of by time; 0: by time */
    /* the ring */
    uint8_t *ring; /* owned */
    size_t packet_bytes, stamp_at, packet_id_at;
    uint64_t ring_count;
    uint64_t ring_multiple; /* ring_count is a multiple of it; 0: of 1 */
    size_t from, to;        /* bytes of the ring handed out and not yet written */
    /* the peers */
    int epoll;
    struct load_peer publisher;
    struct load_peer *receivers; /* owned */
    uint64_t fan;                /* how many of them get one message */
    bool is_acknowledged;        /* the broker answers each publish */
    uint64_t sent, acknowledged, received;
    uint64_t bad_order; /* messages that did not come when they should */
    bool is_measuring;
    uint64_t started_ns, now_ns;
    struct histogram latency;
    struct histogram ack_latency;
    uint64_t *sent_ns; /* owned: when each message of the window was sent, for ack_latency */
};

/* The rows of these options, for the table of a program. */
#define LOAD_OPTIONS(load)                                                                  \
    { "host", NULL, &(load).host, "address of the broker" },                                \
        { "port", &(load).port, NULL, "its port" },                                         \
        { "pid", &(load).pid, NULL, "its process, to read its processor time; 0: not" },    \
        { "name", NULL, &(load).name, "topic or queue" },                                   \
        { "size", &(load).size, NULL, "bytes of a payload, at least 16" },                  \
        { "window", &(load).window, NULL, "messages under way from end to end" },           \
        { "batch", &(load).batch, NULL, "messages a write" },                               \
        { "rate", &(load).rate, NULL, "messages a second instead of a window; 0: window" }, \
        { "seconds", &(load).seconds, NULL, "how long to measure" },                        \
        { "warm-ms", &(load).warm_ms, NULL, "how long to run before" },                     \
        { "drain-ms", &(load).drain_ms, NULL, "how long to wait for the last messages" },   \
    {                                                                                       \
        "messages", &(load).messages, NULL, "measure until so many were sent; 0: by time"   \
    }

#define LOAD_DEFAULTS                                                                     \
    .host = "127.0.0.1", .size = 256, .receivers_wanted = 1, .window = 1000, .batch = 64, \
    .seconds = 3, .warm_ms = 700, .drain_ms = 5000

/* Fills the ring with copies of `packet`, whose payload begins at stamp_at, and whose packet
 * identifier is at packet_id_at (0: it has none). */
void load_set_packet(struct load *load, struct slice packet, size_t stamp_at, size_t packet_id_at);
/* Gives the peer its connection, set up so far that only messages follow. */
void load_set_peer(struct load_peer *peer, int fd, load_take_fn *take);
/* A message has come. */
void load_received(struct load *load, struct load_peer *peer, const uint8_t *payload, size_t len,
                   size_t expected_len);
/* The broker has taken responsibility for all messages before number `up_to`, in all. */
void load_acknowledged(struct load *load, uint64_t up_to);
/* Runs it and prints one line of JSON. Gives the exit status: 1 when a message was lost, came twice
 * or out of order. */
int load_run(struct load *load, const char *scenario);

#endif
