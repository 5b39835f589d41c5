/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/stream.h"

#include "broker/base/counters.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/random.h"
#include "broker/base/wire.h"
#include "broker/core/acl.h"
#include "broker/core/name.h"
#include "broker/core/queue_int.h"
#include "broker/core/retain_int.h"
#include "broker/core/retention.h"
#include "broker/core/stream_int.h"
#include "broker/core/unlogged.h"

/* ---- the catalogue's value: flags u8, created ms u64, id, log numbers u32 each, where logs that
 * hold nothing go on u64 each if there are any such, policy if it has one, compaction if it is
 * compacted, config ---- */

enum {
    STREAM_IMPLICIT = 1,
    STREAM_HIDDEN = 2,
    STREAM_TRANSIENT = 4,
    STREAM_CONFIGURED = 8,
    STREAM_HAS_POLICY = 16,
    STREAM_COMPACTED = 32,
    STREAM_HAS_RETAINED = 64,
    STREAM_GOES_ON = 128
};

/* The stream of topics that begin with '/' has an empty name, which no key of the catalogue can be:
 * a slash stands for it, which no name of one level can be. */
static const struct slice nameless = { (const uint8_t *)"/", 1 };

static struct slice catalogue_key(const struct stream *stream)
{
    return stream->by_name.key.len == 0 ? nameless : stream->by_name.key;
}

/* The first offset that a start may give, when the store knows of none. */
static uint64_t goes_on(const struct partition *p)
{
    uint64_t start, end;

    if (p->unlogged != NULL)
        return p->unlogged->reserved_end;
    return log_range(p->stream->core->store, p->log, &start, &end) == RC_OK ? 0 : p->sealed_end;
}

static bool any_goes_on(const struct stream *stream)
{
    for (unsigned i = 0; i < stream->partition_count; i++) {
        if (goes_on(stream->partitions[i]) > 0)
            return true;
    }
    return false;
}

void stream_record(struct stream *stream)
{
    bool has_ends = any_goes_on(stream);
    struct text *out = &stream->core->scratch;
    unsigned flags =
        (stream->is_implicit ? STREAM_IMPLICIT : 0u) | (stream->is_hidden ? STREAM_HIDDEN : 0u) |
        (stream->is_transient ? STREAM_TRANSIENT : 0u) |
        (slice_is_none(stream->config) ? 0u : STREAM_CONFIGURED) |
        (policy_is_open(&stream->policy) ? 0u : STREAM_HAS_POLICY) |
        (stream->compaction == NULL ? 0u : STREAM_COMPACTED) |
        (stream->has_retained ? STREAM_HAS_RETAINED : 0u) | (has_ends ? STREAM_GOES_ON : 0u);

    text_clear(out);
    text_add_byte(out, (uint8_t)flags);
    text_add_u64(out, (uint64_t)stream->created_ms);
    text_add(out, slice_of(stream->id, STREAM_ID_BYTES));
    text_add_u32(out, stream->partition_count);
    for (unsigned i = 0; i < stream->partition_count; i++)
        text_add_u32(out, stream->partitions[i]->log);
    for (unsigned i = 0; has_ends && i < stream->partition_count; i++)
        text_add_u64(out, goes_on(stream->partitions[i]));
    if (!policy_is_open(&stream->policy))
        policy_write(out, &stream->policy);
    if (stream->compaction != NULL)
        compaction_write(out, stream->compaction);
    text_add(out, stream->config);
    core_put(stream->core, META_STREAMS, catalogue_key(stream), text_slice(out),
             stream->is_transient ? DURABILITY_MEMORY : DURABILITY_ALWAYS);
}

/* ---- making ---- */

static struct partition *partition_new(struct stream *stream, unsigned index, uint32_t log)
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
    if (!stream->core->is_loading) /* index_loaded() does all at once */
        table_add(&stream->core->logs, p);
    return p;
}

