/* SPDX-License-Identifier: Apache-2.0 */
/* Field descriptors. Made from kafka_messages.tbl: do not edit. */
#include "protocols/kafka/kafka_messages.h"

#include <stddef.h>

static const struct kafka_field kafka_produce_partition_fields[] = {
    { "index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_partition, index), 0, NULL, 0 },
    { "records", KAFKA_RECORDS, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_produce_partition, records), 0, NULL, 0 },
};
const struct kafka_type kafka_produce_partition_type = {
    "kafka_produce_partition", sizeof(struct kafka_produce_partition), 2, kafka_produce_partition_fields, false,
};

static const struct kafka_field kafka_produce_topic_fields[] = {
    { "name", KAFKA_STRING, false, 0, 12, 1, 0, -1, offsetof(struct kafka_produce_topic, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 13, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_topic, topic_id), 0, NULL, 0 },
    { "partition_data", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_topic, partition_data), offsetof(struct kafka_produce_topic, partition_data_count), &kafka_produce_partition_type, 0 },
};
const struct kafka_type kafka_produce_topic_type = {
    "kafka_produce_topic", sizeof(struct kafka_produce_topic), 3, kafka_produce_topic_fields, false,
};

static const struct kafka_field kafka_produce_request_fields[] = {
    { "transactional_id", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 3, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_produce_request, transactional_id), 0, NULL, 0 },
    { "acks", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_request, acks), 0, NULL, 0 },
    { "timeout_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_request, timeout_ms), 0, NULL, 0 },
    { "topic_data", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_request, topic_data), offsetof(struct kafka_produce_request, topic_data_count), &kafka_produce_topic_type, 0 },
};
const struct kafka_type kafka_produce_request_type = {
    "kafka_produce_request", sizeof(struct kafka_produce_request), 4, kafka_produce_request_fields, false,
};

static const struct kafka_field kafka_produce_record_error_fields[] = {
    { "batch_index", KAFKA_INT32, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_record_error, batch_index), 0, NULL, 0 },
    { "batch_index_error_message", KAFKA_STRING, false, 8, KAFKA_VERSION_MAX, 8, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_produce_record_error, batch_index_error_message), 0, NULL, 0 },
};
const struct kafka_type kafka_produce_record_error_type = {
    "kafka_produce_record_error", sizeof(struct kafka_produce_record_error), 2, kafka_produce_record_error_fields, false,
};

static const struct kafka_field kafka_produce_leader_fields[] = {
    { "leader_id", KAFKA_INT32, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_leader, leader_id), 0, NULL, INT64_C(-1) },
    { "leader_epoch", KAFKA_INT32, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_leader, leader_epoch), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_produce_leader_type = {
    "kafka_produce_leader", sizeof(struct kafka_produce_leader), 2, kafka_produce_leader_fields, true,
};

static const struct kafka_field kafka_produce_result_fields[] = {
    { "index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_result, index), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_result, error_code), 0, NULL, 0 },
    { "base_offset", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_result, base_offset), 0, NULL, 0 },
    { "log_append_time_ms", KAFKA_INT64, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_result, log_append_time_ms), 0, NULL, INT64_C(-1) },
    { "log_start_offset", KAFKA_INT64, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_result, log_start_offset), 0, NULL, INT64_C(-1) },
    { "record_errors", KAFKA_STRUCT, true, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_result, record_errors), offsetof(struct kafka_produce_result, record_errors_count), &kafka_produce_record_error_type, 0 },
    { "error_message", KAFKA_STRING, false, 8, KAFKA_VERSION_MAX, 8, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_produce_result, error_message), 0, NULL, 0 },
    { "current_leader", KAFKA_STRUCT, false, 10, KAFKA_VERSION_MAX, 1, 0, 0, offsetof(struct kafka_produce_result, current_leader), 0, &kafka_produce_leader_type, 0 },
};
const struct kafka_type kafka_produce_result_type = {
    "kafka_produce_result", sizeof(struct kafka_produce_result), 8, kafka_produce_result_fields, true,
};

static const struct kafka_field kafka_produce_topic_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, 12, 1, 0, -1, offsetof(struct kafka_produce_topic_result, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 13, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_topic_result, topic_id), 0, NULL, 0 },
    { "partition_responses", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_topic_result, partition_responses), offsetof(struct kafka_produce_topic_result, partition_responses_count), &kafka_produce_result_type, 0 },
};
const struct kafka_type kafka_produce_topic_result_type = {
    "kafka_produce_topic_result", sizeof(struct kafka_produce_topic_result), 3, kafka_produce_topic_result_fields, true,
};

static const struct kafka_field kafka_produce_endpoint_fields[] = {
    { "node_id", KAFKA_INT32, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_endpoint, node_id), 0, NULL, 0 },
    { "host", KAFKA_STRING, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_endpoint, host), 0, NULL, 0 },
    { "port", KAFKA_INT32, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_endpoint, port), 0, NULL, 0 },
    { "rack", KAFKA_STRING, false, 10, KAFKA_VERSION_MAX, 10, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_produce_endpoint, rack), 0, NULL, 0 },
};
const struct kafka_type kafka_produce_endpoint_type = {
    "kafka_produce_endpoint", sizeof(struct kafka_produce_endpoint), 4, kafka_produce_endpoint_fields, false,
};

static const struct kafka_field kafka_produce_response_fields[] = {
    { "responses", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_response, responses), offsetof(struct kafka_produce_response, responses_count), &kafka_produce_topic_result_type, 0 },
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_produce_response, throttle_time_ms), 0, NULL, 0 },
    { "node_endpoints", KAFKA_STRUCT, true, 10, KAFKA_VERSION_MAX, 1, 0, 0, offsetof(struct kafka_produce_response, node_endpoints), offsetof(struct kafka_produce_response, node_endpoints_count), &kafka_produce_endpoint_type, 0 },
};
const struct kafka_type kafka_produce_response_type = {
    "kafka_produce_response", sizeof(struct kafka_produce_response), 3, kafka_produce_response_fields, true,
};

static const struct kafka_field kafka_fetch_replica_state_fields[] = {
    { "replica_id", KAFKA_INT32, false, 15, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_replica_state, replica_id), 0, NULL, INT64_C(-1) },
    { "replica_epoch", KAFKA_INT64, false, 15, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_replica_state, replica_epoch), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_fetch_replica_state_type = {
    "kafka_fetch_replica_state", sizeof(struct kafka_fetch_replica_state), 2, kafka_fetch_replica_state_fields, true,
};

static const struct kafka_field kafka_fetch_partition_fields[] = {
    { "partition", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_partition, partition), 0, NULL, 0 },
    { "current_leader_epoch", KAFKA_INT32, false, 9, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_partition, current_leader_epoch), 0, NULL, INT64_C(-1) },
    { "fetch_offset", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_partition, fetch_offset), 0, NULL, 0 },
    { "last_fetched_epoch", KAFKA_INT32, false, 12, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_partition, last_fetched_epoch), 0, NULL, INT64_C(-1) },
    { "log_start_offset", KAFKA_INT64, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_partition, log_start_offset), 0, NULL, INT64_C(-1) },
    { "partition_max_bytes", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_partition, partition_max_bytes), 0, NULL, 0 },
    { "replica_directory_id", KAFKA_UUID, false, 17, KAFKA_VERSION_MAX, 1, 0, 0, offsetof(struct kafka_fetch_partition, replica_directory_id), 0, NULL, 0 },
    { "high_watermark", KAFKA_INT64, false, 18, KAFKA_VERSION_MAX, 1, 0, 1, offsetof(struct kafka_fetch_partition, high_watermark), 0, NULL, INT64_C(9223372036854775807) },
};
const struct kafka_type kafka_fetch_partition_type = {
    "kafka_fetch_partition", sizeof(struct kafka_fetch_partition), 8, kafka_fetch_partition_fields, true,
};

static const struct kafka_field kafka_fetch_topic_fields[] = {
    { "topic", KAFKA_STRING, false, 0, 12, 1, 0, -1, offsetof(struct kafka_fetch_topic, topic), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 13, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_topic, topic_id), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_topic, partitions), offsetof(struct kafka_fetch_topic, partitions_count), &kafka_fetch_partition_type, 0 },
};
const struct kafka_type kafka_fetch_topic_type = {
    "kafka_fetch_topic", sizeof(struct kafka_fetch_topic), 3, kafka_fetch_topic_fields, true,
};

static const struct kafka_field kafka_fetch_forgotten_fields[] = {
    { "topic", KAFKA_STRING, false, 7, 12, 1, 0, -1, offsetof(struct kafka_fetch_forgotten, topic), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 13, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_forgotten, topic_id), 0, NULL, 0 },
    { "partitions", KAFKA_INT32, true, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_forgotten, partitions), offsetof(struct kafka_fetch_forgotten, partitions_count), NULL, 0 },
};
const struct kafka_type kafka_fetch_forgotten_type = {
    "kafka_fetch_forgotten", sizeof(struct kafka_fetch_forgotten), 3, kafka_fetch_forgotten_fields, false,
};

static const struct kafka_field kafka_fetch_request_fields[] = {
    { "cluster_id", KAFKA_STRING, false, 12, KAFKA_VERSION_MAX, 12, KAFKA_VERSION_MAX, 0, offsetof(struct kafka_fetch_request, cluster_id), 0, NULL, 0 },
    { "replica_id", KAFKA_INT32, false, 0, 14, 1, 0, -1, offsetof(struct kafka_fetch_request, replica_id), 0, NULL, INT64_C(-1) },
    { "replica_state", KAFKA_STRUCT, false, 15, KAFKA_VERSION_MAX, 1, 0, 1, offsetof(struct kafka_fetch_request, replica_state), 0, &kafka_fetch_replica_state_type, 0 },
    { "max_wait_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, max_wait_ms), 0, NULL, 0 },
    { "min_bytes", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, min_bytes), 0, NULL, 0 },
    { "max_bytes", KAFKA_INT32, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, max_bytes), 0, NULL, INT64_C(2147483647) },
    { "isolation_level", KAFKA_INT8, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, isolation_level), 0, NULL, 0 },
    { "session_id", KAFKA_INT32, false, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, session_id), 0, NULL, 0 },
    { "session_epoch", KAFKA_INT32, false, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, session_epoch), 0, NULL, INT64_C(-1) },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, topics), offsetof(struct kafka_fetch_request, topics_count), &kafka_fetch_topic_type, 0 },
    { "forgotten_topics_data", KAFKA_STRUCT, true, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, forgotten_topics_data), offsetof(struct kafka_fetch_request, forgotten_topics_data_count), &kafka_fetch_forgotten_type, 0 },
    { "rack_id", KAFKA_STRING, false, 11, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_request, rack_id), 0, NULL, 0 },
};
const struct kafka_type kafka_fetch_request_type = {
    "kafka_fetch_request", sizeof(struct kafka_fetch_request), 12, kafka_fetch_request_fields, true,
};

static const struct kafka_field kafka_fetch_diverging_fields[] = {
    { "epoch", KAFKA_INT32, false, 12, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_diverging, epoch), 0, NULL, INT64_C(-1) },
    { "end_offset", KAFKA_INT64, false, 12, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_diverging, end_offset), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_fetch_diverging_type = {
    "kafka_fetch_diverging", sizeof(struct kafka_fetch_diverging), 2, kafka_fetch_diverging_fields, true,
};

