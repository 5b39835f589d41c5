/* SPDX-License-Identifier: Apache-2.0 */
/* Logs, segments and the cache as the core thread sees them, and what a commit that came back means
 * to them. What goes out of them: forget.c. */
#include "storage/lmdb/backup.h"
#include "storage/lmdb/copy.h"
#include "storage/lmdb/frame.h"

/* Items that are looked at before their turn: see look_at_log(). */
#define LOOK_FAR  16
#define LOOK_NEAR 8

struct store_log *store_log_get(const struct lmdb_store *s, uint32_t number)
{
    struct store_log *log = slots_get(&s->logs, number);

    return log == NULL || log->is_dropped ? NULL : log;
}

struct store_log *store_log_new(struct lmdb_store *s, uint32_t number, uint64_t start)
{
    struct store_log *log = slots_add(&s->logs, number);

    log->start = log->end = start;
    return log;
}

void store_log_free_if_idle(struct lmdb_store *s, struct store_log *log)
{
    if (!log->is_over || log->is_forgetting || log->rows.count > 0 || log->tail.count > 0)
        return;
    slots_remove(&s->logs, log->number);
}

void store_logs_init(struct lmdb_store *s)
{
    slots_init(&s->logs, LOG_SLOT_BYTES);
    item_slabs_init(&s->items);
    ring_init(&s->forgetting, sizeof(uint32_t));
    s->forget_left = FORGET_ENTRIES;
}

void store_logs_done(struct lmdb_store *s)
{
    struct store_log *log;

    for (uint32_t number = 0; (log = slots_next(&s->logs, number)) != NULL;) {
        number = log->number;
        store_log_drop(s, log);
    }
    slots_done(&s->logs);
    ring_done(&s->forgetting);
    item_slabs_done(&s->items);
}

struct segment_info *segment_info_get(struct lmdb_store *s, uint32_t number)
{
    struct map_node *node;

    if (s->active != NULL && s->active->number == number)
        return s->active; /* each entry that is committed asks for it */
    node = map_get(&s->segments, slice_of(&number, sizeof(number)));
    return node == NULL ? NULL : CONTAINER_OF(node, struct segment_info, node);
}

struct segment_info *segment_info_new(struct lmdb_store *s, uint32_t number)
{
    struct segment_info *info = mem_new(struct segment_info);

    info->number = number;
    map_add(&s->segments, slice_of(&info->number, sizeof(info->number)), &info->node);
    return info;
}

void segment_info_check(struct lmdb_store *s, struct segment_info *info)
{
    struct batch *batch;

    if (info->is_closed && info->live_bytes > 0)
        copy_note(s, info);
    if (!info->is_closed || info->live_bytes > 0 || info->reads > 0)
        return;
    /* The request rides behind the trims and drops that emptied it. */
    batch = store_open_batch(s);
    map_remove(&s->segments, &info->node);
    info->next = batch->retire;
    batch->retire = info;
}

void segment_info_less(struct segment_info *info, const struct row *row)
{
    ASSERT(info->live_bytes >= entry_room(row->length));
    info->live_bytes -= entry_room(row->length);
}

bool store_log_has_dead_row(const struct store_log *log)
{
    struct row row;

    if (log->rows.count == 0 || rows_start(&log->rows) >= log->start)
        return false;
    rows_get(&log->rows, 0, &row);
    return row_end(&row) <= log->start;
}

static void item_uncount(struct item *item)
{
    if (item->is_counted)
        item->log->bytes -= item->entry.bytes;
    item->is_counted = false;
}

static void item_leave_tail(struct lmdb_store *s, struct item *item)
{
    item->is_in_tail = false;
    item_uncount(item);
    if (link_is_linked(&item->fresh)) {
        link_remove(&item->fresh);
        s->fresh_bytes -= item->entry.bytes + sizeof(*item);
    }
    if (!item->is_in_flight)
        item_free(&s->items, &item);
}

void store_log_drop_first(struct lmdb_store *s, struct store_log *log)
{
    const struct item *first = CONTAINER_OF(tail_at(&log->tail, 0), struct item, entry);

    if (first->is_lazy && !first->is_in_flight)
        store_log_settle(log);
    item_leave_tail(s, CONTAINER_OF(tail_pop(&log->tail), struct item, entry));
}

bool store_log_evict(struct lmdb_store *s, struct store_log *log, uint64_t end)
{
    if (log->tail.count == 0 || entry_end(tail_at(&log->tail, 0)) > end)
        return false;
    store_log_drop_first(s, log);
    return true;
}

void store_log_add_row(struct lmdb_store *s, struct store_log *log, const struct row *row)
{
    struct segment_info *info = segment_info_get(s, row->segment);

    ASSERT(info != NULL);
    rows_push(&log->rows, row);
    info->live_bytes += entry_room(row->length);
    log->bytes += row->length;
    if (row_end(row) > log->end)
        log->end = row_end(row);
}

/* ---- completion ---- */

