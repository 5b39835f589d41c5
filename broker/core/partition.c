/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions: one log each, appended to in batches, read below the durable end. */
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/core/acl.h"
#include "broker/core/queue_int.h"
#include "broker/core/retain_int.h"
#include "broker/core/retention.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"
#include "broker/core/unlogged.h"
#include "broker/record/partition_hash.h"
#include "broker/record/record.h"

#define EXPECT_MOST 16 /* logs that the store is told of before they are appended to */

/* ---- at rest and at work ---- */

static struct partition_work *work_of(struct partition *p)
{
    struct partition_work *work = p->work;

    if (work != NULL)
        return work;
    work = p->work = mem_new(struct partition_work);
    work->partition = p;
    batch_builder_init(&work->builder, BATCH_SEAL_BYTES, 0);
    if (p->batch_bytes > 0)
        work->builder.first_bytes = p->batch_bytes;
    ring_init(&work->appends, sizeof(struct partition_append));
    list_init(&work->waiters);
    return work;
}

static void work_free(struct partition *p)
{
    struct partition_work *work = p->work;

    p->work = NULL;
    p->batch_bytes = (uint32_t)work->builder.first_bytes;
    link_remove_if(&work->dirty);
    link_remove_if(&work->moving);
    batch_builder_done(&work->builder);
    ring_done(&work->appends);
    mem_free(work);
}

static void owed_free(struct partition *p)
{
    owed_done(p->owed);
    MEM_FREE(p->owed);
}

void partition_disown(struct partition *p)
{
    if (p->owed != NULL)
        owed_free(p);
}

/* Lets go of what only work needs, if there is none. */
static void partition_rest(struct partition *p)
{
    if (p->work != NULL && p->work->appends.count == 0 &&
        batch_builder_is_empty(&p->work->builder) && list_is_empty(&p->work->waiters))
        work_free(p);
    if (p->work == NULL && p->owed != NULL && p->owed->open == 0)
        owed_free(p);
}

static void wake(struct list *waiters, enum rc rc)
{
    while (!list_is_empty(waiters)) {
        struct partition_waiter *waiter = LIST_FIRST(waiters, struct partition_waiter, link);

        link_remove(&waiter->link);
        waiter->on_moved(waiter, rc);
    }
}

void partition_stop(struct partition *p)
{
    partition_disown(p);
    if (p->work == NULL)
        return;
    wake(&p->work->waiters, RC_NOT_FOUND);
    work_free(p);
}

/* ---- what is owed of it ---- */

void partition_owe(struct partition *p, uint64_t offset)
{
    if (p->unlogged != NULL) {
        p->unlogged->owed++;
        return;
    }
    if (p->owed == NULL) {
        p->owed = mem_new(struct owed);
        owed_init(p->owed);
    }
    owed_add(p->owed, offset);
}

void partition_paid(struct partition *p, uint64_t offset)
{
    if (p->unlogged != NULL) {
        ASSERT(p->unlogged->owed > 0);
        p->unlogged->owed--;
        return;
    }
    ASSERT(p->owed != NULL);
    owed_drop(p->owed, offset);
    if (p->work == NULL)
        partition_rest(p);
}

uint64_t partition_owed_floor(const struct partition *p)
{
    return p->owed == NULL ? UINT64_MAX : owed_floor(p->owed);
}

/* ---- appending messages ---- */

void partition_took_ticket(struct partition *p, uint64_t ticket)
{
    if (stream_durability(p->stream, DURABILITY_ALWAYS) == DURABILITY_MEMORY)
        core_took_unawaited(p->stream->core, ticket);
    else
        core_took_ticket(p->stream->core, ticket);
}

/* Gives one append to the store; everything of the partition is sealed then. */
static void append_whole(struct partition *p, const struct append *entry)
{
    struct core *core = p->stream->core;
    struct partition_work *work = work_of(p);
    struct partition_append *append = ring_push(&work->appends);

    p->sealed_end = entry->base_offset + entry->record_count;
    if (PLANTED("end-early"))
        p->durable_end = p->sealed_end;
    retention_grew(p, entry->bytes->len, entry->max_timestamp_ms);
    compaction_grew(p, entry->bytes->len);
    intake_accepted(core, entry->bytes->len);
    *append = (struct partition_append){ log_append(core->store, entry), p->sealed_end };
    if (!link_is_linked(&work->moving))
        list_append(&core->moving_partitions, &work->moving);
    core->gathered.has_readers |= !list_is_empty(&work->waiters);
    partition_took_ticket(p, append->ticket);
}

