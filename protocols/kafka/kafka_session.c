/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_session.h"

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/drain.h"
#include "broker/net/conn.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_messages.h"
#include "protocols/kafka/kafka_sasl.h"

#define SIZE_FIELD_BYTES 4

struct kafka_session {
    struct kafka *kafka;   /* borrowed: outlives every connection */
    struct conn *conn;     /* borrowed from net until on_closed */
    struct client *client; /* owned */
    struct list requests;  /* in order of coming; answers leave in this order */
    unsigned request_count;
    uint64_t next_number;
    struct timer timer; /* runs while an answer that has a deadline waits for the disk */
    bool is_paused;     /* it has as many waiting requests as it may */
    bool is_reading;    /* inside kafka_session_input() */
    bool is_backlogged;
    bool is_leaving; /* it is sent elsewhere: nothing more is read */
    struct kafka_sasl sasl;
};
/* Clients keep one connection to each broker they have heard of, most of them idle. */
_Static_assert(sizeof(struct kafka_session) <= 160, "an idle session");

/* ---- requests ---- */

static struct kafka_request *request_new(struct kafka_session *s)
{
    struct kafka *kafka = s->kafka;
    struct kafka_request *request = LIST_FIRST(&kafka->spare, struct kafka_request, link);

    if (request != NULL) {
        link_remove(&request->link);
        kafka->spare_count--;
    } else {
        request = mem_new(struct kafka_request);
        kafka_arena_init(&request->arena);
    }
    request->session = s;
    request->kafka = kafka;
    request->client = s->client;
    request->conn = s->conn;
    request->number = s->next_number++;
    list_append(&s->requests, &request->link);
    s->request_count++;
    return request;
}

static void request_free(struct kafka_request *request)
{
    kafka_arena_done(&request->arena);
    mem_free(request);
}

/* Goes to the spare ones of all connections, so that one that is idle keeps nothing. */
static void request_done(struct kafka_request *request)
{
    struct kafka_session *s = request->session;
    struct kafka *kafka = s->kafka;
    struct kafka_arena arena;

    if (request->on_done != NULL)
        request->on_done(request);
    if (kafka->scratch.room > KAFKA_SCRATCH_KEPT_BYTES)
        text_done(&kafka->scratch);
    link_remove(&request->link);
    s->request_count--;
    if (kafka->spare_count >= KAFKA_SPARE_MAX) {
        request_free(request);
        return;
    }
    kafka_arena_clear(&request->arena);
    arena = request->arena;
    *request = (struct kafka_request){ .arena = arena };
    list_prepend(&kafka->spare, &request->link);
    kafka->spare_count++;
}

void kafka_session_free_spare(struct kafka *kafka)
{
    struct kafka_request *request;

    while ((request = LIST_FIRST(&kafka->spare, struct kafka_request, link)) != NULL) {
        link_remove(&request->link);
        request_free(request);
    }
}

/* ---- answers ---- */

void *kafka_response(struct kafka_request *request)
{
    const struct kafka_type *type = request->message->response;

    if (request->response == NULL)
        request->response = kafka_array(&request->arena, type, 1);
    return request->response;
}

static void write_cuts(struct conn *conn, struct slice head, const struct kafka_encoder *e)
{
    size_t from = 0;

    for (unsigned i = 0; i < e->cut_count; i++) {
        const struct kafka_cut *cut = &e->cuts[i];
        const struct kafka_pieces *pieces = cut->field->source;

        conn_write(conn, slice_of(head.at + from, cut->at - from));
        from = cut->at;
        for (unsigned k = 0; k < pieces->count; k++)
            conn_write_block(conn, pieces->at[k].block, pieces->at[k].bytes);
    }
    conn_write(conn, slice_after(head, from));
}

void kafka_encode_answer(struct kafka_encoder *e, const struct kafka_request *request,
                         size_t frame_bytes)
{
    /* ApiVersions answers keep the first form of the header, so that any client can read them. */
    bool is_flexible_header = request->is_flexible && request->header.key != KAFKA_API_VERSIONS;

    wr_i32(&e->w, (int32_t)frame_bytes);
    kafka_encode_header(e, request->header.correlation_id, is_flexible_header);
    kafka_encode(e, request->message->response, request->header.version, request->is_flexible,
                 request->response);
}