static const struct kafka_field kafka_fetch_leader_fields[] = {
    { "leader_id", KAFKA_INT32, false, 12, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_leader, leader_id), 0, NULL, INT64_C(-1) },
    { "leader_epoch", KAFKA_INT32, false, 12, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_leader, leader_epoch), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_fetch_leader_type = {
    "kafka_fetch_leader", sizeof(struct kafka_fetch_leader), 2, kafka_fetch_leader_fields, true,
};

static const struct kafka_field kafka_fetch_snapshot_fields[] = {
    { "end_offset", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_snapshot, end_offset), 0, NULL, INT64_C(-1) },
    { "epoch", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_snapshot, epoch), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_fetch_snapshot_type = {
    "kafka_fetch_snapshot", sizeof(struct kafka_fetch_snapshot), 2, kafka_fetch_snapshot_fields, true,
};

static const struct kafka_field kafka_fetch_aborted_fields[] = {
    { "producer_id", KAFKA_INT64, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_aborted, producer_id), 0, NULL, 0 },
    { "first_offset", KAFKA_INT64, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_aborted, first_offset), 0, NULL, 0 },
};
const struct kafka_type kafka_fetch_aborted_type = {
    "kafka_fetch_aborted", sizeof(struct kafka_fetch_aborted), 2, kafka_fetch_aborted_fields, false,
};

static const struct kafka_field kafka_fetch_result_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_result, partition_index), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_result, error_code), 0, NULL, 0 },
    { "high_watermark", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_result, high_watermark), 0, NULL, 0 },
    { "last_stable_offset", KAFKA_INT64, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_result, last_stable_offset), 0, NULL, INT64_C(-1) },
    { "log_start_offset", KAFKA_INT64, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_result, log_start_offset), 0, NULL, INT64_C(-1) },
    { "diverging_epoch", KAFKA_STRUCT, false, 12, KAFKA_VERSION_MAX, 1, 0, 0, offsetof(struct kafka_fetch_result, diverging_epoch), 0, &kafka_fetch_diverging_type, 0 },
    { "current_leader", KAFKA_STRUCT, false, 12, KAFKA_VERSION_MAX, 1, 0, 1, offsetof(struct kafka_fetch_result, current_leader), 0, &kafka_fetch_leader_type, 0 },
    { "snapshot_id", KAFKA_STRUCT, false, 12, KAFKA_VERSION_MAX, 1, 0, 2, offsetof(struct kafka_fetch_result, snapshot_id), 0, &kafka_fetch_snapshot_type, 0 },
    { "aborted_transactions", KAFKA_STRUCT, true, 4, KAFKA_VERSION_MAX, 4, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_fetch_result, aborted_transactions), offsetof(struct kafka_fetch_result, aborted_transactions_count), &kafka_fetch_aborted_type, 0 },
    { "preferred_read_replica", KAFKA_INT32, false, 11, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_result, preferred_read_replica), 0, NULL, INT64_C(-1) },
    { "records", KAFKA_RECORDS, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_fetch_result, records), 0, NULL, 0 },
};
const struct kafka_type kafka_fetch_result_type = {
    "kafka_fetch_result", sizeof(struct kafka_fetch_result), 11, kafka_fetch_result_fields, true,
};

static const struct kafka_field kafka_fetch_topic_result_fields[] = {
    { "topic", KAFKA_STRING, false, 0, 12, 1, 0, -1, offsetof(struct kafka_fetch_topic_result, topic), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 13, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_topic_result, topic_id), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_topic_result, partitions), offsetof(struct kafka_fetch_topic_result, partitions_count), &kafka_fetch_result_type, 0 },
};
const struct kafka_type kafka_fetch_topic_result_type = {
    "kafka_fetch_topic_result", sizeof(struct kafka_fetch_topic_result), 3, kafka_fetch_topic_result_fields, true,
};

static const struct kafka_field kafka_fetch_endpoint_fields[] = {
    { "node_id", KAFKA_INT32, false, 16, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_endpoint, node_id), 0, NULL, 0 },
    { "host", KAFKA_STRING, false, 16, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_endpoint, host), 0, NULL, 0 },
    { "port", KAFKA_INT32, false, 16, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_endpoint, port), 0, NULL, 0 },
    { "rack", KAFKA_STRING, false, 16, KAFKA_VERSION_MAX, 16, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_fetch_endpoint, rack), 0, NULL, 0 },
};
const struct kafka_type kafka_fetch_endpoint_type = {
    "kafka_fetch_endpoint", sizeof(struct kafka_fetch_endpoint), 4, kafka_fetch_endpoint_fields, false,
};

static const struct kafka_field kafka_fetch_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_response, error_code), 0, NULL, 0 },
    { "session_id", KAFKA_INT32, false, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_response, session_id), 0, NULL, 0 },
    { "responses", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_fetch_response, responses), offsetof(struct kafka_fetch_response, responses_count), &kafka_fetch_topic_result_type, 0 },
    { "node_endpoints", KAFKA_STRUCT, true, 16, KAFKA_VERSION_MAX, 1, 0, 0, offsetof(struct kafka_fetch_response, node_endpoints), offsetof(struct kafka_fetch_response, node_endpoints_count), &kafka_fetch_endpoint_type, 0 },
};
const struct kafka_type kafka_fetch_response_type = {
    "kafka_fetch_response", sizeof(struct kafka_fetch_response), 5, kafka_fetch_response_fields, true,
};

static const struct kafka_field kafka_list_offsets_partition_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_partition, partition_index), 0, NULL, 0 },
    { "current_leader_epoch", KAFKA_INT32, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_partition, current_leader_epoch), 0, NULL, INT64_C(-1) },
    { "timestamp", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_partition, timestamp), 0, NULL, 0 },
};
const struct kafka_type kafka_list_offsets_partition_type = {
    "kafka_list_offsets_partition", sizeof(struct kafka_list_offsets_partition), 3, kafka_list_offsets_partition_fields, true,
};

static const struct kafka_field kafka_list_offsets_topic_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_topic, name), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_topic, partitions), offsetof(struct kafka_list_offsets_topic, partitions_count), &kafka_list_offsets_partition_type, 0 },
};
const struct kafka_type kafka_list_offsets_topic_type = {
    "kafka_list_offsets_topic", sizeof(struct kafka_list_offsets_topic), 2, kafka_list_offsets_topic_fields, true,
};

static const struct kafka_field kafka_list_offsets_request_fields[] = {
    { "replica_id", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_request, replica_id), 0, NULL, 0 },
    { "isolation_level", KAFKA_INT8, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_request, isolation_level), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_request, topics), offsetof(struct kafka_list_offsets_request, topics_count), &kafka_list_offsets_topic_type, 0 },
    { "timeout_ms", KAFKA_INT32, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_request, timeout_ms), 0, NULL, 0 },
};
const struct kafka_type kafka_list_offsets_request_type = {
    "kafka_list_offsets_request", sizeof(struct kafka_list_offsets_request), 4, kafka_list_offsets_request_fields, true,
};

static const struct kafka_field kafka_list_offsets_result_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_result, partition_index), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_result, error_code), 0, NULL, 0 },
    { "timestamp", KAFKA_INT64, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_result, timestamp), 0, NULL, INT64_C(-1) },
    { "offset", KAFKA_INT64, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_result, offset), 0, NULL, INT64_C(-1) },
    { "leader_epoch", KAFKA_INT32, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_result, leader_epoch), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_list_offsets_result_type = {
    "kafka_list_offsets_result", sizeof(struct kafka_list_offsets_result), 5, kafka_list_offsets_result_fields, true,
};

static const struct kafka_field kafka_list_offsets_topic_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_topic_result, name), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_topic_result, partitions), offsetof(struct kafka_list_offsets_topic_result, partitions_count), &kafka_list_offsets_result_type, 0 },
};
const struct kafka_type kafka_list_offsets_topic_result_type = {
    "kafka_list_offsets_topic_result", sizeof(struct kafka_list_offsets_topic_result), 2, kafka_list_offsets_topic_result_fields, true,
};

static const struct kafka_field kafka_list_offsets_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_response, throttle_time_ms), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_offsets_response, topics), offsetof(struct kafka_list_offsets_response, topics_count), &kafka_list_offsets_topic_result_type, 0 },
};
const struct kafka_type kafka_list_offsets_response_type = {
    "kafka_list_offsets_response", sizeof(struct kafka_list_offsets_response), 2, kafka_list_offsets_response_fields, true,
};

static const struct kafka_field kafka_metadata_topic_fields[] = {
    { "topic_id", KAFKA_UUID, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_topic, topic_id), 0, NULL, 0 },
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 10, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_metadata_topic, name), 0, NULL, 0 },
};
const struct kafka_type kafka_metadata_topic_type = {
    "kafka_metadata_topic", sizeof(struct kafka_metadata_topic), 2, kafka_metadata_topic_fields, false,
};

static const struct kafka_field kafka_metadata_request_fields[] = {
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_metadata_request, topics), offsetof(struct kafka_metadata_request, topics_count), &kafka_metadata_topic_type, 0 },
    { "allow_auto_topic_creation", KAFKA_BOOL, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_request, allow_auto_topic_creation), 0, NULL, INT64_C(1) },
    { "include_cluster_authorized_operations", KAFKA_BOOL, false, 8, 10, 1, 0, -1, offsetof(struct kafka_metadata_request, include_cluster_authorized_operations), 0, NULL, 0 },
    { "include_topic_authorized_operations", KAFKA_BOOL, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_request, include_topic_authorized_operations), 0, NULL, 0 },
};
const struct kafka_type kafka_metadata_request_type = {
    "kafka_metadata_request", sizeof(struct kafka_metadata_request), 4, kafka_metadata_request_fields, true,
};

static const struct kafka_field kafka_metadata_broker_fields[] = {
    { "node_id", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_broker, node_id), 0, NULL, 0 },
    { "host", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_broker, host), 0, NULL, 0 },
    { "port", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_broker, port), 0, NULL, 0 },
    { "rack", KAFKA_STRING, false, 1, KAFKA_VERSION_MAX, 1, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_metadata_broker, rack), 0, NULL, 0 },
};
const struct kafka_type kafka_metadata_broker_type = {
    "kafka_metadata_broker", sizeof(struct kafka_metadata_broker), 4, kafka_metadata_broker_fields, false,
};

static const struct kafka_field kafka_metadata_result_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_result, error_code), 0, NULL, 0 },
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_result, partition_index), 0, NULL, 0 },
    { "leader_id", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_result, leader_id), 0, NULL, 0 },
    { "leader_epoch", KAFKA_INT32, false, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_result, leader_epoch), 0, NULL, INT64_C(-1) },
    { "replica_nodes", KAFKA_INT32, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_result, replica_nodes), offsetof(struct kafka_metadata_result, replica_nodes_count), NULL, 0 },
    { "isr_nodes", KAFKA_INT32, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_result, isr_nodes), offsetof(struct kafka_metadata_result, isr_nodes_count), NULL, 0 },
    { "offline_replicas", KAFKA_INT32, true, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_result, offline_replicas), offsetof(struct kafka_metadata_result, offline_replicas_count), NULL, 0 },
};
const struct kafka_type kafka_metadata_result_type = {
    "kafka_metadata_result", sizeof(struct kafka_metadata_result), 7, kafka_metadata_result_fields, true,
};

