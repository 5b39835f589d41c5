/* SPDX-License-Identifier: Apache-2.0 */
/* CreateTopics, DeleteTopics, CreatePartitions, DeleteRecords. */
#include "broker/core/limits.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"
#include "protocols/kafka/kafka_topic_config.h"

#define SAY(text) slice_str(text)

/* Of one request; each is compared with all others. */
#define CREATE_TOPICS_MAX 2000

/* ---- CreateTopics ---- */

static enum kafka_error check_assignments(const struct kafka_request *request,
                                          const struct kafka_create_topics_topic *topic,
                                          struct slice *ret_message)
{
    if (topic->num_partitions != -1 || topic->replication_factor != -1) {
        *ret_message = SLICE("Assignments exclude a partition count and a replication factor.");
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    if (topic->assignments_count > PARTITIONS_MAX)
        return KAFKA_ERROR_INVALID_PARTITIONS;
    for (uint32_t i = 0; i < topic->assignments_count; i++) {
        const struct kafka_create_topics_assignment *a = &topic->assignments[i];
        bool is_there = false;

        for (uint32_t k = 0; k < topic->assignments_count; k++)
            is_there = is_there || topic->assignments[k].partition_index == (int32_t)i;
        if (!is_there || a->broker_ids_count != 1 ||
            a->broker_ids[0] != request->kafka->config.node_id) {
            *ret_message = SLICE("Each partition from 0 on has this broker as its only replica.");
            return KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT;
        }
    }
    return KAFKA_ERROR_NONE;
}

static enum kafka_error check_counts(const struct kafka_request *request,
                                     const struct kafka_create_topics_topic *topic,
                                     struct slice *ret_message)
{
    if (topic->num_partitions != -1 &&
        (topic->num_partitions < 1 || topic->num_partitions > PARTITIONS_MAX)) {
        *ret_message = SLICE("The partition count is out of range.");
        return KAFKA_ERROR_INVALID_PARTITIONS;
    }
    if (topic->replication_factor < -1 || topic->replication_factor == 0 ||
        (topic->replication_factor > 1 && !request->kafka->config.is_replication_clamped)) {
        *ret_message = SLICE("There is one broker: the replication factor is 1.");
        return KAFKA_ERROR_INVALID_REPLICATION_FACTOR;
    }
    return KAFKA_ERROR_NONE;
}

static enum kafka_error check_configs(const struct kafka_config *config,
                                      const struct kafka_create_topics_topic *topic,
                                      struct text *kept, struct stream_policy *policy,
                                      struct slice *ret_message)
{
    for (uint32_t i = 0; i < topic->configs_count; i++) {
        const struct kafka_create_topics_config *c = &topic->configs[i];
        const char *why = kafka_topic_config_check(config, c->name, c->value);

        if (why != NULL) {
            *ret_message = SAY(why);
            return KAFKA_ERROR_INVALID_CONFIG;
        }
        kafka_topic_config_add(config, kept, c->name, c->value);
        kafka_topic_policy_set(c->name, c->value, policy);
    }
    policy->durability = kafka_topic_durability(config, text_slice(kept));
    return KAFKA_ERROR_NONE;
}

static bool is_twice(const struct kafka_create_topics_request *asked, uint32_t at)
{
    for (uint32_t i = 0; i < asked->topics_count; i++) {
        if (i != at && slice_equal(asked->topics[i].name, asked->topics[at].name))
            return true;
    }
    return false;
}

static void fill_configs(struct kafka_request *request, const struct stream_spec *spec,
                         struct kafka_create_topics_result *result)
{
    struct kafka_topic_view view = { .kept = spec->config, .own = *spec->policy };
    const struct policy_subject subject = { .name = spec->name,
                                            .partition_count = 1,
                                            .is_logged = spec->compaction != NULL };
    struct kafka_create_topics_config_result *at =
        KAFKA_ARRAY(&request->arena, kafka_create_topics_config_result, kafka_config_row_count);

    policy_effective(request->kafka->core, &subject, &view.own, &view.effective);
    for (unsigned i = 0; i < kafka_config_row_count && at != NULL; i++) {
        bool is_set;

        at[i].name = SAY(kafka_config_rows[i].name);
        at[i].value = kafka_config_value(request, &view, &kafka_config_rows[i], &is_set);
        at[i].config_source = is_set ? KAFKA_SOURCE_TOPIC : KAFKA_SOURCE_DEFAULT;
        result->configs_count = i + 1;
    }
    result->configs = at;
}

/* Asked before anything is told of the topic, that there is one among it. */
static enum kafka_error may_create(struct kafka_request *request, struct slice name)
{
    enum rc rc = authorise_kept(request->client, OPERATION_CREATE, name);

