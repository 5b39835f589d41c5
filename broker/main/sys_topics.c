/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/sys_topics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/core/publish.h"
#include "broker/core/retain.h"
#include "broker/net/loop.h"
#include "config.h"

#define ROOT "$SYS/broker/"
/* A load that has changed by less is not told again. */
#define LOAD_STEP          0.01
#define SECONDS_PER_MINUTE 60.0
#define NS_PER_S           (NS_PER_MS * 1000)

/* ---- values: a row each ---- */

static int64_t clients_total(const struct core *core)
{
    (void)core;
    return count_get(COUNT_CORE_SESSIONS);
}

static int64_t clients_away(const struct core *core)
{
    int64_t away = clients_total(core) - count_get(COUNT_MQTT_CONNECTED);

    return away < 0 ? 0 : away; /* one that is being taken over is counted twice */
}

static int64_t retained(const struct core *core)
{
    return (int64_t)retain_count(core);
}

static int64_t heap(const struct core *core)
{
    (void)core;
    return (int64_t)mem_in_use_bytes();
}

#define NO_COUNTER COUNTER_COUNT

/* The value is a counter, or what the function gives; is_most: the largest that it was. */
static const struct row {
    const char *topic;
    enum counter counter;
    int64_t (*value)(const struct core *core);
    bool is_most;
} rows[] = {
    { "clients/total", NO_COUNTER, clients_total, false },
    { "clients/maximum", NO_COUNTER, clients_total, true },
    { "clients/connected", COUNT_MQTT_CONNECTED, NULL, false },
    { "clients/active", COUNT_MQTT_CONNECTED, NULL, false },
    { "clients/disconnected", NO_COUNTER, clients_away, false },
    { "clients/inactive", NO_COUNTER, clients_away, false },
    { "clients/expired", COUNT_CORE_SESSIONS_EXPIRED, NULL, false },
    { "messages/received", COUNT_MQTT_PACKETS_IN, NULL, false },
    { "messages/sent", COUNT_MQTT_PACKETS_OUT, NULL, false },
    { "messages/stored", NO_COUNTER, retained, false },
    { "store/messages/count", NO_COUNTER, retained, false },
    { "store/messages/bytes", COUNT_CORE_RETAINED_BYTES, NULL, false },
    { "retained messages/count", NO_COUNTER, retained, false },
    { "subscriptions/count", COUNT_CORE_SUBSCRIPTIONS, NULL, false },
    { "shared_subscriptions/count", COUNT_CORE_SHARED_SUBSCRIPTIONS, NULL, false },
    { "publish/messages/received", COUNT_MQTT_PUBLISH_IN, NULL, false },
    { "publish/messages/sent", COUNT_MQTT_PUBLISH_OUT, NULL, false },
    { "publish/messages/dropped", COUNT_CORE_DROPPED, NULL, false },
    { "publish/bytes/received", COUNT_MQTT_PUBLISH_BYTES_IN, NULL, false },
    { "publish/bytes/sent", COUNT_MQTT_PUBLISH_BYTES_OUT, NULL, false },
    { "bytes/received", COUNT_NET_BYTES_IN, NULL, false },
    { "bytes/sent", COUNT_NET_BYTES_OUT, NULL, false },
    { "heap/current", NO_COUNTER, heap, false },
    { "heap/maximum", NO_COUNTER, heap, true },
};

/* What happens in a minute, as means over the last 1, 5 and 15 of them that forget exponentially.
 */
static const struct {
    const char *topic;
    enum counter counter;
} loads[] = {
    { "load/messages/received", COUNT_MQTT_PACKETS_IN },
    { "load/messages/sent", COUNT_MQTT_PACKETS_OUT },
    { "load/publish/dropped", COUNT_CORE_DROPPED },
    { "load/publish/received", COUNT_MQTT_PUBLISH_IN },
    { "load/publish/sent", COUNT_MQTT_PUBLISH_OUT },
    { "load/bytes/received", COUNT_NET_BYTES_IN },
    { "load/bytes/sent", COUNT_NET_BYTES_OUT },
    { "load/sockets", COUNT_NET_ACCEPTED },
    { "load/connections", COUNT_MQTT_CONNECTS },
};

static const unsigned spans_min[] = { 1, 5, 15 };

#define ROWS  (sizeof(rows) / sizeof(rows[0]))
#define LOADS (sizeof(loads) / sizeof(loads[0]))
#define SPANS (sizeof(spans_min) / sizeof(spans_min[0]))

