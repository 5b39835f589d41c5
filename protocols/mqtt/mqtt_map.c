/* SPDX-License-Identifier: Apache-2.0 */
/* How a PUBLISH lies in a record:
 *
 *   topic              the address, as it is; its tail is the record's key
 *   payload            the value; user property kafka.null=1 with an empty payload: null
 *   qos, retain        mqtt.qos, mqtt.retain
 *   payload format     mqtt.payload-format "0" "1"
 *   message expiry     expires-at, absolute
 *   content type       content-type
 *   response topic     reply-to
 *   correlation data   correlation-id
 *   user property      a header of that name, in order; see below for the few that cannot
 *
 * Nothing is left over, so a native block would only say the same twice: what MQTT wrote is read
 * back from these headers exactly (test_mqtt_map shows it).
 *
 * A user property that has the name of one of the headers above would be taken for it: it is
 * written with "user." before its name, and so is one that already looks so written. A value that
 * is no MQTT string comes as name;b64, a null one as name;null, and both are taken back. */
#include "protocols/mqtt/mqtt_map.h"

#include <stdio.h>

#include "broker/base/base64.h"
#include "broker/base/mem.h"
#include "broker/base/plant.h"
#include "broker/base/utf8.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "broker/record/record.h"
#include "protocols/mqtt/mqtt_mount.h"

#define ESCAPE     "user."
#define KAFKA_NULL "kafka.null"
#define KAFKA_KEY  "kafka.key;b64"
#define AS_BASE64  ";b64"
#define AS_NULL    ";null"

/* What a header of a name is for an MQTT subscriber. */
enum meaning {
    IS_USER_PROPERTY,
    IS_HIDDEN, /* of the delivery, or said by other means */
    IS_CONTENT_TYPE,
    IS_REPLY_TO,
    IS_CORRELATION,
    IS_FORMAT,
};

struct view_name {
    struct slice name;
    uint8_t meaning;
    bool is_reserved; /* a user property may not write it under its own name */
};

#define ROW(name, meaning, is_reserved)                                     \
    {                                                                       \
        { (const uint8_t *)(name), sizeof(name) - 1 }, meaning, is_reserved \
    }

static const struct view_name view_names[] = {
    ROW(HEADER_MQTT_QOS, IS_HIDDEN, true),
    ROW(HEADER_MQTT_RETAIN, IS_HIDDEN, true),
    ROW(HEADER_MQTT_FORMAT, IS_FORMAT, true),
    ROW(HEADER_MQTT_PROPS, IS_HIDDEN, true),
    ROW(HEADER_CONTENT_TYPE, IS_CONTENT_TYPE, true),
    ROW(HEADER_EXPIRES_AT, IS_HIDDEN, true),
    ROW(HEADER_REPLY_TO, IS_REPLY_TO, true),
    ROW(HEADER_CORRELATION_ID, IS_CORRELATION, true),
    ROW(HEADER_USER_ID, IS_USER_PROPERTY, true), /* never one that a publisher made up */
    ROW(HEADER_ADDRESS, IS_HIDDEN, true),
    ROW(HEADER_BRIDGE, IS_HIDDEN, true),
    ROW(HEADER_SOURCE, IS_HIDDEN, true),
    ROW(HEADER_AMQP_PROPS, IS_HIDDEN, true),
    ROW(HEADER_AMQP_MODE, IS_HIDDEN, true),
    ROW(HEADER_AMQP_TYPES, IS_HIDDEN, true),
    ROW(HEADER_AMQP_EXCHANGE, IS_HIDDEN, true),
    ROW(HEADER_AMQP_ROUTING_KEY, IS_HIDDEN, true),
};

static const struct view_name *view_name_of(struct slice name)
{
    for (size_t i = 0; i < sizeof(view_names) / sizeof(view_names[0]); i++) {
        if (slice_equal(view_names[i].name, name))
            return &view_names[i];
    }
    return NULL;
}

/* Is it a reserved name, or one of those behind any number of escapes? */
static bool is_reserved(struct slice name)
{
    const struct view_name *row;

    while (slice_starts(name, SLICE(ESCAPE)))
        name = slice_after(name, sizeof(ESCAPE) - 1);
    row = view_name_of(name);
    return row != NULL && row->is_reserved;
}

static bool ends_with(struct slice s, struct slice tail, struct slice *ret_before)
{
    if (s.len < tail.len || !slice_equal(slice_after(s, s.len - tail.len), tail))
        return false;
    *ret_before = slice_of(s.at, s.len - tail.len);
    return true;
}

static bool fits_string(struct slice s)
{
    return s.len <= UINT16_MAX && mqtt_string_is_valid(s);
}

