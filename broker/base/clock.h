/* SPDX-License-Identifier: Apache-2.0 */
/* Time: a monotonic clock for deadlines and a wall clock for records; tests set both. */
#ifndef TERCET_BROKER_BASE_CLOCK_H
#define TERCET_BROKER_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)

/* Nanoseconds since some start, never going back. 25 ns a call: once a loop turn, not a message. */
uint64_t clock_monotonic_ns(void);
/* Processor time of the calling thread; a system call. Tests do not set it. */
uint64_t clock_thread_ns(void);
/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);
/* From now on both clocks stand still at these values (tests). Call again to move them. */
void clock_set_for_test(uint64_t monotonic_ns, int64_t wall_ms);
void clock_unset_for_test(void);

#endif
