/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/publish.h"

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/acl.h"
#include "broker/core/exchange_int.h"
#include "broker/core/name.h"
#include "broker/core/queue_int.h"
#include "broker/core/retain_int.h"
#include "broker/core/route.h"
#include "broker/core/session_int.h"
#include "broker/core/stream_int.h"
#include "broker/record/record.h"

static enum durability durability_of(const struct message *message)
{
    return (message->flags & MESSAGE_PERSISTENT) != 0 ? DURABILITY_ALWAYS : DURABILITY_MEMORY;
}

static struct message_spec spec_of(const struct message *m)
{
    return (struct message_spec){
        .address = m->address,
        .key = m->key,
        .value = m->value,
        .headers = m->headers,
        .header_count = m->header_count,
        .timestamp_ms = m->timestamp_ms,
        .expires_at_ms = m->expires_at_ms,
        .qos = m->qos,
        .flags = m->flags,
        .priority = m->priority,
    };
}

/* The same message as it lies in the log of a queue that its address does not name: with a header
 * that tells the address. The key stays, for it may be what no address can tell. NULL without
 * memory. */
static struct message *message_foreign(const struct message *m)
{
    struct text headers = { 0 };
    struct message_spec spec = spec_of(m);
    struct message *foreign = NULL;

    text_add(&headers, m->headers);
    message_add_header(&headers, &spec.header_count, SLICE(HEADER_ADDRESS), m->address);
    spec.headers = text_slice(&headers);
    if (!headers.bad)
        foreign = message_new(&spec);
    text_done(&headers);
    return foreign;
}

/* The same message as it lies in the log of its address's stream: with the subject as its key. NULL
 * without memory. */
static struct message *message_addressed(struct message *m)
{
    struct message_spec spec = spec_of(m);

    spec.key = name_subject(m->address);
    if (!slice_is_none(m->key) || slice_is_none(spec.key))
        return message_ref(m);
    return message_new(&spec);
}

static enum rc append_to_queue(struct queue *queue, struct message *message)
{
    struct placed placed;

    if (queue_refuses(queue, 1, message->value.len))
        return RC_LIMIT;
    return stream_append(queue->stream, message,
                         queue->spec.is_durable ? durability_of(message) : DURABILITY_MEMORY,
                         &placed);
}

/* A queue that refuses a message keeps no other from it. */
static enum rc unless_refused(enum rc rc, bool *refused)
{
    *refused |= rc == RC_LIMIT;
    return rc == RC_LIMIT ? RC_OK : rc;
}

/* Appends to the logs of the queues, but for the one that has it already. RC_LIMIT: some refused
 * it. */
static enum rc append_to_queues(struct queue *const *queues, size_t count, struct message *message,
                                const struct queue *already, size_t *taken)
{
    struct slice stream = name_stream(message->address);
    struct message *foreign = NULL;
    bool refused = false;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < count && rc == RC_OK; i++) {
        struct queue *queue = queues[i];

        if (queue == already)
            continue;
        if (slice_equal(queue->stream->by_name.key, stream)) {
            rc = append_to_queue(queue, message);
        } else {
            if (foreign == NULL)
                foreign = message_foreign(message);
            rc = foreign == NULL ? RC_MEMORY : append_to_queue(queue, foreign);
        }
        *taken += rc == RC_OK;
        rc = unless_refused(rc, &refused);
    }
    message_unref(&foreign);
    return rc == RC_OK && refused ? RC_LIMIT : rc;
}

/* To the client's own session, which asked some of its subscriptions to leave that out. */
static void deliver_locally(const struct target *target, struct message *message,
                            const struct placed *placed)
{
    struct target local = *target;

    if (target->is_no_local)
        return;
    local.qos = target->local_qos;
    local.id_count = target->local_id_count;
    local.is_retain_as_published = target->is_local_as_published;
    local.is_own = true;
    session_offer(target->session, &local, message, placed);
}

static void deliver_to_targets(const struct route *route, struct client *client,
                               struct message *message, const struct placed *placed)
{
    for (size_t i = 0; i < route->target_count; i++) {
        const struct target *target = &route->targets[i];

        if (target->has_no_local && client != NULL && target->session->client == client)
            deliver_locally(target, message, placed);
        else
            session_offer(target->session, target, message, placed);
    }
}

