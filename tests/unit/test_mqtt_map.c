/* SPDX-License-Identifier: Apache-2.0 */
/* The law of the map: what MQTT published, MQTT reads back, whatever it was. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/core/message.h"
#include "broker/core/name.h"
#include "broker/record/record.h"
#include "protocols/mqtt/mqtt_map.h"

#define NOW_MS 1700000000000

/* ---- helpers ---- */

struct made {
    struct text packet; /* the PUBLISH as bytes */
    struct mqtt_publish publish;
    struct message *message;
};

static void decode(struct made *m)
{
    struct mqtt_header h;
    struct mqtt_frame frame;

    ck_assert_int_eq(mqtt_decode_header(text_slice(&m->packet), &h), RC_OK);
    frame =
        (struct mqtt_frame){ h.type, h.flags, slice_after(text_slice(&m->packet), h.header_bytes) };
    ck_assert_int_eq(mqtt_decode_publish(&frame, MQTT_V5, &m->publish), RC_OK);
}

/* A PUBLISH whose property list is `properties`, on its way through bytes and the map. */
static void make(struct made *m, const char *topic, struct slice properties, struct slice payload,
                 uint8_t qos, bool is_retain)
{
    struct mqtt_publish p = { .qos = qos,
                              .retain = is_retain,
                              .packet_id = qos > 0 ? 1 : 0,
                              .topic = slice_str(topic),
                              .payload = payload };
    struct mqtt_origin origin = { .now_ms = NOW_MS, .user = SLICE("me") };
    struct wr count = wr_counting(), w;

    *m = (struct made){ 0 };
    p.properties.append = properties;
    mqtt_encode_publish(&count, MQTT_V5, &p);
    ck_assert(text_reserve(&m->packet, count.len));
    w = wr_of(m->packet.at, count.len);
    mqtt_encode_publish(&w, MQTT_V5, &p);
    ck_assert(!w.bad);
    m->packet.len = w.len;
    decode(m);
    ck_assert_int_eq(mqtt_map_publish(&m->publish, m->publish.topic, &origin, &m->message), RC_OK);
}

static void unmake(struct made *m)
{
    message_unref(&m->message);
    text_done(&m->packet);
}

/* The property list that a subscriber sees of a message. */
static void view(const struct message *message, int64_t now_ms, struct text *ret)
{
    struct text scratch = { 0 };
    struct wr count = wr_counting(), w;

    mqtt_map_properties(&count, message, now_ms, SLICE(""), &scratch);
    text_clear(ret);
    ck_assert(text_reserve(ret, count.len + 1));
    w = wr_of(ret->at, count.len);
    mqtt_map_properties(&w, message, now_ms, SLICE(""), &scratch);
    ck_assert(!w.bad);
    ck_assert_uint_eq(w.len, count.len);
    ret->len = w.len;
    text_done(&scratch);
}

/* Are the two lists equal: the single ones as a set, the user properties in order? */
static bool same_lists(struct slice a, struct slice b)
{
    struct rd left = rd_of(a);
    struct mqtt_property_item x, y;
    size_t users = 0;

    if (a.len != b.len)
        return false;
    while (mqtt_next_property(&left, &x)) {
        struct rd right = rd_of(b);
        size_t seen = 0;
        bool is_found = false;

        while (!is_found && mqtt_next_property(&right, &y)) {
            if (x.id == MQTT_USER_PROPERTY)
                is_found = y.id == x.id && seen++ == users && slice_equal(x.whole, y.whole);
            else
                is_found = slice_equal(x.whole, y.whole);
        }
        if (!is_found)
            return false;
        users += x.id == MQTT_USER_PROPERTY;
    }
    return !left.bad;
}

static void add_string(struct text *to, uint8_t id, struct slice s)
{
    text_add_byte(to, id);
    text_add_u16(to, (uint16_t)s.len);
    text_add(to, s);
}

