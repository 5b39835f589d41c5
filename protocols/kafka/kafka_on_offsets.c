/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets that groups keep: OffsetCommit, OffsetFetch, OffsetDelete. */
#include "broker/base/counters.h"
#include "broker/core/position.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"

#define VERSION_WITH_TOPIC_IDS   10 /* of both */
#define FETCH_VERSION_OF_GROUPS  8
#define COMMIT_VERSION_OF_GROUPS 9 /* says when there is no such group */
/* Kafka's offset.metadata.max.bytes. */
#define OFFSET_METADATA_MAX_BYTES 4096

/* ---- OffsetCommit ---- */

static enum kafka_error commit_one(struct kafka_request *request, struct slice group,
                                   struct stream *stream,
                                   const struct kafka_offset_commit_partition *asked)
{
    struct position position = {
        .offset = (uint64_t)asked->committed_offset,
        .leader_epoch = asked->committed_leader_epoch,
        .committed_ms = core_wall_ms(request->kafka->core),
        .metadata = asked->committed_metadata,
    };
    enum rc rc;

    if (asked->partition_index < 0 ||
        (unsigned)asked->partition_index >= stream_partition_count(stream))
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (asked->committed_metadata.len > OFFSET_METADATA_MAX_BYTES)
        return KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE;
    if (asked->committed_offset < 0)
        return KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    rc = position_set(request->kafka->core, group, stream_name(stream),
                      (uint32_t)asked->partition_index, &position);
    return rc == RC_LIMIT ? KAFKA_ERROR_INVALID_GROUP_ID : kafka_error_of(rc, KAFKA_ABOUT_GROUP);
}

static enum kafka_error check_commit(struct kafka_request *request,
                                     const struct kafka_offset_commit_request *asked)
{
    enum kafka_error error = kafka_may_use_group(request, OPERATION_GROUP_USE, asked->group_id);

    if (error == KAFKA_ERROR_NONE)
        error = kafka_group_check_commit(&request->kafka->groups, asked->group_id, asked->member_id,
                                         asked->group_instance_id,
                                         asked->generation_id_or_member_epoch);
    if (error == KAFKA_ERROR_GROUP_ID_NOT_FOUND &&
        request->header.version < COMMIT_VERSION_OF_GROUPS)
        error = KAFKA_ERROR_ILLEGAL_GENERATION;
    return error;
}

void kafka_on_offset_commit(struct kafka_request *request, const void *body)
{
    const struct kafka_offset_commit_request *asked = body;
    struct kafka_offset_commit_response *r = KAFKA_RESPONSE(request, offset_commit);
    bool by_id = request->header.version >= VERSION_WITH_TOPIC_IDS;
    enum kafka_error all = check_commit(request, asked);
    bool is_changed = false;

    if (r != NULL)
        r->topics =
            KAFKA_ARRAY(&request->arena, kafka_offset_commit_topic_result, asked->topics_count);
    for (uint32_t i = 0; r != NULL && r->topics != NULL && i < asked->topics_count; i++) {
        const struct kafka_offset_commit_topic *topic = &asked->topics[i];
        struct kafka_offset_commit_topic_result *answer = &r->topics[i];
        struct stream *stream = NULL;
        enum kafka_error error = all;

        if (error == KAFKA_ERROR_NONE)
            error = kafka_use_topic(request, by_id, topic->name, &topic->topic_id,
                                    OPERATION_CONSUME, &stream);
        answer->name = topic->name;
        answer->topic_id = topic->topic_id;
        answer->partitions =
            KAFKA_ARRAY(&request->arena, kafka_offset_commit_result, topic->partitions_count);
        for (uint32_t k = 0; answer->partitions != NULL && k < topic->partitions_count; k++) {
            struct kafka_offset_commit_result *result = &answer->partitions[k];
            enum kafka_error code =
                error != KAFKA_ERROR_NONE
                    ? error
                    : commit_one(request, asked->group_id, stream, &topic->partitions[k]);

            result->partition_index = topic->partitions[k].partition_index;
            result->error_code = (int16_t)code;
            is_changed = is_changed || code == KAFKA_ERROR_NONE;
            answer->partitions_count++;
        }
        r->topics_count++;
    }
    if (is_changed)
        kafka_answer_durable(request);
    else
        kafka_answer(request);
}