static const struct kafka_field kafka_metadata_topic_result_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_topic_result, error_code), 0, NULL, 0 },
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 12, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_metadata_topic_result, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_topic_result, topic_id), 0, NULL, 0 },
    { "is_internal", KAFKA_BOOL, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_topic_result, is_internal), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_topic_result, partitions), offsetof(struct kafka_metadata_topic_result, partitions_count), &kafka_metadata_result_type, 0 },
    { "topic_authorized_operations", KAFKA_INT32, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_topic_result, topic_authorized_operations), 0, NULL, INT64_C(-2147483648) },
};
const struct kafka_type kafka_metadata_topic_result_type = {
    "kafka_metadata_topic_result", sizeof(struct kafka_metadata_topic_result), 6, kafka_metadata_topic_result_fields, true,
};

static const struct kafka_field kafka_metadata_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_response, throttle_time_ms), 0, NULL, 0 },
    { "brokers", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_response, brokers), offsetof(struct kafka_metadata_response, brokers_count), &kafka_metadata_broker_type, 0 },
    { "cluster_id", KAFKA_STRING, false, 2, KAFKA_VERSION_MAX, 2, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_metadata_response, cluster_id), 0, NULL, 0 },
    { "controller_id", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_response, controller_id), 0, NULL, INT64_C(-1) },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_response, topics), offsetof(struct kafka_metadata_response, topics_count), &kafka_metadata_topic_result_type, 0 },
    { "cluster_authorized_operations", KAFKA_INT32, false, 8, 10, 1, 0, -1, offsetof(struct kafka_metadata_response, cluster_authorized_operations), 0, NULL, INT64_C(-2147483648) },
    { "error_code", KAFKA_INT16, false, 13, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_metadata_response, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_metadata_response_type = {
    "kafka_metadata_response", sizeof(struct kafka_metadata_response), 7, kafka_metadata_response_fields, true,
};

static const struct kafka_field kafka_offset_commit_partition_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_partition, partition_index), 0, NULL, 0 },
    { "committed_offset", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_partition, committed_offset), 0, NULL, 0 },
    { "committed_leader_epoch", KAFKA_INT32, false, 6, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_partition, committed_leader_epoch), 0, NULL, INT64_C(-1) },
    { "committed_metadata", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_offset_commit_partition, committed_metadata), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_commit_partition_type = {
    "kafka_offset_commit_partition", sizeof(struct kafka_offset_commit_partition), 4, kafka_offset_commit_partition_fields, true,
};

static const struct kafka_field kafka_offset_commit_topic_fields[] = {
    { "name", KAFKA_STRING, false, 0, 9, 1, 0, -1, offsetof(struct kafka_offset_commit_topic, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_topic, topic_id), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_topic, partitions), offsetof(struct kafka_offset_commit_topic, partitions_count), &kafka_offset_commit_partition_type, 0 },
};
const struct kafka_type kafka_offset_commit_topic_type = {
    "kafka_offset_commit_topic", sizeof(struct kafka_offset_commit_topic), 3, kafka_offset_commit_topic_fields, true,
};

static const struct kafka_field kafka_offset_commit_request_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_request, group_id), 0, NULL, 0 },
    { "generation_id_or_member_epoch", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_request, generation_id_or_member_epoch), 0, NULL, INT64_C(-1) },
    { "member_id", KAFKA_STRING, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_request, member_id), 0, NULL, 0 },
    { "group_instance_id", KAFKA_STRING, false, 7, KAFKA_VERSION_MAX, 7, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_offset_commit_request, group_instance_id), 0, NULL, 0 },
    { "retention_time_ms", KAFKA_INT64, false, 2, 4, 1, 0, -1, offsetof(struct kafka_offset_commit_request, retention_time_ms), 0, NULL, INT64_C(-1) },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_request, topics), offsetof(struct kafka_offset_commit_request, topics_count), &kafka_offset_commit_topic_type, 0 },
};
const struct kafka_type kafka_offset_commit_request_type = {
    "kafka_offset_commit_request", sizeof(struct kafka_offset_commit_request), 6, kafka_offset_commit_request_fields, true,
};

static const struct kafka_field kafka_offset_commit_result_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_result, partition_index), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_result, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_commit_result_type = {
    "kafka_offset_commit_result", sizeof(struct kafka_offset_commit_result), 2, kafka_offset_commit_result_fields, false,
};

static const struct kafka_field kafka_offset_commit_topic_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, 9, 1, 0, -1, offsetof(struct kafka_offset_commit_topic_result, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_topic_result, topic_id), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_topic_result, partitions), offsetof(struct kafka_offset_commit_topic_result, partitions_count), &kafka_offset_commit_result_type, 0 },
};
const struct kafka_type kafka_offset_commit_topic_result_type = {
    "kafka_offset_commit_topic_result", sizeof(struct kafka_offset_commit_topic_result), 3, kafka_offset_commit_topic_result_fields, false,
};

static const struct kafka_field kafka_offset_commit_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_response, throttle_time_ms), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_commit_response, topics), offsetof(struct kafka_offset_commit_response, topics_count), &kafka_offset_commit_topic_result_type, 0 },
};
const struct kafka_type kafka_offset_commit_response_type = {
    "kafka_offset_commit_response", sizeof(struct kafka_offset_commit_response), 2, kafka_offset_commit_response_fields, false,
};

static const struct kafka_field kafka_offset_fetch_topic_fields[] = {
    { "name", KAFKA_STRING, false, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_topic, name), 0, NULL, 0 },
    { "partition_indexes", KAFKA_INT32, true, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_topic, partition_indexes), offsetof(struct kafka_offset_fetch_topic, partition_indexes_count), NULL, 0 },
};
const struct kafka_type kafka_offset_fetch_topic_type = {
    "kafka_offset_fetch_topic", sizeof(struct kafka_offset_fetch_topic), 2, kafka_offset_fetch_topic_fields, false,
};

static const struct kafka_field kafka_offset_fetch_group_topic_fields[] = {
    { "name", KAFKA_STRING, false, 8, 9, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_topic, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_topic, topic_id), 0, NULL, 0 },
    { "partition_indexes", KAFKA_INT32, true, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_topic, partition_indexes), offsetof(struct kafka_offset_fetch_group_topic, partition_indexes_count), NULL, 0 },
};
const struct kafka_type kafka_offset_fetch_group_topic_type = {
    "kafka_offset_fetch_group_topic", sizeof(struct kafka_offset_fetch_group_topic), 3, kafka_offset_fetch_group_topic_fields, false,
};

static const struct kafka_field kafka_offset_fetch_group_fields[] = {
    { "group_id", KAFKA_STRING, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group, group_id), 0, NULL, 0 },
    { "member_id", KAFKA_STRING, false, 9, KAFKA_VERSION_MAX, 9, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_offset_fetch_group, member_id), 0, NULL, 0 },
    { "member_epoch", KAFKA_INT32, false, 9, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group, member_epoch), 0, NULL, INT64_C(-1) },
    { "topics", KAFKA_STRUCT, true, 8, KAFKA_VERSION_MAX, 8, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_offset_fetch_group, topics), offsetof(struct kafka_offset_fetch_group, topics_count), &kafka_offset_fetch_group_topic_type, 0 },
};
const struct kafka_type kafka_offset_fetch_group_type = {
    "kafka_offset_fetch_group", sizeof(struct kafka_offset_fetch_group), 4, kafka_offset_fetch_group_fields, true,
};

static const struct kafka_field kafka_offset_fetch_request_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_request, group_id), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, 7, 2, 7, -1, offsetof(struct kafka_offset_fetch_request, topics), offsetof(struct kafka_offset_fetch_request, topics_count), &kafka_offset_fetch_topic_type, 0 },
    { "groups", KAFKA_STRUCT, true, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_request, groups), offsetof(struct kafka_offset_fetch_request, groups_count), &kafka_offset_fetch_group_type, 0 },
    { "require_stable", KAFKA_BOOL, false, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_request, require_stable), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_fetch_request_type = {
    "kafka_offset_fetch_request", sizeof(struct kafka_offset_fetch_request), 4, kafka_offset_fetch_request_fields, true,
};

static const struct kafka_field kafka_offset_fetch_result_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_result, partition_index), 0, NULL, 0 },
    { "committed_offset", KAFKA_INT64, false, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_result, committed_offset), 0, NULL, 0 },
    { "committed_leader_epoch", KAFKA_INT32, false, 5, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_result, committed_leader_epoch), 0, NULL, INT64_C(-1) },
    { "metadata", KAFKA_STRING, false, 0, 7, 0, 7, -1, offsetof(struct kafka_offset_fetch_result, metadata), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_result, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_fetch_result_type = {
    "kafka_offset_fetch_result", sizeof(struct kafka_offset_fetch_result), 5, kafka_offset_fetch_result_fields, true,
};

static const struct kafka_field kafka_offset_fetch_topic_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_topic_result, name), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_topic_result, partitions), offsetof(struct kafka_offset_fetch_topic_result, partitions_count), &kafka_offset_fetch_result_type, 0 },
};
const struct kafka_type kafka_offset_fetch_topic_result_type = {
    "kafka_offset_fetch_topic_result", sizeof(struct kafka_offset_fetch_topic_result), 2, kafka_offset_fetch_topic_result_fields, true,
};

static const struct kafka_field kafka_offset_fetch_group_partition_result_fields[] = {
    { "partition_index", KAFKA_INT32, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_partition_result, partition_index), 0, NULL, 0 },
    { "committed_offset", KAFKA_INT64, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_partition_result, committed_offset), 0, NULL, 0 },
    { "committed_leader_epoch", KAFKA_INT32, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_partition_result, committed_leader_epoch), 0, NULL, INT64_C(-1) },
    { "metadata", KAFKA_STRING, false, 8, KAFKA_VERSION_MAX, 8, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_offset_fetch_group_partition_result, metadata), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_partition_result, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_fetch_group_partition_result_type = {
    "kafka_offset_fetch_group_partition_result", sizeof(struct kafka_offset_fetch_group_partition_result), 5, kafka_offset_fetch_group_partition_result_fields, true,
};

static const struct kafka_field kafka_offset_fetch_group_topic_result_fields[] = {
    { "name", KAFKA_STRING, false, 8, 9, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_topic_result, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 10, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_topic_result, topic_id), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_topic_result, partitions), offsetof(struct kafka_offset_fetch_group_topic_result, partitions_count), &kafka_offset_fetch_group_partition_result_type, 0 },
};
const struct kafka_type kafka_offset_fetch_group_topic_result_type = {
    "kafka_offset_fetch_group_topic_result", sizeof(struct kafka_offset_fetch_group_topic_result), 3, kafka_offset_fetch_group_topic_result_fields, true,
};

