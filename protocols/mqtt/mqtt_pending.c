/* SPDX-License-Identifier: Apache-2.0 */
#include "protocols/mqtt/mqtt_pending.h"

#include "broker/base/mem.h"

#define FIRST_ROOM 16u
#define KEPT_ROOM  64u /* an idle connection does not keep more than this */

enum rc mqtt_pending_add(struct mqtt_pending *p, const struct mqtt_answer *answer)
{
    unsigned count = mqtt_pending_count(p);

    if (count == p->room) {
        unsigned room = p->room == 0 ? FIRST_ROOM : p->room * 2;
        struct mqtt_answer *ring = mem_try(room * sizeof(*ring));

        if (ring == NULL)
            return RC_MEMORY;
        for (uint64_t i = p->head; i != p->tail; i++)
            ring[i & (room - 1)] = p->ring[i & (p->room - 1)];
        mem_free(p->ring);
        p->ring = ring;
        p->room = room;
    }
    p->ring[p->tail++ & (p->room - 1)] = *answer;
    return RC_OK;
}

struct mqtt_answer *mqtt_pending_first(const struct mqtt_pending *p)
{
    return p->head == p->tail ? NULL : &p->ring[p->head & (p->room - 1)];
}

void mqtt_pending_drop(struct mqtt_pending *p)
{
    ASSERT(p->head != p->tail);
    p->head++;
    if (p->head == p->tail && p->room > KEPT_ROOM) {
        MEM_FREE(p->ring);
        p->room = 0;
    }
}

void mqtt_pending_done(struct mqtt_pending *p)
{
    ASSERT(p->head == p->tail);
    MEM_FREE(p->ring);
    p->room = 0;
}
