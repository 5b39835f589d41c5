/* SPDX-License-Identifier: Apache-2.0 */
/* The segment that the writer fills: syncing it, going on to the next one when it is full, when a
 * better one is ready or when it cannot be synced, and asking early for that next one. */
#include "storage/lmdb/writer_int.h"

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "storage/lmdb/backup.h"

/* A first segment that was not prewritten is left for a prewritten one when it holds this much. */
#define UPGRADE_AT_BYTES ((uint64_t)256 << 10)
/* A log that grows faster than this has its next segment not written ahead. */
#define FAST_BYTES_PER_MS ((uint64_t)64 << 10)
/* Early, for writing a file full takes as long as filling it when the load is high. */
#define SPARE_AT_PART 16

static void abandon_wt(struct writer *w, struct segment *segment)
{
    struct abandon *abandon = mem_new(struct abandon);

    abandon->job.kind = JOB_ABANDON;
    abandon->segment = segment;
    (void)mailbox_put(&w->store->maintenance.inbox, &abandon->job.link);
}

void active_leave_wt(struct writer *w, bool is_last)
{
    struct segment *segment;

    (void)active_sync_wt(w); /* told; the segment is left in any case */
    segment = w->active;
    if (segment == NULL)
        return;
    w->active = NULL;
    if (segment->frame_count == 0)
        abandon_wt(w, segment);
    else
        checkpoint_begin_wt(w, segment, is_last);
}

/* Zeros written ahead halve what a small commit waits for its sync. For a log that grows fast they
 * are as many bytes again for the same device, while large commits gain little by them. */
static bool is_fast_wt(const struct writer *w)
{
    uint64_t since_ns = clock_monotonic_ns() - w->active_since_ns;

    return w->active->used / (since_ns / NS_PER_MS + 1) > FAST_BYTES_PER_MS;
}

static uint64_t capacity_after(const struct writer *w)
{
    const struct store_config *config = &w->store->config;

    if (w->active == NULL || (config->is_prewritten && !w->active->is_written && !is_fast_wt(w)))
        return w->next_capacity;
    return w->active->capacity >= config->segment_max_bytes / 2 ? config->segment_max_bytes
                                                                : w->active->capacity * 2;
}

/* Blocks that are there cost a sync less than those that come with it. */
static enum filling quick_filling(const struct lmdb_store *s)
{
    return s->config.is_prewritten ? FILL_ALLOCATED : FILL_NONE;
}

static enum rc create_wt(struct writer *w, uint64_t capacity, enum filling filling,
                         struct segment **ret)
{
    struct lmdb_store *s = w->store;

    return segment_create(&s->place, maintenance_number(s), 0, capacity, filling, ret);
}

/* A segment made on the spot: no spare was ready. */
static enum rc make_next_wt(struct writer *w, uint64_t need, struct segment **ret)
{
    struct lmdb_store *s = w->store;
    uint64_t capacity = w->next_capacity < need ? need : w->next_capacity;
    enum rc rc = segment_rc_of_space(&s->place, need, RC_IO);

    if (rc == RC_FULL)
        return rc; /* known beforehand: no file is made and torn down each second */
    rc = create_wt(w, capacity, quick_filling(s), ret);
    /* What is left may be less than a whole segment: it is used to the last block. */
    return rc == RC_FULL ? create_wt(w, capacity, FILL_NONE, ret) : rc;
}

static bool has_better_spare(struct lmdb_store *s)
{
    bool ret;

    (void)pthread_mutex_lock(&s->maintenance.lock);
    ret = s->maintenance.spare != NULL && s->maintenance.spare->is_written;
    (void)pthread_mutex_unlock(&s->maintenance.lock);
    return ret;
}

bool active_is_to_roll_wt(const struct writer *w, uint64_t need)
{
    const struct segment *active = w->active;

    if (active == NULL || active->has_failed || active->used + need > active->capacity)
        return true;
    return !active->is_written && w->is_prepare_asked && w->store->config.is_prewritten &&
           has_better_spare(w->store);
}

static enum rc next_wt(struct writer *w, uint64_t need, uint64_t capacity, struct segment **ret)
{
    struct segment *next = maintenance_take_spare(w->store);

