/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets, and what comes into them. */
#include "broker/core/delayed.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/base/wire.h"
#include "broker/core/acl.h"
#include "broker/core/delayed_int.h"
#include "broker/core/exchange_int.h"
#include "broker/core/policy.h"
#include "broker/core/publish.h"
#include "storage/log.h"

/* No name that a protocol can spell begins so: '+' is written as %2B. */
#define BUCKET_PREFIX "+delayed."

/* Wide enough that there are few, narrow enough that a scan finds little that is not due yet. */
static const struct level {
    int64_t width_ms;
    int64_t ahead_ms; /* for what is due within so long */
} levels[] = {
    { INT64_C(1) << 16, INT64_C(1) << 22 }, /* a minute, within 70 minutes */
    { INT64_C(1) << 21, INT64_C(1) << 27 }, /* 35 minutes, within 37 hours */
    { INT64_C(1) << 26, INT64_MAX },        /* 18 hours */
};
#define LEVEL_COUNT (sizeof(levels) / sizeof(levels[0]))

/* Numbers are recorded as given in steps of this many. */
#define NUMBERS_STEP 65536

/* The wall clock may be set: it is looked at again after this long. */
#define WAIT_MAX_MS 10000

static const char key_numbers[] = "delayed-numbers";

/* ---- buckets ---- */

static struct delayed_bucket *bucket_add(struct delayed *d, struct stream *stream, unsigned level,
                                         int64_t index)
{
    struct delayed_bucket *bucket = mem_new(struct delayed_bucket);
    size_t at = d->bucket_count;

    bucket->stream = stream;
    bucket->start_ms = index * levels[level].width_ms;
    bucket->end_ms = bucket->start_ms + levels[level].width_ms;
    if (d->bucket_count == d->bucket_room) {
        d->bucket_room = d->bucket_room == 0 ? 16 : d->bucket_room * 2;
        d->buckets = mem_resize(d->buckets, d->bucket_room * sizeof(struct delayed_bucket *));
    }
    for (; at > 0; at--) {
        const struct delayed_bucket *before = d->buckets[at - 1];

        if (before->start_ms < bucket->start_ms ||
            (before->start_ms == bucket->start_ms && before->end_ms < bucket->end_ms))
            break;
        d->buckets[at] = d->buckets[at - 1];
    }
    d->buckets[at] = bucket;
    d->bucket_count++;
    return bucket;
}

static enum rc bucket_make(struct delayed *d, unsigned level, int64_t index,
                           struct delayed_bucket **ret)
{
    const struct stream_policy policy = { POLICY_UNLIMITED, POLICY_UNLIMITED, POLICY_OPEN };
    char name[64];
    int len = snprintf(name, sizeof(name), BUCKET_PREFIX "%u.%lld", level, (long long)index);
    struct stream_spec spec = { .name = slice_of(name, (size_t)len),
                                .partition_count = 1,
                                .is_hidden = true,
                                .policy = &policy };
    struct stream *stream;
    enum rc rc = stream_create(d->core, NULL, &spec, &stream);

    if (rc != RC_OK)
        return rc;
    *ret = bucket_add(d, stream, level, index);
    (*ret)->is_counted = true;
    return RC_OK;
}

static enum rc bucket_for(struct delayed *d, int64_t due_ms, int64_t ahead_ms,
                          struct delayed_bucket **ret)
{
    unsigned level = 0;
    int64_t index, width_ms;

    while (level + 1 < LEVEL_COUNT && ahead_ms >= levels[level].ahead_ms)
        level++;
    width_ms = levels[level].width_ms;
    index = due_ms / width_ms;
    if (d->recent != NULL && d->recent->start_ms == index * width_ms &&
        d->recent->end_ms - d->recent->start_ms == width_ms) {
        *ret = d->recent;
        return RC_OK;
    }
    for (size_t i = 0; i < d->bucket_count; i++) {
        *ret = d->recent = d->buckets[i];
        if ((*ret)->start_ms == index * width_ms && (*ret)->end_ms == (index + 1) * width_ms)
            return RC_OK;
    }
    return bucket_make(d, level, index, ret);
}

