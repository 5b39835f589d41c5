/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/counters.h"

_Atomic int64_t counter_values[COUNTER_COUNT];

static const struct {
    const char *name;
    const char *what;
} rows[COUNTER_COUNT] = {
#define X(id, name, what) [COUNT_##id] = { name, what },
#include "broker/base/counters.def"
#undef X
};

const char *counter_name(enum counter counter)
{
    return rows[counter].name;
}

const char *counter_what(enum counter counter)
{
    return rows[counter].what;
}
