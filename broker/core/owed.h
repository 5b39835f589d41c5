/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a log somebody is still owed records: counts per run of offsets. Core thread only. */
#ifndef TERCET_BROKER_CORE_OWED_H
#define TERCET_BROKER_CORE_OWED_H

#include <stdint.h>

#include "broker/base/ring.h"

/* Retention must know the lowest offset that any session is owed. Asking all sessions costs what
 * all of them are owed; a counter for each run of OWED_RUN offsets between the lowest and the
 * highest costs a byte for 64 records, and a step at each reference. */
#define OWED_RUN_SHIFT 8u
#define OWED_RUN       (1u << OWED_RUN_SHIFT)

struct owed {
    struct ring counts; /* of uint32_t: references open in each run */
    uint64_t first_run; /* number of the ring's front */
    uint64_t open;      /* sum of the counts */
};

void owed_init(struct owed *owed);
void owed_done(struct owed *owed);
void owed_add(struct owed *owed, uint64_t offset);
/* One that was added. */
void owed_drop(struct owed *owed, uint64_t offset);
/* Nothing below this is owed, and something less than OWED_RUN above it is. UINT64_MAX: nothing. */
uint64_t owed_floor(struct owed *owed);

#endif
