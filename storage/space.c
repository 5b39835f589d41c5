/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/space.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/thread.h"

#define NAP_MS 3600000u /* it is rung when there is something to do */

struct space {
    char *directory; /* owned */
    void (*wake)(void *arg);
    void *wake_arg; /* borrowed until space_close() */
    struct thread thread;
    struct bell bell;
    _Atomic bool is_closing;
    bool is_asked; /* the user's alone */

    pthread_mutex_t lock;
    bool has_answer; /* under lock, like `room` */
    struct space_room room;
};

static enum rc look(const char *directory, struct space_room *ret)
{
    struct statvfs fs;
    uint64_t unit, mine;

    if (FAULT("space-look") || statvfs(directory, &fs) != 0) {
        log_peer(LOG_WARNING, "storage.space-unknown", "why=\"%s\"", strerror(errno));
        return RC_IO;
    }
    unit = fs.f_frsize;
    mine = (uint64_t)fs.f_blocks - (uint64_t)fs.f_bfree + (uint64_t)fs.f_bavail;
    *ret = (struct space_room){ .total_bytes = mine * unit, .free_bytes = fs.f_bavail * unit };
    if (FAULT("space-low"))
        ret->free_bytes = 0;
    return RC_OK;
}

static void space_main(void *arg)
{
    struct space *space = arg;

    for (;;) {
        struct space_room room = { 0 };

        bell_wait(&space->bell, NAP_MS);
        bell_clear(&space->bell);
        if (space->is_closing)
            return;
        (void)look(space->directory, &room); /* all zero: it is not known */
        (void)pthread_mutex_lock(&space->lock);
        space->room = room;
        space->has_answer = true;
        (void)pthread_mutex_unlock(&space->lock);
        space->wake(space->wake_arg);
    }
}

enum rc space_open(const char *directory, void (*wake)(void *arg), void *wake_arg,
                   struct space **ret)
{
    struct space *space = mem_new(struct space);
    enum rc rc;

    space->directory = mem_copy_text(slice_str(directory));
    space->wake = wake;
    space->wake_arg = wake_arg;
    bell_init(&space->bell);
    (void)pthread_mutex_init(&space->lock, NULL);
    rc = thread_start(&space->thread, "store-space", space_main, space);
    if (rc != RC_OK) {
        space->is_closing = true; /* there is no thread to join */
        bell_done(&space->bell);
        (void)pthread_mutex_destroy(&space->lock);
        mem_free(space->directory);
        mem_free(space);
        return rc;
    }
    *ret = space;
    return RC_OK;
}

void space_close(struct space **ref)
{
    struct space *space = *ref;

    *ref = NULL;
    if (space == NULL)
        return;
    space->is_closing = true;
    bell_ring(&space->bell);
    thread_join(&space->thread);
    bell_done(&space->bell);
    (void)pthread_mutex_destroy(&space->lock);
    mem_free(space->directory);
    mem_free(space);
}

void space_ask(struct space *space)
{
    if (space->is_asked)
        return;
    space->is_asked = true;
    bell_ring(&space->bell);
}

bool space_answer(struct space *space, struct space_room *ret)
{
    bool has_answer;

    if (!space->is_asked)
        return false;
    (void)pthread_mutex_lock(&space->lock);
    has_answer = space->has_answer;
    space->has_answer = false;
    *ret = space->room;
    (void)pthread_mutex_unlock(&space->lock);
    space->is_asked = !has_answer;
    return has_answer;
}