    if (next != NULL && next->capacity - next->used < need) {
        abandon_wt(w, next);
        next = NULL;
    }
    w->next_capacity = capacity;
    if (next == NULL)
        return make_next_wt(w, need, ret);
    *ret = next;
    return RC_OK;
}

static void activate_wt(struct writer *w, struct segment *next)
{
    next->ordinal = ++w->ordinal;
    w->active = next;
    w->active_since_ns = clock_monotonic_ns();
    w->is_prepare_asked = false;
}

/* Moves what the active segment could not sync to another one. */
static enum rc rescue_wt(struct writer *w)
{
    struct segment *failed = w->active, *next;
    struct moved *moved;
    enum rc rc = next_wt(w, failed->used - failed->synced_used, capacity_after(w), &next);

    if (rc != RC_OK)
        return rc;
    rc = rescue_copy(w, next, &moved);
    if (rc != RC_OK) {
        abandon_wt(w, next);
        return rc;
    }
    store_done(w->store, &moved->job);
    w->synced_sequence = w->sequence;
    activate_wt(w, next);
    checkpoint_begin_wt(w, failed, false); /* its file stays: reads of it may be under way */
    return RC_OK;
}

enum rc active_sync_wt(struct writer *w)
{
    const struct segment *active = w->active;
    enum rc rc = RC_OK;

    w->sync_due_ns = 0;
    if (active == NULL || !w->store->config.has_sync || active->used == active->synced_used)
        return RC_OK;
    if (active->is_unsyncable || segment_sync(w->active) != RC_OK) {
        count_add(COUNT_STORE_ERRORS, 1);
        if (w->stalled == RC_OK)
            log_event(LOG_ERROR, "storage.sync-failed", "segment=%u", (unsigned)active->number);
        rc = rescue_wt(w);
    }
    if (rc == RC_OK)
        w->synced_sequence = w->sequence;
    else
        w->sync_due_ns = clock_monotonic_ns() + STALL_RETRY_MS * NS_PER_MS;
    return rc;
}

enum rc active_roll_wt(struct writer *w, uint64_t need)
{
    struct segment *next;
    enum rc rc = active_sync_wt(w);

    if (rc != RC_OK || !active_is_to_roll_wt(w, need))
        return rc;
    rc = next_wt(w, need, capacity_after(w), &next);
    if (rc != RC_OK)
        return rc;
    active_leave_wt(w, false);
    activate_wt(w, next);
    return RC_OK;
}

void active_backup_wt(struct writer *w)
{
    struct backup_job *job = w->backup;
    struct segment *next;
    enum rc rc = active_sync_wt(w);

    w->backup = NULL;
    if (rc == RC_OK && w->active != NULL && w->active->frame_count > 0) {
        rc = next_wt(w, 0, w->active->capacity, &next);
        if (rc == RC_OK) {
            active_leave_wt(w, true);
            activate_wt(w, next);
        }
    } else if (rc == RC_OK) {
        checkpoint_begin_wt(w, NULL, false);
    }
    if (rc == RC_OK && w->store->config.has_sync && w->synced_sequence != w->sequence)
        rc = RC_IO;
    job->rc = rc;
    if (rc == RC_OK)
        (void)mailbox_put(&w->store->maintenance.inbox, &job->job.link);
    else
        store_done(w->store, &job->job);
}

void active_ask_spare_wt(struct writer *w)
{
    const struct segment *active = w->active;
    bool is_prewritten = w->store->config.is_prewritten;
    bool is_at_part = active->used >= active->capacity / SPARE_AT_PART;
    bool is_poor = is_prewritten && !active->is_written && active->used >= UPGRADE_AT_BYTES;
    bool is_fast;
    struct prepare *prepare;

    if (w->is_prepare_asked || (!is_at_part && !is_poor))
        return;
    is_fast = is_fast_wt(w);
    if (is_fast && !is_at_part)
        return; /* a burst, or a log that is past this segment soon: told apart later */
    prepare = mem_new(struct prepare);
    prepare->job.kind = JOB_PREPARE;
    prepare->capacity = capacity_after(w);
    prepare->filling = is_prewritten && !is_fast ? FILL_WRITTEN : quick_filling(w->store);
    w->is_prepare_asked = true;
    (void)mailbox_put(&w->store->maintenance.inbox, &prepare->job.link);
}
