/* SPDX-License-Identifier: Apache-2.0 */
/* Backups of a store in use, and the checker of stores: what a backup holds, and what of a store is
 * called damaged, lost or neither. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/base/wire.h"
#include "storage/backup.h"
#include "storage/lmdb/catalog.h"
#include "storage/lmdb/format.h"
#include "storage/lmdb/lmdb_store.h"
#include "storage/verify.h"
#include "tests/contract/store_fixture.h"
#include "tests/lib/suite.h"

#define LOG   7
#define OTHER 8
#define LEN   30000
#define COUNT 3

static struct {
    struct store_backup backup;
    enum rc rc;
    unsigned done;
} b;

static void setup(void)
{
    store_fixture_setup();
    store_config.segment_first_bytes = store_config.segment_max_bytes = 256 << 10;
    log_set_threshold(LOG_ERROR);
    memset(&b, 0, sizeof(b));
}

static void on_done(struct store_backup *backup, enum rc rc)
{
    ck_assert_ptr_eq(backup, &b.backup);
    b.rc = rc;
    b.done++;
}

static enum rc backup_start(const char *folder)
{
    b.backup = (struct store_backup){ .on_done = on_done };
    return store_backup(store, folder, &b.backup);
}

static void backup_wait(void)
{
    store_submit(store);
    while (b.done == 0)
        store_wait();
    ck_assert_int_eq(b.rc, RC_OK);
    ck_assert_uint_eq(b.done, 1);
}

/* Appends from `from` to `to`, which are multiples of COUNT. */
static void put_run(uint32_t log, uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at += COUNT)
        (void)put_at(log, at, COUNT, LEN, 1000);
}

