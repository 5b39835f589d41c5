/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of broker/net share: the bodies of loop, connection, listener and output. */
#ifndef TERCET_BROKER_NET_NET_INT_H
#define TERCET_BROKER_NET_NET_INT_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "broker/base/clock.h"
#include "broker/base/durations.h"
#include "broker/base/heap.h"
#include "broker/base/list.h"
#include "broker/base/rate.h"
#include "broker/base/thread.h"
#include "broker/net/conn.h"
#include "broker/net/listener.h"
#include "broker/net/loop.h"
#include "broker/net/protocol.h"
#include "broker/net/websocket.h"

/* One read takes what the socket holds, up to this: a batch of 256 KB with its frame fits.
 * Untouched pages cost nothing. */
#define LOOP_INPUT_BYTES ((size_t)512 << 10)
/* Unread input up to this is copied in front of the next read of the shared buffer; beyond it, the
 * frame under way is read into memory of its own. */
#define INPUT_COPY_MAX_BYTES ((size_t)64 << 10)
/* A frame that never ends is told from a slow one by this many bytes within the frame timeout. */
#define INPUT_PROGRESS_BYTES ((size_t)64 << 10)

/* Over the high mark who writes should wait; under the low mark it may go on. */
#define OUTPUT_HIGH_BYTES ((size_t)1 << 20)
#define OUTPUT_LOW_BYTES  ((size_t)256 << 10)
/* So much is not kept for the end of the turn: it is still in the processor's cache, and the peer
 * can begin with it. */
#define OUTPUT_EARLY_BYTES ((size_t)128 << 10)
/* That is so for what was copied. Blocks take no memory of the output: each write wakes the peer,
 * which costs more than the cache gives, so they go with what else comes in a turn. */
#define OUTPUT_EARLY_LENT_BYTES ((size_t)512 << 10)
/* Block bytes from this length on are sent from where they lie. */
#define OUTPUT_BORROW_MIN_BYTES ((size_t)4 << 10)
#define OUTPUT_IOVECS           64
/* What one connection may hand to the kernel in one turn. */
#define OUTPUT_TURN_BYTES ((size_t)2 << 20)

/* Copied output lies in chunks. The first of a turn is small, so that a message to each of 10,000
 * connections does not take 10,000 large ones. */
#define CHUNK_SMALL_BYTES ((size_t)2 << 10)
#define CHUNK_LARGE_BYTES ((size_t)16 << 10)
/* How much of each the loop keeps for reuse: 1 MB, 512 KB and 100 KB. */
#define CHUNKS_LARGE_KEPT 64
#define CHUNKS_SMALL_KEPT 256
#define PIECES_KEPT       2048

#define CONN_HANDSHAKE_MS 10000
/* After the last byte went out the peer has this long to close its side. */
#define CONN_DRAIN_MS          1000
#define CONN_DRAIN_SHUTTING_MS 100

struct dial;
struct tls_conn;

struct chunk {
    struct chunk *next; /* in the loop's free list */
    uint8_t *at;        /* behind the struct */
    size_t room;
    size_t used;
    unsigned refs; /* pieces that lie in it, and the connection that fills it */
};

/* A run of output bytes inside a chunk or a block. */
struct piece {
    struct piece *next;
    uint8_t *at;
    size_t len;
    struct chunk *chunk; /* one reference, or NULL */
    struct block *block; /* one reference, or NULL */
};

struct output {
    struct piece *first; /* owned list */
    struct piece *last;
    struct chunk *filling; /* one reference; the last bytes written lie here */
    size_t bytes;
};

/* Input that was not used yet. */
struct input {
    size_t start;
    size_t len; /* from start */
    size_t room;
    uint8_t at[];
};

enum conn_state {
    CONN_HANDSHAKE, /* what lies below is not up yet; there is no session */
    CONN_OPEN,
    CONN_FINISHING, /* the last output is being sent, input is thrown away */
    CONN_DRAINING,  /* all is sent and the session is gone; waits for the peer's end */
    CONN_CLOSED,    /* freed at the end of the turn */
};

