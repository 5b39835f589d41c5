/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are and what there is: ApiVersions, Metadata, FindCoordinator, DescribeCluster. */
#include "broker/base/counters.h"
#include "broker/core/drain.h"
#include "broker/core/limits.h"
#include "broker/net/conn.h"
#include "protocols/kafka/kafka_all_topics.h"
#include "protocols/kafka/kafka_int.h"
#include "protocols/kafka/kafka_map.h"
#include "protocols/kafka/kafka_messages.h"

static struct slice host_of(const struct kafka_request *request)
{
    const char *advertised = request->kafka->config.advertised_host;
    const struct drain *drain = core_draining(request->kafka->core);

    if (drain != NULL && drain->node_host.len > 0)
        return text_slice(&drain->node_host);
    return slice_str(advertised != NULL ? advertised : conn_local_host(request->conn));
}

static int32_t port_of(const struct kafka_request *request)
{
    uint16_t advertised = request->kafka->config.advertised_port;
    const struct drain *drain = core_draining(request->kafka->core);

    if (drain != NULL && drain->node_host.len > 0)
        return drain->node_port;
    return advertised != 0 ? advertised : conn_local_port(request->conn);
}

/* ---- ApiVersions ---- */

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* KIP-511: letters, digits, '-' and '.', the latter two not at the ends. */
static bool is_software_word(struct slice word)
{
    if (word.len == 0 || !is_word_byte(word.at[0]) || !is_word_byte(word.at[word.len - 1]))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (!is_word_byte(word.at[i]) && word.at[i] != '-' && word.at[i] != '.')
            return false;
    }
    return true;
}

/* `body` NULL: the version asked for is not known. */
void kafka_on_api_versions(struct kafka_request *request, const void *body)
{
    const struct kafka_api_versions_request *asked = body;
    struct kafka_api_versions_response *r = KAFKA_RESPONSE(request, api_versions);
    struct kafka_api_versions_key *keys =
        KAFKA_ARRAY(&request->arena, kafka_api_versions_key, kafka_rule_count);

    if (r != NULL && keys != NULL) {
        for (unsigned i = 0; i < kafka_rule_count; i++)
            keys[i] = (struct kafka_api_versions_key){ kafka_rules[i].key, kafka_rules[i].min,
                                                       kafka_rules[i].max };
        r->api_keys = keys;
        r->api_keys_count = kafka_rule_count;
        if (asked == NULL) {
            r->error_code = KAFKA_ERROR_UNSUPPORTED_VERSION;
        } else if (request->header.version >= 3 &&
                   !(is_software_word(asked->client_software_name) &&
                     is_software_word(asked->client_software_version))) {
            r->error_code = KAFKA_ERROR_INVALID_REQUEST;
            r->api_keys_count = 0;
        }
    }
    kafka_answer(request);
}

/* ---- Metadata ---- */

static void show(struct kafka_request *request, unsigned count, struct kafka_shown *shown)
{
    struct kafka_metadata_result *at = KAFKA_ARRAY(&request->arena, kafka_metadata_result, count);
    int32_t *node = kafka_arena_take(&request->arena, sizeof(*node));

    if (at == NULL || node == NULL)
        return;
    *node = request->kafka->config.node_id;
    for (unsigned i = 0; i < count; i++) {
        at[i].partition_index = (int32_t)i;
        at[i].leader_id = *node;
        at[i].leader_epoch = 0;
        at[i].replica_nodes = at[i].isr_nodes = node;
        at[i].replica_nodes_count = at[i].isr_nodes_count = 1;
    }
    *shown = (struct kafka_shown){ at, count };
}

static void fill_partitions(struct kafka_request *request, struct stream *stream,
                            struct kafka_shown *shown, struct kafka_metadata_topic_result *topic)
{
    unsigned count = stream_partition_count(stream);