/* ---- PUBLISH to message ---- */

struct headers {
    struct wr *w;
    uint32_t count;
    struct text *scratch;
};

static void add(struct headers *h, const char *name, struct slice value)
{
    record_header_write(h->w, slice_str(name), value);
    h->count++;
}

static void add_named(struct headers *h, struct slice name, struct slice value)
{
    size_t before = h->scratch->len;

    if (is_reserved(name)) {
        text_add(h->scratch, SLICE(ESCAPE));
        text_add(h->scratch, name);
        name = slice_after(text_slice(h->scratch), before);
    }
    record_header_write(h->w, name, value);
    h->count++;
}

/* A user property as a header; the forms that stand for null and for bytes are taken back. */
static void add_user(struct headers *h, struct slice name, struct slice value)
{
    struct slice plain;

    text_clear(h->scratch);
    if (ends_with(name, SLICE(AS_NULL), &plain) && value.len == 0) {
        add_named(h, plain, SLICE_NONE);
        return;
    }
    if (ends_with(name, SLICE(AS_BASE64), &plain) && base64_decode(h->scratch, value) &&
        !fits_string(text_slice(h->scratch))) {
        struct text bytes = *h->scratch;

        *h->scratch = (struct text){ 0 };
        add_named(h, plain, text_slice(&bytes));
        text_done(&bytes);
        return;
    }
    text_clear(h->scratch);
    add_named(h, name, value);
}

/* What of the user properties is not a header but the record's null value or its key. They are
 * written before all others, so only there are they taken for it: the order of the rest holds. */
struct special {
    bool is_null;
    struct slice key; /* Base64 of it; none: there is none */
    unsigned count;   /* user properties at the start that say so */
};

static struct special find_special(const struct mqtt_publish *p, struct slice topic)
{
    struct special found = { false, SLICE_NONE, 0 };
    struct rd list = rd_of(p->properties.raw);
    struct mqtt_property_item item;

    if (p->properties.user_count == 0)
        return found;
    while (mqtt_next_property(&list, &item)) {
        if (item.id != MQTT_USER_PROPERTY)
            continue;
        if (found.count == 0 && p->payload.len == 0 && slice_equal_str(item.name, KAFKA_NULL) &&
            slice_equal_str(item.value, "1")) {
            found.is_null = true;
        } else if (slice_equal_str(item.name, KAFKA_KEY) && slice_is_none(name_subject(topic)) &&
                   slice_is_none(found.key)) {
            found.key = item.value;
        } else {
            break;
        }
        found.count++;
    }
    return found;
}

static void add_number(struct headers *h, const char *name, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%lld", (long long)number);

    add(h, name, slice_of(text, (size_t)len));
}

static void add_users(struct headers *h, const struct mqtt_properties *p,
                      const struct special *special)
{
    struct rd list = rd_of(p->raw);
    struct mqtt_property_item item;
    unsigned seen = 0;

    while (p->user_count > 0 && mqtt_next_property(&list, &item)) {
        if (item.id == MQTT_USER_PROPERTY && seen++ >= special->count &&
            !(item.value.len > 200 && PLANTED("header-dropped")))
            add_user(h, item.name, item.value);
    }
}

static void add_reply_to(struct headers *h, struct slice mount, struct slice topic)
{
    text_clear(h->scratch);
    text_add(h->scratch, mount);
    text_add(h->scratch, topic);
    add(h, HEADER_REPLY_TO, text_slice(h->scratch));
}

static void add_bridge(struct headers *h, const struct mqtt_origin *origin)
{
    add(h, HEADER_BRIDGE, origin->bridge);
    if (!slice_is_none(origin->there))
        add(h, MQTT_VIA, origin->there);
    if (!slice_is_none(origin->here))
        add(h, MQTT_VIA, origin->here);
}

/* As record_header_write() writes it: every message has this one, and most have no other. */
#define QOS_HEADER(qos)                                        \
    {                                                          \
        (const uint8_t *)"\x10" HEADER_MQTT_QOS "\x02" qos, 11 \
    }
static const struct slice qos_headers[] = { QOS_HEADER("0"), QOS_HEADER("1"), QOS_HEADER("2") };
_Static_assert(sizeof("\x10" HEADER_MQTT_QOS "\x02"
                      "0") -
                       1 ==
                   11,
               "the name's length is 8");