/* Of one of which the store knows nothing. */
static void partition_go_on(struct partition *p, uint64_t end)
{
    if (p->end == 0)
        p->start = p->end = p->sealed_end = p->durable_end = end;
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

static struct stream *stream_new(struct core *core, struct slice name, unsigned partition_count)
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

/* Is it one that keeps what it holds, so that it is logged whatever was said? */
static bool must_be_logged(const struct stream *stream)
{
    return stream->queue != NULL || stream->compaction != NULL || stream->has_retained ||
           stream->is_hidden || stream->is_transient;
}

static bool was_logged(const struct stream *stream)
{
    uint64_t start, end;

    for (unsigned i = 0; i < stream->partition_count; i++) {
        if (log_range(stream->core->store, stream->partitions[i]->log, &start, &end) == RC_OK ||
            stream->partitions[i]->end > stream->partitions[i]->sealed_end)
            return true;
    }
    return false;
}

/* After whatever it depends on: the policy, what made the stream, how many partitions share. */
static void resolve_policy(struct stream *stream, bool is_logged)
{
    const struct policy_subject subject = {
        .name = stream->by_name.key,
        .partition_count = stream->partition_count,
        .is_implicit = stream->is_implicit,
        .is_logged = is_logged || must_be_logged(stream),
    };

    policy_effective(stream->core, &subject, &stream->policy, &stream->effective);
}

bool stream_can_be_unlogged(const struct stream *stream)
{
    return !must_be_logged(stream) && (stream->first.unlogged != NULL || !was_logged(stream));
}

/* One that was logged is, until the next start: readers stand in it. */
void stream_follow_policy(struct stream *stream)
{
    bool was_unlogged = stream->first.unlogged != NULL;
    bool is_unlogged;

    if (stream->core->is_loading)
        return; /* streams_begin() will */
    resolve_policy(stream, !was_unlogged && was_logged(stream));
    is_unlogged = stream->effective.durability == POLICY_UNLOGGED;
    for (unsigned i = 0; i < stream->partition_count; i++) {
        struct partition *p = stream->partitions[i];

        if (is_unlogged && p->unlogged == NULL) {
            unlogged_begin(p);
            unlogged_reserve(p);
        } else if (!is_unlogged && p->unlogged != NULL) {
            unlogged_spill(p);
        }
    }
    if (is_unlogged != was_unlogged && link_is_linked(&stream->link))
        stream_record(stream);
}

static void partitions_array_free(struct stream *stream)
{
    if (stream->partitions != &stream->only)
        mem_free(stream->partitions);
}

static void stream_link(struct stream *stream)
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

static void set_compaction(struct stream *stream, const struct stream_compaction *compaction)
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
    set_compaction(stream, compaction);
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
        stream->partitions[i] = partition_new(stream, i, (uint32_t)core_number(core));
    set_compaction(stream, spec->compaction);
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
    for (unsigned i = stream->partition_count; i < partition_count; i++)
        compaction_changed(partitions[i] =
                               partition_new(stream, i, (uint32_t)core_number(stream->core)));
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
    core_delete(core, META_STREAMS, catalogue_key(stream));
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

/* ---- loading ---- */

static enum rc visit_stream(void *arg, struct slice key, struct slice value)
{
    struct core *core = arg;
    struct rd rd = rd_of(value);
    unsigned flags = rd_u8(&rd);
    int64_t created_ms = rd_i64(&rd);
    struct slice id = rd_bytes(&rd, STREAM_ID_BYTES);
    size_t count = rd_count(&rd, rd_u32(&rd), sizeof(uint32_t));
    struct stream_compaction compaction;
    struct stream *stream;
    enum rc rc = RC_OK;

    if (rd.bad || count == 0 || count > PARTITIONS_MAX) {
        log_event(LOG_ERROR, "core.bad_stream", "name=%s", log_quote(key.at, key.len));
        return RC_CORRUPT;
    }
    stream = stream_new(core, slice_equal(key, nameless) ? SLICE("") : key, (unsigned)count);
    memcpy(stream->id, id.at, STREAM_ID_BYTES);
    stream->created_ms = created_ms;
    stream->is_implicit = (flags & STREAM_IMPLICIT) != 0;
    stream->is_hidden = (flags & STREAM_HIDDEN) != 0;
    stream->is_transient = (flags & STREAM_TRANSIENT) != 0;
    for (unsigned i = 0; i < count; i++)
        stream->partitions[i] = partition_new(stream, i, rd_u32(&rd));
    for (unsigned i = 0; (flags & STREAM_GOES_ON) != 0 && i < count; i++)
        partition_go_on(stream->partitions[i], rd_u64(&rd));
    if ((flags & STREAM_HAS_POLICY) != 0)
        rc = policy_read(&rd, &stream->policy);
    if (rc == RC_OK && (flags & STREAM_COMPACTED) != 0)
        rc = compaction_read(&rd, &compaction);
    if (rc == RC_OK && (flags & STREAM_COMPACTED) != 0)
        set_compaction(stream, &compaction);
    stream->has_retained = (flags & STREAM_HAS_RETAINED) != 0;
    if ((flags & STREAM_CONFIGURED) != 0)
        stream_set_config(stream, rd_rest(&rd));
    resolve_policy(stream, false);
    stream_link(stream);
    tail_loaded(stream);
    return rc;
}

enum rc stream_entry_each(struct slice key, struct slice value, stream_log_fn *visit, void *arg)
{
    struct rd rd = rd_of(value);
    size_t count;

    (void)rd_u8(&rd);
    (void)rd_i64(&rd);
    (void)rd_bytes(&rd, STREAM_ID_BYTES);
    count = rd_count(&rd, rd_u32(&rd), sizeof(uint32_t));
    if (rd.bad || count > PARTITIONS_MAX)
        return RC_CORRUPT;
    for (unsigned i = 0; i < count; i++)
        visit(arg, slice_equal(key, nameless) ? SLICE("") : key, i, rd_u32(&rd));
    return RC_OK;
}

static enum rc visit_producer(void *arg, struct slice key, struct slice value)
{
    return producer_load(arg, key, value);
}

/* With their number known, nothing is looked at again because a table grows. */
static void index_loaded(struct core *core)
{
    size_t streams = 0, logs = 0;

    LIST_EACH (k, &core->stream_list) {
        streams++;
        logs += CONTAINER_OF(k, struct stream, link)->partition_count;
    }
    map_reserve(&core->streams, streams);
    table_reserve(&core->streams_by_id, streams);
    table_reserve(&core->logs, logs);
    LIST_EACH (k, &core->stream_list) {
        struct stream *stream = CONTAINER_OF(k, struct stream, link);

        map_add(&core->streams, stream->by_name.key, &stream->by_name);
        table_add(&core->streams_by_id, stream);
        for (unsigned i = 0; i < stream->partition_count; i++)
            table_add(&core->logs, stream->partitions[i]);
    }
}

enum rc streams_load(struct core *core)
{
    enum rc rc = meta_each(core->store, META_STREAMS, visit_stream, core);

    index_loaded(core); /* also what was loaded before a failure: it is freed from there */
    return rc != RC_OK ? rc : meta_each(core->store, META_PRODUCERS, visit_producer, core);
}

/* Its log, of which nothing is left, goes with its number: offsets go on. */
static void partition_turn(struct partition *p)
{
    struct core *core = p->stream->core;

    producers_drop(p);
    producers_free(p);
    core_took_ticket(core, log_drop(core->store, p->log));
    table_remove(&core->logs, p);
    p->log = (uint32_t)core_number(core);
    table_add(&core->logs, p);
    core->near = NULL;
    partition_disown(
        p); /* what sessions are owed of it is found to be gone when it is their turn */
}

static void stream_turn(struct stream *stream)
{
    uint64_t records = 0;
    bool has_log = was_logged(stream);

    for (unsigned i = 0; i < stream->partition_count; i++)
        records += stream->partitions[i]->end - stream->partitions[i]->start;
    resolve_policy(stream, records > 0); /* also because its queue, if any, is known by now */
    if (records > 0 && !must_be_logged(stream))
        log_event(LOG_WARNING, "core.logged_still", "stream=%s records=%llu why=\"%s\"",
                  log_quote(stream->by_name.key.at, stream->by_name.key.len),
                  (unsigned long long)records, "durability none waits until they are gone");
    if (stream->effective.durability != POLICY_UNLOGGED)
        return;
    for (unsigned i = 0; i < stream->partition_count; i++) {
        if (has_log)
            partition_turn(stream->partitions[i]);
        unlogged_begin(stream->partitions[i]);
    }
    if (has_log)
        stream_record(stream);
}

void streams_begin(struct core *core)
{
    LIST_EACH (k, &core->stream_list) {
        struct stream *stream = CONTAINER_OF(k, struct stream, link);

        if (stream->effective.durability == POLICY_UNLOGGED)
            stream_turn(stream);
    }
}

void streams_stop(struct core *core)
{
    LIST_EACH (k, &core->stream_list) {
        struct stream *stream = CONTAINER_OF(k, struct stream, link);
        bool is_changed = false;

        for (unsigned i = 0; stream->first.unlogged != NULL && i < stream->partition_count; i++) {
            struct partition *p = stream->partitions[i];

            is_changed |= p->unlogged->reserved_end != p->end;
            p->unlogged->reserved_end = p->end;
        }
        if (is_changed)
            stream_record(stream);
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