struct sys_topics {
    struct core *core; /* borrowed, as is the loop */
    struct loop *loop;
    struct timer timer;
    uint64_t interval_ms;
    uint64_t begun_ns;
    uint64_t told_ns;
    int64_t told[ROWS];
    int64_t counted[LOADS]; /* at told_ns */
    double mean[LOADS][SPANS];
    bool has_told; /* all of it, once */
};

/* ---- telling ---- */

static void tell(struct sys_topics *t, const char *topic, const struct text *value)
{
    struct text address = { 0 };
    struct message_spec spec = { .value = text_slice(value),
                                 .timestamp_ms = core_wall_ms(t->core),
                                 .flags = MESSAGE_RETAIN };
    struct message *message;

    text_format(&address, ROOT "%s", topic);
    spec.address = text_slice(&address);
    message = message_new(&spec);
    if (message != NULL) /* else there are worse worries */
        publish_transient(t->core, &message);
    text_done(&address);
}

static void tell_number(struct sys_topics *t, const char *topic, int64_t number)
{
    struct text value = { 0 };

    text_format(&value, "%" PRId64, number);
    tell(t, topic, &value);
    text_done(&value);
}

static void tell_rows(struct sys_topics *t)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        int64_t value = row->value != NULL ? row->value(t->core) : count_get(row->counter);

        if (row->is_most && value < t->told[i])
            value = t->told[i];
        if (t->has_told && value == t->told[i])
            continue;
        t->told[i] = value;
        tell_number(t, row->topic, value);
    }
}

static void tell_load(struct sys_topics *t, size_t load, size_t span, double per_minute,
                      double seconds)
{
    double keep = exp(-seconds / (SECONDS_PER_MINUTE * spans_min[span]));
    double mean = per_minute + keep * (t->mean[load][span] - per_minute);
    struct text topic = { 0 }, value = { 0 };

    if (!t->has_told || fabs(mean - t->mean[load][span]) >= LOAD_STEP) {
        text_format(&topic, "%s/%umin", loads[load].topic, spans_min[span]);
        text_add_byte(&topic, '\0');
        text_format(&value, "%.2f", mean);
        tell(t, (const char *)topic.at, &value);
    }
    t->mean[load][span] = mean;
    text_done(&topic);
    text_done(&value);
}

static void tell_loads(struct sys_topics *t, double seconds)
{
    for (size_t i = 0; i < LOADS; i++) {
        int64_t count = count_get(loads[i].counter);
        double per_minute =
            seconds <= 0 ? 0 : (double)(count - t->counted[i]) * SECONDS_PER_MINUTE / seconds;

        t->counted[i] = count;
        for (size_t span = 0; span < SPANS; span++)
            tell_load(t, i, span, per_minute, seconds);
    }
}

static void tell_all(struct sys_topics *t)
{
    uint64_t now_ns = loop_now_ns(t->loop);
    struct text value = { 0 };

    if (!t->has_told) {
        text_format(&value, "tercet version %s", PACKAGE_VERSION);
        tell(t, "version", &value);
        text_clear(&value);
    }
    text_format(&value, "%" PRIu64 " seconds", (now_ns - t->begun_ns) / NS_PER_S);
    tell(t, "uptime", &value);
    text_done(&value);
    tell_loads(t, (double)(now_ns - t->told_ns) / (double)NS_PER_S);
    tell_rows(t);
    t->told_ns = now_ns;
    t->has_told = true;
}

static void on_timer(void *arg)
{
    struct sys_topics *t = arg;

    tell_all(t);
    timer_start(&t->timer, t->interval_ms);
}

/* ---- life ---- */

struct sys_topics *sys_topics_new(struct core *core, struct loop *loop, uint64_t interval_ms)
{
    struct sys_topics *t = mem_new(struct sys_topics);

    ASSERT(interval_ms > 0);
    t->core = core;
    t->loop = loop;
    t->interval_ms = interval_ms;
    t->begun_ns = t->told_ns = loop_now_ns(loop);
    for (size_t i = 0; i < LOADS; i++)
        t->counted[i] = count_get(loads[i].counter);
    tell_all(t);
    timer_init(&t->timer, loop, on_timer, t);
    timer_start(&t->timer, interval_ms);
    return t;
}

void sys_topics_free(struct sys_topics **topics)
{
    if (*topics == NULL)
        return;
    timer_done(&(*topics)->timer);
    MEM_FREE(*topics);
}
