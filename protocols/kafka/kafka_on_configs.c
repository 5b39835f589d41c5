/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs. */
#include "broker/base/number.h"
#include "broker/base/text.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"
#include "protocols/kafka/kafka_topic_config.h"

#define SAY(text) slice_str(text)
#define NS_PER_US 1000u

/* The value of a configuration as it is for this topic, in the arena. */
struct slice kafka_config_value(struct kafka_request *request, const struct kafka_topic_view *view,
                                const struct kafka_config_row *row, bool *ret_is_set)
{
    char room[KAFKA_CONFIG_NUMBER_BYTES];

    return kafka_arena_copy(&request->arena, kafka_topic_config_value(&request->kafka->config, view,
                                                                      row, room, ret_is_set));
}

static struct kafka_topic_view view_of(const struct stream *stream)
{
    return (struct kafka_topic_view){ stream_config(stream), *stream_policy(stream),
                                      *stream_effective_policy(stream) };
}

/* ---- DescribeConfigs ---- */

enum config_resource { CONFIG_TOPIC = 2, CONFIG_BROKER = 4 };

static bool is_wanted(const struct kafka_describe_configs_resource *asked, const char *name)
{
    for (uint32_t i = 0; i < asked->configuration_keys_count; i++) {
        if (slice_equal_str(asked->configuration_keys[i], name))
            return true;
    }
    return asked->configuration_keys == NULL;
}

static enum kafka_error describe_topic(struct kafka_request *request, bool has_synonyms,
                                       const struct kafka_describe_configs_resource *asked,
                                       struct kafka_describe_configs_result *result)
{
    struct stream *stream = NULL;
    enum kafka_error error =
        kafka_use_topic(request, false, asked->resource_name, NULL, OPERATION_DESCRIBE, &stream);
    struct kafka_describe_configs_config_result *at;
    struct kafka_topic_view view;

    if (error != KAFKA_ERROR_NONE)
        return error;
    view = view_of(stream);
    at = KAFKA_ARRAY(&request->arena, kafka_describe_configs_config_result, kafka_config_row_count);
    result->configs = at;
    for (unsigned i = 0; i < kafka_config_row_count && at != NULL; i++) {
        const struct kafka_config_row *row = &kafka_config_rows[i];
        struct kafka_describe_configs_synonym *synonym =
            has_synonyms ? KAFKA_ARRAY(&request->arena, kafka_describe_configs_synonym, 1) : NULL;
        bool is_set;

        if (!is_wanted(asked, row->name))
            continue;
        at->name = SAY(row->name);
        at->value = kafka_config_value(request, &view, row, &is_set);
        at->config_source = is_set ? KAFKA_SOURCE_TOPIC : KAFKA_SOURCE_DEFAULT;
        at->config_type = (int8_t)row->type;
        at->read_only = row->effect == KAFKA_CONFIG_FIXED;
        if (synonym != NULL) {
            *synonym =
                (struct kafka_describe_configs_synonym){ at->name, at->value, at->config_source };
            at->synonyms = synonym;
            at->synonyms_count = 1;
        }
        at++;
        result->configs_count++;
    }
    return KAFKA_ERROR_NONE;
}

static int64_t retention_ms(const struct kafka *kafka)
{
    uint64_t ms = core_config(kafka->core)->retention_ms;

    return ms == 0 ? -1 : (int64_t)ms;
}

static int64_t max_message_bytes(const struct kafka *kafka)
{
    return kafka->config.max_message_bytes;
}

static int64_t default_partitions(const struct kafka *kafka)
{
    return core_config(kafka->core)->default_partitions;
}

static int64_t sync_interval_ms(const struct kafka *kafka)
{
    return (int64_t)kafka->config.sync_interval_ms;
}

static int64_t commit_p50_us(const struct kafka *kafka)
{
    uint64_t p50_ns, p99_ns;

    core_commit_latency(kafka->core, &p50_ns, &p99_ns);
    return (int64_t)(p50_ns / NS_PER_US);
}

static int64_t commit_p99_us(const struct kafka *kafka)
{
    uint64_t p50_ns, p99_ns;

    core_commit_latency(kafka->core, &p50_ns, &p99_ns);
    return (int64_t)(p99_ns / NS_PER_US);
}

