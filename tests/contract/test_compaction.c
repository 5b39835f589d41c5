/* SPDX-License-Identifier: Apache-2.0 */
/* Compaction as every store must do it: below its end the last record of each key stays, at its
 * offset, and nothing else with a key. */
#include <check.h>
#include <sched.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/mem/mem_store.h"
#include "tests/contract/compaction_rig.h"

static store_open_fn *const kinds[] = { mem_store_open, lmdb_store_open };
#define KINDS 2
#define ROWS  8000

static store_open_fn *open_kind;

static void kind_start(int which)
{
    open_kind = kinds[which];
    store_start(open_kind);
}

static bool is_durable(void)
{
    return open_kind == lmdb_store_open;
}

START_TEST(the_last_record_of_each_key_stays_at_its_offset)
{
    int64_t next_ms;
    uint64_t done, dirty, before;

    kind_start(_i);
    put_some(150);
    before = log_bytes(store, LOG);
    log_compacted(store, LOG, &done, &next_ms, &dirty);
    ck_assert_uint_eq(done, 0);
    ck_assert_uint_eq(dirty, before);
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    ck_compacted(0, end, true, true);
    ck_assert_uint_lt(log_bytes(store, LOG), before / 3);
    log_compacted(store, LOG, &done, &next_ms, &dirty);
    ck_assert_uint_eq(done, end);
    ck_assert_uint_eq(dirty, 0);
    ck_assert_int_gt(next_ms, clock_wall_ms());
    ck_assert_int_lt(next_ms, INT64_MAX);
    if (is_durable()) {
        store_close(&store);
        store_start(open_kind);
    }
    ck_compacted(0, end, true, true);
    log_compacted(store, LOG, &done, &next_ms, &dirty);
    ck_assert_uint_eq(done, end);
    store_close(&store);
}
END_TEST

START_TEST(what_lies_above_the_end_is_left_as_it_is)
{
    uint64_t limit;

    kind_start(_i);
    put_some(50);
    limit = end;
    put_some(50);
    ck_assert_int_eq(compact(limit, FOREVER), RC_OK);
    ck_compacted(0, limit, true, true);
    put_some(50);
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    ck_compacted(0, end, true, true);
    store_close(&store);
}
END_TEST

START_TEST(a_record_that_deletes_its_key_goes_when_its_time_has_come)
{
    int64_t next_ms;
    uint64_t done, dirty;

    kind_start(_i);
    put_some(100);
    ck_assert_int_eq(compact(end, 0), RC_OK); /* their time is now, so the next one takes them */
    ck_compacted(0, end, true, true);
    log_compacted(store, LOG, &done, &next_ms, &dirty);
    ck_assert_int_le(next_ms, clock_wall_ms());
    ck_assert_int_eq(compact(end, 0), RC_OK);
    ck_compacted(0, end, false, true);
    log_compacted(store, LOG, &done, &next_ms, &dirty);
    ck_assert_int_eq(next_ms, INT64_MAX);
    store_close(&store);
}
END_TEST

START_TEST(compacting_again_and_again_keeps_the_log_whole)
{
    kind_start(_i);
    for (unsigned n = 0; n < 12; n++) {
        put_some(1 + random_below(40));
        ck_assert_int_eq(compact(end - random_below(10), 0), RC_OK);
        (void)see_all();
        if (n % 4 == 3 && is_durable()) {
            crash_copy();
            close_original();
            store_start(open_kind);
        }
    }
    ck_assert_int_eq(compact(end, 0), RC_OK);
    ck_assert_int_eq(compact(end, 0), RC_OK);
    ck_compacted(0, end, false, true);
    store_close(&store);
}
END_TEST

START_TEST(a_log_may_be_trimmed_and_appended_to_meanwhile)
{
    struct asked asked;
    uint64_t limit, start;

    kind_start(_i);
    put_some(150);
    limit = end;
    start = end / 2;
    ask(&asked, limit, FOREVER);
    put_some(5);
    await(log_trim(store, LOG, start));
    put_some(5);
    while (!asked.is_done) {
        store_submit(store);
        store_poll(store);
    }
    ck_assert_int_eq(asked.rc, RC_OK);
    ck_compacted(start, limit, true, true);
    if (is_durable()) {
        crash_copy();
        close_original();
        store_start(open_kind);
    }
    ck_range(LOG, start, end);
    ck_compacted(start, limit, true, true);
    store_close(&store);
}
END_TEST

