/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "broker/record/builder.h"
#include "broker/record/record.h"

#ifdef TERCET_FAULTS
#define HAS_FAULTS true
#else
#define HAS_FAULTS false
#endif

#define NO_HEADERS 0, SLICE_NONE

static struct slice filled(uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(i * 7 + len);
    return slice_of(at, len);
}

START_TEST(ten_thousand_records_read_back_equal)
{
    static uint8_t value_bytes[3000];
    struct text headers = { 0 };
    struct batch_builder b;
    struct block *block;
    struct record_reader reader;
    struct record record;

    record_header_add(&headers, SLICE("h"), SLICE("v"));
    batch_builder_init(&b, 64 << 20, 0);
    for (unsigned i = 0; i < 10000; i++)
        ck_assert_int_eq(batch_builder_add(
                             &b, 1000 - (int64_t)i * (i % 3),
                             i % 5 == 0 ? SLICE_NONE : slice_of(&i, sizeof(i)),
                             i % 7 == 0 ? SLICE_NONE : filled(value_bytes, i % sizeof(value_bytes)),
                             i % 2, i % 2 == 0 ? SLICE_NONE : text_slice(&headers)),
                         RC_OK);
    ck_assert_uint_eq(b.record_count, 10000);
    batch_builder_seal(&b, 5000000000, &block);
    ck_assert(batch_builder_is_empty(&b) && b.block == NULL && b.bytes == 0);
    ck_assert_int_eq(batch_check_crc(block_slice(block)), RC_OK);
    ck_assert_int_eq(record_reader_open(block_slice(block), 0, NULL, &reader, NULL, NULL), RC_OK);
    for (unsigned i = 0; i < 10000; i++) {
        ck_assert_int_eq(record_next(&reader, &record), RC_OK);
        ck_assert_uint_eq(record.offset, 5000000000 + i);
        ck_assert_int_eq(record.timestamp_ms, 1000 - (int64_t)i * (i % 3));
        ck_assert_uint_eq(slice_is_none(record.key), i % 5 == 0);
        ck_assert(i % 5 == 0 || slice_equal(record.key, slice_of(&i, sizeof(i))));
        ck_assert_uint_eq(slice_is_none(record.value), i % 7 == 0);
        ck_assert(i % 7 == 0 ||
                  slice_equal(record.value, filled(value_bytes, i % sizeof(value_bytes))));
        ck_assert_uint_eq(record.header_count, i % 2);
    }
    ck_assert_int_eq(record_next(&reader, &record), RC_NOT_FOUND);
    block_unref(&block);
    text_done(&headers);
}
END_TEST

START_TEST(a_body_makes_the_same_bytes_as_its_parts)
{
    struct text headers = { 0 }, body = { 0 };
    struct batch_builder parts, bodies;
    struct block *x, *y;

    record_header_add(&headers, SLICE("name"), SLICE("value"));
    record_body_add(&body, SLICE("key"), SLICE("payload"), 1, text_slice(&headers));
    batch_builder_init(&parts, 0, 0);
    batch_builder_init(&bodies, 0, 0);
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(
            batch_builder_add(&parts, i, SLICE("key"), SLICE("payload"), 1, text_slice(&headers)),
            RC_OK);
        ck_assert_int_eq(batch_builder_add_body(&bodies, i, text_slice(&body)), RC_OK);
    }
    batch_builder_seal(&parts, 1, &x);
    batch_builder_seal(&bodies, 1, &y);
    ck_assert(slice_equal(block_slice(x), block_slice(y)));
    block_unref(&x);
    block_unref(&y);
    text_done(&headers);
    text_done(&body);
}
END_TEST

START_TEST(timestamps_far_apart_read_back_equal)
{
    static const int64_t times[] = { INT64_MAX, INT64_MIN, -1, 0, 1, INT64_MAX };
    struct batch_builder b;
    struct batch_header h;
    struct record_reader reader;
    struct record record;
    struct block *block;

    batch_builder_init(&b, 0, 0);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_int_eq(batch_builder_add(&b, times[i], SLICE_NONE, SLICE_NONE, NO_HEADERS),
                         RC_OK);
    batch_builder_seal(&b, 0, &block);
    ck_assert_int_eq(record_reader_open(block_slice(block), 0, NULL, &reader, &h, NULL), RC_OK);
    ck_assert_int_eq(h.max_timestamp_ms, INT64_MAX);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(record_next(&reader, &record), RC_OK);
        ck_assert_int_eq(record.timestamp_ms, times[i]);
    }
    block_unref(&block);
}
END_TEST

