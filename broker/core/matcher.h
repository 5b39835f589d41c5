/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a million filters match an address, at a cost of its levels. Core thread only. */
#ifndef TERCET_BROKER_CORE_MATCHER_H
#define TERCET_BROKER_CORE_MATCHER_H

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct filter;
struct matcher;    /* body in matcher.c */
struct match_node; /* private to matcher.c */

/* Embedded in the thing that is found. All zero when it is in no matcher. */
struct match_entry {
    struct match_entry *next;  /* borrowed from the matcher while in it */
    struct match_entry **back; /* what points here */
    struct match_node *node;   /* borrowed: where it hangs */
};

/* Called for each match; it may neither add to nor remove from the matcher. */
typedef void match_fn(void *arg, struct match_entry *entry);

struct matcher *matcher_new(void);
/* Entries must have been removed. NULL is accepted. */
void matcher_free(struct matcher **matcher);

/* `entry` is borrowed until matcher_remove(); `filter` only for the call. Any number of entries may
 * share a filter. RC_MEMORY: nothing was changed. */
MUST_CHECK enum rc matcher_add(struct matcher *matcher, const struct filter *filter,
                               struct match_entry *entry);
/* The entry must be in this matcher; it is zero afterwards. */
void matcher_remove(struct matcher *matcher, struct match_entry *entry);
static inline bool match_entry_is_added(const struct match_entry *entry)
{
    return entry->node != NULL;
}

/* Calls once for each entry whose filter matches, in no promised order. Gives how many. */
size_t matcher_find(struct matcher *matcher, struct slice address, match_fn *on_match, void *arg);
/* Whether some filter may match an address of this stream: false is certain, true is likely. */
bool matcher_touches(struct matcher *matcher, struct slice stream);

/* Differs after each add and remove: what was found under an epoch holds while it stands. */
uint64_t matcher_epoch(const struct matcher *matcher);
size_t matcher_entry_count(const struct matcher *matcher);
/* Nodes held, for accounting and for showing that nothing is left behind. */
size_t matcher_node_count(const struct matcher *matcher);

#endif
