/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of storage/log.h and meta.h; every test runs against every store in stores[]. */
#include <check.h>
#include <sched.h>
#include <stdlib.h>

#include "storage/lmdb/lmdb_store.h"
#include "storage/mem/mem_store.h"
#include "tests/contract/store_fixture.h"

static const struct kind {
    const char *name;
    store_open_fn *open;
    bool is_durable;
} kinds[] = {
    { "memory", mem_store_open, false },
    { "lmdb", lmdb_store_open, true },
};
#define KINDS         ((int)(sizeof(kinds) / sizeof(kinds[0])))
#define FIRST_DURABLE 1

static const struct kind *kind;

static void kind_start(int which)
{
    kind = &kinds[which];
    store_start(kind->open);
}

START_TEST(an_append_is_readable_at_once_and_durable_after_the_flush)
{
    struct log_pieces pieces;
    uint64_t start, end, ticket;

    kind_start(_i);
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
    kind_start(_i);
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

START_TEST(what_nobody_waits_for_is_committed_too_and_what_follows_it_does_not_wait)
{
    struct append append = { 1, 0, 1, 1, DURABILITY_MEMORY, NULL };

    kind_start(_i);
    for (uint64_t i = 0; i < 300; i++) {
        append.base_offset = i;
        append.durability = i % 50 == 49 ? DURABILITY_ALWAYS : DURABILITY_MEMORY;
        append.bytes = block_try(10);
        memset(append.bytes->at, 1, 10);
        ck_assert_uint_eq(log_append(store, &append), i + 1);
        store_submit(store);
        while (i % 50 == 49 && durable < i + 1)
            store_wait();
    }
    append.base_offset = 300;
    append.durability = DURABILITY_MEMORY;
    append.bytes = block_try(10);
    memset(append.bytes->at, 1, 10);
    log_append(store, &append);
    store_submit(store);
    while (durable < 301)
        store_wait();
    store_close(&store);
}
END_TEST

/* The race of a hurry with the end of the commit is what the rounds are for. */
START_TEST(who_is_in_a_hurry_is_woken_for_what_was_submitted_quietly)
{
    kind_start(_i);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t ticket = meta_put(store, META_QUEUES, SLICE("k"), SLICE("v"), DURABILITY_MEMORY);

        if (i % 2 == 0)
            store_hurry(store);
        store_submit_quietly(store);
        if (i % 2 == 1)
            store_hurry(store);
        while (durable < ticket)
            store_wait();
    }
    store_close(&store);
}
END_TEST

START_TEST(what_asks_for_memory_alone_is_due_later_until_somebody_waits_for_it)
{
    kind_start(_i);
    ck_assert_int_eq(store_due(store), STORE_DUE_NEVER);
    (void)meta_put(store, META_QUEUES, SLICE("k"), SLICE("v"), DURABILITY_MEMORY);
    ck_assert_int_eq(store_due(store), STORE_DUE_LATER);
    store_hurry(store);
    ck_assert_int_eq(store_due(store), STORE_DUE_NOW);
    store_submit(store);
    ck_assert_int_eq(store_due(store), STORE_DUE_NEVER);
    (void)meta_put(store, META_QUEUES, SLICE("k"), SLICE("v"), DURABILITY_MEMORY);
    ck_assert_int_eq(store_due(store), STORE_DUE_LATER);
    (void)meta_put(store, META_QUEUES, SLICE("k"), SLICE("v"), DURABILITY_INTERVAL);
    ck_assert_int_eq(store_due(store), STORE_DUE_NOW);
    store_close(&store);
}
END_TEST

START_TEST(a_quiet_submit_is_told_with_the_next_poll)
{
    kind_start(_i);
    flush(); /* whoever it woke was woken before the next commit is told */
    for (uint64_t ticket = 1; ticket <= 2; ticket++) {
        ck_assert_uint_eq(meta_put(store, META_QUEUES, SLICE("k"), SLICE("v"), DURABILITY_MEMORY),
                          ticket);
        store_submit_quietly(store);
        while (durable < ticket) {
            if (store_has_news(store)) /* news may be over by the time it is looked at */
                store_poll(store);
            else
                (void)sched_yield();
        }
        if (ticket == 1)
            __atomic_store_n(&wakes, 0, __ATOMIC_SEQ_CST);
        else
            ck_assert_uint_eq(__atomic_load_n(&wakes, __ATOMIC_SEQ_CST), 0);
    }
    store_close(&store);
}
END_TEST

