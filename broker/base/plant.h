/* SPDX-License-Identifier: Apache-2.0 */
/* Bugs planted on purpose, to show that the torture finds them: TERCET_PLANTED="name[:every]". */
#ifndef TERCET_BROKER_BASE_PLANT_H
#define TERCET_BROKER_BASE_PLANT_H

#include <stdbool.h>

#include "config.h"

/* True when bug `name` (a string literal) is to happen at this passing: at each `every`-th, if it
 * is the one chosen. Constant false but with --enable-planted, which is for tests/crash alone: such
 * a broker loses messages. Any thread. What each bug is, tests/crash/checker/planted.py tells. */
#ifdef TERCET_PLANT
#define PLANTED(name) plant_hit(name)
#else
#define PLANTED(name) false
#endif

bool plant_hit(const char *name);
/* Chooses one from the environment variable TERCET_PLANTED; called before the threads run. False
 * when it is set and not of that form, or when no bugs were compiled in. */
bool plant_choose_from_environment(void);

#endif
