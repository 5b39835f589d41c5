/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/queue.h"

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/core/acl.h"
#include "broker/core/name.h"
#include "broker/core/queue_int.h"
#include "broker/core/stream_int.h"

/* ---- the catalogue's value: number u64, flags u8, limits if it has some, arguments ---- */

enum {
    QUEUE_DURABLE = 1,
    QUEUE_EXCLUSIVE = 2,
    QUEUE_AUTO_DELETE = 4,
    QUEUE_SERVER_NAMED = 8,
    QUEUE_BOUND = 16,
    QUEUE_NUMBERED = 32 /* its bindings tell its number: all but those of older versions */
};

void queue_record(struct queue *queue)
{
    struct text *out = &queue->core->scratch;
    unsigned flags = (queue->spec.is_durable ? QUEUE_DURABLE : 0u) |
                     (queue->spec.is_exclusive ? QUEUE_EXCLUSIVE : 0u) |
                     (queue->spec.is_auto_delete ? QUEUE_AUTO_DELETE : 0u) |
                     (queue->spec.is_server_named ? QUEUE_SERVER_NAMED : 0u) |
                     (queue->bound != NULL ? QUEUE_BOUND : 0u) |
                     (queue->inbound.number != 0 ? QUEUE_NUMBERED : 0u);

    text_clear(out);
    text_add_u64(out, queue->number);
    text_add_byte(out, (uint8_t)flags);
    if (queue->bound != NULL)
        queue_limits_write(out, &queue->bound->limits);
    text_add(out, queue->spec.arguments);
    core_put(queue->core, META_QUEUES, queue->spec.name, text_slice(out),
             queue->spec.is_durable ? DURABILITY_ALWAYS : DURABILITY_MEMORY);
}

/* ---- making ---- */

static struct queue *queue_new(struct core *core, const struct queue_spec *spec,
                               struct stream *stream, uint64_t number)
{
    struct queue *queue = mem_new(struct queue);

    queue->core = core;
    queue->spec = *spec;
    queue->spec.name = slice_of(mem_copy_text(spec->name), spec->name.len);
    queue->spec.arguments = slice_of(mem_copy_text(spec->arguments), spec->arguments.len);
    queue->number = number;
    memcpy(queue->number_key, &number, sizeof(number));
    queue->stream = stream;
    list_init(&queue->consumers);
    list_init(&queue->ready);
    list_init(&queue->getters);
    list_init(&queue->holdings);
    inbound_init(&queue->inbound, number);
    queue->lane_count = stream->partition_count;
    queue->lanes = mem_new_array(struct lane *, queue->lane_count);
    for (unsigned i = 0; i < queue->lane_count; i++)
        queue->lanes[i] = lane_new(queue, stream->partitions[i], i);
    stream->queue = queue;
    stream_follow_policy(stream); /* a queue owes each of its records */
    map_add(&core->queues, queue->spec.name, &queue->by_name);
    map_add(&core->queues_by_number, slice_of(queue->number_key, sizeof(queue->number_key)),
            &queue->by_numbers);
    list_append(&core->queue_list, &queue->link);
    core->bindings_epoch++;
    count_add(COUNT_CORE_QUEUES, 1);
    return queue;
}

static enum rc stream_for(struct client *client, const struct queue_spec *spec, struct stream **ret)
{
    struct stream_spec wanted = {
        .partition_count = 1,
        .is_hidden = spec->is_exclusive || spec->is_auto_delete || spec->is_server_named,
        .is_transient = !spec->is_durable || spec->is_exclusive,
    };
    struct text scratch = { 0 };
    enum rc rc = name_from_queue(spec->name, &scratch, &wanted.name);

    if (rc == RC_OK)
        rc = stream_create(client->core, NULL, &wanted, ret); /* the queue was authorised */
    if (rc == RC_EXISTS)
        *ret = stream_find(client->core, wanted.name);
    text_done(&scratch);
    return rc;
}

enum rc queue_declare(struct client *client, const struct queue_spec *spec, struct queue **ret)
{
    struct core *core = client->core;
    struct queue *queue = queue_find(core, spec->name);
    struct stream *stream;
    enum rc rc;

