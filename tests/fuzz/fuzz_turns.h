/* SPDX-License-Identifier: Apache-2.0 */
/* Turns of a core on a store in memory until nobody has work, as the loop of a program would. */
#ifndef TERCET_TESTS_FUZZ_FUZZ_TURNS_H
#define TERCET_TESTS_FUZZ_FUZZ_TURNS_H

#include <stdbool.h>

#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "storage/log.h"

static bool fuzz_is_woken;

/* The wake of core's config. */
static void fuzz_on_wake(void *arg)
{
    (void)arg;
    fuzz_is_woken = true;
}

static void fuzz_settle(struct core *core, struct store *store)
{
    do {
        fuzz_is_woken = false;
        core_turn_end(core);
        ASSERT(store_flush(store) == RC_OK);
        core_poll(core);
        core_turn_end(core);
    } while (fuzz_is_woken);
}

#endif
