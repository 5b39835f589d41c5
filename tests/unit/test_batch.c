/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "broker/base/block.h"
#include "broker/base/fault.h"
#include "broker/base/mem.h"
#include "broker/base/wire.h"
#include "broker/record/builder.h"
#include "broker/record/record.h"

#ifdef TERCET_FAULTS
#define HAS_FAULTS true
#else
#define HAS_FAULTS false
#endif

/* Where the fields lie. */
#define AT_LENGTH       8
#define AT_MAGIC        16
#define AT_CRC          17
#define AT_ATTRIBUTES   21
#define AT_LAST_DELTA   23
#define AT_RECORD_COUNT 57

static struct block *three_records(void)
{
    struct batch_builder b;
    struct block *block;

    batch_builder_init(&b, 0, 0);
    ck_assert_int_eq(batch_builder_add(&b, 1000, SLICE("k"), SLICE("one"), 0, SLICE_NONE), RC_OK);
    ck_assert_int_eq(batch_builder_add(&b, 900, SLICE_NONE, SLICE(""), 0, SLICE_NONE), RC_OK);
    ck_assert_int_eq(batch_builder_add(&b, 2000, SLICE(""), SLICE_NONE, 0, SLICE_NONE), RC_OK);
    batch_builder_seal(&b, 77, &block);
    return block;
}

START_TEST(a_batch_from_another_producer_is_read)
{
    /* Built by kafka-python 2.0.2. */
    static const uint8_t bytes[] = {
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x48, 0x00, 0x00,
        0x00, 0x00, 0x02, 0xa4, 0x80, 0x41, 0x83, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
        0x00, 0x01, 0x5d, 0xff, 0x7b, 0x06, 0x3c, 0x00, 0x00, 0x01, 0x5d, 0xff, 0x7b, 0x06,
        0x3c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x39, 0x00, 0x07, 0x00, 0x00, 0x00,
        0x2a, 0x00, 0x00, 0x00, 0x02, 0x1e, 0x00, 0x00, 0x00, 0x02, 0x6b, 0x02, 0x76, 0x04,
        0x02, 0x68, 0x02, 0x78, 0x02, 0x68, 0x01, 0x0c, 0x00, 0x0f, 0x02, 0x01, 0x00, 0x00,
    };
    struct slice batch = slice_of(bytes, sizeof(bytes));
    struct record_reader reader;
    struct record_header header;
    struct batch_header h;
    struct record record;
    struct rd headers;

    ck_assert_int_eq(batch_check_crc(batch), RC_OK);
    ck_assert_int_eq(record_reader_open(batch, 0, NULL, &reader, &h, NULL), RC_OK);
    ck_assert(h.producer_id == 12345 && h.producer_epoch == 7 && h.base_sequence == 42);
    ck_assert_int_eq(batch_check_produced(&h), RC_OK);
    ck_assert_int_eq(record_next(&reader, &record), RC_OK);
    ck_assert(record.offset == 0 && record.timestamp_ms == 1503229838908);
    ck_assert(slice_equal(record.key, SLICE("k")) && slice_equal(record.value, SLICE("v")));
    ck_assert_uint_eq(record.header_count, 2);
    headers = rd_of(record.headers);
    ck_assert_int_eq(record_header_next(&headers, &header), RC_OK);
    ck_assert(slice_equal(header.name, SLICE("h")) && slice_equal(header.value, SLICE("x")));
    ck_assert_int_eq(record_header_next(&headers, &header), RC_OK);
    ck_assert(slice_equal(header.name, SLICE("h")) && slice_is_none(header.value));
    ck_assert_int_eq(record_header_next(&headers, &header), RC_NOT_FOUND);
    ck_assert_int_eq(record_next(&reader, &record), RC_OK);
    ck_assert(record.offset == 1 && record.timestamp_ms == 1503229838900);
    ck_assert(slice_is_none(record.key) && !slice_is_none(record.value) && record.value.len == 0);
    ck_assert_int_eq(record_next(&reader, &record), RC_NOT_FOUND);
}
END_TEST