START_TEST(trim_moves_the_start_and_drop_forgets_the_log)
{
    struct log_pieces pieces;
    uint64_t start, end;

    kind_start(_i);
    for (unsigned i = 0; i < 10; i++)
        put_at(1, i * 2, 2, 50, i);
    ck_assert_uint_eq(log_bytes(store, 1), 500);
    log_trim(store, 1, 5);
    ck_assert_int_eq(log_range(store, 1, &start, &end), RC_OK);
    ck_assert_uint_eq(start, 5);
    ck_assert_uint_eq(end, 20);
    ck_assert_uint_le(log_bytes(store, 1), 500);
    ck_assert_uint_ge(log_bytes(store, 1), 400);
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

/* More entries than a store forgets in one go, each of its own. */
#define ENTRIES_MANY 9000

static void put_many(uint32_t log, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        put_at(log, i, 1, 50, (int64_t)i);
        flush();
    }
}

/* Polls until the store has nothing more to do by itself. */
static void poll_until_quiet(void)
{
    unsigned before;

    do {
        before = __atomic_load_n(&wakes, __ATOMIC_SEQ_CST);
        store_poll(store);
    } while (__atomic_load_n(&wakes, __ATOMIC_SEQ_CST) != before);
}

START_TEST(what_is_forgotten_in_parts_is_gone_at_once)
{
    struct log_pieces pieces;
    struct reading r;
    uint64_t offset;

    store_config.has_sync = false;
    store_config.is_prewritten = false;
    store_config.cache_bytes = _i % 2 == 0 ? 0 : 1 << 20;
    kind_start(_i / 2);
    put_many(1, 0, ENTRIES_MANY);
    put_many(2, 0, 10);
    read_start(&r, 1, 10, 100);
    log_trim(store, 1, ENTRIES_MANY - 100);
    ck_range(1, ENTRIES_MANY - 100, ENTRIES_MANY);
    read_wait(&r);
    ck_assert_int_eq(r.rc, RC_RANGE);
    ck_assert_int_eq(log_read_cached(store, 1, ENTRIES_MANY - 101, 1000, &pieces), RC_RANGE);
    ck_assert_uint_ge(log_bytes(store, 1), 4000);
    ck_assert_uint_le(log_bytes(store, 1), 6000);
    ck_assert_int_eq(log_find_time(store, 1, 5, &offset), RC_OK);
    ck_assert_uint_eq(offset, ENTRIES_MANY - 100);
    put_at(1, ENTRIES_MANY, 1, 50, ENTRIES_MANY); /* in its midst: one more, */
    log_trim(store, 1, ENTRIES_MANY - 50);        /* and once more */
    ck_log(1, ENTRIES_MANY - 50, ENTRIES_MANY + 1, 1, 50);
    log_trim(store, 1, ENTRIES_MANY + 1);
    ck_assert_uint_eq(log_bytes(store, 1), 0);
    ck_assert_int_eq(log_find_time(store, 1, 5, &offset), RC_NOT_FOUND);
    put_at(1, ENTRIES_MANY + 1, 1, 50, 1);
    flush();
    ck_log(1, ENTRIES_MANY + 1, ENTRIES_MANY + 2, 1, 50);
    ck_log(2, 0, 10, 1, 50);
    poll_until_quiet();
    ck_assert_uint_ge(log_bytes(store, 1), 50);
    ck_assert_uint_le(log_bytes(store, 1), 100); /* the last two may be one entry */
    ck_log(1, ENTRIES_MANY + 1, ENTRIES_MANY + 2, 1, 50);
    store_close(&store);
}
END_TEST

