/* SPDX-License-Identifier: Apache-2.0 */
/* How long each of very many things took, counted in buckets that are a sixteenth wide. One thread
 * writes and reads. */
#ifndef TERCET_BROKER_BASE_DURATIONS_H
#define TERCET_BROKER_BASE_DURATIONS_H

#include <stdint.h>

/* Up to 2^31 us, which is half an hour; what is longer counts as that. */
#define DURATIONS_BUCKETS 448

struct durations {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t buckets[DURATIONS_BUCKETS];
};

void durations_note(struct durations *durations, uint64_t us);
/* So many of a thousand took no longer than this, to a sixteenth. 0: nothing was noted. */
uint64_t durations_permille_us(const struct durations *durations, unsigned permille);
/* How many took less than 2^exponent us, which is at least 1. */
uint64_t durations_below(const struct durations *durations, unsigned exponent);
/* The longest that counts in a bucket. */
uint64_t durations_bucket_us(unsigned bucket);

#endif
