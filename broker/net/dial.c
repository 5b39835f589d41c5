/* SPDX-License-Identifier: Apache-2.0 */
/* A dial owns a listener that never listens: what connections ask of theirs (name, protocol, TLS,
 * who counts them) they find there, so that nothing above knows who called whom. */
#include "broker/net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/net/net_int.h"

#define UNIX_PREFIX "unix:"
#define PORT_DIGITS 5

/* A peer that vanished is noticed by TCP's own probes, as on accepted sockets. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_PROBES     4

/* ---- looking a name up, on a thread of its own for as long as that takes ---- */

enum { LOOKUP_RUNS, LOOKUP_DONE, LOOKUP_ABANDONED };

struct lookup {
    struct thread thread;
    _Atomic int state;
    struct loop *loop;     /* borrowed; not touched when abandoned */
    struct loop_call done; /* posted when done */
    struct dial *dial;     /* borrowed; NULL: nobody waits for it any more. Loop thread. */
    char *host;            /* owned */
    char port[PORT_DIGITS + 1];
    struct addrinfo *found; /* owned */
    int error;              /* of getaddrinfo() */
};

struct dial {
    struct loop *loop;         /* borrowed */
    struct listener *listener; /* owned until closed */
    void (*on_failed)(void *context, enum rc why, const char *what);
    void *context;         /* borrowed */
    struct lookup *lookup; /* owned by itself; NULL: none is under way */
    struct sockaddr_storage from;
    socklen_t from_len; /* 0: any address */
    int keepalive_idle_s;
    int keepalive_interval_s;
    int keepalive_probes;
    int user_timeout_ms;
    struct sockaddr_storage to[DIAL_ADDRESSES_MAX];
    socklen_t to_len[DIAL_ADDRESSES_MAX];
    unsigned to_count;
    unsigned to_next;
    int fd; /* of the connection that is being made; -1: none */
    struct event event;
    struct timer patience;
    struct loop_call failed; /* an attempt that fails in dial_start() is told of afterwards */
    enum rc why;
    struct conn *conn; /* of the last attempt: only ever compared */
    bool is_busy;
    bool is_told_soon; /* `failed` is posted */
    bool is_freed;     /* while it is */
};

static void lookup_free(struct lookup *lookup)
{
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    mem_free(lookup->host);
    mem_free(lookup);
}

static void look_up_wt(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
    int runs = LOOKUP_RUNS;

    lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
    if (lookup->error != 0) /* numbers alone need no configured interface of their family */
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (lookup->error != 0 && getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found) == 0)
        lookup->error = 0;
    if (atomic_compare_exchange_strong(&lookup->state, &runs, LOOKUP_DONE))
        loop_post(lookup->loop, &lookup->done);
    else
        lookup_free(lookup);
}

/* ---- the end of an attempt ---- */

static void fail(struct dial *dial, enum rc why, const char *what)
{
    dial->is_busy = false;
    dial->on_failed(dial->context, why, what);
}

static void on_failed_soon(void *arg)
{
    struct dial *dial = arg;

    dial->is_told_soon = false;
    if (dial->is_freed)
        mem_free(dial);
    else
        fail(dial, dial->why, "connect");
}

/* The one of an earlier attempt may still be saying its last words. */
void dial_conn_gone(struct dial *dial, const struct conn *conn, enum rc why)
{
    if (dial->is_busy && dial->conn == conn)
        fail(dial, why, dial->listener->config.tls == NULL ? "open" : "tls");
}

/* ---- connecting ---- */

static void stop_connecting(struct dial *dial)
{
    timer_stop(&dial->patience);
    if (dial->fd < 0)
        return;
    (void)event_del(&dial->event);
    (void)close(dial->fd);
    dial->fd = -1;
}

