/* SPDX-License-Identifier: Apache-2.0 */
/* The data door of storage: append with completion, read, trim. Core thread only, never blocks.
 *
 * A store holds numbered logs. A log is a run of entries with contiguous offsets; an entry is what
 * one append brought, or what several small ones brought in a row: one or more whole Kafka v2
 * record batches, stored and given back byte for byte. All that is put between two submits (records
 * and meta changes) reaches the disk in order, and whatever shares a commit is there wholly or not
 * at all after a crash. */
#ifndef TERCET_STORAGE_LOG_H
#define TERCET_STORAGE_LOG_H

#include "broker/base/block.h"
#include "broker/base/list.h"
#include "broker/base/rc.h"

struct store;

/* What must be true before an append counts as done. A commit takes the strongest of its appends.
 */
enum durability {
    DURABILITY_MEMORY,   /* nobody waits: written within some ms, or with the next commit */
    DURABILITY_INTERVAL, /* in the page cache: kill -9 loses nothing; synced within an interval */
    DURABILITY_ALWAYS,   /* synced to the device */
};

/* What a store tells its user. All but wake() are called on the core thread, inside store_poll().
 */
struct store_events {
    /* Everything whose ticket is <= `ticket` is as durable as it asked. Rises only. */
    void (*on_durable)(void *arg, uint64_t ticket);
    /* The store cannot take records now (rc says why: RC_FULL, RC_IO ...) or again can (RC_OK).
     * What was appended stays in memory and is tried again each second; nothing of it is lost or
     * reported durable meanwhile. */
    void (*on_stall)(void *arg, enum rc rc);
    /* Any thread: have the core thread call store_poll() soon. */
    void (*wake)(void *wake_arg);
    void *arg;      /* borrowed until store_forget_user() or store_close() */
    void *wake_arg; /* borrowed until store_close(): the writer may be about to wake */
};

/* Options that every backend takes; a backend ignores what it has no use for. */
struct store_config {
    const char *directory;      /* borrowed during open */
    uint64_t cache_bytes;       /* tail cache */
    uint64_t segment_max_bytes; /* capacity that segments grow up to */
    uint64_t segment_first_bytes;
    unsigned interval_ms; /* longest time between syncs for DURABILITY_INTERVAL and _MEMORY */
    bool is_prewritten;   /* prepare segments by writing them (production) or not (fixtures) */
    bool has_sync;        /* false: never sync, for measuring; power loss then loses data */
};

#define STORE_CONFIG_DEFAULT                                                                  \
    {                                                                                         \
        .cache_bytes = UINT64_C(64) << 20, .segment_max_bytes = UINT64_C(128) << 20,          \
        .segment_first_bytes = UINT64_C(16) << 20, .interval_ms = 200, .is_prewritten = true, \
        .has_sync = true                                                                      \
    }

/* Sets what the store reports to; before the first append. Until then events are not called. */
void store_set_events(struct store *store, const struct store_events *events);
/* on_durable and on_stall are not called any more: their user goes before the store is closed. */
void store_forget_user(struct store *store);
/* Whether what was put since the last submit should be submitted now. */
enum store_due {
    STORE_DUE_NEVER, /* nothing was put */
    STORE_DUE_LATER, /* it asked for DURABILITY_MEMORY alone, and is little: more may join it */
    STORE_DUE_NOW,
};
enum store_due store_due(const struct store *store);
/* Hands all that was put since the last call to the writer, to be committed at once. */
void store_submit(struct store *store);
/* The same for what is STORE_DUE_LATER: there is no wake() when it is done, for it is told with the
 * next poll, whoever asked for that. */
void store_submit_quietly(struct store *store);
/* Somebody waits for what was put so far, whatever it asked: it is due, and there is a wake() when
 * it is done. Before or after its submit. */
void store_hurry(struct store *store);
/* True when a poll may report something: for who looks each turn instead of being woken. */
bool store_has_news(const struct store *store);
/* Reports what finished; after a wake(). */
void store_poll(struct store *store);
/* Waits until all that was put is durable (blocks: shutdown and tests only), then polls. RC of the
 * stall when the store is stalled. */
MUST_CHECK enum rc store_flush(struct store *store);
/* Flushes if it can, closes, frees. Logs and pieces handed out must be released before. */
void store_close(struct store **store);
/* Bytes put and not yet committed: what back-pressure looks at. */
uint64_t store_backlog_bytes(const struct store *store);
/* Median and 99th percentile of recent commits from hand-over to completion, in ns; 0 when none. */
void store_commit_latency(const struct store *store, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns);

/* ---- appending ---- */

struct append {
    uint32_t log;             /* > 0; comes into being by its first append */
    uint64_t base_offset;     /* must be the log's end (asserted) */
    uint32_t record_count;    /* > 0: offsets it takes */
    int64_t max_timestamp_ms; /* greatest of its records */
    enum durability durability;
    struct block *bytes; /* taken: the batches, their base offsets already set */
};

/* Queues the append and gives its ticket. The bytes are readable at once; whether readers may see
 * them before they are durable is the caller's rule. */
uint64_t log_append(struct store *store, const struct append *append);

/* It is about to be appended to: a hint. With very many logs in turn, an append waits for memory
 * unless its log was named some appends before. */