/* ---- OffsetFetch ---- */

/* All that a group committed, by topic: core gives it in no order. */
struct all_positions {
    struct kafka_request *request;
    struct kafka_offset_fetch_group_topic_result *topics;
    uint32_t topic_count;
    uint32_t topic_room;
    uint32_t position_count;
};

static void set_result(struct kafka_request *request, const struct position *position,
                       struct kafka_offset_fetch_group_partition_result *result)
{
    result->committed_offset = (int64_t)position->offset;
    result->committed_leader_epoch = position->leader_epoch;
    result->metadata = position->metadata.len == 0
                           ? SLICE("")
                           : kafka_arena_copy(&request->arena, position->metadata);
}

static void count_position(void *arg, struct slice stream, uint32_t partition,
                           const struct position *position)
{
    struct all_positions *all = arg;

    (void)stream;
    (void)partition;
    (void)position;
    all->position_count++;
}

static struct kafka_offset_fetch_group_topic_result *topic_in(struct all_positions *all,
                                                              struct slice name)
{
    struct kafka_offset_fetch_group_topic_result *topic;

    for (uint32_t i = all->topic_count; i > 0; i--) {
        if (slice_equal(all->topics[i - 1].name, name))
            return &all->topics[i - 1];
    }
    if (all->topic_count == all->topic_room)
        return NULL;
    topic = &all->topics[all->topic_count++];
    topic->name = name;
    return topic;
}

static void add_position(void *arg, struct slice stream_name, uint32_t partition,
                         const struct position *position)
{
    struct all_positions *all = arg;
    struct kafka_request *request = all->request;
    struct stream *stream = stream_find(request->kafka->core, stream_name);
    struct slice name = kafka_topic_of_name(request, stream_name);
    struct kafka_offset_fetch_group_topic_result *topic;
    struct kafka_offset_fetch_group_partition_result *at;

    /* A topic that is gone, or that it may not see, is left out of "all". */
    if (stream == NULL || name.at == NULL ||
        kafka_may(request, OPERATION_DESCRIBE, stream) != KAFKA_ERROR_NONE)
        return;
    topic = topic_in(all, name);
    if (topic == NULL)
        return;
    topic->topic_id = kafka_topic_id(stream);
    if ((topic->partitions_count & (topic->partitions_count - 1)) == 0) { /* full: double it */
        uint32_t room = topic->partitions_count == 0 ? 1 : topic->partitions_count * 2;

        at = KAFKA_ARRAY(&request->arena, kafka_offset_fetch_group_partition_result, room);
        if (at == NULL)
            return;
        if (topic->partitions_count > 0)
            memcpy(at, topic->partitions, topic->partitions_count * sizeof(*at));
        topic->partitions = at;
    }
    at = &topic->partitions[topic->partitions_count++];
    at->partition_index = (int32_t)partition;
    set_result(request, position, at);
}

static void fetch_all(struct kafka_request *request, struct slice group,
                      struct kafka_offset_fetch_group_result *result)
{
    struct all_positions all = { .request = request };

    position_each(request->kafka->core, group, count_position, &all);
    all.topic_room = all.position_count;
    all.topics =
        KAFKA_ARRAY(&request->arena, kafka_offset_fetch_group_topic_result, all.position_count);
    if (all.topics == NULL)
        return;
    position_each(request->kafka->core, group, add_position, &all);
    result->topics = all.topics;
    result->topics_count = all.topic_count;
}