    if (queue != NULL) {
        rc = queue_check_owner(queue, client);
        *ret = queue;
        return rc != RC_OK ? rc : RC_EXISTS;
    }
    if (spec->name.len > QUEUE_NAME_MAX_BYTES)
        return RC_LIMIT;
    rc = authorise_kept(client, OPERATION_CREATE, spec->name);
    if (rc == RC_OK)
        rc = authorise(client, OPERATION_CREATE, RESOURCE_QUEUE, spec->name);
    if (rc != RC_OK)
        return rc;
    rc = stream_for(client, spec, &stream);
    if (rc != RC_OK && rc != RC_EXISTS)
        return rc;
    if (stream->compaction != NULL)
        return RC_MISMATCH; /* a queue owes each of its records */
    queue = queue_new(core, spec, stream, core_number(core));
    if (spec->is_exclusive) {
        queue->owner = client;
        list_append(&client_queues(client)->exclusive, &queue->of_owner);
    }
    queue_record(queue);
    *ret = queue;
    return RC_OK;
}

/* ---- ending ---- */

/* Nothing finds it any more. */
static void queue_close(struct queue *queue)
{
    struct core *core = queue->core;

    link_remove_if(&queue->busy);
    link_remove_if(&queue->dirty);
    link_remove_if(&queue->of_owner);
    queue_bound_free(queue);
    link_remove(&queue->link);
    map_remove(&core->queues, &queue->by_name);
    map_remove(&core->queues_by_number, &queue->by_numbers);
    for (unsigned i = 0; i < queue->lane_count; i++)
        lane_free(queue->lanes[i]);
    mem_free(queue->lanes);
    queue->stream->queue = NULL;
    core->bindings_epoch++;
    count_add(COUNT_CORE_QUEUES, -1);
}

void queue_free(struct queue *queue)
{
    ASSERT(list_is_empty(&queue->inbound.bindings) && list_is_empty(&queue->inbound.ties));
    mem_free((void *)(uintptr_t)queue->spec.name.at);
    mem_free((void *)(uintptr_t)queue->spec.arguments.at);
    mem_free(queue);
}

static void end_getters(struct queue *queue)
{
    while (!list_is_empty(&queue->getters)) {
        struct getter *getter = LIST_FIRST(&queue->getters, struct getter, link);

        link_remove(&getter->link);
        getter->on_got(getter->client->session, getter->token, RC_NOT_FOUND, queue, NULL);
        mem_free(getter);
    }
}

static void forget_getters(struct queue *queue, const struct client *client)
{
    LIST_EACH_SAFE (k, &queue->getters) {
        struct getter *getter = CONTAINER_OF(k, struct getter, link);

        if (getter->client != client)
            continue;
        link_remove(&getter->link);
        mem_free(getter);
    }
}

static void end_consumers(struct queue *queue)
{
    while (!list_is_empty(&queue->consumers)) {
        struct consumer *consumer = LIST_FIRST(&queue->consumers, struct consumer, of_queue);
        struct client *client = consumer->client;

        if (client->ops->on_consumer_cancelled != NULL)
            client->ops->on_consumer_cancelled(client->session, consumer, RC_NOT_FOUND);
        consumer_free(consumer);
    }
}

void queue_remove(struct queue *queue)
{
    struct core *core = queue->core;
    struct stream *stream = queue->stream;

    if (queue->is_removed)
        return;
    queue->is_removed = true;
    end_getters(queue);
    end_consumers(queue);
    while (!list_is_empty(&queue->holdings))
        holding_free(LIST_FIRST(&queue->holdings, struct holding, of_queue));
    core_delete(core, META_QUEUES, queue->spec.name);
    for (unsigned i = 0; i < queue->lane_count; i++)
        lane_forget(queue->lanes[i]);
    queue_close(queue);
    stream_remove(stream);
    queue_unbind(queue);
}