static const struct kafka_field kafka_offset_fetch_group_result_fields[] = {
    { "group_id", KAFKA_STRING, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_result, group_id), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_result, topics), offsetof(struct kafka_offset_fetch_group_result, topics_count), &kafka_offset_fetch_group_topic_result_type, 0 },
    { "error_code", KAFKA_INT16, false, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_group_result, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_fetch_group_result_type = {
    "kafka_offset_fetch_group_result", sizeof(struct kafka_offset_fetch_group_result), 3, kafka_offset_fetch_group_result_fields, true,
};

static const struct kafka_field kafka_offset_fetch_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_response, throttle_time_ms), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_response, topics), offsetof(struct kafka_offset_fetch_response, topics_count), &kafka_offset_fetch_topic_result_type, 0 },
    { "error_code", KAFKA_INT16, false, 2, 7, 1, 0, -1, offsetof(struct kafka_offset_fetch_response, error_code), 0, NULL, 0 },
    { "groups", KAFKA_STRUCT, true, 8, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_fetch_response, groups), offsetof(struct kafka_offset_fetch_response, groups_count), &kafka_offset_fetch_group_result_type, 0 },
};
const struct kafka_type kafka_offset_fetch_response_type = {
    "kafka_offset_fetch_response", sizeof(struct kafka_offset_fetch_response), 4, kafka_offset_fetch_response_fields, true,
};

static const struct kafka_field kafka_find_coordinator_request_fields[] = {
    { "key", KAFKA_STRING, false, 0, 3, 1, 0, -1, offsetof(struct kafka_find_coordinator_request, key), 0, NULL, 0 },
    { "key_type", KAFKA_INT8, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_request, key_type), 0, NULL, 0 },
    { "coordinator_keys", KAFKA_STRING, true, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_request, coordinator_keys), offsetof(struct kafka_find_coordinator_request, coordinator_keys_count), NULL, 0 },
};
const struct kafka_type kafka_find_coordinator_request_type = {
    "kafka_find_coordinator_request", sizeof(struct kafka_find_coordinator_request), 3, kafka_find_coordinator_request_fields, false,
};

static const struct kafka_field kafka_find_coordinator_result_fields[] = {
    { "key", KAFKA_STRING, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_result, key), 0, NULL, 0 },
    { "node_id", KAFKA_INT32, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_result, node_id), 0, NULL, 0 },
    { "host", KAFKA_STRING, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_result, host), 0, NULL, 0 },
    { "port", KAFKA_INT32, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_result, port), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 4, KAFKA_VERSION_MAX, 4, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_find_coordinator_result, error_message), 0, NULL, 0 },
};
const struct kafka_type kafka_find_coordinator_result_type = {
    "kafka_find_coordinator_result", sizeof(struct kafka_find_coordinator_result), 6, kafka_find_coordinator_result_fields, false,
};

static const struct kafka_field kafka_find_coordinator_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, 3, 1, 0, -1, offsetof(struct kafka_find_coordinator_response, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 1, 3, 1, 3, -1, offsetof(struct kafka_find_coordinator_response, error_message), 0, NULL, 0 },
    { "node_id", KAFKA_INT32, false, 0, 3, 1, 0, -1, offsetof(struct kafka_find_coordinator_response, node_id), 0, NULL, 0 },
    { "host", KAFKA_STRING, false, 0, 3, 1, 0, -1, offsetof(struct kafka_find_coordinator_response, host), 0, NULL, 0 },
    { "port", KAFKA_INT32, false, 0, 3, 1, 0, -1, offsetof(struct kafka_find_coordinator_response, port), 0, NULL, 0 },
    { "coordinators", KAFKA_STRUCT, true, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_find_coordinator_response, coordinators), offsetof(struct kafka_find_coordinator_response, coordinators_count), &kafka_find_coordinator_result_type, 0 },
};
const struct kafka_type kafka_find_coordinator_response_type = {
    "kafka_find_coordinator_response", sizeof(struct kafka_find_coordinator_response), 7, kafka_find_coordinator_response_fields, false,
};

static const struct kafka_field kafka_join_group_protocol_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_protocol, name), 0, NULL, 0 },
    { "metadata", KAFKA_BYTES, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_protocol, metadata), 0, NULL, 0 },
};
const struct kafka_type kafka_join_group_protocol_type = {
    "kafka_join_group_protocol", sizeof(struct kafka_join_group_protocol), 2, kafka_join_group_protocol_fields, false,
};

static const struct kafka_field kafka_join_group_request_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_request, group_id), 0, NULL, 0 },
    { "session_timeout_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_request, session_timeout_ms), 0, NULL, 0 },
    { "rebalance_timeout_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_request, rebalance_timeout_ms), 0, NULL, INT64_C(-1) },
    { "member_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_request, member_id), 0, NULL, 0 },
    { "group_instance_id", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_join_group_request, group_instance_id), 0, NULL, 0 },
    { "protocol_type", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_request, protocol_type), 0, NULL, 0 },
    { "protocols", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_request, protocols), offsetof(struct kafka_join_group_request, protocols_count), &kafka_join_group_protocol_type, 0 },
    { "reason", KAFKA_STRING, false, 8, KAFKA_VERSION_MAX, 8, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_join_group_request, reason), 0, NULL, 0 },
};
const struct kafka_type kafka_join_group_request_type = {
    "kafka_join_group_request", sizeof(struct kafka_join_group_request), 8, kafka_join_group_request_fields, true,
};

static const struct kafka_field kafka_join_group_member_result_fields[] = {
    { "member_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_member_result, member_id), 0, NULL, 0 },
    { "group_instance_id", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_join_group_member_result, group_instance_id), 0, NULL, 0 },
    { "metadata", KAFKA_BYTES, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_member_result, metadata), 0, NULL, 0 },
};
const struct kafka_type kafka_join_group_member_result_type = {
    "kafka_join_group_member_result", sizeof(struct kafka_join_group_member_result), 3, kafka_join_group_member_result_fields, false,
};

static const struct kafka_field kafka_join_group_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_response, error_code), 0, NULL, 0 },
    { "generation_id", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_response, generation_id), 0, NULL, INT64_C(-1) },
    { "protocol_type", KAFKA_STRING, false, 7, KAFKA_VERSION_MAX, 7, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_join_group_response, protocol_type), 0, NULL, 0 },
    { "protocol_name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 7, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_join_group_response, protocol_name), 0, NULL, 0 },
    { "leader", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_response, leader), 0, NULL, 0 },
    { "skip_assignment", KAFKA_BOOL, false, 9, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_response, skip_assignment), 0, NULL, 0 },
    { "member_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_response, member_id), 0, NULL, 0 },
    { "members", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_join_group_response, members), offsetof(struct kafka_join_group_response, members_count), &kafka_join_group_member_result_type, 0 },
};
const struct kafka_type kafka_join_group_response_type = {
    "kafka_join_group_response", sizeof(struct kafka_join_group_response), 9, kafka_join_group_response_fields, true,
};

static const struct kafka_field kafka_heartbeat_request_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_heartbeat_request, group_id), 0, NULL, 0 },
    { "generation_id", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_heartbeat_request, generation_id), 0, NULL, 0 },
    { "member_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_heartbeat_request, member_id), 0, NULL, 0 },
    { "group_instance_id", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 3, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_heartbeat_request, group_instance_id), 0, NULL, 0 },
};
const struct kafka_type kafka_heartbeat_request_type = {
    "kafka_heartbeat_request", sizeof(struct kafka_heartbeat_request), 4, kafka_heartbeat_request_fields, false,
};

static const struct kafka_field kafka_heartbeat_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_heartbeat_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_heartbeat_response, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_heartbeat_response_type = {
    "kafka_heartbeat_response", sizeof(struct kafka_heartbeat_response), 2, kafka_heartbeat_response_fields, false,
};

static const struct kafka_field kafka_leave_group_member_fields[] = {
    { "member_id", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_leave_group_member, member_id), 0, NULL, 0 },
    { "group_instance_id", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 3, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_leave_group_member, group_instance_id), 0, NULL, 0 },
    { "reason", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_leave_group_member, reason), 0, NULL, 0 },
};
const struct kafka_type kafka_leave_group_member_type = {
    "kafka_leave_group_member", sizeof(struct kafka_leave_group_member), 3, kafka_leave_group_member_fields, false,
};

static const struct kafka_field kafka_leave_group_request_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_leave_group_request, group_id), 0, NULL, 0 },
    { "member_id", KAFKA_STRING, false, 0, 2, 1, 0, -1, offsetof(struct kafka_leave_group_request, member_id), 0, NULL, 0 },
    { "members", KAFKA_STRUCT, true, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_leave_group_request, members), offsetof(struct kafka_leave_group_request, members_count), &kafka_leave_group_member_type, 0 },
};
const struct kafka_type kafka_leave_group_request_type = {
    "kafka_leave_group_request", sizeof(struct kafka_leave_group_request), 3, kafka_leave_group_request_fields, false,
};

static const struct kafka_field kafka_leave_group_member_result_fields[] = {
    { "member_id", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_leave_group_member_result, member_id), 0, NULL, 0 },
    { "group_instance_id", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 3, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_leave_group_member_result, group_instance_id), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_leave_group_member_result, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_leave_group_member_result_type = {
    "kafka_leave_group_member_result", sizeof(struct kafka_leave_group_member_result), 3, kafka_leave_group_member_result_fields, false,
};

static const struct kafka_field kafka_leave_group_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_leave_group_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_leave_group_response, error_code), 0, NULL, 0 },
    { "members", KAFKA_STRUCT, true, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_leave_group_response, members), offsetof(struct kafka_leave_group_response, members_count), &kafka_leave_group_member_result_type, 0 },
};
const struct kafka_type kafka_leave_group_response_type = {
    "kafka_leave_group_response", sizeof(struct kafka_leave_group_response), 3, kafka_leave_group_response_fields, false,
};

static const struct kafka_field kafka_sync_group_assignment_fields[] = {
    { "member_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_assignment, member_id), 0, NULL, 0 },
    { "assignment", KAFKA_BYTES, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_assignment, assignment), 0, NULL, 0 },
};
const struct kafka_type kafka_sync_group_assignment_type = {
    "kafka_sync_group_assignment", sizeof(struct kafka_sync_group_assignment), 2, kafka_sync_group_assignment_fields, false,
};

static const struct kafka_field kafka_sync_group_request_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_request, group_id), 0, NULL, 0 },
    { "generation_id", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_request, generation_id), 0, NULL, 0 },
    { "member_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_request, member_id), 0, NULL, 0 },
    { "group_instance_id", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 3, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_sync_group_request, group_instance_id), 0, NULL, 0 },
    { "protocol_type", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_sync_group_request, protocol_type), 0, NULL, 0 },
    { "protocol_name", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_sync_group_request, protocol_name), 0, NULL, 0 },
    { "assignments", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_request, assignments), offsetof(struct kafka_sync_group_request, assignments_count), &kafka_sync_group_assignment_type, 0 },
};
const struct kafka_type kafka_sync_group_request_type = {
    "kafka_sync_group_request", sizeof(struct kafka_sync_group_request), 7, kafka_sync_group_request_fields, false,
};