/* A folder for a backup beside the store; it is removed with the store's own. */
static const char *folder_of(const char *name)
{
    static char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

/* The backup becomes the directory under test. */
static void go_to(const char *folder)
{
    char from[200];
    struct file_list files;
    char path[600];

    (void)snprintf(from, sizeof(from), "%s", folder);
    ck_assert_uint_lt(strlen(from), sizeof(directory));
    memcpy(directory, from, strlen(from) + 1);
    list_files("seg", &files);
    directory_make();
    (void)snprintf(path, sizeof(path), "%s/seg", directory);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    copy_file(from, "catalog.mdb");
    copy_file(from, "backup.manifest");
    for (unsigned i = 0; i < files.count; i++) {
        (void)snprintf(path, sizeof(path), "seg/%s", files.name[i]);
        copy_file(from, path);
    }
}

/* ---- backups ---- */

START_TEST(what_was_put_before_is_in_it)
{
    store_start(lmdb_store_open);
    put_run(LOG, 0, 60);
    put_meta(META_QUEUES, "q", "one");
    flush();
    put_run(LOG, 60, 90); /* in the turn of the backup itself */
    put_meta(META_QUEUES, "q", "two");
    ck_assert_int_eq(backup_start(folder_of("copy")), RC_OK);
    backup_wait();
    ck_assert_uint_ge(b.backup.bytes, 30 * LEN);
    put_run(LOG, 90, 120);
    flush();
    store_close(&store);
    go_to(folder_of("copy"));
    store_start(lmdb_store_open);
    ck_meta(META_QUEUES, "q=two ");
    ck_range(LOG, 0, 90);
    ck_log(LOG, 0, 90, COUNT, LEN);
    store_close(&store);
}
END_TEST

START_TEST(an_empty_store_has_a_backup_too)
{
    store_start(lmdb_store_open);
    ck_assert_int_eq(backup_start(folder_of("copy")), RC_OK);
    backup_wait();
    ck_assert_uint_eq(b.backup.segments, 0);
    store_close(&store);
    go_to(folder_of("copy"));
    store_start(lmdb_store_open);
    store_close(&store);
}
END_TEST

START_TEST(there_is_one_at_a_time)
{
    struct store_backup second = { .on_done = on_done };

    store_start(lmdb_store_open);
    ck_assert_int_eq(backup_start("relative"), RC_INVALID);
    ck_assert_int_eq(backup_start(folder_of("copy")), RC_OK);
    ck_assert_int_eq(store_backup(store, folder_of("second"), &second), RC_IN_USE);
    backup_wait();
    b.done = 0;
    ck_assert_int_eq(backup_start(folder_of("second")), RC_OK);
    backup_wait();
    store_close(&store);
}
END_TEST

START_TEST(a_cancelled_one_is_made_all_the_same)
{
    char manifest[256];

    store_start(lmdb_store_open);
    put_run(LOG, 0, 30);
    (void)snprintf(manifest, sizeof(manifest), "%s/backup.manifest", folder_of("copy"));
    ck_assert_int_eq(backup_start(folder_of("copy")), RC_OK);
    store_backup_cancel(store, &b.backup);
    store_submit(store);
    while (access(manifest, F_OK) != 0)
        store_wait();
    store_close(&store);
    ck_assert_uint_eq(b.done, 0);
}
END_TEST

START_TEST(a_close_ends_it_whole_or_not_at_all)
{
    struct verify_totals totals;
    struct verify_events events = { 0 };
    enum rc rc;

    for (unsigned turns = 0; turns < 4; turns++) {
        char name[16];

        store_start(lmdb_store_open);
        put_run(LOG, turns * 30u, turns * 30u + 30);
        flush();
        (void)snprintf(name, sizeof(name), "copy%u", turns);
        ck_assert_int_eq(backup_start(folder_of(name)), RC_OK);
        store_submit(store);
        for (unsigned i = 0; i < turns; i++)
            store_poll(store);
        store_backup_cancel(store, &b.backup);
        store_close(&store);
        rc = store_verify(folder_of(name), &events, &totals);
        ck_assert(rc == RC_NOT_FOUND || (rc == RC_OK && totals.is_sound && totals.is_backup));
        ck_assert_int_ne(access(folder_of("backup.tmp"), F_OK), 0);
    }
}
END_TEST

/* ---- the checker ---- */

static struct {
    unsigned segments, damaged, open, torn;
    uint64_t lost;
    struct verify_loss loss; /* the last */
} seen;

static void on_segment(void *arg, const struct verify_segment *segment)
{
    (void)arg;
    seen.segments++;
    seen.damaged += !segment->is_sound;
    seen.open += segment->state == VERIFY_OPEN;
    seen.torn += segment->frames_torn > 0;
}

static void on_loss(void *arg, const struct verify_loss *loss)
{
    (void)arg;
    seen.lost += loss->to - loss->from;
    seen.loss = *loss;
}

static struct verify_totals verify(void)
{
    const struct verify_events events = { .on_segment = on_segment, .on_loss = on_loss };
    struct verify_totals totals = { 0 };

    memset(&seen, 0, sizeof(seen));
    ck_assert_int_eq(store_verify(directory, &events, &totals), RC_OK);
    ck_assert_uint_eq(totals.segments, seen.segments);
    ck_assert_uint_eq(totals.damaged, seen.damaged);
    ck_assert_uint_eq(totals.offsets_lost, seen.lost);
    return totals;
}

/* Where in the file an entry that holds the offset begins, by its header; 0: nowhere. */
static size_t find_entry(const uint8_t *at, size_t len, uint32_t log, uint64_t offset)
{
    for (size_t i = 0; i + ENTRY_HEADER <= len; i += ENTRY_ALIGN) {
        uint64_t base = (uint64_t)get_u32(at + i + 16) << 32 | get_u32(at + i + 20);

        if (get_u32(at + i + 8) == log && at[i + 28] == ENTRY_DATA && base <= offset &&
            offset < base + get_u32(at + i + 24) && get_u32(at + i + 24) < 1000)
            return i;
    }
    return 0;
}

/* Changes a byte of the records that lie there, or changes it back. */
static void damage_entry(uint32_t log, uint64_t offset)
{
    struct file_list files;
    char path[400];
    struct stat stat;
    unsigned found = 0;

    list_files("seg", &files);
    for (unsigned i = 0; i < files.count; i++) {
        uint8_t *at;
        size_t hit;
        int fd;

        (void)snprintf(path, sizeof(path), "%s/seg/%s", directory, files.name[i]);
        fd = open(path, O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &stat), 0);
        at = malloc((size_t)stat.st_size);
        ck_assert_int_eq(pread(fd, at, (size_t)stat.st_size, 0), stat.st_size);
        hit = find_entry(at, (size_t)stat.st_size, log, offset);
        if (hit > 0) {
            uint8_t byte = at[hit + ENTRY_HEADER + 20] ^ 1;

            ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)(hit + ENTRY_HEADER + 20)), 1);
            found++;
        }
        free(at);
        (void)close(fd);
    }
    ck_assert_uint_eq(found, 1);
}

