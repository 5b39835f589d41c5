/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the first record at or after a time: the index names the entry, reading finds the record.
 */
#include "broker/base/mem.h"
#include "broker/core/cursor.h"
#include "broker/core/stream_int.h"

struct time_search {
    struct cursor cursor;
    struct partition *partition;  /* borrowed */
    struct partition_waiter gone; /* tells when the partition goes away */
    int64_t time_ms;
    uint64_t offset; /* next to be looked at */
    time_found_fn *on_found;
    void *arg;
};

static void search_free(struct time_search *search)
{
    cursor_done(&search->cursor);
    partition_wait_cancel(&search->gone);
    mem_free(search);
}

static void finish(struct time_search *search, enum rc rc, uint64_t offset, int64_t timestamp_ms)
{
    time_found_fn *on_found = search->on_found;
    void *arg = search->arg;

    search_free(search);
    on_found(arg, rc, offset, timestamp_ms);
}

/* True when the answer was given, and the search freed. */
static bool step(struct time_search *search)
{
    struct message *message = NULL;
    int64_t timestamp_ms;
    uint64_t offset;
    enum rc rc;

    while (search->offset < search->partition->durable_end) {
        rc = cursor_get(&search->cursor, search->partition, search->offset, &message, &offset);
        if (rc == RC_AGAIN)
            return false;
        if (rc == RC_CORRUPT) { /* logged; has no time, those behind it may */
            search->offset = search->cursor.resume;
            continue;
        }
        if (rc != RC_OK) {
            finish(search, rc == RC_RANGE ? RC_NOT_FOUND : rc, 0, 0);
            return true;
        }
        timestamp_ms = message->timestamp_ms;
        message_unref(&message);
        if (offset >= search->partition->durable_end)
            break;
        if (timestamp_ms >= search->time_ms) {
            finish(search, RC_OK, offset, timestamp_ms);
            return true;
        }
        search->offset = offset + 1;
    }
    finish(search, RC_NOT_FOUND, 0, 0);
    return true;
}

static void on_ready(void *arg)
{
    (void)step(arg);
}

static void on_moved(struct partition_waiter *waiter, enum rc rc)
{
    struct time_search *search = CONTAINER_OF(waiter, struct time_search, gone);

    if (rc == RC_OK)
        partition_wait(search->partition, waiter);
    else
        finish(search, RC_NOT_FOUND, 0, 0);
}

struct time_search *partition_find_time(struct partition *partition, int64_t time_ms,
                                        time_found_fn *on_found, void *arg)
{
    struct time_search *search;
    uint64_t offset;
    enum rc rc = partition_find_index(partition, time_ms, &offset);

    if (rc != RC_OK) {
        on_found(arg, rc, 0, 0);
        return NULL;
    }
    search = mem_new(struct time_search);
    search->partition = partition;
    search->time_ms = time_ms;
    search->offset = offset < partition->start ? partition->start : offset;
    search->on_found = on_found;
    search->arg = arg;
    search->gone.on_moved = on_moved;
    cursor_init(&search->cursor, on_ready, search);
    partition_wait(partition, &search->gone);
    return step(search) ? NULL : search;
}

void time_search_cancel(struct time_search **search)
{
    if (*search != NULL)
        search_free(*search);
    *search = NULL;
}
