/* SPDX-License-Identifier: Apache-2.0 */
/* basic.publish with all its content: checks, translation, routing, return and confirm. */
#include "broker/base/mem.h"
#include "broker/core/core.h"
#include "broker/core/exchange.h"
#include "broker/core/message.h"
#include "broker/core/publish.h"
#include "protocols/amqp/amqp_int.h"

/* A reply through the default exchange that stands for an address goes to the shared exchange. */
static struct exchange *find_target(struct amqp_session *s, const struct amqp_publish *p,
                                    struct slice *ret_exchange, struct slice *ret_key)
{
    struct slice prefix = SLICE(AMQP_REPLY_ADDRESS_PREFIX);

    *ret_exchange = p->exchange;
    *ret_key = p->routing_key;
    if (p->exchange.len == 0 && slice_starts(p->routing_key, prefix)) {
        *ret_exchange = SLICE("amq.topic");
        *ret_key = slice_after(p->routing_key, prefix.len);
    }
    return exchange_find(s->core, *ret_exchange);
}

static enum rc check_user_id(struct amqp_session *s, const struct amqp_properties *p)
{
    struct slice user = client_principal(s->client)->name;

    if (!AMQP_HAS(p, USER_ID) || slice_equal(p->user_id, user))
        return RC_OK;
    return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                       "user_id property set to '%.*s' but authenticated user was '%.*s'",
                       SLICE_FMT(p->user_id), SLICE_FMT(user));
}

/* The channel's outline is of this publish: the last one again, or a new one. */
static enum rc outline(struct amqp_channel *channel, const struct exchange *target,
                       const struct amqp_source *source)
{
    struct amqp_session *s = channel->session;
    enum rc rc;

    if (amqp_outline_fits(&channel->outline, source))
        return RC_OK;
    text_clear(&s->scratch);
    rc = amqp_outline_build(&channel->outline, s->core, target, source, &s->scratch);
    if (rc == RC_INVALID)
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED, "%.*s",
                           SLICE_FMT(text_slice(&s->scratch)));
    if (rc == RC_MALFORMED || rc == RC_LIMIT)
        return amqp_refuse(s, AMQP_REPLY_FRAME_ERROR, "cannot decode the content properties");
    return rc;
}

/* basic.return with the message as it came. */
static void give_back(struct amqp_channel *channel, const struct amqp_publish *p)
{
    struct amqp_method m = { .name = AMQP_BASIC_RETURN };
    struct amqp_content content = { .properties = p->properties, .body = p->body };

    m.basic_return.reply_code = AMQP_REPLY_NO_ROUTE;
    m.basic_return.reply_text = SLICE("NO_ROUTE");
    m.basic_return.exchange = p->exchange;
    m.basic_return.routing_key = p->routing_key;
    amqp_send_content(channel->session, channel->number, &m, &content);
}

/* What core said about it, in the channel's terms. */
static enum rc conclude(struct amqp_channel *channel, const struct amqp_publish *p, enum rc rc)
{
    struct amqp_session *s = channel->session;
    uint64_t tag = channel->mode == MODE_CONFIRM ? ++channel->published : 0;

    if (rc == RC_OK || rc == RC_NO_ROUTE) {
        if (tag != 0)
            amqp_confirm_await(channel);
        return RC_OK;
    }
    if (rc == RC_REFUSED)
        return amqp_refuse_access(s, "write", "exchange", p->exchange);
    if (rc == RC_INVALID) /* by an exchange that the bindings led to */
        return amqp_refuse(s, AMQP_REPLY_PRECONDITION_FAILED,
                           "invalid message: header '" AMQP_HEADER_DELAY "' is too large");
    if (rc != RC_LIMIT && rc != RC_FULL && rc != RC_MEMORY && rc != RC_IO)
        return rc;
    if (tag != 0)
        amqp_confirm_nack(channel, tag);
    else if (rc != RC_LIMIT) /* a full queue drops it, as RabbitMQ does; a full store must not */
        return amqp_refuse(s, AMQP_REPLY_RESOURCE_ERROR, "the store takes no messages: %s",
                           rc_word(rc));
    return RC_OK;
}

static struct amqp_source source_of(const struct amqp_channel *channel,
                                    const struct amqp_publish *p, struct exchange **ret)
{
    struct amqp_session *s = channel->session;
    struct amqp_source source = { .properties = p->properties };

    *ret = find_target(s, p, &source.exchange, &source.routing_key);
    if (channel->reply_consumer != NULL)
        source.reply_queue = text_slice(&channel->reply_queue);
    if (__builtin_expect(exchanges_delay(s->core), 0))
        source.delays =
            *ret != NULL && exchange_spec(*ret)->is_delaying ? AMQP_DELAYS : AMQP_DELAYS_PERHAPS;
    return source;
}

