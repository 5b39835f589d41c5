/* SPDX-License-Identifier: Apache-2.0 */
/* The durable store's front: what the core thread calls. */
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/wire.h"
#include "storage/lmdb/backup.h"
#include "storage/lmdb/copy.h"

void store_wake(struct lmdb_store *s)
{
    if (!atomic_exchange(&s->is_woken, true) && s->store.events.wake != NULL)
        s->store.events.wake(s->store.events.wake_arg);
}

void store_done_quietly(struct lmdb_store *s, struct job *job)
{
    (void)mailbox_put(&s->done, &job->link);
    atomic_store(&s->has_news, true);
}

void store_done(struct lmdb_store *s, struct job *job)
{
    store_done_quietly(s, job);
    store_wake(s);
}

/* ---- putting ---- */

struct batch *store_open_batch(struct lmdb_store *s)
{
    if (s->open == NULL) {
        s->open = mem_new(struct batch);
        s->open->job.kind = JOB_BATCH;
        s->open->ticket = s->ticket;
        s->open_number++;
    }
    return s->open;
}

static uint64_t add(struct lmdb_store *s, struct item *item, size_t bytes,
                    enum durability durability)
{
    struct batch *batch = store_open_batch(s);

    item->is_in_flight = true;
    batch->ticket = ++s->ticket;
    batch->bytes += bytes;
    s->backlog_bytes += bytes;
    if (durability > batch->durability)
        batch->durability = durability;
    return s->ticket;
}

static void add_head(struct lmdb_store *s, struct item *item)
{
    struct batch *batch = store_open_batch(s);

    if (batch->last == NULL)
        batch->first = item;
    else
        batch->last->next = item;
    batch->last = item;
}

/* Joins the log's run in the open batch, or begins a new one. */
static void add_to_run(struct lmdb_store *s, struct store_log *log, struct item *item)
{
    struct item *head = log->open_batch == s->open_number ? log->run : NULL;
    uint32_t len = item->entry.bytes;

    if (head == NULL || head->run_bytes + (uint64_t)len > RUN_MAX_BYTES) {
        log->run = item;
        log->open_batch = s->open_number;
        item->run_last = item;
        item->run_bytes = len;
        item->run_records = item->entry.record_count;
        item->run_time_ms = item->entry.max_timestamp_ms;
        if (item->is_lazy)
            log->lazy++;
        add_head(s, item);
        return;
    }
    item->is_lazy = false;
    head->run_last->run_next = item;
    head->run_last = item;
    head->run_bytes += len;
    head->run_records += item->entry.record_count;
    if (item->entry.max_timestamp_ms > head->run_time_ms)
        head->run_time_ms = item->entry.max_timestamp_ms;
}

static uint64_t on_append(struct store *store, const struct append *append)
{
    struct lmdb_store *s = lmdb_store_of(store);
    struct store_log *log = store_log_get(s, append->log);
    struct item *item = item_new(&s->items);
    uint64_t ticket;

    ASSERT(append->bytes->len <= ENTRY_MAX_BYTES);
    if (log == NULL) {
        log = store_log_new(s, append->log, append->base_offset);
        item->is_first = true;
    }
    ASSERT(append->base_offset == log->end);
    item->kind = ENTRY_DATA;
    item->log = log;
    item->log_number = log->number;
    item->entry = (struct entry){
        .block = append->bytes,
        .base_offset = append->base_offset,
        .max_timestamp_ms = append->max_timestamp_ms,
        .record_count = append->record_count,
        .bytes = (uint32_t)append->bytes->len,
    };
    log->end = entry_end(&item->entry);
    log->bytes += append->bytes->len;
    item->is_lazy = log->tail.count < TAIL_FEW && log->lazy < TAIL_FEW; /* if it begins a run */
    item->is_counted = true;
    item->is_in_tail = true;
    tail_push(&log->tail, &item->entry);
    ticket = add(s, item, append->bytes->len, append->durability);
    add_to_run(s, log, item);
    count_add(COUNT_STORE_BYTES, (int64_t)append->bytes->len);
    return ticket;
}

