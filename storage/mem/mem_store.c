/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/mem/mem_store.h"

#include "broker/base/counters.h"
#include "storage/backend.h"
#include "storage/slots.h"
#include "storage/tail.h"

struct mem_log {
    uint32_t number; /* first: as slots want it */
    struct tail tail;
    uint64_t start;
    uint64_t end;
    uint64_t bytes;
};

#define LOG_SLOT_BYTES ((size_t)2 * SLOT_LINE)
_Static_assert(sizeof(struct mem_log) <= LOG_SLOT_BYTES, "one for each stream: keep it small");

struct mem_store {
    struct store store;
    struct slots logs;         /* struct mem_log */
    struct list reads;         /* under way, answered by the next poll */
    struct list reads_polling; /* those that the poll under way answers */
    struct list compacts;      /* struct log_compact: refused by the next poll */
    uint64_t ticket;           /* the last one given */
    uint64_t submitted;
    uint64_t reported;
};

static const struct backend mem_backend;

static struct mem_store *mem_store_of(const struct store *store)
{
    ASSERT(store->backend == &mem_backend);
    return (struct mem_store *)(uintptr_t)store; /* its first member; const is the caller's */
}

static struct mem_log *log_of(const struct mem_store *m, uint32_t number)
{
    return slots_get(&m->logs, number);
}

static void entry_free(struct entry *entry)
{
    block_unref(&entry->block);
    mem_free(entry);
}

static void log_free(struct mem_store *m, struct mem_log *log)
{
    struct entry *entry;

    while ((entry = tail_pop(&log->tail)) != NULL)
        entry_free(entry);
    tail_done(&log->tail);
    slots_remove(&m->logs, log->number);
}

static void on_submit(struct store *store)
{
    struct mem_store *m = mem_store_of(store);

    if (m->submitted == m->ticket)
        return;
    m->submitted = m->ticket;
    count_add(COUNT_STORE_COMMITS, 1);
    if (store->events.wake != NULL)
        store->events.wake(store->events.wake_arg);
}

static enum rc fill(const struct mem_store *m, uint32_t number, uint64_t offset, size_t max_bytes,
                    struct log_pieces *pieces)
{
    const struct mem_log *log = log_of(m, number);
    uint32_t i;

    if (log == NULL || offset < log->start || !tail_find(&log->tail, offset, &i))
        return RC_RANGE;
    pieces->count = 0;
    pieces->bytes = 0;
    tail_read(&log->tail, i, max_bytes, pieces);
    return RC_OK;
}

static void compacts_answer(struct mem_store *m)
{
    struct log_compact *compact;

    while ((compact = LIST_FIRST(&m->compacts, struct log_compact, link)) != NULL) {
        link_remove(&compact->link);
        compact->is_under_way = false;
        compact->on_done(compact, RC_UNSUPPORTED);
    }
}

static void on_poll(struct store *store)
{
    struct mem_store *m = mem_store_of(store);

    if (m->reported < m->submitted) {
        m->reported = m->submitted;
        if (store->events.on_durable != NULL)
            store->events.on_durable(store->events.arg, m->reported);
    }
    compacts_answer(m);
    list_splice(&m->reads_polling, &m->reads);
    while (!list_is_empty(&m->reads_polling)) {
        struct log_read *read = LIST_FIRST(&m->reads_polling, struct log_read, link);
        enum rc rc = fill(m, read->log, read->offset, read->max_bytes, &read->pieces);

        link_remove(&read->link);
        read->is_under_way = false;
        read->on_done(read, rc);
    }
}

static enum rc on_flush(struct store *store)
{
    struct mem_store *m = mem_store_of(store);

    m->submitted = m->ticket;
    on_poll(store);
    return RC_OK;
}

static void on_close(struct store **store)
{
    struct mem_store *m = mem_store_of(*store);
    struct mem_log *log;

    for (uint32_t number = 0; (log = slots_next(&m->logs, number)) != NULL;) {
        number = log->number;
        log_free(m, log);
    }
    slots_done(&m->logs);
    mem_free(m);
    *store = NULL;
}

static uint64_t on_backlog_bytes(const struct store *store)
{
    (void)store; /* an append is where it will stay: nothing is ever waiting */
    return 0;
}

static void on_commit_latency(const struct store *store, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns)
{
    (void)store; /* there are no commits to time */
    *ret_p50_ns = 0;
    *ret_p99_ns = 0;
}

static uint64_t on_append(struct store *store, const struct append *append)
{
    struct mem_store *m = mem_store_of(store);
    struct mem_log *log = log_of(m, append->log);
    struct entry *entry = mem_new(struct entry);

    if (log == NULL) {
        log = slots_add(&m->logs, append->log);
        log->start = log->end = append->base_offset;
    }
    ASSERT(append->base_offset == log->end);
    *entry = (struct entry){
        .block = append->bytes,
        .base_offset = append->base_offset,
        .max_timestamp_ms = append->max_timestamp_ms,
        .record_count = append->record_count,
        .bytes = (uint32_t)append->bytes->len,
    };
    tail_push(&log->tail, entry);
    log->end = entry_end(entry);
    log->bytes += append->bytes->len;
    count_add(COUNT_STORE_BYTES, (int64_t)append->bytes->len);
    return ++m->ticket;
}