/* What comes next on the way to a session. */
enum opening {
    OPENING_PROXY,
    OPENING_LOOK, /* TLS or not? */
    OPENING_TLS,
    OPENING_LOOK_INSIDE, /* WebSocket or not? */
    OPENING_UPGRADE,
    OPENING_DONE,
};

/* Of a connection by WebSocket, one whose peer was slow once, and one that was asked for a name. */
struct conn_extra {
    struct websocket *websocket; /* owned; NULL: none */
    struct event *write_event;   /* owned; made when the kernel is full for the first time */
    char *local_host;            /* owned; made when asked for */
    char *certificate_name;      /* owned; made when asked for, or as a proxy told */
};

struct conn_peer {
    uint8_t address[sizeof(struct in6_addr)]; /* of IPv4 the first four; of others none */
    uint8_t family;
    bool is_proxys; /* a proxy's own, which did not tell whose connection it is */
    uint16_t port;
};

struct conn {
    struct link all;           /* loop->conns */
    struct link work;          /* loop->work: something to do at the end of this turn */
    struct link waiting;       /* loop->waiting: a deadline runs */
    struct loop *loop;         /* borrowed until freed */
    struct listener *listener; /* borrowed: it lives as long as its connections */
    struct tls_conn *tls;      /* owned; NULL: plain */
    void *session;             /* the protocol's, from on_open to on_closed */
    struct input *input;       /* owned; NULL when all was used */
    struct conn_extra *extra;  /* owned; NULL: it has none of that */
    uint64_t id;
    int fd;
    unsigned frame_timeout_ms;
    enum conn_state state : 8;
    enum opening opening : 8;
    enum rc why : 8; /* of its end */
    uint8_t paused;  /* enum conn_pause bits */
    bool has_session;
    bool is_reading;      /* read_event is added */
    bool is_write_armed;  /* the kernel was full */
    bool is_full;         /* over the high mark and not yet under the low one */
    bool is_drained_due;  /* on_drained is to be called */
    bool is_held;         /* conn_hold(): output waits */
    bool is_resumed;      /* unread input is to be given again */
    bool is_output_fresh; /* output was gathered and not yet offered to the kernel */
    bool is_output_bulky; /* the last turn's output did not fit a small chunk */
    bool is_input_over;   /* the peer closed its side */
    bool is_looked_into;  /* `input` holds what the next step of the opening begins with */
    bool is_loopback;
    uint32_t expect_bytes;
    uint32_t wait_bytes; /* input since wait_since_ns */
    struct output output;
    uint64_t last_input_ns;
    uint64_t last_output_ns;
    uint64_t wait_since_ns;
    struct event read_event;
    struct conn_peer peer;
    uint16_t local_port;
    bool is_output_lent; /* blocks are in the output that is gathered */
};
/* 10,000 that are idle are to cost 1,500 bytes each, all told: what only some have stands apart. */
_Static_assert(sizeof(struct conn) - sizeof(struct event) <= 216, "an idle connection");

struct listener {
    struct link all; /* loop->listeners */
    struct loop *loop;
    struct listener_config config; /* its texts are owned copies */
    int fd;
    uint16_t port;
    struct dial *dial;        /* it never listens: connections are made by it. borrowed; NULL */
    struct networks *proxies; /* owned; NULL: the PROXY protocol is not spoken */
    int descriptor_max;       /* a connection beyond it is refused */
    bool is_any;              /* bound to the wildcard address */
    bool is_unix;
    bool is_bound;
    bool is_closed; /* freed when the last connection goes */
    bool is_paused; /* no file descriptors are left, or: */
    bool is_pacing; /* as many were accepted as may be for now */
    struct rate accepts;
    unsigned connections;
    struct event event;
    struct timer retry;
};

struct loop_hook {
    loop_call_fn *call;
    void *arg;
};

struct loop_signal {
    int number;
    loop_call_fn *call;
    void *arg;
};

#define LOOP_SIGNALS_MAX 4

