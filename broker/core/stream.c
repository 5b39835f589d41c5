/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: made, changed, found and taken out. What the catalogue holds of them: stream_record.c;
 * whether they are logged: stream_policy.c. */
#include "broker/core/stream.h"

#include "broker/base/counters.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/core/acl.h"
#include "broker/core/name.h"
#include "broker/core/queue_int.h"
#include "broker/core/retain_int.h"
#include "broker/core/retention.h"
#include "broker/core/stream_int.h"
#include "broker/core/unlogged.h"

/* ---- making ---- */

struct partition *stream_partition_new(struct stream *stream, unsigned index, uint32_t log)
{
    struct partition *p = index == 0 ? &stream->first : mem_new(struct partition);
    enum rc rc;

    p->stream = stream;
    p->index = index;
    p->log = log;
    rc = log_range(stream->core->store, log, &p->start, &p->end);
    if (rc != RC_OK)
        p->start = p->end = 0; /* never appended to */
    p->sealed_end = p->durable_end = p->end;
    if (!stream->core->is_loading) /* streams_load() adds all at once */
        table_add(&stream->core->logs, p);
    return p;
}

static void partition_free(struct partition *p)
{
    partition_stop(p);
    unlogged_end(p);
    table_remove(&p->stream->core->logs, p);
    if (p->stream->core->near == p)
        p->stream->core->near = NULL;
    retention_forget(p);
    compaction_forget(p);
    producers_free(p);
    if (p != &p->stream->first)
        mem_free(p);
}

struct stream *stream_new(struct core *core, struct slice name, unsigned partition_count)
{
    struct stream *stream = mem_zeroed(sizeof(*stream) + name.len);
    uint8_t *at = (uint8_t *)(stream + 1);

    stream->core = core;
    if (name.len > 0)
        memcpy(at, name.at, name.len);
    stream->by_name.key = slice_of(at, name.len);
    stream->partitions =
        partition_count == 1 ? &stream->only : mem_new_array(struct partition *, partition_count);
    stream->partition_count = partition_count;
    stream->policy = (struct stream_policy)STREAM_POLICY_OPEN;
    return stream;
}

static void partitions_array_free(struct stream *stream)
{
    if (stream->partitions != &stream->only)
        mem_free(stream->partitions);
}

void stream_link(struct stream *stream)
{
    struct core *core = stream->core;

    if (!core->is_loading) {
        map_add(&core->streams, stream->by_name.key, &stream->by_name);
        table_add(&core->streams_by_id, stream);
    }
    list_append(&core->stream_list, &stream->link);
    core->implicit_streams += stream->is_implicit;
    count_add(COUNT_CORE_STREAMS, 1);
}

static enum rc check_spec(struct core *core, struct client *client, const struct stream_spec *spec)
{
    if (spec->name.len > STREAM_NAME_MAX_BYTES || spec->partition_count > PARTITIONS_MAX)
        return RC_LIMIT;
    if (name_level_count(spec->name) > 1)
        return RC_INVALID;
    if (stream_find(core, spec->name) != NULL)
        return RC_EXISTS;
    if (client != NULL && authorise_kept(client, OPERATION_CREATE, spec->name) != RC_OK)
        return RC_REFUSED;
    if (spec->is_implicit && core->implicit_streams >= IMPLICIT_STREAMS_MAX) {
        log_peer(LOG_WARNING, "core.streams_limit", "implicit=%u name=%s", core->implicit_streams,
                 log_quote(spec->name.at, spec->name.len));
        return RC_LIMIT;
    }
    /* an implicit one comes of a publish that was allowed */
    if (client == NULL || spec->is_implicit)
        return RC_OK;
    return authorise(client, OPERATION_CREATE, RESOURCE_TOPIC, spec->name);
}

void stream_set_config(struct stream *stream, struct slice config)
{
    uint8_t *copy = slice_is_none(config) ? NULL : (uint8_t *)mem_copy_text(config);

    mem_free((void *)(uintptr_t)stream->config.at);
    stream->config = slice_of(copy, config.len);
    if (!stream->core->is_loading && link_is_linked(&stream->link))
        stream_record(stream);
}

void stream_set_policy(struct stream *stream, const struct stream_policy *policy)
{
    if (policy_is_equal(&stream->policy, policy))
        return;
    stream->policy = *policy;
    stream_follow_policy(stream);
    stream_record(stream);
    retention_changed(stream);
}

