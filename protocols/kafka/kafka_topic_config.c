/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_topic_config.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/number.h"
#include "broker/core/stream.h"
#include "protocols/kafka/kafka_listener.h"

#define DONE   KAFKA_CONFIG_DONE
#define MOOT   KAFKA_CONFIG_MOOT
#define POLICY KAFKA_CONFIG_POLICY
#define FIXED  KAFKA_CONFIG_FIXED

#define LONGEST INT64_MAX

const struct kafka_config_row kafka_config_rows[] = {
    /* name, default, type, effect, min, max */
    { "cleanup.policy", "delete", KAFKA_CONFIG_LIST, DONE, 0, 0 },
    { "compression.gzip.level", "-1", KAFKA_CONFIG_INT, MOOT, -1, 9 },
    { "compression.lz4.level", "9", KAFKA_CONFIG_INT, MOOT, 1, 17 },
    { "compression.type", "producer", KAFKA_CONFIG_STRING, DONE, 0, 0 },
    { "compression.zstd.level", "3", KAFKA_CONFIG_INT, MOOT, -131072, 22 },
    { "delete.retention.ms", "86400000", KAFKA_CONFIG_LONG, DONE, 0, LONGEST },
    { "file.delete.delay.ms", "60000", KAFKA_CONFIG_LONG, MOOT, 0, LONGEST },
    { "flush.messages", "9223372036854775807", KAFKA_CONFIG_LONG, DONE, 1, LONGEST },
    { "flush.ms", "9223372036854775807", KAFKA_CONFIG_LONG, DONE, 0, LONGEST },
    { "follower.replication.throttled.replicas", "", KAFKA_CONFIG_LIST, MOOT, 0, 0 },
    { "index.interval.bytes", "4096", KAFKA_CONFIG_INT, MOOT, 0, INT32_MAX },
    { "leader.replication.throttled.replicas", "", KAFKA_CONFIG_LIST, MOOT, 0, 0 },
    { "local.retention.bytes", "-2", KAFKA_CONFIG_LONG, MOOT, -2, LONGEST },
    { "local.retention.ms", "-2", KAFKA_CONFIG_LONG, MOOT, -2, LONGEST },
    { "max.compaction.lag.ms", "9223372036854775807", KAFKA_CONFIG_LONG, DONE, 1, LONGEST },
    { "max.message.bytes", "1048588", KAFKA_CONFIG_INT, DONE, 0, INT32_MAX },
    { "message.downconversion.enable", "true", KAFKA_CONFIG_BOOLEAN, MOOT, 0, 0 },
    { "message.format.version", "3.0-IV1", KAFKA_CONFIG_STRING, MOOT, 0, 0 },
    { "message.timestamp.after.max.ms", "9223372036854775807", KAFKA_CONFIG_LONG, FIXED, 0,
      LONGEST },
    { "message.timestamp.before.max.ms", "9223372036854775807", KAFKA_CONFIG_LONG, FIXED, 0,
      LONGEST },
    { "message.timestamp.type", "CreateTime", KAFKA_CONFIG_STRING, DONE, 0, 0 },
    { "min.cleanable.dirty.ratio", "0.5", KAFKA_CONFIG_DOUBLE, DONE, 0, 0 },
    { "min.compaction.lag.ms", "0", KAFKA_CONFIG_LONG, DONE, 0, LONGEST },
    { "min.insync.replicas", "1", KAFKA_CONFIG_INT, FIXED, 1, INT32_MAX },
    { "preallocate", "false", KAFKA_CONFIG_BOOLEAN, MOOT, 0, 0 },
    { "remote.storage.enable", "false", KAFKA_CONFIG_BOOLEAN, FIXED, 0, 0 },
    { "retention.bytes", "-1", KAFKA_CONFIG_LONG, POLICY, INT64_MIN, LONGEST },
    { "retention.ms", "604800000", KAFKA_CONFIG_LONG, POLICY, -1, LONGEST },
    { "segment.bytes", "1073741824", KAFKA_CONFIG_INT, DONE, 14, INT32_MAX },
    { "segment.index.bytes", "10485760", KAFKA_CONFIG_INT, MOOT, 4, INT32_MAX },
    { "segment.jitter.ms", "0", KAFKA_CONFIG_LONG, MOOT, 0, LONGEST },
    { "segment.ms", "604800000", KAFKA_CONFIG_LONG, DONE, 1, LONGEST },
    { "tercet.durability", "always", KAFKA_CONFIG_STRING, POLICY, 0, 0 },
    { "unclean.leader.election.enable", "false", KAFKA_CONFIG_BOOLEAN, MOOT, 0, 0 },
};
const unsigned kafka_config_row_count = sizeof(kafka_config_rows) / sizeof(kafka_config_rows[0]);

