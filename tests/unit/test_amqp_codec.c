/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "protocols/amqp/amqp_codec.h"
#include "protocols/amqp/amqp_table.h"

/* key "k": long string "value" */
static const uint8_t table_bytes[] = { 1, 'k', 'S', 0, 0, 0, 5, 'v', 'a', 'l', 'u', 'e' };

#define SAMPLE_octet    0x5a
#define SAMPLE_short    0x1234
#define SAMPLE_long     0x12345678
#define SAMPLE_longlong UINT64_C(0x123456789abcdef0)
#define SAMPLE_bit      true
#define SAMPLE_shortstr SLICE("caf\xc3\xa9")
#define SAMPLE_longstr  SLICE("any \xff octets")
#define SAMPLE_table    slice_of(table_bytes, sizeof(table_bytes))

static void fill(struct amqp_method *m, enum amqp_method_name name)
{
    *m = (struct amqp_method){ .name = name };
    switch (name) {
#define SET(t, kind, field) m->t.field = SAMPLE_##kind;
#define X(NAME, type, class, method, text) \
    case AMQP_##NAME:                      \
        AMQP_F_##type(SET) break;
        AMQP_METHODS(X)
#undef X
#undef SET
    case AMQP_METHOD_COUNT:
        break;
    }
}

#define same_octet(a, b)    ck_assert_uint_eq(a, b)
#define same_short(a, b)    ck_assert_uint_eq(a, b)
#define same_long(a, b)     ck_assert_uint_eq(a, b)
#define same_longlong(a, b) ck_assert_uint_eq(a, b)
#define same_bit(a, b)      ck_assert_int_eq(a, b)
#define same_shortstr(a, b) ck_assert(slice_equal(a, b))
#define same_longstr(a, b)  ck_assert(slice_equal(a, b))
#define same_table(a, b)    ck_assert(slice_equal(a, b))

static void check_same(const struct amqp_method *a, const struct amqp_method *b)
{
    ck_assert_int_eq(a->name, b->name);
    switch (a->name) {
#define SAME(t, kind, field) same_##kind(a->t.field, b->t.field);
#define X(NAME, type, class, method, text) \
    case AMQP_##NAME:                      \
        AMQP_F_##type(SAME) break;
        AMQP_METHODS(X)
#undef X
#undef SAME
    case AMQP_METHOD_COUNT:
        break;
    }
}

/* Encodes into an exact heap copy. */
static struct slice encode(const struct amqp_method *m)
{
    struct wr counting = wr_counting(), w;

    amqp_encode_method(&counting, m);
    w = wr_of(malloc(counting.len), counting.len);
    amqp_encode_method(&w, m);
    ck_assert(!w.bad);
    ck_assert_uint_eq(w.len, counting.len);
    return wr_slice(&w);
}

static void release(struct slice s)
{
    free((void *)(uintptr_t)s.at);
}

/* An exact-size heap copy, so that a read behind its end is seen by the sanitizer. */
static struct slice exact(struct slice s)
{
    uint8_t *at = malloc(s.len == 0 ? 1 : s.len);

    if (s.len > 0)
        memcpy(at, s.at, s.len);
    return slice_of(at, s.len);
}

START_TEST(every_method_reads_back_what_was_written)
{
    struct amqp_method in, out = { 0 };
    struct slice bytes;

    fill(&in, (enum amqp_method_name)_i);
    bytes = encode(&in);
    ck_assert_int_eq(amqp_decode_method(bytes, &out), RC_OK);
    check_same(&in, &out);
    release(bytes);
}
END_TEST

START_TEST(every_truncation_of_every_method_is_malformed)
{
    struct amqp_method in, out;
    struct slice bytes;

    fill(&in, (enum amqp_method_name)_i);
    bytes = encode(&in);
    for (size_t n = 0; n < bytes.len; n++) {
        struct slice cut = exact(slice_of(bytes.at, n));

        ck_assert_int_eq(amqp_decode_method(cut, &out), RC_MALFORMED);
        release(cut);
    }
    release(bytes);
}
END_TEST