static void add_user(struct text *to, struct slice name, struct slice value)
{
    text_add_byte(to, MQTT_USER_PROPERTY);
    text_add_u16(to, (uint16_t)name.len);
    text_add(to, name);
    text_add_u16(to, (uint16_t)value.len);
    text_add(to, value);
}

/* ---- a small generator: the same numbers each time ---- */

static uint64_t state = 88172645463325252u;

static uint32_t number(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16) % below;
}

/* Names and values that the map treats apart, beside plain ones. */
static struct slice word(void)
{
    static const char *const words[] = {
        "",
        "a",
        "key",
        "k\xc3\xa4se",
        "line\nbreak",
        "content-type",
        "user.content-type",
        "user.user.reply-to",
        "user.",
        "user.other",
        "mqtt.qos",
        "mqtt.props",
        "amqp.props",
        "amqp.types",
        "tercet.address",
        "expires-at",
        "user-id",
        "x;null",
        "x;b64",
        "/w==",
        "AAE=",
        "YWJj",
        "kafka.null",
        "kafka.key;b64",
        "1",
        "0",
        "correlation-id",
        "mqtt.retain",
        ";null",
        ";b64",
        "content-type;null",
        "content-type;b64",
    };

    return slice_str(words[number(sizeof(words) / sizeof(words[0]))]);
}

static struct slice bytes_of(uint8_t *at, size_t room)
{
    size_t len = number((uint32_t)room + 1);

    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)number(256);
    return slice_of(at, len);
}

static void generate(struct text *list)
{
    uint8_t bytes[300];
    unsigned users = number(6);

    text_clear(list);
    if (number(2) == 0) {
        text_add_byte(list, MQTT_PAYLOAD_FORMAT);
        text_add_byte(list, (uint8_t)number(2));
    }
    if (number(2) == 0)
        add_string(list, MQTT_CONTENT_TYPE, word());
    if (number(2) == 0)
        add_string(list, MQTT_RESPONSE_TOPIC, SLICE("answer/me%2Fhere"));
    if (number(2) == 0)
        add_string(list, MQTT_CORRELATION_DATA, bytes_of(bytes, sizeof(bytes)));
    for (unsigned i = 0; i < users; i++)
        add_user(list, word(), word());
}

START_TEST(whatever_mqtt_publishes_it_reads_back)
{
    struct text list = { 0 }, seen = { 0 };
    uint8_t bytes[64];

    for (unsigned round = 0; round < 200000; round++) {
        struct made m;
        struct slice payload = number(3) == 0 ? SLICE("") : bytes_of(bytes, sizeof(bytes));

        generate(&list);
        make(&m, number(2) == 0 ? "alone" : "stream/and/tail", text_slice(&list), payload,
             (uint8_t)number(3), number(2) == 0);
        view(m.message, NOW_MS, &seen);
        ck_assert_msg(same_lists(text_slice(&list), text_slice(&seen)), "round %u", round);
        ck_assert(slice_equal(m.message->value, payload));
        ck_assert(slice_equal(m.message->address, m.publish.topic));
        unmake(&m);
    }
    text_done(&list);
    text_done(&seen);
}
END_TEST

START_TEST(a_message_read_from_the_log_says_the_same)
{
    struct text list = { 0 }, seen = { 0 };

    for (unsigned round = 0; round < 20000; round++) {
        struct made m;
        struct record record;
        struct message *read;

        generate(&list);
        make(&m, "stream/and/tail", text_slice(&list), SLICE("x"), (uint8_t)number(3), false);
        ck_assert_int_eq(record_read_body(m.message->body, &record), RC_OK);
        read = message_of_record(SLICE("stream"), &record, NULL);
        ck_assert_ptr_nonnull(read);
        ck_assert(slice_equal(read->address, m.message->address));
        ck_assert_uint_eq(read->qos, m.message->qos);
        view(read, NOW_MS, &seen);
        ck_assert_msg(same_lists(text_slice(&list), text_slice(&seen)), "round %u", round);
        message_unref(&read);
        unmake(&m);
    }
    text_done(&list);
    text_done(&seen);
}
END_TEST