#define RATIO_MAX_BYTES 30
#define VALUE_MAX_BYTES                                                       \
    1024 /* of one setting: it lies in the catalogue for as long as the topic \
          */

const struct kafka_config_row *kafka_config_row_of(struct slice name)
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

static bool durability_of(struct slice word, int64_t *ret)
{
    for (int64_t i = 0; policy_durability_names[i] != NULL; i++) {
        *ret = i;
        if (slice_equal_str(word, policy_durability_names[i]))
            return true;
    }
    return false;
}

/* The words of cleanup.policy, in any order. */
static bool cleanup_of(struct slice list, bool *ret_compacts, bool *ret_deletes)
{
    *ret_compacts = *ret_deletes = false;
    for (;;) {
        const uint8_t *comma = memchr(list.at, ',', list.len);
        struct slice word = slice_of(list.at, comma == NULL ? list.len : (size_t)(comma - list.at));

        while (word.len > 0 && word.at[0] == ' ')
            word = slice_after(word, 1);
        while (word.len > 0 && word.at[word.len - 1] == ' ')
            word.len--;
        if (slice_equal_str(word, "compact"))
            *ret_compacts = true;
        else if (slice_equal_str(word, "delete"))
            *ret_deletes = true;
        else
            return false;
        if (comma == NULL)
            return true;
        list = slice_after(list, (size_t)(comma - list.at) + 1);
    }
}

/* 0 to 1, as thousandths. */
static bool ratio_of(struct slice text, uint16_t *ret)
{
    char room[RATIO_MAX_BYTES + 1];
    double ratio;
    char *end;

    if (text.len == 0 || text.len > RATIO_MAX_BYTES)
        return false;
    memcpy(room, text.at, text.len);
    room[text.len] = '\0';
    ratio = strtod(room, &end);
    if (*end != '\0' || !(ratio >= 0 && ratio <= 1))
        return false;
    *ret = (uint16_t)(ratio * 1000 + 0.5);
    return true;
}

static int64_t number_of(struct slice kept, const char *name, int64_t otherwise)
{
    struct slice said = kafka_topic_config_get(kept, name);
    int64_t number;

    return said.at != NULL && number_i64(said, 0, LONGEST, &number) == RC_OK ? number : otherwise;
}

bool kafka_topic_compaction(struct slice kept, struct stream_compaction *ret)
{
    struct slice policy = kafka_topic_config_get(kept, "cleanup.policy");
    struct slice ratio = kafka_topic_config_get(kept, "min.cleanable.dirty.ratio");
    bool compacts, deletes;

    if (policy.at == NULL || !cleanup_of(policy, &compacts, &deletes) || !compacts)
        return false;
    *ret = (struct stream_compaction)STREAM_COMPACTION_DEFAULT;
    ret->is_deleted_too = deletes;
    if (ratio.at != NULL)
        (void)ratio_of(ratio, &ret->dirty_permille); /* it was checked when it was set */
    ret->delete_retention_ms = number_of(kept, "delete.retention.ms", ret->delete_retention_ms);
    ret->min_lag_ms = number_of(kept, "min.compaction.lag.ms", ret->min_lag_ms);
    ret->max_lag_ms = number_of(kept, "max.compaction.lag.ms", ret->max_lag_ms);
    ret->active_bytes = (uint64_t)number_of(kept, "segment.bytes", (int64_t)ret->active_bytes);
    ret->active_ms = number_of(kept, "segment.ms", ret->active_ms);
    return true;
}

static bool is_word(const struct kafka_config_row *row, struct slice value)
{
    if (row->type == KAFKA_CONFIG_BOOLEAN)
        return slice_equal_str(value, "true") || slice_equal_str(value, "false");
    if (strcmp(row->name, "cleanup.policy") == 0)
        return cleanup_of(value, &(bool){ false }, &(bool){ false });
    if (strcmp(row->name, "min.cleanable.dirty.ratio") == 0)
        return ratio_of(value, &(uint16_t){ 0 });
    if (strcmp(row->name, "compression.type") == 0)
        return slice_equal_str(value, "producer") ||
               compression_of(value, &(enum compression){ COMPRESSION_NONE });
    if (strcmp(row->name, "tercet.durability") == 0)
        return durability_of(value, &(int64_t){ 0 });
    if (strcmp(row->name, "message.timestamp.type") == 0)
        return slice_equal_str(value, "CreateTime") || slice_equal_str(value, "LogAppendTime");
    return value.len <= VALUE_MAX_BYTES && memchr(value.at, '\n', value.len) == NULL;
}