/* Through the exchanges bound to amq.topic. */
static enum rc walk_exchanges(struct core *core, const struct route *route, struct message *message,
                              const struct routing *routing, const struct queue *already,
                              size_t *taken)
{
    struct routing by_address = { .headers = NULL };
    struct text scratch = { 0 };
    enum rc rc = RC_OK;

    if (route->exchange_count == 0)
        return RC_OK;
    if (routing == NULL) { /* published to the address: that, as a key */
        rc = name_to_amqp_key(message->address, core_dots(core), &scratch, &by_address.key);
        routing = &by_address;
    }
    core->stamp++;
    core->routed.count = 0;
    core->shared_exchange->stamp = ++core->walk_stamp;
    for (size_t i = 0; i < route->queue_count; i++)
        route->queues[i]->stamp = core->stamp; /* reached directly */
    for (size_t i = 0; rc == RC_OK && i < route->exchange_count; i++)
        exchange_walk(route->exchanges[i], routing, &core->routed);
    text_done(&scratch);
    if (rc != RC_OK)
        return rc;
    return append_to_queues(core->routed.queues, core->routed.count, message, already, taken);
}

/* ---- to an address ---- */

static enum rc find_stream(struct core *core, const struct route **route, struct slice address,
                           struct stream **ret)
{
    struct stream_spec spec = { .name = name_stream(address), .is_implicit = true };
    enum rc rc;

    *ret = (*route)->stream;
    if (*ret != NULL || !core->config.auto_stream)
        return RC_OK;
    rc = stream_create(core, NULL, &spec, ret); /* the publish was authorised */
    *route = route_of(core, address);
    return rc;
}

/* Where sessions that are owed too much are to stop publishers. */
static enum rc check_room(const struct core *core, const struct route *route,
                          const struct message *message)
{
    const struct reference as = { .size = reference_size(message->body.len) & 63u };
    uint64_t bytes;

    if (__builtin_expect(!core->users.rejects, 1) || message->qos == 0)
        return RC_OK;
    bytes = reference_bytes(&as);
    for (size_t i = 0; i < route->target_count; i++) {
        struct session *session = route->targets[i].session;

        if (route->targets[i].qos == 0 || session->user->caps.overflow != OVERFLOW_REJECT ||
            !session_is_full(session, bytes))
            continue;
        session->user->rejected++;
        count_add(COUNT_CORE_SESSION_REJECTED, 1);
        return RC_LIMIT;
    }
    return RC_OK;
}

static bool may_skip_log(const struct core *core, const struct message *message,
                         const struct stream *stream)
{
    return message->qos == 0 && (message->flags & MESSAGE_PERSISTENT) == 0 &&
           stream->queue == NULL && stream->partitions[0]->unlogged == NULL &&
           (core->stall == RC_FULL || core->stall == RC_MEMORY ||
            store_backlog_bytes(core->store) > BACKLOG_UNLOGGED_BYTES);
}

/* The value is retained by lying in the log: an empty one is no value there, so that compaction
 * takes the key away. */
static enum rc append_retained(struct stream *stream, struct message *message,
                               struct placed *placed)
{
    struct message_spec spec = spec_of(message);
    struct message *gone;
    enum rc rc;

    tail_retains(stream);
    if (message->value.len > 0)
        return stream_append(stream, message, durability_of(message), placed);
    spec.value = SLICE_NONE;
    gone = message_new(&spec);
    if (gone == NULL)
        return RC_MEMORY;
    rc = stream_append(stream, gone, durability_of(message), placed);
    message_unref(&gone);
    return rc;
}

/* What publishing to an address and through amq.topic have in common. `own`: the message enters the
 * log of its address's stream even when that is a queue's. */
