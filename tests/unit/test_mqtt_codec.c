/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "protocols/mqtt/mqtt_codec.h"

/* ---- helpers ---- */

/* A copy of exactly the size on the heap, so that a read behind its end is seen. */
static struct slice heap_copy(struct slice s)
{
    uint8_t *at = malloc(s.len == 0 ? 1 : s.len);

    ck_assert_ptr_nonnull(at);
    if (s.len > 0)
        memcpy(at, s.at, s.len);
    return slice_of(s.len == 0 ? at + 1 : at, s.len);
}

static void heap_free(struct slice s)
{
    free((void *)((uintptr_t)s.at - (s.len == 0 ? 1 : 0)));
}

static struct mqtt_frame frame_of(struct slice packet)
{
    struct mqtt_header h;

    ck_assert_int_eq(mqtt_decode_header(packet, &h), RC_OK);
    ck_assert_uint_eq(h.header_bytes + h.body_bytes, packet.len);
    return (struct mqtt_frame){ h.type, h.flags, slice_after(packet, h.header_bytes) };
}

/* Any decoder by type. */
static enum rc decode_any(const struct mqtt_frame *f, unsigned version)
{
    struct mqtt_connect connect;
    struct mqtt_connack connack;
    struct mqtt_publish publish;
    struct mqtt_ack ack;
    struct mqtt_subscribe subscribe;
    struct mqtt_suback suback;
    struct mqtt_disconnect end;

    switch ((enum mqtt_type)f->type) {
    case MQTT_CONNECT:
        return mqtt_decode_connect(f->body, &connect);
    case MQTT_CONNACK:
        return mqtt_decode_connack(f->body, version, &connack);
    case MQTT_PUBLISH:
        return mqtt_decode_publish(f, version, &publish);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return mqtt_decode_ack(f, version, &ack);
    case MQTT_SUBSCRIBE:
        return mqtt_decode_subscribe(f->body, version, &subscribe);
    case MQTT_UNSUBSCRIBE:
        return mqtt_decode_unsubscribe(f->body, version, &subscribe);
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        return mqtt_decode_suback(f, version, &suback);
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return mqtt_decode_ping(f->body);
    case MQTT_DISCONNECT:
        return mqtt_decode_disconnect(f->body, version, &end);
    case MQTT_AUTH:
        return mqtt_decode_auth(f->body, &end);
    case MQTT_RESERVED:
    case MQTT_TYPE_COUNT:
        break;
    }
    return RC_MALFORMED;
}

#define BYTES(...) \
    slice_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ---- fixed header ---- */

START_TEST(a_remaining_length_is_read_at_each_boundary)
{
    static const uint32_t lengths[] = { 0, 127, 128, 16383, 16384, 2097151, 2097152, 268435455 };
    static const unsigned sizes[] = { 1, 1, 2, 2, 3, 3, 4, 4 };

    for (unsigned i = 0; i < 8; i++) {
        uint8_t at[8] = { 0x30 };
        struct wr w = wr_of(at, sizeof(at));
        struct mqtt_header h;

        wr_u8(&w, 0x30);
        wr_uvarint(&w, lengths[i]);
        ck_assert_uint_eq(w.len, sizes[i] + 1);
        for (size_t cut = 0; cut < w.len; cut++)
            ck_assert_int_eq(mqtt_decode_header(slice_of(at, cut), &h), RC_AGAIN);
        ck_assert_int_eq(mqtt_decode_header(wr_slice(&w), &h), RC_OK);
        ck_assert_uint_eq(h.body_bytes, lengths[i]);
        ck_assert_uint_eq(h.header_bytes, w.len);
        ck_assert_uint_eq(h.type, MQTT_PUBLISH);
    }
}
END_TEST

START_TEST(an_overlong_or_five_byte_length_is_malformed)
{
    struct mqtt_header h;

    ck_assert_int_eq(mqtt_decode_header(BYTES(0x30, 0x80, 0x00), &h), RC_MALFORMED);
    ck_assert_int_eq(mqtt_decode_header(BYTES(0x30, 0xff, 0x80, 0x00), &h), RC_MALFORMED);
    ck_assert_int_eq(mqtt_decode_header(BYTES(0x30, 0x80, 0x80, 0x80, 0x80), &h), RC_MALFORMED);
    ck_assert_int_eq(mqtt_decode_header(BYTES(0x30, 0xff, 0xff, 0xff, 0xff), &h), RC_MALFORMED);
    ck_assert_int_eq(mqtt_decode_header(BYTES(0x00), &h), RC_MALFORMED);
}
END_TEST

START_TEST(only_the_prescribed_flag_bits_are_legal)
{
    for (unsigned version = MQTT_V31; version <= MQTT_V5; version++) {
        for (unsigned type = 1; type < MQTT_TYPE_COUNT; type++) {
            for (unsigned flags = 0; flags < 16; flags++) {
                bool legal = flags == 0;

                if (type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE)
                    legal = flags == 2 || (flags == 10 && version == MQTT_V31);
                if (type == MQTT_PUBLISH) /* QoS 3, and DUP with QoS 0, are not */
                    legal = flags != 6 && flags != 7 && flags < 14 && flags != 8 && flags != 9;
                ck_assert_msg(mqtt_flags_are_legal(type, flags, version) == legal,
                              "type %u flags %u version %u", type, flags, version);
            }
        }
    }
}
END_TEST

/* ---- samples of each packet ---- */

