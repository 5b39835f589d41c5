/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/unlogged.h"

#include "broker/base/block.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/core/retention.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"
#include "broker/record/builder.h"

/* Offsets that are reserved at a time: after a kill, at most so many are passed over. */
#define RESERVE_STEP ((uint64_t)1 << 20)
/* Who waits for something, or reads the log, may find so many times what else is kept. */
#define WANTED_FACTOR 64
/* Who read it as a log this long ago will read on. */
#define READ_MS 60000

struct kept {
    struct message *message; /* owned reference; NULL: */
    struct block *block;     /* owned: whole batches, as they came */
    uint64_t base_offset;
    int64_t max_timestamp_ms;
    uint32_t record_count;
    uint32_t bytes; /* of memory, about */
};

static struct kept *kept_at(const struct unlogged *u, size_t i)
{
    return ring_at(&u->kept, i);
}

static uint64_t kept_end(const struct kept *kept)
{
    return kept->base_offset + kept->record_count;
}

/* ---- beginning and ending ---- */

void unlogged_begin(struct partition *p)
{
    struct unlogged *u = mem_new(struct unlogged);

    ASSERT(p->unlogged == NULL && p->start == p->end && p->sealed_end == p->end);
    u->partition = p;
    ring_init(&u->kept, sizeof(struct kept));
    u->reserved_end = p->end;
    u->turn_start = p->start;
    p->unlogged = u;
}

void unlogged_reserve(struct partition *p)
{
    p->unlogged->reserved_end = p->end + RESERVE_STEP;
}

/* The oldest goes. */
static void pop(struct unlogged *u)
{
    struct kept *kept = ring_front(&u->kept);

    u->bytes -= kept->bytes;
    u->partition->stream->core->unlogged_bytes -= kept->bytes;
    message_unref(&kept->message);
    block_unref(&kept->block);
    ring_pop(&u->kept, 1);
    if (u->kept.count == 0)
        link_remove(&u->link);
}

void unlogged_end(struct partition *p)
{
    struct unlogged *u = p->unlogged;

    p->unlogged = NULL;
    if (u == NULL)
        return;
    while (u->kept.count > 0)
        pop(u);
    ring_done(&u->kept);
    link_remove_if(&u->dirty);
    mem_free(u);
}

/* ---- what comes and goes ---- */

static void drop_oldest(struct unlogged *u)
{
    pop(u);
    u->partition->start = u->kept.count > 0 ? kept_at(u, 0)->base_offset : u->partition->end;
}

static bool is_wanted(const struct unlogged *u)
{
    return u->owed > 0 ||
           (u->read_ms != 0 && core_wall_ms(u->partition->stream->core) - u->read_ms < READ_MS);
}

/* What it keeps for nobody in particular, or for those who wait for something of it. */
static uint64_t limit_of(const struct unlogged *u)
{
    uint64_t bytes = (uint64_t)u->partition->stream->effective.retention_bytes;

    if (u->partition->stream->effective.retention_bytes == POLICY_UNLIMITED)
        return UINT64_MAX;
    return !is_wanted(u) || bytes > UINT64_MAX / WANTED_FACTOR ? bytes : bytes * WANTED_FACTOR;
}

void unlogged_was_read(struct partition *p)
{
    p->unlogged->read_ms = core_wall_ms(p->stream->core);
}

/* All together keep too much: what got nothing for longest goes. */
static void fit_all(struct core *core)
{
    while (core->unlogged_bytes > core->config.unlogged_total_bytes &&
           !list_is_empty(&core->unlogged)) {
        struct unlogged *u = LIST_FIRST(&core->unlogged, struct unlogged, link);
        uint64_t start = u->partition->start;

        drop_oldest(u);
        count_add(COUNT_CORE_UNLOGGED_EVICTED, (int64_t)(u->partition->start - start));
    }
}

void unlogged_fit(struct partition *p)
{
    struct unlogged *u = p->unlogged;
    uint64_t limit = limit_of(u);

    while (u->bytes > limit && u->kept.count > 1) /* the newest stays, however large */
        drop_oldest(u);
    fit_all(p->stream->core);
}

