/* SPDX-License-Identifier: Apache-2.0 */
/* Logs, segments and the cache as the core thread sees them. */
#include "storage/lmdb/backup.h"
#include "storage/lmdb/copy.h"
#include "storage/lmdb/frame.h"

struct store_log *store_log_get(const struct lmdb_store *s, uint32_t number)
{
    struct map_node *node = map_get(&s->logs, slice_of(&number, sizeof(number)));

    return node == NULL ? NULL : CONTAINER_OF(node, struct store_log, node);
}

struct store_log *store_log_new(struct lmdb_store *s, uint32_t number, uint64_t start)
{
    struct store_log *log = mem_new(struct store_log);

    log->number = number;
    log->start = log->end = start;
    map_add(&s->logs, slice_of(&log->number, sizeof(log->number)), &log->node);
    return log;
}

static void log_free_if_idle(struct store_log *log)
{
    if (!log->is_dropped || log->in_flight > 0)
        return;
    ASSERT(log->rows.count == 0 && log->tail.count == 0);
    mem_free(log);
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

static void row_forget(struct lmdb_store *s, struct store_log *log)
{
    struct segment_info *info;
    struct row row;

    rows_get(&log->rows, 0, &row);
    info = segment_info_get(s, row.segment);
    ASSERT(info != NULL && log->bytes >= row.length);
    segment_info_less(info, &row);
    log->bytes -= row.length;
    rows_pop(&log->rows);
    segment_info_check(s, info);
}

void item_free(struct item **ref)
{
    struct item *item = *ref;

    *ref = NULL;
    if (item == NULL)
        return;
    ASSERT(!link_is_linked(&item->fresh));
    block_unref(&item->entry.block);
    mem_free(item->payload);
    mem_free(item);
}

/* Does its oldest row lie below its start? */
static bool has_dead_row(const struct store_log *log)
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
        item->log->bytes -= item->entry.block->len;
    item->is_counted = false;
}

void item_leave_tail(struct lmdb_store *s, struct item *item)
{
    item->is_in_tail = false;
    item_uncount(item);
    if (link_is_linked(&item->fresh)) {
        link_remove(&item->fresh);
        s->fresh_bytes -= item->entry.block->len + sizeof(*item);
    }
    if (!item->is_in_flight)
        item_free(&item);
}

static void tail_drop_first(struct lmdb_store *s, struct store_log *log)
{
    item_leave_tail(s, CONTAINER_OF(tail_pop(&log->tail), struct item, entry));
}

bool store_log_evict(struct lmdb_store *s, struct store_log *log, uint64_t end)
{
    if (log->tail.count == 0 || entry_end(tail_at(&log->tail, 0)) > end)
        return false;
    tail_drop_first(s, log);
    return true;
}

void store_log_trim(struct lmdb_store *s, struct store_log *log, uint64_t start)
{
    log->start = start;
    while (has_dead_row(log))
        row_forget(s, log);
    while (log->tail.count > 0 && entry_end(tail_at(&log->tail, 0)) <= start)
        tail_drop_first(s, log);
}

void store_log_drop(struct lmdb_store *s, struct store_log *log)
{
    ASSERT(!log->is_dropped);
    while (log->rows.count > 0)
        row_forget(s, log);
    while (log->tail.count > 0)
        tail_drop_first(s, log);
    map_remove(&s->logs, &log->node);
    log->is_dropped = true;
    log_free_if_idle(log);
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

static void row_extend(struct lmdb_store *s, struct store_log *log, const struct item *head)
{
    struct row *row = rows_last(&log->rows);
    struct segment_info *info = segment_info_get(s, head->segment);

    ASSERT(info != NULL && row != NULL && row->segment == head->segment &&
           row->position == head->position);
    segment_info_less(info, row);
    row->length += head->run_bytes;
    info->live_bytes += entry_room(row->length);
    row->record_count += head->run_records;
    if (head->run_time_ms > row->max_timestamp_ms)
        row->max_timestamp_ms = head->run_time_ms;
    log->bytes += head->run_bytes;
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
    MAP_EACH (node, &s->logs) {
        struct store_log *log = CONTAINER_OF(node, struct store_log, node);

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
    }
    from = segment_info_get(s, moved->from); /* gone if it held nothing else */
    if (from != NULL)
        segment_info_check(s, from);
}

static void run_complete(struct lmdb_store *s, struct item *head)
{
    struct store_log *log = head->log;
    const struct row row = {
        .base_offset = head->entry.base_offset,
        .max_timestamp_ms = head->run_time_ms,
        .segment = head->segment,
        .position = head->position,
        .length = head->run_bytes,
        .record_count = head->run_records,
    };

    for (struct item *item = head; item != NULL; item = item->run_next)
        item_uncount(item);
    if (log->is_dropped)
        return;
    if (head->is_merged)
        row_extend(s, log, head);
    else
        store_log_add_row(s, log, &row);
}

static void item_complete(struct lmdb_store *s, struct item *item)
{
    struct store_log *log = item->log;

    item->is_in_flight = false;
    if (log != NULL)
        log->in_flight--;
    if (!item->is_in_tail) {
        item_free(&item);
    } else {
        list_append(&s->fresh, &item->fresh);
        s->fresh_bytes += item->entry.block->len + sizeof(*item);
    }
    /* What was trimmed while it was under way has its row by now. */
    if (log != NULL && !log->is_dropped && has_dead_row(log))
        store_log_trim(s, log, log->start);
    if (log != NULL)
        log_free_if_idle(log);
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

static void cache_trim(struct lmdb_store *s)
{
    while (s->fresh_bytes > s->config.cache_bytes) {
        struct item *oldest = LIST_FIRST(&s->fresh, struct item, fresh);

        ASSERT(tail_at(&oldest->log->tail, 0) == &oldest->entry);
        tail_drop_first(s, oldest->log);
    }
}

void batch_complete(struct lmdb_store *s, struct batch *group)
{
    /* First all rows, in the order of the commit, then what may free logs and entries. */
    for (struct batch *batch = group; batch != NULL; batch = batch->next) {
        if (batch->segment > 0) {
            active_set(s, batch->segment);
            s->active->file_bytes = batch->segment_bytes;
        }
        for (struct item *item = batch->first; item != NULL; item = item->next) {
            if (item->kind == ENTRY_DATA)
                run_complete(s, item);
        }
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