/* What happens to a log in the turns that take the result of a pass in. */
START_TEST(a_pass_over_many_rows_is_taken_in_while_the_log_goes_on)
{
    uint64_t start = 0, turns = 0, limit;
    struct asked asked;
    const int way = _i % 5;

    store_config.has_sync = false;
    store_config.segment_first_bytes = store_config.segment_max_bytes = 1 << 20;
    kind_start(_i / 5);
    put_rows(ROWS);
    limit = end;
    ask(&asked, limit, FOREVER);
    for (; !asked.is_done; turns++) {
        turn();
        if ((way == 1 || way == 3) && turns % 16 == 0 && end < RECORDS_MAX)
            put_rows(1); /* of a pass that takes long */
        if ((way == 2 || way == 3) && turns % 4 == 0 && start + 40 < end) {
            start += 1 + random_below(40);
            (void)log_trim(store, LOG, start);
        }
        if (way == 4 && turns == 3) {
            start = limit; /* all of it, and more than one turn gives back */
            put_rows(5);
            (void)log_trim(store, LOG, start);
        }
    }
    ck_assert_int_eq(asked.rc, RC_OK);
    ck_compacted(start, limit, true, true);
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    ck_compacted(start, end, true, true);
    if (is_durable()) {
        store_close(&store);
        store_start(open_kind);
    }
    ck_range(LOG, start, end);
    ck_compacted(start, end, true, true);
    store_close(&store);
}
END_TEST

START_TEST(a_log_that_goes_away_is_not_compacted)
{
    struct asked asked;

    kind_start(_i);
    put_some(20);
    await(log_drop(store, LOG));
    ck_assert_int_eq(compact(end, FOREVER), RC_NOT_FOUND);
    end = 0;
    put_at(OTHER, 0, 1, 10, 1);
    ask(&asked, 1, FOREVER);
    log_compact_cancel(store, &asked.compact);
    store_poll(store);
    ck_assert(!asked.is_done);
    store_close(&store);
}
END_TEST

START_TEST(a_log_that_is_dropped_while_it_is_compacted_is_gone)
{
    struct asked asked;
    uint64_t start, stop;

    store_config.has_sync = false;
    kind_start(_i / 4);
    put_rows(3000);
    ask(&asked, end, FOREVER);
    for (int n = 0; n < _i % 4 * 10; n++)
        turn();
    await(log_drop(store, LOG));
    while (!asked.is_done)
        turn();
    ck_assert(asked.rc == RC_OK || asked.rc == RC_NOT_FOUND);
    ck_assert_int_eq(log_range(store, LOG, &start, &stop), RC_NOT_FOUND);
    ck_assert_uint_eq(log_bytes(store, LOG), 0);
    store_close(&store);
}
END_TEST

/* It asks for records without a value to go once more, while others wait for their turn. */
START_TEST(two_that_ask_are_served_one_after_the_other)
{
    struct asked first, other, gone;

    kind_start(_i);
    put_some(40);
    put_at(OTHER, 0, 1, 10, 1);
    ask(&first, end, FOREVER);
    ask(&gone, end, FOREVER);
    ask(&other, 1, FOREVER);
    log_compact_cancel(store, &gone.compact);
    other.compact.log = OTHER; /* it is read when its turn comes */
    while (!first.is_done || !other.is_done)
        turn();
    ck_assert_int_eq(first.rc, RC_OK);
    ck_assert_int_eq(other.rc, RC_OK);
    ck_assert(!gone.is_done);
    ck_compacted(0, end, true, true);
    ck_log(OTHER, 0, 1, 1, 10); /* no batch: it stays */
    store_close(&store);
}
END_TEST

/* 8000 entries of one record each are at most twenty records then, and not 8000 entries. */
START_TEST(what_is_left_takes_the_room_of_what_is_left)
{
    uint64_t before;

    store_config.has_sync = false;
    kind_start(_i);
    put_rows(ROWS);
    before = log_bytes(store, LOG);
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    ck_assert_uint_lt(log_bytes(store, LOG), before / 100);
    ck_assert_uint_eq(see_all(), KEYS);
    store_close(&store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compaction");
    TCase *tests = tcase_create("contract");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, compaction_setup, compaction_teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_last_record_of_each_key_stays_at_its_offset, 0, KINDS);
    tcase_add_loop_test(tests, what_lies_above_the_end_is_left_as_it_is, 0, KINDS);
    tcase_add_loop_test(tests, a_record_that_deletes_its_key_goes_when_its_time_has_come, 0, KINDS);
    tcase_add_loop_test(tests, compacting_again_and_again_keeps_the_log_whole, 0, KINDS);
    tcase_add_loop_test(tests, a_log_may_be_trimmed_and_appended_to_meanwhile, 0, KINDS);
    tcase_add_loop_test(tests, a_pass_over_many_rows_is_taken_in_while_the_log_goes_on, 0,
                        5 * KINDS);
    tcase_add_loop_test(tests, a_log_that_goes_away_is_not_compacted, 0, KINDS);
    tcase_add_loop_test(tests, a_log_that_is_dropped_while_it_is_compacted_is_gone, 0, 4 * KINDS);
    tcase_add_loop_test(tests, two_that_ask_are_served_one_after_the_other, 0, KINDS);
    tcase_add_loop_test(tests, what_is_left_takes_the_room_of_what_is_left, 0, KINDS);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