struct loop {
    struct event_base *base; /* owned */
    uint64_t now_ns;
    struct durations turns;
    struct durations turns_processor;
    uint64_t processor_ns; /* of this thread when it was last asked for, at a turn's end */
    uint64_t short_us;     /* of turns since, which it was not asked for */
    unsigned short_count;
    uint64_t slow_us;      /* turns that take that long are told; 0: none */
    unsigned input_count;  /* of this turn: calls of on_input, */
    uint64_t input_bytes;  /* and what they used */
    bool is_now_known;     /* now_ns is of this turn */
    bool is_posted_inside; /* calls were posted in a turn, by its own thread */
    bool is_work_left;     /* the next turn must not wait */
    _Atomic bool is_stopping;
    int wake_fd;
    struct event wake_event;
    struct event wait_event; /* the time of the first timer */
    uint64_t wait_until_ns;  /* what wait_event is set to; 0: nothing */
    struct event turn_event; /* the longest wait of loop_turn() */
    struct mailbox posted;
    struct heap timers;
    struct loop_hook hooks[LOOP_HOOKS_MAX];
    unsigned hook_count;
    struct loop_signal signals[LOOP_SIGNALS_MAX];
    int signal_fd; /* -1: none is watched */
    struct event signal_event;
    unsigned signal_count;
    struct list conns;
    struct list listeners;
    struct list work;
    struct list waiting;
    struct timer sweep;
    uint64_t last_conn_id;
    unsigned accepted;               /* connections that listeners took and that are there */
    unsigned accepted_max;           /* 0: no limit but the listeners' */
    struct net_logins logins;        /* its functions may be NULL: nobody counts them */
    uint8_t *input;                  /* owned: LOOP_INPUT_BYTES that all connections read into */
    uint8_t *sink;                   /* owned: CONN_RESERVE_MAX bytes that nobody sends */
    char peer[INET6_ADDRSTRLEN + 9]; /* conn_peer() of the one asked for last: "[" "]:65535" */
    struct chunk *large_free;
    struct chunk *small_free;
    struct piece *piece_free;
    unsigned large_count;
    unsigned small_count;
    unsigned piece_count;
    /* net_shutdown() */
    struct timer grace;
    void (*on_shut)(void *arg);
    void *shut_arg;
    bool is_shutting;
};

/* ---- loop.c ---- */
/* First in every callback of libevent: learns the time of this turn. */
void loop_begin(struct loop *loop);
/* The conns of `work` have something to do at the end of the turn. */
void loop_add_work(struct loop *loop, struct conn *conn);

/* ---- conn.c ---- */
/* Takes over a connected socket. */
struct conn *conn_open(struct listener *listener, int fd, const struct sockaddr_storage *peer);
/* The handshake is done, or there is none: makes the session. */
void conn_start(struct conn *conn);
/* Made when something of it is needed first. */
struct conn_extra *conn_extra(struct conn *conn);
static inline struct websocket *conn_websocket(const struct conn *conn)
{
    return conn->extra == NULL ? NULL : conn->extra->websocket;
}
/* Who the peer is, and what it connected to. */
void conn_set_peer(struct conn *conn, const struct sockaddr_storage *peer);
void conn_set_local(struct conn *conn, const struct sockaddr_storage *local);
/* End-of-turn work: input given again; the end. Both say whether a session was called. */
bool conn_redeliver(struct conn *conn);
bool conn_reap(struct conn *conn); /* may free it */
bool conn_has_work(const struct conn *conn);
/* A deadline starts to run, or runs anew. */
void conn_wait(struct conn *conn);
void conn_wait_over(struct conn *conn);
void conn_set_reading(struct conn *conn, bool is_on);
void conn_sweep(void *arg); /* of the loop */

/* ---- listener.c ---- */
/* One of its connections is gone. */
void listener_lost(struct listener *listener);

/* One that never listens, for the connections of a dial; closed like others. */
struct listener *listener_of_dial(struct loop *loop, const struct listener_config *config,
                                  struct dial *dial);
/* Whom its next connection is to. */
void listener_set_host(struct listener *listener, const char *host);

/* ---- dial.c ---- */
/* The session of its attempt is there. */
void dial_conn_opened(struct dial *dial);
/* A connection of its listener is gone. */
void dial_conn_gone(struct dial *dial, const struct conn *conn, enum rc why);

/* ---- shutdown.c ---- */
/* A connection or its last bytes are gone. */
void shutdown_look(struct loop *loop);

