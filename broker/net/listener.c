/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/net/net_int.h"
#include "broker/net/networks.h"

/* Accepted at one wake-up, so that a flood of connections leaves the others their share. */
#define ACCEPT_BUDGET 64
/* With no file descriptor left, accepting rests this long, or until a connection goes. */
#define ACCEPT_RETRY_MS 500
/* Connections leave so many descriptors to the store, whose files come and go; a process that may
 * open only a few has none to reserve. */
#define SPARE_DESCRIPTORS     64
#define SPARE_DESCRIPTORS_MIN 256
/* A peer that vanished is noticed by TCP's own probes, for protocols whose keep-alive is off. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_PROBES     4

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

/* ---- where ---- */

static enum rc parse_unix(const char *path, union address *ret, socklen_t *ret_len)
{
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(ret->un.sun_path))
        return RC_INVALID;
    ret->un.sun_family = AF_UNIX;
    memcpy(ret->un.sun_path, path, len + 1);
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return RC_OK;
}

static enum rc parse_address(const struct listener_config *config, union address *ret,
                             socklen_t *ret_len)
{
    memset(ret, 0, sizeof(*ret));
    if (slice_starts(slice_str(config->address), SLICE("unix:")))
        return parse_unix(config->address + strlen("unix:"), ret, ret_len);
    if (inet_pton(AF_INET, config->address, &ret->in.sin_addr) == 1) {
        ret->in.sin_family = AF_INET;
        ret->in.sin_port = htons(config->port);
        *ret_len = sizeof(ret->in);
        return RC_OK;
    }
    if (inet_pton(AF_INET6, config->address, &ret->in6.sin6_addr) == 1) {
        ret->in6.sin6_family = AF_INET6;
        ret->in6.sin6_port = htons(config->port);
        *ret_len = sizeof(ret->in6);
        return RC_OK;
    }
    return RC_INVALID;
}

