/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the durable store share: its struct and the jobs that threads hand over. */
#ifndef TERCET_STORAGE_LMDB_STORE_INT_H
#define TERCET_STORAGE_LMDB_STORE_INT_H

#include "broker/base/map.h"
#include "broker/base/ring.h"
#include "broker/base/thread.h"
#include "storage/backend.h"
#include "storage/lmdb/catalog.h"
#include "storage/lmdb/index.h"
#include "storage/lmdb/segment.h"
#include "storage/slots.h"
#include "storage/tail.h"

#define RUN_MAX_BYTES ((uint32_t)64 << 10) /* appends of one log in one submit share an entry */
#define READER_COUNT  2
/* As many as a fast log fills while a checkpoint lets go of those it emptied. */
#define SET_ASIDE_MAX   2
#define LATENCY_SAMPLES 1024
#define STALL_RETRY_MS  1000
#define CHECKPOINT_MS   30000
#define NAME_MAX_BYTES  (1 + META_KEY_MAX_BYTES)
/* More than this is not gathered though nobody waits for it: what a commit costs is small beside
 * it. */
#define LATER_MAX_BYTES  ((uint64_t)512 << 10)
#define COMMIT_MAX_BYTES ((uint64_t)8 << 20) /* batches that share a commit, for latency's sake */

/* Entries that are forgotten between two polls, of which a turn may have three: some 0.1 us each.
 */
#define FORGET_ENTRIES 2500
/* Rows that are looked at together. */
#define OVER_CHUNK 64

enum job_kind {
    JOB_BATCH,      /* core -> writer -> core */
    JOB_STALL,      /* writer -> core */
    JOB_READ,       /* core -> reader -> core */
    JOB_PREPARE,    /* writer -> maintenance */
    JOB_CHECKPOINT, /* writer -> maintenance */
    JOB_ABANDON,    /* writer -> maintenance: a segment that holds nothing */
    JOB_MOVED,      /* writer -> core */
    JOB_COPY,       /* core -> maintenance, copier -> core: see copy.h */
    JOB_BACKUP,     /* core, in a batch -> writer -> maintenance -> its thread -> core */
};

/* The first member of all that goes through a mailbox. */
struct job {
    struct link link;
    enum job_kind kind;
};

/* One log. Core thread. With 100,000 of them in turn each visit finds it out of the processor's
 * caches, and the memory that it points to again: an append to a log that has few entries in memory
 * needs these two lines alone, its completion not even them, and its row is made when its entry
 * leaves the memory, or somebody looks at the rows: see store_log_settle(). */
struct store_log {
    uint32_t number;    /* first: as slots want it */
    uint8_t lazy;       /* runs, TAIL_FEW at the most, that get their row later */
    bool is_dropped;    /* not found any more; freed when nothing of it is left */
    bool is_over;       /* and nothing of it is under way */
    bool is_forgetting; /* it stands among those of which entries are to be forgotten */
    uint64_t end;
    uint64_t bytes;
    struct item *run; /* borrowed: its run in the open batch, if open_batch says so */
    uint64_t open_batch;
    struct tail tail; /* newest entries that are in memory, committed or not */
    uint64_t start;
    struct rows rows; /* committed entries, but for lazy ones, which lie behind */
};
_Static_assert(sizeof(struct store_log) <= (size_t)2 * SLOT_LINE,
               "a log is two lines of the processor's cache");
#define LOG_SLOT_BYTES ((size_t)2 * SLOT_LINE)

/* One thing put: an append, a trim, a drop or a meta change. Core thread but for the last group;
 * while its batch is under way nobody changes the rest. */
struct item {
    struct entry entry;    /* first: the tail's; of a trim the new start as base offset alone */
    struct item *next;     /* owned by the batch: heads of runs and single items, in order */
    struct store_log *log; /* NULL for meta */
    uint32_t log_number;
    uint8_t kind;  /* enum entry_kind */
    uint8_t place; /* in its slab */
    bool is_first; /* of its log */
    bool is_in_tail;
    bool is_in_flight;
    bool is_counted;       /* in its log's bytes */
    bool is_merged;        /* set by the writer: into the entry of the run before it */
    bool is_lazy;          /* head of data: its log counts it among those without a row */
    struct item *run_next; /* data alone */
    union {
        struct item *run_last; /* data: head only */
        uint8_t *payload;      /* meta: owned */
    };
    uint32_t run_bytes; /* head of data only, as the next two; of meta the payload's */
    uint32_t run_records;
    int64_t run_time_ms;
    struct link fresh; /* in the cache, from the oldest */
    /* set by the writer */
    uint32_t segment;
    uint32_t position; /* of the entry, in units of ENTRY_ALIGN */
};
_Static_assert(sizeof(struct item) <= (size_t)2 * SLOT_LINE, "one for each append in the cache");

