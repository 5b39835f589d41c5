/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *thread_enter(void *arg)
{
    struct thread *thread = arg;

    thread->main(thread->arg);
    return NULL;
}

enum rc thread_start(struct thread *thread, const char *name, thread_main_fn *main, void *arg)
{
    sigset_t all, before;
    int error;

    thread->main = main;
    thread->arg = arg;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread->handle, NULL, thread_enter, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return rc_of_errno(error);
    (void)pthread_setname_np(thread->handle, name);
    return RC_OK;
}

void thread_join(struct thread *thread)
{
    int error = pthread_join(thread->handle, NULL);

    ASSERT(error == 0);
}

void thread_detach(struct thread *thread)
{
    int error = pthread_detach(thread->handle);

    ASSERT(error == 0);
}

static void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static struct timespec deadline_in(unsigned timeout_ms)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

void mailbox_init(struct mailbox *m)
{
    list_init(&m->items);
    m->is_closed = false;
    atomic_init(&m->is_waiting, 0);
    (void)pthread_mutex_init(&m->lock, NULL);
}

void mailbox_done(struct mailbox *m)
{
    ASSERT(list_is_empty(&m->items));
    (void)pthread_mutex_destroy(&m->lock);
}

/* The taker sleeps on a futex of its own and not on a condition: who returns from a condition has
 * its mutex as one that others wait for, and then wakes them when it unlocks, each time a system
 * call for nobody. Gives whether it has to be woken; called with the lock held. */
static bool taker_waits(struct mailbox *m)
{
    bool waits = atomic_load_explicit(&m->is_waiting, memory_order_relaxed) != 0;

    if (waits)
        atomic_store_explicit(&m->is_waiting, 0, memory_order_relaxed);
    return waits;
}

static void wake_taker(struct mailbox *m)
{
    (void)syscall(SYS_futex, &m->is_waiting, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Returns at once when somebody has put something since the lock was let go. False: time is up. */
static bool sleep_until(struct mailbox *m, const struct timespec *deadline)
{
    return syscall(SYS_futex, &m->is_waiting, FUTEX_WAIT_BITSET_PRIVATE, 1, deadline, NULL,
                   FUTEX_BITSET_MATCH_ANY) == 0 ||
           errno != ETIMEDOUT;
}

bool mailbox_put(struct mailbox *m, struct link *item)
{
    bool was_empty, waits;

    (void)pthread_mutex_lock(&m->lock);
    was_empty = list_is_empty(&m->items);
    list_append(&m->items, item);
    waits = taker_waits(m);
    (void)pthread_mutex_unlock(&m->lock);
    if (waits)
        wake_taker(m);
    return was_empty;
}

void mailbox_take(struct mailbox *m, struct list *ret)
{
    (void)pthread_mutex_lock(&m->lock);
    list_splice(ret, &m->items);
    (void)pthread_mutex_unlock(&m->lock);
}

bool mailbox_wait(struct mailbox *m, struct list *ret, unsigned timeout_ms)
{
    struct timespec deadline;
    bool is_timed = false, is_late = false;
    bool is_over;

    (void)pthread_mutex_lock(&m->lock);
    while (list_is_empty(&m->items) && !m->is_closed && !is_late) {
        atomic_store_explicit(&m->is_waiting, 1, memory_order_relaxed);
        (void)pthread_mutex_unlock(&m->lock);
        if (timeout_ms > 0 && !is_timed) {
            deadline = deadline_in(timeout_ms);
            is_timed = true;
        }
        is_late = !sleep_until(m, is_timed ? &deadline : NULL);
        (void)pthread_mutex_lock(&m->lock);
        atomic_store_explicit(&m->is_waiting, 0, memory_order_relaxed);
    }
    is_over = m->is_closed && list_is_empty(&m->items);
    list_splice(ret, &m->items);
    (void)pthread_mutex_unlock(&m->lock);
    return !is_over;
}

void mailbox_close(struct mailbox *m)
{
    bool waits;

    (void)pthread_mutex_lock(&m->lock);
    m->is_closed = true;
    waits = taker_waits(m);
    (void)pthread_mutex_unlock(&m->lock);
    if (waits)
        wake_taker(m);
}

void bell_init(struct bell *bell)
{
    bell->is_rung = false;
    (void)pthread_mutex_init(&bell->lock, NULL);
    condition_init(&bell->rung);
}

void bell_done(struct bell *bell)
{
    (void)pthread_mutex_destroy(&bell->lock);
    (void)pthread_cond_destroy(&bell->rung);
}

void bell_ring(struct bell *bell)
{
    bool was_rung;

    (void)pthread_mutex_lock(&bell->lock);
    was_rung = bell->is_rung;
    bell->is_rung = true;
    (void)pthread_mutex_unlock(&bell->lock);
    if (!was_rung)
        (void)pthread_cond_signal(&bell->rung);
}

void bell_clear(struct bell *bell)
{
    (void)pthread_mutex_lock(&bell->lock);
    bell->is_rung = false;
    (void)pthread_mutex_unlock(&bell->lock);
}

void bell_wait(struct bell *bell, unsigned timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    int error = 0;

    (void)pthread_mutex_lock(&bell->lock);
    while (!bell->is_rung && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&bell->rung, &bell->lock, &deadline);
    (void)pthread_mutex_unlock(&bell->lock);
}