START_TEST(a_peeked_header_says_what_was_built)
{
    struct block *block = three_records();
    struct batch_header h;
    struct slice records;
    size_t whole;

    ck_assert_int_eq(batch_peek(block_slice(block), &h, &records, &whole), RC_OK);
    ck_assert_uint_eq(whole, block->len);
    ck_assert_uint_eq(records.len, block->len - BATCH_HEADER_BYTES);
    ck_assert_ptr_eq(records.at, block->at + BATCH_HEADER_BYTES);
    ck_assert_uint_eq(h.base_offset, 77);
    ck_assert_uint_eq(h.length, block->len - BATCH_PREFIX_BYTES);
    ck_assert_int_eq(h.leader_epoch, 0);
    ck_assert_uint_eq(h.magic, 2);
    ck_assert_uint_eq(h.attributes, 0);
    ck_assert_int_eq(h.compression, COMPRESSION_NONE);
    ck_assert(!h.is_append_time && !h.is_transactional && !h.is_control && !h.has_delete_horizon);
    ck_assert_uint_eq(h.last_offset_delta, 2);
    ck_assert_int_eq(h.base_timestamp_ms, 1000);
    ck_assert_int_eq(h.max_timestamp_ms, 2000);
    ck_assert_int_eq(h.producer_id, -1);
    ck_assert_int_eq(h.producer_epoch, -1);
    ck_assert_int_eq(h.base_sequence, -1);
    ck_assert_uint_eq(h.record_count, 3);
    ck_assert_int_eq(batch_check_crc(block_slice(block)), RC_OK);
    block_unref(&block);
}
END_TEST

START_TEST(the_first_of_two_batches_ends_where_the_second_begins)
{
    struct block *block = three_records();
    struct text two = { 0 };
    size_t whole;

    text_add(&two, block_slice(block));
    text_add(&two, block_slice(block));
    ck_assert_int_eq(batch_peek(text_slice(&two), NULL, NULL, &whole), RC_OK);
    ck_assert_uint_eq(whole, block->len);
    ck_assert_int_eq(batch_peek(slice_after(text_slice(&two), whole), NULL, NULL, NULL), RC_OK);
    text_done(&two);
    block_unref(&block);
}
END_TEST

START_TEST(every_truncation_asks_for_more)
{
    struct block *block = three_records();

    for (size_t len = 0; len < block->len; len++) {
        uint8_t *cut = malloc(len == 0 ? 1 : len);

        memcpy(cut, block->at, len);
        ck_assert_int_eq(batch_peek(slice_of(cut, len), NULL, NULL, NULL), RC_AGAIN);
        free(cut);
    }
    block_unref(&block);
}
END_TEST

static enum rc peek_with(size_t at, uint32_t value, size_t bytes)
{
    struct block *block = three_records();
    enum rc rc;

    if (bytes == 4)
        put_u32(block->at + at, value);
    else
        block->at[at] = (uint8_t)value;
    rc = batch_peek(block_slice(block), NULL, NULL, NULL);
    block_unref(&block);
    return rc;
}

START_TEST(message_sets_of_magic_0_and_1_are_unsupported)
{
    static const uint8_t short_set[17] = { [AT_LENGTH + 3] = 14, [AT_MAGIC] = 1 };

    ck_assert_int_eq(peek_with(AT_MAGIC, 0, 1), RC_UNSUPPORTED);
    ck_assert_int_eq(peek_with(AT_MAGIC, 1, 1), RC_UNSUPPORTED);
    ck_assert_int_eq(batch_peek(slice_of(short_set, sizeof(short_set)), NULL, NULL, NULL),
                     RC_UNSUPPORTED);
}
END_TEST

START_TEST(other_magics_are_malformed)
{
    ck_assert_int_eq(peek_with(AT_MAGIC, 3, 1), RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_MAGIC, 0xff, 1), RC_MALFORMED);
}
END_TEST

START_TEST(a_length_below_the_header_or_negative_is_malformed)
{
    ck_assert_int_eq(peek_with(AT_LENGTH, BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES - 1, 4),
                     RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_LENGTH, 13, 4), RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_LENGTH, 0x80000000u, 4), RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_LENGTH, INT32_MAX, 4), RC_AGAIN);
}
END_TEST

START_TEST(a_length_field_alone_is_enough_to_refuse_it)
{
    static const uint8_t bytes[12] = { [AT_LENGTH] = 0xff, 0xff, 0xff, 0xff };

    ck_assert_int_eq(batch_peek(slice_of(bytes, 12), NULL, NULL, NULL), RC_MALFORMED);
    ck_assert_int_eq(batch_peek(slice_of(bytes, 11), NULL, NULL, NULL), RC_AGAIN);
}
END_TEST

