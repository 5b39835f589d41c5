/* SPDX-License-Identifier: Apache-2.0 */
/* The core thread's part of compaction: requests, the rows that are looked at, what becomes of the
 * log. What is written and made to count goes the way of every copy (copy.h). */
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "storage/lmdb/copy.h"

/* Rows that one turn gathers, and entries that the cache lets go of in one. */
#define GATHER_ROWS 2000
#define EVICT_ITEMS 2000
/* Rows that one turn takes in or gives back: some 0.1 ms. */
#define APPLY_ROWS 1000
/* Rows of one pass; entries are joined, so that the next one comes farther. */
#define PASS_ROWS ((size_t)1 << 20)
#define CHUNK     64

struct compacted_log {
    struct map_node node; /* key: the number below */
    uint32_t number;
    uint64_t end;
    int64_t next_ms;
    uint64_t clean_bytes; /* of the rows below the end, after the pass or at the start */
};

static struct compacted_log *compacted_of(const struct lmdb_store *s, uint32_t number)
{
    struct map_node *node = map_get(&s->compacted, slice_of(&number, sizeof(number)));

    return node == NULL ? NULL : CONTAINER_OF(node, struct compacted_log, node);
}

void compact_note(struct lmdb_store *s, uint32_t number, uint64_t end, int64_t next_ms,
                  uint64_t clean_bytes)
{
    struct compacted_log *log = compacted_of(s, number);

    if (log == NULL) {
        log = mem_new(struct compacted_log);
        log->number = number;
        map_add(&s->compacted, slice_of(&log->number, sizeof(log->number)), &log->node);
    }
    log->end = end;
    log->next_ms = next_ms;
    log->clean_bytes = clean_bytes;
}

void compact_forget(struct lmdb_store *s, uint32_t number)
{
    struct compacted_log *log = compacted_of(s, number);

    if (log == NULL)
        return;
    map_remove(&s->compacted, &log->node);
    mem_free(log);
}

static struct compaction *under_way(const struct lmdb_store *s, uint32_t number)
{
    return s->compaction != NULL && s->compaction->log == number ? s->compaction : NULL;
}

void compact_dropped(struct lmdb_store *s, uint32_t number)
{
    struct compaction *c = under_way(s, number);

    if (c != NULL)
        atomic_store(&c->is_gone, true);
    compact_forget(s, number);
}

void compact_free_all(struct lmdb_store *s)
{
    struct map_node *node;

    while ((node = map_any(&s->compacted)) != NULL)
        compact_forget(s, CONTAINER_OF(node, struct compacted_log, node)->number);
    map_done(&s->compacted);
}

static uint64_t bytes_below(const struct store_log *log, uint64_t end)
{
    struct row rows[CHUNK];
    uint64_t bytes = 0;
    uint32_t count;

    for (uint32_t i = 0; i < log->rows.count; i += count) {
        count = rows_copy(&log->rows, i, rows, CHUNK);
        for (uint32_t k = 0; k < count; k++) {
            if (row_end(&rows[k]) > end)
                return bytes;
            bytes += rows[k].length;
        }
    }
    return bytes;
}

void compact_count_all(struct lmdb_store *s)
{
    MAP_EACH (node, &s->compacted) {
        struct compacted_log *compacted = CONTAINER_OF(node, struct compacted_log, node);
        const struct store_log *log = store_log_get(s, compacted->number);

        if (log != NULL)
            compacted->clean_bytes = bytes_below(log, compacted->end);
    }
}

void compact_state(const struct store *store, uint32_t number, uint64_t *ret_end,
                   int64_t *ret_next_ms, uint64_t *ret_bytes)
{
    const struct lmdb_store *s = lmdb_store_of(store);
    struct compacted_log *done = compacted_of(s, number);
    const struct store_log *log = store_log_get(s, number);

    *ret_end = done == NULL ? 0 : done->end;
    *ret_next_ms = done == NULL ? INT64_MAX : done->next_ms;
    *ret_bytes = log == NULL || (done != NULL && done->end >= log->end) ? 0 : log->bytes;
    if (*ret_bytes == 0 || done == NULL || log->start >= done->end)
        return;
    /* What retention took meanwhile was compacted: then this is too little until the next pass. */
    *ret_bytes = log->bytes > done->clean_bytes ? log->bytes - done->clean_bytes : 0;
}

