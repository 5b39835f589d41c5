/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP to core. The record headers of a message that came by AMQP:
 *
 *   amqp.props         8 bytes check | the properties as they came      (the native block, first)
 *   amqp.exchange      where it was published
 *   amqp.routing-key
 *   view headers       what the other protocols read, for each property that is there
 *   user headers       the entries of `headers`, in order, as text; an array of scalars is as many
 *                      headers of one name
 *   amqp.types         a type octet for each user header, when one is no string
 *
 * The headers in which amqp_map_deliver.c shows what AMQP has no property for ("x-kafka-key" and
 * so on) are taken back: who republishes a message whole loses nothing of it.
 *
 * The check is a hash over all headers behind the first: while it agrees, nobody has changed what
 * the others see, and AMQP reads the block. Its seed is the store's own, so that a producer of
 * another protocol cannot make a block up. */
#include <inttypes.h>
#include <stdio.h>

#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/base/number.h"
#include "broker/core/core.h"
#include "broker/core/exchange.h"
#include "broker/core/headers_match.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "broker/record/record.h"
#include "protocols/amqp/amqp_map_int.h"
#include "protocols/amqp/amqp_table.h"

uint64_t amqp_native_check(struct core *core, struct slice headers)
{
    uint64_t seed;

    memcpy(&seed, core_identity(core), sizeof(seed));
    return hash_checksum(headers, seed);
}

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

static enum name_dots dots_of(struct core *core)
{
    return core_config(core)->dots_as_rabbitmq ? NAME_DOTS_RABBITMQ : NAME_DOTS_ESCAPE;
}

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
             : name_from_amqp_key(o->routing_key, dots_of(core), &o->address, &address);
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

#define DELAY_REAL_MAX 9e18 /* that an int64_t holds */

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

/* RC_INVALID: it is no number. */
static enum rc delay_of(const struct amqp_value *v, int64_t *ret)
{
    if (amqp_value_is_integer(v))
        *ret = v->integer;
    else if (v->type == AMQP_TEXT) /* clients without integers in headers send it so */
        return number_i64(v->bytes, INT64_MIN, INT64_MAX, ret);
    else if ((v->type == AMQP_DOUBLE || v->type == AMQP_FLOAT) && v->real > -DELAY_REAL_MAX &&
             v->real < DELAY_REAL_MAX)
        *ret = (int64_t)v->real;
    else
        return RC_INVALID;
    return RC_OK;
}

static void put_negated(struct wr *w, struct slice name, uint64_t delay_ms)
{
    uint8_t raw[4];

    put_u32(raw, (uint32_t) - (int64_t)delay_ms);
    if (delay_ms > INT32_MAX)
        amqp_put_i64(w, name, -(int64_t)delay_ms);
    else
        amqp_put_raw(w, name, AMQP_I32, slice_of(raw, sizeof(raw)));
}

/* The headers with the delay negated, which says that it is over. */
static enum rc negate(struct amqp_outline *o)
{
    bool is_first = true;
    struct amqp_value v;
    struct slice name;
    struct wr w;

    text_clear(&o->negated);
    if (!text_reserve(&o->negated, o->properties.headers.len + 8)) /* a wider integer */
        return RC_MEMORY;
    w = wr_of(o->negated.at, o->negated.room);
    for (struct rd r = rd_of(o->properties.headers); amqp_table_next(&r, &name, &v);) {
        if (is_first && slice_equal_str(name, AMQP_HEADER_DELAY)) {
            put_negated(&w, name, o->delay_ms);
            is_first = false;
        } else {
            amqp_put_raw(&w, name, v.type, v.raw);
        }
    }
    ASSERT(!w.bad);
    o->properties.headers = wr_slice(&w);
    return RC_OK;
}

static enum rc map_delay(struct amqp_outline *o, struct core *core, struct text *why)
{
    uint64_t max_ms = core_config(core)->delayed_max_delay_ms;
    struct amqp_value v;
    int64_t delay_ms;

