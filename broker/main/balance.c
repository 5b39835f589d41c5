/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/main/balance.h"

#include <stddef.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"

static const enum counter levels[] = {
    COUNT_NET_OPEN,
    COUNT_CORE_OWED,
    COUNT_CORE_OWED_BYTES,
    COUNT_CORE_STREAMS,
    COUNT_CORE_QUEUES,
    COUNT_CORE_SESSIONS,
    COUNT_CORE_SUBSCRIPTIONS,
    COUNT_CORE_SHARED_SUBSCRIPTIONS,
    COUNT_CORE_SHARES,
    COUNT_CORE_RETAINED,
    COUNT_CORE_RETAINED_BYTES,
    COUNT_CORE_DELAYED,
    COUNT_CORE_DELAYED_BYTES,
    COUNT_CORE_UNLOGGED_BYTES,
    COUNT_CORE_UNEVEN,
    COUNT_MQTT_CONNECTED,
    COUNT_BRIDGE_UP,
};

void balance_check(void)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        int64_t left = count_get(levels[i]);

        if (left != 0)
            log_event(LOG_ERROR, "broker.uneven", "counter=%s left=%lld why=\"an error of ours\"",
                      counter_name(levels[i]), (long long)left);
    }
}
