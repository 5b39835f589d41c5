/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3-64: seeded for maps (peers choose keys), plain for checksums of our own frames. Pure. */
#ifndef TERCET_BROKER_BASE_HASH_H
#define TERCET_BROKER_BASE_HASH_H

#include "broker/base/slice.h"

/* With the process's random seed: never stored, never sent. */
uint64_t hash_seeded(struct slice s);
/* With a seed of the caller's: the same value everywhere. */
uint64_t hash_checksum(struct slice s, uint64_t seed);

#endif
