/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/mem/mem_store.h"

#include "broker/base/counters.h"
#include "storage/mem/mem_int.h"

/* Entries that are forgotten between two polls, of which a turn may have three: some 0.1 us each.
 */
#define FORGET_ENTRIES 2500

static const struct backend mem_backend;

static struct mem_store *mem_store_of(const struct store *store)
{
    ASSERT(store->backend == &mem_backend);
    return (struct mem_store *)(uintptr_t)store; /* its first member; const is the caller's */
}

struct mem_log *mem_log_get(const struct mem_store *m, uint32_t number)
{
    struct mem_log *log = slots_get(&m->logs, number);

    return log == NULL || log->is_dropped ? NULL : log;
}

void mem_entry_free(struct entry *entry)
{
    block_unref(&entry->block);
    mem_free(entry);
}

/* What lies below the start, or is of a log that was dropped, is not found any more at once. Its
 * entries go afterwards, some of them in each turn. True: none is left. */
static bool forget(struct mem_log *log, unsigned *left)
{
    while (log->tail.count > 0 &&
           (log->is_dropped || entry_end(tail_at(&log->tail, 0)) <= log->start)) {
        struct entry *entry;

        if (*left == 0)
            return false;
        --*left;
        entry = tail_pop(&log->tail);
        log->bytes -= entry->bytes;
        mem_entry_free(entry);
    }
    return true;
}

static void forget_some(struct mem_store *m, struct mem_log *log)
{
    if (!forget(log, &m->forget_left)) {
        if (!link_is_linked(&log->forget))
            list_append(&m->forgetting, &log->forget);
        mem_store_wake(m);
        return;
    }
    link_remove_if(&log->forget);
    if (log->is_dropped)
        slots_remove(&m->logs, log->number);
}

static void logs_forget(struct mem_store *m)
{
    m->forget_left = FORGET_ENTRIES;
    while (m->forget_left > 0 && !list_is_empty(&m->forgetting))
        forget_some(m, LIST_FIRST(&m->forgetting, struct mem_log, forget));
    if (!list_is_empty(&m->forgetting))
        mem_store_wake(m);
}

static enum store_due on_due(const struct store *store)
{
    const struct mem_store *m = mem_store_of(store);

    if (m->submitted == m->ticket)
        return STORE_DUE_NEVER;
    return m->due > m->submitted ? STORE_DUE_NOW : STORE_DUE_LATER;
}

static void on_submit(struct store *store, bool is_quiet)
{
    struct mem_store *m = mem_store_of(store);
    bool is_due = m->due > m->submitted;

    if (m->submitted == m->ticket)
        return;
    m->submitted = m->ticket;
    count_add(COUNT_STORE_COMMITS, 1);
    if (!is_quiet || is_due)
        mem_store_wake(m);
}

static void on_hurry(struct store *store)
{
    struct mem_store *m = mem_store_of(store);

    m->due = m->ticket;
    if (m->reported < m->submitted)
        mem_store_wake(m);
}

static bool on_has_news(const struct store *store)
{
    const struct mem_store *m = mem_store_of(store);

    return m->reported < m->submitted;
}

/* Gives the ticket of what was just put. */
static uint64_t next_ticket(struct mem_store *m, enum durability durability)
{
    m->ticket++;
    if (durability != DURABILITY_MEMORY)
        m->due = m->ticket;
    return m->ticket;
}

static enum rc fill(const struct mem_store *m, uint32_t number, uint64_t offset, size_t max_bytes,
                    struct log_pieces *pieces)
{
    const struct mem_log *log = mem_log_get(m, number);
    uint32_t i;

    if (log == NULL || offset < log->start || !tail_find(&log->tail, offset, &i))
        return RC_RANGE;
    pieces->count = 0;
    pieces->bytes = 0;
    tail_read(&log->tail, i, max_bytes, pieces);
    return RC_OK;
}