enum durability stream_durability(const struct stream *stream, enum durability wanted)
{
    if (stream->effective.durability == POLICY_UNLOGGED)
        return DURABILITY_MEMORY;
    return (int64_t)wanted > stream->effective.durability
               ? (enum durability)stream->effective.durability
               : wanted;
}

void partition_seal(struct partition *p)
{
    struct append append = { .log = p->log, .base_offset = p->sealed_end };
    struct partition_work *work = p->work;

    if (work == NULL || batch_builder_is_empty(&work->builder))
        return;
    append.record_count = work->builder.record_count;
    append.max_timestamp_ms = work->builder.max_timestamp_ms;
    append.durability = work->builder_durability;
    batch_builder_seal(&work->builder, p->sealed_end, &append.bytes);
    ASSERT(p->sealed_end + append.record_count == p->end);
    work->builder_durability = DURABILITY_MEMORY;
    link_remove_if(&work->dirty);
    append_whole(p, &append);
}

/* Tells the store which logs come next; gives how many. */
static unsigned expect_some(const struct core *core)
{
    unsigned count = 0;

    LIST_EACH (link, &core->dirty_partitions) {
        const struct partition_work *work = CONTAINER_OF(link, struct partition_work, dirty);

        if (count++ == EXPECT_MOST)
            break;
        log_expect(core->store, work->partition->log);
    }
    return count;
}

void partitions_seal(struct core *core)
{
    unsigned count;

    while ((count = expect_some(core)) > 0) {
        for (; count > 0 && !list_is_empty(&core->dirty_partitions); count--)
            partition_seal(
                LIST_FIRST(&core->dirty_partitions, struct partition_work, dirty)->partition);
    }
}

struct partition *stream_choose(struct stream *stream, struct slice key)
{
    if (stream->partition_count == 1 || slice_is_none(key))
        return stream->partitions[0]; /* one address without a subject: one partition, in order */
    return stream->partitions[kafka_partition_of(key, stream->partition_count)];
}

enum rc stream_append(struct stream *stream, struct message *message, enum durability durability,
                      struct placed *ret)
{
    struct gathered *gathered = &stream->core->gathered;
    struct partition *p = stream_choose(stream, message->key);
    struct partition_work *work;
    enum rc rc;

    if (p->unlogged != NULL) {
        *ret = (struct placed){ p, p->end };
        unlogged_add(p, message);
        return RC_OK;
    }
    work = work_of(p);
    rc = batch_builder_add_body(&work->builder, message->timestamp_ms, message->body);
    if (rc == RC_LIMIT) {
        partition_seal(p);
        rc = batch_builder_add_body(&work->builder, message->timestamp_ms, message->body);
    }
    if (rc != RC_OK)
        return rc;
    durability = stream_durability(stream, durability);
    if (durability > work->builder_durability)
        work->builder_durability = durability;
    if (!link_is_linked(&work->dirty))
        list_append(&stream->core->dirty_partitions, &work->dirty);
    gathered->bytes += message->body.len;
    gathered->is_due |= durability != DURABILITY_MEMORY || !list_is_empty(&work->waiters);
    gathered->is_awaited |= stream->effective.durability != DURABILITY_MEMORY;
    *ret = (struct placed){ p, p->end++ };
    if (stream->queue != NULL)
        queue_take(stream->queue, p, ret->offset, message);
    if (__builtin_expect(stream->tail != NULL, 0))
        tail_appended(stream, p, ret->offset, message);
    return RC_OK;
}

/* ---- appending whole batches ---- */