static void bucket_remove(struct delayed *d, size_t at)
{
    struct delayed_bucket *bucket = d->buckets[at];

    delayed_settled(d, bucket, bucket->pending, bucket->bytes);
    cursor_rest(&d->read); /* which may stand in it */
    delayed_walk_rest(d);
    d->recent = NULL;
    stream_remove(bucket->stream);
    mem_free(bucket);
    d->bucket_count--;
    for (; at < d->bucket_count; at++)
        d->buckets[at] = d->buckets[at + 1];
}

/* All that it holds was found, and none of that is left. */
static bool is_spent(const struct delayed *d, const struct delayed_bucket *bucket)
{
    return bucket->near_count == 0 && bucket->end_ms <= d->horizon.due_ms;
}

/* A bucket goes when its time is over, not whenever it is empty: streams are not for a second. */
static void drop_empty(struct delayed *d)
{
    int64_t now_ms = core_wall_ms(d->core);

    if (d->is_scanning || d->turn != NULL)
        return;
    for (size_t i = d->bucket_count; i-- > 0;) {
        const struct delayed_bucket *bucket = d->buckets[i];

        if (bucket->end_ms <= now_ms && is_spent(d, bucket))
            bucket_remove(d, i);
    }
    if (d->near_count == 0) {
        MEM_FREE(d->near);
        d->near_room = 0;
    }
}

/* Not below nothing: what could not be read may have counted or not. */
static void uncount(struct delayed *d, uint64_t records, uint64_t bytes)
{
    if (records > d->pending)
        records = d->pending;
    if (bytes > d->bytes)
        bytes = d->bytes;
    d->pending -= records;
    d->bytes -= bytes;
    count_add(COUNT_CORE_DELAYED, -(int64_t)records);
    count_add(COUNT_CORE_DELAYED_BYTES, -(int64_t)bytes);
}

void delayed_retake(struct delayed *d, uint64_t records, uint64_t bytes)
{
    d->pending += records;
    d->bytes += bytes;
    count_add(COUNT_CORE_DELAYED, (int64_t)records);
    count_add(COUNT_CORE_DELAYED_BYTES, (int64_t)bytes);
}

void delayed_release(struct core *core, uint64_t records, uint64_t bytes)
{
    uncount(core->delayed, records, bytes);
}

void delayed_settled(struct delayed *d, struct delayed_bucket *bucket, uint64_t records,
                     uint64_t bytes)
{
    if (records > bucket->pending)
        records = bucket->pending;
    if (bytes > bucket->bytes || records == bucket->pending)
        bytes = bucket->bytes;
    bucket->pending -= records;
    bucket->bytes -= bytes;
    uncount(d, records, bytes);
}

static void owe(struct delayed *d, struct delayed_bucket *bucket, uint64_t records, uint64_t bytes)
{
    bucket->pending += records;
    bucket->bytes += bytes;
    delayed_retake(d, records, bytes);
}

/* ---- when to look ---- */

static void run(void *arg)
{
    struct delayed *d = arg;

    if (d->retry_ns > clock_monotonic_ns()) {
        delayed_schedule(d);
        return;
    }
    d->retry_ns = 0;
    delayed_scan(d);
    delayed_deliver(d);
    drop_empty(d);
    delayed_schedule(d);
}

/* The wall-clock time of the next thing to do. */
static int64_t next_ms(const struct delayed *d)
{
    int64_t at_ms = INT64_MAX;

    if (delayed_has_next(d))
        at_ms = d->near[0].key.due_ms;
    for (size_t i = 0; !d->is_scanning && d->turn == NULL && i < d->bucket_count; i++) {
        const struct delayed_bucket *bucket = d->buckets[i];

        if (is_spent(d, bucket) && bucket->end_ms < at_ms)
            at_ms = bucket->end_ms;
    }
    return at_ms;
}

