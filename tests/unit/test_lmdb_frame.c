/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, entries and packed indexes against truncation, bit flips and foreign bytes. */
#include <check.h>
#include <stdlib.h>

#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "storage/lmdb/frame.h"
#include "storage/lmdb/index.h"

#define SEGMENT 7

static uint8_t frame[4096];
static size_t frame_len;

static const struct frame_header wanted = {
    .flags = FRAME_FIRST | FRAME_LAST,
    .segment = SEGMENT,
    .ordinal = 3,
    .sequence = 42,
    .first_sequence = 40,
    .synced_sequence = 41,
    .time_ms = 1700000000000,
    .store_id = 0x1122334455667788,
};

static void add(struct frame_builder *builder, uint32_t log, const char *payload)
{
    struct entry_header entry = {
        .log = log,
        .length = (uint32_t)strlen(payload),
        .base_offset = 1000 + log,
        .record_count = 5,
        .kind = ENTRY_DATA,
        .max_timestamp_ms = -1,
    };

    frame_entry(builder, &entry);
    frame_payload(builder, slice_of(payload, 1));
    frame_payload(builder, slice_of(payload + 1, strlen(payload) - 1));
    frame_entry_end(builder);
}

static void build(void)
{
    struct frame_builder builder;

    memset(frame, 0xee, sizeof(frame));
    frame_begin(&builder, frame, FRAME_ALIGN, SEGMENT);
    add(&builder, 1, "first");
    add(&builder, 2, "the second one");
    frame_end(&builder, &wanted);
    frame_len = builder.len;
}

/* The same bytes in a heap block of exactly that size, so that a sanitizer sees reads beyond. */
static enum rc check_copy(const uint8_t *at, size_t len, struct frame_header *ret)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    enum rc rc;

    memcpy(copy, at, len);
    rc = frame_check(slice_of(copy, len), ret);
    free(copy);
    return rc;
}

START_TEST(a_frame_gives_back_what_was_put_into_it)
{
    struct frame_header header;
    struct entry_header entry;
    struct slice payload;
    struct rd entries;

    ck_assert_int_eq(frame_check(slice_of(frame, sizeof(frame)), &header), RC_OK);
    ck_assert_uint_eq(header.sequence, wanted.sequence);
    ck_assert_uint_eq(header.first_sequence, wanted.first_sequence);
    ck_assert_uint_eq(header.synced_sequence, wanted.synced_sequence);
    ck_assert_uint_eq(header.store_id, wanted.store_id);
    ck_assert_int_eq(header.time_ms, wanted.time_ms);
    ck_assert_uint_eq(header.ordinal, wanted.ordinal);
    ck_assert_uint_eq(header.flags, wanted.flags);
    ck_assert_uint_eq(header.length, frame_len);
    ck_assert_uint_eq(header.entry_count, 2);
    entries = frame_entries(slice_of(frame, sizeof(frame)), &header);
    ck_assert(entry_next(&entries, SEGMENT, &entry, &payload));
    ck_assert_uint_eq(entry.log, 1);
    ck_assert_uint_eq(entry.base_offset, 1001);
    ck_assert_uint_eq(entry.record_count, 5);
    ck_assert_int_eq(entry.max_timestamp_ms, -1);
    ck_assert(slice_equal_str(payload, "first"));
    ck_assert(entry_next(&entries, SEGMENT, &entry, &payload));
    ck_assert(slice_equal_str(payload, "the second one"));
    ck_assert(!entry_next(&entries, SEGMENT, &entry, &payload));
    ck_assert(!entries.bad);
}
END_TEST

START_TEST(what_follows_a_frame_is_zeroed)
{
    for (size_t i = frame_len; i < FRAME_ALIGN; i++)
        ck_assert_uint_eq(frame[i], 0);
}
END_TEST

/* A file written today must be read tomorrow: if this fails, the layout changed, and format.h says
 * what that takes. */
START_TEST(the_bytes_of_a_frame_and_of_an_index_are_those_of_format_1)
{
    struct segment_row rows[] = {
        { 9, { 100, 1700000000000, SEGMENT, 1026, 300, 4 } },
        { 9, { 104, 1700000000500, SEGMENT, 2050, 70, 1 } },
        { 12, { 0, -1, SEGMENT, 514, 12, 2 } },
    };
    struct text text = { 0 };

    ck_assert_uint_eq(hash_checksum(slice_of(frame, frame_len), 0), UINT64_C(0xe5667fd3baaf17f9));
    index_pack(rows, 3, SEGMENT, &text);
    ck_assert_uint_eq(hash_checksum(text_slice(&text), 0), UINT64_C(0xed08b093c6b0c1b2));
    text_done(&text);
}
END_TEST

START_TEST(every_truncation_of_a_frame_is_refused)
{
    struct frame_header header;

    for (size_t len = 0; len < frame_len; len++)
        ck_assert_int_ne(check_copy(frame, len, &header), RC_OK);
    ck_assert_int_eq(check_copy(frame, frame_len, &header), RC_OK);
}
END_TEST

/* Padding behind a payload is the one thing that no checksum covers and nobody reads. */
static bool is_padding(size_t at)
{
    size_t first_end = FRAME_HEADER + ENTRY_HEADER + 5;
    size_t second = FRAME_HEADER + entry_room(5);

    return (at >= first_end && at < second) || at >= second + ENTRY_HEADER + 14;
}

