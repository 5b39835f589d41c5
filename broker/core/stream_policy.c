/* SPDX-License-Identifier: Apache-2.0 */
/* Which policy holds for a stream, and so whether its records are logged. One whose records are not
 * is logged from the moment that the policy asks for it; one whose records are stays so until a
 * start finds none of them, for readers stand in it. */
#include "broker/base/log.h"
#include "broker/core/stream_int.h"
#include "broker/core/unlogged.h"

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

void stream_resolve_policy(struct stream *stream, bool is_logged)
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

void stream_follow_policy(struct stream *stream)
{
    bool was_unlogged = stream->first.unlogged != NULL;
    bool is_unlogged;

    if (stream->core->is_loading)
        return; /* streams_begin() will */
    stream_resolve_policy(stream, !was_unlogged && was_logged(stream));
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
    /* What sessions are owed of it is found to be gone when it is their turn. */
    partition_disown(p);
}

static void stream_turn(struct stream *stream)
{
    uint64_t records = 0;
    bool has_log = was_logged(stream);

    for (unsigned i = 0; i < stream->partition_count; i++)
        records += stream->partitions[i]->end - stream->partitions[i]->start;
    stream_resolve_policy(stream,
                          records > 0); /* also because its queue, if any, is known by now */
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