static void on_poll(struct store *store)
{
    struct mem_store *m = mem_store_of(store);

    if (m->reported < m->submitted) {
        m->reported = m->submitted;
        if (store->events.on_durable != NULL)
            store->events.on_durable(store->events.arg, m->reported);
    }
    logs_forget(m);
    mem_compact_poll(m);
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

    mem_compact_end(m);
    for (uint32_t number = 0; (log = slots_next(&m->logs, number)) != NULL;) {
        number = log->number;
        log->is_dropped = true;
        m->forget_left = log->tail.count;
        forget_some(m, log);
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
    struct mem_log *log = mem_log_get(m, append->log);
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
    return next_ticket(m, append->durability);
}

static uint64_t on_trim(struct store *store, uint32_t number, uint64_t start)
{
    struct mem_store *m = mem_store_of(store);
    struct mem_log *log = mem_log_get(m, number);

    ASSERT(log != NULL && start >= log->start && start <= log->end);
    log->start = start;
    forget_some(m, log);
    return next_ticket(m, DURABILITY_MEMORY);
}

static uint64_t on_drop(struct store *store, uint32_t number)
{
    struct mem_store *m = mem_store_of(store);
    struct mem_log *log = mem_log_get(m, number);

    if (log != NULL) {
        log->is_dropped = true;
        forget_some(m, log);
    }
    return next_ticket(m, DURABILITY_MEMORY);
}

static enum rc on_range(const struct store *store, uint32_t number, uint64_t *ret_start,
                        uint64_t *ret_end)
{
    const struct mem_log *log = mem_log_get(mem_store_of(store), number);

    if (log == NULL)
        return RC_NOT_FOUND;
    *ret_start = log->start;
    *ret_end = log->end;
    return RC_OK;
}

static uint64_t on_bytes(const struct store *store, uint32_t number)
{
    const struct mem_log *log = mem_log_get(mem_store_of(store), number);
    uint32_t dead = 0;

    if (log == NULL || log->start == log->end)
        return 0;
    if (!link_is_linked(&log->forget) || !tail_find(&log->tail, log->start, &dead))
        return log->bytes;
    /* Reckoned: to count them is what takes the time. */
    return (uint64_t)((double)log->bytes * (double)(log->tail.count - dead) /
                      (double)log->tail.count);
}

static bool on_over(const struct store *store, uint32_t number, uint64_t bytes,
                    uint64_t *ret_offset)
{
    const struct mem_log *log = mem_log_get(mem_store_of(store), number);
    uint64_t over;
    uint32_t i;

    *ret_offset = log == NULL ? 0 : log->start;
    if (log == NULL || log->bytes <= bytes)
        return true;
    if (link_is_linked(&log->forget))
        return false;
    over = log->bytes - bytes;
    for (i = 0; i < log->tail.count && i < LOG_OVER_ENTRIES; i++) {
        const struct entry *entry = tail_at(&log->tail, i);

        if (over < entry->bytes) {
            *ret_offset = log_over_in(entry->base_offset, entry->record_count, entry->bytes, over);
            return true;
        }
        over -= entry->bytes;
        *ret_offset = entry_end(entry);
    }
    return i == log->tail.count;
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
    mem_store_wake(mem_store_of(store));
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
    const struct mem_log *log = mem_log_get(mem_store_of(store), number);
    uint32_t i = 0;

    if (log == NULL || !tail_find(&log->tail, log->start, &i))
        return RC_NOT_FOUND;
    for (; i < log->tail.count; i++) {
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
    return next_ticket(mem_store_of(store), durability);
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

static const struct backend mem_backend = {
    .name = "memory",
    .due = on_due,
    .submit = on_submit,
    .hurry = on_hurry,
    .has_news = on_has_news,
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
    .over = on_over,
    .compact = mem_compact_begin,
    .compact_cancel = mem_compact_cancel,
    .compacted = mem_compact_state,
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
    list_init(&m->forgetting);
    m->forget_left = FORGET_ENTRIES;
    list_init(&m->compacts);
    list_init(&m->reads);
    list_init(&m->reads_polling);
    *ret = &m->store;
    return RC_OK;
}
