/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/compaction.h"

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/core/acl.h"
#include "broker/core/retention.h"
#include "broker/core/stream_int.h"

/* Between looks at one partition, so that one that is always dirty leaves room for others. */
#define LOOK_MS INT64_C(1000)
/* A pass that failed is tried again then. */
#define RETRY_MS INT64_C(10000)
/* Nothing is waited for longer: then it is looked at again. */
#define LOOK_MAX_MS INT64_C(3600000)

/* What a partition of a compacted stream has beside others. */
struct compacting {
    struct partition *partition; /* borrowed: its owner */
    struct deadline deadline;
    struct log_compact request;
    uint64_t new_bytes;    /* since the last pass began */
    uint64_t new_since_ns; /* monotonic: the first of them */
    uint64_t end;          /* that the last pass came to */
    bool is_wanted;        /* by somebody who asked */
};

static void look(void *arg);

static struct core *core_of(const struct compacting *c)
{
    return c->partition->stream->core;
}

static int64_t less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void look_in(struct compacting *c, int64_t ms)
{
    uint64_t at_ns;

    if (c->request.is_under_way)
        return;
    ms = ms < 0 ? 0 : less(ms, LOOK_MAX_MS);
    at_ns = clock_monotonic_ns() + (uint64_t)ms * NS_PER_MS;
    if (c->deadline.place == 0 || c->deadline.at_ns > at_ns)
        deadline_start(&core_of(c)->deadlines, &c->deadline, at_ns, look, c);
}

/* ---- whether it is time ---- */

/* 0: now; else in how many ms to look again. */
static int64_t due_in_ms(const struct compacting *c)
{
    const struct stream_compaction *how = c->partition->stream->compaction;
    struct core *core = core_of(c);
    uint64_t end, dirty_bytes, bytes = partition_bytes(c->partition);
    int64_t next_ms, wait_ms = LOOK_MAX_MS, new_ms;

    log_compacted(core->store, c->partition->log, &end, &next_ms, &dirty_bytes);
    if (c->is_wanted || next_ms <= core_wall_ms(core))
        return 0;
    if (next_ms != INT64_MAX)
        wait_ms = less(wait_ms, next_ms - core_wall_ms(core));
    if (dirty_bytes == 0) /* or what is new is not yet committed */
        return c->new_bytes > 0 ? LOOK_MS : wait_ms;
    new_ms = (int64_t)((clock_monotonic_ns() - c->new_since_ns) / NS_PER_MS);
    if (new_ms >= how->max_lag_ms)
        return 0;
    wait_ms = less(wait_ms, how->max_lag_ms - new_ms);
    if ((double)dirty_bytes * 1000 < (double)bytes * how->dirty_permille)
        return wait_ms; /* compaction_grew() tells of more */
    if (dirty_bytes >= how->active_bytes || new_ms >= how->active_ms)
        return 0;
    return less(wait_ms, how->active_ms - new_ms);
}

static void on_done(struct log_compact *request, enum rc rc)
{
    struct compacting *c = CONTAINER_OF(request, struct compacting, request);
    uint64_t end, bytes;
    int64_t next_ms;

    if (rc == RC_OK)
        count_add(COUNT_CORE_COMPACTIONS, 1);
    if (rc == RC_OK && request->is_partial)
        c->is_wanted = true;
    log_compacted(core_of(c)->store, c->partition->log, &end, &next_ms, &bytes);
    /* What is too young, or owed to a session, is not gone through again and again. */
    look_in(c, rc == RC_OK && end != c->end ? LOOK_MS : RETRY_MS);
    c->end = end;
}

/* Below what sessions are owed: they ask for records by their offsets. */
static uint64_t end_of(const struct partition *p)
{
    uint64_t owed = partition_owed_floor(p);

    return owed < p->durable_end ? owed : p->durable_end;
}

