/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/amqp/amqp_session.h"

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "protocols/amqp/amqp_int.h"

#define SESSION_MAGIC 0x416d7170u

static const struct state_row {
    const char *name; /* as RabbitMQ's texts have it */
    unsigned may_follow;
} states[STATE_COUNT] = {
    [STATE_HEADER] = { "starting", 0 },
    [STATE_START] = { "starting", IN(HEADER) },
    [STATE_TUNE] = { "tuning", IN(START) },
    [STATE_OPEN] = { "opening", IN(TUNE) },
    [STATE_RUNNING] = { "running", IN(OPEN) },
    [STATE_CLOSING] = { "closing", IN(START) | IN(TUNE) | IN(OPEN) | IN(RUNNING) },
    [STATE_DEAF] = { "closed",
                     IN(HEADER) | IN(START) | IN(TUNE) | IN(OPEN) | IN(RUNNING) | IN(CLOSING) },
};

void amqp_enter(struct amqp_session *s, enum amqp_state state)
{
    ASSERT((states[state].may_follow & 1u << s->state) != 0);
    s->state = state;
}

const char *amqp_state_name(const struct amqp_session *s)
{
    return states[s->state].name;
}

struct amqp_session *amqp_session_of(void *arg)
{
    struct amqp_session *s = arg;

    ASSERT(s->magic == SESSION_MAGIC);
    return s;
}

/* ---- input ---- */

/* "AMQP" and a version: 0-9-1, or 0-9 as it was first spelled. Anything else is told what we speak
 * and let go. */
static size_t on_protocol_header(struct amqp_session *s, struct slice in)
{
    static const uint8_t ours[] = { 'A', 'M', 'Q', 'P', 0, 0, 9, 1 };
    static const uint8_t older[] = { 'A', 'M', 'Q', 'P', 1, 1, 0, 9 };
    struct slice header = slice_of(in.at, in.len < sizeof(ours) ? in.len : sizeof(ours));

    if (slice_equal(header, slice_of(ours, sizeof(ours))) ||
        slice_equal(header, slice_of(older, sizeof(older)))) {
        amqp_enter(s, STATE_START);
        amqp_send_start(s);
        return sizeof(ours);
    }
    if (slice_starts(slice_of(ours, sizeof(ours)), header) ||
        slice_starts(slice_of(older, sizeof(older)), header))
        return 0; /* so far so good */
    log_peer(LOG_NOTICE, "amqp.not-amqp", "conn=%llu peer=%s first=%s",
             (unsigned long long)conn_id(s->conn), conn_peer(s->conn),
             in.len > 0 && in.at[0] == 0x16 ? "tls" : log_quote(header.at, header.len));
    count_add(COUNT_AMQP_CONNECTION_ERRORS, 1);
    conn_write(s->conn, slice_of(ours, sizeof(ours)));
    amqp_enter(s, STATE_DEAF);
    conn_finish(s->conn, RC_PROTOCOL);
    return in.len;
}

size_t amqp_session_input(struct amqp_session *s, struct slice in)
{
    size_t used = 0;

    if (s->state == STATE_HEADER) {
        used = on_protocol_header(s, in);
        if (s->state != STATE_START)
            return used;
    }
    if (s->state == STATE_DEAF)
        return in.len;
    used += amqp_on_frames(s, slice_after(in, used));
    amqp_confirm_ask(s);
    count_add(COUNT_AMQP_FRAMES_IN, (int64_t)s->frames_in);
    count_add(COUNT_AMQP_FRAMES_OUT, (int64_t)s->frames_out);
    s->frames_in = s->frames_out = 0;
    return used;
}

/* ---- time ---- */

static void send_heartbeat(struct amqp_session *s)
{
    struct wr w = wr_of(conn_reserve(s->conn, AMQP_FRAME_OVERHEAD), AMQP_FRAME_OVERHEAD);

    amqp_put_frame_head(&w, AMQP_FRAME_HEARTBEAT, 0, 0);
    wr_u8(&w, AMQP_FRAME_END);
    conn_commit(s->conn, w.len);
    s->frames_out++;
}

/* Twice an interval: say that we live, and see whether the peer does. Three silent intervals, less
 * a quarter for the clock's grain, are too many; a peer we do not read cannot be heard. */
static void on_heartbeat_time(struct amqp_session *s)
{
    uint64_t now = loop_now_ns(conn_loop(s->conn));
    uint64_t interval = (uint64_t)s->heartbeat * 1000000000u;

    if (!s->is_held && now - conn_last_input_ns(s->conn) >= interval * 3 - interval / 4) {
        log_peer(LOG_NOTICE, "amqp.heartbeat-missed", "conn=%llu peer=%s heartbeat_s=%u",
                 (unsigned long long)conn_id(s->conn), conn_peer(s->conn), s->heartbeat);
        conn_close(s->conn, RC_TIMEOUT);
        return;
    }
    if (now - conn_last_output_ns(s->conn) >= interval / 2 - interval / 8)
        send_heartbeat(s);
    timer_start(&s->timer, (uint64_t)s->heartbeat * 500);
}

static void on_time(void *arg)
{
    struct amqp_session *s = amqp_session_of(arg);

    if (s->state == STATE_RUNNING) {
        on_heartbeat_time(s);
        return;
    }
    if (s->state < STATE_RUNNING)
        log_peer(LOG_NOTICE, "amqp.handshake-timeout", "conn=%llu peer=%s",
                 (unsigned long long)conn_id(s->conn), conn_peer(s->conn));
    conn_close(s->conn, RC_TIMEOUT);
}

/* ---- what core says ---- */

