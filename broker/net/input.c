/* SPDX-License-Identifier: Apache-2.0 */
/* Reading. All connections of a loop read into one large buffer; what a session leaves unread of it
 * is copied to a small one of the connection, which goes when it is empty. Only a frame larger than
 * INPUT_COPY_MAX_BYTES is read into memory of its own. An idle connection holds no buffer. */
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/net/net_int.h"

#define INPUT_ROUND_BYTES ((size_t)256)

void input_done(struct conn *conn)
{
    MEM_FREE(conn->input);
}

/* Room for `n` bytes behind the unread ones, which move to the front. NULL: there is none. */
static struct input *make_room(struct conn *conn, size_t n)
{
    struct input *in = conn->input;
    size_t len = input_unread(conn).len;
    size_t room = (sizeof(*in) + len + n + INPUT_ROUND_BYTES - 1) & ~(INPUT_ROUND_BYTES - 1);

    if (in != NULL && in->start > 0) {
        memmove(in->at, in->at + in->start, len);
        in->start = 0;
    }
    if (in != NULL && room <= in->room)
        return in;
    in = mem_try_resize(in, room);
    if (in == NULL)
        return NULL;
    *in = (struct input){ .len = len, .room = room };
    conn->input = in;
    return in;
}

static void refuse_memory(struct conn *conn)
{
    log_peer(LOG_WARNING, "net.no-memory", "conn=%llu peer=%s", (unsigned long long)conn->id,
             conn_peer(conn));
    conn_close(conn, RC_MEMORY);
}

void input_keep(struct conn *conn, struct slice rest)
{
    struct input *in = conn->input;

    if (rest.len == 0) {
        input_done(conn);
        return;
    }
    if (in != NULL)
        in->start = in->len = 0;
    in = make_room(conn, rest.len);
    if (in == NULL) {
        refuse_memory(conn);
        return;
    }
    memcpy(in->at, rest.at, rest.len);
    in->len = rest.len;
}

/* Calls the session unless it waits for more or has paused. Returns the bytes used. */
static size_t call_session(struct conn *conn, struct slice in, bool *ret_was_called)
{
    size_t used;

    *ret_was_called = false;
    if (conn->state != CONN_OPEN || conn->paused != 0 || in.len < conn->expect_bytes)
        return 0;
    conn->expect_bytes = 0;
    *ret_was_called = true;
    used = conn->listener->config.protocol->on_input(conn->session, in);
    ASSERT(used <= in.len);
    conn->loop->input_count++;
    conn->loop->input_bytes += used;
    return used;
}

/* The frame timeout runs while something unread waits for its rest. */
static void watch(struct conn *conn, size_t came, size_t used)
{
    if (conn->state != CONN_OPEN)
        return;
    if (conn->input == NULL) {
        conn_wait_over(conn);
        return;
    }
    conn->wait_bytes += (uint32_t)came;
    if (!link_is_linked(&conn->waiting) || used > 0 || conn->wait_bytes >= INPUT_PROGRESS_BYTES)
        conn_wait(conn);
}

bool input_give(struct conn *conn)
{
    struct input *in = conn->input;
    bool was_called = false;
    size_t used = 0;

    if (in != NULL) {
        used = call_session(conn, input_unread(conn), &was_called);
        if (conn->state != CONN_OPEN)
            return was_called;
        in->start += used;
        in->len -= used;
        if (in->len == 0)
            input_done(conn);
        watch(conn, 0, used);
    }
    if (conn->input == NULL)
        conn_wait_over(conn);
    if (conn->paused == 0 && carrier_has_pending(conn)) {
        input_on_readable(conn->fd, EV_READ, conn);
        was_called = true;
    }
    return was_called;
}

/* One read takes at most a buffer full; what TLS has decrypted beyond it no poll tells. */
static void look_inside(struct conn *conn)
{
    if (conn->state != CONN_OPEN || !carrier_has_pending(conn))
        return;
    conn->is_resumed = true;
    loop_add_work(conn->loop, conn);
}