START_TEST(every_flipped_bit_of_a_frame_is_noticed)
{
    struct frame_header header;

    for (size_t bit = 0; bit < frame_len * 8; bit++) {
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (!is_padding(bit / 8))
            ck_assert_int_ne(check_copy(frame, frame_len, &header), RC_OK);
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_int_eq(check_copy(frame, frame_len, &header), RC_OK);
}
END_TEST

START_TEST(a_frame_of_a_newer_version_says_so)
{
    struct frame_header header;

    frame[5] = FRAME_VERSION + 1;
    ck_assert_int_eq(frame_read_header(slice_of(frame, sizeof(frame)), &header), RC_VERSION);
    ck_assert_int_eq(frame_check(slice_of(frame, sizeof(frame)), &header), RC_VERSION);
    frame[5] = 0;
    ck_assert_int_eq(frame_check(slice_of(frame, sizeof(frame)), &header), RC_MALFORMED);
}
END_TEST

START_TEST(an_entry_read_for_another_segment_is_refused)
{
    struct frame_header header;
    struct entry_header entry;
    struct slice payload;
    struct rd entries;

    ck_assert_int_eq(frame_check(slice_of(frame, sizeof(frame)), &header), RC_OK);
    entries = frame_entries(slice_of(frame, sizeof(frame)), &header);
    ck_assert(!entry_next(&entries, SEGMENT + 1, &entry, &payload));
    ck_assert(entries.bad);
}
END_TEST

/* ---- the packed index ---- */

static size_t seen;

static enum rc on_row(void *arg, const struct segment_row *row)
{
    const struct segment_row *rows = arg;
    const struct segment_row *like = &rows[seen++];

    ck_assert_uint_eq(row->log, like->log);
    ck_assert_mem_eq(&row->row, &like->row, sizeof(row->row));
    return RC_OK;
}

static enum rc on_any_row(void *arg, const struct segment_row *row)
{
    (void)arg;
    (void)row;
    return RC_OK;
}

static void make_rows(struct segment_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct segment_row){
            .log = i % 3 == 0 ? 4000000000u : (uint32_t)(i % 5 + 1),
            .row = { .base_offset = i * 1000000007,
                     .max_timestamp_ms = (int64_t)(50 - i) * 977,
                     .segment = SEGMENT,
                     .position = (uint32_t)(i * 37 % 1000) * 11,
                     .length = (uint32_t)i * 100,
                     .record_count = 1 + (uint32_t)i },
        };
}

static int by_log(const void *left, const void *right)
{
    const struct segment_row *a = left, *b = right;

    if (a->log != b->log)
        return a->log < b->log ? -1 : 1;
    return a->row.base_offset < b->row.base_offset ? -1 : 1;
}

/* In a copy, rows of one log may lie in any order. */
START_TEST(a_packed_index_gives_back_all_rows_by_log_and_offset)
{
    struct segment_row rows[40], mixed[40];
    struct text text = { 0 };

    make_rows(rows, 40);
    for (size_t i = 0; i < 40; i++)
        mixed[i] = rows[_i == 0 ? i : i * 7 % 40];
    qsort(rows, 40, sizeof(rows[0]), by_log);
    text_add(&text, SLICE("before"));
    index_pack(mixed, 40, SEGMENT, &text);
    seen = 0;
    ck_assert_int_eq(index_unpack(slice_after(text_slice(&text), 6), SEGMENT, on_row, rows), RC_OK);
    ck_assert_uint_eq(seen, 40);
    for (size_t i = 1; i < 40; i++)
        ck_assert(rows[i - 1].log < rows[i].log ||
                  (rows[i - 1].log == rows[i].log &&
                   rows[i - 1].row.base_offset < rows[i].row.base_offset));
    text_done(&text);
}
END_TEST

START_TEST(an_empty_index_is_an_index)
{
    struct text text = { 0 };

    index_pack(NULL, 0, SEGMENT, &text);
    ck_assert_int_eq(index_unpack(text_slice(&text), SEGMENT, on_any_row, NULL), RC_OK);
    ck_assert_int_eq(index_unpack(text_slice(&text), SEGMENT + 1, on_any_row, NULL), RC_CORRUPT);
    text_done(&text);
}
END_TEST

START_TEST(truncated_and_flipped_indexes_are_refused)
{
    struct segment_row rows[20];
    struct text text = { 0 };

    make_rows(rows, 20);
    index_pack(rows, 20, SEGMENT, &text);
    for (size_t len = 0; len < text.len; len++) {
        uint8_t *copy = malloc(len == 0 ? 1 : len);

        memcpy(copy, text.at, len);
        ck_assert_int_eq(index_unpack(slice_of(copy, len), SEGMENT, on_any_row, NULL), RC_CORRUPT);
        free(copy);
    }
    for (size_t bit = 0; bit < text.len * 8; bit++) {
        text.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_ne(index_unpack(text_slice(&text), SEGMENT, on_any_row, NULL), RC_OK);
        text.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    text_done(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lmdb frame");
    TCase *tests = tcase_create("frame");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, build, NULL);
    tcase_add_test(tests, a_frame_gives_back_what_was_put_into_it);
    tcase_add_test(tests, what_follows_a_frame_is_zeroed);
    tcase_add_test(tests, the_bytes_of_a_frame_and_of_an_index_are_those_of_format_1);
    tcase_add_test(tests, every_truncation_of_a_frame_is_refused);
    tcase_add_test(tests, every_flipped_bit_of_a_frame_is_noticed);
    tcase_add_test(tests, a_frame_of_a_newer_version_says_so);
    tcase_add_test(tests, an_entry_read_for_another_segment_is_refused);
    tcase_add_loop_test(tests, a_packed_index_gives_back_all_rows_by_log_and_offset, 0, 2);
    tcase_add_test(tests, an_empty_index_is_an_index);
    tcase_add_test(tests, truncated_and_flipped_indexes_are_refused);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