void delayed_schedule(struct delayed *d)
{
    struct core *core = d->core;
    uint64_t now_ns = clock_monotonic_ns(), at_ns = now_ns;
    bool is_busy = (d->is_scanning && !d->is_scan_waiting) ||
                   (d->turn != NULL && !d->is_read_waiting) || delayed_wants_scan(d);
    int64_t wait_ms = 0;

    if (!is_busy) {
        int64_t at_ms = next_ms(d);

        if (at_ms == INT64_MAX) {
            deadline_stop(&core->deadlines, &d->due);
            return;
        }
        wait_ms = at_ms - core_wall_ms(core);
        wait_ms = wait_ms < 0 ? 0 : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
        if (wait_ms == 0 && d->is_read_waiting) /* on_ready comes */
            wait_ms = WAIT_MAX_MS;
    }
    at_ns += (uint64_t)wait_ms * NS_PER_MS;
    deadline_start(&core->deadlines, &d->due, at_ns > d->retry_ns ? at_ns : d->retry_ns, run, d);
}

/* ---- taking one ---- */

static uint64_t take_number(struct delayed *d)
{
    if (d->next_number >= d->reserved_number) {
        uint8_t value[8];

        d->reserved_number = d->next_number + NUMBERS_STEP;
        put_u64(value, d->reserved_number);
        core_put(d->core, META_BROKER, slice_str(key_numbers), slice_of(value, sizeof(value)),
                 DURABILITY_MEMORY);
    }
    return d->next_number++;
}

static enum rc check_room(const struct delayed *d, const struct message *message, uint64_t delay_ms)
{
    const struct core_config *config = &d->core->config;
    uint64_t bytes = d->bytes + message->address.len + message->body.len;

    if (delay_ms > config->delayed_max_delay_ms)
        return RC_INVALID;
    if ((config->delayed_max == 0 || d->pending < config->delayed_max) &&
        (config->delayed_max_bytes == 0 || bytes <= config->delayed_max_bytes))
        return RC_OK;
    count_add(COUNT_CORE_DELAYED_REFUSED, 1);
    log_peer(LOG_WARNING, "core.delayed_refused", "waiting=%llu bytes=%llu",
             (unsigned long long)d->pending, (unsigned long long)d->bytes);
    return RC_LIMIT;
}

static enum rc keep(struct delayed *d, const struct client *client, int64_t delay_ms,
                    const struct delayed_order *order)
{
    struct delayed_key key = { core_wall_ms(d->core) + delay_ms, take_number(d) };
    struct delayed_entry entry = { .offset = 0 };
    struct author *author;
    struct message *wrapped;
    struct placed placed;
    enum rc rc;

    if (key.due_ms < d->taken.due_ms) /* the clock was put back: never before what is done */
        key.due_ms = d->taken.due_ms;
    rc = bucket_for(d, key.due_ms, delay_ms, &entry.bucket);
    if (rc != RC_OK)
        return rc;
    author = author_of(client);
    wrapped = delayed_wrap(entry.bucket, &key, author, order);
    author_free(&author);
    if (wrapped == NULL)
        return RC_MEMORY;
    rc = stream_append(entry.bucket->stream, wrapped,
                       (order->message->flags & MESSAGE_PERSISTENT) != 0 ? DURABILITY_ALWAYS
                                                                         : DURABILITY_MEMORY,
                       &placed);
    if (rc == RC_OK) {
        owe(d, entry.bucket, 1, wrapped->body.len);
        if (order->route != NULL) {
            order->route->exchange->delayed_count++;
            order->route->exchange->delayed_bytes += wrapped->body.len;
        }
        entry.key = key;
        entry.born = order->route == NULL ? 0 : order->route->exchange->born;
        entry.offset = placed.offset;
        entry.bytes = wrapped->body.len;
        delayed_push(d, &entry);
        if (d->near_count > 0 && d->near[0].key.number == key.number)
            delayed_schedule(d);
    }
    message_unref(&wrapped);
    return rc;
}

enum rc delayed_publish(struct client *client, struct message **ref, uint64_t delay_ms)
{
    struct message *message = *ref;
    struct delayed *d = client->core->delayed;
    const struct delayed_order order = { .message = message };
    enum rc rc;

    if (delay_ms == 0)
        return publish_address(client, ref);
    *ref = NULL;
    rc = client_may_publish(client);
    if (rc == RC_OK)
        rc = authorise(client, OPERATION_PUBLISH, RESOURCE_TOPIC, message->address);
    if (rc == RC_OK)
        rc = check_room(d, message, delay_ms);
    if (rc == RC_OK)
        rc = keep(d, client, (int64_t)delay_ms, &order);
    message_unref(&message);
    return rc;
}

