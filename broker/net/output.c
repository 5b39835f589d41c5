/* SPDX-License-Identifier: Apache-2.0 */
/* Output of a connection: a chain of pieces, each a run of bytes in a chunk (copied output) or in a
 * block that log, cache and other connections share (long bodies). Chunks and pieces come from the
 * loop's free lists, so that a busy connection costs no malloc in a turn. The chain goes to the
 * kernel once a turn; only when the kernel is full is the socket's writability asked for. */
#include "broker/base/counters.h"
#include "broker/net/net_int.h"

/* ---- pools ---- */

static struct chunk *chunk_new(struct loop *loop, size_t room)
{
    struct chunk **from = room == CHUNK_SMALL_BYTES   ? &loop->small_free
                          : room == CHUNK_LARGE_BYTES ? &loop->large_free
                                                      : NULL;
    struct chunk *chunk;

    if (from != NULL && *from != NULL) {
        chunk = *from;
        *from = chunk->next;
        if (room == CHUNK_SMALL_BYTES)
            loop->small_count--;
        else
            loop->large_count--;
    } else {
        chunk = mem_try(sizeof(*chunk) + room);
        if (chunk == NULL)
            return NULL;
        chunk->at = (uint8_t *)(chunk + 1);
        chunk->room = room;
    }
    chunk->next = NULL;
    chunk->used = 0;
    chunk->refs = 1;
    return chunk;
}

static void chunk_keep(struct chunk **list, unsigned *count, struct chunk *chunk)
{
    chunk->next = *list;
    *list = chunk;
    ++*count;
}

static void chunk_unref(struct loop *loop, struct chunk **c)
{
    struct chunk *chunk = *c;

    *c = NULL;
    if (chunk == NULL || --chunk->refs > 0)
        return;
    if (chunk->room == CHUNK_SMALL_BYTES && loop->small_count < CHUNKS_SMALL_KEPT)
        chunk_keep(&loop->small_free, &loop->small_count, chunk);
    else if (chunk->room == CHUNK_LARGE_BYTES && loop->large_count < CHUNKS_LARGE_KEPT)
        chunk_keep(&loop->large_free, &loop->large_count, chunk);
    else
        mem_free(chunk);
}

static struct piece *piece_new(struct loop *loop)
{
    struct piece *piece = loop->piece_free;

    if (piece == NULL) {
        piece = mem_try(sizeof(*piece));
        if (piece == NULL)
            return NULL;
    } else {
        loop->piece_free = piece->next;
        loop->piece_count--;
    }
    *piece = (struct piece){ 0 };
    return piece;
}

static void piece_free(struct loop *loop, struct piece *piece)
{
    chunk_unref(loop, &piece->chunk);
    block_unref(&piece->block);
    if (loop->piece_count >= PIECES_KEPT) {
        mem_free(piece);
        return;
    }
    piece->next = loop->piece_free;
    loop->piece_free = piece;
    loop->piece_count++;
}

static void free_chunks(struct chunk *chunk)
{
    while (chunk != NULL) {
        struct chunk *next = chunk->next;

        mem_free(chunk);
        chunk = next;
    }
}

void output_free_pools(struct loop *loop)
{
    free_chunks(loop->large_free);
    free_chunks(loop->small_free);
    while (loop->piece_free != NULL) {
        struct piece *piece = loop->piece_free;

        loop->piece_free = piece->next;
        mem_free(piece);
    }
}

void output_done(struct conn *conn)
{
    struct output *out = &conn->output;

    while (out->first != NULL) {
        struct piece *piece = out->first;

        out->first = piece->next;
        piece_free(conn->loop, piece);
    }
    chunk_unref(conn->loop, &out->filling);
    *out = (struct output){ 0 };
}

/* ---- gathering ---- */

/* Output is of use: in a handshake there is no session, and after the end nobody sends it. */
static bool is_taken(const struct conn *conn)
{
    return conn->state == CONN_OPEN || conn->state == CONN_FINISHING;
}

static void link_piece(struct output *out, struct piece *piece)
{
    if (out->first == NULL)
        out->first = piece;
    else
        out->last->next = piece;
    out->last = piece;
}

