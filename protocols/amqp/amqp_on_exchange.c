/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "broker/core/exchange.h"
#include "broker/core/headers_match.h"
#include "protocols/amqp/amqp_bind.h"
#include "protocols/amqp/amqp_int.h"
#include "protocols/amqp/amqp_table.h"

static const char *const type_names[EXCHANGE_TYPE_COUNT] = {
    [EXCHANGE_DIRECT] = "direct",
    [EXCHANGE_FANOUT] = "fanout",
    [EXCHANGE_TOPIC] = "topic",
    [EXCHANGE_HEADERS] = "headers",
};

static bool find_type(struct slice name, enum exchange_type *ret)
{
    for (unsigned i = 0; i < EXCHANGE_TYPE_COUNT; i++) {
        if (slice_equal_str(name, type_names[i])) {
            *ret = (enum exchange_type)i;
            return true;
        }
    }
    return false;
}

#define TYPE_DELAYED "x-delayed-message"
#define DELAYED_TYPE "x-delayed-type"

static struct slice type_word(const struct exchange_spec *spec)
{
    return spec->is_delaying ? SLICE(TYPE_DELAYED) : slice_str(type_names[spec->type]);
}

static enum rc refuse_default(struct amqp_session *s)
{
    return amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                       "operation not permitted on the default exchange");
}

static enum rc refuse_missing(struct amqp_session *s, struct slice name)
{
    return amqp_refuse(s, AMQP_REPLY_NOT_FOUND, "no exchange '%.*s' in vhost '%s'", SLICE_FMT(name),
                       AMQP_VHOST);
}

/* ---- declare ---- */

static enum rc inequivalent(struct amqp_session *s, const char *arg, struct slice name,
                            struct slice received, struct slice current)
{
    return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                       "inequivalent arg '%s' for exchange '%.*s' in vhost '%s': received '%.*s' "
                       "but current is '%.*s'",
                       arg, SLICE_FMT(name), AMQP_VHOST, SLICE_FMT(received), SLICE_FMT(current));
}

static struct slice truth(bool yes)
{
    return yes ? SLICE("true") : SLICE("false");
}

/* RabbitMQ compares these five, and no other argument; by which type one that delays routes matters
 * no less. */
static enum rc check_equal(struct amqp_session *s, const struct exchange_spec *want,
                           const struct exchange_spec *have)
{
    if (want->is_delaying != have->is_delaying || (!want->is_delaying && want->type != have->type))
        return inequivalent(s, "type", want->name, type_word(want), type_word(have));
    if (want->type != have->type)
        return inequivalent(s, DELAYED_TYPE, want->name, slice_str(type_names[want->type]),
                            slice_str(type_names[have->type]));
    if (want->is_durable != have->is_durable)
        return inequivalent(s, "durable", want->name, truth(want->is_durable),
                            truth(have->is_durable));
    if (want->is_auto_delete != have->is_auto_delete)
        return inequivalent(s, "auto_delete", want->name, truth(want->is_auto_delete),
                            truth(have->is_auto_delete));
    if (want->is_internal != have->is_internal)
        return inequivalent(s, "internal", want->name, truth(want->is_internal),
                            truth(have->is_internal));
    if (slice_is_none(want->alternate) && !slice_is_none(have->alternate))
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "inequivalent arg 'alternate-exchange' for exchange '%.*s' in vhost "
                           "'%s': received none but current is the value '%.*s' of type 'longstr'",
                           SLICE_FMT(want->name), AMQP_VHOST, SLICE_FMT(have->alternate));
    if (!slice_is_none(want->alternate) && slice_is_none(have->alternate))
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "inequivalent arg 'alternate-exchange' for exchange '%.*s' in vhost "
                           "'%s': received the value '%.*s' of type 'longstr' but current is none",
                           SLICE_FMT(want->name), AMQP_VHOST, SLICE_FMT(want->alternate));
    if (!slice_equal(want->alternate, have->alternate))
        return inequivalent(s, "alternate-exchange", want->name, want->alternate, have->alternate);
    return RC_OK;
}

/* RabbitMQ's words. */
static enum rc read_delayed_type(struct amqp_session *s, struct slice arguments,
                                 struct exchange_spec *spec)
{
    struct amqp_value v;

