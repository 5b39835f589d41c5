/* SPDX-License-Identifier: Apache-2.0 */
/* Compaction of a log: below its end the last record of each key stays, at its offset, and nothing
 * else with a key; whatever instant a crash takes. */
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/counters.h"
#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/record/sift.h"
#include "storage/lmdb/catalog.h"
#include "storage/lmdb/format.h"
#include "storage/lmdb/lmdb_store.h"
#include "tests/contract/compaction_rig.h"

#define ROWS 8000

#define OTHERS   4
#define KEPT     1600
#define TOGETHER 8

static _Thread_local bool is_core_thread;
static unsigned turns_asked_for;

static void on_wake(void *arg)
{
    (void)arg;
    if (is_core_thread) /* other threads wake too, and may not touch the count */
        turns_asked_for++;
}

START_TEST(no_turn_takes_more_than_a_part_of_a_pass)
{
    const struct store_events events = { .wake = on_wake };
    struct asked asked;

    store_config.has_sync = false;
    store_start(lmdb_store_open);
    put_rows(ROWS);
    store_set_events(store, &events);
    is_core_thread = true;
    ask(&asked, end, FOREVER);
    turns_asked_for = 0;
    while (!asked.is_done)
        turn();
    ck_assert_int_eq(asked.rc, RC_OK);
    /* They are gathered by 2000, built by 1000 and given back by 1000. */
    ck_assert_uint_ge(turns_asked_for, ROWS / 2000 + ROWS / 1000 + ROWS / 1000 - 3);
    store_close(&store);
}
END_TEST

START_TEST(flushes_and_a_compaction_that_wants_one_share_it)
{
    struct asked asked;

    store_start(lmdb_store_open);
    put_some(20);
    ask(&asked, end, FOREVER);
    flush(); /* its last poll begins the compaction, */
    flush(); /* whose flush this is too */
    while (!asked.is_done) {
        store_submit(store);
        store_poll(store);
    }
    ck_assert_int_eq(asked.rc, RC_OK);
    ck_compacted(0, end, true, true);
    store_close(&store);
}
END_TEST

/* Entries that compaction leaves as they are, and then some of which it leaves little. Each fills
 * its frame: none of their segments is sparse. */
static void put_kept(void)
{
    struct batch_builder b;

    batch_builder_init(&b, 0, 0);
    for (unsigned i = 0; i < KEPT + KEPT / 8; i++) {
        for (unsigned k = 0; k < TOGETHER; k++)
            add_record(&b, i < KEPT ? -1 : 1, true);
        await(append(&b, COMPRESSION_NONE));
    }
    batch_builder_done(&b);
}

static void put_others(void)
{
    uint64_t ticket = 0;

    for (uint32_t log = OTHER; log < OTHER + OTHERS; log++) {
        for (uint64_t offset = 0; offset < ROWS; offset++)
            ticket = put_at(log, offset, 1, 80, 1000);
    }
    await(ticket);
}

/* What was trimmed is forgotten in parts, and meanwhile the log's rows change. */
START_TEST(what_is_trimmed_while_a_compaction_is_taken_in_frees_its_segments)
{
    const int64_t copied = count_get(COUNT_STORE_COPIED);
    struct file_list files;
    struct asked asked;

    store_config.has_sync = false;
    store_config.segment_first_bytes = store_config.segment_max_bytes = 1 << 20;
    store_start(lmdb_store_open);
    put_others();
    put_kept();
    ask(&asked, end, FOREVER);
    while (count_get(COUNT_STORE_COPIED) == copied && !asked.is_done)
        turn();
    for (int i = 0; i < _i; i++)
        turn();
    for (uint32_t log = OTHER; log < OTHER + OTHERS; log++)
        (void)log_drop(store, log);
    (void)log_trim(store, LOG, KEPT / 4 * TOGETHER);
    while (!asked.is_done)
        turn();
    await(log_drop(store, LOG));
    do { /* or this test takes too long */
        turn();
        list_files("seg", &files);
    } while (files.count > 2);
    store_close(&store);
}
END_TEST

static enum rc count_pair(void *arg, struct slice key, struct slice value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)arg;
    return RC_OK;
}

/* What the catalogue says of logs that were compacted. */
static unsigned compacted_keys(void)
{
    struct catalog_facts facts;
    struct catalog catalog;
    unsigned count = 0;

    ck_assert_int_eq(catalog_open_to_read(directory, &catalog, &facts), RC_OK);
    ck_assert_int_eq(catalog_each(&catalog, CATALOG_COMPACTED, count_pair, &count), RC_OK);
    catalog_close(&catalog);
    return count;
}

START_TEST(a_log_that_is_dropped_leaves_nothing_in_the_catalogue)
{
    store_start(lmdb_store_open);
    put_some(20);
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    if (_i == 1) {
        store_close(&store);
        ck_assert_uint_eq(compacted_keys(), 1);
        store_start(lmdb_store_open);
    }
    await(log_drop(store, LOG));
    if (_i == 2) {
        crash_copy();
        store_start(lmdb_store_open);
    }
    store_close(&store);
    ck_assert_uint_eq(compacted_keys(), 0);
    if (_i == 2)
        close_original();
}
END_TEST