/* A segment as the core thread sees it. */
struct segment_info {
    struct map_node node; /* key: the number below */
    uint32_t number;
    uint32_t reads;            /* under way */
    uint64_t live_bytes;       /* room of entries that somebody may read */
    uint64_t file_bytes;       /* written to it, the index aside */
    bool is_closed;            /* nothing is appended to it any more */
    bool is_sparse;            /* so little of it lives that copying that would free its space */
    bool is_damaged;           /* not all of it could be copied: not tried again */
    bool is_pinned;            /* by the copy under way */
    struct segment_info *next; /* in a batch's list of those to retire */
};

struct item_slab;

/* Memory for items: they come and go in order, and many at a time. */
struct item_slabs {
    struct list roomy; /* struct item_slab: with room for one more */
    unsigned empty_count;
};

/* What was put between two submits. */
struct batch {
    struct job job;
    struct item *first; /* owned */
    struct item *last;
    uint64_t ticket; /* of the last item */
    uint64_t bytes;
    uint64_t submitted_ns;
    enum durability durability;
    bool is_flush;               /* to be synced whatever it asks */
    bool is_hurried;             /* somebody waits for it whatever it asks */
    bool is_quiet;               /* nobody is to be woken when it is done */
    struct backup_job *backup;   /* owned: to begin when all that came before is committed */
    struct segment_info *retire; /* owned: hold nothing live, after all that came before */
    struct batch *next;          /* owned: of the same commit, coming back with it */
    uint32_t segment;            /* set by the writer; 0: nothing was to be written */
    uint64_t segment_bytes;      /* set by the writer: of all frames in it by then */
    enum rc flushed;             /* set by the writer: of a flush alone */
};

struct stall {
    struct job job;
    enum rc rc;
};

struct read_job {
    struct job job;
    struct log_read *read; /* borrowed; NULL when cancelled, and while it is read ahead */
    struct link ahead;     /* in the store's list while nobody has asked for it yet */
    bool is_done;          /* and it waits there with its pieces */
    uint32_t log;
    uint64_t offset;
    size_t max_bytes;
    enum rc rc;
    unsigned row_count;
    struct row rows[LOG_PIECES_MAX];
    struct log_pieces pieces;
};

struct reader {
    struct lmdb_store *store; /* borrowed */
    struct thread thread;
    struct mailbox inbox;
    bool is_running;
};

struct prepare {
    struct job job;
    uint64_t capacity;
    enum filling filling;
};

struct abandon {
    struct job job;
    struct segment *segment; /* owned */
};

/* What lay in one segment from some place on is in another now. Writer, then core. */
struct moved {
    struct job job;
    uint32_t from;
    uint32_t to;
    uint32_t from_position; /* in units of ENTRY_ALIGN */
    uint32_t to_position;
};

/* A change of the catalogue that waits for the next checkpoint. Writer, then maintenance. */
struct change {
    struct map_node node; /* key: the name in `payload` */
    uint8_t *payload;     /* owned: as in an entry: name length, name, value */
    uint32_t bytes;
    bool is_delete;
};

struct checkpoint {
    struct job job;
    struct map changes;
    uint64_t covered;     /* all frames up to this sequence are in it and on the device */
    struct segment *seal; /* owned; NULL: none */
    bool is_last;         /* cut the file to what it holds: it was left before it was full */
    uint32_t *retire;     /* owned: segments that hold nothing live */
    uint32_t retire_count;
    /* maintenance */
    struct sealed sealed;
    bool is_sealed;
};

struct writer {
    struct lmdb_store *store; /* borrowed */
    struct thread thread;
    struct mailbox inbox;
    _Atomic uint64_t hurry; /* up to this ticket, what was submitted quietly is waited for */
    _Atomic uint64_t written_bytes; /* in all: the copier keeps a pace with it */
    /* writer thread */
    struct list pending;    /* batches not yet committed */
    struct segment *active; /* owned; NULL: could not be made */
    uint64_t active_since_ns;
    uint64_t next_capacity;
    uint64_t sequence;        /* of the last frame */
    uint64_t synced_sequence; /* all frames up to it are on the device */
    uint32_t ordinal;
    struct map changes;
    uint64_t change_bytes;
    uint32_t *retire; /* owned */
    uint32_t retire_count;
    uint64_t sync_due_ns;       /* 0: nothing is unsynced */
    uint64_t checkpoint_due_ns; /* 0: nothing to checkpoint */
    uint64_t retry_at_ns;
    enum rc stalled;
    bool is_prepare_asked;
    struct plan *plan;         /* owned */
    struct backup_job *backup; /* owned: to be begun */
};

