/* SPDX-License-Identifier: Apache-2.0 */
/* A stream in the catalogue: flags u8, created ms u64, id, log numbers u32 each, where logs that
 * hold nothing go on u64 each if there are any such, policy if it has one, compaction if it is
 * compacted, config. */
#include "broker/base/log.h"
#include "broker/base/wire.h"
#include "broker/core/retain_int.h"
#include "broker/core/stream_int.h"
#include "broker/core/unlogged.h"

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

void stream_record_delete(struct stream *stream)
{
    core_delete(stream->core, META_STREAMS, catalogue_key(stream));
}

/* ---- loading ---- */

/* Of one of which the store knows nothing. */
static void partition_go_on(struct partition *p, uint64_t end)
{
    if (p->end == 0)
        p->start = p->end = p->sealed_end = p->durable_end = end;
}

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
        stream->partitions[i] = stream_partition_new(stream, i, rd_u32(&rd));
    for (unsigned i = 0; (flags & STREAM_GOES_ON) != 0 && i < count; i++)
        partition_go_on(stream->partitions[i], rd_u64(&rd));
    if ((flags & STREAM_HAS_POLICY) != 0)
        rc = policy_read(&rd, &stream->policy);
    if (rc == RC_OK && (flags & STREAM_COMPACTED) != 0)
        rc = compaction_read(&rd, &compaction);
    if (rc == RC_OK && (flags & STREAM_COMPACTED) != 0)
        stream_take_compaction(stream, &compaction);
    stream->has_retained = (flags & STREAM_HAS_RETAINED) != 0;
    if ((flags & STREAM_CONFIGURED) != 0)
        stream_set_config(stream, rd_rest(&rd));
    stream_resolve_policy(stream, false);
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
