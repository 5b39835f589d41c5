/* SPDX-License-Identifier: Apache-2.0 */
/* Reading as the core thread does it: from memory at once, else by a reader thread. */
#include "broker/base/counters.h"
#include "storage/lmdb/store_int.h"

static void reads_release(struct lmdb_store *s, const struct read_job *job)
{
    for (unsigned i = 0; i < job->row_count; i++) {
        struct segment_info *info = segment_info_get(s, job->rows[i].segment);

        ASSERT(info != NULL && info->reads > 0);
        info->reads--;
        segment_info_check(s, info);
    }
}

void read_finish(struct lmdb_store *s, struct read_job *job)
{
    struct log_read *read = job->read;
    const struct store_log *log = store_log_get(s, job->log);
    enum rc rc = job->rc;

    reads_release(s, job);
    if (read == NULL && ahead_keep(s, job))
        return;
    if (read == NULL || rc != RC_OK) {
        log_pieces_done(&job->pieces);
    } else if (log == NULL || log->start > job->offset) {
        log_pieces_done(&job->pieces);
        rc = RC_RANGE;
    } else {
        read->pieces = job->pieces;
        ahead_begin(s, job->log, &read->pieces, read->max_bytes);
    }
    mem_free(job);
    if (read == NULL)
        return;
    read->is_under_way = false;
    read->detail = NULL;
    read->on_done(read, rc);
}

enum rc read_cached(struct store *store, uint32_t number, uint64_t offset, size_t max_bytes,
                    struct log_pieces *ret)
{
    struct lmdb_store *s = lmdb_store_of(store);
    const struct store_log *log = store_log_get(s, number);
    uint32_t i;

    if (log == NULL || offset < log->start || offset >= log->end)
        return RC_RANGE;
    if (!tail_find(&log->tail, offset, &i))
        return ahead_take(s, number, offset, max_bytes, ret) ? RC_OK : RC_AGAIN;
    ret->count = 0;
    ret->bytes = 0;
    tail_read(&log->tail, i, max_bytes, ret);
    count_add(COUNT_STORE_CACHE_HITS, 1);
    return RC_OK;
}

struct read_job *read_job_new(struct lmdb_store *s, struct store_log *log, uint64_t offset,
                              size_t max_bytes)
{
    struct read_job *job = mem_new(struct read_job);
    size_t bytes = 0;
    uint32_t i, count;
    bool is_found;

    store_log_settle(log);
    is_found = rows_find(&log->rows, offset, &i);
    ASSERT(is_found); /* what is neither in memory nor here was outside the log's range */
    job->job.kind = JOB_READ;
    job->log = log->number;
    job->offset = offset;
    job->max_bytes = max_bytes;
    for (count = rows_copy(&log->rows, i, job->rows, LOG_PIECES_MAX); job->row_count < count;) {
        const struct row *row = &job->rows[job->row_count];

        if (bytes > 0 && (bytes >= max_bytes || row->length > max_bytes - bytes ||
                          row->base_offset != row_end(row - 1)))
            break;
        bytes += row->length;
        job->row_count++;
        segment_info_get(s, row->segment)->reads++;
    }
    return job;
}

/* From the disk, by a reader thread. */
static void read_cold(struct lmdb_store *s, struct log_read *read)
{
    struct read_job *job;

    count_add(COUNT_STORE_CACHE_MISSES, 1);
    if (ahead_join(s, read))
        return;
    job = read_job_new(s, store_log_get(s, read->log), read->offset, read->max_bytes);
    job->read = read;
    read->is_under_way = true;
    read->detail = job;
    readers_put(s, job);
}

void reads_answer(struct lmdb_store *s)
{
    struct log_read *read;

    list_splice(&s->reads_now, &s->reads);
    while ((read = LIST_FIRST(&s->reads_now, struct log_read, link)) != NULL) {
        enum rc rc =
            read_cached(&s->store, read->log, read->offset, read->max_bytes, &read->pieces);

        link_remove(&read->link);
        read->is_under_way = false;
        if (rc == RC_AGAIN) /* it left the cache meanwhile */
            read_cold(s, read);
        else
            read->on_done(read, rc);
    }
}

void read_begin(struct store *store, struct log_read *read)
{
    struct lmdb_store *s = lmdb_store_of(store);
    const struct store_log *log = store_log_get(s, read->log);
    uint32_t i;

    if (log != NULL && read->offset >= log->start && read->offset < log->end &&
        !tail_find(&log->tail, read->offset, &i)) {
        read_cold(s, read);
        return;
    }
    read->is_under_way = true;
    read->detail = NULL;
    list_append(&s->reads, &read->link);
    if (store->events.wake != NULL)
        store->events.wake(store->events.wake_arg);
}

void read_cancel(struct store *store, struct log_read *read)
{
    struct read_job *job = read->detail;

    (void)store;
    if (job != NULL)
        job->read = NULL; /* the core thread alone looks at it */
    link_remove_if(&read->link);
    read->detail = NULL;
    read->is_under_way = false;
}

enum rc read_find_time(const struct store *store, uint32_t number, int64_t time_ms,
                       uint64_t *ret_offset)
{
    const struct store_log *log = store_log_get(lmdb_store_of(store), number);
    uint64_t tail_start;
    struct row row;
    uint32_t i;

    if (log == NULL || log->start == log->end)
        return RC_NOT_FOUND;
    tail_start = log->tail.count == 0 ? log->end : tail_at(&log->tail, 0)->base_offset;
    if (rows_find_time(&log->rows, time_ms, &i)) {
        rows_get(&log->rows, i, &row);
        if (row.base_offset < tail_start) {
            /* One that is being forgotten: the first may be late enough, and nothing before is. */
            *ret_offset = row_end(&row) <= log->start ? log->start : row.base_offset;
            return RC_OK;
        }
    }
    if (!tail_find(&log->tail, log->start, &i))
        i = 0;
    for (; i < log->tail.count; i++) {
        if (tail_at(&log->tail, i)->max_timestamp_ms >= time_ms) {
            *ret_offset = tail_at(&log->tail, i)->base_offset;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}