static void look(void *arg)
{
    struct compacting *c = arg;
    struct partition *p = c->partition;
    const struct stream_compaction *how = p->stream->compaction;
    int64_t wait_ms = due_in_ms(c);

    if (wait_ms > 0) {
        look_in(c, wait_ms);
        return;
    }
    c->is_wanted = false;
    c->new_bytes = 0;
    if (p->start == p->end)
        return;
    c->request.log = p->log;
    c->request.end = end_of(p);
    c->request.newest_ms =
        how->min_lag_ms == 0 ? INT64_MAX : core_wall_ms(core_of(c)) - how->min_lag_ms;
    c->request.delete_retention_ms = how->delete_retention_ms;
    c->request.on_done = on_done;
    log_compact(core_of(c)->store, &c->request);
}

/* ---- what happens to it ---- */

void compaction_grew(struct partition *p, uint64_t bytes)
{
    struct compacting *c = p->compacting;

    if (c == NULL)
        return;
    if (c->new_bytes == 0) {
        c->new_since_ns = clock_monotonic_ns();
        look_in(c, LOOK_MS + less(LOOK_MAX_MS, less(p->stream->compaction->active_ms,
                                                    p->stream->compaction->max_lag_ms)));
    }
    c->new_bytes += bytes;
    if (c->new_bytes >= p->stream->compaction->active_bytes)
        look_in(c, LOOK_MS);
}

void compaction_changed(struct partition *p)
{
    struct compacting *c = p->compacting;

    if (p->stream->compaction == NULL) {
        compaction_forget(p);
        return;
    }
    if (c == NULL) {
        c = p->compacting = mem_new(struct compacting);
        c->partition = p;
        c->new_since_ns = clock_monotonic_ns();
    }
    look_in(c, LOOK_MS);
}

void compaction_forget(struct partition *p)
{
    struct compacting *c = p->compacting;

    p->compacting = NULL;
    if (c == NULL)
        return;
    deadline_stop(&p->stream->core->deadlines, &c->deadline);
    log_compact_cancel(p->stream->core->store, &c->request);
    mem_free(c);
}

enum rc stream_compact(struct client *client, struct stream *stream)
{
    enum rc rc = authorise(client, OPERATION_ALTER, RESOURCE_TOPIC, stream->by_name.key);

    if (rc != RC_OK)
        return rc;
    if (stream->compaction == NULL)
        return RC_INVALID;
    for (unsigned i = 0; i < stream->partition_count; i++) {
        struct compacting *c = stream->partitions[i]->compacting;

        c->is_wanted = true;
        look_in(c, 0);
    }
    return RC_OK;
}

/* ---- as it lies in the catalogue ---- */

void compaction_write(struct text *to, const struct stream_compaction *c)
{
    text_add_byte(to, c->is_deleted_too ? 1 : 0);
    text_add_u16(to, c->dirty_permille);
    text_add_u64(to, (uint64_t)c->delete_retention_ms);
    text_add_u64(to, (uint64_t)c->min_lag_ms);
    text_add_u64(to, (uint64_t)c->max_lag_ms);
    text_add_u64(to, c->active_bytes);
    text_add_u64(to, (uint64_t)c->active_ms);
}

enum rc compaction_read(struct rd *from, struct stream_compaction *ret)
{
    struct stream_compaction c = { .is_deleted_too = rd_u8(from) != 0 };

    c.dirty_permille = rd_u16(from);
    c.delete_retention_ms = rd_i64(from);
    c.min_lag_ms = rd_i64(from);
    c.max_lag_ms = rd_i64(from);
    c.active_bytes = rd_u64(from);
    c.active_ms = rd_i64(from);
    if (from->bad || c.dirty_permille > 1000 || c.delete_retention_ms < 0 || c.min_lag_ms < 0 ||
        c.max_lag_ms < 0 || c.active_ms < 0)
        return RC_CORRUPT;
    *ret = c;
    return RC_OK;
}
