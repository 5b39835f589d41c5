/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/drain.h"

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/number.h"
#include "broker/core/core_int.h"
#include "broker/core/operations.h"

#define STEP_MS UINT64_C(50)

/* "host:port" or "[::1]:port". */
static enum rc split(struct slice node, struct slice *ret_host, uint64_t *ret_port)
{
    const uint8_t *colon = node.len == 0 ? NULL : memrchr(node.at, ':', node.len);
    struct slice host;

    if (colon == NULL)
        return RC_INVALID;
    host = slice_of(node.at, (size_t)(colon - node.at));
    if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
        host = slice_of(host.at + 1, host.len - 2);
    *ret_host = host;
    if (host.len == 0 || memchr(host.at, 0, host.len) != NULL)
        return RC_INVALID;
    return number_u64(slice_after(node, (size_t)(colon - node.at) + 1), 1, UINT16_MAX, ret_port);
}

/* Who is told goes at the end of the turn, or when what it was promised is done. */
static void step(void *arg)
{
    struct core *core = arg;
    struct drain *drain = &core->drain;
    uint64_t now_ns = clock_monotonic_ns(), wait_ns = 0;
    bool is_left = false;

    LIST_EACH_SAFE (k, &core->clients) {
        struct client *client = CONTAINER_OF(k, struct client, link);

        if (client->ops->on_drain == NULL)
            continue;
        if (wait_ns > 0) {
            is_left = true;
            break;
        }
        if (!client->ops->on_drain(client->session))
            continue; /* it is not there yet, or was told */
        wait_ns = rate_take(&drain->rate, 1, now_ns);
        count_add(COUNT_CORE_DRAINED, 1);
    }
    if (is_left)
        deadline_start_in_ms(&core->deadlines, &drain->step, STEP_MS, step, core);
    core_wake(core);
}

enum rc core_drain(struct core *core, const struct drain_order *order)
{
    struct drain *drain = &core->drain;
    struct slice host = SLICE_NONE;
    uint64_t port = 0;

    if (order->node.len > 0 && split(order->node, &host, &port) != RC_OK)
        return RC_INVALID;
    text_clear(&drain->to);
    text_add(&drain->to, order->to);
    text_clear(&drain->node_host);
    text_add(&drain->node_host, host);
    drain->node_port = (uint16_t)port;
    drain->is_on = true;
    drain->rate = (struct rate){ order->per_s, clock_monotonic_ns() };
    log_event(LOG_NOTICE, "core.draining", "node=%s per_s=%llu",
              log_quote(order->node.at, order->node.len), (unsigned long long)order->per_s);
    deadline_start_in_ms(&core->deadlines, &drain->step, 0, step, core);
    return RC_OK;
}

void core_drain_stop(struct core *core)
{
    core->drain.is_on = false;
    deadline_stop(&core->deadlines, &core->drain.step);
}

const struct drain *core_draining(const struct core *core)
{
    return core->drain.is_on ? &core->drain : NULL;
}

void drain_done(struct core *core)
{
    core_drain_stop(core);
    text_done(&core->drain.to);
    text_done(&core->drain.node_host);
}