    if (count > shown->count)
        show(request, count, shown);
    if (count > shown->count)
        return; /* no memory, which the request's arena tells */
    topic->partitions = shown->at;
    topic->partitions_count = count;
}

void kafka_fill_topic(struct kafka_request *request, bool has_operations, struct stream *stream,
                      struct slice name, struct kafka_shown *shown,
                      struct kafka_metadata_topic_result *topic)
{
    topic->name = name;
    topic->topic_id = kafka_topic_id(stream);
    topic->error_code = (int16_t)kafka_may(request, OPERATION_DESCRIBE, stream);
    if (topic->error_code != KAFKA_ERROR_NONE)
        return;
    fill_partitions(request, stream, shown, topic);
    if (has_operations)
        topic->topic_authorized_operations =
            kafka_authorized_operations(request, RESOURCE_TOPIC, stream_name(stream));
}

/* Makes the topic and answers at once: with one node there is no election to wait for. */
static enum kafka_error auto_create(struct kafka_request *request, struct slice topic,
                                    struct stream **ret)
{
    struct stream_spec spec = { 0 };
    enum kafka_error error = kafka_stream_name(request, topic, &spec.name);

    if (error != KAFKA_ERROR_NONE)
        return error;
    return kafka_create_topic(request, &spec, IMPLICIT_STREAMS_MAX, ret);
}

static void answer_named(struct kafka_request *request, const struct kafka_metadata_request *asked,
                         const struct kafka_metadata_topic *topic, struct kafka_shown *shown,
                         struct kafka_metadata_topic_result *result)
{
    bool may_create = asked->allow_auto_topic_creation && request->kafka->config.is_auto_create;
    struct stream *stream = NULL;
    enum kafka_error error;

    if (topic->name.at == NULL) {
        result->topic_id = topic->topic_id;
        error = kafka_find_topic_id(request, &topic->topic_id, &stream);
        if (error == KAFKA_ERROR_NONE)
            kafka_fill_topic(request, asked->include_topic_authorized_operations, stream,
                             kafka_topic_name(request, stream), shown, result);
        else
            result->error_code = (int16_t)error;
        return;
    }
    error = kafka_use_topic(request, false, topic->name, NULL, OPERATION_DESCRIBE, &stream);
    if (error == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION && may_create)
        error = auto_create(request, topic->name, &stream);
    if (error == KAFKA_ERROR_NONE) {
        kafka_fill_topic(request, asked->include_topic_authorized_operations, stream, topic->name,
                         shown, result);
        return;
    }
    result->name = topic->name;
    result->error_code = (int16_t)error;
}

void kafka_on_metadata(struct kafka_request *request, const void *body)
{
    const struct kafka_metadata_request *asked = body;
    struct kafka_metadata_response *r = KAFKA_RESPONSE(request, metadata);
    struct kafka_metadata_broker *broker = KAFKA_ARRAY(&request->arena, kafka_metadata_broker, 1);
    struct kafka_shown shown = { NULL, 0 };
    bool is_all =
        asked->topics == NULL || (request->header.version == 0 && asked->topics_count == 0);

    if (r == NULL || broker == NULL) {
        kafka_answer(request);
        return;
    }
    broker->node_id = request->kafka->config.node_id;
    broker->host = host_of(request);
    broker->port = port_of(request);
    r->brokers = broker;
    r->brokers_count = 1;
    r->cluster_id = slice_str(request->kafka->cluster_id);
    r->controller_id = broker->node_id;
    if (asked->include_cluster_authorized_operations)
        r->cluster_authorized_operations =
            kafka_authorized_operations(request, RESOURCE_BROKER, SLICE(""));
    if (is_all) {
        kafka_answer_all_topics(request, asked->include_topic_authorized_operations);
        return;
    }
    r->topics = KAFKA_ARRAY(&request->arena, kafka_metadata_topic_result, asked->topics_count);
    for (uint32_t i = 0; i < asked->topics_count && r->topics != NULL; i++) {
        answer_named(request, asked, &asked->topics[i], &shown, &r->topics[i]);
        r->topics_count++;
    }
    kafka_answer(request);
}

