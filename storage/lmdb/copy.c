/* SPDX-License-Identifier: Apache-2.0 */
/* The core thread's part of copying: what is copied, and what it means for the logs. */
#include "storage/lmdb/copy.h"

#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"

/* Rows that one turn looks at: some 0.3 ms, and twice that when they are packed. */
#define TURN_ROWS 400
/* Nothing is copied while what is dead is less than this part of what lives and a segment: where
 * records go in order, the oldest segment is dying and comes free by itself. */
#define DEAD_PART 16
/* When something is copied, what is dead comes to as much less than that: no more, for a segment of
 * which half lives is as a rule one that is dying in order, and needs no copy if it is let be. */
#define FREE_PART   4
#define SOURCES_MAX 16
#define RETRY_NS    UINT64_C(1000000000)

void copy_job_free(struct copy_job **ref)
{
    struct copy_job *job = *ref;

    *ref = NULL;
    if (job == NULL)
        return;
    for (unsigned i = 0; i < job->made_count; i++)
        segment_close(&job->made[i].segment);
    mem_free(job->made);
    compaction_free(&job->compaction);
    mem_free(job->sources);
    mem_free(job->rows);
    mem_free(job);
}

struct copy_job *copy_job_new(enum copy_step step)
{
    struct copy_job *job = mem_new(struct copy_job);

    job->job.kind = JOB_COPY;
    job->step = step;
    return job;
}

void copy_pin(struct copy_job *job, struct segment_info *info)
{
    if (info->is_pinned)
        return;
    if (job->source_count == job->source_room) {
        job->source_room = job->source_room == 0 ? SOURCES_MAX : job->source_room * 2;
        job->sources = mem_resize(job->sources, job->source_room * sizeof(*job->sources));
    }
    job->sources[job->source_count++] = info->number;
    info->is_pinned = true;
    info->reads++;
}

void copy_job_add(struct copy_job *job, const struct segment_row *row)
{
    if (job->count == job->room) {
        job->room = job->room == 0 ? 256 : job->room * 2;
        job->rows = mem_resize(job->rows, job->room * sizeof(*job->rows));
    }
    job->rows[job->count++] = *row;
}

/* ---- choosing ---- */

/* Is the copy's file at most half as long? */
static bool is_sparse(const struct segment_info *info)
{
    return frame_room(FRAME_HEADER + info->live_bytes) * 2 <= info->file_bytes;
}

void copy_note(struct lmdb_store *s, struct segment_info *info)
{
    if (info->is_sparse || info->is_damaged || !is_sparse(info))
        return;
    info->is_sparse = true;
    s->is_copy_wanted = true;
}

/* The least live part first. */
static int by_part(const void *left, const void *right)
{
    const struct segment_info *a = *(struct segment_info *const *)left;
    const struct segment_info *b = *(struct segment_info *const *)right;
    double part_a = (double)a->live_bytes / (double)a->file_bytes;
    double part_b = (double)b->live_bytes / (double)b->file_bytes;

    return (part_a > part_b) - (part_a < part_b);
}

static uint64_t dead_bytes(const struct segment_info *info)
{
    return info->file_bytes > info->live_bytes ? info->file_bytes - info->live_bytes : 0;
}

/* The sparse segments, if there is enough dead in all; `ret_free` of it is to come free. */
static size_t candidates(struct lmdb_store *s, struct segment_info **ret, uint64_t *ret_free)
{
    uint64_t live = 0, dead = 0, longest = 0, limit;
    size_t count = 0;

    MAP_EACH (node, &s->segments) {
        struct segment_info *info = CONTAINER_OF(node, struct segment_info, node);

        if (!info->is_closed)
            continue;
        live += info->live_bytes;
        if (info->file_bytes > longest)
            longest = info->file_bytes;
        dead += dead_bytes(info);
        if (info->is_sparse && !info->is_damaged)
            ret[count++] = info;
    }
    limit = live / DEAD_PART + longest;
    if (dead <= limit)
        return 0;
    *ret_free = dead - (limit - limit / FREE_PART);
    return count;
}

void copy_to_thread(struct lmdb_store *s, struct copy_job *job, struct mailbox *inbox)
{
    s->copy = NULL;
    (void)mailbox_put(inbox, &job->job.link);
}

static void begin(struct lmdb_store *s)
{
    struct segment_info **all = mem_new_array(struct segment_info *, s->segments.count + 1);
    uint64_t bytes = 0, to_free = 0;
    size_t count = candidates(s, all, &to_free);
    struct copy_job *job;

    s->is_copy_wanted = false;
    if (count == 0) {
        mem_free(all);
        return;
    }
    qsort(all, count, sizeof(struct segment_info *), by_part);
    job = copy_job_new(COPY_LIST);
    for (size_t i = 0; i < count && i < SOURCES_MAX && to_free > 0; i++) {
        if (job->source_count > 0 && bytes + all[i]->live_bytes > s->config.segment_max_bytes)
            break;
        bytes += all[i]->live_bytes;
        to_free -= to_free < dead_bytes(all[i]) ? to_free : dead_bytes(all[i]);
        copy_pin(job, all[i]);
    }
    mem_free(all);
    s->is_copying = true;
    copy_to_thread(s, job, &s->maintenance.inbox);
}

