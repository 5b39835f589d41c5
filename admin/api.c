/* SPDX-License-Identifier: Apache-2.0 */
/* One request at a time on a connection: what comes behind it stays with net until it is answered.
 */
#include "admin/api_int.h"

#include <stdarg.h>
#include <string.h>

#include "admin/jot.h"
#include "broker/base/block.h"
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/doing.h"
#include "broker/base/log.h"
#include "broker/core/client.h"
#include "broker/core/core.h"
#include "broker/net/conn.h"

#define SESSION_MAGIC 0x61706973u
#define JSON_TYPE     "application/json"

static struct api_session *session_of(void *arg)
{
    struct api_session *s = arg;

    ASSERT(s->magic == SESSION_MAGIC);
    return s;
}

/* ---- answering ---- */

/* In one turn so much of an answer is given to the connection, and no more than it takes. */
#define SEND_TURN_BYTES ((size_t)1 << 20)

static void end_export(struct api_session *s)
{
    timer_stop(&s->step);
    if (s->is_exporting)
        definitions_export_done(&s->export);
    s->is_exporting = false;
}

static void end_body(struct api_session *s)
{
    text_done(&s->head);
    pieces_done(&s->received);
    s->body_left = 0;
}

static void end_request(struct api_session *s)
{
    end_export(s);
    end_body(s);
    text_done(&s->body); /* a listing may have been long */
    s->is_waiting = s->is_sending = false;
    s->was_told_to_go_on = false;
    s->allow = NULL;
    if (s->is_kept) {
        timer_start(&s->idle, API_IDLE_MS);
        conn_resume(s->conn, CONN_PAUSE_BUSY);
    } else {
        conn_finish(s->conn, RC_OK);
    }
}

static void free_body(void *arg, struct block *block)
{
    (void)arg;
    mem_free(block->at);
}

/* The bytes go as they are: a listing of everything is large. */
static void send_body(struct api_session *s)
{
    size_t len;
    uint8_t *at = text_take(&s->body, &len);
    struct block *block = at == NULL ? NULL : block_around(slice_of(at, len), free_body, NULL);

    if (block == NULL)
        return;
    conn_write_block(s->conn, block, block_slice(block));
    block_unref(&block);
}

/* Of an export what lies in pieces, then the body. */
static void send_some(struct api_session *s)
{
    struct block *block;
    struct slice bytes;
    size_t given = 0;

    s->is_sending = true;
    while (s->is_exporting && !s->is_head && given < SEND_TURN_BYTES && !conn_is_full(s->conn) &&
           (block = pieces_take(&s->export.told, &bytes)) != NULL) {
        conn_write_block(s->conn, block, bytes);
        block_unref(&block);
        given += bytes.len;
    }
    if (s->is_exporting && !s->is_head && s->export.told.bytes > 0) {
        if (!conn_is_full(s->conn)) /* else on_drained() comes */
            timer_start(&s->step, 0);
        return;
    }
    if (!s->is_head)
        send_body(s);
    end_request(s);
}

void api_answer_as(struct api_session *s, unsigned status, const char *type)
{
    struct http_answer answer = {
        .status = status, .type = type, .allow = s->allow, .is_kept = s->is_kept
    };
    struct text head = { 0 };

    if (s->body.bad) {
        end_export(s);
        text_clear(&s->body);
        answer.status = 503;
        jot_open(&s->body, NULL, '{');
        jot_string(&s->body, "error", rc_word(RC_MEMORY));
        jot_string(&s->body, "reason", "the answer does not fit into memory");
        jot_close(&s->body, '}');
    }
    answer.body_bytes = s->body.len + (s->is_exporting ? s->export.told.bytes : 0);
    http_encode(&head, &answer);
    conn_write(s->conn, text_slice(&head));
    text_done(&head);
    if (answer.status >= 400)
        count_add(COUNT_ADMIN_REFUSED, 1);
    send_some(s);
}

void api_answer(struct api_session *s, unsigned status)
{
    text_add_byte(&s->body, '\n');
    api_answer_as(s, status, JSON_TYPE);
}

void api_refuse(struct api_session *s, unsigned status, const char *word, const char *format, ...)
{
    struct text reason = { 0 };
    va_list list;

    end_export(s);
    va_start(list, format);
    text_format_list(&reason, format, list);
    va_end(list);
    text_clear(&s->body);
    jot_open(&s->body, NULL, '{');
    jot_string(&s->body, "error", word);
    jot_bytes(&s->body, "reason", text_slice(&reason));
    jot_close(&s->body, '}');
    text_done(&reason);
    api_answer(s, status);
}