START_TEST(a_store_in_use_is_not_read)
{
    struct verify_totals totals;
    struct verify_events events = { 0 };

    store_start(lmdb_store_open);
    ck_assert_int_eq(store_verify(directory, &events, &totals), RC_LOCKED);
    store_close(&store);
    ck_assert_int_eq(store_verify(directory, &events, &totals), RC_OK);
    ck_assert_int_eq(store_verify(folder_of("none"), &events, &totals), RC_NOT_FOUND);
}
END_TEST

START_TEST(what_a_kill_leaves_is_sound)
{
    store_start(lmdb_store_open);
    put_run(LOG, 0, 120);
    put_run(OTHER, 0, 30);
    flush();
    (void)log_trim(store, LOG, 60);
    (void)log_drop(store, OTHER);
    put_run(LOG, 120, 150);
    flush();
    crash_copy();
    ck_assert(verify().is_sound);
    ck_assert_uint_ge(seen.open, 1);
    close_original();
}
END_TEST

/* Puts and deletes in one change: LMDB takes pages at the end of the file and gives them back, and
 * does not write them. */
static void catalog_take_and_give_back(void)
{
    struct place place = { .path = directory,
                           .directory_fd = open(directory, O_RDONLY | O_DIRECTORY),
                           .has_sync = true };
    uint8_t name[] = { 1, 'x', 0 }, value[2500] = { 0 };
    struct catalog_facts facts;
    struct catalog catalog;

    ck_assert_int_eq(catalog_open(&place, &catalog, &facts), RC_OK);
    ck_assert_int_eq(catalog_begin(&catalog), RC_OK);
    for (name[2] = 0; name[2] < 100; name[2]++)
        ck_assert_int_eq(
            catalog_put(&catalog, slice_of(name, sizeof(name)), slice_of(value, sizeof(value))),
            RC_OK);
    for (name[2] = 0; name[2] < 100; name[2]++)
        ck_assert_int_eq(catalog_delete(&catalog, slice_of(name, sizeof(name))), RC_OK);
    ck_assert_int_eq(catalog_commit(&catalog), RC_OK);
    catalog_close(&catalog);
    (void)close(place.directory_fd);
}

START_TEST(a_catalogue_whose_last_pages_are_free_is_sound)
{
    store_start(lmdb_store_open);
    put_run(LOG, 0, 30);
    flush();
    store_close(&store);
    catalog_take_and_give_back();
    ck_assert(verify().is_sound);
}
END_TEST

/* The place where sealing writes or syncs. */
static void arm_sealing(const char *name)
{
    struct fault_site *const *sites;
    size_t count = fault_sites(&sites), len;
    char place[300];

    for (size_t i = 0; i < count; i++) {
        len = strlen(sites[i]->file);
        if (strcmp(sites[i]->name, name) != 0 || len < 6 ||
            strcmp(sites[i]->file + len - 6, "seal.c") != 0)
            continue;
        (void)snprintf(place, sizeof(place), "%s@%s+%d", name, sites[i]->file + len - 6,
                       sites[i]->line);
        fault_arm(place, 1, FAULT_ONCE);
        return;
    }
    ck_abort_msg("sealing has no such place");
}

