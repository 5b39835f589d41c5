/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP to core: what a publish says, as an outline, and the message that is made of it. */
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/core/core.h"
#include "broker/core/exchange.h"
#include "broker/core/headers_match.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "protocols/amqp/amqp_map_int.h"
#include "protocols/amqp/amqp_table.h"

void amqp_outline_init(struct amqp_outline *o)
{
    *o = (struct amqp_outline){ 0 };
}

void amqp_outline_done(struct amqp_outline *o)
{
    text_done(&o->source);
    text_done(&o->address);
    text_done(&o->headers);
    text_done(&o->rewritten);
    text_done(&o->negated);
    MEM_FREE(o->keys);
    MEM_FREE(o->values);
    amqp_outline_init(o);
}

bool amqp_outline_fits(const struct amqp_outline *o, const struct amqp_source *source)
{
    return o->is_whole && o->delays == source->delays && slice_equal(o->raw, source->properties) &&
           slice_equal(o->routing_key, source->routing_key) &&
           slice_equal(o->exchange, source->exchange);
}

static enum rc keep_source(struct amqp_outline *o, struct slice exchange, struct slice routing_key,
                           struct slice raw)
{
    const uint8_t *at;

    text_clear(&o->source);
    text_add(&o->source, exchange);
    text_add(&o->source, routing_key);
    text_add(&o->source, raw);
    if (o->source.bad)
        return RC_MEMORY;
    at = text_slice(&o->source).at;
    o->exchange = slice_of(at, exchange.len);
    o->routing_key = slice_of(at + exchange.len, routing_key.len);
    o->raw = slice_of(at + exchange.len + routing_key.len, raw.len);
    return RC_OK;
}

/* ---- addresses ---- */

/* The address the message is published to: of the queue for the default exchange, else the routing
 * key read as an address. Only where routing keys are addresses is its subject the record's key. */
static enum rc map_address(struct amqp_outline *o, struct core *core, const struct exchange *target)
{
    struct slice address;
    enum rc rc;

    text_clear(&o->address);
    o->key = SLICE_NONE;
    rc = exchange_is_default(target)
             ? name_from_queue(o->routing_key, &o->address, &address)
             : name_from_amqp_key(o->routing_key, amqp_dots(core), &o->address, &address);
    if (rc != RC_OK)
        return rc;
    if (o->address.len == 0) /* the spelling is the same: `address` is the routing key itself */
        text_add(&o->address, address);
    if (o->address.bad)
        return RC_MEMORY;
    if (exchange_is_shared(target))
        o->key = name_subject(text_slice(&o->address));
    return RC_OK;
}

/* ---- CC and BCC ---- */

static enum rc add_key(struct amqp_outline *o, struct slice key)
{
    if (o->key_count == o->key_room) {
        unsigned room = o->key_room == 0 ? 4 : o->key_room * 2;
        struct slice *keys = mem_try_resize(o->keys, room * sizeof(*keys));

        if (keys == NULL)
            return RC_MEMORY;
        o->keys = keys;
        o->key_room = room;
    }
    o->keys[o->key_count++] = key;
    return RC_OK;
}

static enum rc add_copies(struct amqp_outline *o, const char *name, bool *ret_present,
                          struct text *why)
{
    struct amqp_value v, one;
    struct rd r;
    enum rc rc = RC_OK;

    *ret_present = amqp_table_find(o->properties.headers, slice_str(name), &v);
    if (!*ret_present)
        return RC_OK;
    if (v.type != AMQP_ARRAY) {
        text_format(why, "invalid message: {unacceptable_type_in_header,\"%s\",%s}", name,
                    amqp_type_word(v.type));
        return RC_INVALID;
    }
    for (r = rd_of(v.bytes); rc == RC_OK && amqp_array_next(&r, &one);) {
        if (one.type == AMQP_TEXT) /* others are passed over, as RabbitMQ does */
            rc = add_key(o, one.bytes);
    }
    return rc;
}

/* The native block when it is not what came: without the BCC header, which receivers must not see,
 * and with the queue that a direct reply-to stands for. */
static enum rc rewrite(struct amqp_outline *o, bool has_bcc)
{
    struct amqp_properties p = o->properties;
    struct amqp_value v;
    struct slice name;
    struct wr w;

    text_clear(&o->rewritten);
    if (!text_reserve(&o->rewritten, p.headers.len + o->raw.len + AMQP_REPLY_TO_MAX))
        return RC_MEMORY;
    w = wr_of(o->rewritten.at, o->rewritten.room);
    if (has_bcc) {
        for (struct rd r = rd_of(p.headers); amqp_table_next(&r, &name, &v);) {
            if (!slice_equal_str(name, "BCC"))
                amqp_put_raw(&w, name, v.type, v.raw);
        }
        p.headers = wr_slice(&w);
    }
    o->native = slice_of(w.at + w.len, 0);
    amqp_encode_properties(&w, &p);
    ASSERT(!w.bad);
    o->native.len = (size_t)(w.at + w.len - o->native.at);
    return RC_OK;
}

/* ---- checks ---- */

/* RabbitMQ's reasons for an expiration that is no number. */
static enum rc check_expiration(struct amqp_outline *o, struct text *why)
{
    struct slice s = o->properties.expiration;
    size_t digits = 0, sign = s.len > 0 && (s.at[0] == '-' || s.at[0] == '+') ? 1 : 0;

