/* SPDX-License-Identifier: Apache-2.0 */
/* The codec on any bytes: what it accepts, it must write again to an equal meaning. */
#include <stdlib.h>

#include "broker/base/mem.h"
#include "protocols/mqtt/mqtt_codec.h"
#include "protocols/mqtt/mqtt_describe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_properties(const struct mqtt_properties *p)
{
    struct rd list = rd_of(p->raw);
    struct mqtt_property_item item;
    size_t walked = 0;

    while (mqtt_next_property(&list, &item))
        walked += item.whole.len;
    ASSERT(!list.bad);
    ASSERT(walked == p->raw.len);
}

/* What was accepted is written with its own property bytes and must decode again. */
static void round_trip_publish(const struct mqtt_publish *p, unsigned version)
{
    struct mqtt_publish out = *p, back;
    struct mqtt_header header;
    struct mqtt_frame frame;
    struct wr count = wr_counting(), w;
    uint8_t *at;

    out.properties = (struct mqtt_properties){ .append = p->properties.raw };
    mqtt_encode_publish(&count, version, &out);
    at = malloc(count.len);
    ASSERT(at != NULL);
    w = wr_of(at, count.len);
    mqtt_encode_publish(&w, version, &out);
    ASSERT(!w.bad && w.len == count.len);
    ASSERT(mqtt_decode_header(wr_slice(&w), &header) == RC_OK);
    frame = (struct mqtt_frame){ header.type, header.flags,
                                 slice_after(wr_slice(&w), header.header_bytes) };
    ASSERT(frame.body.len == header.body_bytes);
    ASSERT(mqtt_decode_publish(&frame, version, &back) == RC_OK);
    ASSERT(slice_equal(back.topic, p->topic) && slice_equal(back.payload, p->payload));
    ASSERT(slice_equal(back.properties.raw, p->properties.raw));
    ASSERT(back.packet_id == p->packet_id && back.qos == p->qos && back.dup == p->dup);
    free(at);
}

static void on_filters(struct slice body, unsigned version, bool has_options)
{
    struct mqtt_subscribe s;
    struct mqtt_filter filter;
    struct slice name = SLICE_NONE, rest = SLICE_NONE;
    size_t count = 0;
    enum rc rc = has_options ? mqtt_decode_subscribe(body, version, &s)
                             : mqtt_decode_unsubscribe(body, version, &s);

    if (rc != RC_OK)
        return;
    walk_properties(&s.properties);
    for (; mqtt_next_filter(&s.filters, has_options, &filter); count++) {
        if (mqtt_filter_is_valid(filter.filter))
            (void)mqtt_filter_kind(filter.filter, &name, &rest);
    }
    ASSERT(!s.filters.bad && s.filters.left == 0);
    ASSERT(count == s.filter_count);
}

static void on_publish(const struct mqtt_frame *frame, unsigned version)
{
    struct mqtt_publish p;

    if (!mqtt_flags_are_legal(MQTT_PUBLISH, frame->flags, version) ||
        mqtt_decode_publish(frame, version, &p) != RC_OK)
        return;
    (void)mqtt_topic_is_valid(p.topic);
    walk_properties(&p.properties);
    round_trip_publish(&p, version);
}

static void on_connect(struct slice body)
{
    struct mqtt_connect c;

    if (mqtt_decode_connect(body, &c) != RC_OK)
        return;
    walk_properties(&c.properties);
    walk_properties(&c.will.properties);
}

static void on_rest(const struct mqtt_frame *frame, unsigned version)
{
    struct mqtt_connack connack;
    struct mqtt_ack ack;
    struct mqtt_suback suback;
    struct mqtt_disconnect end;

    switch ((enum mqtt_type)frame->type) {
    case MQTT_CONNACK:
        (void)mqtt_decode_connack(frame->body, version, &connack);
        break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        if (mqtt_decode_ack(frame, version, &ack) == RC_OK)
            walk_properties(&ack.properties);
        break;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        (void)mqtt_decode_suback(frame, version, &suback);
        break;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        (void)mqtt_decode_ping(frame->body);
        break;
    case MQTT_DISCONNECT:
        if (mqtt_decode_disconnect(frame->body, version, &end) == RC_OK)
            walk_properties(&end.properties);
        break;
    case MQTT_AUTH:
        if (mqtt_decode_auth(frame->body, &end) == RC_OK)
            walk_properties(&end.properties);
        break;
    case MQTT_RESERVED:
    case MQTT_CONNECT:
    case MQTT_PUBLISH:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
    case MQTT_TYPE_COUNT:
        break;
    }
}

/* Whatever it is, people are shown one line of printable characters, and not too much of it. */
static void describe(const struct mqtt_frame *frame, unsigned version)
{
    struct text to = { 0 };

    mqtt_describe(&to, version, frame, 64);
    ASSERT(!to.bad && to.len > 0 && to.len < 64 * 1024);
    for (size_t i = 0; i < to.len; i++)
        ASSERT(to.at[i] >= 0x20 && to.at[i] < 0x7f);
    text_done(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned versions[] = { MQTT_V31, MQTT_V311, MQTT_V5 };
    struct mqtt_header header;
    unsigned version;

    if (size < 2)
        return 0;
    (void)mqtt_decode_header(slice_of(data, size), &header);
    /* the first byte picks the version, the second stands for the fixed header */
    version = versions[data[0] % 3];
    struct mqtt_frame frame = { data[1] >> 4, data[1] & 0x0f, slice_of(data + 2, size - 2) };
    if (frame.type == MQTT_CONNECT)
        on_connect(frame.body);
    else if (frame.type == MQTT_PUBLISH)
        on_publish(&frame, version);
    else if (frame.type == MQTT_SUBSCRIBE || frame.type == MQTT_UNSUBSCRIBE)
        on_filters(frame.body, version, frame.type == MQTT_SUBSCRIBE);
    else
        on_rest(&frame, version);
    describe(&frame, version);
    return 0;
}
