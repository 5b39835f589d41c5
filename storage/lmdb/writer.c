/* SPDX-License-Identifier: Apache-2.0 */
/* The writer thread: takes all that is pending, one transaction, one sync, completions. */
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/wire.h"
#include "storage/lmdb/backup.h"

/* A first segment that was not prewritten is left for a prewritten one when it holds this much. */
#define UPGRADE_AT_BYTES ((uint64_t)256 << 10)
/* A log that grows faster than this has its next segment not written ahead. */
#define FAST_BYTES_PER_MS ((uint64_t)64 << 10)
/* Changes that force a checkpoint before its time, so that memory stays bounded. */
#define CHANGES_MAX_BYTES ((uint64_t)16 << 20)
#define RETIRE_MS         50
#define OVERDUE_MS        10
/* Early, for writing a file full takes as long as filling it when the load is high. */
#define SPARE_AT_PART    16
#define LOG_CHANGE_BYTES 15

static bool is_due(uint64_t due_ns)
{
    return due_ns != 0 && clock_monotonic_ns() >= due_ns;
}

/* ---- changes for the next checkpoint ---- */

void change_parts(struct slice payload, struct slice *ret_name, struct slice *ret_value)
{
    struct rd r = rd_of(payload);

    *ret_name = rd_bytes(&r, rd_u16(&r));
    *ret_value = rd_rest(&r);
    ASSERT(!r.bad && ret_name->len > 0);
}

void change_free(struct change **ref)
{
    struct change *change = *ref;

    *ref = NULL;
    if (change == NULL)
        return;
    mem_free(change->payload);
    mem_free(change);
}

void changes_free(struct map *changes)
{
    struct map_node *node;

    while ((node = map_any(changes)) != NULL) {
        struct change *change = CONTAINER_OF(node, struct change, node);

        map_remove(changes, node);
        change_free(&change);
    }
    map_done(changes);
}

static void change_add_wt(struct writer *w, uint8_t *payload, uint32_t bytes, bool is_delete)
{
    struct change *change = mem_new(struct change);
    struct slice name, value;
    struct map_node *node;

    change_parts(slice_of(payload, bytes), &name, &value);
    node = map_get(&w->changes, name);
    if (node != NULL) {
        struct change *before = CONTAINER_OF(node, struct change, node);

        w->change_bytes -= before->bytes + sizeof(*before);
        map_remove(&w->changes, node);
        change_free(&before);
    }
    change->payload = payload;
    change->bytes = bytes;
    change->is_delete = is_delete;
    map_add(&w->changes, name, &change->node);
    w->change_bytes += bytes + sizeof(*change);
    if (w->checkpoint_due_ns == 0)
        w->checkpoint_due_ns = clock_monotonic_ns() + CHECKPOINT_MS * NS_PER_MS;
}

static void log_change_wt(struct writer *w, uint32_t log, uint64_t start, bool is_delete)
{
    uint8_t *payload = mem_get(LOG_CHANGE_BYTES);
    struct wr wr = wr_of(payload, LOG_CHANGE_BYTES);

    wr_u16(&wr, 5);
    wr_u8(&wr, CATALOG_LOGS);
    wr_u32(&wr, log);
    wr_u64(&wr, start);
    ASSERT(!wr.bad);
    change_add_wt(w, payload, (uint32_t)wr.len, is_delete);
}

/* A copy, made here: what a thread frees goes back to where it was made, and a checkpoint frees
 * very many at once. Of the core thread's they would be for its next allocations to sort, some ms.
 */
static void meta_change_wt(struct writer *w, const struct item *item)
{
    uint8_t *payload = mem_get(item->run_bytes);

    memcpy(payload, item->payload, item->run_bytes);
    change_add_wt(w, payload, item->run_bytes, item->kind == ENTRY_META_DELETE);
}

static void item_change_wt(struct writer *w, struct item *item)
{
    switch ((enum entry_kind)item->kind) {
    case ENTRY_DATA:
        if (item->is_first)
            log_change_wt(w, item->log_number, item->entry.base_offset, false);
        break;
    case ENTRY_TRIM:
        log_change_wt(w, item->log_number, item->entry.base_offset, false);
        break;
    case ENTRY_DROP:
        log_change_wt(w, item->log_number, 0, true);
        break;
    case ENTRY_META_PUT:
    case ENTRY_META_DELETE:
        meta_change_wt(w, item);
        break;
    }
}

static void retire_add_wt(struct writer *w, uint32_t number)
{
    uint64_t due = clock_monotonic_ns() + RETIRE_MS * NS_PER_MS;

    w->retire = mem_resize(w->retire, (w->retire_count + 1) * sizeof(*w->retire));
    w->retire[w->retire_count++] = number;
    if (w->checkpoint_due_ns == 0 || w->checkpoint_due_ns > due)
        w->checkpoint_due_ns = due;
}

static enum rc rescue_wt(struct writer *w);

/* A sync that failed is never tried again on its file. */
static enum rc sync_wt(struct writer *w)
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

/* Hands what the catalogue lacks to the maintenance thread. The frames it covers are synced first:
 * the catalogue must not know more than the log. */