START_TEST(codecs_5_to_7_are_malformed_and_unknown_high_bits_pass)
{
    for (uint32_t codec = 0; codec < 8; codec++)
        ck_assert_int_eq(peek_with(AT_ATTRIBUTES + 1, codec, 1),
                         codec < COMPRESSION_COUNT ? RC_OK : RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_ATTRIBUTES, 0xff, 1), RC_OK);
    ck_assert_int_eq(peek_with(AT_ATTRIBUTES + 1, 0x80, 1), RC_OK);
}
END_TEST

START_TEST(counts_must_agree)
{
    ck_assert_int_eq(peek_with(AT_RECORD_COUNT, 0, 4), RC_OK);
    ck_assert_int_eq(peek_with(AT_RECORD_COUNT, 4, 4), RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_RECORD_COUNT, 0xffffffff, 4), RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_LAST_DELTA, 1, 4), RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_LAST_DELTA, 3, 4), RC_OK);
    ck_assert_int_eq(peek_with(AT_LAST_DELTA, 0xffffffff, 4), RC_MALFORMED);
    ck_assert_int_eq(peek_with(AT_LAST_DELTA, INT32_MAX, 4), RC_OK);
}
END_TEST

START_TEST(a_batch_declares_no_more_records_than_can_be_in_it)
{
    struct block *block = three_records();
    size_t most = (block->len - BATCH_HEADER_BYTES) / RECORD_MIN_BYTES;

    put_u32(block->at + AT_LAST_DELTA, INT32_MAX - 1);
    put_u32(block->at + AT_RECORD_COUNT, (uint32_t)most);
    ck_assert_int_eq(batch_peek(block_slice(block), NULL, NULL, NULL), RC_OK);
    put_u32(block->at + AT_RECORD_COUNT, (uint32_t)most + 1);
    ck_assert_int_eq(batch_peek(block_slice(block), NULL, NULL, NULL), RC_MALFORMED);
    block->at[AT_ATTRIBUTES + 1] = COMPRESSION_GZIP;
    put_u32(block->at + AT_RECORD_COUNT, BATCH_MAX_PACKED_RECORDS);
    ck_assert_int_eq(batch_peek(block_slice(block), NULL, NULL, NULL), RC_OK);
    put_u32(block->at + AT_RECORD_COUNT, BATCH_MAX_PACKED_RECORDS + 1);
    ck_assert_int_eq(batch_peek(block_slice(block), NULL, NULL, NULL), RC_MALFORMED);
    put_u32(block->at + AT_RECORD_COUNT, 1);
    put_u32(block->at + AT_LENGTH, BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES);
    ck_assert_int_eq(batch_peek(slice_of(block->at, BATCH_HEADER_BYTES), NULL, NULL, NULL),
                     RC_MALFORMED);
    block_unref(&block);
}
END_TEST

START_TEST(checking_all_records_finds_what_a_reader_would)
{
    struct block *block = three_records();
    struct batch_header h;
    struct slice records;

    ck_assert_int_eq(batch_peek(block_slice(block), &h, &records, NULL), RC_OK);
    ck_assert_int_eq(record_check_all(&h, records), RC_OK);
    h.record_count = 2;
    ck_assert_int_eq(record_check_all(&h, records), RC_MALFORMED);
    h.record_count = 3;
    h.last_offset_delta = 1;
    ck_assert_int_eq(record_check_all(&h, records), RC_MALFORMED);
    h.last_offset_delta = 2;
    ck_assert_int_eq(record_check_all(&h, slice_of(records.at, records.len - 1)), RC_MALFORMED);
    h.compression = COMPRESSION_ZSTD; /* not opened */
    ck_assert_int_eq(record_check_all(&h, SLICE("anything")), RC_OK);
    block_unref(&block);
}
END_TEST

START_TEST(a_flip_of_any_covered_bit_breaks_the_crc)
{
    struct block *block = three_records();

    for (size_t at = AT_CRC; at < block->len; at++) {
        block->at[at] ^= 1 << (at % 8);
        ck_assert_int_eq(batch_check_crc(block_slice(block)), RC_CORRUPT);
        block->at[at] ^= 1 << (at % 8);
    }
    ck_assert_int_eq(batch_check_crc(block_slice(block)), RC_OK);
    ck_assert_int_eq(batch_check_crc(SLICE_NONE), RC_CORRUPT);
    block_unref(&block);
}
END_TEST

