/* SPDX-License-Identifier: Apache-2.0 */
/* hash_checksum() with the wider registers of newer processors; for hash.c alone. */
#ifndef TERCET_BROKER_BASE_HASH_WIDE_H
#define TERCET_BROKER_BASE_HASH_WIDE_H

#include <stdbool.h>

#include "broker/base/slice.h"
#include "config.h"

#ifdef TERCET_WIDE_HASH
static inline bool hash_has_wide(void)
{
    return __builtin_cpu_supports("avx2");
}
uint64_t hash_checksum_wide(struct slice s, uint64_t seed);
#else
#define hash_has_wide()             false
#define hash_checksum_wide(s, seed) UINT64_C(0)
#endif

#endif
