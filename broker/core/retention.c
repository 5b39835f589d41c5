/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/retention.h"

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/core/queue_int.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"
#include "broker/core/unlogged.h"

/* A log is looked at so many times within what it keeps: it holds at most that part too much. */
#define LOOKS          32
#define LOOK_MIN_MS    INT64_C(1000)
#define LOOK_MAX_MS    INT64_C(3600000)
#define FIRST_MAX_MS   INT64_C(60000) /* after a start: spread, but what is overdue goes soon */
#define SETTLED_MIN_MS INT64_C(1000)
#define SETTLED_MAX_MS INT64_C(5000)
#define BLOCKED_MS     INT64_C(10000) /* until what sessions are owed is asked for again */
#define FORGET_MS      INT64_C(10)    /* until the store has forgotten some of what was trimmed */
/* A log may outgrow its byte limit by this part of it. */
#define OVER_PART      8
#define STEP_MIN_BYTES UINT64_C(4096)
/* A record's time may be anything; nothing is waited for longer. */
#define WAIT_MAX_MS (INT64_C(36500) * 86400000)
#define TIME_MAX_MS (INT64_MAX / 2)
/* In one turn so many logs are looked at, and about so many records let go: each may be an entry of
 * the store's index to forget. */
#define TURN_LOOKS   256
#define TURN_RECORDS UINT64_C(16384)

/* ---- the heap ---- */

static int64_t clamp(int64_t n, int64_t min, int64_t max)
{
    return n < min ? min : n > max ? max : n;
}

static void on_due(void *arg);

/* Core's own deadline follows the first of the heap, but is not before `least_ns`. */
static void follow(struct core *core, uint64_t least_ns)
{
    uint64_t next_ns = deadlines_next_ns(&core->retention_dues);

    if (next_ns < least_ns)
        next_ns = least_ns;
    if (next_ns == UINT64_MAX)
        deadline_stop(&core->deadlines, &core->retention);
    else if (core->retention.place == 0 || core->retention.at_ns != next_ns)
        deadline_start(&core->deadlines, &core->retention, next_ns, on_due, core);
}

static void on_due(void *arg)
{
    struct core *core = arg;
    uint64_t now_ns = clock_monotonic_ns();

    core->retired_records = 0;
    for (unsigned i = 0; i < TURN_LOOKS && core->retired_records < TURN_RECORDS; i++) {
        if (!deadlines_run_one(&core->retention_dues, now_ns))
            break;
    }
    follow(core, clock_monotonic_ns() + 1); /* what is left is another turn's */
}

static void on_partition_due(void *arg)
{
    retention_apply(arg);
}

/* Has the partition looked at within `wait_ms`. */
static void look_within(struct partition *p, int64_t wait_ms)
{
    struct core *core = p->stream->core;
    uint64_t at_ns = clock_monotonic_ns() + (uint64_t)clamp(wait_ms, 0, WAIT_MAX_MS) * NS_PER_MS;

    if (p->retention.place != 0 && p->retention.at_ns <= at_ns)
        return;
    deadline_start(&core->retention_dues, &p->retention, at_ns, on_partition_due, p);
    follow(core, 0);
}

static int64_t look_every_ms(const struct stream_policy *policy)
{
    return clamp(policy->retention_ms / LOOKS, LOOK_MIN_MS, LOOK_MAX_MS);
}

/* ---- what may go ---- */

/* Does the stream say itself what it keeps, although it is a queue's? */
static bool is_kept_by_policy(const struct stream *stream)
{
    return stream->queue == NULL || stream->policy.retention_ms != POLICY_OPEN ||
           stream->policy.retention_bytes != POLICY_OPEN;
}

static int64_t consumed_keep_ms(const struct stream *stream)
{
    return stream->is_hidden ? 0 : (int64_t)stream->core->config.consumed_retention_ms;
}

/* The offset below which everything is older than the stream's retention. */
static uint64_t old_below(struct partition *p)
{
    struct core *core = p->stream->core;
    uint64_t offset;
    enum rc rc;

    if (p->stream->effective.retention_ms == POLICY_UNLIMITED)
        return p->start;
    rc = partition_find_index(p, core_wall_ms(core) - p->stream->effective.retention_ms, &offset);
    if (rc == RC_OK)
        return offset;
    return rc == RC_NOT_FOUND ? p->durable_end : p->start;
}

