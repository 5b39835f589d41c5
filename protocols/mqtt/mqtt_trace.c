/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_trace.h"

#include <string.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/filter.h"
#include "broker/core/session.h"
#include "protocols/mqtt/mqtt_describe.h"
#include "protocols/mqtt/mqtt_mount.h"

/* Of a list of properties. */
#define LENGTH_MAX_BYTES 5

#define SWEEP_MS     2000
#define WHAT_MAX_LEN 1024
#define NAME_MAX_LEN 64
#define DAY_S        86400

struct mqtt_trace {
    struct link link;
    uint64_t number;
    char *what;            /* owned */
    struct filter *filter; /* owned; NULL: what it is called is no filter */
    size_t payload_bytes;
    struct rate rate;
    struct text lines;
    uint64_t skipped;
    uint64_t asked_ns;
    uint64_t conn; /* whose CONNECT was seen last: it has no session yet, or never will */
};

/* ---- which packets ---- */

/* A packet on its way, and whose it is. */
struct traced {
    struct mqtt_session *session;
    const struct mqtt_frame *frame;     /* NULL: of publish alone */
    const struct mqtt_publish *publish; /* NULL: none, or it does not decode */
    struct slice client;                /* identifier; may be none */
    struct slice address;               /* that a PUBLISH is for; none: no PUBLISH */
    bool is_in;
};

/* An address with or without its port. */
static bool is_peer(const char *peer, struct slice what)
{
    size_t len = strlen(peer);
    const char *colon = strrchr(peer, ':');

    return slice_equal(slice_of(peer, len), what) ||
           (colon != NULL && slice_equal(slice_of(peer, (size_t)(colon - peer)), what));
}

static bool wants(const struct mqtt_trace *trace, const struct traced *t)
{
    struct slice what = slice_str(trace->what);

    if (!slice_is_none(t->client) && slice_equal(t->client, what))
        return true;
    if (slice_is_none(t->client) && trace->conn == conn_id(t->session->conn))
        return true;
    if (is_peer(conn_peer(t->session->conn), what))
        return true;
    return trace->filter != NULL && !slice_is_none(t->address) &&
           filter_matches(trace->filter, t->address);
}

/* ---- writing it down ---- */

static void add_head(struct text *to, const struct traced *t)
{
    int64_t ms = clock_wall_ms();
    unsigned s = (unsigned)(ms / 1000 % DAY_S);

    text_format(to, "%02u:%02u:%02u.%03u conn=%llu", s / 3600, s / 60 % 60, s % 60,
                (unsigned)(ms % 1000), (unsigned long long)conn_id(t->session->conn));
    if (!slice_is_none(t->client)) {
        text_format(to, " client=");
        mqtt_describe_bytes(to, t->client, NAME_MAX_LEN);
    }
    text_format(to, t->is_in ? " < " : " > ");
}

static void skip(struct mqtt_trace *trace)
{
    trace->skipped++;
    count_add(COUNT_MQTT_TRACE_SKIPPED, 1);
}

static void write_down(struct mqtt_trace *trace, const struct traced *t)
{
    uint64_t now_ns = loop_now_ns(conn_loop(t->session->conn));
    size_t before = trace->lines.len;

    if (trace->rate.paid_ns > now_ns || before > MQTT_TRACE_BYTES) {
        skip(trace);
        return;
    }
    (void)rate_take(&trace->rate, 1, now_ns);
    add_head(&trace->lines, t);
    if (t->publish != NULL)
        mqtt_describe_publish(&trace->lines, t->publish, trace->payload_bytes);
    else
        mqtt_describe(&trace->lines, t->session->version, t->frame, trace->payload_bytes);
    text_add_byte(&trace->lines, '\n');
    if (trace->lines.bad) { /* without memory */
        trace->lines.bad = false;
        trace->lines.len = before;
        skip(trace);
        return;
    }
    count_add(COUNT_MQTT_TRACED, 1);
}

static void show(const struct traced *t)
{
    LIST_EACH (k, &t->session->server->control->traces) {
        struct mqtt_trace *trace = CONTAINER_OF(k, struct mqtt_trace, link);

        if (!wants(trace, t))
            continue;
        if (t->frame != NULL && t->frame->type == MQTT_CONNECT)
            trace->conn = conn_id(t->session->conn);
        write_down(trace, t);
    }
}

static struct slice client_of(const struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_connect c = { 0 };

    if (s->session != NULL)
        return session_id(s->session);
    if (frame != NULL && frame->type == MQTT_CONNECT &&
        mqtt_decode_connect(frame->body, &c) == RC_OK)
        return c.client_id;
    return SLICE_NONE;
}

/* The address that a client's PUBLISH is for, behind its alias and below its mount point. */
static struct slice address_of(const struct mqtt_session *s, const struct mqtt_publish *p)
{
    struct slice topic = p->topic, address;

    if (topic.len == 0)
        topic = mqtt_alias_topic(s, p->properties.topic_alias);
    return mqtt_mount_topic(s, topic, &address) == RC_OK ? address : topic;
}

void mqtt_trace_in(struct mqtt_session *s, const struct mqtt_frame *frame)
{
    struct mqtt_publish p = { 0 };
    struct traced t = { s, frame, NULL, client_of(s, frame), SLICE_NONE, true };

    if (frame->type == MQTT_PUBLISH && mqtt_decode_publish(frame, s->version, &p) == RC_OK) {
        t.publish = &p;
        t.address = address_of(s, &p);
    }
    show(&t);
}

