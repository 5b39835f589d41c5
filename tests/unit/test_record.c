/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/record.h"

#include <check.h>
#include <stdlib.h>

/* A reader of one record, whose header allows offset deltas 0..last_delta. */
static struct record_reader reader_of(struct slice records, uint32_t count, uint32_t last_delta)
{
    struct batch_header h = { .base_offset = 100,
                              .base_timestamp_ms = 5000,
                              .max_timestamp_ms = 6000,
                              .record_count = count,
                              .last_offset_delta = last_delta };
    struct record_reader reader;

    record_reader_init(&reader, &h, records);
    return reader;
}

/* All records, in an exact-size heap copy: RC_NOT_FOUND when the whole section is good. */
static enum rc walk(struct slice records, uint32_t count, uint32_t last_delta)
{
    uint8_t *copy = malloc(records.len == 0 ? 1 : records.len);
    struct record_reader reader;
    struct record record;
    enum rc rc;

    memcpy(copy, records.at, records.len);
    reader = reader_of(slice_of(copy, records.len), count, last_delta);
    while ((rc = record_next(&reader, &record)) == RC_OK)
        ;
    ck_assert_int_eq(record_next(&reader, &record), rc);
    free(copy);
    return rc;
}

/* length 16: attributes 0, timestamp +7, offset +2, key "ab", value "xyz", 1 header "n"="v" */
#define ONE                \
    "\x1e\x00\x0e\x04\x04" \
    "ab\x06"               \
    "xyz\x02\x02"          \
    "n\x02"                \
    "v"

START_TEST(every_field_of_a_record_is_read)
{
    struct record_reader reader = reader_of(SLICE(ONE), 1, 2);
    struct record record;
    struct slice value;

    ck_assert_int_eq(record_next(&reader, &record), RC_OK);
    ck_assert_uint_eq(record.offset, 102);
    ck_assert_int_eq(record.timestamp_ms, 5007);
    ck_assert(slice_equal(record.key, SLICE("ab")) && slice_equal(record.value, SLICE("xyz")));
    ck_assert_uint_eq(record.header_count, 1);
    ck_assert(slice_equal(record.headers, SLICE("\x02n\x02v")));
    ck_assert(slice_equal(record.body, slice_after(SLICE(ONE), 4)));
    ck_assert_int_eq(record_header_find(&record, SLICE("n"), &value), RC_OK);
    ck_assert(slice_equal(value, SLICE("v")));
    ck_assert_int_eq(record_header_find(&record, SLICE("N"), &value), RC_NOT_FOUND);
    ck_assert_int_eq(record_next(&reader, &record), RC_NOT_FOUND);
}
END_TEST

START_TEST(every_truncation_is_malformed)
{
    struct slice whole = SLICE(ONE ONE);

    /* Both records have offset delta 2: only the first is good. */
    ck_assert_int_eq(walk(SLICE(ONE), 1, 2), RC_NOT_FOUND);
    for (size_t len = 0; len < sizeof(ONE) - 1; len++)
        ck_assert_int_eq(walk(slice_of(whole.at, len), 1, 2), RC_MALFORMED);
}
END_TEST

START_TEST(bytes_left_over_are_malformed)
{
    ck_assert_int_eq(walk(SLICE(ONE "\0"), 1, 2), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE("\0"), 0, 2), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE(""), 0, 2), RC_NOT_FOUND);
}
END_TEST

START_TEST(a_record_length_one_off_is_malformed)
{
    ck_assert_int_eq(walk(SLICE("\x0e\0\0\0\x01\x01\0\0"), 1, 0), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE("\x0c\0\0\0\x01\x01\0"), 1, 0), RC_NOT_FOUND);
    ck_assert_int_eq(walk(SLICE("\x0a\0\0\0\x01\x01\0"), 1, 0), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE("\x01\0\0\0\x01\x01\0"), 1, 0), RC_MALFORMED);
}
END_TEST

START_TEST(more_records_than_could_fit_are_refused_at_once)
{
    struct record_reader reader = reader_of(SLICE("\x0c\0\0\0\x01\x01\0"), 2, 1);
    struct record record;

    ck_assert_int_eq(record_next(&reader, &record), RC_MALFORMED);
}
END_TEST

START_TEST(offsets_must_rise_and_stay_within_the_batch)
{
#define AT(delta) "\x0c\0\0" delta "\x01\x01\0"
    ck_assert_int_eq(walk(SLICE(AT("\0") AT("\x02")), 2, 1), RC_NOT_FOUND);
    ck_assert_int_eq(walk(SLICE(AT("\0") AT("\x06")), 2, 3), RC_NOT_FOUND); /* compacted */
    ck_assert_int_eq(walk(SLICE(AT("\0") AT("\0")), 2, 1), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE(AT("\x02") AT("\0")), 2, 1), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE(AT("\x01")), 1, 1), RC_MALFORMED); /* -1 */
    ck_assert_int_eq(walk(SLICE(AT("\x04")), 1, 1), RC_MALFORMED);
#undef AT
}
END_TEST

START_TEST(null_differs_from_empty_and_other_negatives_are_malformed)
{
    struct record record;
    struct record_reader reader = reader_of(SLICE("\x0c\0\0\0\0\x01\0"), 1, 0);

    ck_assert_int_eq(record_next(&reader, &record), RC_OK);
    ck_assert(!slice_is_none(record.key) && record.key.len == 0 && slice_is_none(record.value));
    ck_assert_int_eq(walk(SLICE("\x0c\0\0\0\x03\x01\0"), 1, 0), RC_MALFORMED);   /* key -2 */
    ck_assert_int_eq(walk(SLICE("\x0c\0\0\0\x01\x03\0"), 1, 0), RC_MALFORMED);   /* value -2 */
    ck_assert_int_eq(walk(SLICE("\x0c\0\0\0\x01\x01\x01"), 1, 0), RC_MALFORMED); /* headers -1 */
}
END_TEST