/* What tools look at to know what kind of broker this is. */
static const struct {
    const char *name;
    const char *value;
    enum kafka_config_type type;
    int64_t (*number)(const struct kafka *kafka); /* when `value` is NULL */
} broker_configs[] = {
    { "auto.create.topics.enable", NULL, KAFKA_CONFIG_BOOLEAN, NULL },
    { "default.replication.factor", "1", KAFKA_CONFIG_INT, NULL },
    { "delete.topic.enable", "true", KAFKA_CONFIG_BOOLEAN, NULL },
    { "log.cleanup.policy", "delete", KAFKA_CONFIG_LIST, NULL },
    { "log.message.timestamp.type", "CreateTime", KAFKA_CONFIG_STRING, NULL },
    { "log.retention.bytes", "-1", KAFKA_CONFIG_LONG, NULL },
    { "log.retention.ms", NULL, KAFKA_CONFIG_LONG, retention_ms },
    { "message.max.bytes", NULL, KAFKA_CONFIG_INT, max_message_bytes },
    { "min.insync.replicas", "1", KAFKA_CONFIG_INT, NULL },
    { "num.partitions", NULL, KAFKA_CONFIG_INT, default_partitions },
    { "offsets.topic.replication.factor", "1", KAFKA_CONFIG_INT, NULL },
    /* what `tercet` shows of the store */
    { "tercet.commit.p50.us", NULL, KAFKA_CONFIG_LONG, commit_p50_us },
    { "tercet.commit.p99.us", NULL, KAFKA_CONFIG_LONG, commit_p99_us },
    { "tercet.durability", NULL, KAFKA_CONFIG_STRING, NULL },
    { "tercet.sync.interval.ms", NULL, KAFKA_CONFIG_LONG, sync_interval_ms },
};

static struct slice broker_value(struct kafka_request *request, unsigned row)
{
    struct text text = { 0 };
    struct slice copy;

    if (broker_configs[row].value != NULL)
        return SAY(broker_configs[row].value);
    if (strcmp(broker_configs[row].name, "auto.create.topics.enable") == 0)
        return SAY(request->kafka->config.is_auto_create ? "true" : "false");
    if (strcmp(broker_configs[row].name, "tercet.durability") == 0)
        return SAY(policy_durability_names[core_config(request->kafka->core)->durability]);
    text_format(&text, "%lld", (long long)broker_configs[row].number(request->kafka));
    copy = kafka_arena_copy(&request->arena, text_slice(&text));
    text_done(&text);
    return copy;
}

static enum kafka_error describe_broker(struct kafka_request *request,
                                        const struct kafka_describe_configs_resource *asked,
                                        struct kafka_describe_configs_result *result)
{
    unsigned count = sizeof(broker_configs) / sizeof(broker_configs[0]);
    struct kafka_describe_configs_config_result *at =
        KAFKA_ARRAY(&request->arena, kafka_describe_configs_config_result, count);
    int64_t id;

    if (number_i64(asked->resource_name, INT32_MIN, INT32_MAX, &id) != RC_OK ||
        id != request->kafka->config.node_id) {
        result->error_message = SLICE("There is no such broker.");
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    if (authorise(request->client, OPERATION_DESCRIBE, RESOURCE_BROKER, SLICE("")) != RC_OK)
        return KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    result->configs = at;
    for (unsigned i = 0; i < count && at != NULL; i++) {
        if (!is_wanted(asked, broker_configs[i].name))
            continue;
        at->name = SAY(broker_configs[i].name);
        at->value = broker_value(request, i);
        at->config_source = KAFKA_SOURCE_DEFAULT;
        at->config_type = (int8_t)broker_configs[i].type;
        at->read_only = true;
        at++;
        result->configs_count++;
    }
    return KAFKA_ERROR_NONE;
}

void kafka_on_describe_configs(struct kafka_request *request, const void *body)
{
    const struct kafka_describe_configs_request *asked = body;
    struct kafka_describe_configs_response *r = KAFKA_RESPONSE(request, describe_configs);

    if (r != NULL)
        r->results =
            KAFKA_ARRAY(&request->arena, kafka_describe_configs_result, asked->resources_count);
    for (uint32_t i = 0; r != NULL && r->results != NULL && i < asked->resources_count; i++) {
        const struct kafka_describe_configs_resource *resource = &asked->resources[i];
        struct kafka_describe_configs_result *result = &r->results[i];
        enum kafka_error error = KAFKA_ERROR_INVALID_REQUEST;

        result->resource_type = resource->resource_type;
        result->resource_name = resource->resource_name;
        if (resource->resource_type == CONFIG_TOPIC)
            error = describe_topic(request, asked->include_synonyms, resource, result);
        else if (resource->resource_type == CONFIG_BROKER)
            error = describe_broker(request, resource, result);
        else
            result->error_message = SLICE("Only topics and the broker have configurations.");
        result->error_code = (int16_t)error;
        r->results_count++;
    }
    kafka_answer(request);
}

/* ---- AlterConfigs, IncrementalAlterConfigs ---- */

#define ONLY_TOPICS SLICE("Only the configurations of topics can be changed, each once.")

/* The part of a list before its first comma. */
static struct slice first_word(struct slice list)
{
    const uint8_t *comma = memchr(list.at, ',', list.len);

