/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/partition_hash.h"

/* MurmurHash2, 32 bits, little-endian words, with the seed of Kafka's clients. */
#define MURMUR_SEED       0x9747b28cu
#define MURMUR_MULTIPLIER 0x5bd1e995u
#define MURMUR_SHIFT      24

static uint32_t word_at(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t kafka_murmur2(struct slice key)
{
    uint32_t hash = MURMUR_SEED ^ (uint32_t)key.len;

    while (key.len >= 4) {
        uint32_t word = word_at(key.at) * MURMUR_MULTIPLIER;

        word ^= word >> MURMUR_SHIFT;
        hash = hash * MURMUR_MULTIPLIER ^ word * MURMUR_MULTIPLIER;
        key = slice_after(key, 4);
    }
    for (size_t i = key.len; i > 0; i--)
        hash ^= (uint32_t)key.at[i - 1] << (8 * (i - 1));
    if (key.len > 0)
        hash *= MURMUR_MULTIPLIER;
    hash ^= hash >> 13;
    hash *= MURMUR_MULTIPLIER;
    return hash ^ hash >> 15;
}