static void checkpoint_wt(struct writer *w, struct segment *seal, bool is_last)
{
    struct checkpoint *checkpoint;
    bool is_sure =
        sync_wt(w) == RC_OK && (w->synced_sequence == w->sequence || !w->store->config.has_sync);

    w->checkpoint_due_ns = is_sure ? 0 : clock_monotonic_ns() + STALL_RETRY_MS * NS_PER_MS;
    if (seal == NULL && !is_last && (!is_sure || (w->changes.count == 0 && w->retire_count == 0)))
        return;
    if (!is_sure)
        changes_free(&w->changes); /* the frames have them, if they are there at the next open */
    checkpoint = mem_new(struct checkpoint);
    checkpoint->job.kind = JOB_CHECKPOINT;
    checkpoint->changes = w->changes;
    checkpoint->covered = is_sure ? w->sequence : w->synced_sequence;
    checkpoint->seal = seal;
    checkpoint->is_last = is_last;
    checkpoint->retire = w->retire;
    checkpoint->retire_count = w->retire_count;
    map_init(&w->changes);
    w->change_bytes = 0;
    w->retire = NULL;
    w->retire_count = 0;
    (void)atomic_fetch_add(&w->store->maintenance.checkpoints_under_way, 1);
    (void)mailbox_put(&w->store->maintenance.inbox, &checkpoint->job.link);
}

/* True when it is time. While the one before is still being written, changes of the same names go
 * on replacing each other here, and memory is bounded by the names instead of by the changes. */
static bool is_checkpoint_due_wt(const struct writer *w)
{
    return (is_due(w->checkpoint_due_ns) || w->change_bytes > CHANGES_MAX_BYTES) &&
           atomic_load(&w->store->maintenance.checkpoints_under_way) == 0;
}

/* ---- rolling to the next segment ---- */

static void abandon_wt(struct writer *w, struct segment *segment)
{
    struct abandon *abandon = mem_new(struct abandon);

    abandon->job.kind = JOB_ABANDON;
    abandon->segment = segment;
    (void)mailbox_put(&w->store->maintenance.inbox, &abandon->job.link);
}

static void leave_wt(struct writer *w, bool is_last)
{
    struct segment *segment;

    (void)sync_wt(w); /* told; the segment is left in any case */
    segment = w->active;
    if (segment == NULL)
        return;
    w->active = NULL;
    if (segment->frame_count == 0)
        abandon_wt(w, segment);
    else
        checkpoint_wt(w, segment, is_last);
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

/* True when the active segment cannot, or should not, take `need` more bytes. */
static bool is_to_roll_wt(const struct writer *w, uint64_t need)
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
    checkpoint_wt(w, failed, false); /* its file stays: reads of it may be under way */
    return RC_OK;
}

static enum rc roll_wt(struct writer *w, uint64_t need)
{
    struct segment *next;
    enum rc rc = sync_wt(w);

    if (rc != RC_OK || !is_to_roll_wt(w, need))
        return rc;
    rc = next_wt(w, need, capacity_after(w), &next);
    if (rc != RC_OK)
        return rc;
    leave_wt(w, false);
    activate_wt(w, next);
    return RC_OK;
}

/* Leaves the active segment, so that all of the store is in sealed ones, and hands on. */
static void backup_wt(struct writer *w)
{
    struct backup_job *job = w->backup;
    struct segment *next;
    enum rc rc = sync_wt(w);

    w->backup = NULL;
    if (rc == RC_OK && w->active != NULL && w->active->frame_count > 0) {
        rc = next_wt(w, 0, w->active->capacity, &next);
        if (rc == RC_OK) {
            leave_wt(w, true);
            activate_wt(w, next);
        }
    } else if (rc == RC_OK) {
        checkpoint_wt(w, NULL, false);
    }
    if (rc == RC_OK && w->store->config.has_sync && w->synced_sequence != w->sequence)
        rc = RC_IO;
    job->rc = rc;
    if (rc == RC_OK)
        (void)mailbox_put(&w->store->maintenance.inbox, &job->job.link);
    else
        store_done(w->store, &job->job);
}

static void ask_spare_wt(struct writer *w)
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

/* ---- commits ---- */

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
    ask_spare_wt(w);
}

static enum rc commit_wt(struct writer *w, struct group *group)
{
    struct slice frames;
    uint64_t need;
    bool is_synced;
    enum rc rc = RC_OK;

    plan_make(w->plan, &w->pending, group->count);
    if (plan_frame_count(w->plan) == 0) {
        group->flushed = group->is_flush ? sync_wt(w) : RC_OK;
        return RC_OK;
    }
    need = plan_room(w->plan);
    if (is_to_roll_wt(w, need))
        rc = roll_wt(w, need);
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
            item_change_wt(w, item);
        }
        if (batch->backup != NULL)
            w->backup = batch->backup;
        batch->backup = NULL;
        for (const struct segment_info *info = batch->retire; info != NULL; info = info->next)
            retire_add_wt(w, info->number);
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
            backup_wt(w);
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
    enum rc rc = sync_wt(w);

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
        if (is_due(w->sync_due_ns))
            sync_due_wt(w);
        if (is_checkpoint_due_wt(w))
            checkpoint_wt(w, NULL, false);
    }
    leave_wt(w, true);
    checkpoint_wt(w, NULL, true);
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
