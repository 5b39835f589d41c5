/* SPDX-License-Identifier: Apache-2.0 */
/* Compaction on the core thread, which has other work: some entries in each poll. What the log
 * comes to is built beside it, entries that lose nothing with the same bytes, while the log goes on
 * with what it has; then the two change places. */
#include <limits.h>

#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "storage/mem/mem_int.h"
#include "storage/sifting.h"

/* What one poll looks at: some 0.1 ms, but for one entry at least. */
#define PART_BYTES   ((size_t)32 << 10)
#define PART_ENTRIES 256u

enum step {
    STEP_NOTE, /* the last offset of each key */
    STEP_SIFT, /* what is left of entries */
    STEP_REST, /* what lies behind, and the change */
    STEP_DROP  /* what was replaced is freed */
};

struct mem_compaction {
    uint32_t log;
    enum step step;
    struct log_compact *request; /* borrowed; NULL: nobody asks any more */
    enum rc rc;
    uint64_t from; /* where the pass before came to */
    uint64_t end;  /* of what is looked at */
    uint64_t at;   /* the next offset to look at */
    int64_t newest_ms;
    bool is_due; /* records without a value are to go */
    bool is_partial;
    struct sifting sifting;
    struct tail built; /* owned entries; then those that were replaced */
    uint64_t built_to;
    uint64_t built_bytes;
    uint64_t clean_bytes;
    uint64_t was_bytes;
    uint64_t now_bytes;
};

void mem_compact_begin(struct store *store, struct log_compact *compact)
{
    struct mem_store *m = (struct mem_store *)store; /* its first member */

    compact->is_under_way = true;
    compact->detail = NULL;
    list_append(&m->compacts, &compact->link);
    mem_store_wake(m);
}

void mem_compact_cancel(struct store *store, struct log_compact *compact)
{
    struct mem_compaction *c = compact->detail;

    (void)store;
    if (c != NULL)
        c->request = NULL;
    link_remove_if(&compact->link);
    compact->detail = NULL;
    compact->is_under_way = false;
}

void mem_compact_state(const struct store *store, uint32_t number, uint64_t *ret_end,
                       int64_t *ret_next_ms, uint64_t *ret_bytes)
{
    const struct mem_log *log = mem_log_get((const struct mem_store *)store, number);
    bool was_compacted = log != NULL && log->compacted_end > 0;

    *ret_end = was_compacted ? log->compacted_end : 0;
    *ret_next_ms = was_compacted ? log->compacted_next_ms : INT64_MAX;
    *ret_bytes = log == NULL || *ret_end >= log->end ? 0 : log->bytes;
    if (*ret_bytes == 0 || !was_compacted || log->start >= *ret_end)
        return;
    *ret_bytes = log->bytes > log->clean_bytes ? log->bytes - log->clean_bytes : 0;
}

/* ---- building ---- */

/* The first entry that ends behind `offset`; NULL: there is none. */
static struct entry *entry_behind(const struct mem_log *log, uint64_t offset)
{
    uint32_t i;

    if (log->tail.count == 0)
        return NULL;
    if (offset < tail_at(&log->tail, 0)->base_offset)
        return tail_at(&log->tail, 0);
    return tail_find(&log->tail, offset, &i) ? tail_at(&log->tail, i) : NULL;
}

static void build_add(struct mem_compaction *c, const struct entry *entry)
{
    struct entry *built = mem_new(struct entry);

    *built = *entry;
    tail_push(&c->built, built);
    c->built_to = entry_end(entry);
    c->built_bytes += entry->bytes;
    if (c->built_to <= c->end)
        c->clean_bytes += entry->bytes;
}

/* The log's entries up to `to` as they are, `most` of them. True: none is left. */
static bool build_same(struct mem_compaction *c, const struct mem_log *log, uint64_t to,
                       unsigned most)
{
    const struct entry *entry;
    struct entry same;

    while ((entry = entry_behind(log, c->built_to)) != NULL && entry->base_offset < to) {
        if (most-- == 0)
            return false;
        same = *entry;
        same.block = block_ref(entry->block);
        build_add(c, &same);
    }
    return true;
}

struct grouping {
    struct mem_compaction *compaction;
    const struct mem_log *log;
};

static enum rc on_group(void *arg, const struct sifting_group *group)
{
    const struct grouping *grouping = arg;
    struct mem_compaction *c = grouping->compaction;
    struct entry entry = {
        .base_offset = group->from,
        .max_timestamp_ms = group->max_timestamp_ms,
        .record_count = (uint32_t)(group->to - group->from),
        .bytes = (uint32_t)group->bytes.len,
    };

    if (!group->is_changed)
        return RC_OK; /* its entries are taken with what comes next */
    (void)build_same(c, grouping->log, group->from, UINT_MAX);
    entry.block = block_try(group->bytes.len);
    if (entry.block == NULL)
        return RC_MEMORY;
    memcpy(entry.block->at, group->bytes.at, group->bytes.len);
    c->was_bytes += group->was_bytes;
    c->now_bytes += group->bytes.len;
    build_add(c, &entry);
    return RC_OK;
}

/* ---- steps: each true when it is done ---- */

/* Is it behind what is to be looked at? */
static bool is_behind(const struct mem_compaction *c, const struct entry *entry)
{
    return entry == NULL || entry_end(entry) > c->end ||
           (entry->base_offset >= c->from && entry->max_timestamp_ms > c->newest_ms);
}

