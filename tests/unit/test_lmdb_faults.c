/* SPDX-License-Identifier: Apache-2.0 */
/* The device fails at each point where it can: nothing is reported durable that is not, nothing
 * that was put is lost while the store lives, and reads go on. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "storage/lmdb/lmdb_store.h"
#include "tests/contract/store_fixture.h"

static const char *const points[] = { "store.write",  "store.sync",  "store.open",
                                      "store.rename", "store.alloc", "store.catalog" };
#define POINTS ((int)(sizeof(points) / sizeof(points[0])))

static void setup(void)
{
    store_fixture_setup();
    store_config.segment_first_bytes = store_config.segment_max_bytes = 256 << 10;
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

/* Rolls, seals, checkpoints, retires and recycles; gives how far log 1 came. */
static uint64_t work(void)
{
    uint64_t end = 0, ticket = 0;

    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 6; i++) {
            put_at(1, end, 1, 20000, 1);
            ticket = put_at(2, end++, 1, 60, 1);
            await(ticket);
        }
        if (end > 20)
            await(log_trim(store, 1, end - 12));
    }
    return end;
}

static void ck_work(uint64_t end)
{
    ck_range(1, end - 12, end);
    ck_log(1, end - 12, end, 1, 20000);
    ck_range(2, 0, end);
    ck_log(2, 0, end, 1, 60);
}

START_TEST(one_failure_at_any_point_costs_nothing_that_was_put)
{
    const char *point = points[_i / 3];
    uint64_t end;

    store_config.is_prewritten = true;
    /* The first change of the catalogue is the open itself. */
    fault_arm(point, (unsigned)(_i % 3) * 2 + 1 + (strcmp(point, "store.catalog") == 0),
              FAULT_ONCE);
    store_start(lmdb_store_open);
    end = work();
    ck_work(end);
    crash_copy();
    close_original();
    fault_disarm();
    store_start(lmdb_store_open);
    ck_work(end);
    store_close(&store);
    store_start(lmdb_store_open);
    ck_work(end);
    store_close(&store);
}
END_TEST

static void ck_stall_and_resume(const char *point, enum rc rc)
{
    struct log_pieces pieces;
    uint64_t ticket;

    fault_arm(point, 1, FAULT_FAIL);
    store_start(lmdb_store_open);
    ticket = put_at(1, 0, 1, 100, 1);
    store_submit(store);
    while (stall_reports == 0)
        store_wait();
    ck_assert_int_eq(stalled, rc);
    ck_assert_uint_eq(durable, 0);
    ck_assert_int_eq(store_flush(store), rc);
    ck_assert_uint_eq(durable, 0);
    ck_assert_uint_ge(store_backlog_bytes(store), 100);
    ck_assert_int_eq(log_read_cached(store, 1, 0, 100, &pieces), RC_OK);
    log_pieces_done(&pieces);
    fault_disarm();
    while (durable < ticket)
        store_wait();
    ck_assert_int_eq(stalled, RC_OK);
    ck_assert_uint_eq(stall_reports, 2);
    store_close(&store);
    store_start(lmdb_store_open);
    ck_log(1, 0, 1, 1, 100);
    store_close(&store);
}

START_TEST(a_store_whose_writes_fail_stalls_and_goes_on_when_they_succeed)
{
    ck_stall_and_resume("store.write", RC_IO);
}
END_TEST

START_TEST(a_store_whose_syncs_fail_stalls_and_goes_on_when_they_succeed)
{
    ck_stall_and_resume("store.sync", RC_IO);
}
END_TEST

START_TEST(a_store_that_can_make_no_segment_stalls_and_goes_on_when_it_can)
{
    ck_stall_and_resume("store.open", RC_IO);
}
END_TEST

START_TEST(a_store_closed_while_stalled_keeps_what_was_durable)
{
    store_start(lmdb_store_open);
    put_at(1, 0, 1, 100, 1);
    flush();
    store_close(&store);
    fault_arm("store.write", 1, FAULT_FAIL);
    store_start(lmdb_store_open);
    put_at(1, 1, 1, 100, 1);
    ck_assert_int_eq(store_flush(store), RC_IO);
    put_at(1, 2, 1, 100, 1);
    store_close(&store);
    ck_assert_uint_eq(durable, 0);
    fault_disarm();
    store_start(lmdb_store_open);
    ck_range(1, 0, 1);
    ck_log(1, 0, 1, 1, 100);
    store_close(&store);
}
END_TEST

