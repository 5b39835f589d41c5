/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and gauges, one table (counters.def) for names, texts and values. Any thread. */
#ifndef TERCET_BROKER_BASE_COUNTERS_H
#define TERCET_BROKER_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
#define X(id, name, what) COUNT_##id,
#include "broker/base/counters.def"
#undef X
    COUNTER_COUNT
};

extern _Atomic int64_t counter_values[COUNTER_COUNT];

static inline void count_add(enum counter counter, int64_t n)
{
    (void)atomic_fetch_add_explicit(&counter_values[counter], n, memory_order_relaxed);
}

/* The same for a counter that one thread alone writes, at a tenth of the price. */
static inline void count_add_alone(enum counter counter, int64_t n)
{
    atomic_store_explicit(&counter_values[counter],
                          atomic_load_explicit(&counter_values[counter], memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void count_set(enum counter counter, int64_t value)
{
    atomic_store_explicit(&counter_values[counter], value, memory_order_relaxed);
}

static inline int64_t count_get(enum counter counter)
{
    return atomic_load_explicit(&counter_values[counter], memory_order_relaxed);
}

const char *counter_name(enum counter counter);
const char *counter_what(enum counter counter);

#endif