    o->delay_ms = 0;
    if (o->delays == AMQP_DELAYS_NOT ||
        !amqp_table_find(o->properties.headers, SLICE(AMQP_HEADER_DELAY), &v))
        return RC_OK;
    if (delay_of(&v, &delay_ms) != RC_OK) {
        if (o->delays == AMQP_DELAYS_PERHAPS)
            return RC_OK;
        text_add(why, SLICE("invalid message: header '" AMQP_HEADER_DELAY "' is not a number"));
        return RC_INVALID;
    }
    if (delay_ms <= 0)
        return RC_OK;
    o->delay_ms = (uint64_t)delay_ms;
    if (o->delays == AMQP_DELAYS_PERHAPS)
        return RC_OK;
    if (o->delay_ms > max_ms) {
        text_format(why, "invalid message: header '" AMQP_HEADER_DELAY "' is above %llu",
                    (unsigned long long)max_ms);
        return RC_INVALID;
    }
    return negate(o);
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

/* ---- view headers ---- */

static void add(struct amqp_outline *o, const char *name, struct slice value)
{
    message_add_header(&o->headers, &o->header_count, slice_str(name), value);
}

static void add_number(struct amqp_outline *o, const char *name, uint64_t number)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%" PRIu64, number);

    add(o, name, slice_of(digits, (size_t)n));
}

/* A reply_to is the name of a queue, or stands for an address that another protocol gave. */
static void add_reply_to(struct amqp_outline *o, struct core *core)
{
    struct slice prefix = SLICE(AMQP_REPLY_ADDRESS_PREFIX), address;
    struct slice reply_to = o->properties.reply_to;
    struct text scratch = { 0 };
    enum rc rc;

    rc = slice_starts(reply_to, prefix) ? name_from_amqp_key(slice_after(reply_to, prefix.len),
                                                             dots_of(core), &scratch, &address)
                                        : name_from_queue(reply_to, &scratch, &address);
    if (rc == RC_OK)
        add(o, HEADER_REPLY_TO, address);
    text_done(&scratch);
}

/* What is kept for a while expires so much later, as if it were published then. */
static uint64_t kept_ms(const struct amqp_outline *o)
{
    return o->delays == AMQP_DELAYS ? o->delay_ms : 0;
}

static void add_view(struct amqp_outline *o, struct core *core)
{
    const struct amqp_properties *p = &o->properties;

    if (AMQP_HAS(p, CONTENT_TYPE))
        add(o, HEADER_CONTENT_TYPE, p->content_type);
    if (AMQP_HAS(p, CONTENT_ENCODING))
        add(o, HEADER_CONTENT_ENCODING, p->content_encoding);
    if (AMQP_HAS(p, DELIVERY_MODE))
        add_number(o, HEADER_AMQP_MODE, p->delivery_mode);
    if (AMQP_HAS(p, PRIORITY))
        add_number(o, AMQP_VIEW_PRIORITY, p->priority);
    if (AMQP_HAS(p, CORRELATION_ID))
        add(o, HEADER_CORRELATION_ID, p->correlation_id);
    if (AMQP_HAS(p, REPLY_TO))
        add_reply_to(o, core);
    if (o->has_ttl)
        add_number(o, HEADER_EXPIRES_AT, (uint64_t)core_wall_ms(core) + kept_ms(o) + o->ttl_ms);
    if (AMQP_HAS(p, MESSAGE_ID))
        add(o, AMQP_VIEW_MESSAGE_ID, p->message_id);
    if (AMQP_HAS(p, TIMESTAMP))
        add_number(o, AMQP_VIEW_TIMESTAMP, p->timestamp);
    if (AMQP_HAS(p, TYPE))
        add(o, AMQP_VIEW_TYPE, p->type);
    if (AMQP_HAS(p, USER_ID))
        add(o, HEADER_USER_ID, p->user_id);
    if (AMQP_HAS(p, APP_ID))
        add(o, AMQP_VIEW_APP_ID, p->app_id);
    if (AMQP_HAS(p, CLUSTER_ID))
        add(o, AMQP_VIEW_CLUSTER_ID, p->cluster_id);
}

