/* SPDX-License-Identifier: Apache-2.0 */
/* The codecs of Kafka's record batches, inflating under a limit. Pure, any thread. */
#ifndef TERCET_BROKER_RECORD_COMPRESSION_H
#define TERCET_BROKER_RECORD_COMPRESSION_H

#include "broker/base/rc.h"
#include "broker/base/text.h"

/* The numbers are those of a batch's attribute bits 0-2. */
enum compression {
    COMPRESSION_NONE,
    COMPRESSION_GZIP,
    COMPRESSION_SNAPPY,
    COMPRESSION_LZ4,
    COMPRESSION_ZSTD,
    COMPRESSION_COUNT,
};

/* What a batch may inflate to unless the caller knows better: 64 of the largest default batches. */
#define COMPRESSION_MAX_INFLATED_BYTES ((size_t)64 << 20)

/* "none", "gzip", "snappy", "lz4", "zstd": Kafka's own words. Static text. */
const char *compression_name(enum compression compression);

/* Replaces the content of `ret` by what `packed` holds. Memory grows with what really comes out and
 * never by a size that the peer declares. Snappy is read raw and in snappy-java's framing.
 * RC_TOO_LARGE: more than max_bytes. RC_MALFORMED: not what the codec makes, cut off, or followed
 * by other bytes. RC_MEMORY. On failure the content of `ret` is undefined; its memory stays owned.
 */
MUST_CHECK enum rc compression_inflate(enum compression compression, struct slice packed,
                                       size_t max_bytes, struct text *ret);

/* Replaces the content of `ret` by `plain` packed as Kafka's Java clients do (snappy framed, lz4 in
 * independent 64 KB blocks). RC_MEMORY. */
MUST_CHECK enum rc compression_deflate(enum compression compression, struct slice plain,
                                       struct text *ret);

#endif
