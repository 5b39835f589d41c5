/* SPDX-License-Identifier: Apache-2.0 */
/* A body is written twice: counted for the remaining length, then for good. */
#include "protocols/mqtt/mqtt_codec.h"

static void string(struct wr *w, struct slice s)
{
    if (s.len > UINT16_MAX)
        w->bad = true;
    wr_u16(w, (uint16_t)s.len);
    wr_bytes(w, s);
}

static void properties(struct wr *w, unsigned version, const struct mqtt_properties *p)
{
    if (version >= MQTT_V5)
        mqtt_encode_properties(w, p);
}

static void header(struct wr *w, unsigned first, size_t body_bytes)
{
    if (body_bytes > MQTT_REMAINING_MAX_BYTES)
        w->bad = true;
    wr_u8(w, (uint8_t)first);
    wr_uvarint(w, body_bytes);
}

static unsigned first_byte(unsigned type)
{
    bool has_two = type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE;

    return type << 4 | (has_two ? 2u : 0u);
}

/* ---- CONNECT, CONNACK ---- */

static unsigned connect_flags(const struct mqtt_connect *p)
{
    unsigned flags = p->clean_start ? 0x02u : 0;

    if (p->will.is_set)
        flags |= 0x04u | (unsigned)p->will.qos << 3 | (p->will.is_retain ? 0x20u : 0);
    if (!slice_is_none(p->password))
        flags |= 0x40u;
    if (!slice_is_none(p->user_name))
        flags |= 0x80u;
    return flags;
}

static void connect_body(struct wr *w, const struct mqtt_connect *p)
{
    string(w, p->version == MQTT_V31 ? SLICE("MQIsdp") : SLICE("MQTT"));
    wr_u8(w, (uint8_t)(p->version | (p->is_bridge ? 0x80 : 0)));
    wr_u8(w, (uint8_t)connect_flags(p));
    wr_u16(w, p->keep_alive_s);
    properties(w, p->version, &p->properties);
    string(w, p->client_id);
    if (p->will.is_set) {
        properties(w, p->version, &p->will.properties);
        string(w, p->will.topic);
        string(w, p->will.payload);
    }
    if (!slice_is_none(p->user_name))
        string(w, p->user_name);
    if (!slice_is_none(p->password))
        string(w, p->password);
}

void mqtt_encode_connect(struct wr *w, const struct mqtt_connect *p)
{
    struct wr count = wr_counting();

    connect_body(&count, p);
    header(w, first_byte(MQTT_CONNECT), count.len);
    connect_body(w, p);
}

static void connack_body(struct wr *w, unsigned version, const struct mqtt_connack *p)
{
    wr_u8(w, p->session_present ? 1 : 0);
    wr_u8(w, p->reason);
    properties(w, version, &p->properties);
}

void mqtt_encode_connack(struct wr *w, unsigned version, const struct mqtt_connack *p)
{
    struct wr count = wr_counting();

    connack_body(&count, version, p);
    header(w, first_byte(MQTT_CONNACK), count.len);
    connack_body(w, version, p);
}

/* ---- PUBLISH and its answers ---- */

static void publish_variable_header(struct wr *w, unsigned version, const struct mqtt_publish *p)
{
    string(w, p->topic);
    if (p->qos > 0)
        wr_u16(w, p->packet_id);
    properties(w, version, &p->properties);
}

void mqtt_encode_publish_head(struct wr *w, unsigned version, const struct mqtt_publish *p)
{
    struct wr count = wr_counting();
    unsigned flags = (p->dup ? 0x08u : 0) | (unsigned)p->qos << 1 | (p->retain ? 0x01u : 0);

    publish_variable_header(&count, version, p);
    header(w, (unsigned)MQTT_PUBLISH << 4 | flags, count.len + p->payload.len);
    publish_variable_header(w, version, p);
}

void mqtt_encode_publish(struct wr *w, unsigned version, const struct mqtt_publish *p)
{
    mqtt_encode_publish_head(w, version, p);
    wr_bytes(w, p->payload);
}

static bool is_plain(const struct mqtt_properties *p)
{
    return p->present == 0 && p->append.len == 0;
}

