/* SPDX-License-Identifier: Apache-2.0 */
/* What a queue holds at most and for how long, and how long it lives without being used. */
#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/text.h"
#include "broker/base/wire.h"
#include "broker/core/queue_int.h"
#include "broker/core/stream_int.h"

#define NS_PER_MS UINT64_C(1000000)
/* Let go in one turn: each may be read from the log first. */
#define TURN_DROPS 2048u

/* ---- as it lies in the catalogue ---- */

void queue_limits_write(struct text *to, const struct queue_limits *limits)
{
    text_add_byte(to, limits->is_refusing ? 1 : 0);
    text_add_u64(to, limits->max_messages);
    text_add_u64(to, limits->max_bytes);
    text_add_u64(to, limits->ttl_ms);
    text_add_u64(to, limits->expires_ms);
}

enum rc queue_limits_read(struct rd *from, struct queue_limits *ret)
{
    struct queue_limits limits = { .is_refusing = rd_u8(from) != 0 };

    limits.max_messages = rd_u64(from);
    limits.max_bytes = rd_u64(from);
    limits.ttl_ms = rd_u64(from);
    limits.expires_ms = rd_u64(from);
    if (from->bad)
        return RC_CORRUPT;
    *ret = limits;
    return RC_OK;
}

/* ---- how much it holds ---- */

static uint64_t ready_bytes(const struct queue *queue)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < queue->lane_count; i++)
        bytes += lane_ready_bytes(queue->lanes[i]);
    return bytes;
}

/* Would it hold too much with those in addition? */
static bool is_over(const struct queue *queue, uint64_t messages, uint64_t bytes)
{
    const struct queue_limits *limits = &queue->bound->limits;

    if (limits->max_messages != QUEUE_UNLIMITED &&
        queue_ready_count(queue) + messages > limits->max_messages)
        return true;
    return limits->max_bytes != QUEUE_UNLIMITED && ready_bytes(queue) + bytes > limits->max_bytes;
}

bool queue_refuses(struct queue *queue, uint64_t messages, uint64_t bytes)
{
    if (__builtin_expect(queue->bound == NULL, 1) || !queue->bound->limits.is_refusing ||
        !is_over(queue, messages, bytes))
        return false;
    if (queue_wants(queue) && !queue->is_pumping) { /* what is on its way to somebody is not held */
        queue_pump(queue);
        if (!is_over(queue, messages, bytes))
            return false;
    }
    count_add(COUNT_CORE_QUEUE_REFUSED, (int64_t)messages);
    return true;
}

/* ---- letting go ---- */

int64_t queue_due_ms(const struct queue *queue, const struct message *message)
{
    int64_t at = message->expires_at_ms, due;

    if (queue->bound == NULL || queue->bound->limits.ttl_ms == QUEUE_UNLIMITED)
        return at;
    due = message->timestamp_ms + (int64_t)queue->bound->limits.ttl_ms;
    return at != 0 && at < due ? at : due;
}

/* The first that is ready, over all lanes. */
static enum rc first_ready(struct queue *queue, struct lane **ret_lane, struct item **ret_item,
                           uint64_t *ret_offset)
{
    enum rc found = RC_NOT_FOUND;

    for (unsigned i = 0; i < queue->lane_count; i++) {
        struct item *item;
        uint64_t offset;
        enum rc rc = lane_next(queue->lanes[i], &item, &offset);

        if (rc == RC_AGAIN && found == RC_NOT_FOUND)
            found = RC_AGAIN;
        if (rc != RC_OK ||
            (found == RC_OK && item->message->timestamp_ms >= (*ret_item)->message->timestamp_ms))
            continue;
        *ret_lane = queue->lanes[i];
        *ret_item = item;
        *ret_offset = offset;
        found = RC_OK;
    }
    return found;
}

static void on_due(void *arg)
{
    struct queue *queue = arg;

    queue_wake(queue); /* it is enforced when those with credit were served */
    core_wake(queue->core);
}