    if (rc == RC_OK)
        rc = authorise(request->client, OPERATION_CREATE, RESOURCE_TOPIC, name);
    return kafka_error_of(rc, KAFKA_ABOUT_TOPIC);
}

static enum kafka_error create_topic(struct kafka_request *request,
                                     const struct kafka_create_topics_request *asked, uint32_t at,
                                     struct text *kept, struct kafka_create_topics_result *result)
{
    const struct kafka_create_topics_topic *topic = &asked->topics[at];
    struct stream_policy policy = STREAM_POLICY_OPEN;
    struct stream_compaction compaction;
    struct stream_spec spec = { .policy = &policy };
    struct stream *stream = NULL;
    enum kafka_error error = kafka_stream_name(request, topic->name, &spec.name);

    if (error != KAFKA_ERROR_NONE)
        return error;
    if (is_twice(asked, at)) {
        result->error_message = SLICE("The request names this topic twice.");
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    error = may_create(request, spec.name);
    if (error != KAFKA_ERROR_NONE)
        return error;
    if (stream_find(request->kafka->core, spec.name) != NULL)
        return KAFKA_ERROR_TOPIC_ALREADY_EXISTS;
    error = topic->assignments_count > 0 ? check_assignments(request, topic, &result->error_message)
                                         : check_counts(request, topic, &result->error_message);
    if (error == KAFKA_ERROR_NONE)
        error =
            check_configs(&request->kafka->config, topic, kept, &policy, &result->error_message);
    if (error != KAFKA_ERROR_NONE)
        return error;
    spec.partition_count = topic->assignments_count > 0 ? topic->assignments_count
                           : topic->num_partitions > 0  ? (unsigned)topic->num_partitions
                                                        : 0;
    spec.config = text_slice(kept);
    if (kafka_topic_compaction(spec.config, &compaction))
        spec.compaction = &compaction;
    if (spec.compaction != NULL && policy.durability == POLICY_UNLOGGED) {
        result->error_message = KAFKA_COMPACTED_UNLOGGED;
        return KAFKA_ERROR_INVALID_CONFIG;
    }
    result->num_partitions = spec.partition_count > 0
                                 ? (int32_t)spec.partition_count
                                 : (int32_t)core_config(request->kafka->core)->default_partitions;
    result->replication_factor = 1;
    fill_configs(request, &spec, result);
    if (asked->validate_only)
        return KAFKA_ERROR_NONE;
    error = kafka_create_topic(request, &spec, STREAMS_MAX, &stream);
    if (error == KAFKA_ERROR_NONE)
        result->topic_id = kafka_topic_id(stream);
    return error;
}

void kafka_on_create_topics(struct kafka_request *request, const void *body)
{
    const struct kafka_create_topics_request *asked = body;
    struct kafka_create_topics_response *r = KAFKA_RESPONSE(request, create_topics);

    if (asked->topics_count > CREATE_TOPICS_MAX) {
        kafka_refuse(request, RC_LIMIT, "too many topics in one request");
        return;
    }
    if (r != NULL)
        r->topics = KAFKA_ARRAY(&request->arena, kafka_create_topics_result, asked->topics_count);
    for (uint32_t i = 0; r != NULL && r->topics != NULL && i < asked->topics_count; i++) {
        struct kafka_create_topics_result *result = &r->topics[i];
        struct text kept = { 0 };

        result->name = asked->topics[i].name;
        result->error_code = (int16_t)create_topic(request, asked, i, &kept, result);
        if (result->error_code != KAFKA_ERROR_NONE) {
            result->num_partitions = result->replication_factor = -1;
            result->configs = NULL;
            result->configs_count = 0;
        }
        text_done(&kept);
        r->topics_count++;
    }
    kafka_answer_durable(request);
}

/* ---- DeleteTopics ---- */

static enum kafka_error delete_topic(struct kafka_request *request, struct slice name,
                                     const struct kafka_uuid *id,
                                     struct kafka_delete_topics_result *result)
{
    struct stream *stream = NULL;
    enum kafka_error error = name.at == NULL ? kafka_find_topic_id(request, id, &stream)
                                             : kafka_find_topic(request, name, &stream);