    if (!amqp_table_find(arguments, SLICE(DELAYED_TYPE), &v) || v.type != AMQP_TEXT)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "Invalid argument, '" DELAYED_TYPE
                           "' must be an existing exchange type");
    if (!find_type(v.bytes, &spec->type))
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "Invalid argument, '" DELAYED_TYPE "': unknown exchange type '%.*s'",
                           SLICE_FMT(v.bytes));
    return RC_OK;
}

enum rc amqp_exchange_arguments(struct amqp_session *s, struct slice arguments,
                                struct exchange_spec *spec)
{
    struct amqp_value v;

    if (amqp_table_find(arguments, SLICE("x-stream"), &v))
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "arg 'x-stream' for exchange '%.*s' in vhost '%s' is not implemented "
                           "yet",
                           SLICE_FMT(spec->name), AMQP_VHOST);
    if (amqp_table_find(arguments, SLICE("x-durability"), &v))
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "arg 'x-durability' for exchange '%.*s' in vhost '%s': it is a queue's, "
                           "for an exchange keeps nothing",
                           SLICE_FMT(spec->name), AMQP_VHOST);
    if (spec->is_delaying && read_delayed_type(s, arguments, spec) != RC_OK)
        return RC_PROTOCOL;
    if (!amqp_table_find(arguments, SLICE("alternate-exchange"), &v))
        return RC_OK;
    if (v.type != AMQP_TEXT)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "invalid type '%s' for arg 'alternate-exchange' in exchange '%.*s' in "
                           "vhost '%s'",
                           amqp_type_word(v.type), SLICE_FMT(spec->name), AMQP_VHOST);
    spec->alternate = v.bytes;
    return RC_OK;
}

static enum rc declare(struct amqp_session *s, const struct amqp_exchange_declare *d,
                       struct slice name)
{
    struct exchange_spec spec = { .name = name,
                                  .is_durable = d->durable,
                                  .is_auto_delete = d->auto_delete,
                                  .is_internal = d->internal,
                                  .arguments = d->arguments };
    struct exchange *exchange = exchange_find(s->core, name);
    enum rc rc;

    spec.is_delaying = slice_equal_str(d->type, TYPE_DELAYED);
    if (!spec.is_delaying && !find_type(d->type, &spec.type))
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "unknown exchange type '%.*s'",
                           SLICE_FMT(d->type));
    rc = amqp_exchange_arguments(s, d->arguments, &spec);
    if (rc != RC_OK)
        return rc;
    if (exchange != NULL)
        return check_equal(s, &spec, exchange_spec(exchange));
    if (slice_starts(name, SLICE("amq.")))
        return amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                           "exchange name '%.*s' contains reserved prefix 'amq.*'",
                           SLICE_FMT(name));
    rc = exchange_declare(s->client, &spec, &exchange);
    if (rc == RC_OK && spec.is_durable)
        amqp_hold(s);
    if (rc == RC_REFUSED)
        return amqp_refuse_access(s, "configure", "exchange", name);
    return rc;
}

enum rc amqp_on_exchange_declare(struct amqp_session *s, struct amqp_channel *channel,
                                 const struct amqp_method *m)
{
    const struct amqp_exchange_declare *d = &m->exchange_declare;
    struct slice name = amqp_name(s, d->exchange);
    enum rc rc = RC_OK;

    if (name.len == 0)
        return refuse_default(s);
    if (!d->passive)
        rc = declare(s, d, name);
    else if (exchange_find(s->core, name) == NULL)
        rc = refuse_missing(s, name);
    if (rc == RC_OK && !d->nowait)
        amqp_send_empty(s, channel->number, AMQP_EXCHANGE_DECLARE_OK);
    return rc;
}

/* ---- delete ---- */

static enum rc delete_exchange(struct amqp_session *s, struct slice name, bool if_unused)
{
    struct exchange *exchange = exchange_find(s->core, name);
    bool is_durable;
    enum rc rc;

    if (exchange == NULL)
        return RC_OK; /* gone is what was asked for */
    if (exchange_is_predeclared(exchange))
        return amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                           "deletion of system exchange '%.*s' in vhost '%s' not allowed",
                           SLICE_FMT(name), AMQP_VHOST);
    is_durable = exchange_spec(exchange)->is_durable;
    rc = exchange_delete(s->client, exchange, if_unused);
    if (rc == RC_OK && is_durable)
        amqp_hold(s);
    if (rc == RC_IN_USE)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "exchange '%.*s' in vhost '%s' in use", SLICE_FMT(name), AMQP_VHOST);
    if (rc == RC_REFUSED)
        return amqp_refuse_access(s, "configure", "exchange", name);
    return rc;
}