/* False when it cannot be encoded: the connection ends. */
static bool send_answer(struct kafka_request *request)
{
    struct kafka_session *s = request->session;
    struct kafka_encoder count = { .w = wr_counting() }, e = { 0 };
    size_t frame_bytes;

    if (request->is_silent)
        return true;
    if (request->arena.bad || request->response == NULL)
        return false;
    if (request->write_answer != NULL)
        return request->write_answer(request);
    kafka_encode_answer(&count, request, 0);
    frame_bytes = count.w.len - SIZE_FIELD_BYTES + count.elsewhere_bytes;
    if (count.w.bad || frame_bytes > INT32_MAX)
        return false;
    if (count.cut_count == 0 && count.w.len <= CONN_RESERVE_MAX) {
        e.w = wr_of(conn_reserve(s->conn, count.w.len), count.w.len);
        kafka_encode_answer(&e, request, frame_bytes);
        conn_commit(s->conn, e.w.len);
        return !e.w.bad;
    }
    text_clear(&s->kafka->scratch);
    e.cuts = kafka_arena_take(&request->arena, count.cut_count * sizeof(*e.cuts));
    e.cut_room = count.cut_count;
    if (e.cuts == NULL || !text_reserve(&s->kafka->scratch, count.w.len))
        return false;
    e.w = wr_of(s->kafka->scratch.at, count.w.len);
    kafka_encode_answer(&e, request, frame_bytes);
    write_cuts(s->conn, wr_slice(&e.w), &e);
    return !e.w.bad;
}

static bool is_blocked(const struct kafka_session *s)
{
    const struct kafka_request *last = LIST_LAST(&s->requests, struct kafka_request, link);

    if (conn_is_full(s->conn) || s->request_count >= KAFKA_PIPELINE_MAX)
        return true;
    return s->is_leaving || s->sasl.is_waiting || (last != NULL && last->progress == KAFKA_RUNNING);
}

static void set_paused(struct kafka_session *s)
{
    bool wanted = is_blocked(s);

    if (wanted == s->is_paused)
        return;
    s->is_paused = wanted;
    if (wanted)
        conn_pause(s->conn, CONN_PAUSE_BUSY);
    else
        conn_resume(s->conn, CONN_PAUSE_BUSY);
}

/* What was done is answered first; what only waits (for records, or a group) is not waited for. */
static void leave_when_done(struct kafka_session *s)
{
    if (!s->is_leaving || conn_is_closing(s->conn))
        return;
    LIST_EACH (link, &s->requests) {
        if (CONTAINER_OF(link, struct kafka_request, link)->progress == KAFKA_AWAITED)
            return;
    }
    conn_finish(s->conn, RC_CLOSED);
}

/* Sends what is answered and has nothing unanswered before it. */
static void flush_answers(struct kafka_session *s)
{
    struct kafka_request *request;

    while ((request = LIST_FIRST(&s->requests, struct kafka_request, link)) != NULL &&
           request->progress == KAFKA_ANSWERED && !conn_is_closing(s->conn)) {
        if (!send_answer(request)) {
            kafka_refuse(request, RC_LIMIT, "the answer is too large");
            return;
        }
        request_done(request);
    }
    leave_when_done(s);
    if (!s->is_reading)
        set_paused(s);
}

void kafka_answer(struct kafka_request *request)
{
    ASSERT(request->progress != KAFKA_ANSWERED);
    request->progress = KAFKA_ANSWERED;
    request->on_cancel = NULL;
    flush_answers(request->session);
}

/* Deadlines are seconds away and seldom met: one timer looks at the requests it finds then. */
static void set_timer(struct kafka_session *s)
{
    uint64_t first_ns = UINT64_MAX, now_ns = loop_now_ns(s->kafka->loop);

    LIST_EACH (link, &s->requests) {
        const struct kafka_request *request = CONTAINER_OF(link, struct kafka_request, link);

        if (request->progress == KAFKA_AWAITED && request->deadline_ns != 0 &&
            request->deadline_ns < first_ns)
            first_ns = request->deadline_ns;
    }
    if (first_ns != UINT64_MAX)
        timer_start(&s->timer, first_ns <= now_ns ? 0 : (first_ns - now_ns) / NS_PER_MS + 1);
}

static void on_time(void *arg)
{
    struct kafka_session *s = arg;
    uint64_t now_ns = loop_now_ns(s->kafka->loop);

    LIST_EACH (link, &s->requests) {
        struct kafka_request *request = CONTAINER_OF(link, struct kafka_request, link);

        if (request->progress == KAFKA_AWAITED && request->deadline_ns != 0 &&
            request->deadline_ns <= now_ns) {
            request->on_timeout(request);
            request->progress = KAFKA_ANSWERED;
        }
    }
    flush_answers(s);
    set_timer(s);
}

void kafka_answer_durable(struct kafka_request *request)
{
    struct kafka_session *s = request->session;

    request->progress = KAFKA_AWAITED;
    request->on_cancel = NULL;
    if (request->deadline_ns != 0 && !timer_is_running(&s->timer))
        set_timer(s);
    client_await(request->client, request->number);
    if (!s->is_reading)
        set_paused(s);
}