    return slice_of(list.at, comma == NULL ? list.len : (size_t)(comma - list.at));
}

/* One change, whichever of the two asked for it. */
struct change {
    struct slice name;
    struct slice value; /* none: back to the default */
};

struct alteration {
    int8_t resource_type;
    struct slice resource_name;
    const struct change *changes;
    uint32_t count;
    bool is_whole; /* what is not named goes back to its default */
};

static const struct change *change_of(const struct alteration *a, struct slice name)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (slice_equal(a->changes[i].name, name))
            return &a->changes[i];
    }
    return NULL;
}

static enum kafka_error check_changes(const struct kafka_config *config, const struct alteration *a,
                                      struct slice *ret_message)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct change *change = &a->changes[i];
        const char *why = NULL;

        if (change_of(a, change->name) != change) {
            *ret_message = SLICE("A configuration is named twice.");
            return KAFKA_ERROR_INVALID_REQUEST;
        }
        if (change->value.at != NULL || a->is_whole)
            why = kafka_topic_config_check(config, change->name, change->value);
        if (why != NULL) {
            *ret_message = SAY(why);
            return KAFKA_ERROR_INVALID_CONFIG;
        }
    }
    return KAFKA_ERROR_NONE;
}

/* The policy with the changes in it. What another protocol has set stays unless it is named. */
static struct stream_policy changed_policy(const struct kafka_config *config,
                                           const struct alteration *a, const struct stream *stream,
                                           struct slice kept)
{
    static const char *const names[] = { "retention.ms", "retention.bytes" };
    struct stream_policy policy = *stream_policy(stream);
    int64_t said = kafka_topic_durability(config, kept);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct change *change = change_of(a, SAY(names[i]));

        if (change != NULL || a->is_whole)
            kafka_topic_policy_set(SAY(names[i]), change == NULL ? SLICE_NONE : change->value,
                                   &policy);
    }
    if (said != POLICY_OPEN || a->is_whole || change_of(a, SLICE("tercet.durability")) != NULL ||
        kafka_topic_durability(config, stream_config(stream)) != POLICY_OPEN)
        policy.durability = said;
    return policy;
}

static enum kafka_error set_compaction(struct stream *stream, struct slice kept,
                                       struct slice *ret_message)
{
    struct stream_compaction compaction;
    bool is_compacted = kafka_topic_compaction(kept, &compaction);

    if (stream_set_compaction(stream, is_compacted ? &compaction : NULL) == RC_OK)
        return KAFKA_ERROR_NONE;
    *ret_message = SLICE("A topic with a queue on it cannot be compacted.");
    return KAFKA_ERROR_INVALID_CONFIG;
}

/* What cannot be turned while it runs is refused, not put off. */
static enum kafka_error check_unlogged(const struct stream *stream,
                                       const struct stream_policy *policy, struct slice kept,
                                       struct slice *ret_message)
{
    struct stream_compaction compaction;