void log_expect(const struct store *store, uint32_t log);

/* Moves the start of the log to `start` (which must lie within it); what lies below is reclaimed in
 * time. Rides like an append; gives its ticket. */
uint64_t log_trim(struct store *store, uint32_t log, uint64_t start);
/* Forgets a log. Its number must not be used again. */
uint64_t log_drop(struct store *store, uint32_t log);

/* Offsets that the log holds: [start, end). RC_NOT_FOUND: it was never appended to, or dropped. */
MUST_CHECK enum rc log_range(const struct store *store, uint32_t log, uint64_t *ret_start,
                             uint64_t *ret_end);
/* Bytes of the log's live entries, counted whole while any record of them lives; appends may have
 * been joined on disk. 0 when there is none. */
uint64_t log_bytes(const struct store *store, uint32_t log);

#define LOG_OVER_ENTRIES 4096 /* that one log_over() looks at */
/* The offset from which on the log holds `bytes`; within the entry where that is, by the mean size
 * of its records. False: there may be more than that, but what was trimmed is still being
 * forgotten, or it lies behind LOG_OVER_ENTRIES. */
bool log_over(const struct store *store, uint32_t log, uint64_t bytes, uint64_t *ret_offset);
/* Where that is in an entry of which `over` bytes are too many. */
uint64_t log_over_in(uint64_t base_offset, uint32_t record_count, uint64_t length, uint64_t over);

/* ---- compaction ---- */

/* A log whose records' keys matter is compacted when its user asks for it: below `end` the last
 * record of each key stays, and those without a key. Records keep their offsets; offsets without a
 * record are taken by the batches around, so that pieces still follow each other without a gap. A
 * record without a value stays for a while after it was first compacted, so that readers learn that
 * the key is gone. */
struct log_compact {
    struct link link; /* the store's while under way */
    uint32_t log;
    uint64_t end;                /* what lies here and above is left as it is */
    int64_t newest_ms;           /* and what comes after the first entry with a record after that */
    int64_t delete_retention_ms; /* for records without a value */
    /* Called inside store_poll(). RC_NOT_FOUND: the log is gone; else what failed: nothing, or only
     * part of it, was done. */
    void (*on_done)(struct log_compact *compact, enum rc rc);
    bool is_under_way;
    bool is_partial; /* out: not all below `end` was compacted; ask again */
    void *detail;    /* the backend's */
};

/* Embedded in its owner, which keeps it until on_done or log_compact_cancel(). Takes its time: it
 * runs on other threads, one log at a time. */
void log_compact(struct store *store, struct log_compact *compact);
/* on_done will not be called; it may be done all the same. */
void log_compact_cancel(struct store *store, struct log_compact *compact);
/* Below `ret_end` it was compacted before; at `ret_next_ms` (INT64_MAX: never) a record without a
 * value is to go. `ret_bytes`: of what lies above. */
void log_compacted(const struct store *store, uint32_t log, uint64_t *ret_end, int64_t *ret_next_ms,
                   uint64_t *ret_bytes);

/* ---- reading ---- */

/* A run of whole batches that lies in one piece of memory and stands for all offsets in its range;
 * those that compaction left without a record are in no batch. */
struct log_piece {
    struct block *block; /* owned: one reference, dropped by log_pieces_done() */
    struct slice bytes;  /* borrowed from block */
    uint64_t base_offset;
    uint64_t next_offset;
};

#define LOG_PIECES_MAX 64

struct log_pieces {
    struct log_piece at[LOG_PIECES_MAX];
    unsigned count;
    size_t bytes;
};

void log_pieces_done(struct log_pieces *pieces);

/* From the entry that holds `offset` on, up to max_bytes (but at least one entry), what is in
 * memory now. The first piece may begin below `offset`. RC_AGAIN: the first entry is not in memory,
 * use log_read(). RC_RANGE: outside [start, end). `ret` is set only on RC_OK. */
MUST_CHECK enum rc log_read_cached(struct store *store, uint32_t log, uint64_t offset,
                                   size_t max_bytes, struct log_pieces *ret);

struct log_read;
/* `pieces` is for the callee to keep or to release; RC_CORRUPT: the entry fails its checksum (the
 * log line names it); RC_RANGE: trimmed away meanwhile; RC_IO. */
typedef void log_read_fn(struct log_read *read, enum rc rc);

/* A read under way; embedded in its owner, which keeps it until on_done or log_read_cancel(). */
struct log_read {
    struct link link; /* the store's while under way */
    uint32_t log;
    uint64_t offset;
    size_t max_bytes;
    log_read_fn *on_done; /* called inside store_poll(), never inside log_read() */
    struct log_pieces pieces;
    bool is_under_way;
    void *detail; /* the backend's */
};

/* Reads as log_read_cached() does, on a reader thread when the data is not in memory. */
void log_read(struct store *store, struct log_read *read);
/* on_done will not be called any more. */
void log_read_cancel(struct store *store, struct log_read *read);

/* An offset to read from on to find the first record with a timestamp >= `time_ms`, by the index
 * alone: appends that share an entry on disk count as one. RC_NOT_FOUND: there is no such record.
 */
MUST_CHECK enum rc log_find_time(const struct store *store, uint32_t log, int64_t time_ms,
                                 uint64_t *ret_offset);

#endif