void kafka_refuse(struct kafka_request *request, enum rc why, const char *what)
{
    struct kafka_session *s = request->session;

    count_add(COUNT_KAFKA_MALFORMED, 1);
    log_peer(LOG_NOTICE, "kafka.refused", "conn=%llu peer=%s api=%d version=%d rc=%s why=\"%s\"",
             (unsigned long long)conn_id(s->conn), conn_peer(s->conn), request->header.key,
             request->header.version, rc_word(why), what);
    conn_close(s->conn, why);
}

static void on_durable(void *session, uint64_t token, enum rc rc)
{
    struct kafka_session *s = session;

    LIST_EACH (link, &s->requests) {
        struct kafka_request *request = CONTAINER_OF(link, struct kafka_request, link);

        if (request->number != token)
            continue;
        if (rc == RC_OK)
            request->progress = KAFKA_ANSWERED;
        else
            kafka_refuse(request, rc, "the store lost what was put");
        return;
    }
}

static void on_durable_end(void *session)
{
    flush_answers(session);
}

static void on_pressure(void *session, enum pressure pressure)
{
    struct kafka_session *s = session;
    /* While the store is stalled requests are read, so that producers hear of it. */
    bool wanted = pressure == PRESSURE_BACKLOG;

    if (wanted == s->is_backlogged)
        return;
    s->is_backlogged = wanted;
    if (wanted)
        conn_pause(s->conn, CONN_PAUSE_STORE);
    else
        conn_resume(s->conn, CONN_PAUSE_STORE);
}

static void on_login(void *session, enum rc rc)
{
    struct kafka_session *s = session;

    kafka_sasl_on_login(&s->sasl, rc);
    if (!conn_is_closing(s->conn))
        set_paused(s);
}

static void on_revoked(void *session)
{
    struct kafka_session *s = session;

    conn_close(s->conn, RC_REFUSED);
}

static bool on_drain(void *session)
{
    struct kafka_session *s = session;

    if (s->is_leaving || conn_is_closing(s->conn))
        return false;
    s->is_leaving = true;
    leave_when_done(s);
    if (!conn_is_closing(s->conn))
        set_paused(s);
    return true;
}

struct kafka_sasl *kafka_sasl_of(struct kafka_request *request)
{
    return &request->session->sasl;
}

static const char *origin(void *session)
{
    const struct kafka_session *s = session;

    return conn_origin(s->conn);
}

static const struct client_ops ops = {
    .protocol = "kafka",
    .origin = origin,
    .on_durable = on_durable,
    .on_durable_end = on_durable_end,
    .on_pressure = on_pressure,
    .on_login = on_login,
    .on_revoked = on_revoked,
    .on_drain = on_drain,
};

/* ---- input ---- */

static const struct kafka_rule *rule_of(int16_t key)
{
    for (unsigned i = 0; i < kafka_rule_count; i++) {
        if (kafka_rules[i].key == key)
            return &kafka_rules[i];
    }
    return NULL;
}

/* A version of ApiVersions that we do not know is answered in the form of version 0, whose list
 * tells the client what to ask for (KIP-511). */
static void answer_unknown_api_versions(struct kafka_request *request)
{
    request->header.version = 0;
    request->is_flexible = false;
    kafka_on_api_versions(request, NULL);
}

static void handle(struct kafka_request *request, const struct kafka_rule *rule, struct rd *r)
{
    void *body = kafka_arena_take(&request->arena, request->message->request->size);
    enum rc rc;

    if (kafka_decode_header_rest(r, request->is_flexible, &request->header) != RC_OK) {
        kafka_refuse(request, RC_MALFORMED, "bad header");
        return;
    }
    rc = body == NULL ? RC_LIMIT
                      : kafka_decode(request->message->request, request->header.version,
                                     request->is_flexible, r, &request->arena, body);
    if (rc != RC_OK) {
        kafka_refuse(request, rc, "bad body");
        return;
    }
    doing(request->message->name);
    rule->handle(request, body);
}

/* While the broker drains who comes is told where to go, if that is known, and served nothing. */
static bool is_served(const struct kafka_session *s, int16_t key)
{
    return core_draining(s->kafka->core) == NULL || kafka_sasl_allows_stranger(key) ||
           key == KAFKA_METADATA || key == KAFKA_FIND_COORDINATOR || key == KAFKA_DESCRIBE_CLUSTER;
}