/* ---- single rules ---- */

START_TEST(the_tail_of_the_topic_is_the_key)
{
    static const struct {
        const char *topic, *key;
    } rows[] = { { "a", NULL }, { "a/b", "b" }, { "a/b/c", "b/c" }, { "a/", "" }, { "/b", "b" } };

    for (unsigned i = 0; i < 5; i++) {
        struct made m;

        make(&m, rows[i].topic, SLICE(""), SLICE("x"), 0, false);
        ck_assert(slice_is_none(m.message->key) == (rows[i].key == NULL));
        if (rows[i].key != NULL)
            ck_assert(slice_equal_str(m.message->key, rows[i].key));
        unmake(&m);
    }
}
END_TEST

START_TEST(the_view_headers_say_what_others_need)
{
    struct text list = { 0 };
    struct made m;

    text_add_byte(&list, MQTT_PAYLOAD_FORMAT);
    text_add_byte(&list, 1);
    text_add_byte(&list, MQTT_MESSAGE_EXPIRY);
    text_add_u32(&list, 10);
    add_string(&list, MQTT_CONTENT_TYPE, SLICE("a/b"));
    add_string(&list, MQTT_RESPONSE_TOPIC, SLICE("r/t"));
    add_string(&list, MQTT_CORRELATION_DATA, SLICE("\1\2"));
    add_user(&list, SLICE("u"), SLICE("v"));
    make(&m, "a/b", text_slice(&list), SLICE("x"), 2, true);
    ck_assert(slice_equal_str(message_header(m.message, HEADER_MQTT_QOS), "2"));
    ck_assert(slice_equal_str(message_header(m.message, HEADER_MQTT_RETAIN), "1"));
    ck_assert(slice_equal_str(message_header(m.message, HEADER_MQTT_FORMAT), "1"));
    ck_assert(slice_equal_str(message_header(m.message, HEADER_EXPIRES_AT), "1700000010000"));
    ck_assert(slice_equal_str(message_header(m.message, HEADER_CONTENT_TYPE), "a/b"));
    ck_assert(slice_equal_str(message_header(m.message, HEADER_REPLY_TO), "r/t"));
    ck_assert(slice_equal_str(message_header(m.message, HEADER_CORRELATION_ID), "\1\2"));
    ck_assert(slice_equal_str(message_header(m.message, "u"), "v"));
    ck_assert_int_eq(m.message->expires_at_ms, NOW_MS + 10000);
    ck_assert_uint_eq(m.message->flags, MESSAGE_RETAIN | MESSAGE_PERSISTENT);
    unmake(&m);
    text_done(&list);
}
END_TEST

START_TEST(a_user_cannot_write_a_header_of_the_brokers)
{
    static const char *const ours[] = { HEADER_ADDRESS,    HEADER_EXPIRES_AT, HEADER_USER_ID,
                                        HEADER_MQTT_PROPS, HEADER_AMQP_PROPS, HEADER_REPLY_TO };

    for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        struct text list = { 0 };
        struct made m;

        add_user(&list, slice_str(ours[i]), SLICE("forged"));
        make(&m, "a", text_slice(&list), SLICE("x"), 0, false);
        ck_assert_msg(slice_is_none(message_header(m.message, ours[i])), "%s", ours[i]);
        unmake(&m);
        text_done(&list);
    }
}
END_TEST

static uint32_t expiry_seen(const struct message *message, int64_t now_ms)
{
    struct text seen = { 0 };
    struct mqtt_property_item item;
    struct rd list;
    uint32_t found = UINT32_MAX;

    view(message, now_ms, &seen);
    list = rd_of(text_slice(&seen));
    while (mqtt_next_property(&list, &item)) {
        if (item.id == MQTT_MESSAGE_EXPIRY)
            found = item.number;
    }
    text_done(&seen);
    return found;
}