static enum rc publish_routed(struct client *client, struct message *message,
                              const struct routing *routing, bool own, size_t *ret_taken)
{
    struct core *core = client->core;
    const struct route *route = route_of(core, message->address);
    struct placed placed = { NULL, 0 };
    struct stream *stream = NULL;
    const struct queue *already = NULL;
    bool is_tail = false, refused = false;
    enum rc rc = RC_OK;

    if (__builtin_expect(route->is_kept, 0))
        rc = authorise_kept(client, OPERATION_PUBLISH, message->address);
    if (rc == RC_OK && (message->flags & MESSAGE_RETAIN) != 0)
        rc = retain_check(core, route->stream, message);
    if (rc == RC_OK)
        rc = check_room(core, route, message);
    if (rc == RC_OK)
        rc = find_stream(core, &route, message->address, &stream);
    if (rc == RC_OK && stream != NULL && own && stream->queue != NULL &&
        queue_refuses(stream->queue, 1, message->value.len))
        rc = RC_LIMIT;
    if (rc != RC_OK)
        return rc;
    if (stream != NULL && (own || stream->queue == NULL)) {
        is_tail = (message->flags & MESSAGE_RETAIN) != 0 && tail_holds(stream, message);
        if (is_tail)
            rc = append_retained(stream, message, &placed);
        else if (may_skip_log(core, message, stream))
            count_add(COUNT_CORE_UNLOGGED, 1);
        else
            rc = stream_append(stream, message, durability_of(message), &placed);
        already = stream->queue;
        *ret_taken += stream->queue != NULL;
    }
    if (rc == RC_OK)
        rc = unless_refused(
            append_to_queues(route->queues, route->queue_count, message, already, ret_taken),
            &refused);
    if (rc == RC_OK)
        rc = unless_refused(walk_exchanges(core, route, message, routing, already, ret_taken),
                            &refused);
    if (rc != RC_OK)
        return rc;
    if ((message->flags & MESSAGE_RETAIN) != 0 && !is_tail)
        retain_set(core, message,
                   stream == NULL ? durability_of(message)
                                  : stream_durability(stream, durability_of(message)));
    deliver_to_targets(route, client, message, &placed);
    *ret_taken += route->target_count;
    return refused ? RC_LIMIT : RC_OK;
}

enum rc publish_address(struct client *client, struct message **ref)
{
    struct message *message = *ref;
    size_t taken = 0;
    enum rc rc = client_may_publish(client);

    *ref = NULL;
    if (rc == RC_OK)
        rc = authorise(client, OPERATION_PUBLISH, RESOURCE_TOPIC, message->address);
    if (rc == RC_OK)
        rc = publish_routed(client, message, NULL, true, &taken);
    message_unref(&message);
    if (rc != RC_OK)
        return rc;
    count_add(COUNT_CORE_PUBLISHED, 1);
    if (taken > 0)
        return RC_OK;
    count_add(COUNT_CORE_UNROUTED, 1);
    return RC_NO_ROUTE;
}

void publish_transient(struct core *core, struct message **ref)
{
    struct placed nowhere = { NULL, 0 };
    struct message *message = *ref;
    const struct route *route;

    ASSERT(message->qos == 0); /* nothing is owed of it */
    *ref = NULL;
    if ((message->flags & MESSAGE_RETAIN) != 0)
        retained_keep_transient(core, message);
    route = route_of(core, message->address);
    for (size_t i = 0; i < route->target_count; i++) {
        const struct target *target = &route->targets[i];

        if (target->session->share != NULL || session_is_direct(target->session))
            session_offer(target->session, target, message, &nowhere);
    }
    message_unref(&message);
}

/* ---- through an exchange ---- */

static enum rc publish_default(struct client *client, const struct publish_exchange *publish,
                               struct message *message, size_t *taken)
{
    struct core *core = client->core;
    const struct route *route;
    struct placed placed = { NULL, 0 };
    bool refused = false;
    enum rc rc = RC_OK;

    core->stamp++;
    for (unsigned i = 0; i < publish->routing_key_count && rc == RC_OK; i++) {
        struct queue *queue = queue_find(core, publish->routing_keys[i]);

        if (queue == NULL || queue->stamp == core->stamp)
            continue;
        queue->stamp = core->stamp;
        if (queue_refuses(queue, 1, message->value.len)) {
            refused = true;
            continue;
        }
        rc = stream_append(queue->stream, message,
                           queue->spec.is_durable ? durability_of(message) : DURABILITY_MEMORY,
                           &placed);
        *taken += rc == RC_OK;
    }
    if (rc == RC_OK && *taken > 0) {
        route = route_of(core, message->address);
        if (!route->is_kept) /* a queue of before such names were kept */
            deliver_to_targets(route, client, message, &placed);
    }
    return rc == RC_OK && refused ? RC_LIMIT : rc;
}

/* A message that bindings have led to amq.topic enters the log of its address's stream, and goes to
 * the subscribers of the address. */
