/* SPDX-License-Identifier: Apache-2.0 */
/* ListOffsets and OffsetForLeaderEpoch: where a partition begins, ends, and was at a time. */
#include "broker/base/counters.h"
#include "broker/record/batch.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"

/* What a negative timestamp asks for, and since which version. */
enum special_time {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_OF_MAX = -3,         /* 7 */
    TIME_EARLIEST_LOCAL = -4, /* 8 */
    TIME_LATEST_TIERED = -5,  /* 9 */
    TIME_PENDING_UPLOAD = -6, /* 11 */
};

struct lookup {
    struct kafka_request *request;
    const struct kafka_list_offsets_request *asked;
    uint32_t topic;
    uint32_t at; /* partition of the topic under way */
    bool is_running;
    bool is_found; /* the search ended inside the call that began it */
    struct time_search *search;
    struct partition *partition;
    /* The greatest timestamp is found by halving: searches from `low` find, from `high` do not. */
    int64_t low;
    int64_t high;
};

static void list_run(struct lookup *l);

static struct kafka_list_offsets_result *result_of(struct lookup *l)
{
    struct kafka_list_offsets_response *r = l->request->response;

    return &r->topics[l->topic].partitions[l->at];
}

static void set(struct kafka_list_offsets_result *result, uint64_t offset, int64_t timestamp_ms)
{
    result->offset = (int64_t)offset;
    result->timestamp = timestamp_ms;
    result->leader_epoch = BATCH_LEADER_EPOCH;
}

static void on_cancel(struct kafka_request *request)
{
    struct lookup *l = request->state;

    time_search_cancel(&l->search);
}

/* Again each time: the topic may be deleted while a search goes on. */
static enum kafka_error find_partition(struct lookup *l)
{
    const struct kafka_list_offsets_topic *topic = &l->asked->topics[l->topic];
    int32_t index = topic->partitions[l->at].partition_index;
    struct stream *stream = NULL;
    enum kafka_error error =
        kafka_use_topic(l->request, false, topic->name, NULL, OPERATION_DESCRIBE, &stream);

    if (error != KAFKA_ERROR_NONE)
        return error;
    if (index < 0 || (unsigned)index >= stream_partition_count(stream))
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    l->partition = stream_partition(stream, (unsigned)index);
    return KAFKA_ERROR_NONE;
}

/* ---- searching ---- */

static void search(struct lookup *l, int64_t time_ms);

/* False: the search goes on. */
static bool take_max(struct lookup *l, enum rc rc, uint64_t offset, int64_t timestamp_ms)
{
    struct kafka_list_offsets_result *result = result_of(l);

    if (rc == RC_OK) {
        set(result, offset, timestamp_ms);
        l->low = timestamp_ms;
    } else if (result->offset < 0) {
        return true; /* there is no record at all */
    } else {
        l->high = l->low + (l->high - l->low) / 2;
    }
    return l->high - l->low <= 1;
}

static void on_found(void *arg, enum rc rc, uint64_t offset, int64_t timestamp_ms)
{
    struct lookup *l = arg;
    const struct kafka_list_offsets_partition *asked =
        &l->asked->topics[l->topic].partitions[l->at];
    bool is_over = true;

    l->search = NULL;
    l->is_found = true;
    if (rc != RC_OK && rc != RC_NOT_FOUND) {
        result_of(l)->error_code = (int16_t)kafka_error_of(rc, KAFKA_ABOUT_TOPIC);
        count_add(COUNT_KAFKA_ERRORS, 1);
    } else if (asked->timestamp == TIME_OF_MAX) {
        is_over = take_max(l, rc, offset, timestamp_ms);
    } else if (rc == RC_OK) {
        set(result_of(l), offset, timestamp_ms);
    }
    if (!is_over && find_partition(l) == KAFKA_ERROR_NONE) {
        search(l, l->low + (l->high - l->low) / 2);
        return;
    }
    l->at++;
    if (!l->is_running)
        list_run(l);
}

/* Ends in on_found(), perhaps before it returns. */
static void search(struct lookup *l, int64_t time_ms)
{
    struct time_search *found;

    l->is_found = false;
    found = partition_find_time(l->partition, time_ms, on_found, l);
    if (!l->is_found)
        l->search = found;
}

/* ---- the request ---- */

static int16_t version_of(int64_t timestamp)
{
    switch ((enum special_time)timestamp) {
    case TIME_LATEST:
    case TIME_EARLIEST:
        return 0;
    case TIME_OF_MAX:
        return 7;
    case TIME_EARLIEST_LOCAL:
        return 8;
    case TIME_LATEST_TIERED:
        return 9;
    case TIME_PENDING_UPLOAD:
        return 11;
    }
    return INT16_MAX;
}

static enum kafka_error check_part(struct lookup *l,
                                   const struct kafka_list_offsets_partition *asked)
{
    if (asked->current_leader_epoch > BATCH_LEADER_EPOCH)
        return KAFKA_ERROR_UNKNOWN_LEADER_EPOCH;
    if (asked->timestamp < 0 && l->request->header.version < version_of(asked->timestamp))
        return KAFKA_ERROR_UNSUPPORTED_VERSION;
    return KAFKA_ERROR_NONE;
}

