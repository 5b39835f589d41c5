/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash leaves and what opening makes of it. A copy of the files of an open store is what a
 * kill would leave; the tests cut and damage such copies. */
#include <check.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/wire.h"
#include "storage/lmdb/frame.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/lmdb/scan.h"
#include "storage/verify.h"
#include "tests/contract/store_fixture.h"

/* ---- files ---- */

static int open_segment(const char *name)
{
    char path[400];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/seg/%s", directory, name);
    fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void flip(const char *name, uint64_t at)
{
    int fd = open_segment(name);
    uint8_t byte;

    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x40;
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

/* The frames of a segment file, as the scan would find them if it knew the store's number. */
static void scan(const char *name, struct scan *ret)
{
    int fd = open_segment(name);
    struct frame_header header = { 0 };
    uint8_t bytes[FRAME_HEADER];
    off_t at = 0;

    while (pread(fd, bytes, sizeof(bytes), at) == (ssize_t)sizeof(bytes) &&
           frame_read_header(slice_of(bytes, sizeof(bytes)), &header) != RC_OK)
        at += FRAME_ALIGN;
    ck_assert_int_eq(scan_file(fd, header.segment, header.store_id, SCAN_ALL, ret), RC_OK);
    (void)close(fd);
}

/* ---- unclean stops ---- */

static void put_many(unsigned count, size_t len)
{
    uint64_t start = 0, end = 0;

    if (log_range(store, 1, &start, &end) != RC_OK)
        end = 0;
    for (unsigned i = 0; i < count; i++) {
        put_at(1, end + i, 1, len, (int64_t)(end + i));
        put_at(2, end + i, 1, 50, (int64_t)(end + i));
        flush();
    }
}

START_TEST(all_that_was_committed_is_there_after_an_unclean_stop)
{
    store_start(lmdb_store_open);
    put_many(60, 3000);
    put_meta(META_QUEUES, "a", "1");
    put_meta(META_QUEUES, "b", "2");
    meta_delete(store, META_QUEUES, SLICE("a"), DURABILITY_ALWAYS);
    log_trim(store, 1, 10);
    put_at(3, 0, 1, 10, 1);
    flush();
    log_drop(store, 3);
    flush();
    crash_copy();
    for (unsigned round = 0; round < 3; round++) {
        uint64_t start, end;

        store_start(lmdb_store_open);
        ck_meta(META_QUEUES, "b=2 ");
        ck_range(1, 10, 60);
        ck_range(2, 0, 60);
        ck_assert_int_eq(log_range(store, 3, &start, &end), RC_NOT_FOUND);
        ck_log(1, 10, 60, 1, 3000);
        ck_log(2, 0, 60, 1, 50);
        store_close(&store);
    }
    close_original();
}
END_TEST

START_TEST(unclean_stops_in_a_row_add_up)
{
    for (unsigned round = 0; round < 4; round++) {
        store_start(lmdb_store_open);
        if (round > 0) {
            ck_range(1, 0, round * 5);
            ck_log(1, 0, round * 5, 1, 1000);
        }
        put_many(5, 1000);
        crash_copy();
        close_original();
    }
    store_start(lmdb_store_open);
    ck_log(1, 0, 20, 1, 1000);
    store_close(&store);
}
END_TEST

START_TEST(many_rolled_segments_come_back_after_an_unclean_stop)
{
    store_config.segment_first_bytes = store_config.segment_max_bytes = 256 << 10;
    store_start(lmdb_store_open);
    put_many(100, 20000);
    crash_copy();
    store_start(lmdb_store_open);
    ck_log(1, 0, 100, 1, 20000);
    ck_log(2, 0, 100, 1, 50);
    store_close(&store);
    close_original();
}
END_TEST

/* ---- torn ends ---- */

/* Power may go at any block of what was not yet synced: cut the file at every 512 bytes of its last
 * commits. What is left must be whole commits from the first on. */
START_TEST(a_torn_end_loses_whole_commits_and_nothing_else)
{
    struct scan frames;
    struct stat stat;
    char name[] = "0000000001.seg";
    char saved[96];
    uint64_t last_end = 0;
    int fd;

    store_start(lmdb_store_open);
    for (unsigned i = 0; i < 4; i++) {
        struct append append = { 1, i, 1, i, DURABILITY_INTERVAL, block_try(2000) };

        memset(append.bytes->at, 'x', 2000);
        log_append(store, &append);
        put_meta(META_GROUPS, "end", i == 0 ? "1" : i == 1 ? "2" : i == 2 ? "3" : "4");
        store_submit(store);
        while (durable < 2 * i + 2)
            store_wait();
    }
    memcpy(saved, directory, sizeof(saved));
    store_config.has_sync = false; /* of the many that only look */
    for (unsigned cut = 0;; cut++) {
        struct store *kept = store;
        uint64_t start = 0, end = 0;
        char wanted[32];

        crash_copy();
        fd = open_segment(name);
        ck_assert_int_eq(fstat(fd, &stat), 0);
        if ((off_t)cut * 512 >= stat.st_size) {
            (void)close(fd);
            break;
        }
        ck_assert_int_eq(ftruncate(fd, stat.st_size - (off_t)cut * 512), 0);
        (void)close(fd);
        if (cut == 0) {
            scan(name, &frames);
            ck_assert_uint_eq(frames.count, 4);
            scan_done(&frames);
        }
        store_start(lmdb_store_open);
        if (log_range(store, 1, &start, &end) != RC_OK)
            end = 0;
        if (cut == 0)
            ck_assert_uint_eq(end, 4);
        else
            ck_assert_uint_le(end, last_end);
        last_end = end;
        wanted[0] = '\0';
        if (end > 0)
            (void)snprintf(wanted, sizeof(wanted), "end=%d ", (int)end);
        ck_meta(META_GROUPS, wanted);
        store_close(&store);
        memcpy(directory, saved, sizeof(directory));
        store = kept;
    }
    ck_assert_uint_eq(last_end, 0);
    store_close(&store);
}
END_TEST

START_TEST(a_commit_of_several_frames_that_lost_one_never_happened)
{
    char name[] = "0000000001.seg";
    struct scan frames;

    store_config.segment_first_bytes = store_config.segment_max_bytes = 16 << 20;
    store_start(lmdb_store_open);
    put_at(1, 0, 1, 1000, 1);
    flush();
    for (unsigned i = 0; i < 3; i++) { /* one submit, three frames */
        struct append append = { 1, 1 + i, 1, 1, DURABILITY_INTERVAL, block_try(900000) };

        memset(append.bytes->at, 'y', 900000);
        log_append(store, &append);
    }
    store_submit(store);
    while (durable < 4)
        store_wait();
    crash_copy();
    scan(name, &frames);
    ck_assert_uint_eq(frames.count, 4);
    flip(name, frames.frames[3].position + 500000);
    scan_done(&frames);
    store_start(lmdb_store_open);
    ck_range(1, 0, 1);
    ck_log(1, 0, 1, 1, 1000);
    put_at(1, 1, 1, 1000, 1);
    store_close(&store);
    store_start(lmdb_store_open);
    ck_log(1, 0, 2, 1, 1000);
    store_close(&store);
    close_original();
}
END_TEST

START_TEST(damage_within_what_was_synced_is_a_hole_and_not_the_end)
{
    char name[] = "0000000001.seg";
    struct scan frames;
    struct reading r;

    store_start(lmdb_store_open);
    for (unsigned i = 0; i < 10; i++) {
        put_at(1, i, 1, 1000, 1);
        flush();
    }
    crash_copy();
    scan(name, &frames);
    ck_assert_uint_eq(frames.count, 10);
    flip(name, frames.frames[4].position + 200);
    scan_done(&frames);
    store_start(lmdb_store_open);
    ck_range(1, 0, 10);
    ck_log(1, 0, 4, 1, 1000);
    read_start(&r, 1, 4, 100);
    read_wait(&r);
    ck_assert_int_eq(r.rc, RC_OK);
    ck_assert_uint_eq(r.read.pieces.at[0].base_offset, 5);
    log_pieces_done(&r.read.pieces);
    ck_log(1, 5, 10, 1, 1000);
    store_close(&store);
    close_original();
}
END_TEST

/* Recovery takes so many zeros for the end of what was written, unless something is missing. */
START_TEST(lost_blocks_within_what_was_synced_are_a_hole_and_not_the_end)
{
    static const uint8_t zeros[FRAME_ALIGN];
    char name[] = "0000000001.seg";
    const unsigned count = 14, first_lost = 2, first_left = 12;
    struct scan frames;
    int fd;

    store_config.segment_first_bytes = store_config.segment_max_bytes = 32 << 20;
    store_start(lmdb_store_open);
    for (unsigned i = 0; i < count; i++) {
        put_at(1, i, 1, 1000000, 1);
        flush();
    }
    crash_copy();
    scan(name, &frames);
    ck_assert_uint_eq(frames.count, count);
    ck_assert_uint_gt(frames.frames[first_left].position - frames.frames[first_lost].position,
                      SCAN_ZEROS_BYTES);
    fd = open_segment(name);
    for (uint64_t at = frames.frames[first_lost].position; at < frames.frames[first_left].position;
         at += sizeof(zeros))
        ck_assert_int_eq(pwrite(fd, zeros, sizeof(zeros), (off_t)at), (ssize_t)sizeof(zeros));
    (void)close(fd);
    scan_done(&frames);
    store_start(lmdb_store_open);
    ck_range(1, 0, count);
    ck_log(1, 0, first_lost, 1, 1000000);
    ck_log(1, first_left, count, 1, 1000000);
    store_close(&store);
    close_original();
}
END_TEST

/* ---- damage of sealed segments ---- */

START_TEST(a_damaged_entry_is_reported_to_its_reader_and_the_rest_is_served)
{
    char name[] = "0000000001.seg";
    struct scan frames;
    struct reading r;

    store_start(lmdb_store_open);
    for (unsigned i = 0; i < 10; i++) {
        put_at(1, i, 1, 1000, 1);
        flush();
    }
    store_close(&store);
    scan(name, &frames);
    flip(name, frames.frames[4].position + 200);
    scan_done(&frames);
    store_start(lmdb_store_open);
    ck_range(1, 0, 10);
    ck_log(1, 0, 4, 1, 1000);
    read_start(&r, 1, 4, 100);
    read_wait(&r);
    ck_assert_int_eq(r.rc, RC_CORRUPT);
    ck_assert_uint_eq(r.read.pieces.count, 0);
    ck_log(1, 5, 10, 1, 1000);
    store_close(&store);
}
END_TEST

/* Where the index of a sealed segment lies in its file. */
static off_t index_of(int fd)
{
    uint8_t bytes[4];

    for (off_t at = 0; pread(fd, bytes, 4, at) == 4; at += FRAME_ALIGN) {
        if (memcmp(bytes, "TIX1", 4) == 0)
            return at;
    }
    ck_abort_msg("no index");
}

START_TEST(a_segment_whose_index_is_damaged_is_read_whole)
{
    char name[] = "0000000001.seg";
    int fd;

    store_start(lmdb_store_open);
    put_many(10, 3000);
    store_close(&store);
    fd = open_segment(name);
    flip(name, (uint64_t)index_of(fd) + (uint64_t)(_i == 0 ? 0 : INDEX_HEADER + 3));
    (void)close(fd);
    for (unsigned round = 0; round < 2; round++) {
        store_start(lmdb_store_open);
        ck_log(1, 0, 10, 1, 3000);
        ck_log(2, 0, 10, 1, 50);
        store_close(&store);
    }
}
END_TEST

START_TEST(a_sealed_segment_that_was_cut_gives_what_is_left)
{
    char name[] = "0000000001.seg";
    struct scan frames;
    uint64_t start, end;
    int fd;

    store_start(lmdb_store_open);
    put_many(10, 3000);
    store_close(&store);
    scan(name, &frames);
    fd = open_segment(name);
    ck_assert_int_eq(ftruncate(fd, (off_t)frames.frames[7].position), 0);
    (void)close(fd);
    scan_done(&frames);
    store_start(lmdb_store_open);
    ck_assert_int_eq(log_range(store, 1, &start, &end), RC_OK);
    ck_assert_uint_eq(end, 7);
    ck_log(1, 0, 7, 1, 3000);
    put_at(1, 7, 1, 3000, 1);
    store_close(&store);
    store_start(lmdb_store_open);
    ck_log(1, 0, 8, 1, 3000);
    store_close(&store);
}
END_TEST

/* ---- what is refused ---- */

static void set_fact(const char *name, uint64_t value)
{
    uint8_t key[17] = { 0 }, number[8];
    MDB_val k = { strlen(name) + 1, key }, v = { 8, number };
    char path[300];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    memcpy(key + 1, name, strlen(name));
    put_u64(number, value);
    (void)snprintf(path, sizeof(path), "%s/catalog.mdb", directory);
    ck_assert_int_eq(mdb_env_create(&env), 0);
    ck_assert_int_eq(mdb_env_set_mapsize(env, (size_t)1 << 30), 0);
    ck_assert_int_eq(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
    ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    ck_assert_int_eq(mdb_put(txn, dbi, &k, &v, 0), 0);
    ck_assert_int_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

START_TEST(a_store_of_a_newer_format_is_refused_and_left_alone)
{
    store_start(lmdb_store_open);
    put_many(3, 1000);
    store_close(&store);
    set_fact("format", STORE_FORMAT + 1);
    ck_assert_int_eq(lmdb_store_open(&store_config, &store), RC_VERSION);
    set_fact("format", STORE_FORMAT);
    store_start(lmdb_store_open);
    ck_log(1, 0, 3, 1, 1000);
    store_close(&store);
}
END_TEST

START_TEST(a_frame_of_a_newer_version_is_refused_and_left_alone)
{
    char name[] = "0000000001.seg";
    struct scan frames;
    int fd;

    store_start(lmdb_store_open);
    put_many(3, 1000);
    crash_copy();
    scan(name, &frames);
    fd = open_segment(name);
    ck_assert_int_eq(pwrite(fd, "\0\2", 2, (off_t)frames.frames[1].position + 4), 2);
    ck_assert_int_eq(lmdb_store_open(&store_config, &store), RC_VERSION);
    ck_assert_int_eq(pwrite(fd, "\0\1", 2, (off_t)frames.frames[1].position + 4), 2);
    (void)close(fd);
    scan_done(&frames);
    store_start(lmdb_store_open);
    ck_log(1, 0, 3, 1, 1000);
    store_close(&store);
    close_original();
}
END_TEST

START_TEST(segments_without_their_catalogue_are_refused_and_not_removed)
{
    struct file_list before, after;
    char path[300];

    store_start(lmdb_store_open);
    put_many(3, 1000);
    store_close(&store);
    list_files("seg", &before);
    (void)snprintf(path, sizeof(path), "%s/catalog.mdb", directory);
    ck_assert_int_eq(unlink(path), 0);
    for (unsigned round = 0; round < 2; round++)
        ck_assert_int_eq(lmdb_store_open(&store_config, &store), RC_CORRUPT);
    list_files("seg", &after);
    ck_assert_uint_eq(after.count, before.count);
}
END_TEST

static void birth_leave(const char *catalog, size_t catalog_bytes)
{
    uint8_t bytes[2 * 4096] = { 0 };
    char path[300];
    int fd;

    ck_assert_uint_le(catalog_bytes, sizeof(bytes));
    (void)snprintf(path, sizeof(path), "%s/%s", directory, catalog);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, catalog_bytes), (ssize_t)catalog_bytes);
    (void)close(fd);
    (void)snprintf(path, sizeof(path), "%s/LOCK", directory);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
}

/* After a power cut: the lock, and of the catalogue its length alone. */
START_TEST(a_store_whose_birth_was_cut_is_born_again)
{
    char path[300];

    birth_leave("catalog.new", 8192);
    birth_leave("catalog.new-lock", 100);
    store_start(lmdb_store_open);
    put_many(3, 1000);
    ck_log(1, 0, 3, 1, 1000);
    store_close(&store);
    (void)snprintf(path, sizeof(path), "%s/catalog.new", directory);
    ck_assert_int_ne(access(path, F_OK), 0);
    (void)snprintf(path, sizeof(path), "%s/catalog.new-lock", directory);
    ck_assert_int_ne(access(path, F_OK), 0);
    store_start(lmdb_store_open);
    ck_log(1, 0, 3, 1, 1000);
    store_close(&store);
}
END_TEST

START_TEST(a_catalogue_without_content_is_none_of_a_new_store)
{
    birth_leave("catalog.mdb", (size_t)_i * 4096);
    store_config.directory = directory;
    for (unsigned round = 0; round < 2; round++)
        ck_assert_int_eq(lmdb_store_open(&store_config, &store), RC_CORRUPT);
}
END_TEST

static void on_problem(void *arg, const char *what)
{
    (void)what;
    ++*(unsigned *)arg;
}

START_TEST(a_catalogue_that_is_cut_anywhere_is_refused_and_told_of)
{
    unsigned problems = 0;
    const struct verify_events events = { .on_problem = on_problem, .arg = &problems };
    struct verify_totals totals;
    char path[300], key[8], value[300];
    struct stat stat_of;

    store_start(lmdb_store_open);
    put_many(3, 1000);
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(key, sizeof(key), "k%u", i);
        put_meta(META_QUEUES, key, value);
    }
    flush();
    store_close(&store);
    (void)snprintf(path, sizeof(path), "%s/catalog.mdb", directory);
    ck_assert_int_eq(stat(path, &stat_of), 0);
    ck_assert_int_ge(stat_of.st_size, 10 * 4096);
    for (off_t bytes = stat_of.st_size - 1; bytes >= 0; bytes -= 2048) {
        ck_assert_int_eq(truncate(path, bytes), 0);
        ck_assert_int_eq(lmdb_store_open(&store_config, &store), RC_CORRUPT);
        problems = 0;
        ck_assert_int_eq(store_verify(directory, &events, &totals), RC_OK);
        ck_assert(!totals.is_sound);
        ck_assert_uint_eq(problems, 1);
        ck_assert_int_eq(stat(path, &stat_of), 0);
        ck_assert_int_eq(stat_of.st_size, bytes);
    }
}
END_TEST

START_TEST(a_segment_of_another_store_is_refused_and_not_removed)
{
    struct file_list files;
    struct store *first;
    char original[96];

    store_start(lmdb_store_open);
    put_many(3, 1000);
    first = store;
    memcpy(original, directory, sizeof(original));
    directory_make();
    store_start(lmdb_store_open);
    store_close(&store);
    copy_file(original, "seg/0000000001.seg");
    for (unsigned round = 0; round < 2; round++)
        ck_assert_int_eq(lmdb_store_open(&store_config, &store), RC_CORRUPT);
    list_files("seg", &files);
    ck_assert_uint_eq(files.count, 1);
    store_close(&first);
}
END_TEST

START_TEST(a_missing_segment_is_refused)
{
    char path[300];

    store_start(lmdb_store_open);
    put_many(3, 1000);
    store_close(&store);
    (void)snprintf(path, sizeof(path), "%s/seg/0000000001.seg", directory);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(lmdb_store_open(&store_config, &store), RC_CORRUPT);
}
END_TEST

/* ---- reclaiming ---- */

START_TEST(segments_that_hold_nothing_live_are_removed)
{
    struct file_list files;
    uint64_t end = 0;

    store_config.segment_first_bytes = store_config.segment_max_bytes = 256 << 10;
    store_start(lmdb_store_open);
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 10; i++)
            put_at(1, end++, 1, 20000, 1);
        log_trim(store, 1, end - 5);
        flush();
    }
    store_close(&store);
    list_files("seg", &files);
    ck_assert_uint_le(files.count, 4);
    store_start(lmdb_store_open);
    ck_range(1, end - 5, end);
    ck_log(1, end - 5, end, 1, 20000);
    log_drop(store, 1);
    store_close(&store);
    store_start(lmdb_store_open);
    store_close(&store);
    list_files("seg", &files);
    ck_assert_uint_le(files.count, 1);
}
END_TEST