/* The offset below which lies what is over the byte limit, as far as one look tells. */
static uint64_t over_below(const struct partition *p, bool *ret_is_more)
{
    int64_t limit = p->stream->effective.retention_bytes;
    uint64_t offset;

    if (limit == POLICY_UNLIMITED)
        return p->start;
    *ret_is_more = !log_over(p->stream->core->store, p->log, (uint64_t)limit, &offset);
    return offset;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The offset below which lies what a queue has consumed and is over the bytes kept of that,
 * reckoned as above. */
static uint64_t over_consumed_below(const struct partition *p, uint64_t head)
{
    uint64_t limit = p->stream->core->config.consumed_retention_bytes;
    uint64_t records = p->sealed_end - p->start;
    double consumed_bytes;

    if (limit == 0 || head <= p->start || records == 0)
        return p->start;
    consumed_bytes = (double)partition_bytes(p) * ((double)(head - p->start) / (double)records);
    if (consumed_bytes <= (double)limit)
        return p->start;
    return head - (uint64_t)((double)(head - p->start) * ((double)limit / consumed_bytes));
}

/* Of a clock that nobody sets: what was consumed is seen to be so within one life. */
static int64_t now_ms(void)
{
    return (int64_t)(clock_monotonic_ns() / NS_PER_MS);
}

/* A queue's log: what was consumed is kept for a while, for those who read it as a stream; what
 * nobody else can read is not. */
static uint64_t consumed_below(struct partition *p)
{
    struct lane *lane = p->stream->queue->lanes[p->index];
    uint64_t below = lane_retention_floor(lane, now_ms(), consumed_keep_ms(p->stream));

    return larger(below, over_consumed_below(p, lane->head));
}

/* Do keys alone say what stays? */
static bool is_compacted_alone(const struct stream *stream)
{
    return stream->compaction != NULL && !stream->compaction->is_deleted_too;
}

static uint64_t wanted_start(struct partition *p, bool *ret_is_more)
{
    uint64_t wanted;

    if (is_compacted_alone(p->stream))
        return p->start;
    if (p->unlogged != NULL) { /* it holds no more than it may */
        unlogged_fit(p);
        return old_below(p);
    }
    wanted = larger(p->start, over_below(p, ret_is_more));
    if (is_kept_by_policy(p->stream))
        wanted = larger(wanted, old_below(p));
    if (p->stream->queue == NULL)
        return wanted;
    wanted = larger(wanted, p->stream->queue->lanes[p->index]->purged_below);
    return is_kept_by_policy(p->stream) ? wanted : larger(wanted, consumed_below(p));
}

/* Nothing from here on may go: somebody is owed it, or it is on its way to the disk. The queue
 * itself tells when that changes. */
static uint64_t first_owed(struct partition *p, bool *ret_queue_tells)
{
    uint64_t first = partition_owed_floor(p);
    uint64_t head = p->stream->queue == NULL ? UINT64_MAX : queue_floor(p->stream->queue, p);

    if (p->durable_end < first)
        first = p->durable_end;
    *ret_queue_tells = head < first;
    return head < first ? head : first;
}

/* ---- when to look again ---- */

static void look_again(struct partition *p, bool is_blocked)
{
    const struct stream *stream = p->stream;

    p->is_settled_due = false;
    if (p->start == p->end || is_compacted_alone(stream))
        return; /* retention_grew() tells of more */
    if (is_blocked)
        /* publishers may be waiting for the memory */
        look_within(p, p->stream->core->config.memory_limit_bytes > 0 ? LOOK_MIN_MS : BLOCKED_MS);
    if (is_kept_by_policy(stream) && stream->effective.retention_ms != POLICY_UNLIMITED)
        look_within(p, look_every_ms(&stream->effective));
    if (stream->queue != NULL && !is_kept_by_policy(stream)) {
        int64_t at_ms =
            lane_retention_next_ms(stream->queue->lanes[p->index], consumed_keep_ms(stream));

        if (at_ms != INT64_MAX)
            look_within(p, at_ms - now_ms());
    }
}

void retention_apply(struct partition *p)
{
    bool is_more = false, queue_tells;
    uint64_t wanted = wanted_start(p, &is_more);
    uint64_t owed = first_owed(p, &queue_tells);
    bool is_blocked = wanted > owed && !queue_tells;
    uint64_t before = p->start;

    deadline_stop(&p->stream->core->retention_dues, &p->retention);
    p->grown_bytes = 0;
    if (wanted > owed) {
        wanted = owed;
        is_more = false;
    }
    if (wanted > p->start + TURN_RECORDS) {
        wanted = p->start + TURN_RECORDS;
        is_more = true;
    }
    if (wanted > p->start) {
        p->stream->core->retired_records += wanted - p->start;
        count_add(COUNT_CORE_RETIRED, (int64_t)(wanted - p->start));
        partition_trim_to(p, wanted);
    }
    look_again(p, is_blocked);
    if (is_more)
        look_within(p, p->start > before ? 0 : FORGET_MS);
}

/* ---- what makes a log worth a look ---- */

uint64_t retention_step(const struct stream_policy *policy)
{
    uint64_t step = (uint64_t)policy->retention_bytes / OVER_PART;

    if (policy->retention_bytes == POLICY_UNLIMITED || step > RETENTION_STEP_BYTES)
        return RETENTION_STEP_BYTES;
    return step < STEP_MIN_BYTES ? STEP_MIN_BYTES : step;
}

void retention_grew(struct partition *p, uint64_t bytes, int64_t max_timestamp_ms)
{
    const struct stream *stream = p->stream;
    int64_t due_ms;

    p->grown_bytes += bytes;
    if (p->retention.place != 0 || !is_kept_by_policy(stream) ||
        stream->effective.retention_ms == POLICY_UNLIMITED)
        return;
    due_ms = clamp(max_timestamp_ms, 0, TIME_MAX_MS) +
             clamp(stream->effective.retention_ms, 0, WAIT_MAX_MS);
    /* What was old when it came is not taken from under the hands of who brought it. */
    look_within(p, clamp(due_ms - core_wall_ms(stream->core),
                         clamp(look_every_ms(&stream->effective), 0, FIRST_MAX_MS), WAIT_MAX_MS));
}

void retention_changed(struct stream *stream)
{
    for (unsigned i = 0; i < stream->partition_count; i++)
        look_within(stream->partitions[i], 0);
}

void retention_settled(struct partition *p)
{
    if (p->is_settled_due)
        return;
    p->is_settled_due = true;
    look_within(p, clamp(consumed_keep_ms(p->stream) / LOOKS, SETTLED_MIN_MS, SETTLED_MAX_MS));
}

/* Looks of one start are spread by the log's number. */
static void look_first(struct partition *p)
{
    int64_t within_ms = p->stream->effective.retention_ms == POLICY_UNLIMITED
                            ? FIRST_MAX_MS
                            : clamp(look_every_ms(&p->stream->effective), 0, FIRST_MAX_MS);

    if (p->start < p->end)
        look_within(p, LOOK_MIN_MS + (int64_t)(p->log * UINT32_C(2654435761)) % within_ms);
}

void retention_begin(struct core *core)
{
    LIST_EACH (k, &core->stream_list) {
        struct stream *stream = CONTAINER_OF(k, struct stream, link);

        for (unsigned i = 0; i < stream->partition_count; i++)
            look_first(stream->partitions[i]);
    }
}

void retention_forget(struct partition *p)
{
    deadline_stop(&p->stream->core->retention_dues, &p->retention);
}

/* ---- retained messages ---- */

void retention_at(struct core *core, struct deadline *deadline, int64_t wall_ms,
                  void (*on_reached)(void *arg), void *arg)
{
    int64_t wait_ms = clamp(wall_ms - core_wall_ms(core), 0, WAIT_MAX_MS);

    deadline_start(&core->retention_dues, deadline,
                   clock_monotonic_ns() + (uint64_t)wait_ms * NS_PER_MS, on_reached, arg);
    follow(core, 0);
}

void retention_cancel(struct core *core, struct deadline *deadline)
{
    deadline_stop(&core->retention_dues, deadline);
}
