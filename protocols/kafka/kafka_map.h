/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that knows both languages: Kafka topics and core's streams. Core thread only. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_MAP_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_MAP_H

#include "broker/core/acl.h"
#include "protocols/kafka/kafka_codec.h"
#include "protocols/kafka/kafka_errors.h"

struct kafka_request;
struct stream;
struct stream_spec;

/* The stream of a legal topic name. INVALID_TOPIC; UNKNOWN_TOPIC_OR_PARTITION: none, or one that
 * Kafka is not shown. */
enum kafka_error kafka_find_topic(struct kafka_request *request, struct slice topic,
                                  struct stream **ret);
/* By its id: UNKNOWN_TOPIC_ID. */
enum kafka_error kafka_find_topic_id(struct kafka_request *request, const struct kafka_uuid *id,
                                     struct stream **ret);
/* By id when `by_id`, else by name; and the principal may do that with it. */
enum kafka_error kafka_use_topic(struct kafka_request *request, bool by_id, struct slice topic,
                                 const struct kafka_uuid *id, enum operation operation,
                                 struct stream **ret);
/* Makes the stream, unless there are `limit` of them. */
enum kafka_error kafka_create_topic(struct kafka_request *request, const struct stream_spec *spec,
                                    unsigned limit, struct stream **ret);
/* The core's name of a topic, in the request's arena. INVALID_TOPIC. */
enum kafka_error kafka_stream_name(struct kafka_request *request, struct slice topic,
                                   struct slice *ret);
/* How Kafka spells it, in the request's arena; none: it has no legal spelling, or is hidden. */
struct slice kafka_topic_name(struct kafka_request *request, const struct stream *stream);
/* The same, borrowed from the stream where it can be: for what is answered at once. */
struct slice kafka_topic_name_now(struct kafka_request *request, const struct stream *stream);
struct slice kafka_topic_of_name(struct kafka_request *request, struct slice stream_name);
struct kafka_uuid kafka_topic_id(const struct stream *stream);
enum kafka_error kafka_may(struct kafka_request *request, enum operation operation,
                           const struct stream *stream);
enum kafka_error kafka_may_use_group(struct kafka_request *request, enum operation operation,
                                     struct slice group);
/* KIP-430's bit field of what the principal may do; `name` none: with the cluster. */
int32_t kafka_authorized_operations(struct kafka_request *request, enum resource resource,
                                    struct slice name);

#endif