static const struct kafka_field kafka_sync_group_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_response, error_code), 0, NULL, 0 },
    { "protocol_type", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_sync_group_response, protocol_type), 0, NULL, 0 },
    { "protocol_name", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_sync_group_response, protocol_name), 0, NULL, 0 },
    { "assignment", KAFKA_BYTES, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_sync_group_response, assignment), 0, NULL, 0 },
};
const struct kafka_type kafka_sync_group_response_type = {
    "kafka_sync_group_response", sizeof(struct kafka_sync_group_response), 5, kafka_sync_group_response_fields, false,
};

static const struct kafka_field kafka_describe_groups_request_fields[] = {
    { "groups", KAFKA_STRING, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_request, groups), offsetof(struct kafka_describe_groups_request, groups_count), NULL, 0 },
    { "include_authorized_operations", KAFKA_BOOL, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_request, include_authorized_operations), 0, NULL, 0 },
};
const struct kafka_type kafka_describe_groups_request_type = {
    "kafka_describe_groups_request", sizeof(struct kafka_describe_groups_request), 2, kafka_describe_groups_request_fields, false,
};

static const struct kafka_field kafka_describe_groups_member_result_fields[] = {
    { "member_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_member_result, member_id), 0, NULL, 0 },
    { "group_instance_id", KAFKA_STRING, false, 4, KAFKA_VERSION_MAX, 4, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_groups_member_result, group_instance_id), 0, NULL, 0 },
    { "client_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_member_result, client_id), 0, NULL, 0 },
    { "client_host", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_member_result, client_host), 0, NULL, 0 },
    { "member_metadata", KAFKA_BYTES, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_member_result, member_metadata), 0, NULL, 0 },
    { "member_assignment", KAFKA_BYTES, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_member_result, member_assignment), 0, NULL, 0 },
};
const struct kafka_type kafka_describe_groups_member_result_type = {
    "kafka_describe_groups_member_result", sizeof(struct kafka_describe_groups_member_result), 6, kafka_describe_groups_member_result_fields, false,
};

static const struct kafka_field kafka_describe_groups_group_result_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_group_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 6, KAFKA_VERSION_MAX, 6, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_groups_group_result, error_message), 0, NULL, 0 },
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_group_result, group_id), 0, NULL, 0 },
    { "group_state", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_group_result, group_state), 0, NULL, 0 },
    { "protocol_type", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_group_result, protocol_type), 0, NULL, 0 },
    { "protocol_data", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_group_result, protocol_data), 0, NULL, 0 },
    { "members", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_group_result, members), offsetof(struct kafka_describe_groups_group_result, members_count), &kafka_describe_groups_member_result_type, 0 },
    { "authorized_operations", KAFKA_INT32, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_group_result, authorized_operations), 0, NULL, INT64_C(-2147483648) },
};
const struct kafka_type kafka_describe_groups_group_result_type = {
    "kafka_describe_groups_group_result", sizeof(struct kafka_describe_groups_group_result), 8, kafka_describe_groups_group_result_fields, true,
};

static const struct kafka_field kafka_describe_groups_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_response, throttle_time_ms), 0, NULL, 0 },
    { "groups", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_groups_response, groups), offsetof(struct kafka_describe_groups_response, groups_count), &kafka_describe_groups_group_result_type, 0 },
};
const struct kafka_type kafka_describe_groups_response_type = {
    "kafka_describe_groups_response", sizeof(struct kafka_describe_groups_response), 2, kafka_describe_groups_response_fields, true,
};

static const struct kafka_field kafka_list_groups_request_fields[] = {
    { "states_filter", KAFKA_STRING, true, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_request, states_filter), offsetof(struct kafka_list_groups_request, states_filter_count), NULL, 0 },
    { "types_filter", KAFKA_STRING, true, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_request, types_filter), offsetof(struct kafka_list_groups_request, types_filter_count), NULL, 0 },
};
const struct kafka_type kafka_list_groups_request_type = {
    "kafka_list_groups_request", sizeof(struct kafka_list_groups_request), 2, kafka_list_groups_request_fields, false,
};

static const struct kafka_field kafka_list_groups_group_result_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_group_result, group_id), 0, NULL, 0 },
    { "protocol_type", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_group_result, protocol_type), 0, NULL, 0 },
    { "group_state", KAFKA_STRING, false, 4, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_group_result, group_state), 0, NULL, 0 },
    { "group_type", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_group_result, group_type), 0, NULL, 0 },
};
const struct kafka_type kafka_list_groups_group_result_type = {
    "kafka_list_groups_group_result", sizeof(struct kafka_list_groups_group_result), 4, kafka_list_groups_group_result_fields, false,
};

static const struct kafka_field kafka_list_groups_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_response, error_code), 0, NULL, 0 },
    { "groups", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_list_groups_response, groups), offsetof(struct kafka_list_groups_response, groups_count), &kafka_list_groups_group_result_type, 0 },
};
const struct kafka_type kafka_list_groups_response_type = {
    "kafka_list_groups_response", sizeof(struct kafka_list_groups_response), 3, kafka_list_groups_response_fields, false,
};

static const struct kafka_field kafka_api_versions_request_fields[] = {
    { "client_software_name", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_request, client_software_name), 0, NULL, 0 },
    { "client_software_version", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_request, client_software_version), 0, NULL, 0 },
    { "cluster_id", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_api_versions_request, cluster_id), 0, NULL, 0 },
    { "node_id", KAFKA_INT32, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_request, node_id), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_api_versions_request_type = {
    "kafka_api_versions_request", sizeof(struct kafka_api_versions_request), 4, kafka_api_versions_request_fields, true,
};

static const struct kafka_field kafka_api_versions_key_fields[] = {
    { "api_key", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_key, api_key), 0, NULL, 0 },
    { "min_version", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_key, min_version), 0, NULL, 0 },
    { "max_version", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_key, max_version), 0, NULL, 0 },
};
const struct kafka_type kafka_api_versions_key_type = {
    "kafka_api_versions_key", sizeof(struct kafka_api_versions_key), 3, kafka_api_versions_key_fields, false,
};

static const struct kafka_field kafka_api_versions_supported_fields[] = {
    { "name", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_supported, name), 0, NULL, 0 },
    { "min_version", KAFKA_INT16, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_supported, min_version), 0, NULL, 0 },
    { "max_version", KAFKA_INT16, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_supported, max_version), 0, NULL, 0 },
};
const struct kafka_type kafka_api_versions_supported_type = {
    "kafka_api_versions_supported", sizeof(struct kafka_api_versions_supported), 3, kafka_api_versions_supported_fields, false,
};

static const struct kafka_field kafka_api_versions_finalized_fields[] = {
    { "name", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_finalized, name), 0, NULL, 0 },
    { "max_version_level", KAFKA_INT16, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_finalized, max_version_level), 0, NULL, 0 },
    { "min_version_level", KAFKA_INT16, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_finalized, min_version_level), 0, NULL, 0 },
};
const struct kafka_type kafka_api_versions_finalized_type = {
    "kafka_api_versions_finalized", sizeof(struct kafka_api_versions_finalized), 3, kafka_api_versions_finalized_fields, false,
};

static const struct kafka_field kafka_api_versions_response_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_response, error_code), 0, NULL, 0 },
    { "api_keys", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_response, api_keys), offsetof(struct kafka_api_versions_response, api_keys_count), &kafka_api_versions_key_type, 0 },
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_api_versions_response, throttle_time_ms), 0, NULL, 0 },
    { "supported_features", KAFKA_STRUCT, true, 3, KAFKA_VERSION_MAX, 1, 0, 0, offsetof(struct kafka_api_versions_response, supported_features), offsetof(struct kafka_api_versions_response, supported_features_count), &kafka_api_versions_supported_type, 0 },
    { "finalized_features_epoch", KAFKA_INT64, false, 3, KAFKA_VERSION_MAX, 1, 0, 1, offsetof(struct kafka_api_versions_response, finalized_features_epoch), 0, NULL, INT64_C(-1) },
    { "finalized_features", KAFKA_STRUCT, true, 3, KAFKA_VERSION_MAX, 1, 0, 2, offsetof(struct kafka_api_versions_response, finalized_features), offsetof(struct kafka_api_versions_response, finalized_features_count), &kafka_api_versions_finalized_type, 0 },
    { "zk_migration_ready", KAFKA_BOOL, false, 3, KAFKA_VERSION_MAX, 1, 0, 3, offsetof(struct kafka_api_versions_response, zk_migration_ready), 0, NULL, 0 },
};
const struct kafka_type kafka_api_versions_response_type = {
    "kafka_api_versions_response", sizeof(struct kafka_api_versions_response), 7, kafka_api_versions_response_fields, true,
};

static const struct kafka_field kafka_create_topics_assignment_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_assignment, partition_index), 0, NULL, 0 },
    { "broker_ids", KAFKA_INT32, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_assignment, broker_ids), offsetof(struct kafka_create_topics_assignment, broker_ids_count), NULL, 0 },
};
const struct kafka_type kafka_create_topics_assignment_type = {
    "kafka_create_topics_assignment", sizeof(struct kafka_create_topics_assignment), 2, kafka_create_topics_assignment_fields, false,
};

static const struct kafka_field kafka_create_topics_config_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_config, name), 0, NULL, 0 },
    { "value", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_create_topics_config, value), 0, NULL, 0 },
};
const struct kafka_type kafka_create_topics_config_type = {
    "kafka_create_topics_config", sizeof(struct kafka_create_topics_config), 2, kafka_create_topics_config_fields, false,
};

static const struct kafka_field kafka_create_topics_topic_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_topic, name), 0, NULL, 0 },
    { "num_partitions", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_topic, num_partitions), 0, NULL, 0 },
    { "replication_factor", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_topic, replication_factor), 0, NULL, 0 },
    { "assignments", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_topic, assignments), offsetof(struct kafka_create_topics_topic, assignments_count), &kafka_create_topics_assignment_type, 0 },
    { "configs", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_topic, configs), offsetof(struct kafka_create_topics_topic, configs_count), &kafka_create_topics_config_type, 0 },
};
const struct kafka_type kafka_create_topics_topic_type = {
    "kafka_create_topics_topic", sizeof(struct kafka_create_topics_topic), 5, kafka_create_topics_topic_fields, false,
};

static const struct kafka_field kafka_create_topics_request_fields[] = {
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_request, topics), offsetof(struct kafka_create_topics_request, topics_count), &kafka_create_topics_topic_type, 0 },
    { "timeout_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_request, timeout_ms), 0, NULL, INT64_C(60000) },
    { "validate_only", KAFKA_BOOL, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_request, validate_only), 0, NULL, 0 },
};
const struct kafka_type kafka_create_topics_request_type = {
    "kafka_create_topics_request", sizeof(struct kafka_create_topics_request), 3, kafka_create_topics_request_fields, true,
};

static const struct kafka_field kafka_create_topics_config_result_fields[] = {
    { "name", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_config_result, name), 0, NULL, 0 },
    { "value", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_create_topics_config_result, value), 0, NULL, 0 },
    { "read_only", KAFKA_BOOL, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_config_result, read_only), 0, NULL, 0 },
    { "config_source", KAFKA_INT8, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_config_result, config_source), 0, NULL, INT64_C(-1) },
    { "is_sensitive", KAFKA_BOOL, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_config_result, is_sensitive), 0, NULL, 0 },
};
const struct kafka_type kafka_create_topics_config_result_type = {
    "kafka_create_topics_config_result", sizeof(struct kafka_create_topics_config_result), 5, kafka_create_topics_config_result_fields, true,
};

