/* SPDX-License-Identifier: Apache-2.0 */
/* How much room the file system of a store has. A thread of its own asks, for the answer may have
 * to wait for a disk or a server. */
#ifndef TERCET_STORAGE_SPACE_H
#define TERCET_STORAGE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/rc.h"

struct space;

struct space_room {
    uint64_t total_bytes; /* what a user who is not root can have of it at most */
    uint64_t free_bytes;  /* what is left of that */
};

/* wake(wake_arg) is called on the space's thread when there is an answer; both are borrowed until
 * space_close(). RC_SYSTEM: no thread. */
MUST_CHECK enum rc space_open(const char *directory, void (*wake)(void *arg), void *wake_arg,
                              struct space **ret);
void space_close(struct space **space);
/* Has the question asked. One that is not answered yet is not asked again. */
void space_ask(struct space *space);
/* True once for each question that was answered. Whatever was on the disk when it was asked is in
 * it; a total of 0 says that nothing is known. */
bool space_answer(struct space *space, struct space_room *ret);

#endif
