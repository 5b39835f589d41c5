/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords checked off the loop: one thread, a bounded queue, and a memory of those that were
 * right, so that a storm of clients that come back costs a fast hash each. Core thread only. */
#ifndef TERCET_BROKER_CORE_PASSWORD_WORKER_H
#define TERCET_BROKER_CORE_PASSWORD_WORKER_H

#include <stdbool.h>

#include "broker/base/rc.h"
#include "broker/base/slice.h"

struct password_worker;
struct password_request;

/* Checks that wait at a time; at 32 ms each the last waits eight seconds. */
#define PASSWORD_QUEUE_MAX 256u
/* Passwords that are known to be right; the one that was learnt first is forgotten first. */
#define PASSWORD_KNOWN_MAX 65536u

/* RC_OK: it is the password. RC_AUTH: it is not. RC_MEMORY: it could not be told. The request is
 * gone after the call. */
typedef void password_done_fn(void *arg, enum rc rc);

/* The thread is started when there is something to check. `wake` is called on it when there are
 * results: password_worker_poll() is due then. */
struct password_worker *password_worker_new(void (*wake)(void *arg), void *wake_arg);
/* Every request must have been cancelled or done. */
void password_worker_free(struct password_worker **worker);
void password_worker_poll(struct password_worker *worker);

/* RC_OK: it is the password, known from before. RC_AGAIN: done(arg, ..) follows, until when *ret is
 * the caller's to cancel. RC_LIMIT: too many wait. RC_TOO_LARGE, RC_MEMORY, RC_SYSTEM. With
 * `is_decoy` it is never right: for names that nobody has. Copies. */
MUST_CHECK enum rc password_worker_ask(struct password_worker *worker, struct slice hash,
                                       struct slice password, bool is_decoy, password_done_fn *done,
                                       void *arg, struct password_request **ret);
/* done() is not called any more. */
void password_worker_cancel(struct password_request **request);

#endif
