/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_mount.h"

#include "protocols/mqtt/mqtt_control.h"
#include "protocols/mqtt/mqtt_int.h"

static bool is_of_broker(struct slice topic)
{
    static const struct slice sys = { (const uint8_t *)"$SYS", 4 };

    return slice_starts(topic, sys) && (topic.len == sys.len || topic.at[sys.len] == '/');
}

bool mqtt_mount_is_valid(struct slice mount)
{
    return mount.len > 1 && mount.at[mount.len - 1] == '/' && mount.at[0] != '$' &&
           mqtt_topic_is_valid(mount);
}

struct slice mqtt_mount_of(const struct mqtt_session *s)
{
    const struct mqtt_place *place = s->server->place;

    return place == NULL || place->config.mount == NULL ? SLICE("")
                                                        : slice_str(place->config.mount);
}

/* `before`, the mount point and `behind`, one after the other. */
static enum rc join(const struct mqtt_session *s, struct slice before, struct slice behind,
                    struct slice *ret)
{
    struct text *to = &s->server->place->mounted;

    text_clear(to);
    text_add(to, before);
    text_add(to, mqtt_mount_of(s));
    text_add(to, behind);
    if (to->bad)
        return RC_MEMORY;
    *ret = text_slice(to);
    return to->len > UINT16_MAX ? RC_INVALID : RC_OK;
}

enum rc mqtt_mount_topic(const struct mqtt_session *s, struct slice topic, struct slice *ret)
{
    enum rc rc;

    *ret = topic;
    if (mqtt_mount_of(s).len == 0 || is_of_broker(topic))
        return RC_OK;
    rc = join(s, SLICE(""), topic, ret);
    return rc == RC_OK && !mqtt_topic_is_valid(*ret) ? RC_INVALID : rc;
}

enum rc mqtt_mount_filter(const struct mqtt_session *s, struct slice filter, struct slice *ret)
{
    struct slice name, rest = filter, before = SLICE("");
    enum mqtt_filter_kind kind = mqtt_filter_kind(filter, &name, &rest);
    enum rc rc;

    *ret = filter;
    if (mqtt_mount_of(s).len == 0 || kind == MQTT_FILTER_BAD)
        return RC_OK;
    if (kind == MQTT_FILTER_QUEUE)
        return RC_REFUSED;
    if (kind == MQTT_FILTER_SHARED)
        before = slice_of(filter.at, filter.len - rest.len);
    else
        rest = filter;
    if (is_of_broker(rest))
        return RC_OK;
    rc = join(s, before, rest, ret);
    return rc == RC_OK && !mqtt_filter_is_valid(*ret) ? RC_INVALID : rc;
}

bool mqtt_unmount(struct slice mount, struct slice address, struct slice *ret)
{
    *ret = address;
    if (mount.len == 0 || is_of_broker(address))
        return true;
    if (!slice_starts(address, mount) || address.len == mount.len)
        return false;
    *ret = slice_after(address, mount.len);
    return true;
}
