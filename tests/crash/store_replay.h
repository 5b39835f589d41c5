/* SPDX-License-Identifier: Apache-2.0 */
/* What programs share that record lives of a store, and replay them up to a power cut. */
#ifndef TERCET_TESTS_CRASH_STORE_REPLAY_H
#define TERCET_TESTS_CRASH_STORE_REPLAY_H

#include "tests/crash/power/disk.h"
#include "tests/crash/store_load.h"

#define PATH_ROOM 300

/* ---- in a life: promises become marks of the trace ---- */

void promise_note(const struct promise *promise);
/* What asked for the device is promised for it, and with it all that was committed before. */
void promise_durable(uint64_t ticket);
/* What a start has shown is promised. */
void promise_mark_all(void);

/* ---- after it ---- */

struct committed {
    struct promise promise;
    uint64_t number; /* of the op */
};

struct replay {
    struct disk *disk;           /* owned */
    struct committed *committed; /* owned: promised, and not sure to be synced */
    size_t count;
    size_t room;
};

/* Applies the op to the disk; a mark becomes a promise. */
void replay_apply(struct replay *replay, const struct trace_item *item);
/* What was committed before the oldest write that is not sure is on the device. */
void replay_settle(struct replay *replay);
/* No power was cut: what was committed is promised. */
void replay_settle_all(struct replay *replay);
void replay_done(struct replay *replay);

/* ---- folders ---- */

void folder_make(char path[PATH_ROOM]);
void folder_remove(const char *path);

#endif
