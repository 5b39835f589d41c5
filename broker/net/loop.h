/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: sockets, timers, calls from other threads, and what happens at the end of a turn.
 */
#ifndef TERCET_BROKER_NET_LOOP_H
#define TERCET_BROKER_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/heap.h"
#include "broker/base/list.h"
#include "broker/base/rc.h"

struct durations;
struct loop;

MUST_CHECK enum rc loop_new(struct loop **ret);
/* Everything made on it must be gone. */
void loop_free(struct loop **loop);
/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* Runs one turn, waiting at most `max_wait_ms` (tests). */
void loop_turn(struct loop *loop, unsigned max_wait_ms);
/* Any thread. */
void loop_stop(struct loop *loop);

/* Monotonic time of this turn's begin: no system call. */
uint64_t loop_now_ns(const struct loop *loop);

/* How long its turns took, from the first event to the last output, and how much of the processor
 * they had: the first is longer when the machine has other work. */
const struct durations *loop_turns(const struct loop *loop);
const struct durations *loop_turns_processor(const struct loop *loop);

/* From now on a turn that takes that long is counted and told in the log, net.slow_turn, with what
 * it did, a few in a second; 0: none is. Until then none is. */
void loop_set_slow_us(struct loop *loop, uint64_t us);

typedef void loop_call_fn(void *arg);

/* A call posted from another thread; owned by the poster, linked until it runs. */
struct loop_call {
    struct link link;
    loop_call_fn *call;
    void *arg;
};
/* Any thread: call->call(arg) runs on the loop's thread, in order of posting. */
void loop_post(struct loop *loop, struct loop_call *call);

/* Runs call(arg) at the end of every turn, before output is written. At most LOOP_HOOKS_MAX, in
 * order of adding. */
#define LOOP_HOOKS_MAX 4
void loop_add_turn_end(struct loop *loop, loop_call_fn *call, void *arg);

/* A one-shot timer, embedded in its owner. Starting a running timer again is cheap. */
struct timer {
    struct heap_node node; /* in the loop's heap while it runs */
    uint64_t deadline_ns;  /* may be later than the node's key: looked at when that is reached */
    struct loop *loop;     /* borrowed until timer_done() */
    loop_call_fn *call;
    void *arg; /* borrowed until timer_done() */
};
void timer_init(struct timer *timer, struct loop *loop, loop_call_fn *call, void *arg);
/* (Re)starts it; it fires once, not before `after_ms` have passed. */
void timer_start(struct timer *timer, uint64_t after_ms);
void timer_stop(struct timer *timer);
bool timer_is_running(const struct timer *timer);
/* Stops it for good; fine on a zeroed timer. */
void timer_done(struct timer *timer);

/* Calls call(arg) in a turn when the process gets the signal. It is blocked from now on, also after
 * the loop's end: it interrupts nothing, and what comes while the broker stops changes nothing. To
 * be called before other threads are started but by thread_start(), whose take no signals. */
MUST_CHECK enum rc loop_on_signal(struct loop *loop, int signal, loop_call_fn *call, void *arg);

#endif