START_TEST(a_log_is_dropped_while_it_is_forgotten_and_while_it_is_read)
{
    struct log_pieces pieces;
    struct reading r;
    uint64_t start, end;

    store_config.has_sync = false;
    store_config.is_prewritten = false;
    store_config.cache_bytes = _i % 2 == 0 ? 0 : 1 << 20;
    kind_start(_i / 2);
    put_many(1, 0, ENTRIES_MANY);
    put_many(2, 0, 10);
    read_start(&r, 1, ENTRIES_MANY - 5, 100);
    put_at(1, ENTRIES_MANY, 1, 50, 1); /* under way when it is dropped */
    log_trim(store, 1, 4000);
    log_drop(store, 1);
    ck_assert_int_eq(log_range(store, 1, &start, &end), RC_NOT_FOUND);
    ck_assert_int_eq(log_read_cached(store, 1, ENTRIES_MANY - 1, 1, &pieces), RC_RANGE);
    ck_assert_uint_eq(log_bytes(store, 1), 0);
    read_wait(&r);
    ck_assert_int_eq(r.rc, RC_RANGE);
    put_at(3, 0, 1, 50, 1);
    if (_i / 2 == 1) /* a store that is closed in its midst opens without it */
        store_close(&store);
    else
        flush();
    if (store == NULL)
        store_start(kind->open);
    poll_until_quiet();
    ck_assert_int_eq(log_range(store, 1, &start, &end), RC_NOT_FOUND);
    ck_log(2, 0, 10, 1, 50);
    ck_log(3, 0, 1, 1, 50);
    store_close(&store);
}
END_TEST

START_TEST(reads_that_miss_the_cache_give_the_same_bytes)
{
    store_config.cache_bytes = 0;
    kind_start(_i);
    for (unsigned i = 0; i < 200; i++) {
        put_at(1, i * 3, 3, 1000, i);
        put_at(2, i, 1, 70, i);
        if (i % 7 == 0)
            store_submit(store);
    }
    flush();
    ck_log(1, 0, 600, 3, 1000);
    ck_log(1, 301, 600, 3, 1000);
    ck_log(2, 0, 200, 1, 70);
    store_close(&store);
}
END_TEST

START_TEST(a_read_outside_the_log_is_refused_and_one_below_the_cache_asks_for_a_read)
{
    struct log_pieces pieces;
    struct reading r;

    store_config.cache_bytes = 0;
    kind_start(_i);
    put_at(1, 0, 1, 100, 1);
    flush();
    read_start(&r, 1, 1, 100);
    read_wait(&r);
    ck_assert_int_eq(r.rc, RC_RANGE);
    read_start(&r, 2, 0, 100);
    read_wait(&r);
    ck_assert_int_eq(r.rc, RC_RANGE);
    if (kind->is_durable)
        ck_assert_int_eq(log_read_cached(store, 1, 0, 100, &pieces), RC_AGAIN);
    store_close(&store);
}
END_TEST

START_TEST(a_cancelled_read_is_never_reported)
{
    struct reading r, other;

    store_config.cache_bytes = 0;
    kind_start(_i);
    put_at(1, 0, 1, 100, 1);
    flush();
    read_start(&r, 1, 0, 100);
    read_start(&other, 1, 0, 100);
    log_read_cancel(store, &r.read);
    read_wait(&other);
    log_pieces_done(&other.read.pieces);
    ck_assert_uint_eq(r.done, 0);
    store_close(&store);
    ck_assert_uint_eq(r.done, 0);
}
END_TEST

static enum rc compacted;
static unsigned compactions;

static void on_compacted(struct log_compact *compact, enum rc rc)
{
    ck_assert(!compact->is_under_way);
    compacted = rc;
    compactions++;
}

START_TEST(what_is_no_batch_is_compacted_to_itself)
{
    struct log_compact asked = { .log = 1, .end = 20, .newest_ms = INT64_MAX };

    asked.on_done = on_compacted;
    compactions = 0;
    kind_start(_i);
    for (uint64_t i = 0; i < 20; i++)
        put_at(1, i, 1, 100, 1);
    flush();
    log_compact(store, &asked);
    log_compact_cancel(store, &asked);
    log_compact(store, &asked);
    ck_assert_uint_eq(compactions, 0);
    while (compactions == 0) {
        store_submit(store);
        store_poll(store);
    }
    ck_assert_uint_eq(compactions, 1);
    ck_assert_int_eq(compacted, RC_OK);
    ck_range(1, 0, 20);
    ck_log(1, 0, 20, 1, 100); /* none of it is a batch: it stays */
    store_close(&store);
}
END_TEST