static void on_expect(const struct store *store, uint32_t log)
{
    slots_look(&lmdb_store_of(store)->logs, log);
}

static uint64_t put_log_change(struct lmdb_store *s, struct store_log *log, enum entry_kind kind,
                               uint64_t start)
{
    struct item *item = item_new(&s->items);
    uint64_t ticket;

    item->kind = (uint8_t)kind;
    item->log = log;
    item->log_number = log->number;
    item->entry.base_offset = start;
    ticket = add(s, item, 0, DURABILITY_MEMORY);
    add_head(s, item);
    return ticket;
}

static uint64_t on_trim(struct store *store, uint32_t number, uint64_t start)
{
    struct lmdb_store *s = lmdb_store_of(store);
    struct store_log *log = store_log_get(s, number);
    uint64_t ticket;

    ASSERT(log != NULL && start >= log->start && start <= log->end);
    ticket = put_log_change(s, log, ENTRY_TRIM, start);
    store_log_begin_trim(s, log, start);
    return ticket;
}

static uint64_t on_drop(struct store *store, uint32_t number)
{
    struct lmdb_store *s = lmdb_store_of(store);
    struct store_log *log = store_log_get(s, number);
    uint64_t ticket;

    if (log == NULL) {
        (void)store_open_batch(s);
        return s->open->ticket = ++s->ticket;
    }
    ticket = put_log_change(s, log, ENTRY_DROP, 0);
    compact_dropped(s, number);
    store_log_begin_drop(s, log);
    return ticket;
}

static uint64_t put_meta(struct lmdb_store *s, enum entry_kind kind, enum meta_table table,
                         struct slice key, struct slice value, enum durability durability)
{
    struct item *item = item_new(&s->items);
    size_t len = 2 + 1 + key.len + value.len;
    struct wr w = wr_of(mem_get(len), len);
    uint64_t ticket;

    wr_u16(&w, (uint16_t)(1 + key.len));
    wr_u8(&w, (uint8_t)table);
    wr_bytes(&w, key);
    wr_bytes(&w, value);
    ASSERT(!w.bad && w.len == len);
    item->kind = (uint8_t)kind;
    item->payload = w.at;
    item->run_bytes = (uint32_t)len;
    ticket = add(s, item, len, durability);
    add_head(s, item);
    return ticket;
}

static uint64_t on_put(struct store *store, enum meta_table table, struct slice key,
                       struct slice value, enum durability durability)
{
    return put_meta(lmdb_store_of(store), ENTRY_META_PUT, table, key, value, durability);
}

static uint64_t on_remove(struct store *store, enum meta_table table, struct slice key,
                          enum durability durability)
{
    return put_meta(lmdb_store_of(store), ENTRY_META_DELETE, table, key, SLICE_NONE, durability);
}

static enum store_due on_due(const struct store *store)
{
    const struct lmdb_store *s = lmdb_store_of(store);
    const struct batch *batch = s->open;

    if (batch == NULL)
        return STORE_DUE_NEVER;
    return batch->durability != DURABILITY_MEMORY || batch->is_flush || batch->backup != NULL ||
                   batch->is_hurried || batch->bytes > LATER_MAX_BYTES
               ? STORE_DUE_NOW
               : STORE_DUE_LATER;
}

static void on_submit(struct store *store, bool is_quiet)
{
    struct lmdb_store *s = lmdb_store_of(store);
    struct batch *batch = s->open;

    if (batch == NULL)
        return;
    s->open = NULL;
    s->open_number++; /* no run of a log is open any more */
    batch->is_quiet = is_quiet && !batch->is_hurried;
    if (batch->durability != DURABILITY_MEMORY)
        batch->submitted_ns = clock_monotonic_ns();
    (void)mailbox_put(&s->writer.inbox, &batch->job.link);
}