#define SAMPLE_MAX_BYTES 512

struct sample {
    unsigned version;
    struct slice packet;
    uint8_t at[SAMPLE_MAX_BYTES];
};

static struct mqtt_properties message_properties(struct slice user)
{
    struct mqtt_properties p = { .payload_format = 1,
                                 .message_expiry_s = 77,
                                 .content_type = SLICE("text/plain"),
                                 .response_topic = SLICE("answer/here"),
                                 .correlation_data = SLICE("\0\xff"),
                                 .append = user };

    mqtt_set(&p, MQTT_PAYLOAD_FORMAT);
    mqtt_set(&p, MQTT_MESSAGE_EXPIRY);
    mqtt_set(&p, MQTT_CONTENT_TYPE);
    mqtt_set(&p, MQTT_RESPONSE_TOPIC);
    mqtt_set(&p, MQTT_CORRELATION_DATA);
    return p;
}

static struct slice user_properties(uint8_t *at, size_t room)
{
    struct wr w = wr_of(at, room);

    mqtt_encode_user_property(&w, SLICE("k"), SLICE("1"));
    mqtt_encode_user_property(&w, SLICE(""), SLICE(""));
    mqtt_encode_user_property(&w, SLICE("k"), SLICE("2"));
    ck_assert(!w.bad);
    return wr_slice(&w);
}

static struct mqtt_connect sample_connect(unsigned version, struct slice user)
{
    struct mqtt_connect c = { .version = (uint8_t)version,
                              .clean_start = true,
                              .keep_alive_s = 600,
                              .client_id = SLICE("client-1"),
                              .user_name = SLICE("me"),
                              .password = SLICE("\0secret") };

    c.properties.session_expiry_s = 3600;
    c.properties.receive_maximum = 10;
    mqtt_set(&c.properties, MQTT_SESSION_EXPIRY);
    mqtt_set(&c.properties, MQTT_RECEIVE_MAXIMUM);
    c.properties.append = user;
    c.will = (struct mqtt_will){ .is_set = true,
                                 .qos = 2,
                                 .is_retain = true,
                                 .properties = message_properties(user),
                                 .topic = SLICE("will/topic"),
                                 .payload = SLICE("gone") };
    c.will.properties.will_delay_s = 5;
    mqtt_set(&c.will.properties, MQTT_WILL_DELAY);
    return c;
}

static const struct mqtt_filter sample_filters[] = {
    { SLICE("a/+/#"), 2, true, true, 2 },
    { SLICE("b"), 0, false, false, 0 },
};
static const struct mqtt_filter sample_filters_3[] = {
    { SLICE("a/+/#"), 2, false, false, 0 },
    { SLICE("b"), 0, false, false, 0 },
};

static void encode_sample(struct wr *w, unsigned type, unsigned version)
{
    uint8_t user_at[64];
    struct slice user = user_properties(user_at, sizeof(user_at));
    struct mqtt_properties reason = { .reason_string = SLICE("because"), .append = user };
    struct mqtt_ack ack = { .packet_id = 0x1234, .reason = 0, .properties = reason };
    struct mqtt_subscribe s = { .packet_id = 0xffff };
    struct mqtt_suback suback = { .packet_id = 9, .reasons = SLICE("\x01") };
    struct mqtt_disconnect end = { .reason = 0, .properties = reason };

    mqtt_set(&ack.properties, MQTT_REASON_STRING);
    mqtt_set(&end.properties, MQTT_REASON_STRING);
    s.properties.append = user;
    switch ((enum mqtt_type)type) {
    case MQTT_CONNECT: {
        struct mqtt_connect c = sample_connect(version, user);
        mqtt_encode_connect(w, &c);
        break;
    }
    case MQTT_CONNACK: {
        struct mqtt_connack c = { .session_present = true, .properties = reason };
        mqtt_set(&c.properties, MQTT_REASON_STRING);
        mqtt_encode_connack(w, version, &c);
        break;
    }
    case MQTT_PUBLISH: {
        struct mqtt_publish p = { .dup = true,
                                  .qos = 1,
                                  .retain = true,
                                  .packet_id = 7,
                                  .topic = SLICE("a/b"),
                                  .properties = message_properties(user),
                                  .payload = SLICE("payload") };
        mqtt_encode_publish(w, version, &p);
        break;
    }
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        mqtt_encode_ack(w, version, (enum mqtt_type)type, &ack);
        break;
    case MQTT_SUBSCRIBE:
        mqtt_encode_subscribe(w, version, &s,
                              version >= MQTT_V5 ? sample_filters : sample_filters_3, 2);
        break;
    case MQTT_UNSUBSCRIBE:
        mqtt_encode_unsubscribe(w, version, &s, sample_filters, 2);
        break;
    case MQTT_SUBACK:
        mqtt_encode_suback(w, version, MQTT_SUBACK, &suback);
        break;
    case MQTT_UNSUBACK:
        suback.reasons = SLICE("\x11");
        mqtt_encode_suback(w, version, MQTT_UNSUBACK, &suback);
        break;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        mqtt_encode_ping(w, (enum mqtt_type)type);
        break;
    case MQTT_DISCONNECT:
        mqtt_encode_disconnect(w, version, &end);
        break;
    case MQTT_AUTH:
        mqtt_encode_auth(w, &end);
        break;
    case MQTT_RESERVED:
    case MQTT_TYPE_COUNT:
        ck_abort();
    }
}

