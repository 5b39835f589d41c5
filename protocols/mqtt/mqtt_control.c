/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_control.h"

#include <string.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/operations.h"
#include "protocols/mqtt/mqtt_int.h"
#include "protocols/mqtt/mqtt_trace.h"

/* Clients are sent away in steps of so long. */
#define DRAIN_STEP_MS 50
#define NS_PER_MS     1000000u

static struct mqtt_control *control_of(const struct mqtt_session *s)
{
    return s->server->control;
}

/* ---- listeners ---- */

struct mqtt_place *mqtt_place_new(const struct mqtt_place_config *config)
{
    struct mqtt_place *place = mem_new(struct mqtt_place);

    place->config = *config;
    place->messages.per_s = config->messages_per_s;
    place->bytes.per_s = config->bytes_per_s;
    return place;
}

void mqtt_place_free(struct mqtt_place **place)
{
    if (*place != NULL)
        text_done(&(*place)->mounted);
    MEM_FREE(*place);
}

void mqtt_control_opened(struct mqtt_session *s)
{
    struct mqtt_control *control = control_of(s);

    if (control == NULL)
        return;
    list_append(&control->sessions, &s->of_server);
    if (s->server->place != NULL)
        mqtt_meter_new(s);
}

void mqtt_control_closed(struct mqtt_session *s)
{
    link_remove_if(&s->of_server);
}

/* ---- who connects too often ---- */

/* Of "1.2.3.4:567", "[::1]:567" or "unix": without the port. */
static struct slice address_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');

    return colon == NULL ? slice_str(peer) : slice_of(peer, (size_t)(colon - peer));
}

/* Counts it. False: it is, or is from now on, banned. */
static bool may_come(struct mqtt_session *s, struct flap *flap, const char *kind, struct slice name)
{
    enum flap_verdict verdict = flap_connect(flap, name, loop_now_ns(conn_loop(s->conn)));

    if (verdict == FLAP_FINE)
        return true;
    count_add(COUNT_MQTT_BANNED, 1);
    if (verdict == FLAP_BANNED_NOW) {
        count_add(COUNT_MQTT_BANS, 1);
        log_peer(LOG_WARNING, "mqtt.banned", "%s=%s peer=%s why=\"it connects too often\"", kind,
                 log_quote(name.at, name.len), conn_peer(s->conn));
    }
    return false;
}

/* Only who has logged in is counted by its identifier: nobody else may have it banned. */
enum rc mqtt_control_count(struct mqtt_session *s, struct slice client_id)
{
    struct mqtt_control *control = control_of(s);

    if (control == NULL || client_id.len == 0 || may_come(s, control->clients, "client", client_id))
        return RC_OK;
    return mqtt_fail(s, RC_REFUSED, MQTT_BANNED);
}

/* ---- sending clients elsewhere ---- */

static uint8_t drain_reason(const struct mqtt_drain *drain, uint8_t otherwise)
{
    if (drain->to.len == 0)
        return otherwise;
    return drain->is_for_now ? MQTT_USE_ANOTHER_SERVER : MQTT_SERVER_MOVED;
}

enum rc mqtt_control_admit(struct mqtt_session *s, const struct mqtt_connect *c)
{
    struct mqtt_control *control = control_of(s);

    if (control == NULL)
        return RC_OK;
    if (!may_come(s, control->addresses, "address", address_of(conn_peer(s->conn))))
        return mqtt_fail(s, RC_REFUSED, MQTT_BANNED);
    if (flap_is_banned(control->clients, c->client_id, loop_now_ns(conn_loop(s->conn)))) {
        count_add(COUNT_MQTT_BANNED, 1);
        return mqtt_fail(s, RC_REFUSED, MQTT_BANNED);
    }
    if (!control->drain.is_on)
        return RC_OK;
    count_add(COUNT_MQTT_DRAINED, 1);
    return mqtt_fail(s, RC_CLOSED, drain_reason(&control->drain, MQTT_SERVER_UNAVAILABLE));
}

void mqtt_control_say_where(const struct mqtt_session *s, struct mqtt_properties *p, uint8_t reason)
{
    const struct mqtt_control *control = control_of(s);

    if (control == NULL || (reason != MQTT_SERVER_MOVED && reason != MQTT_USE_ANOTHER_SERVER))
        return;
    p->server_reference = text_slice(&control->drain.to);
    mqtt_set(p, MQTT_SERVER_REFERENCE);
}

static void send_away(struct mqtt_control *control, struct mqtt_session *s)
{
    link_remove(&s->of_server);
    count_add(COUNT_MQTT_DRAINED, 1);
    s->end_reason = drain_reason(&control->drain, MQTT_SERVER_SHUTTING_DOWN);
    mqtt_end(s, RC_CLOSED, "the broker drains");
}

