/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked for, and what is told of the whole broker. */
#include <unistd.h>

#include "admin/api_int.h"
#include "admin/jot.h"
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/durations.h"
#include "broker/core/core.h"
#include "broker/core/drain.h"
#include "broker/net/conn.h"
#include "broker/net/listener.h"
#include "config.h"

#define NS_PER_US 1000u

static const struct api_route routes[] = {
    { "/healthz", HTTP_GET, api_get_health, false, false },
    { "/metrics", HTTP_GET, api_get_metrics, false, false },
    { "/api/overview", HTTP_GET, api_get_overview, false, false },
    { "/api/streams", HTTP_GET, api_get_streams, false, false },
    { "/api/queues", HTTP_GET, api_get_queues, false, false },
    { "/api/delayed", HTTP_GET, api_get_delayed, false, false },
    { "/api/delayed/cancel", HTTP_POST, api_post_cancel, true, false },
    { "/api/accounts", HTTP_GET, api_get_accounts, false, false },
    { "/api/accounts", HTTP_PUT, api_put_account, true, false },
    { "/api/accounts", HTTP_DELETE, api_delete_account, true, false },
    { "/api/users", HTTP_GET, api_get_users, false, false },
    { "/api/definitions", HTTP_GET, api_get_definitions, false, false },
    { "/api/definitions", HTTP_PUT, api_put_definitions, true, true },
    { "/api/backup", HTTP_POST, api_post_backup, true, false },
    { "/api/compact", HTTP_POST, api_post_compact, true, false },
    { "/api/bans", HTTP_GET, api_get_bans, false, false },
    { "/api/unban", HTTP_POST, api_post_unban, true, false },
    { "/api/drain", HTTP_POST, api_post_drain, true, false },
    { "/api/trace", HTTP_POST, api_post_trace, true, false },
};

static const char *const method_names[] = {
    [HTTP_GET] = "GET, HEAD", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"
};

const struct api_route *api_route_of(struct api_session *s, const struct http_request *r)
{
    enum http_method method = r->method == HTTP_HEAD ? HTTP_GET : r->method;
    struct text allow = { 0 };

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!slice_equal_str(r->path, routes[i].path))
            continue;
        if (routes[i].method == method) {
            text_done(&allow);
            return &routes[i];
        }
        text_format(&allow, "%s%s", allow.len > 0 ? ", " : "", method_names[routes[i].method]);
    }
    if (allow.len > 0) {
        text_add_byte(&allow, '\0');
        s->allow = (const char *)allow.at;
        api_refuse(s, 405, "unsupported", "this method is not for %.*s", SLICE_FMT(r->path));
    } else {
        api_refuse(s, 404, "not-found", "there is no %.*s", SLICE_FMT(r->path));
    }
    text_done(&allow);
    return NULL;
}

/* ---- health ---- */

void api_get_health(struct api_session *s, const struct http_request *r, struct slice body)
{
    enum rc stall = core_stall(s->api->core);

    (void)r;
    (void)body;
    jot_open(&s->body, NULL, '{');
    jot_string(&s->body, "status", stall == RC_OK ? "ok" : "stalled");
    if (stall != RC_OK)
        jot_string(&s->body, "error", rc_word(stall));
    jot_close(&s->body, '}');
    api_answer(s, stall == RC_OK ? 200 : 503);
}

/* ---- turns of the loop ---- */

/* `buckets`: [longest, how many], for whoever wants the difference of two looks. */
static void add_durations(struct text *to, const char *name, const struct durations *d)
{
    jot_open(to, name, '{');
    jot_count(to, "count", d->count);
    jot_count(to, "sum", d->sum_us);
    jot_count(to, "p50", durations_permille_us(d, 500));
    jot_count(to, "p99", durations_permille_us(d, 990));
    jot_count(to, "p999", durations_permille_us(d, 999));
    jot_count(to, "max", d->max_us);
    jot_open(to, "buckets", '[');
    for (unsigned i = 0; i < DURATIONS_BUCKETS; i++) {
        if (d->buckets[i] == 0)
            continue;
        jot_open(to, NULL, '[');
        jot_count(to, NULL, durations_bucket_us(i));
        jot_count(to, NULL, d->buckets[i]);
        jot_close(to, ']');
    }
    jot_close(to, ']');
    jot_close(to, '}');
}

/* ---- overview ---- */

static void add_listeners(struct text *to, struct loop *loop)
{
    jot_open(to, "listeners", '[');
    for (struct listener *l = listener_next(loop, NULL); l != NULL; l = listener_next(loop, l)) {
        jot_open(to, NULL, '{');
        jot_string(to, "name", listener_name(l));
        jot_string(to, "protocol", listener_protocol(l)->name);
        jot_string(to, "address", listener_address(l));
        jot_count(to, "port", listener_port(l));
        jot_switch(to, "tls", listener_is_tls(l));
        jot_close(to, '}');
    }
    jot_close(to, ']');
}

static void add_store(struct text *to, const struct api *api)
{
    uint64_t p50_ns, p99_ns;
    enum rc stall = core_stall(api->core);

    core_commit_latency(api->core, &p50_ns, &p99_ns);
    jot_open(to, "store", '{');
    jot_bytes(to, "place", api->config.place == NULL ? SLICE_NONE : slice_str(api->config.place));
    jot_string(to, "durability", api->config.durability);
    jot_bytes(to, "stalled", stall == RC_OK ? SLICE_NONE : slice_str(rc_word(stall)));
    jot_count(to, "backlog_bytes", core_backlog_bytes(api->core));
    jot_open(to, "commit_latency_us", '{');
    jot_count(to, "p50", p50_ns / NS_PER_US);
    jot_count(to, "p99", p99_ns / NS_PER_US);
    jot_close(to, '}');
    jot_close(to, '}');
}

static void add_draining(struct text *to, const struct drain *drain)
{
    jot_switch(to, "draining", drain != NULL);
    if (drain == NULL)
        return;
    jot_bytes(to, "drain_to", drain->to.len == 0 ? SLICE_NONE : text_slice(&drain->to));
    jot_bytes(to, "drain_kafka_to",
              drain->node_host.len == 0 ? SLICE_NONE : text_slice(&drain->node_host));
}

void api_get_overview(struct api_session *s, const struct http_request *r, struct slice body)
{
    struct text *to = &s->body;

    (void)r;
    (void)body;
    jot_open(to, NULL, '{');
    jot_string(to, "product", "tercet");
    jot_string(to, "version", PACKAGE_VERSION);
    jot_number(to, "pid", getpid());
    jot_count(to, "uptime_ms", (clock_monotonic_ns() - s->api->started_ns) / NS_PER_MS);
    add_store(to, s->api);
    add_durations(to, "turns_us", loop_turns(conn_loop(s->conn)));
    add_durations(to, "turns_processor_us", loop_turns_processor(conn_loop(s->conn)));
    add_listeners(to, conn_loop(s->conn));
    add_draining(to, core_draining(s->api->core));
    jot_open(to, "counters", '{');
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        jot_number(to, counter_name((enum counter)i), count_get((enum counter)i));
    jot_close(to, '}');
    jot_close(to, '}');
    api_answer(s, 200);
}
