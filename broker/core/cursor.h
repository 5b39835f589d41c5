/* SPDX-License-Identifier: Apache-2.0 */
/* Reads messages of one partition one after the other, from memory or from the disk. Core thread.
 */
#ifndef TERCET_BROKER_CORE_CURSOR_H
#define TERCET_BROKER_CORE_CURSOR_H

#include "broker/core/message.h"
#include "broker/core/stream.h"

struct cursor_window; /* what it holds of the log, and where it stands: body in cursor.c */

/* Embedded in its owner. Holds at most one read's worth of log, and nothing at rest: there is one
 * for each session, and most are idle. */
struct cursor {
    struct cursor_window *window; /* owned; NULL at rest */
    uint64_t resume; /* after RC_CORRUPT or RC_IO: the first offset behind what cannot be read */
    void (*on_ready)(void *arg);
    void *arg;
};

/* on_ready(arg): what cursor_get() gave RC_AGAIN for can be asked again. Called inside core_poll().
 */
void cursor_init(struct cursor *cursor, void (*on_ready)(void *arg), void *arg);
void cursor_done(struct cursor *cursor);
/* Lets go of the log it holds; the next get reads afresh. */
void cursor_rest(struct cursor *cursor);

/* The first record at or after `offset`; gives one reference and its offset. RC_AGAIN: on_ready
 * comes, also when what may pass is to be tried again. RC_RANGE: outside what the log holds now.
 * RC_CORRUPT, RC_IO: that batch or entry cannot be read (logged), and RC_IO that it could not for
 * some seconds: go on at cursor->resume. Records not yet sealed are sealed first. */
MUST_CHECK enum rc cursor_get(struct cursor *cursor, struct partition *partition, uint64_t offset,
                              struct message **ret, uint64_t *ret_offset);

#endif