START_TEST(a_read_of_what_is_trimmed_meanwhile_says_so)
{
    struct reading r;

    store_config.cache_bytes = 0;
    kind_start(_i);
    put_at(1, 0, 1, 100, 1);
    put_at(1, 1, 1, 100, 1);
    flush();
    read_start(&r, 1, 0, 100);
    log_trim(store, 1, 1);
    read_wait(&r);
    ck_assert_int_eq(r.rc, RC_RANGE);
    store_close(&store);
}
END_TEST

START_TEST(a_read_gives_at_least_one_entry_and_stops_at_its_limits)
{
    struct log_pieces pieces;

    kind_start(_i);
    for (unsigned i = 0; i < 100; i++)
        put_at(1, i, 1, 1000, 1);
    flush();
    ck_assert_int_eq(log_read_cached(store, 1, 10, 1, &pieces), RC_OK);
    ck_assert_uint_eq(pieces.count, 1);
    log_pieces_done(&pieces);
    ck_assert_int_eq(log_read_cached(store, 1, 10, 3999, &pieces), RC_OK);
    ck_assert_uint_eq(pieces.count, 3);
    ck_assert_uint_eq(pieces.bytes, 3000);
    log_pieces_done(&pieces);
    ck_assert_int_eq(log_read_cached(store, 1, 10, 1000000, &pieces), RC_OK);
    ck_assert_uint_eq(pieces.count, LOG_PIECES_MAX);
    log_pieces_done(&pieces);
    store_close(&store);
}
END_TEST

START_TEST(the_first_entry_at_or_after_a_time_is_found)
{
    uint64_t offset;

    kind_start(_i);
    ck_assert_int_eq(log_find_time(store, 1, 0, &offset), RC_NOT_FOUND);
    for (unsigned i = 0; i < 10; i++)
        put_at(1, i, 1, 10, i * 10);
    ck_assert_int_eq(log_find_time(store, 1, 41, &offset), RC_OK);
    ck_assert_uint_eq(offset, 5);
    ck_assert_int_eq(log_find_time(store, 1, 90, &offset), RC_OK);
    ck_assert_uint_eq(offset, 9);
    ck_assert_int_eq(log_find_time(store, 1, 91, &offset), RC_NOT_FOUND);
    flush();
    ck_assert_int_eq(log_find_time(store, 1, 41, &offset), RC_OK);
    ck_assert_uint_eq(offset, 5);
    store_close(&store);
}
END_TEST

START_TEST(tickets_rise_and_all_kinds_share_one_sequence)
{
    uint64_t last;

    kind_start(_i);
    last = put_at(1, 0, 1, 10, 1);
    ck_assert_uint_eq(meta_put(store, META_QUEUES, SLICE("q"), SLICE("v"), DURABILITY_ALWAYS),
                      last + 1);
    ck_assert_uint_eq(log_trim(store, 1, 1), last + 2);
    ck_assert_uint_eq(meta_delete(store, META_QUEUES, SLICE("q"), DURABILITY_MEMORY), last + 3);
    ck_assert_uint_eq(log_drop(store, 1), last + 4);
    ck_assert_uint_eq(log_drop(store, 99), last + 5);
    flush();
    ck_assert_uint_eq(durable, last + 5);
    store_close(&store);
}
END_TEST

START_TEST(pieces_outlive_trim_drop_and_eviction)
{
    struct log_pieces pieces;

    store_config.cache_bytes = 0;
    kind_start(_i);
    put_at(1, 0, 1, 100, 1);
    ck_assert_int_eq(log_read_cached(store, 1, 0, 100, &pieces), RC_OK);
    flush();
    log_drop(store, 1);
    flush();
    ck_piece(1, &pieces.at[0], 100);
    log_pieces_done(&pieces);
    store_close(&store);
}
END_TEST