/* ---- requests ---- */

void compact_begin(struct store *store, struct log_compact *compact)
{
    struct lmdb_store *s = lmdb_store_of(store);

    compact->is_under_way = true;
    compact->detail = NULL;
    list_append(&s->compacts, &compact->link);
    if (store->events.wake != NULL)
        store->events.wake(store->events.wake_arg);
}

void compact_cancel(struct store *store, struct log_compact *compact)
{
    struct copy_job *job = compact->detail;

    (void)store;
    if (job != NULL)
        job->compaction->request = NULL; /* the core thread alone looks at it */
    link_remove_if(&compact->link);
    compact->detail = NULL;
    compact->is_under_way = false;
}

bool compact_next(struct lmdb_store *s)
{
    struct log_compact *request = LIST_FIRST(&s->compacts, struct log_compact, link);
    struct compacted_log *before;
    struct compaction *c;
    struct copy_job *job;

    if (request == NULL)
        return false;
    link_remove(&request->link);
    before = compacted_of(s, request->log);
    job = copy_job_new(COPY_SYNC);
    c = job->compaction = mem_new(struct compaction);
    request->detail = job;
    c->request = request;
    c->log = request->log;
    c->from = before == NULL ? 0 : before->end;
    c->is_due = before != NULL && before->next_ms <= clock_wall_ms();
    c->end = request->end;
    c->newest_ms = request->newest_ms;
    c->delete_retention_ms = request->delete_retention_ms;
    /* What the copy holds must not be there after a power cut that takes what shared its commit. */
    c->flush = store_ask_flush(s);
    s->copy = job;
    s->compaction = c;
    s->is_copying = true;
    return true;
}

void compact_finish(struct lmdb_store *s, struct copy_job *job)
{
    struct compaction *c = job->compaction;
    struct log_compact *request = c->request;

    s->compaction = NULL;
    if (job->rc == RC_OK && job->made_count > 0)
        log_event(LOG_INFO, "storage.compacted", "log=%u end=%llu bytes=%llu to=%llu",
                  (unsigned)c->log, (unsigned long long)c->end, (unsigned long long)c->was_bytes,
                  (unsigned long long)c->now_bytes);
    if (request == NULL)
        return;
    request->is_under_way = false;
    request->detail = NULL;
    request->is_partial = c->is_partial;
    request->on_done(request, job->rc);
}

static void fail(struct lmdb_store *s, struct copy_job *job, enum rc rc)
{
    job->rc = rc;
    copy_finish(s, job);
}

/* ---- what is looked at ---- */

/* False: nothing behind it is. */
static bool gather_row(struct lmdb_store *s, struct copy_job *job, const struct row *row)
{
    struct compaction *c = job->compaction;

    if (row_end(row) > c->end ||
        (row->base_offset >= c->from && row->max_timestamp_ms > c->newest_ms))
        return false;
    if (job->count == PASS_ROWS) {
        c->is_partial = true;
        return false;
    }
    copy_job_add(job, &(struct segment_row){ c->log, *row });
    copy_pin(job, segment_info_get(s, row->segment));
    c->next = row_end(row);
    return true;
}

static void gather(struct lmdb_store *s, struct copy_job *job)
{
    struct compaction *c = job->compaction;
    struct store_log *log = store_log_get(s, c->log);
    struct row rows[CHUNK];
    bool is_more = true;
    uint32_t i, count;

    if (log == NULL) {
        fail(s, job, RC_NOT_FOUND);
        return;
    }
    store_log_settle(log);
    if (job->room == 0) { /* at once: growing would copy what is gathered */
        job->room = log->rows.count < PASS_ROWS ? log->rows.count + 1 : PASS_ROWS + 1;
        job->rows = mem_resize(NULL, job->room * sizeof(*job->rows));
    }
    for (unsigned n = 0; n < GATHER_ROWS && is_more; n += count) {
        is_more = rows_find(&log->rows, c->next, &i);
        count = is_more ? rows_copy(&log->rows, i, rows, CHUNK) : 0;
        for (uint32_t k = 0; k < count && is_more; k++)
            is_more = gather_row(s, job, &rows[k]);
    }
    if (is_more)
        return;
    c->end = c->next;
    job->step = COPY_WRITE;
    if (job->count == 0 || (c->end <= c->from && !c->is_due))
        copy_finish(s, job); /* nothing of it is new */
    else
        copy_to_thread(s, job, &s->copier.inbox);
}