/* ---- opening.c ---- */
enum opening opening_first(const struct listener_config *config);
/* The socket is there, or can be read or written again, and there is no session yet. */
void opening_go_on(struct conn *conn);
/* False: the listener takes connections from its proxies alone, and this is none. */
bool opening_is_welcome(const struct listener *listener, const struct sockaddr_storage *peer);

/* ---- carrier.c ---- */
/* Like recv(): *ret bytes for the session. RC_AGAIN: nothing now. RC_CLOSED: the end. */
enum rc carrier_read(struct conn *conn, uint8_t *at, size_t room, size_t *ret);
/* The same, below WebSocket. */
enum rc carrier_read_below(struct conn *conn, uint8_t *at, size_t room, size_t *ret);
/* Something waits inside that no poll of the socket tells. */
bool carrier_has_pending(const struct conn *conn);
bool carrier_has_output(const struct conn *conn);
/* Offers output to the kernel once. *ret: how much of conn->output went, whatever it gives back.
 * RC_AGAIN: the kernel is full. RC_CLOSED: the end. */
enum rc carrier_write(struct conn *conn, size_t *ret);
/* All output that will ever come is there. */
void carrier_finish(struct conn *conn, enum rc why);
/* And all of it was sent. */
void carrier_goodbye(struct conn *conn);

/* ---- input.c ---- */
void input_on_readable(evutil_socket_t fd, short what, void *arg);
/* Gives unread input to the session again. True when it was called. */
bool input_give(struct conn *conn);
void input_done(struct conn *conn);
static inline struct slice input_unread(const struct conn *conn)
{
    const struct input *in = conn->input;

    return in == NULL ? SLICE_NONE : slice_of(in->at + in->start, in->len);
}
/* Keeps `rest`, which lies in the loop's buffer, as the connection's unread input. */
void input_keep(struct conn *conn, struct slice rest);

/* ---- output.c ---- */
/* Offers to the kernel what is gathered, unless it was full and has not said otherwise. */
void output_send(struct conn *conn);
/* Waits for the kernel to have room, or no longer. */
void output_arm(struct conn *conn, bool is_on);
void output_done(struct conn *conn);
/* Adds to pieces[*count..OUTPUT_IOVECS) the first bytes, at most `limit`; gives how many. */
size_t output_gather(const struct output *out, size_t limit, struct iovec *pieces, int *count);
void output_free_pools(struct loop *loop);

/* ---- tls.c: the layer under a connection ---- */
enum rc tls_conn_new(struct tls *tls, int fd, struct tls_conn **ret);
/* For a context of tls_client_new(): the peer must show that it is `host`. */
enum rc tls_conn_new_client(struct tls *tls, int fd, const char *host, struct tls_conn **ret);
void tls_conn_free(struct tls_conn **tls);
/* RC_OK: done. RC_AGAIN: more from the peer is needed, or *ret_wants_write. What fails is logged as
 * the conn's. */
enum rc tls_handshake(struct tls_conn *tls, const struct conn *conn, bool *ret_wants_write);
/* Like recv() and writev(): *ret bytes moved. RC_AGAIN: nothing now. RC_CLOSED: the end. */
enum rc tls_read(struct tls_conn *tls, uint8_t *at, size_t room, size_t *ret);
enum rc tls_write(struct tls_conn *tls, const struct iovec *pieces, int count, size_t *ret);
/* Decrypted bytes wait inside, which no poll of the socket tells. */
bool tls_has_pending(const struct tls_conn *tls);
void tls_goodbye(struct tls_conn *tls);
/* The common name of the certificate that the peer has shown and that was found good, a new text;
 * NULL: none. */
/* The common name, or the whole subject as RFC 2253 spells it. */
char *tls_certificate_name(const struct tls_conn *tls, bool is_subject);
/* The identity of the shared key by which the peer came, a new text; NULL: it came otherwise. */
char *tls_psk_name(const struct tls_conn *tls);
/* Whether it would come in by `fresh` as it did: it showed no shared key, or one that is there, the
 * same. Who has not yet shown what it will is not known. */
bool tls_psk_holds(const struct tls_conn *tls, const struct tls *fresh);

#endif
