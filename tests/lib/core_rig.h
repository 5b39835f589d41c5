/* SPDX-License-Identifier: Apache-2.0 */
/* A core on a store without sockets, and clients that write down what they are told. For tests. */
#ifndef TERCET_TESTS_LIB_CORE_RIG_H
#define TERCET_TESTS_LIB_CORE_RIG_H

#include <stdbool.h>

#include "broker/core/client.h"
#include "broker/core/core.h"
#include "broker/core/exchange.h"
#include "broker/core/message.h"
#include "broker/core/publish.h"
#include "broker/core/queue.h"
#include "broker/core/session.h"
#include "broker/core/stream.h"

struct rig {
    struct store *store;
    struct core *core;
    char directory[64]; /* empty: the memory store */
    struct core_config config;
    bool is_woken;
    int wake_fd; /* an eventfd: written by on_wake */
};

#define RIG_SEEN_MAX 4096

struct rig_seen {
    char value[64];
    char address[64];
    uint64_t handle;
    uint64_t queue;
    uint8_t qos;
    bool is_retained;
    bool is_redelivered;
    unsigned id_count;
    uint32_t first_id;
};

struct rig_client {
    struct client *client;
    struct rig_seen seen[RIG_SEEN_MAX];
    unsigned count;
    unsigned credit; /* deliveries it still takes */
    uint64_t durable[RIG_SEEN_MAX];
    unsigned durable_count;
    unsigned durable_ends;
    unsigned cancelled;
    bool is_taken_over;
    enum rc got; /* of queue_get(); RC_AGAIN until it came */
};

/* On the memory store, or in a directory of its own on the durable one. */
void rig_open(struct rig *rig, bool is_durable);
void rig_open_as(struct rig *rig, bool is_durable, const struct core_config *config);
/* Stops cleanly and opens again on the same directory. */
void rig_reopen(struct rig *rig);
/* The same, but the next life is not told that the last one ended in order. */
void rig_reopen_after_crash(struct rig *rig);
/* What goes on in parts is not gone on with. */
void rig_reopen_amid(struct rig *rig);
void rig_close(struct rig *rig);
/* Turns until nothing is left to do and everything put is durable. */
void rig_settle(struct rig *rig);
/* The same until *count is at least `wanted`, waiting for reader threads; fails after 10 s. */
void rig_settle_until(struct rig *rig, const unsigned *count, unsigned wanted);

void rig_client_open(struct rig *rig, struct rig_client *c, unsigned credit);
void rig_client_close(struct rig_client *c);
/* To an address, as MQTT would. */
enum rc rig_publish(struct rig *rig, struct rig_client *c, const char *address, const char *value,
                    unsigned qos, unsigned flags);
/* Through an exchange, as AMQP would. */
enum rc rig_publish_exchange(struct rig *rig, struct rig_client *c, const char *exchange,
                             const char *key, const char *value);
struct queue *rig_queue(struct rig *rig, struct rig_client *c, const char *name, bool is_durable);
void rig_bind(struct rig *rig, struct rig_client *c, const char *exchange, const char *queue,
              const char *key);
struct session *rig_session(struct rig *rig, struct rig_client *c, const char *id, bool is_clean,
                            uint64_t expiry_ms, bool *ret_present);
void rig_subscribe(struct session *session, const char *filter, unsigned qos, uint32_t id);
void rig_get(struct rig_client *c, struct queue *queue, bool is_no_ack);

#endif
