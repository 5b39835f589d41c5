/* SPDX-License-Identifier: Apache-2.0 */
/* Delayed messages, as their files see them.
 *
 * A bucket is a hidden stream for what falls due in one stretch of time: a minute for what is due
 * within an hour, longer ones farther away, so that there are a few hundred at most. What waits is
 * ordered by (due time, number); numbers rise. One key tells all that was delivered: everything up
 * to `done`, which is recorded in the commit that holds what was published.
 *
 * Memory holds, in the heap `near`, where everything up to the key `horizon` lies; when it runs
 * low, a scan reads the buckets that may hold what comes next. A heap that grows too large is cut,
 * and the horizon moves back. What comes beyond the horizon is not kept in memory at all. */
#ifndef TERCET_BROKER_CORE_DELAYED_INT_H
#define TERCET_BROKER_CORE_DELAYED_INT_H

#include "broker/core/core_int.h"
#include "broker/core/cursor.h"
#include "broker/core/delayed.h"
#include "broker/core/stream_int.h"

struct delayed_key {
    int64_t due_ms;
    uint64_t number;
};

#define DELAYED_KEY_LAST                \
    (struct delayed_key)                \
    {                                   \
        .due_ms = INT64_MAX, UINT64_MAX \
    }

struct delayed_bucket {
    struct stream *stream; /* of ours: nobody else removes it */
    int64_t start_ms;
    int64_t end_ms;
    uint64_t pending;    /* records not delivered; before the first scan at least so many */
    uint64_t near_count; /* of them, in memory */
    uint64_t bytes;      /* of them, about */
    uint64_t old_end;    /* what lies below is of an earlier life */
    uint64_t scan_end;   /* what the scan under way reads lies below */
    bool is_counted;     /* pending is exact */
};

struct delayed_entry {
    struct delayed_key key;
    struct delayed_bucket *bucket;
    uint64_t offset;
    uint64_t born;                   /* of the exchange that keeps it; 0: none does */
    uint64_t bytes;                  /* that it takes in its bucket */
    struct delayed_content *content; /* owned; NULL while it waits, or when it is lost */
};

/* What a record says. */
struct delayed_content {
    uint64_t number;
    struct message *message; /* owned reference; NULL: it cannot be read */
    struct author *author;   /* owned; NULL: the broker itself, or from before it was kept */
    char *route;             /* owned: for an exchange, encoded; NULL: it goes to its address */
    size_t route_len;
    uint8_t priority;
};

/* What is to be kept. All borrowed. */
struct delayed_order {
    const struct message *message;
    const struct publish_exchange *route; /* NULL: to its address */
    struct slice asked;                   /* the exchange it was published to */
};

/* What falls due in one go, read in the order in which it lies, published in the order of time. */
#define DELAYED_TURN_MAX 512

struct delayed_turn {
    struct delayed_entry at[DELAYED_TURN_MAX];
    unsigned count;
    unsigned loaded;    /* of them, in the order of offsets */
    unsigned published; /* of them, in the order of keys */
    bool is_ordered;    /* by keys, after all were loaded */
};

struct delayed {
    struct core *core; /* borrowed */
    struct deadline due;
    struct delayed_bucket **buckets; /* owned, by start, then end */
    size_t bucket_count;
    size_t bucket_room;
    struct delayed_bucket *recent; /* found last */
    uint64_t pending;              /* of all buckets, but for what is known not to come */
    uint64_t bytes;
    uint64_t next_number;
    uint64_t reserved_number;

    struct delayed_entry *near; /* owned heap */
    size_t near_count;
    size_t near_room;
    struct delayed_key horizon;
    struct delayed_key done;
    struct delayed_key taken;       /* the last that went to a turn */
    struct delayed_key loaded_done; /* `done` of the earlier life */

    bool is_scanning;
    bool is_scan_waiting; /* for the disk */
    struct delayed_key scan_from;
    struct delayed_key scan_limit; /* the horizon when it is over */
    struct delayed_bucket *scanned;
    uint64_t scan_offset;
    struct cursor scan;

    struct delayed_turn *turn; /* owned; NULL while nothing falls due */
    struct map cancelled;      /* of struct cancelled, by number */
    struct delayed_walk *walk; /* borrowed; NULL: nobody looks */
    struct cursor read;
    bool is_read_waiting;
    uint64_t retry_ns; /* not before this; 0: now */
};