    result->name = name;
    result->topic_id = *id;
    if (error != KAFKA_ERROR_NONE)
        return error;
    result->name = kafka_topic_name(request, stream);
    result->topic_id = kafka_topic_id(stream);
    return kafka_error_of(stream_delete(request->kafka->core, request->client, stream),
                          KAFKA_ABOUT_TOPIC);
}

void kafka_on_delete_topics(struct kafka_request *request, const void *body)
{
    static const struct kafka_uuid no_id;
    const struct kafka_delete_topics_request *asked = body;
    struct kafka_delete_topics_response *r = KAFKA_RESPONSE(request, delete_topics);
    bool is_new = request->header.version >= 6;
    uint32_t count = is_new ? asked->topics_count : asked->topic_names_count;

    if (r != NULL)
        r->responses = KAFKA_ARRAY(&request->arena, kafka_delete_topics_result, count);
    for (uint32_t i = 0; r != NULL && r->responses != NULL && i < count; i++) {
        struct kafka_delete_topics_result *result = &r->responses[i];

        result->error_code =
            (int16_t)delete_topic(request, is_new ? asked->topics[i].name : asked->topic_names[i],
                                  is_new ? &asked->topics[i].topic_id : &no_id, result);
        r->responses_count++;
    }
    kafka_answer_durable(request);
}

/* ---- CreatePartitions ---- */

static enum kafka_error grow_topic(struct kafka_request *request,
                                   const struct kafka_create_partitions_topic *topic,
                                   bool validate_only, struct slice *ret_message)
{
    struct stream *stream = NULL;
    enum kafka_error error =
        kafka_use_topic(request, false, topic->name, NULL, OPERATION_ALTER, &stream);
    uint32_t more;

    if (error != KAFKA_ERROR_NONE)
        return error;
    if (topic->count <= (int32_t)stream_partition_count(stream) || topic->count > PARTITIONS_MAX) {
        *ret_message = SLICE("The count must be above what the topic has, and in range.");
        return KAFKA_ERROR_INVALID_PARTITIONS;
    }
    more = (uint32_t)topic->count - stream_partition_count(stream);
    if (topic->assignments != NULL && topic->assignments_count != more)
        return KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT;
    for (uint32_t i = 0; i < topic->assignments_count; i++) {
        const struct kafka_create_partitions_assignment *a = &topic->assignments[i];

        if (a->broker_ids_count != 1 || a->broker_ids[0] != request->kafka->config.node_id)
            return KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT;
    }
    if (validate_only)
        return KAFKA_ERROR_NONE;
    return kafka_error_of(stream_grow(stream, (unsigned)topic->count), KAFKA_ABOUT_TOPIC);
}

void kafka_on_create_partitions(struct kafka_request *request, const void *body)
{
    const struct kafka_create_partitions_request *asked = body;
    struct kafka_create_partitions_response *r = KAFKA_RESPONSE(request, create_partitions);

    if (r != NULL)
        r->results =
            KAFKA_ARRAY(&request->arena, kafka_create_partitions_result, asked->topics_count);
    for (uint32_t i = 0; r != NULL && r->results != NULL && i < asked->topics_count; i++) {
        struct kafka_create_partitions_result *result = &r->results[i];

        result->name = asked->topics[i].name;
        result->error_code = (int16_t)grow_topic(request, &asked->topics[i], asked->validate_only,
                                                 &result->error_message);
        r->results_count++;
    }
    kafka_answer_durable(request);
}

/* ---- DeleteRecords ---- */

static enum kafka_error delete_records(struct kafka_request *request, struct stream *stream,
                                       const struct kafka_delete_records_partition *asked,
                                       struct kafka_delete_records_result *result)
{
    struct partition *partition;
    uint64_t start;
    enum rc rc;

    if (asked->partition_index < 0 ||
        (unsigned)asked->partition_index >= stream_partition_count(stream))
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (stream_compaction(stream) != NULL && !stream_compaction(stream)->is_deleted_too)
        return KAFKA_ERROR_POLICY_VIOLATION;
    partition = stream_partition(stream, (unsigned)asked->partition_index);
    if (asked->offset < -1)
        return KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    start = asked->offset == -1 ? partition_durable_end(partition) : (uint64_t)asked->offset;
    rc = start <= partition_start(partition) ? RC_OK
                                             : partition_trim(partition, request->client, start);
    if (rc == RC_OK)
        result->low_watermark = (int64_t)partition_start(partition);
    return kafka_error_of(rc, KAFKA_ABOUT_TOPIC);
}

void kafka_on_delete_records(struct kafka_request *request, const void *body)
{
    const struct kafka_delete_records_request *asked = body;
    struct kafka_delete_records_response *r = KAFKA_RESPONSE(request, delete_records);

    if (r != NULL)
        r->topics =
            KAFKA_ARRAY(&request->arena, kafka_delete_records_topic_result, asked->topics_count);
    for (uint32_t i = 0; r != NULL && r->topics != NULL && i < asked->topics_count; i++) {
        const struct kafka_delete_records_topic *topic = &asked->topics[i];
        struct kafka_delete_records_topic_result *answer = &r->topics[i];
        struct stream *stream = NULL;
        enum kafka_error error =
            kafka_use_topic(request, false, topic->name, NULL, OPERATION_DELETE, &stream);

        answer->name = topic->name;
        answer->partitions =
            KAFKA_ARRAY(&request->arena, kafka_delete_records_result, topic->partitions_count);
        for (uint32_t k = 0; answer->partitions != NULL && k < topic->partitions_count; k++) {
            struct kafka_delete_records_result *result = &answer->partitions[k];

            result->partition_index = topic->partitions[k].partition_index;
            result->low_watermark = -1;
            result->error_code =
                (int16_t)(error != KAFKA_ERROR_NONE
                              ? error
                              : delete_records(request, stream, &topic->partitions[k], result));
            answer->partitions_count++;
        }
        r->topics_count++;
    }
    kafka_answer_durable(request);
}
