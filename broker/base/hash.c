/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "broker/base/hash_wide.h"
#include "broker/base/random.h"

/* Shorter ones are not worth the look at the processor. */
#define HASH_WIDE_LEAST 1024

static uint64_t process_seed;

__attribute__((constructor)) static void seed(void)
{
    process_seed = random_u64();
}

uint64_t hash_seeded(struct slice s)
{
    return XXH3_64bits_withSeed(s.at, s.len, process_seed);
}

uint64_t hash_checksum(struct slice s, uint64_t seed_value)
{
    if (s.len >= HASH_WIDE_LEAST && hash_has_wide())
        return hash_checksum_wide(s, seed_value);
    return XXH3_64bits_withSeed(s.at, s.len, seed_value);
}
