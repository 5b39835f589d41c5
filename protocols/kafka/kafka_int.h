/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the broker-wide state, a request, and how it is answered. */
#ifndef TERCET_PROTOCOLS_KAFKA_KAFKA_INT_H
#define TERCET_PROTOCOLS_KAFKA_KAFKA_INT_H

#include "broker/base/list.h"
#include "broker/base/text.h"
#include "broker/core/client.h"
#include "broker/core/core.h"
#include "broker/core/stream.h"
#include "protocols/kafka/kafka_codec.h"
#include "protocols/kafka/kafka_errors.h"
#include "protocols/kafka/kafka_group.h"
#include "protocols/kafka/kafka_listener.h"

struct conn;
struct kafka_request;
struct kafka_sasl;
struct kafka_session;

/* Kafka's socket.request.max.bytes. */
#define KAFKA_FRAME_MAX_BYTES ((size_t)100 << 20)
/* Requests of one connection that wait for the disk at the same time: a producer with 5 in flight
 * (the most that idempotence allows) never waits for a slot. */
#define KAFKA_PIPELINE_MAX 8
/* What the shared scratch keeps between requests; one large answer is no reason to keep more. */
#define KAFKA_SCRATCH_KEPT_BYTES ((size_t)1 << 20)
/* Spare requests, each with the first chunk of its arena. */
#define KAFKA_SPARE_MAX 64
/* 16 bytes in URL-safe base64 without padding. */
#define KAFKA_CLUSTER_ID_BYTES 22

struct kafka {
    struct core *core;
    struct loop *loop;
    struct kafka_config config;
    struct kafka_groups groups;
    struct list spare; /* requests to use again, of all connections */
    unsigned spare_count;
    struct text scratch; /* of one answer */
    char cluster_id[KAFKA_CLUSTER_ID_BYTES + 1];
};

enum kafka_progress {
    KAFKA_RUNNING, /* inside its handler, or waiting for something */
    KAFKA_AWAITED, /* the answer is made; it waits for the disk */
    KAFKA_ANSWERED /* may be sent once those before it are */
};

/* One request from its frame to its answer. All that it needs lives in its arena. */
struct kafka_request {
    struct link link; /* the session's, in order of coming; or spare */
    struct kafka_session *session;
    struct kafka *kafka;
    struct client *client;
    struct conn *conn;
    struct kafka_header header;
    const struct kafka_message *message;
    bool is_flexible;
    bool is_silent; /* acks = 0: there is no answer */
    enum kafka_progress progress;
    uint64_t number; /* of the session's requests: token of client_await() */
    struct kafka_arena arena;
    void *response; /* in the arena */
    /* While it waits for something else than the disk: gives back what it holds. NULL: nothing. */
    void (*on_cancel)(struct kafka_request *request);
    /* Before its memory goes, sent or not: releases blocks. NULL: nothing. */
    void (*on_done)(struct kafka_request *request);
    void *state; /* the handler's, in the arena or of its own */
    /* Writes the whole frame of the answer; false: it cannot. NULL: `response` is encoded. */
    bool (*write_answer)(struct kafka_request *request);
    /* While its answer waits for the disk: at this time (0: never) the answer is changed to say so
     * and sent. */
    uint64_t deadline_ns;
    void (*on_timeout)(struct kafka_request *request);
};

/* A handler gives its request's answer, now or later, by one of the two below. */
typedef void kafka_handler_fn(struct kafka_request *request, const void *body);

/* The response with all defaults, made at the first call; NULL without memory (then answer
 * anyway). */
void *kafka_response(struct kafka_request *request);
#define KAFKA_RESPONSE(request, api) ((struct kafka_##api##_response *)kafka_response(request))
/* Size, header and response. */
struct kafka_encoder;
void kafka_encode_answer(struct kafka_encoder *e, const struct kafka_request *request,
                         size_t frame_bytes);
/* It is complete. */
void kafka_answer(struct kafka_request *request);
/* It is complete, and may be sent when all that was put so far is on disk. */
void kafka_answer_durable(struct kafka_request *request);
/* The request cannot be answered: the connection ends. */
void kafka_refuse(struct kafka_request *request, enum rc why, const char *what);

/* The session's (kafka_sasl.h). */
struct kafka_sasl *kafka_sasl_of(struct kafka_request *request);

/* Where the records of a fetch lie: the source of kafka_records. */
struct kafka_pieces {
    struct log_piece *at; /* in the arena, each with a reference to its block */
    unsigned count;
};

kafka_handler_fn kafka_on_api_versions, kafka_on_metadata, kafka_on_find_coordinator,
    kafka_on_describe_cluster;
kafka_handler_fn kafka_on_sasl_handshake, kafka_on_sasl_authenticate;
kafka_handler_fn kafka_on_produce, kafka_on_init_producer_id;
kafka_handler_fn kafka_on_fetch, kafka_on_list_offsets, kafka_on_offset_for_leader_epoch;
kafka_handler_fn kafka_on_offset_commit, kafka_on_offset_fetch, kafka_on_offset_delete;
kafka_handler_fn kafka_on_join_group, kafka_on_sync_group, kafka_on_heartbeat, kafka_on_leave_group,
    kafka_on_describe_groups, kafka_on_list_groups, kafka_on_delete_groups;
kafka_handler_fn kafka_on_create_topics, kafka_on_delete_topics, kafka_on_create_partitions,
    kafka_on_delete_records, kafka_on_describe_configs, kafka_on_alter_configs,
    kafka_on_incremental_alter_configs;

/* Where the value of a configuration comes from: numbers of DescribeConfigs. */
enum kafka_config_source { KAFKA_SOURCE_TOPIC = 1, KAFKA_SOURCE_DEFAULT = 5 };
struct kafka_config_row;
struct kafka_topic_view;
/* What a configuration is for a topic, in the arena. */
struct slice kafka_config_value(struct kafka_request *request, const struct kafka_topic_view *view,
                                const struct kafka_config_row *row, bool *ret_is_set);

/* The table of what is served, for ApiVersions. */
struct kafka_rule {
    int16_t key;
    int16_t min; /* advertised */
    int16_t max;
    int16_t served_min; /* below it, though advertised: refused by closing (Produce 0-2) */
    kafka_handler_fn *handle;
    bool is_copied; /* its bytes are needed after the handler returns */
};
extern const struct kafka_rule kafka_rules[];
extern const unsigned kafka_rule_count;

#endif