START_TEST(what_is_trimmed_or_dropped_before_its_commit_is_gone)
{
    uint64_t start, end;

    kind_start(_i);
    for (unsigned i = 0; i < 5; i++) {
        put_at(1, i, 1, 40, 1);
        put_at(2, i, 1, 40, 1);
    }
    log_trim(store, 1, 3);
    log_drop(store, 2);
    flush();
    ck_assert_int_eq(log_range(store, 2, &start, &end), RC_NOT_FOUND);
    ck_log(1, 3, 5, 1, 40);
    log_trim(store, 1, 5);
    ck_assert_uint_eq(log_bytes(store, 1), 0);
    put_at(1, 5, 1, 40, 1);
    flush();
    ck_log(1, 5, 6, 1, 40);
    store_close(&store);
}
END_TEST

/* ---- a model beside the store ---- */

#define MODEL_LOGS  12
#define MODEL_STEPS 6000
#define MODEL_SEEDS 4

static struct model {
    uint32_t number;
    uint64_t start;
    uint64_t end;
} model[MODEL_LOGS];
static uint64_t model_random;
static uint32_t model_next; /* number of a log that was never there */

static unsigned model_below(unsigned limit)
{
    model_random = model_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(model_random >> 33) % limit;
}

static size_t model_len(const struct model *m)
{
    return 20 + m->number % 5 * 60;
}

static void model_append(struct model *m, unsigned count)
{
    while (count-- > 0) {
        put_at(m->number, m->end, 1, model_len(m), (int64_t)m->end);
        m->end++;
    }
}

static void model_check(const struct model *m)
{
    uint64_t start, end, offset;
    enum rc rc = log_range(store, m->number, &start, &end);

    ck_assert_int_eq(rc, m->end == 0 ? RC_NOT_FOUND : RC_OK);
    if (rc != RC_OK)
        return;
    ck_assert_uint_eq(start, m->start);
    ck_assert_uint_eq(end, m->end);
    ck_assert_uint_ge(log_bytes(store, m->number), (end - start) * model_len(m));
    if (start == end)
        return;
    ck_assert_int_eq(log_find_time(store, m->number, (int64_t)(end - 1), &offset), RC_OK);
    ck_assert_uint_lt(offset, end);
    offset = model_below(2) == 0 || end - start < 10 ? start : end - 1 - model_below(9);
    ck_log(m->number, offset, end, 1, model_len(m));
}

static void model_drop(struct model *m)
{
    if (m->end > 0)
        log_drop(store, m->number);
    *m = (struct model){ .number = model_next++ };
}

static void model_trim(struct model *m)
{
    if (m->end == 0)
        return;
    m->start += model_below((unsigned)(m->end - m->start) + 1);
    log_trim(store, m->number, m->start);
}

static void model_step(void)
{
    struct model *m = &model[model_below(MODEL_LOGS)];
    unsigned what = model_below(100);

    if (what < 55)
        model_append(m, 1);
    else if (what < 60) /* one that has long runs beside those that have not */
        model_append(&model[0], model_below(40));
    else if (what < 72)
        store_submit(store);
    else if (what < 80)
        store_poll(store);
    else if (what < 83)
        flush();
    else if (what < 90)
        model_trim(m);
    else if (what < 92)
        model_drop(m);
    else
        model_check(m);
}

static void model_check_all(void)
{
    for (unsigned i = 0; i < MODEL_LOGS; i++) {
        const struct model *m = &model[i];

        model_check(m);
        ck_log(m->number, m->start, m->end, 1, model_len(m));
        if (m->start == m->end)
            ck_assert_uint_eq(log_bytes(store, m->number), 0);
    }
}

/* `_i`: which store, and the seed. The cache holds some twenty appends. */
START_TEST(whatever_is_done_to_logs_in_whatever_order_they_are_as_a_model_has_them)
{
    store_config.cache_bytes = 4 << 10;
    store_config.segment_first_bytes = store_config.segment_max_bytes = 64 << 10;
    kind_start(_i % KINDS);
    model_random = (uint64_t)_i;
    for (model_next = 1; model_next <= MODEL_LOGS; model_next++)
        model[model_next - 1] = (struct model){ .number = model_next };
    for (unsigned step = 0; step < MODEL_STEPS; step++)
        model_step();
    flush();
    model_check_all();
    store_close(&store);
    if (!kind->is_durable)
        return;
    store_start(kind->open);
    model_check_all();
    store_close(&store);
}
END_TEST

