/* SPDX-License-Identifier: Apache-2.0 */
/* Trims and drops. What lies below the start, or is of a log that was dropped, is not found any
 * more at once. What is known of each of its entries goes afterwards, some of them in each turn:
 * there may be millions. */
#include <limits.h>

#include "storage/lmdb/copy.h"

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
    if (s->compaction != NULL)
        compact_trimmed(s, log->number, &row);
    segment_info_check(s, info);
}

static bool is_row_dead(const struct store_log *log)
{
    return log->is_dropped ? log->rows.count > 0 : store_log_has_dead_row(log);
}

static bool is_item_dead(const struct store_log *log)
{
    return log->tail.count > 0 &&
           (log->is_dropped || entry_end(tail_at(&log->tail, 0)) <= log->start);
}

/* As many entries as `left` says, which is counted down. True: none is left of them. */
static bool forget(struct lmdb_store *s, struct store_log *log, unsigned *left)
{
    store_log_settle(log); /* no row is made below */
    for (; is_row_dead(log); --*left) {
        if (*left == 0)
            return false;
        row_forget(s, log);
    }
    for (; is_item_dead(log); --*left) {
        if (*left == 0)
            return false;
        store_log_drop_first(s, log);
    }
    return true;
}

static void forget_some(struct lmdb_store *s, struct store_log *log)
{
    if (forget(s, log, &s->forget_left)) {
        store_log_free_if_idle(s, log);
        return;
    }
    if (!log->is_forgetting)
        *(uint32_t *)ring_push(&s->forgetting) = log->number;
    log->is_forgetting = true;
}

/* Has another poll come soon if something is left for it. */
static void wake_for_rest(struct lmdb_store *s)
{
    if (s->forgetting.count > 0 && s->store.events.wake != NULL)
        s->store.events.wake(s->store.events.wake_arg);
}

void store_logs_forget(struct lmdb_store *s)
{
    s->forget_left = FORGET_ENTRIES;
    while (s->forget_left > 0 && s->forgetting.count > 0) {
        struct store_log *log = slots_get(&s->logs, *(uint32_t *)ring_front(&s->forgetting));

        ring_pop(&s->forgetting, 1);
        log->is_forgetting = false;
        forget_some(s, log); /* one that is not done stands last */
    }
    wake_for_rest(s);
}

void store_log_begin_trim(struct lmdb_store *s, struct store_log *log, uint64_t start)
{
    log->start = start;
    forget_some(s, log);
    wake_for_rest(s);
}

void store_log_begin_drop(struct lmdb_store *s, struct store_log *log)
{
    ASSERT(!log->is_dropped);
    log->is_dropped = true;
    store_log_begin_trim(s, log, log->end);
}

void store_log_trim(struct lmdb_store *s, struct store_log *log, uint64_t start)
{
    unsigned all = UINT_MAX;

    log->start = start;
    (void)forget(s, log, &all); /* no log has so many */
}

void store_log_drop(struct lmdb_store *s, struct store_log *log)
{
    log->is_dropped = log->is_over = true;
    store_log_trim(s, log, log->end);
    log->is_forgetting = false; /* who forgets in parts has gone, or was not there yet */
    store_log_free_if_idle(s, log);
}

uint64_t store_log_bytes(struct store_log *log)
{
    uint32_t rows, dead = 0;

    if (!log->is_forgetting)
        return log->bytes;
    store_log_settle(log);
    rows = log->rows.count;
    if (rows == 0)
        return log->bytes;
    if (log->start == log->end || !rows_find(&log->rows, log->start, &dead))
        return 0;
    return (uint64_t)((double)log->bytes * (double)(rows - dead) / (double)rows);
}

bool store_log_over(struct store_log *log, uint64_t bytes, uint64_t *ret_offset)
{
    uint64_t over = log->bytes > bytes ? log->bytes - bytes : 0;
    struct row rows[OVER_CHUNK];
    uint32_t count, i;

    *ret_offset = log->start;
    if (over == 0 || log->is_forgetting)
        return over == 0;
    store_log_settle(log);
    for (i = 0; i < log->rows.count && i < LOG_OVER_ENTRIES; i += count) {
        count = rows_copy(&log->rows, i, rows, OVER_CHUNK);
        for (uint32_t k = 0; k < count; k++) {
            const struct row *row = &rows[k];

            if (over < row->length) {
                *ret_offset = log_over_in(row->base_offset, row->record_count, row->length, over);
                return true;
            }
            over -= row->length;
            *ret_offset = row_end(row);
        }
    }
    return i >= log->rows.count; /* what is not committed yet does not go */
}