/* The writer looks at the number after it has given a batch back, and this looks for what it gave
 * back after the number is set: one of them wakes the core thread. */
static void on_hurry(struct store *store)
{
    struct lmdb_store *s = lmdb_store_of(store);

    if (s->ticket == s->ticket_done)
        return;
    if (s->open != NULL)
        s->open->is_hurried = true;
    atomic_store(&s->writer.hurry, s->ticket);
    if (atomic_load(&s->has_news))
        store_wake(s);
}

static bool on_has_news(const struct store *store)
{
    return atomic_load_explicit(&lmdb_store_of(store)->has_news, memory_order_relaxed);
}

/* ---- what comes back ---- */

static void latency_note(struct lmdb_store *s, const struct batch *group)
{
    uint64_t now = clock_monotonic_ns();

    for (const struct batch *batch = group; batch != NULL; batch = batch->next)
        if (batch->submitted_ns != 0) /* somebody waited */
            s->latency_ns[s->latency_count++ % LATENCY_SAMPLES] = now - batch->submitted_ns;
}

static void on_batch(struct lmdb_store *s, struct batch *group)
{
    uint64_t before = s->ticket_done;

    latency_note(s, group);
    batch_complete(s, group);
    while (group != NULL) {
        struct batch *next = group->next;

        s->ticket_done = group->ticket;
        if (group->is_flush) {
            s->flushes_done++;
            s->flushed = group->flushed;
        }
        batch_free(&group);
        group = next;
    }
    if (s->ticket_done > before && s->store.events.on_durable != NULL)
        s->store.events.on_durable(s->store.events.arg, s->ticket_done);
}

static void on_stalled(struct lmdb_store *s, struct stall *stall)
{
    enum rc rc = stall->rc;

    mem_free(stall);
    s->stalled = rc;
    count_set(COUNT_STORE_STALLED, rc != RC_OK);
    log_event(rc == RC_OK ? LOG_NOTICE : LOG_ERROR,
              rc == RC_OK ? "storage.resumed" : "storage.stalled", "rc=%s", rc_word(rc));
    if (s->store.events.on_stall != NULL)
        s->store.events.on_stall(s->store.events.arg, rc);
}

/* Everything that lies in `taken`, in order. */
static void on_moved(struct lmdb_store *s, struct moved *moved)
{
    rows_move(s, moved);
    mem_free(moved);
}

static void process(struct lmdb_store *s, struct list *taken)
{
    struct job *job;

    while ((job = LIST_FIRST(taken, struct job, link)) != NULL) {
        link_remove(&job->link);
        if (job->kind == JOB_BATCH)
            on_batch(s, CONTAINER_OF(job, struct batch, job));
        else if (job->kind == JOB_STALL)
            on_stalled(s, CONTAINER_OF(job, struct stall, job));
        else if (job->kind == JOB_BACKUP)
            backup_finish(s, CONTAINER_OF(job, struct backup_job, job));
        else if (job->kind == JOB_MOVED)
            on_moved(s, CONTAINER_OF(job, struct moved, job));
        else if (job->kind == JOB_COPY)
            copy_back(s, CONTAINER_OF(job, struct copy_job, job));
        else
            read_finish(s, CONTAINER_OF(job, struct read_job, job));
    }
}

static void on_poll(struct store *store)
{
    struct lmdb_store *s = lmdb_store_of(store);
    struct list taken;

    atomic_store(&s->has_news, false); /* before the look: what comes later is news again */
    atomic_store(&s->is_woken, false);
    list_init(&taken);
    mailbox_take(&s->done, &taken);
    process(s, &taken);
    reads_answer(s);
    store_logs_forget(s);
    copy_poll(s);
}

uint64_t store_ask_flush(struct lmdb_store *s)
{
    struct batch *batch = store_open_batch(s);

    if (!batch->is_flush)
        s->flushes_asked++;
    batch->is_flush = true;
    return s->flushes_asked;
}

