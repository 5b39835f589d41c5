/* SPDX-License-Identifier: Apache-2.0 */
/* Positions that groups keep in streams: what Kafka calls committed offsets. */
#ifndef TERCET_BROKER_CORE_POSITION_H
#define TERCET_BROKER_CORE_POSITION_H

#include <stdint.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct core;
struct stream;

struct position {
    uint64_t offset;
    int32_t leader_epoch; /* -1: none */
    int64_t committed_ms;
    struct slice metadata; /* borrowed from core until the position changes */
};

/* Durable with the turn: answer after client_await(). RC_LIMIT: group name or metadata too long. */
MUST_CHECK enum rc position_set(struct core *core, struct slice group, struct slice stream,
                                uint32_t partition, const struct position *position);
/* RC_NOT_FOUND: the group has none there. */
MUST_CHECK enum rc position_get(struct core *core, struct slice group, struct slice stream,
                                uint32_t partition, struct position *ret);
typedef void position_visit_fn(void *arg, struct slice stream, uint32_t partition,
                               const struct position *position);
/* All positions of a group, in no order. The visitor must not change positions. */
void position_each(struct core *core, struct slice group, position_visit_fn *visit, void *arg);
/* Every group that has positions. */
void position_each_group(struct core *core, void (*visit)(void *arg, struct slice group),
                         void *arg);
void position_delete(struct core *core, struct slice group, struct slice stream,
                     uint32_t partition);
void position_delete_group(struct core *core, struct slice group);

#endif