static uint64_t set_offsets(uint8_t *at, size_t len, uint64_t base, int64_t *ret_max_timestamp)
{
    uint64_t next = base;
    struct batch_header header;
    size_t whole;

    *ret_max_timestamp = INT64_MIN;
    while (len > 0) {
        enum rc rc = batch_peek(slice_of(at, len), &header, NULL, &whole);

        ASSERT(rc == RC_OK); /* the protocol has checked them */
        batch_set_base_offset(at, next, 0);
        next += (uint64_t)header.last_offset_delta + 1;
        if (header.max_timestamp_ms > *ret_max_timestamp)
            *ret_max_timestamp = header.max_timestamp_ms;
        at += whole;
        len -= whole;
    }
    return next;
}

enum rc partition_append(struct partition *p, struct client *client, struct slice bytes,
                         enum durability durability, struct append_result *ret)
{
    struct core *core = p->stream->core;
    struct append append = { .log = p->log,
                             .durability = stream_durability(p->stream, durability) };
    struct batch_header first;
    enum rc rc = client_may_publish(client);
    uint64_t end;

    if (rc == RC_OK && p->unlogged == NULL)
        rc = core->stall; /* a request can be refused: its client tries again */
    if (rc == RC_OK)
        rc = authorise_stream(client, OPERATION_PUBLISH, p->stream->by_name.key);
    if (rc == RC_OK)
        rc = batch_peek(bytes, &first, NULL, NULL);
    if (rc == RC_OK)
        rc = producer_check(p, &first, ret);
    /* what it holds is not known before it is opened: it is taken while there is room at all */
    if (rc == RC_OK && p->stream->queue != NULL &&
        queue_refuses(p->stream->queue, first.last_offset_delta + UINT64_C(1), 1))
        rc = RC_LIMIT;
    if (rc != RC_OK)
        return rc;
    append.bytes = block_try(bytes.len);
    if (append.bytes == NULL)
        return RC_MEMORY;
    memcpy(append.bytes->at, bytes.at, bytes.len);
    partition_seal(p);
    append.base_offset = p->end;
    end = set_offsets(append.bytes->at, bytes.len, p->end, &append.max_timestamp_ms);
    append.record_count = (uint32_t)(end - p->end);
    *ret = (struct append_result){ p->end, p->start };
    producer_appended(p, &first, ret->base_offset);
    count_add(COUNT_CORE_PUBLISHED, append.record_count);
    if (p->unlogged != NULL) {
        unlogged_add_batches(p, append.bytes, append.record_count, append.max_timestamp_ms);
    } else {
        p->end = end;
        append_whole(p, &append);
    }
    publish_batches(p, client, bytes, ret->base_offset);
    if (p->stream->queue != NULL)
        queue_grew(p->stream->queue);
    return RC_OK;
}

void partition_put(struct partition *p, struct log_piece *piece)
{
    struct append append = { .log = p->log,
                             .base_offset = piece->base_offset,
                             .durability = DURABILITY_MEMORY,
                             .record_count = (uint32_t)(piece->next_offset - piece->base_offset),
                             .bytes = piece->block };
    uint64_t end = set_offsets(piece->block->at, piece->block->len, piece->base_offset,
                               &append.max_timestamp_ms);

    ASSERT(end == piece->next_offset);
    piece->block = NULL; /* given */
    append_whole(p, &append);
}

/* ---- the durable end ---- */

static void advance(struct partition *p)
{
    struct core *core = p->stream->core;
    struct partition_work *work = p->work;
    struct partition_append *append;
    uint64_t before = p->durable_end;
    struct list waiters;

    while ((append = ring_front(&work->appends)) != NULL &&
           append->ticket <= core->durable_ticket) {
        if (append->end > p->durable_end) /* what was in memory alone has been seen */
            p->durable_end = append->end;
        ring_pop(&work->appends, 1);
    }
    if (work->appends.count == 0)
        link_remove(&work->moving);
    if (p->grown_bytes > retention_step(&p->stream->effective))
        retention_apply(p);
    list_init(&waiters);
    if (p->durable_end != before)
        list_splice(&waiters, &work->waiters);
    partition_rest(p);
    wake(&waiters, RC_OK);
}

void partitions_advance(struct core *core)
{
    LIST_EACH_SAFE (k, &core->moving_partitions)
        advance(CONTAINER_OF(k, struct partition_work, moving)->partition);
}

