/* SPDX-License-Identifier: Apache-2.0 */
/* Segments that hold little are copied, and their space comes free; whatever instant a crash takes,
 * each record is there once. */
#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/counters.h"
#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "storage/lmdb/lmdb_store.h"
#include "tests/contract/store_fixture.h"

#define SLOW 1 /* a log whose few records live */
#define FAST 2 /* one whose many records go */
#define KEPT 3

#define SLOW_LEN 3000
#define FAST_LEN 30000
#define KEPT_LEN 10000
#define ROUNDS   120 /* 4 MB */

static void setup(void)
{
    store_fixture_setup();
    store_config.segment_first_bytes = store_config.segment_max_bytes = 256 << 10;
    store_config.cache_bytes = 16 << 10;
    log_set_threshold(LOG_ERROR);
}

static void teardown(void)
{
    fault_disarm();
    store_fixture_teardown();
}

static void await(uint64_t ticket)
{
    store_submit(store);
    while (durable < ticket)
        store_wait();
}

/* Both logs, with all of the fast one's records but the last few trimmed. */
static void put_all(void)
{
    uint64_t ticket = 0;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        put_at(SLOW, i, 1, SLOW_LEN, (int64_t)i);
        ticket = put_at(FAST, i, 1, FAST_LEN, (int64_t)i);
        await(ticket);
    }
    await(log_trim(store, FAST, ROUNDS - 2));
}

static void ck_all(void)
{
    ck_range(SLOW, 0, ROUNDS);
    ck_log(SLOW, 0, ROUNDS, 1, SLOW_LEN);
    ck_range(FAST, ROUNDS - 2, ROUNDS);
    ck_log(FAST, ROUNDS - 2, ROUNDS, 1, FAST_LEN);
}

static void tick(void)
{
    store_submit(store);
    store_poll(store);
    (void)sched_yield();
}

/* What the segment files take, together. */
static uint64_t disk_bytes(void)
{
    struct file_list files;
    uint64_t bytes = 0;

    list_files("seg", &files);
    for (unsigned i = 0; i < files.count; i++) {
        char path[600];
        struct stat stat_;

        (void)snprintf(path, sizeof(path), "%s/seg/%s", directory, files.name[i]);
        if (stat(path, &stat_) == 0) /* else it came free just now */
            bytes += (uint64_t)stat_.st_size;
    }
    return bytes;
}

/* The slow log, the part of the fast one, the file being written, the one prepared behind it. */
#define DISK_WANTED ((uint64_t)ROUNDS * SLOW_LEN * 5 / 4 + (4 << 18))

static void await_space(void)
{
    while (disk_bytes() > DISK_WANTED)
        tick();
}

START_TEST(segments_that_hold_little_give_their_space_back)
{
    int64_t before = count_get(COUNT_STORE_COPIED);

    store_start(lmdb_store_open);
    put_all();
    await_space();
    ck_assert_int_gt(count_get(COUNT_STORE_COPIED), before);
    ck_all();
    store_close(&store);
    ck_assert_uint_le(disk_bytes(), DISK_WANTED);
    store_start(lmdb_store_open);
    ck_all();
    store_close(&store);
}
END_TEST

/* One segment of which a third lives, then some of which a tenth does: to copy those is enough. */
START_TEST(no_more_is_copied_than_must_come_free)
{
    int64_t before = count_get(COUNT_STORE_COPIED);
    uint64_t i;

    store_start(lmdb_store_open);
    for (i = 0; i < 9; i++) {
        put_at(KEPT, i, 1, KEPT_LEN, 1);
        await(put_at(FAST, i, 1, FAST_LEN - KEPT_LEN, 1));
    }
    await(log_trim(store, FAST, i));
    for (; i < 49; i++) {
        put_at(SLOW, i - 9, 1, SLOW_LEN, 1);
        await(put_at(FAST, i, 1, FAST_LEN, 1));
    }
    await(log_trim(store, FAST, i));
    while (disk_bytes() > 4 << 18)
        tick();
    ck_assert_int_gt(count_get(COUNT_STORE_COPIED), before);
    ck_assert_int_lt(count_get(COUNT_STORE_COPIED) - before, (int64_t)40 * SLOW_LEN * 4 / 3);
    ck_log(KEPT, 0, 9, 1, KEPT_LEN);
    ck_log(SLOW, 0, 40, 1, SLOW_LEN);
    store_close(&store);
}
END_TEST

START_TEST(a_copied_log_goes_on_and_is_trimmed_and_dropped_as_any)
{
    store_start(lmdb_store_open);
    put_all();
    await_space();
    for (uint64_t i = 0; i < 10; i++)
        put_at(SLOW, ROUNDS + i, 1, SLOW_LEN, 1);
    await(log_trim(store, SLOW, 50));
    ck_range(SLOW, 50, ROUNDS + 10);
    ck_log(SLOW, 50, ROUNDS + 10, 1, SLOW_LEN);
    crash_copy();
    close_original();
    store_start(lmdb_store_open);
    ck_range(SLOW, 50, ROUNDS + 10);
    ck_log(SLOW, 50, ROUNDS + 10, 1, SLOW_LEN);
    await(log_drop(store, SLOW));
    while (disk_bytes() > 3 << 18)
        tick();
    store_close(&store);
    store_start(lmdb_store_open);
    ck_log(FAST, ROUNDS - 2, ROUNDS, 1, FAST_LEN);
    store_close(&store);
}
END_TEST