enum rc queue_delete(struct client *client, struct queue *queue, bool if_unused, bool if_empty,
                     uint64_t *ret_ready)
{
    enum rc rc = queue_check_owner(queue, client);

    if (rc == RC_OK)
        rc = authorise(client, OPERATION_DELETE, RESOURCE_QUEUE, queue->spec.name);
    if (rc != RC_OK)
        return rc;
    *ret_ready = queue_ready_count(queue);
    if (if_unused && queue->consumer_count > 0)
        return RC_IN_USE;
    if (if_empty && *ret_ready > 0)
        return RC_MISMATCH;
    queue_remove(queue);
    return RC_OK;
}

void queues_forget_client(struct client *client)
{
    struct client_queues *queues = client->queues;

    if (queues == NULL)
        return;
    while (!list_is_empty(&queues->consumers)) {
        struct consumer *consumer = LIST_FIRST(&queues->consumers, struct consumer, of_client);

        consumer_cancel(&consumer);
    }
    while (!list_is_empty(&queues->holdings)) {
        struct holding *holding = LIST_FIRST(&queues->holdings, struct holding, of_client);
        struct queue *queue = holding->queue;

        forget_getters(queue, client);
        holding_leave(holding);
    }
    while (!list_is_empty(&queues->exclusive))
        queue_remove(LIST_FIRST(&queues->exclusive, struct queue, of_owner));
}

enum rc queue_purge(struct client *client, struct queue *queue, uint64_t *ret_count)
{
    enum rc rc = queue_check_owner(queue, client);

    if (rc == RC_OK)
        rc = authorise(client, OPERATION_CONSUME, RESOURCE_QUEUE, queue->spec.name);
    if (rc != RC_OK)
        return rc;
    *ret_count = 0;
    for (unsigned i = 0; i < queue->lane_count; i++)
        *ret_count += lane_purge(queue->lanes[i]);
    return RC_OK;
}

/* ---- what the stream tells ---- */

void queue_wake(struct queue *queue)
{
    if (!link_is_linked(&queue->busy) && !queue->is_removed)
        list_append(&queue->core->busy_queues, &queue->busy);
}

void queue_dirty(struct queue *queue)
{
    if (queue->spec.is_durable && !link_is_linked(&queue->dirty) && !queue->is_removed)
        list_append(&queue->core->dirty_queues, &queue->dirty);
}

void queue_take(struct queue *queue, struct partition *partition, uint64_t offset,
                struct message *message)
{
    ASSERT(partition->index < queue->lane_count);
    lane_take(queue->lanes[partition->index], offset, message);
    if (queue_wants(queue))
        queue_wake(queue);
    else if (__builtin_expect(queue->bound != NULL, 0))
        queue_enforce(queue);
}

void queue_grew(struct queue *queue)
{
    if (queue_wants(queue) || queue->bound != NULL)
        queue_wake(queue);
}

bool queue_wants(const struct queue *queue)
{
    return !list_is_empty(&queue->ready) || !list_is_empty(&queue->getters);
}

uint64_t queue_floor(const struct queue *queue, const struct partition *partition)
{
    return queue->lanes[partition->index]->head;
}

void queues_record(struct core *core)
{
    while (!list_is_empty(&core->dirty_queues)) {
        struct queue *queue = LIST_FIRST(&core->dirty_queues, struct queue, dirty);

        link_remove(&queue->dirty);
        for (unsigned i = 0; i < queue->lane_count; i++)
            lane_record(queue->lanes[i]);
    }
}

/* ---- loading ---- */

static enum rc visit_queue(void *arg, struct slice key, struct slice value)
{
    struct core *core = arg;
    struct rd rd = rd_of(value);
    uint64_t number = rd_u64(&rd);
    unsigned flags = rd_u8(&rd);
    struct queue_spec spec = {
        .name = key,
        .is_durable = (flags & QUEUE_DURABLE) != 0,
        .is_exclusive = (flags & QUEUE_EXCLUSIVE) != 0,
        .is_auto_delete = (flags & QUEUE_AUTO_DELETE) != 0,
        .is_server_named = (flags & QUEUE_SERVER_NAMED) != 0,
    };
    struct queue_limits limits = QUEUE_LIMITS_NONE;
    enum rc rc = (flags & QUEUE_BOUND) != 0 ? queue_limits_read(&rd, &limits) : RC_OK;
    struct text scratch = { 0 };
    struct slice name;
    struct stream *stream = NULL;
    struct queue *queue;