/* A segment that could not be sealed: the next open reads it whole. */
struct unsealed {
    uint32_t number;
    uint64_t bytes; /* of its frames */
};

struct maintenance {
    struct lmdb_store *store; /* borrowed */
    struct thread thread;
    bool is_running;
    struct mailbox inbox;
    pthread_mutex_t lock;
    struct segment *spare; /* owned; under lock: prepared for the writer */
    uint32_t next_number;  /* under lock: of the next segment file */
    _Atomic unsigned checkpoints_under_way;
    /* maintenance thread */
    struct list checkpoints;   /* those that the catalogue could not take yet */
    struct unsealed *unsealed; /* owned */
    unsigned unsealed_count;
    uint32_t set_aside[SET_ASIDE_MAX]; /* files in spare/ to be written over */
    unsigned set_aside_count;
    struct copy_job *copy; /* owned: that the catalogue has not yet taken */
};

struct copy_job;

/* Writes copies, apart from what the writer waits for. */
struct copier {
    struct lmdb_store *store; /* borrowed */
    struct thread thread;
    struct mailbox inbox;
    struct bell bell; /* ends its naps */
    bool is_running;
    _Atomic bool is_ending;
};

struct lmdb_store {
    struct store store; /* first */
    /* fixed after open */
    struct place place;
    struct store_config config; /* its directory is borrowed and not used after open */
    int lock_fd;                /* owned */
    uint64_t store_id;
    /* core thread */
    struct slots logs; /* struct store_log */
    struct item_slabs items;
    struct map segments;
    struct segment_info *active; /* borrowed: where the last completed commit went */
    struct batch *open;          /* owned: what was put since the last submit */
    uint64_t open_number;
    uint64_t ticket;
    uint64_t ticket_done;
    uint64_t backlog_bytes;
    struct ring forgetting; /* uint32_t: numbers of logs with entries that nobody can read */
    unsigned forget_left;   /* entries that may be forgotten before the next poll */
    struct list fresh;      /* committed items that are in tails, from the oldest */
    uint64_t fresh_bytes;
    uint32_t entry_bytes; /* of the entry whose runs are being completed, so far */
    struct list ahead;    /* what was, or is being, read before it is asked for: oldest first */
    unsigned ahead_count;
    struct list reads;     /* to be answered from memory by the next poll */
    struct list reads_now; /* those that the poll under way answers */
    enum rc stalled;
    enum rc flushed; /* what the last flush came to */
    uint64_t flushes_asked;
    uint64_t flushes_done;
    uint64_t latency_ns[LATENCY_SAMPLES];
    uint64_t latency_count;
    unsigned next_reader;
    struct copy_job *copy;         /* owned: that the core thread works on */
    struct list compacts;          /* struct log_compact: that wait for their turn */
    struct map compacted;          /* how far logs were compacted: struct compacted_log, owned */
    struct compaction *compaction; /* borrowed: of the copy under way; NULL: it is none */
    bool is_copying;               /* a copy is under way, here or on another thread */
    bool is_copy_wanted;           /* segments are to be looked at */
    uint64_t copy_after_ns;        /* not before: one has failed; 0: at any time */
    struct backup_job *backup;     /* borrowed: under way */
    /* between threads */
    struct mailbox done;   /* to the core thread */
    _Atomic bool has_news; /* something was put there since the last look */
    _Atomic bool is_woken; /* and the core thread was called for it */
    _Atomic bool is_ending;
    struct writer writer;
    struct maintenance maintenance;
    struct copier copier;
    struct reader readers[READER_COUNT];
    struct catalog catalog;
};

static inline struct lmdb_store *lmdb_store_of(const struct store *store)
{
    return (struct lmdb_store *)(uintptr_t)store; /* its first member; const is the caller's */
}

/* Gives a job to the core thread and has it looked at soon. Any thread. */
void store_done(struct lmdb_store *s, struct job *job);
/* Gives it a job that it finds when it looks by itself, and has it look. */
void store_done_quietly(struct lmdb_store *s, struct job *job);
void store_wake(struct lmdb_store *s);

/* Items of one turn lie side by side, as a rule, and were in another thread's hands: those that
 * come after this one are asked for. */
#define ITEMS_LOOK_ON 16
static inline void item_look_on(const struct item *item)
{
    __builtin_prefetch(item + ITEMS_LOOK_ON, 1);
    __builtin_prefetch(&item[ITEMS_LOOK_ON].fresh, 1);
}