static enum rc publish_onward(struct client *client, struct message *message)
{
    struct core *core = client->core;
    struct message *addressed = message_addressed(message);
    const struct route *route = route_of(core, message->address);
    struct placed placed = { NULL, 0 };
    struct stream *stream = NULL;
    enum rc rc = addressed == NULL ? RC_MEMORY : RC_OK;

    if (rc == RC_OK && route->is_kept)
        rc = authorise_kept(client, OPERATION_PUBLISH, message->address);
    if (rc == RC_OK)
        rc = find_stream(core, &route, message->address, &stream);
    if (rc == RC_OK && stream != NULL && stream->queue == NULL &&
        !may_skip_log(core, message, stream))
        rc = stream_append(stream, addressed, durability_of(message), &placed);
    if (rc == RC_OK)
        deliver_to_targets(route, client, addressed, &placed);
    message_unref(&addressed);
    return rc;
}

/* Follows the bindings from an exchange; `goes_onward` when reaching amq.topic means more than its
 * queues. */
static enum rc publish_private(struct client *client, const struct publish_exchange *publish,
                               struct message *message, bool goes_onward, size_t *taken)
{
    struct core *core = client->core;
    struct routed *routed = &core->routed;
    enum rc rc = RC_OK;
    bool is_shared_reached = false, refused = false;

    routed->count = 0;
    core->stamp++;
    for (unsigned i = 0; i < publish->routing_key_count; i++) {
        struct routing routing = { publish->routing_keys[i], publish->headers,
                                   publish->header_count, publish->delay_ms };

        core->walk_stamp++;
        exchange_walk(publish->exchange, &routing, routed);
        is_shared_reached |= core->shared_exchange->stamp == core->walk_stamp;
    }
    for (size_t i = 0; i < routed->count && rc == RC_OK; i++) {
        rc = append_to_queue(routed->queues[i], message);
        *taken += rc == RC_OK;
        rc = unless_refused(rc, &refused);
    }
    if (rc == RC_OK && is_shared_reached && goes_onward)
        rc = publish_onward(client, message);
    return rc == RC_OK && refused ? RC_LIMIT : rc;
}

static enum rc publish_shared(struct client *client, const struct publish_exchange *publish,
                              struct message *message, size_t *taken)
{
    struct routing routing = { publish->routing_keys[0], publish->headers, publish->header_count,
                               publish->delay_ms };
    bool refused = false;
    enum rc rc = unless_refused(publish_routed(client, message, &routing, false, taken), &refused);

    for (unsigned i = 1; i < publish->routing_key_count && rc == RC_OK; i++) {
        struct publish_exchange more = *publish;

        more.routing_keys = &publish->routing_keys[i];
        more.routing_key_count = 1;
        rc = unless_refused(publish_private(client, &more, message, false, taken), &refused);
    }
    return rc == RC_OK && refused ? RC_LIMIT : rc;
}

/* What a routing key of the default exchange, or of the shared one, means is an address, as for
 * everybody else. An exchange of one's own is asked for by its name. */
static enum rc authorise_keys(struct client *client, const struct publish_exchange *publish,
                              bool is_default)
{
    enum name_dots dots = core_dots(client->core);
    struct text scratch = { 0 };
    enum rc rc = RC_OK;

    for (unsigned i = 0; i < publish->routing_key_count && rc == RC_OK; i++) {
        struct slice key = publish->routing_keys[i], address;

        rc = is_default ? name_from_queue(key, &scratch, &address)
                        : name_from_amqp_key(key, dots, &scratch, &address);
        if (rc == RC_OK)
            rc = authorise(client, OPERATION_PUBLISH, RESOURCE_TOPIC, address);
    }
    text_done(&scratch);
    return rc;
}

static enum rc authorise_exchange(struct client *client, const struct publish_exchange *publish,
                                  struct slice asked)
{
    const struct core *core = client->core;
    bool is_default = slice_equal(asked, core->default_exchange->spec.name);

    if (client->badge.is_free)
        return RC_OK;
    if (is_default || slice_equal(asked, core->shared_exchange->spec.name))
        return authorise_keys(client, publish, is_default);
    return authorise(client, OPERATION_PUBLISH, RESOURCE_EXCHANGE, asked);
}

static enum rc publish_through(struct client *client, const struct publish_exchange *publish,
                               struct message *message, size_t *taken)
{
    if (exchange_is_default(publish->exchange))
        return publish_default(client, publish, message, taken);
    if (exchange_is_shared(publish->exchange))
        return publish_shared(client, publish, message, taken);
    return publish_private(client, publish, message, true, taken);
}

