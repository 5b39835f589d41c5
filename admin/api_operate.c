/* SPDX-License-Identifier: Apache-2.0 */
/* What operators do with clients while the broker runs: sending them elsewhere, lifting bans,
 * looking at what they send. */
#include "admin/api_int.h"
#include "admin/jot.h"
#include "broker/base/number.h"
#include "broker/base/utf8.h"
#include "broker/core/drain.h"
#include "broker/core/logins.h"
#include "broker/core/operations.h"

/* A server reference is one string in a packet that must fit any client. */
#define DRAIN_TO_MAX_BYTES  128
#define DRAIN_PER_S_DEFAULT 100
#define DRAIN_PER_S_MAX     100000
#define TRACE_BYTES_DEFAULT 64
#define TRACE_BYTES_MAX     4096
#define TRACE_RATE_DEFAULT  1000
#define TRACE_RATE_MAX      10000

/* A number of the query, or what it is without one. False: it was refused. */
static bool read_number(struct api_session *s, const struct http_request *r, const char *name,
                        uint64_t max, uint64_t *number)
{
    struct text value = { 0 };
    enum rc rc = http_query(r, name, &value);
    bool is_good = rc == RC_NOT_FOUND ||
                   (rc == RC_OK && number_u64(text_slice(&value), 1, max, number) == RC_OK);

    text_done(&value);
    if (!is_good)
        api_refuse(s, 400, "invalid", "%s is a number from 1 to %llu", name,
                   (unsigned long long)max);
    return is_good;
}

/* A text of the query, which must be there unless `is_optional`. False: it was refused. */
static bool read_text(struct api_session *s, const struct http_request *r, const char *name,
                      bool is_optional, struct text *ret)
{
    enum rc rc = http_query(r, name, ret);

    if (rc == RC_OK || (rc == RC_NOT_FOUND && is_optional))
        return true;
    api_refuse(s, 400, "invalid", "%s must be given", name);
    return false;
}

static void answer_nothing(struct api_session *s)
{
    jot_open(&s->body, NULL, '{');
    jot_close(&s->body, '}');
    api_answer(s, 200);
}

/* ---- draining: ?to=HOST:PORT&kafka_to=HOST:PORT&per_s=N&for_now=1, or ?stop=1 ---- */

static void drain(struct api_session *s, const struct drain_order *order)
{
    const struct operations *o = s->api->config.operations;

    if (order->to.len > DRAIN_TO_MAX_BYTES || !utf8_is_valid(order->to)) {
        api_refuse(s, 400, "invalid", "to is at most %d bytes of text", DRAIN_TO_MAX_BYTES);
    } else if (order->node.len > DRAIN_TO_MAX_BYTES || !utf8_is_valid(order->node) ||
               core_drain(s->api->core, order) != RC_OK) {
        api_refuse(s, 400, "invalid", "kafka_to is HOST:PORT");
    } else {
        o->drain(o->arg, order);
        answer_nothing(s);
    }
}

void api_post_drain(struct api_session *s, const struct http_request *r, struct slice body)
{
    const struct operations *o = s->api->config.operations;
    struct drain_order order = { .per_s = DRAIN_PER_S_DEFAULT };
    struct text to = { 0 }, node = { 0 }, word = { 0 };
    bool is_stop = http_query(r, "stop", &word) == RC_OK;

    (void)body;
    order.is_for_now = http_query(r, "for_now", &word) == RC_OK;
    text_done(&word);
    if (is_stop) {
        o->drain_stop(o->arg);
        core_drain_stop(s->api->core);
        answer_nothing(s);
    } else if (read_number(s, r, "per_s", DRAIN_PER_S_MAX, &order.per_s) &&
               read_text(s, r, "to", true, &to) && read_text(s, r, "kafka_to", true, &node)) {
        order.to = text_slice(&to);
        order.node = text_slice(&node);
        drain(s, &order);
    }
    text_done(&to);
    text_done(&node);
}

/* ---- bans ---- */

static void add_ban(void *arg, const char *kind, struct slice name, uint64_t left_ms)
{
    struct text *to = arg;

    jot_open(to, NULL, '{');
    jot_string(to, "kind", kind);
    jot_bytes(to, "name", name);
    jot_count(to, "left_ms", left_ms);
    jot_close(to, '}');
}

void api_get_bans(struct api_session *s, const struct http_request *r, struct slice body)
{
    const struct operations *o = s->api->config.operations;

    (void)r;
    (void)body;
    jot_open(&s->body, NULL, '{');
    jot_open(&s->body, "bans", '[');
    o->bans_each(o->arg, add_ban, &s->body);
    logins_each_ban(s->api->core, add_ban, &s->body);
    jot_close(&s->body, ']');
    jot_close(&s->body, '}');
    api_answer(s, 200);
}

/* ?name=NAME, a client identifier, an address or a user. */
void api_post_unban(struct api_session *s, const struct http_request *r, struct slice body)
{
    const struct operations *o = s->api->config.operations;
    struct text name = { 0 };

    (void)body;
    if (read_text(s, r, "name", false, &name)) {
        unsigned count = o->ban_lift(o->arg, text_slice(&name));

        count += logins_lift(s->api->core, text_slice(&name));
        if (count == 0)
            api_refuse(s, 404, "not-found", "\"%.*s\" is not banned", SLICE_FMT(text_slice(&name)));
        else
            answer_nothing(s);
    }
    text_done(&name);
}

/* ---- traces: begun with ?what=&bytes=&per_s=, then asked for with ?number= ---- */

static void begin_trace(struct api_session *s, const struct http_request *r)
{
    const struct operations *o = s->api->config.operations;
    struct trace_order order = { .payload_bytes = TRACE_BYTES_DEFAULT,
                                 .lines_per_s = TRACE_RATE_DEFAULT };
    struct text what = { 0 };
    uint64_t number;
    enum rc rc;

    if (read_text(s, r, "what", false, &what) &&
        read_number(s, r, "bytes", TRACE_BYTES_MAX, &order.payload_bytes) &&
        read_number(s, r, "per_s", TRACE_RATE_MAX, &order.lines_per_s)) {
        order.what = text_slice(&what);
        rc = o->trace_begin(o->arg, &order, &number);
        if (rc == RC_OK) {
            jot_open(&s->body, NULL, '{');
            jot_count(&s->body, "number", number);
            jot_close(&s->body, '}');
            api_answer(s, 200);
        } else {
            api_refuse_rc(s, rc,
                          rc == RC_LIMIT ? "as many traces run as may" : "nothing is so called");
        }
    }
    text_done(&what);
}

void api_post_trace(struct api_session *s, const struct http_request *r, struct slice body)
{
    const struct operations *o = s->api->config.operations;
    struct text word = { 0 }, lines = { 0 };
    struct trace_news news = { .lines = &lines };
    bool is_known = http_query(r, "number", &word) == RC_OK;
    bool is_end = http_query(r, "end", &word) == RC_OK;
    uint64_t number = 0;

    (void)body;
    text_done(&word);
    if (!is_known) {
        begin_trace(s, r);
        return;
    }
    if (!read_number(s, r, "number", INT64_MAX, &number))
        return;
    if (o->trace_take(o->arg, number, &news) != RC_OK) {
        api_refuse(s, 404, "not-found", "this trace is over");
    } else {
        jot_open(&s->body, NULL, '{');
        jot_bytes(&s->body, "lines", text_slice(&lines));
        jot_count(&s->body, "skipped", news.skipped);
        jot_close(&s->body, '}');
        api_answer(s, 200);
    }
    if (is_end)
        o->trace_end(o->arg, number);
    text_done(&lines);
}