/* ---- what becomes of the log ----
 *
 * The log's rows are built again, with those of the copy for those that it covers; some in each
 * turn, while the log goes on with the rows that it has. What is trimmed or moved meanwhile is told
 * here. When all are built, the two change places in one turn, and then the segments of what was
 * replaced are given back, some in each turn too. A row of the copy counts for its segment from
 * when it is built. */

void compaction_free(struct compaction **ref)
{
    struct compaction *c = *ref;

    if (c == NULL)
        return;
    rows_done(&c->built);
    rows_done(&c->old);
    MEM_FREE(*ref);
}

static bool is_made(const struct copy_job *job, const struct row *row)
{
    for (unsigned i = 0; i < job->made_count; i++) {
        if (job->made[i].sealed.number == row->segment)
            return true;
    }
    return false;
}

/* The next row of the copy, unless it was trimmed meanwhile. */
static void build_made(struct lmdb_store *s, struct copy_job *job, uint64_t start)
{
    struct compaction *c = job->compaction;
    const struct row *row = &job->rows[job->at++].row;

    if (row_end(row) <= start)
        return;
    rows_push(&c->built, row);
    segment_info_get(s, row->segment)->live_bytes += entry_room(row->length);
    c->built_bytes += row->length;
    c->clean_bytes += row->length;
}

/* Does a row of the copy cover it? Those that begin behind it are not looked at yet. */
static bool is_replaced(const struct copy_job *job, const struct row *row)
{
    return job->at > 0 && row->base_offset < row_end(&job->rows[job->at - 1].row);
}

static void build_row(struct lmdb_store *s, struct copy_job *job, uint64_t start,
                      const struct row *row)
{
    struct compaction *c = job->compaction;

    while (job->at < job->count && job->rows[job->at].row.base_offset <= row->base_offset)
        build_made(s, job, start);
    c->old_bytes += row->length;
    c->built_to = row_end(row);
    if (is_replaced(job, row))
        return;
    rows_push(&c->built, row);
    c->built_bytes += row->length;
    if (row_end(row) <= c->end)
        c->clean_bytes += row->length;
}

/* True when it came to the end. The last row may still grow: it is taken in that turn alone. */
static bool build(struct lmdb_store *s, struct copy_job *job, const struct store_log *log)
{
    struct compaction *c = job->compaction;
    struct row rows[CHUNK];
    uint32_t i, count;

    for (unsigned n = 0; rows_find(&log->rows, c->built_to, &i); n += count) {
        if (n >= APPLY_ROWS && log->rows.count - i > CHUNK)
            return false;
        count = rows_copy(&log->rows, i, rows, CHUNK);
        for (uint32_t k = 0; k < count; k++)
            build_row(s, job, log->start, &rows[k]);
    }
    return true;
}

/* Forgets the oldest one built. What came from the log was given back when it was trimmed. */
static void built_pop(struct lmdb_store *s, const struct copy_job *job, const struct row *row)
{
    struct compaction *c = job->compaction;

    if (is_made(job, row))
        segment_info_less(segment_info_get(s, row->segment), row);
    c->built_bytes -= row->length;
    if (row_end(row) <= c->end)
        c->clean_bytes -= row->length;
    rows_pop(&c->built);
}

/* True when none is left of those that end at `start` or before. */
static bool built_trim(struct lmdb_store *s, const struct copy_job *job, uint64_t start)
{
    struct compaction *c = job->compaction;
    struct row row;

    for (unsigned n = 0; c->built.count > 0; n++) {
        rows_get(&c->built, 0, &row);
        if (row_end(&row) > start)
            return true;
        if (n == APPLY_ROWS)
            return false;
        built_pop(s, job, &row);
    }
    return true;
}

