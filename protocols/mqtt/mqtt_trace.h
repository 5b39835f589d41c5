/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of one client, address or topic, as an operator looks at them. What is off costs the
 * look at one number. Core thread only. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_TRACE_H
#define TERCET_PROTOCOLS_MQTT_MQTT_TRACE_H

#include <stdbool.h>

#include "broker/core/operations.h"
#include "protocols/mqtt/mqtt_int.h"

/* Each trace looks at every packet. */
#define MQTT_TRACES_MAX 8
/* What one may hold until it is asked for. */
#define MQTT_TRACE_BYTES ((size_t)256 << 10)
/* One that is not asked for so long is over: its tool is gone. */
#define MQTT_TRACE_IDLE_MS 5000

enum rc mqtt_trace_begin(void *control, const struct trace_order *order, uint64_t *ret_number);
enum rc mqtt_trace_take(void *control, uint64_t number, struct trace_news *news);
void mqtt_trace_end(void *control, uint64_t number);
void mqtt_traces_init(struct mqtt_control *control);
void mqtt_traces_done(struct mqtt_control *control);

static inline bool mqtt_is_traced(const struct mqtt_session *s)
{
    return s->server->control != NULL && s->server->control->trace_count > 0;
}

/* A packet that came, before it is handled; whole packets that are sent; a PUBLISH that is. Only
 * when something is traced. */
void mqtt_trace_in(struct mqtt_session *s, const struct mqtt_frame *frame);
void mqtt_trace_out(struct mqtt_session *s, struct slice packet);
void mqtt_trace_publish_out(struct mqtt_session *s, const struct mqtt_publish *p,
                            struct slice address);

#endif
