/* SPDX-License-Identifier: Apache-2.0 */
/* The border with core: what AMQP wrote it reads back; what others wrote it shows. */
#include <check.h>

#include "broker/record/record.h"
#include "protocols/amqp/amqp_map.h"
#include "protocols/amqp/amqp_table.h"
#include "tests/lib/core_rig.h"
#include "tests/lib/suite.h"

static struct rig rig;
static struct amqp_outline outline;
static struct amqp_view view;
static struct text why;

static void setup(void)
{
    rig_open(&rig, false);
    amqp_outline_init(&outline);
    amqp_view_init(&view);
}

static void teardown(void)
{
    amqp_outline_done(&outline);
    amqp_view_done(&view);
    text_done(&why);
    rig_close(&rig);
}

static enum rc build(const char *exchange, const char *key, struct slice properties)
{
    struct amqp_source source = { slice_str(exchange), slice_str(key), properties, SLICE_NONE,
                                  AMQP_DELAYS_NOT };

    text_clear(&why);
    return amqp_outline_build(&outline, rig.core, exchange_find(rig.core, source.exchange), &source,
                              &why);
}

static struct message *message(const char *exchange, const char *key, struct slice properties)
{
    ck_assert_int_eq(build(exchange, key, properties), RC_OK);
    return amqp_outline_message(&outline, rig.core, SLICE("body"));
}

/* The message as another protocol's copy of its record would be read: other stream, other place. */
static struct message *copied(const struct message *m, const char *stream)
{
    struct record record;

    ck_assert_int_eq(record_read_body(m->body, &record), RC_OK);
    record.timestamp_ms = m->timestamp_ms;
    return message_of_record(slice_str(stream), &record, NULL);
}

static void look(const struct message *m)
{
    ck_assert_int_eq(amqp_view_of(&view, rig.core, m, 100000), RC_OK);
}

/* All fourteen, with a table of many types; into `room`. */
static struct slice all_properties(uint8_t *room, size_t len)
{
    static const uint8_t table[] = "\1sS\0\0\0\4text\1iI\0\0\0\7\1tt\1\1vV\1xx\0\0\0\2\0\xff"
                                   "\1fF\0\0\0\3\1aV\1dD\2\0\0\0\5\1bb\xff";
    struct amqp_properties p = {
        .flags = 0xfffc,
        .content_type = SLICE("text/plain"),
        .content_encoding = SLICE("gzip"),
        .headers = slice_of(table, sizeof(table) - 1),
        .delivery_mode = 2,
        .priority = 5,
        .correlation_id = SLICE("correlation"),
        .reply_to = SLICE("replies"),
        .expiration = SLICE("60000"),
        .message_id = SLICE("id"),
        .timestamp = 1234567890,
        .type = SLICE("type"),
        .user_id = SLICE("guest"),
        .app_id = SLICE("app"),
        .cluster_id = SLICE("cluster"),
    };
    struct wr w = wr_of(room, len);

    amqp_encode_properties(&w, &p);
    ck_assert(!w.bad);
    return wr_slice(&w);
}

START_TEST(amqp_reads_back_what_amqp_wrote)
{
    uint8_t room[600];
    struct slice properties = all_properties(room, sizeof(room));
    struct message *m = message("amq.topic", "orders.eu", properties);

    look(m);
    ck_assert_slice(view.properties, properties);
    ck_assert_slice(view.exchange, SLICE("amq.topic"));
    ck_assert_slice(view.routing_key, SLICE("orders.eu"));
    ck_assert_slice(m->address, SLICE("orders/eu"));
    ck_assert_slice(m->key, SLICE("eu"));
    message_unref(&m);
}
END_TEST

START_TEST(a_copy_made_by_another_protocol_reads_the_same)
{
    uint8_t room[600];
    struct slice properties = all_properties(room, sizeof(room));
    struct message *m = message("amq.direct", "k", properties), *copy = copied(m, "elsewhere");

    look(copy);
    ck_assert_slice(view.properties, properties);
    ck_assert_slice(view.exchange, SLICE("amq.direct"));
    ck_assert_slice(view.routing_key, SLICE("k"));
    message_unref(&copy);
    message_unref(&m);
}
END_TEST

/* The same headers with one changed (or, with value none, left out). */
static struct message *changed(const struct message *m, const char *name, struct slice value)
{
    struct text headers = { 0 };
    struct message_spec spec = {
        .address = m->address, .value = m->value, .qos = m->qos, .timestamp_ms = m->timestamp_ms
    };
    struct rd rd = rd_of(m->headers);
    struct record_header h;
    struct message *made;