START_TEST(setting_the_offset_keeps_the_crc)
{
    struct block *block = three_records();
    struct batch_header h;

    batch_set_base_offset(block->at, UINT64_C(0x0123456789abcdef), 5);
    ck_assert_int_eq(batch_check_crc(block_slice(block)), RC_OK);
    ck_assert_int_eq(batch_peek(block_slice(block), &h, NULL, NULL), RC_OK);
    ck_assert_uint_eq(h.base_offset, UINT64_C(0x0123456789abcdef));
    ck_assert_int_eq(h.leader_epoch, 5);
    block_unref(&block);
}
END_TEST

START_TEST(append_time_is_what_every_record_then_shows)
{
    struct block *block = three_records();
    struct record_reader reader;
    struct batch_header h;
    struct slice records;
    struct record record;

    batch_set_log_append_time(block->at, block->len, 123456);
    ck_assert_int_eq(batch_check_crc(block_slice(block)), RC_OK);
    ck_assert_int_eq(batch_peek(block_slice(block), &h, &records, NULL), RC_OK);
    ck_assert(h.is_append_time && h.max_timestamp_ms == 123456 && h.base_timestamp_ms == 1000);
    record_reader_init(&reader, &h, records);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(record_next(&reader, &record), RC_OK);
        ck_assert_int_eq(record.timestamp_ms, 123456);
    }
    block_unref(&block);
}
END_TEST

START_TEST(a_client_may_not_send_gaps_control_batches_or_unsequenced_ids)
{
    struct batch_header good = { .record_count = 3, .last_offset_delta = 2, .producer_id = -1 };
    struct batch_header h = good;

    good.base_sequence = -1;
    ck_assert_int_eq(batch_check_produced(&good), RC_OK);
    h = good;
    h.record_count = 0;
    ck_assert_int_eq(batch_check_produced(&h), RC_INVALID);
    h = good;
    h.last_offset_delta = 3;
    ck_assert_int_eq(batch_check_produced(&h), RC_INVALID);
    h = good;
    h.is_control = true;
    ck_assert_int_eq(batch_check_produced(&h), RC_INVALID);
    h = good;
    h.has_delete_horizon = true;
    ck_assert_int_eq(batch_check_produced(&h), RC_INVALID);
    h = good;
    h.producer_id = 9;
    ck_assert_int_eq(batch_check_produced(&h), RC_INVALID);
    h.base_sequence = 0;
    ck_assert_int_eq(batch_check_produced(&h), RC_OK);
}
END_TEST

/* The records of both, one by one. */
static void assert_same_records(struct slice a, struct slice b)
{
    struct text a_room = { 0 }, b_room = { 0 };
    struct record_reader a_reader, b_reader;
    struct record x, y;
    enum rc rc;

    ck_assert_int_eq(record_reader_open(a, 1 << 20, &a_room, &a_reader, NULL, NULL), RC_OK);
    ck_assert_int_eq(record_reader_open(b, 1 << 20, &b_room, &b_reader, NULL, NULL), RC_OK);
    while ((rc = record_next(&a_reader, &x)) == RC_OK) {
        ck_assert_int_eq(record_next(&b_reader, &y), RC_OK);
        ck_assert(x.offset == y.offset && x.timestamp_ms == y.timestamp_ms);
        ck_assert(slice_equal(x.body, y.body));
    }
    ck_assert_int_eq(rc, RC_NOT_FOUND);
    ck_assert_int_eq(record_next(&b_reader, &y), RC_NOT_FOUND);
    text_done(&a_room);
    text_done(&b_room);
}

START_TEST(repacking_by_any_codec_keeps_the_records)
{
    struct block *block = three_records();
    struct text scratch = { 0 };

    for (unsigned from = 0; from < COMPRESSION_COUNT; from++)
        for (unsigned to = 0; to < COMPRESSION_COUNT; to++) {
            struct block *packed, *again;
            struct batch_header h;

            ck_assert_int_eq(batch_repack(block_slice(block), (enum compression)from, 1 << 20,
                                          &scratch, &packed),
                             RC_OK);
            ck_assert_int_eq(
                batch_repack(block_slice(packed), (enum compression)to, 1 << 20, &scratch, &again),
                RC_OK);
            ck_assert_int_eq(batch_check_crc(block_slice(again)), RC_OK);
            ck_assert_int_eq(batch_peek(block_slice(again), &h, NULL, NULL), RC_OK);
            ck_assert_int_eq(h.compression, to);
            assert_same_records(block_slice(block), block_slice(again));
            if (to == COMPRESSION_NONE)
                ck_assert(slice_equal(block_slice(block), block_slice(again)));
            block_unref(&packed);
            block_unref(&again);
        }
    text_done(&scratch);
    block_unref(&block);
}
END_TEST