START_TEST(logs_come_back_as_they_were)
{
    uint64_t start, end, offset;

    kind_start(_i);
    for (unsigned i = 0; i < 3000; i++) {
        put_at(1, 10 + i * 2, 2, 500, i);
        put_at(2 + i % 50, i / 50, 1, 30, i);
        if (i % 100 == 99)
            store_submit(store);
    }
    log_trim(store, 1, 3011);
    log_drop(store, 7);
    flush();
    for (int round = 0; round < 3; round++) {
        store_close(&store);
        store_start(kind->open);
        ck_assert_int_eq(log_range(store, 1, &start, &end), RC_OK);
        ck_assert_uint_eq(start, 3011);
        ck_assert_uint_eq(end, 6010);
        ck_log(1, 3011, 6010, 2, 500);
        ck_assert_int_eq(log_range(store, 7, &start, &end), RC_NOT_FOUND);
        for (unsigned i = 2; i < 52; i++) {
            if (i != 7)
                ck_log(i, 0, 60, 1, 30);
        }
        ck_assert_int_eq(log_find_time(store, 1, 2500, &offset), RC_OK);
        ck_assert_uint_le(offset, 5010);
    }
    put_at(1, 6010, 2, 500, 1);
    flush();
    ck_log(1, 5010, 6012, 2, 500);
    store_close(&store);
}
END_TEST

START_TEST(meta_values_come_back_in_key_order_and_the_last_one_wins)
{
    static char large[20000];

    kind_start(_i);
    ck_meta(META_QUEUES, "");
    put_meta(META_QUEUES, "b", "1");
    put_meta(META_QUEUES, "a", "2");
    put_meta(META_QUEUES, "aa", "3");
    put_meta(META_STREAMS, "z", "4");
    put_meta(META_QUEUES, "b", "5");
    put_meta(META_QUEUES, "c", "");
    meta_delete(store, META_QUEUES, SLICE("aa"), DURABILITY_ALWAYS);
    meta_delete(store, META_QUEUES, SLICE("never"), DURABILITY_ALWAYS);
    memset(large, 'x', sizeof(large) - 1);
    put_meta(META_RETAINED, "large", large);
    store_close(&store);
    store_start(kind->open);
    ck_meta(META_QUEUES, "a=2 b=5 c= ");
    ck_meta(META_STREAMS, "z=4 ");
    ck_meta(META_RETAINED, "large=xxxxxxxxxxxxxxxxxxxx ");
    ck_meta(META_BROKER, "");
    put_meta(META_RETAINED, "large", "small");
    meta_delete(store, META_QUEUES, SLICE("a"), DURABILITY_ALWAYS);
    store_close(&store);
    store_start(kind->open);
    ck_meta(META_QUEUES, "b=5 c= ");
    ck_meta(META_RETAINED, "large=small ");
    store_close(&store);
}
END_TEST

static enum rc on_large(void *arg, struct slice key, struct slice value)
{
    size_t i = 0;

    (void)key;
    while (i < value.len && value.at[i] == (uint8_t)(i * 13))
        i++;
    *(bool *)arg = value.len == 1000003 && i == value.len;
    return RC_LIMIT;
}

START_TEST(a_long_value_comes_back_whole_and_a_visit_can_stop)
{
    uint8_t *at = malloc(1000003);
    bool is_whole = false;

    for (size_t i = 0; i < 1000003; i++)
        at[i] = (uint8_t)(i * 13);
    kind_start(_i);
    meta_put(store, META_SETTLED, SLICE("k"), slice_of(at, 1000003), DURABILITY_ALWAYS);
    meta_put(store, META_SETTLED, SLICE("l"), SLICE("x"), DURABILITY_ALWAYS);
    store_close(&store);
    store_start(kind->open);
    ck_assert_int_eq(meta_each(store, META_SETTLED, on_large, &is_whole), RC_LIMIT);
    ck_assert(is_whole);
    store_close(&store);
    free(at);
}
END_TEST