    if (!AMQP_HAS(&o->properties, EXPIRATION))
        return RC_OK;
    if (number_u64(s, 0, AMQP_EXPIRATION_MAX_MS, &o->ttl_ms) == RC_OK) {
        o->has_ttl = true;
        return RC_OK;
    }
    while (sign + digits < s.len && s.at[sign + digits] >= '0' && s.at[sign + digits] <= '9')
        digits++;
    text_format(why, "invalid expiration '%.*s': ", SLICE_FMT(s));
    if (digits == 0)
        text_add(why, SLICE("no_integer"));
    else if (sign + digits < s.len)
        text_format(why, "{leftover_string,\"%.*s\"}", SLICE_FMT(slice_after(s, sign + digits)));
    else if (s.at[0] == '-')
        text_format(why, "{value_negative,%.*s}", SLICE_FMT(s));
    else
        text_format(why, "{value_too_large,%.*s}", SLICE_FMT(slice_after(s, sign)));
    return RC_INVALID;
}

/* A direct reply-to becomes the queue of the channel's reply consumer. */
static enum rc map_reply_to(struct amqp_outline *o, struct slice reply_queue, bool *ret_changed,
                            struct text *why)
{
    *ret_changed = AMQP_HAS(&o->properties, REPLY_TO) &&
                   slice_equal_str(o->properties.reply_to, AMQP_REPLY_TO);
    if (!*ret_changed)
        return RC_OK;
    if (slice_is_none(reply_queue)) {
        text_add(why, SLICE("fast reply consumer does not exist"));
        return RC_INVALID;
    }
    ASSERT(reply_queue.len <= AMQP_REPLY_TO_MAX);
    o->properties.reply_to = reply_queue;
    return RC_OK;
}

/* ---- all of it ---- */

static enum rc build(struct amqp_outline *o, struct core *core, const struct exchange *target,
                     struct slice reply_queue, struct text *why)
{
    bool has_cc = false, has_bcc = false, is_reply = false;
    enum rc rc;

    rc = check_expiration(o, why);
    if (rc == RC_OK)
        rc = amqp_map_delay(o, core, why);
    if (rc == RC_OK)
        rc = map_reply_to(o, reply_queue, &is_reply, why);
    if (rc == RC_OK)
        rc = map_address(o, core, target);
    if (rc == RC_OK)
        rc = add_key(o, o->routing_key);
    if (rc == RC_OK)
        rc = add_copies(o, "CC", &has_cc, why);
    if (rc == RC_OK)
        rc = add_copies(o, "BCC", &has_bcc, why);
    if (rc == RC_OK)
        rc = amqp_header_values(o->properties.headers, &o->values, &o->value_count, &o->value_room);
    if (rc == RC_OK && o->value_count > 0)
        rc = headers_sort(o->values, o->value_count);
    if (rc == RC_OK && (has_bcc || is_reply || amqp_kept_ms(o) > 0))
        rc = rewrite(o, has_bcc);
    if (rc == RC_OK)
        rc = amqp_map_headers(o, core);
    return rc;
}

enum rc amqp_outline_build(struct amqp_outline *o, struct core *core, const struct exchange *target,
                           const struct amqp_source *source, struct text *why)
{
    enum rc rc;

    o->is_whole = false;
    o->has_ttl = false;
    o->is_null = o->is_retained = false;
    o->is_shared = exchange_is_shared(target);
    o->delays = source->delays;
    o->key_count = 0;
    o->value_count = 0;
    rc = keep_source(o, source->exchange, source->routing_key, source->properties);
    if (rc != RC_OK)
        return rc;
    o->native = o->raw;
    rc = amqp_decode_properties(o->raw, &o->properties);
    if (rc != RC_OK)
        return rc == RC_INVALID ? RC_MALFORMED : rc; /* not UTF-8: a frame error too */
    rc = build(o, core, target, source->reply_queue, why);
    o->is_whole = rc == RC_OK && !o->has_ttl;
    return rc;
}

struct message *amqp_outline_message(const struct amqp_outline *o, struct core *core,
                                     struct slice body)
{
    bool is_persistent =
        AMQP_HAS(&o->properties, DELIVERY_MODE) && o->properties.delivery_mode == 2;
    struct message_spec spec = {
        .address = text_slice(&o->address),
        .key = o->key,
        .value = body.len == 0 && o->is_null ? SLICE_NONE
                 : slice_is_none(body)       ? SLICE("")
                                             : body,
        .headers = text_slice(&o->headers),
        .header_count = o->header_count,
        .timestamp_ms = core_wall_ms(core),
        .qos = is_persistent ? 1 : 0,
        .flags = (uint8_t)((is_persistent ? MESSAGE_PERSISTENT : 0) |
                           (o->is_retained ? MESSAGE_RETAIN : 0)),
        .priority = AMQP_HAS(&o->properties, PRIORITY) ? o->properties.priority : 0,
    };

    if (o->has_ttl)
        spec.expires_at_ms = spec.timestamp_ms + (int64_t)(amqp_kept_ms(o) + o->ttl_ms);
    return message_new(&spec);
}
