/* SPDX-License-Identifier: Apache-2.0 */
/* The writer thread: takes all that is pending; one write, one sync, completions. */
#include "storage/lmdb/writer_int.h"

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "storage/lmdb/backup.h"

#define OVERDUE_MS 10

struct group {
    unsigned count;
    enum durability durability;
    bool is_flush;
    enum rc flushed; /* whether what earlier commits left unsynced is synced now */
};

static struct group group_wt(const struct writer *w)
{
    struct group group = { 0 };
    uint64_t bytes = 0;

    LIST_EACH (link, &w->pending) {
        const struct batch *batch = CONTAINER_OF(link, struct batch, job.link);

        if (group.count > 0 && bytes + batch->bytes > COMMIT_MAX_BYTES)
            break;
        group.count++;
        bytes += batch->bytes;
        if (batch->durability > group.durability)
            group.durability = batch->durability;
        group.is_flush |= batch->is_flush;
    }
    return group;
}

static bool is_sync_wanted_wt(const struct writer *w, const struct group *group)
{
    if (!w->store->config.has_sync)
        return false;
    return group->durability == DURABILITY_ALWAYS || group->is_flush ||
           (w->sync_due_ns > 0 && clock_monotonic_ns() >= w->sync_due_ns);
}

static void committed_wt(struct writer *w, bool is_synced)
{
    struct segment *active = w->active;
    unsigned frames = plan_frame_count(w->plan);

    if (active->frame_count == 0)
        active->first_sequence = w->sequence + 1;
    active->frame_count += frames;
    w->sequence += frames;
    (void)atomic_fetch_add(&w->written_bytes, plan_room(w->plan));
    active->last_sequence = w->sequence;
    if (is_synced) {
        w->synced_sequence = w->sequence;
        w->sync_due_ns = 0;
    } else if (w->sync_due_ns == 0 && w->store->config.has_sync) {
        w->sync_due_ns = clock_monotonic_ns() + w->store->config.interval_ms * NS_PER_MS;
    }
    active_ask_spare_wt(w);
}

static enum rc commit_wt(struct writer *w, struct group *group)
{
    struct slice frames;
    uint64_t need;
    bool is_synced;
    enum rc rc = RC_OK;

    plan_make(w->plan, &w->pending, group->count);
    if (plan_frame_count(w->plan) == 0) {
        group->flushed = group->is_flush ? active_sync_wt(w) : RC_OK;
        return RC_OK;
    }
    need = plan_room(w->plan);
    if (active_is_to_roll_wt(w, need))
        rc = active_roll_wt(w, need);
    if (rc == RC_OK)
        rc = plan_write(w->plan, w, w->active, &frames);
    if (rc != RC_OK)
        return rc;
    is_synced = is_sync_wanted_wt(w, group);
    rc = segment_append(w->active, frames, is_synced);
    if (rc == RC_OK)
        committed_wt(w, is_synced);
    else
        rc = segment_rc_of_space(&w->store->place, need, rc);
    return rc;
}

static void stall_wt(struct writer *w, enum rc rc)
{
    struct stall *stall;

    w->retry_at_ns = clock_monotonic_ns() + STALL_RETRY_MS * NS_PER_MS;
    if (rc == w->stalled)
        return;
    w->stalled = rc;
    stall = mem_new(struct stall);
    stall->job.kind = JOB_STALL;
    stall->rc = rc;
    store_done(w->store, &stall->job);
}

/* Gives the batches of a commit back as one, so that the core sees all of it or nothing. */
static void give_back_wt(struct writer *w, const struct group *done, bool has_frames)
{
    unsigned count = done->count;
    struct batch *group = NULL, **at = &group;
    bool is_quiet = true;
    uint64_t ticket = 0;

    while (count-- > 0) {
        struct batch *batch = LIST_FIRST(&w->pending, struct batch, job.link);

        link_remove(&batch->job.link);
        batch->flushed = done->flushed;
        batch->segment = has_frames ? w->active->number : 0;
        batch->segment_bytes = has_frames ? w->active->used : 0;
        is_quiet &= batch->is_quiet;
        ticket = ticket == 0 ? batch->ticket : ticket;
        for (struct item *item = batch->first; item != NULL; item = item->next) {
            item_look_on(item);
            checkpoint_change_wt(w, item);
        }
        if (batch->backup != NULL)
            w->backup = batch->backup;
        batch->backup = NULL;
        for (const struct segment_info *info = batch->retire; info != NULL; info = info->next)
            checkpoint_retire_wt(w, info->number);
        *at = batch;
        at = &batch->next;
    }
    store_done_quietly(w->store, &group->job);
    if (!is_quiet || ticket <= atomic_load(&w->hurry))
        store_wake(w->store);
}