static void row_extend(struct store_log *log, const struct item *head)
{
    struct row *row = rows_last(&log->rows);

    ASSERT(row != NULL && row->segment == head->segment && row->position == head->position);
    row->length += head->run_bytes;
    row->record_count += head->run_records;
    if (head->run_time_ms > row->max_timestamp_ms)
        row->max_timestamp_ms = head->run_time_ms;
}

static void active_set(struct lmdb_store *s, uint32_t number)
{
    struct segment_info *before = s->active;

    if (before != NULL && before->number == number)
        return;
    s->active = segment_info_new(s, number);
    if (before == NULL)
        return;
    before->is_closed = true;
    segment_info_check(s, before);
}

/* What is moved is the newest of each log. */
void rows_move(struct lmdb_store *s, const struct moved *moved)
{
    struct segment_info *from = segment_info_get(s, moved->from), *to;

    active_set(s, moved->to);
    to = s->active;
    for (struct store_log *log = slots_next(&s->logs, 0); log != NULL;
         log = slots_next(&s->logs, log->number)) {
        store_log_settle(log);
        for (uint32_t i = log->rows.count; i-- > 0;) {
            struct row row;

            rows_get(&log->rows, i, &row);
            if (row.segment != moved->from || row.position < moved->from_position)
                break;
            ASSERT(from != NULL);
            segment_info_less(from, &row);
            to->live_bytes += entry_room(row.length);
            rows_move_to(&log->rows, i, moved->to,
                         row.position - moved->from_position + moved->to_position);
        }
        if (s->compaction != NULL)
            compact_moved(s, log->number, moved);
    }
    from = segment_info_get(s, moved->from); /* gone if it held nothing else */
    if (from != NULL)
        segment_info_check(s, from);
}

/* Its segment counts what it added to its entry. */
static void run_lives(struct lmdb_store *s, const struct item *head)
{
    struct segment_info *info = segment_info_get(s, head->segment);

    ASSERT(info != NULL);
    if (head->is_merged)
        info->live_bytes -= entry_room(s->entry_bytes);
    else
        s->entry_bytes = 0;
    s->entry_bytes += head->run_bytes;
    info->live_bytes += entry_room(s->entry_bytes);
}

static void run_row(const struct item *head)
{
    const struct row row = {
        .base_offset = head->entry.base_offset,
        .max_timestamp_ms = head->run_time_ms,
        .segment = head->segment,
        .position = head->position,
        .length = head->run_bytes,
        .record_count = head->run_records,
    };

    if (head->is_merged)
        row_extend(head->log, head);
    else
        rows_push(&head->log->rows, &row);
}

/* They are among the first of the tail: no run is lazy that begins behind those. */
void store_log_settle(struct store_log *log)
{
    for (uint32_t i = 0; log->lazy > 0 && i < TAIL_FEW && i < log->tail.count; i++) {
        struct item *item = CONTAINER_OF(tail_at(&log->tail, i), struct item, entry);

        if (item->is_in_flight)
            return;
        if (!item->is_lazy)
            continue;
        item->is_lazy = false;
        log->lazy--;
        run_row(item);
    }
}

static void item_stay(struct lmdb_store *s, struct item *item)
{
    list_append(&s->fresh, &item->fresh);
    s->fresh_bytes += item->entry.bytes + sizeof(*item);
}

/* Was nothing of the run trimmed or dropped while it was under way? Then what it added to its log's
 * bytes stays. */
static bool is_whole(const struct item *head)
{
    return !head->log->is_dropped && head->log->start <= head->entry.base_offset;
}

static void run_counts(struct item *head)
{
    bool was_whole = is_whole(head);

    for (struct item *item = head; item != NULL; item = item->run_next) {
        if (was_whole)
            item->is_counted = false;
        else
            item_uncount(item);
    }
    if (!was_whole && !head->log->is_dropped)
        head->log->bytes += head->run_bytes;
}

/* The whole of it is in the tail, and its row waits: the log need not be looked at. */
static void run_complete_lazily(struct lmdb_store *s, struct item *head)
{
    struct item *next;

    run_lives(s, head);
    for (struct item *item = head; item != NULL; item = next) {
        next = item->run_next;
        ASSERT(item->is_in_tail && item->is_counted);
        item->is_counted = false; /* it stays counted, for the row to come */
        item->is_in_flight = false;
        item_stay(s, item);
    }
}

/* What is in the tail stays, in the order of its log. True when there are others, the first ones,
 * which were trimmed or dropped: then only they are left in the run. */
static bool run_complete(struct lmdb_store *s, struct item *head)
{
    struct store_log *log = head->log;
    struct item *item = head, *last = NULL, *next;

    if (head->is_lazy && head->is_in_tail) {
        run_complete_lazily(s, head);
        return false;
    }
    store_log_settle(log);
    if (head->is_lazy)
        log->lazy--;
    head->is_lazy = false;
    run_counts(head);
    if (!log->is_dropped) {
        run_lives(s, head);
        run_row(head);
    }
    for (; item != NULL && !item->is_in_tail; item = item->run_next)
        last = item;
    if (last != NULL)
        last->run_next = NULL;
    for (; item != NULL; item = next) {
        next = item->run_next;
        ASSERT(item->is_in_tail);
        item->is_in_flight = false;
        item_stay(s, item);
    }
    return last != NULL;
}