/* Whether it may be published there at all; on success the channel's outline is of this publish. */
static enum rc check(struct amqp_channel *channel, const struct amqp_publish *p,
                     struct exchange **ret)
{
    struct amqp_session *s = channel->session;
    struct exchange *exchange;
    struct amqp_source source = source_of(channel, p, &exchange);
    enum rc rc;

    if (p->is_immediate)
        return amqp_refuse(s, AMQP_REPLY_NOT_IMPLEMENTED, "immediate=true");
    if (exchange == NULL)
        return amqp_refuse(s, AMQP_REPLY_NOT_FOUND, "no exchange '%.*s' in vhost '%s'",
                           SLICE_FMT(p->exchange), AMQP_VHOST);
    if (exchange_spec(exchange)->is_internal)
        return amqp_refuse(s, AMQP_REPLY_ACCESS_REFUSED,
                           "cannot publish to internal exchange '%.*s' in vhost '%s'",
                           SLICE_FMT(p->exchange), AMQP_VHOST);
    rc = outline(channel, exchange, &source);
    if (rc == RC_OK)
        rc = check_user_id(s, &channel->outline.properties);
    *ret = exchange;
    return rc;
}

/* What an exchange that delays, reached by bindings, is to publish when it is due. */
struct later {
    const struct amqp_channel *channel;
    const struct amqp_publish *publish;
    struct amqp_outline outline;
};

static enum rc make_later(void *arg, struct publish_exchange *ret, struct message **ret_message)
{
    struct later *later = arg;
    struct core *core = later->channel->session->core;
    struct exchange *exchange;
    struct amqp_source source = source_of(later->channel, later->publish, &exchange);
    struct text why = { 0 };
    enum rc rc;

    source.delays = AMQP_DELAYS;
    rc = amqp_outline_build(&later->outline, core, exchange, &source, &why);
    text_done(&why);
    if (rc != RC_OK)
        return rc;
    ret->headers = later->outline.values;
    ret->header_count = later->outline.value_count;
    *ret_message = amqp_outline_message(&later->outline, core, later->publish->body);
    return *ret_message == NULL ? RC_MEMORY : RC_OK;
}

/* By the channel's outline. */
static struct publish_exchange publish_of(const struct amqp_channel *channel,
                                          struct exchange *exchange)
{
    const struct amqp_outline *o = &channel->outline;

    return (struct publish_exchange){ .exchange = exchange,
                                      .routing_keys = o->keys,
                                      .routing_key_count = o->key_count,
                                      .headers = o->values,
                                      .header_count = o->value_count,
                                      .delay_ms = o->delay_ms };
}

static enum rc route(struct amqp_channel *channel, const struct amqp_publish *p,
                     struct exchange *exchange)
{
    struct amqp_session *s = channel->session;
    const struct amqp_outline *o = &channel->outline;
    struct publish_exchange publish = publish_of(channel, exchange);
    struct later later = { .channel = channel, .publish = p };
    struct message *message = amqp_outline_message(o, s->core, p->body);
    enum rc rc;

    if (message == NULL)
        return RC_MEMORY;
    if (__builtin_expect(o->delays == AMQP_DELAYS_PERHAPS, 0)) {
        publish.later = make_later;
        publish.later_arg = &later;
    }
    rc = publish_exchange(s->client, &publish, &message);
    amqp_outline_done(&later.outline);
    if (rc == RC_NO_ROUTE && p->is_mandatory)
        give_back(channel, p);
    return conclude(channel, p, rc);
}

enum rc amqp_publish_now(struct amqp_channel *channel, const struct amqp_publish *p)
{
    struct exchange *exchange;
    enum rc rc = check(channel, p, &exchange);

    return rc == RC_OK ? route(channel, p, exchange) : rc;
}

enum rc amqp_publish_check(struct amqp_channel *channel, const struct amqp_publish *p)
{
    struct exchange *exchange;
    struct publish_exchange publish;
    enum rc rc = check(channel, p, &exchange);

    if (rc != RC_OK)
        return rc;
    publish = publish_of(channel, exchange);
    return conclude(channel, p, publish_check(channel->session->client, &publish));
}

enum rc amqp_publish(struct amqp_channel *channel, const struct amqp_publish *p)
{
    struct exchange *exchange;
    enum rc rc = check(channel, p, &exchange);

    if (rc != RC_OK || channel->mode != MODE_TX)
        return rc == RC_OK ? route(channel, p, exchange) : rc;
    rc = amqp_tx_publish(&channel->tx, p);
    if (rc == RC_LIMIT)
        return amqp_refuse(channel->session, AMQP_REPLY_PRECONDITION_FAILED,
                           "a transaction holds at most %zu bytes", AMQP_TX_MAX_BYTES);
    return rc;
}
