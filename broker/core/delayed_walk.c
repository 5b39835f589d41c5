/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator does with what waits: looking at it, and taking one back. */
#include <stdio.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/delayed_int.h"
#include "broker/core/exchange_int.h"

/* ---- taking one back: the mark of one that is not to come ---- */

/* In META_BROKER, behind the prefix the number; its value: due time i64. */
struct cancelled {
    struct map_node by_number;
    uint8_t key[sizeof(DELAYED_CANCELLED_PREFIX) - 1 + 8];
    int64_t due_ms;
    uint64_t bytes;   /* released with it */
    bool is_released; /* it does not count among what waits any more */
    bool has_left;    /* nor among what its exchange keeps */
};

static struct slice number_of(const struct cancelled *c)
{
    return slice_after(slice_of(c->key, sizeof(c->key)), sizeof(DELAYED_CANCELLED_PREFIX) - 1);
}

static struct cancelled *find(const struct delayed *d, uint64_t number)
{
    uint8_t bytes[8];
    struct map_node *node;

    put_u64(bytes, number);
    node = map_get(&d->cancelled, slice_of(bytes, sizeof(bytes)));
    return node == NULL ? NULL : CONTAINER_OF(node, struct cancelled, by_number);
}

static struct cancelled *mark(struct delayed *d, const struct delayed_key *key)
{
    struct cancelled *c = mem_new(struct cancelled);

    memcpy(c->key, DELAYED_CANCELLED_PREFIX, sizeof(DELAYED_CANCELLED_PREFIX) - 1);
    put_u64(c->key + sizeof(DELAYED_CANCELLED_PREFIX) - 1, key->number);
    c->due_ms = key->due_ms;
    map_add(&d->cancelled, number_of(c), &c->by_number);
    return c;
}

static void unmark(struct delayed *d, struct cancelled *c)
{
    map_remove(&d->cancelled, &c->by_number);
    mem_free(c);
}

bool delayed_cancelled_load(struct delayed *d, struct slice key, struct slice value)
{
    static const struct slice prefix = { (const uint8_t *)DELAYED_CANCELLED_PREFIX,
                                         sizeof(DELAYED_CANCELLED_PREFIX) - 1 };
    struct rd rd = rd_of(value);
    struct rd name = rd_of(slice_after(key, prefix.len));
    struct delayed_key of;

    if (!slice_starts(key, prefix))
        return true;
    of.number = rd_u64(&name);
    of.due_ms = rd_i64(&rd);
    if (rd.bad || name.bad || name.left > 0 || find(d, of.number) != NULL)
        return false;
    (void)mark(d, &of);
    return true;
}

static struct cancelled *mark_of(const struct delayed *d, const struct delayed_key *key)
{
    struct cancelled *c = d->cancelled.count == 0 ? NULL : find(d, key->number);

    return c != NULL && c->due_ms == key->due_ms ? c : NULL;
}

bool delayed_is_cancelled(struct delayed *d, const struct delayed_key *key)
{
    return mark_of(d, key) != NULL;
}

static void release(struct delayed *d, struct cancelled *c, uint64_t bytes)
{
    c->is_released = true;
    c->bytes = bytes;
    delayed_release(d->core, 1, bytes);
}

bool delayed_cancelled_seen(struct delayed *d, const struct delayed_entry *entry)
{
    struct cancelled *c = mark_of(d, &entry->key);

    if (c == NULL)
        return false;
    if (!c->is_released)
        release(d, c, entry->bytes);
    c->has_left = true;
    return true;
}

/* Its place is given back, unless the end of its exchange did that. */
static void give_back(struct delayed *d, struct cancelled *c, const struct delayed_entry *entry)
{
    struct exchange *exchange;

    if (entry->born != 0) {
        exchange = exchange_born(d->core, entry->born);
        if (exchange == NULL)
            return;
        c->has_left = true;
        delaying_left(exchange, entry->bytes);
    }
    release(d, c, entry->bytes);
}

