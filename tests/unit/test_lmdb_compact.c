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
#include "broker/base/fault.h"
#include "broker/base/log.h"
#include "broker/record/builder.h"
#include "broker/record/sift.h"
#include "storage/lmdb/catalog.h"
#include "storage/lmdb/format.h"
#include "storage/lmdb/lmdb_store.h"
#include "tests/contract/store_fixture.h"

#define LOG         7
#define OTHER       8
#define KEYS        20
#define RECORDS_MAX 16000
#define FOREVER     INT64_C(1000000000)

/* What was put at each offset. */
struct put {
    int key;        /* -1: none */
    bool has_value; /* else it deletes the key */
    bool is_there;  /* as the last reading saw it */
};

static struct put was_put[RECORDS_MAX];
static uint64_t end;
static uint64_t random_state;

static unsigned random_below(unsigned below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % below;
}

static void setup(void)
{
    store_fixture_setup();
    store_config.segment_first_bytes = store_config.segment_max_bytes = 256 << 10;
    log_set_threshold(LOG_ERROR);
    end = 0;
    random_state = 42;
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

static size_t value_of(uint64_t offset, char room[400])
{
    size_t len = 100 + (size_t)(offset * 37 % 300);

    for (size_t i = 0; i < len; i++)
        room[i] = (char)('a' + (offset + i) % 26);
    return len;
}

static void add_record(struct batch_builder *b, int key, bool has_value)
{
    char name[16], value[400];
    size_t len = value_of(end, value);

    (void)snprintf(name, sizeof(name), "key-%d", key);
    ck_assert_int_eq(
        batch_builder_add(b, 1000 + (int64_t)end, key < 0 ? SLICE_NONE : slice_str(name),
                          has_value ? slice_of(value, len) : SLICE_NONE, 0, slice_of("", 0)),
        RC_OK);
    was_put[end++] = (struct put){ key, has_value, false };
}

static uint64_t append(struct batch_builder *b, enum compression compression)
{
    struct append append = { .log = LOG,
                             .record_count = b->record_count,
                             .max_timestamp_ms = 1000 };
    struct text scratch = { 0 };
    struct block *plain;

    append.base_offset = end - b->record_count;
    append.durability = DURABILITY_ALWAYS;
    batch_builder_seal(b, append.base_offset, &plain);
    if (compression == COMPRESSION_NONE) {
        append.bytes = plain;
    } else {
        ck_assert_int_eq(
            batch_repack(block_slice(plain), compression, 1 << 24, &scratch, &append.bytes), RC_OK);
        block_unref(&plain);
    }
    text_done(&scratch);
    return log_append(store, &append);
}

/* Batches of some records, packed and not, beside those of another log. */
static void put_some(unsigned batches)
{
    struct batch_builder b;
    uint64_t ticket = 0;

    batch_builder_init(&b, 0, 0);
    for (unsigned n = 0; n < batches; n++) {
        for (unsigned i = 1 + random_below(8); i > 0; i--) {
            bool has_value = random_below(6) != 0;
            int key = random_below(12) == 0 ? -1 : (int)random_below(KEYS);

            add_record(&b, key, has_value);
        }
        if (n + 1 == batches) /* one that stays */
            add_record(&b, 0, false);
        ticket = append(&b, (enum compression)random_below(COMPRESSION_COUNT));
        if (n % 3 == 2)
            await(ticket);
    }
    batch_builder_done(&b);
    await(ticket);
}

static void see_records(struct slice bytes, uint64_t from, uint64_t to)
{
    struct text scratch = { 0 };
    struct record_reader reader;
    struct batch_header header;
    struct record record;
    size_t whole;

    ck_assert_int_eq(record_reader_open(bytes, 1 << 24, &scratch, &reader, &header, &whole), RC_OK);
    ck_assert_int_eq(batch_check_crc(slice_of(bytes.at, whole)), RC_OK);
    ck_assert_uint_ge(header.base_offset, from);
    ck_assert_uint_lt(header.base_offset + header.last_offset_delta, to);
    while (record_next(&reader, &record) == RC_OK) {
        const struct put *put = &was_put[record.offset];
        char name[16], value[400];
        size_t len = value_of(record.offset, value);

        (void)snprintf(name, sizeof(name), "key-%d", put->key);
        ck_assert_uint_lt(record.offset, end);
        ck_assert(put->key < 0 ? slice_is_none(record.key) : slice_equal_str(record.key, name));
        ck_assert(put->has_value ? slice_equal(record.value, slice_of(value, len))
                                 : slice_is_none(record.value));
        ck_assert_int_eq(record.timestamp_ms, 1000 + (int64_t)record.offset);
        ck_assert(!put->is_there);
        was_put[record.offset].is_there = true;
    }
    text_done(&scratch);
}

static uint64_t see_piece(const struct log_piece *piece, uint64_t offset)
{
    struct slice bytes = piece->bytes;
    struct batch_header header;
    uint64_t last = 0;
    size_t whole;

    ck_assert_uint_le(piece->base_offset, offset);
    while (bytes.len > 0) {
        ck_assert_int_eq(batch_peek(bytes, &header, NULL, &whole), RC_OK);
        see_records(bytes, piece->base_offset, piece->next_offset);
        last = header.base_offset + header.last_offset_delta;
        bytes = slice_after(bytes, whole);
    }
    ck_assert_uint_eq(last + 1, piece->next_offset); /* so that readers of batches get on */
    return piece->next_offset;
}

/* Reads all of the log. */
static unsigned see_all(void)
{
    unsigned count = 0;
    uint64_t start, stop;

    ck_assert_int_eq(log_range(store, LOG, &start, &stop), RC_OK);
    ck_assert_uint_eq(stop, end);
    for (uint64_t i = 0; i < end; i++)
        was_put[i].is_there = false;
    for (uint64_t offset = start; offset < end;) {
        struct reading r;

        read_start(&r, LOG, offset, 50000);
        read_wait(&r);
        ck_assert_int_eq(r.rc, RC_OK);
        for (unsigned i = 0; i < r.read.pieces.count; i++)
            offset = see_piece(&r.read.pieces.at[i], offset);
        log_pieces_done(&r.read.pieces);
    }
    for (uint64_t i = 0; i < end; i++)
        count += was_put[i].is_there;
    return count;
}

/* Below `limit` and from `start` on, what must be there is, and nothing else if `is_exact`. */
static void ck_compacted(uint64_t start, uint64_t limit, bool has_tombstones, bool is_exact)
{
    uint64_t last[KEYS];

    (void)see_all();
    for (int key = 0; key < KEYS; key++)
        last[key] = UINT64_MAX;
    for (uint64_t i = 0; i < limit; i++)
        if (was_put[i].key >= 0)
            last[was_put[i].key] = i;
    for (uint64_t i = start; i < end; i++) {
        const struct put *put = &was_put[i];
        bool is_last = put->key < 0 || i >= limit || last[put->key] == i;
        bool is_wanted = is_last && (put->has_value || put->key < 0 || i >= limit);

        if (is_wanted || (is_last && has_tombstones))
            ck_assert_msg(put->is_there, "offset %u is gone", (unsigned)i);
        else if (is_exact)
            ck_assert_msg(!put->is_there, "offset %u is there", (unsigned)i);
    }
}

struct asked {
    struct log_compact compact; /* first */
    enum rc rc;
    bool is_done;
};

static void on_compacted(struct log_compact *compact, enum rc rc)
{
    struct asked *asked = (struct asked *)compact;

    asked->rc = rc;
    asked->is_done = true;
}

static void ask(struct asked *asked, uint64_t limit, int64_t delete_retention_ms)
{
    *asked = (struct asked){ .compact = { .log = LOG, .end = limit, .newest_ms = INT64_MAX } };
    asked->compact.delete_retention_ms = delete_retention_ms;
    asked->compact.on_done = on_compacted;
    log_compact(store, &asked->compact);
}

static enum rc compact(uint64_t limit, int64_t delete_retention_ms)
{
    struct asked asked;

    ask(&asked, limit, delete_retention_ms);
    while (!asked.is_done) {
        store_submit(store);
        store_poll(store);
        (void)sched_yield();
    }
    ck_assert(!asked.compact.is_partial);
    return asked.rc;
}

START_TEST(the_last_record_of_each_key_stays_at_its_offset)
{
    int64_t next_ms;
    uint64_t done, dirty, before;

    store_start(lmdb_store_open);
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
    store_close(&store);
    store_start(lmdb_store_open);
    ck_compacted(0, end, true, true);
    log_compacted(store, LOG, &done, &next_ms, &dirty);
    ck_assert_uint_eq(done, end);
    store_close(&store);
}
END_TEST

START_TEST(what_lies_above_the_end_is_left_as_it_is)
{
    uint64_t limit;

    store_start(lmdb_store_open);
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

    store_start(lmdb_store_open);
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
    store_start(lmdb_store_open);
    for (unsigned n = 0; n < 12; n++) {
        put_some(1 + random_below(40));
        ck_assert_int_eq(compact(end - random_below(10), 0), RC_OK);
        (void)see_all();
        if (n % 4 == 3) {
            crash_copy();
            close_original();
            store_start(lmdb_store_open);
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

    store_start(lmdb_store_open);
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
    crash_copy();
    close_original();
    store_start(lmdb_store_open);
    ck_range(LOG, start, end);
    ck_compacted(start, limit, true, true);
    store_close(&store);
}
END_TEST

/* A row for each record. */
static void put_rows(unsigned count)
{
    struct batch_builder b;

    batch_builder_init(&b, 0, 0);
    for (unsigned i = 0; i < count; i++) {
        add_record(&b, (int)random_below(KEYS), true);
        await(append(&b, COMPRESSION_NONE));
    }
    batch_builder_done(&b);
}

/* One turn of the core thread, in which nothing of another thread is waited for. */
static void turn(void)
{
    store_submit(store);
    store_poll(store);
    (void)sched_yield();
}

#define ROWS 8000

/* What happens to a log in the turns that take the result of a pass in. */
START_TEST(a_pass_over_many_rows_is_taken_in_while_the_log_goes_on)
{
    uint64_t start = 0, turns = 0, limit;
    struct asked asked;

    store_config.has_sync = false;
    store_config.segment_first_bytes = store_config.segment_max_bytes = 1 << 20;
    store_start(lmdb_store_open);
    put_rows(ROWS);
    limit = end;
    ask(&asked, limit, FOREVER);
    for (; !asked.is_done; turns++) {
        turn();
        if ((_i == 1 || _i == 3) && turns % 16 == 0 && end < RECORDS_MAX)
            put_rows(1); /* of a pass that takes long */
        if ((_i == 2 || _i == 3) && turns % 4 == 0 && start + 40 < end) {
            start += 1 + random_below(40);
            (void)log_trim(store, LOG, start);
        }
        if (_i == 4 && turns == 3) {
            start = limit; /* all of it, and more than one turn gives back */
            put_rows(5);
            (void)log_trim(store, LOG, start);
        }
    }
    ck_assert_int_eq(asked.rc, RC_OK);
    ck_compacted(start, limit, true, true);
    ck_assert_int_eq(compact(end, FOREVER), RC_OK);
    ck_compacted(start, end, true, true);
    store_close(&store);
    store_start(lmdb_store_open);
    ck_range(LOG, start, end);
    ck_compacted(start, end, true, true);
    store_close(&store);
}
END_TEST

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

START_TEST(a_log_that_goes_away_is_not_compacted)
{
    struct asked asked;

    store_start(lmdb_store_open);
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

    tcase_add_checked_fixture(plain, setup, teardown);
    tcase_set_timeout(plain, 60);
    tcase_add_test(plain, the_last_record_of_each_key_stays_at_its_offset);
    tcase_add_test(plain, what_lies_above_the_end_is_left_as_it_is);
    tcase_add_test(plain, a_record_that_deletes_its_key_goes_when_its_time_has_come);
    tcase_add_test(plain, compacting_again_and_again_keeps_the_log_whole);
    tcase_add_test(plain, a_log_may_be_trimmed_and_appended_to_meanwhile);
    tcase_add_loop_test(plain, a_pass_over_many_rows_is_taken_in_while_the_log_goes_on, 0, 5);
    tcase_add_test(plain, no_turn_takes_more_than_a_part_of_a_pass);
    tcase_add_test(plain, flushes_and_a_compaction_that_wants_one_share_it);
    tcase_add_test(plain, a_log_that_goes_away_is_not_compacted);
    tcase_add_loop_test(plain, a_log_that_is_dropped_leaves_nothing_in_the_catalogue, 0, 3);
    tcase_add_loop_test(plain, a_log_that_is_dropped_while_it_is_compacted_leaves_nothing_either, 0,
                        8);
    tcase_add_test(plain, what_an_older_broker_left_of_a_dropped_log_is_removed);
    tcase_add_test(plain, the_log_is_whole_at_any_instant_of_a_compaction);
    suite_add_tcase(suite, plain);
    tcase_add_checked_fixture(faults, setup, teardown);
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