static void item_complete(struct lmdb_store *s, struct item *item)
{
    struct store_log *log = item->log;
    bool is_drop = item->kind == ENTRY_DROP;

    item->is_in_flight = false;
    if (item->is_lazy) /* it was never written: there is no row to come */
        log->lazy--;
    item->is_lazy = false;
    if (item->is_in_tail)
        item_stay(s, item);
    else
        item_free(&s->items, &item);
    /* What was trimmed while it was under way has its row by now. */
    if (log != NULL && !log->is_dropped && store_log_has_dead_row(log))
        store_log_begin_trim(s, log, log->start);
    if (is_drop) { /* nothing is put to a log behind its drop */
        log->is_over = true;
        store_log_free_if_idle(s, log);
    }
}

void batch_release(struct lmdb_store *s, struct batch *batch)
{
    struct item *run, *item;

    while ((run = batch->first) != NULL) {
        batch->first = run->next;
        while ((item = run) != NULL) {
            run = item->run_next;
            item_complete(s, item);
        }
    }
}

/* With many logs in turn, what an item leads to is in no cache of the processor: it is asked for
 * some items before, its log first, then the log's rows. */
static const struct item *look_at_log(const struct item *item)
{
    if (item == NULL)
        return NULL;
    item_look_on(item);
    if (item->log != NULL && !item->is_lazy) {
        __builtin_prefetch(item->log, 1);
        __builtin_prefetch((const uint8_t *)item->log + SLOT_LINE, 1);
    }
    return item->next;
}

static const struct item *look_at_rows(const struct item *item)
{
    if (item == NULL)
        return NULL;
    if (item->log != NULL && !item->is_lazy)
        rows_look(&item->log->rows);
    return item->next;
}

/* All rows of the batch, in its order. Only what may free logs and entries is left in it. */
static void batch_rows(struct lmdb_store *s, struct batch *batch)
{
    struct item **left = &batch->first;
    const struct item *far = batch->first, *near = batch->first;

    for (unsigned i = 0; i < LOOK_FAR; i++)
        far = look_at_log(far);
    for (unsigned i = 0; i < LOOK_NEAR; i++)
        near = look_at_rows(near);
    for (struct item *item = batch->first, *next; item != NULL; item = next) {
        next = item->next;
        far = look_at_log(far);
        near = look_at_rows(near);
        if (item->kind == ENTRY_DATA && !run_complete(s, item))
            continue;
        *left = item;
        left = &item->next;
    }
    *left = NULL;
    batch->last = NULL;
}

/* ---- the cache ---- */

/* The oldest that are to go, `LOOK_FAR` at the most, all of them asked for. */
static unsigned oldest_take(struct lmdb_store *s, struct item *ret[LOOK_FAR])
{
    uint64_t bytes = s->fresh_bytes;
    struct link *link = s->fresh.head.next;
    unsigned count = 0;

    for (; count < LOOK_FAR && bytes > s->config.cache_bytes; link = link->next) {
        struct item *item = CONTAINER_OF(link, struct item, fresh);

        ASSERT(link != &s->fresh.head);
        item_look_on(item);
        __builtin_prefetch(item->log, 1);
        __builtin_prefetch((const uint8_t *)item->log + SLOT_LINE, 1);
        __builtin_prefetch(item->entry.block, 1);
        __builtin_prefetch((const uint8_t *)(item->entry.block + 1) + item->entry.bytes);
        bytes -= item->entry.bytes + sizeof(*item);
        ret[count++] = item;
    }
    return count;
}

static void cache_trim(struct lmdb_store *s)
{
    struct item *oldest[LOOK_FAR];
    unsigned count;

    while ((count = oldest_take(s, oldest)) > 0) {
        for (unsigned i = 0; i < count; i++) {
            tail_look(&oldest[i]->log->tail);
            if (oldest[i]->is_lazy)
                rows_look(&oldest[i]->log->rows);
        }
        for (unsigned i = 0; i < count; i++) {
            struct tail *tail = &oldest[i]->log->tail;

            ASSERT(tail_at(tail, 0) == &oldest[i]->entry);
            store_log_drop_first(s, oldest[i]->log);
        }
    }
}

void batch_complete(struct lmdb_store *s, struct batch *group)
{
    for (struct batch *batch = group; batch != NULL; batch = batch->next) {
        if (batch->segment > 0) {
            active_set(s, batch->segment);
            s->active->file_bytes = batch->segment_bytes;
        }
        batch_rows(s, batch);
    }
    for (struct batch *batch = group; batch != NULL; batch = batch->next) {
        s->backlog_bytes -= batch->bytes;
        batch_release(s, batch);
    }
    cache_trim(s);
}

void batch_free(struct batch **ref)
{
    struct batch *batch = *ref;
    struct segment_info *info;

    *ref = NULL;
    if (batch == NULL)
        return;
    ASSERT(batch->first == NULL);
    backup_drop(&batch->backup);
    while ((info = batch->retire) != NULL) {
        batch->retire = info->next;
        mem_free(info);
    }
    mem_free(batch);
}