static uint64_t on_trim(struct store *store, uint32_t number, uint64_t start)
{
    struct mem_store *m = mem_store_of(store);
    struct mem_log *log = log_of(m, number);

    ASSERT(log != NULL && start >= log->start && start <= log->end);
    log->start = start;
    while (log->tail.count > 0 && entry_end(tail_at(&log->tail, 0)) <= start) {
        struct entry *entry = tail_pop(&log->tail);

        log->bytes -= entry->bytes;
        entry_free(entry);
    }
    return ++m->ticket;
}

static uint64_t on_drop(struct store *store, uint32_t number)
{
    struct mem_store *m = mem_store_of(store);
    struct mem_log *log = log_of(m, number);

    if (log != NULL)
        log_free(m, log);
    return ++m->ticket;
}

static enum rc on_range(const struct store *store, uint32_t number, uint64_t *ret_start,
                        uint64_t *ret_end)
{
    const struct mem_log *log = log_of(mem_store_of(store), number);

    if (log == NULL)
        return RC_NOT_FOUND;
    *ret_start = log->start;
    *ret_end = log->end;
    return RC_OK;
}

static uint64_t on_bytes(const struct store *store, uint32_t number)
{
    const struct mem_log *log = log_of(mem_store_of(store), number);

    return log == NULL ? 0 : log->bytes;
}

static enum rc on_read_cached(struct store *store, uint32_t log, uint64_t offset, size_t max_bytes,
                              struct log_pieces *ret)
{
    return fill(mem_store_of(store), log, offset, max_bytes, ret);
}

static void on_read(struct store *store, struct log_read *read)
{
    list_append(&mem_store_of(store)->reads, &read->link);
    read->is_under_way = true;
    if (store->events.wake != NULL)
        store->events.wake(store->events.wake_arg);
}

static void on_read_cancel(struct store *store, struct log_read *read)
{
    (void)store;
    link_remove(&read->link);
    read->is_under_way = false;
}

static enum rc on_find_time(const struct store *store, uint32_t number, int64_t time_ms,
                            uint64_t *ret_offset)
{
    const struct mem_log *log = log_of(mem_store_of(store), number);

    for (uint32_t i = 0; log != NULL && i < log->tail.count; i++) {
        const struct entry *entry = tail_at(&log->tail, i);

        if (entry->max_timestamp_ms >= time_ms) {
            *ret_offset = entry->base_offset;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}

/* Values are read at open alone, and a memory store opens empty: only the order of tickets counts.
 */
static uint64_t on_put(struct store *store, enum meta_table table, struct slice key,
                       struct slice value, enum durability durability)
{
    (void)table;
    (void)key;
    (void)value;
    (void)durability;
    return ++mem_store_of(store)->ticket;
}

static uint64_t on_remove(struct store *store, enum meta_table table, struct slice key,
                          enum durability durability)
{
    return on_put(store, table, key, SLICE_NONE, durability);
}

static enum rc on_each(struct store *store, enum meta_table table, meta_visit_fn *visit, void *arg)
{
    (void)table;
    (void)visit;
    (void)arg;
    ASSERT(mem_store_of(store)->ticket == 0);
    return RC_OK;
}

/* What is compacted when is the store's business: here it never is. */
static void on_compact(struct store *store, struct log_compact *compact)
{
    struct mem_store *m = mem_store_of(store);

    compact->is_under_way = true;
    list_append(&m->compacts, &compact->link);
    if (store->events.wake != NULL)
        store->events.wake(store->events.wake_arg);
}

static void on_compact_cancel(struct store *store, struct log_compact *compact)
{
    (void)store;
    link_remove(&compact->link);
    compact->is_under_way = false;
}

static void on_compacted(const struct store *store, uint32_t log, uint64_t *ret_end,
                         int64_t *ret_next_ms, uint64_t *ret_bytes)
{
    (void)store;
    (void)log;
    *ret_end = 0;
    *ret_next_ms = INT64_MAX;
    *ret_bytes = 0;
}

static const struct backend mem_backend = {
    .name = "memory",
    .submit = on_submit,
    .poll = on_poll,
    .flush = on_flush,
    .close = on_close,
    .backlog_bytes = on_backlog_bytes,
    .commit_latency = on_commit_latency,
    .append = on_append,
    .trim = on_trim,
    .drop = on_drop,
    .range = on_range,
    .bytes = on_bytes,
    .compact = on_compact,
    .compact_cancel = on_compact_cancel,
    .compacted = on_compacted,
    .read_cached = on_read_cached,
    .read = on_read,
    .read_cancel = on_read_cancel,
    .find_time = on_find_time,
    .put = on_put,
    .remove = on_remove,
    .each = on_each,
};

enum rc mem_store_open(const struct store_config *config, struct store **ret)
{
    struct mem_store *m = mem_new(struct mem_store);

    (void)config; /* none of the options concerns memory */
    m->store.backend = &mem_backend;
    slots_init(&m->logs, LOG_SLOT_BYTES);
    list_init(&m->compacts);
    list_init(&m->reads);
    list_init(&m->reads_polling);
    *ret = &m->store;
    return RC_OK;
}