/* ---- items.c, core thread ---- */
void item_slabs_init(struct item_slabs *slabs);
/* When no item is left. */
void item_slabs_done(struct item_slabs *slabs);
/* All zero but for its place. */
struct item *item_new(struct item_slabs *slabs);
/* In no list and with no batch; its block or payload goes with it. */
void item_free(struct item_slabs *slabs, struct item **item);

/* ---- logs.c, core thread ---- */
void store_logs_init(struct lmdb_store *s);
/* Frees them all: nothing is in flight. */
void store_logs_done(struct lmdb_store *s);
struct store_log *store_log_get(const struct lmdb_store *s, uint32_t number);
struct store_log *store_log_new(struct lmdb_store *s, uint32_t number, uint64_t start);
/* Makes the rows of what is committed: before anybody looks at them. */
void store_log_settle(struct store_log *log);
/* Takes its oldest entry out of the cache if it ends at or below `end`. False: it does not. */
bool store_log_evict(struct lmdb_store *s, struct store_log *log, uint64_t end);
/* Takes its oldest entry, which there must be, out of the cache. */
void store_log_drop_first(struct lmdb_store *s, struct store_log *log);
/* Does its oldest row lie below its start? */
bool store_log_has_dead_row(const struct store_log *log);
/* Frees one that was dropped when nothing of it is left. */
void store_log_free_if_idle(struct lmdb_store *s, struct store_log *log);
/* Adds a committed row; one that lies below the start is not kept. */
void store_log_add_row(struct lmdb_store *s, struct store_log *log, const struct row *row);
struct segment_info *segment_info_get(struct lmdb_store *s, uint32_t number);
struct segment_info *segment_info_new(struct lmdb_store *s, uint32_t number);
/* A row of it is dead. */
void segment_info_less(struct segment_info *info, const struct row *row);
/* After its live bytes, reads or state changed: asks for its end if nothing needs it. */
void segment_info_check(struct lmdb_store *s, struct segment_info *info);
/* What batches that came back with one commit mean for logs, cache and segments. */
void batch_complete(struct lmdb_store *s, struct batch *group);
/* Rows that point to what was moved point to where it is. */
void rows_move(struct lmdb_store *s, const struct moved *moved);
/* Ends the flight of its items; the batch is empty then. */
void batch_release(struct lmdb_store *s, struct batch *batch);
void batch_free(struct batch **batch);
struct batch *store_open_batch(struct lmdb_store *s);
/* Has the open batch synced; gives the number of that flush among all. */
uint64_t store_ask_flush(struct lmdb_store *s);

/* ---- forget.c, core thread ---- */
/* What lies below `start` is not found any more, and is forgotten at once: for a start. */
void store_log_trim(struct lmdb_store *s, struct store_log *log, uint64_t start);
/* It is not found any more; freed when nothing of it is under way. All at once too. */
void store_log_drop(struct lmdb_store *s, struct store_log *log);
/* The same two, but what is not readable any more is forgotten some entries at a time. */
void store_log_begin_trim(struct lmdb_store *s, struct store_log *log, uint64_t start);
void store_log_begin_drop(struct lmdb_store *s, struct store_log *log);
/* A poll's part of that. */
void store_logs_forget(struct lmdb_store *s);
/* Of what can be read; reckoned while the rest is being forgotten. */
uint64_t store_log_bytes(struct store_log *log);
/* See log_over(). */
bool store_log_over(struct store_log *log, uint64_t bytes, uint64_t *ret_offset);

/* ---- reads.c, core thread: backend.h's functions and what a reader's answer means ---- */
enum rc read_cached(struct store *store, uint32_t number, uint64_t offset, size_t max_bytes,
                    struct log_pieces *ret);
void read_begin(struct store *store, struct log_read *read);
void read_cancel(struct store *store, struct log_read *read);
enum rc read_find_time(const struct store *store, uint32_t number, int64_t time_ms,
                       uint64_t *ret_offset);
void read_finish(struct lmdb_store *s, struct read_job *job);
void reads_answer(struct lmdb_store *s);
/* A job for the rows from the one that holds the offset on, which the log must have. */
struct read_job *read_job_new(struct lmdb_store *s, struct store_log *log, uint64_t offset,
                              size_t max_bytes);

/* ---- ahead.c, core thread ---- */
/* Has what follows the pieces read, if they are a long run and it is on the disk alone. */
void ahead_begin(struct lmdb_store *s, uint32_t log, const struct log_pieces *before,
                 size_t max_bytes);