static bool is_wildcard(const union address *address)
{
    if (address->any.sa_family == AF_INET)
        return address->in.sin_addr.s_addr == htonl(INADDR_ANY);
    return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

static enum rc rc_of_bind(int error)
{
    switch (error) {
    case EADDRINUSE:
        return RC_IN_USE;
    case EACCES:
    case EPERM:
    case EROFS:
        return RC_REFUSED;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EINVAL:
    case ENOENT:
    case ENOTDIR:
        return RC_INVALID;
    default:
        return RC_SYSTEM;
    }
}

/* ---- binding ---- */

static void set_int(int fd, int level, int option, int value)
{
    /* Each of these betters the service; none is needed for it. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* Linux hands these down to the accepted sockets: no calls for each connection. */
static void set_tcp_options(int fd, sa_family_t family)
{
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    if (family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

/* A socket file that nobody listens on is what an unclean stop left. */
static enum rc remove_stale(const struct sockaddr_un *un, socklen_t len)
{
    struct stat st;
    enum rc rc = RC_IN_USE;
    int fd;

    if (lstat(un->sun_path, &st) != 0)
        return RC_OK;
    if (!S_ISSOCK(st.st_mode))
        return RC_INVALID;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return RC_SYSTEM;
    if (connect(fd, (const struct sockaddr *)un, len) != 0 && errno == ECONNREFUSED)
        rc = unlink(un->sun_path) == 0 ? RC_OK : RC_REFUSED;
    (void)close(fd);
    return rc;
}

static enum rc bind_socket(struct listener *l, const union address *address, socklen_t len)
{
    sa_family_t family = address->any.sa_family;
    enum rc rc;

    l->is_unix = family == AF_UNIX;
    l->is_any = is_wildcard(address);
    if (l->is_unix) {
        rc = remove_stale(&address->un, len);
        if (rc != RC_OK)
            return rc;
    }
    l->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return rc_of_bind(errno);
    if (!l->is_unix)
        set_tcp_options(l->fd, family);
    if (bind(l->fd, &address->any, len) != 0)
        return rc_of_bind(errno);
    l->is_bound = true;
    if (l->is_unix && l->config.socket_mode != 0 &&
        chmod(address->un.sun_path, l->config.socket_mode) != 0)
        return RC_REFUSED; /* before anybody can connect */
    if (listen(l->fd, SOMAXCONN) != 0)
        return rc_of_bind(errno);
    return RC_OK;
}

static void learn_port(struct listener *l)
{
    union address address;
    socklen_t len = sizeof(address);

    if (l->is_unix || getsockname(l->fd, &address.any, &len) != 0)
        return;
    l->port = ntohs(address.any.sa_family == AF_INET ? address.in.sin_port : address.in6.sin6_port);
}

/* ---- accepting ---- */

static void rest(struct listener *l, uint64_t ms)
{
    (void)event_del(&l->event);
    l->is_paused = true;
    timer_start(&l->retry, ms);
}

static void rest_for_descriptors(struct listener *l)
{
    log_peer(LOG_WARNING, "net.no-descriptors", "listener=%s connections=%u", l->config.name,
             l->connections);
    rest(l, ACCEPT_RETRY_MS);
}

/* Who waits in the backlog is not refused: the kernel has taken the connection already. */
static void pace(struct listener *l)
{
    uint64_t wait_ns = rate_take(&l->accepts, 1, loop_now_ns(l->loop));

    if (wait_ns == 0)
        return;
    count_add(COUNT_NET_ACCEPT_PAUSES, 1);
    l->is_pacing = true;
    rest(l, (wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void go_on(struct listener *l)
{
    if (!l->is_paused || l->is_closed)
        return;
    l->is_paused = false;
    timer_stop(&l->retry);
    (void)event_add(&l->event, NULL);
}

static void on_retry(void *arg)
{
    struct listener *l = arg;

    l->is_pacing = false;
    go_on(l);
}

static void refuse(struct listener *l, int fd, const char *why)
{
    (void)close(fd);
    count_add(COUNT_NET_REFUSED, 1);
    log_peer(LOG_WARNING, "net.refused", "listener=%s connections=%u why=%s", l->config.name,
             l->connections, why);
}

static int descriptor_max(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < SPARE_DESCRIPTORS_MIN ||
        files.rlim_cur > INT_MAX)
        return INT_MAX;
    return (int)files.rlim_cur - SPARE_DESCRIPTORS - 1;
}

/* False when there is no more to accept now. */
static bool accept_one(struct listener *l)
{
    union address peer;
    socklen_t len = sizeof(peer);
    int fd = accept4(l->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            rest_for_descriptors(l);
        /* The rest is trouble of that one connection, which is gone; or nobody is there. */
        return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }
    if (l->config.max_connections > 0 && l->connections >= l->config.max_connections) {
        refuse(l, fd, "max_connections");
        return true;
    }
    if (l->loop->accepted_max > 0 && l->loop->accepted >= l->loop->accepted_max) {
        refuse(l, fd, "connections_max");
        return true;
    }
    if (fd > l->descriptor_max) {
        refuse(l, fd, "descriptors");
        return true;
    }
    if (!opening_is_welcome(l, &peer.storage)) {
        count_add(COUNT_NET_PROXY_REFUSED, 1);
        refuse(l, fd, "proxy_peers");
        return true;
    }
    count_add(COUNT_NET_ACCEPTED, 1);
    (void)conn_open(l, fd, &peer.storage); /* it is its own owner */
    pace(l);
    return !l->is_paused;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)fd;
    (void)what;
    loop_begin(l->loop);
    for (unsigned i = 0; i < ACCEPT_BUDGET && !l->is_closed; i++)
        if (!accept_one(l))
            return;
}

/* ---- life ---- */

static void listener_free(struct listener *l)
{
    timer_done(&l->retry);
    link_remove_if(&l->all);
    networks_free(&l->proxies);
    mem_free((void *)(uintptr_t)l->config.name);
    mem_free((void *)(uintptr_t)l->config.address);
    mem_free(l);
}

static void stop_listening(struct listener *l)
{
    if (l->fd < 0)
        return;
    if (event_initialized(&l->event))
        (void)event_del(&l->event);
    (void)close(l->fd);
    l->fd = -1;
    if (l->is_unix && l->is_bound)
        (void)unlink(l->config.address + strlen("unix:"));
}

enum rc listener_open(struct loop *loop, const struct listener_config *config,
                      struct listener **ret)
{
    struct listener *l = mem_new(struct listener);
    union address address;
    socklen_t len = 0;
    enum rc rc;

    l->loop = loop;
    l->fd = -1;
    l->descriptor_max = descriptor_max();
    l->config = *config;
    l->config.name = mem_copy_text(slice_str(config->name));
    l->config.address = mem_copy_text(slice_str(config->address));
    l->port = config->port;
    l->accepts.per_s = config->accepts_per_s;
    timer_init(&l->retry, loop, on_retry, l);
    rc = config->is_proxied ? networks_new(config->proxy_peers, &l->proxies) : RC_OK;
    if (rc != RC_OK)
        goto out;
    rc = parse_address(config, &address, &len);
    if (rc != RC_OK)
        goto out;
    rc = bind_socket(l, &address, len);
    if (rc != RC_OK)
        goto out;
    learn_port(l);
    (void)event_assign(&l->event, loop->base, l->fd, EV_READ | EV_PERSIST, on_acceptable, l);
    if (event_add(&l->event, NULL) != 0) {
        rc = RC_SYSTEM;
        goto out;
    }
    list_append(&loop->listeners, &l->all);
    *ret = l;
    l = NULL; /* given */
out:
    if (l != NULL) {
        stop_listening(l);
        listener_free(l);
    }
    return rc;
}

struct listener *listener_of_dial(struct loop *loop, const struct listener_config *config,
                                  struct dial *dial)
{
    struct listener *l = mem_new(struct listener);

    l->loop = loop;
    l->dial = dial;
    l->fd = -1;
    l->is_any = true; /* what the kernel chose is to be asked */
    l->config = *config;
    l->config.name = mem_copy_text(slice_str(config->name));
    l->config.address = mem_copy_text(SLICE(""));
    timer_init(&l->retry, loop, on_retry, l);
    return l;
}

void listener_set_host(struct listener *listener, const char *host)
{
    ASSERT(listener->dial != NULL);
    mem_free((void *)(uintptr_t)listener->config.address);
    listener->config.address = mem_copy_text(slice_str(host));
}

void listener_close(struct listener **listener)
{
    struct listener *l = *listener;

    *listener = NULL;
    if (l == NULL)
        return;
    stop_listening(l);
    timer_stop(&l->retry);
    l->is_closed = true;
    if (l->connections == 0)
        listener_free(l);
}

void net_limit_connections(struct loop *loop, unsigned max)
{
    loop->accepted_max = max;
}

void net_watch_logins(struct loop *loop, const struct net_logins *logins)
{
    loop->logins = *logins;
}

void listener_lost(struct listener *listener)
{
    struct loop *loop = listener->loop;

    ASSERT(listener->connections > 0);
    listener->connections--;
    loop->accepted -= listener->dial == NULL;
    LIST_EACH (k, &loop->listeners) {
        struct listener *other = CONTAINER_OF(k, struct listener, all);

        if (!other->is_pacing)
            go_on(other); /* a descriptor is free for any of them */
    }
    if (listener->is_closed && listener->connections == 0)
        listener_free(listener);
    shutdown_look(loop);
}

/* Its shared key does not hold any more. */
static void end_revoked(struct conn *conn)
{
    const struct protocol *protocol = conn->listener->config.protocol;

    if (conn_is_closing(conn))
        return;
    count_add(COUNT_NET_PSK_REVOKED, 1);
    log_event(LOG_NOTICE, "tls.revoked", "conn=%llu peer=%s why=\"its shared key is gone\"",
              (unsigned long long)conn->id, conn_peer(conn));
    if (conn->state == CONN_OPEN && protocol->on_revoked != NULL)
        protocol->on_revoked(conn->session);
    else
        conn_close(conn, RC_REFUSED);
}

void listener_set_tls(struct listener *listener, struct tls *tls)
{
    ASSERT(listener->config.tls != NULL && tls != NULL);
    listener->config.tls = tls;
    LIST_EACH (k, &listener->loop->conns) {
        struct conn *conn = CONTAINER_OF(k, struct conn, all);

        if (conn->listener == listener && conn->tls != NULL && !tls_psk_holds(conn->tls, tls))
            end_revoked(conn);
    }
}

const char *listener_name(const struct listener *listener)
{
    return listener->config.name;
}

const char *listener_address(const struct listener *listener)
{
    return listener->config.address;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

bool listener_is_tls(const struct listener *listener)
{
    return listener->config.tls != NULL && !listener->config.is_tls_optional;
}

bool listener_takes_tls(const struct listener *listener)
{
    return listener->config.tls != NULL;
}

bool listener_is_websocket(const struct listener *listener)
{
    return listener->config.websocket == WEBSOCKET_ONLY;
}

const struct protocol *listener_protocol(const struct listener *listener)
{
    return listener->config.protocol;
}

struct listener *listener_next(struct loop *loop, struct listener *after)
{
    struct link *next = after == NULL ? loop->listeners.head.next : after->all.next;

    while (next != &loop->listeners.head && CONTAINER_OF(next, struct listener, all)->is_closed)
        next = next->next;
    return next == &loop->listeners.head ? NULL : CONTAINER_OF(next, struct listener, all);
}
