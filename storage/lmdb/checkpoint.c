/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalogue lacks: gathered from what is committed, and handed to the maintenance thread
 * now and then. Of changes of one name the newest is kept. */
#include "storage/lmdb/writer_int.h"

#include "broker/base/wire.h"

/* Changes that force a checkpoint before its time, so that memory stays bounded. */
#define CHANGES_MAX_BYTES ((uint64_t)16 << 20)
#define RETIRE_MS         50
#define LOG_CHANGE_BYTES  15

void change_parts(struct slice payload, struct slice *ret_name, struct slice *ret_value)
{
    struct rd r = rd_of(payload);

    *ret_name = rd_bytes(&r, rd_u16(&r));
    *ret_value = rd_rest(&r);
    ASSERT(!r.bad && ret_name->len > 0);
}

static void change_free(struct change **ref)
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

void checkpoint_change_wt(struct writer *w, const struct item *item)
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

void checkpoint_retire_wt(struct writer *w, uint32_t number)
{
    uint64_t due = clock_monotonic_ns() + RETIRE_MS * NS_PER_MS;

    w->retire = mem_resize(w->retire, (w->retire_count + 1) * sizeof(*w->retire));
    w->retire[w->retire_count++] = number;
    if (w->checkpoint_due_ns == 0 || w->checkpoint_due_ns > due)
        w->checkpoint_due_ns = due;
}

/* The frames it covers are synced first: the catalogue must not know more than the log. */
void checkpoint_begin_wt(struct writer *w, struct segment *seal, bool is_last)
{
    struct checkpoint *checkpoint;
    bool is_sure = active_sync_wt(w) == RC_OK &&
                   (w->synced_sequence == w->sequence || !w->store->config.has_sync);

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

/* While the one before is still being written, changes of the same names go
 * on replacing each other here, and memory is bounded by the names instead of by the changes. */
bool checkpoint_is_due_wt(const struct writer *w)
{
    return (writer_is_due(w->checkpoint_due_ns) || w->change_bytes > CHANGES_MAX_BYTES) &&
           atomic_load(&w->store->maintenance.checkpoints_under_way) == 0;
}
