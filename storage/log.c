/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/log.h"

#include "storage/backend.h"

void log_pieces_done(struct log_pieces *pieces)
{
    for (unsigned i = 0; i < pieces->count; i++)
        block_unref(&pieces->at[i].block);
    pieces->count = 0;
    pieces->bytes = 0;
}

void store_set_events(struct store *store, const struct store_events *events)
{
    store->events = *events;
}

static void ignore_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    (void)ticket;
}

static void ignore_stall(void *arg, enum rc rc)
{
    (void)arg;
    (void)rc;
}

void store_forget_user(struct store *store)
{
    store->events.on_durable = ignore_durable;
    store->events.on_stall = ignore_stall;
    store->events.arg = NULL;
}

enum store_due store_due(const struct store *store)
{
    return store->backend->due(store);
}

void store_submit(struct store *store)
{
    store->backend->submit(store, false);
}

void store_submit_quietly(struct store *store)
{
    store->backend->submit(store, true);
}

void store_hurry(struct store *store)
{
    store->backend->hurry(store);
}

bool store_has_news(const struct store *store)
{
    return store->backend->has_news(store);
}

void store_poll(struct store *store)
{
    store->backend->poll(store);
}

enum rc store_flush(struct store *store)
{
    return store->backend->flush(store);
}

void store_close(struct store **store)
{
    if (*store != NULL)
        (*store)->backend->close(store);
}

uint64_t store_backlog_bytes(const struct store *store)
{
    return store->backend->backlog_bytes(store);
}

void store_commit_latency(const struct store *store, uint64_t *ret_p50_ns, uint64_t *ret_p99_ns)
{
    store->backend->commit_latency(store, ret_p50_ns, ret_p99_ns);
}

uint64_t log_append(struct store *store, const struct append *append)
{
    ASSERT(append->log > 0);
    ASSERT(append->record_count > 0);
    ASSERT(append->bytes != NULL && append->bytes->len > 0);
    return store->backend->append(store, append);
}

void log_expect(const struct store *store, uint32_t log)
{
    if (store->backend->expect != NULL)
        store->backend->expect(store, log);
}

uint64_t log_trim(struct store *store, uint32_t log, uint64_t start)
{
    return store->backend->trim(store, log, start);
}

uint64_t log_drop(struct store *store, uint32_t log)
{
    return store->backend->drop(store, log);
}

enum rc store_backup(struct store *store, const char *directory, struct store_backup *backup)
{
    backup->detail = NULL;
    return store->backend->backup == NULL ? RC_UNSUPPORTED
                                          : store->backend->backup(store, directory, backup);
}

void store_backup_cancel(struct store *store, struct store_backup *backup)
{
    if (backup->detail != NULL)
        store->backend->backup_cancel(store, backup);
}

enum rc log_range(const struct store *store, uint32_t log, uint64_t *ret_start, uint64_t *ret_end)
{
    return store->backend->range(store, log, ret_start, ret_end);
}

uint64_t log_bytes(const struct store *store, uint32_t log)
{
    return store->backend->bytes(store, log);
}

bool log_over(const struct store *store, uint32_t log, uint64_t bytes, uint64_t *ret_offset)
{
    return store->backend->over(store, log, bytes, ret_offset);
}

uint64_t log_over_in(uint64_t base_offset, uint32_t record_count, uint64_t length, uint64_t over)
{
    ASSERT(over < length);
    return base_offset + (uint64_t)((double)record_count * ((double)over / (double)length));
}

void log_compact(struct store *store, struct log_compact *compact)
{
    ASSERT(!compact->is_under_way);
    compact->is_partial = false;
    store->backend->compact(store, compact);
}

void log_compact_cancel(struct store *store, struct log_compact *compact)
{
    if (compact->is_under_way)
        store->backend->compact_cancel(store, compact);
    ASSERT(!compact->is_under_way);
}

void log_compacted(const struct store *store, uint32_t log, uint64_t *ret_end, int64_t *ret_next_ms,
                   uint64_t *ret_bytes)
{
    store->backend->compacted(store, log, ret_end, ret_next_ms, ret_bytes);
}

enum rc log_read_cached(struct store *store, uint32_t log, uint64_t offset, size_t max_bytes,
                        struct log_pieces *ret)
{
    return store->backend->read_cached(store, log, offset, max_bytes, ret);
}

void log_read(struct store *store, struct log_read *read)
{
    ASSERT(!read->is_under_way);
    read->pieces.count = 0;
    read->pieces.bytes = 0;
    store->backend->read(store, read);
}

void log_read_cancel(struct store *store, struct log_read *read)
{
    if (read->is_under_way)
        store->backend->read_cancel(store, read);
    ASSERT(!read->is_under_way);
}

enum rc log_find_time(const struct store *store, uint32_t log, int64_t time_ms,
                      uint64_t *ret_offset)
{
    return store->backend->find_time(store, log, time_ms, ret_offset);
}
