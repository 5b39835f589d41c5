/* SPDX-License-Identifier: Apache-2.0 */
/* What is read before it is asked for: long runs from the disk, by readers that come and go. */
#include <check.h>

#include "broker/base/counters.h"
#include "broker/base/log.h"
#include "storage/lmdb/lmdb_store.h"
#include "tests/contract/store_fixture.h"
#include "tests/lib/suite.h"

#define APPENDS   40
#define LEN       50000
#define MAX_BYTES 300000 /* of a read: some appends, and more than is worth reading ahead of */
#define READERS   12     /* more than what was read ahead has places for */

static void setup(void)
{
    store_fixture_setup();
    store_config.cache_bytes = 0;
    log_set_threshold(LOG_ERROR);
    store_start(lmdb_store_open);
    for (uint32_t log = 1; log <= READERS; log++) {
        for (unsigned i = 0; i < APPENDS; i++)
            put_at(log, i, 1, LEN, 1);
        flush();
    }
}

static void teardown(void)
{
    store_close(&store);
    store_fixture_teardown();
}

/* Checks one answer and gives where the next read begins. */
static uint64_t take(struct reading *r, uint32_t log, uint64_t offset)
{
    ck_assert_int_eq(r->rc, RC_OK);
    ck_assert_uint_gt(r->read.pieces.count, 0);
    ck_assert_uint_le(r->read.pieces.bytes, MAX_BYTES);
    for (unsigned i = 0; i < r->read.pieces.count; i++) {
        const struct log_piece *piece = &r->read.pieces.at[i];

        ck_assert_uint_eq(piece->base_offset, offset);
        ck_piece(log, piece, LEN);
        offset = piece->next_offset;
    }
    log_pieces_done(&r->read.pieces);
    return offset;
}

static uint64_t read_one(uint32_t log, uint64_t offset)
{
    struct reading r;

    read_start(&r, log, offset, MAX_BYTES);
    read_wait(&r);
    return take(&r, log, offset);
}

START_TEST(a_run_comes_whole_and_mostly_from_what_was_read_ahead)
{
    int64_t misses = count_get(COUNT_STORE_CACHE_MISSES);
    struct log_pieces pieces;
    uint64_t offset = read_one(1, 0);

    /* What is being read needs no second asking: it is in memory after some turns. */
    while (offset < APPENDS) {
        struct reading r = { .rc = RC_OK };

        while (log_read_cached(store, 1, offset, MAX_BYTES, &pieces) == RC_AGAIN)
            store_wait();
        r.read.pieces = pieces;
        offset = take(&r, 1, offset);
    }
    ck_assert_uint_eq(offset, APPENDS);
    ck_assert_int_eq(count_get(COUNT_STORE_CACHE_MISSES), misses + 1);
}
END_TEST

START_TEST(a_read_joins_what_is_being_read_ahead_and_can_be_cancelled)
{
    struct reading r;
    uint64_t offset = read_one(1, 0);

    read_start(&r, 1, offset, MAX_BYTES);
    log_read_cancel(store, &r.read);
    read_start(&r, 1, offset, MAX_BYTES);
    read_wait(&r);
    offset = take(&r, 1, offset);
    while (offset < APPENDS)
        offset = read_one(1, offset);
    ck_assert_uint_eq(r.done, 1);
}
END_TEST

START_TEST(more_readers_than_places_get_all)
{
    uint64_t offsets[READERS + 1] = { 0 };
    struct reading readings[READERS + 1];
    bool is_more = true;

    while (is_more) {
        is_more = false;
        for (uint32_t log = 1; log <= READERS; log++) {
            if (offsets[log] < APPENDS)
                read_start(&readings[log], log, offsets[log], MAX_BYTES);
        }
        for (uint32_t log = 1; log <= READERS; log++) {
            if (offsets[log] == APPENDS)
                continue;
            read_wait(&readings[log]);
            offsets[log] = take(&readings[log], log, offsets[log]);
            is_more = true;
        }
    }
}
END_TEST

START_TEST(a_smaller_read_gets_no_more_than_it_asked_for)
{
    struct reading r;
    uint64_t offset = read_one(1, 0);

    read_start(&r, 1, offset, LEN);
    read_wait(&r);
    ck_assert_uint_eq(r.read.pieces.bytes, LEN);
    ck_assert_uint_eq(take(&r, 1, offset), offset + 1);
}
END_TEST

START_TEST(what_was_read_ahead_of_a_trimmed_or_dropped_log_is_not_given)
{
    struct log_pieces pieces;
    uint64_t offset = read_one(1, 0);

    (void)read_one(2, 0);
    log_trim(store, 1, APPENDS - 1);
    log_drop(store, 2);
    flush();
    ck_assert_int_eq(log_read_cached(store, 1, offset, MAX_BYTES, &pieces), RC_RANGE);
    ck_assert_int_eq(log_read_cached(store, 2, offset, MAX_BYTES, &pieces), RC_RANGE);
    ck_assert_uint_eq(read_one(1, APPENDS - 1), APPENDS);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ahead");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_run_comes_whole_and_mostly_from_what_was_read_ahead);
    tcase_add_test(tests, a_read_joins_what_is_being_read_ahead_and_can_be_cancelled);
    tcase_add_test(tests, more_readers_than_places_get_all);
    tcase_add_test(tests, a_smaller_read_gets_no_more_than_it_asked_for);
    tcase_add_test(tests, what_was_read_ahead_of_a_trimmed_or_dropped_log_is_not_given);
    return suite_run("lmdb ahead", tests);
}