enum rc delayed_publish_through(struct client *client, const struct publish_exchange *publish,
                                struct slice asked, const struct message *message)
{
    struct delayed *d = client->core->delayed;
    const struct delayed_order order = { message, publish, asked };
    enum rc rc = check_room(d, message, publish->delay_ms);

    ASSERT(publish->exchange->spec.is_delaying && publish->delay_ms > 0);
    if (rc == RC_OK)
        rc = keep(d, client, (int64_t)publish->delay_ms, &order);
    return rc;
}

uint64_t delayed_number(struct core *core)
{
    return take_number(core->delayed);
}

/* ---- life ---- */

static enum rc visit(void *arg, struct slice key, struct slice value)
{
    struct delayed *d = arg;
    struct rd rd = rd_of(value);

    if (slice_equal_str(key, key_numbers)) {
        d->next_number = d->reserved_number = rd_u64(&rd);
    } else if (slice_equal_str(key, DELAYED_DONE_KEY)) {
        d->done.due_ms = rd_i64(&rd);
        d->done.number = rd_u64(&rd);
    }
    return rd.bad || !delayed_cancelled_load(d, key, value) ? RC_CORRUPT : RC_OK;
}

/* Level and index of a bucket's stream; false: it is none. */
static bool parse_name(struct slice name, uint64_t *ret_level, uint64_t *ret_index)
{
    size_t head = strlen(BUCKET_PREFIX);

    if (!slice_starts(name, SLICE(BUCKET_PREFIX)) || name.len < head + 3 ||
        name.at[head + 1] != '.')
        return false;
    return number_u64(slice_of(name.at + head, 1), 0, LEVEL_COUNT - 1, ret_level) == RC_OK &&
           number_u64(slice_after(name, head + 2), 0, INT64_MAX >> 26, ret_index) == RC_OK;
}

enum rc delayed_load(struct core *core)
{
    struct delayed *d = core->delayed = mem_new(struct delayed);
    uint64_t level, index;
    enum rc rc;

    d->core = core;
    d->next_number = d->reserved_number = 1;
    d->horizon = DELAYED_KEY_LAST;
    map_init(&d->cancelled);
    cursor_init(&d->scan, delayed_scan_ready, d);
    cursor_init(&d->read, delayed_read_ready, d);
    rc = meta_each(core->store, META_BROKER, visit, d);
    for (struct stream *s = stream_next(core, NULL); s != NULL; s = stream_next(core, s)) {
        struct delayed_bucket *bucket;
        const struct partition *p = s->partitions[0];

        if (!parse_name(stream_name(s), &level, &index))
            continue;
        bucket = bucket_add(d, s, (unsigned)level, (int64_t)index);
        bucket->old_end = p->end;
        owe(d, bucket, p->end - p->start, partition_bytes(p));
    }
    d->taken = d->loaded_done = d->done;
    if (d->pending > 0)
        d->horizon = d->done;
    return rc;
}

void delayed_begin(struct core *core)
{
    struct delayed *d = core->delayed;

    for (size_t i = d->bucket_count; i-- > 0;) {
        if (d->buckets[i]->end_ms <= d->done.due_ms)
            bucket_remove(d, i);
    }
    delayed_cancelled_sweep(d);
    delayed_schedule(d);
}

void delayed_done(struct core *core)
{
    struct delayed *d = core->delayed;

    core->delayed = NULL;
    if (d == NULL)
        return;
    count_add(COUNT_CORE_DELAYED, -(int64_t)d->pending);
    count_add(COUNT_CORE_DELAYED_BYTES, -(int64_t)d->bytes);
    deadline_stop(&core->deadlines, &d->due);
    cursor_done(&d->scan);
    cursor_done(&d->read);
    delayed_cancelled_free(d);
    delayed_turn_free(d);
    for (size_t i = 0; i < d->bucket_count; i++)
        mem_free(d->buckets[i]);
    mem_free(d->buckets);
    mem_free(d->near);
    mem_free(d);
}
