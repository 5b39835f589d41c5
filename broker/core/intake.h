/* SPDX-License-Identifier: Apache-2.0 */
/* The disk's marks, a warning and a stop, and memory's: at a stop publishers are paused while
 * readers go on. */
#ifndef TERCET_BROKER_CORE_INTAKE_H
#define TERCET_BROKER_CORE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/core/deadline.h"

struct core;

/* What is known of the disk, and what was promised of it since. Space is reserved before a publish
 * is accepted: what came after the last question counts against what was free then, so that no
 * burst between two questions can run over the mark. */
struct intake {
    uint64_t total_bytes; /* 0: not known yet */
    uint64_t free_bytes;
    uint64_t accepted_bytes;  /* ever, with what a commit costs */
    uint64_t counted_bytes;   /* of them: surely in the answer */
    uint64_t question_bytes;  /* accepted when it was asked */
    uint64_t question_counts; /* what its answer will surely hold */
    uint64_t stopped_bytes;   /* accepted when the stop mark was reached */
    struct deadline again;
    bool is_asked;
    bool is_low;
    bool is_stopped;
    bool is_memory_full; /* the process holds as much as it may */
};

/* So much is on its way to the disk. */
void intake_accepted(struct core *core, uint64_t bytes);
/* Once a turn: asks when that is due, and compares. */
void intake_turn_end(struct core *core);
/* Once a turn, and when the core is polled. */
void intake_look_at_memory(struct core *core);
/* Not even what publishers had sent before they were told may be taken any more. */
bool intake_is_over(const struct core *core);
void intake_done(struct core *core);

#endif
