/* SPDX-License-Identifier: Apache-2.0 */
/* Takes records out of a batch, as compaction does: those that stay keep their offsets. Pure. */
#ifndef TERCET_BROKER_RECORD_SIFT_H
#define TERCET_BROKER_RECORD_SIFT_H

#include "broker/record/record.h"

enum sifted {
    SIFT_SAME,   /* all of it stays as it is: nothing was written */
    SIFT_FEWER,  /* another batch was written */
    SIFT_NOTHING /* no record stays: nothing was written */
};

/* May the records of such a batch be compacted? Markers of transactions, and what a transaction
 * wrote, are for others to judge. */
static inline bool sift_may(const struct batch_header *header)
{
    return !header->is_control && !header->is_transactional;
}

struct sift {
    /* True when the record is the last of its key, or has none. */
    bool (*is_last)(void *arg, const struct record *record);
    void *arg;
    int64_t now_ms;
    int64_t delete_retention_ms; /* what a record without a value lives after it was first sifted */
    int64_t next_ms; /* out: when the first of those goes; INT64_MAX: none. Only falls */
    struct text inflated, plain, packed; /* owned: memory between calls */
};

void sift_init(struct sift *sift, bool (*is_last)(void *arg, const struct record *record),
               void *arg, int64_t now_ms, int64_t delete_retention_ms);
void sift_done(struct sift *sift);
/* Looks at the first batch in `bytes` and appends what is left of it to `to`: same offsets, same
 * codec, same producer. A record whose value is null stays until its time, which the batch then
 * holds (bit 6: its base timestamp is when they go). What cannot be opened stays as it is.
 * RC_MEMORY. */
MUST_CHECK enum rc sift_batch(struct sift *sift, struct slice bytes, struct text *to,
                              enum sifted *ret);
/* Appends a batch without records that takes `count` (1 to 2^31 - 1) offsets from `base` on. */
void sift_add_empty(struct text *to, uint64_t base, uint32_t count);

#endif
