/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: named logs in partitions. What Kafka calls a topic, and what lies under every queue. */
#ifndef TERCET_BROKER_CORE_STREAM_H
#define TERCET_BROKER_CORE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/list.h"
#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/core/policy.h"
#include "storage/log.h"

struct client;
struct core;
struct partition;
struct queue;
struct stream;
struct stream_compaction;

struct stream_spec {
    struct slice name;        /* canonical: one level in the MQTT spelling */
    unsigned partition_count; /* 0: the default */
    bool is_implicit;         /* made by a publish or a lookup, not by a request to make it */
    bool is_hidden;           /* not shown as a Kafka topic: exclusive and server-named queues */
    bool is_transient;        /* gone at restart */
    struct slice config;      /* opaque to core, kept for the protocol that made it; may be none */
    const struct stream_policy *policy;         /* NULL: it says nothing itself */
    const struct stream_compaction *compaction; /* NULL: it keeps all records */
};

/* RC_EXISTS, RC_LIMIT (too many implicit streams, partitions, or a name too long), RC_INVALID
 * (empty name or not one level), RC_REFUSED. Live at once; durable with the turn (client_await()).
 * client NULL: made by the broker itself. */
MUST_CHECK enum rc stream_create(struct core *core, struct client *client,
                                 const struct stream_spec *spec, struct stream **ret);
/* NULL when there is none. */
struct stream *stream_find(struct core *core, struct slice name);
struct stream *stream_find_id(struct core *core, const uint8_t id[16]);
/* Waiters are told, its queue (if any) is deleted with it. RC_REFUSED. */
MUST_CHECK enum rc stream_delete(struct core *core, struct client *client, struct stream *stream);
/* More partitions, never fewer (RC_INVALID). */
MUST_CHECK enum rc stream_grow(struct stream *stream, unsigned partition_count);
/* Walks all streams in the order in which they came to be; start with NULL. NULL: that was the
 * last. Those that are walked over must not be deleted on the way. */
struct stream *stream_next(struct core *core, struct stream *after);

struct slice stream_name(const struct stream *stream);
const uint8_t *stream_id(const struct stream *stream); /* 16 random bytes, kept for its life */
unsigned stream_partition_count(const struct stream *stream);
struct partition *stream_partition(struct stream *stream, unsigned index); /* index < count */
struct queue *stream_queue(const struct stream *stream);                   /* NULL: none */
bool stream_is_hidden(const struct stream *stream);
bool stream_is_transient(const struct stream *stream);
struct slice stream_config(const struct stream *stream); /* borrowed until changed */
void stream_set_config(struct stream *stream, struct slice config);
const struct stream_policy *stream_policy(const struct stream *stream); /* what it says itself */
/* What holds for it, with rules and defaults; nothing of it is open. */
const struct stream_policy *stream_effective_policy(const struct stream *stream);
/* Could it keep its records in memory alone? Not while records of it are logged, nor if it is a
 * queue's or compacted. */
bool stream_can_be_unlogged(const struct stream *stream);
/* Retention follows at once. POLICY_UNLOGGED asks for stream_can_be_unlogged(), or waits until
 * a start finds none of its records. */
void stream_set_policy(struct stream *stream, const struct stream_policy *policy);
bool stream_is_implicit(const struct stream *stream);
int64_t stream_created_ms(const struct stream *stream);

uint64_t partition_start(const struct partition *partition);       /* first offset still there */
uint64_t partition_end(const struct partition *partition);         /* next offset to be given */
uint64_t partition_durable_end(const struct partition *partition); /* Kafka's high watermark */
uint64_t partition_bytes(const struct partition *partition);

/* What an append of verbatim batches gave. */
struct append_result {
    uint64_t base_offset;
    uint64_t start_offset;
};

/* Appends whole v2 batches (already checked: one or more, CRC good, counts right; `bytes` is copied
 * with base offsets set). Producer id, epoch and sequence of their headers are checked against the
 * partition's producer state. client_await() then says when they are durable.
 * RC_DUPLICATE: stored before, *ret tells where. RC_SEQUENCE, RC_FENCED: refused.
 * RC_FULL/RC_IO: the store is stalled. RC_REFUSED: not allowed. RC_LIMIT: the
 * stream's queue is full. RC_MEMORY. */
MUST_CHECK enum rc partition_append(struct partition *partition, struct client *client,
                                    struct slice bytes, enum durability durability,
                                    struct append_result *ret);
/* Records below `start` are gone. RC_RANGE: beyond the durable end. RC_IN_USE: a queue or a session
 * owes them. */
MUST_CHECK enum rc partition_trim(struct partition *partition, struct client *client,
                                  uint64_t start);

/* Committed batches from `offset` on; see log_read_cached(). Nothing at or above the durable end is
 * given. RC_RANGE: outside [start, durable end]; RC_OK with no pieces at the durable end itself. */
MUST_CHECK enum rc partition_read_cached(struct partition *partition, uint64_t offset,
                                         size_t max_bytes, struct log_pieces *ret);
/* The same on a reader thread; on_done's pieces may reach beyond the durable end: cut them with
 * partition_cut(). */
void partition_read(struct partition *partition, struct log_read *read);
void partition_read_cancel(struct partition *partition, struct log_read *read);
void partition_cut(struct partition *partition, struct log_pieces *pieces);

/* The offset and timestamp of the first record at or after `time_ms`, found by reading: on_found is
 * called once, perhaps inside this call. RC_NOT_FOUND: none. */
struct time_search;
typedef void time_found_fn(void *arg, enum rc rc, uint64_t offset, int64_t timestamp_ms);
struct time_search *partition_find_time(struct partition *partition, int64_t time_ms,
                                        time_found_fn *on_found, void *arg);
/* on_found will not be called. NULL is accepted, as after it was called. */
void time_search_cancel(struct time_search **search);

/* Waits for the durable end to move, or the partition to go away (rc RC_NOT_FOUND). Embedded in its
 * owner; one-shot; called inside core_poll(). */
struct partition_waiter {
    struct link link;
    void (*on_moved)(struct partition_waiter *waiter, enum rc rc);
};
void partition_wait(struct partition *partition, struct partition_waiter *waiter);
/* Fine when it waits no more. */
void partition_wait_cancel(struct partition_waiter *waiter);

/* Reads an entry of the streams' table without a core: calls visit for each partition. RC_CORRUPT.
 */
typedef void stream_log_fn(void *arg, struct slice stream, unsigned partition, uint32_t log);
MUST_CHECK enum rc stream_entry_each(struct slice key, struct slice value, stream_log_fn *visit,
                                     void *arg);

#endif