/* ---- FindCoordinator ---- */

enum key_type { KEY_GROUP, KEY_TRANSACTION, KEY_SHARE };

static enum kafka_error check_coordinator(struct kafka_request *request, int8_t key_type,
                                          struct slice key, struct slice *ret_message)
{
    switch ((enum key_type)key_type) {
    case KEY_GROUP:
        return kafka_may_use_group(request, OPERATION_GROUP_USE, key);
    case KEY_TRANSACTION:
        *ret_message = SLICE("Transactions are not supported by this version of the broker.");
        return KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    case KEY_SHARE:
        *ret_message = SLICE("Share groups are not supported by this version of the broker.");
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    *ret_message = SLICE("Unknown kind of coordinator.");
    return KAFKA_ERROR_INVALID_REQUEST;
}

void kafka_on_find_coordinator(struct kafka_request *request, const void *body)
{
    const struct kafka_find_coordinator_request *asked = body;
    struct kafka_find_coordinator_response *r = KAFKA_RESPONSE(request, find_coordinator);
    bool is_batched = request->header.version >= 4;
    uint32_t count = is_batched ? asked->coordinator_keys_count : 1;
    struct kafka_find_coordinator_result *at =
        KAFKA_ARRAY(&request->arena, kafka_find_coordinator_result, count);

    for (uint32_t i = 0; i < count && r != NULL && at != NULL; i++) {
        struct slice message = SLICE_NONE;
        enum kafka_error error;

        at[i].key = is_batched ? asked->coordinator_keys[i] : asked->key;
        error = check_coordinator(request, asked->key_type, at[i].key, &message);
        at[i].error_code = (int16_t)error;
        at[i].error_message = message;
        at[i].node_id = error == KAFKA_ERROR_NONE ? request->kafka->config.node_id : -1;
        at[i].host = error == KAFKA_ERROR_NONE ? host_of(request) : SLICE("");
        at[i].port = error == KAFKA_ERROR_NONE ? port_of(request) : -1;
    }
    if (r != NULL && at != NULL && is_batched) {
        r->coordinators = at;
        r->coordinators_count = count;
    } else if (r != NULL && at != NULL) {
        r->error_code = at->error_code;
        r->error_message = at->error_message;
        r->node_id = at->node_id;
        r->host = at->host;
        r->port = at->port;
    }
    kafka_answer(request);
}

/* ---- DescribeCluster ---- */

void kafka_on_describe_cluster(struct kafka_request *request, const void *body)
{
    const struct kafka_describe_cluster_request *asked = body;
    struct kafka_describe_cluster_response *r = KAFKA_RESPONSE(request, describe_cluster);
    struct kafka_describe_cluster_broker *broker =
        KAFKA_ARRAY(&request->arena, kafka_describe_cluster_broker, 1);

    if (r == NULL || broker == NULL) {
        kafka_answer(request);
        return;
    }
    r->cluster_id = slice_str(request->kafka->cluster_id);
    if (asked->endpoint_type != 1) { /* 1: brokers; 2: controllers, of which this is no listener */
        r->error_code = KAFKA_ERROR_MISMATCHED_ENDPOINT_TYPE;
        r->error_message = SLICE("This listener is a broker's.");
        kafka_answer(request);
        return;
    }
    broker->broker_id = request->kafka->config.node_id;
    broker->host = host_of(request);
    broker->port = port_of(request);
    r->brokers = broker;
    r->brokers_count = 1;
    r->controller_id = broker->broker_id;
    if (asked->include_cluster_authorized_operations)
        r->cluster_authorized_operations =
            kafka_authorized_operations(request, RESOURCE_BROKER, SLICE(""));
    kafka_answer(request);
}
