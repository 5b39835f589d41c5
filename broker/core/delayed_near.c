/* SPDX-License-Identifier: Apache-2.0 */
/* Where the next delayed messages lie: a heap with two bounds, and the scan that fills it. */
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/core/delayed_int.h"
#include "broker/core/exchange_int.h"
#include "storage/log.h"

/* Entries kept when the heap is cut, which is when there are twice as many: 15 to 30 MB at most,
 * and ten million of one minute are read forty times. */
#define NEAR_KEPT 262144u
/* With fewer than these, more are looked for. */
#define NEAR_LOW   (NEAR_KEPT / 8)
#define NEAR_FIRST 256u

/* Records that one turn of the loop looks at. */
#define SCAN_STEP 4096

#define RETRY_NS UINT64_C(1000000000)

/* ---- the heap ---- */

static bool is_before(const struct delayed_entry *a, const struct delayed_entry *b)
{
    return delayed_compare(&a->key, &b->key) < 0;
}

int delayed_by_key(const void *a, const void *b)
{
    const struct delayed_entry *x = a, *y = b;

    return delayed_compare(&x->key, &y->key);
}

/* Keeps the first half; an array in order is a heap. */
static void cut(struct delayed *d)
{
    struct delayed_key last;

    qsort(d->near, d->near_count, sizeof(*d->near), delayed_by_key);
    for (size_t i = NEAR_KEPT; i < d->near_count; i++)
        d->near[i].bucket->near_count--;
    d->near_count = NEAR_KEPT;
    last = d->near[NEAR_KEPT - 1].key;
    if (delayed_compare(&last, &d->horizon) < 0)
        d->horizon = last;
    if (d->is_scanning && delayed_compare(&last, &d->scan_limit) < 0)
        d->scan_limit = last;
}

