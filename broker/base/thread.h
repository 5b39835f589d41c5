/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, locks and a mailbox between them; the only user of pthread. */
#ifndef TERCET_BROKER_BASE_THREAD_H
#define TERCET_BROKER_BASE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/base/list.h"
#include "broker/base/rc.h"

typedef void thread_main_fn(void *arg);

struct thread {
    pthread_t handle;
    thread_main_fn *main;
    void *arg; /* borrowed until joined */
};

/* Starts main(arg) with all signals blocked. `name` is at most 15 characters. */
MUST_CHECK enum rc thread_start(struct thread *thread, const char *name, thread_main_fn *main,
                                void *arg);
void thread_join(struct thread *thread);
/* Nobody will join it. */
void thread_detach(struct thread *thread);

/* A list handed from any thread to one taker, with waiting. Nobody is woken who does not wait. */
struct mailbox {
    pthread_mutex_t lock;
    struct list items;
    bool is_closed;
    _Atomic uint32_t is_waiting; /* of the taker: what it sleeps on */
};

void mailbox_init(struct mailbox *m);
void mailbox_done(struct mailbox *m);
/* Any thread. True when it was empty before: the taker may need waking. */
bool mailbox_put(struct mailbox *m, struct link *item);
/* Takes all there is into the empty list `ret` without waiting. */
void mailbox_take(struct mailbox *m, struct list *ret);
/* Waits until there is something or the mailbox is closed or `timeout_ms` passed (0: no limit),
 * then takes all. False when closed and empty. */
bool mailbox_wait(struct mailbox *m, struct list *ret, unsigned timeout_ms);
void mailbox_close(struct mailbox *m);

/* Ends another thread's nap. */
struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool is_rung;
};

void bell_init(struct bell *bell);
void bell_done(struct bell *bell);
/* Any thread. */
void bell_ring(struct bell *bell);
/* Forgets that it was rung. */
void bell_clear(struct bell *bell);
/* Waits until it is rung, at most `timeout_ms` (> 0). */
void bell_wait(struct bell *bell, unsigned timeout_ms);

#endif
