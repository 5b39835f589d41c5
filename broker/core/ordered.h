/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses in the order of their levels: what lies under a level is one range, found in steps that
 * grow with the logarithm of what is there. A filter is walked by seeking. Core thread only. */
#ifndef TERCET_BROKER_CORE_ORDERED_H
#define TERCET_BROKER_CORE_ORDERED_H

#include "broker/base/slice.h"
#include "broker/base/text.h"

struct filter;

/* Embedded in what has the address. */
struct ordered_node {
    struct ordered_node *parent; /* borrowed: a tree whose priorities are a heap */
    struct ordered_node *left;
    struct ordered_node *right;
    struct slice address; /* borrowed from the owner; may be moved while its bytes stay equal */
    uint32_t priority;
};

struct ordered {
    struct ordered_node *root;
    size_t count;
};

/* -1, 0 or 1: a level that ends comes before all that goes on. */
int ordered_compare(struct slice a, struct slice b);
/* The address must not be there. */
void ordered_add(struct ordered *ordered, struct ordered_node *node, struct slice address);
void ordered_remove(struct ordered *ordered, struct ordered_node *node);
/* The first at or behind the address; NULL when there is none. */
struct ordered_node *ordered_seek(const struct ordered *ordered, struct slice address);
/* NULL: it is the last. */
struct ordered_node *ordered_next(const struct ordered_node *node);

/* Makes `from` the first place behind that address. */
void ordered_go_behind(struct text *from, struct slice address);
/* The first at or behind `from` that the filter matches, or NULL. `budget` is taken down by one for
 * each place that is looked at; at 0 it gives NULL too, and `from` is where to go on. */
struct ordered_node *ordered_match(const struct ordered *ordered, const struct filter *filter,
                                   struct text *from, unsigned *budget);

#endif
