/* SPDX-License-Identifier: Apache-2.0 */
/* The Kafka protocol of one broker: what main opens listeners with. Core thread only. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_LISTENER_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/net/protocol.h"

struct core;
struct definitions_rules;
struct kafka;
struct loop;

struct kafka_config {
    int32_t node_id;
    const char *advertised_host; /* NULL: the address the client connected to; borrowed */
    uint16_t advertised_port;    /* 0: the port the client connected to */
    bool is_auto_create;         /* metadata requests make unknown topics */
    bool is_replication_clamped; /* a replication factor over 1 is taken as 1, not refused */
    unsigned initial_rebalance_delay_ms;
    unsigned session_timeout_min_ms;
    unsigned session_timeout_max_ms;
    uint32_t max_message_bytes; /* of one batch, as it was sent */
    uint64_t sync_interval_ms;  /* set by kafka_new() from core's */
};

#define KAFKA_CONFIG_DEFAULT                                                  \
    {                                                                         \
        .node_id = 1, .is_auto_create = true, .is_replication_clamped = true, \
        .session_timeout_min_ms = 6000, .session_timeout_max_ms = 1800000,    \
        .max_message_bytes = 1048588, .sync_interval_ms = 200                 \
    }

/* Groups and identity, shared by all listeners; the `context` of listener_config. Borrows core and
 * loop, which must outlive it. */
struct kafka *kafka_new(struct core *core, struct loop *loop, const struct kafka_config *config);
/* All its connections must be gone. */
void kafka_free(struct kafka **kafka);

/* Sets the members that are Kafka's: topic configurations. Borrows `kafka`. */
void kafka_definitions_rules(struct kafka *kafka, struct definitions_rules *rules);

extern const struct protocol kafka_protocol;

#endif