static const struct kafka_field kafka_create_topics_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_result, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 7, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_result, topic_id), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 1, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_create_topics_result, error_message), 0, NULL, 0 },
    { "topic_config_error_code", KAFKA_INT16, false, 5, KAFKA_VERSION_MAX, 1, 0, 0, offsetof(struct kafka_create_topics_result, topic_config_error_code), 0, NULL, 0 },
    { "num_partitions", KAFKA_INT32, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_result, num_partitions), 0, NULL, INT64_C(-1) },
    { "replication_factor", KAFKA_INT16, false, 5, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_result, replication_factor), 0, NULL, INT64_C(-1) },
    { "configs", KAFKA_STRUCT, true, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_create_topics_result, configs), offsetof(struct kafka_create_topics_result, configs_count), &kafka_create_topics_config_result_type, 0 },
};
const struct kafka_type kafka_create_topics_result_type = {
    "kafka_create_topics_result", sizeof(struct kafka_create_topics_result), 8, kafka_create_topics_result_fields, true,
};

static const struct kafka_field kafka_create_topics_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_response, throttle_time_ms), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_topics_response, topics), offsetof(struct kafka_create_topics_response, topics_count), &kafka_create_topics_result_type, 0 },
};
const struct kafka_type kafka_create_topics_response_type = {
    "kafka_create_topics_response", sizeof(struct kafka_create_topics_response), 2, kafka_create_topics_response_fields, true,
};

static const struct kafka_field kafka_delete_topics_topic_fields[] = {
    { "name", KAFKA_STRING, false, 6, KAFKA_VERSION_MAX, 6, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_delete_topics_topic, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 6, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_topics_topic, topic_id), 0, NULL, 0 },
};
const struct kafka_type kafka_delete_topics_topic_type = {
    "kafka_delete_topics_topic", sizeof(struct kafka_delete_topics_topic), 2, kafka_delete_topics_topic_fields, false,
};

static const struct kafka_field kafka_delete_topics_request_fields[] = {
    { "topics", KAFKA_STRUCT, true, 6, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_topics_request, topics), offsetof(struct kafka_delete_topics_request, topics_count), &kafka_delete_topics_topic_type, 0 },
    { "topic_names", KAFKA_STRING, true, 0, 5, 1, 0, -1, offsetof(struct kafka_delete_topics_request, topic_names), offsetof(struct kafka_delete_topics_request, topic_names_count), NULL, 0 },
    { "timeout_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_topics_request, timeout_ms), 0, NULL, 0 },
};
const struct kafka_type kafka_delete_topics_request_type = {
    "kafka_delete_topics_request", sizeof(struct kafka_delete_topics_request), 3, kafka_delete_topics_request_fields, false,
};

static const struct kafka_field kafka_delete_topics_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 6, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_delete_topics_result, name), 0, NULL, 0 },
    { "topic_id", KAFKA_UUID, false, 6, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_topics_result, topic_id), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_topics_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 5, KAFKA_VERSION_MAX, 5, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_delete_topics_result, error_message), 0, NULL, 0 },
};
const struct kafka_type kafka_delete_topics_result_type = {
    "kafka_delete_topics_result", sizeof(struct kafka_delete_topics_result), 4, kafka_delete_topics_result_fields, false,
};

static const struct kafka_field kafka_delete_topics_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_topics_response, throttle_time_ms), 0, NULL, 0 },
    { "responses", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_topics_response, responses), offsetof(struct kafka_delete_topics_response, responses_count), &kafka_delete_topics_result_type, 0 },
};
const struct kafka_type kafka_delete_topics_response_type = {
    "kafka_delete_topics_response", sizeof(struct kafka_delete_topics_response), 2, kafka_delete_topics_response_fields, false,
};

static const struct kafka_field kafka_delete_records_partition_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_partition, partition_index), 0, NULL, 0 },
    { "offset", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_partition, offset), 0, NULL, 0 },
};
const struct kafka_type kafka_delete_records_partition_type = {
    "kafka_delete_records_partition", sizeof(struct kafka_delete_records_partition), 2, kafka_delete_records_partition_fields, false,
};

static const struct kafka_field kafka_delete_records_topic_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_topic, name), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_topic, partitions), offsetof(struct kafka_delete_records_topic, partitions_count), &kafka_delete_records_partition_type, 0 },
};
const struct kafka_type kafka_delete_records_topic_type = {
    "kafka_delete_records_topic", sizeof(struct kafka_delete_records_topic), 2, kafka_delete_records_topic_fields, false,
};

static const struct kafka_field kafka_delete_records_request_fields[] = {
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_request, topics), offsetof(struct kafka_delete_records_request, topics_count), &kafka_delete_records_topic_type, 0 },
    { "timeout_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_request, timeout_ms), 0, NULL, 0 },
};
const struct kafka_type kafka_delete_records_request_type = {
    "kafka_delete_records_request", sizeof(struct kafka_delete_records_request), 2, kafka_delete_records_request_fields, false,
};

static const struct kafka_field kafka_delete_records_result_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_result, partition_index), 0, NULL, 0 },
    { "low_watermark", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_result, low_watermark), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_result, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_delete_records_result_type = {
    "kafka_delete_records_result", sizeof(struct kafka_delete_records_result), 3, kafka_delete_records_result_fields, false,
};

static const struct kafka_field kafka_delete_records_topic_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_topic_result, name), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_topic_result, partitions), offsetof(struct kafka_delete_records_topic_result, partitions_count), &kafka_delete_records_result_type, 0 },
};
const struct kafka_type kafka_delete_records_topic_result_type = {
    "kafka_delete_records_topic_result", sizeof(struct kafka_delete_records_topic_result), 2, kafka_delete_records_topic_result_fields, false,
};

static const struct kafka_field kafka_delete_records_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_response, throttle_time_ms), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_records_response, topics), offsetof(struct kafka_delete_records_response, topics_count), &kafka_delete_records_topic_result_type, 0 },
};
const struct kafka_type kafka_delete_records_response_type = {
    "kafka_delete_records_response", sizeof(struct kafka_delete_records_response), 2, kafka_delete_records_response_fields, false,
};

static const struct kafka_field kafka_init_producer_id_request_fields[] = {
    { "transactional_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_init_producer_id_request, transactional_id), 0, NULL, 0 },
    { "transaction_timeout_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_request, transaction_timeout_ms), 0, NULL, 0 },
    { "producer_id", KAFKA_INT64, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_request, producer_id), 0, NULL, INT64_C(-1) },
    { "producer_epoch", KAFKA_INT16, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_request, producer_epoch), 0, NULL, INT64_C(-1) },
    { "enable_two_phase", KAFKA_BOOL, false, 6, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_request, enable_two_phase), 0, NULL, 0 },
    { "keep_prepared_txn", KAFKA_BOOL, false, 6, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_request, keep_prepared_txn), 0, NULL, 0 },
};
const struct kafka_type kafka_init_producer_id_request_type = {
    "kafka_init_producer_id_request", sizeof(struct kafka_init_producer_id_request), 6, kafka_init_producer_id_request_fields, true,
};

static const struct kafka_field kafka_init_producer_id_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_response, error_code), 0, NULL, 0 },
    { "producer_id", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_response, producer_id), 0, NULL, INT64_C(-1) },
    { "producer_epoch", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_response, producer_epoch), 0, NULL, 0 },
    { "ongoing_txn_producer_id", KAFKA_INT64, false, 6, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_response, ongoing_txn_producer_id), 0, NULL, INT64_C(-1) },
    { "ongoing_txn_producer_epoch", KAFKA_INT16, false, 6, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_init_producer_id_response, ongoing_txn_producer_epoch), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_init_producer_id_response_type = {
    "kafka_init_producer_id_response", sizeof(struct kafka_init_producer_id_response), 6, kafka_init_producer_id_response_fields, true,
};

static const struct kafka_field kafka_offset_for_leader_epoch_partition_fields[] = {
    { "partition", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_partition, partition), 0, NULL, 0 },
    { "current_leader_epoch", KAFKA_INT32, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_partition, current_leader_epoch), 0, NULL, INT64_C(-1) },
    { "leader_epoch", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_partition, leader_epoch), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_for_leader_epoch_partition_type = {
    "kafka_offset_for_leader_epoch_partition", sizeof(struct kafka_offset_for_leader_epoch_partition), 3, kafka_offset_for_leader_epoch_partition_fields, true,
};

static const struct kafka_field kafka_offset_for_leader_epoch_topic_fields[] = {
    { "topic", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_topic, topic), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_topic, partitions), offsetof(struct kafka_offset_for_leader_epoch_topic, partitions_count), &kafka_offset_for_leader_epoch_partition_type, 0 },
};
const struct kafka_type kafka_offset_for_leader_epoch_topic_type = {
    "kafka_offset_for_leader_epoch_topic", sizeof(struct kafka_offset_for_leader_epoch_topic), 2, kafka_offset_for_leader_epoch_topic_fields, true,
};

static const struct kafka_field kafka_offset_for_leader_epoch_request_fields[] = {
    { "replica_id", KAFKA_INT32, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_request, replica_id), 0, NULL, INT64_C(-2) },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_request, topics), offsetof(struct kafka_offset_for_leader_epoch_request, topics_count), &kafka_offset_for_leader_epoch_topic_type, 0 },
};
const struct kafka_type kafka_offset_for_leader_epoch_request_type = {
    "kafka_offset_for_leader_epoch_request", sizeof(struct kafka_offset_for_leader_epoch_request), 2, kafka_offset_for_leader_epoch_request_fields, true,
};

static const struct kafka_field kafka_offset_for_leader_epoch_result_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_result, error_code), 0, NULL, 0 },
    { "partition", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_result, partition), 0, NULL, 0 },
    { "leader_epoch", KAFKA_INT32, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_result, leader_epoch), 0, NULL, INT64_C(-1) },
    { "end_offset", KAFKA_INT64, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_result, end_offset), 0, NULL, INT64_C(-1) },
};
const struct kafka_type kafka_offset_for_leader_epoch_result_type = {
    "kafka_offset_for_leader_epoch_result", sizeof(struct kafka_offset_for_leader_epoch_result), 4, kafka_offset_for_leader_epoch_result_fields, true,
};

static const struct kafka_field kafka_offset_for_leader_epoch_topic_result_fields[] = {
    { "topic", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_topic_result, topic), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_topic_result, partitions), offsetof(struct kafka_offset_for_leader_epoch_topic_result, partitions_count), &kafka_offset_for_leader_epoch_result_type, 0 },
};
const struct kafka_type kafka_offset_for_leader_epoch_topic_result_type = {
    "kafka_offset_for_leader_epoch_topic_result", sizeof(struct kafka_offset_for_leader_epoch_topic_result), 2, kafka_offset_for_leader_epoch_topic_result_fields, true,
};