    if (policy->durability != POLICY_UNLOGGED)
        return KAFKA_ERROR_NONE;
    if (kafka_topic_compaction(kept, &compaction)) {
        *ret_message = KAFKA_COMPACTED_UNLOGGED;
        return KAFKA_ERROR_INVALID_CONFIG;
    }
    if (stream_can_be_unlogged(stream))
        return KAFKA_ERROR_NONE;
    *ret_message = SLICE("tercet.durability cannot become none: the topic has a queue on it, or "
                         "records that are logged.");
    return KAFKA_ERROR_INVALID_CONFIG;
}

static enum kafka_error alter(struct kafka_request *request, const struct alteration *a,
                              bool validate_only, struct slice *ret_message)
{
    const struct kafka_config *config = &request->kafka->config;
    struct stream *stream = NULL;
    struct text kept = { 0 };
    enum kafka_error error;

    if (a->resource_type != CONFIG_TOPIC || a->count > kafka_config_row_count) {
        *ret_message = ONLY_TOPICS;
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    error = kafka_use_topic(request, false, a->resource_name, NULL, OPERATION_ALTER, &stream);
    if (error == KAFKA_ERROR_NONE)
        error = check_changes(config, a, ret_message);
    if (error != KAFKA_ERROR_NONE || validate_only)
        return error;
    for (unsigned i = 0; i < kafka_config_row_count; i++) {
        struct slice name = SAY(kafka_config_rows[i].name);
        const struct change *change = change_of(a, name);
        struct slice value = change != NULL ? change->value
                             : a->is_whole  ? SLICE_NONE
                                            : kafka_topic_config_get(stream_config(stream),
                                                                     kafka_config_rows[i].name);

        if (value.at != NULL)
            kafka_topic_config_add(config, &kept, name, value);
    }
    if (kept.bad) {
        error = KAFKA_ERROR_STORAGE;
    } else {
        const struct stream_policy policy = changed_policy(config, a, stream, text_slice(&kept));

        error = check_unlogged(stream, &policy, text_slice(&kept), ret_message);
        if (error == KAFKA_ERROR_NONE)
            error = set_compaction(stream, text_slice(&kept), ret_message);
        if (error == KAFKA_ERROR_NONE) {
            stream_set_config(stream, text_slice(&kept));
            stream_set_policy(stream, &policy);
        }
    }
    text_done(&kept);
    return error;
}

void kafka_on_alter_configs(struct kafka_request *request, const void *body)
{
    const struct kafka_alter_configs_request *asked = body;
    struct kafka_alter_configs_response *r = KAFKA_RESPONSE(request, alter_configs);

    if (r != NULL)
        r->responses =
            KAFKA_ARRAY(&request->arena, kafka_alter_configs_result, asked->resources_count);
    for (uint32_t i = 0; r != NULL && r->responses != NULL && i < asked->resources_count; i++) {
        const struct kafka_alter_configs_resource *resource = &asked->resources[i];
        struct kafka_alter_configs_result *result = &r->responses[i];
        struct change *changes =
            kafka_arena_take(&request->arena, resource->configs_count * sizeof(*changes));
        struct alteration a = { resource->resource_type, resource->resource_name, changes,
                                resource->configs_count, true };

        for (uint32_t k = 0; k < resource->configs_count && changes != NULL; k++)
            changes[k] = (struct change){ resource->configs[k].name, resource->configs[k].value };
        result->resource_type = resource->resource_type;
        result->resource_name = resource->resource_name;
        if (changes != NULL)
            result->error_code =
                (int16_t)alter(request, &a, asked->validate_only, &result->error_message);
        r->responses_count++;
    }
    kafka_answer_durable(request);
}

enum config_operation { CONFIG_SET, CONFIG_DELETE, CONFIG_APPEND, CONFIG_SUBTRACT };

static bool list_has(struct slice list, struct slice word)
{
    while (list.len > 0) {
        struct slice first = first_word(list);

        if (slice_equal(first, word))
            return true;
        list = slice_after(list, first.len < list.len ? first.len + 1 : first.len);
    }
    return false;
}

/* Adds the words of `from` that are in `list` (or are not) to `to`, each once. */
static void add_words(struct text *to, struct slice from, struct slice list, bool if_in_list)
{
    while (from.len > 0) {
        struct slice word = first_word(from);

        from = slice_after(from, word.len < from.len ? word.len + 1 : word.len);
        if (word.len == 0 || list_has(list, word) != if_in_list || list_has(text_slice(to), word))
            continue;
        if (to->len > 0)
            text_add_byte(to, ',');
        text_add(to, word);
    }
}

/* KIP-339: what a list becomes by appending to it or taking from it. */
static enum kafka_error change_list(struct kafka_request *request, const struct stream *stream,
                                    const struct kafka_incremental_alter_configs_config *c,
                                    struct change *ret, struct slice *ret_message)
{
    const struct kafka_config_row *row = kafka_config_row_of(c->name);
    struct kafka_topic_view view = view_of(stream);
    struct text list = { 0 };
    struct slice now;
    bool is_set;

    if (row == NULL || row->type != KAFKA_CONFIG_LIST) {
        *ret_message = SLICE("Only a configuration that is a list can be appended to.");
        return KAFKA_ERROR_INVALID_CONFIG;
    }
    now = kafka_config_value(request, &view, row, &is_set);
    if (c->config_operation == CONFIG_APPEND) {
        add_words(&list, now, SLICE_NONE, false);
        add_words(&list, c->value, now, false);
    } else {
        add_words(&list, now, c->value, false);
    }
    *ret = (struct change){ c->name, kafka_arena_copy(&request->arena, text_slice(&list)) };
    if (list.len == 0)
        ret->value = SLICE("");
    text_done(&list);
    return KAFKA_ERROR_NONE;
}

static enum kafka_error make_change(struct kafka_request *request, struct slice topic,
                                    const struct kafka_incremental_alter_configs_config *c,
                                    struct change *ret, struct slice *ret_message)
{
    struct stream *stream = NULL;
    enum kafka_error error;

    if (c->config_operation != CONFIG_DELETE && c->value.at == NULL) {
        *ret_message = SLICE("A value is needed.");
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    *ret = (struct change){ c->name, c->value };
    switch (c->config_operation) {
    case CONFIG_SET:
        return KAFKA_ERROR_NONE;
    case CONFIG_DELETE:
        ret->value = SLICE_NONE;
        return KAFKA_ERROR_NONE;
    case CONFIG_APPEND:
    case CONFIG_SUBTRACT:
        error = kafka_use_topic(request, false, topic, NULL, OPERATION_ALTER, &stream);
        return error != KAFKA_ERROR_NONE ? error
                                         : change_list(request, stream, c, ret, ret_message);
    default:
        *ret_message = SLICE("There is no such operation.");
        return KAFKA_ERROR_INVALID_REQUEST;
    }
}

static enum kafka_error alter_some(struct kafka_request *request,
                                   const struct kafka_incremental_alter_configs_resource *resource,
                                   bool validate_only, struct slice *ret_message)
{
    struct change *changes =
        kafka_arena_take(&request->arena, resource->configs_count * sizeof(*changes));
    struct alteration a = { resource->resource_type, resource->resource_name, changes,
                            resource->configs_count, false };

    if (changes == NULL)
        return KAFKA_ERROR_STORAGE;
    if (resource->resource_type != CONFIG_TOPIC) {
        *ret_message = ONLY_TOPICS;
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    for (uint32_t i = 0; i < resource->configs_count; i++) {
        enum kafka_error error = make_change(request, resource->resource_name,
                                             &resource->configs[i], &changes[i], ret_message);

        if (error != KAFKA_ERROR_NONE)
            return error;
    }
    return alter(request, &a, validate_only, ret_message);
}

void kafka_on_incremental_alter_configs(struct kafka_request *request, const void *body)
{
    const struct kafka_incremental_alter_configs_request *asked = body;
    struct kafka_incremental_alter_configs_response *r =
        KAFKA_RESPONSE(request, incremental_alter_configs);

    if (r != NULL)
        r->responses = KAFKA_ARRAY(&request->arena, kafka_incremental_alter_configs_result,
                                   asked->resources_count);
    for (uint32_t i = 0; r != NULL && r->responses != NULL && i < asked->resources_count; i++) {
        struct kafka_incremental_alter_configs_result *result = &r->responses[i];

        result->resource_type = asked->resources[i].resource_type;
        result->resource_name = asked->resources[i].resource_name;
        result->error_code = (int16_t)alter_some(request, &asked->resources[i],
                                                 asked->validate_only, &result->error_message);
        r->responses_count++;
    }
    kafka_answer_durable(request);
}
