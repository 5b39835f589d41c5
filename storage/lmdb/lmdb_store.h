/* SPDX-License-Identifier: Apache-2.0 */
/* The durable store: segments of frames in plain files, a catalogue in LMDB, one writer thread, a
 * pool of readers. */
#ifndef TERCET_STORAGE_LMDB_LMDB_STORE_H
#define TERCET_STORAGE_LMDB_LMDB_STORE_H

#include "storage/log.h"

/* Opens or makes the store in config->directory and recovers what an unclean stop left. Blocks.
 * RC_LOCKED: another process has it open. RC_VERSION: written by a newer format. RC_CORRUPT, RC_IO,
 * RC_FULL, RC_REFUSED: as they say, and the log line names the file. */
MUST_CHECK enum rc lmdb_store_open(const struct store_config *config, struct store **ret);

#endif
