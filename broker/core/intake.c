/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/intake.h"

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/core_int.h"

#define ASK_EVERY_NS UINT64_C(1000000000)
/* What a commit costs beside its records: pages, frames and the index. */
#define TURN_BYTES UINT64_C(16384)
/* Near a mark it is asked as often as this much was accepted, or half of what is left to the mark:
 * what goes into a file that was there before takes no room, and who is paused for it is paused for
 * nothing. */
#define STEP_BYTES     UINT64_C(4194304)
#define STEP_MIN_BYTES UINT64_C(65536)
#define NEAR_BYTES     (16 * STEP_BYTES)
/* So much more than the mark must be free before publishers go on, as a part of all, or of a large
 * disk this: more than the store's own files come and go by. */
#define BACK_PART      33
#define BACK_MAX_BYTES UINT64_C(1073741824)
/* This part of the limit must be free again before publishers go on. */
#define MEMORY_BACK_PART 16

static uint64_t part(uint64_t total, unsigned percent)
{
    return total / 100 * percent;
}

/* A tenth of a large disk is room for days: the percentage alone would stop a broker there. */
static uint64_t at_most(uint64_t left, uint64_t enough)
{
    return enough > 0 && left > enough ? enough : left;
}

/* What must stay free. */
static uint64_t stop_bytes(const struct core *core)
{
    uint64_t left = at_most(part(core->intake.total_bytes, 100 - core->config.disk_stop_percent),
                            core->config.disk_free_enough_bytes);

    return left > core->config.disk_free_min_bytes ? left : core->config.disk_free_min_bytes;
}

static uint64_t warn_bytes(const struct core *core)
{
    uint64_t left = at_most(part(core->intake.total_bytes, 100 - core->config.disk_warn_percent),
                            2 * core->config.disk_free_enough_bytes);

    return left > stop_bytes(core) ? left : stop_bytes(core);
}

static uint64_t left_bytes(const struct intake *in)
{
    uint64_t reserved = in->accepted_bytes - in->counted_bytes;

    return in->free_bytes > reserved ? in->free_bytes - reserved : 0;
}

/* Over the mark, or not yet far enough below it again. */
static bool is_beyond(const struct intake *in, uint64_t mark_bytes, bool was_beyond)
{
    uint64_t left = left_bytes(in);

    if (mark_bytes == 0)
        return false; /* the store says itself when it is full */
    return left <= mark_bytes ||
           (was_beyond &&
            left <= mark_bytes + at_most(in->total_bytes / BACK_PART, BACK_MAX_BYTES));
}

static void warn(struct core *core, bool is_low)
{
    struct intake *in = &core->intake;

    if (is_low == in->is_low)
        return;
    in->is_low = is_low;
    count_set(COUNT_CORE_DISK_LOW, is_low);
    log_event(
        is_low ? LOG_WARNING : LOG_NOTICE, is_low ? "core.disk_low" : "core.disk_no_longer_low",
        "free_bytes=%llu total_bytes=%llu mark_bytes=%llu", (unsigned long long)left_bytes(in),
        (unsigned long long)in->total_bytes, (unsigned long long)warn_bytes(core));
}

static void stop(struct core *core, bool is_stopped)
{
    struct intake *in = &core->intake;

    if (is_stopped == in->is_stopped)
        return;
    in->is_stopped = is_stopped;
    in->stopped_bytes = in->accepted_bytes;
    count_set(COUNT_CORE_DISK_STOPPED, is_stopped);
    log_event(is_stopped ? LOG_ERROR : LOG_NOTICE,
              is_stopped ? "core.disk_full" : "core.disk_has_room",
              "free_bytes=%llu total_bytes=%llu mark_bytes=%llu what=\"publishers %s\"",
              (unsigned long long)left_bytes(in), (unsigned long long)in->total_bytes,
              (unsigned long long)stop_bytes(core), is_stopped ? "are paused" : "go on");
    core_stall_changed(core);
}

static void compare(struct core *core)
{
    struct intake *in = &core->intake;

    if (in->total_bytes == 0)
        return;
    warn(core, is_beyond(in, warn_bytes(core), in->is_low));
    stop(core, is_beyond(in, stop_bytes(core), in->is_stopped));
}

