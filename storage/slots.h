/* SPDX-License-Identifier: Apache-2.0 */
/* What is found by a dense 32-bit number, in place and without a hash. For storage/. Core thread.
 *
 * Three looks: a part for each 2^16 numbers, a page for each 32 of it, the slot in the page. The
 * first two stay in the processor's caches with a million numbers, so a look costs what the slot
 * itself does. */
#ifndef TERCET_STORAGE_SLOTS_H
#define TERCET_STORAGE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slots_part;

struct slots {
    struct slots_part **parts; /* owned */
    uint32_t part_count;
    uint32_t slot_bytes; /* a multiple of SLOT_LINE */
};

#define SLOT_LINE 64 /* slots begin at multiples of it */

/* A slot begins with its number, a uint32_t, which is not 0 while it is taken. */
void slots_init(struct slots *slots, size_t slot_bytes);
/* The slots must be empty. */
void slots_done(struct slots *slots);
/* NULL: the number is not taken. */
void *slots_get(const struct slots *slots, uint32_t number);
/* Has the processor fetch the slot's first two lines, if there may be one. */
void slots_look(const struct slots *slots, uint32_t number);
/* A zeroed slot with its number, which must not be taken and not 0. It stays where it is. */
void *slots_add(struct slots *slots, uint32_t number);
void slots_remove(struct slots *slots, uint32_t number);
/* The slot with the lowest number above `after`; NULL when there is none. */
void *slots_next(const struct slots *slots, uint32_t after);

#endif