static void on_pressure(void *arg, enum pressure pressure)
{
    struct amqp_session *s = amqp_session_of(arg);

    s->pressure = pressure;
    if (pressure == PRESSURE_STALLED && s->can_take_blocked && !s->is_blocked &&
        s->state == STATE_RUNNING) {
        struct amqp_method m = { .name = AMQP_CONNECTION_BLOCKED };

        m.connection_blocked.reason = core_stall(s->core) == RC_FULL     ? SLICE("low on disk")
                                      : core_stall(s->core) == RC_MEMORY ? SLICE("low on memory")
                                                                         : SLICE("the store fails");
        amqp_send(s, 0, &m);
        s->is_blocked = true;
    }
    if (pressure != PRESSURE_NONE)
        return;
    if (s->is_blocked && s->state == STATE_RUNNING)
        amqp_send_empty(s, 0, AMQP_CONNECTION_UNBLOCKED);
    s->is_blocked = false;
    if (s->is_held) {
        s->is_held = false;
        conn_resume(s->conn, CONN_PAUSE_STORE);
    }
}

/* RabbitMQ's words for a user that is deleted. */
static void on_revoked(void *session)
{
    struct amqp_session *s = session;
    enum rc rc = amqp_refuse(s, AMQP_REPLY_CONNECTION_FORCED, "user '%.*s' is deleted",
                             SLICE_FMT(client_principal(s->client)->name));

    amqp_fail(s, NULL, rc, 0, 0);
}

/* RabbitMQ's words for a node that is to be emptied. */
static bool on_drain(void *session)
{
    struct amqp_session *s = session;
    enum rc rc;

    if (s->state != STATE_RUNNING)
        return false; /* its connection.open will be refused */
    rc = amqp_refuse(s, AMQP_REPLY_CONNECTION_FORCED, AMQP_DRAIN_TEXT);
    amqp_fail(s, NULL, rc, 0, 0);
    return true;
}

static const char *origin(void *session)
{
    const struct amqp_session *s = session;

    return conn_origin(s->conn);
}

static const struct client_ops ops = {
    .protocol = "amqp",
    .origin = origin,
    .on_durable = amqp_on_durable,
    .on_durable_end = amqp_on_durable_end,
    .on_queue_delivery = amqp_on_queue_delivery,
    .on_consumer_cancelled = amqp_on_consumer_cancelled,
    .on_pressure = on_pressure,
    .on_login = amqp_on_login,
    .on_revoked = on_revoked,
    .on_drain = on_drain,
};

/* ---- life ---- */

struct amqp_session *amqp_session_new(struct core *core, struct conn *conn)
{
    struct amqp_session *s = mem_new(struct amqp_session);

    s->magic = SESSION_MAGIC;
    s->core = core;
    s->conn = conn;
    s->frame_max = AMQP_FRAME_MAX_INITIAL;
    s->client = client_open(core, &ops, s, conn_is_loopback(conn));
    client_enter(s->client, conn_listener_name(conn), conn_certificate_name(conn));
    map_init(&s->channels);
    list_init(&s->await);
    list_init(&s->durable);
    ring_init(&s->awaits, sizeof(struct amqp_await));
    amqp_view_init(&s->view);
    timer_init(&s->timer, conn_loop(conn), on_time, s);
    timer_start(&s->timer, AMQP_HANDSHAKE_MS);
    return s;
}

/* Its connection ends: what was outstanding core gives back with all that the client held. */
static void drop_channel(struct amqp_channel *channel)
{
    if (!channel->is_closing)
        amqp_channel_stop(channel);
    unacked_forget(&channel->unacked);
    amqp_tx_forget(&channel->tx);
    while (!list_is_empty(&channel->ended))
        amqp_consumer_free(LIST_FIRST(&channel->ended, struct amqp_consumer, blocked_link));
    amqp_channel_free(channel);
}

void amqp_release(struct amqp_session *s)
{
    struct map_node *node;

    if (s->client == NULL)
        return;
    amqp_settle_stop(s);
    while ((node = map_any(&s->channels)) != NULL)
        drop_channel(CONTAINER_OF(node, struct amqp_channel, node));
    client_close(&s->client);
    if (s->is_held) { /* what waits behind is for nobody now */
        s->is_held = false;
        conn_resume(s->conn, CONN_PAUSE_STORE);
    }
    if (s->get_pending > 0) {
        s->get_pending = 0;
        conn_resume(s->conn, CONN_PAUSE_BUSY);
    }
}

void amqp_session_free(struct amqp_session **session)
{
    struct amqp_session *s = *session;

    *session = NULL;
    if (s == NULL)
        return;
    amqp_release(s);
    timer_done(&s->timer);
    map_done(&s->channels);
    ring_done(&s->awaits);
    amqp_view_done(&s->view);
    text_done(&s->scratch);
    text_done(&s->name);
    text_done(&s->refusal_text);
    text_done(&s->late);
    count_add(COUNT_AMQP_FRAMES_OUT, (int64_t)s->frames_out);
    s->magic = 0;
    mem_free(s);
}

void amqp_session_drained(struct amqp_session *s)
{
    MAP_EACH (node, &s->channels)
        amqp_channel_wake(CONTAINER_OF(node, struct amqp_channel, node));
}

void amqp_session_shutdown(struct amqp_session *s)
{
    if (s->state > STATE_HEADER && s->state < STATE_CLOSING) {
        (void)amqp_refuse(s, AMQP_REPLY_CONNECTION_FORCED,
                          "broker forced connection closure with reason 'shutdown'");
        amqp_fail(s, NULL, RC_CLOSED, 0, 0);
    }
    conn_finish(s->conn, RC_CLOSED);
}
