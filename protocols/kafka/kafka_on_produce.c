/* SPDX-License-Identifier: Apache-2.0 */
/* Produce and InitProducerId: producers' batches are checked and stored as they came. */
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/plant.h"
#include "broker/core/producer.h"
#include "broker/net/conn.h"
#include "broker/record/record.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"
#include "protocols/kafka/kafka_topic_config.h"

#define VERSION_WITH_ZSTD      7
#define VERSION_WITH_TOPIC_IDS 13
/* A disk may take a second at times; clients that ask for 0 do not mean to be told so. */
#define PRODUCE_TIMEOUT_MIN_MS 1000

/* One partition of a request under way. */
struct produce {
    struct kafka_request *request;
    const struct kafka_produce_request *asked;
    struct stream *stream;
    struct kafka_topic_config config;
};

/* Compaction goes by keys: a record without one would stay for ever. */
static bool has_keys(const struct produce *p, struct slice bytes)
{
    struct record_reader reader;
    struct record record;
    enum rc rc = record_reader_open(bytes, COMPRESSION_MAX_INFLATED_BYTES,
                                    &p->request->kafka->scratch, &reader, NULL, NULL);

    while (rc == RC_OK) {
        rc = record_next(&reader, &record);
        if (rc == RC_OK && slice_is_none(record.key))
            return false;
    }
    return rc == RC_NOT_FOUND;
}

/* RecordBatch v2, one of it, whole, sound, and of the kind that clients may send. */
static enum kafka_error check_batch(const struct produce *p, struct slice bytes,
                                    struct batch_header *ret, struct slice *ret_message)
{
    struct batch_header header;
    size_t whole_bytes;
    struct slice records;
    enum rc rc = batch_peek(bytes, &header, &records, &whole_bytes);

    if (rc == RC_UNSUPPORTED) {
        *ret_message = SLICE("Only record batches of magic 2 are accepted.");
        return KAFKA_ERROR_UNSUPPORTED_FOR_MESSAGE_FORMAT;
    }
    if (rc != RC_OK)
        return KAFKA_ERROR_CORRUPT_MESSAGE;
    if (whole_bytes != bytes.len) {
        *ret_message = SLICE("Exactly one record batch is accepted for a partition.");
        return KAFKA_ERROR_INVALID_RECORD;
    }
    if (bytes.len > p->config.max_message_bytes)
        return KAFKA_ERROR_MESSAGE_TOO_LARGE;
    if (batch_check_crc(bytes) != RC_OK)
        return KAFKA_ERROR_CORRUPT_MESSAGE;
    if (header.compression == COMPRESSION_ZSTD && p->request->header.version < VERSION_WITH_ZSTD)
        return KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE;
    if (batch_check_produced(&header) != RC_OK) {
        *ret_message = SLICE("The batch says things of itself that do not fit together.");
        return KAFKA_ERROR_INVALID_RECORD;
    }
    if (record_check_all(&header, records) != RC_OK) {
        *ret_message = SLICE("The records are not those that the batch declares.");
        return KAFKA_ERROR_INVALID_RECORD;
    }
    if (stream_compaction(p->stream) != NULL && !has_keys(p, bytes)) {
        *ret_message = SLICE("A compacted topic takes no record without a key.");
        return KAFKA_ERROR_INVALID_RECORD;
    }
    if (header.is_transactional)
        return KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    *ret = header;
    return KAFKA_ERROR_NONE;
}

/* A copy as the topic wants it: packed by its codec, with the broker's time. */
static enum kafka_error change(const struct produce *p, struct slice bytes,
                               const struct batch_header *header,
                               struct kafka_produce_result *result, struct block **ret)
{
    struct kafka *kafka = p->request->kafka;
    struct block *block = NULL;
    enum rc rc = RC_OK;