START_TEST(the_record_limit_is_met_exactly)
{
    struct batch_builder b;

    batch_builder_init(&b, 0, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(batch_builder_add(&b, 0, SLICE_NONE, SLICE("x"), NO_HEADERS), RC_OK);
    ck_assert_int_eq(batch_builder_add(&b, 0, SLICE_NONE, SLICE("x"), NO_HEADERS), RC_LIMIT);
    ck_assert_int_eq(batch_builder_add_body(&b, 0, SLICE("\1\1\0")), RC_LIMIT);
    ck_assert_uint_eq(b.record_count, 3);
    batch_builder_done(&b);
}
END_TEST

START_TEST(a_batch_of_several_stays_within_its_bytes_and_one_may_be_larger)
{
    static uint8_t value_bytes[5000];
    struct slice value = filled(value_bytes, sizeof(value_bytes));
    struct batch_builder b;
    struct block *block;
    int added = 0;

    batch_builder_init(&b, 4096, 0);
    ck_assert_int_eq(batch_builder_add(&b, 0, SLICE_NONE, value, NO_HEADERS), RC_OK);
    ck_assert_int_eq(batch_builder_add(&b, 0, SLICE_NONE, SLICE(""), NO_HEADERS), RC_LIMIT);
    batch_builder_seal(&b, 0, &block);
    ck_assert_uint_gt(block->len, 5000);
    block_unref(&block);
    while (batch_builder_add(&b, 0, SLICE_NONE, slice_of(value.at, 100), NO_HEADERS) == RC_OK)
        added++;
    batch_builder_seal(&b, 0, &block);
    ck_assert_uint_le(block->len, 4096);
    ck_assert_uint_gt(block->len, 4096 - 120);
    ck_assert_int_ge(added, 36);
    ck_assert_int_eq(batch_check_crc(block_slice(block)), RC_OK);
    block_unref(&block);
}
END_TEST

START_TEST(a_record_beyond_any_batch_is_too_large)
{
    struct slice huge = slice_of("", BATCH_BUILDER_MAX_RECORD_BYTES);
    struct batch_builder b;

    batch_builder_init(&b, 0, 0);
    ck_assert_int_eq(batch_builder_add_body(&b, 0, huge), RC_TOO_LARGE);
    ck_assert_int_eq(batch_builder_add(&b, 0, huge, SLICE_NONE, NO_HEADERS), RC_TOO_LARGE);
    ck_assert_int_eq(batch_builder_add(&b, 0, SLICE_NONE, huge, NO_HEADERS), RC_TOO_LARGE);
    ck_assert_int_eq(batch_builder_add(&b, 0, SLICE_NONE, SLICE_NONE, 1, huge), RC_TOO_LARGE);
    huge.len++;
    ck_assert_int_eq(batch_builder_add_body(&b, 0, huge), RC_TOO_LARGE);
    ck_assert(batch_builder_is_empty(&b) && b.block == NULL);
}
END_TEST

START_TEST(clearing_drops_the_records)
{
    struct batch_builder b;
    struct batch_header h;
    struct block *block;

    batch_builder_init(&b, 0, 0);
    ck_assert_int_eq(batch_builder_add(&b, 9, SLICE_NONE, SLICE("old"), NO_HEADERS), RC_OK);
    batch_builder_clear(&b);
    ck_assert(batch_builder_is_empty(&b));
    ck_assert_int_eq(batch_builder_add(&b, 5, SLICE_NONE, SLICE("new"), NO_HEADERS), RC_OK);
    batch_builder_seal(&b, 0, &block);
    ck_assert_int_eq(batch_peek(block_slice(block), &h, NULL, NULL), RC_OK);
    ck_assert(h.record_count == 1 && h.base_timestamp_ms == 5 && h.max_timestamp_ms == 5);
    block_unref(&block);
}
END_TEST

START_TEST(a_marker_carries_its_producer_and_bits)
{
    struct batch_builder b;
    struct batch_header h;
    struct block *block;

    batch_builder_init(&b, 0, 0);
    batch_builder_set_producer(&b, 4711, 3, -1, BATCH_BIT_TRANSACTIONAL | BATCH_BIT_CONTROL);
    ck_assert_int_eq(batch_builder_add(&b, 1, SLICE("\0\0\0\1"), SLICE("\0\0\0\0\0\0"), NO_HEADERS),
                     RC_OK);
    batch_builder_seal(&b, 0, &block);
    ck_assert_int_eq(batch_peek(block_slice(block), &h, NULL, NULL), RC_OK);
    ck_assert(h.producer_id == 4711 && h.producer_epoch == 3 && h.base_sequence == -1);
    ck_assert(h.is_transactional && h.is_control && !h.is_append_time && !h.has_delete_horizon);
    block_unref(&block);
}
END_TEST

START_TEST(without_memory_the_builder_stays_as_it_was)
{
    static uint8_t value_bytes[700];
    struct batch_builder b;
    struct block *block;

    if (!HAS_FAULTS)
        return;
    batch_builder_init(&b, 0, 0);
    fault_arm("mem", 1, FAULT_FAIL);
    ck_assert_int_eq(batch_builder_add(&b, 1, SLICE_NONE, SLICE("a"), NO_HEADERS), RC_MEMORY);
    fault_disarm();
    ck_assert(batch_builder_is_empty(&b));
    ck_assert_int_eq(batch_builder_add(&b, 1, SLICE_NONE, SLICE("a"), NO_HEADERS), RC_OK);
    fault_arm("mem", 1, FAULT_FAIL);
    ck_assert_int_eq(batch_builder_add_body(&b, 1, filled(value_bytes, 700)), RC_MEMORY);
    ck_assert_uint_eq(b.record_count, 1);
    batch_builder_seal(&b, 0, &block); /* cannot shrink either */
    fault_disarm();
    ck_assert_int_eq(batch_check_crc(block_slice(block)), RC_OK);
    block_unref(&block);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("builder");
    TCase *tcase = tcase_create("builder");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, ten_thousand_records_read_back_equal);
    tcase_add_test(tcase, a_body_makes_the_same_bytes_as_its_parts);
    tcase_add_test(tcase, timestamps_far_apart_read_back_equal);
    tcase_add_test(tcase, the_record_limit_is_met_exactly);
    tcase_add_test(tcase, a_batch_of_several_stays_within_its_bytes_and_one_may_be_larger);
    tcase_add_test(tcase, a_record_beyond_any_batch_is_too_large);
    tcase_add_test(tcase, clearing_drops_the_records);
    tcase_add_test(tcase, a_marker_carries_its_producer_and_bits);
    tcase_add_test(tcase, without_memory_the_builder_stays_as_it_was);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
