/* SPDX-License-Identifier: Apache-2.0 */
/* Which known word somebody who mistyped one probably meant. */
#ifndef TERCET_BROKER_BASE_NEAR_H
#define TERCET_BROKER_BASE_NEAR_H

#include "broker/base/slice.h"

/* What is longer is no mistyped word of ours. */
#define NEAR_MAX_BYTES 40

struct near {
    struct slice typed; /* borrowed while this is in use */
    const char *word;   /* the nearest so far; borrowed from who gave it; NULL: none is near */
    unsigned mistakes;
};

static inline struct near near_to(struct slice typed)
{
    return (struct near){ .typed = typed };
}

/* Looks at one known word. A letter too many, too few, another one or two swapped is one mistake;
 * a word is near with at most one for each three letters of what was typed, and the first of two
 * that are as near is kept. '-' and '_' are the same. */
void near_look(struct near *near, const char *word);

#endif