START_TEST(headers_need_a_name_and_may_have_a_null_value)
{
    struct record record;
    struct record_reader reader = reader_of(SLICE("\x10\0\0\0\x01\x01\x02\0\x01"), 1, 0);
    struct slice value = SLICE("x");

    ck_assert_int_eq(record_next(&reader, &record), RC_OK);
    ck_assert_int_eq(record_header_find(&record, SLICE(""), &value), RC_OK);
    ck_assert(slice_is_none(value));
    ck_assert_int_eq(walk(SLICE("\x10\0\0\0\x01\x01\x02\x01\x01"), 1, 0), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE("\x10\0\0\0\x01\x01\x02\0\x03"), 1, 0), RC_MALFORMED);
    /* Two headers cannot lie in two bytes; 2^31-1 not in any. */
    ck_assert_int_eq(walk(SLICE("\x10\0\0\0\x01\x01\x04\0\x01"), 1, 0), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE("\x18\0\0\0\x01\x01\xfe\xff\xff\xff\x0f\0\x01"), 1, 0),
                     RC_MALFORMED);
}
END_TEST

START_TEST(a_length_varint_of_more_than_32_bits_is_malformed)
{
    ck_assert_int_eq(walk(SLICE("\x8c\x80\x80\x80\0\0\0\0\x01\x01\0"), 1, 0), RC_NOT_FOUND);
    ck_assert_int_eq(walk(SLICE("\x8c\x80\x80\x80\x80\0\0\0\0\x01\x01\0"), 1, 0), RC_MALFORMED);
    ck_assert_int_eq(walk(SLICE("\x8c\x80\x80\x80\x10\0\0\0\x01\x01\0"), 1, 0), RC_MALFORMED);
}
END_TEST

START_TEST(a_whole_varlong_serves_as_timestamp_delta)
{
    struct record record;
    struct record_reader reader =
        reader_of(SLICE("\x1e\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\x01\x01\0"), 1, 0);

    ck_assert_int_eq(record_next(&reader, &record), RC_OK);
    ck_assert_int_eq(record.timestamp_ms, (int64_t)((uint64_t)INT64_MIN + 5000));
    ck_assert_int_eq(
        walk(SLICE("\x20\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\x01\x01\0"), 1, 0),
        RC_MALFORMED);
}
END_TEST

START_TEST(a_body_reads_back_what_was_written)
{
    struct text headers = { 0 }, body = { 0 };
    struct record record;
    struct slice value;

    record_header_add(&headers, SLICE("a"), SLICE("1"));
    record_header_add(&headers, SLICE(""), SLICE_NONE);
    record_header_add(&headers, SLICE("a"), SLICE(""));
    record_body_add(&body, SLICE_NONE, SLICE("payload"), 3, text_slice(&headers));
    ck_assert(!headers.bad && !body.bad);
    ck_assert_int_eq(record_read_body(text_slice(&body), &record), RC_OK);
    ck_assert(slice_is_none(record.key) && slice_equal(record.value, SLICE("payload")));
    ck_assert_uint_eq(record.header_count, 3);
    ck_assert(slice_equal(record.headers, text_slice(&headers)));
    ck_assert_int_eq(record_header_find(&record, SLICE("a"), &value), RC_OK);
    ck_assert(slice_equal(value, SLICE("1")));
    for (size_t len = 0; len < body.len; len++) {
        uint8_t *cut = malloc(len == 0 ? 1 : len);

        memcpy(cut, body.at, len);
        ck_assert_int_eq(record_read_body(slice_of(cut, len), &record), RC_MALFORMED);
        free(cut);
    }
    text_add_byte(&body, 0);
    ck_assert_int_eq(record_read_body(text_slice(&body), &record), RC_MALFORMED);
    text_done(&headers);
    text_done(&body);
}
END_TEST

START_TEST(broken_headers_end_the_walk_with_an_error)
{
    struct rd headers = rd_of(SLICE("\x02n\x04v"));
    struct record_header header;

    ck_assert_int_eq(record_header_next(&headers, &header), RC_MALFORMED);
    ck_assert_int_eq(record_header_next(&headers, &header), RC_MALFORMED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tcase = tcase_create("record");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, every_field_of_a_record_is_read);
    tcase_add_test(tcase, every_truncation_is_malformed);
    tcase_add_test(tcase, bytes_left_over_are_malformed);
    tcase_add_test(tcase, a_record_length_one_off_is_malformed);
    tcase_add_test(tcase, more_records_than_could_fit_are_refused_at_once);
    tcase_add_test(tcase, offsets_must_rise_and_stay_within_the_batch);
    tcase_add_test(tcase, null_differs_from_empty_and_other_negatives_are_malformed);
    tcase_add_test(tcase, headers_need_a_name_and_may_have_a_null_value);
    tcase_add_test(tcase, a_length_varint_of_more_than_32_bits_is_malformed);
    tcase_add_test(tcase, a_whole_varlong_serves_as_timestamp_delta);
    tcase_add_test(tcase, a_body_reads_back_what_was_written);
    tcase_add_test(tcase, broken_headers_end_the_walk_with_an_error);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
