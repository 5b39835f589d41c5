/* SPDX-License-Identifier: Apache-2.0 */
/* Streams as the files of core see them. */
#ifndef TERCET_BROKER_CORE_STREAM_INT_H
#define TERCET_BROKER_CORE_STREAM_INT_H

#include "broker/core/compaction.h"
#include "broker/core/core_int.h"
#include "broker/core/owed.h"
#include "broker/core/stream.h"
#include "broker/record/batch.h"
#include "broker/record/builder.h"

#define STREAM_ID_BYTES 16

struct compacting;
struct producer_table;
struct tail;
struct unlogged;

/* What a partition needs while something happens to it: most of a million are at rest. */
struct partition_work {
    struct partition *partition; /* borrowed: its owner */
    struct batch_builder builder;
    enum durability builder_durability;
    struct link dirty;   /* in core->dirty_partitions while the builder holds records */
    struct link moving;  /* in core->moving_partitions while appends are under way */
    struct ring appends; /* of struct partition_append */
    struct list waiters; /* struct partition_waiter.link */
};

struct partition {
    struct stream *stream; /* borrowed: its owner */
    uint32_t index;
    uint32_t log; /* number in the store; in core->logs by it */
    uint64_t start;
    uint64_t end;        /* next offset, including what is not sealed */
    uint64_t sealed_end; /* what the store was given */
    uint64_t durable_end;
    struct partition_work *work;      /* owned; NULL at rest */
    struct unlogged *unlogged;        /* owned: what it keeps in memory alone; NULL: it is logged */
    struct owed *owed;                /* owned: what sessions are owed of it; NULL: nothing */
    uint64_t grown_bytes;             /* appended since retention looked at it */
    struct deadline retention;        /* in core->retention_dues */
    struct producer_table *producers; /* owned; NULL until the first idempotent append */
    struct compacting *compacting;    /* owned; NULL: its stream is not compacted */
    uint32_t batch_bytes;             /* what its last batch came to */
    bool is_settled_due;              /* it looks soon, because the queue has settled something */
};

/* An append under way: everything below `end` is durable when `ticket` is. */
struct partition_append {
    uint64_t ticket;
    uint64_t end;
};

struct stream {
    struct core *core;       /* borrowed */
    struct map_node by_name; /* its key is the name: canonical; behind the struct, in one piece */
    struct link link;        /* in core->stream_list */
    uint8_t id[STREAM_ID_BYTES];          /* in core->streams_by_id by it */
    struct partition **partitions;        /* of owned; an owned array, or `only` */
    struct queue *queue;                  /* borrowed: whose log it is; NULL */
    struct slice config;                  /* owned bytes, or none */
    struct stream_policy policy;          /* what it says itself */
    struct stream_policy effective;       /* what holds; nothing of it is open */
    struct stream_compaction *compaction; /* owned; NULL: not compacted */
    struct tail *tail;                    /* owned; NULL: retained messages lie beside its log */
    int64_t created_ms;
    unsigned partition_count;
    bool is_implicit : 1;
    bool is_hidden : 1;
    bool is_transient : 1;
    bool has_retained : 1; /* MQTT's, in its log until it is compacted no more */
    bool is_deleted : 1;   /* being taken apart */
    struct partition *only;
    struct partition first; /* partitions[0] */
};
/* A million at rest are to cost 500 bytes each, with name, tables and the log's own part. */
_Static_assert(sizeof(struct stream) <= 328, "a stream at rest");

/* Where a message went. */
struct placed {
    struct partition *partition; /* NULL: it was not logged */
    uint64_t offset;
};

/* Appends one message to the turn's batch of its partition, or to what that keeps in memory, and
 * tells the stream's queue. RC_MEMORY, RC_TOO_LARGE. */
MUST_CHECK enum rc stream_append(struct stream *stream, struct message *message,
                                 enum durability durability, struct placed *ret);
/* A stream may ask for less than its publishers do. */
enum durability stream_durability(const struct stream *stream, enum durability wanted);
/* Put for a record of that partition; confirmed with it. */
void partition_took_ticket(struct partition *partition, uint64_t ticket);
/* The partition a key belongs to, as Kafka's clients choose it. */
struct partition *stream_choose(struct stream *stream, struct slice key);
struct partition *partition_of_log(struct core *core, uint32_t log);
/* It goes away: its waiters are told. */
void partition_stop(struct partition *partition);
/* Its log has another number from now on: nobody is owed anything of it. */
void partition_disown(struct partition *partition);
/* A session is owed the record at that offset, and not any longer. */
void partition_owe(struct partition *partition, uint64_t offset);
void partition_paid(struct partition *partition, uint64_t offset);
/* As owed_floor(). */
uint64_t partition_owed_floor(const struct partition *partition);
/* Gives the builder's records to the store. */
void partition_seal(struct partition *partition);
/* Takes the stream out and frees it; the caller has checked that it may. */
void stream_remove(struct stream *stream);
/* Gives the store what was kept in memory, from the partition's end on. Takes the block. */
void partition_put(struct partition *partition, struct log_piece *piece);
/* Its end moved, and all of that may be read. */
void partition_moved(struct partition *partition);
/* As log_find_time(). */
MUST_CHECK enum rc partition_find_index(const struct partition *partition, int64_t time_ms,
                                        uint64_t *ret_offset);
/* Moves the start without asking who owes what (retention has). */
void partition_trim_to(struct partition *partition, uint64_t start);

/* ---- stream.c: for what loads them ---- */

/* Gives one with that many partitions, which are to be made, all else open or zero. It is found
 * when it is linked; until then it is the caller's. */
struct stream *stream_new(struct core *core, struct slice name, unsigned partition_count);
/* Makes a partition of it, from where the store's log of that number is. The caller sets it. */
struct partition *stream_partition_new(struct stream *stream, unsigned index, uint32_t log);
/* Has core find it, and own it. While core is loading only the list does. */
void stream_link(struct stream *stream);
/* Compacted as that says from now on, which is copied; NULL: no more. Nothing is recorded. */
void stream_take_compaction(struct stream *stream, const struct stream_compaction *compaction);

/* ---- stream_record.c ---- */

/* Puts what the catalogue says of it. */
void stream_record(struct stream *stream);
/* The catalogue knows it no more. */
void stream_record_delete(struct stream *stream);

/* ---- stream_policy.c ---- */

/* Reckons what holds, after whatever it depends on: the policy, what made the stream, how many
 * partitions share. `is_logged`: it has records that are. */
void stream_resolve_policy(struct stream *stream, bool is_logged);
/* After what decides whether the stream is logged has changed. What it keeps in memory is written
 * when it is to be. */
void stream_follow_policy(struct stream *stream);

/* ---- producer.c ---- */

/* RC_OK: append it. Else as partition_append(). */
MUST_CHECK enum rc producer_check(struct partition *partition, const struct batch_header *batch,
                                  struct append_result *ret_duplicate);
void producer_appended(struct partition *partition, const struct batch_header *batch,
                       uint64_t base_offset);
void producers_free(struct partition *partition);
/* Forgets a deleted log's producers in the store too. */
void producers_drop(struct partition *partition);
/* A value of META_PRODUCERS. */
MUST_CHECK enum rc producer_load(struct core *core, struct slice key, struct slice value);

/* ---- publish.c ---- */
/* Verbatim batches were appended: subscriptions and bindings get their records. */
void publish_batches(struct partition *partition, struct client *client, struct slice bytes,
                     uint64_t base_offset);

#endif