static enum rc on_flush(struct store *store)
{
    struct lmdb_store *s = lmdb_store_of(store);
    uint64_t wanted = store_ask_flush(s);

    on_submit(store, false);
    while (s->flushes_done < wanted && s->stalled == RC_OK) {
        struct list taken;

        list_init(&taken);
        (void)mailbox_wait(&s->done, &taken, 0); /* it is never closed */
        process(s, &taken);
    }
    on_poll(store);
    return s->flushes_done < wanted ? s->stalled : s->flushed;
}

static void on_close(struct store **store)
{
    struct lmdb_store *s = lmdb_store_of(*store);

    *store = NULL;
    on_submit(&s->store, false);
    if (s->stalled == RC_OK && on_flush(&s->store) != RC_OK)
        log_event(LOG_ERROR, "storage.close-failed", "rc=%s", rc_word(s->stalled));
    lmdb_store_end(s);
}

static uint64_t on_backlog_bytes(const struct store *store)
{
    return lmdb_store_of(store)->backlog_bytes;
}

static int by_value(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static void on_commit_latency(const struct store *store, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns)
{
    const struct lmdb_store *s = lmdb_store_of(store);
    uint64_t sorted[LATENCY_SAMPLES];
    size_t count = s->latency_count < LATENCY_SAMPLES ? (size_t)s->latency_count : LATENCY_SAMPLES;

    *ret_p50_ns = *ret_p99_ns = 0;
    if (count == 0)
        return;
    memcpy(sorted, s->latency_ns, count * sizeof(sorted[0]));
    qsort(sorted, count, sizeof(sorted[0]), by_value);
    *ret_p50_ns = sorted[count / 2];
    *ret_p99_ns = sorted[count * 99 / 100];
}

static enum rc on_range(const struct store *store, uint32_t number, uint64_t *ret_start,
                        uint64_t *ret_end)
{
    const struct store_log *log = store_log_get(lmdb_store_of(store), number);

    if (log == NULL)
        return RC_NOT_FOUND;
    *ret_start = log->start;
    *ret_end = log->end;
    return RC_OK;
}

static uint64_t on_bytes(const struct store *store, uint32_t number)
{
    struct store_log *log = store_log_get(lmdb_store_of(store), number);

    return log == NULL ? 0 : store_log_bytes(log);
}

static bool on_over(const struct store *store, uint32_t number, uint64_t bytes,
                    uint64_t *ret_offset)
{
    struct store_log *log = store_log_get(lmdb_store_of(store), number);

    *ret_offset = 0;
    return log == NULL || store_log_over(log, bytes, ret_offset);
}

static enum rc on_each(struct store *store, enum meta_table table, meta_visit_fn *visit, void *arg)
{
    struct lmdb_store *s = lmdb_store_of(store);

    ASSERT(s->ticket == 0);
    return catalog_each(&s->catalog, (uint8_t)table, visit, arg);
}

const struct backend lmdb_backend = {
    .name = "lmdb",
    .due = on_due,
    .submit = on_submit,
    .hurry = on_hurry,
    .has_news = on_has_news,
    .poll = on_poll,
    .flush = on_flush,
    .close = on_close,
    .backlog_bytes = on_backlog_bytes,
    .commit_latency = on_commit_latency,
    .backup = backup_begin,
    .backup_cancel = backup_cancel,
    .append = on_append,
    .expect = on_expect,
    .trim = on_trim,
    .drop = on_drop,
    .range = on_range,
    .bytes = on_bytes,
    .over = on_over,
    .compact = compact_begin,
    .compact_cancel = compact_cancel,
    .compacted = compact_state,
    .read_cached = read_cached,
    .read = read_begin,
    .read_cancel = read_cancel,
    .find_time = read_find_time,
    .put = on_put,
    .remove = on_remove,
    .each = on_each,
};
