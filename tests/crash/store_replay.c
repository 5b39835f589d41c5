/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/store_replay.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/mem.h"

#define PENDING_MAX 65536

static struct promise pending[PENDING_MAX];
static size_t pending_count;

/* ---- a life, recorded ---- */

void promise_note(const struct promise *promise)
{
    ASSERT(pending_count < PENDING_MAX);
    pending[pending_count++] = *promise;
}

void promise_durable(uint64_t ticket)
{
    size_t synced = 0, done = 0;

    for (size_t i = 0; i < pending_count && pending[i].ticket <= ticket; i++) {
        done = i + 1;
        if (pending[i].is_synced)
            synced = i + 1;
    }
    for (size_t i = 0; i < done; i++) {
        pending[i].is_synced = i < synced;
        trace_mark(&pending[i], sizeof(pending[i]));
    }
    memmove(pending, pending + done, (pending_count - done) * sizeof(pending[0]));
    pending_count -= done;
}

void promise_mark_all(void)
{
    for (uint32_t log = 1; log <= LOGS; log++) {
        struct promise promise = { .state = promised[log], .log = log, .is_synced = true };

        trace_mark(&promise, sizeof(promise));
    }
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

void folder_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fail("cannot remove the folder", 0, 0, 0);
}

void folder_make(char path[PATH_ROOM])
{
    const char *top = getenv("TMPDIR");

    if (top == NULL)
        top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(path, PATH_ROOM, "%s/store-power-XXXXXX", top);
    if (mkdtemp(path) == NULL)
        fail("mkdtemp", 0, 0, 0);
}

/* ---- going through a trace ---- */

static void replay_mark(struct replay *replay, const struct trace_item *item)
{
    struct committed now = { .number = disk_op_count(replay->disk) };

    if (item->op.len != sizeof(now.promise))
        fail("a mark of another length", 0, item->op.len, sizeof(now.promise));
    memcpy(&now.promise, item->bytes, sizeof(now.promise));
    if (now.promise.is_synced) {
        promise_take(&now.promise);
        return;
    }
    if (replay->count == replay->room) {
        replay->room = replay->room == 0 ? 256 : replay->room * 2;
        replay->committed =
            mem_resize(replay->committed, replay->room * sizeof(*replay->committed));
    }
    replay->committed[replay->count++] = now;
}

void replay_apply(struct replay *replay, const struct trace_item *item)
{
    if (item->op.kind == TRACE_MARK)
        replay_mark(replay, item);
    disk_apply(replay->disk, item);
}

void replay_settle(struct replay *replay)
{
    uint64_t oldest = disk_oldest_unsure(replay->disk);
    size_t done = 0;

    while (done < replay->count && replay->committed[done].number < oldest)
        promise_take(&replay->committed[done++].promise);
    if (done > 0)
        memmove(replay->committed, replay->committed + done,
                (replay->count - done) * sizeof(*replay->committed));
    replay->count -= done;
}

void replay_done(struct replay *replay)
{
    disk_free(&replay->disk);
    mem_free(replay->committed);
}

void replay_settle_all(struct replay *replay)
{
    for (size_t i = 0; i < replay->count; i++)
        promise_take(&replay->committed[i].promise);
    replay->count = 0;
}