void partition_moved(struct partition *p)
{
    struct list waiters;

    if (p->work == NULL)
        return;
    list_init(&waiters);
    list_splice(&waiters, &p->work->waiters);
    partition_rest(p);
    wake(&waiters, RC_OK);
}

void partition_wait(struct partition *p, struct partition_waiter *waiter)
{
    list_append(&work_of(p)->waiters, &waiter->link);
}

void partition_wait_cancel(struct partition_waiter *waiter)
{
    link_remove_if(&waiter->link);
}

/* ---- reading ---- */

void partition_cut(struct partition *p, struct log_pieces *pieces)
{
    struct batch_header header;
    size_t kept, whole;

    while (pieces->count > 0) {
        struct log_piece *last = &pieces->at[pieces->count - 1];

        if (last->next_offset <= p->durable_end)
            return;
        kept = 0;
        while (kept < last->bytes.len &&
               batch_peek(slice_after(last->bytes, kept), &header, NULL, &whole) == RC_OK &&
               header.base_offset + header.last_offset_delta < p->durable_end) {
            kept += whole;
            last->next_offset = header.base_offset + header.last_offset_delta + 1;
        }
        pieces->bytes -= last->bytes.len - kept;
        last->bytes.len = kept;
        if (kept > 0)
            return;
        block_unref(&last->block);
        pieces->count--;
    }
}

enum rc partition_read_cached(struct partition *p, uint64_t offset, size_t max_bytes,
                              struct log_pieces *ret)
{
    enum rc rc;

    if (offset < p->start || offset > p->durable_end)
        return RC_RANGE;
    if (p->unlogged != NULL)
        unlogged_was_read(p);
    if (offset == p->durable_end) {
        *ret = (struct log_pieces){ .count = 0 };
        return RC_OK;
    }
    rc = p->unlogged != NULL
             ? unlogged_read(p, offset, max_bytes, ret)
             : log_read_cached(p->stream->core->store, p->log, offset, max_bytes, ret);
    if (rc == RC_OK)
        partition_cut(p, ret);
    return rc;
}

void partition_read(struct partition *p, struct log_read *read)
{
    ASSERT(p->unlogged == NULL); /* all of that is in memory */
    read->log = p->log;
    log_read(p->stream->core->store, read);
}

void partition_read_cancel(struct partition *p, struct log_read *read)
{
    log_read_cancel(p->stream->core->store, read);
}

/* ---- trimming ---- */

void partition_trim_to(struct partition *p, uint64_t start)
{
    if (start <= p->start)
        return;
    if (p->unlogged != NULL) {
        unlogged_trim(p, start);
        return;
    }
    if (start > p->sealed_end)
        partition_seal(p); /* consumed before it was handed over */
    ASSERT(start <= p->sealed_end);
    p->start = start;
    core_took_ticket(p->stream->core, log_trim(p->stream->core->store, p->log, start));
}

enum rc partition_trim(struct partition *p, struct client *client, uint64_t start)
{
    enum rc rc = authorise(client, OPERATION_DELETE, RESOURCE_TOPIC, p->stream->by_name.key);

    if (rc != RC_OK)
        return rc;
    if (start > p->durable_end)
        return RC_RANGE;
    if (p->stream->queue != NULL && start > queue_floor(p->stream->queue, p))
        return RC_IN_USE;
    if (start > partition_owed_floor(p) && start > references_floor(p->stream->core, p->log))
        return RC_IN_USE;
    partition_trim_to(p, start);
    return RC_OK;
}

enum rc partition_find_index(const struct partition *p, int64_t time_ms, uint64_t *ret_offset)
{
    return p->unlogged != NULL ? unlogged_find_time(p, time_ms, ret_offset)
                               : log_find_time(p->stream->core->store, p->log, time_ms, ret_offset);
}

/* ---- facts ---- */

uint64_t partition_start(const struct partition *p)
{
    return p->start;
}

uint64_t partition_end(const struct partition *p)
{
    return p->end;
}

uint64_t partition_durable_end(const struct partition *p)
{
    return p->durable_end;
}

uint64_t partition_bytes(const struct partition *p)
{
    if (p->unlogged != NULL)
        return p->unlogged->bytes;
    return log_bytes(p->stream->core->store, p->log);
}