START_TEST(recycled_segments_never_show_their_old_frames)
{
    uint64_t end = 0;

    store_config.segment_first_bytes = store_config.segment_max_bytes = 256 << 10;
    store_config.is_prewritten = true;
    store_start(lmdb_store_open);
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 7; i++) {
            put_at(1, end++, 1, 20000, 1);
            flush();
        }
        log_trim(store, 1, end - 2);
        flush();
        crash_copy();
        close_original();
        store_start(lmdb_store_open);
        ck_range(1, end - 2, end);
        ck_log(1, end - 2, end, 1, 20000);
    }
    store_close(&store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lmdb recovery");
    TCase *tests = tcase_create("recovery");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, store_fixture_setup, store_fixture_teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, all_that_was_committed_is_there_after_an_unclean_stop);
    tcase_add_test(tests, unclean_stops_in_a_row_add_up);
    tcase_add_test(tests, many_rolled_segments_come_back_after_an_unclean_stop);
    tcase_add_test(tests, a_torn_end_loses_whole_commits_and_nothing_else);
    tcase_add_test(tests, a_commit_of_several_frames_that_lost_one_never_happened);
    tcase_add_test(tests, damage_within_what_was_synced_is_a_hole_and_not_the_end);
    tcase_add_test(tests, lost_blocks_within_what_was_synced_are_a_hole_and_not_the_end);
    tcase_add_test(tests, a_damaged_entry_is_reported_to_its_reader_and_the_rest_is_served);
    tcase_add_loop_test(tests, a_segment_whose_index_is_damaged_is_read_whole, 0, 2);
    tcase_add_test(tests, a_sealed_segment_that_was_cut_gives_what_is_left);
    tcase_add_test(tests, a_store_of_a_newer_format_is_refused_and_left_alone);
    tcase_add_test(tests, a_frame_of_a_newer_version_is_refused_and_left_alone);
    tcase_add_test(tests, segments_without_their_catalogue_are_refused_and_not_removed);
    tcase_add_test(tests, a_store_whose_birth_was_cut_is_born_again);
    tcase_add_loop_test(tests, a_catalogue_without_content_is_none_of_a_new_store, 0, 3);
    tcase_add_test(tests, a_catalogue_that_is_cut_anywhere_is_refused_and_told_of);
    tcase_add_test(tests, a_segment_of_another_store_is_refused_and_not_removed);
    tcase_add_test(tests, a_missing_segment_is_refused);
    tcase_add_test(tests, segments_that_hold_nothing_live_are_removed);
    tcase_add_test(tests, recycled_segments_never_show_their_old_frames);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
