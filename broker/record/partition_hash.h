/* SPDX-License-Identifier: Apache-2.0 */
/* Which partition a key belongs to: murmur2 as Kafka's Java client computes it. Pure. */
#ifndef TERCET_BROKER_RECORD_PARTITION_HASH_H
#define TERCET_BROKER_RECORD_PARTITION_HASH_H

#include "broker/base/slice.h"

uint32_t kafka_murmur2(struct slice key);

/* The hash without its sign bit, which the Java client takes the remainder of. */
static inline uint32_t kafka_to_positive(uint32_t hash)
{
    return hash & 0x7fffffff;
}

/* partition_count > 0. */
static inline uint32_t kafka_partition_of(struct slice key, uint32_t partition_count)
{
    return kafka_to_positive(kafka_murmur2(key)) % partition_count;
}

#endif