static void make_sample(struct sample *s, unsigned type, unsigned version)
{
    struct wr w = wr_of(s->at, sizeof(s->at)), count = wr_counting();

    encode_sample(&count, type, version);
    encode_sample(&w, type, version);
    ck_assert(!w.bad);
    ck_assert_uint_eq(w.len, count.len);
    s->version = version;
    s->packet = wr_slice(&w);
}

#define EACH_SAMPLE(s)                                               \
    for (unsigned version = MQTT_V31; version <= MQTT_V5; version++) \
        for (unsigned type = 1; type < MQTT_TYPE_COUNT; type++)      \
            if (!(type == MQTT_AUTH && version < MQTT_V5) &&         \
                (make_sample(&(s), type, version), true))

START_TEST(every_encoded_packet_decodes_with_legal_flags)
{
    struct sample s;

    EACH_SAMPLE(s)
    {
        struct mqtt_frame f = frame_of(s.packet);

        ck_assert_uint_eq(f.type, type);
        ck_assert(mqtt_flags_are_legal(f.type, f.flags, version));
        ck_assert_msg(decode_any(&f, version) == RC_OK, "type %u version %u", type, version);
    }
}
END_TEST

/* The lengths at which a packet may end early, because what follows is optional (or payload). */
static bool may_end_at(unsigned type, unsigned version, size_t len, struct slice body)
{
    size_t payload = sizeof("payload") - 1;

    if (type == MQTT_PUBLISH)
        return len >= body.len - payload;
    if (version >= MQTT_V5 && type >= MQTT_PUBACK && type <= MQTT_PUBCOMP)
        return len == 2 || len == 3;
    if (version >= MQTT_V5 && (type == MQTT_DISCONNECT || type == MQTT_AUTH))
        return len < 2;
    /* one filter instead of two */
    if (type == MQTT_SUBSCRIBE)
        return len == body.len - 4;
    if (type == MQTT_UNSUBSCRIBE)
        return len == body.len - 3;
    return false;
}

START_TEST(every_truncation_is_refused_or_a_legal_shorter_form)
{
    struct sample s;

    EACH_SAMPLE(s)
    {
        struct mqtt_frame whole = frame_of(s.packet);

        for (size_t len = 0; len < whole.body.len; len++) {
            struct mqtt_frame f = whole;
            bool is_ok;

            f.body = heap_copy(slice_of(whole.body.at, len));
            is_ok = decode_any(&f, version) == RC_OK;
            heap_free(f.body);
            ck_assert_msg(is_ok == may_end_at(type, version, len, whole.body),
                          "type %u version %u cut at %zu of %zu gives %d", type, version, len,
                          whole.body.len, is_ok);
        }
    }
}
END_TEST

START_TEST(a_byte_too_many_is_refused_where_nothing_may_follow)
{
    struct sample s;

    EACH_SAMPLE(s)
    {
        struct mqtt_frame f = frame_of(s.packet);
        uint8_t longer[SAMPLE_MAX_BYTES + 1];

        if (type == MQTT_PUBLISH || (type == MQTT_SUBACK && version < MQTT_V5))
            continue;
        memcpy(longer, f.body.at, f.body.len);
        longer[f.body.len] = 0xfe;
        f.body = slice_of(longer, f.body.len + 1);
        ck_assert_msg(decode_any(&f, version) != RC_OK, "type %u version %u", type, version);
    }
}
END_TEST

START_TEST(a_connect_comes_back_as_it_was)
{
    for (unsigned version = MQTT_V31; version <= MQTT_V5; version++) {
        struct sample s;
        struct mqtt_connect c;
        struct mqtt_frame f;

        make_sample(&s, MQTT_CONNECT, version);
        f = frame_of(s.packet);
        ck_assert_int_eq(mqtt_decode_connect(f.body, &c), RC_OK);
        ck_assert_uint_eq(c.version, version);
        ck_assert(c.clean_start && !c.is_bridge);
        ck_assert_uint_eq(c.keep_alive_s, 600);
        ck_assert(slice_equal_str(c.client_id, "client-1"));
        ck_assert(slice_equal_str(c.user_name, "me"));
        ck_assert(slice_equal(c.password, SLICE("\0secret")));
        ck_assert(c.will.is_set && c.will.qos == 2 && c.will.is_retain);
        ck_assert(slice_equal_str(c.will.topic, "will/topic"));
        ck_assert(slice_equal_str(c.will.payload, "gone"));
        if (version < MQTT_V5)
            continue;
        ck_assert_uint_eq(c.properties.session_expiry_s, 3600);
        ck_assert_uint_eq(c.properties.receive_maximum, 10);
        ck_assert(!mqtt_has(&c.properties, MQTT_MAXIMUM_PACKET_SIZE));
        ck_assert_uint_eq(c.properties.user_count, 3);
        ck_assert_uint_eq(c.will.properties.will_delay_s, 5);
        ck_assert_uint_eq(c.will.properties.message_expiry_s, 77);
    }
}
END_TEST

