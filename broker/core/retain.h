/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages: the last value of an address. */
#ifndef TERCET_BROKER_CORE_RETAIN_H
#define TERCET_BROKER_CORE_RETAIN_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/base/text.h"

struct core;
struct filter;
struct message;

/* Gives what was retained before it began and was not replaced since, one at a time, however long
 * that takes: it holds a place, not messages. */
struct retained_walk {
    struct text from;     /* owned: the address from which on */
    uint64_t begun_after; /* retained messages are numbered as they come */
};

void retain_walk_begin(const struct core *core, struct retained_walk *walk);
void retain_walk_end(struct retained_walk *walk);
/* The next that the filter matches and that has not expired; borrowed. It is given again until
 * retain_walk_pass(). RC_AGAIN: none in a bounded number of steps; ask again. RC_NOT_FOUND: none is
 * left. RC_MEMORY. */
MUST_CHECK enum rc retain_walk_next(struct core *core, const struct filter *filter,
                                    struct retained_walk *walk, struct message **ret);
void retain_walk_pass(struct retained_walk *walk, const struct message *message);
/* NULL when there is none. Borrowed. */
struct message *retain_get(struct core *core, struct slice address);
uint64_t retain_count(const struct core *core);

#endif