static const struct kafka_field kafka_offset_for_leader_epoch_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_response, throttle_time_ms), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_for_leader_epoch_response, topics), offsetof(struct kafka_offset_for_leader_epoch_response, topics_count), &kafka_offset_for_leader_epoch_topic_result_type, 0 },
};
const struct kafka_type kafka_offset_for_leader_epoch_response_type = {
    "kafka_offset_for_leader_epoch_response", sizeof(struct kafka_offset_for_leader_epoch_response), 2, kafka_offset_for_leader_epoch_response_fields, true,
};

static const struct kafka_field kafka_describe_configs_resource_fields[] = {
    { "resource_type", KAFKA_INT8, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_resource, resource_type), 0, NULL, 0 },
    { "resource_name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_resource, resource_name), 0, NULL, 0 },
    { "configuration_keys", KAFKA_STRING, true, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_configs_resource, configuration_keys), offsetof(struct kafka_describe_configs_resource, configuration_keys_count), NULL, 0 },
};
const struct kafka_type kafka_describe_configs_resource_type = {
    "kafka_describe_configs_resource", sizeof(struct kafka_describe_configs_resource), 3, kafka_describe_configs_resource_fields, false,
};

static const struct kafka_field kafka_describe_configs_request_fields[] = {
    { "resources", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_request, resources), offsetof(struct kafka_describe_configs_request, resources_count), &kafka_describe_configs_resource_type, 0 },
    { "include_synonyms", KAFKA_BOOL, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_request, include_synonyms), 0, NULL, 0 },
    { "include_documentation", KAFKA_BOOL, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_request, include_documentation), 0, NULL, 0 },
};
const struct kafka_type kafka_describe_configs_request_type = {
    "kafka_describe_configs_request", sizeof(struct kafka_describe_configs_request), 3, kafka_describe_configs_request_fields, false,
};

static const struct kafka_field kafka_describe_configs_synonym_fields[] = {
    { "name", KAFKA_STRING, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_synonym, name), 0, NULL, 0 },
    { "value", KAFKA_STRING, false, 1, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_configs_synonym, value), 0, NULL, 0 },
    { "source", KAFKA_INT8, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_synonym, source), 0, NULL, 0 },
};
const struct kafka_type kafka_describe_configs_synonym_type = {
    "kafka_describe_configs_synonym", sizeof(struct kafka_describe_configs_synonym), 3, kafka_describe_configs_synonym_fields, false,
};

static const struct kafka_field kafka_describe_configs_config_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_config_result, name), 0, NULL, 0 },
    { "value", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_configs_config_result, value), 0, NULL, 0 },
    { "read_only", KAFKA_BOOL, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_config_result, read_only), 0, NULL, 0 },
    { "config_source", KAFKA_INT8, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_config_result, config_source), 0, NULL, INT64_C(-1) },
    { "is_sensitive", KAFKA_BOOL, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_config_result, is_sensitive), 0, NULL, 0 },
    { "synonyms", KAFKA_STRUCT, true, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_config_result, synonyms), offsetof(struct kafka_describe_configs_config_result, synonyms_count), &kafka_describe_configs_synonym_type, 0 },
    { "config_type", KAFKA_INT8, false, 3, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_config_result, config_type), 0, NULL, 0 },
    { "documentation", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_configs_config_result, documentation), 0, NULL, 0 },
};
const struct kafka_type kafka_describe_configs_config_result_type = {
    "kafka_describe_configs_config_result", sizeof(struct kafka_describe_configs_config_result), 8, kafka_describe_configs_config_result_fields, true,
};

static const struct kafka_field kafka_describe_configs_result_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_configs_result, error_message), 0, NULL, 0 },
    { "resource_type", KAFKA_INT8, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_result, resource_type), 0, NULL, 0 },
    { "resource_name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_result, resource_name), 0, NULL, 0 },
    { "configs", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_result, configs), offsetof(struct kafka_describe_configs_result, configs_count), &kafka_describe_configs_config_result_type, 0 },
};
const struct kafka_type kafka_describe_configs_result_type = {
    "kafka_describe_configs_result", sizeof(struct kafka_describe_configs_result), 5, kafka_describe_configs_result_fields, true,
};

static const struct kafka_field kafka_describe_configs_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_response, throttle_time_ms), 0, NULL, 0 },
    { "results", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_configs_response, results), offsetof(struct kafka_describe_configs_response, results_count), &kafka_describe_configs_result_type, 0 },
};
const struct kafka_type kafka_describe_configs_response_type = {
    "kafka_describe_configs_response", sizeof(struct kafka_describe_configs_response), 2, kafka_describe_configs_response_fields, true,
};

static const struct kafka_field kafka_create_partitions_assignment_fields[] = {
    { "broker_ids", KAFKA_INT32, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_assignment, broker_ids), offsetof(struct kafka_create_partitions_assignment, broker_ids_count), NULL, 0 },
};
const struct kafka_type kafka_create_partitions_assignment_type = {
    "kafka_create_partitions_assignment", sizeof(struct kafka_create_partitions_assignment), 1, kafka_create_partitions_assignment_fields, false,
};

static const struct kafka_field kafka_create_partitions_topic_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_topic, name), 0, NULL, 0 },
    { "count", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_topic, count), 0, NULL, 0 },
    { "assignments", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_create_partitions_topic, assignments), offsetof(struct kafka_create_partitions_topic, assignments_count), &kafka_create_partitions_assignment_type, 0 },
};
const struct kafka_type kafka_create_partitions_topic_type = {
    "kafka_create_partitions_topic", sizeof(struct kafka_create_partitions_topic), 3, kafka_create_partitions_topic_fields, false,
};

static const struct kafka_field kafka_create_partitions_request_fields[] = {
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_request, topics), offsetof(struct kafka_create_partitions_request, topics_count), &kafka_create_partitions_topic_type, 0 },
    { "timeout_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_request, timeout_ms), 0, NULL, 0 },
    { "validate_only", KAFKA_BOOL, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_request, validate_only), 0, NULL, 0 },
};
const struct kafka_type kafka_create_partitions_request_type = {
    "kafka_create_partitions_request", sizeof(struct kafka_create_partitions_request), 3, kafka_create_partitions_request_fields, false,
};

static const struct kafka_field kafka_create_partitions_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_result, name), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_create_partitions_result, error_message), 0, NULL, 0 },
};
const struct kafka_type kafka_create_partitions_result_type = {
    "kafka_create_partitions_result", sizeof(struct kafka_create_partitions_result), 3, kafka_create_partitions_result_fields, false,
};

static const struct kafka_field kafka_create_partitions_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_response, throttle_time_ms), 0, NULL, 0 },
    { "results", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_create_partitions_response, results), offsetof(struct kafka_create_partitions_response, results_count), &kafka_create_partitions_result_type, 0 },
};
const struct kafka_type kafka_create_partitions_response_type = {
    "kafka_create_partitions_response", sizeof(struct kafka_create_partitions_response), 2, kafka_create_partitions_response_fields, false,
};

static const struct kafka_field kafka_delete_groups_request_fields[] = {
    { "group_names", KAFKA_STRING, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_groups_request, group_names), offsetof(struct kafka_delete_groups_request, group_names_count), NULL, 0 },
};
const struct kafka_type kafka_delete_groups_request_type = {
    "kafka_delete_groups_request", sizeof(struct kafka_delete_groups_request), 1, kafka_delete_groups_request_fields, false,
};

static const struct kafka_field kafka_delete_groups_result_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_groups_result, group_id), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_groups_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 3, KAFKA_VERSION_MAX, 3, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_delete_groups_result, error_message), 0, NULL, 0 },
};
const struct kafka_type kafka_delete_groups_result_type = {
    "kafka_delete_groups_result", sizeof(struct kafka_delete_groups_result), 3, kafka_delete_groups_result_fields, false,
};

static const struct kafka_field kafka_delete_groups_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_groups_response, throttle_time_ms), 0, NULL, 0 },
    { "results", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_delete_groups_response, results), offsetof(struct kafka_delete_groups_response, results_count), &kafka_delete_groups_result_type, 0 },
};
const struct kafka_type kafka_delete_groups_response_type = {
    "kafka_delete_groups_response", sizeof(struct kafka_delete_groups_response), 2, kafka_delete_groups_response_fields, false,
};

static const struct kafka_field kafka_offset_delete_partition_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_partition, partition_index), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_delete_partition_type = {
    "kafka_offset_delete_partition", sizeof(struct kafka_offset_delete_partition), 1, kafka_offset_delete_partition_fields, false,
};

static const struct kafka_field kafka_offset_delete_topic_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_topic, name), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_topic, partitions), offsetof(struct kafka_offset_delete_topic, partitions_count), &kafka_offset_delete_partition_type, 0 },
};
const struct kafka_type kafka_offset_delete_topic_type = {
    "kafka_offset_delete_topic", sizeof(struct kafka_offset_delete_topic), 2, kafka_offset_delete_topic_fields, false,
};

static const struct kafka_field kafka_offset_delete_request_fields[] = {
    { "group_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_request, group_id), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_request, topics), offsetof(struct kafka_offset_delete_request, topics_count), &kafka_offset_delete_topic_type, 0 },
};
const struct kafka_type kafka_offset_delete_request_type = {
    "kafka_offset_delete_request", sizeof(struct kafka_offset_delete_request), 2, kafka_offset_delete_request_fields, false,
};

static const struct kafka_field kafka_offset_delete_result_fields[] = {
    { "partition_index", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_result, partition_index), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_result, error_code), 0, NULL, 0 },
};
const struct kafka_type kafka_offset_delete_result_type = {
    "kafka_offset_delete_result", sizeof(struct kafka_offset_delete_result), 2, kafka_offset_delete_result_fields, false,
};

static const struct kafka_field kafka_offset_delete_topic_result_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_topic_result, name), 0, NULL, 0 },
    { "partitions", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_topic_result, partitions), offsetof(struct kafka_offset_delete_topic_result, partitions_count), &kafka_offset_delete_result_type, 0 },
};
const struct kafka_type kafka_offset_delete_topic_result_type = {
    "kafka_offset_delete_topic_result", sizeof(struct kafka_offset_delete_topic_result), 2, kafka_offset_delete_topic_result_fields, false,
};

static const struct kafka_field kafka_offset_delete_response_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_response, error_code), 0, NULL, 0 },
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_response, throttle_time_ms), 0, NULL, 0 },
    { "topics", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_offset_delete_response, topics), offsetof(struct kafka_offset_delete_response, topics_count), &kafka_offset_delete_topic_result_type, 0 },
};
const struct kafka_type kafka_offset_delete_response_type = {
    "kafka_offset_delete_response", sizeof(struct kafka_offset_delete_response), 3, kafka_offset_delete_response_fields, false,
};

static const struct kafka_field kafka_describe_cluster_request_fields[] = {
    { "include_cluster_authorized_operations", KAFKA_BOOL, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_request, include_cluster_authorized_operations), 0, NULL, 0 },
    { "endpoint_type", KAFKA_INT8, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_request, endpoint_type), 0, NULL, INT64_C(1) },
    { "include_fenced_brokers", KAFKA_BOOL, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_request, include_fenced_brokers), 0, NULL, 0 },
};
const struct kafka_type kafka_describe_cluster_request_type = {
    "kafka_describe_cluster_request", sizeof(struct kafka_describe_cluster_request), 3, kafka_describe_cluster_request_fields, true,
};

