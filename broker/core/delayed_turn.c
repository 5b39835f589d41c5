/* SPDX-License-Identifier: Apache-2.0 */
/* What falls due: read in the order in which it lies, published in the order of its time, and
 * recorded as done in the same commit. */
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/delayed_int.h"
#include "broker/core/exchange_int.h"

#define RETRY_NS   UINT64_C(1000000000)
#define BACKLOG_NS UINT64_C(10000000)

/* What publishes on behalf of who is gone. */
static const struct client_ops nobody = { .protocol = "delayed" };

static int by_place(const void *a, const void *b)
{
    const struct delayed_entry *x = a, *y = b;

    if (x->bucket->start_ms != y->bucket->start_ms)
        return x->bucket->start_ms < y->bucket->start_ms ? -1 : 1;
    if (x->bucket->end_ms != y->bucket->end_ms)
        return x->bucket->end_ms < y->bucket->end_ms ? -1 : 1;
    return x->offset == y->offset ? 0 : x->offset < y->offset ? -1 : 1;
}

void delayed_turn_free(struct delayed *d)
{
    struct delayed_turn *turn = d->turn;

    d->turn = NULL;
    for (unsigned i = 0; turn != NULL && i < turn->count; i++)
        delayed_content_free(&turn->at[i].content);
    mem_free(turn);
}

static void fill(struct delayed *d)
{
    int64_t now_ms = core_wall_ms(d->core);
    struct delayed_turn *turn;

    if (!delayed_has_next(d) || d->near[0].key.due_ms > now_ms)
        return;
    turn = d->turn = mem_new(struct delayed_turn);
    while (turn->count < DELAYED_TURN_MAX && delayed_has_next(d) && d->near[0].key.due_ms <= now_ms)
        turn->at[turn->count++] = delayed_pop(d);
    d->taken = turn->at[turn->count - 1].key;
    qsort(turn->at, turn->count, sizeof(turn->at[0]), by_place);
}

/* RC_AGAIN: on_ready comes. RC_MEMORY, RC_IO: later. */
static enum rc load_one(struct delayed *d, struct delayed_entry *entry)
{
    struct message *wrapped;
    uint64_t offset = 0;
    enum rc rc = cursor_get(&d->read, entry->bucket->stream->partitions[0], entry->offset, &wrapped,
                            &offset);

    if (rc == RC_RANGE || rc == RC_CORRUPT)
        return RC_OK; /* without a message: logged where it was found */
    if (rc != RC_OK)
        return rc;
    if (offset == entry->offset)
        entry->content = delayed_unwrap(wrapped);
    message_unref(&wrapped);
    return RC_OK;
}

static enum rc load(struct delayed *d)
{
    struct delayed_turn *turn = d->turn;

    for (; turn->loaded < turn->count; turn->loaded++) {
        enum rc rc = load_one(d, &turn->at[turn->loaded]);

        if (rc != RC_OK)
            return rc;
    }
    if (!turn->is_ordered)
        qsort(turn->at, turn->count, sizeof(turn->at[0]), delayed_by_key);
    turn->is_ordered = true;
    return RC_OK;
}

static void drop(const struct delayed_entry *entry, const char *why)
{
    count_add(COUNT_CORE_DELAYED_DROPPED, 1);
    log_peer(LOG_WARNING, "core.delayed_dropped", "due_ms=%lld why=%s",
             (long long)entry->key.due_ms, why);
}

/* Not RC_OK: the store takes nothing, and the message stays. */
static enum rc publish_one(struct delayed *d, struct client *client,
                           const struct delayed_entry *entry)
{
    int64_t now_ms = core_wall_ms(d->core);
    const struct delayed_content *content = entry->content;
    enum rc rc;

    if (delayed_is_cancelled(d, &entry->key))
        return RC_OK;
    if (content == NULL || content->message == NULL) {
        drop(entry, "unreadable");
        return RC_OK;
    }
    if (content->message->expires_at_ms != 0 && content->message->expires_at_ms <= now_ms) {
        drop(entry, "expired");
        return RC_OK;
    }
    content->message->timestamp_ms = now_ms; /* retention counts from here */
    rc = delayed_publish_content(client, content);
    if (rc == RC_FULL || rc == RC_IO || rc == RC_MEMORY || rc == RC_AGAIN)
        return rc;
    if (rc == RC_NOT_FOUND)
        drop(entry, "its exchange is gone");
    else if (rc != RC_OK && rc != RC_NO_ROUTE)
        drop(entry, rc_word(rc));
    return RC_OK;
}

