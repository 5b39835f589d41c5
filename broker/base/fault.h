/* SPDX-License-Identifier: Apache-2.0 */
/* Named points where a test makes the world fail: TERCET_FAULT="name:n[:kill]" or fault_arm(). */
#ifndef TERCET_BROKER_BASE_FAULT_H
#define TERCET_BROKER_BASE_FAULT_H

#include <stdbool.h>

#include "config.h"

/* True when this passing of point `name` (a string literal) is to fail. Costs one load and a
 * predicted branch while nothing is armed; constant false without --enable-faults. Any thread. */
#ifdef TERCET_FAULTS
#define FAULT(name) \
    (__builtin_expect(__atomic_load_n(&fault_armed, __ATOMIC_RELAXED), 0) && fault_hit(name))
#else
#define FAULT(name) false
#endif

enum fault_act {
    FAULT_FAIL, /* the point fails from its n-th passing on, until disarmed */
    FAULT_ONCE, /* only its n-th passing fails */
    FAULT_KILL, /* the process ends by SIGKILL at the n-th passing */
};

extern bool fault_armed;

bool fault_hit(const char *name);
/* Arms one point; n counts from 1. Tests only, before the threads that pass it run. */
void fault_arm(const char *name, unsigned n, enum fault_act act);
/* At any time: the point passes again. */
void fault_disarm(void);
/* How often the armed point was passed since it was armed. */
unsigned fault_passed(void);
/* Arms from the environment variable TERCET_FAULT: "name:n", "name:n:once" or "name:n:kill".
 * False when it is set and not of that form. */
bool fault_arm_from_environment(void);

#endif