static const struct kafka_field kafka_describe_cluster_broker_fields[] = {
    { "broker_id", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_broker, broker_id), 0, NULL, 0 },
    { "host", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_broker, host), 0, NULL, 0 },
    { "port", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_broker, port), 0, NULL, 0 },
    { "rack", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_cluster_broker, rack), 0, NULL, 0 },
    { "is_fenced", KAFKA_BOOL, false, 2, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_broker, is_fenced), 0, NULL, 0 },
};
const struct kafka_type kafka_describe_cluster_broker_type = {
    "kafka_describe_cluster_broker", sizeof(struct kafka_describe_cluster_broker), 5, kafka_describe_cluster_broker_fields, false,
};

static const struct kafka_field kafka_describe_cluster_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_response, throttle_time_ms), 0, NULL, 0 },
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_response, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_describe_cluster_response, error_message), 0, NULL, 0 },
    { "endpoint_type", KAFKA_INT8, false, 1, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_response, endpoint_type), 0, NULL, INT64_C(1) },
    { "cluster_id", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_response, cluster_id), 0, NULL, 0 },
    { "controller_id", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_response, controller_id), 0, NULL, INT64_C(-1) },
    { "brokers", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_response, brokers), offsetof(struct kafka_describe_cluster_response, brokers_count), &kafka_describe_cluster_broker_type, 0 },
    { "cluster_authorized_operations", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_describe_cluster_response, cluster_authorized_operations), 0, NULL, INT64_C(-2147483648) },
};
const struct kafka_type kafka_describe_cluster_response_type = {
    "kafka_describe_cluster_response", sizeof(struct kafka_describe_cluster_response), 8, kafka_describe_cluster_response_fields, true,
};

static const struct kafka_field kafka_alter_configs_config_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_config, name), 0, NULL, 0 },
    { "value", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_alter_configs_config, value), 0, NULL, 0 },
};
const struct kafka_type kafka_alter_configs_config_type = {
    "kafka_alter_configs_config", sizeof(struct kafka_alter_configs_config), 2, kafka_alter_configs_config_fields, false,
};

static const struct kafka_field kafka_alter_configs_resource_fields[] = {
    { "resource_type", KAFKA_INT8, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_resource, resource_type), 0, NULL, 0 },
    { "resource_name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_resource, resource_name), 0, NULL, 0 },
    { "configs", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_resource, configs), offsetof(struct kafka_alter_configs_resource, configs_count), &kafka_alter_configs_config_type, 0 },
};
const struct kafka_type kafka_alter_configs_resource_type = {
    "kafka_alter_configs_resource", sizeof(struct kafka_alter_configs_resource), 3, kafka_alter_configs_resource_fields, false,
};

static const struct kafka_field kafka_alter_configs_request_fields[] = {
    { "resources", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_request, resources), offsetof(struct kafka_alter_configs_request, resources_count), &kafka_alter_configs_resource_type, 0 },
    { "validate_only", KAFKA_BOOL, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_request, validate_only), 0, NULL, 0 },
};
const struct kafka_type kafka_alter_configs_request_type = {
    "kafka_alter_configs_request", sizeof(struct kafka_alter_configs_request), 2, kafka_alter_configs_request_fields, false,
};

static const struct kafka_field kafka_alter_configs_result_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_alter_configs_result, error_message), 0, NULL, 0 },
    { "resource_type", KAFKA_INT8, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_result, resource_type), 0, NULL, 0 },
    { "resource_name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_result, resource_name), 0, NULL, 0 },
};
const struct kafka_type kafka_alter_configs_result_type = {
    "kafka_alter_configs_result", sizeof(struct kafka_alter_configs_result), 4, kafka_alter_configs_result_fields, false,
};

static const struct kafka_field kafka_alter_configs_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_response, throttle_time_ms), 0, NULL, 0 },
    { "responses", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_alter_configs_response, responses), offsetof(struct kafka_alter_configs_response, responses_count), &kafka_alter_configs_result_type, 0 },
};
const struct kafka_type kafka_alter_configs_response_type = {
    "kafka_alter_configs_response", sizeof(struct kafka_alter_configs_response), 2, kafka_alter_configs_response_fields, false,
};

static const struct kafka_field kafka_incremental_alter_configs_config_fields[] = {
    { "name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_config, name), 0, NULL, 0 },
    { "config_operation", KAFKA_INT8, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_config, config_operation), 0, NULL, 0 },
    { "value", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_incremental_alter_configs_config, value), 0, NULL, 0 },
};
const struct kafka_type kafka_incremental_alter_configs_config_type = {
    "kafka_incremental_alter_configs_config", sizeof(struct kafka_incremental_alter_configs_config), 3, kafka_incremental_alter_configs_config_fields, false,
};

static const struct kafka_field kafka_incremental_alter_configs_resource_fields[] = {
    { "resource_type", KAFKA_INT8, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_resource, resource_type), 0, NULL, 0 },
    { "resource_name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_resource, resource_name), 0, NULL, 0 },
    { "configs", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_resource, configs), offsetof(struct kafka_incremental_alter_configs_resource, configs_count), &kafka_incremental_alter_configs_config_type, 0 },
};
const struct kafka_type kafka_incremental_alter_configs_resource_type = {
    "kafka_incremental_alter_configs_resource", sizeof(struct kafka_incremental_alter_configs_resource), 3, kafka_incremental_alter_configs_resource_fields, false,
};

static const struct kafka_field kafka_incremental_alter_configs_request_fields[] = {
    { "resources", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_request, resources), offsetof(struct kafka_incremental_alter_configs_request, resources_count), &kafka_incremental_alter_configs_resource_type, 0 },
    { "validate_only", KAFKA_BOOL, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_request, validate_only), 0, NULL, 0 },
};
const struct kafka_type kafka_incremental_alter_configs_request_type = {
    "kafka_incremental_alter_configs_request", sizeof(struct kafka_incremental_alter_configs_request), 2, kafka_incremental_alter_configs_request_fields, false,
};

static const struct kafka_field kafka_incremental_alter_configs_result_fields[] = {
    { "error_code", KAFKA_INT16, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_result, error_code), 0, NULL, 0 },
    { "error_message", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 0, KAFKA_VERSION_MAX, -1, offsetof(struct kafka_incremental_alter_configs_result, error_message), 0, NULL, 0 },
    { "resource_type", KAFKA_INT8, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_result, resource_type), 0, NULL, 0 },
    { "resource_name", KAFKA_STRING, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_result, resource_name), 0, NULL, 0 },
};
const struct kafka_type kafka_incremental_alter_configs_result_type = {
    "kafka_incremental_alter_configs_result", sizeof(struct kafka_incremental_alter_configs_result), 4, kafka_incremental_alter_configs_result_fields, false,
};

static const struct kafka_field kafka_incremental_alter_configs_response_fields[] = {
    { "throttle_time_ms", KAFKA_INT32, false, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_response, throttle_time_ms), 0, NULL, 0 },
    { "responses", KAFKA_STRUCT, true, 0, KAFKA_VERSION_MAX, 1, 0, -1, offsetof(struct kafka_incremental_alter_configs_response, responses), offsetof(struct kafka_incremental_alter_configs_response, responses_count), &kafka_incremental_alter_configs_result_type, 0 },
};
const struct kafka_type kafka_incremental_alter_configs_response_type = {
    "kafka_incremental_alter_configs_response", sizeof(struct kafka_incremental_alter_configs_response), 2, kafka_incremental_alter_configs_response_fields, false,
};

const struct kafka_message kafka_messages[] = {
    { 0, "produce", 0, 13, 9, &kafka_produce_request_type, &kafka_produce_response_type },
    { 1, "fetch", 4, 18, 12, &kafka_fetch_request_type, &kafka_fetch_response_type },
    { 2, "list_offsets", 1, 11, 6, &kafka_list_offsets_request_type, &kafka_list_offsets_response_type },
    { 3, "metadata", 0, 13, 9, &kafka_metadata_request_type, &kafka_metadata_response_type },
    { 8, "offset_commit", 2, 10, 8, &kafka_offset_commit_request_type, &kafka_offset_commit_response_type },
    { 9, "offset_fetch", 1, 10, 6, &kafka_offset_fetch_request_type, &kafka_offset_fetch_response_type },
    { 10, "find_coordinator", 0, 6, 3, &kafka_find_coordinator_request_type, &kafka_find_coordinator_response_type },
    { 11, "join_group", 0, 9, 6, &kafka_join_group_request_type, &kafka_join_group_response_type },
    { 12, "heartbeat", 0, 4, 4, &kafka_heartbeat_request_type, &kafka_heartbeat_response_type },
    { 13, "leave_group", 0, 5, 4, &kafka_leave_group_request_type, &kafka_leave_group_response_type },
    { 14, "sync_group", 0, 5, 4, &kafka_sync_group_request_type, &kafka_sync_group_response_type },
    { 15, "describe_groups", 0, 6, 5, &kafka_describe_groups_request_type, &kafka_describe_groups_response_type },
    { 16, "list_groups", 0, 5, 3, &kafka_list_groups_request_type, &kafka_list_groups_response_type },
    { 18, "api_versions", 0, 5, 3, &kafka_api_versions_request_type, &kafka_api_versions_response_type },
    { 19, "create_topics", 0, 7, 5, &kafka_create_topics_request_type, &kafka_create_topics_response_type },
    { 20, "delete_topics", 0, 6, 4, &kafka_delete_topics_request_type, &kafka_delete_topics_response_type },
    { 21, "delete_records", 0, 2, 2, &kafka_delete_records_request_type, &kafka_delete_records_response_type },
    { 22, "init_producer_id", 0, 6, 2, &kafka_init_producer_id_request_type, &kafka_init_producer_id_response_type },
    { 23, "offset_for_leader_epoch", 2, 4, 4, &kafka_offset_for_leader_epoch_request_type, &kafka_offset_for_leader_epoch_response_type },
    { 32, "describe_configs", 1, 4, 4, &kafka_describe_configs_request_type, &kafka_describe_configs_response_type },
    { 37, "create_partitions", 0, 3, 2, &kafka_create_partitions_request_type, &kafka_create_partitions_response_type },
    { 42, "delete_groups", 0, 3, 2, &kafka_delete_groups_request_type, &kafka_delete_groups_response_type },
    { 47, "offset_delete", 0, 0, 99, &kafka_offset_delete_request_type, &kafka_offset_delete_response_type },
    { 60, "describe_cluster", 0, 2, 0, &kafka_describe_cluster_request_type, &kafka_describe_cluster_response_type },
    { 33, "alter_configs", 0, 2, 2, &kafka_alter_configs_request_type, &kafka_alter_configs_response_type },
    { 44, "incremental_alter_configs", 0, 1, 1, &kafka_incremental_alter_configs_request_type, &kafka_incremental_alter_configs_response_type },
};
const unsigned kafka_message_count = sizeof(kafka_messages) / sizeof(kafka_messages[0]);