START_TEST(a_publish_keeps_its_properties_and_their_order)
{
    struct sample s;
    struct mqtt_publish p;
    struct mqtt_frame f;
    struct mqtt_property_item item;
    struct rd list;
    static const char *const names[] = { "k", "", "k" }, *const values[] = { "1", "", "2" };
    unsigned users = 0;

    make_sample(&s, MQTT_PUBLISH, MQTT_V5);
    f = frame_of(s.packet);
    ck_assert_int_eq(mqtt_decode_publish(&f, MQTT_V5, &p), RC_OK);
    ck_assert(p.dup && p.qos == 1 && p.retain && p.packet_id == 7);
    ck_assert(slice_equal_str(p.topic, "a/b"));
    ck_assert(slice_equal_str(p.payload, "payload"));
    ck_assert(slice_equal_str(p.properties.content_type, "text/plain"));
    ck_assert(slice_equal_str(p.properties.response_topic, "answer/here"));
    ck_assert(slice_equal(p.properties.correlation_data, SLICE("\0\xff")));
    ck_assert_uint_eq(p.properties.payload_format, 1);
    list = rd_of(p.properties.raw);
    while (mqtt_next_property(&list, &item)) {
        if (item.id != MQTT_USER_PROPERTY)
            continue;
        ck_assert(slice_equal_str(item.name, names[users]));
        ck_assert(slice_equal_str(item.value, values[users]));
        users++;
    }
    ck_assert_uint_eq(users, 3);
}
END_TEST

START_TEST(a_subscribe_gives_its_filters_and_options)
{
    struct sample s;
    struct mqtt_subscribe sub;
    struct mqtt_filter filter;

    make_sample(&s, MQTT_SUBSCRIBE, MQTT_V5);
    ck_assert_int_eq(mqtt_decode_subscribe(frame_of(s.packet).body, MQTT_V5, &sub), RC_OK);
    ck_assert_uint_eq(sub.packet_id, 0xffff);
    ck_assert_uint_eq(sub.filter_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(mqtt_next_filter(&sub.filters, true, &filter));
        ck_assert(slice_equal(filter.filter, sample_filters[i].filter));
        ck_assert_uint_eq(filter.qos, sample_filters[i].qos);
        ck_assert(filter.no_local == sample_filters[i].no_local);
        ck_assert(filter.retain_as_published == sample_filters[i].retain_as_published);
        ck_assert_uint_eq(filter.retain_handling, sample_filters[i].retain_handling);
    }
    ck_assert(!mqtt_next_filter(&sub.filters, true, &filter));
}
END_TEST

/* ---- CONNECT ---- */

