/* SPDX-License-Identifier: Apache-2.0 */
/* Names, and the refusals that all handlers share. */
#include "broker/base/random.h"
#include "broker/core/core.h"
#include "broker/core/queue.h"
#include "protocols/amqp/amqp_int.h"

struct slice amqp_name(struct amqp_session *s, struct slice name)
{
    if (name.len == 0 ||
        (memchr(name.at, '\n', name.len) == NULL && memchr(name.at, '\r', name.len) == NULL))
        return name;
    text_clear(&s->name);
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] != '\n' && name.at[i] != '\r')
            text_add_byte(&s->name, name.at[i]);
    }
    return text_slice(&s->name);
}

void amqp_random_name(const char *prefix, struct text *to)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t raw[AMQP_RANDOM_NAME_CHARS];

    random_bytes(raw, sizeof(raw));
    text_add(to, slice_str(prefix));
    for (size_t i = 0; i < sizeof(raw); i++) /* six of each byte's bits: 132 in all */
        text_add_byte(to, (uint8_t)alphabet[raw[i] & 0x3f]);
}

enum rc amqp_refuse_access(struct amqp_session *s, const char *permission, const char *kind,
                           struct slice name)
{
    struct slice user = client_principal(s->client)->name;

    return amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                       "%s access to %s '%.*s' in vhost '%s' refused for user '%.*s'", permission,
                       kind, SLICE_FMT(name), AMQP_VHOST, SLICE_FMT(user));
}

enum rc amqp_refuse_locked(struct amqp_session *s, struct slice queue)
{
    return amqp_refuse(s, AMQP_REPLY_RESOURCE_LOCKED,
                       "cannot obtain exclusive access to locked queue '%.*s' in vhost '%s'. It "
                       "could be originally declared on another connection or the exclusive "
                       "property value does not match that of the original declaration.",
                       SLICE_FMT(queue), AMQP_VHOST);
}

enum rc amqp_queue_named(struct amqp_session *s, struct amqp_channel *channel, struct slice name,
                         struct queue **ret)
{
    struct queue *queue;

    name = amqp_name(s, name);
    if (name.len == 0)
        name = text_slice(&channel->last_queue);
    if (name.len == 0)
        return amqp_refuse(s, AMQP_REPLY_NOT_FOUND, "no previously declared queue");
    queue = queue_find(s->core, name);
    if (queue == NULL)
        return amqp_refuse(s, AMQP_REPLY_NOT_FOUND, "no queue '%.*s' in vhost '%s'",
                           SLICE_FMT(name), AMQP_VHOST);
    if (queue_check_owner(queue, s->client) != RC_OK)
        return amqp_refuse_locked(s, name);
    *ret = queue;
    return RC_OK;
}
