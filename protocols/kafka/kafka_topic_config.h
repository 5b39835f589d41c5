/* SPDX-License-Identifier: Apache-2.0 */
/* Topic configurations: what may be set, what it does here, and how it is kept. Pure.
 *
 * Kept with the stream as lines "name=value\n", only of what differs from the default. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_TOPIC_CONFIG_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_TOPIC_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/slice.h"
#include "broker/base/text.h"
#include "broker/core/compaction.h"
#include "broker/core/policy.h"
#include "broker/record/compression.h"

struct kafka_config;

/* Numbers of Kafka's DescribeConfigs. */
enum kafka_config_type {
    KAFKA_CONFIG_BOOLEAN = 1,
    KAFKA_CONFIG_STRING = 2,
    KAFKA_CONFIG_INT = 3,
    KAFKA_CONFIG_LONG = 5,
    KAFKA_CONFIG_DOUBLE = 6,
    KAFKA_CONFIG_LIST = 7,
};

enum kafka_config_effect {
    KAFKA_CONFIG_DONE,   /* does here what it does in Kafka */
    KAFKA_CONFIG_MOOT,   /* tunes what we do not have (index files, flushes): kept and shown */
    KAFKA_CONFIG_POLICY, /* lies in the stream's policy, which other protocols set too */
    KAFKA_CONFIG_FIXED   /* would change what clients see, and is not done yet: default only */
};

struct kafka_config_row {
    const char *name;
    const char *value; /* default */
    enum kafka_config_type type;
    enum kafka_config_effect effect;
    int64_t min; /* of INT and LONG */
    int64_t max;
};

extern const struct kafka_config_row kafka_config_rows[];
extern const unsigned kafka_config_row_count;

/* What requests on a topic need of its configuration. */
struct kafka_topic_config {
    uint32_t max_message_bytes;
    bool is_append_time;
    bool is_repacked; /* batches are stored with `compression`, however they came */
    enum compression compression;
};

void kafka_topic_config_of(const struct kafka_config *config, struct slice kept,
                           struct kafka_topic_config *ret);

/* A topic's configuration whole. */
struct kafka_topic_view {
    struct slice kept;
    struct stream_policy own;       /* what the stream says itself */
    struct stream_policy effective; /* what holds */
};

/* The value of a row, and whether the topic sets it itself. Borrowed from `room`, `view` or the
 * table. */
#define KAFKA_CONFIG_NUMBER_BYTES 24
struct slice kafka_topic_config_value(const struct kafka_config *config,
                                      const struct kafka_topic_view *view,
                                      const struct kafka_config_row *row,
                                      char room[KAFKA_CONFIG_NUMBER_BYTES], bool *ret_is_set);
/* What a row is for a topic that does not set it: the broker's own setting, or the row's default.
 * Borrowed from `room` or the table. */
struct slice kafka_topic_config_default(const struct kafka_config *config,
                                        const struct kafka_config_row *row,
                                        char room[KAFKA_CONFIG_NUMBER_BYTES]);
/* NULL: there is none of that name. */
const struct kafka_config_row *kafka_config_row_of(struct slice name);
/* NULL: it may be set so. Else why not, for the client. */
const char *kafka_topic_config_check(const struct kafka_config *config, struct slice name,
                                     struct slice value);
/* Takes a checked setting over into the policy where that is its place; none: back to the default.
 */
void kafka_topic_policy_set(struct slice name, struct slice value, struct stream_policy *policy);
#define KAFKA_COMPACTED_UNLOGGED \
    SLICE("A topic whose tercet.durability is none cannot be compacted: it has no log.")

/* The durability that kept settings ask for: tercet.durability before flush.messages before
 * flush.ms, which is `interval` where the broker syncs at least as often. POLICY_OPEN: none. */
int64_t kafka_topic_durability(const struct kafka_config *config, struct slice kept);
/* Whether and how the topic is compacted, by what is kept. */
bool kafka_topic_compaction(struct slice kept, struct stream_compaction *ret);
/* Appends one setting that was checked; defaults, and what lies in the policy, are left out. */
void kafka_topic_config_add(const struct kafka_config *config, struct text *kept, struct slice name,
                            struct slice value);
/* The value of a row in what is kept; none: the default. */
struct slice kafka_topic_config_get(struct slice kept, const char *name);

#endif