enum rc amqp_on_exchange_delete(struct amqp_session *s, struct amqp_channel *channel,
                                const struct amqp_method *m)
{
    struct slice name = amqp_name(s, m->exchange_delete.exchange);
    enum rc rc;

    if (name.len == 0)
        return refuse_default(s);
    rc = delete_exchange(s, name, m->exchange_delete.if_unused);
    if (rc == RC_OK && !m->exchange_delete.nowait)
        amqp_send_empty(s, channel->number, AMQP_EXCHANGE_DELETE_OK);
    return rc;
}

/* ---- bindings ---- */

/* RabbitMQ's words for an x-match that is none. */
static enum rc refuse_match(struct amqp_session *s, struct slice arguments)
{
    struct amqp_value v;

    if (!amqp_table_find(arguments, SLICE("x-match"), &v))
        return RC_INVALID;
    if (v.type == AMQP_TEXT) {
        (void)amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "Invalid x-match field value ");
        amqp_add_octets(&s->refusal_text, v.bytes);
        text_add(&s->refusal_text, SLICE("; expected all, any, all-with-x, or any-with-x"));
        return RC_PROTOCOL;
    }
    text_clear(&s->scratch);
    amqp_value_text(&s->scratch, &v);
    return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                       "Invalid x-match field type %s (value %.*s); expected longstr",
                       amqp_type_word(v.type), SLICE_FMT(text_slice(&s->scratch)));
}

enum rc amqp_bind(struct amqp_session *s, const struct amqp_binding *b)
{
    struct exchange *source = exchange_find(s->core, b->source);
    struct binding_spec spec = { .source = source,
                                 .queue = b->queue,
                                 .destination = b->destination,
                                 .key = b->key,
                                 .arguments = b->arguments };
    struct header_value *values = NULL;
    unsigned room = 0;
    bool is_durable;
    enum rc rc;

    if (source == NULL)
        return b->is_add ? refuse_missing(s, b->source) : RC_OK;
    if (exchange_is_default(source))
        return refuse_default(s);
    rc = amqp_header_values(b->arguments, &values, &spec.header_count, &room);
    if (rc != RC_OK)
        goto out;
    spec.headers = values;
    is_durable = exchange_spec(source)->is_durable; /* its last binding may take it along */
    rc = b->is_add ? binding_add(s->client, &spec) : binding_remove(s->client, &spec);
    if (rc == RC_OK && is_durable)
        amqp_hold(s);
    if (rc == RC_NOT_FOUND && !b->is_add)
        rc = RC_OK;
    else if (rc == RC_INVALID || rc == RC_MISMATCH)
        rc = refuse_match(s, b->arguments);
    else if (rc == RC_REFUSED)
        rc = amqp_refuse_access(s, "read", "exchange", b->source);
out:
    mem_free(values);
    return rc;
}

static enum rc bind_exchanges(struct amqp_session *s, struct slice destination, struct slice source,
                              struct slice key, struct slice arguments, bool is_add)
{
    struct amqp_binding b = { .key = key, .arguments = arguments, .is_add = is_add };
    enum rc rc = RC_OK;

    if (destination.len == 0 || source.len == 0)
        return refuse_default(s);
    destination = amqp_name(s, destination);
    b.destination = exchange_find(s->core, destination);
    if (b.destination == NULL)
        return is_add ? refuse_missing(s, destination) : RC_OK;
    b.source = amqp_name(s, source);
    rc = amqp_bind(s, &b);
    return rc;
}

enum rc amqp_on_exchange_bind(struct amqp_session *s, struct amqp_channel *channel,
                              const struct amqp_method *m)
{
    const struct amqp_exchange_bind *b = &m->exchange_bind;
    enum rc rc = bind_exchanges(s, b->destination, b->source, b->routing_key, b->arguments, true);

    if (rc == RC_OK && !b->nowait)
        amqp_send_empty(s, channel->number, AMQP_EXCHANGE_BIND_OK);
    return rc;
}

enum rc amqp_on_exchange_unbind(struct amqp_session *s, struct amqp_channel *channel,
                                const struct amqp_method *m)
{
    const struct amqp_exchange_unbind *b = &m->exchange_unbind;
    enum rc rc = bind_exchanges(s, b->destination, b->source, b->routing_key, b->arguments, false);

    if (rc == RC_OK && !b->nowait)
        amqp_send_empty(s, channel->number, AMQP_EXCHANGE_UNBIND_OK);
    return rc;
}