static enum rc check(struct client *client, const struct publish_exchange *publish,
                     struct slice asked)
{
    enum rc rc = client_may_publish(client);

    ASSERT(publish->routing_key_count > 0);
    return rc == RC_OK ? authorise_exchange(client, publish, asked) : rc;
}

enum rc publish_check(struct client *client, const struct publish_exchange *publish)
{
    return check(client, publish, publish->exchange->spec.name);
}

enum rc publish_due(struct client *client, const struct publish_exchange *publish,
                    struct slice asked, struct message **ref)
{
    struct message *message = *ref;
    size_t taken = 0, kept = 0;
    enum rc rc = check(client, publish, asked);

    *ref = NULL;
    if (rc == RC_OK)
        rc = publish_through(client, publish, message, &taken);
    if (__builtin_expect(client->core->delaying.count > 0, 0))
        rc = delaying_keep(client, publish, message, rc, &kept);
    message_unref(&message);
    if (rc != RC_OK || (taken == 0 && kept > 0))
        return rc;
    count_add(COUNT_CORE_PUBLISHED, 1);
    if (taken > 0)
        return RC_OK;
    count_add(COUNT_CORE_UNROUTED, 1);
    return RC_NO_ROUTE;
}

enum rc publish_exchange(struct client *client, const struct publish_exchange *publish,
                         struct message **message)
{
    return publish_due(client, publish, publish->exchange->spec.name, message);
}

/* ---- verbatim batches ---- */

static bool counts_bytes(const struct partition *p)
{
    return p->stream->queue != NULL && p->stream->queue->lanes[p->index]->counts_bytes;
}

static void publish_record(struct partition *partition, struct client *client,
                           const struct record *record, bool is_touched)
{
    struct core *core = client->core;
    struct message *message = message_of_record(partition->stream->by_name.key, record, NULL);
    struct placed placed = { partition, record->offset };
    const struct route *route;
    size_t taken = 0;
    enum rc rc;

    if (message == NULL)
        return;
    tail_appended(partition->stream, partition, record->offset, message);
    if (partition->stream->queue != NULL)
        lane_count_bytes(partition->stream->queue->lanes[partition->index], message);
    if (!is_touched) {
        message_unref(&message);
        return;
    }
    route = route_of(core, message->address);
    rc = append_to_queues(route->queues, route->queue_count, message, partition->stream->queue,
                          &taken);
    if (rc == RC_OK)
        rc = walk_exchanges(core, route, message, NULL, partition->stream->queue, &taken);
    if (rc != RC_OK && rc != RC_LIMIT) /* a full queue's refusal is counted */
        log_peer(LOG_ERROR, "core.copy_failed", "stream=%s offset=%llu rc=%s",
                 log_quote(partition->stream->by_name.key.at, partition->stream->by_name.key.len),
                 (unsigned long long)record->offset, rc_word(rc));
    deliver_to_targets(route, client, message, &placed);
    message_unref(&message);
}

/* What a producer may inflate one batch to, as a reader may (cursor.c). */
#define PUBLISH_INFLATED_MAX COMPRESSION_MAX_INFLATED_BYTES

void publish_batches(struct partition *partition, struct client *client, struct slice bytes,
                     uint64_t base_offset)
{
    struct core *core = client->core;
    bool is_touched = matcher_touches(core->topics, partition->stream->by_name.key);
    struct text inflated = { 0 };

    if (!is_touched && !tail_follows(partition->stream) && !counts_bytes(partition))
        return; /* nobody else is interested: never decoded */
    while (bytes.len > 0) {
        struct record_reader reader;
        struct batch_header header;
        struct record record;
        size_t whole;
        enum rc rc =
            record_reader_open(bytes, PUBLISH_INFLATED_MAX, &inflated, &reader, &header, &whole);

        if (rc != RC_OK) {
            log_peer(LOG_WARNING, "core.undecodable_batch", "rc=%s", rc_word(rc));
            break;
        }
        while (!header.is_control && record_next(&reader, &record) == RC_OK) {
            record.offset = record.offset - header.base_offset + base_offset;
            publish_record(partition, client, &record, is_touched);
        }
        base_offset += (uint64_t)header.last_offset_delta + 1;
        bytes = slice_after(bytes, whole);
    }
    text_done(&inflated);
}