static uint32_t write_headers(struct wr *w, const struct mqtt_publish *p,
                              const struct mqtt_origin *origin, int64_t expires_at_ms,
                              const struct special *special, struct text *scratch)
{
    const struct mqtt_properties *props = &p->properties;
    struct headers h = { w, 1, scratch };

    wr_bytes(w, qos_headers[p->qos]);
    if (p->retain)
        add(&h, HEADER_MQTT_RETAIN, SLICE("1"));
    if (origin->source.len > 0)
        add(&h, HEADER_SOURCE, origin->source);
    if (!slice_is_none(origin->bridge))
        add_bridge(&h, origin);
    if (props->present == 0)
        return h.count;
    if (mqtt_has(props, MQTT_PAYLOAD_FORMAT))
        add(&h, HEADER_MQTT_FORMAT, props->payload_format == 0 ? SLICE("0") : SLICE("1"));
    if (expires_at_ms != 0)
        add_number(&h, HEADER_EXPIRES_AT, expires_at_ms);
    if (mqtt_has(props, MQTT_CONTENT_TYPE))
        add(&h, HEADER_CONTENT_TYPE, props->content_type);
    if (mqtt_has(props, MQTT_RESPONSE_TOPIC))
        add_reply_to(&h, origin->mount, props->response_topic);
    if (mqtt_has(props, MQTT_CORRELATION_DATA))
        add(&h, HEADER_CORRELATION_ID, props->correlation_data);
    add_users(&h, props, special);
    return h.count;
}

/* Headers of most messages fit here, and need no memory of their own. */
#define HEADERS_ON_STACK_BYTES 1024

/* The key that kafka.key;b64 means, or none when it does not stand for bytes. */
static struct slice special_key(const struct special *special, struct text *to)
{
    if (slice_is_none(special->key) || !base64_decode(to, special->key) ||
        message_key_is_text(text_slice(to)))
        return SLICE_NONE;
    return text_slice(to);
}

enum rc mqtt_map_publish(const struct mqtt_publish *p, struct slice topic,
                         const struct mqtt_origin *origin, struct message **ret)
{
    uint8_t on_stack[HEADERS_ON_STACK_BYTES];
    uint8_t *at = on_stack;
    struct special special = find_special(p, topic);
    struct text scratch = { 0 }, key_bytes = { 0 };
    struct wr count = wr_counting(), w = wr_of(on_stack, sizeof(on_stack));
    struct message_spec spec = { .address = topic,
                                 .key = name_subject(topic),
                                 .value = special.is_null ? SLICE_NONE : p->payload,
                                 .timestamp_ms = origin->now_ms,
                                 .qos = p->qos };
    struct slice key = special_key(&special, &key_bytes);
    enum rc rc = RC_MEMORY;

    if (!slice_is_none(key))
        spec.key = key;
    else if (!slice_is_none(special.key))
        special.count--; /* then it is a user property like others */
    if (spec.value.len > 100000 && PLANTED("payload-cut"))
        spec.value.len--;
    if (mqtt_has(&p->properties, MQTT_MESSAGE_EXPIRY))
        spec.expires_at_ms = origin->now_ms + (int64_t)p->properties.message_expiry_s * 1000;
    spec.flags =
        (uint8_t)((p->retain ? MESSAGE_RETAIN : 0) | (p->qos > 0 ? MESSAGE_PERSISTENT : 0));
    spec.header_count = write_headers(&w, p, origin, spec.expires_at_ms, &special, &scratch);
    if (w.bad) {
        (void)write_headers(&count, p, origin, spec.expires_at_ms, &special, &scratch);
        at = mem_try(count.len);
        if (at == NULL || scratch.bad)
            goto out;
        w = wr_of(at, count.len);
        (void)write_headers(&w, p, origin, spec.expires_at_ms, &special, &scratch);
    }
    if (w.bad || scratch.bad) /* memory failed, maybe between the two passes */
        goto out;
    spec.headers = wr_slice(&w);
    *ret = message_new(&spec);
    rc = *ret == NULL ? RC_MEMORY : RC_OK;
out:
    text_done(&scratch);
    text_done(&key_bytes);
    if (at != on_stack)
        mem_free(at);
    return rc;
}

enum rc mqtt_map_will(const struct mqtt_will *will, const struct mqtt_origin *origin,
                      struct message **ret)
{
    struct mqtt_publish p = { .qos = will->qos,
                              .retain = will->is_retain,
                              .topic = will->topic,
                              .properties = will->properties,
                              .payload = will->payload };

    return mqtt_map_publish(&p, p.topic, origin, ret);
}

/* ---- message to PUBLISH ---- */

static void write_string(struct wr *w, unsigned id, struct slice s)
{
    wr_u8(w, (uint8_t)id);
    wr_u16(w, (uint16_t)s.len);
    wr_bytes(w, s);
}