    while (record_header_next(&rd, &h) == RC_OK) {
        if (!slice_equal_str(h.name, name))
            message_add_header(&headers, &spec.header_count, h.name, h.value);
        else if (!slice_is_none(value))
            message_add_header(&headers, &spec.header_count, h.name, value);
    }
    spec.headers = text_slice(&headers);
    made = message_new(&spec);
    text_done(&headers);
    ck_assert_ptr_nonnull(made);
    return made;
}

static struct amqp_properties decoded(void)
{
    struct amqp_properties p;

    ck_assert_int_eq(amqp_decode_properties(view.properties, &p), RC_OK);
    return p;
}

START_TEST(what_others_changed_wins_over_the_native_block)
{
    uint8_t room[600];
    struct message *m = message("amq.direct", "k", all_properties(room, sizeof(room)));
    struct message *other = changed(m, HEADER_CONTENT_TYPE, SLICE("application/json"));
    struct amqp_properties p;

    look(other);
    p = decoded();
    ck_assert_slice(p.content_type, SLICE("application/json"));
    ck_assert_slice(p.content_encoding, SLICE("gzip"));
    ck_assert_slice(p.correlation_id, SLICE("correlation"));
    ck_assert_slice(p.message_id, SLICE("id"));
    ck_assert_slice(p.type, SLICE("type"));
    ck_assert_uint_eq(p.timestamp, 1234567890);
    ck_assert_uint_eq(p.priority, 5);
    ck_assert_uint_eq(p.delivery_mode, 2);
    ck_assert(!AMQP_HAS(&p, USER_ID)); /* nobody has checked that one */
    ck_assert_slice(view.exchange, SLICE("amq.direct"));
    message_unref(&other);
    message_unref(&m);
}
END_TEST

START_TEST(types_of_headers_survive_without_the_native_block)
{
    uint8_t room[600];
    struct message *m = message("amq.direct", "k", all_properties(room, sizeof(room)));
    struct message *other = changed(m, HEADER_AMQP_PROPS, SLICE_NONE);
    struct amqp_value v;
    struct slice table;

    look(other);
    table = decoded().headers;
    ck_assert(amqp_table_find(table, SLICE("s"), &v) && v.type == AMQP_TEXT);
    ck_assert(amqp_table_find(table, SLICE("i"), &v) && v.type == AMQP_I32 && v.integer == 7);
    ck_assert(amqp_table_find(table, SLICE("t"), &v) && v.type == AMQP_BOOL && v.integer == 1);
    ck_assert(amqp_table_find(table, SLICE("v"), &v) && v.type == AMQP_VOID);
    ck_assert(amqp_table_find(table, SLICE("x"), &v) && v.type == AMQP_BYTES);
    ck_assert_slice(v.bytes, SLICE("\0\xff"));
    ck_assert(amqp_table_find(table, SLICE("f"), &v) && v.type == AMQP_TEXT);
    ck_assert_slice(v.bytes, SLICE("{\"a\":null}"));
    ck_assert(amqp_table_find(table, SLICE("b"), &v) && v.integer == -1);
    message_unref(&other);
    message_unref(&m);
}
END_TEST

START_TEST(a_header_stands_in_for_a_property_only_where_that_is_absent)
{
    static const uint8_t table[] = "\x0ex-content-typeS\0\0\0\5other";
    struct amqp_properties p = { .headers = slice_of(table, sizeof(table) - 1),
                                 .content_type = SLICE("text/plain") };
    uint8_t room[100];

    for (unsigned has_type = 0; has_type < 2; has_type++) {
        struct wr w = wr_of(room, sizeof(room));
        struct message *m;

        p.flags = (uint16_t)(0x8000u >> AMQP_PROPERTY_HEADERS |
                             (has_type ? 0x8000u >> AMQP_PROPERTY_CONTENT_TYPE : 0));
        amqp_encode_properties(&w, &p);
        m = message("amq.direct", "k", wr_slice(&w));
        ck_assert_slice(message_header(m, HEADER_CONTENT_TYPE),
                        has_type ? SLICE("text/plain") : SLICE("other"));
        ck_assert_slice(message_header(m, "x-content-type"),
                        has_type ? SLICE("other") : SLICE_NONE);
        message_unref(&m);
    }
}
END_TEST