/* The bytes just added count, and are sent at the end of the turn, or now when they are many. */
static void gathered(struct conn *conn, size_t n)
{
    size_t early = conn->is_output_lent ? OUTPUT_EARLY_LENT_BYTES : OUTPUT_EARLY_BYTES;

    conn->output.bytes += n;
    conn->is_output_fresh = true;
    loop_add_work(conn->loop, conn);
    if (conn->output.bytes >= early && !conn->is_write_armed)
        output_send(conn);
    if (conn->output.bytes <= OUTPUT_HIGH_BYTES || conn->is_full)
        return;
    conn->is_full = true;
    conn_pause(conn, CONN_PAUSE_OUTPUT);
}

/* A chunk with `n` contiguous bytes free, which is now the one being filled. */
static struct chunk *chunk_with(struct conn *conn, size_t n)
{
    struct output *out = &conn->output;
    size_t room = n > CHUNK_LARGE_BYTES ? n : CHUNK_LARGE_BYTES;

    if (out->filling != NULL && out->filling->room - out->filling->used >= n)
        return out->filling;
    if (out->filling == NULL && n <= CHUNK_SMALL_BYTES && !conn->is_output_bulky)
        room = CHUNK_SMALL_BYTES;
    chunk_unref(conn->loop, &out->filling);
    out->filling = chunk_new(conn->loop, room);
    return out->filling;
}

uint8_t *conn_reserve(struct conn *conn, size_t n)
{
    struct chunk *chunk;

    ASSERT(n <= CONN_RESERVE_MAX);
    if (!is_taken(conn))
        return conn->loop->sink;
    chunk = chunk_with(conn, n);
    if (chunk == NULL) {
        conn_close(conn, RC_MEMORY);
        return conn->loop->sink;
    }
    return chunk->at + chunk->used;
}

void conn_commit(struct conn *conn, size_t n)
{
    struct output *out = &conn->output;
    struct chunk *chunk = out->filling;
    struct piece *last = out->last;

    if (!is_taken(conn))
        return;
    if (n == 0) {
        if (out->bytes == 0)
            chunk_unref(conn->loop, &out->filling);
        return;
    }
    ASSERT(chunk != NULL && n <= chunk->room - chunk->used);
    if (out->first == NULL || last->chunk != chunk ||
        last->at + last->len != chunk->at + chunk->used) {
        last = piece_new(conn->loop);
        if (last == NULL) {
            conn_close(conn, RC_MEMORY);
            return;
        }
        last->at = chunk->at + chunk->used;
        last->chunk = chunk;
        chunk->refs++;
        link_piece(out, last);
    }
    last->len += n;
    chunk->used += n;
    gathered(conn, n);
}

void conn_write(struct conn *conn, struct slice bytes)
{
    while (bytes.len > 0) {
        size_t n = bytes.len < CONN_RESERVE_MAX ? bytes.len : CONN_RESERVE_MAX;

        memcpy(conn_reserve(conn, n), bytes.at, n);
        conn_commit(conn, n);
        bytes = slice_after(bytes, n);
    }
}

void conn_write_block(struct conn *conn, struct block *block, struct slice bytes)
{
    struct piece *piece;

    if (bytes.len < OUTPUT_BORROW_MIN_BYTES) {
        conn_write(conn, bytes);
        return;
    }
    if (!is_taken(conn))
        return;
    piece = piece_new(conn->loop);
    if (piece == NULL) {
        conn_close(conn, RC_MEMORY);
        return;
    }
    piece->at = (uint8_t *)(uintptr_t)bytes.at; /* an iovec is not const; it is only read */
    piece->len = bytes.len;
    piece->block = block_ref(block);
    link_piece(&conn->output, piece);
    conn->is_output_lent = true;
    gathered(conn, bytes.len);
}

size_t conn_output_bytes(const struct conn *conn)
{
    return conn->output.bytes;
}

bool conn_is_full(const struct conn *conn)
{
    return conn->is_full;
}

