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
#include "broker/core/core.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "protocols/amqp/amqp_map_int.h"
#include "protocols/amqp/amqp_table.h"

uint64_t amqp_native_check(struct core *core, struct slice headers)
{
    uint64_t seed;

    memcpy(&seed, core_identity(core), sizeof(seed));
    return hash_checksum(headers, seed);
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
                                                             amqp_dots(core), &scratch, &address)
                                        : name_from_queue(reply_to, &scratch, &address);
    if (rc == RC_OK)
        add(o, HEADER_REPLY_TO, address);
    text_done(&scratch);
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
        add_number(o, HEADER_EXPIRES_AT,
                   (uint64_t)core_wall_ms(core) + amqp_kept_ms(o) + o->ttl_ms);
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

/* ---- user headers ---- */

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

/* ---- all of them ---- */

/* The native block first, its check last: it covers all that follows. */
enum rc amqp_map_headers(struct amqp_outline *o, struct core *core)
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
