/* SPDX-License-Identifier: Apache-2.0 */
/* Structs of all Kafka messages. Made from kafka_messages.tbl: do not edit. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_MESSAGES_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_MESSAGES_H

#include "protocols/kafka/kafka_codec.h"

struct kafka_produce_partition {
    int32_t index;
    struct kafka_records records;
};
extern const struct kafka_type kafka_produce_partition_type;

struct kafka_produce_topic {
    struct slice name;
    struct kafka_uuid topic_id;
    struct kafka_produce_partition *partition_data;
    uint32_t partition_data_count;
};
extern const struct kafka_type kafka_produce_topic_type;

struct kafka_produce_request {
    struct slice transactional_id;
    int16_t acks;
    int32_t timeout_ms;
    struct kafka_produce_topic *topic_data;
    uint32_t topic_data_count;
};
extern const struct kafka_type kafka_produce_request_type;

struct kafka_produce_record_error {
    int32_t batch_index;
    struct slice batch_index_error_message;
};
extern const struct kafka_type kafka_produce_record_error_type;

struct kafka_produce_leader {
    int32_t leader_id;
    int32_t leader_epoch;
};
extern const struct kafka_type kafka_produce_leader_type;

struct kafka_produce_result {
    int32_t index;
    int16_t error_code;
    int64_t base_offset;
    int64_t log_append_time_ms;
    int64_t log_start_offset;
    struct kafka_produce_record_error *record_errors;
    uint32_t record_errors_count;
    struct slice error_message;
    struct kafka_produce_leader current_leader;
};
extern const struct kafka_type kafka_produce_result_type;

struct kafka_produce_topic_result {
    struct slice name;
    struct kafka_uuid topic_id;
    struct kafka_produce_result *partition_responses;
    uint32_t partition_responses_count;
};
extern const struct kafka_type kafka_produce_topic_result_type;

struct kafka_produce_endpoint {
    int32_t node_id;
    struct slice host;
    int32_t port;
    struct slice rack;
};
extern const struct kafka_type kafka_produce_endpoint_type;

struct kafka_produce_response {
    struct kafka_produce_topic_result *responses;
    uint32_t responses_count;
    int32_t throttle_time_ms;
    struct kafka_produce_endpoint *node_endpoints;
    uint32_t node_endpoints_count;
};
extern const struct kafka_type kafka_produce_response_type;

struct kafka_fetch_replica_state {
    int32_t replica_id;
    int64_t replica_epoch;
};
extern const struct kafka_type kafka_fetch_replica_state_type;

struct kafka_fetch_partition {
    int32_t partition;
    int32_t current_leader_epoch;
    int64_t fetch_offset;
    int32_t last_fetched_epoch;
    int64_t log_start_offset;
    int32_t partition_max_bytes;
    struct kafka_uuid replica_directory_id;
    int64_t high_watermark;
};
extern const struct kafka_type kafka_fetch_partition_type;

struct kafka_fetch_topic {
    struct slice topic;
    struct kafka_uuid topic_id;
    struct kafka_fetch_partition *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_fetch_topic_type;

struct kafka_fetch_forgotten {
    struct slice topic;
    struct kafka_uuid topic_id;
    int32_t *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_fetch_forgotten_type;

struct kafka_fetch_request {
    struct slice cluster_id;
    int32_t replica_id;
    struct kafka_fetch_replica_state replica_state;
    int32_t max_wait_ms;
    int32_t min_bytes;
    int32_t max_bytes;
    int8_t isolation_level;
    int32_t session_id;
    int32_t session_epoch;
    struct kafka_fetch_topic *topics;
    uint32_t topics_count;
    struct kafka_fetch_forgotten *forgotten_topics_data;
    uint32_t forgotten_topics_data_count;
    struct slice rack_id;
};
extern const struct kafka_type kafka_fetch_request_type;

struct kafka_fetch_diverging {
    int32_t epoch;
    int64_t end_offset;
};
extern const struct kafka_type kafka_fetch_diverging_type;

struct kafka_fetch_leader {
    int32_t leader_id;
    int32_t leader_epoch;
};
extern const struct kafka_type kafka_fetch_leader_type;

struct kafka_fetch_snapshot {
    int64_t end_offset;
    int32_t epoch;
};
extern const struct kafka_type kafka_fetch_snapshot_type;

struct kafka_fetch_aborted {
    int64_t producer_id;
    int64_t first_offset;
};
extern const struct kafka_type kafka_fetch_aborted_type;

struct kafka_fetch_result {
    int32_t partition_index;
    int16_t error_code;
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start_offset;
    struct kafka_fetch_diverging diverging_epoch;
    struct kafka_fetch_leader current_leader;
    struct kafka_fetch_snapshot snapshot_id;
    struct kafka_fetch_aborted *aborted_transactions;
    uint32_t aborted_transactions_count;
    int32_t preferred_read_replica;
    struct kafka_records records;
};
extern const struct kafka_type kafka_fetch_result_type;

struct kafka_fetch_topic_result {
    struct slice topic;
    struct kafka_uuid topic_id;
    struct kafka_fetch_result *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_fetch_topic_result_type;

struct kafka_fetch_endpoint {
    int32_t node_id;
    struct slice host;
    int32_t port;
    struct slice rack;
};
extern const struct kafka_type kafka_fetch_endpoint_type;

struct kafka_fetch_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int32_t session_id;
    struct kafka_fetch_topic_result *responses;
    uint32_t responses_count;
    struct kafka_fetch_endpoint *node_endpoints;
    uint32_t node_endpoints_count;
};
extern const struct kafka_type kafka_fetch_response_type;

struct kafka_list_offsets_partition {
    int32_t partition_index;
    int32_t current_leader_epoch;
    int64_t timestamp;
};
extern const struct kafka_type kafka_list_offsets_partition_type;

struct kafka_list_offsets_topic {
    struct slice name;
    struct kafka_list_offsets_partition *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_list_offsets_topic_type;

struct kafka_list_offsets_request {
    int32_t replica_id;
    int8_t isolation_level;
    struct kafka_list_offsets_topic *topics;
    uint32_t topics_count;
    int32_t timeout_ms;
};
extern const struct kafka_type kafka_list_offsets_request_type;

struct kafka_list_offsets_result {
    int32_t partition_index;
    int16_t error_code;
    int64_t timestamp;
    int64_t offset;
    int32_t leader_epoch;
};
extern const struct kafka_type kafka_list_offsets_result_type;

struct kafka_list_offsets_topic_result {
    struct slice name;
    struct kafka_list_offsets_result *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_list_offsets_topic_result_type;

struct kafka_list_offsets_response {
    int32_t throttle_time_ms;
    struct kafka_list_offsets_topic_result *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_list_offsets_response_type;

struct kafka_metadata_topic {
    struct kafka_uuid topic_id;
    struct slice name;
};
extern const struct kafka_type kafka_metadata_topic_type;

struct kafka_metadata_request {
    struct kafka_metadata_topic *topics;
    uint32_t topics_count;
    bool allow_auto_topic_creation;
    bool include_cluster_authorized_operations;
    bool include_topic_authorized_operations;
};
extern const struct kafka_type kafka_metadata_request_type;

struct kafka_metadata_broker {
    int32_t node_id;
    struct slice host;
    int32_t port;
    struct slice rack;
};
extern const struct kafka_type kafka_metadata_broker_type;

struct kafka_metadata_result {
    int16_t error_code;
    int32_t partition_index;
    int32_t leader_id;
    int32_t leader_epoch;
    int32_t *replica_nodes;
    uint32_t replica_nodes_count;
    int32_t *isr_nodes;
    uint32_t isr_nodes_count;
    int32_t *offline_replicas;
    uint32_t offline_replicas_count;
};
extern const struct kafka_type kafka_metadata_result_type;

struct kafka_metadata_topic_result {
    int16_t error_code;
    struct slice name;
    struct kafka_uuid topic_id;
    bool is_internal;
    struct kafka_metadata_result *partitions;
    uint32_t partitions_count;
    int32_t topic_authorized_operations;
};
extern const struct kafka_type kafka_metadata_topic_result_type;

struct kafka_metadata_response {
    int32_t throttle_time_ms;
    struct kafka_metadata_broker *brokers;
    uint32_t brokers_count;
    struct slice cluster_id;
    int32_t controller_id;
    struct kafka_metadata_topic_result *topics;
    uint32_t topics_count;
    int32_t cluster_authorized_operations;
    int16_t error_code;
};
extern const struct kafka_type kafka_metadata_response_type;

struct kafka_offset_commit_partition {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch;
    struct slice committed_metadata;
};
extern const struct kafka_type kafka_offset_commit_partition_type;

struct kafka_offset_commit_topic {
    struct slice name;
    struct kafka_uuid topic_id;
    struct kafka_offset_commit_partition *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_offset_commit_topic_type;

struct kafka_offset_commit_request {
    struct slice group_id;
    int32_t generation_id_or_member_epoch;
    struct slice member_id;
    struct slice group_instance_id;
    int64_t retention_time_ms;
    struct kafka_offset_commit_topic *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_offset_commit_request_type;

struct kafka_offset_commit_result {
    int32_t partition_index;
    int16_t error_code;
};
extern const struct kafka_type kafka_offset_commit_result_type;

struct kafka_offset_commit_topic_result {
    struct slice name;
    struct kafka_uuid topic_id;
    struct kafka_offset_commit_result *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_offset_commit_topic_result_type;

struct kafka_offset_commit_response {
    int32_t throttle_time_ms;
    struct kafka_offset_commit_topic_result *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_offset_commit_response_type;

struct kafka_offset_fetch_topic {
    struct slice name;
    int32_t *partition_indexes;
    uint32_t partition_indexes_count;
};
extern const struct kafka_type kafka_offset_fetch_topic_type;

struct kafka_offset_fetch_group_topic {
    struct slice name;
    struct kafka_uuid topic_id;
    int32_t *partition_indexes;
    uint32_t partition_indexes_count;
};
extern const struct kafka_type kafka_offset_fetch_group_topic_type;

struct kafka_offset_fetch_group {
    struct slice group_id;
    struct slice member_id;
    int32_t member_epoch;
    struct kafka_offset_fetch_group_topic *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_offset_fetch_group_type;

struct kafka_offset_fetch_request {
    struct slice group_id;
    struct kafka_offset_fetch_topic *topics;
    uint32_t topics_count;
    struct kafka_offset_fetch_group *groups;
    uint32_t groups_count;
    bool require_stable;
};
extern const struct kafka_type kafka_offset_fetch_request_type;

struct kafka_offset_fetch_result {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch;
    struct slice metadata;
    int16_t error_code;
};
extern const struct kafka_type kafka_offset_fetch_result_type;

struct kafka_offset_fetch_topic_result {
    struct slice name;
    struct kafka_offset_fetch_result *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_offset_fetch_topic_result_type;

struct kafka_offset_fetch_group_partition_result {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch;
    struct slice metadata;
    int16_t error_code;
};
extern const struct kafka_type kafka_offset_fetch_group_partition_result_type;

struct kafka_offset_fetch_group_topic_result {
    struct slice name;
    struct kafka_uuid topic_id;
    struct kafka_offset_fetch_group_partition_result *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_offset_fetch_group_topic_result_type;

struct kafka_offset_fetch_group_result {
    struct slice group_id;
    struct kafka_offset_fetch_group_topic_result *topics;
    uint32_t topics_count;
    int16_t error_code;
};
extern const struct kafka_type kafka_offset_fetch_group_result_type;

struct kafka_offset_fetch_response {
    int32_t throttle_time_ms;
    struct kafka_offset_fetch_topic_result *topics;
    uint32_t topics_count;
    int16_t error_code;
    struct kafka_offset_fetch_group_result *groups;
    uint32_t groups_count;
};
extern const struct kafka_type kafka_offset_fetch_response_type;

struct kafka_find_coordinator_request {
    struct slice key;
    int8_t key_type;
    struct slice *coordinator_keys;
    uint32_t coordinator_keys_count;
};
extern const struct kafka_type kafka_find_coordinator_request_type;

struct kafka_find_coordinator_result {
    struct slice key;
    int32_t node_id;
    struct slice host;
    int32_t port;
    int16_t error_code;
    struct slice error_message;
};
extern const struct kafka_type kafka_find_coordinator_result_type;

struct kafka_find_coordinator_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct slice error_message;
    int32_t node_id;
    struct slice host;
    int32_t port;
    struct kafka_find_coordinator_result *coordinators;
    uint32_t coordinators_count;
};
extern const struct kafka_type kafka_find_coordinator_response_type;

struct kafka_join_group_protocol {
    struct slice name;
    struct slice metadata;
};
extern const struct kafka_type kafka_join_group_protocol_type;

struct kafka_join_group_request {
    struct slice group_id;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct slice member_id;
    struct slice group_instance_id;
    struct slice protocol_type;
    struct kafka_join_group_protocol *protocols;
    uint32_t protocols_count;
    struct slice reason;
};
extern const struct kafka_type kafka_join_group_request_type;

struct kafka_join_group_member_result {
    struct slice member_id;
    struct slice group_instance_id;
    struct slice metadata;
};
extern const struct kafka_type kafka_join_group_member_result_type;

struct kafka_join_group_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int32_t generation_id;
    struct slice protocol_type;
    struct slice protocol_name;
    struct slice leader;
    bool skip_assignment;
    struct slice member_id;
    struct kafka_join_group_member_result *members;
    uint32_t members_count;
};
extern const struct kafka_type kafka_join_group_response_type;

struct kafka_heartbeat_request {
    struct slice group_id;
    int32_t generation_id;
    struct slice member_id;
    struct slice group_instance_id;
};
extern const struct kafka_type kafka_heartbeat_request_type;

struct kafka_heartbeat_response {
    int32_t throttle_time_ms;
    int16_t error_code;
};
extern const struct kafka_type kafka_heartbeat_response_type;

struct kafka_leave_group_member {
    struct slice member_id;
    struct slice group_instance_id;
    struct slice reason;
};
extern const struct kafka_type kafka_leave_group_member_type;

struct kafka_leave_group_request {
    struct slice group_id;
    struct slice member_id;
    struct kafka_leave_group_member *members;
    uint32_t members_count;
};
extern const struct kafka_type kafka_leave_group_request_type;

struct kafka_leave_group_member_result {
    struct slice member_id;
    struct slice group_instance_id;
    int16_t error_code;
};
extern const struct kafka_type kafka_leave_group_member_result_type;

struct kafka_leave_group_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct kafka_leave_group_member_result *members;
    uint32_t members_count;
};
extern const struct kafka_type kafka_leave_group_response_type;

struct kafka_sync_group_assignment {
    struct slice member_id;
    struct slice assignment;
};
extern const struct kafka_type kafka_sync_group_assignment_type;

struct kafka_sync_group_request {
    struct slice group_id;
    int32_t generation_id;
    struct slice member_id;
    struct slice group_instance_id;
    struct slice protocol_type;
    struct slice protocol_name;
    struct kafka_sync_group_assignment *assignments;
    uint32_t assignments_count;
};
extern const struct kafka_type kafka_sync_group_request_type;

struct kafka_sync_group_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct slice protocol_type;
    struct slice protocol_name;
    struct slice assignment;
};
extern const struct kafka_type kafka_sync_group_response_type;

struct kafka_describe_groups_request {
    struct slice *groups;
    uint32_t groups_count;
    bool include_authorized_operations;
};
extern const struct kafka_type kafka_describe_groups_request_type;

struct kafka_describe_groups_member_result {
    struct slice member_id;
    struct slice group_instance_id;
    struct slice client_id;
    struct slice client_host;
    struct slice member_metadata;
    struct slice member_assignment;
};
extern const struct kafka_type kafka_describe_groups_member_result_type;

struct kafka_describe_groups_group_result {
    int16_t error_code;
    struct slice error_message;
    struct slice group_id;
    struct slice group_state;
    struct slice protocol_type;
    struct slice protocol_data;
    struct kafka_describe_groups_member_result *members;
    uint32_t members_count;
    int32_t authorized_operations;
};
extern const struct kafka_type kafka_describe_groups_group_result_type;

struct kafka_describe_groups_response {
    int32_t throttle_time_ms;
    struct kafka_describe_groups_group_result *groups;
    uint32_t groups_count;
};
extern const struct kafka_type kafka_describe_groups_response_type;

struct kafka_list_groups_request {
    struct slice *states_filter;
    uint32_t states_filter_count;
    struct slice *types_filter;
    uint32_t types_filter_count;
};
extern const struct kafka_type kafka_list_groups_request_type;

struct kafka_list_groups_group_result {
    struct slice group_id;
    struct slice protocol_type;
    struct slice group_state;
    struct slice group_type;
};
extern const struct kafka_type kafka_list_groups_group_result_type;

struct kafka_list_groups_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct kafka_list_groups_group_result *groups;
    uint32_t groups_count;
};
extern const struct kafka_type kafka_list_groups_response_type;

struct kafka_api_versions_request {
    struct slice client_software_name;
    struct slice client_software_version;
    struct slice cluster_id;
    int32_t node_id;
};
extern const struct kafka_type kafka_api_versions_request_type;

struct kafka_api_versions_key {
    int16_t api_key;
    int16_t min_version;
    int16_t max_version;
};
extern const struct kafka_type kafka_api_versions_key_type;

struct kafka_api_versions_supported {
    struct slice name;
    int16_t min_version;
    int16_t max_version;
};
extern const struct kafka_type kafka_api_versions_supported_type;

struct kafka_api_versions_finalized {
    struct slice name;
    int16_t max_version_level;
    int16_t min_version_level;
};
extern const struct kafka_type kafka_api_versions_finalized_type;

struct kafka_api_versions_response {
    int16_t error_code;
    struct kafka_api_versions_key *api_keys;
    uint32_t api_keys_count;
    int32_t throttle_time_ms;
    struct kafka_api_versions_supported *supported_features;
    uint32_t supported_features_count;
    int64_t finalized_features_epoch;
    struct kafka_api_versions_finalized *finalized_features;
    uint32_t finalized_features_count;
    bool zk_migration_ready;
};
extern const struct kafka_type kafka_api_versions_response_type;

struct kafka_create_topics_assignment {
    int32_t partition_index;
    int32_t *broker_ids;
    uint32_t broker_ids_count;
};
extern const struct kafka_type kafka_create_topics_assignment_type;

struct kafka_create_topics_config {
    struct slice name;
    struct slice value;
};
extern const struct kafka_type kafka_create_topics_config_type;

struct kafka_create_topics_topic {
    struct slice name;
    int32_t num_partitions;
    int16_t replication_factor;
    struct kafka_create_topics_assignment *assignments;
    uint32_t assignments_count;
    struct kafka_create_topics_config *configs;
    uint32_t configs_count;
};
extern const struct kafka_type kafka_create_topics_topic_type;

struct kafka_create_topics_request {
    struct kafka_create_topics_topic *topics;
    uint32_t topics_count;
    int32_t timeout_ms;
    bool validate_only;
};
extern const struct kafka_type kafka_create_topics_request_type;

struct kafka_create_topics_config_result {
    struct slice name;
    struct slice value;
    bool read_only;
    int8_t config_source;
    bool is_sensitive;
};
extern const struct kafka_type kafka_create_topics_config_result_type;

struct kafka_create_topics_result {
    struct slice name;
    struct kafka_uuid topic_id;
    int16_t error_code;
    struct slice error_message;
    int16_t topic_config_error_code;
    int32_t num_partitions;
    int16_t replication_factor;
    struct kafka_create_topics_config_result *configs;
    uint32_t configs_count;
};
extern const struct kafka_type kafka_create_topics_result_type;

struct kafka_create_topics_response {
    int32_t throttle_time_ms;
    struct kafka_create_topics_result *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_create_topics_response_type;

struct kafka_delete_topics_topic {
    struct slice name;
    struct kafka_uuid topic_id;
};
extern const struct kafka_type kafka_delete_topics_topic_type;

struct kafka_delete_topics_request {
    struct kafka_delete_topics_topic *topics;
    uint32_t topics_count;
    struct slice *topic_names;
    uint32_t topic_names_count;
    int32_t timeout_ms;
};
extern const struct kafka_type kafka_delete_topics_request_type;

struct kafka_delete_topics_result {
    struct slice name;
    struct kafka_uuid topic_id;
    int16_t error_code;
    struct slice error_message;
};
extern const struct kafka_type kafka_delete_topics_result_type;

struct kafka_delete_topics_response {
    int32_t throttle_time_ms;
    struct kafka_delete_topics_result *responses;
    uint32_t responses_count;
};
extern const struct kafka_type kafka_delete_topics_response_type;

struct kafka_delete_records_partition {
    int32_t partition_index;
    int64_t offset;
};
extern const struct kafka_type kafka_delete_records_partition_type;

struct kafka_delete_records_topic {
    struct slice name;
    struct kafka_delete_records_partition *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_delete_records_topic_type;

struct kafka_delete_records_request {
    struct kafka_delete_records_topic *topics;
    uint32_t topics_count;
    int32_t timeout_ms;
};
extern const struct kafka_type kafka_delete_records_request_type;

struct kafka_delete_records_result {
    int32_t partition_index;
    int64_t low_watermark;
    int16_t error_code;
};
extern const struct kafka_type kafka_delete_records_result_type;

struct kafka_delete_records_topic_result {
    struct slice name;
    struct kafka_delete_records_result *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_delete_records_topic_result_type;

struct kafka_delete_records_response {
    int32_t throttle_time_ms;
    struct kafka_delete_records_topic_result *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_delete_records_response_type;

struct kafka_init_producer_id_request {
    struct slice transactional_id;
    int32_t transaction_timeout_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    bool enable_two_phase;
    bool keep_prepared_txn;
};
extern const struct kafka_type kafka_init_producer_id_request_type;

struct kafka_init_producer_id_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int64_t producer_id;
    int16_t producer_epoch;
    int64_t ongoing_txn_producer_id;
    int16_t ongoing_txn_producer_epoch;
};
extern const struct kafka_type kafka_init_producer_id_response_type;

struct kafka_offset_for_leader_epoch_partition {
    int32_t partition;
    int32_t current_leader_epoch;
    int32_t leader_epoch;
};
extern const struct kafka_type kafka_offset_for_leader_epoch_partition_type;

struct kafka_offset_for_leader_epoch_topic {
    struct slice topic;
    struct kafka_offset_for_leader_epoch_partition *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_offset_for_leader_epoch_topic_type;

struct kafka_offset_for_leader_epoch_request {
    int32_t replica_id;
    struct kafka_offset_for_leader_epoch_topic *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_offset_for_leader_epoch_request_type;

struct kafka_offset_for_leader_epoch_result {
    int16_t error_code;
    int32_t partition;
    int32_t leader_epoch;
    int64_t end_offset;
};
extern const struct kafka_type kafka_offset_for_leader_epoch_result_type;

struct kafka_offset_for_leader_epoch_topic_result {
    struct slice topic;
    struct kafka_offset_for_leader_epoch_result *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_offset_for_leader_epoch_topic_result_type;

struct kafka_offset_for_leader_epoch_response {
    int32_t throttle_time_ms;
    struct kafka_offset_for_leader_epoch_topic_result *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_offset_for_leader_epoch_response_type;

struct kafka_describe_configs_resource {
    int8_t resource_type;
    struct slice resource_name;
    struct slice *configuration_keys;
    uint32_t configuration_keys_count;
};
extern const struct kafka_type kafka_describe_configs_resource_type;

struct kafka_describe_configs_request {
    struct kafka_describe_configs_resource *resources;
    uint32_t resources_count;
    bool include_synonyms;
    bool include_documentation;
};
extern const struct kafka_type kafka_describe_configs_request_type;

struct kafka_describe_configs_synonym {
    struct slice name;
    struct slice value;
    int8_t source;
};
extern const struct kafka_type kafka_describe_configs_synonym_type;

struct kafka_describe_configs_config_result {
    struct slice name;
    struct slice value;
    bool read_only;
    int8_t config_source;
    bool is_sensitive;
    struct kafka_describe_configs_synonym *synonyms;
    uint32_t synonyms_count;
    int8_t config_type;
    struct slice documentation;
};
extern const struct kafka_type kafka_describe_configs_config_result_type;

struct kafka_describe_configs_result {
    int16_t error_code;
    struct slice error_message;
    int8_t resource_type;
    struct slice resource_name;
    struct kafka_describe_configs_config_result *configs;
    uint32_t configs_count;
};
extern const struct kafka_type kafka_describe_configs_result_type;

struct kafka_describe_configs_response {
    int32_t throttle_time_ms;
    struct kafka_describe_configs_result *results;
    uint32_t results_count;
};
extern const struct kafka_type kafka_describe_configs_response_type;

struct kafka_create_partitions_assignment {
    int32_t *broker_ids;
    uint32_t broker_ids_count;
};
extern const struct kafka_type kafka_create_partitions_assignment_type;

struct kafka_create_partitions_topic {
    struct slice name;
    int32_t count;
    struct kafka_create_partitions_assignment *assignments;
    uint32_t assignments_count;
};
extern const struct kafka_type kafka_create_partitions_topic_type;

struct kafka_create_partitions_request {
    struct kafka_create_partitions_topic *topics;
    uint32_t topics_count;
    int32_t timeout_ms;
    bool validate_only;
};
extern const struct kafka_type kafka_create_partitions_request_type;

struct kafka_create_partitions_result {
    struct slice name;
    int16_t error_code;
    struct slice error_message;
};
extern const struct kafka_type kafka_create_partitions_result_type;

struct kafka_create_partitions_response {
    int32_t throttle_time_ms;
    struct kafka_create_partitions_result *results;
    uint32_t results_count;
};
extern const struct kafka_type kafka_create_partitions_response_type;

struct kafka_delete_groups_request {
    struct slice *group_names;
    uint32_t group_names_count;
};
extern const struct kafka_type kafka_delete_groups_request_type;

struct kafka_delete_groups_result {
    struct slice group_id;
    int16_t error_code;
    struct slice error_message;
};
extern const struct kafka_type kafka_delete_groups_result_type;

struct kafka_delete_groups_response {
    int32_t throttle_time_ms;
    struct kafka_delete_groups_result *results;
    uint32_t results_count;
};
extern const struct kafka_type kafka_delete_groups_response_type;

struct kafka_offset_delete_partition {
    int32_t partition_index;
};
extern const struct kafka_type kafka_offset_delete_partition_type;

struct kafka_offset_delete_topic {
    struct slice name;
    struct kafka_offset_delete_partition *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_offset_delete_topic_type;

struct kafka_offset_delete_request {
    struct slice group_id;
    struct kafka_offset_delete_topic *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_offset_delete_request_type;

struct kafka_offset_delete_result {
    int32_t partition_index;
    int16_t error_code;
};
extern const struct kafka_type kafka_offset_delete_result_type;

struct kafka_offset_delete_topic_result {
    struct slice name;
    struct kafka_offset_delete_result *partitions;
    uint32_t partitions_count;
};
extern const struct kafka_type kafka_offset_delete_topic_result_type;

struct kafka_offset_delete_response {
    int16_t error_code;
    int32_t throttle_time_ms;
    struct kafka_offset_delete_topic_result *topics;
    uint32_t topics_count;
};
extern const struct kafka_type kafka_offset_delete_response_type;

struct kafka_describe_cluster_request {
    bool include_cluster_authorized_operations;
    int8_t endpoint_type;
    bool include_fenced_brokers;
};
extern const struct kafka_type kafka_describe_cluster_request_type;

struct kafka_describe_cluster_broker {
    int32_t broker_id;
    struct slice host;
    int32_t port;
    struct slice rack;
    bool is_fenced;
};
extern const struct kafka_type kafka_describe_cluster_broker_type;

struct kafka_describe_cluster_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct slice error_message;
    int8_t endpoint_type;
    struct slice cluster_id;
    int32_t controller_id;
    struct kafka_describe_cluster_broker *brokers;
    uint32_t brokers_count;
    int32_t cluster_authorized_operations;
};
extern const struct kafka_type kafka_describe_cluster_response_type;

struct kafka_alter_configs_config {
    struct slice name;
    struct slice value;
};
extern const struct kafka_type kafka_alter_configs_config_type;

struct kafka_alter_configs_resource {
    int8_t resource_type;
    struct slice resource_name;
    struct kafka_alter_configs_config *configs;
    uint32_t configs_count;
};
extern const struct kafka_type kafka_alter_configs_resource_type;

struct kafka_alter_configs_request {
    struct kafka_alter_configs_resource *resources;
    uint32_t resources_count;
    bool validate_only;
};
extern const struct kafka_type kafka_alter_configs_request_type;

struct kafka_alter_configs_result {
    int16_t error_code;
    struct slice error_message;
    int8_t resource_type;
    struct slice resource_name;
};
extern const struct kafka_type kafka_alter_configs_result_type;

struct kafka_alter_configs_response {
    int32_t throttle_time_ms;
    struct kafka_alter_configs_result *responses;
    uint32_t responses_count;
};
extern const struct kafka_type kafka_alter_configs_response_type;

struct kafka_incremental_alter_configs_config {
    struct slice name;
    int8_t config_operation;
    struct slice value;
};
extern const struct kafka_type kafka_incremental_alter_configs_config_type;

struct kafka_incremental_alter_configs_resource {
    int8_t resource_type;
    struct slice resource_name;
    struct kafka_incremental_alter_configs_config *configs;
    uint32_t configs_count;
};
extern const struct kafka_type kafka_incremental_alter_configs_resource_type;

struct kafka_incremental_alter_configs_request {
    struct kafka_incremental_alter_configs_resource *resources;
    uint32_t resources_count;
    bool validate_only;
};
extern const struct kafka_type kafka_incremental_alter_configs_request_type;

struct kafka_incremental_alter_configs_result {
    int16_t error_code;
    struct slice error_message;
    int8_t resource_type;
    struct slice resource_name;
};
extern const struct kafka_type kafka_incremental_alter_configs_result_type;

struct kafka_incremental_alter_configs_response {
    int32_t throttle_time_ms;
    struct kafka_incremental_alter_configs_result *responses;
    uint32_t responses_count;
};
extern const struct kafka_type kafka_incremental_alter_configs_response_type;

enum kafka_api_key {
    KAFKA_PRODUCE = 0,
    KAFKA_FETCH = 1,
    KAFKA_LIST_OFFSETS = 2,
    KAFKA_METADATA = 3,
    KAFKA_OFFSET_COMMIT = 8,
    KAFKA_OFFSET_FETCH = 9,
    KAFKA_FIND_COORDINATOR = 10,
    KAFKA_JOIN_GROUP = 11,
    KAFKA_HEARTBEAT = 12,
    KAFKA_LEAVE_GROUP = 13,
    KAFKA_SYNC_GROUP = 14,
    KAFKA_DESCRIBE_GROUPS = 15,
    KAFKA_LIST_GROUPS = 16,
    KAFKA_API_VERSIONS = 18,
    KAFKA_CREATE_TOPICS = 19,
    KAFKA_DELETE_TOPICS = 20,
    KAFKA_DELETE_RECORDS = 21,
    KAFKA_INIT_PRODUCER_ID = 22,
    KAFKA_OFFSET_FOR_LEADER_EPOCH = 23,
    KAFKA_DESCRIBE_CONFIGS = 32,
    KAFKA_CREATE_PARTITIONS = 37,
    KAFKA_DELETE_GROUPS = 42,
    KAFKA_OFFSET_DELETE = 47,
    KAFKA_DESCRIBE_CLUSTER = 60,
    KAFKA_ALTER_CONFIGS = 33,
    KAFKA_INCREMENTAL_ALTER_CONFIGS = 44,
};

#endif
