/* SPDX-License-Identifier: Apache-2.0 */
/* Copying what lives out of segments that hold little of it, so that their space comes free.
 *
 *   core         chooses segments, and keeps them from being retired meanwhile
 *   maintenance  lists their rows, from their indexes
 *   core         keeps the rows that live, some in each turn
 *   copier       writes those entries to a new segment, at the writer's pace
 *   maintenance  seals it; one change of the catalogue makes it count
 *   core         points the logs' rows to it, some in each turn; then the old segments hold nothing
 *
 * There is one copy at a time. Until the catalogue has it, only the old segments count; from then
 * on a start takes the copy's rows, and those that it lacks from the old ones, if they are still
 * there. Whatever fails is given up, and chosen again later. */
#ifndef TERCET_STORAGE_LMDB_COPY_H
#define TERCET_STORAGE_LMDB_COPY_H

#include "storage/lmdb/frame.h"
#include "storage/lmdb/store_int.h"

enum copy_step {
    COPY_LIST,
    COPY_CHOOSE,
    COPY_SYNC,   /* compaction alone: what was committed is being synced */
    COPY_GATHER, /* compaction alone: instead of the two above */
    COPY_WRITE,
    COPY_COMMIT,
    COPY_APPLY,
    COPY_EVICT, /* compaction alone: the cache lets go of what was compacted, */
    COPY_LEAVE, /* and segments of the rows that the log had */
};

/* A segment that was made. */
struct made {
    struct segment *segment; /* owned, until it is sealed */
    struct sealed sealed;
};

/* What a copy that compacts one log is to do; see compact.h. */
struct compaction {
    struct log_compact *request; /* borrowed; NULL: cancelled */
    uint32_t log;
    uint64_t from; /* below it was compacted before */
    uint64_t end;  /* in the end: how far it came */
    int64_t newest_ms;
    int64_t delete_retention_ms;
    int64_t next_ms;      /* out: when a record without a value is to go */
    bool is_due;          /* core: the time of a record without a value has come */
    uint64_t next;        /* core: next offset to gather */
    uint64_t flush;       /* core: the flush it waits for */
    bool is_partial;      /* out */
    _Atomic bool is_gone; /* the log was dropped */
    /* core, while what was made is taken in: */
    struct rows built; /* owned: the rows of the log that is to be */
    struct rows old;   /* owned: those that it had */
    uint64_t built_to; /* rows that begin below it are in `built`, or are replaced there */
    uint64_t built_bytes;
    uint64_t clean_bytes; /* of them below `end` */
    uint64_t old_bytes;   /* of the log's rows that begin below `built_to` */
    bool is_building;
    uint64_t was_bytes; /* of the rows that were written anew, */
    uint64_t now_bytes; /* before and after */
};

struct copy_job {
    struct job job;
    enum copy_step step; /* the next, or the one under way */
    enum rc rc;          /* of the steps so far */
    uint32_t *sources;   /* owned: segments that are pinned for it */
    unsigned source_count;
    unsigned source_room;
    struct segment_row *rows; /* owned: to be copied; in the end those of the copy */
    size_t count;
    size_t room;
    size_t at;         /* core: rows that were looked at */
    size_t kept;       /* core: those of them that live */
    struct made *made; /* owned */
    unsigned made_count;
    bool is_sealed;                /* all that was made is */
    struct compaction *compaction; /* owned; NULL: it copies what lives in its sources */
};

/* ---- copy.c, core thread ---- */
/* A closed segment holds less than before. */
void copy_note(struct lmdb_store *s, struct segment_info *info);
/* A bounded part of what there is to do; once in each poll. */
void copy_poll(struct lmdb_store *s);
/* A job came back. */
void copy_back(struct lmdb_store *s, struct copy_job *job);
/* Gives up the copy that the core thread works on, if any: the store is closing. */
void copy_end(struct lmdb_store *s);
void copy_job_free(struct copy_job **job);
struct copy_job *copy_job_new(enum copy_step step);
/* Keeps a segment from being retired until the job ends; fine when it is pinned already. */
void copy_pin(struct copy_job *job, struct segment_info *info);
/* The job is over. */
void copy_finish(struct lmdb_store *s, struct copy_job *job);
/* Hands the core thread's job to another thread. */
void copy_to_thread(struct lmdb_store *s, struct copy_job *job, struct mailbox *inbox);
/* The segments that were made, as the core thread sees them; one that holds nothing is retired when
 * they are closed. */
void copy_open_made(struct lmdb_store *s, const struct copy_job *job);
void copy_close_made(struct lmdb_store *s, const struct copy_job *job);
void copy_job_add(struct copy_job *job, const struct segment_row *row);

/* ---- compaction.c, core thread ---- */
void compact_begin(struct store *store, struct log_compact *compact);
void compact_cancel(struct store *store, struct log_compact *compact);
void compact_state(const struct store *store, uint32_t log, uint64_t *ret_end, int64_t *ret_next_ms,
                   uint64_t *ret_bytes);
/* Begins the next one that was asked for. False: none was. */
bool compact_next(struct lmdb_store *s);
/* A part of the job's step. */
void compact_step(struct lmdb_store *s, struct copy_job *job);
/* The job is over: tells who asked. */
void compact_finish(struct lmdb_store *s, struct copy_job *job);
/* Notes how far a log was compacted, and how many bytes of it lie below that. */
void compact_note(struct lmdb_store *s, uint32_t log, uint64_t end, int64_t next_ms,
                  uint64_t clean_bytes);
/* Counts those bytes: the logs have their rows now. */
void compact_count_all(struct lmdb_store *s);
/* A row of the log was trimmed; rows lie elsewhere. */
void compact_trimmed(struct lmdb_store *s, uint32_t log, const struct row *row);
void compact_moved(struct lmdb_store *s, uint32_t log, const struct moved *moved);
void compaction_free(struct compaction **compaction);
void compact_forget(struct lmdb_store *s, uint32_t log);
/* The log is dropped. */
void compact_dropped(struct lmdb_store *s, uint32_t log);
void compact_free_all(struct lmdb_store *s);

/* ---- copier.c, its own thread ---- */
struct copying;
/* Reads the rows from `first` to `end` and gives each to `visit`; the payload of one that cannot be
 * read is none. Stops at the first rc that is not RC_OK. */
typedef enum rc copy_visit_fn(void *arg, const struct segment_row *row, struct slice payload);
MUST_CHECK enum rc copy_read(struct copying *c, size_t first, size_t end, copy_visit_fn *visit,
                             void *arg);
/* Writes one entry to the segment that is being made. */
MUST_CHECK enum rc copy_write(struct copying *c, const struct entry_header *header,
                              struct slice payload);
/* ---- compact.c, copier's thread ---- */
/* Writes what compaction makes of the job's rows. */
MUST_CHECK enum rc compact_rows(struct copying *c, struct copy_job *job);

MUST_CHECK enum rc copier_start(struct lmdb_store *s);
void copier_stop(struct lmdb_store *s);

/* ---- copied.c, maintenance thread ---- */
/* Fills in the rows of the sources. */
void copy_list(struct maintenance *m, struct copy_job *job);
/* Seals the copy and makes it count. RC_AGAIN: the catalogue failed; to be called again. */
MUST_CHECK enum rc copy_commit(struct maintenance *m, struct copy_job *job);

#endif