START_TEST(an_append_larger_than_a_segment_is_kept)
{
    kind_start(_i);
    put_at(1, 0, 1, 3000000, 1);
    put_at(1, 1, 1, 3000000, 1);
    put_at(2, 0, 1, 10, 1);
    flush();
    put_at(2, 1, 1, 10, 1);
    store_close(&store);
    store_start(kind->open);
    ck_log(1, 0, 2, 1, 3000000);
    ck_log(2, 0, 2, 1, 10);
    store_close(&store);
}
END_TEST

START_TEST(a_second_opener_is_refused_until_the_first_has_closed)
{
    struct store_config config = STORE_CONFIG_DEFAULT;
    struct store *second = NULL;

    kind_start(_i);
    config.directory = directory;
    ck_assert_int_eq(kind->open(&config, &second), RC_LOCKED);
    ck_assert_ptr_null(second);
    store_close(&store);
    ck_assert_int_eq(kind->open(&config, &second), RC_OK);
    store_close(&second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tests = tcase_create("contract");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, store_fixture_setup, store_fixture_teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, an_append_is_readable_at_once_and_durable_after_the_flush, 0, KINDS);
    tcase_add_loop_test(tests, nothing_is_reported_durable_outside_poll, 0, KINDS);
    tcase_add_loop_test(
        tests, what_nobody_waits_for_is_committed_too_and_what_follows_it_does_not_wait, 0, KINDS);
    tcase_add_loop_test(tests, what_asks_for_memory_alone_is_due_later_until_somebody_waits_for_it,
                        0, KINDS);
    tcase_add_loop_test(tests, a_quiet_submit_is_told_with_the_next_poll, 0, KINDS);
    tcase_add_loop_test(tests, who_is_in_a_hurry_is_woken_for_what_was_submitted_quietly, 0, KINDS);
    tcase_add_loop_test(tests, trim_moves_the_start_and_drop_forgets_the_log, 0, KINDS);
    tcase_add_loop_test(tests, what_is_forgotten_in_parts_is_gone_at_once, 0, 2 * KINDS);
    tcase_add_loop_test(tests, a_log_is_dropped_while_it_is_forgotten_and_while_it_is_read, 0,
                        2 * KINDS);
    tcase_add_loop_test(tests, reads_that_miss_the_cache_give_the_same_bytes, 0, KINDS);
    tcase_add_loop_test(
        tests, a_read_outside_the_log_is_refused_and_one_below_the_cache_asks_for_a_read, 0, KINDS);
    tcase_add_loop_test(tests, a_cancelled_read_is_never_reported, 0, KINDS);
    tcase_add_loop_test(tests, a_read_of_what_is_trimmed_meanwhile_says_so, 0, KINDS);
    tcase_add_loop_test(tests, what_is_no_batch_is_compacted_to_itself, 0, KINDS);
    tcase_add_loop_test(tests, a_read_gives_at_least_one_entry_and_stops_at_its_limits, 0, KINDS);
    tcase_add_loop_test(tests, the_first_entry_at_or_after_a_time_is_found, 0, KINDS);
    tcase_add_loop_test(tests, tickets_rise_and_all_kinds_share_one_sequence, 0, KINDS);
    tcase_add_loop_test(tests, pieces_outlive_trim_drop_and_eviction, 0, KINDS);
    tcase_add_loop_test(tests, what_is_trimmed_or_dropped_before_its_commit_is_gone, 0, KINDS);
    tcase_add_loop_test(tests,
                        whatever_is_done_to_logs_in_whatever_order_they_are_as_a_model_has_them, 0,
                        KINDS * MODEL_SEEDS);
    tcase_add_loop_test(tests, logs_come_back_as_they_were, FIRST_DURABLE, KINDS);
    tcase_add_loop_test(tests, meta_values_come_back_in_key_order_and_the_last_one_wins,
                        FIRST_DURABLE, KINDS);
    tcase_add_loop_test(tests, a_long_value_comes_back_whole_and_a_visit_can_stop, FIRST_DURABLE,
                        KINDS);
    tcase_add_loop_test(tests, an_append_larger_than_a_segment_is_kept, FIRST_DURABLE, KINDS);
    tcase_add_loop_test(tests, a_second_opener_is_refused_until_the_first_has_closed, FIRST_DURABLE,
                        KINDS);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
