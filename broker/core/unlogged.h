/* SPDX-License-Identifier: Apache-2.0 */
/* What a partition that is not logged keeps: its newest records, in memory alone.
 *
 * Messages are kept as they are, by reference: a batch is made of them when somebody reads them as
 * one. They have offsets like any others, and the partition's start follows the oldest. The
 * catalogue holds an offset above all that were given, so that after a kill they go on from there.
 */
#ifndef TERCET_BROKER_CORE_UNLOGGED_H
#define TERCET_BROKER_CORE_UNLOGGED_H

#include "broker/base/list.h"
#include "broker/base/rc.h"
#include "broker/base/ring.h"
#include "storage/log.h"

struct block;
struct core;
struct message;
struct partition;

struct unlogged {
    struct partition *partition; /* borrowed: its owner */
    struct link link;            /* in core->unlogged while it keeps something: who got nothing for
                                  * longest is first */
    struct link dirty;           /* in core->unlogged_dirty: it got something in this turn */
    struct ring kept;            /* of struct kept, by offset, without a gap */
    uint64_t bytes;              /* of them */
    uint64_t reserved_end;       /* as the catalogue has it: a start may go on from here */
    uint64_t owed;               /* references of sessions to it, whether there or gone */
    int64_t read_ms;             /* when a reader of the log was here last; 0: never */
    uint64_t turn_bytes;         /* that came in this turn */
    uint64_t turn_start;         /* the partition's start when it was looked at last */
};

/* The partition holds nothing, and nothing of it was ever logged. No offsets are reserved. */
void unlogged_begin(struct partition *p);
/* The next offsets are, once its stream is recorded. */
void unlogged_reserve(struct partition *p);
/* Forgets all. NULL is accepted. */
void unlogged_end(struct partition *p);
/* Takes a reference. The message gets the partition's next offset. */
void unlogged_add(struct partition *p, struct message *message);
/* Takes whole batches, their offsets set from the partition's end on. */
void unlogged_add_batches(struct partition *p, struct block *block, uint32_t record_count,
                          int64_t max_timestamp_ms);
/* Lets go of what lies below `start` and no newer record shares a batch with. */
void unlogged_trim(struct partition *p, uint64_t start);
/* Lets go of what is more than its stream keeps, or all such streams together. */
void unlogged_fit(struct partition *p);
/* The message at that offset, with a reference; NULL: it is in a batch, or not there. */
struct message *unlogged_message(const struct partition *p, uint64_t offset);
/* As log_read_cached(), but never RC_AGAIN. RC_MEMORY. */
MUST_CHECK enum rc unlogged_read(const struct partition *p, uint64_t offset, size_t max_bytes,
                                 struct log_pieces *ret);
/* A reader of the log is here, and will come again. */
void unlogged_was_read(struct partition *p);
/* As log_find_time(). */
MUST_CHECK enum rc unlogged_find_time(const struct partition *p, int64_t time_ms,
                                      uint64_t *ret_offset);
/* It is to be logged from now on: what it keeps is written first. */
void unlogged_spill(struct partition *p);
/* Retention and who waits learn of what came in this turn. */
void unlogged_turn_end(struct core *core);

#endif
