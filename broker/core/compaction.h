/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that keep the last record of each key, and when they are gone through for that. */
#ifndef TERCET_BROKER_CORE_COMPACTION_H
#define TERCET_BROKER_CORE_COMPACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"

struct client;
struct core;
struct partition;
struct rd;
struct stream;
struct text;

/* How a stream is compacted: Kafka's settings, which this is made from. */
struct stream_compaction {
    bool is_deleted_too;         /* what retention takes goes as well: "compact,delete" */
    uint16_t dirty_permille;     /* of its bytes that must be new before it is worth a pass */
    int64_t delete_retention_ms; /* what a record without a value stays for */
    int64_t min_lag_ms;          /* younger records stay as they are */
    int64_t max_lag_ms;          /* older ones do not, however little there is to gain */
    uint64_t active_bytes;       /* no pass for less than this that is new, */
    int64_t active_ms;           /* unless it has been there for so long */
};

#define STREAM_COMPACTION_DEFAULT                                                        \
    {                                                                                    \
        .dirty_permille = 500, .delete_retention_ms = 86400000, .max_lag_ms = INT64_MAX, \
        .active_bytes = UINT64_C(16) << 20, .active_ms = 600000                          \
    }

/* NULL: it keeps all records. */
const struct stream_compaction *stream_compaction(const struct stream *stream);
/* NULL: it keeps all from now on. RC_IN_USE: a queue is on it, whose records are all owed. */
MUST_CHECK enum rc stream_set_compaction(struct stream *stream,
                                         const struct stream_compaction *compaction);
/* A pass over each partition as soon as can be, whatever there is to gain. RC_INVALID: the stream
 * is not compacted. RC_REFUSED. */
MUST_CHECK enum rc stream_compact(struct client *client, struct stream *stream);

/* ---- for core alone ---- */

/* `bytes` were appended. */
void compaction_grew(struct partition *partition, uint64_t bytes);
/* Whether and how it is compacted has changed, or the partition was made. */
void compaction_changed(struct partition *partition);
/* The partition is about to be freed. */
void compaction_forget(struct partition *partition);
/* As it lies in the catalogue. */
void compaction_write(struct text *to, const struct stream_compaction *compaction);
MUST_CHECK enum rc compaction_read(struct rd *from, struct stream_compaction *ret);

#endif