void delayed_push(struct delayed *d, const struct delayed_entry *entry)
{
    size_t at;

    if (d->near_count == (size_t)2 * NEAR_KEPT)
        cut(d);
    if (delayed_compare(&entry->key, d->is_scanning ? &d->scan_limit : &d->horizon) > 0)
        return;
    if (d->near_count == d->near_room) {
        d->near_room = d->near_room == 0 ? NEAR_FIRST : d->near_room * 2;
        d->near = mem_resize(d->near, d->near_room * sizeof(*d->near));
    }
    at = d->near_count++;
    while (at > 0 && is_before(entry, &d->near[(at - 1) / 2])) {
        d->near[at] = d->near[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    d->near[at] = *entry;
    entry->bucket->near_count++;
}

struct delayed_entry delayed_pop(struct delayed *d)
{
    struct delayed_entry first = d->near[0], last;
    size_t at = 0, child;

    ASSERT(d->near_count > 0);
    last = d->near[--d->near_count];
    while ((child = 2 * at + 1) < d->near_count) {
        if (child + 1 < d->near_count && is_before(&d->near[child + 1], &d->near[child]))
            child++;
        if (!is_before(&d->near[child], &last))
            break;
        d->near[at] = d->near[child];
        at = child;
    }
    if (d->near_count > 0)
        d->near[at] = last;
    return first;
}

bool delayed_has_next(const struct delayed *d)
{
    return d->near_count > 0 && delayed_compare(&d->near[0].key, &d->horizon) <= 0;
}

/* ---- the scan ---- */

static struct partition *partition_of(const struct delayed_bucket *bucket)
{
    return bucket->stream->partitions[0];
}

static void begin(struct delayed *d)
{
    d->is_scanning = true;
    d->scan_from = d->horizon;
    d->scan_limit = DELAYED_KEY_LAST;
    d->scanned = NULL;
    for (size_t i = 0; i < d->bucket_count; i++)
        d->buckets[i]->scan_end = partition_of(d->buckets[i])->end;
}

static void end(struct delayed *d)
{
    d->is_scanning = false;
    d->horizon = d->scan_limit;
    cursor_rest(&d->scan);
}

/* What lies before it is all due earlier, and so was found before. */
static uint64_t first_offset(struct delayed *d, const struct delayed_bucket *bucket)
{
    struct partition *p = partition_of(bucket);
    uint64_t offset;

    if (!bucket->is_counted)
        return p->start;
    partition_seal(p);
    if (log_find_time(d->core->store, p->log, d->scan_from.due_ms, &offset) != RC_OK)
        return p->end;
    return offset < p->start ? p->start : offset;
}

/* False: the rest is beyond the limit. */
static bool next_bucket(struct delayed *d)
{
    bool is_past = d->scanned == NULL;

    for (size_t i = 0; i < d->bucket_count; i++) {
        struct delayed_bucket *bucket = d->buckets[i];

        if (!is_past) {
            is_past = bucket == d->scanned;
            continue;
        }
        if (bucket->start_ms > d->scan_limit.due_ms)
            return false;
        if (bucket->scan_end == 0 || bucket->end_ms <= d->scan_from.due_ms)
            continue;
        d->scanned = bucket;
        d->scan_offset = first_offset(d, bucket);
        return true;
    }
    return false;
}

/* So many records cannot be read; some of them may have been delivered. */
static void lose(struct delayed *d, struct delayed_bucket *bucket, uint64_t records)
{
    uint64_t most = bucket->pending - bucket->near_count;

    delayed_settled(d, bucket, records < most ? records : most, 0);
}

/* One of an earlier life that still waits: does it count? */
static void count_loaded(struct delayed *d, const struct delayed_entry *entry,
                         struct exchange *exchange)
{
    if (delayed_cancelled_seen(d, entry) || entry->born == 0)
        return;
    if (exchange == NULL) {
        delayed_release(d->core, 1, entry->bytes);
    } else {
        exchange->delayed_count++;
        exchange->delayed_bytes += entry->bytes;
    }
}

static void look(struct delayed *d, const struct message *wrapped, uint64_t offset)
{
    struct delayed_bucket *bucket = d->scanned;
    struct delayed_entry entry = { .bucket = bucket, .offset = offset, .bytes = wrapped->body.len };
    struct exchange *exchange;

    if (delayed_key_of(wrapped, &entry.key) != RC_OK) { /* not of ours */
        lose(d, bucket, 1);
        return;
    }
    entry.born = delayed_born_of(d->core, wrapped, &exchange);
    if (!bucket->is_counted && offset < bucket->old_end) {
        if (delayed_compare(&entry.key, &d->loaded_done) <= 0)
            delayed_settled(d, bucket, 1, entry.bytes);
        else
            count_loaded(d, &entry, exchange);
    } else {
        delayed_cancelled_found(d, &entry);
    }
    if (delayed_compare(&entry.key, &d->scan_from) > 0)
        delayed_push(d, &entry);
}

/* False: it goes on later. */
static bool step(struct delayed *d)
{
    struct delayed_bucket *bucket = d->scanned;
    struct message *wrapped;
    uint64_t offset = d->scan_offset;
    enum rc rc = RC_RANGE;

    if (offset < bucket->scan_end)
        rc = cursor_get(&d->scan, partition_of(bucket), offset, &wrapped, &offset);
    if (rc == RC_OK) {
        if (offset < bucket->scan_end)
            look(d, wrapped, offset);
        message_unref(&wrapped);
        d->scan_offset = offset + 1;
    } else if (rc == RC_AGAIN) {
        d->is_scan_waiting = true;
        return false;
    } else if (rc == RC_CORRUPT) { /* logged: what cannot be read will not come */
        lose(d, bucket, d->scan.resume - d->scan_offset);
        d->scan_offset = d->scan.resume;
    } else if (rc == RC_RANGE) {
        bucket->is_counted = true;
        d->scan_offset = bucket->scan_end;
    } else { /* memory, or a device that fails: not for ever, it is hoped */
        d->retry_ns = clock_monotonic_ns() + RETRY_NS;
        return false;
    }
    if (d->scan_offset < bucket->scan_end)
        return true;
    bucket->is_counted = true;
    if (!next_bucket(d))
        end(d);
    return d->is_scanning;
}

bool delayed_wants_scan(const struct delayed *d)
{
    return !d->is_scanning && d->near_count < NEAR_LOW && d->horizon.due_ms != INT64_MAX;
}

void delayed_scan(struct delayed *d)
{
    if (delayed_wants_scan(d)) {
        begin(d);
        if (!next_bucket(d)) {
            end(d);
            return;
        }
    }
    for (unsigned i = 0; d->is_scanning && i < SCAN_STEP && !d->is_scan_waiting; i++) {
        if (!step(d))
            return;
    }
}

void delayed_scan_ready(void *arg)
{
    struct delayed *d = arg;

    d->is_scan_waiting = false;
    delayed_schedule(d);
}