/* What amqp_map_deliver.c shows as a header, and what it was before. Taken where the property that
 * it stands in for is absent. */
static const struct stand_in {
    const char *header;
    const char *view;
    enum amqp_type type;
    enum amqp_property property; /* AMQP_PROPERTY_HEADERS: for none */
} stand_ins[] = {
    { AMQP_HEADER_CONTENT_TYPE, HEADER_CONTENT_TYPE, AMQP_TEXT, AMQP_PROPERTY_CONTENT_TYPE },
    { AMQP_HEADER_ENCODING, HEADER_CONTENT_ENCODING, AMQP_TEXT, AMQP_PROPERTY_CONTENT_ENCODING },
    { AMQP_HEADER_CORRELATION_ID, HEADER_CORRELATION_ID, AMQP_BYTES, AMQP_PROPERTY_CORRELATION_ID },
    { AMQP_HEADER_FORMAT, HEADER_MQTT_FORMAT, AMQP_TEXT, AMQP_PROPERTY_HEADERS },
};

static bool take_stand_in(struct amqp_outline *o, struct slice name, const struct amqp_value *v)
{
    for (size_t i = 0; i < sizeof(stand_ins) / sizeof(stand_ins[0]); i++) {
        const struct stand_in *row = &stand_ins[i];

        if (v->type != row->type || !slice_equal_str(name, row->header))
            continue;
        if (row->property != AMQP_PROPERTY_HEADERS &&
            (o->properties.flags & 0x8000u >> row->property) != 0)
            return false;
        add(o, row->view, v->bytes);
        return true;
    }
    return false;
}

/* A response topic: the reply_to that stands for it says the same, unless it was too long. */
static bool take_reply_topic(struct amqp_outline *o, const struct amqp_value *v)
{
    if (AMQP_HAS(&o->properties, REPLY_TO))
        return slice_starts(o->properties.reply_to, SLICE(AMQP_REPLY_ADDRESS_PREFIX));
    if (v->type != AMQP_TEXT || name_check(v->bytes) != RC_OK)
        return false;
    add(o, HEADER_REPLY_TO, v->bytes);
    return true;
}

/* Whether an entry of `headers` is for nobody (BCC) or means something else than itself. */
static bool take_special(struct amqp_outline *o, struct slice name, const struct amqp_value *v)
{
    if (slice_equal_str(name, "BCC"))
        return true;
    if (!slice_starts(name, SLICE("x-")))
        return false;
    if (slice_equal_str(name, AMQP_HEADER_KAFKA_NULL) && v->type == AMQP_BOOL && v->integer != 0) {
        o->is_null = true;
        return true;
    }
    /* A key that is text would be the tail of an address, which is the routing key's to say. */
    if (slice_equal_str(name, AMQP_HEADER_KAFKA_KEY) && v->type == AMQP_BYTES &&
        slice_is_none(o->key) && !message_key_is_text(v->bytes)) {
        o->key = v->bytes;
        return true;
    }
    if (slice_equal_str(name, AMQP_HEADER_RETAIN) && v->type == AMQP_BOOL && v->integer != 0 &&
        o->is_shared) {
        o->is_retained = true;
        add(o, HEADER_MQTT_RETAIN, SLICE("1"));
        return true;
    }
    if (slice_equal_str(name, AMQP_HEADER_REPLY_TOPIC))
        return take_reply_topic(o, v);
    return take_stand_in(o, name, v);
}

/* User headers in the making. */
struct users {
    struct amqp_outline *o;
    struct text name;
    struct text value;
    struct text types;
    bool is_plain; /* all are text */
};