START_TEST(protocol_names_and_levels_are_told_apart)
{
    static const struct {
        struct slice body;
        enum rc rc;
        unsigned version;
        bool is_bridge;
    } rows[] = {
        { SLICE("\0\4MQTT\4\2\0\0\0\1a"), RC_OK, 4, false },
        { SLICE("\0\4MQTT\5\2\0\0\0\0\1a"), RC_OK, 5, false },
        { SLICE("\0\6MQIsdp\3\2\0\0\0\1a"), RC_OK, 3, false },
        { SLICE("\0\6MQIsdp\x83\2\0\0\0\1a"), RC_OK, 3, true },
        { SLICE("\0\4MQTT\x84\2\0\0\0\1a"), RC_OK, 4, true },
        { SLICE("\0\4MQTT\x85\2\0\0\0\0\1a"), RC_VERSION, 0, false },
        { SLICE("\0\4MQTT\6\2\0\0\0\0\1a"), RC_VERSION, 0, false },
        { SLICE("\0\4MQTT\0\2\0\0\0\1a"), RC_VERSION, 0, false },
        { SLICE("\0\4MQTT\3\2\0\0\0\1a"), RC_VERSION, 0, false },
        { SLICE("\0\6MQIsdp\4\2\0\0\0\1a"), RC_VERSION, 0, false },
        { SLICE("\0\4mqtt\4\2\0\0\0\1a"), RC_MALFORMED, 0, false },
        { SLICE("\0\4MQTX\4\2\0\0\0\1a"), RC_MALFORMED, 0, false },
        { SLICE("\0\0\4\2\0\0\0\1a"), RC_MALFORMED, 0, false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mqtt_connect c;
        enum rc rc = mqtt_decode_connect(rows[i].body, &c);

        ck_assert_msg(rc == rows[i].rc, "row %zu gives %s", i, rc_word(rc));
        if (rc == RC_OK) {
            ck_assert_uint_eq(c.version, rows[i].version);
            ck_assert(c.is_bridge == rows[i].is_bridge);
        }
    }
}
END_TEST

START_TEST(each_of_the_connect_flags_is_judged)
{
    for (unsigned version = MQTT_V311; version <= MQTT_V5; version++) {
        for (unsigned flags = 0; flags < 256; flags++) {
            uint8_t at[64];
            struct wr w = wr_of(at, sizeof(at));
            struct mqtt_connect c;
            bool will = (flags & 4) != 0, user = (flags & 0x80) != 0, word = (flags & 0x40) != 0;
            bool legal = (flags & 1) == 0 && (flags & 0x18) != 0x18 &&
                         (will || (flags & 0x38) == 0) && (version >= 5 || user || !word);

            wr_bytes(&w, SLICE("\0\4MQTT"));
            wr_u8(&w, (uint8_t)version);
            wr_u8(&w, (uint8_t)flags);
            wr_u16(&w, 0);
            wr_bytes(&w, version >= 5 ? SLICE("\0") : SLICE(""));
            wr_bytes(&w, SLICE("\0\1a"));
            if (will)
                wr_bytes(&w, version >= 5 ? SLICE("\0\0\1t\0\1p") : SLICE("\0\1t\0\1p"));
            if (user)
                wr_bytes(&w, SLICE("\0\1u"));
            if (word)
                wr_bytes(&w, SLICE("\0\1w"));
            ck_assert_msg((mqtt_decode_connect(wr_slice(&w), &c) == RC_OK) == legal,
                          "flags %02x version %u", flags, version);
            if (!legal)
                continue;
            ck_assert(c.will.is_set == will && c.will.qos == (flags >> 3 & 3));
            ck_assert(c.clean_start == ((flags & 2) != 0));
            ck_assert(slice_is_none(c.user_name) == !user);
            ck_assert(slice_is_none(c.password) == !word);
        }
    }
}
END_TEST

START_TEST(authentication_data_needs_a_method)
{
    struct mqtt_connect c;

    ck_assert_int_eq(mqtt_decode_connect(SLICE("\0\4MQTT\5\2\0\0\4\x16\0\1x\0\1a"), &c),
                     RC_PROTOCOL);
}
END_TEST

/* ---- properties ---- */

/* Table 2-4 of MQTT 5.0, written down apart from the codec's own: id, a value, where allowed. */
static const struct {
    unsigned id;
    struct slice value;
    const char *where;
} book[] = {
    { 1, SLICE("\1"), "PUBLISH WILL" },
    { 2, SLICE("\0\0\0\1"), "PUBLISH WILL" },
    { 3, SLICE("\0\1x"), "PUBLISH WILL" },
    { 8, SLICE("\0\1x"), "PUBLISH WILL" },
    { 9, SLICE("\0\1x"), "PUBLISH WILL" },
    { 11, SLICE("\1"), "PUBLISH SUBSCRIBE" },
    { 17, SLICE("\0\0\0\1"), "CONNECT CONNACK DISCONNECT" },
    { 18, SLICE("\0\1x"), "CONNACK" },
    { 19, SLICE("\0\1"), "CONNACK" },
    { 21, SLICE("\0\1x"), "CONNECT CONNACK AUTH" },
    { 22, SLICE("\0\1x"), "CONNECT CONNACK AUTH" },
    { 23, SLICE("\1"), "CONNECT" },
    { 24, SLICE("\0\0\0\1"), "WILL" },
    { 25, SLICE("\1"), "CONNECT" },
    { 26, SLICE("\0\1x"), "CONNACK" },
    { 28, SLICE("\0\1x"), "CONNACK DISCONNECT" },
    { 31, SLICE("\0\1x"), "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH" },
    { 33, SLICE("\0\1"), "CONNECT CONNACK" },
    { 34, SLICE("\0\1"), "CONNECT CONNACK" },
    { 35, SLICE("\0\1"), "PUBLISH" },
    { 36, SLICE("\1"), "CONNACK" },
    { 37, SLICE("\1"), "CONNACK" },
    { 38, SLICE("\0\1x\0\1y"),
      "CONNECT CONNACK PUBLISH WILL PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE "
      "UNSUBACK DISCONNECT AUTH" },
    { 39, SLICE("\0\0\0\1"), "CONNECT CONNACK" },
    { 40, SLICE("\1"), "CONNACK" },
    { 41, SLICE("\1"), "CONNACK" },
    { 42, SLICE("\1"), "CONNACK" },
};
#define BOOK_ROWS (sizeof(book) / sizeof(book[0]))

static const char *const place_names[MQTT_TYPE_COUNT] = {
    "WILL",    "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
    "PUBREL",  "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
    "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
};

static bool is_word_in(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = strstr(words, word); at != NULL; at = strstr(at + 1, word)) {
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

static enum rc decode_list(struct slice list, unsigned place, struct mqtt_properties *ret)
{
    uint8_t at[256];
    struct wr w = wr_of(at, sizeof(at));
    struct rd r;
    enum rc rc;

    wr_uvarint(&w, list.len);
    wr_bytes(&w, list);
    ck_assert(!w.bad);
    *ret = (struct mqtt_properties){ 0 };
    r = rd_of(wr_slice(&w));
    rc = mqtt_decode_properties(&r, place, ret);
    ck_assert(rc != RC_OK || r.left == 0);
    return rc;
}

START_TEST(each_property_is_allowed_exactly_where_the_table_says)
{
    for (unsigned id = 0; id < 256; id++) {
        for (unsigned place = 0; place < MQTT_TYPE_COUNT; place++) {
            uint8_t at[32] = { (uint8_t)id };
            struct mqtt_properties p;
            size_t row = 0;
            bool allowed;
            enum rc rc;

            while (row < BOOK_ROWS && book[row].id != id)
                row++;
            allowed = row < BOOK_ROWS && is_word_in(book[row].where, place_names[place]);
            if (row < BOOK_ROWS)
                memcpy(at + 1, book[row].value.at, book[row].value.len);
            rc = decode_list(slice_of(at, 1 + (row < BOOK_ROWS ? book[row].value.len : 4)), place,
                             &p);
            ck_assert_msg(rc == (allowed           ? RC_OK
                                 : row < BOOK_ROWS ? RC_MISMATCH
                                                   : RC_MALFORMED),
                          "id %u in %s gives %s", id, place_names[place], rc_word(rc));
            if (allowed)
                ck_assert(mqtt_has(&p, (enum mqtt_property)id));
        }
    }
}
END_TEST

START_TEST(a_property_that_may_stand_once_stands_once)
{
    for (size_t row = 0; row < BOOK_ROWS; row++) {
        for (unsigned place = 0; place < MQTT_TYPE_COUNT; place++) {
            uint8_t at[64];
            struct wr w = wr_of(at, sizeof(at));
            struct mqtt_properties p;
            bool is_many = book[row].id == 38 || (book[row].id == 11 && place == MQTT_PUBLISH);

            if (!is_word_in(book[row].where, place_names[place]))
                continue;
            for (int i = 0; i < 2; i++) {
                wr_u8(&w, (uint8_t)book[row].id);
                wr_bytes(&w, book[row].value);
            }
            ck_assert_int_eq(decode_list(wr_slice(&w), place, &p), is_many ? RC_OK : RC_PROTOCOL);
        }
    }
}
END_TEST

START_TEST(forbidden_values_are_protocol_errors)
{
    struct mqtt_properties p;

    ck_assert_int_eq(decode_list(BYTES(0x01, 2), MQTT_PUBLISH, &p), RC_PROTOCOL);
    ck_assert_int_eq(decode_list(BYTES(0x17, 2), MQTT_CONNECT, &p), RC_PROTOCOL);
    ck_assert_int_eq(decode_list(BYTES(0x19, 2), MQTT_CONNECT, &p), RC_PROTOCOL);
    ck_assert_int_eq(decode_list(BYTES(0x21, 0, 0), MQTT_CONNECT, &p), RC_PROTOCOL);
    ck_assert_int_eq(decode_list(BYTES(0x27, 0, 0, 0, 0), MQTT_CONNECT, &p), RC_PROTOCOL);
    ck_assert_int_eq(decode_list(BYTES(0x0b, 0), MQTT_SUBSCRIBE, &p), RC_PROTOCOL);
    ck_assert_int_eq(decode_list(BYTES(0x0b, 0xff, 0xff, 0xff, 0x7f), MQTT_SUBSCRIBE, &p), RC_OK);
    ck_assert_uint_eq(p.subscription_id, 268435455);
    ck_assert_int_eq(decode_list(BYTES(0x0b, 0x80, 0), MQTT_SUBSCRIBE, &p), RC_MALFORMED);
    ck_assert_int_eq(decode_list(BYTES(0x03, 0, 1, 0), MQTT_PUBLISH, &p), RC_MALFORMED);
    ck_assert_int_eq(decode_list(BYTES(0x26, 0, 0, 0, 1, 0), MQTT_PUBLISH, &p), RC_MALFORMED);
    ck_assert_int_eq(decode_list(BYTES(0x26, 0, 1, 0xff, 0, 0), MQTT_PUBLISH, &p), RC_MALFORMED);
    ck_assert_int_eq(decode_list(BYTES(0x03, 0, 0), MQTT_PUBLISH, &p), RC_OK);
    ck_assert(mqtt_has(&p, MQTT_CONTENT_TYPE) && p.content_type.len == 0);
}
END_TEST

START_TEST(user_properties_are_bounded)
{
    for (unsigned extra = 0; extra < 2; extra++) {
        size_t count = MQTT_USER_PROPERTIES_MAX + extra, len = count * 5;
        uint8_t *at = calloc(1, len + 4);
        struct wr w = wr_of(at, len + 4);
        struct mqtt_properties p = { 0 };
        struct rd r;

        ck_assert_ptr_nonnull(at);
        wr_uvarint(&w, len);
        for (size_t i = 0; i < count; i++)
            mqtt_encode_user_property(&w, SLICE(""), SLICE(""));
        r = rd_of(wr_slice(&w));
        ck_assert_int_eq(mqtt_decode_properties(&r, MQTT_PUBLISH, &p),
                         extra == 0 ? RC_OK : RC_LIMIT);
        free(at);
    }
}
END_TEST

START_TEST(subscription_identifiers_are_written_as_a_list)
{
    static const uint32_t ids[] = { 1, 200, 268435455 };
    uint8_t at[64];
    struct wr w = wr_of(at, sizeof(at));
    struct mqtt_publish p = { .topic = SLICE("t") }, back;
    struct mqtt_property_item item;
    struct mqtt_frame f;
    struct rd list;
    unsigned n = 0;

    p.properties.subscription_ids = ids;
    p.properties.subscription_id_count = 3;
    mqtt_encode_publish(&w, MQTT_V5, &p);
    f = frame_of(wr_slice(&w));
    ck_assert_int_eq(mqtt_decode_publish(&f, MQTT_V5, &back), RC_OK);
    ck_assert_uint_eq(back.properties.subscription_id_count, 3);
    list = rd_of(back.properties.raw);
    while (mqtt_next_property(&list, &item))
        ck_assert_uint_eq(item.number, ids[n++]);
    ck_assert_uint_eq(n, 3);
}
END_TEST

/* ---- the rest ---- */

START_TEST(packet_id_zero_is_a_protocol_error)
{
    struct mqtt_frame publish = { MQTT_PUBLISH, 2, BYTES(0, 1, 't', 0, 0) };
    struct mqtt_frame ack = { MQTT_PUBACK, 0, BYTES(0, 0) };
    struct mqtt_publish p;
    struct mqtt_ack a;
    struct mqtt_subscribe s;

    ck_assert_int_eq(mqtt_decode_publish(&publish, MQTT_V311, &p), RC_PROTOCOL);
    ck_assert_int_eq(mqtt_decode_ack(&ack, MQTT_V311, &a), RC_PROTOCOL);
    ck_assert_int_eq(mqtt_decode_subscribe(BYTES(0, 0, 0, 1, 'a', 0), 4, &s), RC_NOT_FOUND);
    ck_assert_int_eq(mqtt_decode_unsubscribe(BYTES(0, 0, 0, 1, 'a'), 4, &s), RC_NOT_FOUND);
}
END_TEST

START_TEST(a_subscribe_without_filters_is_a_protocol_error)
{
    struct mqtt_subscribe s;

    ck_assert_int_eq(mqtt_decode_subscribe(BYTES(0, 1), 4, &s), RC_NOT_FOUND);
    ck_assert_int_eq(mqtt_decode_subscribe(BYTES(0, 1, 0), 5, &s), RC_NOT_FOUND);
    ck_assert_int_eq(mqtt_decode_unsubscribe(BYTES(0, 1), 4, &s), RC_NOT_FOUND);
}
END_TEST

START_TEST(subscription_options_keep_their_reserved_bits_zero)
{
    for (unsigned options = 0; options < 256; options++) {
        uint8_t v4[] = { 0, 1, 0, 1, 'a', (uint8_t)options };
        uint8_t v5[] = { 0, 1, 0, 0, 1, 'a', (uint8_t)options };
        bool legal5 = (options & 3) != 3 && (options & 0xc0) == 0 && (options & 0x30) != 0x30;
        struct mqtt_subscribe s;

        ck_assert((mqtt_decode_subscribe(slice_of(v4, 6), 4, &s) == RC_OK) == (options < 3));
        ck_assert((mqtt_decode_subscribe(slice_of(v5, 7), 5, &s) == RC_OK) == legal5);
    }
}
END_TEST

START_TEST(an_ack_carries_only_the_codes_of_its_type)
{
    static const struct {
        unsigned type;
        const char *codes; /* hex pairs */
    } rows[] = {
        { MQTT_PUBACK, "00 10 80 83 87 90 91 97 99" },
        { MQTT_PUBREC, "00 10 80 83 87 90 91 97 99" },
        { MQTT_PUBREL, "00 92" },
        { MQTT_PUBCOMP, "00 92" },
    };

    for (unsigned i = 0; i < 4; i++) {
        for (unsigned code = 0; code < 256; code++) {
            uint8_t body[] = { 0, 1, (uint8_t)code };
            struct mqtt_frame f = { (uint8_t)rows[i].type, 0, slice_of(body, 3) };
            struct mqtt_ack a;
            char hex[] = { "0123456789abcdef"[code >> 4], "0123456789abcdef"[code & 15], 0 };
            bool legal = is_word_in(rows[i].codes, hex);

            ck_assert_int_eq(mqtt_decode_ack(&f, 5, &a), legal ? RC_OK : RC_PROTOCOL);
            ck_assert_int_eq(mqtt_decode_ack(&f, 4, &a), RC_MALFORMED);
        }
    }
}
END_TEST

START_TEST(strings_are_strict_utf8)
{
    static const struct {
        struct slice s;
        bool is_string, is_name;
    } rows[] = {
        { SLICE(""), true, true },
        { SLICE("a/b"), true, true },
        { SLICE("\xef\xbb\xbf"
                "a"),
          true, true }, /* U+FEFF is data */
        { SLICE("\xf0\xaa\x9b\x94"), true, true },
        { SLICE("a\0b"), false, false },
        { SLICE("\xed\xa0\x80"), false, false }, /* a surrogate */
        { SLICE("\xc0\x80"), false, false },     /* overlong */
        { SLICE("\xe2\x82"), false, false },     /* cut */
        { SLICE("\xf4\x90\x80\x80"), false, false },
        { SLICE("\x01"), true, false },
        { SLICE("\x1f"), true, false },
        { SLICE("\x7f"), true, false },
        { SLICE("\xc2\x80"), true, false },
        { SLICE("\xc2\x9f"), true, false },
        { SLICE("\xc2\xa0"), true, true },
        { SLICE("\xef\xbf\xbf"), true, false },
        { SLICE("\xef\xbf\xbd"), true, true },
        { SLICE("\xef\xb7\x90"), true, false },
        { SLICE("\xef\xb7\xb0"), true, true },
        { SLICE("\xf0\x9f\xbf\xbf"), true, false },
        { SLICE("\xf0\x9f\x98\x80"), true, true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice copy = heap_copy(rows[i].s);

        ck_assert_msg(mqtt_string_is_valid(copy) == rows[i].is_string, "string row %zu", i);
        ck_assert_msg(mqtt_name_is_valid(copy) == rows[i].is_name, "name row %zu", i);
        heap_free(copy);
    }
}
END_TEST

START_TEST(wildcards_stand_only_where_they_may)
{
    static const char *const good[] = { "a",   "/",  "a/b", "+",    "#",      "a/+/b",      "a/#",
                                        "+/+", "/+", "+/#", "a//b", "$SYS/#", "$share/g/a", " " };
    static const char *const bad[] = { "",    "a#",   "a/#/b", "a+", "+a/b",
                                       "#/a", "a/b#", "++",    "+#", "a/+b" };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(mqtt_filter_is_valid(slice_str(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!mqtt_filter_is_valid(slice_str(bad[i])), "%s", bad[i]);
    ck_assert(mqtt_topic_is_valid(SLICE("a/b")) && mqtt_topic_is_valid(SLICE("/")));
    ck_assert(!mqtt_topic_is_valid(SLICE("")) && !mqtt_topic_is_valid(SLICE("a/#")));
    ck_assert(!mqtt_topic_is_valid(SLICE("a+b")));
}
END_TEST

START_TEST(topic_levels_are_bounded)
{
    uint8_t at[MQTT_TOPIC_LEVELS_MAX];

    memset(at, '/', sizeof(at));
    ck_assert(mqtt_topic_is_valid(slice_of(at, MQTT_TOPIC_LEVELS_MAX - 1)));
    ck_assert(!mqtt_topic_is_valid(slice_of(at, MQTT_TOPIC_LEVELS_MAX)));
    ck_assert(mqtt_filter_is_valid(slice_of(at, MQTT_TOPIC_LEVELS_MAX - 1)));
    ck_assert(!mqtt_filter_is_valid(slice_of(at, MQTT_TOPIC_LEVELS_MAX)));
}
END_TEST

START_TEST(shares_and_queues_are_taken_apart)
{
    static const struct {
        const char *filter;
        enum mqtt_filter_kind kind;
        const char *name, *rest;
    } rows[] = {
        { "a/b", MQTT_FILTER_PLAIN, NULL, NULL },
        { "$SYS/#", MQTT_FILTER_PLAIN, NULL, NULL },
        { "$shared/a", MQTT_FILTER_PLAIN, NULL, NULL },
        { "$share/g/a/+", MQTT_FILTER_SHARED, "g", "a/+" },
        { "$share/g//", MQTT_FILTER_SHARED, "g", "/" },
        { "$share//a", MQTT_FILTER_BAD, NULL, NULL },
        { "$share/g", MQTT_FILTER_BAD, NULL, NULL },
        { "$share/g/", MQTT_FILTER_BAD, NULL, NULL },
        { "$share/+/a", MQTT_FILTER_BAD, NULL, NULL },
        { "$share", MQTT_FILTER_BAD, NULL, NULL },
        { "$queue/orders", MQTT_FILTER_QUEUE, "orders", NULL },
        { "$queue/a/b", MQTT_FILTER_QUEUE, "a/b", NULL },
        { "$queue/", MQTT_FILTER_BAD, NULL, NULL },
        { "$queue/#", MQTT_FILTER_BAD, NULL, NULL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice name = SLICE_NONE, rest = SLICE_NONE;

        ck_assert_msg(mqtt_filter_kind(slice_str(rows[i].filter), &name, &rest) == rows[i].kind,
                      "%s", rows[i].filter);
        if (rows[i].name != NULL)
            ck_assert(slice_equal_str(name, rows[i].name));
        if (rows[i].rest != NULL)
            ck_assert(slice_equal_str(rest, rows[i].rest));
    }
}
END_TEST

START_TEST(a_writer_without_room_goes_bad_and_writes_nothing_outside)
{
    struct sample s;

    EACH_SAMPLE(s)
    {
        for (size_t room = 0; room < s.packet.len; room++) {
            uint8_t *at = malloc(room + 1);
            struct wr w = wr_of(at, room);

            ck_assert_ptr_nonnull(at);
            encode_sample(&w, type, version);
            ck_assert(w.bad);
            free(at);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mqtt_codec");
    TCase *tcase = tcase_create("codec");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_remaining_length_is_read_at_each_boundary);
    tcase_add_test(tcase, an_overlong_or_five_byte_length_is_malformed);
    tcase_add_test(tcase, only_the_prescribed_flag_bits_are_legal);
    tcase_add_test(tcase, every_encoded_packet_decodes_with_legal_flags);
    tcase_add_test(tcase, every_truncation_is_refused_or_a_legal_shorter_form);
    tcase_add_test(tcase, a_byte_too_many_is_refused_where_nothing_may_follow);
    tcase_add_test(tcase, a_connect_comes_back_as_it_was);
    tcase_add_test(tcase, a_publish_keeps_its_properties_and_their_order);
    tcase_add_test(tcase, a_subscribe_gives_its_filters_and_options);
    tcase_add_test(tcase, protocol_names_and_levels_are_told_apart);
    tcase_add_test(tcase, each_of_the_connect_flags_is_judged);
    tcase_add_test(tcase, authentication_data_needs_a_method);
    tcase_add_test(tcase, each_property_is_allowed_exactly_where_the_table_says);
    tcase_add_test(tcase, a_property_that_may_stand_once_stands_once);
    tcase_add_test(tcase, forbidden_values_are_protocol_errors);
    tcase_add_test(tcase, user_properties_are_bounded);
    tcase_add_test(tcase, subscription_identifiers_are_written_as_a_list);
    tcase_add_test(tcase, packet_id_zero_is_a_protocol_error);
    tcase_add_test(tcase, a_subscribe_without_filters_is_a_protocol_error);
    tcase_add_test(tcase, subscription_options_keep_their_reserved_bits_zero);
    tcase_add_test(tcase, an_ack_carries_only_the_codes_of_its_type);
    tcase_add_test(tcase, strings_are_strict_utf8);
    tcase_add_test(tcase, wildcards_stand_only_where_they_may);
    tcase_add_test(tcase, topic_levels_are_bounded);
    tcase_add_test(tcase, shares_and_queues_are_taken_apart);
    tcase_add_test(tcase, a_writer_without_room_goes_bad_and_writes_nothing_outside);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