static void on_frame(struct kafka_session *s, struct slice frame)
{
    struct kafka_request *request = request_new(s);
    const struct kafka_rule *rule;
    struct rd r = rd_of(frame);

    count_add(COUNT_KAFKA_REQUESTS, 1);
    if (kafka_decode_header_start(&r, &request->header) != RC_OK) {
        kafka_refuse(request, RC_MALFORMED, "no header");
        return;
    }
    if (!kafka_sasl_allows(&s->sasl, request->header.key)) {
        kafka_refuse(request, RC_AUTH, "not logged in");
        return;
    }
    if (!is_served(s, request->header.key)) {
        conn_finish(s->conn, RC_CLOSED);
        return;
    }
    rule = rule_of(request->header.key);
    if (rule == NULL) {
        kafka_refuse(request, RC_UNSUPPORTED, "unknown api");
        return;
    }
    request->message = kafka_message_of(request->header.key);
    if (request->header.version < rule->served_min || request->header.version > rule->max) {
        if (request->header.key == KAFKA_API_VERSIONS)
            answer_unknown_api_versions(request);
        else
            kafka_refuse(request, RC_VERSION, "unknown version");
        return;
    }
    request->is_flexible = kafka_is_flexible(request->message, request->header.version);
    if (rule->is_copied) {
        r = rd_of(kafka_arena_copy(&request->arena, slice_of(r.at, r.left)));
        if (request->arena.bad) {
            kafka_refuse(request, RC_LIMIT, "request too large for its kind");
            return;
        }
    }
    handle(request, rule, &r);
}

static uint32_t least_bytes(const struct kafka_session *s)
{
    return s->sasl.is_raw ? 0 : KAFKA_HEADER_LEAST_BYTES;
}

/* Strangers have little to say. */
static uint32_t most_bytes(const struct kafka_session *s)
{
    return s->sasl.is_in ? (uint32_t)KAFKA_FRAME_MAX_BYTES : KAFKA_STRANGER_MAX_BYTES;
}

size_t kafka_session_input(void *session, struct slice in)
{
    struct kafka_session *s = session;
    size_t used = 0;

    s->is_reading = true;
    conn_expect(s->conn, 0);
    while (!conn_is_closing(s->conn) && !is_blocked(s)) {
        struct rd r = rd_of(slice_after(in, used));
        uint32_t frame_bytes = rd_u32(&r);

        if (r.bad)
            break;
        if (frame_bytes < least_bytes(s) || frame_bytes > most_bytes(s)) {
            count_add(COUNT_KAFKA_MALFORMED, 1);
            log_peer(LOG_NOTICE, "kafka.refused", "conn=%llu peer=%s rc=malformed frame_bytes=%u",
                     (unsigned long long)conn_id(s->conn), conn_peer(s->conn), frame_bytes);
            conn_close(s->conn, RC_MALFORMED);
            break;
        }
        if (frame_bytes > r.left) {
            conn_expect(s->conn, SIZE_FIELD_BYTES + (size_t)frame_bytes);
            break;
        }
        used += SIZE_FIELD_BYTES + (size_t)frame_bytes;
        if (s->sasl.is_raw)
            kafka_sasl_raw(&s->sasl, slice_of(r.at, frame_bytes));
        else
            on_frame(s, slice_of(r.at, frame_bytes));
    }
    s->is_reading = false;
    if (!conn_is_closing(s->conn))
        set_paused(s);
    return used;
}

/* ---- life ---- */

enum rc kafka_session_open(void *context, struct conn *conn, void **ret_session)
{
    const struct kafka *kafka = context;
    const struct drain *drain = core_draining(kafka->core);
    struct kafka_session *s;
    enum rc rc;

    if (drain != NULL && drain->node_host.len == 0)
        return RC_CLOSED; /* there is nothing to tell it */
    s = mem_new(struct kafka_session);
    s->kafka = context;
    s->conn = conn;
    list_init(&s->requests);
    timer_init(&s->timer, s->kafka->loop, on_time, s);
    s->client = client_open(s->kafka->core, &ops, s, conn_is_loopback(conn));
    client_enter(s->client, conn_listener_name(conn), conn_certificate_name(conn));
    rc = kafka_sasl_init(&s->sasl, s->client, conn);
    if (rc != RC_OK) {
        kafka_session_closed(s, rc);
        return rc;
    }
    *ret_session = s;
    return RC_OK;
}

void kafka_session_drained(void *session)
{
    set_paused(session);
}

void kafka_session_closed(void *session, enum rc why)
{
    struct kafka_session *s = session;
    struct kafka_request *request;

    (void)why; /* net has logged it */
    while ((request = LIST_FIRST(&s->requests, struct kafka_request, link)) != NULL) {
        if (request->on_cancel != NULL)
            request->on_cancel(request);
        request_done(request);
    }
    timer_done(&s->timer);
    kafka_sasl_done(&s->sasl);
    client_close(&s->client);
    mem_free(s);
}

/* Kafka has no goodbye: what is answered is sent, clients find another connection. */
void kafka_session_shutdown(void *session)
{
    struct kafka_session *s = session;

    conn_finish(s->conn, RC_CLOSED);
}