START_TEST(a_block_that_somebody_made_up_is_not_believed)
{
    struct text headers = { 0 };
    struct message_spec spec = { .address = SLICE("s"), .value = SLICE("v") };
    struct message *m;

    message_add_header(&headers, &spec.header_count, SLICE(HEADER_AMQP_PROPS),
                       SLICE("\0\0\0\0\0\0\0\0\0\x10\5guest"));
    message_add_header(&headers, &spec.header_count, SLICE(HEADER_AMQP_EXCHANGE), SLICE("x"));
    message_add_header(&headers, &spec.header_count, SLICE(HEADER_AMQP_ROUTING_KEY), SLICE("k"));
    spec.headers = text_slice(&headers);
    m = message_new(&spec);
    look(m);
    ck_assert_uint_eq(decoded().flags & AMQP_FLAG(USER_ID), 0);
    message_unref(&m);
    text_done(&headers);
}
END_TEST

START_TEST(a_message_of_kafka_is_shown)
{
    struct text headers = { 0 };
    struct message_spec spec = { .address = SLICE("orders/eu"),
                                 .key = SLICE("eu"),
                                 .value = SLICE_NONE,
                                 .timestamp_ms = 1700000000123,
                                 .qos = 1 };
    struct amqp_properties p;
    struct amqp_value v, one;
    struct message *m;
    struct rd r;

    message_add_header(&headers, &spec.header_count, SLICE("trace"), SLICE("a"));
    message_add_header(&headers, &spec.header_count, SLICE("raw"), SLICE("\xff\xfe"));
    message_add_header(&headers, &spec.header_count, SLICE("trace"), SLICE("b"));
    message_add_header(&headers, &spec.header_count, SLICE("none"), SLICE_NONE);
    message_add_header(&headers, &spec.header_count, SLICE(HEADER_CORRELATION_ID),
                       SLICE("\0\1\xff"));
    spec.headers = text_slice(&headers);
    m = message_new(&spec);
    look(m);
    p = decoded();
    ck_assert_slice(view.exchange, SLICE("amq.topic"));
    ck_assert_slice(view.routing_key, SLICE("orders.eu"));
    ck_assert_uint_eq(p.delivery_mode, 2);
    ck_assert(!AMQP_HAS(&p, CORRELATION_ID));
    ck_assert(amqp_table_find(p.headers, SLICE(AMQP_HEADER_CORRELATION_ID), &v));
    ck_assert_slice(v.bytes, SLICE("\0\1\xff"));
    ck_assert(amqp_table_find(p.headers, SLICE(AMQP_HEADER_KAFKA_NULL), &v) && v.integer == 1);
    ck_assert(amqp_table_find(p.headers, SLICE(AMQP_HEADER_TIMESTAMP_MS), &v));
    ck_assert_int_eq(v.integer, 1700000000123);
    ck_assert(!amqp_table_find(p.headers, SLICE(AMQP_HEADER_KAFKA_KEY), &v));
    ck_assert(amqp_table_find(p.headers, SLICE("raw"), &v) && v.type == AMQP_BYTES);
    ck_assert(amqp_table_find(p.headers, SLICE("none"), &v) && v.type == AMQP_VOID);
    ck_assert(amqp_table_find(p.headers, SLICE("trace"), &v) && v.type == AMQP_ARRAY);
    r = rd_of(v.bytes);
    ck_assert(amqp_array_next(&r, &one) && slice_equal_str(one.bytes, "a"));
    ck_assert(amqp_array_next(&r, &one) && slice_equal_str(one.bytes, "b"));
    ck_assert(!amqp_array_next(&r, &one));
    message_unref(&m);
    text_done(&headers);
}
END_TEST

START_TEST(a_key_that_is_no_text_is_a_header)
{
    struct message_spec spec = { .address = SLICE("s"),
                                 .key = SLICE("\0\xff"),
                                 .value = SLICE("v") };
    struct message *m = message_new(&spec);
    struct amqp_value v;

    look(m);
    ck_assert(amqp_table_find(decoded().headers, SLICE(AMQP_HEADER_KAFKA_KEY), &v));
    ck_assert_int_eq(v.type, AMQP_BYTES);
    ck_assert_slice(v.bytes, SLICE("\0\xff"));
    message_unref(&m);
}
END_TEST

START_TEST(a_response_topic_leads_back)
{
    struct text headers = { 0 };
    struct message_spec spec = { .address = SLICE("s"), .value = SLICE("v") };
    struct amqp_properties p;
    struct amqp_value v;
    struct message *m;

    message_add_header(&headers, &spec.header_count, SLICE(HEADER_REPLY_TO), SLICE("re/p.1"));
    spec.headers = text_slice(&headers);
    m = message_new(&spec);
    look(m);
    p = decoded();
    ck_assert_slice(p.reply_to, SLICE(AMQP_REPLY_ADDRESS_PREFIX "re.p%2E1"));
    ck_assert(amqp_table_find(p.headers, SLICE(AMQP_HEADER_REPLY_TOPIC), &v));
    ck_assert_slice(v.bytes, SLICE("re/p.1"));
    message_unref(&m);
    text_done(&headers);
}
END_TEST