static void add(struct partition *p, const struct kept *kept)
{
    struct core *core = p->stream->core;
    struct unlogged *u = p->unlogged;

    if (!link_is_linked(&u->dirty)) {
        list_append(&core->unlogged_dirty, &u->dirty);
        link_remove_if(&u->link);
        list_append(&core->unlogged, &u->link);
    } else if (!link_is_linked(&u->link)) {
        list_append(&core->unlogged, &u->link);
    }
    *(struct kept *)ring_push(&u->kept) = *kept;
    u->bytes += kept->bytes;
    u->turn_bytes += kept->bytes;
    core->unlogged_bytes += kept->bytes;
    p->end = p->sealed_end = p->durable_end = kept_end(kept);
    unlogged_fit(p);
    if (p->end + RESERVE_STEP / 2 > u->reserved_end) {
        u->reserved_end = p->end + RESERVE_STEP;
        stream_record(p->stream);
    }
}

void unlogged_add(struct partition *p, struct message *message)
{
    const struct kept kept = {
        .message = message_ref(message),
        .base_offset = p->end,
        .max_timestamp_ms = message->timestamp_ms,
        .record_count = 1,
        .bytes = (uint32_t)(sizeof(*message) + sizeof(struct kept) + message->address.len +
                            message->body.len),
    };

    add(p, &kept);
}

void unlogged_add_batches(struct partition *p, struct block *block, uint32_t record_count,
                          int64_t max_timestamp_ms)
{
    const struct kept kept = {
        .block = block,
        .base_offset = p->end,
        .max_timestamp_ms = max_timestamp_ms,
        .record_count = record_count,
        .bytes = (uint32_t)(sizeof(*block) + sizeof(struct kept) + block->len),
    };

    add(p, &kept);
}

void unlogged_trim(struct partition *p, uint64_t start)
{
    struct unlogged *u = p->unlogged;

    u->turn_start += start - p->start; /* who trims it counts that */
    p->start = start;
    while (u->kept.count > 0 && kept_end(kept_at(u, 0)) <= start)
        pop(u);
}

/* ---- reading ---- */

/* True when the offset lies in what is kept; `ret` is the place. As a rule what was kept since
 * holds an offset each, which tells the place from the end. The oldest is looked at only when it
 * does not: that memory is the coldest there is. */
