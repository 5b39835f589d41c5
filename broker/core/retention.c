/* SPDX-License-Identifier: Apache-2.0 */
/* What streams and queues let go of as time and bytes pass, but never what somebody is owed. */
#include "broker/core/queue_int.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"

/* The offset below which everything is older than the stream's retention. */
static uint64_t old_below(struct core *core, const struct partition *p)
{
    int64_t oldest_ms = core_wall_ms(core) - (int64_t)core->config.retention_ms;
    uint64_t offset;
    enum rc rc;

    if (core->config.retention_ms == 0)
        return p->start;
    rc = log_find_time(core->store, p->log, oldest_ms, &offset);
    if (rc == RC_OK)
        return offset;
    return rc == RC_NOT_FOUND ? p->durable_end : p->start;
}

/* The offset below which lies what is over the byte limit, reckoned by the mean size of a record.
 */
static uint64_t over_below(const struct core *core, const struct partition *p)
{
    uint64_t limit = core->config.retention_bytes / p->stream->partition_count;
    uint64_t bytes = partition_bytes(p);
    uint64_t records = p->durable_end - p->start;

    if (core->config.retention_bytes == 0 || !p->stream->is_implicit || bytes <= limit)
        return p->start;
    return p->start + (uint64_t)((double)records * ((double)(bytes - limit) / (double)bytes));
}

static void trim_owed(struct core *core, struct partition *p, uint64_t wanted)
{
    uint64_t floor;

    if (wanted <= p->start)
        return;
    floor = references_floor(core, p->log);
    if (wanted > floor)
        wanted = floor;
    if (wanted > p->durable_end)
        wanted = p->durable_end;
    partition_trim_to(p, wanted);
}

/* A queue's log: what was consumed is kept for a while, for those who read it as a stream; what
 * nobody else can read is not. */
static uint64_t consumed_below(struct core *core, struct partition *p)
{
    struct queue *queue = p->stream->queue;
    struct lane *lane = queue->lanes[p->index];
    uint64_t keep_ms = p->stream->is_hidden ? 0 : core->config.consumed_retention_ms;
    uint64_t floor = lane_retention_floor(lane, core_wall_ms(core), keep_ms);
    uint64_t over = over_below(core, p);

    if (over > lane->head)
        over = lane->head;
    return floor > over ? floor : over;
}

void partition_retain(struct partition *p)
{
    struct core *core = p->stream->core;
    uint64_t old, over;

    p->grown_bytes = 0;
    if (p->stream->queue != NULL) {
        trim_owed(core, p, consumed_below(core, p));
        return;
    }
    old = old_below(core, p);
    over = over_below(core, p);
    trim_owed(core, p, old > over ? old : over);
}

void retention_run(struct core *core)
{
    LIST_EACH (k, &core->stream_list) {
        struct stream *stream = CONTAINER_OF(k, struct stream, link);

        for (unsigned i = 0; i < stream->partition_count; i++)
            partition_retain(stream->partitions[i]);
    }
    retained_expire(core);
    core_wake(core);
}
