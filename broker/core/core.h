/* SPDX-License-Identifier: Apache-2.0 */
/* The broker without protocols: streams, queues, sessions, routing. One thread owns all of it.
 *
 * A turn of the loop: protocols call in with what peers sent; core_turn_end() then delivers from
 * queues, packs the turn's records into batches, hands them to the store and reports what became
 * durable. */
#ifndef TERCET_BROKER_CORE_CORE_H
#define TERCET_BROKER_CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "storage/log.h"

struct core;
struct policy_rule;
struct store;

/* What happens when one more message is owed to a session that is owed as many as it may be. */
enum session_overflow {
    OVERFLOW_DROP_OLDEST, /* that was not sent yet */
    OVERFLOW_DROP_NEWEST,
    OVERFLOW_REJECT, /* the publisher is refused; what it cannot refuse any more is dropped */
    OVERFLOW_END,    /* the session ends; a group of shared subscriptions drops its oldest */
};

struct core_config {
    bool auto_stream;                /* a publish to an unknown address makes its stream */
    unsigned default_partitions;     /* of streams made without saying how many */
    bool dots_as_rabbitmq;           /* option mqtt.dots: plain swap of '.' and '/' */
    uint64_t retention_ms;           /* of records in streams; 0: for ever */
    uint64_t retention_bytes;        /* of implicit streams; 0: no limit */
    int64_t durability;              /* of streams that say nothing else, as in stream_policy */
    uint64_t unlogged_bytes;         /* what one that is not logged keeps, if it says nothing */
    uint64_t unlogged_total_bytes;   /* what all of them keep at most */
    const struct policy_rule *rules; /* the first that matches a stream; borrowed until core_free */
    unsigned rule_count;
    uint64_t sync_interval_ms; /* the store's, for those who ask what `interval` means */
    unsigned gather_ms; /* what nobody waits for waits so long for more to come; 0: not at all */
    uint64_t consumed_retention_ms;    /* how long a queue keeps what was consumed */
    uint64_t consumed_retention_bytes; /* and how much of it; 0: no limit */
    uint64_t session_max_messages;     /* that a session may be owed */
    uint64_t session_max_bytes;        /* of them; 0: no limit */
    uint64_t sessions_max;             /* that there may be; 0: no limit */
    enum session_overflow session_overflow;
    bool keeps_qos0;               /* messages of QoS 0 wait for sessions that are away */
    bool upgrades_qos;             /* delivered as subscribed, though published with less */
    bool checks_retain_source;     /* by whether its publisher might still publish it */
    uint64_t retained_max;         /* retained messages; 0: no limit, as for the next two */
    uint64_t retained_max_bytes;   /* of them, with their addresses */
    uint64_t retained_expiry_ms;   /* how long one is kept */
    uint64_t delayed_max;          /* messages that wait for their time; 0: no limit */
    uint64_t delayed_max_bytes;    /* of them; 0: no limit */
    uint64_t delayed_max_delay_ms; /* the longest delay, at most DELAY_MAX_MS */
    uint64_t share_grace_ms;       /* how long what an absent member was sent is its own */
    unsigned disk_warn_percent;    /* of the disk in use: from here on it is logged, */
    unsigned disk_stop_percent;    /* and from here on publishers are paused; 100: never for that */
    /* But not while this is free, for the warning twice it; 0: none. */
    uint64_t disk_free_enough_bytes;
    uint64_t disk_free_min_bytes; /* they are also when less than this is free */
    uint64_t memory_limit_bytes;  /* at which they are too; 0: none */
    /* Have core_disk_room() called, on the core's thread; arg is wake_arg. NULL: there is no disk.
     */
    void (*ask_room)(void *arg);
    /* Any thread: have core_poll() called soon, on the core's thread. */
    void (*wake)(void *arg);
    void *wake_arg; /* borrowed until store_close(): the store's threads wake too */
};

#define CORE_CONFIG_DEFAULT                                                                     \
    {                                                                                           \
        .auto_stream = true, .default_partitions = 1, .retention_ms = UINT64_C(7) * 86400000,   \
        .retention_bytes = UINT64_C(1) << 30, .disk_warn_percent = 75, .disk_stop_percent = 85, \
        .durability = DURABILITY_ALWAYS, .sync_interval_ms = 200,                               \
        .consumed_retention_bytes = UINT64_C(1) << 30, .consumed_retention_ms = 600000,         \
        .unlogged_bytes = UINT64_C(256) << 10, .unlogged_total_bytes = UINT64_C(64) << 20,      \
        .share_grace_ms = 5000, .session_max_messages = 10000000, .delayed_max = 10000000,      \
        .delayed_max_bytes = UINT64_C(4) << 30, .delayed_max_delay_ms = UINT64_C(50) * 86400000 \
    }

/* Reads all that the store knows and makes it live. Borrows `store`, which must outlive the core.
 * RC_CORRUPT, RC_VERSION: what the catalogue says makes no sense; the log line says what. RC_IO,
 * RC_MEMORY: it could not be read. There is no core after any of them. */
MUST_CHECK enum rc core_new(struct store *store, const struct core_config *config,
                            struct core **ret);
/* All clients are closed, nothing more comes, and the next start is to know it: until then all that
 * was delivered is on record. Followed by store_flush() or store_close(). */
void core_stop(struct core *core);
/* All clients must be closed. What was put is flushed by store_close(), not here. */
void core_free(struct core **core);

/* At the end of each turn of the loop, before output is written. */
void core_turn_end(struct core *core);
/* After wake(). */
void core_poll(struct core *core);
/* The answer to ask_room(): bytes of the disk, and how many of them are free. A total of 0: not
 * known. */
void core_disk_room(struct core *core, uint64_t total_bytes, uint64_t free_bytes);
/* Monotonic time at which core_poll() is wanted at the latest; UINT64_MAX: never. Ask it after each
 * core_turn_end(). */
uint64_t core_next_deadline_ns(const struct core *core);

/* The store cannot take records now (RC_FULL, RC_IO ...), or RC_OK. */
enum rc core_stall(const struct core *core);
/* Bytes that were put and are not yet committed. */
uint64_t core_backlog_bytes(const struct core *core);
/* How long commits of late took, from hand-over to completion: median and 99th percentile, in ns. 0
 * when there were none. */
void core_commit_latency(const struct core *core, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns);
/* Wall clock in ms, read once a turn. */
int64_t core_wall_ms(struct core *core);
/* A random 128-bit identity of this store, made once: Kafka's cluster id and such are spelled from
 * it. */
const uint8_t *core_identity(const struct core *core);
const struct core_config *core_config(const struct core *core);

#endif
