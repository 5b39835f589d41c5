/* SPDX-License-Identifier: Apache-2.0 */
/* Named points where a test makes the world fail: TERCET_FAULT="name[@file+line]:n[:act]". */
#ifndef TERCET_BROKER_BASE_FAULT_H
#define TERCET_BROKER_BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* One place in the source where FAULT() stands. */
struct fault_site {
    const char *name;
    const char *file;
    int line;
    unsigned passed; /* since fault_count(); atomic */
};

/* True when this passing of point `name` (a string literal) is to fail. Costs one load and a
 * predicted branch while nothing is armed; constant false without --enable-faults. Any thread.
 * Each place is noted in a section of its own, so that tests can go through all of them. */
#ifdef TERCET_FAULTS
#define FAULT(name_)                                                                            \
    ({                                                                                          \
        static struct fault_site site_ = { (name_), __FILE__, __LINE__, 0 };                    \
        static struct fault_site *const at_ __attribute__((section("fault_places"), used)) =    \
            &site_;                                                                             \
        __builtin_expect(__atomic_load_n(&fault_armed, __ATOMIC_RELAXED), 0) && fault_hit(at_); \
    })
#else
#define FAULT(name) false
#endif

enum fault_act {
    FAULT_FAIL, /* the point fails from its n-th passing on, until disarmed */
    FAULT_ONCE, /* only its n-th passing fails */
    FAULT_KILL, /* the process ends by SIGKILL at the n-th passing */
};

extern bool fault_armed;

bool fault_hit(struct fault_site *site);
/* Every place that is linked into this program, in no order; how many. */
size_t fault_sites(struct fault_site *const **ret);
/* Nothing fails, and each place counts how often it is passed. */
void fault_count(void);
/* Arms one point, wherever it stands ("store.write"), or one place ("store.write@seal.c+170"); n
 * counts from 1. Tests only. */
void fault_arm(const char *name, unsigned n, enum fault_act act);
/* At any time: the point passes again. */
void fault_disarm(void);
/* How often the armed point was passed since it was armed. */
unsigned fault_passed(void);
/* Arms from the environment variable TERCET_FAULT: "name:n", "name:n:once" or "name:n:kill", or the
 * same of one place.
 * False when it is set and not of that form. */
bool fault_arm_from_environment(void);

#endif