static void record_done(struct delayed *d)
{
    uint8_t value[16];

    put_u64(value, (uint64_t)d->done.due_ms);
    put_u64(value + 8, d->done.number);
    core_put(d->core, META_BROKER, slice_str(DELAYED_DONE_KEY), slice_of(value, sizeof(value)),
             DURABILITY_MEMORY);
}

/* By name where that can be read: there may be many. NULL: it is gone. */
static struct exchange *keeper_of(const struct delayed *d, const struct delayed_entry *entry)
{
    return entry->content != NULL && entry->content->route != NULL
               ? delayed_exchange_of(d->core, entry->content)
               : exchange_born(d->core, entry->born);
}

/* It waits no longer, whatever was known of it. */
static void settle(struct delayed *d, struct delayed_entry *entry)
{
    bool has_left = delayed_cancelled_done(d, &entry->key);

    if (!has_left && entry->born != 0) {
        struct exchange *exchange = keeper_of(d, entry);

        if (exchange == NULL)
            delayed_retake(d, 1, entry->bytes);
        else
            delaying_left(exchange, entry->bytes);
    }
    delayed_content_free(&entry->content);
    delayed_settled(d, entry->bucket, 1, entry->bytes);
    entry->bucket->near_count--;
}

/* The client that stands for it: of one author as long as that is the same. */
static struct client *client_for(struct delayed *d, const struct delayed_entry *entry,
                                 struct client *client, const struct author *before)
{
    const struct author *author = entry->content == NULL ? NULL : entry->content->author;

    if (client != NULL && author_is_same(author, before))
        return client;
    client_close(&client);
    client = client_open(d->core, &nobody, d, true);
    client_act_for(client, author);
    return client;
}

static enum rc publish_turn(struct delayed *d)
{
    struct delayed_turn *turn = d->turn;
    struct client *client = NULL;
    struct author *author = NULL;
    unsigned before = turn->published;
    enum rc rc = RC_OK;

    while (turn->published < turn->count) {
        struct delayed_entry *entry = &turn->at[turn->published];

        client = client_for(d, entry, client, author);
        rc = publish_one(d, client, entry);
        if (rc != RC_OK)
            break;
        author_free(&author);
        if (entry->content != NULL) {
            author = entry->content->author;
            entry->content->author = NULL;
        }
        d->done = entry->key;
        settle(d, entry);
        turn->published++;
    }
    client_close(&client);
    author_free(&author);
    if (turn->published > before) {
        record_done(d);
        core_wake(d->core);
    }
    return rc;
}

static void retry(struct delayed *d, uint64_t after_ns)
{
    d->retry_ns = clock_monotonic_ns() + after_ns;
}

void delayed_deliver(struct delayed *d)
{
    enum rc rc;

    if (d->is_read_waiting)
        return;
    if (d->core->stall != RC_OK) {
        if (delayed_has_next(d) || d->turn != NULL)
            retry(d, RETRY_NS);
        return;
    }
    if (store_backlog_bytes(d->core->store) > BACKLOG_HIGH_BYTES) {
        retry(d, BACKLOG_NS);
        return;
    }
    if (d->turn == NULL)
        fill(d);
    if (d->turn == NULL) {
        cursor_rest(&d->read);
        return;
    }
    rc = load(d);
    if (rc == RC_AGAIN) {
        d->is_read_waiting = true;
        return;
    }
    if (rc == RC_OK)
        rc = publish_turn(d);
    if (rc != RC_OK)
        retry(d, RETRY_NS);
    else
        delayed_turn_free(d);
}

void delayed_read_ready(void *arg)
{
    struct delayed *d = arg;

    d->is_read_waiting = false;
    delayed_schedule(d);
}