/* Would another try leave the same entries behind? */
static bool is_final(enum rc rc)
{
    return rc == RC_OK || rc == RC_CORRUPT;
}

static void unpin(struct lmdb_store *s, const struct copy_job *job, uint32_t number)
{
    struct segment_info *info = segment_info_get(s, number);

    ASSERT(info != NULL && info->is_pinned && info->reads > 0);
    info->is_pinned = false;
    info->reads--;
    if (job->compaction == NULL && info->live_bytes > 0 && is_final(job->rc))
        info->is_damaged = true; /* told when it was read */
    segment_info_check(s, info);
}

void copy_finish(struct lmdb_store *s, struct copy_job *job)
{
    s->copy = NULL;
    s->is_copying = false;
    s->is_copy_wanted = true; /* there may be more */
    if (job->rc != RC_OK && job->rc != RC_NOT_FOUND) {
        s->copy_after_ns = clock_monotonic_ns() + RETRY_NS;
        log_event(LOG_WARNING, "storage.copy-failed", "segments=%u rc=%s", job->source_count,
                  rc_word(job->rc));
    }
    for (unsigned i = 0; i < job->source_count; i++)
        unpin(s, job, job->sources[i]);
    if (job->compaction != NULL)
        compact_finish(s, job);
    copy_job_free(&job);
}

/* ---- rows ---- */

/* The log's row at the same offsets as it is now. False: there is none. */
static bool row_now(struct lmdb_store *s, const struct segment_row *wanted,
                    struct store_log **ret_log, uint32_t *ret_i, struct row *ret)
{
    struct store_log *log = store_log_get(s, wanted->log);

    if (log == NULL)
        return false;
    store_log_settle(log);
    if (!rows_find(&log->rows, wanted->row.base_offset, ret_i))
        return false;
    rows_get(&log->rows, *ret_i, ret);
    *ret_log = log;
    return ret->base_offset == wanted->row.base_offset &&
           ret->record_count == wanted->row.record_count;
}

/* Of those that were listed, the ones that are where their log is read from. */
static void choose(struct lmdb_store *s, struct copy_job *job)
{
    for (unsigned n = 0; n < TURN_ROWS && job->at < job->count; n++) {
        const struct segment_row *wanted = &job->rows[job->at++];
        struct store_log *log;
        struct row row;
        uint32_t i;

        if (row_now(s, wanted, &log, &i, &row) && row.segment == wanted->row.segment &&
            row.position == wanted->row.position)
            job->rows[job->kept++] = *wanted;
    }
    if (job->at < job->count)
        return;
    job->count = job->kept;
    job->at = 0;
    job->step = COPY_WRITE;
    if (job->count == 0)
        copy_finish(s, job); /* all of it died meanwhile */
    else
        copy_to_thread(s, job, &s->copier.inbox);
}

void copy_open_made(struct lmdb_store *s, const struct copy_job *job)
{
    for (unsigned i = 0; i < job->made_count; i++) {
        const struct sealed *sealed = &job->made[i].sealed;

        segment_info_new(s, sealed->number)->file_bytes = sealed->index_position;
        count_add(COUNT_STORE_COPIED, (int64_t)sealed->index_position);
    }
}

void copy_close_made(struct lmdb_store *s, const struct copy_job *job)
{
    for (unsigned i = 0; i < job->made_count; i++) {
        struct segment_info *info = segment_info_get(s, job->made[i].sealed.number);

        info->is_closed = true;
        segment_info_check(s, info);
    }
}

static void apply(struct lmdb_store *s, struct copy_job *job)
{
    if (job->at == 0)
        copy_open_made(s, job);
    for (unsigned n = 0; n < TURN_ROWS && job->at < job->count; n++) {
        const struct segment_row *copied = &job->rows[job->at++];
        struct segment_info *from;
        struct store_log *log;
        struct row row;
        uint32_t i;

        if (!row_now(s, copied, &log, &i, &row))
            continue; /* trimmed or dropped meanwhile */
        from = segment_info_get(s, row.segment);
        if (!from->is_pinned)
            continue;
        segment_info_less(from, &row);
        rows_move_to(&log->rows, i, copied->row.segment, copied->row.position);
        segment_info_get(s, copied->row.segment)->live_bytes += entry_room(row.length);
    }
    if (job->at < job->count)
        return;
    copy_close_made(s, job);
    copy_finish(s, job);
}

/* ---- turns ---- */

void copy_poll(struct lmdb_store *s)
{
    struct copy_job *job = s->copy;

    if (job != NULL && job->compaction != NULL)
        compact_step(s, job);
    else if (job != NULL && job->step == COPY_CHOOSE)
        choose(s, job);
    else if (job != NULL)
        apply(s, job);
    else if (!s->is_copying && !compact_next(s) && s->is_copy_wanted &&
             (s->copy_after_ns == 0 || clock_monotonic_ns() >= s->copy_after_ns))
        begin(s);
    if (s->copy != NULL && s->copy->step != COPY_SYNC && s->store.events.wake != NULL)
        s->store.events.wake(s->store.events.wake_arg);
}

void copy_back(struct lmdb_store *s, struct copy_job *job)
{
    s->copy = job;
    if (job->rc != RC_OK)
        copy_finish(s, job);
}

void copy_end(struct lmdb_store *s)
{
    copy_job_free(&s->copy);
    s->compaction = NULL;
}