void api_refuse_rc(struct api_session *s, enum rc rc, const char *what)
{
    unsigned status = rc == RC_REFUSED                           ? 403
                      : rc == RC_FULL                            ? 507
                      : rc == RC_MEMORY || rc == RC_IO           ? 503
                      : rc == RC_EXISTS || rc == RC_MISMATCH     ? 409
                      : rc == RC_IN_USE || rc == RC_LOCKED       ? 409
                      : rc == RC_INVALID || rc == RC_LIMIT       ? 400
                      : rc == RC_NOT_FOUND                       ? 404
                      : rc == RC_UNSUPPORTED || rc == RC_VERSION ? 501
                                                                 : 500;

    api_refuse(s, status, rc_word(rc), "%s", what);
}

/* ---- requests ---- */

/* A page of the web that a browser of this machine shows must not reach us: neither by a name that
 * was made to point here nor by a script. */
static bool is_host_local(struct slice host)
{
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct slice name = slice_str(names[i]);

        if (slice_starts(host, name) && (host.len == name.len || host.at[name.len] == ':'))
            return true;
    }
    return false;
}

static bool may_ask(struct api_session *s, const struct http_request *r,
                    const struct api_route *route)
{
    if (s->is_local)
        return true;
    if (!slice_is_none(http_header(r, "origin")) || !is_host_local(http_header(r, "host"))) {
        api_refuse(s, 403, "refused", "web pages may not ask here");
        return false;
    }
    if (route->is_change) {
        api_refuse(s, 403, "refused", "changes and backups are made over the Unix socket alone");
        return false;
    }
    return true;
}