static void run_wt(struct writer *w)
{
    if (w->stalled != RC_OK && clock_monotonic_ns() < w->retry_at_ns)
        return;
    while (!list_is_empty(&w->pending)) {
        struct group group = group_wt(w);
        enum rc rc = commit_wt(w, &group);

        if (rc != RC_OK) {
            count_add(COUNT_STORE_ERRORS, 1);
            if (rc != w->stalled)
                log_event(LOG_ERROR, "storage.commit-failed", "rc=%s segment=%u", rc_word(rc),
                          w->active == NULL ? 0 : (unsigned)w->active->number);
            /* The file is left, never written or synced again; once more in the next one. */
            if (w->active != NULL && w->active->has_failed)
                rc = commit_wt(w, &group);
        }
        stall_wt(w, rc);
        if (rc != RC_OK)
            return;
        give_back_wt(w, &group, plan_frame_count(w->plan) > 0);
        if (w->backup != NULL)
            active_backup_wt(w);
    }
}

static unsigned timeout_ms_wt(const struct writer *w)
{
    uint64_t due = w->sync_due_ns, now;

    if (w->checkpoint_due_ns != 0 && (due == 0 || w->checkpoint_due_ns < due))
        due = w->checkpoint_due_ns;
    if (w->stalled != RC_OK && (due == 0 || w->retry_at_ns < due))
        due = w->retry_at_ns;
    if (due == 0)
        return 0;
    now = clock_monotonic_ns();
    /* What is overdue waits for another thread: look again soon. */
    return due <= now ? OVERDUE_MS : (unsigned)((due - now) / NS_PER_MS) + 1;
}

static void sync_due_wt(struct writer *w)
{
    enum rc rc = active_sync_wt(w);

    if (rc != RC_OK || list_is_empty(&w->pending))
        stall_wt(w, rc);
}

static void writer_main_wt(void *arg)
{
    struct writer *w = arg;
    bool is_open = true;

    while (is_open) {
        struct list taken;

        list_init(&taken);
        is_open = mailbox_wait(&w->inbox, &taken, timeout_ms_wt(w));
        list_splice(&w->pending, &taken);
        run_wt(w);
        if (writer_is_due(w->sync_due_ns))
            sync_due_wt(w);
        if (checkpoint_is_due_wt(w))
            checkpoint_begin_wt(w, NULL, false);
    }
    active_leave_wt(w, true);
    checkpoint_begin_wt(w, NULL, true);
}

enum rc writer_start(struct lmdb_store *s)
{
    struct writer *w = &s->writer;
    enum rc rc;

    w->plan = plan_new();
    rc = thread_start(&w->thread, "store-writer", writer_main_wt, w);
    if (rc != RC_OK)
        plan_free(&w->plan);
    return rc;
}

void writer_stop(struct lmdb_store *s)
{
    struct writer *w = &s->writer;
    struct batch *batch;
    uint64_t lost = 0;

    if (w->plan == NULL)
        return;
    mailbox_close(&w->inbox);
    thread_join(&w->thread);
    while ((batch = LIST_FIRST(&w->pending, struct batch, job.link)) != NULL) {
        link_remove(&batch->job.link);
        lost += batch->bytes;
        batch_release(s, batch);
        batch_free(&batch);
    }
    if (lost > 0)
        log_event(LOG_ERROR, "storage.closed-unwritten", "bytes=%llu rc=%s",
                  (unsigned long long)lost, rc_word(w->stalled));
    plan_free(&w->plan);
}