static void on_end(struct conn *conn)
{
    const struct websocket *ws = conn_websocket(conn);

    if (conn->state == CONN_OPEN && ws != NULL && ws->is_over) {
        /* its close is answered, or ours is sent; then the peer is to see the end of the socket */
        conn_finish(conn, ws->peer_code == 0 ? RC_PROTOCOL : RC_CLOSED);
        return;
    }
    conn->is_input_over = true;
    conn_set_reading(conn, false);
    if (conn->state == CONN_OPEN && conn->output.bytes > 0)
        conn_finish(conn, RC_CLOSED); /* a peer that has said all may still want its answers */
    else if (conn->state != CONN_FINISHING)
        conn_close(conn, RC_CLOSED);
}

static void count_input(struct conn *conn, size_t n)
{
    conn->last_input_ns = conn->loop->now_ns;
    count_add(COUNT_NET_BYTES_IN, (int64_t)n);
}

/* A large frame: behind what there is of it, in the connection's own memory, which at most doubles
 * with what has come and ends where the frame ends. */
static void read_own(struct conn *conn)
{
    size_t before = input_unread(conn).len;
    size_t want = before + LOOP_INPUT_BYTES / 2;
    struct input *in;
    bool was_called;
    size_t n = 0;
    size_t used;
    enum rc rc;

    if (conn->expect_bytes > before && conn->expect_bytes - before < want)
        want = conn->expect_bytes - before;
    in = make_room(conn, want);
    if (in == NULL) {
        refuse_memory(conn);
        return;
    }
    rc = carrier_read(conn, in->at + in->len, want, &n);
    if (rc == RC_AGAIN)
        return;
    if (rc != RC_OK) {
        on_end(conn);
        return;
    }
    count_input(conn, n);
    in->len += n;
    used = call_session(conn, slice_of(in->at, in->len), &was_called);
    if (conn->state != CONN_OPEN)
        return;
    in->start = used;
    in->len -= used;
    if (in->len == 0)
        input_done(conn);
    watch(conn, n, used);
}

static void read_shared(struct conn *conn)
{
    uint8_t *at = conn->loop->input;
    size_t before = input_unread(conn).len;
    bool was_called;
    size_t n = 0;
    size_t used;
    enum rc rc;

    if (before > 0)
        memcpy(at, input_unread(conn).at, before);
    rc = carrier_read(conn, at + before, LOOP_INPUT_BYTES - before, &n);
    if (rc == RC_AGAIN)
        return;
    if (rc != RC_OK) {
        on_end(conn);
        return;
    }
    count_input(conn, n);
    used = call_session(conn, slice_of(at, before + n), &was_called);
    if (conn->state != CONN_OPEN)
        return;
    input_keep(conn, slice_of(at + used, before + n - used));
    watch(conn, n, used);
}

static void throw_away(struct conn *conn)
{
    size_t n = 0;
    enum rc rc = carrier_read(conn, conn->loop->input, LOOP_INPUT_BYTES, &n);

    if (rc == RC_OK)
        count_add(COUNT_NET_BYTES_IN, (int64_t)n);
    else if (rc != RC_AGAIN)
        on_end(conn);
}

void input_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    (void)fd;
    (void)what;
    loop_begin(conn->loop);
    switch (conn->state) {
    case CONN_HANDSHAKE:
        opening_go_on(conn);
        return;
    case CONN_OPEN:
        if (conn->paused != 0) {
            conn_set_reading(conn, false);
            if (!link_is_linked(&conn->waiting))
                conn_wait(conn); /* looks from time to time whether the peer is still there */
            return;
        }
        if (input_unread(conn).len > INPUT_COPY_MAX_BYTES)
            read_own(conn);
        else
            read_shared(conn);
        look_inside(conn);
        return;
    case CONN_FINISHING:
    case CONN_DRAINING:
        throw_away(conn);
        return;
    case CONN_CLOSED:
        return;
    }
}