static inline int delayed_compare(const struct delayed_key *a, const struct delayed_key *b)
{
    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms ? -1 : 1;
    return a->number == b->number ? 0 : a->number < b->number ? -1 : 1;
}

/* In META_BROKER: due time i64 and number u64 of `done`. */
#define DELAYED_DONE_KEY "delayed-done"

/* ---- delayed.c ---- */
/* One record of the bucket waits no longer. */
void delayed_settled(struct delayed *d, struct delayed_bucket *bucket, uint64_t records,
                     uint64_t bytes);
/* So many count among what waits again, after delayed_release(): before they are settled. */
void delayed_retake(struct delayed *d, uint64_t records, uint64_t bytes);
/* Has delayed_run() called as soon as it can do something. */
void delayed_schedule(struct delayed *d);

/* ---- delayed_record.c: how it lies in its bucket ---- */
/* NULL without memory. */
struct message *delayed_wrap(const struct delayed_bucket *bucket, const struct delayed_key *key,
                             const struct author *author, const struct delayed_order *order);
/* RC_CORRUPT: not one of ours. */
MUST_CHECK enum rc delayed_key_of(const struct message *wrapped, struct delayed_key *ret);
/* `born` of the exchange that keeps it, and that; 0: none does; DELAYED_BORN_GONE: one did that is
 * gone. */
#define DELAYED_BORN_GONE UINT64_MAX
uint64_t delayed_born_of(struct core *core, const struct message *wrapped,
                         struct exchange **ret_exchange);
struct delayed_content *delayed_unwrap(const struct message *wrapped);
void delayed_content_free(struct delayed_content **content);
/* The exchange that kept it, while it is the one that did; else NULL, as for what has no route. */
struct exchange *delayed_exchange_of(struct core *core, const struct delayed_content *content);
/* The names in a route, which there must be; *ret_rest: what follows. None: it cannot be read. */
struct slice delayed_route_names(const struct delayed_content *content, struct slice *ret_asked,
                                 struct rd *ret_rest);
/* RC_NOT_FOUND: its exchange is gone. RC_CORRUPT, and as publish_address(), publish_due(). */
MUST_CHECK enum rc delayed_publish_content(struct client *client,
                                           const struct delayed_content *content);

/* ---- delayed_near.c: the heap and what fills it ---- */
/* For qsort() of entries. */
int delayed_by_key(const void *a, const void *b);
/* Unless it lies beyond the horizon, or what that is to become. */
void delayed_push(struct delayed *d, const struct delayed_entry *entry);
struct delayed_entry delayed_pop(struct delayed *d);
/* Is the first of the heap the next of all? */
bool delayed_has_next(const struct delayed *d);
bool delayed_wants_scan(const struct delayed *d);
/* Begins a scan when the heap runs low, and goes on with the one under way. */
void delayed_scan(struct delayed *d);
/* After cursor's on_ready. */
void delayed_scan_ready(void *arg);

/* ---- delayed_walk.c: what an operator does ---- */
#define DELAYED_CANCELLED_PREFIX "delayed-cancelled-"
/* False: it makes no sense. Other keys are fine. */
bool delayed_cancelled_load(struct delayed *d, struct slice key, struct slice value);
bool delayed_is_cancelled(struct delayed *d, const struct delayed_key *key);
/* One of an earlier life was found, for the first time in this: if it is marked, it counts no more
 * among what waits, and its exchange is not to count it. True: so it is. */
bool delayed_cancelled_seen(struct delayed *d, const struct delayed_entry *entry);
/* One that counts was found: if it was marked while memory did not know it, its place is given back
 * now. */
void delayed_cancelled_found(struct delayed *d, const struct delayed_entry *entry);
/* Its time has come: the mark goes with the commit that says so. True: its exchange did not count
 * it any more. */
bool delayed_cancelled_done(struct delayed *d, const struct delayed_key *key);
void delayed_cancelled_free(struct delayed *d);
/* Marks of what is done, or never was, go: at the start. */
void delayed_cancelled_sweep(struct delayed *d);
/* A bucket goes, in which somebody who looks may stand. */
void delayed_walk_rest(struct delayed *d);

/* ---- delayed_turn.c: what falls due ---- */
void delayed_deliver(struct delayed *d);
void delayed_turn_free(struct delayed *d);
void delayed_read_ready(void *arg);

#endif