static void set_int(int fd, int level, int option, int value)
{
    /* Each of these betters the service; none is needed for it. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_options(const struct dial *dial, int fd, sa_family_t family)
{
    if (family == AF_UNIX)
        return;
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, dial->keepalive_idle_s);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, dial->keepalive_interval_s);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, dial->keepalive_probes);
    if (dial->user_timeout_ms > 0)
        set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, dial->user_timeout_ms);
}

static void on_connected(evutil_socket_t fd, short what, void *arg);

static enum rc connect_one(struct dial *dial, const struct sockaddr_storage *to, socklen_t len)
{
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return rc_of_errno(errno);
    set_options(dial, fd, to->ss_family);
    if ((dial->from_len > 0 && dial->from.ss_family == to->ss_family &&
         bind(fd, (const struct sockaddr *)&dial->from, dial->from_len) != 0) ||
        (connect(fd, (const struct sockaddr *)to, len) != 0 && errno != EINPROGRESS)) {
        (void)close(fd);
        return RC_CLOSED;
    }
    dial->fd = fd;
    (void)event_assign(&dial->event, dial->loop->base, fd, EV_WRITE, on_connected, dial);
    (void)event_add(&dial->event, NULL);
    timer_start(&dial->patience, DIAL_CONNECT_MS);
    return RC_OK;
}

/* Tries addresses until one takes time, or none is left. */
static enum rc connect_next(struct dial *dial)
{
    enum rc rc = RC_NOT_FOUND;

    while (dial->to_next < dial->to_count) {
        unsigned i = dial->to_next++;

        rc = connect_one(dial, &dial->to[i], dial->to_len[i]);
        if (rc == RC_OK)
            break;
    }
    return rc;
}

static void go_on_or_fail(struct dial *dial, enum rc why)
{
    stop_connecting(dial);
    if (connect_next(dial) != RC_OK)
        fail(dial, why, "connect");
}

static void on_patience(void *arg)
{
    go_on_or_fail(arg, RC_TIMEOUT);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    struct dial *dial = arg;
    const struct sockaddr_storage *to = &dial->to[dial->to_next - 1];
    socklen_t len = sizeof(int);
    int error = 0;

    (void)what;
    loop_begin(dial->loop);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        go_on_or_fail(dial, RC_CLOSED);
        return;
    }
    (void)event_del(&dial->event);
    timer_stop(&dial->patience);
    dial->fd = -1; /* the connection's */
    count_add(COUNT_NET_DIALLED, 1);
    dial->conn = conn_open(dial->listener, fd, to);
    if (dial->conn->opening != OPENING_DONE)
        opening_go_on(dial->conn);
}

void dial_conn_opened(struct dial *dial)
{
    dial->is_busy = false;
}

/* ---- from a name to addresses ---- */

static void take_addresses(struct dial *dial, const struct lookup *lookup)
{
    dial->to_count = dial->to_next = 0;
    for (const struct addrinfo *a = lookup->found; a != NULL && dial->to_count < DIAL_ADDRESSES_MAX;
         a = a->ai_next) {
        memcpy(&dial->to[dial->to_count], a->ai_addr, a->ai_addrlen);
        dial->to_len[dial->to_count++] = a->ai_addrlen;
    }
    if (lookup->error != 0)
        log_peer(LOG_NOTICE, "net.name_not_found", "dial=%s host=%s why=\"%s\"",
                 dial->listener->config.name, log_quote(lookup->host, strlen(lookup->host)),
                 gai_strerror(lookup->error));
}

static void on_looked_up(void *arg)
{
    struct lookup *lookup = arg;
    struct dial *dial = lookup->dial;

    if (dial != NULL) {
        thread_join(&lookup->thread);
        dial->lookup = NULL;
        take_addresses(dial, lookup);
    }
    lookup_free(lookup);
    if (dial == NULL)
        return;
    if (dial->to_count == 0)
        fail(dial, RC_NOT_FOUND, "name");
    else if (connect_next(dial) != RC_OK)
        fail(dial, RC_CLOSED, "connect");
}

static enum rc start_lookup(struct dial *dial, const char *host, uint16_t port)
{
    struct lookup *lookup = mem_new(struct lookup);
    enum rc rc;

    lookup->loop = dial->loop;
    lookup->done = (struct loop_call){ .call = on_looked_up, .arg = lookup };
    lookup->dial = dial;
    lookup->host = mem_copy_text(slice_str(host));
    (void)snprintf(lookup->port, sizeof(lookup->port), "%u", port);
    rc = thread_start(&lookup->thread, "tercet-lookup", look_up_wt, lookup);
    if (rc != RC_OK) {
        lookup_free(lookup);
        return RC_SYSTEM;
    }
    dial->lookup = lookup;
    return RC_OK;
}