    if (p->config.is_repacked && p->config.compression != header->compression) {
        rc = batch_repack(bytes, p->config.compression, COMPRESSION_MAX_INFLATED_BYTES,
                          &kafka->scratch, &block);
    } else if ((block = block_try(bytes.len)) != NULL) {
        memcpy(block->at, bytes.at, bytes.len);
    } else {
        rc = RC_MEMORY;
    }
    if (rc != RC_OK)
        return kafka_error_of(rc, KAFKA_ABOUT_TOPIC);
    if (p->config.is_append_time) {
        result->log_append_time_ms = core_wall_ms(kafka->core);
        batch_set_log_append_time(block->at, block->len, result->log_append_time_ms);
    }
    *ret = block;
    return KAFKA_ERROR_NONE;
}

static enum kafka_error append(const struct produce *p, struct slice bytes,
                               struct kafka_produce_result *result)
{
    /* acks 1 and -1 are the same with one node, and a promise: on disk. */
    enum durability durability = p->asked->acks == 0 ? DURABILITY_MEMORY : DURABILITY_ALWAYS;
    struct append_result appended;
    struct block *changed = NULL;
    struct batch_header header;
    enum kafka_error error;
    enum rc rc;

    if (result->index < 0 || (unsigned)result->index >= stream_partition_count(p->stream))
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (bytes.len == 0)
        return KAFKA_ERROR_INVALID_RECORD;
    error = check_batch(p, bytes, &header, &result->error_message);
    if (error != KAFKA_ERROR_NONE)
        return error;
    if (p->config.is_append_time || p->config.is_repacked) {
        error = change(p, bytes, &header, result, &changed);
        if (error != KAFKA_ERROR_NONE)
            return error;
        bytes = block_slice(changed);
    }
    rc = partition_append(stream_partition(p->stream, (unsigned)result->index), p->request->client,
                          bytes, durability, &appended);
    block_unref(&changed);
    if (rc == RC_OK || rc == RC_DUPLICATE) {
        result->base_offset = (int64_t)appended.base_offset + PLANTED("offset-wrong");
        result->log_start_offset = (int64_t)appended.start_offset;
    }
    return kafka_error_of(rc, KAFKA_ABOUT_TOPIC);
}

/* Gives back how many of its partitions failed. */
static unsigned produce_topic(struct produce *p, const struct kafka_produce_topic *topic,
                              struct kafka_produce_topic_result *answer)
{
    struct kafka_request *request = p->request;
    bool by_id = request->header.version >= VERSION_WITH_TOPIC_IDS;
    enum kafka_error error = kafka_use_topic(request, by_id, topic->name, &topic->topic_id,
                                             OPERATION_PUBLISH, &p->stream);
    unsigned failed = 0;

    if (error == KAFKA_ERROR_NONE)
        kafka_topic_config_of(&request->kafka->config, stream_config(p->stream), &p->config);
    answer->name = by_id ? topic->name : kafka_arena_copy(&request->arena, topic->name);
    answer->topic_id = topic->topic_id;
    answer->partition_responses =
        KAFKA_ARRAY(&request->arena, kafka_produce_result, topic->partition_data_count);
    if (answer->partition_responses == NULL)
        return topic->partition_data_count;
    answer->partition_responses_count = topic->partition_data_count;
    for (uint32_t i = 0; i < topic->partition_data_count; i++) {
        const struct kafka_produce_partition *partition = &topic->partition_data[i];
        struct kafka_produce_result *result = &answer->partition_responses[i];
        enum kafka_error code = error;

        result->index = partition->index;
        result->base_offset = -1;
        if (code == KAFKA_ERROR_NONE)
            code = append(p, partition->records.bytes, result);
        result->error_code = (int16_t)code;
        failed += code != KAFKA_ERROR_NONE;
    }
    return failed;
}

/* What makes every partition of the request fail alike. */
static enum kafka_error check_request(const struct kafka_produce_request *asked)
{
    if (asked->transactional_id.at != NULL)
        return KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (asked->acks < -1 || asked->acks > 1)
        return KAFKA_ERROR_INVALID_REQUIRED_ACKS;
    return KAFKA_ERROR_NONE;
}