void compact_trimmed(struct lmdb_store *s, uint32_t number, const struct row *row)
{
    struct compaction *c = under_way(s, number);

    if (c != NULL && c->is_building && row->base_offset < c->built_to)
        c->old_bytes -= row->length;
}

void compact_moved(struct lmdb_store *s, uint32_t number, const struct moved *moved)
{
    struct compaction *c = under_way(s, number);

    for (uint32_t i = c == NULL ? 0 : c->built.count; i-- > 0;) {
        struct row row;

        rows_get(&c->built, i, &row);
        if (row.segment != moved->from || row.position < moved->from_position)
            return;
        rows_move_to(&c->built, i, moved->to,
                     row.position - moved->from_position + moved->to_position);
    }
}

static void apply_end(struct lmdb_store *s, struct copy_job *job)
{
    job->compaction->is_building = false;
    copy_close_made(s, job);
    job->at = 0;
    job->step = COPY_EVICT;
}

static void apply(struct lmdb_store *s, struct copy_job *job)
{
    struct compaction *c = job->compaction;
    struct store_log *log = atomic_load(&c->is_gone) ? NULL : store_log_get(s, c->log);

    if (!c->is_building)
        copy_open_made(s, job);
    c->is_building = true;
    if (log == NULL) {
        if (built_trim(s, job, UINT64_MAX))
            apply_end(s, job);
        return;
    }
    store_log_settle(log);
    /* Trimmed first: what is taken in now, the last row too, is so in the turn of the change. Rows
     * that are still to be forgotten would be given back by nobody if they were left behind. */
    if (!built_trim(s, job, log->start) || log->is_forgetting || !build(s, job, log))
        return;
    ASSERT(log->bytes >= c->old_bytes);
    log->bytes = log->bytes - c->old_bytes + c->built_bytes;
    c->old = log->rows;
    log->rows = c->built;
    c->built = (struct rows){ 0 };
    compact_note(s, c->log, c->end, c->next_ms, c->clean_bytes);
    apply_end(s, job);
}

/* What was replaced is no part of its segment any more. */
static void leave(struct lmdb_store *s, struct copy_job *job)
{
    struct compaction *c = job->compaction;
    struct row row;

    for (unsigned n = 0; n < APPLY_ROWS && c->old.count > 0; n++) {
        rows_get(&c->old, 0, &row);
        while (job->at < job->count && job->rows[job->at].row.base_offset <= row.base_offset)
            job->at++;
        if (is_replaced(job, &row))
            segment_info_less(segment_info_get(s, row.segment), &row);
        rows_pop(&c->old);
    }
    if (c->old.count == 0)
        copy_finish(s, job);
}

/* What the cache holds would go on being read as it was. */
static void evict(struct lmdb_store *s, struct copy_job *job)
{
    struct compaction *c = job->compaction;
    struct store_log *log = store_log_get(s, c->log);

    for (unsigned n = 0; n < EVICT_ITEMS; n++) {
        if (log == NULL || job->made_count == 0 || !store_log_evict(s, log, c->end)) {
            job->step = COPY_LEAVE;
            return;
        }
    }
}

void compact_step(struct lmdb_store *s, struct copy_job *job)
{
    switch (job->step) {
    case COPY_SYNC:
        if (s->stalled != RC_OK)
            fail(s, job, s->stalled);
        else if (s->flushes_done >= job->compaction->flush && s->flushed != RC_OK)
            fail(s, job, s->flushed);
        else if (s->flushes_done >= job->compaction->flush)
            job->step = COPY_GATHER;
        return;
    case COPY_GATHER:
        gather(s, job);
        return;
    case COPY_APPLY:
        apply(s, job);
        return;
    case COPY_EVICT:
        evict(s, job);
        return;
    case COPY_LEAVE:
        leave(s, job);
        return;
    case COPY_LIST:
    case COPY_CHOOSE:
    case COPY_WRITE:
    case COPY_COMMIT:
        break;
    }
    ASSERT(false); /* a step of another thread */
}
