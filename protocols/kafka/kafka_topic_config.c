/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_topic_config.h"

#include <stdio.h>

#include "broker/base/number.h"
#include "protocols/kafka/kafka_listener.h"

#define DONE  KAFKA_CONFIG_DONE
#define MOOT  KAFKA_CONFIG_MOOT
#define FIXED KAFKA_CONFIG_FIXED

#define LONGEST INT64_MAX

const struct kafka_config_row kafka_config_rows[] = {
    /* name, default, type, effect, min, max */
    { "cleanup.policy", "delete", KAFKA_CONFIG_LIST, FIXED, 0, 0 },
    { "compression.gzip.level", "-1", KAFKA_CONFIG_INT, MOOT, -1, 9 },
    { "compression.lz4.level", "9", KAFKA_CONFIG_INT, MOOT, 1, 17 },
    { "compression.type", "producer", KAFKA_CONFIG_STRING, DONE, 0, 0 },
    { "compression.zstd.level", "3", KAFKA_CONFIG_INT, MOOT, -131072, 22 },
    { "delete.retention.ms", "86400000", KAFKA_CONFIG_LONG, MOOT, 0, LONGEST },
    { "file.delete.delay.ms", "60000", KAFKA_CONFIG_LONG, MOOT, 0, LONGEST },
    { "flush.messages", "9223372036854775807", KAFKA_CONFIG_LONG, MOOT, 1, LONGEST },
    { "flush.ms", "9223372036854775807", KAFKA_CONFIG_LONG, MOOT, 0, LONGEST },
    { "follower.replication.throttled.replicas", "", KAFKA_CONFIG_LIST, MOOT, 0, 0 },
    { "index.interval.bytes", "4096", KAFKA_CONFIG_INT, MOOT, 0, INT32_MAX },
    { "leader.replication.throttled.replicas", "", KAFKA_CONFIG_LIST, MOOT, 0, 0 },
    { "local.retention.bytes", "-2", KAFKA_CONFIG_LONG, MOOT, -2, LONGEST },
    { "local.retention.ms", "-2", KAFKA_CONFIG_LONG, MOOT, -2, LONGEST },
    { "max.compaction.lag.ms", "9223372036854775807", KAFKA_CONFIG_LONG, MOOT, 1, LONGEST },
    { "max.message.bytes", "1048588", KAFKA_CONFIG_INT, DONE, 0, INT32_MAX },
    { "message.downconversion.enable", "true", KAFKA_CONFIG_BOOLEAN, MOOT, 0, 0 },
    { "message.format.version", "3.0-IV1", KAFKA_CONFIG_STRING, MOOT, 0, 0 },
    { "message.timestamp.after.max.ms", "9223372036854775807", KAFKA_CONFIG_LONG, FIXED, 0,
      LONGEST },
    { "message.timestamp.before.max.ms", "9223372036854775807", KAFKA_CONFIG_LONG, FIXED, 0,
      LONGEST },
    { "message.timestamp.type", "CreateTime", KAFKA_CONFIG_STRING, DONE, 0, 0 },
    { "min.cleanable.dirty.ratio", "0.5", KAFKA_CONFIG_DOUBLE, MOOT, 0, 0 },
    { "min.compaction.lag.ms", "0", KAFKA_CONFIG_LONG, MOOT, 0, LONGEST },
    { "min.insync.replicas", "1", KAFKA_CONFIG_INT, FIXED, 1, INT32_MAX },
    { "preallocate", "false", KAFKA_CONFIG_BOOLEAN, MOOT, 0, 0 },
    { "remote.storage.enable", "false", KAFKA_CONFIG_BOOLEAN, FIXED, 0, 0 },
    { "retention.bytes", "-1", KAFKA_CONFIG_LONG, FIXED, INT64_MIN, LONGEST },
    { "retention.ms", "604800000", KAFKA_CONFIG_LONG, FIXED, -1, LONGEST },
    { "segment.bytes", "1073741824", KAFKA_CONFIG_INT, MOOT, 14, INT32_MAX },
    { "segment.index.bytes", "10485760", KAFKA_CONFIG_INT, MOOT, 4, INT32_MAX },
    { "segment.jitter.ms", "0", KAFKA_CONFIG_LONG, MOOT, 0, LONGEST },
    { "segment.ms", "604800000", KAFKA_CONFIG_LONG, MOOT, 1, LONGEST },
    { "unclean.leader.election.enable", "false", KAFKA_CONFIG_BOOLEAN, MOOT, 0, 0 },
};
const unsigned kafka_config_row_count = sizeof(kafka_config_rows) / sizeof(kafka_config_rows[0]);

#define VALUE_MAX_BYTES                                                       \
    1024 /* of one setting: it lies in the catalogue for as long as the topic \
          */

