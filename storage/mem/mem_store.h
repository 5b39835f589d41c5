/* SPDX-License-Identifier: Apache-2.0 */
/* The store that keeps all in memory: for tests and --ephemeral. Bounded by what core trims. */
#ifndef TERCET_STORAGE_MEM_MEM_STORE_H
#define TERCET_STORAGE_MEM_MEM_STORE_H

#include "storage/log.h"

/* Completions are reported by store_poll() after a submit, as a disk would. */
MUST_CHECK enum rc mem_store_open(const struct store_config *config, struct store **ret);

#endif
