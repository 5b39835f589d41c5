/* SPDX-License-Identifier: Apache-2.0 */
/* The core thread's part of copying: what is copied, and what it means for the logs. */
#include "storage/lmdb/copy.h"

#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"

/* Rows that one turn looks at: some 0.3 ms, and twice that when they are packed. */
#define TURN_ROWS 400
/* Nothing is copied while what is dead is less than this part of what lives: segments whose records
 * go in order come free by themselves. */
#define DEAD_PART 5
#define RETRY_NS  UINT64_C(1000000000)

void copy_job_free(struct copy_job **ref)
{
    struct copy_job *job = *ref;

    *ref = NULL;
    if (job == NULL)
        return;
    segment_close(&job->made);
    mem_free(job->rows);
    mem_free(job);
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

/* The sparse segments, if there is enough dead in all. */
static size_t candidates(struct lmdb_store *s, struct segment_info **ret)
{
    uint64_t live = 0, dead = 0;
    size_t count = 0;

    MAP_EACH (node, &s->segments) {
        struct segment_info *info = CONTAINER_OF(node, struct segment_info, node);

        if (!info->is_closed)
            continue;
        live += info->live_bytes;
        dead += info->file_bytes > info->live_bytes ? info->file_bytes - info->live_bytes : 0;
        if (info->is_sparse && !info->is_damaged)
            ret[count++] = info;
    }
    return dead > live / DEAD_PART + s->config.segment_first_bytes ? count : 0;
}

static void to_thread(struct lmdb_store *s, struct copy_job *job, struct mailbox *inbox)
{
    s->copy = NULL;
    (void)mailbox_put(inbox, &job->job.link);
}

static void begin(struct lmdb_store *s)
{
    struct segment_info **all = mem_new_array(struct segment_info *, s->segments.count + 1);
    size_t count = candidates(s, all);
    struct copy_job *job;
    uint64_t bytes = 0;

    s->is_copy_wanted = false;
    if (count == 0) {
        mem_free(all);
        return;
    }
    qsort(all, count, sizeof(struct segment_info *), by_part);
    job = mem_new(struct copy_job);
    job->job.kind = JOB_COPY;
    job->step = COPY_LIST;
    for (size_t i = 0; i < count && job->source_count < COPY_SOURCES_MAX; i++) {
        if (job->source_count > 0 && bytes + all[i]->live_bytes > s->config.segment_max_bytes)
            break;
        bytes += all[i]->live_bytes;
        all[i]->reads++;
        job->sources[job->source_count++] = all[i]->number;
    }
    mem_free(all);
    s->is_copying = true;
    to_thread(s, job, &s->maintenance.inbox);
}

/* Would another try leave the same entries behind? */
static bool is_final(enum rc rc)
{
    return rc == RC_OK || rc == RC_CORRUPT;
}

static void end(struct lmdb_store *s, struct copy_job *job)
{
    s->copy = NULL;
    s->is_copying = false;
    s->is_copy_wanted = true; /* there may be more */
    if (job->rc != RC_OK) {
        s->copy_after_ns = clock_monotonic_ns() + RETRY_NS;
        log_event(LOG_WARNING, "storage.copy-failed", "segments=%u rc=%s", job->source_count,
                  rc_word(job->rc));
    }
    for (unsigned i = 0; i < job->source_count; i++) {
        struct segment_info *info = segment_info_get(s, job->sources[i]);

        ASSERT(info != NULL && info->reads > 0);
        info->reads--;
        if (info->live_bytes > 0 && is_final(job->rc))
            info->is_damaged = true; /* told when it was read */
        segment_info_check(s, info);
    }
    copy_job_free(&job);
}

/* ---- rows ---- */

/* The log's row at the same offsets as it is now. False: there is none. */
static bool row_now(struct lmdb_store *s, const struct segment_row *wanted,
                    struct store_log **ret_log, uint32_t *ret_i, struct row *ret)
{
    struct store_log *log = store_log_get(s, wanted->log);

    if (log == NULL || !rows_find(&log->rows, wanted->row.base_offset, ret_i))
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
        end(s, job); /* all of it died meanwhile */
    else
        to_thread(s, job, &s->copier.inbox);
}

static bool is_source(const struct copy_job *job, uint32_t segment)
{
    for (unsigned i = 0; i < job->source_count; i++)
        if (job->sources[i] == segment)
            return true;
    return false;
}

static struct segment_info *made_info(struct lmdb_store *s, const struct copy_job *job)
{
    struct segment_info *info = segment_info_get(s, job->sealed.number);

    if (info == NULL) {
        info = segment_info_new(s, job->sealed.number);
        info->file_bytes = job->sealed.index_position;
    }
    return info;
}

static void apply(struct lmdb_store *s, struct copy_job *job)
{
    struct segment_info *made = made_info(s, job);

    for (unsigned n = 0; n < TURN_ROWS && job->at < job->count; n++) {
        const struct segment_row *copied = &job->rows[job->at++];
        struct store_log *log;
        struct row row;
        uint32_t i;

        if (!row_now(s, copied, &log, &i, &row) || !is_source(job, row.segment))
            continue; /* trimmed or dropped meanwhile */
        segment_info_less(segment_info_get(s, row.segment), &row);
        rows_move_to(&log->rows, i, copied->row.segment, copied->row.position);
        made->live_bytes += entry_room(row.length);
    }
    if (job->at < job->count)
        return;
    count_add(COUNT_STORE_COPIED, (int64_t)job->sealed.index_position);
    made->is_closed = true;
    segment_info_check(s, made);
    end(s, job);
}

/* ---- turns ---- */

void copy_poll(struct lmdb_store *s)
{
    struct copy_job *job = s->copy;

    if (job != NULL && job->step == COPY_CHOOSE)
        choose(s, job);
    else if (job != NULL)
        apply(s, job);
    else if (s->is_copy_wanted && !s->is_copying &&
             (s->copy_after_ns == 0 || clock_monotonic_ns() >= s->copy_after_ns))
        begin(s);
    if (s->copy != NULL && s->store.events.wake != NULL)
        s->store.events.wake(s->store.events.wake_arg);
}

void copy_back(struct lmdb_store *s, struct copy_job *job)
{
    s->copy = job;
    if (job->rc != RC_OK)
        end(s, job);
}

void copy_end(struct lmdb_store *s)
{
    copy_job_free(&s->copy);
}
