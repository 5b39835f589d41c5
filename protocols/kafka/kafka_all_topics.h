/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a Metadata request for all topics, which takes several turns. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_ALL_TOPICS_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_ALL_TOPICS_H

#include "protocols/kafka/kafka_int.h"

struct kafka_metadata_result;
struct kafka_metadata_topic_result;

/* What is said of a partition is the same for all topics: a million of them share it. */
struct kafka_shown {
    struct kafka_metadata_result *at; /* in the arena */
    unsigned count;
};

/* kafka_on_meta.c: what is told of one topic; error_code says when the client may not see it. */
void kafka_fill_topic(struct kafka_request *request, bool has_operations, struct stream *stream,
                      struct slice name, struct kafka_shown *shown,
                      struct kafka_metadata_topic_result *topic);

/* Fills in the response's topics and answers, now or later; all else of it stands there. */
void kafka_answer_all_topics(struct kafka_request *request, bool has_operations);

#endif