/* False while a search is under way. */
static bool list_one(struct lookup *l)
{
    const struct kafka_list_offsets_partition *asked =
        &l->asked->topics[l->topic].partitions[l->at];
    struct kafka_list_offsets_result *result = result_of(l);
    enum kafka_error error = find_partition(l);
    uint32_t before = l->at;

    result->partition_index = asked->partition_index;
    if (error == KAFKA_ERROR_NONE)
        error = check_part(l, asked);
    result->error_code = (int16_t)error;
    if (error != KAFKA_ERROR_NONE) {
        l->at++;
        return true;
    }
    if (asked->timestamp == TIME_LATEST) {
        set(result, partition_durable_end(l->partition), -1);
    } else if (asked->timestamp == TIME_EARLIEST || asked->timestamp == TIME_EARLIEST_LOCAL) {
        set(result, partition_start(l->partition), -1);
    } else if (asked->timestamp == TIME_OF_MAX || asked->timestamp >= 0) {
        l->low = -1;
        l->high = INT64_MAX;
        search(l, asked->timestamp >= 0 ? asked->timestamp : 0);
        return l->at != before;
    }
    l->at++; /* nothing is tiered: offset -1 */
    return true;
}

static void list_run(struct lookup *l)
{
    l->is_running = true;
    for (; l->topic < l->asked->topics_count; l->topic++, l->at = 0) {
        while (l->at < l->asked->topics[l->topic].partitions_count) {
            if (!list_one(l)) {
                l->is_running = false;
                return;
            }
        }
    }
    kafka_answer(l->request);
}

void kafka_on_list_offsets(struct kafka_request *request, const void *body)
{
    const struct kafka_list_offsets_request *asked = body;
    struct kafka_list_offsets_response *r = KAFKA_RESPONSE(request, list_offsets);
    struct lookup *l = kafka_arena_take(&request->arena, sizeof(*l));

    if (r != NULL)
        r->topics =
            KAFKA_ARRAY(&request->arena, kafka_list_offsets_topic_result, asked->topics_count);
    for (uint32_t i = 0; r != NULL && r->topics != NULL && i < asked->topics_count; i++) {
        r->topics[i].name = asked->topics[i].name;
        r->topics[i].partitions_count = asked->topics[i].partitions_count;
        r->topics[i].partitions = KAFKA_ARRAY(&request->arena, kafka_list_offsets_result,
                                              asked->topics[i].partitions_count);
        r->topics_count++;
    }
    if (l == NULL || request->arena.bad) {
        kafka_answer(request);
        return;
    }
    l->request = request;
    l->asked = asked;
    request->state = l;
    request->on_cancel = on_cancel;
    list_run(l);
}

/* One leader for ever: epoch 0 ends where the partition ends, no other epoch was ever. */
static void end_of_epoch(struct stream *stream,
                         const struct kafka_offset_for_leader_epoch_partition *asked,
                         struct kafka_offset_for_leader_epoch_result *result)
{
    if (asked->partition < 0 || (unsigned)asked->partition >= stream_partition_count(stream))
        result->error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (asked->current_leader_epoch > BATCH_LEADER_EPOCH)
        result->error_code = KAFKA_ERROR_UNKNOWN_LEADER_EPOCH;
    else if (asked->leader_epoch == BATCH_LEADER_EPOCH) {
        result->leader_epoch = BATCH_LEADER_EPOCH;
        result->end_offset =
            (int64_t)partition_durable_end(stream_partition(stream, (unsigned)asked->partition));
    }
}

void kafka_on_offset_for_leader_epoch(struct kafka_request *request, const void *body)
{
    const struct kafka_offset_for_leader_epoch_request *asked = body;
    struct kafka_offset_for_leader_epoch_response *r =
        KAFKA_RESPONSE(request, offset_for_leader_epoch);

    if (r != NULL)
        r->topics = KAFKA_ARRAY(&request->arena, kafka_offset_for_leader_epoch_topic_result,
                                asked->topics_count);
    for (uint32_t i = 0; r != NULL && r->topics != NULL && i < asked->topics_count; i++) {
        const struct kafka_offset_for_leader_epoch_topic *topic = &asked->topics[i];
        struct kafka_offset_for_leader_epoch_topic_result *answer = &r->topics[i];
        struct stream *stream = NULL;
        enum kafka_error error =
            kafka_use_topic(request, false, topic->topic, NULL, OPERATION_DESCRIBE, &stream);

        answer->topic = topic->topic;
        answer->partitions = KAFKA_ARRAY(&request->arena, kafka_offset_for_leader_epoch_result,
                                         topic->partitions_count);
        for (uint32_t k = 0; answer->partitions != NULL && k < topic->partitions_count; k++) {
            answer->partitions[k].partition = topic->partitions[k].partition;
            answer->partitions[k].error_code = (int16_t)error;
            if (error == KAFKA_ERROR_NONE)
                end_of_epoch(stream, &topic->partitions[k], &answer->partitions[k]);
            answer->partitions_count++;
        }
        r->topics_count++;
    }
    kafka_answer(request);
}
