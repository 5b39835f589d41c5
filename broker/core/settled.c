/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/settled.h"

#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/core_int.h"

/* Rows deleted in one turn: some 0.3 us each. */
#define TURN_ROWS 1024

struct sweep {
    struct link link; /* in core->sweeps */
    struct settled_of of;
    uint64_t next;
    uint64_t end;
};

struct settled_key {
    uint8_t bytes[20];
};

static struct settled_key key_of(struct settled_of of, uint64_t record)
{
    struct settled_key key;

    put_u64(key.bytes, of.queue);
    put_u32(key.bytes + 8, of.lane);
    put_u64(key.bytes + 12, record);
    return key;
}

void settled_put(struct core *core, struct settled_of of, uint64_t record, const void *value,
                 size_t len)
{
    struct settled_key key = key_of(of, record);

    core_put(core, META_SETTLED, slice_of(key.bytes, sizeof(key.bytes)), slice_of(value, len),
             DURABILITY_MEMORY);
}

void settled_delete(struct core *core, struct settled_of of, uint64_t record)
{
    struct settled_key key = key_of(of, record);

    core_delete(core, META_SETTLED, slice_of(key.bytes, sizeof(key.bytes)));
}

void settled_sweep(struct core *core, struct settled_of of, uint64_t first, uint64_t end)
{
    struct sweep *sweep;

    if (first == end)
        return;
    sweep = mem_new(struct sweep);
    sweep->of = of;
    sweep->next = first;
    sweep->end = end;
    list_append(&core->sweeps, &sweep->link);
    core_wake(core);
}

void settled_turn(struct core *core)
{
    struct sweep *sweep = LIST_FIRST(&core->sweeps, struct sweep, link);

    if (sweep == NULL)
        return;
    for (unsigned n = 0; n < TURN_ROWS && sweep->next < sweep->end; n++)
        settled_delete(core, sweep->of, SETTLED_CHUNK(sweep->next++));
    if (sweep->next == sweep->end) {
        link_remove(&sweep->link);
        mem_free(sweep);
    }
    if (!list_is_empty(&core->sweeps))
        core_wake(core);
}

void settled_done(struct core *core)
{
    struct sweep *sweep;

    while ((sweep = LIST_FIRST(&core->sweeps, struct sweep, link)) != NULL) {
        link_remove(&sweep->link);
        mem_free(sweep);
    }
}