static struct slice number_text(int64_t number, char room[KAFKA_CONFIG_NUMBER_BYTES])
{
    (void)snprintf(room, KAFKA_CONFIG_NUMBER_BYTES, "%lld", (long long)number);
    return slice_str(room);
}

struct slice kafka_topic_config_default(const struct kafka_config *config,
                                        const struct kafka_config_row *row,
                                        char room[KAFKA_CONFIG_NUMBER_BYTES])
{
    int64_t number;

    if (strcmp(row->name, "max.message.bytes") == 0)
        number = config->max_message_bytes;
    else
        return slice_str(row->value);
    return number_text(number, room);
}

/* ---- what lies in the policy ---- */

static int64_t *place_of(const char *name, struct stream_policy *policy)
{
    return strcmp(name, "retention.ms") == 0      ? &policy->retention_ms
           : strcmp(name, "retention.bytes") == 0 ? &policy->retention_bytes
                                                  : NULL;
}

void kafka_topic_policy_set(struct slice name, struct slice value, struct stream_policy *policy)
{
    const struct kafka_config_row *row = kafka_config_row_of(name);
    int64_t *place = row == NULL ? NULL : place_of(row->name, policy);

    if (place == NULL)
        return;
    if (number_i64(value, row->min, row->max, place) != RC_OK)
        *place = POLICY_OPEN;
    else if (*place < POLICY_UNLIMITED) /* in Kafka every negative number of bytes is no limit */
        *place = POLICY_UNLIMITED;
}

int64_t kafka_topic_durability(const struct kafka_config *config, struct slice kept)
{
    struct slice said = kafka_topic_config_get(kept, "tercet.durability");
    int64_t durability = POLICY_OPEN, interval_ms;

    if (said.at != NULL)
        return durability_of(said, &durability) ? durability : POLICY_OPEN;
    if (kafka_topic_config_get(kept, "flush.messages").at != NULL)
        return DURABILITY_ALWAYS; /* every record is synced, so every n-th is */
    said = kafka_topic_config_get(kept, "flush.ms");
    if (said.at == NULL || number_i64(said, 0, LONGEST, &interval_ms) != RC_OK)
        return POLICY_OPEN;
    return interval_ms < (int64_t)config->sync_interval_ms ? DURABILITY_ALWAYS
                                                           : DURABILITY_INTERVAL;
}

static struct slice policy_value(const struct kafka_config *config,
                                 const struct kafka_topic_view *view,
                                 const struct kafka_config_row *row, char *room, bool *ret_is_set)
{
    struct stream_policy own = view->own, effective = view->effective;
    int64_t *place = place_of(row->name, &own);

    if (place != NULL) {
        *ret_is_set = *place != POLICY_OPEN;
        return number_text(*place_of(row->name, &effective), room);
    }
    /* It may be that flush.ms or flush.messages say so, which are shown as what they are. */
    *ret_is_set = kafka_topic_config_get(view->kept, row->name).at != NULL ||
                  (own.durability != POLICY_OPEN &&
                   kafka_topic_durability(config, view->kept) == POLICY_OPEN);
    return slice_str(policy_durability_names[effective.durability]);
}

struct slice kafka_topic_config_value(const struct kafka_config *config,
                                      const struct kafka_topic_view *view,
                                      const struct kafka_config_row *row,
                                      char room[KAFKA_CONFIG_NUMBER_BYTES], bool *ret_is_set)
{
    struct slice value;

    if (row->effect == KAFKA_CONFIG_POLICY)
        return policy_value(config, view, row, room, ret_is_set);
    value = kafka_topic_config_get(view->kept, row->name);
    *ret_is_set = value.at != NULL;
    return value.at != NULL ? value : kafka_topic_config_default(config, row, room);
}

const char *kafka_topic_config_check(const struct kafka_config *config, struct slice name,
                                     struct slice value)
{
    const struct kafka_config_row *row = kafka_config_row_of(name);
    char room[KAFKA_CONFIG_NUMBER_BYTES];
    int64_t number;

    if (row == NULL)
        return "Unknown topic config name.";
    if (value.at == NULL)
        return "A topic config value cannot be null.";
    if (row->effect != KAFKA_CONFIG_POLICY &&
        slice_equal(value, kafka_topic_config_default(config, row, room)))
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
    const struct kafka_config_row *row = kafka_config_row_of(name);
    char room[KAFKA_CONFIG_NUMBER_BYTES];

    if (row == NULL || place_of(row->name, &(struct stream_policy){ 0 }) != NULL ||
        (row->effect != KAFKA_CONFIG_POLICY &&
         slice_equal(value, kafka_topic_config_default(config, row, room))))
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