static bool find(const struct unlogged *u, uint64_t offset, size_t *ret)
{
    size_t low = 0, high = u->kept.count;
    uint64_t end = high == 0 ? 0 : kept_end(kept_at(u, high - 1));

    if (offset >= end)
        return false;
    if (end - offset <= high && kept_at(u, high - (size_t)(end - offset))->base_offset == offset) {
        *ret = high - (size_t)(end - offset);
        return true;
    }
    if (offset < kept_at(u, 0)->base_offset)
        return false;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (kept_at(u, middle)->base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    *ret = low;
    return true;
}

struct message *unlogged_message(const struct partition *p, uint64_t offset)
{
    const struct kept *kept;
    size_t i;

    if (offset < p->start || !find(p->unlogged, offset, &i))
        return NULL;
    kept = kept_at(p->unlogged, i);
    return kept->message == NULL ? NULL : message_ref(kept->message);
}

/* One batch of the messages from place `i` on, as many as fit; moves `i` behind them. */
static enum rc read_messages(const struct unlogged *u, size_t *i, size_t max_bytes,
                             struct log_piece *ret)
{
    uint64_t base = kept_at(u, *i)->base_offset;
    struct batch_builder builder;
    enum rc rc = RC_OK;

    batch_builder_init(&builder, BATCH_SEAL_BYTES, 0);
    for (; *i < u->kept.count; (*i)++) {
        const struct kept *kept = kept_at(u, *i);

        if (kept->message == NULL || (builder.record_count > 0 && builder.bytes >= max_bytes))
            break;
        rc = batch_builder_add_body(&builder, kept->message->timestamp_ms, kept->message->body);
        if (rc != RC_OK)
            break;
    }
    if (builder.record_count == 0) {
        batch_builder_done(&builder);
        return rc;
    }
    *ret = (struct log_piece){ .base_offset = base, .next_offset = base + builder.record_count };
    batch_builder_seal(&builder, base, &ret->block);
    ret->bytes = block_slice(ret->block);
    return RC_OK;
}

enum rc unlogged_read(const struct partition *p, uint64_t offset, size_t max_bytes,
                      struct log_pieces *ret)
{
    struct log_pieces pieces = { .count = 0 };
    const struct unlogged *u = p->unlogged;
    enum rc rc = RC_OK;
    size_t i;

    if (offset < p->start || !find(u, offset, &i))
        return RC_RANGE;
    while (i < u->kept.count && pieces.count < LOG_PIECES_MAX &&
           (pieces.count == 0 || pieces.bytes < max_bytes)) {
        struct log_piece *piece = &pieces.at[pieces.count];
        const struct kept *kept = kept_at(u, i);

        if (pieces.count > 0 && kept->bytes > max_bytes - pieces.bytes)
            break;
        if (kept->message != NULL) {
            rc = read_messages(u, &i, max_bytes - pieces.bytes, piece); /* at least one of them */
            if (rc != RC_OK)
                break;
        } else {
            *piece = (struct log_piece){ block_ref(kept->block), block_slice(kept->block),
                                         kept->base_offset, kept_end(kept) };
            i++;
        }
        pieces.count++;
        pieces.bytes += piece->bytes.len;
    }
    if (pieces.count == 0)
        return rc == RC_OK ? RC_RANGE : rc;
    *ret = pieces;
    return RC_OK;
}

enum rc unlogged_find_time(const struct partition *p, int64_t time_ms, uint64_t *ret_offset)
{
    const struct unlogged *u = p->unlogged;

    for (size_t i = 0; i < u->kept.count; i++) {
        if (kept_at(u, i)->max_timestamp_ms >= time_ms) {
            *ret_offset = kept_at(u, i)->base_offset;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}

/* ---- from memory to the log ---- */

/* All that is kept, as pieces. */
static enum rc collect(struct partition *p, struct ring *ret)
{
    uint64_t offset = p->start;

    while (offset < p->end) {
        struct log_pieces pieces;
        enum rc rc = unlogged_read(p, offset, SIZE_MAX, &pieces);

        if (rc != RC_OK)
            return rc;
        for (unsigned i = 0; i < pieces.count; i++)
            *(struct log_piece *)ring_push(ret) = pieces.at[i];
        offset = pieces.at[pieces.count - 1].next_offset;
    }
    return RC_OK;
}

void unlogged_spill(struct partition *p)
{
    struct core *core = p->stream->core;
    struct ring pieces;
    enum rc rc;

    ring_init(&pieces, sizeof(struct log_piece));
    rc = collect(p, &pieces);
    unlogged_end(p);
    if (rc != RC_OK) {
        log_event(LOG_ERROR, "core.unspilled", "stream=%s records=%llu rc=%s",
                  log_quote(p->stream->by_name.key.at, p->stream->by_name.key.len),
                  (unsigned long long)(p->end - p->start), rc_word(rc));
        p->start = p->end;
    }
    for (size_t i = 0; i < pieces.count; i++) {
        struct log_piece *piece = ring_at(&pieces, i);

        if (rc == RC_OK)
            partition_put(p, piece);
        else
            block_unref(&piece->block);
    }
    references_pin(p);                   /* they were only counted */
    if (rc == RC_OK && pieces.count > 0) /* the oldest batch may begin below */
        core_took_unawaited(core, log_trim(core->store, p->log, p->start));
    ring_done(&pieces);
}

/* ---- the turn ---- */

void unlogged_turn_end(struct core *core)
{
    while (!list_is_empty(&core->unlogged_dirty)) {
        struct unlogged *u = LIST_FIRST(&core->unlogged_dirty, struct unlogged, dirty);
        struct partition *p = u->partition;
        uint64_t bytes = u->turn_bytes;
        int64_t newest_ms =
            u->kept.count == 0 ? 0 : kept_at(u, u->kept.count - 1)->max_timestamp_ms;

        link_remove(&u->dirty);
        if (p->start > u->turn_start)
            count_add(COUNT_CORE_RETIRED, (int64_t)(p->start - u->turn_start));
        u->turn_start = p->start;
        u->turn_bytes = 0;
        retention_grew(p, bytes, newest_ms);
        partition_moved(p);
    }
    count_set(COUNT_CORE_UNLOGGED_BYTES, (int64_t)core->unlogged_bytes);
}