START_TEST(a_log_that_is_dropped_while_it_is_compacted_leaves_nothing_either)
{
    struct asked asked;
    unsigned turns = 0;

    store_start(lmdb_store_open);
    put_some(20);
    ask(&asked, end, FOREVER);
    for (; turns < (unsigned)_i * 40 && !asked.is_done; turns++) {
        store_submit(store);
        store_poll(store);
        (void)sched_yield();
    }
    log_compact_cancel(store, &asked.compact);
    await(log_drop(store, LOG));
    store_close(&store);
    ck_assert_uint_eq(compacted_keys(), 0);
}
END_TEST

START_TEST(what_an_older_broker_left_of_a_dropped_log_is_removed)
{
    struct place place = { .path = directory, .has_sync = true };
    uint8_t name[5] = { CATALOG_COMPACTED, 0, 0, 0, 77 }, value[16] = { 0 };
    struct catalog_facts facts;
    struct catalog catalog;

    store_start(lmdb_store_open);
    put_some(20);
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    store_close(&store);
    place.directory_fd = open(directory, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(catalog_open(&place, &catalog, &facts), RC_OK);
    ck_assert_int_eq(catalog_begin(&catalog), RC_OK);
    ck_assert_int_eq(
        catalog_put(&catalog, slice_of(name, sizeof(name)), slice_of(value, sizeof(value))), RC_OK);
    ck_assert_int_eq(catalog_commit(&catalog), RC_OK);
    catalog_close(&catalog);
    (void)close(place.directory_fd);
    ck_assert_uint_eq(compacted_keys(), 2);
    store_start(lmdb_store_open);
    store_close(&store);
    ck_assert_uint_eq(compacted_keys(), 1);
}
END_TEST

START_TEST(the_log_is_whole_at_any_instant_of_a_compaction)
{
    char original[sizeof(directory)];
    struct store *live;
    struct asked asked;
    unsigned n = 0;

    store_start(lmdb_store_open);
    put_some(150);
    ask(&asked, end, FOREVER);
    live = store;
    memcpy(original, directory, sizeof(original));
    do {
        crash_copy();
        store_start(lmdb_store_open);
        ck_compacted(0, end, true, false);
        store_close(&store);
        store = live;
        memcpy(directory, original, sizeof(original));
        store_submit(store);
        store_poll(store);
        (void)sched_yield();
    } while (!asked.is_done || ++n < 5);
    ck_compacted(0, end, true, true);
    store_close(&store);
}
END_TEST

static const char *const points[] = { "store.copy", "store.copied", "store.moved", "store.catalog",
                                      "store.sync", "store.write",  "store.open",  "store.read" };
#define POINTS ((int)(sizeof(points) / sizeof(points[0])))

START_TEST(a_kill_at_each_step_of_compaction_leaves_the_log_whole)
{
    struct asked asked;
    int status = 0;
    pid_t pid;

    store_start(lmdb_store_open);
    put_some(100);
    store_close(&store);
    pid = fork();
    if (pid == 0) {
        be_unheard();
        store_start(lmdb_store_open);
        fault_arm(points[_i], 1, FAULT_KILL);
        ask(&asked, end, FOREVER);
        while (!asked.is_done) {
            store_submit(store);
            store_poll(store);
        }
        _exit(EXIT_SUCCESS);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (_i < 4)
        ck_assert(WIFSIGNALED(status));
    store_start(lmdb_store_open);
    ck_compacted(0, end, true, false);
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    ck_compacted(0, end, true, true);
    store_close(&store);
}
END_TEST

START_TEST(a_compaction_that_fails_can_be_asked_for_again)
{
    enum rc rc;

    store_start(lmdb_store_open);
    put_some(100);
    fault_arm(points[_i], 1, FAULT_ONCE);
    rc = compact(end, FOREVER);
    if (_i == 0)
        ck_assert_int_eq(rc, RC_FULL);
    fault_disarm();
    ck_compacted(0, end, true, false);
    put_some(1); /* what failed may have been an entry that could not be read */
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    ck_compacted(0, end, true, false);
    store_close(&store);
    store_start(lmdb_store_open);
    ck_compacted(0, end, true, false);
    store_close(&store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lmdb compact");
    TCase *plain = tcase_create("plain");
    TCase *faults = tcase_create("faults");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(plain, compaction_setup, compaction_teardown);
    tcase_set_timeout(plain, 60);
    tcase_add_test(plain, no_turn_takes_more_than_a_part_of_a_pass);
    tcase_add_loop_test(plain, what_is_trimmed_while_a_compaction_is_taken_in_frees_its_segments, 0,
                        4);
    tcase_add_test(plain, flushes_and_a_compaction_that_wants_one_share_it);
    tcase_add_loop_test(plain, a_log_that_is_dropped_leaves_nothing_in_the_catalogue, 0, 3);
    tcase_add_loop_test(plain, a_log_that_is_dropped_while_it_is_compacted_leaves_nothing_either, 0,
                        8);
    tcase_add_test(plain, what_an_older_broker_left_of_a_dropped_log_is_removed);
    tcase_add_test(plain, the_log_is_whole_at_any_instant_of_a_compaction);
    suite_add_tcase(suite, plain);
    tcase_add_checked_fixture(faults, compaction_setup, compaction_teardown);
    tcase_set_timeout(faults, 60);
    tcase_add_loop_test(faults, a_kill_at_each_step_of_compaction_leaves_the_log_whole, 0, POINTS);
    tcase_add_loop_test(faults, a_compaction_that_fails_can_be_asked_for_again, 0, POINTS);
    suite_add_tcase(suite, faults);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