static const struct kafka_config_row *row_of(struct slice name)
{
    for (unsigned i = 0; i < kafka_config_row_count; i++) {
        if (slice_equal_str(name, kafka_config_rows[i].name))
            return &kafka_config_rows[i];
    }
    return NULL;
}

/* Kafka's words, which are the codecs' but for "uncompressed". */
static bool compression_of(struct slice word, enum compression *ret)
{
    for (int i = COMPRESSION_GZIP; i < COMPRESSION_COUNT; i++) {
        if (slice_equal_str(word, compression_name((enum compression)i))) {
            *ret = (enum compression)i;
            return true;
        }
    }
    *ret = COMPRESSION_NONE;
    return slice_equal_str(word, "uncompressed");
}

static bool is_word(const struct kafka_config_row *row, struct slice value)
{
    if (row->type == KAFKA_CONFIG_BOOLEAN)
        return slice_equal_str(value, "true") || slice_equal_str(value, "false");
    if (strcmp(row->name, "compression.type") == 0)
        return slice_equal_str(value, "producer") ||
               compression_of(value, &(enum compression){ COMPRESSION_NONE });
    if (strcmp(row->name, "message.timestamp.type") == 0)
        return slice_equal_str(value, "CreateTime") || slice_equal_str(value, "LogAppendTime");
    return value.len <= VALUE_MAX_BYTES && memchr(value.at, '\n', value.len) == NULL;
}

struct slice kafka_topic_config_default(const struct kafka_config *config,
                                        const struct kafka_config_row *row,
                                        char room[KAFKA_CONFIG_NUMBER_BYTES])
{
    int64_t number;

    if (strcmp(row->name, "retention.ms") == 0)
        number = config->retention_ms;
    else if (strcmp(row->name, "max.message.bytes") == 0)
        number = config->max_message_bytes;
    else
        return slice_str(row->value);
    (void)snprintf(room, KAFKA_CONFIG_NUMBER_BYTES, "%lld", (long long)number);
    return slice_str(room);
}

const char *kafka_topic_config_check(const struct kafka_config *config, struct slice name,
                                     struct slice value)
{
    const struct kafka_config_row *row = row_of(name);
    char room[KAFKA_CONFIG_NUMBER_BYTES];
    int64_t number;

    if (row == NULL)
        return "Unknown topic config name.";
    if (value.at == NULL)
        return "A topic config value cannot be null.";
    if (slice_equal(value, kafka_topic_config_default(config, row, room)))
        return NULL;
    if (row->effect == KAFKA_CONFIG_FIXED)
        return "This topic config cannot be changed from its default in this version of the "
               "broker.";
    if (row->type == KAFKA_CONFIG_INT || row->type == KAFKA_CONFIG_LONG)
        return number_i64(value, row->min, row->max, &number) == RC_OK
                   ? NULL
                   : "The value is not a number in the allowed range.";
    return is_word(row, value) ? NULL : "The value is not one of those allowed.";
}

void kafka_topic_config_add(const struct kafka_config *config, struct text *kept, struct slice name,
                            struct slice value)
{
    const struct kafka_config_row *row = row_of(name);
    char room[KAFKA_CONFIG_NUMBER_BYTES];

    if (row == NULL || slice_equal(value, kafka_topic_config_default(config, row, room)))
        return;
    text_add(kept, name);
    text_add_byte(kept, '=');
    text_add(kept, value);
    text_add_byte(kept, '\n');
}

struct slice kafka_topic_config_get(struct slice kept, const char *name)
{
    size_t name_bytes = strlen(name);

    while (kept.len > 0) {
        const uint8_t *end = memchr(kept.at, '\n', kept.len);
        size_t line_bytes = end == NULL ? kept.len : (size_t)(end - kept.at);

        if (line_bytes > name_bytes && kept.at[name_bytes] == '=' &&
            memcmp(kept.at, name, name_bytes) == 0)
            return slice_of(kept.at + name_bytes + 1, line_bytes - name_bytes - 1);
        kept = slice_after(kept, line_bytes + 1);
    }
    return SLICE_NONE;
}

void kafka_topic_config_of(const struct kafka_config *config, struct slice kept,
                           struct kafka_topic_config *ret)
{
    struct slice max, type, codec;
    uint64_t bytes;

    *ret = (struct kafka_topic_config){ .max_message_bytes = config->max_message_bytes };
    if (kept.len == 0)
        return;
    max = kafka_topic_config_get(kept, "max.message.bytes");
    if (max.at != NULL && number_u64(max, 0, INT32_MAX, &bytes) == RC_OK)
        ret->max_message_bytes = (uint32_t)bytes;
    type = kafka_topic_config_get(kept, "message.timestamp.type");
    codec = kafka_topic_config_get(kept, "compression.type");
    ret->is_repacked = codec.at != NULL && compression_of(codec, &ret->compression);
    ret->is_append_time = type.at != NULL && slice_equal_str(type, "LogAppendTime");
}