void stream_take_compaction(struct stream *stream, const struct stream_compaction *compaction)
{
    if (compaction == NULL) {
        MEM_FREE(stream->compaction);
    } else {
        if (stream->compaction == NULL)
            stream->compaction = mem_new(struct stream_compaction);
        *stream->compaction = *compaction;
    }
    for (unsigned i = 0; i < stream->partition_count; i++)
        compaction_changed(stream->partitions[i]);
}

const struct stream_compaction *stream_compaction(const struct stream *stream)
{
    return stream->compaction;
}

enum rc stream_set_compaction(struct stream *stream, const struct stream_compaction *compaction)
{
    if (compaction != NULL && stream->queue != NULL)
        return RC_IN_USE;
    if (compaction == NULL && stream->compaction == NULL)
        return RC_OK;
    stream_take_compaction(stream, compaction);
    stream_follow_policy(stream);
    stream_record(stream);
    tail_changed(stream);
    retention_changed(stream);
    return RC_OK;
}

enum rc stream_create(struct core *core, struct client *client, const struct stream_spec *spec,
                      struct stream **ret)
{
    unsigned count =
        spec->partition_count == 0 ? core->config.default_partitions : spec->partition_count;
    enum rc rc = check_spec(core, client, spec);
    struct stream *stream;

    if (rc != RC_OK)
        return rc;
    stream = stream_new(core, spec->name, count);
    random_bytes(stream->id, sizeof(stream->id));
    stream->created_ms = core_wall_ms(core);
    stream->is_implicit = spec->is_implicit;
    stream->is_hidden = spec->is_hidden;
    stream->is_transient = spec->is_transient;
    stream_set_config(stream, spec->config);
    if (spec->policy != NULL)
        stream->policy = *spec->policy;
    for (unsigned i = 0; i < count; i++)
        stream->partitions[i] = stream_partition_new(stream, i, (uint32_t)core_number(core));
    stream_take_compaction(stream, spec->compaction);
    stream_follow_policy(stream);
    stream_link(stream);
    stream_record(stream);
    tail_changed(stream);
    log_event(LOG_DEBUG, "core.stream_created", "name=%s partitions=%u implicit=%d",
              log_quote(spec->name.at, spec->name.len), count, spec->is_implicit);
    *ret = stream;
    return RC_OK;
}

enum rc stream_grow(struct stream *stream, unsigned partition_count)
{
    struct partition **partitions;

    if (partition_count <= stream->partition_count)
        return RC_INVALID;
    if (partition_count > PARTITIONS_MAX || stream->queue != NULL)
        return RC_LIMIT;
    partitions = mem_new_array(struct partition *, partition_count);
    memcpy(partitions, stream->partitions, stream->partition_count * sizeof(struct partition *));
    for (unsigned i = stream->partition_count; i < partition_count; i++) {
        partitions[i] = stream_partition_new(stream, i, (uint32_t)core_number(stream->core));
        compaction_changed(partitions[i]);
    }
    partitions_array_free(stream);
    stream->partitions = partitions;
    stream->partition_count = partition_count;
    stream_follow_policy(stream);
    stream_record(stream);
    return RC_OK;
}

/* ---- the tables ---- */

static uint64_t hash_of_id(const uint8_t *id)
{
    return hash_seeded(slice_of(id, STREAM_ID_BYTES));
}

static uint64_t stream_hash(const void *item)
{
    return hash_of_id(((const struct stream *)item)->id);
}

static bool stream_has_id(const void *item, const void *key)
{
    return memcmp(((const struct stream *)item)->id, key, STREAM_ID_BYTES) == 0;
}

static uint64_t partition_hash(const void *item)
{
    return table_mix(((const struct partition *)item)->log);
}

static bool partition_has_log(const void *item, const void *key)
{
    return ((const struct partition *)item)->log == *(const uint32_t *)key;
}

void streams_init(struct core *core)
{
    map_init(&core->streams);
    table_init(&core->streams_by_id, stream_hash);
    table_init(&core->logs, partition_hash);
    list_init(&core->stream_list);
    list_init(&core->dirty_partitions);
    list_init(&core->moving_partitions);
    list_init(&core->unlogged);
    list_init(&core->unlogged_dirty);
}

/* ---- ending ---- */

