/* SPDX-License-Identifier: Apache-2.0 */
/* What we serve and advertise: one row for each API. */
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_messages.h"

/* Minimum 0 where clients want an overlap with their oldest form: librdkafka up to 2.11 drops
 * compression without Produce 0 and groups without JoinGroup 0. Nobody sends Produce 0-2 when 3 is
 * there: its message sets of magic 0 and 1 are refused by closing, as Apache Kafka 4 does. */
const struct kafka_rule kafka_rules[] = {
    /* key, advertised min, max, served min, handler, is_copied */
    { KAFKA_PRODUCE, 0, 13, 3, kafka_on_produce, false },
    { KAFKA_FETCH, 4, 18, 4, kafka_on_fetch, true },
    { KAFKA_LIST_OFFSETS, 1, 11, 1, kafka_on_list_offsets, true },
    { KAFKA_METADATA, 0, 13, 0, kafka_on_metadata, true },
    { KAFKA_OFFSET_COMMIT, 2, 10, 2, kafka_on_offset_commit, true },
    { KAFKA_OFFSET_FETCH, 1, 10, 1, kafka_on_offset_fetch, true },
    { KAFKA_FIND_COORDINATOR, 0, 6, 0, kafka_on_find_coordinator, true },
    { KAFKA_JOIN_GROUP, 0, 9, 0, kafka_on_join_group, true },
    { KAFKA_HEARTBEAT, 0, 4, 0, kafka_on_heartbeat, true },
    { KAFKA_LEAVE_GROUP, 0, 5, 0, kafka_on_leave_group, true },
    { KAFKA_SYNC_GROUP, 0, 5, 0, kafka_on_sync_group, true },
    { KAFKA_DESCRIBE_GROUPS, 0, 6, 0, kafka_on_describe_groups, true },
    { KAFKA_LIST_GROUPS, 0, 5, 0, kafka_on_list_groups, true },
    { KAFKA_SASL_HANDSHAKE, 0, 1, 0, kafka_on_sasl_handshake, true },
    { KAFKA_API_VERSIONS, 0, 4, 0, kafka_on_api_versions, true },
    { KAFKA_CREATE_TOPICS, 0, 7, 0, kafka_on_create_topics, true },
    { KAFKA_DELETE_TOPICS, 0, 6, 0, kafka_on_delete_topics, true },
    { KAFKA_DELETE_RECORDS, 0, 2, 0, kafka_on_delete_records, true },
    { KAFKA_INIT_PRODUCER_ID, 0, 5, 0, kafka_on_init_producer_id, true },
    { KAFKA_OFFSET_FOR_LEADER_EPOCH, 2, 4, 2, kafka_on_offset_for_leader_epoch, true },
    { KAFKA_DESCRIBE_CONFIGS, 1, 4, 1, kafka_on_describe_configs, true },
    { KAFKA_ALTER_CONFIGS, 0, 2, 0, kafka_on_alter_configs, true },
    { KAFKA_SASL_AUTHENTICATE, 0, 2, 0, kafka_on_sasl_authenticate, true },
    { KAFKA_CREATE_PARTITIONS, 0, 3, 0, kafka_on_create_partitions, true },
    { KAFKA_DELETE_GROUPS, 0, 2, 0, kafka_on_delete_groups, true },
    { KAFKA_INCREMENTAL_ALTER_CONFIGS, 0, 1, 0, kafka_on_incremental_alter_configs, true },
    { KAFKA_OFFSET_DELETE, 0, 0, 0, kafka_on_offset_delete, true },
    { KAFKA_DESCRIBE_CLUSTER, 0, 2, 0, kafka_on_describe_cluster, true },
};
const unsigned kafka_rule_count = sizeof(kafka_rules) / sizeof(kafka_rules[0]);
