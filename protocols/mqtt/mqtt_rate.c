/* SPDX-License-Identifier: Apache-2.0 */
/* How fast clients may publish: who is too fast is not read for a while, or sent away. */
#include "broker/base/counters.h"
#include "broker/base/mem.h"
#include "protocols/mqtt/mqtt_control.h"
#include "protocols/mqtt/mqtt_int.h"

#define NS_PER_MS 1000000u

static void on_resume(void *arg)
{
    struct mqtt_session *s = arg;

    s->extra->meter->resumed_ns = loop_now_ns(conn_loop(s->conn));
    mqtt_resume(s, CONN_PAUSE_RATE);
}

void mqtt_meter_new(struct mqtt_session *s)
{
    const struct mqtt_place_config *config = &s->server->place->config;
    struct mqtt_meter *meter;

    if ((config->messages_per_s | config->bytes_per_s | config->client_messages_per_s |
         config->client_bytes_per_s) == 0)
        return;
    meter = mem_new(struct mqtt_meter);
    meter->messages.per_s = config->client_messages_per_s;
    meter->bytes.per_s = config->client_bytes_per_s;
    timer_init(&meter->resume, conn_loop(s->conn), on_resume, s);
    mqtt_extra(s)->meter = meter;
}

void mqtt_meter_free(struct mqtt_session *s)
{
    if (s->extra->meter == NULL)
        return;
    timer_done(&s->extra->meter->resume);
    MEM_FREE(s->extra->meter);
}

static uint64_t longest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

enum rc mqtt_meter_take(struct mqtt_session *s, size_t bytes)
{
    uint64_t now_ns = loop_now_ns(conn_loop(s->conn)), wait_ns;
    struct mqtt_meter *meter = s->extra == NULL ? NULL : s->extra->meter;

    if (meter == NULL)
        return RC_OK;
    wait_ns = rate_take(&meter->messages, 1, now_ns);
    wait_ns = longest(wait_ns, rate_take(&meter->bytes, bytes, now_ns));
    wait_ns = longest(wait_ns, rate_take(&s->server->place->messages, 1, now_ns));
    wait_ns = longest(wait_ns, rate_take(&s->server->place->bytes, bytes, now_ns));
    if (wait_ns == 0)
        return RC_OK;
    count_add(COUNT_MQTT_RATE_PAUSES, 1);
    if (s->server->place->config.is_disconnecting)
        return mqtt_fail(s, RC_LIMIT, MQTT_MESSAGE_RATE_TOO_HIGH);
    mqtt_pause(s, CONN_PAUSE_RATE);
    timer_start(&meter->resume, (wait_ns + NS_PER_MS - 1) / NS_PER_MS);
    return RC_OK;
}
