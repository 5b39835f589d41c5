/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/core.h"
#include "broker/core/queue.h"
#include "protocols/amqp/amqp_bind.h"
#include "protocols/amqp/amqp_int.h"

static enum rc refuse_missing(struct amqp_session *s, struct slice name)
{
    return amqp_refuse(s, AMQP_REPLY_NOT_FOUND, "no queue '%.*s' in vhost '%s'", SLICE_FMT(name),
                       AMQP_VHOST);
}

/* ---- declare ---- */

static uint32_t count32(uint64_t n)
{
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static enum rc declared(struct amqp_channel *channel, const struct amqp_queue_declare *d,
                        const struct queue *queue)
{
    struct amqp_method ok = { .name = AMQP_QUEUE_DECLARE_OK };
    struct slice name = queue_spec(queue)->name;

    text_clear(&channel->last_queue);
    text_add(&channel->last_queue, name);
    if (channel->last_queue.bad)
        return RC_MEMORY;
    if (d->nowait)
        return RC_OK;
    ok.queue_declare_ok.queue = name;
    ok.queue_declare_ok.message_count = count32(queue_ready_count(queue));
    ok.queue_declare_ok.consumer_count = queue_consumer_count(queue);
    amqp_send(channel->session, channel->number, &ok);
    return RC_OK;
}

static enum rc inequivalent(struct amqp_session *s, const char *arg, struct slice name,
                            bool received, bool current)
{
    return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                       "inequivalent arg '%s' for queue '%.*s' in vhost '%s': received '%s' but "
                       "current is '%s'",
                       arg, SLICE_FMT(name), AMQP_VHOST, received ? "true" : "false",
                       current ? "true" : "false");
}

static enum rc check_equal(struct amqp_session *s, const struct amqp_queue_declare *d,
                           const struct queue *queue)
{
    const struct queue_spec *have = queue_spec(queue);

    if (queue_check_owner(queue, s->client) != RC_OK || have->is_exclusive != d->exclusive)
        return amqp_refuse_locked(s, have->name);
    if (have->is_durable != d->durable)
        return inequivalent(s, "durable", have->name, d->durable, have->is_durable);
    if (have->is_auto_delete != d->auto_delete)
        return inequivalent(s, "auto_delete", have->name, d->auto_delete, have->is_auto_delete);
    return amqp_queue_arguments_equal(s, have->name, have->arguments, d->arguments);
}

static enum rc declare(struct amqp_session *s, const struct amqp_queue_declare *d,
                       struct slice name, bool is_server_named, struct queue **ret)
{
    struct queue_spec spec = { .name = name,
                               .is_durable = d->durable,
                               .is_exclusive = d->exclusive,
                               .is_auto_delete = d->auto_delete,
                               .is_server_named = is_server_named,
                               .arguments = d->arguments };
    enum rc rc;

    *ret = queue_find(s->core, name);
    if (*ret != NULL) {
        rc = check_equal(s, d, *ret);
        if (rc == RC_OK)
            queue_used(*ret);
        return rc;
    }
    rc = amqp_queue_arguments_check(s, name, d);
    if (rc != RC_OK)
        return rc;
    rc = queue_declare(s->client, &spec, ret);
    if (rc == RC_OK)
        amqp_queue_arguments_apply(*ret);
    if (rc == RC_OK && spec.is_durable)
        amqp_hold(s);
    if (rc == RC_REFUSED)
        return amqp_refuse_access(s, "configure", "queue", name);
    if (rc == RC_LOCKED)
        return amqp_refuse_locked(s, name);
    if (rc == RC_LIMIT)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "cannot declare queue '%.*s': queue limit in vhost '%s' is reached",
                           SLICE_FMT(name), AMQP_VHOST);
    return rc;
}

/* The pseudo-queue of direct reply-to, and the queues that really stand behind it, may be asked
 * for: a replier learns whether the requester still lives. */
static enum rc passive(struct amqp_session *s, struct amqp_channel *channel,
                       const struct amqp_queue_declare *d, struct slice name)
{
    struct queue *queue;
    enum rc rc;

    if (slice_starts(name, SLICE(AMQP_REPLY_TO))) {
        struct amqp_method ok = { .name = AMQP_QUEUE_DECLARE_OK };

        if (name.len > sizeof(AMQP_REPLY_TO) - 1 && queue_find(s->core, name) == NULL)
            return refuse_missing(s, name);
        ok.queue_declare_ok.queue = name;
        ok.queue_declare_ok.consumer_count = 1;
        if (!d->nowait)
            amqp_send(s, channel->number, &ok);
        return RC_OK;
    }
    if (name.len == 0)
        return refuse_missing(s, name);
    rc = amqp_queue_named(s, channel, name, &queue);
    if (rc != RC_OK)
        return rc;
    queue_used(queue);
    return declared(channel, d, queue);
}

enum rc amqp_on_queue_declare(struct amqp_session *s, struct amqp_channel *channel,
                              const struct amqp_method *m)
{
    const struct amqp_queue_declare *d = &m->queue_declare;
    struct slice name = amqp_name(s, d->queue);
    struct queue *queue;
    bool is_server_named;
    enum rc rc;

    if (d->passive)
        return passive(s, channel, d, name);
    is_server_named = name.len == 0;
    if (!is_server_named && slice_starts(name, SLICE("amq.")))
        return amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                           "queue name '%.*s' contains reserved prefix 'amq.*'", SLICE_FMT(name));
    if (is_server_named && amqp_queue_is_quorum(d->arguments))
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "Cannot declare a server-named queue for type rabbit_quorum_queue");
    if (is_server_named) {
        text_clear(&s->name);
        amqp_random_name("amq.gen-", &s->name);
        name = text_slice(&s->name);
    }
    rc = declare(s, d, name, is_server_named, &queue);
    return rc == RC_OK ? declared(channel, d, queue) : rc;
}