START_TEST(the_remaining_expiry_is_rounded_up)
{
    struct text list = { 0 };
    struct made m;

    text_add_byte(&list, MQTT_MESSAGE_EXPIRY);
    text_add_u32(&list, 10);
    make(&m, "a", text_slice(&list), SLICE("x"), 1, false);
    ck_assert_uint_eq(expiry_seen(m.message, NOW_MS), 10);
    ck_assert_uint_eq(expiry_seen(m.message, NOW_MS + 1), 10);
    ck_assert_uint_eq(expiry_seen(m.message, NOW_MS + 1000), 9);
    ck_assert_uint_eq(expiry_seen(m.message, NOW_MS + 9999), 1);
    ck_assert_uint_eq(expiry_seen(m.message, NOW_MS + 10000), 0);
    unmake(&m);
    text_clear(&list);
    text_add_byte(&list, MQTT_MESSAGE_EXPIRY);
    text_add_u32(&list, UINT32_MAX);
    make(&m, "a", text_slice(&list), SLICE("x"), 1, false);
    ck_assert_uint_eq(expiry_seen(m.message, NOW_MS), UINT32_MAX);
    unmake(&m);
    text_done(&list);
}
END_TEST

/* ---- what others wrote ---- */

/* A message with one header, as another protocol might have written it. */
static struct message *foreign(const char *name, struct slice value, struct slice key)
{
    struct text headers = { 0 };
    struct message_spec spec = { .address = SLICE("s"), .key = key, .value = SLICE("v") };
    struct message *m;

    message_add_header(&headers, &spec.header_count, slice_str(name), value);
    spec.headers = text_slice(&headers);
    m = message_new(&spec);
    ck_assert_ptr_nonnull(m);
    text_done(&headers);
    return m;
}

START_TEST(bytes_and_nulls_of_others_are_shown_and_taken_back)
{
    static const struct {
        const char *name;
        struct slice value;
        const char *shown_name, *shown_value;
    } rows[] = {
        { "n", { NULL, 0 }, "n;null", "" },
        { "n", { (const uint8_t *)"\xff\x00", 2 }, "n;b64", "/wA=" },
        { "n", { (const uint8_t *)"text", 4 }, "n", "text" },
        { "n", { (const uint8_t *)"", 0 }, "n", "" },
        { "amqp.message-id", { (const uint8_t *)"7", 1 }, "amqp.message-id", "7" },
        { "content-encoding", { (const uint8_t *)"gzip", 4 }, "content-encoding", "gzip" },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct message *m = foreign(rows[i].name, rows[i].value, SLICE_NONE);
        struct text seen = { 0 };
        struct mqtt_property_item item;
        struct rd list;
        struct made again;

        view(m, NOW_MS, &seen);
        list = rd_of(text_slice(&seen));
        ck_assert(mqtt_next_property(&list, &item));
        ck_assert_uint_eq(item.id, MQTT_USER_PROPERTY);
        ck_assert(slice_equal_str(item.name, rows[i].shown_name));
        ck_assert(slice_equal_str(item.value, rows[i].shown_value));
        ck_assert_uint_eq(list.left, 0);
        make(&again, "s", text_slice(&seen), SLICE("v"), 0, false);
        ck_assert(slice_equal(message_header(again.message, rows[i].name), rows[i].value));
        ck_assert(slice_is_none(message_header(again.message, rows[i].name)) ==
                  slice_is_none(rows[i].value));
        unmake(&again);
        text_done(&seen);
        message_unref(&m);
    }
}
END_TEST