static void stream_free(struct stream *stream)
{
    struct core *core = stream->core;

    tail_free(stream);
    for (unsigned i = 0; i < stream->partition_count; i++)
        partition_free(stream->partitions[i]);
    map_remove(&core->streams, &stream->by_name);
    table_remove(&core->streams_by_id, stream);
    link_remove(&stream->link);
    core->implicit_streams -= stream->is_implicit;
    core->bindings_epoch++; /* routes point to it */
    count_add(COUNT_CORE_STREAMS, -1);
    mem_free((void *)(uintptr_t)stream->config.at);
    mem_free(stream->compaction);
    partitions_array_free(stream);
    mem_free(stream);
}

void stream_remove(struct stream *stream)
{
    struct core *core = stream->core;

    ASSERT(stream->queue == NULL);
    stream->is_deleted = true;
    stream_record_delete(stream);
    for (unsigned i = 0; i < stream->partition_count; i++) {
        producers_drop(stream->partitions[i]);
        core_took_ticket(core, log_drop(core->store, stream->partitions[i]->log));
    }
    positions_forget_stream(core, stream->by_name.key);
    stream_free(stream);
}

enum rc stream_delete(struct core *core, struct client *client, struct stream *stream)
{
    enum rc rc;

    (void)core;
    if (client != NULL) {
        rc = authorise(client, OPERATION_DELETE, RESOURCE_TOPIC, stream->by_name.key);
        if (rc != RC_OK)
            return rc;
    }
    if (stream->queue != NULL)
        queue_remove(stream->queue); /* takes its stream with it */
    else
        stream_remove(stream);
    return RC_OK;
}

void streams_done(struct core *core)
{
    while (!list_is_empty(&core->stream_list))
        stream_free(LIST_FIRST(&core->stream_list, struct stream, link));
    map_done(&core->streams);
    table_done(&core->streams_by_id);
    table_done(&core->logs);
}

void streams_drop_transient(struct core *core)
{
    LIST_EACH_SAFE (k, &core->stream_list) {
        struct stream *stream = CONTAINER_OF(k, struct stream, link);

        if (!stream->is_transient)
            continue;
        if (stream->queue != NULL)
            queue_remove(stream->queue);
        else
            stream_remove(stream);
    }
}

/* ---- looking ---- */

struct stream *stream_find(struct core *core, struct slice name)
{
    struct map_node *node = map_get(&core->streams, name);

    return node == NULL ? NULL : CONTAINER_OF(node, struct stream, by_name);
}

struct stream *stream_find_id(struct core *core, const uint8_t id[16])
{
    return table_get(&core->streams_by_id, hash_of_id(id), stream_has_id, id);
}

struct partition *partition_of_log(struct core *core, uint32_t log)
{
    struct partition *p;

    if (core->near != NULL && core->near->log == log)
        return core->near; /* references come in runs of one log */
    p = table_get(&core->logs, table_mix(log), partition_has_log, &log);
    if (p != NULL)
        core->near = p;
    return p;
}

struct stream *stream_next(struct core *core, struct stream *after)
{
    struct link *next = after == NULL ? core->stream_list.head.next : after->link.next;

    return next == &core->stream_list.head ? NULL : CONTAINER_OF(next, struct stream, link);
}

struct slice stream_name(const struct stream *stream)
{
    return stream->by_name.key;
}

const uint8_t *stream_id(const struct stream *stream)
{
    return stream->id;
}

unsigned stream_partition_count(const struct stream *stream)
{
    return stream->partition_count;
}

struct partition *stream_partition(struct stream *stream, unsigned index)
{
    ASSERT(index < stream->partition_count);
    return stream->partitions[index];
}

struct queue *stream_queue(const struct stream *stream)
{
    return stream->queue;
}

bool stream_is_hidden(const struct stream *stream)
{
    return stream->is_hidden;
}

bool stream_is_implicit(const struct stream *stream)
{
    return stream->is_implicit;
}

bool stream_is_transient(const struct stream *stream)
{
    return stream->is_transient;
}

struct slice stream_config(const struct stream *stream)
{
    return stream->config;
}

const struct stream_policy *stream_policy(const struct stream *stream)
{
    return &stream->policy;
}

const struct stream_policy *stream_effective_policy(const struct stream *stream)
{
    return &stream->effective;
}

int64_t stream_created_ms(const struct stream *stream)
{
    return stream->created_ms;
}
