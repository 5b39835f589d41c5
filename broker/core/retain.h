/* SPDX-License-Identifier: Apache-2.0 */
/* Retained messages: the last value of an address. */
#ifndef TERCET_BROKER_CORE_RETAIN_H
#define TERCET_BROKER_CORE_RETAIN_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"
#include "broker/base/text.h"

struct core;
struct cursor;
struct filter;
struct link;
struct message;

/* What a walk that gave RC_AGAIN goes on with. */
enum walk_wait {
    WALK_STEPS_OUT, /* asking again */
    WALK_READS,     /* on_ready of the cursor it was given */
    WALK_LOADS,     /* retain_await() */
};

/* Gives what was retained before it began and was not replaced since, one at a time, however long
 * that takes: it holds a place, not messages. */
struct retained_walk {
    struct text from;     /* owned: the address from which on */
    uint64_t begun_after; /* retained messages are numbered as they come */
    enum walk_wait wait;
    unsigned looked; /* at so many places in the last call of retain_walk_next() */
    bool is_loaded;  /* what the filter reaches of compacted streams is known */
};

/* False: there is none at all, and nothing was begun. */
bool retain_walk_begin(struct core *core, const struct filter *filter, struct retained_walk *walk);
void retain_walk_end(struct retained_walk *walk);
/* The next that the filter matches and that has not expired; one reference. It is given again until
 * retain_walk_pass(). `cursor` reads those that lie in the log. RC_AGAIN: walk->wait says when to
 * ask again. RC_NOT_FOUND: none is left. RC_MEMORY. */
MUST_CHECK enum rc retain_walk_next(struct core *core, const struct filter *filter,
                                    struct retained_walk *walk, struct cursor *cursor,
                                    struct message **ret);
void retain_walk_pass(struct retained_walk *walk, const struct message *message);
/* NULL when there is none, or it lies in the log. Borrowed. */
struct message *retain_get(struct core *core, struct slice address);
uint64_t retain_count(const struct core *core);

#endif