/* The shortest form (3.4.2.1): success without properties is the packet id alone. */
static void reason_tail(struct wr *w, unsigned version, uint8_t reason,
                        const struct mqtt_properties *p)
{
    if (version < MQTT_V5 || (reason == MQTT_SUCCESS && is_plain(p)))
        return;
    wr_u8(w, reason);
    if (!is_plain(p))
        mqtt_encode_properties(w, p);
}

static void ack_body(struct wr *w, unsigned version, const struct mqtt_ack *p)
{
    wr_u16(w, p->packet_id);
    reason_tail(w, version, p->reason, &p->properties);
}

void mqtt_encode_ack(struct wr *w, unsigned version, enum mqtt_type type, const struct mqtt_ack *p)
{
    struct wr count = wr_counting();

    ack_body(&count, version, p);
    header(w, first_byte(type), count.len);
    ack_body(w, version, p);
}

/* ---- SUBSCRIBE, UNSUBSCRIBE and their answers ---- */

static void filters_body(struct wr *w, unsigned version, bool has_options,
                         const struct mqtt_subscribe *p, const struct mqtt_filter *filters,
                         size_t count)
{
    wr_u16(w, p->packet_id);
    properties(w, version, &p->properties);
    for (size_t i = 0; i < count; i++) {
        const struct mqtt_filter *f = &filters[i];

        string(w, f->filter);
        if (has_options)
            wr_u8(w, (uint8_t)(f->qos | (f->no_local ? 0x04 : 0) |
                               (f->retain_as_published ? 0x08 : 0) | f->retain_handling << 4));
    }
}

void mqtt_encode_subscribe(struct wr *w, unsigned version, const struct mqtt_subscribe *p,
                           const struct mqtt_filter *filters, size_t count)
{
    struct wr counter = wr_counting();

    filters_body(&counter, version, true, p, filters, count);
    header(w, first_byte(MQTT_SUBSCRIBE), counter.len);
    filters_body(w, version, true, p, filters, count);
}

void mqtt_encode_unsubscribe(struct wr *w, unsigned version, const struct mqtt_subscribe *p,
                             const struct mqtt_filter *filters, size_t count)
{
    struct wr counter = wr_counting();

    filters_body(&counter, version, false, p, filters, count);
    header(w, first_byte(MQTT_UNSUBSCRIBE), counter.len);
    filters_body(w, version, false, p, filters, count);
}

void mqtt_encode_plain_ack(struct wr *w, enum mqtt_type type, uint16_t packet_id)
{
    wr_u32(w, first_byte(type) << 24 | 2u << 16 | packet_id);
}

static void suback_body(struct wr *w, unsigned version, enum mqtt_type type,
                        const struct mqtt_suback *p)
{
    wr_u16(w, p->packet_id);
    properties(w, version, &p->properties);
    if (version >= MQTT_V5 || type == MQTT_SUBACK)
        wr_bytes(w, p->reasons);
}

void mqtt_encode_suback(struct wr *w, unsigned version, enum mqtt_type type,
                        const struct mqtt_suback *p)
{
    struct wr count = wr_counting();

    suback_body(&count, version, type, p);
    header(w, first_byte(type), count.len);
    suback_body(w, version, type, p);
}

/* ---- PING, DISCONNECT, AUTH ---- */

void mqtt_encode_ping(struct wr *w, enum mqtt_type type)
{
    header(w, first_byte(type), 0);
}

static void encode_reasoned(struct wr *w, unsigned version, enum mqtt_type type,
                            const struct mqtt_disconnect *p)
{
    struct wr count = wr_counting();

    reason_tail(&count, version, p->reason, &p->properties);
    header(w, first_byte(type), count.len);
    reason_tail(w, version, p->reason, &p->properties);
}

void mqtt_encode_disconnect(struct wr *w, unsigned version, const struct mqtt_disconnect *p)
{
    encode_reasoned(w, version, MQTT_DISCONNECT, p);
}

void mqtt_encode_auth(struct wr *w, const struct mqtt_disconnect *p)
{
    encode_reasoned(w, MQTT_V5, MQTT_AUTH, p);
}
