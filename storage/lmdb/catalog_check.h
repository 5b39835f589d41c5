/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at every page of a catalogue file before LMDB does, which trusts what it reads. */
#ifndef TERCET_STORAGE_LMDB_CATALOG_CHECK_H
#define TERCET_STORAGE_LMDB_CATALOG_CHECK_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

/* The sum over all keys and values is the sum of these; order plays no part in it. */
uint64_t catalog_pair_sum(struct slice key, struct slice value);

/* Walks the tree of the file's newest state: page numbers, kinds, bounds, order of keys, counts,
 * and that no page is used twice. Gives the sum over all pairs but the one of key `except`.
 * RC_CORRUPT: LMDB must not open it. */
MUST_CHECK enum rc catalog_check(const char *path, struct slice except, uint64_t *ret_sum);

#endif
