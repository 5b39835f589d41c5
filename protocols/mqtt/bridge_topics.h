/* SPDX-License-Identifier: Apache-2.0 */
/* What a bridge exchanges, made from its configuration: filters at both sides, and topics from one
 * side's spelling to the other's. Pure. */
#ifndef TERCET_PROTOCOLS_MQTT_BRIDGE_TOPICS_H
#define TERCET_PROTOCOLS_MQTT_BRIDGE_TOPICS_H

#include "broker/base/text.h"
#include "protocols/mqtt/bridge_config.h"

struct filter;

struct bridge_topic {
    struct bridge_topic_line line; /* borrowed from the configuration */
    char *local;                   /* owned: prefix and pattern together */
    char *remote;                  /* owned */
    struct filter *local_filter;   /* owned */
    struct filter *remote_filter;  /* owned */
};

struct bridge_topics {
    struct bridge_topic *at; /* owned */
    unsigned count;
};

/* `lines` was checked, and must outlive it. RC_MEMORY, and what filter_from_mqtt() says. */
MUST_CHECK enum rc bridge_topics_init(struct bridge_topics *topics, const char *lines);
void bridge_topics_done(struct bridge_topics *topics);

/* The topic at the other side, of the first row that sends (or takes) this one; `to` is cleared
 * first. False: none does, or there it would be no topic. */
bool bridge_topic_out(const struct bridge_topics *topics, struct slice local, struct text *to);
bool bridge_topic_in(const struct bridge_topics *topics, struct slice remote, struct text *to);

#endif
