/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/owed.h"

#include <string.h>

#include "broker/base/mem.h"

void owed_init(struct owed *owed)
{
    *owed = (struct owed){ .open = 0 };
    ring_init(&owed->counts, sizeof(uint32_t));
}

void owed_done(struct owed *owed)
{
    ring_done(&owed->counts);
    owed->open = 0;
}

static uint32_t *count_of(struct owed *owed, uint64_t run)
{
    ASSERT(run >= owed->first_run && run - owed->first_run < owed->counts.count);
    return ring_at(&owed->counts, (size_t)(run - owed->first_run));
}

/* Only while sessions are loaded, in whatever order they lie in the catalogue. */
static void reach_down(struct owed *owed, uint64_t run)
{
    struct ring longer;

    ring_init(&longer, sizeof(uint32_t));
    for (uint64_t i = run; i < owed->first_run; i++)
        *(uint32_t *)ring_push(&longer) = 0;
    for (size_t i = 0; i < owed->counts.count; i++)
        *(uint32_t *)ring_push(&longer) = *(uint32_t *)ring_at(&owed->counts, i);
    ring_done(&owed->counts);
    owed->counts = longer;
    owed->first_run = run;
}

void owed_add(struct owed *owed, uint64_t offset)
{
    uint64_t run = offset >> OWED_RUN_SHIFT;

    if (owed->open == 0) {
        ring_pop(&owed->counts, owed->counts.count);
        owed->first_run = run;
    }
    if (run < owed->first_run)
        reach_down(owed, run);
    while (owed->first_run + owed->counts.count <= run)
        *(uint32_t *)ring_push(&owed->counts) = 0;
    ++*count_of(owed, run);
    owed->open++;
}

void owed_drop(struct owed *owed, uint64_t offset)
{
    uint32_t *count = count_of(owed, offset >> OWED_RUN_SHIFT);

    ASSERT(*count > 0 && owed->open > 0);
    --*count;
    owed->open--;
}

uint64_t owed_floor(struct owed *owed)
{
    const uint32_t *count;

    if (owed->open == 0)
        return UINT64_MAX;
    while ((count = ring_front(&owed->counts)) != NULL && *count == 0) {
        ring_pop(&owed->counts, 1);
        owed->first_run++;
    }
    return owed->first_run << OWED_RUN_SHIFT;
}