void delayed_cancelled_found(struct delayed *d, const struct delayed_entry *entry)
{
    struct cancelled *c = mark_of(d, &entry->key);

    if (c != NULL && !c->is_released)
        give_back(d, c, entry);
}

bool delayed_cancelled_done(struct delayed *d, const struct delayed_key *key)
{
    struct cancelled *c = d->cancelled.count == 0 ? NULL : find(d, key->number);
    bool has_left;

    if (c == NULL)
        return false;
    has_left = c->has_left;
    if (c->is_released)
        delayed_retake(d, 1, c->bytes);
    core_delete(d->core, META_BROKER, slice_of(c->key, sizeof(c->key)));
    unmark(d, c);
    return has_left;
}

void delayed_cancelled_free(struct delayed *d)
{
    struct map_node *node;

    while ((node = map_any(&d->cancelled)) != NULL)
        unmark(d, CONTAINER_OF(node, struct cancelled, by_number));
    map_done(&d->cancelled);
}

void delayed_cancelled_sweep(struct delayed *d)
{
    struct ring over;

    ring_init(&over, sizeof(struct cancelled *));
    MAP_EACH (node, &d->cancelled) {
        struct cancelled *c = CONTAINER_OF(node, struct cancelled, by_number);
        struct rd rd = rd_of(number_of(c));
        struct delayed_key key = { c->due_ms, rd_u64(&rd) };

        if (delayed_compare(&key, &d->done) <= 0)
            *(struct cancelled **)ring_push(&over) = c;
    }
    for (size_t i = 0; i < over.count; i++) {
        struct cancelled *c = *(struct cancelled **)ring_at(&over, i);

        core_delete(d->core, META_BROKER, slice_of(c->key, sizeof(c->key)));
        unmark(d, c);
    }
    ring_done(&over);
}

/* Of what memory holds it is known whether it is there; what lies beyond, its bucket may hold. The
 * bucket, or NULL: none such waits. *ret_entry: as memory has it, or NULL. */
static const struct delayed_bucket *may_wait(const struct delayed *d, const struct delayed_key *key,
                                             const struct delayed_entry **ret_entry)
{
    *ret_entry = NULL;
    if (delayed_compare(key, &d->taken) <= 0 || key->number >= d->next_number)
        return NULL;
    for (size_t i = 0; i < d->near_count; i++) {
        if (delayed_compare(&d->near[i].key, key) == 0) {
            *ret_entry = &d->near[i];
            return d->near[i].bucket;
        }
    }
    for (size_t i = 0; i < d->bucket_count; i++) {
        const struct delayed_bucket *b = d->buckets[i];

        if (b->pending > b->near_count && b->start_ms <= key->due_ms && key->due_ms < b->end_ms)
            return delayed_compare(key, &d->horizon) > 0 || d->is_scanning ? b : NULL;
    }
    return NULL;
}

enum rc delayed_cancel(struct core *core, int64_t due_ms, uint64_t number)
{
    struct delayed *d = core->delayed;
    const struct delayed_key key = { due_ms, number };
    const struct delayed_entry *entry;
    const struct delayed_bucket *bucket = may_wait(d, &key, &entry);
    uint8_t value[8];
    struct cancelled *c;

    if (bucket == NULL || find(d, number) != NULL)
        return RC_NOT_FOUND;
    if (d->cancelled.count >= DELAYED_CANCELLED_MAX)
        return RC_LIMIT;
    c = mark(d, &key);
    if (entry != NULL)
        give_back(d, c, entry);
    put_u64(value, (uint64_t)due_ms);
    core_put(core, META_BROKER, slice_of(c->key, sizeof(c->key)), slice_of(value, sizeof(value)),
             DURABILITY_ALWAYS);
    count_add(COUNT_CORE_DELAYED_CANCELLED, 1);
    log_event(LOG_NOTICE, "core.delayed_cancelled", "due_ms=%lld number=%llu", (long long)due_ms,
              (unsigned long long)number);
    return RC_OK;
}

/* ---- looking ---- */

static void on_ready(void *arg)
{
    struct delayed_walk *walk = arg;

    walk->on_ready(walk->arg);
}

