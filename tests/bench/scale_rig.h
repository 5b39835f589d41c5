/* SPDX-License-Identifier: Apache-2.0 */
/* A core on a durable store without sockets, for measuring at scale, and what a part of a run cost.
 */
#ifndef TERCET_TESTS_BENCH_SCALE_RIG_H
#define TERCET_TESTS_BENCH_SCALE_RIG_H

#include "broker/core/client.h"
#include "broker/core/core.h"
#include "broker/core/queue.h"
#include "tests/bench/bench.h"

struct store;

/* What this process has used so far. */
struct usage {
    uint64_t wall_ns;
    uint64_t cpu_ns;
    uint64_t thread_ns;       /* of that, the caller's thread */
    uint64_t written_bytes;   /* to files, by system calls */
    uint64_t anonymous_bytes; /* resident, not of files */
    uint64_t resident_bytes;
    int64_t store_bytes; /* records given to the store */
    int64_t commits;
};

struct usage usage_now(void);
struct usage usage_since(const struct usage *before);
/* One line: what, value, unit, and the base beside it when that is not 0. */
void scale_tell(const char *what, double value, const char *unit, double base);

struct scale_taken {
    uint64_t queue;
    uint64_t handle;
};

/* What its client was given and has not settled: a part settles when it likes. */
struct scale {
    struct store *store;
    struct core *core;
    struct client *client;
    struct scale_taken *taken; /* owned; NULL: deliveries are only counted */
    size_t taken_count;
    size_t taken_room;
    uint64_t delivered;
    uint64_t open_store_ns; /* of the last scale_open() */
    uint64_t open_core_ns;
};

void scale_open(struct scale *s, const char *directory, bool has_sync);
void scale_close(struct scale *s);
/* One turn of the loop, without waiting. */
void scale_turn(struct scale *s);
/* Turns while more than `bytes` wait for the disk. */
void scale_drain_to(struct scale *s, uint64_t bytes);
/* Turns until everything put is durable. */
void scale_flush(struct scale *s);
/* Turns until `count` messages were delivered. */
void scale_until_delivered(struct scale *s, uint64_t count);

/* As MQTT would, QoS 1. */
void scale_publish(struct scale *s, const char *address, struct slice value, bool is_persistent);
struct queue *scale_queue(struct scale *s, const char *name);

#endif
