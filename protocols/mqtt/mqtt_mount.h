/* SPDX-License-Identifier: Apache-2.0 */
/* Mount points: a listener's clients see only what lies below some topic, as if that were all.
 *
 * The mount point, which ends in '/', is put before every topic and filter of theirs and taken off
 * what is delivered to them; $SYS is the same for all. Without a mount point nothing is changed. */
#ifndef TERCET_PROTOCOLS_MQTT_MQTT_MOUNT_H
#define TERCET_PROTOCOLS_MQTT_MQTT_MOUNT_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct mqtt_session;

/* May a configuration name it? */
bool mqtt_mount_is_valid(struct slice mount);
/* That of the session's listener, empty when it has none. */
struct slice mqtt_mount_of(const struct mqtt_session *s);
/* What the client's topic is to others. What comes back is borrowed until the next call for a
 * client of the same listeners. RC_INVALID: too long, or too many levels. RC_MEMORY. */
MUST_CHECK enum rc mqtt_mount_topic(const struct mqtt_session *s, struct slice topic,
                                    struct slice *ret);
/* The same of a filter, of a shared subscription the part behind the group's name. RC_REFUSED:
 * $queue, whose names know no mount point. */
MUST_CHECK enum rc mqtt_mount_filter(const struct mqtt_session *s, struct slice filter,
                                     struct slice *ret);
/* What the client calls this address. False: it lies outside of what the client sees. */
bool mqtt_unmount(struct slice mount, struct slice address, struct slice *ret);

#endif