START_TEST(bytes_behind_the_arguments_are_malformed)
{
    struct amqp_method in, out;
    struct slice bytes;
    uint8_t *longer;

    fill(&in, (enum amqp_method_name)_i);
    bytes = encode(&in);
    longer = malloc(bytes.len + 1);
    memcpy(longer, bytes.at, bytes.len);
    longer[bytes.len] = 0;
    ck_assert_int_eq(amqp_decode_method(slice_of(longer, bytes.len + 1), &out), RC_MALFORMED);
    free(longer);
    release(bytes);
}
END_TEST

START_TEST(unknown_ids_are_not_found)
{
    static const uint8_t unknown[][4] = { { 0, 50, 0, 99 }, { 0, 77, 0, 10 },  { 0, 0, 0, 0 },
                                          { 0, 60, 0, 30 }, { 0, 60, 0, 121 }, { 0xff, 0xff, 0, 1 },
                                          { 0, 40, 0, 41 }, { 0, 60, 0, 200 }, { 1, 60, 0, 40 } };
    struct amqp_method out;
    uint16_t class_id, method_id;

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        enum rc rc = amqp_decode_method(slice_of(unknown[i], 4), &out);

        /* basic.cancel is known, and here without its arguments */
        ck_assert_int_eq(rc, unknown[i][3] == 30 ? RC_MALFORMED : RC_NOT_FOUND);
    }
    amqp_method_ids(slice_of(unknown[0], 4), &class_id, &method_id);
    ck_assert_uint_eq(class_id, 50);
    ck_assert_uint_eq(method_id, 99);
    amqp_method_ids(slice_of(unknown[0], 3), &class_id, &method_id);
    ck_assert_uint_eq(method_id, 0);
}
END_TEST

START_TEST(a_short_string_that_is_not_utf8_is_invalid)
{
    struct amqp_method in = { .name = AMQP_QUEUE_DELETE }, out;
    struct slice bytes;

    in.queue_delete.queue = SLICE("bad\xff\xfe");
    bytes = encode(&in);
    ck_assert_int_eq(amqp_decode_method(bytes, &out), RC_INVALID);
    release(bytes);
}
END_TEST

START_TEST(a_broken_table_makes_the_method_malformed)
{
    struct amqp_method in = { .name = AMQP_QUEUE_DECLARE }, out;
    struct slice bytes;

    in.queue_declare.arguments = SLICE("\1k?");
    bytes = encode(&in);
    ck_assert_int_eq(amqp_decode_method(bytes, &out), RC_MALFORMED);
    release(bytes);
}
END_TEST

START_TEST(five_bits_share_one_octet_lowest_first)
{
    static const uint8_t expected[] = { 0, 50, 0, 10, 0, 0, 1, 'q', 0x0a, 0, 0, 0, 0 };
    struct amqp_method in = { .name = AMQP_QUEUE_DECLARE };
    struct slice bytes;

    in.queue_declare.queue = SLICE("q");
    in.queue_declare.durable = true;     /* bit 1 */
    in.queue_declare.auto_delete = true; /* bit 3 */
    bytes = encode(&in);
    ck_assert(slice_equal(bytes, slice_of(expected, sizeof(expected))));
    release(bytes);
}
END_TEST

START_TEST(exchange_unbind_ok_has_the_odd_id_51)
{
    ck_assert_uint_eq(amqp_method_class_id(AMQP_EXCHANGE_UNBIND_OK), 40);
    ck_assert_uint_eq(amqp_method_id(AMQP_EXCHANGE_UNBIND_OK), 51);
    ck_assert_str_eq(amqp_method_text(AMQP_EXCHANGE_UNBIND_OK), "exchange.unbind-ok");
}
END_TEST

/* ---- frames ---- */

static const uint8_t frame_bytes[] = { 1, 0, 7, 0, 0, 0, 4, 0, 20, 0, 41, 0xCE, 0x77 };

START_TEST(a_frame_is_wanted_whole_and_says_how_much_that_is)
{
    struct amqp_frame frame;
    size_t need;

    for (size_t n = 0; n < 12; n++) {
        struct slice part = exact(slice_of(frame_bytes, n));

        need = 0;
        ck_assert_int_eq(amqp_frame_next(part, 4096, &frame, &need), RC_AGAIN);
        ck_assert_uint_eq(need, n < AMQP_FRAME_HEAD ? AMQP_FRAME_OVERHEAD : 12);
        release(part);
    }
    ck_assert_int_eq(amqp_frame_next(slice_of(frame_bytes, 13), 4096, &frame, &need), RC_OK);
    ck_assert_uint_eq(frame.type, AMQP_FRAME_METHOD);
    ck_assert_uint_eq(frame.channel, 7);
    ck_assert_uint_eq(frame.payload.len, 4);
}
END_TEST