static void tell_to_go_on(struct api_session *s, const struct http_request *r)
{
    if (!r->is_asking_first || s->was_told_to_go_on)
        return;
    conn_write(s->conn, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    s->was_told_to_go_on = true;
}

/* True when the whole request lies there. */
static bool has_body(struct api_session *s, const struct http_request *r, struct slice in)
{
    if (in.len - r->head_bytes >= r->body_bytes)
        return true;
    conn_expect(s->conn, r->head_bytes + (size_t)r->body_bytes);
    tell_to_go_on(s, r);
    return false;
}

/* All of it is there. */
static void handle(struct api_session *s, const struct http_request *r, struct slice body)
{
    const struct api_route *route;

    timer_stop(&s->idle);
    s->is_waiting = true;
    conn_expect(s->conn, 0);
    conn_pause(s->conn, CONN_PAUSE_BUSY);
    count_add(COUNT_ADMIN_REQUESTS, 1);
    route = api_route_of(s, r);
    if (route == NULL || !may_ask(s, r, route))
        return;
    doing(route->path);
    if (s->received.bytes > 0 && !route->is_long)
        api_refuse(s, 413, "too-large", "the body of this request has at most %llu bytes",
                   (unsigned long long)API_BODY_WHOLE_BYTES);
    else
        route->handle(s, r, body);
}

/* The next part of a long body; gives how many bytes it used. */
static size_t take_part(struct api_session *s, struct slice in)
{
    size_t n = in.len < s->body_left ? in.len : (size_t)s->body_left;
    struct http_request r;
    enum rc rc;

    timer_start(&s->idle, API_IDLE_MS);
    if (!pieces_add(&s->received, slice_of(in.at, n))) {
        s->is_kept = false;
        api_refuse_rc(s, RC_MEMORY, "the body does not fit into memory");
        return in.len;
    }
    s->body_left -= n;
    if (s->body_left > 0)
        return n;
    rc = http_decode(text_slice(&s->head), &r);
    ASSERT(rc == RC_OK); /* as before */
    handle(s, &r, SLICE_NONE);
    return n;
}

/* The head is kept as it came, for what was read of it points into it. */
static size_t begin_parts(struct api_session *s, const struct http_request *r, struct slice in)
{
    text_add(&s->head, slice_of(in.at, r->head_bytes));
    if (s->head.bad) {
        s->is_kept = false;
        api_refuse_rc(s, RC_MEMORY, "there is no memory for the request");
        return in.len;
    }
    s->body_left = r->body_bytes;
    conn_expect(s->conn, 0);
    if (in.len == r->head_bytes)
        tell_to_go_on(s, r);
    return r->head_bytes + take_part(s, slice_after(in, r->head_bytes));
}

static size_t fail(struct api_session *s, struct slice in, enum rc rc)
{
    unsigned status = rc == RC_TOO_LARGE     ? 431
                      : rc == RC_UNSUPPORTED ? 501
                      : rc == RC_VERSION     ? 505
                                             : 400;

    log_peer(LOG_INFO, "admin.malformed", "conn=%llu rc=%s", (unsigned long long)conn_id(s->conn),
             rc_word(rc));
    count_add(COUNT_ADMIN_REQUESTS, 1);
    s->is_kept = s->is_head = false;
    api_refuse(s, status, rc_word(rc), "%s", http_status_text(status));
    return in.len;
}

/* Gives how many bytes it used; 0: more are needed. */
static size_t take_request(struct api_session *s, struct slice in)
{
    struct http_request r;
    enum rc rc;

    if (s->body_left > 0)
        return take_part(s, in);
    rc = http_decode(in, &r);
    if (rc == RC_AGAIN)
        return 0;
    if (rc != RC_OK)
        return fail(s, in, rc);
    s->is_kept = r.is_kept;
    s->is_head = r.method == HTTP_HEAD;
    if (r.body_bytes > API_BODY_MAX_BYTES) {
        s->is_kept = false;
        api_refuse(s, 413, "too-large", "a request's body has at most %llu bytes",
                   (unsigned long long)API_BODY_MAX_BYTES);
        return in.len;
    }
    if (r.body_bytes > API_BODY_WHOLE_BYTES)
        return begin_parts(s, &r, in);
    if (!has_body(s, &r, in))
        return 0;
    handle(s, &r, slice_of(in.at + r.head_bytes, (size_t)r.body_bytes));
    return r.head_bytes + (size_t)r.body_bytes;
}

/* ---- door 1 ---- */

static void on_idle(void *arg)
{
    struct api_session *s = session_of(arg);

    conn_finish(s->conn, RC_TIMEOUT);
}

static void on_step(void *arg)
{
    struct api_session *s = session_of(arg);

    if (s->is_sending)
        send_some(s);
    else
        api_export_step(s);
}

static void on_drained(void *session)
{
    struct api_session *s = session_of(session);

    if (s->is_sending)
        send_some(s);
}

static enum rc on_open(void *context, struct conn *conn, void **ret_session)
{
    struct api_session *s = mem_new(struct api_session);

    s->magic = SESSION_MAGIC;
    s->api = context;
    s->conn = conn;
    s->number = ++s->api->last_session;
    s->is_local = strcmp(conn_peer(conn), "unix") == 0;
    timer_init(&s->idle, conn_loop(conn), on_idle, s);
    timer_init(&s->step, conn_loop(conn), on_step, s);
    pieces_init(&s->received);
    timer_start(&s->idle, API_IDLE_MS);
    list_append(&s->api->sessions, &s->link);
    *ret_session = s;
    return RC_OK;
}

/* One request a turn; what lies behind it is given again at the end of the turn. */
static size_t on_input(void *session, struct slice in)
{
    return take_request(session_of(session), in);
}

static void on_closed(void *session, enum rc why)
{
    struct api_session *s = session_of(session);

    (void)why; /* net has logged it */
    end_export(s);
    end_body(s);
    timer_done(&s->step);
    timer_done(&s->idle);
    link_remove(&s->link);
    text_done(&s->body);
    s->magic = 0;
    mem_free(s);
}

static void on_shutdown(void *session)
{
    struct api_session *s = session_of(session);

    s->is_kept = false;
    if (s->is_sending)
        return; /* it ends with what it sends */
    if (s->is_waiting)
        api_refuse(s, 503, "closed", "the broker is stopping");
    else
        conn_finish(s->conn, RC_CLOSED);
}

const struct protocol api_protocol = {
    .name = "admin",
    .on_open = on_open,
    .on_input = on_input,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .on_shutdown = on_shutdown,
};

struct api_session *api_session_find(struct api *api, uint64_t number)
{
    LIST_EACH (k, &api->sessions) {
        struct api_session *s = CONTAINER_OF(k, struct api_session, link);

        if (s->number == number)
            return s->is_waiting && !conn_is_closing(s->conn) ? s : NULL;
    }
    return NULL;
}

/* ---- door 2: what was changed is durable ---- */

static void on_durable(void *session, uint64_t token, enum rc rc)
{
    struct api_session *s = api_session_find(session, token);

    if (s == NULL)
        return;
    if (rc == RC_OK)
        api_answer(s, 200);
    else
        api_refuse_rc(s, rc, "it was done, and could not be made durable");
}

static const struct client_ops client_ops = { .protocol = "admin", .on_durable = on_durable };

struct api *api_new(struct core *core, struct loop *loop, const struct api_config *config)
{
    struct api *api = mem_new(struct api);

    api->core = core;
    api->loop = loop;
    api->config = *config;
    api->client = client_open(core, &client_ops, api, true);
    api->started_ns = clock_monotonic_ns();
    list_init(&api->sessions);
    return api;
}

void api_free(struct api **api)
{
    struct api *a = *api;

    if (a == NULL)
        return;
    ASSERT(list_is_empty(&a->sessions));
    core_backup_cancel(a->core, &a->backup);
    api_change_free(*api);
    api_delayed_free(a);
    api_change_free(a);
    api_import_free(a);
    client_close(&a->client);
    MEM_FREE(*api);
}
