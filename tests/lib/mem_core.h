/* SPDX-License-Identifier: Apache-2.0 */
/* A core on the store in memory, and its turns. Nothing of the test framework: fuzz targets use it.
 */
#ifndef TERCET_TESTS_LIB_MEM_CORE_H
#define TERCET_TESTS_LIB_MEM_CORE_H

#include <stdbool.h>

#include "broker/core/core.h"

struct store;

struct mem_core {
    struct store *store;
    struct core *core;
    bool is_woken;
};

/* `config` but for its wake; NULL: as it is by default. */
void mem_core_start(struct mem_core *m, const struct core_config *config);
/* Turns until nothing is left to do, as the loop of a program would. */
void mem_core_settle(struct mem_core *m);
void mem_core_stop(struct mem_core *m);

#endif