static void fetch_topic(struct kafka_request *request, struct slice group,
                        const struct kafka_offset_fetch_group_topic *asked,
                        struct kafka_offset_fetch_group_topic_result *result)
{
    bool by_id = request->header.version >= VERSION_WITH_TOPIC_IDS;
    struct slice name = SLICE_NONE;
    struct stream *stream = NULL;
    enum kafka_error error = KAFKA_ERROR_NONE;

    if (by_id) {
        error = kafka_find_topic_id(request, &asked->topic_id, &stream);
        if (error == KAFKA_ERROR_NONE)
            name = stream_name(stream);
    } else {
        /* A name that no topic has is no error: nothing is committed there. */
        error = kafka_stream_name(request, asked->name, &name);
        if (error == KAFKA_ERROR_INVALID_TOPIC)
            error = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    result->name = asked->name;
    result->topic_id = asked->topic_id;
    result->partitions = KAFKA_ARRAY(&request->arena, kafka_offset_fetch_group_partition_result,
                                     asked->partition_indexes_count);
    for (uint32_t i = 0; i < asked->partition_indexes_count && result->partitions != NULL; i++) {
        struct kafka_offset_fetch_group_partition_result *at = &result->partitions[i];
        struct position position;

        at->partition_index = asked->partition_indexes[i];
        at->committed_offset = -1;
        at->metadata = SLICE("");
        at->error_code = (int16_t)error;
        result->partitions_count++;
        if (error == KAFKA_ERROR_NONE && at->partition_index >= 0 &&
            position_get(request->kafka->core, group, name, (uint32_t)at->partition_index,
                         &position) == RC_OK)
            set_result(request, &position, at);
    }
}

static void fetch_group(struct kafka_request *request, const struct kafka_offset_fetch_group *asked,
                        struct kafka_offset_fetch_group_result *result)
{
    result->group_id = asked->group_id;
    result->error_code = (int16_t)kafka_may_use_group(request, OPERATION_DESCRIBE, asked->group_id);
    if (result->error_code != KAFKA_ERROR_NONE)
        return;
    if (asked->topics == NULL) {
        fetch_all(request, asked->group_id, result);
        return;
    }
    result->topics =
        KAFKA_ARRAY(&request->arena, kafka_offset_fetch_group_topic_result, asked->topics_count);
    for (uint32_t i = 0; i < asked->topics_count && result->topics != NULL; i++) {
        fetch_topic(request, asked->group_id, &asked->topics[i], &result->topics[i]);
        result->topics_count++;
    }
}

/* Before version 8 the request was one group; its fields were the same. */
static struct kafka_offset_fetch_group *group_of_old(struct kafka_request *request,
                                                     const struct kafka_offset_fetch_request *asked)
{
    struct kafka_offset_fetch_group *group =
        KAFKA_ARRAY(&request->arena, kafka_offset_fetch_group, 1);

    if (group == NULL)
        return NULL;
    group->group_id = asked->group_id;
    if (asked->topics == NULL)
        return group;
    group->topics =
        KAFKA_ARRAY(&request->arena, kafka_offset_fetch_group_topic, asked->topics_count);
    for (uint32_t i = 0; i < asked->topics_count && group->topics != NULL; i++) {
        group->topics[i].name = asked->topics[i].name;
        group->topics[i].partition_indexes = asked->topics[i].partition_indexes;
        group->topics[i].partition_indexes_count = asked->topics[i].partition_indexes_count;
        group->topics_count++;
    }
    return group;
}

static void answer_old(struct kafka_request *request,
                       const struct kafka_offset_fetch_group_result *from,
                       struct kafka_offset_fetch_response *r)
{
    r->error_code = from->error_code;
    r->topics = KAFKA_ARRAY(&request->arena, kafka_offset_fetch_topic_result, from->topics_count);
    for (uint32_t i = 0; i < from->topics_count && r->topics != NULL; i++) {
        const struct kafka_offset_fetch_group_topic_result *topic = &from->topics[i];
        struct kafka_offset_fetch_topic_result *to = &r->topics[i];

        to->name = topic->name;
        to->partitions =
            KAFKA_ARRAY(&request->arena, kafka_offset_fetch_result, topic->partitions_count);
        for (uint32_t k = 0; k < topic->partitions_count && to->partitions != NULL; k++) {
            const struct kafka_offset_fetch_group_partition_result *p = &topic->partitions[k];

            to->partitions[k] = (struct kafka_offset_fetch_result){
                .partition_index = p->partition_index,
                .committed_offset = p->committed_offset,
                .committed_leader_epoch = p->committed_leader_epoch,
                .metadata = p->metadata,
                .error_code = p->error_code,
            };
            to->partitions_count++;
        }
        r->topics_count++;
    }
}

void kafka_on_offset_fetch(struct kafka_request *request, const void *body)
{
    const struct kafka_offset_fetch_request *asked = body;
    struct kafka_offset_fetch_response *r = KAFKA_RESPONSE(request, offset_fetch);
    bool is_old = request->header.version < FETCH_VERSION_OF_GROUPS;
    const struct kafka_offset_fetch_group *groups =
        is_old ? group_of_old(request, asked) : asked->groups;
    uint32_t count = is_old ? 1 : asked->groups_count;
    struct kafka_offset_fetch_group_result *results =
        KAFKA_ARRAY(&request->arena, kafka_offset_fetch_group_result, count);

    if (groups == NULL)
        request->arena.bad = true;
    for (uint32_t i = 0; r != NULL && groups != NULL && results != NULL && i < count; i++)
        fetch_group(request, &groups[i], &results[i]);
    if (r != NULL && results != NULL && is_old)
        answer_old(request, results, r);
    else if (r != NULL) {
        r->groups = results;
        r->groups_count = count;
    }
    kafka_answer(request);
}

/* ---- OffsetDelete ---- */

void kafka_on_offset_delete(struct kafka_request *request, const void *body)
{
    const struct kafka_offset_delete_request *asked = body;
    struct kafka_offset_delete_response *r = KAFKA_RESPONSE(request, offset_delete);
    struct kafka_group *group = kafka_group_find(&request->kafka->groups, asked->group_id);
    enum kafka_error error = kafka_may_use_group(request, OPERATION_DELETE, asked->group_id);

    if (r != NULL && error == KAFKA_ERROR_NONE)
        r->topics =
            KAFKA_ARRAY(&request->arena, kafka_offset_delete_topic_result, asked->topics_count);
    for (uint32_t i = 0; r != NULL && r->topics != NULL && i < asked->topics_count; i++) {
        const struct kafka_offset_delete_topic *topic = &asked->topics[i];
        struct kafka_offset_delete_topic_result *answer = &r->topics[i];
        struct stream *stream = NULL;
        enum kafka_error code =
            kafka_use_topic(request, false, topic->name, NULL, OPERATION_CONSUME, &stream);

        /* What members subscribe to is opaque to us: none of their offsets may go. */
        if (code == KAFKA_ERROR_NONE && group != NULL && group->member_count > 0)
            code = KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC;
        answer->name = topic->name;
        answer->partitions =
            KAFKA_ARRAY(&request->arena, kafka_offset_delete_result, topic->partitions_count);
        for (uint32_t k = 0; answer->partitions != NULL && k < topic->partitions_count; k++) {
            int32_t partition = topic->partitions[k].partition_index;

            answer->partitions[k].partition_index = partition;
            answer->partitions[k].error_code = (int16_t)code;
            answer->partitions_count++;
            if (code == KAFKA_ERROR_NONE && partition >= 0)
                position_delete(request->kafka->core, asked->group_id, stream_name(stream),
                                (uint32_t)partition);
        }
        r->topics_count++;
    }
    if (r != NULL)
        r->error_code = (int16_t)error;
    kafka_answer_durable(request);
}