/* ---- bindings ---- */

enum rc amqp_on_queue_bind(struct amqp_session *s, struct amqp_channel *channel,
                           const struct amqp_method *m)
{
    const struct amqp_queue_bind *d = &m->queue_bind;
    struct amqp_binding b = { .key = d->routing_key, .arguments = d->arguments, .is_add = true };
    enum rc rc = amqp_queue_named(s, channel, d->queue, &b.queue);

    if (rc != RC_OK)
        return rc;
    if (d->queue.len == 0 && d->routing_key.len == 0)
        b.key = queue_spec(b.queue)->name; /* both empty: the queue's name is the key */
    b.source = amqp_name(s, d->exchange);
    rc = amqp_bind(s, &b);
    if (rc == RC_OK && !d->nowait)
        amqp_send_empty(s, channel->number, AMQP_QUEUE_BIND_OK);
    return rc;
}

enum rc amqp_on_queue_unbind(struct amqp_session *s, struct amqp_channel *channel,
                             const struct amqp_method *m)
{
    const struct amqp_queue_unbind *d = &m->queue_unbind;
    struct amqp_binding b = { .key = d->routing_key, .arguments = d->arguments };
    enum rc rc = amqp_queue_named(s, channel, d->queue, &b.queue);

    if (rc != RC_OK)
        return rc;
    if (d->queue.len == 0 && d->routing_key.len == 0)
        b.key = queue_spec(b.queue)->name;
    b.source = amqp_name(s, d->exchange);
    rc = amqp_bind(s, &b);
    if (rc == RC_OK)
        amqp_send_empty(s, channel->number, AMQP_QUEUE_UNBIND_OK);
    return rc;
}

/* ---- purge and delete ---- */

enum rc amqp_on_queue_purge(struct amqp_session *s, struct amqp_channel *channel,
                            const struct amqp_method *m)
{
    struct amqp_method ok = { .name = AMQP_QUEUE_PURGE_OK };
    struct queue *queue;
    uint64_t purged = 0;
    enum rc rc = amqp_queue_named(s, channel, m->queue_purge.queue, &queue);

    if (rc == RC_OK)
        rc = queue_purge(s->client, queue, &purged);
    if (rc == RC_REFUSED)
        return amqp_refuse_access(s, "read", "queue", queue_spec(queue)->name);
    if (rc != RC_OK || m->queue_purge.nowait)
        return rc;
    ok.queue_purge_ok.message_count = count32(purged);
    amqp_send(s, channel->number, &ok);
    return RC_OK;
}

static enum rc delete_queue(struct amqp_session *s, const struct amqp_queue_delete *d,
                            struct queue *queue, uint64_t *ready)
{
    struct slice name = queue_spec(queue)->name;
    bool is_durable = queue_spec(queue)->is_durable;
    enum rc rc;

    if (amqp_queue_is_quorum(queue_spec(queue)->arguments) && (d->if_unused || d->if_empty))
        return amqp_refuse(s, AMQP_REPLY_NOT_IMPLEMENTED,
                           "cannot delete queue '%.*s' in vhost '%s'. queue.delete operations with "
                           "%s flag set are not supported by quorum queues",
                           SLICE_FMT(name), AMQP_VHOST, d->if_unused ? "if-unused" : "if-empty");
    rc = queue_delete(s->client, queue, d->if_unused, d->if_empty, ready);
    if (rc == RC_OK && is_durable)
        amqp_hold(s);
    if (rc == RC_IN_USE)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "queue '%.*s' in vhost '%s' in use",
                           SLICE_FMT(name), AMQP_VHOST);
    if (rc == RC_MISMATCH)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "queue '%.*s' in vhost '%s' not empty", SLICE_FMT(name), AMQP_VHOST);
    if (rc == RC_REFUSED)
        return amqp_refuse_access(s, "configure", "queue", name);
    return rc;
}

enum rc amqp_on_queue_delete(struct amqp_session *s, struct amqp_channel *channel,
                             const struct amqp_method *m)
{
    const struct amqp_queue_delete *d = &m->queue_delete;
    struct amqp_method ok = { .name = AMQP_QUEUE_DELETE_OK };
    struct queue *queue;
    uint64_t ready = 0;
    enum rc rc;

    if (d->queue.len == 0 || queue_find(s->core, amqp_name(s, d->queue)) != NULL) {
        rc = amqp_queue_named(s, channel, d->queue, &queue);
        s->is_late_cancel = true;
        if (rc == RC_OK)
            rc = delete_queue(s, d, queue, &ready);
        if (rc != RC_OK) {
            s->is_late_cancel = false;
            return rc;
        }
    } /* else: gone is what was asked for */
    ok.queue_delete_ok.message_count = count32(ready);
    if (!d->nowait)
        amqp_send(s, channel->number, &ok);
    amqp_send_late(s);
    return RC_OK;
}
