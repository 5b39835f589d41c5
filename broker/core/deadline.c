/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/deadline.h"

#include "broker/base/clock.h"
#include "broker/base/mem.h"

#define DEADLINES_FIRST 16

void deadlines_init(struct deadlines *d)
{
    *d = (struct deadlines){ 0 };
}

void deadlines_done(struct deadlines *d)
{
    for (size_t i = 1; i <= d->count; i++)
        d->heap[i]->place = 0;
    MEM_FREE(d->heap);
    d->count = d->room = 0;
}

static void put(struct deadlines *d, size_t place, struct deadline *deadline)
{
    d->heap[place] = deadline;
    deadline->place = place;
}

static void sift_up(struct deadlines *d, struct deadline *deadline)
{
    size_t place = deadline->place;

    while (place > 1 && d->heap[place / 2]->at_ns > deadline->at_ns) {
        put(d, place, d->heap[place / 2]);
        place /= 2;
    }
    put(d, place, deadline);
}

static void sift_down(struct deadlines *d, struct deadline *deadline)
{
    size_t place = deadline->place;

    for (;;) {
        size_t child = place * 2;

        if (child > d->count)
            break;
        if (child < d->count && d->heap[child + 1]->at_ns < d->heap[child]->at_ns)
            child++;
        if (d->heap[child]->at_ns >= deadline->at_ns)
            break;
        put(d, place, d->heap[child]);
        place = child;
    }
    put(d, place, deadline);
}

void deadline_start_in_ms(struct deadlines *d, struct deadline *deadline, uint64_t ms,
                          void (*on_reached)(void *arg), void *arg)
{
    deadline_start(d, deadline, clock_monotonic_ns() + ms * NS_PER_MS, on_reached, arg);
}

void deadline_stop(struct deadlines *d, struct deadline *deadline)
{
    size_t place = deadline->place;
    struct deadline *last;

    if (place == 0)
        return;
    ASSERT(d->heap[place] == deadline);
    last = d->heap[d->count--];
    deadline->place = 0;
    if (last == deadline)
        return;
    put(d, place, last);
    sift_up(d, last);
    sift_down(d, last);
}

void deadline_start(struct deadlines *d, struct deadline *deadline, uint64_t at_ns,
                    void (*on_reached)(void *arg), void *arg)
{
    deadline_stop(d, deadline);
    deadline->at_ns = at_ns;
    deadline->on_reached = on_reached;
    deadline->arg = arg;
    if (d->count + 1 >= d->room) {
        d->room = d->room == 0 ? DEADLINES_FIRST : d->room * 2;
        d->heap = mem_resize(d->heap, d->room * sizeof(struct deadline *));
    }
    d->count++;
    put(d, d->count, deadline);
    sift_up(d, deadline);
}

uint64_t deadlines_next_ns(const struct deadlines *d)
{
    return d->count == 0 ? UINT64_MAX : d->heap[1]->at_ns;
}

bool deadlines_run_one(struct deadlines *d, uint64_t now_ns)
{
    struct deadline *due;

    if (d->count == 0 || d->heap[1]->at_ns > now_ns)
        return false;
    due = d->heap[1];
    deadline_stop(d, due);
    due->on_reached(due->arg);
    return true;
}

void deadlines_run(struct deadlines *d, uint64_t now_ns)
{
    while (deadlines_run_one(d, now_ns))
        continue;
}
