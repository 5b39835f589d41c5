/* SPDX-License-Identifier: Apache-2.0 */
/* What streams and queues let go of as time and bytes pass, but never what somebody is owed.
 *
 * Nothing walks all streams: a partition is in a heap of deadlines while it holds something that
 * time will take, or that somebody's settling will free. */
#ifndef TERCET_BROKER_CORE_RETENTION_H
#define TERCET_BROKER_CORE_RETENTION_H

#include <stdint.h>

struct core;
struct deadline;
struct partition;
struct stream;
struct stream_policy;

/* `bytes` were appended, the newest of their records at that time. */
void retention_grew(struct partition *partition, uint64_t bytes, int64_t max_timestamp_ms);
/* By how many bytes a log may grow before retention is applied to it. */
uint64_t retention_step(const struct stream_policy *policy);
/* The queue of this partition has settled its first records. */
void retention_settled(struct partition *partition);
/* Lets go of what may go, now, and looks again when there is more to come. */
void retention_apply(struct partition *partition);
/* What the stream keeps has changed. */
void retention_changed(struct stream *stream);
/* After loading: whatever holds records is looked at soon. */
void retention_begin(struct core *core);
/* The partition is about to be freed. */
void retention_forget(struct partition *partition);

/* A retained message is to be dropped at that wall time: on_reached(arg) then. Stopped with
 * retention_cancel(). */
void retention_at(struct core *core, struct deadline *deadline, int64_t wall_ms,
                  void (*on_reached)(void *arg), void *arg);
void retention_cancel(struct core *core, struct deadline *deadline);

#endif
