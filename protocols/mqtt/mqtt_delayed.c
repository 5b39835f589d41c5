/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_delayed.h"

#include <string.h>

#include "broker/base/number.h"
#include "broker/core/delayed.h"

#define PREFIX     "$delayed"
#define MS_PER_S   1000u
#define PREFIX_LEN (sizeof(PREFIX) - 1)

bool mqtt_is_delayed(struct slice topic)
{
    return topic.len >= PREFIX_LEN && topic.at[0] == '$' && slice_starts(topic, SLICE(PREFIX)) &&
           (topic.len == PREFIX_LEN || topic.at[PREFIX_LEN] == '/');
}

enum rc mqtt_delayed_parse(struct slice topic, uint64_t *ret_delay_ms, struct slice *ret_topic)
{
    struct slice rest, seconds;
    const uint8_t *slash;
    uint64_t s;

    if (topic.len <= PREFIX_LEN + 1)
        return RC_INVALID;
    rest = slice_after(topic, PREFIX_LEN + 1);
    slash = memchr(rest.at, '/', rest.len);
    if (slash == NULL)
        return RC_INVALID;
    seconds = slice_of(rest.at, (size_t)(slash - rest.at));
    rest = slice_after(rest, seconds.len + 1);
    if (rest.len == 0 || number_u64(seconds, 0, DELAY_MAX_MS / MS_PER_S, &s) != RC_OK)
        return RC_INVALID;
    *ret_delay_ms = s * MS_PER_S;
    *ret_topic = rest;
    return RC_OK;
}
