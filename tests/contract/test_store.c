/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of storage/log.h and meta.h; every test runs against every store in stores[]. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log.h"
#include "storage/mem/mem_store.h"
#include "storage/meta.h"

static const struct kind {
    const char *name;
    enum rc (*open)(const struct store_config *config, struct store **ret);
    bool is_durable;
} kinds[] = {
    { "memory", mem_store_open, false },
};
#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

static struct store *store;
static const struct kind *kind;
static char directory[64];
static uint64_t durable;
static unsigned wakes;

static void on_durable(void *arg, uint64_t ticket)
{
    (void)arg;
    ck_assert_uint_gt(ticket, durable);
    durable = ticket;
}

static void on_stall(void *arg, enum rc rc)
{
    (void)arg;
    (void)rc;
}

static void on_wake(void *arg)
{
    (void)arg;
    (void)__atomic_add_fetch(&wakes, 1, __ATOMIC_SEQ_CST);
}

static void store_start(int which)
{
    struct store_config config = STORE_CONFIG_DEFAULT;
    const struct store_events events = { on_durable, on_stall, on_wake, NULL };

    kind = &kinds[which];
    durable = 0;
    wakes = 0;
    config.directory = directory;
    config.segment_first_bytes = config.segment_max_bytes = (uint64_t)1 << 20;
    ck_assert_int_eq(kind->open(&config, &store), RC_OK);
    store_set_events(store, &events);
}

/* The bytes of an append are its offset and a pattern, so that every read can be checked. */
static uint8_t pattern(uint32_t log, uint64_t offset, size_t i)
{
    return (uint8_t)(log * 31 + offset * 7 + i);
}

static uint64_t put_at(uint32_t log, uint64_t offset, uint32_t count, size_t len, int64_t time_ms)
{
    struct append append = { log, offset, count, time_ms, DURABILITY_ALWAYS, block_try(len) };

    for (size_t i = 0; i < len; i++)
        append.bytes->at[i] = pattern(log, offset, i);
    return log_append(store, &append);
}

static void flush(void)
{
    ck_assert_int_eq(store_flush(store), RC_OK);
}

static void ck_piece(uint32_t log, const struct log_piece *piece, size_t len)
{
    ck_assert_uint_eq(piece->bytes.len, len);
    for (size_t i = 0; i < len; i++)
        ck_assert_uint_eq(piece->bytes.at[i], pattern(log, piece->base_offset, i));
}

START_TEST(an_append_is_readable_at_once_and_durable_after_the_flush)
{
    struct log_pieces pieces;
    uint64_t start, end, ticket;

    store_start(_i);
    ticket = put_at(7, 0, 3, 100, 1);
    ck_assert_uint_eq(durable, 0);
    ck_assert_int_eq(log_range(store, 7, &start, &end), RC_OK);
    ck_assert_uint_eq(start, 0);
    ck_assert_uint_eq(end, 3);
    ck_assert_int_eq(log_read_cached(store, 7, 2, 1, &pieces), RC_OK);
    ck_assert_uint_eq(pieces.count, 1);
    ck_assert_uint_eq(pieces.at[0].base_offset, 0);
    ck_assert_uint_eq(pieces.at[0].next_offset, 3);
    ck_piece(7, &pieces.at[0], 100);
    log_pieces_done(&pieces);
    flush();
    ck_assert_uint_eq(durable, ticket);
    ck_assert_uint_eq(store_backlog_bytes(store), 0);
    store_close(&store);
}
END_TEST

START_TEST(nothing_is_reported_durable_outside_poll)
{
    store_start(_i);
    put_at(1, 0, 1, 10, 1);
    store_submit(store);
    while (__atomic_load_n(&wakes, __ATOMIC_SEQ_CST) == 0)
        ;
    ck_assert_uint_eq(durable, 0);
    store_poll(store);
    ck_assert_uint_eq(durable, 1);
    store_close(&store);
}
END_TEST

START_TEST(trim_moves_the_start_and_drop_forgets_the_log)
{
    struct log_pieces pieces;
    uint64_t start, end;

    store_start(_i);
    for (unsigned i = 0; i < 10; i++)
        put_at(1, i * 2, 2, 50, i);
    ck_assert_uint_eq(log_bytes(store, 1), 500);
    log_trim(store, 1, 5);
    ck_assert_int_eq(log_range(store, 1, &start, &end), RC_OK);
    ck_assert_uint_eq(start, 5);
    ck_assert_uint_eq(end, 20);
    ck_assert_uint_eq(log_bytes(store, 1), 400);
    ck_assert_int_eq(log_read_cached(store, 1, 4, 1000, &pieces), RC_RANGE);
    ck_assert_int_eq(log_read_cached(store, 1, 20, 1000, &pieces), RC_RANGE);
    ck_assert_int_eq(log_read_cached(store, 1, 5, 1000, &pieces), RC_OK);
    ck_assert_uint_eq(pieces.at[0].base_offset, 4);
    ck_assert_uint_eq(pieces.count, 8);
    log_pieces_done(&pieces);
    log_trim(store, 1, 20);
    ck_assert_uint_eq(log_bytes(store, 1), 0);
    put_at(1, 20, 1, 50, 1);
    flush();
    log_drop(store, 1);
    ck_assert_int_eq(log_range(store, 1, &start, &end), RC_NOT_FOUND);
    ck_assert_int_eq(log_read_cached(store, 1, 20, 1, &pieces), RC_RANGE);
    flush();
    store_close(&store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tests = tcase_create("contract");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, an_append_is_readable_at_once_and_durable_after_the_flush, 0, KINDS);
    tcase_add_loop_test(tests, nothing_is_reported_durable_outside_poll, 0, KINDS);
    tcase_add_loop_test(tests, trim_moves_the_start_and_drop_forgets_the_log, 0, KINDS);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
