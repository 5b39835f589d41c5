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

#define COPY_SOURCES_MAX 16

enum copy_step { COPY_LIST, COPY_CHOOSE, COPY_WRITE, COPY_COMMIT, COPY_APPLY };

struct copy_job {
    struct job job;
    enum copy_step step; /* the next, or the one under way */
    enum rc rc;          /* of the steps so far */
    uint32_t sources[COPY_SOURCES_MAX];
    unsigned source_count;
    struct segment_row *rows; /* owned: to be copied; in the end those of the copy */
    size_t count;
    size_t room;
    size_t at;            /* core: rows that were looked at */
    size_t kept;          /* core: those of them that live */
    struct segment *made; /* owned: the copy, until it is sealed */
    struct sealed sealed; /* the copy */
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
void copy_job_add(struct copy_job *job, const struct segment_row *row);

/* ---- copier.c, its own thread ---- */
MUST_CHECK enum rc copier_start(struct lmdb_store *s);
void copier_stop(struct lmdb_store *s);

/* ---- copied.c, maintenance thread ---- */
/* Fills in the rows of the sources. */
void copy_list(struct maintenance *m, struct copy_job *job);
/* Seals the copy and makes it count. RC_AGAIN: the catalogue failed; to be called again. */
MUST_CHECK enum rc copy_commit(struct maintenance *m, struct copy_job *job);

#endif