void mqtt_trace_out(struct mqtt_session *s, struct slice packet)
{
    struct mqtt_header header;
    struct mqtt_frame frame;
    struct traced t = { s, &frame, NULL, client_of(s, NULL), SLICE_NONE, false };

    if (mqtt_decode_header(packet, &header) != RC_OK)
        return;
    frame =
        (struct mqtt_frame){ header.type, header.flags, slice_after(packet, header.header_bytes) };
    show(&t);
}

/* What goes out has the message's own properties as bytes already: they are read again. `list` is
 * where the names in them lie. */
static void read_appended(struct mqtt_properties *p, struct text *list)
{
    struct mqtt_properties own = { 0 };
    struct wr w;
    struct rd rd;

    if (p->append.len == 0 || !text_reserve(list, p->append.len + LENGTH_MAX_BYTES))
        return;
    w = wr_of(list->at, p->append.len + LENGTH_MAX_BYTES);
    wr_uvarint(&w, (uint32_t)p->append.len);
    wr_bytes(&w, p->append);
    rd = rd_of(wr_slice(&w));
    if (w.bad || mqtt_decode_properties(&rd, MQTT_PUBLISH, &own) != RC_OK)
        return;
    own.present |= p->present;
    own.topic_alias = p->topic_alias;
    own.subscription_ids = p->subscription_ids;
    own.subscription_id_count = p->subscription_id_count;
    *p = own;
}

void mqtt_trace_publish_out(struct mqtt_session *s, const struct mqtt_publish *p,
                            struct slice address)
{
    struct mqtt_publish whole = *p;
    struct traced t = { s, NULL, &whole, client_of(s, NULL), address, false };
    struct text list = { 0 };

    read_appended(&whole.properties, &list);
    if (whole.topic.len == 0) /* its alias stands for it */
        whole.topic = address;
    show(&t);
    text_done(&list);
}

/* ---- life ---- */

static void trace_free(struct mqtt_control *control, struct mqtt_trace *trace)
{
    link_remove(&trace->link);
    control->trace_count--;
    filter_free(&trace->filter);
    text_done(&trace->lines);
    mem_free(trace->what);
    mem_free(trace);
}

static void sweep(void *arg)
{
    struct mqtt_control *control = arg;
    uint64_t now_ns = loop_now_ns(control->loop);

    LIST_EACH_SAFE (k, &control->traces) {
        struct mqtt_trace *trace = CONTAINER_OF(k, struct mqtt_trace, link);

        if (now_ns - trace->asked_ns > (uint64_t)MQTT_TRACE_IDLE_MS * NS_PER_MS)
            trace_free(control, trace);
    }
    if (control->trace_count > 0)
        timer_start(&control->trace_sweep, SWEEP_MS);
}

enum rc mqtt_trace_begin(void *arg, const struct trace_order *order, uint64_t *ret_number)
{
    struct mqtt_control *control = arg;
    struct mqtt_trace *trace;

    if (order->what.len == 0 || order->what.len > WHAT_MAX_LEN ||
        memchr(order->what.at, 0, order->what.len) != NULL)
        return RC_INVALID;
    if (control->trace_count == MQTT_TRACES_MAX)
        return RC_LIMIT;
    trace = mem_new(struct mqtt_trace);
    trace->number = ++control->last_trace;
    trace->what = mem_copy_text(order->what);
    if (filter_from_mqtt(order->what, &trace->filter) != RC_OK)
        trace->filter = NULL; /* then it is a client's name, or an address */
    trace->payload_bytes = (size_t)order->payload_bytes;
    trace->rate.per_s = order->lines_per_s;
    trace->asked_ns = loop_now_ns(control->loop);
    list_append(&control->traces, &trace->link);
    control->trace_count++;
    timer_start(&control->trace_sweep, SWEEP_MS);
    log_event(LOG_NOTICE, "mqtt.trace", "what=%s number=%llu",
              log_quote(order->what.at, order->what.len), (unsigned long long)trace->number);
    *ret_number = trace->number;
    return RC_OK;
}

static struct mqtt_trace *find(struct mqtt_control *control, uint64_t number)
{
    LIST_EACH (k, &control->traces) {
        struct mqtt_trace *trace = CONTAINER_OF(k, struct mqtt_trace, link);

        if (trace->number == number)
            return trace;
    }
    return NULL;
}

enum rc mqtt_trace_take(void *arg, uint64_t number, struct trace_news *news)
{
    struct mqtt_control *control = arg;
    struct mqtt_trace *trace = find(control, number);

    if (trace == NULL)
        return RC_NOT_FOUND;
    text_add(news->lines, text_slice(&trace->lines));
    news->skipped = trace->skipped;
    text_done(&trace->lines);
    trace->skipped = 0;
    trace->asked_ns = loop_now_ns(control->loop);
    return RC_OK;
}

void mqtt_trace_end(void *arg, uint64_t number)
{
    struct mqtt_control *control = arg;
    struct mqtt_trace *trace = find(control, number);

    if (trace != NULL)
        trace_free(control, trace);
}

void mqtt_traces_init(struct mqtt_control *control)
{
    list_init(&control->traces);
    timer_init(&control->trace_sweep, control->loop, sweep, control);
}

void mqtt_traces_done(struct mqtt_control *control)
{
    while (!list_is_empty(&control->traces))
        trace_free(control, LIST_FIRST(&control->traces, struct mqtt_trace, link));
    timer_done(&control->trace_sweep);
}