enum rc delayed_walk_begin(struct core *core, struct delayed_walk *walk,
                           const struct delayed_at *at, void (*ready)(void *arg), void *arg)
{
    struct delayed *d = core->delayed;

    if (d->walk != NULL)
        return RC_IN_USE;
    *walk = (struct delayed_walk){ .core = core, .at = *at, .on_ready = ready, .arg = arg };
    cursor_init(&walk->cursor, on_ready, walk);
    d->walk = walk;
    return RC_OK;
}

void delayed_walk_rest(struct delayed *d)
{
    if (d->walk == NULL)
        return;
    cursor_rest(&d->walk->cursor); /* what it waited for does not come */
    d->walk->on_ready(d->walk->arg);
}

void delayed_walk_end(struct delayed_walk *walk)
{
    walk->core->delayed->walk = NULL;
    cursor_done(&walk->cursor);
}

/* The first bucket that is not before it. */
static struct delayed_bucket *bucket_at(const struct delayed *d, struct delayed_at *at)
{
    for (size_t i = 0; i < d->bucket_count; i++) {
        struct delayed_bucket *b = d->buckets[i];

        if (b->start_ms < at->start_ms || (b->start_ms == at->start_ms && b->end_ms < at->end_ms))
            continue;
        if (b->start_ms != at->start_ms || b->end_ms != at->end_ms)
            *at = (struct delayed_at){ b->start_ms, b->end_ms, 0 };
        return b;
    }
    return NULL;
}

static void pass_bucket(struct delayed_walk *walk)
{
    cursor_rest(&walk->cursor);
    walk->at.end_ms++; /* the next is of another time, or wider */
    walk->at.offset = 0;
}

static void copy_name(char *to, size_t room, struct slice name)
{
    (void)snprintf(to, room, "%.*s", SLICE_FMT(name));
}

/* RC_NOT_FOUND: it does not wait any more, or cannot be read. */
static enum rc look(struct delayed *d, const struct message *wrapped, struct delayed_item *ret)
{
    struct delayed_key key;
    struct delayed_content *content;

    if (delayed_key_of(wrapped, &key) != RC_OK || delayed_compare(&key, &d->done) <= 0 ||
        delayed_is_cancelled(d, &key))
        return RC_NOT_FOUND;
    content = delayed_unwrap(wrapped);
    if (content->message == NULL ||
        (content->route != NULL && delayed_exchange_of(d->core, content) == NULL)) {
        delayed_content_free(&content);
        return RC_NOT_FOUND;
    }
    *ret = (struct delayed_item){ key.due_ms, key.number, message_ref(content->message), "" };
    if (content->route != NULL) {
        struct slice asked;
        struct rd rest;

        copy_name(ret->exchange, sizeof(ret->exchange),
                  delayed_route_names(content, &asked, &rest));
    }
    delayed_content_free(&content);
    return RC_OK;
}

enum rc delayed_walk_next(struct delayed_walk *walk, struct delayed_item *ret)
{
    struct delayed *d = walk->core->delayed;
    struct delayed_bucket *bucket = bucket_at(d, &walk->at);
    struct message *wrapped;
    uint64_t offset;
    enum rc rc;

    if (bucket == NULL)
        return RC_RANGE;
    if (walk->at.offset < bucket->stream->partitions[0]->start)
        walk->at.offset = bucket->stream->partitions[0]->start;
    rc = cursor_get(&walk->cursor, bucket->stream->partitions[0], walk->at.offset, &wrapped,
                    &offset);
    if (rc == RC_AGAIN || rc == RC_MEMORY)
        return rc;
    if (rc == RC_RANGE) {
        pass_bucket(walk);
        return RC_NOT_FOUND;
    }
    if (rc != RC_OK) {
        walk->at.offset = walk->cursor.resume;
        return RC_NOT_FOUND;
    }
    walk->at.offset = offset + 1;
    rc = look(d, wrapped, ret);
    message_unref(&wrapped);
    return rc;
}