START_TEST(what_could_not_be_sealed_is_in_it_until_it_is_reclaimed)
{
    static const char *const names[] = { "store.write", "store.sync" };
    uint64_t end = 0;

    store_start(lmdb_store_open);
    arm_sealing(names[_i]);
    while (fault_passed() == 0) {
        put_run(LOG, end, end + 30);
        end += 30;
        flush();
    }
    fault_disarm();
    put_run(OTHER, 0, 30);
    ck_assert_int_eq(backup_start(folder_of("copy")), RC_OK);
    backup_wait();
    (void)log_trim(store, LOG, end); /* its file goes, and is not asked for any more */
    put_run(OTHER, 30, 60);
    flush();
    b.done = 0;
    ck_assert_int_eq(backup_start(folder_of("second")), RC_OK);
    backup_wait();
    store_close(&store);
    store_start(lmdb_store_open); /* seals it, and changes nothing of the backup */
    store_close(&store);
    go_to(folder_of("copy"));
    ck_assert(verify().is_sound);
    ck_assert_uint_ge(seen.open, 1);
    store_start(lmdb_store_open);
    ck_log(LOG, 0, end, COUNT, LEN);
    ck_log(OTHER, 0, 30, COUNT, LEN);
    store_close(&store);
}
END_TEST

START_TEST(damage_is_named_with_what_it_costs)
{
    store_start(lmdb_store_open);
    put_run(LOG, 0, 120);
    put_run(OTHER, 0, 30);
    flush();
    store_close(&store);
    ck_assert(verify().is_sound);
    damage_entry(LOG, 60);
    ck_assert(!verify().is_sound);
    ck_assert_uint_eq(seen.damaged, 1);
    ck_assert_uint_ge(seen.lost, COUNT);
    damage_entry(LOG, 60);
    ck_assert(verify().is_sound);
}
END_TEST

START_TEST(damage_to_what_nobody_is_owed_costs_nothing)
{
    store_start(lmdb_store_open);
    for (uint64_t at = 0; at < 30; at += COUNT) {
        put_run(LOG, at, at + COUNT);
        flush(); /* a frame for each */
    }
    (void)log_trim(store, LOG, 15);
    flush();
    store_close(&store);
    damage_entry(LOG, 6);
    ck_assert(!verify().is_sound);
    ck_assert_uint_eq(seen.lost, 0);
    damage_entry(LOG, 21);
    (void)verify();
    ck_assert_uint_eq(seen.lost, COUNT);
    ck_assert_uint_eq(seen.loss.log, LOG);
    ck_assert_uint_eq(seen.loss.from, 21);
    ck_assert_uint_eq(seen.loss.to, 24);
}
END_TEST

START_TEST(a_segment_that_is_gone_is_known_by_what_follows_it)
{
    struct file_list files;
    char path[400];

    store_start(lmdb_store_open);
    for (uint64_t at = 0; at < 90; at += COUNT) {
        put_run(LOG, at, at + COUNT);
        flush();
    }
    store_close(&store);
    list_files("seg", &files);
    ck_assert_uint_ge(files.count, 3);
    (void)snprintf(path, sizeof(path), "%s/seg/%s", directory, files.name[1]);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!verify().is_sound);
    ck_assert_uint_eq(seen.damaged, 1);
    ck_assert_uint_ge(seen.lost, COUNT);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("lmdb_backup");

    tcase_add_checked_fixture(tests, setup, store_fixture_teardown);
    tcase_add_test(tests, what_was_put_before_is_in_it);
    tcase_add_loop_test(tests, what_could_not_be_sealed_is_in_it_until_it_is_reclaimed, 0, 2);
    tcase_add_test(tests, an_empty_store_has_a_backup_too);
    tcase_add_test(tests, there_is_one_at_a_time);
    tcase_add_test(tests, a_cancelled_one_is_made_all_the_same);
    tcase_add_test(tests, a_close_ends_it_whole_or_not_at_all);
    tcase_add_test(tests, a_store_in_use_is_not_read);
    tcase_add_test(tests, what_a_kill_leaves_is_sound);
    tcase_add_test(tests, a_catalogue_whose_last_pages_are_free_is_sound);
    tcase_add_test(tests, damage_is_named_with_what_it_costs);
    tcase_add_test(tests, damage_to_what_nobody_is_owed_costs_nothing);
    tcase_add_test(tests, a_segment_that_is_gone_is_known_by_what_follows_it);
    return suite_run("lmdb_backup", tests);
}
