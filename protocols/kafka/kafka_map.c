/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/kafka/kafka_map.h"

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/core/limits.h"
#include "broker/core/name.h"
#include "protocols/kafka/kafka_int.h"

static enum kafka_error of_name_rc(enum rc rc)
{
    return rc == RC_INVALID ? KAFKA_ERROR_INVALID_TOPIC : kafka_error_of(rc, KAFKA_ABOUT_TOPIC);
}

enum kafka_error kafka_find_topic(struct kafka_request *request, struct slice topic,
                                  struct stream **ret)
{
    struct text scratch = { 0 };
    struct stream *stream = NULL;
    struct slice name;
    enum rc rc = name_from_kafka_topic(topic, &scratch, &name);

    if (rc == RC_OK)
        stream = stream_find(request->kafka->core, name);
    text_done(&scratch);
    if (rc != RC_OK)
        return of_name_rc(rc);
    if (stream == NULL || stream_is_hidden(stream))
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    *ret = stream;
    return KAFKA_ERROR_NONE;
}

enum kafka_error kafka_find_topic_id(struct kafka_request *request, const struct kafka_uuid *id,
                                     struct stream **ret)
{
    struct stream *stream = stream_find_id(request->kafka->core, id->at);

    if (stream == NULL || stream_is_hidden(stream))
        return KAFKA_ERROR_UNKNOWN_TOPIC_ID;
    *ret = stream;
    return KAFKA_ERROR_NONE;
}

enum kafka_error kafka_may(struct kafka_request *request, enum operation operation,
                           const struct stream *stream)
{
    return kafka_error_of(authorise_stream(request->client, operation, stream_name(stream)),
                          KAFKA_ABOUT_TOPIC);
}

enum kafka_error kafka_may_use_group(struct kafka_request *request, enum operation operation,
                                     struct slice group)
{
    return kafka_error_of(authorise(request->client, operation, RESOURCE_GROUP, group),
                          KAFKA_ABOUT_GROUP);
}

/* Who may not have a topic does not learn whether there is one, as with Kafka. */
static enum kafka_error hide_absence(struct kafka_request *request, struct slice topic,
                                     enum operation operation)
{
    struct text scratch = { 0 };
    struct slice name;
    enum rc rc = name_from_kafka_topic(topic, &scratch, &name);

    if (rc == RC_OK)
        rc = authorise_stream(request->client, operation, name);
    text_done(&scratch);
    return rc == RC_REFUSED ? kafka_error_of(rc, KAFKA_ABOUT_TOPIC)
                            : KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

enum kafka_error kafka_use_topic(struct kafka_request *request, bool by_id, struct slice topic,
                                 const struct kafka_uuid *id, enum operation operation,
                                 struct stream **ret)
{
    enum kafka_error error =
        by_id ? kafka_find_topic_id(request, id, ret) : kafka_find_topic(request, topic, ret);

    if (error == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION && !by_id)
        return hide_absence(request, topic, operation);
    return error != KAFKA_ERROR_NONE ? error : kafka_may(request, operation, *ret);
}

enum kafka_error kafka_create_topic(struct kafka_request *request, const struct stream_spec *spec,
                                    unsigned limit, struct stream **ret)
{
    if (count_get(COUNT_CORE_STREAMS) >= limit) {
        log_peer(LOG_WARNING, "kafka.topics_full", "limit=%u", limit);
        return KAFKA_ERROR_POLICY_VIOLATION;
    }
    return kafka_error_of(stream_create(request->kafka->core, request->client, spec, ret),
                          KAFKA_ABOUT_TOPIC);
}

enum kafka_error kafka_stream_name(struct kafka_request *request, struct slice topic,
                                   struct slice *ret)
{
    struct text scratch = { 0 };
    struct slice name;
    enum rc rc = name_from_kafka_topic(topic, &scratch, &name);

    if (rc == RC_OK)
        *ret = kafka_arena_copy(&request->arena, name);
    text_done(&scratch);
    return of_name_rc(rc);
}

struct slice kafka_topic_of_name(struct kafka_request *request, struct slice stream_name)
{
    struct text scratch = { 0 };
    struct slice topic, copy = SLICE_NONE;

    if (name_to_kafka_topic(stream_name, &scratch, &topic) == RC_OK)
        copy = kafka_arena_copy(&request->arena, topic);
    text_done(&scratch);
    return copy;
}

struct slice kafka_topic_name(struct kafka_request *request, const struct stream *stream)
{
    return stream_is_hidden(stream) ? SLICE_NONE
                                    : kafka_topic_of_name(request, stream_name(stream));
}

struct slice kafka_topic_name_now(struct kafka_request *request, const struct stream *stream)
{
    struct text scratch = { 0 };
    struct slice name = stream_name(stream), topic;
    bool is_same;

    if (stream_is_hidden(stream))
        return SLICE_NONE;
    is_same = name_to_kafka_topic(name, &scratch, &topic) == RC_OK && topic.at == name.at;
    text_done(&scratch);
    return is_same ? name : kafka_topic_of_name(request, name);
}

struct kafka_uuid kafka_topic_id(const struct stream *stream)
{
    struct kafka_uuid id;

    memcpy(id.at, stream_id(stream), sizeof(id.at));
    return id;
}

/* Kafka's AclOperation numbers, and which of our operations each one is. */
static const struct {
    enum resource resource;
    enum operation operation;
    unsigned bit;
} operations[] = {
    { RESOURCE_TOPIC, OPERATION_CONSUME, 3 },   { RESOURCE_TOPIC, OPERATION_PUBLISH, 4 },
    { RESOURCE_TOPIC, OPERATION_CREATE, 5 },    { RESOURCE_TOPIC, OPERATION_DELETE, 6 },
    { RESOURCE_TOPIC, OPERATION_ALTER, 7 },     { RESOURCE_TOPIC, OPERATION_DESCRIBE, 8 },
    { RESOURCE_TOPIC, OPERATION_DESCRIBE, 10 }, { RESOURCE_TOPIC, OPERATION_ALTER, 11 },
    { RESOURCE_GROUP, OPERATION_GROUP_USE, 3 }, { RESOURCE_GROUP, OPERATION_DELETE, 6 },
    { RESOURCE_GROUP, OPERATION_DESCRIBE, 8 },  { RESOURCE_BROKER, OPERATION_CREATE, 5 },
    { RESOURCE_BROKER, OPERATION_ALTER, 7 },    { RESOURCE_BROKER, OPERATION_DESCRIBE, 8 },
    { RESOURCE_BROKER, OPERATION_ADMIN, 9 },    { RESOURCE_BROKER, OPERATION_DESCRIBE, 10 },
    { RESOURCE_BROKER, OPERATION_ADMIN, 11 },
};

int32_t kafka_authorized_operations(struct kafka_request *request, enum resource resource,
                                    struct slice name)
{
    int32_t bits = 0;

    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (operations[i].resource == resource &&
            may_use(request->client, operations[i].operation, resource, name))
            bits |= 1 << operations[i].bit;
    }
    return bits;
}