/* A thread that still asks is left to itself: it may take as long as name servers do. */
static void stop_lookup(struct dial *dial)
{
    struct lookup *lookup = dial->lookup;
    struct thread thread;
    int runs = LOOKUP_RUNS;

    dial->lookup = NULL;
    if (lookup == NULL)
        return;
    thread = lookup->thread; /* once abandoned it may be gone at any time */
    if (atomic_compare_exchange_strong(&lookup->state, &runs, LOOKUP_ABANDONED)) {
        thread_detach(&thread);
        return;
    }
    thread_join(&thread);
    lookup->dial = NULL; /* its call is posted, and frees it */
}

static enum rc start_unix(struct dial *dial, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&dial->to[0];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(un->sun_path))
        return RC_INVALID;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    dial->to_len[0] = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    dial->to_count = 1;
    dial->to_next = 0;
    dial->why = connect_next(dial);
    if (dial->why == RC_OK)
        return RC_OK;
    dial->is_told_soon = true;
    loop_post(dial->loop, &dial->failed);
    return RC_OK;
}

/* ---- life ---- */

static enum rc parse_from(struct dial *dial, const char *address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&dial->from;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&dial->from;

    if (address == NULL)
        return RC_OK;
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        dial->from_len = sizeof(*in);
        return RC_OK;
    }
    if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        dial->from_len = sizeof(*in6);
        return RC_OK;
    }
    return RC_INVALID;
}

static int or_else(unsigned number, int otherwise)
{
    return number == 0 || number > INT_MAX ? otherwise : (int)number;
}

enum rc dial_new(struct loop *loop, const struct dial_config *config, struct dial **ret)
{
    struct dial *dial = mem_new(struct dial);
    struct listener_config as_listener = { .name = config->name,
                                           .tls = config->tls,
                                           .protocol = config->protocol,
                                           .context = config->context };

    if (parse_from(dial, config->bind_address) != RC_OK) {
        mem_free(dial);
        return RC_INVALID;
    }
    dial->loop = loop;
    dial->fd = -1;
    dial->on_failed = config->on_failed;
    dial->context = config->context;
    dial->keepalive_idle_s = or_else(config->keepalive_idle_s, KEEPALIVE_IDLE_S);
    dial->keepalive_interval_s = or_else(config->keepalive_interval_s, KEEPALIVE_INTERVAL_S);
    dial->keepalive_probes = or_else(config->keepalive_probes, KEEPALIVE_PROBES);
    dial->user_timeout_ms = or_else(config->user_timeout_ms, 0);
    dial->failed = (struct loop_call){ .call = on_failed_soon, .arg = dial };
    dial->listener = listener_of_dial(loop, &as_listener, dial);
    timer_init(&dial->patience, loop, on_patience, dial);
    *ret = dial;
    return RC_OK;
}

void dial_free(struct dial **ref)
{
    struct dial *dial = *ref;

    *ref = NULL;
    if (dial == NULL)
        return;
    stop_lookup(dial);
    stop_connecting(dial);
    timer_done(&dial->patience);
    dial->listener->dial = NULL;
    LIST_EACH (k, &dial->loop->conns) {
        struct conn *conn = CONTAINER_OF(k, struct conn, all);

        if (conn->listener == dial->listener)
            conn_close(conn, RC_CLOSED);
    }
    listener_close(&dial->listener);
    dial->is_freed = true;
    if (!dial->is_told_soon)
        mem_free(dial);
}

enum rc dial_start(struct dial *dial, const char *host, uint16_t port)
{
    enum rc rc;

    ASSERT(!dial->is_busy);
    if (dial->loop->is_shutting)
        return RC_CLOSED;
    listener_set_host(dial->listener, host);
    if (slice_starts(slice_str(host), SLICE(UNIX_PREFIX)))
        rc = start_unix(dial, host + sizeof(UNIX_PREFIX) - 1);
    else
        rc = start_lookup(dial, host, port);
    dial->is_busy = rc == RC_OK;
    return rc;
}

bool dial_is_busy(const struct dial *dial)
{
    return dial->is_busy;
}