static void add_user(struct users *u, struct slice name, struct amqp_value v)
{
    text_add_byte(&u->types, (uint8_t)v.type);
    u->is_plain = u->is_plain && v.type == AMQP_TEXT;
    text_clear(&u->value);
    if (v.type != AMQP_TEXT && v.type != AMQP_BYTES && v.type != AMQP_VOID) {
        amqp_value_text(&u->value, &v);
        v.bytes = text_slice(&u->value);
    }
    if (amqp_is_view_name(name)) {
        text_clear(&u->name);
        text_add(&u->name, SLICE(AMQP_USER_ESCAPE));
        text_add(&u->name, name);
        name = text_slice(&u->name);
    }
    message_add_header(&u->o->headers, &u->o->header_count, name,
                       v.type == AMQP_VOID ? SLICE_NONE : v.bytes);
    u->types.bad |= u->value.bad || u->name.bad;
}

/* Others have repeated names where AMQP has an array; one of two scalars or more, that is, for of
 * fewer they could not tell that it was an array. */
static bool is_repetition(const struct amqp_value *v)
{
    struct rd r = rd_of(v->bytes);
    struct amqp_value one;
    size_t count = 0;

    if (v->type != AMQP_ARRAY)
        return false;
    for (; amqp_array_next(&r, &one); count++) {
        if (one.type == AMQP_ARRAY || one.type == AMQP_TABLE)
            return false;
    }
    return count >= 2;
}

/* The entries of `headers` as text. */
static enum rc add_user_headers(struct amqp_outline *o)
{
    struct users u = { .o = o, .is_plain = true };
    struct amqp_value v, one;
    struct slice name;
    enum rc rc;

    for (struct rd r = rd_of(o->properties.headers); amqp_table_next(&r, &name, &v);) {
        if (take_special(o, name, &v))
            continue;
        if (!is_repetition(&v)) {
            add_user(&u, name, v);
            continue;
        }
        for (struct rd list = rd_of(v.bytes); amqp_array_next(&list, &one);)
            add_user(&u, name, one);
    }
    if (!u.is_plain)
        add(o, HEADER_AMQP_TYPES, text_slice(&u.types));
    rc = u.types.bad ? RC_MEMORY : RC_OK;
    text_done(&u.name);
    text_done(&u.value);
    text_done(&u.types);
    return rc;
}

/* The native block first, its check last: it covers all that follows. */
static enum rc build_headers(struct amqp_outline *o, struct core *core)
{
    uint8_t blank[AMQP_NATIVE_CHECK] = { 0 };
    struct slice name = SLICE(HEADER_AMQP_PROPS);
    size_t end;
    enum rc rc;

    text_clear(&o->headers);
    o->header_count = 1;
    text_add_varint(&o->headers, (int64_t)name.len);
    text_add(&o->headers, name);
    text_add_varint(&o->headers, (int64_t)(sizeof(blank) + o->native.len));
    text_add(&o->headers, slice_of(blank, sizeof(blank)));
    text_add(&o->headers, o->native);
    end = o->headers.len;
    add(o, HEADER_AMQP_EXCHANGE, o->exchange);
    add(o, HEADER_AMQP_ROUTING_KEY, o->routing_key);
    add_view(o, core);
    rc = add_user_headers(o);
    if (rc != RC_OK)
        return rc;
    if (o->headers.bad)
        return RC_MEMORY;
    put_u64(o->headers.at + end - o->native.len - sizeof(blank),
            amqp_native_check(core, slice_after(text_slice(&o->headers), end)));
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
        rc = map_delay(o, core, why);
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
    if (rc == RC_OK && (has_bcc || is_reply || kept_ms(o) > 0))
        rc = rewrite(o, has_bcc);
    if (rc == RC_OK)
        rc = build_headers(o, core);
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
        spec.expires_at_ms = spec.timestamp_ms + (int64_t)(kept_ms(o) + o->ttl_ms);
    return message_new(&spec);
}