START_TEST(a_wrong_end_octet_is_malformed_and_told)
{
    uint8_t bytes[12];
    struct amqp_frame frame;
    size_t need;

    memcpy(bytes, frame_bytes, sizeof(bytes));
    bytes[11] = 0;
    ck_assert_int_eq(amqp_frame_next(slice_of(bytes, 12), 4096, &frame, &need), RC_MALFORMED);
    ck_assert_uint_eq(frame.end, 0);
    ck_assert_uint_eq(frame.payload.len, 4);
}
END_TEST

START_TEST(a_payload_of_frame_max_passes_and_one_more_does_not)
{
    uint8_t head[7] = { 3, 0, 1, 0, 0, 0x10, 0 };
    struct amqp_frame frame;
    size_t need;

    ck_assert_int_eq(amqp_frame_next(slice_of(head, 7), 4096, &frame, &need), RC_AGAIN);
    head[6] = 1;
    ck_assert_int_eq(amqp_frame_next(slice_of(head, 7), 4096, &frame, &need), RC_TOO_LARGE);
    ck_assert_uint_eq(frame.size, 4097);
    memset(head + 3, 0xff, 4);
    ck_assert_int_eq(amqp_frame_next(slice_of(head, 7), 131072, &frame, &need), RC_TOO_LARGE);
}
END_TEST

START_TEST(an_empty_payload_is_a_frame)
{
    static const uint8_t heartbeat[] = { 8, 0, 0, 0, 0, 0, 0, 0xCE };
    struct amqp_frame frame;
    size_t need;

    ck_assert_int_eq(amqp_frame_next(slice_of(heartbeat, 8), 4096, &frame, &need), RC_OK);
    ck_assert_uint_eq(frame.type, AMQP_FRAME_HEARTBEAT);
    ck_assert_uint_eq(frame.payload.len, 0);
}
END_TEST

START_TEST(a_method_frame_is_framed)
{
    struct amqp_method m = { .name = AMQP_CHANNEL_CLOSE_OK };
    uint8_t room[16];
    struct wr w = wr_of(room, sizeof(room));

    amqp_encode_method_frame(&w, 7, &m);
    ck_assert(slice_equal(wr_slice(&w), slice_of(frame_bytes, 12)));
}
END_TEST

/* ---- content headers ---- */

static void fill_properties(struct amqp_properties *p)
{
    *p = (struct amqp_properties){ 0 };
#define X(FLAG, kind, name)                            \
    p->flags = (uint16_t)(p->flags | AMQP_FLAG(FLAG)); \
    p->name = SAMPLE_##kind;
    AMQP_PROPERTIES(X)
#undef X
}

static struct slice encode_properties(const struct amqp_properties *p)
{
    struct wr counting = wr_counting(), w;

    amqp_encode_properties(&counting, p);
    w = wr_of(malloc(counting.len), counting.len);
    amqp_encode_properties(&w, p);
    ck_assert(!w.bad);
    return wr_slice(&w);
}

START_TEST(all_fourteen_properties_read_back)
{
    struct amqp_properties in, out;
    struct slice bytes;

    fill_properties(&in);
    ck_assert_uint_eq(in.flags, 0xfffc);
    bytes = encode_properties(&in);
    ck_assert_int_eq(amqp_decode_properties(bytes, &out), RC_OK);
    ck_assert_uint_eq(in.flags, out.flags);
#define X(FLAG, kind, name) same_##kind(in.name, out.name);
    AMQP_PROPERTIES(X)
#undef X
    release(bytes);
}
END_TEST

START_TEST(each_property_alone_reads_back)
{
    struct amqp_properties all, in, out;
    struct slice bytes;

    fill_properties(&all);
    in = all;
    in.flags = (uint16_t)(0x8000u >> _i);
    bytes = encode_properties(&in);
    ck_assert_int_eq(amqp_decode_properties(bytes, &out), RC_OK);
    ck_assert_uint_eq(out.flags, in.flags);
    release(bytes);
}
END_TEST