START_TEST(repacking_refuses_what_it_cannot_read)
{
    struct block *block = three_records();
    struct text scratch = { 0 };
    struct block *packed, *none = NULL;

    ck_assert_int_eq(batch_repack(slice_of(block->at, block->len - 1), COMPRESSION_GZIP, 1 << 20,
                                  &scratch, &none),
                     RC_MALFORMED);
    ck_assert_int_eq(batch_repack(block_slice(block), COMPRESSION_GZIP, 1 << 20, &scratch, &packed),
                     RC_OK);
    ck_assert_int_eq(batch_repack(block_slice(packed), COMPRESSION_NONE, 4, &scratch, &none),
                     RC_TOO_LARGE);
    packed->at[BATCH_HEADER_BYTES] ^= 0xff;
    ck_assert_int_eq(batch_repack(block_slice(packed), COMPRESSION_ZSTD, 1 << 20, &scratch, &none),
                     RC_MALFORMED);
    ck_assert_ptr_null(none);
    text_done(&scratch);
    block_unref(&packed);
    block_unref(&block);
}
END_TEST

START_TEST(every_failing_allocation_of_a_repack_is_reported)
{
    struct block *block = three_records();
    struct text scratch = { 0 };
    struct block *packed, *none = NULL;

    if (!HAS_FAULTS)
        return;
    ck_assert_int_eq(batch_repack(block_slice(block), COMPRESSION_GZIP, 1 << 20, &scratch, &packed),
                     RC_OK);
    for (unsigned k = 1;; k++) {
        bool was_hit;
        enum rc rc;

        text_done(&scratch);
        fault_arm("mem", k, FAULT_FAIL);
        rc = batch_repack(block_slice(packed), COMPRESSION_ZSTD, 1 << 20, &scratch, &none);
        was_hit = fault_passed() >= k;
        fault_disarm();
        ck_assert_int_eq(rc, was_hit ? RC_MEMORY : RC_OK);
        if (!was_hit)
            break;
        ck_assert_ptr_null(none);
    }
    text_done(&scratch);
    block_unref(&none);
    block_unref(&packed);
    block_unref(&block);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tcase = tcase_create("batch");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, a_batch_from_another_producer_is_read);
    tcase_add_test(tcase, a_peeked_header_says_what_was_built);
    tcase_add_test(tcase, the_first_of_two_batches_ends_where_the_second_begins);
    tcase_add_test(tcase, every_truncation_asks_for_more);
    tcase_add_test(tcase, message_sets_of_magic_0_and_1_are_unsupported);
    tcase_add_test(tcase, other_magics_are_malformed);
    tcase_add_test(tcase, a_length_below_the_header_or_negative_is_malformed);
    tcase_add_test(tcase, a_length_field_alone_is_enough_to_refuse_it);
    tcase_add_test(tcase, codecs_5_to_7_are_malformed_and_unknown_high_bits_pass);
    tcase_add_test(tcase, counts_must_agree);
    tcase_add_test(tcase, a_batch_declares_no_more_records_than_can_be_in_it);
    tcase_add_test(tcase, checking_all_records_finds_what_a_reader_would);
    tcase_add_test(tcase, a_flip_of_any_covered_bit_breaks_the_crc);
    tcase_add_test(tcase, setting_the_offset_keeps_the_crc);
    tcase_add_test(tcase, append_time_is_what_every_record_then_shows);
    tcase_add_test(tcase, a_client_may_not_send_gaps_control_batches_or_unsequenced_ids);
    tcase_add_test(tcase, repacking_by_any_codec_keeps_the_records);
    tcase_add_test(tcase, repacking_refuses_what_it_cannot_read);
    tcase_add_test(tcase, every_failing_allocation_of_a_repack_is_reported);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
