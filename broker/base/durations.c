/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets 0..15 are microseconds; from there on each octave has sixteen. */
#include "broker/base/durations.h"

#include "broker/base/mem.h"

#define SUB_BITS 4
#define SUBS     (1u << SUB_BITS)
#define US_MAX   (UINT64_C(0x7fffffff))

_Static_assert(DURATIONS_BUCKETS == (31 - SUB_BITS + 1) * SUBS,
               "one row for the first microseconds, one for each octave up to 2^31");

static unsigned bucket_of(uint64_t us)
{
    unsigned shift;

    if (us > US_MAX)
        us = US_MAX;
    if (us < SUBS)
        return (unsigned)us;
    shift = 63 - SUB_BITS - (unsigned)__builtin_clzll(us);
    return shift * SUBS + (unsigned)(us >> shift);
}

uint64_t durations_bucket_us(unsigned bucket)
{
    unsigned shift;

    ASSERT(bucket < DURATIONS_BUCKETS);
    if (bucket < 2 * SUBS)
        return bucket;
    shift = bucket / SUBS - 1;
    return ((uint64_t)(SUBS + bucket % SUBS + 1) << shift) - 1;
}

void durations_note(struct durations *d, uint64_t us)
{
    d->count++;
    d->sum_us += us;
    if (us > d->max_us)
        d->max_us = us;
    d->buckets[bucket_of(us)]++;
}

uint64_t durations_permille_us(const struct durations *d, unsigned permille)
{
    uint64_t wanted = (d->count * permille + 999) / 1000, found = 0;

    for (unsigned i = 0; i < DURATIONS_BUCKETS && wanted > 0; i++) {
        found += d->buckets[i];
        if (found >= wanted) {
            uint64_t us = durations_bucket_us(i);

            return us < d->max_us ? us : d->max_us;
        }
    }
    return 0;
}

uint64_t durations_below(const struct durations *d, unsigned exponent)
{
    uint64_t end = UINT64_C(1) << exponent, found = 0;

    for (unsigned i = 0; i < DURATIONS_BUCKETS && durations_bucket_us(i) < end; i++)
        found += d->buckets[i];
    return found;
}