START_TEST(every_truncation_of_the_properties_is_malformed)
{
    struct amqp_properties in, out;
    struct slice bytes;

    fill_properties(&in);
    bytes = encode_properties(&in);
    for (size_t n = 0; n < bytes.len; n++) {
        struct slice cut = exact(slice_of(bytes.at, n));

        ck_assert_int_eq(amqp_decode_properties(cut, &out), RC_MALFORMED);
        release(cut);
    }
    release(bytes);
}
END_TEST

START_TEST(unknown_flags_and_leftovers_are_malformed)
{
    struct amqp_properties out;

    ck_assert_int_eq(amqp_decode_properties(SLICE("\0\1\0\0"), &out), RC_MALFORMED);
    ck_assert_int_eq(amqp_decode_properties(SLICE("\0\2"), &out), RC_MALFORMED);
    ck_assert_int_eq(amqp_decode_properties(SLICE("\0\0\0"), &out), RC_MALFORMED);
    ck_assert_int_eq(amqp_decode_properties(SLICE("\0\0"), &out), RC_OK);
}
END_TEST

START_TEST(a_header_frame_reads_back)
{
    uint8_t room[64];
    struct wr w = wr_of(room, sizeof(room));
    struct amqp_frame frame;
    struct amqp_content_header header;
    size_t need;

    amqp_encode_header_frame(&w, 9, UINT64_C(1) << 40, SLICE("\x10\0\2"));
    ck_assert_int_eq(amqp_frame_next(wr_slice(&w), 4096, &frame, &need), RC_OK);
    ck_assert_uint_eq(frame.type, AMQP_FRAME_HEADER);
    ck_assert_int_eq(amqp_decode_content_header(frame.payload, &header), RC_OK);
    ck_assert_uint_eq(header.class_id, 60);
    ck_assert_uint_eq(header.weight, 0);
    ck_assert_uint_eq(header.body_size, UINT64_C(1) << 40);
    ck_assert(slice_equal(header.properties, SLICE("\x10\0\2")));
    for (size_t n = 0; n < AMQP_HEADER_FIXED; n++) {
        struct slice cut = exact(slice_of(frame.payload.at, n));

        ck_assert_int_eq(amqp_decode_content_header(cut, &header), RC_MALFORMED);
        release(cut);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("amqp_codec");
    TCase *methods = tcase_create("methods"), *frames = tcase_create("frames");
    TCase *headers = tcase_create("headers");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(methods, every_method_reads_back_what_was_written, 0, AMQP_METHOD_COUNT);
    tcase_add_loop_test(methods, every_truncation_of_every_method_is_malformed, 0,
                        AMQP_METHOD_COUNT);
    tcase_add_loop_test(methods, bytes_behind_the_arguments_are_malformed, 0, AMQP_METHOD_COUNT);
    tcase_add_test(methods, unknown_ids_are_not_found);
    tcase_add_test(methods, a_short_string_that_is_not_utf8_is_invalid);
    tcase_add_test(methods, a_broken_table_makes_the_method_malformed);
    tcase_add_test(methods, five_bits_share_one_octet_lowest_first);
    tcase_add_test(methods, exchange_unbind_ok_has_the_odd_id_51);
    tcase_add_test(frames, a_frame_is_wanted_whole_and_says_how_much_that_is);
    tcase_add_test(frames, a_wrong_end_octet_is_malformed_and_told);
    tcase_add_test(frames, a_payload_of_frame_max_passes_and_one_more_does_not);
    tcase_add_test(frames, an_empty_payload_is_a_frame);
    tcase_add_test(frames, a_method_frame_is_framed);
    tcase_add_test(headers, all_fourteen_properties_read_back);
    tcase_add_loop_test(headers, each_property_alone_reads_back, 0, AMQP_PROPERTY_COUNT);
    tcase_add_test(headers, every_truncation_of_the_properties_is_malformed);
    tcase_add_test(headers, unknown_flags_and_leftovers_are_malformed);
    tcase_add_test(headers, a_header_frame_reads_back);
    suite_add_tcase(suite, methods);
    suite_add_tcase(suite, frames);
    suite_add_tcase(suite, headers);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