START_TEST(a_copy_of_a_copy_counts_before_it)
{
    store_start(lmdb_store_open);
    put_all();
    await_space();
    await(log_trim(store, SLOW, ROUNDS - 20)); /* the copies are sparse now */
    while (disk_bytes() > 4 << 18)
        tick();
    ck_log(SLOW, ROUNDS - 20, ROUNDS, 1, SLOW_LEN);
    crash_copy();
    close_original();
    store_start(lmdb_store_open);
    ck_range(SLOW, ROUNDS - 20, ROUNDS);
    ck_log(SLOW, ROUNDS - 20, ROUNDS, 1, SLOW_LEN);
    store_close(&store);
}
END_TEST

START_TEST(a_read_of_what_is_being_copied_gets_it)
{
    struct reading readings[8];

    store_start(lmdb_store_open);
    put_all();
    for (unsigned n = 0; disk_bytes() > DISK_WANTED; n++) {
        for (unsigned i = 0; i < 8; i++)
            read_start(&readings[i], SLOW, (n * 8 + i) % ROUNDS, SLOW_LEN);
        tick();
        for (unsigned i = 0; i < 8; i++) {
            read_wait(&readings[i]);
            ck_assert_int_eq(readings[i].rc, RC_OK);
            ck_piece(SLOW, &readings[i].read.pieces.at[0], SLOW_LEN);
            log_pieces_done(&readings[i].read.pieces);
        }
    }
    store_close(&store);
}
END_TEST

/* What the disk holds at any instant is a store that has all. */
START_TEST(a_store_copied_at_any_instant_of_copying_is_whole)
{
    char original[sizeof(directory)];

    store_start(lmdb_store_open);
    put_all();
    for (unsigned n = 0; n < 20; n++) {
        struct store *live = store;

        memcpy(original, directory, sizeof(original));
        crash_copy();
        store_start(lmdb_store_open);
        ck_all();
        store_close(&store);
        store = live;
        memcpy(directory, original, sizeof(original));
        durable = 0;
        tick();
    }
    store_close(&store);
}
END_TEST

static const char *const points[] = { "store.copy",    "store.copied", "store.moved",
                                      "store.catalog", "store.sync",   "store.rename",
                                      "store.write",   "store.open",   "store.read" };
#define POINTS ((int)(sizeof(points) / sizeof(points[0])))

/* In a process of its own. False: it came through. */
static bool is_killed(const char *point, unsigned n)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        be_unheard();
        store_start(lmdb_store_open);
        put_all();
        fault_arm(point, n, FAULT_KILL);
        await_space();
        _exit(EXIT_SUCCESS);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status))
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    return WIFSIGNALED(status);
}

START_TEST(a_kill_at_each_step_of_copying_leaves_each_record_once)
{
    const char *point = points[_i];

    for (unsigned n = 1; n <= 3; n++) {
        bool was_killed = is_killed(point, n);

        if (_i < 3 && n == 1)
            ck_assert(was_killed); /* it does pass there */
        store_start(lmdb_store_open);
        ck_all();
        store_close(&store);
        directory_make();
    }
}
END_TEST

START_TEST(a_copy_that_fails_is_given_up_and_made_later)
{
    const char *point = points[_i];

    if (strcmp(point, "store.moved") == 0)
        return; /* nothing fails there */
    store_start(lmdb_store_open);
    put_all();
    fault_arm(point, 1, FAULT_ONCE);
    await_space();
    ck_all();
    crash_copy();
    close_original();
    fault_disarm();
    store_start(lmdb_store_open);
    ck_all();
    store_close(&store);
}
END_TEST

static Suite *copy_suite(void)
{
    Suite *suite = suite_create("lmdb copy");
    TCase *plain = tcase_create("plain");
    TCase *faults = tcase_create("faults");

    tcase_add_checked_fixture(plain, setup, teardown);
    tcase_add_test(plain, segments_that_hold_little_give_their_space_back);
    tcase_add_test(plain, no_more_is_copied_than_must_come_free);
    tcase_add_test(plain, a_copied_log_goes_on_and_is_trimmed_and_dropped_as_any);
    tcase_add_test(plain, a_copy_of_a_copy_counts_before_it);
    tcase_add_test(plain, a_read_of_what_is_being_copied_gets_it);
    tcase_add_test(plain, a_store_copied_at_any_instant_of_copying_is_whole);
    tcase_set_timeout(plain, 60);
    suite_add_tcase(suite, plain);
    tcase_add_checked_fixture(faults, setup, teardown);
    tcase_add_loop_test(faults, a_kill_at_each_step_of_copying_leaves_each_record_once, 0, POINTS);
    tcase_add_loop_test(faults, a_copy_that_fails_is_given_up_and_made_later, 0, POINTS);
    tcase_set_timeout(faults, 60);
    suite_add_tcase(suite, faults);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(copy_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