static void wait_until(struct queue *queue, int64_t wall_ms)
{
    int64_t wait_ms = wall_ms - core_wall_ms(queue->core);

    if (wait_ms > (int64_t)QUEUE_WAIT_MAX_MS)
        wait_ms = (int64_t)QUEUE_WAIT_MAX_MS;
    deadline_start(&queue->core->deadlines, &queue->bound->due,
                   clock_monotonic_ns() + (uint64_t)wait_ms * NS_PER_MS, on_due, queue);
}

/* Lets the first go if it has to. False: it need not, or it is being read. */
static bool let_go(struct queue *queue)
{
    const struct queue_limits *limits = &queue->bound->limits;
    bool is_full = !limits->is_refusing && is_over(queue, 0, 0);
    struct lane *lane = NULL;
    struct item *item = NULL;
    uint64_t offset = 0;
    int64_t due_ms;

    if ((!is_full && limits->ttl_ms == QUEUE_UNLIMITED) ||
        first_ready(queue, &lane, &item, &offset) != RC_OK)
        return false;
    due_ms = queue_due_ms(queue, item->message);
    if (due_ms != 0 && due_ms <= core_wall_ms(queue->core)) {
        count_add(COUNT_CORE_QUEUE_EXPIRED, 1);
    } else if (is_full) {
        count_add(COUNT_CORE_QUEUE_DROPPED, 1);
    } else {
        wait_until(queue, due_ms);
        return false;
    }
    lane_settle_ready(lane, offset);
    return true;
}

void queue_enforce(struct queue *queue)
{
    unsigned budget = TURN_DROPS;

    if (queue->bound == NULL || queue->is_pumping || queue->is_removed)
        return;
    while (budget > 0 && let_go(queue))
        budget--;
    if (budget == 0) {
        queue_wake(queue);
        core_wake(queue->core);
    }
}

/* ---- being used ---- */

static void on_unused(void *arg)
{
    struct queue *queue = arg;

    if (queue->consumer_count > 0)
        return; /* the last to go starts it again */
    log_event(LOG_INFO, "core.queue_expired", "name=%s",
              log_quote(queue->spec.name.at, queue->spec.name.len));
    queue_remove(queue);
}

void queue_used(struct queue *queue)
{
    uint64_t ms;

    if (queue->bound == NULL || queue->bound->limits.expires_ms == QUEUE_UNLIMITED)
        return;
    ms = queue->bound->limits.expires_ms;
    deadline_start(&queue->core->deadlines, &queue->bound->unused,
                   clock_monotonic_ns() + ms * NS_PER_MS, on_unused, queue);
}

/* ---- with the queue ---- */

static bool is_none(const struct queue_limits *limits)
{
    return limits->max_messages == QUEUE_UNLIMITED && limits->max_bytes == QUEUE_UNLIMITED &&
           limits->ttl_ms == QUEUE_UNLIMITED && limits->expires_ms == QUEUE_UNLIMITED;
}

void queue_bound_free(struct queue *queue)
{
    if (queue->bound == NULL)
        return;
    deadline_stop(&queue->core->deadlines, &queue->bound->due);
    deadline_stop(&queue->core->deadlines, &queue->bound->unused);
    MEM_FREE(queue->bound);
}

void queue_bound_set(struct queue *queue, const struct queue_limits *limits)
{
    queue_bound_free(queue);
    if (!is_none(limits)) {
        queue->bound = mem_new(struct queue_bound);
        queue->bound->limits = *limits;
    }
    for (unsigned i = 0; i < queue->lane_count; i++)
        queue->lanes[i]->counts_bytes = !is_none(limits) && limits->max_bytes != QUEUE_UNLIMITED;
}

void queue_bound_begin(struct queue *queue)
{
    if (queue->bound == NULL)
        return;
    for (unsigned i = 0; i < queue->lane_count; i++)
        lane_reckon_bytes(queue->lanes[i]);
    queue_used(queue);
    queue_wake(queue);
}

void queue_set_limits(struct queue *queue, const struct queue_limits *limits)
{
    queue_bound_set(queue, limits);
    queue_record(queue);
    queue_bound_begin(queue);
}