static void ask(struct core *core)
{
    struct intake *in = &core->intake;
    uint64_t backlog = store_backlog_bytes(core->store);

    if (in->is_asked)
        return;
    in->is_asked = true;
    in->question_bytes = in->accepted_bytes;
    in->question_counts = in->accepted_bytes > backlog ? in->accepted_bytes - backlog : 0;
    if (in->question_counts < in->counted_bytes)
        in->question_counts = in->counted_bytes;
    core->config.ask_room(core->config.wake_arg);
}

/* While nothing comes, nothing is asked. */
static void on_again(void *arg)
{
    struct core *core = arg;
    const struct intake *in = &core->intake;

    if (in->accepted_bytes != in->question_bytes || in->is_low || in->is_stopped)
        ask(core);
}

void core_disk_room(struct core *core, uint64_t total_bytes, uint64_t free_bytes)
{
    struct intake *in = &core->intake;

    if (!in->is_asked)
        return;
    in->is_asked = false;
    in->total_bytes = total_bytes;
    in->free_bytes = free_bytes;
    in->counted_bytes = in->question_counts;
    count_set(COUNT_STORE_FREE_BYTES, (int64_t)free_bytes);
    compare(core);
    deadline_start(&core->deadlines, &in->again, clock_monotonic_ns() + ASK_EVERY_NS, on_again,
                   core);
}

void intake_accepted(struct core *core, uint64_t bytes)
{
    core->intake.accepted_bytes += bytes;
}

static bool is_question_due(const struct core *core)
{
    const struct intake *in = &core->intake;
    uint64_t left = left_bytes(in), stop_mark = stop_bytes(core);
    uint64_t to_mark = in->free_bytes > stop_mark ? in->free_bytes - stop_mark : 0;
    uint64_t step = to_mark / 2 > STEP_BYTES       ? STEP_BYTES
                    : to_mark / 2 < STEP_MIN_BYTES ? STEP_MIN_BYTES
                                                   : to_mark / 2;

    return in->total_bytes > 0 && in->accepted_bytes - in->counted_bytes >= step &&
           (left <= warn_bytes(core) || left - stop_mark <= NEAR_BYTES);
}

void intake_turn_end(struct core *core)
{
    struct intake *in = &core->intake;

    if (core->config.ask_room == NULL || !core->has_put)
        return;
    in->accepted_bytes += TURN_BYTES;
    compare(core);
    if (!in->is_asked && (in->again.place == 0 || is_question_due(core)))
        ask(core); /* the first for a while, or it is getting tight */
}

void intake_look_at_memory(struct core *core)
{
    struct intake *in = &core->intake;
    uint64_t limit = core->config.memory_limit_bytes, held;
    bool is_full;

    if (limit == 0)
        return;
    held = mem_in_use_bytes();
    is_full = held > (in->is_memory_full ? limit - limit / MEMORY_BACK_PART : limit);
    if (is_full == in->is_memory_full)
        return;
    in->is_memory_full = is_full;
    count_set(COUNT_CORE_MEMORY_STOPPED, is_full);
    log_event(is_full ? LOG_ERROR : LOG_NOTICE,
              is_full ? "core.memory_full" : "core.memory_has_room",
              "held_bytes=%llu limit_bytes=%llu what=\"publishers %s\"", (unsigned long long)held,
              (unsigned long long)limit, is_full ? "are paused" : "go on");
    core_stall_changed(core);
}

/* What publishers had sent before they were told is no more than was on its way. */
static bool is_far_over_memory(const struct core *core)
{
    return core->intake.is_memory_full &&
           mem_in_use_bytes() > core->config.memory_limit_bytes + BACKLOG_HIGH_BYTES;
}

bool intake_is_over(const struct core *core)
{
    const struct intake *in = &core->intake;

    if (is_far_over_memory(core))
        return true;
    return in->is_stopped && in->accepted_bytes - in->stopped_bytes > BACKLOG_HIGH_BYTES;
}

void intake_done(struct core *core)
{
    deadline_stop(&core->deadlines, &core->intake.again);
}