static void fail_topic(struct kafka_request *request, const struct kafka_produce_topic *topic,
                       enum kafka_error error, struct kafka_produce_topic_result *answer)
{
    answer->name = kafka_arena_copy(&request->arena, topic->name);
    answer->topic_id = topic->topic_id;
    answer->partition_responses =
        KAFKA_ARRAY(&request->arena, kafka_produce_result, topic->partition_data_count);
    for (uint32_t i = 0; i < topic->partition_data_count && answer->partition_responses != NULL;
         i++) {
        struct kafka_produce_result *result = &answer->partition_responses[i];

        result->index = topic->partition_data[i].index;
        result->base_offset = -1;
        result->error_code = (int16_t)error;
        answer->partition_responses_count++;
    }
}

/* The disk did not follow in time. What was stored stays and may still become durable: a producer
 * with idempotence sends it again without harm. */
static void on_timeout(struct kafka_request *request)
{
    struct kafka_produce_response *r = request->response;

    for (uint32_t i = 0; i < r->responses_count; i++) {
        struct kafka_produce_topic_result *topic = &r->responses[i];

        for (uint32_t k = 0; k < topic->partition_responses_count; k++) {
            if (topic->partition_responses[k].error_code == KAFKA_ERROR_NONE) {
                topic->partition_responses[k].error_code = KAFKA_ERROR_REQUEST_TIMED_OUT;
                topic->partition_responses[k].base_offset = -1;
                count_add(COUNT_KAFKA_ERRORS, 1);
            }
        }
    }
}

static uint64_t timeout_ms_of(const struct kafka_produce_request *asked)
{
    return asked->timeout_ms < PRODUCE_TIMEOUT_MIN_MS ? PRODUCE_TIMEOUT_MIN_MS
                                                      : (uint64_t)asked->timeout_ms;
}

void kafka_on_produce(struct kafka_request *request, const void *body)
{
    const struct kafka_produce_request *asked = body;
    struct kafka_produce_response *r = KAFKA_RESPONSE(request, produce);
    struct produce p = { .request = request, .asked = asked };
    enum kafka_error error = check_request(asked);
    unsigned failed = 0, all = 0;

    if (r != NULL)
        r->responses =
            KAFKA_ARRAY(&request->arena, kafka_produce_topic_result, asked->topic_data_count);
    if (r == NULL || r->responses == NULL) {
        kafka_answer(request);
        return;
    }
    r->responses_count = asked->topic_data_count;
    for (uint32_t i = 0; i < asked->topic_data_count; i++) {
        all += asked->topic_data[i].partition_data_count;
        if (error == KAFKA_ERROR_NONE) {
            failed += produce_topic(&p, &asked->topic_data[i], &r->responses[i]);
        } else {
            fail_topic(request, &asked->topic_data[i], error, &r->responses[i]);
            failed += asked->topic_data[i].partition_data_count;
        }
    }
    count_add(COUNT_KAFKA_ERRORS, failed);
    if (asked->acks != 0) {
        /* What failed needs not wait, least of all for a store that is stalled. */
        if (failed == all) {
            kafka_answer(request);
            return;
        }
        request->deadline_ns = loop_now_ns(request->kafka->loop) + timeout_ms_of(asked) * NS_PER_MS;
        request->on_timeout = on_timeout;
        kafka_answer_durable(request);
        return;
    }
    /* Without an answer, ending the connection is the only way to say that something failed. */
    request->is_silent = true;
    if (failed > 0)
        kafka_refuse(request, RC_INVALID, "produce without acknowledgement failed");
    else
        kafka_answer(request);
}

void kafka_on_init_producer_id(struct kafka_request *request, const void *body)
{
    const struct kafka_init_producer_id_request *asked = body;
    struct kafka_init_producer_id_response *r = KAFKA_RESPONSE(request, init_producer_id);

    if (r == NULL) {
        kafka_answer(request);
        return;
    }
    r->producer_epoch = -1;
    if (asked->transactional_id.at != NULL) {
        r->error_code = asked->transactional_id.len == 0
                            ? KAFKA_ERROR_INVALID_REQUEST
                            : KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        kafka_answer(request);
        return;
    }
    r->producer_id = (int64_t)producer_new_id(request->kafka->core);
    r->producer_epoch = 0;
    kafka_answer_durable(request);
}