    if (name_from_queue(key, &scratch, &name) == RC_OK)
        stream = stream_find(core, name);
    text_done(&scratch);
    spec.arguments = rd_rest(&rd);
    if (rc != RC_OK || rd.bad || stream == NULL) {
        log_event(LOG_ERROR, "core.bad_queue", "name=%s", log_quote(key.at, key.len));
        return RC_CORRUPT;
    }
    queue = queue_new(core, &spec, stream, number);
    if ((flags & QUEUE_NUMBERED) == 0)
        queue->inbound.number = 0;
    queue_bound_set(queue, &limits);
    return RC_OK;
}

static enum rc visit_settled(void *arg, struct slice key, struct slice value)
{
    struct core *core = arg;
    struct rd rd = rd_of(key);
    uint64_t number = rd_u64(&rd);
    uint32_t lane = rd_u32(&rd);
    uint64_t record = rd_u64(&rd);
    struct map_node *node = map_get(&core->queues_by_number, slice_of(&number, sizeof(number)));
    struct queue *queue = node == NULL ? NULL : CONTAINER_OF(node, struct queue, by_numbers);

    if (queue == NULL || lane >= queue->lane_count)
        return RC_OK; /* of a queue that is gone */
    return rd.bad ? RC_CORRUPT : lane_load(queue->lanes[lane], record, value);
}

enum rc queues_load(struct core *core)
{
    enum rc rc = meta_each(core->store, META_QUEUES, visit_queue, core);

    if (rc == RC_OK)
        rc = meta_each(core->store, META_SETTLED, visit_settled, core);
    LIST_EACH (k, &core->queue_list)
        queue_bound_begin(CONTAINER_OF(k, struct queue, link));
    return rc;
}

void queues_suspect(struct core *core)
{
    LIST_EACH (k, &core->queue_list) {
        struct queue *queue = CONTAINER_OF(k, struct queue, link);

        for (unsigned i = 0; i < queue->lane_count; i++)
            lane_suspect(queue->lanes[i]);
    }
}

void queues_done(struct core *core)
{
    while (!list_is_empty(&core->orphans))
        holding_free(LIST_FIRST(&core->orphans, struct holding, of_client));
    while (!list_is_empty(&core->queue_list)) {
        struct queue *queue = LIST_FIRST(&core->queue_list, struct queue, link);

        queue_close(queue);
        queue_free(queue);
    }
    map_done(&core->queues);
    map_done(&core->queues_by_number);
}

/* ---- facts ---- */

struct queue *queue_find(struct core *core, struct slice name)
{
    struct map_node *node = map_get(&core->queues, name);

    return node == NULL ? NULL : CONTAINER_OF(node, struct queue, by_name);
}

enum rc queue_check_owner(const struct queue *queue, const struct client *client)
{
    return queue->spec.is_exclusive && queue->owner != client ? RC_LOCKED : RC_OK;
}

const struct queue_spec *queue_spec(const struct queue *queue)
{
    return &queue->spec;
}

struct stream *queue_stream(const struct queue *queue)
{
    return queue->stream;
}

uint64_t queue_ready_count(const struct queue *queue)
{
    uint64_t ready = 0;

    for (unsigned i = 0; i < queue->lane_count; i++)
        ready += lane_ready(queue->lanes[i]);
    return ready;
}

uint64_t queue_taken_count(const struct queue *queue)
{
    uint64_t taken = 0;

    for (unsigned i = 0; i < queue->lane_count; i++)
        taken += queue->lanes[i]->taken;
    return taken;
}

unsigned queue_consumer_count(const struct queue *queue)
{
    return queue->consumer_count;
}

struct queue *queue_next(struct core *core, struct queue *after)
{
    struct link *next = after == NULL ? core->queue_list.head.next : after->link.next;

    return next == &core->queue_list.head ? NULL : CONTAINER_OF(next, struct queue, link);
}

uint64_t queue_number(const struct queue *queue)
{
    return queue->number;
}
