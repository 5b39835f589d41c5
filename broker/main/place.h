/* SPDX-License-Identifier: Apache-2.0 */
/* Where the store lives when nobody says. */
#ifndef TERCET_BROKER_MAIN_PLACE_H
#define TERCET_BROKER_MAIN_PLACE_H

#include "broker/base/rc.h"

struct text;

/* The directory of the store, made with its parents when it is missing: `wanted`, or the usual one
 * of this user when that is NULL. Gives an owned text. On failure `why` says what is wrong. */
MUST_CHECK enum rc place_find(const char *wanted, char **ret, struct text *why);

#endif
