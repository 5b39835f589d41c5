/* SPDX-License-Identifier: Apache-2.0 */
/* What a queue's lanes record of what is settled: rows of META_SETTLED, by (queue, lane, record).
 * Under 0 stands the lane's head, under n + 1 the bitmap of chunk n, and behind all of them, under
 * SETTLED_RANGE + n, the end of a range that was purged from offset n on. In this order they are
 * read back. For core alone. */
#ifndef TERCET_BROKER_CORE_SETTLED_H
#define TERCET_BROKER_CORE_SETTLED_H

#include <stddef.h>
#include <stdint.h>

struct core;

#define SETTLED_HEAD     UINT64_C(0)
#define SETTLED_CHUNK(n) ((n) + 1)
#define SETTLED_RANGE    (UINT64_C(1) << 63) /* no chunk's number comes near it */

struct settled_of {
    uint64_t queue; /* its number, which is never given again */
    uint32_t lane;
};

void settled_put(struct core *core, struct settled_of of, uint64_t record, const void *value,
                 size_t len);
void settled_delete(struct core *core, struct settled_of of, uint64_t record);
/* Deletes the bitmaps of chunks `first` to `end`, which nobody records any more, those that there
 * are: some in each turn. */
void settled_sweep(struct core *core, struct settled_of of, uint64_t first, uint64_t end);
/* A turn's part of that. */
void settled_turn(struct core *core);
void settled_done(struct core *core);

#endif