/* A user property whose name is `name` and `tail` behind each other. */
static void write_user(struct wr *w, struct slice name, struct slice tail, struct slice value)
{
    wr_u8(w, MQTT_USER_PROPERTY);
    wr_u16(w, (uint16_t)(name.len + tail.len));
    wr_bytes(w, name);
    wr_bytes(w, tail);
    wr_u16(w, (uint16_t)value.len);
    wr_bytes(w, value);
}

/* The longest name that leaves room for a tail, and the longest value that Base64 still fits. */
#define NAME_MAX_LEN   (UINT16_MAX - 16)
#define BINARY_MAX_LEN (UINT16_MAX / 4 * 3)

static void write_bytes_property(struct wr *w, struct slice name, struct slice value,
                                 struct text *scratch)
{
    char size[24];
    int len;

    if (value.len <= BINARY_MAX_LEN) {
        text_clear(scratch);
        base64_encode(scratch, value);
        if (scratch->bad) /* a string cut short would be another value */
            w->bad = true;
        write_user(w, name, SLICE(AS_BASE64), text_slice(scratch));
        return;
    }
    /* no MQTT string is so long: say that it was there, and how long it is */
    len = snprintf(size, sizeof(size), "%zu", value.len);
    write_user(w, name, SLICE(";bytes"), slice_of(size, (size_t)len));
}

static void write_other(struct wr *w, const struct record_header *header, struct text *scratch)
{
    struct slice name = header->name;

    /* a name that no MQTT string can be is not shown; AMQP and Kafka names are text */
    if (name.len > NAME_MAX_LEN || !mqtt_string_is_valid(name))
        return;
    if (slice_starts(name, SLICE(ESCAPE)) && is_reserved(name))
        name = slice_after(name, sizeof(ESCAPE) - 1);
    if (slice_is_none(header->value))
        write_user(w, name, SLICE(AS_NULL), SLICE(""));
    else if (fits_string(header->value))
        write_user(w, name, SLICE(""), header->value);
    else
        write_bytes_property(w, name, header->value, scratch);
}

static bool is_format(struct slice value)
{
    return value.len == 1 && (value.at[0] == '0' || value.at[0] == '1');
}

/* One header; `seen` has a bit per meaning, for only the first of a kind is the property. */
static void write_header(struct wr *w, const struct record_header *header, struct slice mount,
                         unsigned *seen, struct text *scratch)
{
    const struct view_name *row = view_name_of(header->name);
    unsigned meaning = row == NULL ? IS_USER_PROPERTY : row->meaning;
    struct slice value = header->value;
    bool is_first = (*seen >> meaning & 1) == 0 && !slice_is_none(value);

    if (meaning == IS_HIDDEN)
        return;
    *seen |= 1u << meaning;
    if (meaning == IS_CONTENT_TYPE && is_first && fits_string(value))
        write_string(w, MQTT_CONTENT_TYPE, value);
    else if (meaning == IS_REPLY_TO && is_first && fits_string(value) &&
             mqtt_topic_is_valid(value) && mqtt_unmount(mount, value, &value))
        write_string(w, MQTT_RESPONSE_TOPIC, value);
    else if (meaning == IS_CORRELATION && is_first && value.len <= UINT16_MAX)
        write_string(w, MQTT_CORRELATION_DATA, value);
    else if (meaning == IS_FORMAT && is_first && is_format(value)) {
        wr_u8(w, MQTT_PAYLOAD_FORMAT);
        wr_u8(w, (uint8_t)(value.at[0] - '0'));
    } else
        write_other(w, header, scratch);
}

/* Remaining lifetime, rounded up: a message that is still delivered has some left. */
static uint32_t remaining_s(int64_t expires_at_ms, int64_t now_ms)
{
    int64_t left = expires_at_ms <= now_ms ? 0 : (expires_at_ms - now_ms + 999) / 1000;

    return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

void mqtt_map_properties(struct wr *w, const struct message *message, int64_t now_ms,
                         struct slice mount, struct text *scratch)
{
    struct rd headers = rd_of(message->headers);
    struct record_header header;
    unsigned seen = 0;

    if (message->expires_at_ms != 0) {
        wr_u8(w, MQTT_MESSAGE_EXPIRY);
        wr_u32(w, remaining_s(message->expires_at_ms, now_ms));
    }
    if (slice_is_none(message->value))
        write_user(w, SLICE(KAFKA_NULL), SLICE(""), SLICE("1"));
    if (!slice_is_none(message->key) && !message_key_is_text(message->key))
        write_bytes_property(w, slice_of(KAFKA_KEY, sizeof(KAFKA_KEY) - sizeof(AS_BASE64)),
                             message->key, scratch);
    while (record_header_next(&headers, &header) == RC_OK)
        write_header(w, &header, mount, &seen, scratch);
}
