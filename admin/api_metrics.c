/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as Prometheus reads them: every counter, how long turns and commits take, and how much
 * waits in each queue that is no client's own. */
#include <string.h>

#include "admin/api_int.h"
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/durations.h"
#include "broker/base/utf8.h"
#include "broker/core/core.h"
#include "broker/core/queue.h"
#include "broker/net/conn.h"
#include "broker/net/loop.h"
#include "config.h"

#define NS_PER_SECOND 1e9
#define MS_PER_SECOND 1e3

/* What a scrape may cost: of more queues, /api/queues tells page by page. */
#define METRICS_QUEUES_MAX 500

/* Octaves of microseconds that Prometheus is told of: up to a second. */
#define TURN_EXPONENT_FIRST 4
#define TURN_EXPONENT_LAST  20

static void add_histogram(struct text *to, const char *name, const char *what,
                          const struct durations *d)
{
    text_format(to, "# HELP tercet_%s %s\n# TYPE tercet_%s histogram\n", name, what, name);
    for (unsigned i = TURN_EXPONENT_FIRST; i <= TURN_EXPONENT_LAST; i++)
        text_format(to, "tercet_%s_bucket{le=\"%g\"} %llu\n", name, (double)(1u << i) / 1e6,
                    (unsigned long long)durations_below(d, i));
    text_format(to,
                "tercet_%s_bucket{le=\"+Inf\"} %llu\ntercet_%s_sum %.6f\ntercet_%s_count %llu\n",
                name, (unsigned long long)d->count, name, (double)d->sum_us / 1e6, name,
                (unsigned long long)d->count);
}

static void add_head(struct text *to, const char *name, const char *type, const char *what)
{
    text_format(to, "# HELP tercet_%s %s\n# TYPE tercet_%s %s\n", name, what, name, type);
}

static void add_seconds(struct text *to, const char *name, const char *what, double seconds)
{
    add_head(to, name, "gauge", what);
    text_format(to, "tercet_%s %.6f\n", name, seconds);
}

static void add_counters(struct text *to)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        const char *name = counter_name((enum counter)i);
        size_t len = strlen(name);
        bool is_total = len > 6 && strcmp(name + len - 6, "_total") == 0;

        if (i == COUNT_NET_TURN_MAX_US)
            continue; /* told in seconds, as every time here */
        add_head(to, name, is_total ? "counter" : "gauge", counter_what((enum counter)i));
        text_format(to, "tercet_%s %lld\n", name, (long long)count_get((enum counter)i));
    }
}

static void add_process(struct text *to, const struct api *api, const struct durations *turns)
{
    uint64_t age_ns = clock_monotonic_ns() - api->started_ns;
    uint64_t p50_ns, p99_ns;

    core_commit_latency(api->core, &p50_ns, &p99_ns);
    add_head(to, "build_info", "gauge", "1, with the version");
    text_format(to, "tercet_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
    add_seconds(to, "start_time_seconds", "when the broker started, in seconds since 1970",
                (double)clock_wall_ms() / MS_PER_SECOND - (double)age_ns / NS_PER_SECOND);
    add_seconds(to, "net_turn_max_seconds", "how long the longest turn of the loop took",
                (double)turns->max_us / 1e6);
    add_seconds(to, "store_commit_p50_seconds", "how long half of the commits of late took at most",
                (double)p50_ns / NS_PER_SECOND);
    add_seconds(to, "store_commit_p99_seconds", "how long 99 of 100 of them took at most",
                (double)p99_ns / NS_PER_SECOND);
    add_head(to, "store_backlog_bytes", "gauge", "bytes that wait for their commit");
    text_format(to, "tercet_store_backlog_bytes %llu\n",
                (unsigned long long)core_backlog_bytes(api->core));
}

/* ---- queues ---- */

/* The value of a label is UTF-8; a name need not be. */
static void add_label(struct text *to, struct slice name)
{
    bool is_text = utf8_is_valid(name);

    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] == '\n')
            text_format(to, "\\n");
        else if (!is_text && name.at[i] >= 0x80)
            text_format(to, "%%%02X", name.at[i]);
        else if (name.at[i] == '"' || name.at[i] == '\\')
            text_format(to, "\\%c", name.at[i]);
        else
            text_add_byte(to, name.at[i]);
    }
}

static uint64_t consumers_of(const struct queue *queue)
{
    return queue_consumer_count(queue);
}

static const struct {
    const char *name;
    const char *what;
    uint64_t (*count)(const struct queue *queue);
} queue_gauges[] = {
    { "queue_ready", "messages that wait for a consumer", queue_ready_count },
    { "queue_unacknowledged", "messages that a consumer has and did not settle",
      queue_taken_count },
    { "queue_consumers", "consumers of the queue", consumers_of },
};

/* A client's own comes and goes with it: nobody watches it, and each would be a series for ever. */
static bool is_told(const struct queue *queue)
{
    const struct queue_spec *spec = queue_spec(queue);

    return !spec->is_exclusive && !spec->is_auto_delete;
}

static void add_queues(struct text *to, struct core *core)
{
    uint64_t left_out = 0;

    for (size_t i = 0; i < sizeof(queue_gauges) / sizeof(queue_gauges[0]); i++) {
        unsigned told = 0, seen = 0;

        add_head(to, queue_gauges[i].name, "gauge", queue_gauges[i].what);
        for (struct queue *queue = queue_next(core, NULL);
             queue != NULL && seen < METRICS_QUEUES_MAX; queue = queue_next(core, queue)) {
            seen++;
            if (!is_told(queue))
                continue;
            told++;
            text_format(to, "tercet_%s{queue=\"", queue_gauges[i].name);
            add_label(to, queue_spec(queue)->name);
            text_format(to, "\"} %llu\n", (unsigned long long)queue_gauges[i].count(queue));
        }
        left_out = (uint64_t)count_get(COUNT_CORE_QUEUES) - told;
    }
    add_head(to, "queues_left_out", "gauge", "queues that the lines of queues do not tell of");
    text_format(to, "tercet_queues_left_out %llu\n", (unsigned long long)left_out);
}

void api_get_metrics(struct api_session *s, const struct http_request *r, struct slice body)
{
    (void)r;
    (void)body;
    add_counters(&s->body);
    add_process(&s->body, s->api, loop_turns(conn_loop(s->conn)));
    add_queues(&s->body, s->api->core);
    add_histogram(&s->body, "net_turn_seconds", "how long turns of the loop took",
                  loop_turns(conn_loop(s->conn)));
    add_histogram(&s->body, "net_turn_processor_seconds", "processor time of turns of the loop",
                  loop_turns_processor(conn_loop(s->conn)));
    api_answer_as(s, 200, "text/plain; version=0.0.4; charset=utf-8");
}