/* ---- sending ---- */

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    (void)fd;
    (void)what;
    loop_begin(conn->loop);
    if (conn->state == CONN_HANDSHAKE) {
        opening_go_on(conn);
        return;
    }
    output_arm(conn, false);
    conn->is_output_fresh = true;
    output_send(conn);
}

void output_arm(struct conn *conn, bool is_on)
{
    struct conn_extra *extra;

    if (conn->is_write_armed == is_on)
        return;
    extra = conn_extra(conn);
    if (extra->write_event == NULL) {
        extra->write_event =
            event_new(conn->loop->base, conn->fd, EV_WRITE | EV_PERSIST, on_writable, conn);
        if (extra->write_event == NULL) {
            conn_close(conn, RC_MEMORY);
            return;
        }
    }
    conn->is_write_armed = is_on;
    if (is_on)
        (void)event_add(extra->write_event, NULL);
    else
        (void)event_del(extra->write_event);
}

static void sent(struct conn *conn, size_t n)
{
    struct output *out = &conn->output;

    if (n == 0)
        return;
    out->bytes -= n;
    count_add(COUNT_NET_BYTES_OUT, (int64_t)n);
    conn->last_output_ns = conn->loop->now_ns;
    while (n > 0) {
        struct piece *piece = out->first;

        if (n < piece->len) {
            piece->at += n;
            piece->len -= n;
            return;
        }
        n -= piece->len;
        out->first = piece->next;
        piece_free(conn->loop, piece);
    }
    if (out->first != NULL)
        return;
    out->last = NULL;
    conn->is_output_lent = false;
    chunk_unref(conn->loop, &out->filling);
}

/* Under the low mark: the connection's own reading goes on, and the session hears of it at the end
 * of the turn (never from here, which may be inside one of its calls). */
static void look_at_marks(struct conn *conn)
{
    if (!conn->is_full || conn->output.bytes >= OUTPUT_LOW_BYTES)
        return;
    conn->is_full = false;
    conn->is_drained_due = true;
    conn_resume(conn, CONN_PAUSE_OUTPUT);
    loop_add_work(conn->loop, conn);
}

size_t output_gather(const struct output *out, size_t limit, struct iovec *pieces, int *count)
{
    size_t bytes = 0;

    for (const struct piece *p = out->first; p != NULL && *count < OUTPUT_IOVECS && bytes < limit;
         p = p->next) {
        size_t len = p->len < limit - bytes ? p->len : limit - bytes;

        pieces[(*count)++] = (struct iovec){ p->at, len };
        bytes += len;
    }
    return bytes;
}

/* Returns what is true of the kernel afterwards: RC_OK takes more, RC_AGAIN is full. */
static enum rc send_bounded(struct conn *conn)
{
    size_t budget = OUTPUT_TURN_BYTES;
    enum rc rc = RC_OK;

    while (rc == RC_OK && carrier_has_output(conn) && budget > 0) {
        size_t n = 0;

        rc = carrier_write(conn, &n);
        sent(conn, n);
        budget -= n < budget ? n : budget;
    }
    return rc;
}

static bool is_held(const struct conn *conn)
{
    return conn->is_held && conn->state == CONN_OPEN;
}

void conn_hold(struct conn *conn)
{
    conn->is_held = true;
}

void conn_release(struct conn *conn)
{
    conn->is_held = false;
    if (conn->is_output_fresh)
        loop_add_work(conn->loop, conn);
}

void output_send(struct conn *conn)
{
    enum rc rc;

    if (!conn->is_output_fresh || conn->is_write_armed || is_held(conn) || !is_taken(conn))
        return;
    conn->is_output_fresh = false;
    conn->is_output_bulky = conn->output.bytes > CHUNK_SMALL_BYTES;
    rc = send_bounded(conn);
    if (rc == RC_CLOSED) {
        conn_close(conn, RC_CLOSED);
        return;
    }
    if (rc == RC_AGAIN)
        output_arm(conn, true);
    look_at_marks(conn);
    if (carrier_has_output(conn) && rc == RC_OK)
        conn->is_output_fresh = true; /* its share of this turn is used: more in the next */
    if (conn->is_output_fresh || conn->state == CONN_FINISHING)
        loop_add_work(conn->loop, conn);
}