START_TEST(a_binary_key_and_a_null_value_survive_mqtt)
{
    struct message *m = foreign("h", SLICE("1"), slice_of("\xff\x00", 2));
    struct message_spec spec = { .address = SLICE("s"), .value = SLICE_NONE };
    struct text seen = { 0 };
    struct made again;

    view(m, NOW_MS, &seen);
    make(&again, "s", text_slice(&seen), SLICE("v"), 0, false);
    ck_assert(slice_equal(again.message->key, slice_of("\xff\x00", 2)));
    ck_assert(slice_equal_str(message_header(again.message, "h"), "1"));
    ck_assert_uint_eq(again.message->header_count, 2); /* h and mqtt.qos: the key is no header */
    unmake(&again);
    message_unref(&m);
    m = message_new(&spec);
    ck_assert_ptr_nonnull(m);
    view(m, NOW_MS, &seen);
    make(&again, "s", text_slice(&seen), SLICE(""), 0, false);
    ck_assert(slice_is_none(again.message->value));
    unmake(&again);
    message_unref(&m);
    text_done(&seen);
}
END_TEST

START_TEST(hidden_headers_stay_hidden)
{
    static const char *const hidden[] = { HEADER_MQTT_QOS,   HEADER_MQTT_PROPS, HEADER_AMQP_PROPS,
                                          HEADER_ADDRESS,    HEADER_AMQP_MODE,  HEADER_AMQP_TYPES,
                                          HEADER_EXPIRES_AT, HEADER_MQTT_RETAIN };

    for (unsigned i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        struct message *m = foreign(hidden[i], SLICE("1"), SLICE_NONE);
        struct text seen = { 0 };

        view(m, NOW_MS, &seen);
        ck_assert_msg(seen.len == 0, "%s", hidden[i]);
        text_done(&seen);
        message_unref(&m);
    }
}
END_TEST

START_TEST(what_no_mqtt_string_can_hold_is_never_written)
{
    size_t len = 70000;
    uint8_t *large = calloc(1, len);
    struct message *m;
    struct text seen = { 0 };
    struct mqtt_properties p = { 0 };
    uint8_t head[8];
    struct wr w = wr_of(head, sizeof(head));
    struct text whole = { 0 };
    struct rd r;

    ck_assert_ptr_nonnull(large);
    memset(large, 'x', len);
    for (unsigned i = 0; i < 3; i++) {
        static const char *const names[] = { HEADER_CONTENT_TYPE, HEADER_CORRELATION_ID, "u" };

        m = foreign(names[i], slice_of(large, len), SLICE_NONE);
        view(m, NOW_MS, &seen);
        w = wr_of(head, sizeof(head));
        wr_uvarint(&w, seen.len);
        text_clear(&whole);
        text_add(&whole, wr_slice(&w));
        text_add(&whole, text_slice(&seen));
        r = rd_of(text_slice(&whole));
        p = (struct mqtt_properties){ 0 };
        ck_assert_int_eq(mqtt_decode_properties(&r, MQTT_PUBLISH, &p), RC_OK);
        message_unref(&m);
    }
    text_done(&seen);
    text_done(&whole);
    free(large);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mqtt_map");
    TCase *tcase = tcase_create("map");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, whatever_mqtt_publishes_it_reads_back);
    tcase_add_test(tcase, a_message_read_from_the_log_says_the_same);
    tcase_add_test(tcase, the_tail_of_the_topic_is_the_key);
    tcase_add_test(tcase, the_view_headers_say_what_others_need);
    tcase_add_test(tcase, a_user_cannot_write_a_header_of_the_brokers);
    tcase_add_test(tcase, the_remaining_expiry_is_rounded_up);
    tcase_add_test(tcase, bytes_and_nulls_of_others_are_shown_and_taken_back);
    tcase_add_test(tcase, a_binary_key_and_a_null_value_survive_mqtt);
    tcase_add_test(tcase, hidden_headers_stay_hidden);
    tcase_add_test(tcase, what_no_mqtt_string_can_hold_is_never_written);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
