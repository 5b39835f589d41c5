/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static _Atomic bool is_set;
static _Atomic uint64_t set_monotonic_ns;
static _Atomic int64_t set_wall_ms;

uint64_t clock_monotonic_ns(void)
{
    struct timespec now;

    if (atomic_load_explicit(&is_set, memory_order_relaxed))
        return atomic_load(&set_monotonic_ns);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_thread_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    struct timespec now;

    if (atomic_load_explicit(&is_set, memory_order_relaxed))
        return atomic_load(&set_wall_ms);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_set_for_test(uint64_t monotonic_ns, int64_t wall_ms)
{
    atomic_store(&set_monotonic_ns, monotonic_ns);
    atomic_store(&set_wall_ms, wall_ms);
    atomic_store(&is_set, true);
}

void clock_unset_for_test(void)
{
    atomic_store(&is_set, false);
}