START_TEST(without_its_catalogue_the_log_alone_keeps_everything)
{
    uint64_t end;

    store_start(lmdb_store_open);
    put_at(3, 0, 1, 10, 1);
    flush();
    store_close(&store);
    fault_arm("store.catalog", 1, FAULT_FAIL);
    store_start(lmdb_store_open);
    end = work();
    put_meta(META_QUEUES, "k", "v");
    log_drop(store, 3);
    flush();
    store_close(&store);
    fault_disarm();
    store_start(lmdb_store_open);
    ck_meta(META_QUEUES, "k=v ");
    ck_assert_int_eq(log_range(store, 3, &end, &end), RC_NOT_FOUND);
    ck_range(2, 0, 48);
    ck_work(48);
    store_close(&store);
}
END_TEST

START_TEST(a_read_that_fails_says_so_and_the_next_one_can_succeed)
{
    struct reading r;

    store_config.cache_bytes = 0;
    fault_arm("store.read", 1, FAULT_ONCE);
    store_start(lmdb_store_open);
    put_at(1, 0, 1, 100, 1);
    flush();
    read_start(&r, 1, 0, 100);
    read_wait(&r);
    ck_assert_int_eq(r.rc, RC_IO);
    ck_assert_uint_eq(r.read.pieces.count, 0);
    ck_log(1, 0, 1, 1, 100);
    store_close(&store);
}
END_TEST

START_TEST(an_open_that_fails_midway_can_be_made_again)
{
    store_start(lmdb_store_open);
    put_at(1, 0, 1, 1000, 1);
    flush();
    crash_copy();
    close_original();
    for (unsigned n = 0; n < 5; n++) {
        const char *const at[] = { "store.open", "store.write", "store.sync", "store.catalog",
                                   "store.map" };

        fault_arm(at[n], 1, FAULT_FAIL);
        ck_assert_int_eq(lmdb_store_open(&store_config, &store), n == 4 ? RC_MEMORY : RC_IO);
        fault_disarm();
    }
    store_start(lmdb_store_open);
    ck_log(1, 0, 1, 1, 1000);
    store_close(&store);
}
END_TEST

/* ---- a full file system ---- */

static bool mount_small(void)
{
    char options[] = "size=4m";

    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tercet-test", directory, "tmpfs", 0, options) == 0;
}

static int fill_up(char *path, size_t room)
{
    static uint8_t bytes[4096];
    int fd;

    (void)snprintf(path, room, "%s/filler", directory);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        ;
    ck_assert_int_eq(errno, ENOSPC);
    return fd;
}

START_TEST(a_full_device_stalls_the_store_until_there_is_room)
{
    char path[200];
    uint64_t end = 0, promised = 0, ticket = 0;
    int fd;

    if (!mount_small()) {
        (void)fprintf(stderr, "skipped: needs root to mount a small tmpfs\n");
        return;
    }
    store_config.cache_bytes = 64 << 10;
    store_start(lmdb_store_open);
    for (; end < 20; end++)
        await(put_at(1, end, 1, 20000, 1));
    fd = fill_up(path, sizeof(path));
    while (stall_reports == 0) {
        ticket = put_at(1, end++, 1, 20000, 1);
        store_submit(store);
        while (durable < ticket && stall_reports == 0)
            store_wait();
        if (durable == ticket)
            promised = end;
    }
    ck_assert_int_eq(stalled, RC_FULL);
    ck_assert_uint_lt(durable, ticket);
    ck_log(1, 0, promised, 1, 20000);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(close(fd), 0);
    await(ticket);
    ck_assert_int_eq(stalled, RC_OK);
    ck_log(1, 0, end, 1, 20000);
    store_close(&store);
    store_start(lmdb_store_open);
    ck_log(1, 0, end, 1, 20000);
    store_close(&store);
    ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lmdb faults");
    TCase *tests = tcase_create("faults");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, one_failure_at_any_point_costs_nothing_that_was_put, 0, POINTS * 3);
    tcase_add_test(tests, a_store_whose_writes_fail_stalls_and_goes_on_when_they_succeed);
    tcase_add_test(tests, a_store_whose_syncs_fail_stalls_and_goes_on_when_they_succeed);
    tcase_add_test(tests, a_store_that_can_make_no_segment_stalls_and_goes_on_when_it_can);
    tcase_add_test(tests, a_store_closed_while_stalled_keeps_what_was_durable);
    tcase_add_test(tests, without_its_catalogue_the_log_alone_keeps_everything);
    tcase_add_test(tests, a_read_that_fails_says_so_and_the_next_one_can_succeed);
    tcase_add_test(tests, an_open_that_fails_midway_can_be_made_again);
    tcase_add_test(tests, a_full_device_stalls_the_store_until_there_is_room);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