START_TEST(what_does_not_fit_in_a_frame_loses_its_headers_only)
{
    struct text headers = { 0 };
    struct message_spec spec = { .address = SLICE("s"), .value = SLICE("v") };
    uint8_t large[5000] = { 'x' };
    struct message *m;

    message_add_header(&headers, &spec.header_count, SLICE("large"),
                       slice_of(large, sizeof(large)));
    message_add_header(&headers, &spec.header_count, SLICE(HEADER_CONTENT_TYPE), SLICE("t"));
    spec.headers = text_slice(&headers);
    m = message_new(&spec);
    ck_assert_int_eq(amqp_view_of(&view, rig.core, m, 4096 - 20), RC_OK);
    ck_assert_uint_le(view.properties.len, 4096 - 20);
    ck_assert_slice(decoded().content_type, SLICE("t"));
    ck_assert_uint_eq(decoded().flags & AMQP_FLAG(HEADERS), 0);
    message_unref(&m);
    text_done(&headers);
}
END_TEST

START_TEST(the_same_publish_again_needs_no_new_outline)
{
    struct amqp_source source = { SLICE("amq.direct"), SLICE("k"), SLICE("\x10\0\2"), SLICE_NONE,
                                  AMQP_DELAYS_NOT };

    ck_assert_int_eq(build("amq.direct", "k", source.properties), RC_OK);
    ck_assert(amqp_outline_fits(&outline, &source));
    source.routing_key = SLICE("l");
    ck_assert(!amqp_outline_fits(&outline, &source));
    source.routing_key = SLICE("k");
    source.properties = SLICE("\x10\0\1");
    ck_assert(!amqp_outline_fits(&outline, &source));
    source.properties = SLICE("\1\0\00260");
    ck_assert_int_eq(build("amq.direct", "k", source.properties), RC_OK);
    ck_assert(!amqp_outline_fits(&outline, &source)); /* expires at another time */
}
END_TEST

START_TEST(bad_properties_are_refused_and_not_kept)
{
    struct amqp_source source = { SLICE("amq.direct"), SLICE("k"), SLICE("\1\0\2ab"), SLICE_NONE,
                                  AMQP_DELAYS_NOT };

    ck_assert_int_eq(build("amq.direct", "k", SLICE("\x10\0")), RC_MALFORMED);
    ck_assert_int_eq(build("amq.direct", "k", SLICE("\x80\0\1\xff")), RC_MALFORMED);
    ck_assert_int_eq(build("amq.direct", "k", source.properties), RC_INVALID);
    ck_assert_slice(text_slice(&why), SLICE("invalid expiration 'ab': no_integer"));
    ck_assert(!amqp_outline_fits(&outline, &source));
}
END_TEST

START_TEST(a_delivery_count_is_added_once)
{
    struct message *m = message("", "q", SLICE("\x20\0\0\0\0\x0e\1aI\0\0\0\1\1bt\1\1cV"));
    struct amqp_value v;

    ck_assert_ptr_nonnull(m);
    look(m);
    ck_assert_int_eq(amqp_view_add_count(&view, 1), RC_OK);
    ck_assert_int_eq(amqp_view_add_count(&view, 2), RC_OK);
    ck_assert(amqp_table_find(decoded().headers, SLICE(AMQP_HEADER_DELIVERY_COUNT), &v));
    ck_assert_int_eq(v.integer, 2);
    ck_assert(amqp_table_find(decoded().headers, SLICE("c"), &v));
    message_unref(&m);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("map");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, amqp_reads_back_what_amqp_wrote);
    tcase_add_test(tests, a_copy_made_by_another_protocol_reads_the_same);
    tcase_add_test(tests, what_others_changed_wins_over_the_native_block);
    tcase_add_test(tests, types_of_headers_survive_without_the_native_block);
    tcase_add_test(tests, a_header_stands_in_for_a_property_only_where_that_is_absent);
    tcase_add_test(tests, a_block_that_somebody_made_up_is_not_believed);
    tcase_add_test(tests, a_message_of_kafka_is_shown);
    tcase_add_test(tests, a_key_that_is_no_text_is_a_header);
    tcase_add_test(tests, a_response_topic_leads_back);
    tcase_add_test(tests, what_does_not_fit_in_a_frame_loses_its_headers_only);
    tcase_add_test(tests, the_same_publish_again_needs_no_new_outline);
    tcase_add_test(tests, bad_properties_are_refused_and_not_kept);
    tcase_add_test(tests, a_delivery_count_is_added_once);
    return suite_run("amqp_map", tests);
}