static void drain_step(void *arg)
{
    struct mqtt_control *control = arg;
    uint64_t now_ns = loop_now_ns(control->loop), wait_ns = 0;
    bool is_left = false;

    LIST_EACH_SAFE (k, &control->sessions) {
        struct mqtt_session *s = CONTAINER_OF(k, struct mqtt_session, of_server);

        if (s->state != STATE_ACTIVE) /* its CONNECT will be refused */
            continue;
        if (wait_ns > 0) {
            is_left = true;
            break;
        }
        wait_ns = rate_take(&control->drain.rate, 1, now_ns);
        send_away(control, s);
    }
    if (is_left)
        timer_start(&control->drain.step,
                    wait_ns / NS_PER_MS > DRAIN_STEP_MS ? wait_ns / NS_PER_MS : DRAIN_STEP_MS);
    else
        log_event(LOG_NOTICE, "mqtt.drained", "left=0");
}

static void on_drain(void *arg, const struct drain_order *order)
{
    struct mqtt_control *control = arg;
    struct mqtt_drain *drain = &control->drain;

    text_clear(&drain->to);
    text_add(&drain->to, order->to);
    drain->is_on = true;
    drain->is_for_now = order->is_for_now;
    /* not a second's worth at once: that would be the storm that pacing is to avoid */
    drain->rate = (struct rate){ order->per_s, loop_now_ns(control->loop) };
    log_event(LOG_NOTICE, "mqtt.draining", "to=%s per_s=%llu",
              log_quote(drain->to.at, drain->to.len), (unsigned long long)order->per_s);
    timer_start(&drain->step, 0);
}

static void on_drain_stop(void *arg)
{
    struct mqtt_control *control = arg;

    control->drain.is_on = false;
    timer_stop(&control->drain.step);
    log_event(LOG_NOTICE, "mqtt.drain_stopped", "what=\"clients are taken again\"");
}

/* ---- bans, as the operator sees them ---- */

struct ban_walk {
    ban_visit_fn *visit;
    void *arg;
    const char *kind;
};

static void visit_ban(void *arg, struct slice name, uint64_t left_ms)
{
    const struct ban_walk *walk = arg;

    walk->visit(walk->arg, walk->kind, name, left_ms);
}

static void on_bans_each(void *arg, ban_visit_fn *visit, void *visit_arg)
{
    const struct mqtt_control *control = arg;
    uint64_t now_ns = loop_now_ns(control->loop);
    struct ban_walk walk = { visit, visit_arg, "client" };

    flap_each(control->clients, now_ns, visit_ban, &walk);
    walk.kind = "address";
    flap_each(control->addresses, now_ns, visit_ban, &walk);
}

static unsigned on_ban_lift(void *arg, struct slice name)
{
    struct mqtt_control *control = arg;
    uint64_t now_ns = loop_now_ns(control->loop);

    return (unsigned)flap_lift(control->clients, name, now_ns) +
           (unsigned)flap_lift(control->addresses, name, now_ns);
}

void mqtt_control_operations(struct mqtt_control *control, struct operations *ret)
{
    *ret = (struct operations){ .arg = control,
                                .drain = on_drain,
                                .drain_stop = on_drain_stop,
                                .bans_each = on_bans_each,
                                .ban_lift = on_ban_lift,
                                .trace_begin = mqtt_trace_begin,
                                .trace_take = mqtt_trace_take,
                                .trace_end = mqtt_trace_end };
}

/* ---- life ---- */

struct mqtt_control *mqtt_control_new(struct loop *loop, const struct mqtt_control_config *config)
{
    struct mqtt_control *control = mem_new(struct mqtt_control);

    control->loop = loop;
    control->refs = 1;
    list_init(&control->sessions);
    control->clients = flap_new(&config->clients);
    control->addresses = flap_new(&config->addresses);
    mqtt_traces_init(control);
    timer_init(&control->drain.step, loop, drain_step, control);
    return control;
}

struct mqtt_control *mqtt_control_ref(struct mqtt_control *control)
{
    control->refs++;
    return control;
}

void mqtt_control_unref(struct mqtt_control **control)
{
    struct mqtt_control *c = *control;

    *control = NULL;
    if (c == NULL || --c->refs > 0)
        return;
    ASSERT(list_is_empty(&c->sessions));
    mqtt_traces_done(c);
    flap_free(&c->clients);
    flap_free(&c->addresses);
    timer_done(&c->drain.step);
    text_done(&c->drain.to);
    mem_free(c);
}
