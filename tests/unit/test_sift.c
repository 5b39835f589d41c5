/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/sift.h"

#include <check.h>
#include <stdlib.h>

#include "broker/base/block.h"
#include "broker/base/mem.h"
#include "broker/record/builder.h"

#define NOW INT64_C(5000000)

static uint64_t last_a; /* offset of the last record of key "a"; every other key has one */

static bool is_last(void *arg, const struct record *record)
{
    (void)arg;
    return !slice_equal_str(record->key, "a") || record->offset == last_a;
}

/* Offsets 10 to 13: a, none, a, b (whose value is null). */
static struct block *batch(enum compression compression)
{
    static const char *const keys[] = { "a", NULL, "a", "b" };
    struct batch_builder b;
    struct block *plain, *packed;
    struct text scratch = { 0 };

    batch_builder_init(&b, 0, 0);
    batch_builder_set_producer(&b, 77, 3, 9, 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(
            batch_builder_add(&b, 1000 + i, keys[i] == NULL ? SLICE_NONE : slice_str(keys[i]),
                              i == 3 ? SLICE_NONE : SLICE("value"), 0, slice_of("", 0)),
            RC_OK);
    batch_builder_seal(&b, 10, &plain);
    batch_builder_done(&b);
    if (compression == COMPRESSION_NONE)
        return plain;
    ck_assert_int_eq(batch_repack(block_slice(plain), compression, 1 << 20, &scratch, &packed),
                     RC_OK);
    block_unref(&plain);
    text_done(&scratch);
    return packed;
}

static void ck_left(struct slice bytes, const char *wanted)
{
    struct text scratch = { 0 }, got = { 0 };
    struct record_reader reader;
    struct batch_header header;
    struct record record;
    size_t whole;

    ck_assert_int_eq(record_reader_open(bytes, 1 << 20, &scratch, &reader, &header, &whole), RC_OK);
    ck_assert_uint_eq(whole, bytes.len);
    ck_assert_int_eq(batch_check_crc(bytes), RC_OK);
    ck_assert_uint_eq(header.base_offset, 10);
    ck_assert_uint_eq(header.last_offset_delta, 3);
    ck_assert_int_eq(header.producer_id, 77);
    ck_assert_int_eq(header.base_sequence, 9);
    while (record_next(&reader, &record) == RC_OK) {
        ck_assert_int_eq(record.timestamp_ms, 1000 + (int64_t)(record.offset - 10));
        text_format(&got, "%u ", (unsigned)record.offset);
    }
    text_add_byte(&got, 0);
    ck_assert_str_eq((const char *)got.at, wanted);
    text_done(&scratch);
    text_done(&got);
}

START_TEST(records_that_go_leave_the_others_where_they_were)
{
    struct block *block = batch((enum compression)_i);
    struct text first = { 0 }, second = { 0 };
    enum sifted sifted;
    struct sift sift;

    last_a = 12;
    sift_init(&sift, is_last, NULL, NOW, 100);
    ck_assert_int_eq(sift_batch(&sift, block_slice(block), &first, &sifted), RC_OK);
    ck_assert_int_eq(sifted, SIFT_FEWER);
    ck_left(text_slice(&first), "11 12 13 ");
    ck_assert_int_eq(sift.next_ms, NOW + 100);
    ck_assert_int_eq(sift_batch(&sift, text_slice(&first), &second, &sifted), RC_OK);
    ck_assert_int_eq(sifted, SIFT_SAME);
    ck_assert_uint_eq(second.len, 0);
    sift.now_ms = NOW + 100;
    ck_assert_int_eq(sift_batch(&sift, text_slice(&first), &second, &sifted), RC_OK);
    ck_assert_int_eq(sifted, SIFT_FEWER);
    ck_left(text_slice(&second), "11 12 ");
    sift_done(&sift);
    text_done(&first);
    text_done(&second);
    block_unref(&block);
}
END_TEST

START_TEST(what_cannot_be_opened_stays_as_it_is)
{
    struct block *block = batch(COMPRESSION_GZIP);
    struct text to = { 0 };
    enum sifted sifted;
    struct sift sift;

    last_a = 99;
    sift_init(&sift, is_last, NULL, NOW, 100);
    for (size_t len = BATCH_HEADER_BYTES; len < block->len; len++) {
        uint8_t *copy = mem_get(len); /* as long as it is, so that no byte behind it is read */

        memcpy(copy, block->at, len);
        put_u32(copy + 8, (uint32_t)(len - BATCH_PREFIX_BYTES));
        ck_assert_int_eq(sift_batch(&sift, slice_of(copy, len), &to, &sifted), RC_OK);
        ck_assert_int_eq(sifted, SIFT_SAME);
        mem_free(copy);
    }
    ck_assert_uint_eq(to.len, 0);
    sift_done(&sift);
    text_done(&to);
    block_unref(&block);
}
END_TEST

START_TEST(a_transaction_and_its_marker_stay_as_they_are)
{
    struct block *block = batch(COMPRESSION_NONE);
    struct text to = { 0 };
    enum sifted sifted;
    struct sift sift;

    last_a = 99;
    sift_init(&sift, is_last, NULL, NOW, 100);
    block->at[22] |= _i == 0 ? BATCH_BIT_TRANSACTIONAL : BATCH_BIT_CONTROL;
    ck_assert_int_eq(sift_batch(&sift, block_slice(block), &to, &sifted), RC_OK);
    ck_assert_int_eq(sifted, SIFT_SAME);
    sift_done(&sift);
    text_done(&to);
    block_unref(&block);
}
END_TEST

START_TEST(offsets_without_a_record_are_a_batch_without_records)
{
    struct text to = { 0 };
    struct batch_header header;
    size_t whole;

    sift_add_empty(&to, 40, 1);
    sift_add_empty(&to, 41, INT32_MAX);
    ck_assert_int_eq(batch_peek(text_slice(&to), &header, NULL, &whole), RC_OK);
    ck_assert_int_eq(batch_check_crc(slice_of(to.at, whole)), RC_OK);
    ck_assert_uint_eq(header.last_offset_delta, 0);
    ck_assert_uint_eq(header.record_count, 0);
    ck_assert_int_eq(batch_peek(slice_after(text_slice(&to), whole), &header, NULL, &whole), RC_OK);
    ck_assert_uint_eq(header.base_offset, 41);
    ck_assert_uint_eq(header.last_offset_delta, INT32_MAX - 1);
    text_done(&to);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sift");
    TCase *tests = tcase_create("sift");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, records_that_go_leave_the_others_where_they_were, 0,
                        COMPRESSION_COUNT);
    tcase_add_test(tests, what_cannot_be_opened_stays_as_it_is);
    tcase_add_loop_test(tests, a_transaction_and_its_marker_stay_as_they_are, 0, 2);
    tcase_add_test(tests, offsets_without_a_record_are_a_batch_without_records);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
