/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time at which core wants to be called, in a heap. Core thread only. */
#ifndef TERCET_BROKER_CORE_DEADLINE_H
#define TERCET_BROKER_CORE_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in what waits; all zero when it waits for nothing. */
struct deadline {
    uint64_t at_ns; /* monotonic */
    size_t place;   /* in the heap, from 1; 0: not waiting */
    void (*on_reached)(void *arg);
    void *arg;
};

struct deadlines {
    struct deadline **heap; /* owned array of borrowed pointers; [0] is not used */
    size_t count;
    size_t room;
};

void deadlines_init(struct deadlines *d);
/* Those still waiting are forgotten. */
void deadlines_done(struct deadlines *d);
/* Starts it, or moves it. */
void deadline_start(struct deadlines *d, struct deadline *deadline, uint64_t at_ns,
                    void (*on_reached)(void *arg), void *arg);
/* The same, so long from now. */
void deadline_start_in_ms(struct deadlines *d, struct deadline *deadline, uint64_t ms,
                          void (*on_reached)(void *arg), void *arg);
/* Fine when it does not wait. */
void deadline_stop(struct deadlines *d, struct deadline *deadline);
/* UINT64_MAX when there is none. */
uint64_t deadlines_next_ns(const struct deadlines *d);
/* Calls on_reached of the first that is due. False: none is. */
bool deadlines_run_one(struct deadlines *d, uint64_t now_ns);
/* Calls on_reached for each that is due at `now_ns`; they may start and stop others. */
void deadlines_run(struct deadlines *d, uint64_t now_ns);

#endif