/* A job came back that nobody has asked for yet: true when it stays, with its pieces. */
bool ahead_keep(struct lmdb_store *s, struct read_job *job);
/* Gives the pieces that were read ahead from exactly that offset, if there are any. */
bool ahead_take(struct lmdb_store *s, uint32_t log, uint64_t offset, size_t max_bytes,
                struct log_pieces *ret);
/* True when what is being read ahead is what this read wants: it will be told. */
bool ahead_join(struct lmdb_store *s, struct log_read *read);
/* When no reader runs any more. */
void ahead_drop_all(struct lmdb_store *s);

/* ---- lmdb_store.c, lmdb_open.c ---- */
extern const struct backend lmdb_backend;
/* Ends the threads and frees all. */
void lmdb_store_end(struct lmdb_store *s);

/* ---- writer.c ---- */
MUST_CHECK enum rc writer_start(struct lmdb_store *s);
/* Writes what is pending if it can, seals, ends the thread. */
void writer_stop(struct lmdb_store *s);

/* ---- plan.c, writer thread ---- */
struct plan *plan_new(void);
void plan_free(struct plan **plan);
/* Lays out the first `count` batches in frames. */
void plan_make(struct plan *plan, const struct list *batches, unsigned count);
/* Bytes that the planned frames take in a segment. */
uint64_t plan_room(const struct plan *plan);
unsigned plan_frame_count(const struct plan *plan);
/* Builds the frames as they are to be written at the segment's end, numbered from sequence + 1, and
 * tells the items where they will be. `ret` is borrowed until the next call. RC_MEMORY: nothing was
 * done. After any other failure to write them the segment's rows are wrong: it is not sealed. */
MUST_CHECK enum rc plan_write(struct plan *plan, struct writer *w, struct segment *segment,
                              struct slice *ret);

/* ---- rescue.c, writer thread ---- */
/* Copies what no sync covers from the active segment, whose sync failed, to `next`, synced, and
 * gives what the core has to know. After a failure `next` holds nothing that counts. */
MUST_CHECK enum rc rescue_copy(struct writer *w, struct segment *next, struct moved **ret);

/* ---- reader.c ---- */
/* Hands a read to a reader thread, starting it if need be. */
void readers_put(struct lmdb_store *s, struct read_job *job);
void readers_stop(struct lmdb_store *s);

/* ---- maintain.c ---- */
MUST_CHECK enum rc maintenance_start(struct lmdb_store *s);
void maintenance_stop(struct lmdb_store *s);
/* Maintenance thread, or the core thread before that is started: removes the file of a segment that
 * holds nothing, or keeps it to be written over: its blocks are there and need not be written
 * first.
 */
void maintenance_reclaim(struct maintenance *m, uint32_t number);
/* Any thread: the prepared segment, or NULL. */
struct segment *maintenance_take_spare(struct lmdb_store *s);
/* Any thread: a number that no segment file had. */
uint32_t maintenance_number(struct lmdb_store *s);

/* ---- checkpoint.c: what maintenance needs of it ---- */
/* Frees all of them, and the map. */
void changes_free(struct map *changes);
/* Name and value of a change's payload, borrowed from it. */
void change_parts(struct slice payload, struct slice *ret_name, struct slice *ret_value);

/* ---- recover.c ---- */
/* Refuses to make a new catalogue beside segments that had one. */
MUST_CHECK enum rc recover_check_new(struct lmdb_store *s);
/* Reads what is there: logs, rows, meta changes after the checkpoint; seals what was not closed in
 * order. Sets where the writer goes on. */
MUST_CHECK enum rc store_recover(struct lmdb_store *s);

/* ---- upgrade.c ---- */
/* From the format that the store was last opened with; nothing is done twice that is done. */
MUST_CHECK enum rc store_upgrade(struct lmdb_store *s, uint64_t from_format);

/* ---- seal.c ---- */
/* Writes the packed rows at sealed->index_position and sets the index's length. */
MUST_CHECK enum rc seal_file(int fd, bool is_synced, struct segment_row *rows, size_t count,
                             struct sealed *sealed);
/* Reads the index and visits its rows. RC_CORRUPT: it cannot be trusted; nothing was visited. */
MUST_CHECK enum rc seal_read(int fd, const struct sealed *sealed, index_visit_fn *visit, void *arg);
/* Gives back what the file has behind its index; a file that keeps it takes space alone. */
void seal_trim(int fd, const struct sealed *sealed);
/* Writes the index behind the frames of a segment that this process filled. */
MUST_CHECK enum rc seal_segment(struct segment *segment, bool is_synced, struct sealed *ret);

#endif