static bool note_some(struct mem_compaction *c, const struct mem_log *log)
{
    size_t bytes = 0;

    for (unsigned n = 0; n < PART_ENTRIES && bytes < PART_BYTES; n++) {
        const struct entry *entry = entry_behind(log, c->at);
        enum rc rc = RC_OK;

        if (!is_behind(c, entry) && entry->base_offset >= c->from)
            rc = sifting_note(&c->sifting, block_slice(entry->block));
        c->is_partial = rc == RC_LIMIT;
        c->rc = rc == RC_LIMIT ? RC_OK : rc;
        if (rc != RC_OK || is_behind(c, entry)) {
            c->end = c->at;
            return true;
        }
        bytes += entry->bytes;
        c->at = entry_end(entry);
    }
    return false;
}

static bool sift_some(struct mem_compaction *c, const struct mem_log *log)
{
    struct grouping grouping = { c, log };
    size_t bytes = 0;

    c->sifting.arg = &grouping;
    for (unsigned n = 0; n < PART_ENTRIES && bytes < PART_BYTES; n++) {
        const struct entry *entry = entry_behind(log, c->at);

        if (entry == NULL || entry_end(entry) > c->end) {
            c->rc = sifting_end(&c->sifting);
            return true;
        }
        c->rc = sifting_add(&c->sifting, entry->base_offset, entry_end(entry),
                            entry->max_timestamp_ms, block_slice(entry->block));
        if (c->rc != RC_OK)
            return true;
        bytes += entry->bytes;
        c->at = entry_end(entry);
    }
    return false;
}

/* Frees those of the built entries that end at `start` or before, some of them. */
static bool built_trim(struct mem_compaction *c, uint64_t start)
{
    for (unsigned n = 0; c->built.count > 0; n++) {
        struct entry *entry = tail_at(&c->built, 0);

        if (entry_end(entry) > start)
            return true;
        if (n == 4 * PART_ENTRIES)
            return false;
        c->built_bytes -= entry->bytes;
        if (entry_end(entry) <= c->end)
            c->clean_bytes -= entry->bytes;
        mem_entry_free(tail_pop(&c->built));
    }
    return true;
}

/* What was trimmed meanwhile first: then nothing comes between the last entry and the change. */
static bool change(struct mem_compaction *c, struct mem_log *log)
{
    struct tail before = log->tail;

    if (!built_trim(c, log->start) || !build_same(c, log, UINT64_MAX, PART_ENTRIES) ||
        !built_trim(c, log->start))
        return false;
    log->tail = c->built;
    log->bytes = c->built_bytes;
    log->compacted_end = c->end;
    log->compacted_next_ms = c->sifting.sift.next_ms;
    log->clean_bytes = c->clean_bytes;
    c->built = before;
    return true;
}

/* ---- from the first to the last ---- */

static void end(struct mem_store *m)
{
    struct mem_compaction *c = m->compaction;
    struct log_compact *request = c->request;
    enum rc rc = c->rc;

    if (rc == RC_OK && c->was_bytes > 0)
        log_event(LOG_INFO, "storage.compacted", "log=%u end=%llu bytes=%llu to=%llu",
                  (unsigned)c->log, (unsigned long long)c->end, (unsigned long long)c->was_bytes,
                  (unsigned long long)c->now_bytes);
    if (request != NULL)
        request->is_partial = c->is_partial;
    sifting_done(&c->sifting);
    tail_done(&c->built);
    mem_free(c);
    m->compaction = NULL;
    if (request == NULL)
        return;
    request->is_under_way = false;
    request->detail = NULL;
    request->on_done(request, rc);
}

static bool begin_next(struct mem_store *m)
{
    struct log_compact *request = LIST_FIRST(&m->compacts, struct log_compact, link);
    struct mem_compaction *c;
    const struct mem_log *log;

    if (request == NULL)
        return false;
    link_remove(&request->link);
    log = mem_log_get(m, request->log);
    c = m->compaction = mem_new(struct mem_compaction);
    request->detail = c;
    c->request = request;
    c->log = request->log;
    c->end = request->end;
    c->newest_ms = request->newest_ms;
    sifting_init(&c->sifting, on_group, NULL, request->delete_retention_ms);
    if (log == NULL) {
        c->rc = RC_NOT_FOUND;
        c->step = STEP_DROP;
        return true;
    }
    c->from = log->compacted_end;
    c->is_due = log->compacted_end > 0 && log->compacted_next_ms <= clock_wall_ms();
    return true;
}

static void step(struct mem_store *m)
{
    struct mem_compaction *c = m->compaction;
    struct mem_log *log = mem_log_get(m, c->log);

    if (log == NULL && c->step != STEP_DROP) {
        c->rc = RC_NOT_FOUND;
        c->step = STEP_DROP;
    }
    switch (c->step) {
    case STEP_NOTE:
        if (!note_some(c, log))
            return;
        c->at = 0;
        c->step = c->rc != RC_OK || (c->end <= c->from && !c->is_due) ? STEP_DROP : STEP_SIFT;
        return;
    case STEP_SIFT:
        if (sift_some(c, log))
            c->step = c->rc == RC_OK ? STEP_REST : STEP_DROP;
        return;
    case STEP_REST:
        if (change(c, log))
            c->step = STEP_DROP;
        return;
    case STEP_DROP:
        if (built_trim(c, UINT64_MAX))
            end(m);
        return;
    }
}

void mem_compact_poll(struct mem_store *m)
{
    if (m->compaction != NULL || begin_next(m))
        step(m);
    if (m->compaction != NULL || !list_is_empty(&m->compacts))
        mem_store_wake(m);
}

void mem_compact_end(struct mem_store *m)
{
    struct mem_compaction *c = m->compaction;
    struct entry *entry;

    if (c == NULL)
        return;
    while ((entry = tail_pop(&c->built)) != NULL)
        mem_entry_free(entry);
    sifting_done(&c->sifting);
    mem_free(c);
    m->compaction = NULL;
}
