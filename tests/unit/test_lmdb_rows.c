/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lmdb/rows.h"

#include "broker/base/mem.h"
#include "tests/lib/suite.h"

#define ROWS 3000
#define MANY 200000
/* What a packed row may take, of a log whose records come one a commit and differ in length. */
#define MANY_MOST_BYTES 8

static struct row model[ROWS];
static uint32_t first, last; /* of the model, those that are there */
static struct rows rows;
static uint32_t random_state;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 8;
}

static void setup(void)
{
    rows = (struct rows){ 0 };
    first = last = 0;
    random_state = 1;
}

/* Gaps, jumps back to another segment's begin, times that go back and extremes now and then. */
static struct row random_row(uint64_t offset)
{
    struct row row = { .base_offset = offset + (next_random() % 50 == 0 ? 1000 : 0) };

    row.record_count = 1 + next_random() % (next_random() % 10 == 0 ? 100000 : 2);
    row.length = next_random() % 3 == 0 ? 77 : next_random();
    row.position = next_random() % 3 == 0 ? next_random() << 8 : 512 * last;
    row.segment = next_random() % 40 == 0 ? UINT32_MAX - next_random() : 3;
    row.max_timestamp_ms = next_random() % 100 == 0
                               ? INT64_MIN + next_random()
                               : INT64_C(1700000000000) + last * 3 - next_random() % 50;
    return row;
}

static void push(void)
{
    struct row row = random_row(first == last ? 7 : row_end(&model[last - 1]));

    model[last++] = row;
    rows_push(&rows, &row);
}

static void pop(void)
{
    first++;
    rows_pop(&rows);
}

static void check_row(const struct row *row, const struct row *like)
{
    ck_assert_uint_eq(row->base_offset, like->base_offset);
    ck_assert_int_eq(row->max_timestamp_ms, like->max_timestamp_ms);
    ck_assert_uint_eq(row->segment, like->segment);
    ck_assert_uint_eq(row->position, like->position);
    ck_assert_uint_eq(row->length, like->length);
    ck_assert_uint_eq(row->record_count, like->record_count);
}

static void check_all(void)
{
    struct row copied[100], row;

    ck_assert_uint_eq(rows.count, last - first);
    for (uint32_t i = 0; i < rows.count; i++) {
        rows_get(&rows, i, &row);
        check_row(&row, &model[first + i]);
    }
    for (uint32_t i = 0; i < rows.count; i += 37) {
        uint32_t count = rows_copy(&rows, i, copied, 100);

        ck_assert_uint_eq(count, rows.count - i < 100 ? rows.count - i : 100);
        for (uint32_t k = 0; k < count; k++)
            check_row(&copied[k], &model[first + i + k]);
    }
    if (rows.count > 0) {
        ck_assert_uint_eq(rows_start(&rows), model[first].base_offset);
        check_row(rows_last(&rows), &model[last - 1]);
    }
}

static void check_find(uint64_t offset)
{
    uint32_t at, like = first;

    while (like < last && row_end(&model[like]) <= offset)
        like++;
    ck_assert_int_eq(rows_find(&rows, offset, &at), like < last);
    if (like < last)
        ck_assert_uint_eq(at, like - first);
}

static void check_find_time(int64_t time_ms)
{
    uint32_t at, like = first;

    while (like < last && model[like].max_timestamp_ms < time_ms)
        like++;
    ck_assert_int_eq(rows_find_time(&rows, time_ms, &at), like < last);
    if (like < last)
        ck_assert_uint_eq(at, like - first);
}

static void check_finds(void)
{
    for (unsigned i = 0; i < 200 && first < last; i++) {
        const struct row *row = &model[first + next_random() % (last - first)];

        check_find(row->base_offset);
        check_find(row_end(row) - 1);
        check_find(row_end(row));
        check_find_time(row->max_timestamp_ms);
        check_find_time(row->max_timestamp_ms + 1);
    }
    check_find(0);
    check_find(UINT64_MAX - 1);
    check_find_time(INT64_MIN);
    check_find_time(INT64_MAX);
}

START_TEST(rows_agree_with_a_model_whatever_is_packed_and_forgotten)
{
    random_state = (uint32_t)_i + 1;
    while (last < ROWS) {
        for (uint32_t n = next_random() % 300; n > 0 && last < ROWS; n--)
            push();
        check_finds();
        for (uint32_t n = next_random() % (_i == 0 ? 150 : 310); n > 0 && first < last; n--)
            pop();
        check_all();
        check_finds();
    }
    rows_done(&rows);
}
END_TEST

START_TEST(rows_that_moved_say_so_in_every_state)
{
    struct row row;

    while (last < 200)
        push();
    for (unsigned i = 0; i < 5; i++) /* the oldest block is unpacked then */
        pop();
    for (uint32_t i = 0; i < rows.count; i += 3) {
        model[first + i].segment = 99;
        model[first + i].position = 12345 + i;
        rows_move_to(&rows, i, 99, 12345 + i);
    }
    check_all();
    check_finds();
    rows_get(&rows, 0, &row);
    ck_assert_uint_eq(row.segment, 99);
    rows_done(&rows);
}
END_TEST

START_TEST(nothing_is_left_when_all_are_forgotten)
{
    while (last < 500)
        push();
    while (first < last)
        pop();
    ck_assert_ptr_null(rows.at);
    ck_assert_ptr_null(rows.old);
    ck_assert_uint_eq(rows.count, 0);
    push();
    check_all();
    rows_done(&rows);
}
END_TEST

START_TEST(a_row_of_a_record_is_a_few_bytes)
{
    int64_t before = (int64_t)mem_in_use_bytes();
    struct row row = { .max_timestamp_ms = INT64_C(1700000000000), .segment = 1 };

    for (uint32_t i = 0; i < MANY; i++) {
        row.base_offset = i;
        row.record_count = 1;
        row.position += 512;
        row.length = 150 + next_random() % 100;
        row.max_timestamp_ms += next_random() % 4;
        rows_push(&rows, &row);
    }
    ck_assert_int_lt(((int64_t)mem_in_use_bytes() - before) / MANY, MANY_MOST_BYTES);
    rows_done(&rows);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rows");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_loop_test(tests, rows_agree_with_a_model_whatever_is_packed_and_forgotten, 0, 8);
    tcase_add_test(tests, rows_that_moved_say_so_in_every_state);
    tcase_add_test(tests, nothing_is_left_when_all_are_forgotten);
    tcase_add_test(tests, a_row_of_a_record_is_a_few_bytes);
    return suite_run("lmdb_rows", tests);
}
